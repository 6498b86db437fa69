/* OpenAI's shape: every vendor's answers, streams and errors are read, and
 * requests are written as each row wants them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "runners/adapter.h"
#include "tests/t.h"

static struct providers *table;
static struct arena arena;
static struct err e;

/* --- a place to ask from -------------------------------------------------- */

static const char *no_secrets[16];
static struct model_spec spec;
static struct endpoint ep;
static struct reply reply;
static double logprobs[8];
static int64_t option_tokens[8];

static void ask_of(const char *provider, const char *model)
{
    const struct provider *p = providers_find(table, provider);

    ck_assert_msg(p, "no row %s", provider);
    spec = (struct model_spec){ .path = model };
    ep = (struct endpoint){ .provider = p,
                            .model = &spec,
                            .name = model,
                            .base_url = p->base_url,
                            .secrets = no_secrets };
}

static void set_key(const char *role, const char *value)
{
    static const char *secrets[16];

    memset(secrets, 0, sizeof secrets);
    for (size_t i = 0; i < ep.provider->n_env; i++)
        if (strcmp(ep.provider->env_roles[i], role) == 0)
            secrets[i] = value;
    ep.secrets = secrets;
}

static void clear_reply(void)
{
    buf_free(&reply.text);
    buf_free(&reply.reasoning);
    reply = (struct reply){ .finish = FINISH_OTHER,
                            .prompt_tokens = -1,
                            .cached_tokens = -1,
                            .output_tokens = -1,
                            .logprobs = logprobs,
                            .option_tokens = option_tokens,
                            .fault = { .retry_ms = -1 } };
    for (size_t i = 0; i < 8; i++)
        logprobs[i] = NAN;
    buf_init(&reply.text, 1 << 20);
    buf_init(&reply.reasoning, 1 << 20);
}

static struct json *parsed(struct str text)
{
    struct json *j = NULL;

    t_ok(json_parse(&j, text, &e), &e);
    return j;
}

static const struct request chat = { .kind = REQUEST_CHAT,
                                     .sampling = { .max_tokens = 64 } };

static void parse_body(const struct request *q, size_t call, const char *text)
{
    struct json *j = parsed(str_of(text));

    adapter_openai.parse(&ep, q, call, j, &reply);
    json_free(j);
}

static enum err_code on_event(void *user, const struct sse_event *ev,
                              struct err *err)
{
    struct json *j = NULL;

    (void)err;
    if (!str_is(ev->data, "[DONE]"))
        j = parsed(ev->data);
    adapter_openai.event(&ep, user, ev, j, &reply);
    json_free(j);
    return ERR_OK;
}

static void read_stream(const struct request *q, struct str text, size_t piece)
{
    struct request copy = *q;
    struct sse s;

    sse_init(&s, FRAME_SSE, 1 << 20);
    for (size_t at = 0; at < text.n; at += piece)
        t_ok(sse_feed(&s, str_sub(text, at, at + piece), on_event, &copy, &e),
             &e);
    t_ok(sse_end(&s, on_event, &copy, &e), &e);
    sse_free(&s);
}

/* --- samples -------------------------------------------------------------- */

static const char *const vendors[] = {
    "openai",
    "baidu_qianfan_v2",
    "aliyun_compat",
    "tencent_hunyuan_compat",
    "iflytek_spark_http",
    "zhipu_glm",
    "baichuan",
    "minimax_v2",
    "moonshot",
    "yi",
    "volc_ark",
    "sensenova_compat",
    "zhinao360",
    "huawei_maas",
    "jd_yanxi",
    "stepfun",
    "deepseek",
    "xverse",
    "intern",
    "vllm",
    "xinference",
    "lmdeploy",
    "mindie",
};
#define N(list) (int)(sizeof(list) / sizeof *(list))

static const char *sample(const char *vendor, const char *name)
{
    return arena_printf(&arena, "tests/golden/api/%s/%s", vendor, name);
}

START_TEST(every_vendors_answer_is_read)
{
    struct buf text;

    ask_of(vendors[_i], "m");
    clear_reply();
    buf_init(&text, 1 << 20);
    t_read(sample(vendors[_i], "response.json"), &text);
    parse_body(&chat, 0, text.p);
    ck_assert_int_eq(reply.fault.class, FAULT_NONE);
    ck_assert_str_eq(reply.text.p, "北京");
    ck_assert_int_eq(reply.finish, FINISH_STOP);
    ck_assert(reply.finished);
    ck_assert_int_eq(reply.prompt_tokens, 31);
    ck_assert_int_eq(reply.output_tokens, 2);
    buf_free(&text);
}
END_TEST

START_TEST(every_vendors_stream_is_read)
{
    static const size_t pieces[] = { 1, 7, 1 << 20 };
    struct buf text;

    ask_of(vendors[_i], "m");
    buf_init(&text, 1 << 20);
    t_read(sample(vendors[_i], "stream.txt"), &text);
    for (int k = 0; k < N(pieces); k++) {
        clear_reply();
        read_stream(&chat, buf_view(&text), pieces[k]);
        ck_assert_int_eq(reply.fault.class, FAULT_NONE);
        ck_assert_str_eq(reply.text.p, "北京");
        ck_assert_int_eq(reply.finish, FINISH_STOP);
        ck_assert(reply.finished);
        ck_assert_int_eq(reply.prompt_tokens, 31);
        ck_assert_int_eq(reply.output_tokens, 2);
    }
    buf_free(&text);
}
END_TEST

