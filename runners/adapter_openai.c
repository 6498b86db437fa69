/* OpenAI's shape: /chat/completions and /completions, which most vendors and
 * all servers of one's own speak.  What differs between them stands in their
 * rows; what this file must know itself are the ways to tell an answer from
 * anything else:
 *
 * - an error may come under HTTP 200 as error, as base_resp (MiniMax) or as a
 *   code that is not 0 (Spark, Qianfan's older pages);
 * - usage may stand beside the choices, in them (Moonshot), or in an event of
 *   its own without choices;
 * - the last event of a stream may repeat the whole message (MiniMax), and a
 *   stream that was refused may be a plain body.
 *
 * Options are scored by the log-probabilities of the prompt, one call an
 * option, where the server echoes them (vLLM and its like); elsewhere by those
 * of the first token of the answer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runners/adapter_util.h"
#include "runners/auth.h"

/* --- what is asked -------------------------------------------------------- */

enum way {
    WAY_CHAT,       /* text of a chat */
    WAY_COMPLETION, /* text that goes on from a prompt */
    WAY_ECHO,       /* scores by the prompt's own log-probabilities */
    WAY_FIRST       /* scores by those of the first token */
};

static const struct json *member(const struct endpoint *ep, const char *key)
{
    return provider_member(ep->provider, ep->name, key);
}

static bool completions_only(const struct endpoint *ep)
{
    const char *only = json_string(member(ep, "only"));

    return only && strcmp(only, "completions") == 0;
}

static int top_logprobs(const struct endpoint *ep)
{
    double top = json_number(member(ep, "top_logprobs"));

    return top > 0 && !completions_only(ep) ? (int)top : 0;
}

static bool echoes(const struct endpoint *ep)
{
    return json_bool(member(ep, "prompt_logprobs"));
}

static bool can_score(const struct endpoint *ep, bool chat)
{
    return (!chat && echoes(ep)) || top_logprobs(ep) > 0;
}

static enum way way_of(const struct endpoint *ep, const struct request *q)
{
    if (q->kind == REQUEST_CHAT)
        return WAY_CHAT;
    if (q->kind == REQUEST_COMPLETION)
        return WAY_COMPLETION;
    return q->prompt && echoes(ep) ? WAY_ECHO : WAY_FIRST;
}

static size_t n_calls(const struct endpoint *ep, const struct request *q)
{
    return way_of(ep, q) == WAY_ECHO && q->n_options ? q->n_options : 1;
}

static const char *path_of(const struct endpoint *ep, enum way way)
{
    const struct json *paths = member(ep, "paths");
    bool chat = way == WAY_CHAT || way == WAY_FIRST;

    return json_string(json_get(paths, chat ? "chat" : "completions"));
}

/* A first token can be a letter or a short word, not a sentence. */
static enum err_code check_options(const struct endpoint *ep,
                                   const struct request *q, struct err *e)
{
    enum { LONGEST = 8 };

    if (!top_logprobs(ep))
        return err_set(e, ERR_REJECTED,
                       "%s gives no log-probabilities for %s in a chat: ask "
                       "by generation (--ask generate)",
                       ep->provider->id, ep->name);
    for (size_t i = 0; i < q->n_options; i++) {
        struct str o = str_trim(str_of(q->options[i]));
        if (text_count(o) > LONGEST)
            return err_set(e, ERR_REJECTED,
                           "%s scores the first token only, which \"%.*s...\" "
                           "is not: use a template that asks for letters, or "
                           "--ask generate",
                           ep->provider->id, (int)text_whole(str_sub(o, 0, 24)),
                           o.p);
    }
    return ERR_OK;
}

static enum err_code check_way(const struct endpoint *ep,
                               const struct request *q, enum way way,
                               struct err *e)
{
    if (way == WAY_FIRST)
        return check_options(ep, q, e);
    if (way == WAY_CHAT && completions_only(ep))
        return err_set(e, ERR_REJECTED,
                       "%s of %s answers no chat: ask with --completion",
                       ep->name, ep->provider->id);
    if (way == WAY_COMPLETION && !path_of(ep, way))
        return err_set(e, ERR_REJECTED,
                       "%s has chats only: ask without --completion",
                       ep->provider->id);
    return ERR_OK;
}

/* --- the call ------------------------------------------------------------- */

static void write_messages(struct jw *w, const struct message *m, size_t n)
{
    jw_array(w, "messages");
    for (size_t i = 0; i < n; i++) {
        jw_object(w, NULL);
        jw_str(w, "role", m[i].role);
        jw_str(w, "content", m[i].content);
        jw_end(w);
    }
    jw_end(w);
}

static void write_stream(struct jw *w, const struct endpoint *ep)
{
    jw_bool(w, "stream", ep->stream);
    if (!ep->stream || !json_bool(json_get(member(ep, "stream"), "options")))
        return;
    jw_object(w, "stream_options");
    jw_bool(w, "include_usage", true);
    jw_end(w);
}

