/* What adapters share: reading answers, writing parameters and messages. */
#include "runners/adapter_util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runners/auth.h"
#include "runners/sign.h"

enum { BODY_LIMIT = 64 << 20, URL_LIMIT = 64 << 10 };

/* --- answers -------------------------------------------------------------- */

static const struct json *step(const struct json *j, struct str name)
{
    char key[64];

    if (name.n >= sizeof key)
        return NULL;
    memcpy(key, name.p, name.n);
    key[name.n] = '\0';
    if (json_type(j) == JSON_ARRAY)
        return json_at(j, (size_t)strtoul(key, NULL, 10));
    return json_get(j, key);
}

const struct json *adapter_at(const struct json *j, const char *path)
{
    struct str p = str_of(path);

    for (size_t from = 0, to; j && from <= p.n; from = to + 1) {
        to = str_find(p, STR("/"), from);
        if (to == (size_t)-1)
            to = p.n;
        j = step(j, str_sub(p, from, to));
    }
    return j;
}

const char *adapter_text(const struct json *j, const char *path)
{
    return json_string(adapter_at(j, path));
}

int64_t adapter_count(const struct json *j, const char *path)
{
    double v = json_number(adapter_at(j, path));

    return v >= 0 && v < 1e15 ? (int64_t)v : -1;
}

void adapter_take(int64_t *to, const struct json *j, const char *path)
{
    int64_t n = adapter_count(j, path);

    if (n >= 0)
        *to = n;
}

void adapter_usage(const struct json *j, struct reply *r)
{
    adapter_take(&r->prompt_tokens, j, "usage/prompt_tokens");
    adapter_take(&r->output_tokens, j, "usage/completion_tokens");
}