static const struct {
    const char *vendor, *name;
    enum fault_class class;
    const char *code; /* as told; NULL: none */
} errors[] = {
    { "openai", "auth", FAULT_KEY, "invalid_api_key" },
    { "openai", "model", FAULT_MODEL, "model_not_found" },
    { "openai", "quota", FAULT_QUOTA, "insufficient_quota" },
    { "openai", "rate", FAULT_RATE, "rate_limit_exceeded" },
    { "openai", "server", FAULT_RETRY, "server_error" },
    { "openai", "too-long", FAULT_ITEM, "context_length_exceeded" },
    { "aliyun_compat", "arrears", FAULT_QUOTA, "Arrearage" },
    { "aliyun_compat", "auth", FAULT_KEY, "invalid_api_key" },
    { "aliyun_compat", "filter", FAULT_FILTER, "data_inspection_failed" },
    { "aliyun_compat", "rate", FAULT_RATE, "insufficient_quota" },
    { "baichuan", "auth", FAULT_KEY, "invalid_api_key" },
    { "baichuan", "filter", FAULT_FILTER, "invalid_request_error" },
    { "baichuan", "quota", FAULT_QUOTA, "insufficient_quota" },
    { "baichuan", "rate", FAULT_RATE, "rate_limit_exceeded" },
    { "baidu_qianfan_v2", "auth", FAULT_KEY, "invalid_iam_token" },
    { "baidu_qianfan_v2", "model", FAULT_MODEL, "invalid_model" },
    { "baidu_qianfan_v2", "rate", FAULT_RATE, "rpm_rate_limit_exceeded" },
    { "baidu_qianfan_v2", "too-long", FAULT_ITEM, "tokens_too_long" },
    { "deepseek", "auth", FAULT_KEY, "invalid_request_error" },
    { "deepseek", "overload", FAULT_RETRY, "service_unavailable_error" },
    { "deepseek", "param", FAULT_ITEM, "invalid_request_error" },
    { "deepseek", "quota", FAULT_QUOTA, "invalid_request_error" },
    { "deepseek", "rate", FAULT_RATE, "rate_limit_error" },
    { "huawei_maas", "auth", FAULT_KEY, "ModelArts.81001" },
    { "iflytek_spark_http", "auth", FAULT_KEY, "11200" },
    { "iflytek_spark_http", "filter", FAULT_FILTER, "10013" },
    { "iflytek_spark_http", "rate", FAULT_RATE, "11202" },
    { "intern", "rate", FAULT_RATE, "C1114" },
    { "llamacpp", "auth", FAULT_KEY, "authentication_error" },
    { "llamacpp", "loading", FAULT_RETRY, "unavailable_error" },
    { "llamacpp", "too-long", FAULT_ITEM, "exceed_context_size_error" },
    { "lmdeploy", "model", FAULT_MODEL, "not_found_error" },
    { "minimax_v2", "auth", FAULT_KEY, "2049" },
    { "minimax_v2", "filter", FAULT_FILTER, "1027" },
    { "minimax_v2", "rate", FAULT_RATE, "1002" },
    { "moonshot", "auth", FAULT_KEY, "invalid_authentication_error" },
    { "moonshot", "filter", FAULT_FILTER, "content_filter" },
    { "moonshot", "overloaded", FAULT_RETRY, "engine_overloaded_error" },
    { "moonshot", "quota", FAULT_QUOTA, "exceeded_current_quota_error" },
    { "moonshot", "rate", FAULT_RATE, "rate_limit_reached_error" },
    { "moonshot", "too-long", FAULT_ITEM, "invalid_request_error" },
    { "ollama", "model", FAULT_MODEL, "" },
    { "stepfun", "auth", FAULT_KEY, "invalid_api_key" },
    { "stepfun", "filter", FAULT_FILTER, "censorship_blocked" },
    { "stepfun", "rate", FAULT_RATE, "rate_limited" },
    { "stepfun", "too-long", FAULT_ITEM, "request_params_invalid" },
    { "tencent_hunyuan_compat", "auth", FAULT_KEY, "invalid_api_key" },
    { "vllm", "model", FAULT_MODEL, "NotFoundError" },
    { "vllm", "too-long", FAULT_ITEM, "BadRequestError" },
    { "vllm", "too-long-old", FAULT_ITEM, "BadRequestError" },
    { "volc_ark", "arrears", FAULT_QUOTA, "AccountOverdueError" },
    { "volc_ark", "auth", FAULT_KEY, "AuthenticationError" },
    { "volc_ark", "filter", FAULT_FILTER, "SensitiveContentDetected" },
    { "volc_ark", "model", FAULT_MODEL, "InvalidEndpointOrModel.NotFound" },
    { "volc_ark", "overload", FAULT_RETRY, "ServerOverloaded" },
    { "volc_ark", "rate", FAULT_RATE, "RateLimitExceeded.EndpointRPMExceeded" },
    { "volc_ark", "tpm", FAULT_RATE, "RateLimitExceeded.EndpointTPMExceeded" },
    { "yi", "auth", FAULT_KEY, "invalid_authentication" },
    { "yi", "filter", FAULT_FILTER, "content_filter" },
    { "yi", "rate", FAULT_RATE, "rate_limit" },
    { "zhinao360", "auth", FAULT_KEY, "1002" },
    { "zhinao360", "too-long", FAULT_ITEM, "1001" },
    { "zhinao360", "tpm", FAULT_RATE, "1005" },
    { "zhipu_glm", "auth", FAULT_KEY, "1000" },
    { "zhipu_glm", "busy", FAULT_RETRY, "1305" },
    { "zhipu_glm", "expired", FAULT_TOKEN, "1003" },
    { "zhipu_glm", "filter", FAULT_FILTER, "1301" },
    { "zhipu_glm", "model", FAULT_MODEL, "1211" },
    { "zhipu_glm", "quota", FAULT_QUOTA, "1113" },
    { "zhipu_glm", "rate", FAULT_RATE, "1302" },
    { "zhipu_glm", "too-long", FAULT_ITEM, "1261" },
};

/* The fault in a sample: under HTTP 200 it is found where answers are read. */
static void read_error(const struct json *j)
{
    int status = (int)json_number(json_get(j, "_http_status"));
    const struct json *body = json_get(j, "body");

    clear_reply();
    if (status < 300)
        adapter_openai.parse(&ep, &chat, 0, body, &reply);
    else
        adapter_openai.fault(&ep, status, body, STR(""), &reply.fault);
}

