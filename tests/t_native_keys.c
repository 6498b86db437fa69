/* Keys of the vendors with shapes of their own: shown or signed with as the row
 * says, missing ones named, tokens bought. */
#include <stdio.h>
#include <string.h>

#include "harness/base/digest.h"
#include "runners/auth.h"
#include "runners/sign.h"
#include "tests/t.h"
#include "tests/vendor.h"

static struct vendor v;

#define N(list) (int)(sizeof(list) / sizeof *(list))

/* --- keys ----------------------------------------------------------------- */

static const char *const keyless[][2] = {
    { "anthropic", "ANTHROPIC_API_KEY" },
    { "gemini", "GEMINI_API_KEY" },
    { "aliyun_dashscope", "DASHSCOPE_API_KEY" },
    { "tencent_hunyuan", "TENCENTCLOUD_SECRET_ID" },
    { "iflytek_spark_ws", "IFLYTEK_SPARK_APP_ID" },
    { "minimax_pro", "MINIMAX_GROUP_ID" },
    { "volc_maas_v1", "VOLC_ACCESSKEY" },
    { "sensenova", "SENSENOVA_ACCESS_KEY_ID" },
    { "huawei_pangu", "HUAWEICLOUD_SDK_PROJECT_ID" },
    { "skywork", "SKYWORK_APP_KEY" },
};

START_TEST(a_missing_key_is_named)
{
    struct call c = { 0 };

    vendor_init(&v, keyless[_i][0], "m", NULL);
    ck_assert_int_eq(v.adapter->build(&v.ep, &v.q, 0, &v.arena, &c, &v.e),
                     ERR_AUTH);
    ck_assert_msg(strstr(v.e.msg, keyless[_i][1]), "%s", v.e.msg);
    vendor_free(&v);
}
END_TEST

static const struct {
    const char *auth, *key, *want;
} auths[] = {
    { "bearer", "id.secret", "Bearer id.secret" },
    { "optional_bearer", NULL, NULL },
    { "none", "k", NULL },
    { "bearer_or_jwt", "plain", "Bearer plain" },
    { "bearer_or_jwt", "a.b.c", "Bearer a.b.c" },
    { "bearer_or_jwt", "mokaofakeid000000000000000000000.mokaofakesecret0",
      NULL },
    { "jwt", "plain", "Bearer plain" },
};

/* The key of two parts becomes Zhipu's token; its claims are the vector's. */
START_TEST(a_key_is_shown_as_the_row_says)
{
    static const char claims[] =
        "eyJhcGlfa2V5IjoibW9rYW9mYWtlaWQwMDAwMDAwMDAwMDAwMDAwMDAwMDAiLCJleHAi"
        "OjE3MDAwMDAyMTAwMDAsInRpbWVzdGFtcCI6MTcwMDAwMDAwMDAwMH0";
    struct call c = { 0 };
    char row[256];
    const char *got;

    snprintf(row, sizeof row,
             "{\"providers\":[{\"id\":\"mine\",\"shape\":"
             "\"sensenova\",\"auth\":\"%s\",\"env\":{\"key\":"
             "\"MINE_KEY\"},\"base_url\":\"http://x\"}]}",
             auths[_i].auth);
    vendor_init(&v, "mine", "m", row);
    vendor_secret(&v, "key", auths[_i].key);
    t_ok(auth_headers(&v.ep, &v.arena, &c, &v.e), &v.e);
    got = vendor_header(&c, "Authorization");
    if (auths[_i].key && strlen(auths[_i].key) > 20)
        ck_assert_msg(got && strstr(got, claims), "%s", got);
    else if (auths[_i].want)
        ck_assert_str_eq(got, auths[_i].want);
    else
        ck_assert_ptr_null(got);
    vendor_free(&v);
}
END_TEST

/* --- signatures ----------------------------------------------------------- */

