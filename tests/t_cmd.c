/* Programs as models: words, answers in any order, and what goes wrong. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "runners/child.h"
#include "runners/runner.h"
#include "tests/t.h"

static struct arena arena;
static struct err e;

/* --- words ----------------------------------------------------------------- */

static const struct {
    const char *line, *words; /* joined by | */
} lines[] = {
    { "python3 a.py", "python3|a.py" },
    { "  a   b\t c ", "a|b|c" },
    { "sh -c 'echo \"$1\" \\n'", "sh|-c|echo \"$1\" \\n" },
    { "a \"b c\"d", "a|b cd" },
    { "a b\\ c \\\"d\\\"", "a|b c|\"d\"" },
    { "a \"b\\\"c\"", "a|b\"c" },
    { "a ''", "a|" },
    { "a $HOME *.c ; b", "a|$HOME|*.c|;|b" },
    { "a\\b", "a\\b" },
};

START_TEST(a_command_line_is_cut_into_words)
{
    char **words;
    size_t n;
    struct buf joined;

    t_ok(child_words(lines[_i].line, &arena, &words, &n, &e), &e);
    buf_init(&joined, 1000);
    for (size_t i = 0; i < n; i++)
        buf_printf(&joined, "%s%s", i ? "|" : "", words[i]);
    ck_assert_str_eq(joined.p, lines[_i].words);
    ck_assert_ptr_null(words[n]);
    buf_free(&joined);
}
END_TEST

START_TEST(faulty_command_lines_are_told)
{
    char **words;
    size_t n;

    ck_assert(child_words("a 'b", &arena, &words, &n, &e) == ERR_FORMAT);
    ck_assert(strstr(e.msg, "not closed"));
    ck_assert(child_words("  ", &arena, &words, &n, &e) == ERR_FORMAT);
}
END_TEST

/* --- asking ---------------------------------------------------------------- */

enum { MOST = 40 };
struct asked {
    struct request q[MOST];
    size_t n, next, delivered;
    struct response r[MOST]; /* texts in the arena */
    int stop;
    size_t stop_after; /* deliveries, 0: never */
};

static const struct request *next(void *user)
{
    struct asked *a = user;
    return a->next < a->n ? &a->q[a->next++] : NULL;
}

static void deliver(void *user, const struct request *q,
                    const struct response *r)
{
    struct asked *a = user;
    struct response *to = &a->r[q->id];

    ck_assert_int_eq(to->attempts, 0); /* each once */
    *to = *r;
    to->text = r->text ? arena_strdup(&arena, r->text) : NULL;
    to->message = r->message ? arena_strdup(&arena, r->message) : NULL;
    a->delivered++;
    if (a->delivered == a->stop_after)
        a->stop = 1;
}

static int stop(void *user)
{
    return ((struct asked *)user)->stop;
}

/* n requests "a", "b" ... */
static struct asked make(size_t n)
{
    static const char *options[] = { "A", "B" };
    struct asked a = { .n = n };

    for (size_t i = 0; i < n; i++)
        a.q[i] = (struct request){
            .id = i,
            .kind = REQUEST_COMPLETION,
            .prompt = arena_printf(&arena, "%c", (char)('a' + i)),
            .options = options,
            .sampling = { .temperature = 0, .top_p = NAN, .max_tokens = 5 }
        };
    return a;
}

static enum err_code ask(const char *spec, struct asked *a,
                         struct runner_params p)
{
    struct exchange x = { next, deliver, stop, a };
    struct model_spec m = { .id = "c", .kind = "cmd", .path = spec };
    struct runner *r;
    enum err_code rc;

    t_ok(runner_open(&r, &m, &p, &e), &e);
    rc = runner_run(r, &x, &e);
    runner_close(r);
    return rc;
}

static const char *way(const char *name)
{
    return arena_printf(&arena, "sh tests/cmd_model.sh %s %s/%s", name, t_tmp(),
                        name);
}

