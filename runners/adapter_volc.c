/* Volcengine's MaaS v1 (Skylark): one choice, parameters apart, a signature
 * like that of AWS.  A model "ep-..." is an endpoint and stands in the path. */
#include <string.h>

#include "harness/base/digest.h"
#include "runners/adapter_util.h"
#include "runners/auth.h"
#include "runners/sign.h"

static void put_body(struct jw *w, const struct endpoint *ep,
                     const struct request *q, const struct turns *t)
{
    jw_object(w, NULL);
    jw_object(w, "model");
    jw_str(w, "name", ep->name);
    jw_end(w);
    jw_object(w, "parameters");
    adapter_sampling(w, ep, q);
    adapter_extra(w, ep);
    jw_end(w);
    turns_put(w, t, "messages", "role", "content");
    jw_bool(w, "stream", ep->stream);
    jw_end(w);
}

static enum err_code sign(const struct endpoint *ep, struct arena *a,
                          struct call *c, struct err *e)
{
    const char *date = sign_date(a, ep->now_ms / 1000, SIGN_BASIC), *auth;
    char hash[DIGEST_HEX];
    const struct sign_header headers[] = {
        { "content-type", "application/json" },
        { "host", adapter_host(c->url, a) },
        { "x-content-sha256", hash },
        { "x-date", date },
    };
    struct sign_request s = {
        .region = adapter_word(ep, "region", "cn-beijing"),
        .service = adapter_word(ep, "service", "ml_maas"),
        .headers = headers,
        .n_headers = sizeof headers / sizeof *headers,
    };
    enum err_code rc;

    digest_hex(c->body, hash);
    if ((rc = auth_request(ep, c, "ak", "sk", a, &s, e)) ||
        (rc = sign_volc(&s, a, &auth, e)) ||
        (rc = call_header(c, a, e, "X-Date: %s", date)) ||
        (rc = call_header(c, a, e, "X-Content-Sha256: %s", hash)))
        return rc;
    return call_header(c, a, e, "Authorization: %s", auth);
}

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e)
{
    bool own = strncmp(ep->name, "ep-", 3) == 0;
    const char *path =
        own ? "/api/v2/endpoint/{model}/chat" : adapter_path_of(ep, "chat");
    struct turns t;
    struct body b;
    enum err_code rc = adapter_turns(ep, q, TURNS_IN_PLACE, a, &t, e);

    (void)call;
    if (rc)
        return rc;
    body_init(&b);
    put_body(&b.w, ep, q, &t);
    out->framing = ep->stream ? FRAME_SSE : FRAME_WHOLE;
    if ((rc = adapter_post(ep, &b, a, out, e)) ||
        (rc = adapter_url(ep, path, a, &out->url, e)))
        return rc;
    return sign(ep, a, out, e);
}

/* A body and an event are alike: an event's text is an increment. */
static void take(const struct endpoint *ep, const struct json *body,
                 struct reply *r)
{
    char room[64];

    if (adapter_at(body, "error/code") &&
        adapter_count(body, "error/code_n") != 0) {
        adapter_fault_inside(ep, r, adapter_code(body, "error/code", room),
                             adapter_text(body, "error/message"));
        return;
    }
    adapter_append(&r->text, body, "choice/message/content");
    adapter_usage(body, r);
    adapter_finish(ep, adapter_text(body, "choice/finish_reason"), r);
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
    if (data)
        take(ep, data, r);
    else
        r->finished = true;
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "error/code", "error/message", f);
}

const struct adapter adapter_volc = {
    .shape = "volc_maas",
    .doc = "Volcengine's MaaS v1",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
};