/* The row without parameters of its own: the vector's body, byte by byte. */
START_TEST(tencent_call_is_signed_as_the_vector)
{
    struct call c;

    vendor_init(&v, "tencent_hunyuan", "hunyuan-lite",
                "{\"providers\":[{\"id\":\"tencent_hunyuan\",\"body\":{"
                "\"EnableEnhancement\":null}}]}");
    vendor_secret(&v, "secret_id", "AKIDmokaofake00000000000000000000");
    vendor_secret(&v, "secret_key", "mokao-fake-secret-key-0123456789");
    vendor_build(&v, 0, &c);
    ck_assert(str_is(c.body,
                     "{\"Model\":\"hunyuan-lite\",\"Messages\":[{\"Role\":"
                     "\"user\",\"Content\":\"你好\"}],\"Stream\":false}"));
    ck_assert_str_eq(
        vendor_header(&c, "Authorization"),
        "TC3-HMAC-SHA256 Credential=AKIDmokaofake00000000000000000000/"
        "2023-11-14/hunyuan/tc3_request, SignedHeaders=content-type;host, "
        "Signature=47511a5bd93107f69d7f153b0923248df65eda33518e1fd58256d10b3d4"
        "fe481");
    ck_assert_str_eq(vendor_header(&c, "X-TC-Timestamp"), "1700000000");
    ck_assert_str_eq(vendor_header(&c, "X-TC-Action"), "ChatCompletions");
    vendor_free(&v);
}
END_TEST

START_TEST(qianfan_call_is_signed_as_the_vector)
{
    struct call c = { 0 };

    vendor_init(&v, "baidu_qianfan_v1", "ERNIE-3.5-8K", NULL);
    vendor_secret(&v, "iam_ak", "mokaofakeaccesskey00000000000000");
    vendor_secret(&v, "iam_sk", "mokaofakesecretkey00000000000000");
    t_ok(v.adapter->token_call(&v.ep, &v.arena, &c, &v.e), &v.e);
    ck_assert_ptr_null(c.url); /* the key signs: no token */
    vendor_build(&v, 0, &c);
    ck_assert_str_eq(c.url, "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/"
                            "wenxinworkshop/chat/completions");
    ck_assert_str_eq(
        vendor_header(&c, "Authorization"),
        "bce-auth-v1/mokaofakeaccesskey00000000000000/2023-11-14T22:13:20Z/"
        "1800/content-type;host;x-bce-date/"
        "56d73bec3e6839e01b51cd2b40abc0acd48d11bf17946b86382b8293a450b6c6");
    ck_assert_str_eq(vendor_header(&c, "x-bce-date"), "2023-11-14T22:13:20Z");
    vendor_free(&v);
}
END_TEST

START_TEST(spark_address_is_signed_as_the_vector)
{
    static const char want[] =
        "wss://spark-api.xf-yun.com/v3.5/chat?authorization="
        "YXBpX2tleT0ibW9rYW9mYWtlYXBpa2V5MDAwMDAwMDAwMDAwMDAwMDAiLCBhbGdvcml0"
        "aG09ImhtYWMtc2hhMjU2IiwgaGVhZGVycz0iaG9zdCBkYXRlIHJlcXVlc3QtbGluZSIs"
        "IHNpZ25hdHVyZT0ic2VDbVZhUE4yMngza1NJbW8xbDBxTm52Z0FKd1JyK2RFc3EvbnFD"
        "cHZTND0i&date=Tue%2C+14+Nov+2023+22%3A13%3A20+GMT&host="
        "spark-api.xf-yun.com";
    struct call c;

    vendor_init(&v, "iflytek_spark_ws", "generalv3.5", NULL);
    vendor_secret(&v, "app_id", "12345678");
    vendor_secret(&v, "key", "mokaofakeapikey00000000000000000");
    vendor_secret(&v, "secret", "bW9rYW9GYWtlQXBpU2VjcmV0MDAwMDAw");
    vendor_build(&v, 0, &c);
    ck_assert_str_eq(c.url, want);
    ck_assert(c.websocket);
    ck_assert_int_eq(c.framing, FRAME_SOCKET);
    v.ep.name = "4.0Ultra";
    vendor_build(&v, 0, &c);
    ck_assert_ptr_nonnull(strstr(c.url, "/v4.0/chat?"));
    vendor_free(&v);
}
END_TEST

START_TEST(sensenova_token_is_the_vectors)
{
    struct call c;

    vendor_init(&v, "sensenova", "SenseChat-5", NULL);
    vendor_secret(&v, "ak", "MOKAOFAKEACCESSKEYID000");
    vendor_secret(&v, "sk", "mokaofakesecretaccesskey");
    vendor_build(&v, 0, &c);
    ck_assert_str_eq(
        vendor_header(&c, "Authorization"),
        "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJpc3MiOiJNT0tBT0ZBS0VBQ0NFU1NLRVlJRDAwMCIsImV4cCI6MTcwMDAwMTgwMCwi"
        "bmJmIjoxNjk5OTk5OTk1fQ.MbT0xIZ1Ck9whFHMBeTfyX4KU2tlgerVPdPieJ0ABrU");
    vendor_free(&v);
}
END_TEST