static enum err_code write_chat(struct jw *w, const struct endpoint *ep,
                                const struct request *q, struct arena *a,
                                struct err *e)
{
    const struct message *m = NULL;
    size_t n = 0;

    if (adapter_messages(ep, q, a, &m, &n, e))
        return e->code;
    write_messages(w, m, n);
    adapter_sampling(w, ep, q);
    if (q->kind == REQUEST_SCORE) {
        jw_bool(w, "logprobs", true);
        jw_int(w, "top_logprobs", top_logprobs(ep));
        jw_bool(w, "stream", false);
    } else {
        write_stream(w, ep);
    }
    adapter_extra(w, ep);
    return ERR_OK;
}

/* One token is generated besides: servers that refuse 0 are known, and it is
 * told apart when the answer is read. */
static void write_echo(struct jw *w, const struct request *q, size_t option,
                       struct arena *a)
{
    jw_str(w, "prompt", arena_printf(a, "%s%s", q->prompt, q->options[option]));
    jw_int(w, "max_tokens", 1);
    jw_num(w, "temperature", 0);
    jw_bool(w, "echo", true);
    jw_int(w, "logprobs", 1);
    jw_bool(w, "stream", false);
}

static enum err_code write_body(struct jw *w, const struct endpoint *ep,
                                const struct request *q, size_t call,
                                struct arena *a, struct err *e)
{
    enum way way = way_of(ep, q);
    enum err_code rc = ERR_OK;

    jw_object(w, NULL);
    jw_str(w, "model", ep->name);
    if (way == WAY_ECHO) {
        write_echo(w, q, call, a);
    } else if (way == WAY_COMPLETION) {
        jw_str(w, "prompt", q->prompt);
        adapter_sampling(w, ep, q);
        write_stream(w, ep);
    } else {
        rc = write_chat(w, ep, q, a, e);
    }
    jw_end(w);
    return rc;
}

/* A server of one's own is often given as http://host:port alone. */
static const char *with_version(const struct endpoint *ep, const char *path,
                                struct arena *a)
{
    const char *host = strstr(ep->base_url, "://");

    if (!ep->provider->self_hosted || !host || strchr(host + 3, '/'))
        return path;
    return arena_printf(a, "/v1%s", path);
}

/* Headers that carry what a role's variable holds, where it is set. */
static enum err_code role_headers(const struct endpoint *ep, struct arena *a,
                                  struct call *c, struct err *e)
{
    const struct json *h = json_child(json_get(ep->provider->row, "headers"));
    enum err_code rc = ERR_OK;

    for (; h && !rc; h = json_next(h)) {
        const char *value = endpoint_secret(ep, json_string(h));
        if (value)
            rc = call_header(c, a, e, "%s: %s", json_key(h), value);
    }
    return rc;
}

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *c,
                           struct err *e)
{
    enum way way = way_of(ep, q);
    struct body b;
    enum err_code rc = check_way(ep, q, way, e);

    *c = (struct call){ .method = "POST" };
    if (rc)
        return rc;
    if (ep->stream && q->kind != REQUEST_SCORE)
        c->framing = FRAME_SSE;
    rc = adapter_url(ep, with_version(ep, path_of(ep, way), a), a, &c->url, e);
    if (rc)
        return rc;
    body_init(&b);
    rc = write_body(&b.w, ep, q, call, a, e);
    if (rc)
        buf_free(&b.buf);
    else
        rc = adapter_post(ep, &b, a, c, e);
    if (!rc)
        rc = auth_headers(ep, a, c, e);
    if (!rc)
        rc = role_headers(ep, a, c, e);
    if (!rc && a->failed)
        rc = err_set(e, ERR_NOMEM, "no memory for a call");
    return rc;
}

/* --- faults --------------------------------------------------------------- */

static bool is_number(const char *text, int n)
{
    char *end;

    return strtol(text, &end, 10) == n && !*end;
}

/* The vendor's code: error.code or error.type, whichever the row knows, and
 * the other places where codes stand. */
static const char *find_code(const struct provider *p, int status,
                             const struct json *body, char room[64])
{
    static const char *const paths[] = {
        "error/code", "error/type", "base_resp/status_code",
        "error_code", "code",       "type",
        "msgCode"
    };
    char first[64] = "";

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        adapter_code(body, paths[i], room);
        if (!*room || strcmp(room, "0") == 0 || is_number(room, status))
            continue; /* none, or the status once more */
        if (provider_fault(p, 0, room) != FAULT_NONE)
            return room;
        if (!*first)
            memcpy(first, room, sizeof first);
    }
    memcpy(room, first, sizeof first);
    return room;
}

