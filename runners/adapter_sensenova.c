/* SenseTime's own shape: everything under "data", the message is the text
 * itself, a stream tells its faults in "status". */
#include "runners/adapter_util.h"
#include "runners/auth.h"

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e)
{
    struct turns t;
    struct body b;
    enum err_code rc = adapter_turns(ep, q, TURNS_IN_PLACE, a, &t, e);

    (void)call;
    if (rc)
        return rc;
    body_init(&b);
    jw_object(&b.w, NULL);
    jw_str(&b.w, "model", ep->name);
    turns_put(&b.w, &t, "messages", "role", "content");
    adapter_sampling(&b.w, ep, q);
    jw_bool(&b.w, "stream", ep->stream);
    adapter_extra(&b.w, ep);
    jw_end(&b.w);
    rc = adapter_chat(ep, &b, a, out, e);
    return rc ? rc : auth_headers(ep, a, out, e);
}

static bool take_fault(const struct endpoint *ep, const struct json *body,
                       const char *where, struct reply *r)
{
    const struct json *told = json_get(body, where);
    char room[64];

    if (!told || adapter_count(told, "code") == 0)
        return false;
    adapter_fault_inside(ep, r, adapter_code(told, "code", room),
                         adapter_text(told, "message"));
    return true;
}

static void take(const struct endpoint *ep, const struct json *body,
                 const char *text, struct reply *r)
{
    const struct json *data = json_get(body, "data");

    if (take_fault(ep, body, "status", r) || take_fault(ep, body, "error", r))
        return;
    adapter_append(&r->text, data, text);
    adapter_usage(data, r);
    adapter_finish(ep, adapter_text(data, "choices/0/finish_reason"), r);
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    (void)q, (void)call;
    take(ep, body, "choices/0/message", r);
}

static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    (void)q, (void)ev;
    if (data)
        take(ep, data, "choices/0/delta", r);
    else if (r->fault.class == FAULT_NONE)
        r->finished = true;
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "error/code", "error/message", f);
}

const struct adapter adapter_sensenova = {
    .shape = "sensenova",
    .doc = "SenseTime's SenseNova",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
};
