/* Calls of the vendors with shapes of their own: bodies equal the vendors'
 * samples, addresses and parameters are theirs, messages follow their rules. */
#include <math.h>
#include <string.h>

#include "tests/t.h"
#include "tests/vendor.h"

static struct vendor v;

#define N(list) (int)(sizeof(list) / sizeof *(list))

static const char system_text[] = "你是一名严谨的中文答题助手。";
static const char user_text[] = "中国的首都是哪座城市？只回答城市名。";

/* --- bodies --------------------------------------------------------------- */

static const char *stops[] = { "\n\n" };

static const struct {
    const char *dir, *file, *model;
    double temperature, top_p;
    int64_t top_k, max_tokens, seed;
    size_t n_stop;
    bool system;
    const char *rows, *less;
} requests[] = {
    { "anthropic", "request.json", "claude-haiku-4-5", 0, NAN, -1, 64, 7, 1,
      true, NULL, NULL },
    { "anthropic", "request-no-sampling.json", "claude-opus-5", 0, 0.9, 5, 64,
      7, 0, true, NULL, NULL },
    /* no stop text is the same as an empty list of them */
    { "gemini", "request.json", "gemini-2.0-flash", 0, NAN, -1, 64, -1, 0, true,
      NULL, "\"stopSequences\":[]," },
    { "baidu_qianfan_v1", "request.json", "ERNIE-3.5-8K", 0, 0.8, 5, 64, 7, 0,
      true, NULL, NULL },
    { "aliyun_dashscope", "request.json", "qwen-plus", 0, 0.8, -1, 64, 1234, 0,
      true,
      "{\"providers\":[{\"id\":\"aliyun_dashscope\",\"models\":[{"
      "\"model\":\"qwen-plus\",\"body\":{\"enable_search\":false}}]}]}",
      NULL },
    { "tencent_hunyuan", "request.json", "hunyuan-turbos-latest", 0.01, 0.8, 5,
      64, 1234, 0, true, NULL, NULL },
    { "iflytek_spark_ws", "request.json", "generalv3.5", 0.1, 0.9, 1, 64, 7, 1,
      true, NULL, NULL },
    { "minimax_pro", "request.json", "abab5.5-chat", 0, 0.95, 5, 64, 7, 1, true,
      NULL, NULL },
    { "volc_maas_v1", "request.json", "skylark-pro-public", 0.01, 0.9, 0, 64, 7,
      1, false, NULL, NULL },
    { "sensenova", "request.json", "SenseChat-5", 0, 0.7, 5, 64, 7, 1, true,
      NULL, NULL },
    { "huawei_pangu", "request.json", "some-id", 0.1, NAN, 5, 64, 7, 1, true,
      NULL, NULL },
    { "skywork", "request.json", "SkyChat-MegaVerse", 0, 0.9, 5, 64, 7, 1,
      false, NULL, NULL },
    { "skywork", "request-v1-chat.json", "any", 0.3, 0.9, -1, 64, 7, 0, false,
      "{\"providers\":[{\"id\":\"skywork\",\"omit\":[\"seed\"],"
      "\"paths\":{\"chat\":\"/sky-work/api/v1/chat\"}}]}",
      NULL },
};

static void ask(int i)
{
    vendor_init(&v, requests[i].dir, requests[i].model, requests[i].rows);
    vendor_secrets(&v);
    vendor_secret(&v, "app_id", "12345678");
    v.q.sampling = (struct sampling){
        .temperature = requests[i].temperature,
        .top_p = requests[i].top_p,
        .top_k = requests[i].top_k,
        .max_tokens = requests[i].max_tokens,
        .seed = requests[i].seed,
        .stop = stops,
        .n_stop = requests[i].n_stop,
    };
    v.messages[0] = (struct message){ "system", system_text };
    v.messages[1] = (struct message){ "user", user_text };
    v.q.messages = v.messages + !requests[i].system;
    v.q.n_messages = requests[i].system ? 2 : 1;
}

START_TEST(a_body_equals_the_vendors_sample)
{
    struct call c;

    ask(_i);
    vendor_build(&v, 0, &c);
    vendor_same(&v, c.body,
                vendor_sample(&v, requests[_i].dir, requests[_i].file),
                requests[_i].less);
    vendor_free(&v);
}
END_TEST

