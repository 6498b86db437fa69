/* Signatures of whole requests.
 *
 * Five of them are one idea: hash a canonical form of the request, hash that
 * with time and scope, sign with a key.  Tencent, Volcengine, Huawei and JD
 * follow the canonical form of AWS version 4 and differ in constants: struct
 * scheme below.  Baidu's has a form of its own.  The tokens and digests that
 * look at no request are in sign_token.c. */
#include "runners/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/digest.h"

enum { LIMIT = 1 << 20, MAX_FIELDS = 32 };

struct scheme {
    const char *algorithm;
    const char *field;      /* the name of the id in the header */
    const char *key_prefix; /* before the secret; NULL: no chain of keys */
    const char *scope_end;  /* last part of the scope, NULL: no scope */
    bool region;            /* the scope names it */
    bool slash;             /* the path ends in one */
    bool seconds;           /* time to sign as a count, else SIGN_BASIC */
    enum sign_date_form day;
};

static const struct scheme tc3 = { .algorithm = "TC3-HMAC-SHA256",
                                   .field = "Credential",
                                   .key_prefix = "TC3",
                                   .scope_end = "tc3_request",
                                   .seconds = true,
                                   .day = SIGN_DAY };
static const struct scheme volc = { .algorithm = "HMAC-SHA256",
                                    .field = "Credential",
                                    .key_prefix = "",
                                    .scope_end = "request",
                                    .region = true,
                                    .day = SIGN_BASIC };
static const struct scheme huawei = { .algorithm = "SDK-HMAC-SHA256",
                                      .field = "Access",
                                      .slash = true };
static const struct scheme jdcloud = { .algorithm = "JDCLOUD3-HMAC-SHA256",
                                       .field = "Credential",
                                       .key_prefix = "JDCLOUD3",
                                       .scope_end = "jdcloud3_request",
                                       .region = true,
                                       .day = SIGN_BASIC };

/* --- the canonical form --------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct sign_header *x = a, *y = b;
    int c = strcmp(x->name, y->name);

    return c ? c : strcmp(x->value, y->value);
}

static char *lower(struct arena *a, const char *s)
{
    char *out = arena_strdup(a, s);

    for (char *p = out; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
    return out;
}

static char *encoded(struct arena *a, const char *s)
{
    struct buf b;
    char *out;

    buf_init(&b, LIMIT);
    sign_encode(&b, str_of(s), "");
    a->failed |= b.failed;
    out = arena_dup(a, b.p, b.n);
    buf_free(&b);
    return out;
}

/* Copies the fields with what `name` and `value` make of them, sorted; NULL
 * when the arena is full. */
static struct sign_header *fields(const struct sign_header *from, size_t n,
                                  bool encode, bool lower_names,
                                  struct arena *a)
{
    struct sign_header *out = arena_array(a, n + 1, sizeof *out);

    for (size_t i = 0; i < n && !a->failed; i++) {
        struct str v = str_trim(str_of(from[i].value));

        out[i].name = lower_names ? lower(a, from[i].name) : from[i].name;
        out[i].value = arena_dup(a, v.p, v.n);
        if (encode && !a->failed) {
            out[i].name = encoded(a, out[i].name);
            out[i].value = encoded(a, out[i].value);
        }
    }
    if (a->failed)
        return NULL;
    qsort(out, n, sizeof *out, by_name);
    return out;
}

/* "a=1&b=2", sorted and encoded. */
static void put_query(struct buf *out, const struct sign_request *q,
                      struct arena *a)
{
    struct sign_header *f = fields(q->query, q->n_query, true, false, a);

    for (size_t i = 0; f && i < q->n_query; i++)
        buf_printf(out, "%s%s=%s", i ? "&" : "", f[i].name, f[i].value);
}

/* The names joined by ';'. */
static void put_names(struct buf *out, const struct sign_header *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%s", i ? ";" : "", f[i].name);
}

static void put_canonical(struct buf *out, const struct scheme *s,
                          const struct sign_request *q,
                          const struct sign_header *f, struct arena *a)
{
    char hex[DIGEST_HEX];

    buf_printf(out, "%s\n", q->method);
    sign_encode(out, str_of(q->path), "/");
    if (s->slash && !str_ends(buf_view(out), STR("/")))
        buf_char(out, '/');
    buf_char(out, '\n');
    put_query(out, q, a);
    buf_char(out, '\n');
    for (size_t i = 0; i < q->n_headers; i++)
        buf_printf(out, "%s:%s\n", f[i].name, f[i].value);
    buf_char(out, '\n');
    put_names(out, f, q->n_headers);
    digest_hex(q->body, hex);
    buf_printf(out, "\n%s", hex);
}

