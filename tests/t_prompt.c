/* Prompts: every template over every kind of item, byte for byte; the words of
 * other harnesses; canonical JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/prompt.h"
#include "tests/t.h"

static const struct sampling plain_sampling = {
    .temperature = 0, .top_p = NAN, .top_k = -1, .max_tokens = 64
};

static struct suite *good(void)
{
    struct suite *s;
    struct err e;

    t_ok(suite_open(&s, "tests/golden/suite/good", &e), &e);
    return s;
}

/* The request as people read it. */
static void show(struct buf *b, const struct request *q)
{
    for (size_t i = 0; i < q->n_messages; i++)
        buf_printf(b, "<%s>\n%s\n", q->messages[i].role,
                   q->messages[i].content);
    if (q->prompt)
        buf_printf(b, "<text>\n%s\n", q->prompt);
    if (q->n_options)
        buf_str(b, "<options>");
    for (size_t i = 0; i < q->n_options; i++)
        buf_printf(b, " \"%s\"", q->options[i]);
    for (size_t i = 0; i < q->sampling.n_stop; i++)
        buf_printf(b, "<stop> %zu bytes", strlen(q->sampling.stop[i]));
    buf_str(b, q->n_options || q->sampling.n_stop ? "\n\n" : "\n");
}

static void render(struct buf *b, const struct suite *s, size_t item,
                   const struct prompt_params *p)
{
    static const char *const replies[] = { "好的。", "12" };
    const struct item *it = &s->items[item];
    size_t last = it->n_turns ? it->n_turns - 1 : 0;
    struct arena a;
    struct request q;
    struct err e;

    arena_init(&a, 0);
    buf_printf(b, "### item %s, template %s, %zu shots%s%s\n", it->id,
               p->template ? p->template : s->template, p->shots,
               p->completion ? ", completion" : "",
               p->score_chat ? ", scored" : "");
    if (prompt_render(s, it, p, last, replies, &a, &q, &e))
        buf_printf(b, "%s\n\n", e.msg);
    else
        show(b, &q);
    arena_free(&a);
}

/* All items by one template, in a chat and in plain text. */
static void render_all(struct buf *b, const struct suite *s, const char *name)
{
    for (int way = 0; way < 4; way++) {
        const struct prompt_params p = { .template = name,
                                         .shots = way % 2,
                                         .completion = way / 2,
                                         .sampling = plain_sampling };
        for (size_t i = 0; i < s->n_items; i++) {
            bool none = *s->items[i].subset == '\0' && p.shots > 0;
            if (!none)
                render(b, s, i, &p);
        }
    }
}

START_TEST(every_template_shows_every_item)
{
    struct suite *s = good();
    const struct prompt_template *t;
    char golden[128];
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; (t = prompt_template_at(i)); i++) {
        buf_clear(&b);
        render_all(&b, s, t->name);
        snprintf(golden, sizeof golden, "prompt/%s.txt", t->name);
        t_golden(golden, buf_view(&b));
    }
    buf_free(&b);
    suite_close(s);
}
END_TEST

START_TEST(options_are_scored_in_chat_and_text)
{
    static const char *const names[] = { "choice-zh", "lm-choice-zh",
                                         "choice-en", "direct-zh",
                                         "lm-text-zh" };
    struct suite *s = good();
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct prompt_params p = { .template = names[i],
                                   .shots = 2,
                                   .score_chat = true,
                                   .score_text = true,
                                   .system = "你是一位助手。",
                                   .sampling = plain_sampling };
        render(&b, s, 0, &p); /* one letter: scored */
        render(&b, s, 5, &p); /* several letters: generated */
        p.completion = true;
        render(&b, s, 0, &p);
    }
    t_golden("prompt/scored.txt", buf_view(&b));
    buf_free(&b);
    suite_close(s);
}
END_TEST

START_TEST(keys_that_are_no_letters_are_asked_for_by_another_name)
{
    static const char *const names[] = { "choice-zh", "choice-en",
                                         "lm-choice-zh", "lm-choice-en",
                                         "choice-zh-cot" };
    struct suite *s;
    struct buf b;
    struct err e;

    t_ok(suite_open(&s, "tests/golden/suite/keys", &e), &e);
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct prompt_params p = { .template = names[i],
                                   .shots = 1,
                                   .score_chat = true,
                                   .score_text = true,
                                   .sampling = plain_sampling };
        render(&b, s, 0, &p);
        p.shots = 0;
        render(&b, s, 1, &p);
        render(&b, s, 2, &p); /* two are right: generated */
    }
    t_golden("prompt/keys.txt", buf_view(&b));
    buf_free(&b);
    suite_close(s);
}
END_TEST

static enum err_code try(const struct suite *s, size_t item,
                         const struct prompt_params *p, struct request *q,
                         struct err *e)
{
    static struct arena a; /* what q points to is not looked at */

    arena_reset(&a);
    return prompt_render(s, &s->items[item], p, 0, NULL, &a, q, e);
}