START_TEST(every_vendors_errors_have_their_class)
{
    const char *name = arena_printf(&arena, "error-%s.json", errors[_i].name);
    struct json *j;
    struct buf text;

    ask_of(errors[_i].vendor, "m");
    buf_init(&text, 1 << 20);
    t_read(sample(errors[_i].vendor, name), &text);
    j = parsed(buf_view(&text));
    read_error(j);
    ck_assert_str_eq(fault_class_name(reply.fault.class),
                     fault_class_name(errors[_i].class));
    ck_assert_str_eq(reply.fault.code, errors[_i].code);
    ck_assert(*reply.fault.message || *reply.fault.code);
    json_free(j);
    buf_free(&text);
}
END_TEST

/* No error of a vendor of this shape is forgotten above. */
START_TEST(every_error_sample_is_expected)
{
    char **names = NULL;
    size_t n = 0;

    t_ok(io_list(sample(vendors[_i], ""), &arena, &names, &n, &e), &e);
    for (size_t i = 0; i < n; i++) {
        bool known = strncmp(names[i], "error-", 6) != 0;
        for (int k = 0; k < N(errors) && !known; k++)
            known =
                strcmp(errors[k].vendor, vendors[_i]) == 0 &&
                strcmp(arena_printf(&arena, "error-%s.json", errors[k].name),
                       names[i]) == 0;
        ck_assert_msg(known, "%s/%s", vendors[_i], names[i]);
    }
}
END_TEST

/* --- answers -------------------------------------------------------------- */

static const struct {
    const char *provider, *body, *text, *reasoning;
    enum finish finish;
    int64_t cached;
} bodies[] = {
    { "deepseek",
      "{\"choices\":[{\"message\":{\"content\":\"北京\","
      "\"reasoning_content\":\"想\"},\"finish_reason\":\"stop\"}],"
      "\"usage\":{\"prompt_cache_hit_tokens\":7}}",
      "北京", "想", FINISH_STOP, 7 },
    { "openai",
      "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"No.\"},"
      "\"finish_reason\":\"stop\"}],"
      "\"usage\":{\"prompt_tokens_details\":{\"cached_tokens\":5}}}",
      "No.", "", FINISH_REFUSED, 5 },
    { "openai",
      "{\"choices\":[{\"message\":{\"content\":null},"
      "\"finish_reason\":\"tool_calls\"}]}",
      "", "", FINISH_OTHER, -1 },
    { "openai",
      "{\"choices\":[{\"message\":{\"content\":\"a\"},"
      "\"finish_reason\":\"length\"}]}",
      "a", "", FINISH_LENGTH, -1 },
    { "openai",
      "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\","
      "\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},"
      "\"finish_reason\":\"stop\"}]}",
      "ab", "", FINISH_STOP, -1 },
    { "zhipu",
      "{\"choices\":[{\"message\":{\"content\":\"\"},"
      "\"finish_reason\":\"sensitive\"}]}",
      "", "", FINISH_FILTER, -1 },
    { "sglang",
      "{\"choices\":[{\"message\":{\"content\":\"a\",\"reasoning\":\"r\"},"
      "\"finish_reason\":{\"type\":\"length\",\"length\":1}}]}",
      "a", "r", FINISH_LENGTH, -1 },
    { "spark",
      "{\"code\":0,\"choices\":[{\"message\":{\"content\":\"a\"}}],"
      "\"usage\":{\"completion_tokens\":64}}",
      "a", "", FINISH_LENGTH, -1 },
    { "moonshot",
      "{\"choices\":[{\"message\":{\"content\":\"a\"},"
      "\"finish_reason\":\"stop\"}],\"usage\":{\"cached_tokens\":3}}",
      "a", "", FINISH_STOP, 3 },
};

START_TEST(answers_are_told_apart)
{
    ask_of(bodies[_i].provider, "m");
    clear_reply();
    parse_body(&chat, 0, bodies[_i].body);
    ck_assert_int_eq(reply.fault.class, FAULT_NONE);
    ck_assert_str_eq(reply.text.p, bodies[_i].text);
    ck_assert_str_eq(reply.reasoning.p, bodies[_i].reasoning);
    ck_assert_str_eq(finish_name(reply.finish), finish_name(bodies[_i].finish));
    ck_assert_int_eq(reply.cached_tokens, bodies[_i].cached);
    ck_assert(reply.finished);
}
END_TEST

START_TEST(a_filtered_answer_is_kept_as_such)
{
    struct buf text;

    ask_of("qianfan", "ernie-4.5-turbo-128k");
    clear_reply();
    buf_init(&text, 1 << 20);
    t_read(sample("baidu_qianfan_v2", "response-filtered.json"), &text);
    parse_body(&chat, 0, text.p);
    ck_assert_int_eq(reply.finish, FINISH_FILTER);
    ck_assert_int_eq(reply.fault.class, FAULT_NONE);
    ck_assert(strstr(reply.text.p, "人工智能"));
    buf_free(&text);
}
END_TEST

static const struct {
    const char *provider, *body;
    enum fault_class class;
    const char *says;
} broken[] = {
    { "openai", "{\"choices\":[]}", FAULT_RETRY, "no choices" },
    { "openai", "{}", FAULT_RETRY, "no choices" },
    { "openai", "{\"choices\":null}", FAULT_RETRY, "no choices" },
    { "openai", "{\"choices\":[null]}", FAULT_RETRY, "no choices" },
    { "openai", "[]", FAULT_RETRY, "no choices" },
    { "openai", "{\"error\":\"out of cheese\"}", FAULT_RETRY, "cheese" },
    { "xinference", "{\"error\":{\"message\":\"m\"}}", FAULT_RETRY, "m" },
    { "qianfan", "{\"code\":\"rpm_rate_limit_exceeded\",\"msg\":\"slow\"}",
      FAULT_RATE, "slow" },
    { "deepseek",
      "{\"choices\":[{\"message\":{\"content\":\"a\"},"
      "\"finish_reason\":\"insufficient_system_resource\"}]}",
      FAULT_RETRY, "broken off" },
};