/* --- keys and signature --------------------------------------------------- */

static void hex_of(const unsigned char sum[DIGEST_BYTES], char hex[DIGEST_HEX])
{
    for (int i = 0; i < DIGEST_BYTES; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", sum[i]);
}

/* key = HMAC(key, text) */
static void step(unsigned char key[DIGEST_BYTES], const char *text)
{
    struct str k = { (const char *)key, DIGEST_BYTES };
    unsigned char next[DIGEST_BYTES];

    digest_hmac_sha256(k, str_of(text), next);
    memcpy(key, next, DIGEST_BYTES);
}

/* The key of that day, region and service: raw bytes at every step. */
static void chain(const struct scheme *s, const struct sign_request *q,
                  const char *day, const char *text, struct arena *a,
                  char hex[DIGEST_HEX])
{
    const char *secret =
        arena_printf(a, "%s%s", s->key_prefix ? s->key_prefix : "", q->secret);
    unsigned char key[DIGEST_BYTES];

    if (!secret)
        return;
    if (!s->key_prefix) {
        digest_hmac_sha256(str_of(secret), str_of(text), key);
    } else {
        digest_hmac_sha256(str_of(secret), str_of(day), key);
        if (s->region)
            step(key, q->region);
        step(key, q->service);
        step(key, s->scope_end);
        step(key, text);
    }
    hex_of(key, hex);
}

static const char *scope_of(const struct scheme *s,
                            const struct sign_request *q, const char *day,
                            struct arena *a)
{
    if (!s->scope_end)
        return "";
    if (!s->region)
        return arena_printf(a, "/%s/%s/%s", day, q->service, s->scope_end);
    return arena_printf(a, "/%s/%s/%s/%s", day, q->region, q->service,
                        s->scope_end);
}

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "signature: out of memory");
}

/* What is signed: algorithm, time, scope, hash of the canonical form. */
static const char *string_to_sign(const struct scheme *s,
                                  const struct sign_request *q,
                                  const char *scope, struct str canonical,
                                  struct arena *a)
{
    const char *when = s->seconds ? arena_printf(a, "%lld", (long long)q->now_s)
                                  : sign_date(a, q->now_s, SIGN_BASIC);
    char hex[DIGEST_HEX];

    digest_hex(canonical, hex);
    if (a->failed)
        return NULL;
    return arena_printf(a, "%s\n%s\n%s%s%s", s->algorithm, when,
                        *scope ? scope + 1 : "", *scope ? "\n" : "", hex);
}

static enum err_code sign_v4(const struct scheme *s,
                             const struct sign_request *q, struct arena *a,
                             const char **authorization, struct err *e)
{
    struct sign_header *f = fields(q->headers, q->n_headers, false, true, a);
    char *day = sign_date(a, q->now_s, s->day);
    char hex[DIGEST_HEX] = "";
    const char *scope, *text;
    struct buf b;

    if (a->failed)
        return no_memory(e);
    if (s->day == SIGN_BASIC)
        day[8] = '\0';
    buf_init(&b, LIMIT + q->body.n);
    put_canonical(&b, s, q, f, a);
    scope = scope_of(s, q, day, a);
    text = a->failed ? NULL : string_to_sign(s, q, scope, buf_view(&b), a);
    if (text)
        chain(s, q, day, text, a, hex);
    buf_clear(&b);
    if (!a->failed) {
        buf_printf(&b, "%s %s=%s%s, SignedHeaders=", s->algorithm, s->field,
                   q->id, scope);
        put_names(&b, f, q->n_headers);
        buf_printf(&b, ", Signature=%s", hex);
    }
    *authorization = arena_dup(a, b.p, b.n);
    a->failed |= b.failed;
    buf_free(&b);
    return a->failed ? no_memory(e) : ERR_OK;
}

enum err_code sign_tc3(const struct sign_request *q, struct arena *a,
                       const char **authorization, struct err *e)
{
    return sign_v4(&tc3, q, a, authorization, e);
}

enum err_code sign_volc(const struct sign_request *q, struct arena *a,
                        const char **authorization, struct err *e)
{
    return sign_v4(&volc, q, a, authorization, e);
}

enum err_code sign_huawei(const struct sign_request *q, struct arena *a,
                          const char **authorization, struct err *e)
{
    return sign_v4(&huawei, q, a, authorization, e);
}