START_TEST(skywork_sign_is_the_vectors)
{
    struct call c;

    vendor_init(&v, "skywork", "SkyChat-MegaVerse", NULL);
    vendor_secret(&v, "key", "mokao_app_key");
    vendor_secret(&v, "secret", "mokao_app_secret");
    vendor_build(&v, 0, &c);
    ck_assert_str_eq(vendor_header(&c, "app_key"), "mokao_app_key");
    ck_assert_str_eq(vendor_header(&c, "timestamp"), "1700000000");
    ck_assert_str_eq(vendor_header(&c, "sign"),
                     "57ab44f958654cdc3aead157184810f7");
    vendor_free(&v);
}
END_TEST

/* The host and the bytes that are sent are those that are signed. */
START_TEST(volcengine_signs_what_it_sends)
{
    char hash[DIGEST_HEX];
    const char *want;
    struct call c;

    vendor_init(&v, "volc_maas_v1", "skylark-pro-public", NULL);
    vendor_secret(&v, "ak", "AKLTmokaofake");
    vendor_secret(&v, "sk", "bW9rYW8tZmFrZS1zZWNyZXQ=");
    v.ep.base_url = "http://127.0.0.1:8123";
    vendor_build(&v, 0, &c);
    digest_hex(c.body, hash);
    ck_assert_str_eq(vendor_header(&c, "X-Content-Sha256"), hash);
    t_ok(sign_volc(
             &(struct sign_request){
                 .id = "AKLTmokaofake",
                 .secret = "bW9rYW8tZmFrZS1zZWNyZXQ=",
                 .region = "cn-beijing",
                 .service = "ml_maas",
                 .method = "POST",
                 .path = "/api/v1/chat",
                 .headers =
                     (const struct sign_header[]){
                         { "Content-Type", "application/json" },
                         { "Host", "127.0.0.1:8123" },
                         { "X-Content-Sha256", hash },
                         { "X-Date", "20231114T221320Z" } },
                 .n_headers = 4,
                 .body = c.body,
                 .now_s = 1700000000 },
             &v.arena, &want, &v.e),
         &v.e);
    ck_assert_str_eq(vendor_header(&c, "Authorization"), want);
    vendor_free(&v);
}
END_TEST

START_TEST(pangu_signs_where_the_row_says)
{
    struct call c = { 0 };
    const char *want;

    vendor_init(&v, "huawei_pangu", "d",
                "{\"providers\":[{\"id\":\"huawei_pangu\","
                "\"auth\":\"sdk_hmac\"}]}");
    vendor_secrets(&v);
    t_ok(v.adapter->token_call(&v.ep, &v.arena, &c, &v.e), &v.e);
    ck_assert_ptr_null(c.url);
    vendor_build(&v, 0, &c);
    t_ok(sign_huawei(
             &(struct sign_request){
                 .id = "test-ak",
                 .secret = "test-sk",
                 .method = "POST",
                 .path = "/v1/test-project_id/deployments/d/chat/completions",
                 .headers =
                     (const struct sign_header[]){
                         { "Content-Type", "application/json" },
                         { "Host", "pangu.cn-southwest-2.myhuaweicloud.com" },
                         { "X-Sdk-Date", "20231114T221320Z" } },
                 .n_headers = 3,
                 .body = c.body,
                 .now_s = 1700000000 },
             &v.arena, &want, &v.e),
         &v.e);
    ck_assert_str_eq(vendor_header(&c, "Authorization"), want);
    ck_assert_ptr_null(vendor_header(&c, "X-Auth-Token"));
    vendor_free(&v);
}
END_TEST

/* --- tokens --------------------------------------------------------------- */

