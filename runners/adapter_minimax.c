/* MiniMax's chatcompletion_pro: people and bots with names, the system text as
 * a bot's setting, errors with HTTP 200 in base_resp.  The last event of a
 * stream repeats the whole text. */
#include <string.h>

#include "runners/adapter_util.h"
#include "runners/auth.h"

enum { MAX_TOKENS = 1024 }; /* has to be told */

static const char bot[] = "MM智能助理";
/* The setting has to be there; the vendor's own example says as much. */
static const char setting[] = "MM智能助理是一款大型语言模型。";

static void put_sender(struct jw *w, bool is_bot)
{
    jw_str(w, "sender_type", is_bot ? "BOT" : "USER");
    jw_str(w, "sender_name", is_bot ? bot : "用户");
}

static void put_dialogue(struct jw *w, const struct turns *t)
{
    jw_array(w, "bot_setting");
    jw_object(w, NULL);
    jw_str(w, "bot_name", bot);
    jw_str(w, "content", t->system ? t->system : setting);
    jw_end(w);
    jw_end(w);
    jw_object(w, "reply_constraints");
    put_sender(w, true);
    jw_end(w);
    jw_array(w, "messages");
    for (size_t i = 0; i < t->n; i++) {
        jw_object(w, NULL);
        put_sender(w, strcmp(t->list[i].role, "user") != 0);
        jw_str(w, "text", t->list[i].content);
        jw_end(w);
    }
    jw_end(w);
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
    jw_object(&b.w, NULL);
    jw_str(&b.w, "model", ep->name);
    jw_bool(&b.w, "stream", ep->stream);
    jw_bool(&b.w, "mask_sensitive_info", false);
    put_dialogue(&b.w, &t);
    adapter_sampling(&b.w, ep, q);
    if (q->sampling.max_tokens <= 0)
        jw_int(&b.w, "tokens_to_generate", MAX_TOKENS);
    adapter_extra(&b.w, ep);
    jw_end(&b.w);
    rc = adapter_chat(ep, &b, a, out, e);
    return rc ? rc : auth_headers(ep, a, out, e);
}

/* Only the sum of tokens is told, so neither half is known. */
static void take_end(const struct endpoint *ep, const struct json *body,
                     struct reply *r)
{
    bool filtered = json_bool(json_get(body, "output_sensitive")) ||
                    json_bool(json_get(body, "input_sensitive"));

    adapter_finish(ep,
                   filtered ? "content_filter"
                            : adapter_text(body, "choices/0/finish_reason"),
                   r);
}

static bool take_fault(const struct endpoint *ep, const struct json *body,
                       struct reply *r)
{
    return adapter_told_fault(ep, body, "base_resp/status_code",
                              "base_resp/status_msg", r);
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    (void)q, (void)call;
    if (take_fault(ep, body, r))
        return;
    adapter_append(&r->text, body, "reply");
    take_end(ep, body, r);
}

static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    const char *whole = adapter_text(data, "reply");

    (void)q, (void)ev;
    if (take_fault(ep, data, r))
        return;
    if (whole && *whole)
        adapter_whole(&r->text, whole);
    else
        adapter_append(&r->text, data, "choices/0/messages/0/text");
    take_end(ep, data, r);
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "base_resp/status_code",
                     "base_resp/status_msg", f);
}

const struct adapter adapter_minimax = {
    .shape = "minimax_pro",
    .doc = "MiniMax's chatcompletion_pro",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
};