enum err_code sign_jdcloud(const struct sign_request *q, struct arena *a,
                           const char **authorization, struct err *e)
{
    return sign_v4(&jdcloud, q, a, authorization, e);
}

/* --- Baidu ---------------------------------------------------------------- */

/* Method, path, query, headers; the body is not in it. */
static void put_bce(struct buf *out, const struct sign_request *q,
                    const struct sign_header *f, struct arena *a)
{
    const char *sep = "";

    buf_printf(out, "%s\n", q->method);
    sign_encode(out, str_of(q->path), "/");
    buf_char(out, '\n');
    put_query(out, q, a);
    buf_char(out, '\n');
    for (size_t i = 0; i < q->n_headers; i++) {
        if (!*f[i].value)
            continue;
        buf_printf(out, "%s%s:%s", sep, f[i].name, f[i].value);
        sep = "\n";
    }
}

enum err_code sign_bce(const struct sign_request *q, struct arena *a,
                       const char **authorization, struct err *e)
{
    const char *date = sign_date(a, q->now_s, SIGN_ISO), *prefix;
    unsigned char sum[DIGEST_BYTES];
    char key[DIGEST_HEX], hex[DIGEST_HEX];
    struct sign_header *low, *f;
    struct buf b;

    prefix = a->failed ? NULL
                       : arena_printf(a, "bce-auth-v1/%s/%s/%lld", q->id, date,
                                      (long long)q->life_s);
    low = fields(q->headers, q->n_headers, false, true, a);
    f = low ? fields(low, q->n_headers, true, false, a) : NULL;
    if (!f || !prefix)
        return no_memory(e);
    buf_init(&b, LIMIT);
    put_bce(&b, q, f, a);
    digest_hmac_sha256(str_of(q->secret), str_of(prefix), sum);
    hex_of(sum, key);
    /* The key is the hex text itself, not the bytes it spells. */
    digest_hmac_sha256(str_of(key), buf_view(&b), sum);
    hex_of(sum, hex);
    a->failed |= b.failed;
    buf_clear(&b);
    put_names(&b, low, q->n_headers);
    *authorization = arena_printf(a, "%s/%s/%s", prefix, b.p, hex);
    a->failed |= b.failed;
    buf_free(&b);
    return a->failed ? no_memory(e) : ERR_OK;
}

/* --- WPS ------------------------------------------------------------------ */

enum err_code sign_kso1(const struct sign_request *q, const char *content_type,
                        const char *date, struct arena *a,
                        const char **authorization, struct err *e)
{
    char body[DIGEST_HEX] = "", hex[DIGEST_HEX];
    unsigned char sum[DIGEST_BYTES];
    const char *text;

    if (q->body.n)
        digest_hex(q->body, body);
    text = arena_printf(a, "KSO-1%s%s%s%s%s", q->method, q->path, content_type,
                        date, body);
    if (!text)
        return no_memory(e);
    digest_hmac_sha256(str_of(q->secret), str_of(text), sum);
    hex_of(sum, hex);
    *authorization = arena_printf(a, "KSO-1 %s:%s", q->id, hex);
    return *authorization ? ERR_OK : no_memory(e);
}

/* --- pieces --------------------------------------------------------------- */

void sign_encode(struct buf *out, struct str s, const char *keep)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c && (strchr(plain, c) || strchr(keep, c)))
            buf_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

/* strftime() would ask the locale for the names of RFC 1123. */
char *sign_date(struct arena *a, int64_t now_s, enum sign_date_form form)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)now_s;
    struct tm d = { 0 };
    int y;

    gmtime_r(&t, &d);
    y = d.tm_year + 1900;
    switch (form) {
    case SIGN_BASIC:
        return arena_printf(a, "%04d%02d%02dT%02d%02d%02dZ", y, d.tm_mon + 1,
                            d.tm_mday, d.tm_hour, d.tm_min, d.tm_sec);
    case SIGN_ISO:
        return arena_printf(a, "%04d-%02d-%02dT%02d:%02d:%02dZ", y,
                            d.tm_mon + 1, d.tm_mday, d.tm_hour, d.tm_min,
                            d.tm_sec);
    case SIGN_DAY:
        return arena_printf(a, "%04d-%02d-%02d", y, d.tm_mon + 1, d.tm_mday);
    case SIGN_RFC1123:
        break;
    }
    return arena_printf(a, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                        days + (size_t)3 * d.tm_wday, d.tm_mday,
                        months + (size_t)3 * d.tm_mon, y, d.tm_hour, d.tm_min,
                        d.tm_sec);
}
