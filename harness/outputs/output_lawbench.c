/* LawBench: predictions/zero_shot/MODEL/TASK.json, OpenCompass's form with
 * "refr".  How a task is judged stands in the table; official: the rule of the
 * benchmark's own scorer in words (github.com/open-compass/LawBench). */
#include <string.h>

#include "harness/outputs/output.h"

#define LABELS                                                                                              \
    "婚姻家庭|劳动纠纷|交通事故|债权债务|刑事辩护|合同纠纷|房产纠纷|侵权|"    \
    "公司法|医疗纠纷|拆迁安置|行政诉讼|建设工程|知识产权|综合咨询|人身损害|" \
    "涉外法律|海事海商|消费权益|抵押担保"

#define DIGITS "([0-9]+|[零〇一二两三四五六七八九十百]+)"

/* What the answer is made of the reference. */
enum form {
    LETTER, /* of an option */
    SET,    /* the one label */
    TEXT    /* as it is */
};

static const struct task {
    const char *id;
    const char *mark; /* before the answer in "refr" */
    const char *official, *ours;
    enum form form;
    char last;         /* letter of the options */
    const char *needs; /* characters of which the answer must have one */
} tasks[] = {
    { "1-1", "答案:",
      "{\"name\":\"similar\",\"metric\":\"rouge-l\",\"fold\":\"none\","
      "\"unit\":\"dictionary\",\"breaks\":true}",
      "{\"name\":\"similar\",\"metric\":\"rouge-l\"}", TEXT, 0, NULL },
    { "1-2", "正确答案：",
      "{\"name\":\"list\",\"cut\":[{\"pattern\":\"[A-D]\"}]}",
      "{\"name\":\"choice\"}", LETTER, 'D', NULL },
    { "2-4", "", "{\"name\":\"list\",\"cut\":[{\"pattern\":\"" LABELS "\"}]}",
      "{\"name\":\"list\",\"cut\":[{\"pattern\":\"\\\\[类别\\\\]\\\\s*(" LABELS
      ")\"},{\"pattern\":\"" LABELS "\"}]}",
      SET, 0, NULL },
    { "2-5",
      "回答:", "{\"name\":\"similar\",\"metric\":\"f1\",\"fold\":\"case\"}",
      "{\"name\":\"similar\",\"metric\":\"f1\",\"cut\":[\"回答:\",\"回答：\"]}",
      TEXT, 0, NULL },
    { "2-8", "[正确答案]",
      "{\"name\":\"list\",\"cut\":[{\"pattern\":\"[A-E]\"}]}",
      "{\"name\":\"choice\"}", LETTER, 'E', NULL },
    /* 死刑 and 无期 are no number of months and are not judged. */
    { "3-4", "刑期:",
      "{\"name\":\"number\",\"score\":\"log\",\"scale\":216,\"cut\":["
      "{\"pattern\":\"" DIGITS "个月\"},{\"pattern\":\"" DIGITS "月\"},"
      "{\"pattern\":\"" DIGITS "年\",\"times\":12}]}",
      "{\"name\":\"number\",\"score\":\"log\",\"scale\":216}", TEXT, 0,
      "0123456789" },
    { "3-7", "上文涉及到的犯罪金额:",
      "{\"name\":\"number\",\"cut\":["
      "{\"pattern\":\"\\\\d+\\\\.?\\\\d*\",\"take\":\"any\"}]}",
      "{\"name\":\"number\"}", TEXT, 0, "0123456789" },
};

static const struct task *task_of(const char *file, struct arena *a)
{
    const char *stem = output_stem(file, a);

    for (size_t i = 0; stem && i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(tasks[i].id, stem) == 0)
            return &tasks[i];
    return NULL;
}

/* The reference without its mark: the letter, or the label. */
static struct str reference(const struct output *o, const struct task *t)
{
    struct str s = str_of(o->answer);

    s = str_sub(s, 1, s.n > 1 ? s.n - 1 : 1); /* its JSON's quotes */
    if (str_starts(s, str_of(t->mark)))
        s = str_sub(s, strlen(t->mark), s.n);
    return t->form == LETTER ? str_sub(s, 0, s.n ? 1 : 0) : s;
}

/* "A:text;B:text..." behind the question. */
static void take_options(struct output *o, char last, struct arena *a)
{
    const char *at = o->questions[0], *next;
    size_t n = (size_t)(last - 'A') + 1;

    o->choices = arena_array(a, n, sizeof *o->choices);
    o->n_choices = 0;
    for (char c = 'A'; c <= last && at && o->choices; c++, at = next) {
        const char from[3] = { c, ':', '\0' },
                   to[3] = { (char)(c + 1), ':', '\0' };
        struct str text;
        at = strstr(at, from);
        next = at ? strstr(at + 2, to) : NULL;
        if (!at)
            break;
        text = (struct str){ at + 2,
                             next ? (size_t)(next - at - 2) : strlen(at + 2) };
        text = str_trim(text);
        if (text.n == 0)
            break;
        o->choices[o->n_choices].key = arena_printf(a, "%c", c);
        o->choices[o->n_choices++].text = arena_dup(a, text.p, text.n);
    }
    if (o->n_choices != n)
        o->n_choices = 0;
}

/* Whether the item is judged at all. */
static bool is_judged(const struct task *t, struct str want)
{
    const char *p = t->needs;

    if (!want.n)
        return false;
    while (p && *p && str_find(want, (struct str){ p, 1 }, 0) == (size_t)-1)
        p++;
    return !p || *p;
}

static void judge_as(struct outputs *out, struct output *o,
                     const struct task *t)
{
    struct arena *a = out->arena;
    struct str want = reference(o, t);
    bool letter = t->form == LETTER;

    if (!is_judged(t, want)) {
        o->answer = NULL;
        return;
    }
    if (letter && !out->official)
        take_options(o, t->last, a);
    o->matcher =
        out->official || (letter && !o->n_choices) ? t->official : t->ours;
    if (o->n_choices || t->form == TEXT)
        o->answer = arena_printf(a, "\"%.*s\"", STR_FMT(want));
    else
        o->answer = arena_printf(a, "{\"set\":[\"%.*s\"]}", STR_FMT(want));
}

static enum err_code read_lawbench(const char *path, struct outputs *out,
                                   struct err *e)
{
    enum err_code rc = output_opencompass.read(path, out, e);

    for (size_t i = 0; i < out->n && !rc; i++) {
        struct output *o = &out->list[i];
        const struct task *t = task_of(o->file, out->arena);
        o->subset = output_stem(o->file, out->arena);
        o->suite = out->official ? "lawbench-official" : "lawbench";
        o->id = arena_printf(out->arena, "%s-%s", o->subset, o->id);
        if (t && o->answer)
            judge_as(out, o, t);
        else
            o->answer = NULL;
    }
    return rc;
}

const struct output_format output_lawbench = {
    .name = "lawbench",
    .doc = "LawBench: predictions/zero_shot/MODEL/TASK.json",
    .read = read_lawbench,
};
