/* Google's generateContent: parts instead of texts, parameters in an object of
 * their own, a prompt that is blocked answers 200 without a candidate. */
#include <stdlib.h>
#include <string.h>

#include "runners/adapter_util.h"
#include "runners/auth.h"

static void put_parts(struct jw *w, const char *text)
{
    jw_array(w, "parts");
    jw_object(w, NULL);
    jw_str(w, "text", text);
    jw_end(w);
    jw_end(w);
}

static void put_contents(struct jw *w, const struct turns *t)
{
    if (t->system) {
        jw_object(w, "systemInstruction");
        put_parts(w, t->system);
        jw_end(w);
    }
    jw_array(w, "contents");
    for (size_t i = 0; i < t->n; i++) {
        bool user = strcmp(t->list[i].role, "user") == 0;

        jw_object(w, NULL);
        jw_str(w, "role", user ? "user" : "model");
        put_parts(w, t->list[i].content);
        jw_end(w);
    }
    jw_end(w);
}

static void put_config(struct jw *w, const struct endpoint *ep,
                       const struct request *q)
{
    jw_object(w, "generationConfig");
    jw_int(w, "candidateCount", 1);
    if (q->kind == REQUEST_SCORE) {
        jw_bool(w, "responseLogprobs", true);
        jw_int(w, "logprobs", adapter_top(ep));
    }
    adapter_sampling(w, ep, q);
    adapter_members(w, provider_member(ep->provider, ep->name, "generation"));
    jw_end(w);
}

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e)
{
    bool stream = ep->stream && q->kind != REQUEST_SCORE;
    struct turns t;
    struct body b;
    enum err_code rc = adapter_turns(ep, q, TURNS_APART, a, &t, e);

    (void)call;
    if (rc)
        return rc;
    body_init(&b);
    jw_object(&b.w, NULL);
    put_contents(&b.w, &t);
    put_config(&b.w, ep, q);
    adapter_extra(&b.w, ep);
    jw_end(&b.w);
    out->framing = stream ? FRAME_SSE : FRAME_WHOLE;
    rc = adapter_post(ep, &b, a, out, e);
    if (!rc)
        rc = adapter_url(ep, adapter_path_of(ep, stream ? "stream" : "chat"), a,
                         &out->url, e);
    return rc ? rc : auth_headers(ep, a, out, e);
}

/* Counts that are 0 are left out. */
static void take_usage(const struct json *u, struct reply *r)
{
    int64_t out = adapter_count(u, "candidatesTokenCount");
    int64_t thought = adapter_count(u, "thoughtsTokenCount");

    if (!u)
        return;
    adapter_take(&r->prompt_tokens, u, "promptTokenCount");
    adapter_take(&r->cached_tokens, u, "cachedContentTokenCount");
    r->output_tokens = (out > 0 ? out : 0) + (thought > 0 ? thought : 0);
}

static void take_parts(const struct json *part, struct reply *r)
{
    for (; part; part = json_next(part)) {
        bool thought = json_bool(json_get(part, "thought"));

        adapter_append(thought ? &r->reasoning : &r->text, part, "text");
    }
}

/* A body and an event of a stream are the same thing. */
static void take(const struct endpoint *ep, const struct request *q,
                 const struct json *body, struct reply *r)
{
    const struct json *hit = adapter_at(body, "candidates/0");
    const char *blocked = adapter_text(body, "promptFeedback/blockReason");
    char code[64];

    take_usage(json_get(body, "usageMetadata"), r);
    if (json_get(body, "error")) {
        adapter_code(body, "error/code", code);
        fault_set(&r->fault, ep->provider, (int)strtol(code, NULL, 10),
                  adapter_text(body, "error/status"),
                  adapter_text(body, "error/message"));
    } else if (!hit && blocked) {
        fault_set(&r->fault, ep->provider, 200, blocked,
                  "the prompt was blocked");
        r->fault.class = FAULT_FILTER;
    } else {
        take_parts(json_child(adapter_at(hit, "content/parts")), r);
        adapter_finish(ep, adapter_text(hit, "finishReason"), r);
        if (q->kind == REQUEST_SCORE)
            adapter_first_tokens(
                ep, q,
                adapter_at(hit, "logprobsResult/topCandidates/0/candidates"),
                "token", "logProbability", r);
    }
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
    take(ep, q, data, r);
}

/* A wrong key is INVALID_ARGUMENT too; only its reason tells.  Some errors say
 * when to come back, "45s". */
static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    const struct json *d = json_child(adapter_at(body, "error/details"));
    const char *reason = adapter_text(d, "reason"), *delay;
    bool wrong_key = reason && strcmp(reason, "API_KEY_INVALID") == 0;
    const char *code = wrong_key ? "error/details/0/reason" : "error/status";
    double s;

    adapter_fault_at(ep, status, body, raw, code, "error/message", f);
    for (; d; d = json_next(d)) {
        delay = adapter_text(d, "retryDelay");
        s = delay ? strtod(delay, NULL) : 0;
        if (s > 0 && s < 1e6)
            f->retry_ms = (int64_t)(s * 1000);
    }
}

static bool can_score(const struct endpoint *ep, bool chat)
{
    (void)chat;
    return adapter_top(ep) > 0;
}

const struct adapter adapter_gemini = {
    .shape = "gemini",
    .doc = "Google's generateContent",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
    .can_score = can_score,
};