START_TEST(each_request_gets_its_own_answer)
{
    struct asked a = make(20);

    t_ok(ask(way("echo"), &a,
             (struct runner_params){ .concurrency = (size_t)_i }),
         &e);
    ck_assert_uint_eq(a.delivered, 20);
    for (size_t i = 0; i < 20; i++) {
        ck_assert_str_eq(a.r[i].text, a.q[i].prompt);
        ck_assert_int_eq(a.r[i].attempts, 1);
        ck_assert_int_eq(a.r[i].prompt_tokens, 7);
        ck_assert_int_eq(a.r[i].cached_tokens, -1);
        ck_assert_int_eq(a.r[i].output_tokens, 3);
        ck_assert_int_gt(a.r[i].latency_ns, 0);
    }
}
END_TEST

START_TEST(answers_come_in_any_order)
{
    struct asked a = make(9);

    t_ok(ask(arena_printf(&arena, "parallel=3 %s", way("reverse")), &a,
             (struct runner_params){ 0 }),
         &e);
    for (size_t i = 0; i < 9; i++)
        ck_assert_str_eq(a.r[i].text, a.q[i].prompt);
}
END_TEST

START_TEST(a_program_may_end_after_each_answer)
{
    struct asked a = make(4);

    t_ok(ask(way("once"), &a, (struct runner_params){ 0 }), &e);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(a.r[i].text, "once");
}
END_TEST

/* What is wrong with an answer is an error of that sample, never an answer. */
static const struct {
    const char *way;
    enum err_code code;
    const char *says;
    int attempts;
} faults[] = {
    { "die", ERR_SERVER, "exit status 3; it said: no such weights", 2 },
    { "kill", ERR_SERVER, "signal 9", 2 },
    { "hang", ERR_TIMEOUT, "within 300 ms", 2 },
    { "garbage", ERR_SERVER, "Loading the model", 2 },
    { "wrong-id", ERR_SERVER, "id \"no\"", 2 },
    { "number-id", ERR_SERVER, "id", 2 },
    { "half", ERR_SERVER, "in the middle of a line", 2 },
    { "no-text", ERR_SERVER, "text: missing", 2 },
    { "bytes", ERR_SERVER, "stdout", 2 },
    { "nul", ERR_SERVER, "stdout", 2 },
    { "long", ERR_SERVER, "more than 64 MB", 1 },
    { "refuse", ERR_FILTERED, "不", 1 },
    { "own-code", ERR_SERVER, "m", 1 },
};

START_TEST(faults_are_errors_of_the_sample)
{
    struct asked a = make(2);
    int retries = faults[_i].attempts - 1;

    t_ok(ask(way(faults[_i].way), &a,
             (struct runner_params){
                 .timeout_ms =
                     retries && faults[_i].code == ERR_TIMEOUT ? 300 : 20000,
                 .retries = retries }),
         &e);
    ck_assert_uint_eq(a.delivered, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(a.r[i].code, faults[_i].code);
        ck_assert_ptr_null(a.r[i].text);
        ck_assert_msg(strstr(a.r[i].message, faults[_i].says), "%s",
                      a.r[i].message);
        ck_assert_int_eq(a.r[i].attempts, faults[_i].attempts);
    }
}
END_TEST

START_TEST(an_answer_given_twice_counts_once)
{
    struct asked a = make(3);

    t_ok(ask(way("twice"), &a, (struct runner_params){ .retries = 3 }), &e);
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(a.r[i].text, "x");
}
END_TEST

START_TEST(a_program_that_ended_is_started_again)
{
    struct asked a = make(4);

    t_ok(ask(way("die-once"), &a, (struct runner_params){ .retries = -1 }), &e);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_str_eq(a.r[i].text, a.q[i].prompt);
        ck_assert_int_eq(a.r[i].attempts, i == 1 ? 2 : 1);
    }
}
END_TEST

START_TEST(what_says_retry_is_asked_again)
{
    struct asked a = make(1);

    t_ok(ask(way("busy"), &a, (struct runner_params){ .retries = 1 }), &e);
    ck_assert_str_eq(a.r[0].text, "later");
    ck_assert_int_eq(a.r[0].attempts, 2);
}
END_TEST

