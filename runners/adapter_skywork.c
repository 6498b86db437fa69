/* Kunlun's Skywork: an MD5 of key, secret and time; lines of JSON.  Its second
 * door, a row whose path ends in /v1/chat, sends events with all text so far.
 */
#include <string.h>

#include "runners/adapter_util.h"
#include "runners/auth.h"
#include "runners/sign.h"

/* The door that knows parameters, and no model. */
static bool second_door(const struct endpoint *ep)
{
    return str_ends(str_of(adapter_path_of(ep, "chat")), STR("/v1/chat"));
}

static void put_body(struct jw *w, const struct endpoint *ep,
                     const struct request *q, const struct turns *t)
{
    jw_object(w, NULL);
    turns_put(w, t, "messages", "role", "content");
    if (second_door(ep))
        jw_str(w, "intent", "chat");
    else
        jw_str(w, "model", ep->name);
    adapter_sampling(w, ep, q);
    adapter_extra(w, ep);
    jw_end(w);
}

static enum err_code sign(const struct endpoint *ep, struct arena *a,
                          struct call *c, struct err *e)
{
    const char *key, *secret;
    const char *time = arena_printf(a, "%lld", (long long)(ep->now_ms / 1000));
    char hex[33];
    enum err_code rc;

    if (!time)
        return err_set(e, ERR_NOMEM, "a signature: out of memory");
    if ((rc = auth_secret(ep, "key", &key, e)) ||
        (rc = auth_secret(ep, "secret", &secret, e)))
        return rc;
    rc = sign_md5(
        (const struct str[]){ str_of(key), str_of(secret), str_of(time) }, 3,
        hex, e);
    if (rc || (rc = call_header(c, a, e, "app_key: %s", key)) ||
        (rc = call_header(c, a, e, "timestamp: %s", time)))
        return rc;
    return call_header(c, a, e, "sign: %s", hex);
}

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e)
{
    enum framing pieces = second_door(ep) ? FRAME_SSE : FRAME_LINES;
    struct turns t;
    struct body b;
    enum err_code rc = adapter_turns(ep, q, TURNS_IN_PLACE, a, &t, e);

    (void)call;
    if (rc)
        return rc;
    body_init(&b);
    put_body(&b.w, ep, q, &t);
    /* The second door answers in events whatever one asks for. */
    out->framing = ep->stream || second_door(ep) ? pieces : FRAME_WHOLE;
    if ((rc = adapter_post(ep, &b, a, out, e)) ||
        (rc = call_header(out, a, e, "stream: %s",
                          ep->stream ? "true" : "false")) ||
        (rc = adapter_url(ep, adapter_path_of(ep, "chat"), a, &out->url, e)))
        return rc;
    return sign(ep, a, out, e);
}

/* Codes are those of HTTP.  status 2 is the end; bodies of one piece have it
 * too. */
static void take(const struct endpoint *ep, const struct json *body,
                 struct reply *r)
{
    const struct json *data = json_get(body, "resp_data");
    char room[64];

    if (strcmp(adapter_code(body, "code", room), "200") != 0) {
        fault_set(&r->fault, ep->provider, (int)adapter_count(body, "code"),
                  room, adapter_text(body, "code_msg"));
        if (r->fault.class == FAULT_NONE)
            r->fault.class = FAULT_RETRY;
        return;
    }
    adapter_append(&r->text, data, "reply");
    adapter_usage(data, r);
    if (adapter_count(data, "status") == 2)
        adapter_finish(ep, "stop", r);
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    (void)q, (void)call;
    take(ep, body, r);
    if (r->fault.class == FAULT_NONE && adapter_text(body, "resp_data/reply"))
        adapter_finish(ep, "stop", r);
}

static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    const struct json *m = json_child(adapter_at(data, "arguments/0/messages"));

    (void)q, (void)ev;
    if (!data)
        adapter_finish(ep, "stop", r);
    else if (json_get(data, "arguments"))
        for (; m; m = json_next(m))
            adapter_whole(&r->text, adapter_text(m, "text"));
    else
        take(ep, data, r);
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "code", "code_msg", f);
}

const struct adapter adapter_skywork = {
    .shape = "skywork",
    .doc = "Kunlun's Skywork",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
};
