/* Answers of the vendors with shapes of their own: every sample is read as what
 * it is, streams whole and byte by byte. */
#include <math.h>
#include <string.h>

#include "tests/t.h"
#include "tests/vendor.h"

static struct vendor v;

static void done(void)
{
    vendor_free(&v);
}

/* The body of an error sample and its status. */
static struct str error_body(const char *dir, const char *name, int *status)
{
    struct json *j = vendor_json(&v, vendor_sample(&v, dir, name));
    const struct json *body = json_get(j, "body");
    struct buf b;
    struct str out;

    *status = (int)json_number(json_get(j, "_http_status"));
    buf_init(&b, 1 << 16);
    t_ok(json_write(body ? body : j, &b, &v.e), &v.e);
    out = (struct str){ arena_dup(&v.arena, b.p, b.n), b.n };
    if (!body)
        *status = 200;
    buf_free(&b);
    json_free(j);
    return out;
}

/* --- whole answers -------------------------------------------------------- */

static const struct answer {
    const char *dir, *model, *file, *text;
    enum finish finish;
    int64_t in, cached, out;
    int64_t max_tokens;
} answers[] = {
    { "anthropic", "claude-haiku-4-5", "response.json", "北京", FINISH_STOP, 35,
      0, 4, 64 },
    { "gemini", "gemini-2.5-flash", "response.json", "北京", FINISH_STOP, 24,
      -1, 1, 64 },
    { "gemini", "gemini-2.5-flash", "response-safety.json", "", FINISH_FILTER,
      24, -1, 0, 64 },
    { "baidu_qianfan_v1", "ERNIE-3.5-8K", "response.json", "北京", FINISH_STOP,
      31, -1, 1, 64 },
    { "aliyun_dashscope", "qwen-plus", "response.json", "北京", FINISH_STOP, 31,
      0, 1, 64 },
    { "aliyun_dashscope", "qwen-plus", "response-text-format.json", "北京",
      FINISH_STOP, 31, -1, 1, 64 },
    { "tencent_hunyuan", "hunyuan-lite", "response.json", "北京", FINISH_STOP,
      22, -1, 2, 64 },
    { "iflytek_spark_ws", "generalv3.5", "response.json", "北京", FINISH_STOP,
      31, -1, 2, 64 },
    { "iflytek_spark_ws", "generalv3.5", "response.json", "北京", FINISH_LENGTH,
      31, -1, 2, 2 },
    { "minimax_pro", "abab5.5-chat", "response.json", "北京", FINISH_STOP, -1,
      -1, -1, 64 },
    { "volc_maas_v1", "skylark-pro-public", "response.json", "北京",
      FINISH_STOP, 22, -1, 2, 64 },
    { "sensenova", "SenseChat-5", "response.json", "北京", FINISH_STOP, 31, -1,
      2, 64 },
    { "huawei_pangu", "some-id", "response.json", "北京", FINISH_STOP, 31, -1,
      2, 64 },
    { "huawei_pangu", "some-id", "response.json", "北京", FINISH_LENGTH, 31, -1,
      2, 2 },
    { "skywork", "SkyChat-MegaVerse", "response.json", "北京", FINISH_STOP, -1,
      -1, -1, 64 },
    { "tgi", "some-model", "response.json", "。", FINISH_LENGTH, 5, -1, 1, 1 },
};

START_TEST(an_answer_is_read)
{
    const struct answer *w = &answers[_i];

    vendor_init(&v, w->dir, w->model, NULL);
    v.q.sampling.max_tokens = w->max_tokens;
    vendor_answer(&v, 200, vendor_sample(&v, w->dir, w->file), 0);
    ck_assert_str_eq(v.reply.fault.message, "");
    ck_assert_int_eq(v.reply.fault.class, FAULT_NONE);
    ck_assert_str_eq(v.reply.text.p, w->text);
    ck_assert_str_eq(v.reply.reasoning.p, "");
    ck_assert(v.reply.finished);
    ck_assert_str_eq(finish_name(v.reply.finish), finish_name(w->finish));
    ck_assert_int_eq(v.reply.prompt_tokens, w->in);
    ck_assert_int_eq(v.reply.cached_tokens, w->cached);
    ck_assert_int_eq(v.reply.output_tokens, w->out);
    done();
}
END_TEST

/* The vendor's apology is kept, and told apart from an answer. */
START_TEST(qianfan_refusal_is_not_an_answer)
{
    int status;

    vendor_init(&v, "baidu_qianfan_v1", "ERNIE-3.5-8K", NULL);
    vendor_answer(&v, 200,
                  error_body("baidu_qianfan_v1", "error-filter.json", &status),
                  0);
    ck_assert_int_eq(v.reply.finish, FINISH_FILTER);
    ck_assert_ptr_eq(strstr(v.reply.text.p, "作为一个人工智能"),
                     v.reply.text.p);
    done();
}
END_TEST

