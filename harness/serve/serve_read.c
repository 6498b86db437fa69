/* A request's JSON -> asks.  Everything is checked here. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/serve/serve_member.h"
#include "harness/serve/serve_openai.h"

enum {
    MAX_CHOICES = 128,
    MAX_STOPS = 32,
    MAX_MESSAGES = 4096,
    DEFAULT_COMPLETION_TOKENS = 16
};

/* --- tokens ----------------------------------------------------------------- */

static bool engine_refused(struct api_error *x, const char *param, int status,
                           const char *msg)
{
    return status == MK_ENOMEM ? api_no_memory(x)
                               : api_refuse(x, 400, param, "invalid_value",
                                            "%s: %s", param, msg);
}

static bool read_text(struct api_call *c, struct str text, unsigned flags,
                      struct api_prompt *out, struct api_error *x)
{
    size_t cap = text.n + 16; /* never more tokens than bytes, and BOS, EOS */
    char err[MK_ERR_LEN] = "";
    int rc;

    out->text = text;
    out->ids = arena_array(&c->arena, cap, sizeof *out->ids);
    if (!out->ids)
        return api_no_memory(x);
    rc = mk_tokenize(c->model->model, text.p, text.n, flags, out->ids, cap,
                     &out->n, err);
    return !rc || engine_refused(x, "prompt", rc, err);
}

static bool read_id(const struct json *j, int32_t n_vocab, int32_t *out,
                    struct api_error *x)
{
    double v = json_number(j);

    if (json_type(j) != JSON_NUMBER)
        return api_wrong_type(x, "prompt", "token ids", j);
    if (!(v >= 0 && v < n_vocab) || floor(v) < v)
        return api_refuse(x, 400, "prompt", "invalid_value",
                          "prompt: expected token ids from 0 to %d, got %g",
                          n_vocab - 1, v);
    *out = (int32_t)v;
    return true;
}

static bool detokenize(struct api_call *c, struct api_prompt *p,
                       struct api_error *x)
{
    char err[MK_ERR_LEN] = "", *text = NULL;
    size_t len = 0;
    int rc = mk_detokenize(c->model->model, p->ids, p->n, NULL, 0, &len, err);
    struct buf valid;

    if (!rc)
        text = arena_alloc(&c->arena, len + 1);
    if (!rc && text)
        rc = mk_detokenize(c->model->model, p->ids, p->n, text, len, &len, err);
    if (rc)
        return engine_refused(x, "prompt", rc, err);
    if (!text)
        return api_no_memory(x);
    buf_init(&valid, SIZE_MAX / 2);
    for (size_t i = 0, n; i < len; i += n) /* ids need not spell characters */
        buf_rune(&valid, text_rune((struct str){ text, len }, i, &n) < 0
                             ? 0xfffd
                             : text_rune((struct str){ text, len }, i, &n));
    p->text = (struct str){ arena_dup(&c->arena, valid.p, valid.n), valid.n };
    buf_free(&valid);
    return p->text.p || api_no_memory(x);
}

static bool read_ids(struct api_call *c, const struct json *list,
                     struct api_prompt *out, struct api_error *x)
{
    out->ids = arena_array(&c->arena, json_len(list), sizeof *out->ids);
    if (!out->ids)
        return api_no_memory(x);
    for (const struct json *j = json_child(list); j; j = json_next(j))
        if (!read_id(j, mk_model_info(c->model->model)->n_vocab,
                     &out->ids[out->n++], x))
            return false;
    return !c->echo || detokenize(c, out, x);
}

/* --- prompts ---------------------------------------------------------------- */

static bool read_prompt(struct api_call *c, const struct json *j,
                        struct api_prompt *out, struct api_error *x)
{
    if (json_type(j) == JSON_STRING)
        return read_text(c, str_of(json_string(j)), MK_ADD_SPECIAL, out, x);
    if (json_type(j) == JSON_ARRAY)
        return read_ids(c, j, out, x);
    return api_wrong_type(x, "prompt", "strings or lists of token ids", j);
}

/* A string, its token ids, or a list of either. */
static bool read_prompts(struct api_call *c, const struct json *j,
                         struct api_error *x)
{
    const struct json *p = api_member(j, "prompt"), *first;
    bool many;