START_TEST(what_is_no_answer_is_a_fault)
{
    ask_of(broken[_i].provider, "m");
    clear_reply();
    parse_body(&chat, 0, broken[_i].body);
    ck_assert_str_eq(fault_class_name(reply.fault.class),
                     fault_class_name(broken[_i].class));
    ck_assert_msg(strstr(reply.fault.message, broken[_i].says), "%s",
                  reply.fault.message);
}
END_TEST

static const struct {
    const char *message;
    int64_t ms;
} waits[] = {
    { "Please try again in 1s.", 1000 },
    { "Please try again in 1.5s.", 1500 },
    { "Please try again in 120ms.", 120 },
    { "Please try again in 6m0s.", 360000 },
    { "please try again after 3 seconds", 3000 },
    { "please try again later", -1 },
    { "limit 60 reached", -1 },
};

START_TEST(the_wait_is_read_from_the_words)
{
    struct json *j = parsed(str_of(arena_printf(
        &arena, "{\"error\":{\"message\":\"%s\"}}", waits[_i].message)));

    ask_of("openai", "m");
    clear_reply();
    adapter_openai.fault(&ep, 429, j, STR(""), &reply.fault);
    ck_assert_int_eq(reply.fault.class, FAULT_RATE);
    ck_assert_int_eq(reply.fault.retry_ms, waits[_i].ms);
    json_free(j);
}
END_TEST

START_TEST(a_page_of_a_proxy_is_a_fault_with_its_words)
{
    ask_of("openai", "m");
    clear_reply();
    adapter_openai.fault(&ep, 502, NULL, STR("<html>Bad Gateway</html>"),
                         &reply.fault);
    ck_assert_int_eq(reply.fault.class, FAULT_RETRY);
    ck_assert(strstr(reply.fault.message, "Bad Gateway"));
}
END_TEST

/* --- streams -------------------------------------------------------------- */

static const struct {
    const char *provider, *stream;
    const char *text, *reasoning;
    enum finish finish;
    bool finished;
    enum fault_class class;
} streams[] = {
    /* a refused stream is a plain body */
    { "openai", "{\"error\":{\"code\":\"invalid_api_key\",\"message\":\"no\"}}",
      "", "", FINISH_OTHER, false, FAULT_KEY },
    { "openai",
      "{\"choices\":[{\"message\":{\"content\":\"whole\"},"
      "\"finish_reason\":\"stop\"}]}",
      "whole", "", FINISH_STOP, true, FAULT_NONE },
    /* an error in the middle */
    { "openai",
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
      "data: {\"error\":{\"message\":\"overloaded\",\"code\":\"server_error\"}}"
      "\n\n",
      "a", "", FINISH_OTHER, false, FAULT_RETRY },
    { "dashscope",
      "event:error\ndata:{\"code\":\"DataInspectionFailed\","
      "\"message\":\"m\"}\n\n",
      "", "", FINISH_OTHER, false, FAULT_FILTER },
    /* reasoning is kept apart */
    { "deepseek",
      "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"r\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},"
      "\"finish_reason\":\"stop\"}]}\n\n",
      "a", "r", FINISH_STOP, true, FAULT_NONE },
    /* cut off: neither reason nor end mark */
    { "openai", "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
      "a", "", FINISH_OTHER, false, FAULT_NONE },
    /* the end mark alone (Spark) */
    { "spark",
      "data:{\"code\":0,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
      "data:[DONE]\n\n",
      "a", "", FINISH_STOP, true, FAULT_NONE },
    /* events out of order */
    { "openai",
      "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
      "a", "", FINISH_STOP, true, FAULT_RETRY },
    { "openai",
      "data: {\"choices\":[{\"delta\":{\"refusal\":\"No.\"},"
      "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
      "No.", "", FINISH_REFUSED, true, FAULT_NONE },
    { "hunyuan",
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},"
      "\"finish_reason\":\"sensitive\"}]}\n\ndata: [DONE]\n\n",
      "a", "", FINISH_FILTER, true, FAULT_NONE },
};

START_TEST(streams_are_told_apart)
{
    ask_of(streams[_i].provider, "m");
    clear_reply();
    read_stream(&chat, str_of(streams[_i].stream), 5);
    ck_assert_str_eq(fault_class_name(reply.fault.class),
                     fault_class_name(streams[_i].class));
    ck_assert_str_eq(reply.text.p, streams[_i].text);
    ck_assert_str_eq(reply.reasoning.p, streams[_i].reasoning);
    ck_assert_str_eq(finish_name(reply.finish),
                     finish_name(streams[_i].finish));
    ck_assert(reply.finished == streams[_i].finished);
}
END_TEST

START_TEST(completions_are_read_whole_and_streamed)
{
    const struct request q = { .kind = REQUEST_COMPLETION, .prompt = "p" };

    ask_of("vllm", "m");
    clear_reply();
    parse_body(&q, 0,
               "{\"choices\":[{\"text\":\" ab\","
               "\"finish_reason\":\"length\"}]}");
    ck_assert_str_eq(reply.text.p, " ab");
    ck_assert_int_eq(reply.finish, FINISH_LENGTH);
    clear_reply();
    read_stream(&q,
                STR("data: {\"choices\":[{\"text\":\" a\"}]}\n\n"
                    "data: {\"choices\":[{\"text\":\"b\","
                    "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"),
                1);
    ck_assert_str_eq(reply.text.p, " ab");
    ck_assert_int_eq(reply.finish, FINISH_STOP);
}
END_TEST

/* --- scores --------------------------------------------------------------- */

static const char *letters[] = { "A", "B", "C", "D" };
static const struct message user = { "user", "问" };

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

