/* Signatures against the vendors' published examples and their own clients. */
#include <string.h>

#include "harness/base/json.h"
#include "runners/sign.h"
#include "tests/t.h"

static struct arena arena;
static struct err e;
static struct json *file;

static void setup_file(void)
{
    struct buf b;

    t_read("tests/golden/signing.json", &b);
    t_ok(json_parse(&file, buf_view(&b), &e), &e);
    buf_free(&b);
    arena_init(&arena, 0);
}

static void teardown_file(void)
{
    json_free(file);
    arena_free(&arena);
}

/* --- reading a vector ----------------------------------------------------- */

static const struct json *vector(const char *id)
{
    const struct json *v = json_child(json_get(file, "vectors"));

    for (; v; v = json_next(v))
        if (strcmp(json_string(json_get(v, "id")), id) == 0)
            return v;
    ck_abort_msg("no vector %s", id);
}

static const char *in(const struct json *v, const char *key)
{
    return json_string(json_get(json_get(v, "inputs"), key));
}

static int64_t in_number(const struct json *v, const char *key)
{
    return (int64_t)json_number(json_get(json_get(v, "inputs"), key));
}

static const char *within(const struct json *v, const char *key)
{
    return json_string(json_get(json_get(v, "intermediate"), key));
}

static const char *expected(const struct json *v, const char *key)
{
    const struct json *x = json_get(v, "expected");
    const struct json *in_headers = json_get(json_get(x, "headers"), key);

    return json_string(in_headers ? in_headers : json_get(x, key));
}

/* The members of an object, or the pairs of an array. */
static size_t pairs(const struct json *j, struct sign_header *out)
{
    size_t n = 0;

    for (const struct json *m = json_child(j); m; m = json_next(m), n++) {
        bool pair = json_type(m) == JSON_ARRAY;

        out[n].name = pair ? json_string(json_at(m, 0)) : json_key(m);
        out[n].value = json_string(pair ? json_at(m, 1) : m);
    }
    return n;
}

static struct sign_header headers[8], query[8];

static struct sign_request request(const struct json *v)
{
    const struct json *inputs = json_get(v, "inputs");
    const char *path = in(v, "path");

    return (struct sign_request){
        .id = in(v, in(v, "secret_id") ? "secret_id" : "access_key"),
        .secret = in(v, "secret_key"),
        .region = in(v, "region"),
        .service = in(v, "service"),
        .method = in(v, "method"),
        .path = path ? path : in(v, "uri"),
        .query = query,
        .n_query = pairs(json_get(inputs, "query"), query),
        .headers = headers,
        .n_headers = pairs(json_get(inputs, "headers"), headers),
        .body = str_of(in(v, "body")),
        .now_s = in_number(v, "timestamp"),
    };
}

static void add(struct sign_request *q, const char *name, const char *value)
{
    headers[q->n_headers++] = (struct sign_header){ name, value };
}

/* --- the vectors ---------------------------------------------------------- */

START_TEST(tencent_tc3_is_as_published)
{
    static const char *const ids[] = { "tc3-doc-action", "tc3-doc-two-headers",
                                       "tc3-hunyuan-chat",
                                       "tc3-hunyuan-chat-action" };
    const struct json *v = vector(ids[_i]);
    struct sign_request q = request(v);
    const char *got;

    /* The order in which they are given does not matter. */
    if (json_bool(json_get(json_get(v, "inputs"), "action_is_signed")))
        add(&q, "X-TC-Action", _i ? "chatcompletions" : "describeinstances");
    add(&q, "Host", in(v, "host"));
    add(&q, "Content-Type", in(v, "content_type"));
    t_ok(sign_tc3(&q, &arena, &got, &e), &e);
    ck_assert_str_eq(got,
                     expected(v, _i < 2 ? "authorization" : "Authorization"));
}
END_TEST

START_TEST(baidu_bce_is_as_published)
{
    static const char *const ids[] = { "bce-v1-qianfan-chat",
                                       "bce-v1-bearer-token" };
    const struct json *v = vector(ids[_i]);
    struct sign_request q = request(v);
    const char *got;

    q.life_s = in_number(v, "expire_seconds");
    t_ok(sign_bce(&q, &arena, &got, &e), &e);
    ck_assert_str_eq(got, expected(v, "authorization"));
}
END_TEST

/* Their sample leaves the names out, which means the usual set. */
START_TEST(baidu_bce_sample_has_the_same_signature)
{
    const struct json *v = vector("bce-v1-doc");
    struct sign_request q = request(v);
    const char *got;

    q.life_s = in_number(v, "expire_seconds");
    t_ok(sign_bce(&q, &arena, &got, &e), &e);
    ck_assert_str_eq(strrchr(got, '/') + 1, expected(v, "signature"));
    ck_assert_ptr_eq(strstr(got, within(v, "auth_string_prefix")), got);
}
END_TEST