    if (!p)
        return api_refuse(x, 400, "prompt", "missing_required_parameter",
                          "prompt: missing");
    if (json_type(p) != JSON_STRING && json_type(p) != JSON_ARRAY)
        return api_wrong_type(x, "prompt", "a string or a list", p);
    first = json_child(p);
    many = json_type(p) == JSON_ARRAY &&
           !(first && json_type(first) == JSON_NUMBER);
    c->n_prompts = many ? json_len(p) : 1;
    if (many && !first)
        return api_refuse(x, 400, "prompt", "invalid_value",
                          "prompt: the list is empty");
    c->prompts = arena_array(&c->arena, c->n_prompts, sizeof *c->prompts);
    if (!c->prompts)
        return api_no_memory(x);
    if (!many)
        return read_prompt(c, p, &c->prompts[0], x);
    for (size_t i = 0; i < c->n_prompts; i++, first = json_next(first))
        if (!read_prompt(c, first, &c->prompts[i], x))
            return false;
    return true;
}

/* Text of a message: a string, or parts of type "text". */
static bool read_content(struct api_call *c, const struct json *m, size_t i,
                         const char **out, struct api_error *x)
{
    const struct json *content = api_member(m, "content");
    struct buf text;

    if (content && json_type(content) == JSON_STRING) {
        *out = json_string(content);
        return true;
    }
    if (!content || json_type(content) != JSON_ARRAY)
        return api_refuse(x, 400, "messages", "invalid_type",
                          "messages[%zu].content: expected a string", i);
    buf_init(&text, SIZE_MAX / 2);
    for (const struct json *p = json_child(content); p; p = json_next(p)) {
        const char *part = json_string(json_get(p, "text"));

        if (!part) {
            buf_free(&text);
            return api_refuse(x, 400, "messages", "invalid_value",
                              "messages[%zu].content: only parts of type "
                              "\"text\" can be read",
                              i);
        }
        buf_str(&text, part);
    }
    *out = text.failed ? NULL : arena_dup(&c->arena, text.p, text.n);
    buf_free(&text);
    return *out || api_no_memory(x);
}

static bool read_message(struct api_call *c, const struct json *m, size_t i,
                         struct mk_message *out, struct api_error *x)
{
    const char *role = json_string(json_get(m, "role"));

    if (json_type(m) != JSON_OBJECT || !role)
        return api_refuse(x, 400, "messages", "invalid_type",
                          "messages[%zu]: expected an object with role and "
                          "content",
                          i);
    out->role = strcmp(role, "developer") == 0 ? "system" : role;
    return api_refuse_member(m, "tool_calls", x) &&
           read_content(c, m, i, &out->content, x);
}

static bool chat_ids(struct api_call *c, const struct mk_message *msgs,
                     size_t n, struct api_error *x)
{
    struct api_prompt *p = c->prompts;
    char err[MK_ERR_LEN] = "";
    size_t cap = 0;
    int rc;

    do { /* the first time only counts */
        cap = p->n;
        p->ids = cap ? arena_array(&c->arena, cap, sizeof *p->ids) : NULL;
        if (cap && !p->ids)
            return api_no_memory(x);
        rc = mk_chat_ids(c->model->model, c->model->template, msgs, n, true,
                         p->ids, cap, &p->n, err);
    } while (!rc && p->n > cap);
    return !rc || engine_refused(x, "messages", rc, err);
}

static bool read_messages(struct api_call *c, const struct json *j,
                          struct api_error *x)
{
    const struct json *list = api_member(j, "messages"), *m;
    size_t n = json_len(list), i = 0;
    struct mk_message *msgs;

    if (!list)
        return api_refuse(x, 400, "messages", "missing_required_parameter",
                          "messages: missing");
    if (json_type(list) != JSON_ARRAY)
        return api_wrong_type(x, "messages", "a list", list);
    if (n == 0 || n > MAX_MESSAGES)
        return api_refuse(x, 400, "messages", "invalid_value",
                          "messages: expected 1 to %d, got %zu", MAX_MESSAGES,
                          n);
    if (!c->model->template && !*mk_model_info(c->model->model)->chat)
        return api_refuse(x, 400, "messages", "no_chat_template",
                          "the model has no chat template that is known: use "
                          "/v1/completions, or serve it with --template");
    msgs = arena_array(&c->arena, n, sizeof *msgs);
    c->prompts = arena_array(&c->arena, 1, sizeof *c->prompts);
    c->n_prompts = 1;
    if (!msgs || !c->prompts)
        return api_no_memory(x);
    for (m = json_child(list); m; m = json_next(m), i++)
        if (!read_message(c, m, i, &msgs[i], x))
            return false;
    return chat_ids(c, msgs, n, x);
}