/* The sample asks for the nearest tokens besides, which nothing here needs. */
START_TEST(tgi_scores_prompt_and_option)
{
    static const char *options[] = { "上海", "北京" };
    struct call c;

    vendor_init(&v, "tgi", "m", NULL);
    v.q = (struct request){ .kind = REQUEST_SCORE,
                            .prompt = "中国的首都是",
                            .options = options,
                            .n_options = 2,
                            .sampling = { .temperature = 0,
                                          .top_p = NAN,
                                          .top_k = -1,
                                          .max_tokens = 64,
                                          .seed = 1234 } };
    v.ep.stream = true; /* not for scores */
    vendor_build(&v, 1, &c);
    vendor_same(&v, c.body, vendor_sample(&v, "tgi", "request.json"),
                ",\"top_n_tokens\":5");
    ck_assert_str_eq(c.url, "http://localhost:8080/generate");
    ck_assert_int_eq(c.framing, FRAME_WHOLE);
    ck_assert_ptr_null(vendor_header(&c, "Authorization"));
    vendor_free(&v);
}
END_TEST

START_TEST(letters_are_scored_by_the_first_token)
{
    static const struct {
        const char *dir, *model, *in, *member, *limit;
        double most;
    } rows[] = {
        { "aliyun_dashscope", "qwen-plus-2025-04-28", "parameters",
          "top_logprobs", "max_tokens", 5 },
        { "gemini", "gemini-2.0-flash", "generationConfig", "logprobs",
          "maxOutputTokens", 20 },
    };
    static const char *options[] = { "A", "B" };
    const struct json *in;
    struct json *j;
    struct call c;

    vendor_init(&v, rows[_i].dir, rows[_i].model, NULL);
    ck_assert(v.adapter->can_score(&v.ep, true));
    vendor_secrets(&v);
    v.ep.stream = true;
    v.q.kind = REQUEST_SCORE;
    v.q.options = options;
    v.q.n_options = 2;
    v.q.sampling.max_tokens = 64;
    vendor_build(&v, 0, &c);
    ck_assert_int_eq(c.framing, FRAME_WHOLE);
    ck_assert_ptr_null(vendor_header(&c, "X-DashScope-SSE"));
    j = vendor_json(&v, c.body);
    in = json_get(j, rows[_i].in);
    ck_assert_double_eq(json_number(json_get(in, rows[_i].member)),
                        rows[_i].most);
    ck_assert_double_eq(json_number(json_get(in, rows[_i].limit)), 1);
    json_free(j);
    vendor_free(&v);
}
END_TEST

START_TEST(models_without_logprobs_are_not_scored)
{
    static const char *const rows[][2] = {
        { "gemini", "gemini-2.5-pro" },
        { "aliyun_dashscope", "qwen-plus" },
        { "anthropic", "claude-haiku-4-5" },
        { "huawei_pangu", "some-id" },
    };

    vendor_init(&v, rows[_i][0], rows[_i][1], NULL);
    ck_assert(!v.adapter->can_score || !v.adapter->can_score(&v.ep, true));
    vendor_free(&v);
}
END_TEST

/* --- addresses and headers ------------------------------------------------ */