START_TEST(iflytek_url_is_as_published)
{
    static const struct {
        const char *id;
        int64_t now;
    } rows[] = { { "spark-ws-doc", 1683283419 },
                 { "spark-ws-v35", 1700000000 } };
    const struct json *v = vector(rows[_i].id);
    const char *got, *want = expected(v, "url");

    t_ok(sign_iflytek(in(v, "api_key"), in(v, "api_secret"), in(v, "host"),
                      in(v, "path"), rows[_i].now, &arena, &got, &e),
         &e);
    ck_assert_str_eq(got, strchr(want, '?') + 1);
}
END_TEST

START_TEST(websocket_accept_is_that_of_the_rfc)
{
    const struct json *v = vector("ws-handshake-rfc6455");
    char got[29];

    t_ok(sign_websocket_accept(in(v, "sec_websocket_key"), got, &e), &e);
    ck_assert_str_eq(got, expected(v, "sec_websocket_accept"));
}
END_TEST

/* Their client writes one more member in the header; the order is free. */
START_TEST(zhipu_token_is_that_of_their_client)
{
    const struct json *v = vector("zhipu-jwt-sdk");
    const char *secret = strchr(in(v, "api_key"), '.') + 1, *got;

    t_ok(sign_jwt(within(v, "header_json"), within(v, "payload_json"),
                  str_of(secret), &arena, &got, &e),
         &e);
    ck_assert_str_eq(got, expected(v, "token"));
}
END_TEST

START_TEST(zhipu_token_counts_in_milliseconds)
{
    const struct json *v = vector("zhipu-jwt-minimal");
    const char *got;

    t_ok(sign_jwt_zhipu(in(v, "api_key"), in_number(v, "now_ms"),
                        in_number(v, "ttl_ms"), &arena, &got, &e),
         &e);
    ck_assert_str_eq(got, expected(v, "token"));
}
END_TEST

START_TEST(zhipu_key_of_another_form_is_refused_untold)
{
    static const char *const keys[] = { "nodot-secret", ".secret", "id.",
                                        "a.secret.c" };
    const char *got;

    ck_assert_int_eq(sign_jwt_zhipu(keys[_i], 0, 1, &arena, &got, &e),
                     ERR_AUTH);
    ck_assert_ptr_null(strstr(e.msg, "nodot"));
    ck_assert_ptr_nonnull(strstr(e.msg, "ID.SECRET"));
}
END_TEST

START_TEST(sensenova_token_is_that_of_their_client)
{
    const struct json *v = vector("sensenova-jwt");
    const char *got;

    t_ok(sign_jwt_sensenova(in(v, "access_key_id"), in(v, "secret_access_key"),
                            in_number(v, "now"), &arena, &got, &e),
         &e);
    ck_assert_str_eq(got, expected(v, "token"));
}
END_TEST

START_TEST(volcengine_is_as_their_client)
{
    const struct json *v = vector("volc-v4-maas-chat");
    struct sign_request q = request(v);
    const char *got;

    q.now_s = 1700000000;
    add(&q, "Host", in(v, "host"));
    add(&q, "Content-Type", in(v, "content_type"));
    add(&q, "X-Date", in(v, "x_date"));
    add(&q, "X-Content-Sha256", expected(v, "X-Content-Sha256"));
    t_ok(sign_volc(&q, &arena, &got, &e), &e);
    ck_assert_str_eq(got, expected(v, "Authorization"));
}
END_TEST

START_TEST(huawei_is_as_published)
{
    static const struct {
        const char *id;
        int64_t now;
    } rows[] = { { "huawei-sdk-hmac-doc", 1573789015 },
                 { "huawei-pangu-chat", 1700000000 } };
    const struct json *v = vector(rows[_i].id);
    struct sign_request q = request(v);
    const char *got;

    q.now_s = rows[_i].now;
    t_ok(sign_huawei(&q, &arena, &got, &e), &e);
    ck_assert_str_eq(got, expected(v, "authorization"));
}
END_TEST

START_TEST(jdcloud_is_as_their_client)
{
    const struct json *v = vector("jdcloud3");
    struct sign_request q = request(v);
    const char *got;

    q.now_s = 1700000000;
    add(&q, "host", in(v, "host"));
    t_ok(sign_jdcloud(&q, &arena, &got, &e), &e);
    ck_assert_str_eq(got, expected(v, "authorization"));
}
END_TEST

START_TEST(wps_is_as_four_clients_agree)
{
    const struct json *v = vector("wps-kso1");
    struct sign_request q = { .id = in(v, "app_id"),
                              .secret = in(v, "app_key"),
                              .method = in(v, "method"),
                              .path = in(v, "path_and_query"),
                              .body = str_of(in(v, "body")) };
    const char *got, *date = sign_date(&arena, 1700000000, SIGN_RFC1123);

    ck_assert_str_eq(date, expected(v, "X-Kso-Date"));
    t_ok(sign_kso1(&q, in(v, "content_type"), date, &arena, &got, &e), &e);
    ck_assert_str_eq(got, expected(v, "X-Kso-Authorization"));
}
END_TEST