/* --- how it is to be answered ----------------------------------------------- */

struct wishes {
    int64_t max_tokens; /* -1: not said */
    double temperature, top_p;
    int64_t top_k, seed;
    const char **stop;
    size_t n_stop;
};

static bool add_stop(struct wishes *w, const struct json *j,
                     struct api_error *x)
{
    const char *s = json_string(j);

    if (!s)
        return api_wrong_type(x, "stop", "strings", j);
    if (!*s)
        return api_refuse(x, 400, "stop", "invalid_value",
                          "stop: a string is empty");
    w->stop[w->n_stop++] = s;
    return true;
}

static bool read_stop(struct api_call *c, const struct json *j,
                      struct wishes *w, struct api_error *x)
{
    const struct json *stop = api_member(j, "stop"), *s;

    if (!stop)
        return true;
    w->stop = arena_array(&c->arena, MAX_STOPS, sizeof *w->stop);
    if (!w->stop)
        return api_no_memory(x);
    if (json_type(stop) == JSON_STRING)
        return !*json_string(stop) || add_stop(w, stop, x);
    if (json_type(stop) != JSON_ARRAY || json_len(stop) > MAX_STOPS)
        return api_refuse(x, 400, "stop", "invalid_value",
                          "stop: expected a string or a list of at most %d",
                          MAX_STOPS);
    for (s = json_child(stop); s; s = json_next(s))
        if (!add_stop(w, s, x))
            return false;
    return true;
}

static bool read_sampling(struct api_call *c, const struct json *j,
                          struct wishes *w, struct api_error *x)
{
    const struct api_range tokens = { 0, 1 << 30 };

    return api_number(j, "temperature", (struct api_range){ 0, 100 },
                      &w->temperature, x) &&
           api_number(j, "top_p", (struct api_range){ 0, 1 }, &w->top_p, x) &&
           api_int(j, "top_k", (struct api_range){ -1, INT32_MAX }, &w->top_k,
                   x) &&
           api_int(j, "seed", (struct api_range){ -0x1p53, 0x1p53 }, &w->seed,
                   x) &&
           api_int(j, "max_tokens", tokens, &w->max_tokens, x) &&
           (!c->chat ||
            api_int(j, "max_completion_tokens", tokens, &w->max_tokens, x)) &&
           read_stop(c, j, w, x);
}

/* A number in a completion, true or false and a number in a chat. */
static bool read_logprobs(struct api_call *c, const struct json *j,
                          struct api_error *x)
{
    const struct api_range r = { 0, MARKS_MAX_TOP };
    int64_t n = 0;
    bool ok = c->chat ? api_bool(j, "logprobs", &c->logprobs, x) &&
                            api_int(j, "top_logprobs", r, &n, x)
                      : api_int(j, "logprobs", r, &n, x) &&
                            api_bool(j, "echo", &c->echo, x);

    if (!ok)
        return false;
    if (!c->chat)
        c->logprobs = api_member(j, "logprobs") != NULL;
    else if (api_member(j, "top_logprobs") && !c->logprobs)
        return api_refuse(x, 400, "top_logprobs", "invalid_value",
                          "top_logprobs: needs \"logprobs\": true");
    c->n_top = (size_t)n;
    if (c->echo && c->logprobs && mk_model_info(c->model->model)->whole_prompt)
        return api_refuse(x, 400, "echo", "unsupported_parameter",
                          "echo with logprobs: this model's tokens depend on "
                          "the whole prompt, they have none of their own");
    return true;
}

static bool read_stream(struct api_call *c, const struct json *j,
                        struct api_error *x)
{
    const struct json *options = api_member(j, "stream_options");