START_TEST(gemini_blocked_prompt_has_no_answer)
{
    vendor_init(&v, "gemini", "gemini-2.5-flash", NULL);
    vendor_answer(&v, 200, vendor_sample(&v, "gemini", "response-blocked.json"),
                  0);
    ck_assert_int_eq(v.reply.fault.class, FAULT_FILTER);
    ck_assert_str_eq(v.reply.fault.code, "PROHIBITED_CONTENT");
    ck_assert_int_eq(v.reply.prompt_tokens, 24);
    done();
}
END_TEST

/* What a vendor says besides its sample. */
static const struct {
    const char *dir, *model, *body, *text, *reasoning;
    enum finish finish;
    int64_t in, cached, out;
} more[] = {
    { "anthropic", "claude-opus-4-1",
      "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"想\"},"
      "{\"type\":\"text\",\"text\":\"甲\"},{\"type\":\"text\",\"text\":\"乙\"}]"
      ",\"stop_reason\":\"max_tokens\",\"usage\":{\"input_tokens\":5,"
      "\"cache_creation_input_tokens\":10,\"cache_read_input_tokens\":20,"
      "\"output_tokens\":3}}",
      "甲乙", "想", FINISH_LENGTH, 35, 20, 3 },
    { "anthropic", "claude-opus-4-1",
      "{\"content\":[],\"stop_reason\":\"refusal\"}", "", "", FINISH_REFUSED,
      -1, -1, -1 },
    { "anthropic", "claude-opus-4-1",
      "{\"content\":[],\"stop_reason\":\"model_context_window_exceeded\"}", "",
      "", FINISH_CONTEXT, -1, -1, -1 },
    { "gemini", "gemini-2.5-pro",
      "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"想\","
      "\"thought\":true},{\"text\":\"甲\"}]},\"finishReason\":\"MAX_TOKENS\"}]"
      ",\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":2,"
      "\"thoughtsTokenCount\":7,\"cachedContentTokenCount\":4}}",
      "甲", "想", FINISH_LENGTH, 9, 4, 9 },
    { "gemini", "gemini-2.5-pro",
      "{\"candidates\":[{\"finishReason\":\"RECITATION\"}]}", "", "",
      FINISH_FILTER, -1, -1, -1 },
    { "baidu_qianfan_v1", "ERNIE-3.5-8K",
      "{\"result\":\"甲\",\"is_truncated\":true}", "甲", "", FINISH_LENGTH, -1,
      -1, -1 },
    { "baidu_qianfan_v1", "ERNIE-3.5-8K",
      "{\"result\":\"甲\",\"finish_reason\":\"content_filter\"}", "甲", "",
      FINISH_FILTER, -1, -1, -1 },
    { "aliyun_dashscope", "qwen-plus",
      "{\"output\":{\"choices\":[{\"finish_reason\":\"length\",\"message\":"
      "{\"content\":\"甲\",\"reasoning_content\":\"想\"}}]}}",
      "甲", "想", FINISH_LENGTH, -1, -1, -1 },
    { "tencent_hunyuan", "hunyuan-t1",
      "{\"Response\":{\"Choices\":[{\"Message\":{\"Content\":\"甲\","
      "\"ReasoningContent\":\"想\"},\"FinishReason\":\"sensitive\"}]}}",
      "甲", "想", FINISH_FILTER, -1, -1, -1 },
    { "iflytek_spark_ws", "x1",
      "{\"header\":{\"code\":0},\"payload\":{\"choices\":{\"status\":2,"
      "\"text\":[{\"content\":\"甲\",\"reasoning_content\":\"想\"}]}}}",
      "甲", "想", FINISH_STOP, -1, -1, -1 },
    { "minimax_pro", "abab5.5-chat",
      "{\"reply\":\"甲\",\"choices\":[{\"finish_reason\":\"max_output\"}]}",
      "甲", "", FINISH_LENGTH, -1, -1, -1 },
    { "minimax_pro", "abab5.5-chat",
      "{\"reply\":\"甲\",\"choices\":[{\"finish_reason\":\"stop\"}],"
      "\"output_sensitive\":true}",
      "甲", "", FINISH_FILTER, -1, -1, -1 },
    { "sensenova", "SenseChat-5",
      "{\"data\":{\"choices\":[{\"message\":\"甲\","
      "\"finish_reason\":\"sensitive\"}]}}",
      "甲", "", FINISH_FILTER, -1, -1, -1 },
    { "sensenova", "SenseChat-5",
      "{\"data\":{\"choices\":[{\"message\":\"甲\","
      "\"finish_reason\":\"context\"}]}}",
      "甲", "", FINISH_CONTEXT, -1, -1, -1 },
    { "huawei_pangu", "some-id",
      "{\"choices\":[{\"message\":{\"content\":\"甲\"}}],"
      "\"usage\":{\"prompt_tokens\":31.0,\"completion_tokens\":2.0}}",
      "甲", "", FINISH_STOP, 31, -1, 2 },
    { "tgi", "m",
      "{\"generated_text\":\"甲\",\"details\":{\"finish_reason\":"
      "\"eos_token\",\"generated_tokens\":2}}",
      "甲", "", FINISH_STOP, -1, -1, 2 },
};

