/* What went wrong, in words that name vendor, status, code, attempts and the
 * cure, and never a secret. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runners/remote.h"

/* --- secrets --------------------------------------------------------------- */

enum {
    SECRET_LEAST = 6, /* shorter ones would wreck words */
    HALF_LEAST = 4    /* of one that was cut */
};

static void url_encoded(struct buf *out, const char *s)
{
    for (; *s; s++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                   "0123456789-._~",
                   *s))
            buf_char(out, *s);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*s);
}

static bool holds(struct str text, const char *secret)
{
    return secret && strlen(secret) >= SECRET_LEAST &&
           str_find(text, str_of(secret), 0) != (size_t)-1;
}

static void replace(struct buf *text, const char *secret)
{
    struct str needle = str_of(secret);
    struct buf out;
    size_t from = 0, at;

    if (!holds(buf_view(text), secret))
        return;
    buf_init(&out, text->limit);
    while ((at = str_find(buf_view(text), needle, from)) != (size_t)-1) {
        buf_add(&out, text->p + from, at - from);
        buf_str(&out, "***");
        from = at + needle.n;
    }
    buf_add(&out, text->p + from, text->n - from);
    out.failed = out.failed || text->failed;
    buf_free(text);
    *text = out;
}

/* Names and places may be told, keys may not. */
static bool is_secret(const char *role)
{
    static const char *const open[] = {
        "base_url", "organization", "region", "project", "model", "endpoint"
    };

    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (strcmp(role, open[i]) == 0)
            return false;
    return true;
}

/* The secrets in both spellings, for as long as the model is open. */
enum err_code remote_spell_secrets(struct remote *m, struct err *e)
{
    size_t n = 0;

    m->hidden =
        arena_array(&m->arena, m->provider->n_env * 2 + 1, sizeof *m->hidden);
    for (size_t i = 0; m->hidden && i < m->provider->n_env; i++) {
        struct buf spelt;
        if (!m->secrets[i] || !is_secret(m->provider->env_roles[i]))
            continue;
        buf_init(&spelt, 1 << 20);
        url_encoded(&spelt, m->secrets[i]);
        m->hidden[n++] = m->secrets[i];
        if (!spelt.failed && strcmp(spelt.p, m->secrets[i]) != 0)
            m->hidden[n++] = arena_strdup(&m->arena, spelt.p);
        m->arena.failed = m->arena.failed || spelt.failed;
        buf_free(&spelt);
    }
    return m->arena.failed ? err_set(e, ERR_NOMEM, "no memory for a model")
                           : ERR_OK;
}

static bool holds_any(const struct remote *m, struct str text)
{
    for (size_t i = 0; m->hidden[i]; i++)
        if (holds(text, m->hidden[i]))
            return true;
    return holds(text, m->minted);
}

const char *remote_scrub(const struct remote *m, const char *text,
                         struct arena *a)
{
    struct buf b;
    char *out;

    if (!text || !holds_any(m, str_of(text)))
        return text;
    buf_init(&b, (size_t)256 << 20);
    buf_str(&b, text);
    for (size_t i = 0; m->hidden[i]; i++)
        replace(&b, m->hidden[i]);
    if (m->minted)
        replace(&b, m->minted);
    out = b.failed ? NULL : arena_dup(a, b.p, b.n);
    buf_free(&b);
    return out;
}

/* --- kinds of failure ------------------------------------------------------ */

void failure_words(struct failure *f, enum fault_class class, const char *fmt,
                   ...)
{
    va_list ap;

    f->class = class;
    va_start(ap, fmt);
    vsnprintf(f->words, sizeof f->words, fmt, ap);
    va_end(ap);
    f->words[text_whole(str_of(f->words))] = '\0';
}

void failure_of_http(struct failure *f, const struct http_result *r)
{
    static const struct {
        enum fault_class class;
        enum err_code code;
    } ends[] = {
        [HTTP_DONE] = { FAULT_NONE, ERR_OK },
        [HTTP_SETUP] = { FAULT_FATAL, ERR_FORMAT },
        [HTTP_NOT_THERE] = { FAULT_RETRY, ERR_NET },
        [HTTP_DROPPED] = { FAULT_RETRY, ERR_CANCELLED },
        [HTTP_UNTRUSTED] = { FAULT_FATAL, ERR_NET },
        [HTTP_BROKEN] = { FAULT_RETRY, ERR_NET },
        [HTTP_TIMED_OUT] = { FAULT_RETRY, ERR_TIMEOUT },
        [HTTP_TOO_LARGE] = { FAULT_RETRY, ERR_SERVER },
        [HTTP_STOPPED] = { FAULT_RETRY, ERR_SERVER },
        [HTTP_NO_MEMORY] = { FAULT_RETRY, ERR_NOMEM },
    };

    failure_words(f, ends[r->end].class, "%s", r->message);
    f->code = ends[r->end].code;
    f->status = r->status;
    f->unreachable = r->end == HTTP_NOT_THERE;
}