START_TEST(a_program_that_only_dies_is_given_up)
{
    struct asked a = make(30);

    ck_assert_int_eq(ask(way("die"), &a, (struct runner_params){ 0 }),
                     ERR_NOENV);
    ck_assert_msg(strstr(e.msg, "10 processes"), "%s", e.msg);
    ck_assert_uint_eq(a.delivered, 10);
}
END_TEST

START_TEST(keys_of_the_environment_do_not_get_into_messages)
{
    struct asked a = make(1);

    setenv("MOKAO_TEST_API_KEY", "sk-very-secret", 1);
    t_ok(ask(way("die"), &a, (struct runner_params){ 0 }), &e);
    unsetenv("MOKAO_TEST_API_KEY");
    ck_assert_ptr_null(strstr(a.r[0].message, "secret"));
    ck_assert_ptr_nonnull(strstr(a.r[0].message, "weights; ****"));
}
END_TEST

START_TEST(options_are_scored_where_it_says_so)
{
    struct model_spec m = { .id = "c", .kind = "cmd" };
    struct runner_params p = { 0 };
    struct asked a = make(1);
    struct runner *r;

    m.path = way("score");
    t_ok(runner_open(&r, &m, &p, &e), &e);
    ck_assert(!r->kind->can_score(r, true));
    runner_close(r);
    m.path = arena_printf(&arena, "score=yes %s", way("score"));
    t_ok(runner_open(&r, &m, &p, &e), &e);
    ck_assert(r->kind->can_score(r, true));
    runner_close(r);
    a.q[0].kind = REQUEST_SCORE;
    a.q[0].n_options = 2;
    t_ok(ask(m.path, &a, p), &e);
    ck_assert_int_eq(a.r[0].code, ERR_OK);
    ck_assert_int_eq(a.r[0].finish, FINISH_SCORED);
    a = make(1);
    a.q[0].kind = REQUEST_SCORE;
    a.q[0].n_options = 2;
    t_ok(ask(way("short-score"), &a, p), &e);
    ck_assert_msg(strstr(a.r[0].message, "list of 2"), "%s", a.r[0].message);
}
END_TEST

START_TEST(blank_lines_are_skipped)
{
    struct asked a = make(2);

    t_ok(ask(way("blank"), &a, (struct runner_params){ 0 }), &e);
    ck_assert_str_eq(a.r[1].text, "x");
}
END_TEST

START_TEST(an_interrupt_keeps_what_is_under_way)
{
    struct asked a = make(20);

    a.stop_after = 5;
    ck_assert_int_eq(
        ask(way("echo"), &a, (struct runner_params){ .concurrency = 2 }),
        ERR_CANCELLED);
    ck_assert_uint_ge(a.delivered, 5);
    ck_assert_uint_eq(a.delivered, a.next);
    a = make(2);
    a.stop = 2;
    ck_assert_int_eq(ask(way("hang"), &a, (struct runner_params){ 0 }),
                     ERR_CANCELLED);
    ck_assert_uint_eq(a.delivered, 0);
}
END_TEST

static const struct {
    const char *spec;
    enum err_code code;
    const char *says;
} bad_specs[] = {
    { "parallel=0 a", ERR_FORMAT, "parallel=N" },
    { "parallel=x a", ERR_FORMAT, "parallel=N" },
    { "scores=yes a", ERR_FORMAT, "score=yes" },
    { "parallel=2", ERR_FORMAT, "no program" },
    { "a \"b", ERR_FORMAT, "not closed" },
};

START_TEST(faulty_specs_are_told)
{
    struct model_spec m = { .id = "c",
                            .kind = "cmd",
                            .path = bad_specs[_i].spec };
    struct runner_params p = { 0 };
    struct runner *r;

    ck_assert_int_eq(runner_open(&r, &m, &p, &e), bad_specs[_i].code);
    ck_assert_msg(strstr(e.msg, bad_specs[_i].says), "%s", e.msg);
}
END_TEST