START_TEST(what_else_a_vendor_says_is_read)
{
    vendor_init(&v, more[_i].dir, more[_i].model, NULL);
    vendor_answer(&v, 200, str_of(more[_i].body), 0);
    ck_assert_int_eq(v.reply.fault.class, FAULT_NONE);
    ck_assert_str_eq(v.reply.text.p, more[_i].text);
    ck_assert_str_eq(v.reply.reasoning.p, more[_i].reasoning);
    ck_assert(v.reply.finished);
    ck_assert_str_eq(finish_name(v.reply.finish), finish_name(more[_i].finish));
    ck_assert_int_eq(v.reply.prompt_tokens, more[_i].in);
    ck_assert_int_eq(v.reply.cached_tokens, more[_i].cached);
    ck_assert_int_eq(v.reply.output_tokens, more[_i].out);
    done();
}
END_TEST

/* --- faults --------------------------------------------------------------- */

static const struct {
    const char *dir, *file;
    enum fault_class class;
    const char *code, *words;
} faults[] = {
    { "anthropic", "error-auth.json", FAULT_KEY, "authentication_error",
      "x-api-key" },
    { "anthropic", "error-overloaded.json", FAULT_RETRY, "overloaded_error",
      "Overloaded" },
    { "anthropic", "error-quota.json", FAULT_QUOTA, "invalid_request_error",
      "credit balance" },
    { "anthropic", "error-rate.json", FAULT_RATE, "rate_limit_error",
      "rate limit" },
    { "anthropic", "error-sampling.json", FAULT_ITEM, "invalid_request_error",
      "temperature" },
    { "gemini", "error-auth.json", FAULT_KEY, "API_KEY_INVALID",
      "API key not valid" },
    { "gemini", "error-rate.json", FAULT_RATE, "RESOURCE_EXHAUSTED", "quota" },
    { "gemini", "error-region.json", FAULT_FATAL, "FAILED_PRECONDITION",
      "location" },
    { "gemini", "error-server.json", FAULT_RETRY, "UNAVAILABLE", "overloaded" },
    { "baidu_qianfan_v1", "error-auth.json", FAULT_TOKEN, "110",
      "token invalid" },
    { "baidu_qianfan_v1", "error-busy.json", FAULT_RETRY, "336100",
      "Try again" },
    { "baidu_qianfan_v1", "error-expired.json", FAULT_TOKEN, "111", "expired" },
    { "baidu_qianfan_v1", "error-qps.json", FAULT_RATE, "18", "qps" },
    { "baidu_qianfan_v1", "error-quota.json", FAULT_QUOTA, "17", "daily" },
    { "baidu_qianfan_v1", "error-rate.json", FAULT_RATE, "336501", "RPM" },
    { "baidu_qianfan_v1", "error-too-long.json", FAULT_ITEM, "336007",
      "20000" },
    { "aliyun_dashscope", "error-arrears.json", FAULT_QUOTA, "Arrearage",
      "good standing" },
    { "aliyun_dashscope", "error-auth.json", FAULT_KEY, "InvalidApiKey",
      "Invalid API-key" },
    { "aliyun_dashscope", "error-filter.json", FAULT_FILTER,
      "DataInspectionFailed", "inappropriate" },
    { "aliyun_dashscope", "error-rate.json", FAULT_RATE, "Throttling.RateQuota",
      "rate limit" },
    { "aliyun_dashscope", "error-server.json", FAULT_RETRY,
      "InternalError.Algo", "internal" },
    { "aliyun_dashscope", "error-too-long.json", FAULT_ITEM, "InvalidParameter",
      "129024" },
    { "aliyun_dashscope", "error-tpm.json", FAULT_RATE,
      "Throttling.AllocationQuota", "quota" },
    { "tencent_hunyuan", "error-auth.json", FAULT_KEY,
      "AuthFailure.SignatureFailure", "signature" },
    { "tencent_hunyuan", "error-expired.json", FAULT_KEY,
      "AuthFailure.SignatureExpire", "签名过期" },
    { "tencent_hunyuan", "error-filter.json", FAULT_FILTER,
      "OperationDenied.TextIllegalDetected", "审核不通过" },
    { "tencent_hunyuan", "error-gateway-rate.json", FAULT_RATE,
      "RequestLimitExceeded", "frequency" },
    { "tencent_hunyuan", "error-quota.json", FAULT_QUOTA,
      "FailedOperation.ResourcePackExhausted", "资源包" },
    { "tencent_hunyuan", "error-rate.json", FAULT_RATE, "LimitExceeded",
      "并发数" },
    { "tencent_hunyuan", "error-secretid.json", FAULT_KEY,
      "AuthFailure.SecretIdNotFound", "SecretId" },
    { "tencent_hunyuan", "error-server.json", FAULT_RETRY,
      "FailedOperation.EngineServerError", "重试" },
    { "iflytek_spark_ws", "error-auth.json", FAULT_KEY, "11200",
      "AppIdNoAuthError" },
    { "iflytek_spark_ws", "error-busy.json", FAULT_RETRY, "10110", "busy" },
    { "iflytek_spark_ws", "error-domain.json", FAULT_MODEL, "10404", "route" },
    { "iflytek_spark_ws", "error-filter-in.json", FAULT_FILTER, "10013",
      "input" },
    { "iflytek_spark_ws", "error-filter-out.json", FAULT_FILTER, "10014",
      "output" },
    { "iflytek_spark_ws", "error-rate.json", FAULT_RATE, "11202", "Qps" },
    { "iflytek_spark_ws", "error-too-long.json", FAULT_ITEM, "10907",
      "token count" },
    { "iflytek_spark_ws", "handshake-401.json", FAULT_KEY, "", "HMAC" },
    { "iflytek_spark_ws", "handshake-403.json", FAULT_KEY, "", "x-date" },
    { "minimax_pro", "error-auth.json", FAULT_KEY, "1004", "login fail" },
    { "minimax_pro", "error-filter-in.json", FAULT_FILTER, "1026", "input" },
    { "minimax_pro", "error-filter-out.json", FAULT_FILTER, "1027", "output" },
    { "minimax_pro", "error-param.json", FAULT_ITEM, "2013", "invalid" },
    { "minimax_pro", "error-quota.json", FAULT_QUOTA, "1008", "balance" },
    { "minimax_pro", "error-rate.json", FAULT_RATE, "1002", "rate limit" },
    { "minimax_pro", "error-timeout.json", FAULT_RETRY, "1001", "timeout" },
    { "minimax_pro", "error-tpm.json", FAULT_RATE, "1039", "token limit" },
    { "volc_maas_v1", "error-auth.json", FAULT_KEY, "InvalidSignature",
      "signature" },
    { "sensenova", "error-auth.json", FAULT_KEY, "16", "Unauth" },
    { "sensenova", "error-filter.json", FAULT_FILTER, "18", "sensitive" },
    { "sensenova", "error-permission.json", FAULT_KEY, "7", "Forbidden" },
    { "sensenova", "error-rate.json", FAULT_RATE, "8", "rate limit" },
    { "sensenova", "error-server.json", FAULT_RETRY, "13", "internal" },
    { "sensenova", "error-too-long.json", FAULT_ITEM, "17", "length" },
    { "huawei_pangu", "error-auth.json", FAULT_TOKEN, "APIG.0301", "expires" },
    { "huawei_pangu", "error-model.json", FAULT_MODEL, "PANGU.3315", "public" },
    { "huawei_pangu", "error-rate.json", FAULT_RATE, "APIG.0308",
      "throttling" },
    { "skywork", "error-auth.json", FAULT_KEY, "401", "签名错误" },
    { "tgi", "error-generation.json", FAULT_RETRY, "generation", "failed" },
    { "tgi", "error-overload.json", FAULT_RETRY, "overloaded", "overloaded" },
    { "tgi", "error-validation.json", FAULT_ITEM, "validation", "4096" },
};

