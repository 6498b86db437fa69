/* Signatures that look at no request: JSON Web Tokens, iFlytek's URL, MD5
 * digests, the WebSocket handshake. */
#include "runners/sign.h"

#include <openssl/evp.h>
#include <string.h>

#include "harness/base/digest.h"
#include "harness/base/json.h"

enum { SHA1_BYTES = 20, MD5_BYTES = 16, LIMIT = 64 << 10 };

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "signature: out of memory");
}

char *sign_base64(struct arena *a, struct str s, bool url)
{
    char *out = arena_alloc(a, s.n / 3 * 4 + 5);
    int n;

    if (!out)
        return NULL;
    n = EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)s.p,
                        (int)s.n);
    for (int i = 0; url && i < n; i++) {
        if (out[i] == '+')
            out[i] = '-';
        else if (out[i] == '/')
            out[i] = '_';
        else if (out[i] == '=')
            out[i] = '\0';
    }
    return out;
}

/* --- JSON Web Tokens (RFC 7519) ------------------------------------------- */

enum err_code sign_jwt(const char *header, const char *payload,
                       struct str secret, struct arena *a, const char **token,
                       struct err *e)
{
    const char *h = sign_base64(a, str_of(header), true);
    const char *p = sign_base64(a, str_of(payload), true);
    const char *input = h && p ? arena_printf(a, "%s.%s", h, p) : NULL, *sum64;
    unsigned char sum[DIGEST_BYTES];

    if (!input)
        return no_memory(e);
    digest_hmac_sha256(secret, str_of(input), sum);
    sum64 = sign_base64(a, (struct str){ (char *)sum, sizeof sum }, true);
    *token = sum64 ? arena_printf(a, "%s.%s", input, sum64) : NULL;
    return *token ? ERR_OK : no_memory(e);
}

/* A member of text and two of numbers: what both vendors' payloads are. */
static enum err_code claims(const char *who_key, struct str who,
                            const char *const keys[2], const int64_t values[2],
                            struct arena *a, const char **out, struct err *e)
{
    enum err_code rc;
    struct buf b;
    struct jw w;

    buf_init(&b, LIMIT);
    jw_init(&w, &b, false);
    jw_object(&w, NULL);
    jw_text(&w, who_key, who);
    jw_int(&w, keys[0], values[0]);
    jw_int(&w, keys[1], values[1]);
    jw_end(&w);
    rc = buf_check(&b, "a token's claims", e);
    *out = arena_dup(a, b.p, b.n);
    buf_free(&b);
    return rc || *out ? rc : no_memory(e);
}

enum err_code sign_jwt_zhipu(const char *key, int64_t now_ms, int64_t life_ms,
                             struct arena *a, const char **token, struct err *e)
{
    static const char *const keys[] = { "exp", "timestamp" };
    const char *dot = strchr(key, '.'), *payload;
    enum err_code rc;

    if (!dot || dot == key || !dot[1] || strchr(dot + 1, '.'))
        return err_set(e, ERR_AUTH, "the key does not have the form ID.SECRET");
    rc = claims("api_key", (struct str){ key, (size_t)(dot - key) }, keys,
                (const int64_t[]){ now_ms + life_ms, now_ms }, a, &payload, e);
    if (rc)
        return rc;
    return sign_jwt("{\"alg\":\"HS256\",\"sign_type\":\"SIGN\"}", payload,
                    str_of(dot + 1), a, token, e);
}

enum err_code sign_jwt_sensenova(const char *id, const char *secret,
                                 int64_t now_s, struct arena *a,
                                 const char **token, struct err *e)
{
    static const char *const keys[] = { "exp", "nbf" };
    const char *payload;
    enum err_code rc;

    rc = claims("iss", str_of(id), keys,
                (const int64_t[]){ now_s + 1800, now_s - 5 }, a, &payload, e);
    if (rc)
        return rc;
    return sign_jwt("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", payload,
                    str_of(secret), a, token, e);
}

/* --- iFlytek -------------------------------------------------------------- */

/* As of an HTML form: blanks become '+'. */
static void put_form(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s%s=", out->n ? "&" : "", name);
    for (const char *p = value; *p; p++) {
        if (*p == ' ')
            buf_char(out, '+');
        else
            sign_encode(out, (struct str){ p, 1 }, "");
    }
}

