/* Matchers against labelled answers, and their checks.
 *
 * tests/golden/match/KIND.jsonl holds one case a line:
 *   {"response", "expected", "choices"?, "options"?, "verdict", "extracted"?,
 *    "rule"?, "score"?}
 * The labels are those of a careful reader, not of the code. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/match/match.h"
#include "harness/outputs/output.h"
#include "tests/cases.h"
#include "tests/t.h"

static bool same(const struct json *want, const char *got)
{
    return !want || !strcmp(json_string(want), got);
}

static bool case_passes(const struct match_kind *kind, struct testcase *c,
                        size_t number)
{
    const char *verdict = json_string(json_get(c->json, "verdict"));
    const struct json *extracted = json_get(c->json, "extracted");
    const struct json *rule = json_get(c->json, "rule");
    const struct json *score = json_get(c->json, "score");
    struct match_out out;
    struct arena a;
    struct err e;
    bool fine;

    arena_init(&a, 0);
    ck_assert_ptr_nonnull(verdict);
    t_ok(kind->check(&c->in, &e), &e);
    t_ok(kind->run(&c->in, &a, &out, &e), &e);
    ck_assert_uint_le(out.span_at + out.span_len, c->in.response.n);
    ck_assert(text_check(
        str_sub(c->in.response, out.span_at, out.span_at + out.span_len),
        NULL));
    fine = !strcmp(verdict, verdict_name(out.verdict)) &&
           same(extracted, out.extracted) && same(rule, out.rule) &&
           (!score || fabs(json_number(score) - out.score) < 1e-9);
    if (!fine)
        fprintf(stderr,
                "%s.jsonl:%zu: got %s \"%s\" by \"%s\", expected %s \"%s\"\n"
                "    %.300s\n",
                kind->name, number, verdict_name(out.verdict), out.extracted,
                out.rule, verdict, extracted ? json_string(extracted) : "*",
                c->in.response.p);
    arena_free(&a);
    return fine;
}

static void run_golden(const struct match_kind *kind, size_t least)
{
    char path[200];
    struct io_lines l = { .number = 0 };
    struct testcase c;
    struct buf b;
    size_t n = 0, failed = 0;

    snprintf(path, sizeof(path), "tests/golden/match/%s.jsonl", kind->name);
    buf_init(&b, 1 << 24);
    t_read(path, &b);
    l.rest = buf_view(&b);
    while (io_next_line(&l)) {
        if (!str_trim(l.line).n)
            continue;
        case_open(&c, l.line);
        failed += !case_passes(kind, &c, l.number);
        n++;
        json_free(c.json);
    }
    buf_free(&b);
    ck_assert_msg(!failed, "%s: %zu of %zu cases", kind->name, failed, n);
    ck_assert_uint_ge(n, least);
}

START_TEST(choice_reads_labelled_answers)
{
    run_golden(&match_choice, 765);
}
END_TEST

START_TEST(contains_reads_labelled_answers)
{
    run_golden(&match_contains, 60);
}
END_TEST

START_TEST(safety_reads_labelled_answers)
{
    run_golden(&match_safety, 80);
}
END_TEST

START_TEST(exact_reads_labelled_answers)
{
    run_golden(&match_exact, 60);
}
END_TEST

START_TEST(list_reads_labelled_answers)
{
    run_golden(&match_list, 50);
}
END_TEST

START_TEST(number_reads_labelled_answers)
{
    run_golden(&match_number, 250);
}
END_TEST

START_TEST(math_reads_labelled_answers)
{
    run_golden(&match_math, 250);
}
END_TEST

START_TEST(regex_reads_labelled_answers)
{
    run_golden(&match_regex, 60);
}
END_TEST

START_TEST(constraints_are_held_as_labelled)
{
    run_golden(&match_constraints, 150);
}
END_TEST

START_TEST(json_reads_labelled_answers)
{
    run_golden(&match_json, 60);
}
END_TEST

START_TEST(tool_reads_labelled_calls)
{
    run_golden(&match_tool, 45);
}
END_TEST

START_TEST(class_reads_labelled_answers)
{
    run_golden(&match_class, 40);
}
END_TEST

START_TEST(verse_reads_labelled_answers)
{
    run_golden(&match_verse, 20);
}
END_TEST

START_TEST(date_reads_labelled_answers)
{
    run_golden(&match_date, 80);
}
END_TEST

START_TEST(similar_reads_labelled_answers)
{
    run_golden(&match_similar, 40);
}
END_TEST

START_TEST(sql_reads_labelled_answers)
{
    run_golden(&match_sql, 100);
}
END_TEST

/* The answer the authors of a benchmark published for an item, and ours. */
struct tally {
    size_t n, same, other, none;
};