START_TEST(an_error_is_classed)
{
    const struct fault *f = &v.reply.fault;
    struct str body;
    int status;

    vendor_init(&v, faults[_i].dir, "mock", NULL);
    body = error_body(faults[_i].dir, faults[_i].file, &status);
    vendor_answer(&v, status, body, 0);
    ck_assert_str_eq(fault_class_name(f->class),
                     fault_class_name(faults[_i].class));
    ck_assert_str_eq(f->code, faults[_i].code);
    ck_assert_msg(strstr(f->message, faults[_i].words), "%s", f->message);
    ck_assert(!v.reply.finished);
    ck_assert_uint_eq(v.reply.text.n, 0);
    done();
}
END_TEST

START_TEST(gemini_says_when_to_come_back)
{
    int status;

    vendor_init(&v, "gemini", "gemini-2.5-flash", NULL);
    vendor_answer(&v, 429, error_body("gemini", "error-rate.json", &status), 0);
    ck_assert_int_eq(v.reply.fault.retry_ms, 45000);
    done();
}
END_TEST

static const char *const dirs[] = {
    "anthropic",        "gemini",          "baidu_qianfan_v1",
    "aliyun_dashscope", "tencent_hunyuan", "iflytek_spark_ws",
    "minimax_pro",      "volc_maas_v1",    "sensenova",
    "huawei_pangu",     "skywork",         "tgi",
};
enum { N_DIRS = sizeof dirs / sizeof *dirs };