START_TEST(kind_follows_what_is_asked_and_can_be)
{
    static const struct {
        enum ask ask;
        bool chat, text, completion;
        const char *template;
        size_t item;
        enum request_kind kind;
    } row[] = {
        { ASK_AUTO, true, true, false, NULL, 0, REQUEST_SCORE },
        { ASK_AUTO, false, false, false, NULL, 0, REQUEST_CHAT },
        { ASK_AUTO, false, false, true, NULL, 0, REQUEST_COMPLETION },
        { ASK_AUTO, true, true, false, "choice-zh-cot", 0, REQUEST_CHAT },
        { ASK_AUTO, true, true, false, NULL, 1, REQUEST_CHAT },
        { ASK_AUTO, true, true, false, NULL, 5, REQUEST_CHAT },
        { ASK_GENERATE, true, true, false, NULL, 0, REQUEST_CHAT },
        { ASK_SCORE, true, true, false, NULL, 0, REQUEST_SCORE },
        { ASK_SCORE, true, true, false, NULL, 4, REQUEST_CHAT },
        { ASK_SCORE, true, true, true, "lm-choice-zh", 0, REQUEST_SCORE },
        { ASK_AUTO, false, true, false, NULL, 0, REQUEST_CHAT },
        { ASK_AUTO, false, true, true, NULL, 0, REQUEST_SCORE },
        { ASK_AUTO, false, true, false, "lm-choice-zh", 0, REQUEST_SCORE },
        { ASK_AUTO, true, false, false, "lm-choice-zh", 0, REQUEST_CHAT },
    };
    struct suite *s = good();

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const struct prompt_params p = { .ask = row[i].ask,
                                         .score_chat = row[i].chat,
                                         .score_text = row[i].text,
                                         .completion = row[i].completion,
                                         .template = row[i].template,
                                         .sampling = plain_sampling };
        struct request q;
        struct err e;
        t_ok(try(s, row[i].item, &p, &q, &e), &e);
        ck_assert_msg(q.kind == row[i].kind, "row %zu: kind %d", i, q.kind);
    }
    suite_close(s);
}
END_TEST

START_TEST(what_cannot_be_asked_is_told)
{
    static const struct {
        struct prompt_params p;
        const char *message;
    } row[] = {
        { { .shots = 4 },
          "suite good/geo has 3 few-shot examples, 4 are asked for" },
        { { .ask = ASK_SCORE },
          "this model cannot score options by log-likelihood in a chat: ask "
          "by generation" },
        { { .ask = ASK_SCORE, .score_text = true },
          "this model cannot score options by log-likelihood in a chat: ask "
          "by generation, or in plain text (--completion)" },
        { { .ask = ASK_SCORE,
            .score_chat = true,
            .score_text = true,
            .template = "choice-en-cot" },
          "template choice-en-cot reasons first, so its options cannot be "
          "scored: ask by generation or by another template" },
        { { .template = "choice-xh" },
          "template: no \"choice-xh\"; did you mean \"choice-zh\"?" },
    };
    struct suite *s = good();

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct request q;
        struct err e = { 0 };
        ck_assert_int_eq(try(s, 0, &row[i].p, &q, &e), ERR_USAGE);
        ck_assert_str_eq(e.msg, row[i].message);
    }
    suite_close(s);
}
END_TEST

START_TEST(templates_are_sorted_and_documented)
{
    const struct prompt_template *t, *last = NULL;
    const char *near = NULL;

    for (size_t i = 0; (t = prompt_template_at(i)); i++, last = t) {
        ck_assert(t->doc && *t->doc);
        ck_assert(!last || strcmp(last->name, t->name) < 0);
        ck_assert_ptr_eq(prompt_template_find(t->name, NULL), t);
    }
    ck_assert_ptr_null(prompt_template_find("multiturn", &near));
    ck_assert_str_eq(near, "multi-turn");
}
END_TEST

/* --- the peer -------------------------------------------------------------- */

/* Our prompts of CMMLU's agronomy are those that tests/golden/peer_choice.py
 * makes from the same files, byte for byte. */
START_TEST(cmmlu_reads_as_the_peer_s)
{
    const char *data = t_shared("data/cmmlu");
    const char *job = t_shared("peers/choice_job.py");
    const struct prompt_params p = { .shots = 5,
                                     .score_chat = true,
                                     .score_text = true,
                                     .sampling = plain_sampling };
    struct suite *s;
    struct buf want, got;
    struct arena a;
    struct err e;
    size_t n;
    char *cmd, *path;

    if (!data || !job)
        return;
    arena_init(&a, 0);
    t_ok(suite_format_find("cmmlu", NULL)->import(data, t_tmp(), &n, &e), &e);
    t_ok(suite_open(&s, io_join(&a, t_tmp(), "cmmlu"), &e), &e);
    path = io_join(&a, t_tmp(), "job.txt");
    cmd = arena_printf(&a,
                       "python3 %s agronomy 30 | python3 -c 'import json, sys\n"
                       "for l in sys.stdin: print(json.loads(l)[\"prompt\"], "
                       "end=\"\\0\")' > %s",
                       job, path);
    if (system(cmd) != 0) {
        t_skip("no python3 for the peer's prompts");
        return;
    }
    t_read(path, &want);
    buf_init(&got, 1 << 24);
    for (size_t i = 0; i < 30; i++) {
        struct request q;
        t_ok(prompt_render(s, &s->items[i], &p, 0, NULL, &a, &q, &e), &e);
        ck_assert_int_eq(q.kind, REQUEST_SCORE);
        ck_assert_str_eq(q.options[1], " B");
        buf_add(&got, q.prompt, strlen(q.prompt) + 1);
    }
    ck_assert_uint_eq(got.n, want.n);
    ck_assert(memcmp(got.p, want.p, got.n) == 0);
    buf_free(&want);
    buf_free(&got);
    suite_close(s);
    arena_free(&a);
}
END_TEST