START_TEST(qianfan_buys_a_token)
{
    const char *token;
    int64_t expires;
    struct call c = { 0 };

    vendor_init(&v, "baidu_qianfan_v1", "ERNIE-3.5-8K", NULL);
    ck_assert_int_eq(v.adapter->token_call(&v.ep, &v.arena, &c, &v.e),
                     ERR_AUTH);
    ck_assert_ptr_nonnull(strstr(v.e.msg, "QIANFAN_AK"));
    vendor_secret(&v, "ak", "a&b");
    vendor_secret(&v, "sk", "s");
    t_ok(v.adapter->token_call(&v.ep, &v.arena, &c, &v.e), &v.e);
    ck_assert_str_eq(c.url, "https://aip.baidubce.com/oauth/2.0/token?"
                            "grant_type=client_credentials&client_id=a%26b"
                            "&client_secret=s");
    t_ok(v.adapter->token_parse(
             &v.ep,
             vendor_sample(&v, "baidu_qianfan_v1", "token-response.json"),
             &v.arena, &token, &expires, &v.e),
         &v.e);
    ck_assert_str_eq(token, "24.mokao0000000000000000000000000.2592000."
                            "1702592000.000000-00000000");
    ck_assert_int_eq(expires, v.ep.now_ms + 2592000000);
    ck_assert_int_eq(
        v.adapter->token_parse(
            &v.ep, vendor_sample(&v, "baidu_qianfan_v1", "token-error.json"),
            &v.arena, &token, &expires, &v.e),
        ERR_AUTH);
    ck_assert_ptr_nonnull(strstr(v.e.msg, "invalid_client"));
    ck_assert_int_eq(v.adapter->token_parse(&v.ep, STR("<html>"), &v.arena,
                                            &token, &expires, &v.e),
                     ERR_FORMAT);
    vendor_free(&v);
}
END_TEST

START_TEST(pangu_buys_a_token)
{
    const char *token;
    int64_t expires;
    struct call c = { 0 };

    vendor_init(&v, "huawei_pangu", "d", NULL);
    vendor_secret(&v, "ak", "MOKAOFAKEACCESSKEY00");
    vendor_secret(&v, "sk", "mokaofakesecretkey0000000000000000000000");
    t_ok(v.adapter->token_call(&v.ep, &v.arena, &c, &v.e), &v.e);
    ck_assert_str_eq(
        c.url, "https://iam.cn-southwest-2.myhuaweicloud.com/v3/auth/tokens");
    vendor_same(&v, c.body,
                vendor_sample(&v, "huawei_pangu", "token-request.json"), NULL);
    ck_assert_str_eq(v.adapter->token_header, "X-Subject-Token");
    t_ok(v.adapter->token_parse(&v.ep, STR(" MIIFmokaofaketoken\r\n"), &v.arena,
                                &token, &expires, &v.e),
         &v.e);
    ck_assert_str_eq(token, "MIIFmokaofaketoken");
    ck_assert_int_eq(expires, v.ep.now_ms + 86400000);
    ck_assert_int_eq(v.adapter->token_parse(&v.ep, STR(""), &v.arena, &token,
                                            &expires, &v.e),
                     ERR_AUTH);
    vendor_free(&v);
}
END_TEST

/* A user, where the variables of one are set. */
START_TEST(pangu_token_of_a_user)
{
    struct call c = { 0 };

    vendor_init(&v, "huawei_pangu", "d", NULL);
    vendor_secret(&v, "user", "iam-user");
    vendor_secret(&v, "password", "mokao-fake");
    vendor_secret(&v, "domain", "account");
    t_ok(v.adapter->token_call(&v.ep, &v.arena, &c, &v.e), &v.e);
    vendor_same(
        &v, c.body,
        vendor_sample(&v, "huawei_pangu", "token-request-password.json"), NULL);
    vendor_free(&v);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, a_missing_key_is_named, 0, N(keyless));
    tcase_add_loop_test(tc, a_key_is_shown_as_the_row_says, 0, N(auths));
    tcase_add_test(tc, tencent_call_is_signed_as_the_vector);
    tcase_add_test(tc, qianfan_call_is_signed_as_the_vector);
    tcase_add_test(tc, spark_address_is_signed_as_the_vector);
    tcase_add_test(tc, sensenova_token_is_the_vectors);
    tcase_add_test(tc, skywork_sign_is_the_vectors);
    tcase_add_test(tc, volcengine_signs_what_it_sends);
    tcase_add_test(tc, pangu_signs_where_the_row_says);
    tcase_add_test(tc, qianfan_buys_a_token);
    tcase_add_test(tc, pangu_buys_a_token);
    tcase_add_test(tc, pangu_token_of_a_user);
}

T_MAIN("native_keys", setup)