START_TEST(letters_are_scored_by_the_first_token)
{
    const struct request q = { .kind = REQUEST_SCORE,
                               .messages = &user,
                               .n_messages = 1,
                               .options = letters,
                               .n_options = 4 };
    struct buf text;

    ask_of("openai", "gpt-4o-mini");
    ck_assert(adapter_openai.can_score(&ep, true));
    ck_assert_uint_eq(adapter_openai.n_calls(&ep, &q), 1);
    clear_reply();
    buf_init(&text, 1 << 20);
    t_read(sample("openai", "response-logprobs.json"), &text);
    parse_body(&q, 0, text.p);
    ck_assert_int_eq(reply.fault.class, FAULT_NONE);
    ck_assert_int_eq(reply.finish, FINISH_SCORED);
    ck_assert(near(logprobs[0], -2.605) && near(logprobs[1], -0.105) &&
              near(logprobs[2], -4.23));
    /* D is not among the likeliest: less than all of them */
    ck_assert(logprobs[3] < -5.1 && logprobs[3] > -20);
    ck_assert_int_eq(option_tokens[3], 1);
    buf_free(&text);
}
END_TEST

/* "中国的首都是" + "北京", of which the server made "。" besides. */
START_TEST(options_are_scored_by_the_echoed_prompt)
{
    const char *options[] = { "上海", "北京" };
    const struct request q = { .kind = REQUEST_SCORE,
                               .prompt = "中国的首都是",
                               .options = options,
                               .n_options = 2 };
    struct buf text;

    ask_of("vllm", "qwen");
    ck_assert_uint_eq(adapter_openai.n_calls(&ep, &q), 2);
    clear_reply();
    buf_init(&text, 1 << 20);
    t_read(sample("vllm", "response-loglikelihood.json"), &text);
    parse_body(&q, 1, text.p);
    ck_assert_int_eq(reply.fault.class, FAULT_NONE);
    ck_assert(near(logprobs[1], -0.05) && option_tokens[1] == 1);
    ck_assert(isnan(logprobs[0]));
    buf_free(&text);
}
END_TEST

static const struct {
    const char *option, *body;
    double logprob; /* NaN: a fault */
    int64_t tokens;
} echoes[] = {
    { "北京",
      "{\"choices\":[{\"logprobs\":{\"tokens\":[\"<s>\",\"是\",\"北\",\"京\"],"
      "\"token_logprobs\":[null,-9,-1,-2]}}]}",
      -3, 2 },
    { "北京", /* a token over the border is the option's too */
      "{\"choices\":[{\"logprobs\":{\"tokens\":[\"首都\",\"是北\",\"京\",\"!\"],"
      "\"token_logprobs\":[null,-4,-2,-7]}}],"
      "\"usage\":{\"completion_tokens\":1}}",
      -6, 2 },
    { "北京", /* tokens that are no whole characters */
      "{\"choices\":[{\"logprobs\":{\"tokens\":[\"是\","
      "\"bytes:\\\\xe5\\\\x8c\",\"bytes:\\\\x97\",\"京\"],"
      "\"token_logprobs\":[-1,-2,-3,-4]}}]}",
      -9, 3 },
    { "北京", /* a character told with its last token */
      "{\"choices\":[{\"logprobs\":{\"tokens\":[\"\",\"是\",\"\",\"北\",\"京\"],"
      "\"token_logprobs\":[null,-1,-2,-3,-4]}}]}",
      -9, 3 },
    { "北京", /* a server that does not say how long they are */
      "{\"choices\":[{\"logprobs\":{\"tokens\":[\"是\",\"�\",\"�\","
      "\"京\"],\"token_logprobs\":[-1,-2,-3,-4]}}]}",
      NAN, 0 },
    { "北京", "{\"choices\":[{\"logprobs\":null}]}", NAN, 0 },
    { "北京",
      "{\"choices\":[{\"logprobs\":{\"tokens\":[\"a\"],"
      "\"token_logprobs\":[null]}}]}",
      NAN, 0 },
    { "北京",
      "{\"choices\":[{\"logprobs\":{\"tokens\":[\"北京\"],"
      "\"token_logprobs\":[]}}]}",
      NAN, 0 },
};

START_TEST(echoed_tokens_are_counted_from_the_end)
{
    const char *options[] = { echoes[_i].option };
    const struct request q = { .kind = REQUEST_SCORE,
                               .prompt = "是",
                               .options = options,
                               .n_options = 1 };

    ask_of("vllm", "qwen");
    clear_reply();
    parse_body(&q, 0, echoes[_i].body);
    if (isnan(echoes[_i].logprob)) {
        ck_assert_int_ne(reply.fault.class, FAULT_NONE);
        return;
    }
    ck_assert_int_eq(reply.fault.class, FAULT_NONE);
    ck_assert(near(logprobs[0], echoes[_i].logprob));
    ck_assert_int_eq(option_tokens[0], echoes[_i].tokens);
}
END_TEST

START_TEST(an_answer_without_logprobs_is_no_score)
{
    const struct request q = { .kind = REQUEST_SCORE,
                               .messages = &user,
                               .n_messages = 1,
                               .options = letters,
                               .n_options = 4 };

    ask_of("openai", "gpt-4o");
    clear_reply();
    parse_body(&q, 0,
               "{\"choices\":[{\"message\":{\"content\":\"A\"},"
               "\"finish_reason\":\"length\",\"logprobs\":null}]}");
    ck_assert_int_eq(reply.fault.class, FAULT_FATAL);
    ck_assert(strstr(reply.fault.message, "--ask generate"));
    clear_reply();
    parse_body(&q, 0,
               "{\"choices\":[{\"logprobs\":{\"content\":[{\"top_logprobs\":"
               "[{\"token\":\"The\",\"logprob\":-0.1}]}]}}]}");
    ck_assert_int_eq(reply.fault.class, FAULT_ITEM);
}
END_TEST

