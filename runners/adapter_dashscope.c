/* Alibaba's DashScope: input and parameters apart, a stream is asked for by a
 * header.  Its events hold increments unless the row says "incremental": false
 * (then the text so far). */
#include "runners/adapter_util.h"
#include "runners/auth.h"

static bool increments(const struct endpoint *ep)
{
    const struct json *own =
        provider_member(ep->provider, ep->name, "incremental");

    return !own || json_bool(own);
}

static void put_parameters(struct jw *w, const struct endpoint *ep,
                           const struct request *q)
{
    jw_object(w, "parameters");
    jw_str(w, "result_format", "message");
    jw_bool(w, "incremental_output", ep->stream && increments(ep));
    adapter_sampling(w, ep, q);
    if (q->kind == REQUEST_SCORE) {
        jw_bool(w, "logprobs", true);
        jw_int(w, "top_logprobs", adapter_top(ep));
    }
    adapter_extra(w, ep);
    jw_end(w);
}

static void put_input(struct jw *w, const struct turns *t)
{
    jw_object(w, "input");
    turns_put(w, t, "messages", "role", "content");
    jw_end(w);
}

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e)
{
    struct endpoint one = *ep;
    struct turns t;
    struct body b;
    enum err_code rc = adapter_turns(ep, q, TURNS_IN_PLACE, a, &t, e);

    (void)call;
    one.stream = ep->stream && q->kind != REQUEST_SCORE;
    ep = &one;
    if (rc)
        return rc;
    body_init(&b);
    jw_object(&b.w, NULL);
    jw_str(&b.w, "model", ep->name);
    put_input(&b.w, &t);
    put_parameters(&b.w, ep, q);
    jw_end(&b.w);
    rc = adapter_chat(ep, &b, a, out, e);
    return rc ? rc : auth_headers(ep, a, out, e);
}

static void take_usage(const struct json *usage, struct reply *r)
{
    adapter_take(&r->prompt_tokens, usage, "input_tokens");
    adapter_take(&r->output_tokens, usage, "output_tokens");
    adapter_take(&r->cached_tokens, usage,
                 "prompt_tokens_details/cached_tokens");
}

static void put(struct buf *to, const char *text, bool whole)
{
    if (text && whole)
        adapter_whole(to, text);
    else if (text)
        buf_str(to, text);
}

/* Text as a message or, of models that know no messages, as text alone. */
static void take(const struct endpoint *ep, const struct request *q,
                 const struct json *body, bool whole, struct reply *r)
{
    const struct json *out = json_get(body, "output");
    const struct json *hit = adapter_at(out, "choices/0");
    const char *text = adapter_text(hit, "message/content");

    put(&r->text, text || hit ? text : adapter_text(out, "text"), whole);
    put(&r->reasoning, adapter_text(hit, "message/reasoning_content"), whole);
    take_usage(json_get(body, "usage"), r);
    adapter_finish(ep, adapter_text(hit ? hit : out, "finish_reason"), r);
    if (q->kind == REQUEST_SCORE && r->finished)
        adapter_first_tokens(ep, q,
                             adapter_at(hit, "logprobs/content/0/top_logprobs"),
                             "token", "logprob", r);
}

static bool take_fault(const struct endpoint *ep, const struct json *body,
                       struct reply *r)
{
    return adapter_told_fault(ep, body, "code", "message", r);
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    (void)call;
    if (!take_fault(ep, body, r))
        take(ep, q, body, true, r);
}

static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    (void)ev;
    if (!take_fault(ep, data, r))
        take(ep, q, data, !increments(ep), r);
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "code", "message", f);
}

static bool can_score(const struct endpoint *ep, bool chat)
{
    (void)chat;
    return adapter_top(ep) > 0;
}

const struct adapter adapter_dashscope = {
    .shape = "dashscope",
    .doc = "Alibaba's DashScope",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
    .can_score = can_score,
};
