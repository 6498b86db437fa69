/* Models file, inline specs, recorded exchanges, the replay runner. */
#include <math.h>
#include <string.h>

#include "harness/base/io.h"
#include "runners/record.h"
#include "runners/runner.h"
#include "tests/t.h"

static struct arena arena;
static struct err e;

static const char *file(const char *name, const char *text)
{
    const char *path = arena_printf(&arena, "%s/%s", t_tmp(), name);
    t_ok(io_replace(path, str_of(text), &e), &e);
    return path;
}

/* --- models ---------------------------------------------------------------- */

START_TEST(models_file_is_read_whole)
{
    const char *path =
        file("m.json", "{\"models\":[{\"id\":\"a\",\"runner\":\"gguf\","
                       "\"path\":\"x/a.gguf\",\"names\":[\"甲\",\"A1\"],"
                       "\"domestic\":true,\"size_b\":0.5,"
                       "\"parameters\":{\"max_tokens\":9,\"system\":\"s\"},"
                       "\"price\":{\"in\":1,\"out\":2,"
                       "\"currency\":\"CNY\",\"date\":\"2026-11-01\"}}]}");
    struct model_spec m;

    t_ok(model_find("A1", path, &arena, &m, &e), &e);
    ck_assert_str_eq(m.id, "a");
    ck_assert_str_eq(m.name, "甲");
    ck_assert_str_eq(m.path, arena_printf(&arena, "%s/x/a.gguf", t_tmp()));
    ck_assert_str_eq(m.system, "s");
    ck_assert_int_eq(m.sampling.max_tokens, 9);
    ck_assert(isnan(m.sampling.temperature));
    ck_assert(m.domestic && m.open && m.price_out == 2);
}
END_TEST

static const struct {
    const char *text, *says;
} bad_models[] = {
    { "{\"models\":[{\"id\":\"a\",\"runner\":\"gguf\"}]}", "path: missing" },
    { "{\"models\":[{\"id\":\"a\",\"runner\":\"gguf\",\"path\":\"p\","
      "\"sise_b\":1}]}",
      "size_b" },
    { "{\"models\":[{\"id\":\"a\",\"runner\":\"gguf\",\"path\":\"p\"},"
      "{\"id\":\"a\",\"runner\":\"gguf\",\"path\":\"p\"}]}",
      "entries 1 and 2" },
    { "[]", "expected an object" },
    { "{\"models\":[{\"id\":\"a\",\"provider\":\"zhipuu\",\"model\":\"m\"}]}",
      "did you mean \"zhipu\"" },
    { "{\"models\":[{\"id\":\"a\",\"provider\":\"zhipu\"}]}",
      "model: missing" },
    { "{\"models\":[{\"id\":\"a\",\"provider\":\"zhipu\",\"runner\":\"gguf\","
      "\"path\":\"p\"}]}",
      "a model with a provider has \"remote\"" },
    { "{\"models\":[{\"id\":\"a\",\"provider\":\"zhipu\",\"model\":\"m\","
      "\"body\":[]}]}",
      "body: expected an object" },
    { "{\"models\":[{\"id\":\"a\",\"runner\":\"gguf\",\"path\":\"p\","
      "\"price\":{\"in\":1}}]}",
      "price" },
};

START_TEST(faulty_models_files_are_told)
{
    const char *path = file("bad.json", bad_models[_i].text);
    struct model_spec m;

    ck_assert_int_eq(model_find("a", path, &arena, &m, &e), ERR_FORMAT);
    ck_assert_msg(strstr(e.msg, bad_models[_i].says), "%s", e.msg);
    ck_assert_msg(strstr(e.msg, "bad.json"), "%s", e.msg);
}
END_TEST