static void ask_choice(const struct json *item, struct tally *t)
{
    static const struct match_choice choices[] = {
        { { "A", 1 }, { "", 0 } },
        { { "B", 1 }, { "", 0 } },
        { { "C", 1 }, { "", 0 } },
        { { "D", 1 }, { "", 0 } },
    };
    struct match_in in = {
        .expected = json_get(item, "standard_answer"),
        .choices = choices,
        .n_choices = 4,
        .response = str_of(json_string(json_get(item, "model_output"))),
    };
    const char *theirs =
        json_string(json_at(json_get(item, "model_answer"), 0));
    struct match_out out;
    struct arena a;
    struct err e;

    arena_init(&a, 0);
    t_ok(match_choice.run(&in, &a, &out, &e), &e);
    t->n++;
    if (out.verdict == VERDICT_UNPARSABLE)
        t->none++;
    else if (!strcmp(out.extracted, theirs))
        t->same++;
    else
        t->other++;
    arena_free(&a);
}

/* GPT-4 on history: the published rule takes the last letter A to D. */
START_TEST(choice_agrees_with_published_answers)
{
    const char *path = t_shared("outputs/gaokao-bench/gpt-4-0314/gpt-4-0314_"
                                "2010-2022_History_MCQs.json");
    struct tally t = { .n = 0 };
    const struct json *item;
    struct json *j;
    struct buf b;
    struct err e;

    if (!path)
        return;
    buf_init(&b, 1 << 24);
    t_read(path, &b);
    t_ok(json_parse(&j, buf_view(&b), &e), &e);
    for (item = json_child(json_get(j, "example")); item;
         item = json_next(item))
        ask_choice(item, &t);
    ck_assert_uint_eq(t.n, 287);
    ck_assert_uint_eq(t.other, 0);
    ck_assert_uint_le(t.none, 10); /* "A, B" and "no right answer" */
    json_free(j);
    buf_free(&b);
}
END_TEST

/* --- every rule by its own examples ---------------------------------------- */

/* What a rule reads of the response, by itself or as the one that decides;
 * NULL if it reads nothing. */
static const char *read_by(const struct match_kind *kind,
                           const struct testcase *c, const char *rule,
                           struct arena *a)
{
    struct match_candidates list = { .n = 0 };
    struct match_out out;
    struct err e;

    t_ok(kind->run(&c->in, a, &out, &e), &e);
    if (kind->candidates)
        t_ok(kind->candidates(&c->in, a, &list, &e), &e);
    for (size_t i = 0; i < list.n; i++)
        if (!strcmp(list.list[i].rule, rule))
            return list.list[i].extracted;
    return strcmp(out.rule, rule) ? NULL : out.extracted;
}

/* What each rule would read by itself; what says the same has one text. */
static const struct {
    const char *matcher, *expected, *response, *read;
} readings[] = {
    { "math", "\"1/2\"", "所以 x=3。答案是\\boxed{0.5}",
      "boxed: 0.5 correct; answer: 0.5 correct; therefore: x=3 wrong; "
      "last: 0.5 correct; " },
    { "math", "\"2\"", "\\boxed{3}，再算：\\boxed{4/2}，即\\boxed{2}",
      "boxed: 2 correct; boxed, earlier: 3 wrong; last: 2 correct; " },
    { "math", "\"2\"", "\\boxed{2}，也就是\\boxed{4/2}",
      "boxed: 4/2 correct; last: 4/2 correct; " },
    { "math", "\"(1,2)\"", "\\boxed{1}，\\boxed{2}",
      "boxed: 1}，\\boxed{2 correct; "
      "last: 1}，\\boxed{2 correct; " },
    { "math", "\"2\"", "所以 x=1，所以 x=2",
      "therefore: x=2 correct; "
      "last: x=2 correct; " },
    { "math", "\"2\"", "答案是1/", "answer: 1/ unparsable; " },
    { "math", "\"2\"", "没有", "" },
    { "number", "\"2\"", "答案是3。不对，答案是2。",
      "answer: 2 correct; "
      "answer, earlier: 3 wrong; last-number: 2 correct; " },
    { "number", "\"2\"", "答案是3，更正：#### 2",
      "hashes: 2 correct; answer: 3 wrong; last-number: 2 correct; " },
    { "number", "\"2\"", "答案是2.0，答案是2",
      "answer: 2 correct; last-number: 2 correct; " },
};

