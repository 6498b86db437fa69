/* The suites of suites/data: sound, fair, and judged as they should be.
 *
 * Every answer must pass its own matcher, and every rule (contains, regex) is
 * tried on replies of tests/golden/replies/SUITE.jsonl that should pass and on
 * some that should not:
 *   {"id":"writing-001","turn":0,"reply":"...","passes":true}   (turn: of turns)
 */
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "harness/match/match.h"
#include "harness/plan.h"
#include "suites/suite.h"
#include "tests/t.h"

#define DATA "suites/data"

/* Calls fn for each suite. */
static void each_suite(void (*fn)(const struct suite *s))
{
    struct arena a;
    char **names;
    size_t n;
    struct err e;

    arena_init(&a, 0);
    t_ok(io_list(DATA, &a, &names, &n, &e), &e);
    ck_assert_uint_ge(n, 10);
    for (size_t i = 0; i < n; i++) {
        struct suite *s;
        t_ok(suite_open(&s, io_join(&a, DATA, names[i]), &e), &e);
        fn(s);
        suite_close(s);
    }
    arena_free(&a);
}

/* --- form ------------------------------------------------------------------ */

static void fault(void *user, const char *file, size_t line, const char *field,
                  const char *message)
{
    buf_printf(user, "%s:%zu: %s: %s\n", file, line, field, message);
}

static void is_clean(const struct suite *s)
{
    struct buf out;
    const struct suite_checks checks = { .fault = fault,
                                         .suite = plan_check_suite,
                                         .item = plan_check_item,
                                         .user = &out };
    size_t faults, warnings;
    struct err e;

    buf_init(&out, 1 << 20);
    t_ok(suite_check(s->path, &checks, &faults, &warnings, &e), &e);
    ck_assert_msg(faults + warnings == 0, "%s: %.*s", s->id, (int)out.n, out.p);
    buf_free(&out);
}

START_TEST(all_are_clean)
{
    each_suite(is_clean);
}
END_TEST

/* An item must say why, how hard it is, and what it is about. */
static void is_described(const struct suite *s)
{
    ck_assert_uint_ge(s->n_items, 24);
    ck_assert_uint_ge(s->n_dev, 5);
    ck_assert_ptr_nonnull(s->canary);
    for (size_t i = 0; i < s->n_items; i++) {
        const struct item *it = &s->items[i];
        ck_assert_msg(it->explanation && it->difficulty && it->n_tags &&
                          it->source,
                      "%s: explanation, difficulty, tags, source", it->id);
    }
}

START_TEST(items_are_described)
{
    each_suite(is_described);
}
END_TEST

/* --- fairness -------------------------------------------------------------- */

/* Index of the right choice, n_choices when there is not one. */
static size_t right_choice(const struct item *it)
{
    size_t i;

    for (i = 0; i < it->n_choices; i++) {
        const char *key = it->choices[i].key;
        if (strlen(it->answer) == strlen(key) + 2 &&
            strncmp(it->answer + 1, key, strlen(key)) == 0)
            break;
    }
    return i;
}

static void has_no_favourite_letter(const struct suite *s)
{
    size_t count[8] = { 0 }, total = 0;

    for (size_t i = 0; i < s->n_items; i++) {
        size_t right = right_choice(&s->items[i]);
        if (right == s->items[i].n_choices)
            continue;
        ck_assert_uint_lt(right, 8);
        count[right]++;
        total++;
    }
    for (size_t i = 0; i < 8; i++)
        ck_assert_msg(100 * count[i] <= 35 * total,
                      "%s: choice %zu is right in %zu of %zu", s->id, i + 1,
                      count[i], total);
}

START_TEST(no_letter_is_favoured)
{
    each_suite(has_no_favourite_letter);
}
END_TEST

/* Whether the right choice is longer (sign 1) or shorter (-1) than all the
 * others. */
static bool stands_out(const struct item *it, size_t right, int sign)
{
    long len = (long)text_count(str_of(it->choices[right].text));

    for (size_t i = 0; i < it->n_choices; i++) {
        long other = (long)text_count(str_of(it->choices[i].text));
        if (i != right && sign * len <= sign * other)
            return false;
    }
    return true;
}

/* Who always takes the longest choice, or the shortest, gains nothing: each is
 * right in at most two of five, where chance gives one of four. */
static void hides_answers(const struct suite *s)
{
    for (int sign = -1; sign <= 1; sign += 2) {
        size_t out = 0, total = 0;
        for (size_t i = 0; i < s->n_items; i++) {
            const struct item *it = &s->items[i];
            size_t right = right_choice(it);
            if (right == it->n_choices)
                continue;
            total++;
            out += stands_out(it, right, sign);
        }
        ck_assert_msg(5 * out <= 2 * total,
                      "%s: the right choice is the %s one in %zu of %zu", s->id,
                      sign > 0 ? "longest" : "shortest", out, total);
    }
}

START_TEST(length_tells_nothing)
{
    each_suite(hides_answers);
}
END_TEST

/* --- judgement ------------------------------------------------------------- */

/* One thing that is judged: an item, or a turn of it. */
struct judged {
    const struct item *item;
    const char *answer, *matcher; /* JSON */
};

static struct judged judged_at(const struct suite *s, const struct item *it,
                               size_t turn)
{
    const char *matcher = suite_item_matcher(s, it);

    if (it->n_turns == 0)
        return (struct judged){ it, it->answer, matcher };
    ck_assert_uint_lt(turn, it->n_turns);
    if (it->turns[turn].matcher)
        matcher = it->turns[turn].matcher;
    return (struct judged){ it, it->turns[turn].answer, matcher };
}

static struct json *parsed(const char *text)
{
    struct json *j;
    struct err e;