static const struct {
    const char *spec, *id, *provider, *path, *base_url;
} remote_specs[] = {
    { "openai:gpt-4o", "openai:gpt-4o", "openai", "gpt-4o", NULL },
    { "智谱:glm-4-plus", "zhipu:glm-4-plus", "zhipu", "glm-4-plus", NULL },
    { "Kimi:moonshot-v1-8k", "moonshot:moonshot-v1-8k", "moonshot",
      "moonshot-v1-8k", NULL },
    { "ollama:qwen2.5:7b", "ollama:qwen2.5:7b", "ollama", "qwen2.5:7b", NULL },
    { "vllm:http://h:8000/v1/#q", "vllm:http://h:8000/v1#q", "vllm", "q",
      "http://h:8000/v1" },
    { "https://h/v1#a/b", "custom:https://h/v1#a/b", "custom", "a/b",
      "https://h/v1" },
};

START_TEST(remote_models_have_inline_specs)
{
    const char *none = file("none.json", "{\"models\":[]}");
    struct model_spec m;

    t_ok(model_find(remote_specs[_i].spec, none, &arena, &m, &e), &e);
    ck_assert_str_eq(m.kind, "remote");
    ck_assert_str_eq(m.id, remote_specs[_i].id);
    ck_assert_str_eq(m.provider, remote_specs[_i].provider);
    ck_assert_str_eq(m.path, remote_specs[_i].path);
    ck_assert_str_eq(m.name, remote_specs[_i].path);
    ck_assert_pstr_eq(m.base_url, remote_specs[_i].base_url);
}
END_TEST

static const struct {
    const char *spec, *says;
} bad_specs[] = {
    { "opnai:gpt-4o", "did you mean \"openai\"" },
    { "openai:", "which model? expected PROVIDER:MODEL" },
    { "vllm:http://h/v1", "expected URL#MODEL" },
    { "http://user:pw@h/v1#m", "put the key into the provider's variable" },
    { "https://h/v1?key=x#m", "put the key into the provider's variable" },
    { "http://#m", "expected http(s)://HOST/PATH" },
};

START_TEST(faulty_inline_specs_are_told)
{
    const char *none = file("none.json", "{\"models\":[]}");
    struct model_spec m;

    ck_assert_int_ne(model_find(bad_specs[_i].spec, none, &arena, &m, &e),
                     ERR_OK);
    ck_assert_msg(strstr(e.msg, bad_specs[_i].says), "%s", e.msg);
}
END_TEST

START_TEST(remote_entries_are_completed_from_the_row)
{
    const char *path =
        file("remote.json",
             "{\"models\":[{\"id\":\"glm\",\"provider\":\"智谱\","
             "\"model\":\"glm-4-plus\",\"body\":{\"thinking\":null},"
             "\"base_url\":\"http://h/v4/\",\"parameters\":{\"top_k\":3}},"
             "{\"id\":\"dear\",\"provider\":\"zhipu\",\"model\":\"glm-4-plus\","
             "\"price\":{\"in\":1,\"out\":2,\"currency\":\"USD\","
             "\"date\":\"2026-11-01\"}}]}");
    struct model_spec m;

    t_ok(model_find("glm", path, &arena, &m, &e), &e);
    ck_assert_str_eq(m.provider, "zhipu");
    ck_assert_str_eq(m.vendor, "智谱 GLM");
    ck_assert_str_eq(m.base_url, "http://h/v4");
    ck_assert_str_eq(m.body, "{\"thinking\":null}");
    ck_assert(m.price_in == 5 && m.price_out == 5);
    ck_assert_str_eq(m.currency, "CNY");
    t_ok(model_find("dear", path, &arena, &m, &e), &e);
    ck_assert(m.price_in == 1 && m.price_out == 2);
    ck_assert_str_eq(m.currency, "USD");
}
END_TEST

START_TEST(unknown_models_name_the_nearest)
{
    const char *path =
        file("m.json", "{\"models\":[{\"id\":\"qwen\",\"runner\":\"gguf\","
                       "\"path\":\"p\"},{\"id\":\"yi\",\"runner\":\"gguf\","
                       "\"path\":\"p\"}]}");
    struct model_spec m;

    ck_assert_int_eq(model_find("qwem", path, &arena, &m, &e), ERR_FORMAT);
    ck_assert_msg(strstr(e.msg, "\"qwen\""), "%s", e.msg);
}
END_TEST