START_TEST(a_page_of_a_proxy_is_quoted)
{
    vendor_init(&v, dirs[_i], "mock", NULL);
    vendor_answer(&v, 502, STR(" <html>Bad Gateway</html>\n"), 0);
    ck_assert_int_eq(v.reply.fault.class, FAULT_RETRY);
    ck_assert_str_eq(v.reply.fault.message, "<html>Bad Gateway</html>");
    vendor_answer(&v, 502, STR("\xff\xfe"), 0);
    ck_assert_str_eq(v.reply.fault.message, "");
    done();
}
END_TEST

/* A gateway in front answers in its own shape. */
START_TEST(an_error_of_a_gateway_is_read)
{
    vendor_init(&v, dirs[_i], "mock", NULL);
    vendor_answer(&v, 400,
                  STR("{\"error\":{\"message\":\"no room\",\"type\":"
                      "\"gateway_error\",\"code\":null}}"),
                  0);
    ck_assert_str_eq(v.reply.fault.message, "no room");
    ck_assert_int_eq(v.reply.fault.class, FAULT_ITEM);
    ck_assert_str_eq(v.reply.fault.code, "gateway_error");
    done();
}
END_TEST

/* A code that no row knows is told and tried again, never an answer. */
START_TEST(an_unknown_code_under_success_is_a_fault)
{
    static const char *const rows[][2] = {
        { "baidu_qianfan_v1", "{\"error_code\":99999,\"error_msg\":\"新\"}" },
        { "aliyun_dashscope", "{\"code\":\"Brand.New\",\"message\":\"新\"}" },
        { "tencent_hunyuan", "{\"Response\":{\"Error\":{\"Code\":\"Brand.New\","
                             "\"Message\":\"新\"}}}" },
        { "iflytek_spark_ws",
          "{\"header\":{\"code\":99999,\"message\":\"新\"}}" },
        { "minimax_pro",
          "{\"base_resp\":{\"status_code\":99999,\"status_msg\":\"新\"}}" },
        { "volc_maas_v1",
          "{\"error\":{\"code\":\"New\",\"code_n\":9,\"message\":\"新\"}}" },
        { "sensenova", "{\"error\":{\"code\":99999,\"message\":\"新\"}}" },
        { "huawei_pangu", "{\"error_code\":\"NEW.1\",\"error_msg\":\"新\"}" },
        { "skywork", "{\"code\":99,\"code_msg\":\"新\"}" },
    };

    vendor_init(&v, rows[_i][0], "mock", NULL);
    vendor_answer(&v, 200, str_of(rows[_i][1]), 0);
    ck_assert_str_eq(fault_class_name(v.reply.fault.class), "retry");
    ck_assert_str_eq(v.reply.fault.message, "新");
    done();
}
END_TEST

START_TEST(a_code_of_nothing_is_no_fault)
{
    static const char *const rows[][2] = {
        { "baidu_qianfan_v1", "{\"error_code\":0,\"result\":\"好\"}" },
        { "aliyun_dashscope", "{\"code\":\"\",\"output\":{\"text\":\"好\","
                              "\"finish_reason\":\"stop\"}}" },
        { "minimax_pro", "{\"base_resp\":{\"status_code\":0},\"reply\":\"好\","
                         "\"choices\":[{\"finish_reason\":\"stop\"}]}" },
        { "huawei_pangu", "{\"error_code\":\"0\",\"choices\":[{\"message\":"
                          "{\"content\":\"好\"}}]}" },
    };

    vendor_init(&v, rows[_i][0], "mock", NULL);
    vendor_answer(&v, 200, str_of(rows[_i][1]), 0);
    ck_assert_int_eq(v.reply.fault.class, FAULT_NONE);
    ck_assert(v.reply.finished);
    ck_assert_str_eq(v.reply.text.p, "好");
    done();
}
END_TEST

/* Whatever comes, nothing of another shape is taken for an answer. */
START_TEST(bodies_of_another_shape_are_no_answers)
{
    static const char *const bodies[] = {
        "null",
        "[]",
        "{}",
        "\"x\"",
        "7",
        "[[[]]]",
        "{\"choices\":[]}",
        "{\"choices\":null}",
        "{\"data\":null}",
        "{\"Response\":[]}",
        "{\"content\":\"x\",\"candidates\":{},\"output\":[]}",
        "{\"header\":[],\"payload\":7,\"choice\":[],\"resp_data\":\"x\"}",
        "{\"usage\":{\"prompt_tokens\":-1,\"input_tokens\":1e300}}",
        "{\"error\":[],\"error_code\":[],\"base_resp\":[],\"status\":[]}",
    };
    struct sse_event ev = { { "", 0 }, { "", 0 }, { "", 0 } };

    vendor_init(&v, dirs[_i], "mock", NULL);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct json *j;

        vendor_answer(&v, 200, str_of(bodies[i]), 0);
        ck_assert_msg(!v.reply.finished || v.reply.fault.class, "%s",
                      bodies[i]);
        ck_assert_uint_eq(v.reply.text.n, 0);
        vendor_answer(&v, 500, str_of(bodies[i]), 0);
        ck_assert_int_eq(v.reply.fault.class, FAULT_RETRY);
        vendor_reset(&v);
        j = vendor_json(&v, str_of(bodies[i]));
        v.adapter->event(&v.ep, &v.q, &ev, j, &v.reply);
        ck_assert(!v.reply.finished);
        json_free(j);
    }
    done();
}
END_TEST

