/* Tencent Cloud's Hunyuan: every name in capitals, TC3 signatures, errors with
 * HTTP 200 inside "Response", events without it. */
#include <string.h>

#include "runners/adapter_util.h"
#include "runners/auth.h"
#include "runners/sign.h"

static void put_body(struct jw *w, const struct endpoint *ep,
                     const struct request *q, const struct turns *t)
{
    jw_object(w, NULL);
    jw_str(w, "Model", ep->name);
    turns_put(w, t, "Messages", "Role", "Content");
    jw_bool(w, "Stream", ep->stream);
    adapter_sampling(w, ep, q);
    adapter_extra(w, ep);
    jw_end(w);
}

static enum err_code sign(const struct endpoint *ep, struct arena *a,
                          struct call *c, struct err *e)
{
    const struct sign_header headers[] = {
        { "content-type", "application/json" },
        { "host", adapter_host(c->url, a) },
    };
    struct sign_request s = {
        .service = adapter_word(ep, "service", "hunyuan"),
        .headers = headers,
        .n_headers = sizeof headers / sizeof *headers,
    };
    const char *auth;
    enum err_code rc;

    if ((rc = auth_request(ep, c, "secret_id", "secret_key", a, &s, e)) ||
        (rc = sign_tc3(&s, a, &auth, e)) ||
        (rc = call_header(c, a, e, "X-TC-Action: %s",
                          adapter_word(ep, "action", "ChatCompletions"))) ||
        (rc = call_header(c, a, e, "X-TC-Version: %s",
                          adapter_word(ep, "version", "2023-09-01"))) ||
        (rc = call_header(c, a, e, "X-TC-Timestamp: %lld", (long long)s.now_s)))
        return rc;
    return call_header(c, a, e, "Authorization: %s", auth);
}

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
    put_body(&b.w, ep, q, &t);
    rc = adapter_chat(ep, &b, a, out, e);
    return rc ? rc : sign(ep, a, out, e);
}

static bool take_fault(const struct endpoint *ep, const struct json *j,
                       struct reply *r)
{
    char room[64];

    if (!json_get(j, "Error"))
        return adapter_told_fault(ep, j, "ErrorMsg/Code", "ErrorMsg/Msg", r);
    adapter_fault_inside(ep, r, adapter_code(j, "Error/Code", room),
                         adapter_text(j, "Error/Message"));
    return true;
}

/* A body's text is a Message, an event's a Delta. */
static void take(const struct endpoint *ep, const struct json *body,
                 struct reply *r)
{
    const struct json *in = json_get(body, "Response");
    const struct json *j = in ? in : body, *hit = adapter_at(j, "Choices/0");
    const struct json *m = json_get(hit, "Message");

    if (take_fault(ep, j, r))
        return;
    if (!m)
        m = json_get(hit, "Delta");
    adapter_append(&r->text, m, "Content");
    adapter_append(&r->reasoning, m, "ReasoningContent");
    adapter_take(&r->prompt_tokens, j, "Usage/PromptTokens");
    adapter_take(&r->output_tokens, j, "Usage/CompletionTokens");
    adapter_finish(ep, adapter_text(hit, "FinishReason"), r);
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    (void)q, (void)call;
    take(ep, body, r);
}

static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    (void)q, (void)ev;
    take(ep, data, r);
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "Response/Error/Code",
                     "Response/Error/Message", f);
}

const struct adapter adapter_tencent = {
    .shape = "tencent",
    .doc = "Tencent Cloud's Hunyuan",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
};