static const struct {
    const char *spec, *kind, *path, *id;
} specs[] = {
    { "gguf:a/b.Q4_K.gguf", "gguf", "a/b.Q4_K.gguf", "b.Q4_K" },
    { "/x/y.gguf", "gguf", "/x/y.gguf", "y" },
    { "replay:r.jsonl", "replay", "r.jsonl", "r" },
};

START_TEST(inline_specs_name_runner_and_file)
{
    const char *path = file("none.json", "{\"models\":[]}");
    struct model_spec m;

    t_ok(model_find(specs[_i].spec, path, &arena, &m, &e), &e);
    ck_assert_str_eq(m.kind, specs[_i].kind);
    ck_assert_str_eq(m.path, specs[_i].path);
    ck_assert_str_eq(m.id, specs[_i].id);
}
END_TEST

/* --- recorded exchanges ---------------------------------------------------- */

static const struct message messages[] = { { "system", "你是助手" },
                                           { "user", "一加一？" } };
static const char *options[] = { " A", " B" };
static const double logprobs[] = { -0.5, -1.25 };
static const int64_t counts[] = { 1, 2 };

static const struct request chat = { .kind = REQUEST_CHAT,
                                     .messages = messages,
                                     .n_messages = 2 };
static const struct request score = { .kind = REQUEST_SCORE,
                                      .prompt = "答案：",
                                      .options = options,
                                      .n_options = 2 };
static const struct response answer = { .text = "等于\"2\"\n",
                                        .reasoning = "想",
                                        .finish = FINISH_LENGTH,
                                        .margin = 0.25,
                                        .prompt_tokens = 7,
                                        .cached_tokens = -1,
                                        .output_tokens = 3 };
static const struct response scored = { .finish = FINISH_SCORED,
                                        .logprobs = logprobs,
                                        .option_tokens = counts,
                                        .margin = 0.75 };
static const struct response failed = {
    .code = ERR_RATE, .message = "太快", .vendor_code = "18", .http_status = 429
};

START_TEST(recorded_answers_read_back_the_same)
{
    struct buf line;
    struct request q;
    struct response r;
    char key[DIGEST_HEX], again[DIGEST_HEX];

    buf_init(&line, 1 << 20);
    t_ok(record_write(&chat, &answer, &line, &e), &e);
    t_ok(record_read(buf_view(&line), &arena, &q, &r, &e), &e);
    ck_assert_str_eq(r.text, answer.text);
    ck_assert_str_eq(r.reasoning, answer.reasoning);
    ck_assert_int_eq(r.finish, FINISH_LENGTH);
    ck_assert_int_eq(r.output_tokens, 3);
    ck_assert_int_eq(r.cached_tokens, -1);
    ck_assert(r.margin == 0.25);
    t_ok(request_digest(&chat, key, &e), &e);
    t_ok(request_digest(&q, again, &e), &e);
    ck_assert_str_eq(key, again);
    buf_free(&line);
}
END_TEST

START_TEST(recorded_scores_and_errors_read_back)
{
    struct buf line;
    struct request q;
    struct response r;

    buf_init(&line, 1 << 20);
    t_ok(record_write(&score, &scored, &line, &e), &e);
    t_ok(record_read(buf_view(&line), &arena, &q, &r, &e), &e);
    ck_assert(!r.text && r.logprobs[1] == -1.25 && r.option_tokens[1] == 2);
    buf_clear(&line);
    t_ok(record_write(&score, &failed, &line, &e), &e);
    t_ok(record_read(buf_view(&line), &arena, &q, &r, &e), &e);
    ck_assert_int_eq(r.code, ERR_RATE);
    ck_assert_str_eq(r.vendor_code, "18");
    ck_assert_int_eq(r.http_status, 429);
    buf_free(&line);
}
END_TEST

START_TEST(what_is_asked_decides_the_key)
{
    struct request other = chat, shifted = score;
    const char *joined[] = { " A B" };
    char a[DIGEST_HEX], b[DIGEST_HEX];

    t_ok(request_digest(&chat, a, &e), &e);
    other.sampling.seed = 5;
    t_ok(request_digest(&other, b, &e), &e);
    ck_assert_str_eq(a, b);
    other.n_messages = 1;
    t_ok(request_digest(&other, b, &e), &e);
    ck_assert_str_ne(a, b);
    t_ok(request_digest(&score, a, &e), &e);
    shifted.options = joined;
    shifted.n_options = 1;
    t_ok(request_digest(&shifted, b, &e), &e);
    ck_assert_str_ne(a, b);
}
END_TEST