START_TEST(a_missing_program_is_told)
{
    struct asked a = make(1);

    ck_assert_int_eq(
        ask("no-such-program-1 x", &a, (struct runner_params){ 0 }), ERR_NOENV);
    ck_assert_msg(strstr(e.msg, "no such program"), "%s", e.msg);
}
END_TEST

/* --- identity -------------------------------------------------------------- */

static const char *print_of(const char *spec)
{
    struct model_spec m = { .id = "c", .kind = "cmd", .path = spec };
    struct runner_params p = { 0 };
    struct runner *r;
    const char *print;

    t_ok(runner_open(&r, &m, &p, &e), &e);
    t_ok(r->kind->fingerprint(r, &arena, &print, &e), &e);
    runner_close(r);
    return print;
}

START_TEST(a_changed_script_is_another_model)
{
    const char *script = arena_printf(&arena, "%s/s.sh", t_tmp());
    const char *spec = arena_printf(&arena, "sh %s", script), *first;

    t_ok(io_replace(script, STR("echo 1"), &e), &e);
    first = print_of(spec);
    ck_assert_str_eq(print_of(spec), first);
    ck_assert_str_eq(print_of(arena_printf(&arena, "parallel=4 sh %s", script)),
                     first);
    ck_assert_str_ne(print_of(arena_printf(&arena, "sh %s -x", script)), first);
    t_ok(io_replace(script, STR("echo 2"), &e), &e);
    ck_assert_str_ne(print_of(spec), first);
}
END_TEST

START_TEST(inline_specs_are_whole_command_lines)
{
    const char *path = arena_printf(&arena, "%s/m/m.json", t_tmp());
    struct model_spec m;

    t_ok(io_mkdirs(arena_printf(&arena, "%s/m", t_tmp()), &e), &e);
    t_ok(io_replace(path,
                    STR("{\"models\":[{\"id\":\"x\",\"runner\":\"cmd\","
                        "\"path\":\"python3 a.py\"}]}"),
                    &e),
         &e);
    t_ok(model_find("cmd:python3 /x/a.py --n 1", path, &arena, &m, &e), &e);
    ck_assert_str_eq(m.kind, "cmd");
    ck_assert_str_eq(m.path, "python3 /x/a.py --n 1");
    ck_assert_str_eq(m.id, "cmd:python3 /x/a.py --n 1");
    t_ok(model_find("x", path, &arena, &m, &e), &e);
    ck_assert_str_eq(m.path, "python3 a.py");
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof *(a)))

static void open_arena(void)
{
    arena_init(&arena, 0);
}

static void free_arena(void)
{
    arena_free(&arena);
}

static void setup(TCase *tc)
{
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, open_arena, free_arena);
    tcase_add_loop_test(tc, a_command_line_is_cut_into_words, 0, N(lines));
    tcase_add_test(tc, faulty_command_lines_are_told);
    tcase_add_loop_test(tc, each_request_gets_its_own_answer, 0, 5);
    tcase_add_test(tc, answers_come_in_any_order);
    tcase_add_test(tc, a_program_may_end_after_each_answer);
    tcase_add_loop_test(tc, faults_are_errors_of_the_sample, 0, N(faults));
    tcase_add_test(tc, an_answer_given_twice_counts_once);
    tcase_add_test(tc, a_program_that_ended_is_started_again);
    tcase_add_test(tc, what_says_retry_is_asked_again);
    tcase_add_test(tc, a_program_that_only_dies_is_given_up);
    tcase_add_test(tc, keys_of_the_environment_do_not_get_into_messages);
    tcase_add_test(tc, options_are_scored_where_it_says_so);
    tcase_add_test(tc, blank_lines_are_skipped);
    tcase_add_test(tc, an_interrupt_keeps_what_is_under_way);
    tcase_add_loop_test(tc, faulty_specs_are_told, 0, N(bad_specs));
    tcase_add_test(tc, a_missing_program_is_told);
    tcase_add_test(tc, a_changed_script_is_another_model);
    tcase_add_test(tc, inline_specs_are_whole_command_lines);
}

T_MAIN("cmd", setup)
