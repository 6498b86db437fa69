/* GAOKAO-Bench: outputs of its objective questions.
 *
 *   {"model_name":..,"example":[{"index":0,"question":..,"standard_answer":
 *    ["B","D"],"model_answer":[..],"model_output":".."}]}
 *
 * or, in the older files, the bare list.  The file's name says subject and
 * kind.  Official: the rules of the benchmark's own scorer, in words:
 * the last letter A-D; as many 【答案】 as there are questions, else the first
 * letters; the letters behind 【答案】, else those of the last ten characters;
 * the first five letters A-G (github.com/OpenLMLab/GAOKAO-Bench). */
#include <math.h>
#include <string.h>

#include "harness/outputs/output.h"

enum kind { SINGLE, SEVERAL, PHYSICS, SEVEN };

static const char *const official[] = {
    [SINGLE] = "{\"name\":\"list\",\"cut\":[{\"pattern\":\"[A-D]\","
               "\"take\":\"last\"}]}",
    [SEVERAL] = "{\"name\":\"list\",\"partial\":\"each\",\"cut\":["
                "{\"pattern\":\"【答案】\\\\s*[:：]*\\\\s*([A-Z])\","
                "\"count\":true},{\"pattern\":\"[A-Z]\",\"take\":\"first\"}]}",
    [PHYSICS] = "{\"name\":\"list\",\"partial\":0.5,\"cut\":["
                "{\"from\":\"【答案】\",\"pattern\":\"[A-D]\"},"
                "{\"tail\":10,\"nospace\":true,\"pattern\":\"[A-D]\"}]}",
    [SEVEN] = "{\"name\":\"list\",\"partial\":\"each\",\"cut\":["
              "{\"pattern\":\"[A-G]\",\"take\":\"first\"}]}",
};

static const struct subject {
    const char *zh, *en, *subset;
    enum kind kind;
} subjects[] = {
    { "英语全国卷单项", "English_MCQs", "english-mcq", SINGLE },
    { "完形填空", "Fill_in_Blanks", "english-blanks", SEVERAL },
    { "七选五", "Cloze_Test", "english-cloze", SEVEN },
    { "阅读理解", "Reading_Comp", "english-reading", SEVERAL },
    { "现代文", "Modern_Lit", "chinese-modern", SEVERAL },
    { "文数", "Math_II", "math-arts", SINGLE },
    { "理数", "Math_I", "math-science", SINGLE },
    { "物理", "Physics", "physics", PHYSICS },
    { "化学", "Chemistry", "chemistry", SINGLE },
    { "生物", "Biology", "biology", SINGLE },
    { "政治", "Political", "politics", SINGLE },
    { "历史", "History", "history", SINGLE },
    { "地理", "Geography", "geography", SEVERAL },
};

static const struct subject *subject_of(const char *file)
{
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        if (strstr(file, subjects[i].zh) || strstr(file, subjects[i].en))
            return &subjects[i];
    return NULL;
}

/* ".../run_3/NAME.json" is the third trial. */
static size_t trial_of(const char *file)
{
    const char *run = strstr(file, "/run_");
    size_t n = 0;

    for (run = run ? run + 5 : ""; *run >= '0' && *run <= '9' && n < 1000;
         run++)
        n = n * 10 + (size_t)(*run - '0');
    return n ? n - 1 : 0;
}

/* "gpt-3.5-turbo_2010_2022..." -> "gpt-3.5-turbo". */
static const char *model_of(const struct json *file, struct outputs *out)
{
    const char *said = output_field(file, "model_name", out->arena);
    const char *stem = output_stem(out->file, out->arena);

    if (said || !stem)
        return said;
    return arena_dup(out->arena, stem, strcspn(stem, "_"));
}

/* --- their verdict ----------------------------------------------------------- */

/* Their scorer compares lengths first; an answer that was stored as one text
 * counts its characters. */
static double slot_score(const struct json *want, const struct json *got)
{
    const char *text = json_string(got);
    size_t n = json_len(want), right = 0, i = 0;

    if ((text ? strlen(text) : json_len(got)) != n || n == 0)
        return 0;
    for (const struct json *w = json_child(want); w; w = json_next(w), i++) {
        const char *have = text ? NULL : json_string(json_at(got, i));
        const char *need = json_string(w);
        if (!need)
            continue;
        if (text)
            right += need[0] == text[i] && !need[1];
        else if (have)
            right += strcmp(have, need) == 0;
    }
    return (double)right / (double)n;
}

/* Physics: all 1, a part without a wrong letter 0.5. */
static double physics_score(const struct json *want, const struct json *got)
{
    const char *need = json_string(json_child(want));
    const char *have =
        json_string(got) ? json_string(got) : json_string(json_child(got));
    size_t n = have ? strlen(have) : 0;

    if (!need || !have || n == 0 || (json_string(got) && n != json_len(want)))
        return 0;
    if (strcmp(need, have) == 0)
        return 1;
    return strspn(have, need) == n && n < strlen(need) ? 0.5 : 0;
}

/* --- our items ---------------------------------------------------------------- */

/* Options that stand in the question, "A. text", one after the other. */
static size_t find_option(const char *s, size_t from, char letter, size_t *end)
{
    static const char *const dots[] = { ".", "．", "、", ":", "：" };

    for (size_t i = from; s[i]; i++) {
        bool apart = i == 0 || strchr(" \t\r\n;；", s[i - 1]) ||
                     (unsigned char)s[i - 1] >= 0x80;
        if (s[i] != letter || !apart)
            continue;
        for (size_t d = 0; d < sizeof dots / sizeof *dots; d++) {
            if (strncmp(s + i + 1, dots[d], strlen(dots[d])) == 0) {
                *end = i + 1 + strlen(dots[d]);
                return i;
            }
        }
    }
    return (size_t)-1;
}

