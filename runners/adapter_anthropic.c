/* Anthropic's messages: the system text apart, named events, thinking in blocks
 * of its own, a limit of tokens that must be told. */
#include <string.h>

#include "runners/adapter_util.h"
#include "runners/auth.h"

enum { MAX_TOKENS = 4096 }; /* where the request sets no limit */

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
    jw_object(&b.w, NULL);
    jw_str(&b.w, "model", ep->name);
    if (t.system)
        jw_str(&b.w, "system", t.system);
    turns_put(&b.w, &t, "messages", "role", "content");
    adapter_sampling(&b.w, ep, q);
    if (q->sampling.max_tokens <= 0)
        jw_int(&b.w, "max_tokens", MAX_TOKENS);
    if (ep->stream)
        jw_bool(&b.w, "stream", true);
    adapter_extra(&b.w, ep);
    jw_end(&b.w);
    rc = adapter_chat(ep, &b, a, out, e);
    return rc ? rc : auth_headers(ep, a, out, e);
}

/* What was cached is not in input_tokens. */
static void take_usage(const struct json *usage, struct reply *r)
{
    int64_t in = adapter_count(usage, "input_tokens");
    int64_t made = adapter_count(usage, "cache_creation_input_tokens");
    int64_t read = adapter_count(usage, "cache_read_input_tokens");

    if (in >= 0)
        r->prompt_tokens = in + (made > 0 ? made : 0) + (read > 0 ? read : 0);
    if (read >= 0)
        r->cached_tokens = read;
    adapter_take(&r->output_tokens, usage, "output_tokens");
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    const struct json *part = json_child(json_get(body, "content"));

    (void)q, (void)call;
    for (; part; part = json_next(part)) {
        adapter_append(&r->text, part, "text");
        adapter_append(&r->reasoning, part, "thinking");
    }
    take_usage(json_get(body, "usage"), r);
    adapter_finish(ep, adapter_text(body, "stop_reason"), r);
}

static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    (void)q, (void)ev;
    if (json_get(data, "error")) {
        adapter_fault_inside(ep, r, adapter_text(data, "error/type"),
                             adapter_text(data, "error/message"));
        return;
    }
    take_usage(adapter_at(data, "message/usage"), r); /* message_start */
    take_usage(json_get(data, "usage"), r);           /* message_delta */
    adapter_append(&r->text, data, "delta/text");
    adapter_append(&r->reasoning, data, "delta/thinking");
    adapter_finish(ep, adapter_text(data, "delta/stop_reason"), r);
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "error/type", "error/message", f);
}

const struct adapter adapter_anthropic = {
    .shape = "anthropic",
    .doc = "Anthropic's messages",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
};