static const struct {
    const char *provider, *model;
    bool chat, text;
} scoring[] = {
    { "openai", "gpt-4o", true, true },
    { "openai", "gpt-5.6", false, false },
    { "openai", "gpt-3.5-turbo-instruct", false, false },
    { "openai", "davinci-002", false, true },
    { "deepseek", "deepseek-chat", true, true },
    { "deepseek", "deepseek-reasoner", false, false },
    { "ark", "doubao-1-5-pro-32k-250115", true, true },
    { "zhipu", "glm-4", false, false },
    { "vllm", "m", true, true },
    { "custom", "m", false, false },
};

START_TEST(who_can_score_is_known)
{
    ask_of(scoring[_i].provider, scoring[_i].model);
    ck_assert_int_eq(adapter_openai.can_score(&ep, true), scoring[_i].chat);
    ck_assert_int_eq(adapter_openai.can_score(&ep, false), scoring[_i].text);
}
END_TEST

/* --- requests ------------------------------------------------------------- */

static const struct message dialogue[] = {
    { "system", "你是一名严谨的中文答题助手。" },
    { "user", "中国的首都是哪座城市？只回答城市名。" },
};

static struct call built;

static const char *build_text(const struct request *q)
{
    struct call c;

    t_ok(adapter_openai.build(&ep, q, 0, &arena, &c, &e), &e);
    built = c;
    return arena_dup(&arena, c.body.p, c.body.n);
}

/* What is sent to each vendor for the same request: greedy, 64 tokens. */
static const struct {
    const char *provider, *model;
    const char *members; /* of the body, without model and messages */
} sent[] = {
    { "openai", "gpt-3.5-turbo",
      "\"temperature\":0,\"top_p\":1,\"max_tokens\":64,\"seed\":1234,"
      "\"stop\":[\"a\",\"b\",\"c\",\"d\"],\"stream\":false" },
    { "openai", "o3-mini",
      "\"max_completion_tokens\":64,\"seed\":1234,\"stream\":false" },
    { "openai", "gpt-5.6",
      "\"max_completion_tokens\":64,\"seed\":1234,\"stream\":false" },
    { "qianfan", "ernie-4.5-turbo-128k",
      "\"temperature\":0.01,\"top_p\":1,\"max_completion_tokens\":64,"
      "\"stop\":[\"a\",\"b\",\"c\",\"d\"],\"stream\":false,"
      "\"web_search\":{\"enable\":false}" },
    { "dashscope", "qwen-max",
      "\"temperature\":0,\"top_p\":0.9999,\"top_k\":5,\"max_tokens\":64,"
      "\"seed\":1234,\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],"
      "\"stream\":false,\"enable_search\":false" },
    { "dashscope", "qwen3-max",
      "\"temperature\":0,\"top_p\":0.9999,\"top_k\":5,\"max_tokens\":64,"
      "\"seed\":1234,\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],"
      "\"stream\":false,\"enable_search\":false,\"enable_thinking\":false" },
    { "hunyuan", "hunyuan-turbos-latest",
      "\"temperature\":0,\"top_p\":1,\"max_tokens\":64,\"seed\":1234,"
      "\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"stream\":false,"
      "\"enable_enhancement\":false" },
    { "spark", "generalv3.5",
      "\"temperature\":0.01,\"top_k\":1,\"max_tokens\":64,\"stream\":false,"
      "\"tools\":[{\"type\":\"web_search\",\"web_search\":{\"enable\":false}}]" },
    { "zhipu", "glm-4-plus",
      "\"do_sample\":false,\"top_p\":0.99,\"max_tokens\":64,"
      "\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"stream\":false" },
    { "zhipu", "glm-4.6",
      "\"do_sample\":false,\"top_p\":0.99,\"max_tokens\":64,"
      "\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"stream\":false,"
      "\"thinking\":{\"type\":\"disabled\"}" },
    { "minimax", "MiniMax-M2.5",
      "\"temperature\":0.01,\"top_p\":1,\"max_tokens\":64,\"stream\":false" },
    { "minimax", "MiniMax-M3",
      "\"temperature\":0,\"top_p\":1,\"max_tokens\":64,\"stream\":false" },
    { "moonshot", "moonshot-v1-8k",
      "\"temperature\":0,\"top_p\":1,\"max_tokens\":64,"
      "\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"stream\":false" },
    { "moonshot", "kimi-k2.6",
      "\"max_tokens\":64,\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],"
      "\"stream\":false" },
    { "ark", "doubao-seed-2-0-lite-260215",
      "\"temperature\":0,\"top_p\":1,\"max_tokens\":64,"
      "\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"stream\":false,"
      "\"thinking\":{\"type\":\"disabled\"}" },
    { "llamacpp", "m",
      "\"temperature\":0,\"top_p\":1,\"top_k\":5,\"max_tokens\":64,"
      "\"seed\":1234,\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],"
      "\"stream\":false,\"cache_prompt\":false" },
};

static const char *stops[] = { "a", "b", "c", "d", "e" };
static const struct request greedy = { .kind = REQUEST_CHAT,
                                       .messages = dialogue,
                                       .n_messages = 2,
                                       .sampling = { .temperature = 0,
                                                     .top_p = 1,
                                                     .top_k = 5,
                                                     .max_tokens = 64,
                                                     .seed = 1234,
                                                     .stop = stops,
                                                     .n_stop = 5 } };

START_TEST(parameters_are_sent_as_the_row_says)
{
    const char *text, *rest;

    ask_of(sent[_i].provider, sent[_i].model);
    set_key("key", "sk-test");
    text = build_text(&greedy);
    rest = strstr(text, "\"}],");
    ck_assert_msg(rest, "%s", text);
    ck_assert_str_eq(rest + 4, arena_printf(&arena, "%s}", sent[_i].members));
    ck_assert_msg(
        strstr(text, arena_printf(&arena, "{\"model\":\"%s\"", sent[_i].model)),
        "%s", text);
}
END_TEST