static bool find_options(struct output *o, struct arena *a)
{
    const char *s = o->questions[0];
    size_t at[8], end[8], n = 0, from = 0;

    while (n < 8) {
        at[n] = find_option(s, from, (char)('A' + n), &end[n]);
        if (at[n] == (size_t)-1)
            break;
        from = end[n++];
    }
    o->choices = arena_array(a, n + 1, sizeof *o->choices);
    for (size_t i = 0; i < n && o->choices; i++) {
        size_t stop = i + 1 < n ? at[i + 1] : strlen(s);
        struct str text = str_trim((struct str){ s + end[i], stop - end[i] });
        if (text.n == 0)
            return false;
        o->choices[i].key = arena_printf(a, "%c", (char)('A' + i));
        o->choices[i].text = arena_dup(a, text.p, text.n);
    }
    o->n_choices = n >= 4 && o->choices ? n : 0;
    return o->n_choices > 0;
}

static bool has_choice(const struct output *o, const char *letters)
{
    for (; *letters; letters++)
        if (*letters < 'A' || *letters >= 'A' + (char)o->n_choices)
            return false;
    return true;
}

/* ["B","D"] as it is; {"set":["A","C"]} for the one text "AC". */
static const char *list_answer(const struct json *want, bool set,
                               struct arena *a)
{
    const char *letters = json_string(json_child(want)), *made;
    struct buf b;
    struct jw w;

    buf_init(&b, 1 << 16);
    jw_init(&w, &b, false);
    if (set) {
        jw_object(&w, NULL);
        jw_array(&w, "set");
        for (; letters && *letters; letters++)
            jw_text(&w, NULL, (struct str){ letters, 1 });
        jw_end(&w);
    } else {
        jw_array(&w, NULL);
        for (const struct json *x = json_child(want); x; x = json_next(x))
            jw_str(&w, NULL, json_string(x));
    }
    jw_end(&w);
    made = b.failed ? NULL : arena_dup(a, b.p, b.n);
    buf_free(&b);
    return made;
}

/* One letter, or one set of them, among options that can be read is a choice;
 * the rest are lists. */
static void put_answer(const struct json *want, enum kind kind,
                       struct outputs *out, struct output *o)
{
    const char *one = json_string(json_child(want));
    struct arena *a = out->arena;

    if (!out->official && (kind == SINGLE || kind == PHYSICS) && one &&
        find_options(o, a) && has_choice(o, one)) {
        o->answer = arena_printf(a, "\"%s\"", one);
        o->matcher =
            kind == PHYSICS
                ? "{\"name\":\"choice\",\"multi\":true,\"partial\":0.5}"
                : "{\"name\":\"choice\"}";
        return;
    }
    o->n_choices = 0;
    o->answer = list_answer(want, kind == PHYSICS, a);
    if (out->official)
        o->matcher = official[kind];
    else if (kind == PHYSICS)
        o->matcher = official[PHYSICS];
    else
        o->matcher = "{\"name\":\"list\",\"partial\":\"each\"}";
}

static enum err_code take(const struct json *x, const struct subject *s,
                          const char *model, struct outputs *out, struct err *e)
{
    const struct json *want = json_get(x, "standard_answer");
    struct arena *a = out->arena;
    struct output *o = output_new(out, e);
    const char *index;

    if (!o)
        return e->code;
    index = output_field(x, "index", a);
    o->suite = out->official ? "gaokao-bench-official" : "gaokao-bench";
    o->subset = s->subset;
    o->model = model;
    o->trial = trial_of(out->file);
    o->id = arena_printf(a, "%s-%s", s->subset, index ? index : "?");
    o->questions[0] = output_field(x, "question", a);
    o->texts[0] = output_field(x, "model_output", a);
    if (!index || !o->questions[0] || !o->texts[0] || !json_len(want))
        return err_set(e, ERR_FORMAT,
                       "entry %s: expected \"index\", \"question\", "
                       "\"standard_answer\" (a list) and \"model_output\"",
                       index ? index : "without an index");
    o->theirs = s->kind == PHYSICS
                    ? physics_score(want, json_get(x, "model_answer"))
                    : slot_score(want, json_get(x, "model_answer"));
    put_answer(want, s->kind, out, o);
    return ERR_OK;
}

static enum err_code on_file(const struct json *j, size_t line,
                             struct outputs *out, struct err *e)
{
    const struct subject *s = subject_of(out->file);
    const struct json *list =
        json_type(j) == JSON_ARRAY ? j : json_get(j, "example");
    const char *model = model_of(j, out);
    enum err_code rc = ERR_OK;

    (void)line;
    if (!s || !list)
        return err_set(e, ERR_FORMAT,
                       !s ? "the name tells no subject (Biology, 生物 ...)"
                          : "expected a list, or an object with \"example\"");
    for (const struct json *x = json_child(list); x && !rc; x = json_next(x))
        rc = take(x, s, model, out, e);
    return rc;
}

/* published.json and other tables stand beside the outputs. */
static enum err_code read_one(struct outputs *out, struct err *e)
{
    return subject_of(out->file) ? output_whole(out, on_file, e) : ERR_OK;
}

static enum err_code read_gaokao(const char *path, struct outputs *out,
                                 struct err *e)
{
    enum err_code rc = output_files(path, "", ".json", out, read_one, e);

    if (!rc && out->n == 0)
        rc = err_set(e, ERR_FORMAT,
                     "%s: no file whose name tells a subject (Biology, 生物 "
                     "...)",
                     path);
    return rc;
}

const struct output_format output_gaokao = {
    .name = "gaokao-bench",
    .doc = "GAOKAO-Bench: objective questions with \"model_output\"",
    .read = read_gaokao,
};