/* Cut at a character's end. */
static void put_text(char *to, size_t size, struct str s)
{
    if (s.n >= size)
        s = str_sub(s, 0, text_whole(str_sub(s, 0, size - 1)));
    memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

const char *adapter_code(const struct json *j, const char *path, char room[64])
{
    const struct json *node = adapter_at(j, path);

    put_text(room, 64, str_of(json_string(node)));
    if (!isnan(json_number(node)))
        snprintf(room, 64, "%.0f", json_number(node));
    return room;
}

bool adapter_append(struct buf *to, const struct json *j, const char *path)
{
    const char *text = adapter_text(j, path);

    if (!text || !*text)
        return false;
    buf_str(to, text);
    return true;
}

void adapter_whole(struct buf *to, const char *text)
{
    if (!text || strlen(text) < to->n)
        return;
    to->n = 0;
    buf_str(to, text);
}

void adapter_fault_inside(const struct endpoint *ep, struct reply *r,
                          const char *code, const char *message)
{
    fault_set(&r->fault, ep->provider, 200, code, message);
    if (r->fault.class == FAULT_NONE)
        r->fault.class = FAULT_RETRY;
}

void adapter_no_answer(struct reply *r, enum fault_class class,
                       const struct endpoint *ep, const char *why)
{
    fault_set(&r->fault, ep->provider, 200, NULL, why);
    r->fault.class = class;
}

/* Where a gateway in between, or a newer door of the vendor, says it. */
static const char *const usual_words[] = {
    "error/message", "message", "msg", "error_msg", "error", "detail"
};
static const char *const usual_codes[] = { "error/code", "error/type", "code",
                                           "error_code" };

static const char *first_text(const struct json *body, const char *words)
{
    const char *text = adapter_text(body, words);

    for (size_t i = 0; !text && i < sizeof usual_words / sizeof *usual_words;
         i++)
        text = adapter_text(body, usual_words[i]);
    return text;
}

static const char *first_code(const struct json *body, const char *code,
                              char room[64])
{
    adapter_code(body, code, room);
    for (size_t i = 0; !*room && i < sizeof usual_codes / sizeof *usual_codes;
         i++)
        adapter_code(body, usual_codes[i], room);
    return room;
}

void adapter_fault_at(const struct endpoint *ep, int status,
                      const struct json *body, struct str raw, const char *code,
                      const char *message, struct fault *f)
{
    const char *text = first_text(body, message);
    char room[64], words[sizeof f->message] = "";

    if (!text && text_check(raw, NULL))
        put_text(words, sizeof words, str_trim(raw));
    fault_set(f, ep->provider, status, first_code(body, code, room),
              text ? text : words);
}

bool adapter_told_fault(const struct endpoint *ep, const struct json *body,
                        const char *code, const char *message, struct reply *r)
{
    char room[64];

    adapter_code(body, code, room);
    if (!*room || strcmp(room, "0") == 0)
        return false;
    adapter_fault_inside(ep, r, room, adapter_text(body, message));
    return true;
}

bool adapter_next(struct reply *r, int64_t seq, int64_t first)
{
    if (seq < 0)
        return true;
    if (seq < first + r->events)
        return false;
    if (seq > first + r->events) {
        r->fault.class = FAULT_RETRY;
        put_text(r->fault.message, sizeof r->fault.message,
                 STR("a piece of the stream is missing"));
        return false;
    }
    r->events++;
    return true;
}

void adapter_ended(const struct request *q, struct reply *r)
{
    int64_t most = q->sampling.max_tokens;

    r->finished = true;
    r->finish =
        most > 0 && r->output_tokens >= most ? FINISH_LENGTH : FINISH_STOP;
}

/* Notes a token for every option that is this text. */
static void note_token(const struct request *q, const char *token,
                       double logprob, struct reply *r)
{
    struct str t = str_trim(str_of(token));

    for (size_t i = 0; t.n && i < q->n_options; i++) {
        if (!str_eq(str_trim(str_of(q->options[i])), t))
            continue;
        if (isnan(r->logprobs[i]) || logprob > r->logprobs[i])
            r->logprobs[i] = logprob;
        r->option_tokens[i] = 1;
    }
}

/* What an option has at the most that is not among the likeliest tokens: less
 * than the least of them, and no more than all of them leave. */
static double rest_of(const struct json *list, const char *logprob)
{
    double sum = 0, least = 0, rest;

    for (const struct json *t = json_child(list); t; t = json_next(t)) {
        double lp = json_number(json_get(t, logprob));

        sum += isnan(lp) ? 0 : exp(lp);
        least = lp < least ? lp : least;
    }
    rest = sum < 1 ? log(1 - sum) : -100;
    return (rest < least ? rest : least) - 1e-6;
}

static size_t note_tokens(const struct request *q, const struct json *list,
                          const char *token, const char *logprob,
                          struct reply *r)
{
    size_t found = 0;

    for (const struct json *t = json_child(list); t; t = json_next(t)) {
        const char *text = json_string(json_get(t, token));
        double lp = json_number(json_get(t, logprob));

        if (text && !isnan(lp))
            note_token(q, text, lp, r);
    }
    for (size_t i = 0; i < q->n_options; i++)
        found += !isnan(r->logprobs[i]);
    return found;
}

void adapter_first_tokens(const struct endpoint *ep, const struct request *q,
                          const struct json *list, const char *token,
                          const char *logprob, struct reply *r)
{
    size_t found = note_tokens(q, list, token, logprob, r);

    for (size_t i = 0; found && i < q->n_options; i++) {
        if (!isnan(r->logprobs[i]))
            continue;
        r->logprobs[i] = rest_of(list, logprob);
        r->option_tokens[i] = 1;
    }
    if (!json_len(list))
        adapter_no_answer(r, FAULT_FATAL, ep,
                          "the answer has no log-probabilities: this model "
                          "gives none; ask by generation (--ask generate)");
    else if (!found)
        adapter_no_answer(r, FAULT_ITEM, ep,
                          "none of the options is among the likeliest first "
                          "tokens");
    r->finish = FINISH_SCORED;
    r->finished = true;
}

int64_t adapter_top(const struct endpoint *ep)
{
    const struct json *own =
        provider_member(ep->provider, ep->name, "top_logprobs");
    double n = json_number(own);

    return isnan(n) ? ep->provider->top_logprobs : (int64_t)n;
}

/* --- calls ---------------------------------------------------------------- */

void body_init(struct body *b)
{
    buf_init(&b->buf, BODY_LIMIT);
    jw_init(&b->w, &b->buf, false);
}

enum err_code body_done(struct body *b, struct arena *a, struct call *c,
                        struct err *e)
{
    enum err_code rc = buf_check(&b->buf, "a request's body", e);

    c->body = (struct str){ arena_dup(a, b->buf.p, b->buf.n), b->buf.n };
    buf_free(&b->buf);
    if (!rc && !c->body.p)
        rc = err_set(e, ERR_NOMEM, "a request's body: out of memory");
    return rc;
}

enum err_code adapter_headers(const struct endpoint *ep, const char *key,
                              struct arena *a, struct call *c, struct err *e)
{
    const struct json *m =
        json_child(provider_member(ep->provider, ep->name, key));
    enum err_code rc = ERR_OK;

    for (; !rc && m; m = json_next(m))
        if (json_string(m))
            rc = call_header(c, a, e, "%s: %s", json_key(m), json_string(m));
    return rc;
}

enum err_code adapter_post(const struct endpoint *ep, struct body *b,
                           struct arena *a, struct call *c, struct err *e)
{
    enum err_code rc = body_done(b, a, c, e);

    c->method = "POST";
    if (!rc)
        rc = call_header(c, a, e, "Content-Type: application/json");
    if (!rc)
        rc = adapter_headers(ep, "extra_headers", a, c, e);
    if (!rc && ep->stream)
        rc = adapter_headers(ep, "stream_headers", a, c, e);
    return rc;
}

enum err_code adapter_chat(const struct endpoint *ep, struct body *b,
                           struct arena *a, struct call *c, struct err *e)
{
    enum err_code rc = adapter_post(ep, b, a, c, e);

    c->framing = ep->stream ? FRAME_SSE : FRAME_WHOLE;
    return rc ? rc
              : adapter_url(ep, adapter_path_of(ep, "chat"), a, &c->url, e);
}

/* --- messages ------------------------------------------------------------- */

static bool is_role(const struct message *m, const char *role)
{
    return strcmp(m->role, role) == 0;
}

static const char *join(struct arena *a, const char *x, const char *y)
{
    return x && *x ? arena_printf(a, "%s\n\n%s", x, y) : y;
}

/* Taking a system message out of the middle may leave two of one role. */
static void add_turn(struct turns *t, const struct message *m, bool merge,
                     bool apart, struct arena *a)
{
    struct message *last = t->n ? &t->list[t->n - 1] : NULL;

    if (apart && is_role(m, "system"))
        t->system = join(a, t->system, m->content);
    else if (last && merge && is_role(m, last->role))
        last->content = join(a, last->content, m->content);
    else
        t->list[t->n++] = *m;
}

static enum err_code wrong_role(const struct endpoint *ep, const char *which,
                                const char *role, struct err *e)
{
    return err_set(e, ERR_REJECTED,
                   "%s: the %s message must be the user's, got the role %s",
                   ep->provider->id, which, role);
}

static enum err_code check_turns(const struct endpoint *ep,
                                 const struct turns *t, bool alternate,
                                 struct err *e)
{
    size_t first = t->n && is_role(&t->list[0], "system");

    if (t->n == first)
        return err_set(e, ERR_REJECTED, "%s: no message of the user's",
                       ep->provider->id);
    if (alternate && !is_role(&t->list[first], "user"))
        return wrong_role(ep, "first", t->list[first].role, e);
    if (alternate && !is_role(&t->list[t->n - 1], "user"))
        return wrong_role(ep, "last", t->list[t->n - 1].role, e);
    return ERR_OK;
}

enum err_code adapter_turns(const struct endpoint *ep, const struct request *q,
                            enum turn_rule rule, struct arena *a,
                            struct turns *out, struct err *e)
{
    bool alternate = json_bool(json_get(
        provider_member(ep->provider, ep->name, "messages"), "alternate"));
    const struct message *list = NULL;
    size_t n = 0;
    enum err_code rc = adapter_messages(ep, q, a, &list, &n, e);

    if (rc)
        return rc;
    *out = (struct turns){ .list = arena_array(a, n + 1, sizeof *out->list) };
    for (size_t i = 0; out->list && list && i < n; i++)
        add_turn(out, &list[i], alternate, rule == TURNS_APART, a);
    if (a->failed || !out->list)
        return err_set(e, ERR_NOMEM, "messages: out of memory");
    return check_turns(ep, out, alternate, e);
}

void turns_put(struct jw *w, const struct turns *t, const char *key,
               const char *role, const char *content)
{
    jw_array(w, key);
    for (size_t i = 0; i < t->n; i++) {
        jw_object(w, NULL);
        jw_str(w, role, t->list[i].role);
        jw_str(w, content, t->list[i].content);
        jw_end(w);
    }
    jw_end(w);
}

/* --- addresses ------------------------------------------------------------ */

const char *adapter_word(const struct endpoint *ep, const char *key,
                         const char *otherwise)
{
    const char *own = json_string(provider_member(ep->provider, ep->name, key));

    return own ? own : otherwise;
}

const char *adapter_path_of(const struct endpoint *ep, const char *name)
{
    return json_string(
        json_get(provider_member(ep->provider, ep->name, "paths"), name));
}

static const char *small(struct arena *a, const char *s)
{
    char *out = arena_strdup(a, s);

    for (char *p = out; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
    return out;
}

/* What stands for "{name}" in a path. */
static enum err_code value_of(const struct endpoint *ep, struct str name,
                              struct arena *a, const char **out, struct err *e)
{
    char role[32];

    put_text(role, sizeof role, name);
    *out = NULL;
    if (str_is(name, "model") || str_is(name, "deployment_id"))
        *out = ep->name;
    else if (str_is(name, "token"))
        *out = ep->token;
    else if (str_is(name, "endpoint"))
        *out = json_string(provider_member(ep->provider, ep->name, role));
    if (!*out && str_is(name, "endpoint"))
        *out = small(a, ep->name);
    return *out ? ERR_OK : auth_secret(ep, role, out, e);
}

static enum err_code put_path(const struct endpoint *ep, struct buf *b,
                              struct str path, struct arena *a, struct err *e)
{
    size_t from = 0, open, close;
    const char *value;
    enum err_code rc;

    while ((open = str_find(path, STR("{"), from)) != (size_t)-1 &&
           (close = str_find(path, STR("}"), open)) != (size_t)-1) {
        buf_text(b, str_sub(path, from, open));
        rc = value_of(ep, str_sub(path, open + 1, close), a, &value, e);
        if (rc)
            return rc;
        sign_encode(b, str_of(value), "");
        from = close + 1;
    }
    buf_text(b, str_sub(path, from, path.n));
    return ERR_OK;
}

enum err_code adapter_url(const struct endpoint *ep, const char *path,
                          struct arena *a, const char **url, struct err *e)
{
    struct buf b;
    enum err_code rc;

    buf_init(&b, URL_LIMIT);
    buf_str(&b, ep->base_url);
    rc = put_path(ep, &b, str_of(path), a, e);
    if (!rc)
        rc = buf_check(&b, "an address", e);
    *url = arena_dup(a, b.p, b.n);
    buf_free(&b);
    return rc || *url ? rc : err_set(e, ERR_NOMEM, "an address: out of memory");
}

static const char *after_scheme(const char *url)
{
    const char *p = strstr(url, "://");

    return p ? p + 3 : url;
}

const char *adapter_host(const char *url, struct arena *a)
{
    const char *host = after_scheme(url);

    return arena_dup(a, host, strcspn(host, "/?"));
}

const char *adapter_path(const char *url, struct arena *a)
{
    const char *path = after_scheme(url);

    path += strcspn(path, "/?");
    return *path == '/' ? arena_dup(a, path, strcspn(path, "?"))
                        : arena_strdup(a, "/");
}