/* --- replay ---------------------------------------------------------------- */

struct asked {
    const struct request *requests;
    size_t n, next, answered, missing;
    const char *texts[4];
};

static const struct request *next(void *user)
{
    struct asked *a = user;
    return a->next < a->n ? &a->requests[a->next++] : NULL;
}

static void deliver(void *user, const struct request *q,
                    const struct response *r)
{
    struct asked *a = user;
    (void)q;
    if (r->code) {
        a->missing++;
        ck_assert_int_eq(r->code, ERR_NOENV);
    } else {
        a->texts[a->answered++] = arena_strdup(&arena, r->text);
    }
}

static int never(void *user)
{
    (void)user;
    return 0;
}

START_TEST(replay_gives_trials_in_turn_and_invents_nothing)
{
    const char *path =
        file("r.jsonl",
             "{\"kind\":\"completion\",\"prompt\":\"p\",\"text\":\"one\"}\n\n"
             "{\"kind\":\"completion\",\"prompt\":\"p\",\"text\":\"two\"}\n");
    const struct request requests[] = {
        { .kind = REQUEST_COMPLETION, .prompt = "p" },
        { .kind = REQUEST_COMPLETION, .prompt = "p" },
        { .kind = REQUEST_COMPLETION, .prompt = "q" },
    };
    struct asked a = { .requests = requests, .n = 3 };
    struct exchange x = { next, deliver, never, &a };
    struct runner_params params = { 0 };
    struct model_spec m = { .id = "r", .kind = "replay", .path = path };
    struct runner *r;
    const char *print;

    t_ok(runner_open(&r, &m, &params, &e), &e);
    t_ok(runner_run(r, &x, &e), &e);
    ck_assert_uint_eq(a.answered, 2);
    ck_assert_uint_eq(a.missing, 1);
    ck_assert_str_eq(a.texts[0], "one");
    ck_assert_str_eq(a.texts[1], "two");
    ck_assert(!r->kind->can_score(r, true));
    t_ok(r->kind->fingerprint(r, &arena, &print, &e), &e);
    ck_assert_uint_eq(strlen(print), strlen("replay:") + 64);
    runner_close(r);
}
END_TEST

START_TEST(faulty_records_are_told_by_line)
{
    const char *path =
        file("bad.jsonl", "{\"kind\":\"chat\",\"prompt\":\"p\","
                          "\"text\":\"one\"}\n{\"kind\":\"chat\"}\n");
    struct runner_params params = { 0 };
    struct model_spec m = { .id = "r", .kind = "replay", .path = path };
    struct runner *r;

    ck_assert_int_eq(runner_open(&r, &m, &params, &e), ERR_FORMAT);
    ck_assert_msg(strstr(e.msg, "line 2"), "%s", e.msg);
    ck_assert_ptr_null(r);
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
    tcase_add_checked_fixture(tc, open_arena, free_arena);
    tcase_add_test(tc, models_file_is_read_whole);
    tcase_add_loop_test(tc, faulty_models_files_are_told, 0, N(bad_models));
    tcase_add_test(tc, unknown_models_name_the_nearest);
    tcase_add_loop_test(tc, inline_specs_name_runner_and_file, 0, N(specs));
    tcase_add_loop_test(tc, remote_models_have_inline_specs, 0,
                        N(remote_specs));
    tcase_add_loop_test(tc, faulty_inline_specs_are_told, 0, N(bad_specs));
    tcase_add_test(tc, remote_entries_are_completed_from_the_row);
    tcase_add_test(tc, recorded_answers_read_back_the_same);
    tcase_add_test(tc, recorded_scores_and_errors_read_back);
    tcase_add_test(tc, what_is_asked_decides_the_key);
    tcase_add_test(tc, replay_gives_trials_in_turn_and_invents_nothing);
    tcase_add_test(tc, faulty_records_are_told_by_line);
}

T_MAIN("runners", setup)