START_TEST(hot_parameters_are_clamped)
{
    struct request q = greedy;

    q.sampling.temperature = 1.5;
    q.sampling.n_stop = 0;
    ask_of("zhipu", "glm-4");
    set_key("key", "sk-test");
    ck_assert(strstr(build_text(&q), "\"temperature\":0.99,"));
    ask_of("openai", "gpt-4o");
    set_key("key", "sk-test");
    ck_assert(strstr(build_text(&q), "\"temperature\":1.5,"));
    q.sampling.temperature = NAN;
    q.sampling.top_p = NAN;
    ck_assert(!strstr(build_text(&q), "temperature"));
    ck_assert(!strstr(build_text(&q), "top_p"));
}
END_TEST

START_TEST(a_models_own_body_wins)
{
    const char *text;

    ask_of("zhipu", "glm-4.6");
    set_key("key", "sk-test");
    spec.body = "{\"do_sample\":null,\"max_tokens\":7,\"thinking\":null,"
                "\"x\":{\"y\":1}}";
    text = build_text(&greedy);
    ck_assert(strstr(text, "\"max_tokens\":7"));
    ck_assert(!strstr(text, "\"max_tokens\":64"));
    ck_assert(!strstr(text, "thinking"));
    ck_assert(strstr(text, "\"x\":{\"y\":1}"));
}
END_TEST

static const struct {
    const char *provider, *model, *base_url, *url;
} urls[] = {
    { "openai", "gpt-4o", NULL, "https://api.openai.com/v1/chat/completions" },
    { "minimax", "m", NULL,
      "https://api.minimaxi.com/v1/text/chatcompletion_v2" },
    { "spark", "lite", NULL,
      "https://spark-api-open.xf-yun.com/v1/chat/completions" },
    { "spark", "x1", NULL,
      "https://spark-api-open.xf-yun.com/v2/chat/completions" },
    { "vllm", "m", "http://h:1", "http://h:1/v1/chat/completions" },
    { "vllm", "m", "http://h:1/v1", "http://h:1/v1/chat/completions" },
    { "wps", "m", "http://h/llm", "http://h/llm/chat/completions" },
};

START_TEST(addresses_are_put_together)
{
    ask_of(urls[_i].provider, urls[_i].model);
    set_key("key", "sk-test");
    if (urls[_i].base_url)
        ep.base_url = urls[_i].base_url;
    build_text(&greedy);
    ck_assert_str_eq(built.url, urls[_i].url);
    ck_assert_str_eq(built.method, "POST");
}
END_TEST

static bool has_header(const char *line)
{
    for (size_t i = 0; i < built.n_headers; i++)
        if (strcmp(built.headers[i], line) == 0)
            return true;
    return false;
}

START_TEST(keys_are_headers_and_nothing_else)
{
    const char *text;

    ask_of("qianfan", "m");
    set_key("key", "sk-test");
    text = build_text(&greedy);
    ck_assert(has_header("Authorization: Bearer sk-test"));
    ck_assert(has_header("Content-Type: application/json"));
    ck_assert(!strstr(text, "sk-test") && !strstr(built.url, "sk-test"));
    ask_of("vllm", "m");
    build_text(&greedy);
    for (size_t i = 0; i < built.n_headers; i++)
        ck_assert(strncmp(built.headers[i], "Authorization", 13) != 0);
}
END_TEST

START_TEST(a_missing_key_is_named)
{
    struct call c;

    ask_of("zhipu", "glm-4");
    ck_assert_int_eq(adapter_openai.build(&ep, &greedy, 0, &arena, &c, &e),
                     ERR_AUTH);
    ck_assert_msg(strstr(e.msg, "ZHIPUAI_API_KEY"), "%s", e.msg);
}
END_TEST

START_TEST(a_key_of_two_lines_is_refused_unseen)
{
    struct call c;

    ask_of("openai", "gpt-4o");
    set_key("key", "sk-te\nst");
    ck_assert_int_ne(adapter_openai.build(&ep, &greedy, 0, &arena, &c, &e),
                     ERR_OK);
    ck_assert(!strstr(e.msg, "sk-te"));
}
END_TEST

START_TEST(streams_ask_for_their_usage)
{
    ask_of("openai", "gpt-4o");
    set_key("key", "sk-test");
    ep.stream = true;
    ck_assert(strstr(build_text(&greedy), "\"stream\":true,\"stream_options\":"
                                          "{\"include_usage\":true}"));
    ck_assert_int_eq(built.framing, FRAME_SSE);
    ask_of("zhipu", "glm-4");
    set_key("key", "id.secret");
    ep.stream = true;
    ck_assert(!strstr(build_text(&greedy), "stream_options"));
}
END_TEST

START_TEST(scores_are_asked_in_the_rows_way)
{
    const char *options[] = { " 北京", " 上海" };
    struct request q = { .kind = REQUEST_SCORE,
                         .prompt = "首都：",
                         .options = options,
                         .n_options = 2,
                         .sampling = { .temperature = NAN,
                                       .top_p = NAN,
                                       .top_k = -1,
                                       .seed = -1 } };

    ask_of("vllm", "m");
    ck_assert_str_eq(build_text(&q),
                     "{\"model\":\"m\",\"prompt\":\"首都： 北京\","
                     "\"max_tokens\":1,\"temperature\":0,\"echo\":true,"
                     "\"logprobs\":1,\"stream\":false}");
    ck_assert(strstr(built.url, "/v1/completions"));
    q.options = letters;
    q.n_options = 4;
    ask_of("deepseek", "deepseek-chat");
    set_key("key", "sk-test");
    ck_assert_str_eq(build_text(&q),
                     "{\"model\":\"deepseek-chat\",\"messages\":[{\"role\":"
                     "\"user\",\"content\":\"首都：\"}],\"max_tokens\":1,"
                     "\"logprobs\":true,\"top_logprobs\":20,"
                     "\"stream\":false}");
}
END_TEST