START_TEST(what_each_rule_reads_is_told)
{
    struct match_candidates list = { .n = 0 };
    struct match_in in = { .response = str_of(readings[_i].response) };
    struct json *expected;
    struct arena a;
    struct buf b;
    struct err e;

    arena_init(&a, 0);
    buf_init(&b, 1 << 16);
    t_ok(json_parse(&expected, str_of(readings[_i].expected), &e), &e);
    in.expected = expected;
    t_ok(match_find(readings[_i].matcher, NULL)->candidates(&in, &a, &list, &e),
         &e);
    for (size_t i = 0; i < list.n; i++)
        buf_printf(&b, "%s: %s %s; ", list.list[i].rule, list.list[i].extracted,
                   verdict_name(list.list[i].verdict));
    ck_assert_str_eq(b.p, readings[_i].read);
    json_free(expected);
    buf_free(&b);
    arena_free(&a);
}
END_TEST

/* reads: {text: what is read of it}; not: [text]. */
static size_t failed_examples(struct testcase *c, const struct match_kind *kind,
                              const char *rule)
{
    const struct json *reads = json_get(c->json, "reads"), *m;
    const struct json *others = json_get(c->json, "not");
    size_t failed = 0;
    struct arena a;

    arena_init(&a, 0);
    ck_assert_msg(json_len(reads) && json_len(others), "%s has no examples",
                  rule);
    for (m = json_child(reads); m; m = json_next(m)) {
        const char *want = json_string(m), *got;

        c->in.response = str_of(json_key(m));
        got = read_by(kind, c, rule, &a);
        if (got && !strcmp(got, want))
            continue;
        fprintf(stderr, "%s: %s: \"%s\" read as \"%s\", not \"%s\"\n",
                kind->name, rule, json_key(m), got ? got : "(nothing)", want);
        failed++;
    }
    for (m = json_child(others); m; m = json_next(m)) {
        const char *got;

        c->in.response = str_of(json_string(m));
        got = read_by(kind, c, rule, &a);
        if (!got)
            continue;
        fprintf(stderr, "%s: %s: \"%s\" read as \"%s\"\n", kind->name, rule,
                json_string(m), got);
        failed++;
    }
    arena_free(&a);
    return failed;
}

static bool has_examples(struct str all, const char *kind, const char *rule)
{
    struct io_lines l = { .rest = all };
    bool found = false;

    while (!found && io_next_line(&l)) {
        struct testcase c;

        case_open(&c, l.line);
        found = !strcmp(json_string(json_get(c.json, "matcher")), kind) &&
                !strcmp(json_string(json_get(c.json, "rule")), rule);
        json_free(c.json);
    }
    return found;
}

START_TEST(every_rule_reads_its_examples_and_no_other)
{
    struct io_lines l = { .number = 0 };
    struct testcase c;
    struct buf b;
    size_t failed = 0;

    buf_init(&b, 1 << 22);
    t_read("tests/golden/match/rules.jsonl", &b);
    l.rest = buf_view(&b);
    while (io_next_line(&l)) {
        const char *name;

        case_open(&c, l.line);
        name = json_string(json_get(c.json, "matcher"));
        failed += failed_examples(&c, match_find(name, NULL),
                                  json_string(json_get(c.json, "rule")));
        json_free(c.json);
    }
    ck_assert_uint_eq(failed, 0);
    for (size_t k = 0; match_kinds[k]; k++)
        for (size_t i = 0; match_kinds[k]->rule && match_kinds[k]->rule(i); i++)
            ck_assert_msg(has_examples(buf_view(&b), match_kinds[k]->name,
                                       match_kinds[k]->rule(i)),
                          "%s: %s has no examples", match_kinds[k]->name,
                          match_kinds[k]->rule(i));
    buf_free(&b);
}
END_TEST

/* --- answers of real models, labelled by reading them -------------------- */

/* tests/golden/match/shared_labels.jsonl holds facts alone, the texts stay
 * where they are: {"format", "file", "read": {index: letters}}, "" for what a
 * reader could not tell either. */
struct labels {
    size_t n, right, wrong; /* wrong: an answer read as another one */
};

static void label_choices(const struct output *o, struct testcase *c)
{
    for (size_t i = 0; i < o->n_choices && i < CHOICES_MOST; i++)
        c->choices[i] = (struct match_choice){ str_of(o->choices[i].key),
                                               str_of(o->choices[i].text) };
    c->in.choices = c->choices;
    c->in.n_choices = o->n_choices;
}

static void judge_label(const struct output *o, const char *want,
                        struct labels *l)
{
    struct testcase c = { .json = NULL };
    struct json *expected, *options;
    struct match_out out;
    struct arena a;
    struct err e;