static const struct {
    const char *dir, *model;
    bool stream;
    const char *url, *header, *value;
} calls[] = {
    { "anthropic", "claude-haiku-4-5", false,
      "https://api.anthropic.com/v1/messages", "x-api-key", "test-key" },
    { "anthropic", "claude-haiku-4-5", true,
      "https://api.anthropic.com/v1/messages", "anthropic-version",
      "2023-06-01" },
    { "gemini", "a b/c", false,
      "https://generativelanguage.googleapis.com/v1beta/models/"
      "a%20b%2Fc:generateContent",
      "x-goog-api-key", "test-key" },
    { "gemini", "gemini-2.5-pro", true,
      "https://generativelanguage.googleapis.com/v1beta/models/"
      "gemini-2.5-pro:streamGenerateContent?alt=sse",
      "x-goog-api-key", "test-key" },
    { "aliyun_dashscope", "qwen-plus", true,
      "https://dashscope.aliyuncs.com/api/v1/services/aigc/text-generation/"
      "generation",
      "X-DashScope-SSE", "enable" },
    { "aliyun_dashscope", "qwen-plus", true,
      "https://dashscope.aliyuncs.com/api/v1/services/aigc/text-generation/"
      "generation",
      "Accept", "text/event-stream" },
    { "aliyun_dashscope", "qwen-plus", false,
      "https://dashscope.aliyuncs.com/api/v1/services/aigc/text-generation/"
      "generation",
      "Authorization", "Bearer test-key" },
    { "tencent_hunyuan", "hunyuan-lite", false,
      "https://hunyuan.tencentcloudapi.com/", "X-TC-Version", "2023-09-01" },
    { "minimax_pro", "abab5.5-chat", false,
      "https://api.minimax.chat/v1/text/chatcompletion_pro?GroupId="
      "test-group_id",
      "Authorization", "Bearer test-key" },
    { "volc_maas_v1", "ep-2023-x", false,
      "https://maas-api.ml-platform-cn-beijing.volces.com/api/v2/endpoint/"
      "ep-2023-x/chat",
      "X-Date", "20231114T221320Z" },
    { "sensenova", "SenseChat-5", false,
      "https://api.sensenova.cn/v1/llm/chat-completions", "Content-Type",
      "application/json" },
    { "huawei_pangu", "1111-2222", false,
      "https://pangu.cn-southwest-2.myhuaweicloud.com/v1/test-project_id/"
      "deployments/1111-2222/chat/completions",
      "X-Auth-Token", "test-token" },
    { "skywork", "SkyChat-MegaVerse", true,
      "https://sky-api.singularity-ai.com/saas/api/v4/generate", "stream",
      "true" },
    { "tgi", "m", true, "http://localhost:8080/generate_stream",
      "Authorization", "Bearer test-key" },
};

START_TEST(a_call_goes_to_the_vendors_address)
{
    struct call c;

    vendor_init(&v, calls[_i].dir, calls[_i].model, NULL);
    vendor_secrets(&v);
    v.ep.stream = calls[_i].stream;
    vendor_build(&v, 0, &c);
    ck_assert_str_eq(c.url, calls[_i].url);
    ck_assert_str_eq(vendor_header(&c, calls[_i].header), calls[_i].value);
    ck_assert_str_eq(c.method, "POST");
    ck_assert_str_eq(vendor_header(&c, "Content-Type"), "application/json");
    vendor_free(&v);
}
END_TEST

START_TEST(qianfan_model_is_in_the_path)
{
    static const char *const rows[][2] = {
        { "ERNIE-4.0-8K", "completions_pro" },
        { "ERNIE-Speed-8K", "ernie_speed" },
        { "Some-New-Model", "some-new-model" },
    };
    struct call c;

    vendor_init(&v, "baidu_qianfan_v1", rows[_i][0], NULL);
    vendor_secret(&v, "ak", "a");
    vendor_secret(&v, "sk", "s");
    v.ep.token = "24.t/1";
    vendor_build(&v, 0, &c);
    ck_assert_str_eq(
        c.url, arena_printf(&v.arena,
                            "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/"
                            "wenxinworkshop/chat/%s?access_token=24.t%%2F1",
                            rows[_i][1]));
    vendor_free(&v);
}
END_TEST

/* What the console shows for a deployment is the whole address. */
START_TEST(pangu_takes_the_consoles_address)
{
    static const char *const rows[] = {
        "https://pangu.cn-north-4.myhuaweicloud.com/v1/p/deployments/d",
        "https://pangu.cn-north-4.myhuaweicloud.com/v1/p/deployments/d"
        "/chat/completions",
    };
    struct call c;

    vendor_init(&v, "huawei_pangu", "d", NULL);
    v.ep.base_url = rows[_i];
    v.ep.token = "t";
    vendor_build(&v, 0, &c);
    ck_assert_str_eq(c.url, rows[1]);
    vendor_free(&v);
}
END_TEST

/* --- rules of messages ---------------------------------------------------- */

static struct message talk[50];

