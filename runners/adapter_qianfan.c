/* Baidu's Qianfan v1: the model stands in the path, the key buys a token that
 * stands in the query, or signs the request (bce-auth-v1) where an IAM pair is
 * set.  Errors come with HTTP 200. */
#include <string.h>

#include "runners/adapter_util.h"
#include "runners/auth.h"
#include "runners/sign.h"

enum { SIGNED_FOR_S = 1800, TOKEN_LIFE_S = 2592000 };

static bool signs(const struct endpoint *ep)
{
    return endpoint_secret(ep, "iam_ak") && endpoint_secret(ep, "iam_sk");
}

/* --- requests ------------------------------------------------------------- */

static void put_body(struct jw *w, const struct endpoint *ep,
                     const struct request *q, const struct turns *t)
{
    jw_object(w, NULL);
    turns_put(w, t, "messages", "role", "content");
    if (t->system)
        jw_str(w, "system", t->system);
    adapter_sampling(w, ep, q);
    jw_bool(w, "stream", ep->stream);
    adapter_extra(w, ep);
    jw_end(w);
}

static enum err_code sign(const struct endpoint *ep, struct arena *a,
                          struct call *c, struct err *e)
{
    const char *date = sign_date(a, ep->now_ms / 1000, SIGN_ISO), *auth;
    const struct sign_header headers[] = {
        { "Content-Type", "application/json" },
        { "Host", adapter_host(c->url, a) },
        { "x-bce-date", date },
    };
    struct sign_request s = {
        .headers = headers,
        .n_headers = sizeof headers / sizeof *headers,
        .life_s = SIGNED_FOR_S,
    };
    enum err_code rc;

    if ((rc = auth_request(ep, c, "iam_ak", "iam_sk", a, &s, e)) ||
        (rc = sign_bce(&s, a, &auth, e)) ||
        (rc = call_header(c, a, e, "x-bce-date: %s", date)))
        return rc;
    return call_header(c, a, e, "Authorization: %s", auth);
}

/* The path without its query where the request is signed. */
static enum err_code address(const struct endpoint *ep, struct arena *a,
                             struct call *c, struct err *e)
{
    const char *path = adapter_path_of(ep, "chat");

    if (path && signs(ep))
        path = arena_dup(a, path, strcspn(path, "?"));
    if (!signs(ep) && !ep->token)
        return err_set(e, ERR_AUTH, "%s: there is no access token yet",
                       ep->provider->id);
    return adapter_url(ep, path, a, &c->url, e);
}

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e)
{
    struct turns t;
    struct body b;
    enum err_code rc = adapter_turns(ep, q, TURNS_APART, a, &t, e);

    (void)call;
    if (rc)
        return rc;
    body_init(&b);
    put_body(&b.w, ep, q, &t);
    out->framing = ep->stream ? FRAME_SSE : FRAME_WHOLE;
    if ((rc = adapter_post(ep, &b, a, out, e)) || (rc = address(ep, a, out, e)))
        return rc;
    return signs(ep) ? sign(ep, a, out, e) : ERR_OK;
}

/* --- answers -------------------------------------------------------------- */

/* A refusal looks like an answer: the flag and the wish to forget the dialogue
 * are what tells it. */
static void take_end(const struct endpoint *ep, const struct json *body,
                     struct reply *r)
{
    bool forget = json_bool(json_get(body, "need_clear_history"));
    const char *reason = adapter_text(body, "finish_reason");

    if (adapter_count(body, "flag") == 1 ||
        (forget && json_get(body, "ban_round")))
        reason = "content_filter";
    else if (!reason || !*reason)
        reason = json_bool(json_get(body, "is_truncated")) ? "length" : "stop";
    adapter_finish(ep, reason, r);
}

static bool take_fault(const struct endpoint *ep, const struct json *body,
                       struct reply *r)
{
    return adapter_told_fault(ep, body, "error_code", "error_msg", r);
}

static void take(const struct json *body, struct reply *r)
{
    adapter_append(&r->text, body, "result");
    adapter_usage(body, r);
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    (void)q, (void)call;
    if (take_fault(ep, body, r))
        return;
    take(body, r);
    if (adapter_text(body, "result"))
        take_end(ep, body, r);
}

static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    (void)q, (void)ev;
    if (take_fault(ep, data, r) ||
        !adapter_next(r, adapter_count(data, "sentence_id"), 0))
        return;
    take(data, r);
    if (json_bool(json_get(data, "is_end")))
        take_end(ep, data, r);
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "error_code", "error_msg", f);
}

/* --- the token ------------------------------------------------------------ */

static enum err_code token_call(const struct endpoint *ep, struct arena *a,
                                struct call *out, struct err *e)
{
    if (signs(ep))
        return ERR_OK;
    out->method = "POST";
    out->framing = FRAME_WHOLE;
    return adapter_url(ep,
                       "/oauth/2.0/token?grant_type=client_credentials"
                       "&client_id={ak}&client_secret={sk}",
                       a, &out->url, e);
}

static enum err_code token_parse(const struct endpoint *ep, struct str body,
                                 struct arena *a, const char **token,
                                 int64_t *expires_ms, struct err *e)
{
    struct json *j;
    int64_t life;
    enum err_code rc = json_parse(&j, body, e);

    if (rc)
        return err_wrap(e, "%s: the token's answer", ep->provider->id);
    *token = arena_strdup(a, adapter_text(j, "access_token")
                                 ? adapter_text(j, "access_token")
                                 : "");
    life = adapter_count(j, "expires_in");
    *expires_ms = ep->now_ms + (life > 0 ? life : TOKEN_LIFE_S) * 1000;
    if (!*token)
        rc = err_set(e, ERR_NOMEM, "the token: out of memory");
    else if (!**token)
        rc = err_set(e, ERR_AUTH, "%s gives no access token: %s: %s",
                     ep->provider->id,
                     adapter_text(j, "error") ? adapter_text(j, "error") : "?",
                     adapter_text(j, "error_description")
                         ? adapter_text(j, "error_description")
                         : "no reason told");
    json_free(j);
    return rc;
}

const struct adapter adapter_qianfan = {
    .shape = "qianfan_v1",
    .doc = "Baidu's Qianfan v1",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
    .token_call = token_call,
    .token_parse = token_parse,
};