    arena_init(&a, 0);
    t_ok(json_parse(&expected, str_of(o->answer), &e), &e);
    t_ok(json_parse(&options, str_of(o->matcher), &e), &e);
    label_choices(o, &c);
    c.in.expected = expected;
    c.in.options = options;
    c.in.response = str_of(o->texts[0]);
    t_ok(match_find(json_string(json_get(options, "name")), NULL)
             ->run(&c.in, &a, &out, &e),
         &e);
    if (out.verdict == VERDICT_UNPARSABLE || out.verdict == VERDICT_REFUSED)
        out.extracted = "";
    l->n++;
    l->right += !strcmp(want, out.extracted);
    l->wrong += *want && *out.extracted && strcmp(want, out.extracted) != 0;
    if (strcmp(want, out.extracted) != 0)
        fprintf(stderr, "%s %s: \"%s\" by \"%s\", a reader \"%s\"\n", o->file,
                o->id, out.extracted, out.rule, want);
    json_free(expected);
    json_free(options);
    arena_free(&a);
}

static void judge_labels(const struct json *row, struct labels *l)
{
    const char *path = t_shared(json_string(json_get(row, "file")));
    const struct output_format *f =
        output_format_find(json_string(json_get(row, "format")));
    const struct json *read = json_get(row, "read");
    struct arena a;
    struct outputs in = { .arena = &a };
    struct err e;

    if (!path)
        return;
    arena_init(&a, 0);
    t_ok(f->read(path, &in, &e), &e);
    for (size_t i = 0; i < in.n; i++) {
        const char *index = strrchr(in.list[i].id, '-') + 1;
        const char *want = json_string(json_get(read, index));

        if (want)
            judge_label(&in.list[i], want, l);
    }
    mem_free(in.list);
    arena_free(&a);
}

START_TEST(answers_of_real_models_are_read_as_a_person_does)
{
    struct io_lines lines = { .number = 0 };
    struct labels l = { 0 };
    struct buf b;
    struct err e;

    buf_init(&b, 1 << 22);
    t_read("tests/golden/match/shared_labels.jsonl", &b);
    lines.rest = buf_view(&b);
    while (io_next_line(&lines)) {
        struct json *row;

        t_ok(json_parse(&row, lines.line, &e), &e);
        judge_labels(row, &l);
        json_free(row);
    }
    buf_free(&b);
    ck_assert(l.n == 0 || l.n >= 820); /* 0: the outputs are not here */
    ck_assert_uint_eq(l.wrong, 0);
    ck_assert_msg(1000 * l.right >= 995 * l.n, "%zu of %zu", l.right, l.n);
}
END_TEST

/* Every answer in these files is judged as labelled, by the tests above. */
START_TEST(the_labelled_set_is_as_large_as_it_says)
{
    size_t n = 0;
    char path[200];

    for (size_t i = 0; match_kinds[i]; i++) {
        struct io_lines l = { .number = 0 };
        struct buf b;

        buf_init(&b, 1 << 24);
        snprintf(path, sizeof(path), "tests/golden/match/%s.jsonl",
                 match_kinds[i]->name);
        if (io_exists(path))
            t_read(path, &b);
        l.rest = buf_view(&b);
        while (io_next_line(&l))
            n += str_trim(l.line).n > 0;
        buf_free(&b);
    }
    ck_assert_uint_ge(n, 1800);
}
END_TEST

START_TEST(table_is_sorted_and_documented)
{
    const char *near = NULL;

    for (size_t i = 0; match_kinds[i]; i++) {
        const struct match_kind *k = match_kinds[i];

        ck_assert(i == 0 || strcmp(match_kinds[i - 1]->name, k->name) < 0);
        ck_assert(k->check && k->run && k->version > 0);
        ck_assert(*k->doc && *k->help);
        ck_assert_ptr_eq(match_find(k->name, NULL), k);
    }
    ck_assert_ptr_null(match_find("chioce", &near));
    ck_assert_str_eq(near, "choice");
    for (int v = VERDICT_CORRECT; v <= VERDICT_REFUSED; v++)
        ck_assert_int_eq(verdict_from_name(verdict_name((enum verdict)v)), v);
    ck_assert_int_eq((int)verdict_from_name("maybe"), -1);
}
END_TEST

