/* Text Generation Inference, its own door: plain text in, no template, so the
 * messages of a dialogue are put one after another.  It tells the
 * log-probability of every token of the prompt: an option is scored by a call
 * with prompt and option, and counts the tokens that make up the option. */
#include <math.h>
#include <string.h>

#include "runners/adapter_util.h"
#include "runners/auth.h"

static size_t n_calls(const struct endpoint *ep, const struct request *q)
{
    (void)ep;
    return q->kind == REQUEST_SCORE ? q->n_options : 1;
}

/* --- requests ------------------------------------------------------------- */

static void put_parameters(struct jw *w, const struct endpoint *ep,
                           const struct request *q)
{
    bool score = q->kind == REQUEST_SCORE;

    jw_object(w, "parameters");
    jw_bool(w, "details", true);
    if (score)
        jw_bool(w, "decoder_input_details", true);
    adapter_sampling(w, ep, q);
    adapter_extra(w, ep);
    jw_end(w);
}

static const char *prompt_of(const struct request *q, size_t call,
                             struct arena *a)
{
    const char *text = q->prompt ? q->prompt : "";

    for (size_t i = 0; text && i < q->n_messages; i++)
        text = i ? arena_printf(a, "%s\n\n%s", text, q->messages[i].content)
                 : q->messages[i].content;
    if (text && q->kind == REQUEST_SCORE)
        text = arena_printf(a, "%s%s", text, q->options[call]);
    return text;
}

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e)
{
    const char *text = prompt_of(q, call, a), *path;
    struct endpoint one = *ep;
    struct body b;
    enum err_code rc;

    if (!text)
        return err_set(e, ERR_NOMEM, "a prompt: out of memory");
    /* What is known of the prompt is not told in a stream. */
    one.stream = ep->stream && q->kind != REQUEST_SCORE;
    path = adapter_path_of(ep, one.stream ? "stream" : "chat");
    body_init(&b);
    jw_object(&b.w, NULL);
    jw_str(&b.w, "inputs", text);
    put_parameters(&b.w, ep, q);
    jw_end(&b.w);
    out->framing = one.stream ? FRAME_SSE : FRAME_WHOLE;
    if ((rc = adapter_post(&one, &b, a, out, e)) ||
        (rc = adapter_url(ep, path, a, &out->url, e)))
        return rc;
    return auth_headers(ep, a, out, e);
}

/* --- answers -------------------------------------------------------------- */

/* Sums from the end of the prompt until the texts of the tokens make up the
 * option.  A token that reaches into the prompt belongs to the option: it would
 * be another one without it. */
static void take_score(const struct json *prefill, const char *option,
                       double *logprob, int64_t *tokens)
{
    size_t n = json_len(prefill), got = 0, want = strlen(option), skip = n;
    const struct json *t;
    double sum = 0;

    while (skip && got < want) {
        const char *text =
            json_string(json_get(json_at(prefill, --skip), "text"));
        got += text ? strlen(text) : 0;
    }
    for (t = json_at(prefill, skip); t; t = json_next(t))
        sum += json_number(json_get(t, "logprob"));
    if (got >= want && !isnan(sum)) {
        *logprob = sum;
        *tokens = (int64_t)(n - skip);
    }
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    const struct json *details = json_get(body, "details");
    const struct json *prefill = json_get(details, "prefill");

    if (json_len(prefill))
        r->prompt_tokens = (int64_t)json_len(prefill);
    adapter_take(&r->output_tokens, details, "generated_tokens");
    if (q->kind != REQUEST_SCORE) {
        adapter_append(&r->text, body, "generated_text");
        adapter_finish(ep, adapter_text(details, "finish_reason"), r);
        if (!details && adapter_text(body, "generated_text"))
            adapter_finish(ep, "stop", r);
        return;
    }
    take_score(prefill, q->options[call], &r->logprobs[call],
               &r->option_tokens[call]);
    if (isnan(r->logprobs[call]))
        adapter_no_answer(r, FAULT_ITEM, ep,
                          "the tokens of the prompt have no "
                          "log-probabilities that make up the option");
    r->finish = FINISH_SCORED;
    r->finished = true;
}

/* The last event has the whole text, without what ended it. */
static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    const char *whole = adapter_text(data, "generated_text");

    (void)q, (void)ev;
    if (adapter_text(data, "error")) {
        adapter_fault_inside(ep, r, adapter_text(data, "error_type"),
                             adapter_text(data, "error"));
        return;
    }
    if (whole) {
        buf_clear(&r->text);
        buf_str(&r->text, whole);
    } else if (!json_bool(adapter_at(data, "token/special"))) {
        adapter_append(&r->text, data, "token/text");
    }
    adapter_take(&r->prompt_tokens, data, "details/input_length");
    adapter_take(&r->output_tokens, data, "details/generated_tokens");
    adapter_finish(ep, adapter_text(data, "details/finish_reason"), r);
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "error_type", "error", f);
}

static bool can_score(const struct endpoint *ep, bool chat)
{
    (void)chat;
    return ep->provider->prompt_logprobs;
}

const struct adapter adapter_tgi = {
    .shape = "tgi",
    .doc = "Text Generation Inference",
    .n_calls = n_calls,
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
    .can_score = can_score,
};