/* --- canonical JSON -------------------------------------------------------- */

START_TEST(prompt_json_is_canonical)
{
    static const struct message m[] = { { "user", "问\n\"答\"" } };
    static const char *options[] = { "A", "B" };
    const struct request q = { .kind = REQUEST_SCORE,
                               .messages = m,
                               .n_messages = 1,
                               .options = options,
                               .n_options = 2,
                               .sampling = plain_sampling };
    const struct request t = { .kind = REQUEST_COMPLETION, .prompt = "P" };
    struct buf b;
    struct err e;

    buf_init(&b, 4096);
    t_ok(prompt_json(&q, &b, &e), &e);
    ck_assert_str_eq(b.p, "{\"kind\":\"score\",\"messages\":[{\"content\":\"问"
                          "\\n\\\"答\\\"\",\"role\":\"user\"}],\"options\":["
                          "\"A\",\"B\"]}");
    buf_clear(&b);
    t_ok(prompt_json(&t, &b, &e), &e);
    ck_assert_str_eq(b.p, "{\"kind\":\"completion\",\"prompt\":\"P\"}");
    buf_free(&b);
}
END_TEST

START_TEST(params_json_holds_what_is_sent)
{
    static const char *stop[] = { "\n\n" };
    static const struct {
        enum request_kind kind;
        struct sampling s;
        const char *json;
    } row[] = {
        { REQUEST_SCORE, { .temperature = 1, .max_tokens = 9 }, "{}" },
        { REQUEST_CHAT,
          { .temperature = 0,
            .top_p = .5,
            .top_k = 3,
            .max_tokens = 9,
            .seed = 7 },
          "{\"max_tokens\":9,\"temperature\":0}" },
        { REQUEST_CHAT,
          { .temperature = .7,
            .top_p = .5,
            .top_k = 3,
            .max_tokens = 9,
            .seed = 7,
            .stop = stop,
            .n_stop = 1 },
          "{\"max_tokens\":9,\"seed\":7,\"stop\":[\"\\n\\n\"],"
          "\"temperature\":0.7,\"top_k\":3,\"top_p\":0.5}" },
        { REQUEST_CHAT,
          { .temperature = NAN, .top_p = NAN, .top_k = -1, .max_tokens = 9 },
          "{\"max_tokens\":9,\"seed\":0}" },
    };
    struct buf b;
    struct err e;

    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const struct request q = { .kind = row[i].kind, .sampling = row[i].s };
        buf_clear(&b);
        t_ok(prompt_params_json(&q, &b, &e), &e);
        ck_assert_str_eq(b.p, row[i].json);
    }
    buf_free(&b);
}
END_TEST

START_TEST(rendering_survives_lack_of_memory)
{
    const struct prompt_params p = { .shots = 2, .sampling = plain_sampling };
    struct suite *s = good();
    enum err_code rc = ERR_NOMEM;
    struct arena a;
    struct request q;
    struct err e;

    for (size_t nth = 1; rc && nth < 1000; nth++) {
        arena_init(&a, 0);
        mem_fail_at(nth, nth % 2);
        rc = prompt_render(s, &s->items[0], &p, 0, NULL, &a, &q, &e);
        mem_fail_at(0, false);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
        arena_free(&a);
    }
    ck_assert_int_eq(rc, ERR_OK);
    suite_close(s);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, every_template_shows_every_item);
    tcase_add_test(tc, options_are_scored_in_chat_and_text);
    tcase_add_test(tc, keys_that_are_no_letters_are_asked_for_by_another_name);
    tcase_add_test(tc, kind_follows_what_is_asked_and_can_be);
    tcase_add_test(tc, what_cannot_be_asked_is_told);
    tcase_add_test(tc, templates_are_sorted_and_documented);
    tcase_add_test(tc, cmmlu_reads_as_the_peer_s);
    tcase_add_test(tc, prompt_json_is_canonical);
    tcase_add_test(tc, params_json_holds_what_is_sent);
    tcase_add_test(tc, rendering_survives_lack_of_memory);
}

T_MAIN("prompt", setup)