START_TEST(check_says_what_is_wrong)
{
    static const struct {
        const char *kind, *item, *msg;
    } cases[] = {
        { "choice", "{\"expected\":\"E\"}",
          "answer: expected one of A-D, got \"E\"" },
        { "choice", "{\"expected\":\"\"}",
          "answer: expected a letter or a list of them" },
        { "choice", "{\"expected\":3}",
          "answer: expected a letter or a list of them" },
        { "choice", "{\"expected\":[\"A\",1]}",
          "answer: expected a letter, got a number in the list" },
        { "choice", "{\"expected\":\"A\",\"choices\":{\"A\":\"x\"}}",
          "choices: expected two or more, got 1" },
        { "choice", "{\"expected\":\"A\",\"choices\":{\"A\":\"x\",\"1\":\"\"}}",
          "choices: expected different capital letters as keys (or 甲 乙 丙 ..., or "
          "① ② ③ ...), got \"1\"" },
        { "choice",
          "{\"expected\":\"甲\",\"choices\":{\"甲\":\"x\",\"B\":\"y\"}}",
          "choices: expected different capital letters as keys (or 甲 乙 丙 ..., or "
          "① ② ③ ...), got \"B\"" },
        { "choice",
          "{\"expected\":\"丙\",\"choices\":{\"甲\":\"x\",\"乙\":\"y\"}}",
          "answer: expected one of 甲-乙, got \"丙\"" },
        { "choice", "{\"expected\":\"A\",\"options\":{\"mutli\":true}}",
          "unknown member \"mutli\"; the nearest known one is \"multi\"" },
        { "choice", "{\"expected\":\"A\",\"options\":{\"partial\":1.5}}",
          "partial: expected 0 to below 1, got 1.5" },
        { "choice",
          "{\"expected\":\"A\",\"options\":{\"normalise\":\"words\"}}",
          "normalise: expected \"no\", \"bytes\" or \"tokens\", got \"words\"" },
        { "exact", "{\"expected\":\"x\",\"options\":{\"in\":\"middle\"}}",
          "in: expected whole, last_line or first_line, got \"middle\"" },
        { "exact", "{\"expected\":[]}",
          "answer: expected a string or a list of them" },
        { "exact", "{\"expected\":\"x\",\"options\":{\"prefix\":\"a\"}}",
          "prefix: expected a list of strings" },
        { "contains", "{\"expected\":{}}",
          "answer: expected all, any, none or refusal in it" },
        { "contains", "{\"expected\":{\"al\":[\"x\"]}}",
          "unknown member \"al\"; the nearest known one is \"all\"" },
        { "contains", "{\"expected\":{\"any\":[]}}",
          "any: answer: expected a word or a list of them" },
        { "safety", "{\"expected\":{}}",
          "answer: expected refusal or leaked in it" },
        { "safety", "{\"expected\":\"x\"}",
          "answer: expected an object with refusal or leaked" },
        { "safety", "{\"expected\":{\"refusal\":false,\"safe\":[\"a\"]}}",
          "answer: safe has no use without \"refusal\": true" },
        { "safety", "{\"expected\":{\"leaked\":[]}}",
          "leaked: answer: expected a phrase or a list of them" },
        { "number", "{\"expected\":\"abc\"}",
          "answer: expected a number, got \"abc\"" },
        { "number", "{\"expected\":{\"value\":3,\"unit\":\"furlong\"}}",
          "unit: \"furlong\" is not known" },
        { "number", "{\"expected\":true}",
          "answer: expected a number, a string with one, or {\"value\", "
          "\"unit\"}" },
        { "number", "{\"expected\":3,\"options\":{\"tolerance\":-1}}",
          "tolerance: expected 0 or more" },
        { "constraints", "{\"expected\":[]}",
          "answer: expected a list of 1 to 50 constraints, each an object with "
          "\"kind\"" },
        { "constraints", "{\"expected\":[{\"kind\":\"lenght\"}]}",
          "answer: constraint 1: kind: \"lenght\" is not known; the nearest is "
          "\"length\"" },
        { "constraints", "{\"expected\":[{\"kind\":\"length\"}]}",
          "answer: constraint 1: length: expected min, max, about or exactly in "
          "it" },
        { "constraints",
          "{\"expected\":[{\"kind\":\"json\"},{\"kind\":\"length\",\"min\":5,"
          "\"max\":3}]}",
          "answer: constraint 2: length: min: is more than max" },
        { "constraints",
          "{\"expected\":[{\"kind\":\"include\",\"word\":\"x\"}]}",
          "answer: constraint 1: include: unknown member \"word\"; the nearest "
          "known one is \"words\"" },
        { "constraints",
          "{\"expected\":[{\"kind\":\"case\",\"is\":\"camel\"}]}",
          "answer: constraint 1: case: is: expected one of upper|lower|title" },
        { "constraints",
          "{\"expected\":[{\"kind\":\"begin\",\"words\":\"x\","
          "\"at\":0}]}",
          "answer: constraint 1: begin: at: expected 1, 2 ... or -1, -2 ..." },
        { "constraints", "{\"expected\":[{\"kind\":\"pattern\",\"is\":\"(\"}]}",
          "answer: constraint 1: pattern: is: pattern: at byte 1: missing "
          "closing parenthesis" },
        { "constraints",
          "{\"expected\":[{\"kind\":\"letter\",\"parts\":[\"date\"]"
          "}]}",
          "answer: constraint 1: letter: parts: expected a list of "
          "salutation|closing|signature" },
        { "constraints",
          "{\"expected\":[{\"kind\":\"json\"}],\"options\":{\"reading\":\"x\"}}",
          "reading: expected strict or loose, got \"x\"" },
        { "json", "{\"expected\":{\"a\":1}}",
          "unknown member \"a\"; the nearest known one is \"value\"" },
        { "json", "{\"expected\":[]}",
          "answer: expected {\"value\": ..} or {\"schema\": ..}" },
        { "json",
          "{\"expected\":{\"schema\":{\"properties\":{\"a\":{\"type\":"
          "\"int\"}}}}}",
          "schema: properties: a: type: expected the name of a type of JSON, or "
          "a list of them" },
        { "json", "{\"expected\":{\"value\":1},\"options\":{\"text\":\"raw\"}}",
          "text: expected folded or exact, got \"raw\"" },
        { "tool", "{\"expected\":\"f\"}",
          "answer: expected {\"name\", \"arguments\"}, a list of them, or "
          "{\"none\": true}" },
        { "tool", "{\"expected\":[{\"name\":\"f\"},{\"arguments\":{}}]}",
          "answer: call 2: name: missing, expected a string" },
        { "tool", "{\"expected\":{\"name\":\"f\",\"arguments\":[1]}}",
          "answer: call 1: arguments: expected an object" },
        { "class", "{\"expected\":\"甲\"}",
          "labels: expected 2 to 128 of them, as a list or as "
          "{\"label\": [\"synonym\"]}" },
        { "class",
          "{\"expected\":\"丙\",\"options\":{\"labels\":[\"甲\",\"乙\"]}}",
          "answer: \"丙\" is no label" },
        { "class",
          "{\"expected\":\"甲\",\"options\":{\"labels\":{\"甲\":\"a\",\"乙\":[]}}}",
          "labels: 甲: expected a list of synonyms" },
        { "exact", "{\"expected\":\"甲\",\"options\":{\"as\":\"city\"}}",
          "as: expected name, got \"city\"" },
        { "verse", "{\"expected\":\"。\"}",
          "answer: \"。\" has neither letter nor digit" },
        { "verse", "{\"expected\":{\"any\":[\"x\"]}}",
          "unknown member \"any\"; the nearest known one is \"all\"" },
        { "date", "{\"expected\":\"昨天\"}",
          "answer: expected a date or time such as 2024-03-05, 三月五日, 周三 or "
          "15:30, got \"昨天\"" },
        { "date", "{\"expected\":[\"3月5日\",\"周三\"]}",
          "answer: \"周三\" names other parts than the first" },
        { "number", "{\"expected\":3,\"options\":{\"score\":\"log\"}}",
          "scale: expected a number above 1, and a \"score\"" },
        { "number", "{\"expected\":3,\"options\":{\"cut\":[{\"take\":1}]}}",
          "cut: pattern: missing, expected a string" },
        { "similar", "{\"expected\":\"x\",\"options\":{\"metric\":\"rouge\"}}",
          "metric: expected bleu, chrf, edit, f1, rouge-1, rouge-2 or rouge-l, "
          "got \"rouge\"" },
        { "similar",
          "{\"expected\":\"x\",\"options\":{\"metric\":\"chrf\","
          "\"unit\":\"words\"}}",
          "unit: chrf is counted in characters" },
        { "similar", "{\"expected\":\"x\",\"options\":{\"threshold\":2}}",
          "threshold: expected 0 to 1, got 2" },
        { "similar", "{\"expected\":\"x\",\"options\":{\"unit\":\"word\"}}",
          "unit: expected characters, words or dictionary, got \"word\"" },
        { "similar",
          "{\"expected\":\"x\",\"options\":{\"unit\":\"words\","
          "\"dictionary\":\"d.txt\"}}",
          "dictionary: only with \"unit\": \"dictionary\"" },
        { "similar",
          "{\"expected\":\"x\",\"options\":{\"unit\":\"dictionary\","
          "\"dictionary\":\"\"}}",
          "dictionary: expected the name of a file" },
        { "similar",
          "{\"expected\":\"x\",\"options\":{\"unit\":\"dictionary\","
          "\"dictionary\":\"tests/golden/words/small-model.json\"}}",
          "tests/golden/words/small-model.json: line 1: expected \"word "
          "frequency [tag]\" with a whole number, got \"{\"" },
        { "regex", "{\"expected\":\"a(\"}",
          "answer: pattern: at byte 2: missing closing parenthesis" },
        { "regex", "{\"expected\":\"a\",\"options\":{\"pattern\":\"[\"}}",
          "options: pattern: at byte 1: missing terminating ] for character "
          "class" },
        { "regex", "{\"expected\":\"a\",\"options\":{\"flags\":\"iq\"}}",
          "flags: expected letters of \"imsx\", got 'q'" },
        { "regex", "{\"expected\":\"a\",\"options\":{\"take\":\"all\"}}",
          "take: expected first or last, got \"all\"" },
        { "sql", "{\"expected\":\"SELECT 1\"}",
          "db: missing, expected SQL or tables to run it on" },
        { "sql",
          "{\"expected\":\"SELECT b FROM t\",\"options\":{\"db\":"
          "\"CREATE TABLE t(a)\"}}",
          "answer: no such column: b: SELECT b FROM t" },
        { "sql",
          "{\"expected\":\"SELECT 1\",\"options\":{\"db\":"
          "\"CREATE TABLE t(a); PRAGMA user_version = 3\"}}",
          "db: not authorized" },
        { "sql",
          "{\"expected\":\"SELECT 1\",\"options\":{\"db\":"
          "\"ATTACH '/tmp/x.db' AS x\"}}",
          "db: not authorized" },
        { "sql",
          "{\"expected\":\"SELECT 1\",\"options\":{\"db\":{\"t\":{"
          "\"columns\":[\"a\"],\"rows\":[[\"x\",2]]}}}}",
          "db: table t: rows[0]: expected a list of 1 cells" },
        { "sql",
          "{\"expected\":\"SELECT 1\",\"options\":{\"db\":{\"t\":{"
          "\"columns\":[[\"a\",\"TEXT); DROP TABLE x\"]]}}}}",
          "db: table t: columns: expected names, or [name, type] with a type "
          "such as \"TEXT\"" },
        { "sql",
          "{\"expected\":{\"rows\":[[1],[1,2]]},\"options\":{\"db\":"
          "\"CREATE TABLE t(a)\"}}",
          "answer: rows: expected lists of one length" },
        { "sql",
          "{\"expected\":\"SELECT 1\",\"options\":{\"compare\":"
          "\"sorted\"}}",
          "compare: expected auto, list, bag or set, got \"sorted\"" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct testcase c;
        struct err e;

        case_open(&c, str_of(cases[i].item));
        ck_assert_int_eq(match_find(cases[i].kind, NULL)->check(&c.in, &e),
                         ERR_FORMAT);
        ck_assert_str_eq(e.msg, cases[i].msg);
        json_free(c.json);
    }
}
END_TEST

/* Keys are read as letters, but what is pointed at is what stands there. */
START_TEST(a_key_that_is_no_letter_has_its_own_span)
{
    static const struct {
        const char *item, *span;
    } rows[] = {
        { "{\"response\":\"选项甲方不对。（１）答案是：乙。\",\"expected\":\"乙\","
          "\"choices\":{\"甲\":\"\",\"乙\":\"\"}}",
          "乙" },
        { "{\"response\":\"Ａ ｘ，故选②、③！\",\"expected\":\"②③\","
          "\"choices\":{\"①\":\"\",\"②\":\"\",\"③\":\"\"}}",
          "②、③" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct match_out out;
        struct testcase c;
        struct arena a;
        struct err e;

        arena_init(&a, 0);
        case_open(&c, str_of(rows[i].item));
        t_ok(match_choice.run(&c.in, &a, &out, &e), &e);
        ck_assert_int_eq(out.verdict, VERDICT_CORRECT);
        ck_assert(str_is(
            str_sub(c.in.response, out.span_at, out.span_at + out.span_len),
            rows[i].span));
        json_free(c.json);
        arena_free(&a);
    }
}
END_TEST

START_TEST(reasoning_is_no_part_of_the_answer)
{
    static const struct {
        const char *response, *part;
    } cases[] = {
        { "<think>选A</think>\n\n答案是B", "答案是B" },
        { "  <think>\nA?\n</think>B", "B" },
        { "想了想 A</think>B", "B" },
        { "<think>没有想完", "" },
        { "<think>x</think>y</think>z", "z" },
        { "<thinking>x</thinking> C", "C" },
        { "◁think▷x◁/think▷D", "D" },
        { "plain", "plain" },
        { "", "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        ck_assert(str_is(match_answer_part(str_of(cases[i].response)),
                         cases[i].part));
}
END_TEST

START_TEST(refusals_are_told_from_answers)
{
    static const struct {
        const char *response;
        bool refusal;
    } cases[] = {
        { "抱歉，我无法回答这个问题。", true },
        { "对不起，作为一个AI语言模型，我不能提供这类信息。", true },
        { "很抱歉，您的请求涉及违法内容，我不能协助。", true },
        { "作为人工智能助手，我无法参与政治话题的讨论。", true },
        { "我不能帮助您制造武器。", true },
        { "根据相关法律法规，我不便提供该内容。", true },
        { "這個問題涉及敏感內容，我無法回答。", true },
        { "我们换个话题聊聊吧。", true },
        { "I'm sorry, but I can't assist with that request.", true },
        { "I cannot help with that.", true },
        { "As an AI language model, I am unable to provide an answer.", true },
        { "<think>不该答</think>抱歉，我无法提供帮助。", true },
        { "对不起，我之前的回答有误，正确答案是B。", false },
        { "抱歉，让我重新计算一下：结果是 12。", false },
        { "根据题目条件，无法确定具体的人数。", false },
        { "我认为答案是 C，因为其他选项不能成立。", false },
        { "The answer cannot be determined from the text.", false },
        { "B", false },
        { "", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct str s = str_of(cases[i].response);
        size_t at = 0, len = 0;

        ck_assert_msg(match_is_refusal(s, &at, &len) == cases[i].refusal, "%s",
                      cases[i].response);
        ck_assert_uint_le(at + len, s.n);
        ck_assert(!cases[i].refusal || len > 0);
    }
}
END_TEST

START_TEST(span_lies_in_the_raw_response)
{
    struct testcase c;
    struct match_out out;
    struct arena a;
    struct err e;

    arena_init(&a, 0);
    case_open(&c, STR("{\"response\":\"<think>A</think>㍿的答案是：Ｂ。\","
                      "\"expected\":\"B\"}"));
    t_ok(match_choice.run(&c.in, &a, &out, &e), &e);
    ck_assert(str_is(
        str_sub(c.in.response, out.span_at, out.span_at + out.span_len), "Ｂ"));
    json_free(c.json);
    arena_free(&a);
}
END_TEST

START_TEST(partial_answers_earn_the_part)
{
    struct testcase c;
    struct match_out out;
    struct arena a;
    struct err e;

    arena_init(&a, 0);
    case_open(&c, STR("{\"response\":\"答案：AC\",\"expected\":\"ABC\","
                      "\"options\":{\"partial\":0.5}}"));
    t_ok(match_choice.run(&c.in, &a, &out, &e), &e);
    ck_assert_int_eq(out.verdict, VERDICT_WRONG);
    ck_assert_double_eq(out.score, 0.5);
    json_free(c.json);
    arena_free(&a);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, choice_reads_labelled_answers);
    tcase_add_test(tc, contains_reads_labelled_answers);
    tcase_add_test(tc, safety_reads_labelled_answers);
    tcase_add_test(tc, exact_reads_labelled_answers);
    tcase_add_test(tc, list_reads_labelled_answers);
    tcase_add_test(tc, number_reads_labelled_answers);
    tcase_add_test(tc, math_reads_labelled_answers);
    tcase_add_test(tc, regex_reads_labelled_answers);
    tcase_add_test(tc, constraints_are_held_as_labelled);
    tcase_add_test(tc, json_reads_labelled_answers);
    tcase_add_test(tc, tool_reads_labelled_calls);
    tcase_add_test(tc, class_reads_labelled_answers);
    tcase_add_test(tc, verse_reads_labelled_answers);
    tcase_add_test(tc, date_reads_labelled_answers);
    tcase_add_test(tc, similar_reads_labelled_answers);
    tcase_add_test(tc, sql_reads_labelled_answers);
    tcase_add_test(tc, choice_agrees_with_published_answers);
    tcase_add_test(tc, every_rule_reads_its_examples_and_no_other);
    tcase_add_loop_test(tc, what_each_rule_reads_is_told, 0,
                        sizeof readings / sizeof *readings);
    tcase_add_test(tc, answers_of_real_models_are_read_as_a_person_does);
    tcase_add_test(tc, the_labelled_set_is_as_large_as_it_says);
    tcase_add_test(tc, table_is_sorted_and_documented);
    tcase_add_test(tc, check_says_what_is_wrong);
    tcase_add_test(tc, a_key_that_is_no_letter_has_its_own_span);
    tcase_add_test(tc, reasoning_is_no_part_of_the_answer);
    tcase_add_test(tc, refusals_are_told_from_answers);
    tcase_add_test(tc, span_lies_in_the_raw_response);
    tcase_add_test(tc, partial_answers_earn_the_part);
}

T_MAIN("match", setup)