    if (!api_bool(j, "stream", &c->stream, x))
        return false;
    if (options && json_type(options) != JSON_OBJECT)
        return api_wrong_type(x, "stream_options", "an object", options);
    if (options && !c->stream)
        return api_refuse(x, 400, "stream_options", "invalid_value",
                          "stream_options: needs \"stream\": true");
    return !options || api_bool(options, "include_usage", &c->include_usage, x);
}

static bool read_choices(struct api_call *c, const struct json *j,
                         struct api_error *x)
{
    int64_t n = 1, best_of;

    if (!api_int(j, "n", (struct api_range){ 1, MAX_CHOICES }, &n, x))
        return false;
    best_of = n;
    if (!api_int(j, "best_of", (struct api_range){ (double)n, (double)n },
                 &best_of, x))
        return false;
    c->n = (size_t)n;
    return true;
}

/* What would change the answer and cannot be done. */
static bool refuse_others(const struct json *j, struct api_error *x)
{
    static const char *const keys[] = { "presence_penalty",
                                        "frequency_penalty",
                                        "logit_bias",
                                        "suffix",
                                        "tools",
                                        "functions",
                                        "audio",
                                        "prediction",
                                        NULL };
    const struct json *format = api_member(j, "response_format");
    const char *type = json_string(json_get(format, "type"));

    for (size_t i = 0; keys[i]; i++)
        if (!api_refuse_member(j, keys[i], x))
            return false;
    if (format && (!type || strcmp(type, "text") != 0))
        return api_refuse(x, 400, "response_format", "unsupported_parameter",
                          "response_format: only {\"type\": \"text\"}");
    return true;
}

static bool read_model(const struct api_call *c, const struct json *j,
                       struct api_error *x)
{
    const struct json *m = api_member(j, "model");

    if (!m || json_type(m) != JSON_STRING)
        return api_refuse(x, 400, "model", "missing_required_parameter",
                          "model: expected the model's id (GET /v1/models)");
    if (!strcmp(json_string(m), c->model->id))
        return true;
    return api_refuse(x, 404, "model", "model_not_found",
                      "there is no model \"%.80s\" here, only \"%.80s\"",
                      json_string(m), c->model->id);
}

/* --- asks ------------------------------------------------------------------- */

/* How many tokens the answer may have: what was said, or what there is room
 * for. */
static bool token_limit(const struct api_call *c, const struct api_prompt *p,
                        int64_t wanted, size_t *out, struct api_error *x)
{
    size_t dflt = c->chat ? 0 : DEFAULT_COMPLETION_TOKENS;
    size_t room = p->n < c->model->context ? c->model->context - p->n : 0;

    *out = wanted >= 0 ? (size_t)wanted : dflt && dflt < room ? dflt : room;
    if (p->n <= c->model->context && *out <= room && (wanted >= 0 || room > 0))
        return true;
    return api_refuse(
        x, 400, c->chat ? "messages" : "prompt", "context_length_exceeded",
        "the context has %zu tokens: the prompt has %zu, %zu were "
        "asked for",
        c->model->context, p->n, *out);
}

static bool make_ask(const struct api_call *c, size_t i, const struct wishes *w,
                     struct api_error *x)
{
    const struct api_prompt *p = &c->prompts[i / c->n];
    struct ask *a = &c->order.asks[i];

    *a = (struct ask){ .prompt = p->ids,
                       .n_prompt = p->n,
                       .stop = w->stop,
                       .n_stop = w->n_stop,
                       .score_prompt = c->echo && c->logprobs,
                       .mark = c->logprobs,
                       .n_top = c->n_top };
    a->sampling.temperature = (float)w->temperature;
    a->sampling.top_p = (float)w->top_p;
    a->sampling.top_k = w->top_k > 0 ? (int32_t)w->top_k : 0;
    a->sampling.seed = (uint64_t)w->seed + i % c->n;
    if (p->n == 0)
        return api_refuse(x, 400, c->chat ? "messages" : "prompt",
                          "invalid_value", "the prompt has no tokens");
    return token_limit(c, p, w->max_tokens, &a->max_tokens, x);
}

static bool make_asks(struct api_call *c, const struct wishes *w,
                      struct api_error *x)
{
    size_t n = c->n_prompts * c->n;