/* --- streams -------------------------------------------------------------- */

static const struct {
    const char *dir, *model, *file, *text;
    enum finish finish;
    int64_t in, out;
    enum fault_class class;
    const char *code;
    const char *rows; /* a row of one's own */
} streams[] = {
    { "anthropic", "claude-haiku-4-5", "stream.txt", "北京", FINISH_STOP, 35, 4,
      FAULT_NONE, "", NULL },
    { "anthropic", "claude-haiku-4-5", "stream-error.txt", "", FINISH_OTHER, -1,
      -1, FAULT_RETRY, "overloaded_error", NULL },
    { "gemini", "gemini-2.5-flash", "stream.txt", "北京", FINISH_STOP, 24, 1,
      FAULT_NONE, "", NULL },
    { "baidu_qianfan_v1", "ERNIE-3.5-8K", "stream.txt", "北京", FINISH_STOP, 31,
      1, FAULT_NONE, "", NULL },
    { "aliyun_dashscope", "qwen-plus", "stream.txt", "北京", FINISH_STOP, 31, 2,
      FAULT_NONE, "", NULL },
    { "aliyun_dashscope", "qwen-plus", "stream-cumulative.txt", "北京",
      FINISH_STOP, 31, 2, FAULT_NONE, "",
      "{\"providers\":[{\"id\":\"aliyun_dashscope\",\"incremental\":false}]}" },
    { "aliyun_dashscope", "qwen-plus", "stream-error.txt", "", FINISH_OTHER, -1,
      -1, FAULT_FILTER, "DataInspectionFailed", NULL },
    { "tencent_hunyuan", "hunyuan-lite", "stream.txt", "北京", FINISH_STOP, 22,
      2, FAULT_NONE, "", NULL },
    { "tencent_hunyuan", "hunyuan-lite", "stream-sensitive.txt", "这个",
      FINISH_FILTER, 22, 2, FAULT_NONE, "", NULL },
    { "tencent_hunyuan", "hunyuan-lite", "stream-error.txt", "", FINISH_OTHER,
      -1, -1, FAULT_RETRY, "4001", NULL },
    { "iflytek_spark_ws", "generalv3.5", "stream.txt", "北京", FINISH_STOP, 31,
      2, FAULT_NONE, "", NULL },
    { "minimax_pro", "abab5.5-chat", "stream.txt", "北京", FINISH_STOP, -1, -1,
      FAULT_NONE, "", NULL },
    { "volc_maas_v1", "skylark-pro-public", "stream.txt", "北京", FINISH_STOP,
      22, 2, FAULT_NONE, "", NULL },
    { "sensenova", "SenseChat-5", "stream.txt", "北京", FINISH_STOP, 31, 2,
      FAULT_NONE, "", NULL },
    { "sensenova", "SenseChat-5", "stream-error.txt", "", FINISH_OTHER, -1, -1,
      FAULT_FILTER, "18", NULL },
    { "huawei_pangu", "some-id", "stream.txt", "北京", FINISH_STOP, 31, 2,
      FAULT_NONE, "", NULL },
    { "skywork", "SkyChat-MegaVerse", "stream.txt", "北京", FINISH_STOP, -1, -1,
      FAULT_NONE, "", NULL },
    { "skywork", "any", "stream-v1-chat.txt", "北京", FINISH_STOP, -1, -1,
      FAULT_NONE, "",
      "{\"providers\":[{\"id\":\"skywork\","
      "\"paths\":{\"chat\":\"/sky-work/api/v1/chat\"}}]}" },
    { "tgi", "some-model", "stream.txt", "北京", FINISH_STOP, 4, 2, FAULT_NONE,
      "", NULL },
};