START_TEST(skywork_sign_is_md5)
{
    const struct json *v = vector("skywork-md5");
    const struct str parts[] = { str_of(in(v, "app_key")),
                                 str_of(in(v, "app_secret")),
                                 str_of(in(v, "timestamp")) };
    char hex[33];

    t_ok(sign_md5(parts, 3, hex, &e), &e);
    ck_assert_str_eq(hex, expected(v, "sign"));
}
END_TEST

START_TEST(baichuan_of_2023_signs_the_body)
{
    const struct json *v = vector("baichuan-legacy-md5");
    const struct str parts[] = { str_of(in(v, "secret_key")),
                                 str_of(in(v, "body")),
                                 str_of(in(v, "timestamp")) };
    char hex[33];

    t_ok(sign_md5(parts, 3, hex, &e), &e);
    ck_assert_str_eq(hex, expected(v, "X-BC-Signature"));
}
END_TEST

START_TEST(cloopen_sig_is_in_capitals)
{
    const struct json *v = vector("cloopen-rest");
    const char *sig, *authorization;

    t_ok(sign_cloopen(in(v, "account_sid"), in(v, "auth_token"),
                      in(v, "timestamp"), &arena, &sig, &authorization, &e),
         &e);
    ck_assert_str_eq(sig, expected(v, "query_sig"));
    ck_assert_str_eq(authorization, expected(v, "authorization"));
}
END_TEST

/* The list above is whole: a vector that comes later must be tested too. */
START_TEST(every_vector_is_tested)
{
    ck_assert_uint_eq(json_len(json_get(file, "vectors")), 21);
}
END_TEST

/* --- pieces --------------------------------------------------------------- */

START_TEST(text_is_percent_encoded)
{
    struct buf b;

    buf_init(&b, 100);
    sign_encode(&b, STR("a/b c~é%"), "/");
    ck_assert_str_eq(b.p, "a/b%20c~%C3%A9%25");
    buf_free(&b);
}
END_TEST

START_TEST(base64_has_two_alphabets)
{
    ck_assert_str_eq(sign_base64(&arena, STR("\xfb\xff\xfe"), false), "+//+");
    ck_assert_str_eq(sign_base64(&arena, STR("\xfb\xff"), true), "-_8");
    ck_assert_str_eq(sign_base64(&arena, STR(""), false), "");
}
END_TEST

START_TEST(a_full_arena_is_told)
{
    const struct json *v = vector("huawei-pangu-chat");
    struct sign_request q = request(v);
    struct arena small;
    const char *got;
    enum err_code rc = ERR_NOMEM;

    for (size_t nth = 1; rc; nth++) {
        arena_init(&small, 0);
        mem_fail_at(nth, true);
        rc = sign_huawei(&q, &small, &got, &e);
        mem_fail_at(0, false);
        if (rc)
            ck_assert_int_eq(rc, ERR_NOMEM);
        arena_free(&small);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup_file, teardown_file);
    tcase_add_loop_test(tc, tencent_tc3_is_as_published, 0, 4);
    tcase_add_loop_test(tc, baidu_bce_is_as_published, 0, 2);
    tcase_add_test(tc, baidu_bce_sample_has_the_same_signature);
    tcase_add_loop_test(tc, iflytek_url_is_as_published, 0, 2);
    tcase_add_test(tc, websocket_accept_is_that_of_the_rfc);
    tcase_add_test(tc, zhipu_token_is_that_of_their_client);
    tcase_add_test(tc, zhipu_token_counts_in_milliseconds);
    tcase_add_loop_test(tc, zhipu_key_of_another_form_is_refused_untold, 0, 4);
    tcase_add_test(tc, sensenova_token_is_that_of_their_client);
    tcase_add_test(tc, volcengine_is_as_their_client);
    tcase_add_loop_test(tc, huawei_is_as_published, 0, 2);
    tcase_add_test(tc, jdcloud_is_as_their_client);
    tcase_add_test(tc, wps_is_as_four_clients_agree);
    tcase_add_test(tc, skywork_sign_is_md5);
    tcase_add_test(tc, baichuan_of_2023_signs_the_body);
    tcase_add_test(tc, cloopen_sig_is_in_capitals);
    tcase_add_test(tc, every_vector_is_tested);
    tcase_add_test(tc, text_is_percent_encoded);
    tcase_add_test(tc, base64_has_two_alphabets);
    tcase_add_test(tc, a_full_arena_is_told);
}

T_MAIN("sign", setup)