static enum err_code build_talk(const char *dir, const char *roles,
                                struct call *c)
{
    static const char *const names[] = { "user", "assistant", "system" };
    size_t n = strlen(roles);

    memset(c, 0, sizeof *c);
    vendor_init(&v, dir, "m", NULL);
    vendor_secrets(&v);
    for (size_t i = 0; i < n; i++)
        talk[i] = (struct message){
            names[strchr("uas", roles[i]) - "uas"],
            arena_printf(&v.arena, "%zu", i),
        };
    v.q.messages = talk;
    v.q.n_messages = n;
    return v.adapter->build(&v.ep, &v.q, 0, &v.arena, c, &v.e);
}

static const struct {
    const char *dir, *roles, *member, *want;
} rules[] = {
    { "anthropic", "suuau", "messages",
      "[{\"content\":\"1\\n\\n2\",\"role\":\"user\"},{\"content\":\"3\","
      "\"role\":\"assistant\"},{\"content\":\"4\",\"role\":\"user\"}]" },
    { "anthropic", "ssu", "system", "\"0\\n\\n1\"" },
    { "anthropic", "usu", "messages",
      "[{\"content\":\"0\\n\\n2\",\"role\":\"user\"}]" },
    { "gemini", "uau", "contents",
      "[{\"parts\":[{\"text\":\"0\"}],\"role\":\"user\"},{\"parts\":[{"
      "\"text\":\"1\"}],\"role\":\"model\"},{\"parts\":[{\"text\":\"2\"}],"
      "\"role\":\"user\"}]" },
    { "gemini", "su", "systemInstruction", "{\"parts\":[{\"text\":\"0\"}]}" },
    { "baidu_qianfan_v1", "suu", "messages",
      "[{\"content\":\"1\\n\\n2\",\"role\":\"user\"}]" },
    { "aliyun_dashscope", "suu", "input",
      "{\"messages\":[{\"content\":\"0\",\"role\":\"system\"},{\"content\":"
      "\"1\\n\\n2\",\"role\":\"user\"}]}" },
    { "tencent_hunyuan", "suu", "Messages",
      "[{\"Content\":\"0\",\"Role\":\"system\"},{\"Content\":\"1\\n\\n2\","
      "\"Role\":\"user\"}]" },
    { "minimax_pro", "uau", "messages",
      "[{\"sender_name\":\"用户\",\"sender_type\":\"USER\",\"text\":\"0\"},"
      "{\"sender_name\":\"MM智能助理\",\"sender_type\":\"BOT\","
      "\"text\":\"1\"},{\"sender_name\":\"用户\",\"sender_type\":\"USER\","
      "\"text\":\"2\"}]" },
    { "volc_maas_v1", "su", "messages",
      "[{\"content\":\"0\",\"role\":\"system\"},{\"content\":\"1\","
      "\"role\":\"user\"}]" },
    { "tgi", "su", "inputs", "\"0\\n\\n1\"" },
};

START_TEST(messages_follow_the_vendors_rules)
{
    struct call c;
    struct json *j;
    struct buf b;

    ck_assert_int_eq(build_talk(rules[_i].dir, rules[_i].roles, &c), ERR_OK);
    j = vendor_json(&v, c.body);
    buf_init(&b, 1 << 16);
    t_ok(json_write_canonical(json_get(j, rules[_i].member), &b, &v.e), &v.e);
    ck_assert_str_eq(b.p, rules[_i].want);
    buf_free(&b);
    json_free(j);
    vendor_free(&v);
}
END_TEST

static const struct {
    const char *dir, *roles, *says;
} refused[] = {
    { "anthropic", "au", "first message must be the user's" },
    { "baidu_qianfan_v1", "ua", "last message must be the user's" },
    { "tencent_hunyuan", "sau", "first message must be the user's" },
    { "anthropic", "s", "no message of the user's" },
    { "tencent_hunyuan", "uauauauauauauauauauauauauauauauauauauauau",
      "40 messages" },
};

START_TEST(messages_that_cannot_follow_are_refused)
{
    struct call c;

    ck_assert_int_eq(build_talk(refused[_i].dir, refused[_i].roles, &c),
                     ERR_REJECTED);
    ck_assert_msg(strstr(v.e.msg, refused[_i].says), "%s", v.e.msg);
    vendor_free(&v);
}
END_TEST