static const char *find_message(const struct json *body)
{
    static const char *const paths[] = {
        "error/message", "error",   "base_resp/status_msg",
        "error_msg",     "message", "msg",
        "detail"
    };
    const char *text = NULL;

    for (size_t i = 0; !text && i < sizeof paths / sizeof *paths; i++)
        text = adapter_text(body, paths[i]);
    return text;
}

/* "Please try again in 1.5s", "after 20 seconds": -1 when nothing is said. */
static int64_t find_wait(const char *message)
{
    const char *at = message ? strstr(message, "try again ") : NULL;
    char *unit;
    double v;

    if (!at)
        return -1;
    at += strlen("try again ");
    at += strcspn(at, "0123456789.");
    v = strtod(at, &unit);
    if (unit == at || !(v >= 0 && v < 86400))
        return -1;
    unit += *unit == ' ';
    if (strncmp(unit, "ms", 2) == 0)
        return (int64_t)v;
    return (int64_t)(v * (*unit == 'm' ? 60000 : 1000));
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    const char *message = find_message(body);
    char room[64];

    if (!body)
        adapter_fault_at(ep, status, NULL, raw, "", "", f);
    else
        fault_set(f, ep->provider, status,
                  find_code(ep->provider, status, body, room), message);
    f->retry_ms = find_wait(message);
}

/* Whether a body or an event under HTTP 200 tells of an error. */
static bool is_fault(const struct json *body)
{
    const struct json *error = json_get(body, "error");
    char code[64];

    if (error && json_type(error) != JSON_NULL)
        return true;
    if (*adapter_code(body, "base_resp/status_code", code))
        return strcmp(code, "0") != 0;
    if (*adapter_code(body, "error_code", code))
        return strcmp(code, "0") != 0;
    adapter_code(body, "code", code);
    return *code && strcmp(code, "0") != 0 && !json_get(body, "choices");
}

static void take_fault(const struct endpoint *ep, const struct json *body,
                       struct reply *r)
{
    fault(ep, 200, body, STR(""), &r->fault);
    if (r->fault.class == FAULT_NONE)
        r->fault.class = FAULT_RETRY; /* the row does not know it: try on */
}

/* --- answers -------------------------------------------------------------- */

static void take_usage(const struct json *usage, struct reply *r)
{
    adapter_take(&r->prompt_tokens, usage, "prompt_tokens");
    adapter_take(&r->output_tokens, usage, "completion_tokens");
    adapter_take(&r->cached_tokens, usage, "cached_tokens");
    adapter_take(&r->cached_tokens, usage, "prompt_cache_hit_tokens");
    adapter_take(&r->cached_tokens, usage,
                 "prompt_tokens_details/cached_tokens");
}

/* Text is a string, null, or a list of parts. */
static void take_content(const struct json *content, struct buf *out)
{
    if (json_string(content))
        buf_str(out, json_string(content));
    else if (content && json_type(content) == JSON_ARRAY)
        for (const struct json *p = json_child(content); p; p = json_next(p))
            adapter_append(out, p, "text");
}

/* A message or a piece of one. */
static void take_message(const struct json *m, struct reply *r)
{
    take_content(json_get(m, "content"), &r->text);
    if (!adapter_append(&r->reasoning, m, "reasoning_content"))
        adapter_append(&r->reasoning, m, "reasoning");
    if (adapter_append(&r->text, m, "refusal"))
        r->refused = true;
}

/* Most send a word, some an object with one. */
static void take_finish(const struct endpoint *ep, const struct json *choice,
                        struct reply *r)
{
    const char *reason = adapter_text(choice, "finish_reason");

    if (!reason)
        reason = adapter_text(choice, "finish_reason/type");
    adapter_finish(ep, reason, r);
    if (r->refused && r->finished && r->finish != FINISH_FILTER)
        r->finish = FINISH_REFUSED;
}

/* Without a reason a cut answer shows by its length alone. */
static void guess_finish(const struct request *q, struct reply *r)
{
    int64_t most = q->sampling.max_tokens;

    r->finished = true;
    if (r->refused)
        r->finish = FINISH_REFUSED;
    else if (most > 0 && r->output_tokens >= most)
        r->finish = FINISH_LENGTH;
    else
        r->finish = FINISH_STOP;
}

/* --- scores --------------------------------------------------------------- */

static bool is_broken(const char *token)
{
    return strstr(token, "\xef\xbf\xbd") != NULL;
}

/* Bytes of a token; one that is not whole UTF-8 is told as "bytes:\\xe5\\x8c". */
static size_t token_bytes(struct str t)
{
    size_t n = 0;

    if (!str_starts(t, STR("bytes:\\x")))
        return t.n;
    for (size_t at = 0; at < t.n; at++)
        n += t.p[at] == '\\';
    return n;
}

