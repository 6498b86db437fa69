/* Signatures that vendors ask for, over OpenSSL.  Each is checked against
 * published examples in tests/golden/signing.json.
 *
 * Time is given, never read.  Bodies are signed as they are sent.  Results lie
 * in the arena; ERR_NOMEM when it is full, ERR_NOENV when OpenSSL refuses MD5
 * or SHA-1 (a machine in FIPS mode). */
#ifndef MK_SIGN_H
#define MK_SIGN_H

#include <stdint.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

/* "Name: value" of a request that is signed, or name=value of its query. */
struct sign_header {
    const char *name, *value;
};

struct sign_request {
    const char *id, *secret;      /* access key and secret key */
    const char *region, *service; /* where the scheme has them */
    const char *method;
    const char *path; /* not percent-encoded */
    const struct sign_header *query;
    size_t n_query;
    const struct sign_header *headers; /* all of them are signed */
    size_t n_headers;
    struct str body;
    int64_t now_s;
    int64_t life_s; /* bce-auth-v1: how long it is valid */
};

/* Each gives the value of "Authorization". */

/* Tencent Cloud TC3-HMAC-SHA256; headers must hold content-type and host. */
enum err_code sign_tc3(const struct sign_request *q, struct arena *a,
                       const char **authorization, struct err *e) MUST_CHECK;
/* Baidu Cloud bce-auth-v1; headers must hold host and x-bce-date. */
enum err_code sign_bce(const struct sign_request *q, struct arena *a,
                       const char **authorization, struct err *e) MUST_CHECK;
/* Volcengine HMAC-SHA256; headers must hold x-date, x-content-sha256, host. */
enum err_code sign_volc(const struct sign_request *q, struct arena *a,
                        const char **authorization, struct err *e) MUST_CHECK;
/* Huawei Cloud SDK-HMAC-SHA256; headers must hold x-sdk-date and host. */
enum err_code sign_huawei(const struct sign_request *q, struct arena *a,
                          const char **authorization, struct err *e) MUST_CHECK;
/* JD Cloud JDCLOUD3-HMAC-SHA256; headers: host, x-jdcloud-date and -nonce. */
enum err_code sign_jdcloud(const struct sign_request *q, struct arena *a,
                           const char **authorization,
                           struct err *e) MUST_CHECK;
/* WPS 365 "KSO-1 id:signature" (X-Kso-Authorization): path with its query as
 * sent in q->path, the body, and the two header values. */
enum err_code sign_kso1(const struct sign_request *q, const char *content_type,
                        const char *date, struct arena *a,
                        const char **authorization, struct err *e) MUST_CHECK;

/* iFlytek: the query "authorization=..&date=..&host=.." of a WebSocket URL. */
enum err_code sign_iflytek(const char *key, const char *secret,
                           const char *host, const char *path, int64_t now_s,
                           struct arena *a, const char **query,
                           struct err *e) MUST_CHECK;

/* A JSON Web Token, HS256, of these two JSON texts. */
enum err_code sign_jwt(const char *header, const char *payload,
                       struct str secret, struct arena *a, const char **token,
                       struct err *e) MUST_CHECK;
/* Zhipu: of a key "id.secret", claims in milliseconds.  ERR_AUTH when the key
 * has another form; the message does not hold it. */
enum err_code sign_jwt_zhipu(const char *key, int64_t now_ms, int64_t life_ms,
                             struct arena *a, const char **token,
                             struct err *e) MUST_CHECK;
/* SenseNova: issuer, valid from 5 s ago, for 1800 s. */
enum err_code sign_jwt_sensenova(const char *id, const char *secret,
                                 int64_t now_s, struct arena *a,
                                 const char **token, struct err *e) MUST_CHECK;

/* MD5 of the parts one after another, in hex: Skywork (key, secret, time),
 * Baichuan's old door (secret, body, time), cloopen (id, token, time; there
 * in capitals). */
enum err_code sign_md5(const struct str *parts, size_t n, char hex[33],
                       struct err *e) MUST_CHECK;
/* cloopen: the "sig" of the query and the "Authorization"; time is theirs,
 * yyyyMMddHHmmss in China. */
enum err_code sign_cloopen(const char *sid, const char *token, const char *time,
                           struct arena *a, const char **sig,
                           const char **authorization,
                           struct err *e) MUST_CHECK;
/* RFC 6455: Sec-WebSocket-Accept that answers a Sec-WebSocket-Key. */
enum err_code sign_websocket_accept(const char *key, char accept[29],
                                    struct err *e) MUST_CHECK;

/* --- the pieces they are made of, for URLs and headers -------------------- */

/* Base64 with padding; `url`: the URL's alphabet without padding. */
char *sign_base64(struct arena *a, struct str s, bool url);
/* Appends s percent-encoded (RFC 3986: all but letters, digits, "-._~"); keep:
 * characters left as they are besides, such as "/". */
void sign_encode(struct buf *out, struct str s, const char *keep);
/* Moments in UTC: "20231114T221320Z", "2023-11-14T22:13:20Z",
 * "Tue, 14 Nov 2023 22:13:20 GMT", "2023-11-14". */
enum sign_date_form { SIGN_BASIC, SIGN_ISO, SIGN_RFC1123, SIGN_DAY };
char *sign_date(struct arena *a, int64_t now_s, enum sign_date_form form);

#endif