/* What the classes are stored as.  A status of its own says more. */
static enum err_code code_of(enum fault_class class, int status)
{
    switch (class) {
    case FAULT_NONE:
        return ERR_OK;
    case FAULT_RETRY:
        return status == 408 ? ERR_TIMEOUT : ERR_SERVER;
    case FAULT_RATE:
        return ERR_RATE;
    case FAULT_TOKEN:
        return ERR_AUTH;
    case FAULT_ITEM:
        return ERR_REJECTED;
    case FAULT_FILTER:
        return ERR_FILTERED;
    case FAULT_KEY:
    case FAULT_QUOTA:
        return ERR_AUTH;
    case FAULT_MODEL:
    case FAULT_FATAL:
        return ERR_REJECTED;
    case FAULT_N_CLASSES:
        break;
    }
    return ERR_SERVER;
}

void failure_of_fault(struct failure *f, int status, const struct fault *fault)
{
    f->class = fault->class;
    f->code = code_of(fault->class, status);
    f->status = status;
    snprintf(f->vendor_code, sizeof f->vendor_code, "%s", fault->code);
    snprintf(f->words, sizeof f->words, "%s", fault->message);
    if (fault->retry_ms >= 0)
        f->retry_ns = fault->retry_ms * 1000000;
}

/* --- the message ----------------------------------------------------------- */

static const char *cure_of(const struct failure *f)
{
    switch (f->code) {
    case ERR_AUTH:
        return f->class == FAULT_QUOTA
                   ? "top up the account, or use another key"
                   : "check the key and what it may use";
    case ERR_RATE:
        return "lower --rpm, --tpm or --concurrency";
    case ERR_TIMEOUT:
        return "raise --timeout, or lower --concurrency";
    case ERR_NET:
        return f->unreachable ? "check the address, the network and proxies"
               : f->class == FAULT_FATAL
                   ? "check the address; SSL_CERT_FILE names certificates to "
                     "trust"
                   : "run again: what has no answer is asked once more";
    case ERR_REJECTED:
        return f->class == FAULT_MODEL
                   ? "check the model's name and the address"
               : f->class == FAULT_FATAL
                   ? "no request of this model will be answered"
                   : "this request will not be answered";
    case ERR_FILTERED:
        return "the vendor does not answer this content";
    case ERR_SERVER:
        return "run again: what has no answer is asked once more";
    default:
        return NULL;
    }
}

/* The variable that holds the key, to be named when the key is at fault. */
static const char *key_variable(const struct remote *m)
{
    for (size_t i = 0; i < m->provider->n_env; i++)
        if (m->secrets[i] && is_secret(m->provider->env_roles[i]))
            return m->provider->env[i];
    return NULL;
}

/* A text that was cut may end in the beginning of a secret. */
static size_t without_half(struct str s, const char *secret)
{
    size_t n = strlen(secret);

    for (n = n < s.n ? n : s.n; n >= HALF_LEAST; n--)
        if (memcmp(s.p + s.n - n, secret, n) == 0)
            return s.n - n;
    return s.n;
}

/* The words without secrets, and then no more than so many bytes of them. */
static void add_words(struct buf *b, const struct remote *m,
                      const struct failure *f, size_t most, struct arena *a)
{
    const char *words = remote_scrub(m, f->words, a);
    struct str all = str_of(words ? words : ""), s = all;

    for (size_t i = 0; m->hidden[i]; i++)
        s.n = without_half(s, m->hidden[i]);
    if (m->minted)
        s.n = without_half(s, m->minted);
    if (s.n > most)
        s.n = text_whole(str_sub(s, 0, most));
    if (s.n)
        buf_printf(b, ": %.*s%s", STR_FMT(s), s.n < all.n ? "..." : "");
}

const char *failure_message(const struct remote *m, const struct failure *f,
                            int attempts, size_t most, struct arena *a)
{
    const char *cure = cure_of(f), *key = key_variable(m), *out = NULL;
    struct buf b;

    buf_init(&b, 4096);
    buf_str(&b, m->provider->id);
    if (f->status)
        buf_printf(&b, ": HTTP %d", f->status);
    if (f->vendor_code[0])
        buf_printf(&b, "%s code %s", f->status ? "," : ":", f->vendor_code);
    add_words(&b, m, f, most, a);
    buf_printf(&b, " (%d attempt%s)", attempts, attempts == 1 ? "" : "s");
    if (cure)
        buf_printf(&b, "; %s", cure);
    if (cure && key && f->code == ERR_AUTH)
        buf_printf(&b, " (%s)", key);
    if (!b.failed)
        out = remote_scrub(m, b.p, a);
    if (out == b.p)
        out = arena_strdup(a, b.p);
    buf_free(&b);
    return out;
}