static const char *iflytek_authorization(const char *key, const char *secret,
                                         const char *text, struct arena *a)
{
    unsigned char sum[DIGEST_BYTES];
    const char *sum64, *origin;

    digest_hmac_sha256(str_of(secret), str_of(text), sum);
    sum64 = sign_base64(a, (struct str){ (char *)sum, sizeof sum }, false);
    if (!sum64)
        return NULL;
    origin = arena_printf(a,
                          "api_key=\"%s\", algorithm=\"hmac-sha256\", "
                          "headers=\"host date request-line\", "
                          "signature=\"%s\"",
                          key, sum64);
    return origin ? sign_base64(a, str_of(origin), false) : NULL;
}

enum err_code sign_iflytek(const char *key, const char *secret,
                           const char *host, const char *path, int64_t now_s,
                           struct arena *a, const char **query, struct err *e)
{
    const char *date = sign_date(a, now_s, SIGN_RFC1123), *text, *auth;
    struct buf b;

    text = date ? arena_printf(a, "host: %s\ndate: %s\nGET %s HTTP/1.1", host,
                               date, path)
                : NULL;
    auth = text ? iflytek_authorization(key, secret, text, a) : NULL;
    if (!auth)
        return no_memory(e);
    buf_init(&b, LIMIT);
    put_form(&b, "authorization", auth);
    put_form(&b, "date", date);
    put_form(&b, "host", host);
    a->failed |= b.failed;
    *query = arena_dup(a, b.p, b.n);
    buf_free(&b);
    return a->failed ? no_memory(e) : ERR_OK;
}

/* --- MD5, SHA-1 ----------------------------------------------------------- */

/* OpenSSL may have been built or set up without the old digests. */
static enum err_code digest_of(const char *name, struct str s,
                               unsigned char *out, struct err *e)
{
    size_t n;

    if (EVP_Q_digest(NULL, name, NULL, s.p, s.n, out, &n) != 1)
        return err_set(e, ERR_NOENV, "OpenSSL offers no %s here", name);
    return ERR_OK;
}

enum err_code sign_md5(const struct str *parts, size_t n, char hex[33],
                       struct err *e)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[MD5_BYTES];
    enum err_code rc;
    struct buf b;

    buf_init(&b, SIZE_MAX);
    for (size_t i = 0; i < n; i++)
        buf_text(&b, parts[i]);
    rc = buf_check(&b, "what is signed", e);
    if (!rc)
        rc = digest_of("MD5", buf_view(&b), sum, e);
    buf_free(&b);
    for (int i = 0; !rc && i < MD5_BYTES; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[rc ? 0 : 32] = '\0';
    return rc;
}

enum err_code sign_cloopen(const char *sid, const char *token, const char *time,
                           struct arena *a, const char **sig,
                           const char **authorization, struct err *e)
{
    const struct str parts[] = { str_of(sid), str_of(token), str_of(time) };
    const char *pair = arena_printf(a, "%s:%s", sid, time);
    char hex[33];
    enum err_code rc = sign_md5(parts, 3, hex, e);

    if (rc)
        return rc;
    for (char *p = hex; *p; p++)
        if (*p >= 'a')
            *p = (char)(*p - ('a' - 'A'));
    *sig = arena_strdup(a, hex);
    *authorization = pair ? sign_base64(a, str_of(pair), false) : NULL;
    return a->failed ? no_memory(e) : ERR_OK;
}

enum err_code sign_websocket_accept(const char *key, char accept[29],
                                    struct err *e)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char sum[SHA1_BYTES], out[32];
    enum err_code rc;
    struct buf b;

    buf_init(&b, LIMIT);
    buf_str(&b, key);
    buf_str(&b, guid);
    rc = buf_check(&b, "the handshake's key", e);
    if (!rc)
        rc = digest_of("SHA1", buf_view(&b), sum, e);
    buf_free(&b);
    if (rc)
        return rc;
    EVP_EncodeBlock(out, sum, SHA1_BYTES);
    memcpy(accept, out, 29);
    return ERR_OK;
}
