/* A remote model against a server that does as told: what is an answer, what is
 * tried again, what stops a model, what is never told. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "runners/runner.h"
#include "tests/fake_server.h"
#include "tests/t.h"

#define KEY "sk-test+0123456789/abc"
#define KEY_IN_URL "sk-test%2B0123456789%2Fabc"
#define CHOICE(text)                                                           \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","          \
    "\"content\":\"" text "\"},\"finish_reason\":\"stop\"}],"                  \
    "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}"
#define DELTA(text)                                                            \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text          \
    "\"},\"finish_reason\":null}]}\n\n"
#define STOP                                                                   \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},"                           \
    "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

enum { ANSWERS = 8 };

/* Answer i goes to request i, the last one to all further ones. */
struct vendor {
    char answers[ANSWERS][4096];
    size_t n, asked;
    struct fake_step steps[2];
};

static const struct fake_step *answer(void *user, const char *request,
                                      bool *close)
{
    struct vendor *v = user;
    size_t i = v->asked++;

    (void)request;
    v->steps[0] =
        (struct fake_step){ v->answers[i < v->n ? i : v->n - 1], 0, 0 };
    *close = true;
    return v->steps;
}

static void will(struct vendor *v, const char *bytes)
{
    snprintf(v->answers[v->n++], sizeof v->answers[0], "%s", bytes);
}

/* What the requests of one run brought. */
struct asked {
    struct request request;
    struct message message;
    size_t n, given, delivered;
    enum err_code code; /* of the last */
    char text[200], reasoning[200], message_text[600];
    int attempts, status;
    int64_t first_token_ns, prompt_tokens;
    int64_t took_ns;
    struct err err; /* of the run */
};

static const struct request *next(void *user)
{
    struct asked *a = user;

    return a->given < a->n ? (a->given++, &a->request) : NULL;
}

static void keep(char *out, size_t n, const char *s)
{
    snprintf(out, n, "%s", s ? s : "");
}

static void deliver(void *user, const struct request *q,
                    const struct response *r)
{
    struct asked *a = user;

    (void)q;
    a->delivered++;
    a->code = r->code;
    a->attempts = r->attempts;
    a->status = r->http_status;
    a->first_token_ns = r->first_token_ns;
    a->prompt_tokens = r->prompt_tokens;
    keep(a->text, sizeof a->text, r->text);
    keep(a->reasoning, sizeof a->reasoning, r->reasoning);
    keep(a->message_text, sizeof a->message_text, r->message);
}

static int never(void *user)
{
    (void)user;
    return 0;
}

static void exchange(struct vendor *v, const char *provider,
                     struct runner_params p, int (*stop)(void *user),
                     struct asked *a)
{
    struct fake_server *s = fake_server_open(answer, v);
    struct exchange x = { next, deliver, stop, a };
    struct model_spec m;
    struct runner *r;
    struct arena arena;
    char spec[100];

    arena_init(&arena, 0);
    snprintf(spec, sizeof spec, "%s:http://127.0.0.1:%d/v1#m", provider,
             fake_server_port(s));
    t_ok(model_find(spec, NULL, &arena, &m, &a->err), &a->err);
    t_ok(runner_open(&r, &m, &p, &a->err), &a->err);
    a->took_ns = io_now_ns();
    a->err.code = runner_run(r, &x, &a->err);
    a->took_ns = io_now_ns() - a->took_ns;
    runner_close(r);
    arena_free(&arena);
    fake_server_close(s);
}

static void ask(struct vendor *v, struct runner_params p, size_t n,
                struct asked *a)
{
    *a = (struct asked){ .n = n, .message = { "user", "1+1=?" } };
    a->request = (struct request){ .kind = REQUEST_CHAT,
                                   .messages = &a->message,
                                   .n_messages = 1,
                                   .sampling = { .temperature = 0,
                                                 .top_p = NAN,
                                                 .top_k = -1,
                                                 .max_tokens = 8,
                                                 .seed = -1 } };
    exchange(v, "openai", p, never, a);
}

static const struct runner_params whole = { .retries = 2, .concurrency = 1 };
static const struct runner_params stream = { .retries = 0,
                                             .concurrency = 1,
                                             .stream = true };