    if (n > c->model->room)
        return api_refuse(x, 400, c->chat ? "n" : "prompt", "invalid_value",
                          "%zu answers are asked for at once, %zu are the most",
                          n, c->model->room);
    c->order.n = n;
    c->order.asks = arena_array(&c->arena, n, sizeof *c->order.asks);
    c->choices = arena_array(&c->arena, n, sizeof *c->choices);
    if (!c->order.asks || !c->choices)
        return api_no_memory(x);
    for (size_t i = 0; i < n; i++) {
        buf_init(&c->choices[i].news.text, (size_t)1 << 30);
        if (!make_ask(c, i, w, x))
            return false;
    }
    return true;
}

/* --- bodies ----------------------------------------------------------------- */

static bool read_body(struct api_call *c, struct str body,
                      const struct api_model *m, struct api_error *x)
{
    struct err e;

    c->model = m;
    if (json_parse(&c->json, body, &e))
        return e.code == ERR_NOMEM
                   ? api_no_memory(x)
                   : api_refuse(x, 400, NULL, "invalid_json",
                                "the body is no JSON that can be read: %s",
                                e.msg);
    return json_type(c->json) == JSON_OBJECT ||
           api_refuse(x, 400, NULL, "invalid_json",
                      "the body: expected a JSON object");
}

static bool read_object(struct api_call *c, uint64_t random,
                        struct api_error *x)
{
    const struct json *j = c->json;
    struct wishes w = { .max_tokens = -1, .temperature = 1, .top_p = 1 };

    w.seed = (int64_t)(random >> 11);
    return read_model(c, j, x) && read_stream(c, j, x) &&
           read_choices(c, j, x) && read_logprobs(c, j, x) &&
           read_sampling(c, j, &w, x) && refuse_others(j, x) &&
           (c->chat ? read_messages(c, j, x) : read_prompts(c, j, x)) &&
           make_asks(c, &w, x);
}

bool api_read(struct api_call *c, bool chat, struct str body,
              const struct api_model *m, uint64_t random, struct api_error *x)
{
    c->chat = chat;
    c->created = io_wall_ms() / 1000;
    snprintf(c->id, sizeof c->id, "%s-%016" PRIx64, chat ? "chatcmpl" : "cmpl",
             random);
    return read_body(c, body, m, x) && read_object(c, random, x);
}

/* The spelling of a control token and nothing else: so clients ask for its id.
 * In a longer text it is text, as items of a test must not become control
 * tokens. */
static bool is_control(const struct api_call *c, struct str text)
{
    const struct mk_model_info *info = mk_model_info(c->model->model);
    const int32_t ids[] = { info->bos, info->eos };
    char bytes[256];

    for (size_t i = 0; i < 2; i++)
        if (ids[i] >= 0 &&
            str_eq(text, (struct str){ bytes, mk_token_bytes(
                                                  c->model->model, ids[i], true,
                                                  bytes, sizeof bytes) }))
            return true;
    return false;
}

static bool read_plain(struct api_call *c, const struct json *prompt,
                       struct api_error *x)
{
    bool special = true;
    struct str text = str_of(json_string(prompt));
    unsigned flags = is_control(c, text) ? MK_PARSE_SPECIAL : 0;

    if (!api_bool(c->json, "add_special_tokens", &special, x))
        return false;
    return read_text(c, text, flags | (special ? MK_ADD_SPECIAL : 0),
                     c->prompts, x);
}

bool api_read_tokens(struct api_call *c, bool ids, struct str body,
                     const struct api_model *m, struct api_error *x)
{
    const char *key = ids ? "tokens" : "prompt";
    const struct json *in;

    if (!read_body(c, body, m, x))
        return false;
    in = api_member(c->json, key);
    if (!in || json_type(in) != (ids ? JSON_ARRAY : JSON_STRING))
        return api_refuse(x, 400, key, "missing_required_parameter",
                          "%s: expected %s", key,
                          ids ? "a list of token ids" : "a string");
    c->echo = true; /* ids as text */
    c->prompts = arena_array(&c->arena, 1, sizeof *c->prompts);
    if (!c->prompts)
        return api_no_memory(x);
    return ids ? read_ids(c, in, c->prompts, x) : read_plain(c, in, x);
}

void api_call_free(struct api_call *c)
{
    for (size_t i = 0; c->choices && i < c->order.n; i++)
        news_free(&c->choices[i].news);
    json_free(c->json);
    arena_free(&c->arena);
}
