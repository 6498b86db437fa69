/* iFlytek's Spark over a WebSocket: the address is signed, one frame asks,
 * numbered frames answer.  There is no reason why an answer ended. */
#include "runners/adapter_util.h"
#include "runners/auth.h"
#include "runners/sign.h"

static void put_text(struct jw *w, const struct turns *t)
{
    jw_object(w, "payload");
    jw_object(w, "message");
    turns_put(w, t, "text", "role", "content");
    jw_end(w);
    jw_end(w);
}

static void put_frame(struct jw *w, const struct endpoint *ep,
                      const struct request *q, const struct turns *t,
                      const char *app_id)
{
    jw_object(w, NULL);
    jw_object(w, "header");
    jw_str(w, "app_id", app_id);
    jw_str(w, "uid", "mokao-runner-0001");
    jw_end(w);
    jw_object(w, "parameter");
    jw_object(w, "chat");
    jw_str(w, "domain", ep->name);
    adapter_sampling(w, ep, q);
    adapter_extra(w, ep);
    jw_end(w);
    jw_end(w);
    put_text(w, t);
    jw_end(w);
}

/* Each model has a path of its own. */
static enum err_code address(const struct endpoint *ep, struct arena *a,
                             struct call *c, struct err *e)
{
    const char *path = adapter_word(ep, "ws_path", adapter_path_of(ep, "chat"));
    const char *key, *secret, *query;
    enum err_code rc;

    if ((rc = auth_secret(ep, "key", &key, e)) ||
        (rc = auth_secret(ep, "secret", &secret, e)) ||
        (rc = adapter_url(ep, path, a, &c->url, e)))
        return rc;
    rc = sign_iflytek(key, secret, adapter_host(c->url, a),
                      adapter_path(c->url, a), ep->now_ms / 1000, a, &query, e);
    if (rc)
        return rc;
    c->url = arena_printf(a, "%s?%s", c->url, query);
    return c->url ? ERR_OK : err_set(e, ERR_NOMEM, "an address: out of memory");
}

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e)
{
    const char *app_id;
    struct turns t;
    struct body b;
    enum err_code rc = adapter_turns(ep, q, TURNS_IN_PLACE, a, &t, e);

    (void)call;
    if (rc || (rc = auth_secret(ep, "app_id", &app_id, e)) ||
        (rc = address(ep, a, out, e)))
        return rc;
    body_init(&b);
    put_frame(&b.w, ep, q, &t, app_id);
    out->method = "GET";
    out->websocket = true;
    out->framing = FRAME_SOCKET;
    return body_done(&b, a, out, e);
}

static void take(const struct endpoint *ep, const struct request *q,
                 const struct json *frame, struct reply *r)
{
    const struct json *hit = adapter_at(frame, "payload/choices");
    const struct json *usage = adapter_at(frame, "payload/usage/text");

    if (adapter_count(frame, "header/code") != 0) {
        char room[64];

        adapter_fault_inside(ep, r, adapter_code(frame, "header/code", room),
                             adapter_text(frame, "header/message"));
        return;
    }
    adapter_append(&r->text, hit, "text/0/content");
    adapter_append(&r->reasoning, hit, "text/0/reasoning_content");
    adapter_take(&r->prompt_tokens, usage, "prompt_tokens");
    adapter_take(&r->output_tokens, usage, "completion_tokens");
    if (adapter_count(hit, "status") == 2)
        adapter_ended(q, r);
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    (void)call;
    take(ep, q, body, r);
}

static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    (void)ev;
    if (adapter_next(r, adapter_count(data, "payload/choices/seq"), 0))
        take(ep, q, data, r);
}

/* A handshake that was refused says {"message"} alone. */
static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "header/code", "header/message", f);
}

const struct adapter adapter_spark = {
    .shape = "spark_ws",
    .doc = "iFlytek's Spark over a WebSocket",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
};