    t_ok(json_parse(&j, str_of(text), &e), &e);
    return j;
}

static enum verdict judge(const struct judged *x, const char *reply)
{
    struct json *answer = parsed(x->answer), *matcher = parsed(x->matcher);
    struct match_choice choices[8];
    const struct match_in in = { .expected = answer,
                                 .choices = choices,
                                 .n_choices = x->item->n_choices,
                                 .options = matcher,
                                 .response = str_of(reply) };
    const char *name = json_string(json_get(matcher, "name"));
    struct match_out out;
    struct arena a;
    struct err e;

    ck_assert_uint_le(x->item->n_choices, 8);
    for (size_t i = 0; i < x->item->n_choices; i++)
        choices[i] = (struct match_choice){ str_of(x->item->choices[i].key),
                                            str_of(x->item->choices[i].text) };
    arena_init(&a, 0);
    t_ok(match_find(name, NULL)->run(&in, &a, &out, &e), &e);
    arena_free(&a);
    json_free(answer);
    json_free(matcher);
    return out.verdict;
}

/* Judged by more than a list of accepted answers. */
static bool is_rule(const struct judged *x)
{
    return x->answer[0] == '{' || strstr(x->matcher, "\"regex\"");
}

/* Each accepted answer, bare and in a sentence. */
static void answer_passes(const struct judged *x)
{
    struct json *j = parsed(x->answer);
    const struct json *m = json_type(j) == JSON_ARRAY ? json_child(j) : j;
    char reply[256];

    for (; m; m = json_next(m)) {
        const char *text = json_string(m);
        ck_assert_ptr_nonnull(text);
        ck_assert_msg(judge(x, text) == VERDICT_CORRECT, "%s: %s", x->item->id,
                      text);
        snprintf(reply, sizeof reply, "答案是：%s。", text);
        ck_assert_msg(judge(x, reply) == VERDICT_CORRECT, "%s: %s", x->item->id,
                      reply);
    }
    ck_assert_msg(judge(x, "我没有看懂这道题") != VERDICT_CORRECT, "%s",
                  x->item->id);
    json_free(j);
}

static void answers_pass(const struct suite *s)
{
    for (size_t i = 0; i < s->n_items + s->n_dev; i++) {
        const struct item *it =
            i < s->n_items ? &s->items[i] : &s->dev[i - s->n_items];
        size_t n = it->n_turns ? it->n_turns : 1;
        for (size_t t = 0; t < n; t++) {
            struct judged x = judged_at(s, it, t);
            if (x.answer && !is_rule(&x))
                answer_passes(&x);
        }
    }
}

START_TEST(answers_pass_their_matchers)
{
    each_suite(answers_pass);
}
END_TEST

/* --- replies --------------------------------------------------------------- */

struct replies {
    const struct suite *s;
    size_t passing[64], failing[64]; /* by item */
};

static size_t item_index(const struct suite *s, const char *id)
{
    size_t i;

    for (i = 0; i < s->n_items && strcmp(s->items[i].id, id) != 0; i++)
        ;
    ck_assert_msg(i < s->n_items, "%s: no item %s", s->id, id);
    return i;
}

static void try_reply(struct replies *r, struct str line)
{
    struct json *j;
    const char *id, *reply;
    bool passes, passed;
    int64_t turn;
    struct judged x;
    struct err e;
    size_t i;

    t_ok(json_parse(&j, line, &e), &e);
    t_ok(json_get_str(j, "id", &id, &e), &e);
    t_ok(json_get_str(j, "reply", &reply, &e), &e);
    t_ok(json_get_int_or(j, "turn", 0, 0, 64, &turn, &e), &e);
    passes = json_bool(json_get(j, "passes"));
    i = item_index(r->s, id);
    x = judged_at(r->s, &r->s->items[i], (size_t)turn);
    passed = judge(&x, reply) == VERDICT_CORRECT;
    ck_assert_msg(passed == passes, "%s: should %spass: %s", id,
                  passes ? "" : "not ", reply);
    passes ? r->passing[i]++ : r->failing[i]++;
    json_free(j);
}

static void every_rule_was_tried(const struct replies *r)
{
    for (size_t i = 0; i < r->s->n_items; i++) {
        const struct item *it = &r->s->items[i];
        bool rule = false;
        for (size_t t = 0; t < (it->n_turns ? it->n_turns : 1); t++) {
            struct judged x = judged_at(r->s, it, t);
            rule |= x.answer && is_rule(&x);
        }
        ck_assert_msg(!rule || (r->passing[i] && r->failing[i]),
                      "%s: needs a reply that passes and one that does not",
                      it->id);
    }
}

static void replies_are_told_apart(const struct suite *s)
{
    struct replies r = { .s = s };
    struct io_lines lines = { .number = 0 };
    struct buf text;
    char path[128];

    ck_assert_uint_le(s->n_items, 64);
    snprintf(path, sizeof path, "tests/golden/replies/%s.jsonl", s->id);
    buf_init(&text, 1 << 20);
    if (io_exists(path))
        t_read(path, &text);
    lines.rest = buf_view(&text);
    while (io_next_line(&lines))
        if (lines.line.n)
            try_reply(&r, lines.line);
    every_rule_was_tried(&r);
    buf_free(&text);
}

START_TEST(rules_tell_good_replies_from_bad)
{
    each_suite(replies_are_told_apart);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, all_are_clean);
    tcase_add_test(tc, items_are_described);
    tcase_add_test(tc, no_letter_is_favoured);
    tcase_add_test(tc, length_tells_nothing);
    tcase_add_test(tc, answers_pass_their_matchers);
    tcase_add_test(tc, rules_tell_good_replies_from_bad);
}

T_MAIN("data", setup)