/* Of the prompt's tokens the last ones are the option's.  They are counted off
 * from the prompt's end, by bytes: its beginning may hold tokens that are not
 * in the text.  A token that straddles the border belongs to the option, whose
 * first bytes it has; so do empty ones before it, the beginnings of a character
 * that is told with its end.  A replacement character does not say how many
 * bytes it stands for: no sum. */
static void sum_option(const struct json *tokens, const struct json *logprobs,
                       size_t n, size_t bytes, double *sum, int64_t *count)
{
    *sum = 0;
    *count = 0;
    while (n--) {
        const char *token = json_string(json_at(tokens, n));
        double lp = json_number(json_at(logprobs, n));
        size_t len = token_bytes(str_of(token));
        if (!bytes && (len || isnan(lp)))
            break;
        *sum += token && is_broken(token) ? NAN : lp;
        ++*count;
        bytes = len < bytes ? bytes - len : 0;
    }
    if (bytes)
        *sum = NAN;
}

static void take_echo(const struct endpoint *ep, const struct request *q,
                      size_t call, const struct json *choice, struct reply *r)
{
    const struct json *tokens = adapter_at(choice, "logprobs/tokens");
    const struct json *values = adapter_at(choice, "logprobs/token_logprobs");
    size_t n = json_len(tokens), made;

    made = r->output_tokens > 0 ? (size_t)r->output_tokens : 0;
    if (!n || json_len(values) != n || made >= n) {
        adapter_no_answer(
            r, FAULT_FATAL, ep,
            "no log-probabilities of the prompt: the server does not "
            "echo them; ask by generation (--ask generate)");
        return;
    }
    sum_option(tokens, values, n - made, strlen(q->options[call]),
               &r->logprobs[call], &r->option_tokens[call]);
    if (isnan(r->logprobs[call]))
        adapter_no_answer(
            r, FAULT_ITEM, ep,
            "the echoed tokens cannot be told from the prompt's: the server "
            "cuts characters; ask by generation");
    r->finish = FINISH_SCORED;
    r->finished = true;
}

/* --- whole bodies --------------------------------------------------------- */

static void take_choice(const struct endpoint *ep, const struct request *q,
                        size_t call, const struct json *choice, struct reply *r)
{
    switch (way_of(ep, q)) {
    case WAY_ECHO:
        take_echo(ep, q, call, choice, r);
        return;
    case WAY_FIRST:
        adapter_first_tokens(
            ep, q, adapter_at(choice, "logprobs/content/0/top_logprobs"),
            "token", "logprob", r);
        return;
    case WAY_COMPLETION:
        adapter_append(&r->text, choice, "text");
        break;
    case WAY_CHAT:
        take_message(json_get(choice, "message"), r);
        break;
    }
    take_finish(ep, choice, r);
    if (!r->finished && !r->fault.class)
        guess_finish(q, r);
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    const struct json *choice = json_child(json_get(body, "choices"));

    take_usage(json_get(body, "usage"), r);
    if (is_fault(body))
        take_fault(ep, body, r);
    else if (json_type(choice ? choice : body) != JSON_OBJECT || !choice)
        adapter_no_answer(r, FAULT_RETRY, ep, "the answer has no choices");
    else
        take_choice(ep, q, call, choice, r);
}

/* --- streams -------------------------------------------------------------- */

/* The whole message once more, or a body that is no stream: it counts. */
static void take_whole(const struct endpoint *ep, const struct request *q,
                       const struct json *choice, struct reply *r)
{
    buf_clear(&r->text);
    buf_clear(&r->reasoning);
    take_choice(ep, q, 0, choice, r);
}

static void take_piece(const struct endpoint *ep, const struct request *q,
                       const struct json *choice, struct reply *r)
{
    size_t before = r->text.n;
    bool ended = r->finished;

    if (q->kind == REQUEST_COMPLETION)
        adapter_append(&r->text, choice, "text");
    else
        take_message(json_get(choice, "delta"), r);
    if (ended && r->text.n > before) {
        adapter_no_answer(r, FAULT_RETRY, ep, "text after the answer's end");
        return;
    }
    take_usage(json_get(choice, "usage"), r);
    take_finish(ep, choice, r);
}

static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    const struct json *choice = json_child(json_get(data, "choices"));
    const struct json *message = json_get(choice, "message");

    if (!data) {
        if (!r->finished)
            guess_finish(q, r);
        return;
    }
    take_usage(json_get(data, "usage"), r);
    if (is_fault(data) || str_is(ev->name, "error"))
        take_fault(ep, data, r);
    else if (message && json_type(message) == JSON_OBJECT)
        take_whole(ep, q, choice, r);
    else if (choice)
        take_piece(ep, q, choice, r);
}

const struct adapter adapter_openai = {
    .shape = "openai",
    .doc = "chat completions as OpenAI's, and completions where there are any",
    .n_calls = n_calls,
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
    .can_score = can_score,
};