START_TEST(a_stream_is_read_in_any_pieces)
{
    static const size_t pieces[] = { 0, 1, 7 };
    struct str text;
    struct call c;

    vendor_init(&v, streams[_i].dir, streams[_i].model, streams[_i].rows);
    vendor_secrets(&v);
    v.ep.stream = true;
    vendor_build(&v, 0, &c);
    text = vendor_sample(&v, streams[_i].dir, streams[_i].file);
    for (size_t i = 0; i < 3; i++) {
        vendor_stream(&v, text, c.framing, pieces[i]);
        ck_assert_str_eq(v.reply.fault.code, streams[_i].code);
        ck_assert_int_eq(v.reply.fault.class, streams[_i].class);
        ck_assert_int_eq(v.reply.finished, streams[_i].class == FAULT_NONE);
        ck_assert_str_eq(v.reply.text.p, streams[_i].text);
        if (streams[_i].class != FAULT_NONE)
            continue;
        ck_assert_str_eq(finish_name(v.reply.finish),
                         finish_name(streams[_i].finish));
        ck_assert_int_eq(v.reply.prompt_tokens, streams[_i].in);
        ck_assert_int_eq(v.reply.output_tokens, streams[_i].out);
    }
    done();
}
END_TEST

/* Where events are numbered, one that comes twice counts once, and a gap is no
 * answer. */
static const struct {
    const char *dir;
    enum framing framing;
    const char *events[3];
} numbered[] = {
    { "baidu_qianfan_v1",
      FRAME_SSE,
      { "data: {\"result\":\"甲\",\"sentence_id\":0}\n\n",
        "data: {\"result\":\"乙\",\"sentence_id\":1}\n\n",
        "data: {\"result\":\"丙\",\"sentence_id\":2,\"is_end\":true}\n\n" } },
    { "iflytek_spark_ws",
      FRAME_SOCKET,
      { "{\"header\":{\"code\":0},\"payload\":{\"choices\":{\"status\":0,"
        "\"seq\":0,\"text\":[{\"content\":\"甲\"}]}}}\n",
        "{\"header\":{\"code\":0},\"payload\":{\"choices\":{\"status\":1,"
        "\"seq\":1,\"text\":[{\"content\":\"乙\"}]}}}\n",
        "{\"header\":{\"code\":0},\"payload\":{\"choices\":{\"status\":2,"
        "\"seq\":2,\"text\":[{\"content\":\"丙\"}]}}}\n" } },
};

static void feed_order(size_t i, const char *order)
{
    struct buf b;

    buf_init(&b, 1 << 16);
    for (; *order; order++)
        buf_str(&b, numbered[i].events[*order - '0']);
    vendor_stream(&v, buf_view(&b), numbered[i].framing, 0);
    buf_free(&b);
}

START_TEST(events_out_of_order_are_noticed)
{
    vendor_init(&v, numbered[_i].dir, "mock", NULL);
    feed_order(_i, "011122");
    ck_assert_str_eq(v.reply.text.p, "甲乙丙");
    ck_assert(v.reply.finished && v.reply.fault.class == FAULT_NONE);
    feed_order(_i, "02");
    ck_assert_int_eq(v.reply.fault.class, FAULT_RETRY);
    ck_assert(!v.reply.finished);
    feed_order(_i, "10");
    ck_assert_int_eq(v.reply.fault.class, FAULT_RETRY);
    done();
}
END_TEST

START_TEST(pangu_moderator_has_the_last_word)
{
    vendor_init(&v, "huawei_pangu", "some-id", NULL);
    vendor_stream(&v,
                  STR("data:{\"choices\":[{\"message\":{\"content\":\"甲\"}}]}"
                      "\n\nevent:moderation\n"
                      "data:{\"suggestion\":\"block\"}\n\ndata:[DONE]\n\n"),
                  FRAME_SSE, 0);
    ck_assert(v.reply.finished);
    ck_assert_int_eq(v.reply.finish, FINISH_FILTER);
    done();
}
END_TEST

START_TEST(anthropic_thinking_is_kept_apart)
{
    vendor_init(&v, "anthropic", "claude-opus-4-1", NULL);
    vendor_stream(&v,
                  STR("data: {\"type\":\"content_block_delta\",\"delta\":"
                      "{\"type\":\"thinking_delta\",\"thinking\":\"想\"}}\n\n"
                      "data: {\"type\":\"content_block_delta\",\"delta\":"
                      "{\"type\":\"text_delta\",\"text\":\"甲\"}}\n\n"),
                  FRAME_SSE, 0);
    ck_assert_str_eq(v.reply.reasoning.p, "想");
    ck_assert_str_eq(v.reply.text.p, "甲");
    ck_assert(!v.reply.finished);
    done();
}
END_TEST

/* --- scores --------------------------------------------------------------- */

static const char *letters[] = { "A", " B", "C" };