/* --- parameters ----------------------------------------------------------- */

/* Temperature 0 where the interval is open, and what else stands in for it. */
static const struct {
    const char *dir, *model, *in, *member;
    double want; /* NaN: not sent */
} zeros[] = {
    { "anthropic", "claude-haiku-4-5", NULL, "temperature", 0 },
    { "anthropic", "claude-opus-4-8", NULL, "temperature", NAN },
    { "gemini", "gemini-2.5-pro", "generationConfig", "temperature", 0 },
    { "baidu_qianfan_v1", "ERNIE-3.5-8K", NULL, "temperature", 0.01 },
    { "aliyun_dashscope", "qwen-plus", "parameters", "temperature", 0.01 },
    { "tencent_hunyuan", "hunyuan-lite", NULL, "Temperature", 0 },
    { "iflytek_spark_ws", "lite", "parameter/chat", "top_k", 1 },
    { "minimax_pro", "abab5.5-chat", NULL, "temperature", 0.01 },
    { "volc_maas_v1", "skylark", "parameters", "temperature", 0 },
    { "sensenova", "SenseChat-5", NULL, "temperature", 0.01 },
    { "huawei_pangu", "d", NULL, "temperature", 0 },
    { "skywork", "m", NULL, "temperature", NAN },
    { "tgi", "m", "parameters", "temperature", NAN },
};

START_TEST(greedy_decoding_is_asked_for_as_the_vendor_wants)
{
    const struct json *in;
    char path[32];
    struct json *j;
    struct call c;
    double got;

    vendor_init(&v, zeros[_i].dir, zeros[_i].model, NULL);
    vendor_secrets(&v);
    v.q.sampling.temperature = 0;
    vendor_build(&v, 0, &c);
    in = j = vendor_json(&v, c.body);
    strncpy(path, zeros[_i].in ? zeros[_i].in : "", sizeof path - 1);
    path[sizeof path - 1] = '\0';
    for (char *save, *p = strtok_r(path, "/", &save); p;
         p = strtok_r(NULL, "/", &save))
        in = json_get(in, p);
    got = json_number(json_get(in, zeros[_i].member));
    if (isnan(zeros[_i].want))
        ck_assert(isnan(got));
    else
        ck_assert_double_eq_tol(got, zeros[_i].want, 1e-9);
    json_free(j);
    vendor_free(&v);
}
END_TEST

/* Two vendors want a limit of tokens even where the request has none. */
START_TEST(a_limit_that_has_to_be_there_is)
{
    static const char *const rows[][2] = {
        { "anthropic", "max_tokens" },
        { "minimax_pro", "tokens_to_generate" },
    };
    struct json *j;
    struct call c;

    vendor_init(&v, rows[_i][0], "m", NULL);
    vendor_secrets(&v);
    vendor_build(&v, 0, &c);
    j = vendor_json(&v, c.body);
    ck_assert_double_ge(json_number(json_get(j, rows[_i][1])), 1024);
    json_free(j);
    vendor_free(&v);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, a_body_equals_the_vendors_sample, 0, N(requests));
    tcase_add_test(tc, tgi_scores_prompt_and_option);
    tcase_add_loop_test(tc, letters_are_scored_by_the_first_token, 0, 2);
    tcase_add_loop_test(tc, models_without_logprobs_are_not_scored, 0, 4);
    tcase_add_loop_test(tc, a_call_goes_to_the_vendors_address, 0, N(calls));
    tcase_add_loop_test(tc, qianfan_model_is_in_the_path, 0, 3);
    tcase_add_loop_test(tc, pangu_takes_the_consoles_address, 0, 2);
    tcase_add_loop_test(tc, messages_follow_the_vendors_rules, 0, N(rules));
    tcase_add_loop_test(tc, messages_that_cannot_follow_are_refused, 0,
                        N(refused));
    tcase_add_loop_test(tc, greedy_decoding_is_asked_for_as_the_vendor_wants, 0,
                        N(zeros));
    tcase_add_loop_test(tc, a_limit_that_has_to_be_there_is, 0, 2);
}

T_MAIN("native_calls", setup)