static const struct {
    const char *provider, *model;
    enum request_kind kind;
    const char *says;
} refused[] = {
    { "zhipu", "glm-4", REQUEST_SCORE, "--ask generate" },
    { "zhipu", "glm-4", REQUEST_COMPLETION, "without --completion" },
    { "openai", "davinci-002", REQUEST_CHAT, "with --completion" },
    { "openai", "gpt-4o", REQUEST_SCORE, "first token only" },
};

START_TEST(what_a_provider_cannot_do_is_said_before_it_is_asked)
{
    const char *options[] = { "a long answer", "another one" };
    struct request q = greedy;
    struct call c;

    q.kind = refused[_i].kind;
    q.prompt = "p";
    q.options = options;
    q.n_options = 2;
    ask_of(refused[_i].provider, refused[_i].model);
    set_key("key", "sk-test");
    ck_assert_int_eq(adapter_openai.build(&ep, &q, 0, &arena, &c, &e),
                     ERR_REJECTED);
    ck_assert_msg(strstr(e.msg, refused[_i].says), "%s", e.msg);
}
END_TEST

/* --- messages ------------------------------------------------------------- */

START_TEST(messages_follow_the_row)
{
    static const struct message two[] = {
        { "user", "a" }, { "user", "b" }, { "assistant", "c" }, { "user", "d" }
    };
    struct request q = greedy;

    ask_of("openai", "o3-mini"); /* developer, not system */
    set_key("key", "sk-test");
    ck_assert(strstr(build_text(&q), "[{\"role\":\"developer\","));
    q.messages = two;
    q.n_messages = 4;
    ask_of("baichuan", "Baichuan4"); /* neighbours are joined */
    set_key("key", "sk-test");
    ck_assert(strstr(build_text(&q),
                     "[{\"role\":\"user\",\"content\":\"a\\n\\nb\"},"
                     "{\"role\":\"assistant\",\"content\":\"c\"},"
                     "{\"role\":\"user\",\"content\":\"d\"}]"));
}
END_TEST

START_TEST(too_many_messages_are_refused)
{
    struct message many[42];
    struct request q = greedy;
    struct call c;

    for (size_t i = 0; i < 42; i++)
        many[i] = (struct message){ i % 2 ? "assistant" : "user", "x" };
    q.messages = many;
    q.n_messages = 41;
    ask_of("hunyuan", "hunyuan-lite");
    set_key("key", "sk-test");
    ck_assert_int_eq(adapter_openai.build(&ep, &q, 0, &arena, &c, &e),
                     ERR_REJECTED);
    ck_assert_msg(strstr(e.msg, "40 messages"), "%s", e.msg);
}
END_TEST

START_TEST(memory_may_run_out_anywhere)
{
    enum err_code rc = ERR_NOMEM;
    struct arena a;
    struct call c;

    ask_of("zhipu", "glm-4.6");
    set_key("key", "sk-test");
    arena_init(&a, 0);
    for (size_t n = 1; rc && n < 1000; n++) {
        mem_fail_at(n, true);
        rc = adapter_openai.build(&ep, &greedy, 0, &a, &c, &e);
        mem_fail_at(0, false);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
        arena_free(&a);
    }
    ck_assert_int_eq(rc, ERR_OK);
}
END_TEST

static void begin(void)
{
    arena_init(&arena, 0);
    unsetenv("MOKAO_PROVIDERS");
    setenv("XDG_CONFIG_HOME", t_tmp(), 1);
    t_ok(providers_open(&table, NULL, &e), &e);
}

static void end(void)
{
    buf_free(&reply.text);
    buf_free(&reply.reasoning);
    providers_close(table);
    table = NULL;
    arena_free(&arena);
}

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_loop_test(tc, every_vendors_answer_is_read, 0, N(vendors));
    tcase_add_loop_test(tc, every_vendors_stream_is_read, 0, N(vendors));
    tcase_add_loop_test(tc, every_vendors_errors_have_their_class, 0,
                        N(errors));
    tcase_add_loop_test(tc, every_error_sample_is_expected, 0, N(vendors));
    tcase_add_loop_test(tc, answers_are_told_apart, 0, N(bodies));
    tcase_add_test(tc, a_filtered_answer_is_kept_as_such);
    tcase_add_loop_test(tc, what_is_no_answer_is_a_fault, 0, N(broken));
    tcase_add_loop_test(tc, the_wait_is_read_from_the_words, 0, N(waits));
    tcase_add_test(tc, a_page_of_a_proxy_is_a_fault_with_its_words);
    tcase_add_loop_test(tc, streams_are_told_apart, 0, N(streams));
    tcase_add_test(tc, completions_are_read_whole_and_streamed);
    tcase_add_test(tc, letters_are_scored_by_the_first_token);
    tcase_add_test(tc, options_are_scored_by_the_echoed_prompt);
    tcase_add_loop_test(tc, echoed_tokens_are_counted_from_the_end, 0,
                        N(echoes));
    tcase_add_test(tc, an_answer_without_logprobs_is_no_score);
    tcase_add_loop_test(tc, who_can_score_is_known, 0, N(scoring));
    tcase_add_loop_test(tc, parameters_are_sent_as_the_row_says, 0, N(sent));
    tcase_add_test(tc, hot_parameters_are_clamped);
    tcase_add_test(tc, a_models_own_body_wins);
    tcase_add_loop_test(tc, addresses_are_put_together, 0, N(urls));
    tcase_add_test(tc, keys_are_headers_and_nothing_else);
    tcase_add_test(tc, a_missing_key_is_named);
    tcase_add_test(tc, a_key_of_two_lines_is_refused_unseen);
    tcase_add_test(tc, streams_ask_for_their_usage);
    tcase_add_test(tc, scores_are_asked_in_the_rows_way);
    tcase_add_loop_test(tc,
                        what_a_provider_cannot_do_is_said_before_it_is_asked, 0,
                        N(refused));
    tcase_add_test(tc, messages_follow_the_row);
    tcase_add_test(tc, too_many_messages_are_refused);
    tcase_add_test(tc, memory_may_run_out_anywhere);
}
T_MAIN("adapter", setup)