START_TEST(the_first_token_scores_letters)
{
    static const char *const rows[][2] = {
        { "aliyun_dashscope",
          "{\"output\":{\"choices\":[{\"finish_reason\":\"length\","
          "\"message\":{\"content\":\"B\"},\"logprobs\":{\"content\":[{"
          "\"top_logprobs\":[{\"token\":\"B\",\"logprob\":-0.1},"
          "{\"token\":\" A\",\"logprob\":-3.5},"
          "{\"token\":\"B\",\"logprob\":-9}]}]}}]}}" },
        { "gemini",
          "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"B\"}]},"
          "\"finishReason\":\"MAX_TOKENS\",\"logprobsResult\":{"
          "\"topCandidates\":[{\"candidates\":[{\"token\":\"B\","
          "\"logProbability\":-0.1},{\"token\":\"A\","
          "\"logProbability\":-3.5}]}]}}]}" },
    };

    vendor_init(&v, rows[_i][0], "m", NULL);
    v.q.kind = REQUEST_SCORE;
    v.q.options = letters;
    v.q.n_options = 3;
    vendor_answer(&v, 200, str_of(rows[_i][1]), 0);
    ck_assert_int_eq(v.reply.finish, FINISH_SCORED);
    ck_assert_double_eq_tol(v.logprobs[0], -3.5, 1e-9);
    ck_assert_double_eq_tol(v.logprobs[1], -0.1, 1e-9);
    /* not in the list: less than the least of it */
    ck_assert(v.logprobs[2] < -3.5 && v.logprobs[2] > -101);
    ck_assert_int_eq(v.option_tokens[1], 1);
    ck_assert_int_eq(v.option_tokens[2], 1);
    done();
}
END_TEST

/* The sample's prompt is 中国的首都是北京: two tokens make up the option. */
START_TEST(tgi_sums_the_tokens_of_the_option)
{
    static const char *options[] = { "是北京", "京" };
    struct str body;

    vendor_init(&v, "tgi", "m", NULL);
    v.q.kind = REQUEST_SCORE;
    v.q.options = options;
    v.q.n_options = 2;
    ck_assert_uint_eq(v.adapter->n_calls(&v.ep, &v.q), 2);
    body = vendor_sample(&v, "tgi", "response.json");
    vendor_answer(&v, 200, body, 0);
    ck_assert_double_eq_tol(v.logprobs[0], -0.47, 1e-9);
    ck_assert_int_eq(v.option_tokens[0], 2);
    ck_assert(isnan(v.logprobs[1]));
    /* a token that reaches into the prompt belongs to the option */
    vendor_answer(&v, 200, body, 1);
    ck_assert_double_eq_tol(v.logprobs[1], -0.05, 1e-9);
    ck_assert_int_eq(v.option_tokens[1], 1);
    ck_assert_int_eq(v.reply.fault.class, FAULT_NONE);
    done();
}
END_TEST

START_TEST(an_answer_without_scores_is_a_fault)
{
    vendor_init(&v, _i ? "tgi" : "aliyun_dashscope", "m", NULL);
    v.q.kind = REQUEST_SCORE;
    v.q.options = letters;
    v.q.n_options = 3;
    vendor_answer(&v, 200,
                  _i ? STR("{\"generated_text\":\"A\",\"details\":{}}")
                     : STR("{\"output\":{\"choices\":[{\"finish_reason\":"
                           "\"stop\",\"message\":{\"content\":\"A\"}}]}}"),
                  0);
    ck_assert_int_eq(v.reply.fault.class, _i ? FAULT_ITEM : FAULT_FATAL);
    ck_assert_ptr_nonnull(strstr(v.reply.fault.message, "log-prob"));
    done();
}
END_TEST

#define N(list) (int)(sizeof(list) / sizeof *(list))

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, an_answer_is_read, 0, N(answers));
    tcase_add_test(tc, qianfan_refusal_is_not_an_answer);
    tcase_add_test(tc, gemini_blocked_prompt_has_no_answer);
    tcase_add_loop_test(tc, what_else_a_vendor_says_is_read, 0, N(more));
    tcase_add_loop_test(tc, an_error_is_classed, 0, N(faults));
    tcase_add_test(tc, gemini_says_when_to_come_back);
    tcase_add_loop_test(tc, a_page_of_a_proxy_is_quoted, 0, N_DIRS);
    tcase_add_loop_test(tc, an_error_of_a_gateway_is_read, 0, N_DIRS);
    tcase_add_loop_test(tc, an_unknown_code_under_success_is_a_fault, 0, 9);
    tcase_add_loop_test(tc, a_code_of_nothing_is_no_fault, 0, 4);
    tcase_add_loop_test(tc, bodies_of_another_shape_are_no_answers, 0, N_DIRS);
    tcase_add_loop_test(tc, a_stream_is_read_in_any_pieces, 0, N(streams));
    tcase_add_loop_test(tc, events_out_of_order_are_noticed, 0, N(numbered));
    tcase_add_test(tc, pangu_moderator_has_the_last_word);
    tcase_add_test(tc, anthropic_thinking_is_kept_apart);
    tcase_add_loop_test(tc, the_first_token_scores_letters, 0, 2);
    tcase_add_test(tc, tgi_sums_the_tokens_of_the_option);
    tcase_add_loop_test(tc, an_answer_without_scores_is_a_fault, 0, 2);
}

T_MAIN("native", setup)