START_TEST(an_answer_is_delivered)
{
    struct vendor v = { 0 };
    struct asked a;

    will(&v, fake_answer(200, "", CHOICE("二")));
    ask(&v, whole, 3, &a);
    t_ok(a.err.code, &a.err);
    ck_assert_uint_eq(a.delivered, 3);
    ck_assert_str_eq(a.text, "二");
    ck_assert_int_eq(a.attempts, 1);
    ck_assert_int_eq(a.prompt_tokens, 5);
    ck_assert_int_eq(a.first_token_ns, -1);
}
END_TEST

START_TEST(thoughts_are_kept_apart)
{
    static const struct {
        const char *body, *text, *reasoning;
    } rows[] = {
        { CHOICE("<think>\\n想\\n</think>\\n\\n答"), "答", "想" },
        { CHOICE(" <think></think>答"), "答", "" },
        { CHOICE("<think>cut off"), "", "cut off" },
        { CHOICE("答 <think>x</think>"), "答 <think>x</think>", "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vendor v = { 0 };
        struct asked a;
        will(&v, fake_answer(200, "", rows[i].body));
        ask(&v, whole, 1, &a);
        ck_assert_str_eq(a.text, rows[i].text);
        ck_assert_str_eq(a.reasoning, rows[i].reasoning);
    }
}
END_TEST

START_TEST(what_fails_in_passing_is_tried_again)
{
    static const char *const bad[] = {
        "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{\"a",
        "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"choices\"",
        "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"choices\":[]}",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vendor v = { 0 };
        struct asked a;
        will(&v, bad[i]);
        will(&v, fake_answer(200, "", CHOICE("二")));
        ask(&v, whole, 1, &a);
        ck_assert_msg(a.code == ERR_OK, "row %zu: %s", i, a.message_text);
        ck_assert_str_eq(a.text, "二");
        ck_assert_int_eq(a.attempts, 2);
    }
}
END_TEST

START_TEST(attempts_have_an_end)
{
    struct vendor v = { 0 };
    struct asked a;

    will(&v, fake_answer(503, "", "{\"error\":{\"message\":\"full\"}}"));
    ask(&v, whole, 1, &a);
    t_ok(a.err.code, &a.err);
    ck_assert_int_eq(a.code, ERR_SERVER);
    ck_assert_uint_eq(v.asked, 3);
    ck_assert_int_eq(a.attempts, 3);
    ck_assert_int_eq(a.status, 503);
    ck_assert(strstr(a.message_text, "openai: HTTP 503"));
    ck_assert(strstr(a.message_text, "full (3 attempts)"));
}
END_TEST

START_TEST(retry_after_is_obeyed)
{
    struct vendor v = { 0 };
    struct asked a;

    will(&v, fake_answer(429, "Retry-After: 1\r\n", "{}"));
    will(&v, fake_answer(200, "", CHOICE("二")));
    ask(&v, whole, 1, &a);
    ck_assert_int_eq(a.code, ERR_OK);
    ck_assert(a.took_ns >= 1000000000);
    ck_assert_uint_eq(v.asked, 2);
}
END_TEST

START_TEST(what_is_refused_is_not_asked_again)
{
    struct vendor v = { 0 };
    struct asked a;

    will(&v, fake_answer(400, "", "{\"error\":{\"message\":\"too long\"}}"));
    ask(&v, whole, 1, &a);
    t_ok(a.err.code, &a.err);
    ck_assert_int_eq(a.code, ERR_REJECTED);
    ck_assert_uint_eq(v.asked, 1);
}
END_TEST

START_TEST(a_wrong_key_stops_the_model_and_is_not_told)
{
    struct vendor v = { 0 };
    struct asked a;

    will(&v, fake_answer(401, "",
                         "{\"error\":{\"message\":\"no key " KEY
                         " or " KEY_IN_URL "\"}}"));
    ask(&v, whole, 100, &a);
    ck_assert_int_eq(a.err.code, ERR_AUTH);
    ck_assert_uint_eq(v.asked, 3);
    ck_assert_uint_eq(a.delivered, 3);
    ck_assert(strstr(a.message_text, "no key *** or ***"));
    ck_assert(strstr(a.message_text, "OPENAI_API_KEY"));
    ck_assert(strstr(a.err.msg, ": stopped, 3 requests in a row failed: "));
    ck_assert(strstr(a.err.msg, "***"));
    ck_assert(strstr(a.err.msg, "(OPENAI_API_KEY)"));
}
END_TEST

static int once_asked(void *user)
{
    return ((struct asked *)user)->given > 0;
}

/* Two options are two calls; after the first one the run is interrupted. */
START_TEST(half_a_score_is_no_answer_but_its_tokens_count)
{
    const char *options[] = { "上海", "北京" };
    struct vendor v = { 0 };
    struct asked a = { .n = 1 };

    a.request = (struct request){ .kind = REQUEST_SCORE,
                                  .prompt = "首都是",
                                  .options = options,
                                  .n_options = 2,
                                  .sampling.seed = -1 };
    will(&v, fake_answer(200, "",
                         "{\"choices\":[{\"logprobs\":{\"tokens\":"
                         "[\"首都是\",\"上海\",\"!\"],\"token_logprobs\":"
                         "[null,-2,-7]}}],\"usage\":{\"prompt_tokens\":5,"
                         "\"completion_tokens\":1}}"));
    exchange(&v, "vllm", whole, once_asked, &a);
    ck_assert_uint_eq(v.asked, 1);
    ck_assert_uint_eq(a.delivered, 1);
    ck_assert_msg(a.code == ERR_CANCELLED, "%s", a.message_text);
    ck_assert_int_eq(a.prompt_tokens, 5);
    ck_assert(strstr(a.message_text, "not asked again: interrupted"));
}
END_TEST

#define CODE(code) "{\"error\":{\"message\":\"no\",\"code\":\"" code "\"}}"

START_TEST(a_fault_names_the_cure_of_its_class)
{
    static const struct {
        int status;
        const char *body;
        enum err_code code;
        const char *cure;
    } rows[] = {
        { 400, "{}", ERR_REJECTED, "; this request will not be answered" },
        { 400, CODE("invalid_api_key"), ERR_AUTH,
          "; check the key and what it may use (OPENAI_API_KEY)" },
        { 401, "{}", ERR_AUTH,
          "; check the key and what it may use (OPENAI_API_KEY)" },
        { 402, "{}", ERR_AUTH,
          "; top up the account, or use another key (OPENAI_API_KEY)" },
        { 429, CODE("insufficient_quota"), ERR_AUTH,
          "; top up the account, or use another key (OPENAI_API_KEY)" },
        { 403, CODE("model_not_found"), ERR_REJECTED,
          "; check the model's name and the address" },
        { 404, "{}", ERR_REJECTED, "; check the model's name and the address" },
        { 501, "{}", ERR_REJECTED,
          "; no request of this model will be answered" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vendor v = { 0 };
        struct asked a;
        const char *cure;
        will(&v, fake_answer(rows[i].status, "", rows[i].body));
        ask(&v, whole, 1, &a);
        ck_assert_int_eq(a.code, rows[i].code);
        cure = strstr(a.message_text, ";");
        ck_assert(cure);
        ck_assert_str_eq(cure, rows[i].cure);
    }
}
END_TEST

/* What a vendor says is cut; the cut must not keep half a key from sight of
 * what blanks keys. */
START_TEST(half_a_key_is_not_told)
{
    for (int before = 170; before < 200; before++) {
        struct vendor v = { 0 };
        struct asked a;
        char body[400];
        snprintf(body, sizeof body,
                 "{\"error\":{\"message\":\"%0*d" KEY " is wrong\"}}", before,
                 0);
        will(&v, fake_answer(400, "", body));
        ask(&v, whole, 1, &a);
        ck_assert(strstr(a.message_text, "0000"));
        ck_assert_msg(!strstr(a.message_text, "sk-t"), "%d: %s", before,
                      a.message_text);
    }
}
END_TEST

START_TEST(a_key_in_an_answer_is_blanked)
{
    struct vendor v = { 0 };
    struct asked a;

    will(&v, fake_answer(200, "", CHOICE("is " KEY " yours?")));
    ask(&v, whole, 1, &a);
    ck_assert_str_eq(a.text, "is *** yours?");
}
END_TEST

START_TEST(a_missing_key_is_named_before_anything_is_asked)
{
    struct vendor v = { 0 };
    struct asked a;

    will(&v, fake_answer(200, "", CHOICE("二")));
    unsetenv("OPENAI_API_KEY");
    ask(&v, whole, 5, &a);
    ck_assert_int_eq(a.err.code, ERR_AUTH);
    ck_assert(strstr(a.err.msg, "OPENAI_API_KEY"));
    ck_assert_uint_eq(v.asked, 0);
    ck_assert_uint_eq(a.delivered, 0);
}
END_TEST

START_TEST(a_redirect_names_where_it_points)
{
    struct vendor v = { 0 };
    struct asked a;

    will(&v, fake_answer(301, "Location: http://evil.example/?k=1\r\n", ""));
    ask(&v, whole, 1, &a);
    ck_assert_int_eq(a.code, ERR_REJECTED);
    ck_assert(strstr(a.message_text, "redirects to http://evil.example,"));
}
END_TEST

START_TEST(a_stream_is_an_answer_only_with_its_end)
{
    static const struct {
        const char *bytes, *text; /* text NULL: a failure */
    } rows[] = {
        { STREAM DELTA("一") DELTA("二") STOP, "一二" },
        { STREAM ": ping\n\n" DELTA("一") STOP, "一" },
        { STREAM DELTA("一") "data: [DONE]\n\n", "一" },
        /* a model that repeats itself, as far as can be known */
        { STREAM DELTA("哈") DELTA("哈") STOP, "哈哈" },
        { STREAM DELTA("一") DELTA("二"), NULL },
        { STREAM DELTA("一") "data: {\"choices\":[{\"de", NULL },
        { STREAM DELTA("一") "data: {\"error\":{\"message\":\"x\"}}\n\n",
          NULL },
        { STREAM DELTA("\xe4\xb8") STOP, NULL },
        { STREAM "id: 1\n" DELTA("一") "id: 1\n" DELTA("一") "id: 2\n" STOP,
          "一" },
        { STREAM "id: 7\n" DELTA("一") "id: 7\n" DELTA("一") "id: 7\n" STOP,
          "一一" },
        { STREAM "id: 1\n" DELTA("一") "id: 3\n" DELTA("三") STOP, NULL },
        { STREAM, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vendor v = { 0 };
        struct asked a;
        will(&v, rows[i].bytes);
        ask(&v, stream, 1, &a);
        ck_assert_msg((a.code == ERR_OK) == (rows[i].text != NULL),
                      "row %zu: \"%s\" %s", i, a.text, a.message_text);
        if (rows[i].text)
            ck_assert_str_eq(a.text, rows[i].text);
        ck_assert(!rows[i].text || a.first_token_ns > 0);
    }
}
END_TEST

START_TEST(a_whole_answer_to_a_stream_is_taken)
{
    struct vendor v = { 0 };
    struct asked a;

    will(&v,
         fake_answer(200, "Content-Type: application/json\r\n", CHOICE("二")));
    ask(&v, stream, 1, &a);
    ck_assert_int_eq(a.code, ERR_OK);
    ck_assert_str_eq(a.text, "二");
}
END_TEST

START_TEST(requests_a_minute_space_the_requests)
{
    struct runner_params p = whole;
    struct vendor v = { 0 };
    struct asked a;

    p.rpm = 600;
    p.concurrency = 8;
    will(&v, fake_answer(200, "", CHOICE("二")));
    ask(&v, p, 8, &a);
    ck_assert_uint_eq(a.delivered, 8);
    /* 100 ms each, less the slack of one that woke late */
    ck_assert(a.took_ns >= 600 * (int64_t)1000000);
}
END_TEST

static void set_key(void)
{
    setenv("OPENAI_API_KEY", KEY, 1);
    unsetenv("OPENAI_BASE_URL");
}

static void setup(TCase *tc)
{
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_key, NULL);
    tcase_add_test(tc, an_answer_is_delivered);
    tcase_add_test(tc, thoughts_are_kept_apart);
    tcase_add_test(tc, what_fails_in_passing_is_tried_again);
    tcase_add_test(tc, attempts_have_an_end);
    tcase_add_test(tc, retry_after_is_obeyed);
    tcase_add_test(tc, what_is_refused_is_not_asked_again);
    tcase_add_test(tc, a_wrong_key_stops_the_model_and_is_not_told);
    tcase_add_test(tc, half_a_score_is_no_answer_but_its_tokens_count);
    tcase_add_test(tc, a_fault_names_the_cure_of_its_class);
    tcase_add_test(tc, half_a_key_is_not_told);
    tcase_add_test(tc, a_key_in_an_answer_is_blanked);
    tcase_add_test(tc, a_missing_key_is_named_before_anything_is_asked);
    tcase_add_test(tc, a_redirect_names_where_it_points);
    tcase_add_test(tc, a_stream_is_an_answer_only_with_its_end);
    tcase_add_test(tc, a_whole_answer_to_a_stream_is_taken);
    tcase_add_test(tc, requests_a_minute_space_the_requests);
}

T_MAIN("remote", setup)
