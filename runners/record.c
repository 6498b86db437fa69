/* Recorded exchanges: see record.h for the form. */
#include "runners/record.h"

#include <math.h>
#include <string.h>

static const char *const kind_names[] = { [REQUEST_CHAT] = "chat",
                                          [REQUEST_COMPLETION] = "completion",
                                          [REQUEST_SCORE] = "score" };

/* --- writing --------------------------------------------------------------- */

void record_request(struct jw *w, const struct request *q)
{
    jw_str(w, "kind", kind_names[q->kind]);
    if (q->n_messages) {
        jw_array(w, "messages");
        for (size_t i = 0; i < q->n_messages; i++) {
            jw_object(w, NULL);
            jw_str(w, "role", q->messages[i].role);
            jw_str(w, "content", q->messages[i].content);
            jw_end(w);
        }
        jw_end(w);
    }
    if (q->prompt)
        jw_str(w, "prompt", q->prompt);
    if (q->n_options) {
        jw_array(w, "options");
        for (size_t i = 0; i < q->n_options; i++)
            jw_str(w, NULL, q->options[i]);
        jw_end(w);
    }
}

static void write_error(struct jw *w, const struct response *r)
{
    jw_object(w, "error");
    jw_str(w, "code", err_name(r->code));
    jw_str(w, "message", r->message);
    if (r->vendor_code)
        jw_str(w, "vendor_code", r->vendor_code);
    if (r->http_status)
        jw_int(w, "http_status", r->http_status);
    jw_end(w);
}

static void write_answer(struct jw *w, const struct request *q,
                         const struct response *r)
{
    if (r->text)
        jw_str(w, "text", r->text);
    if (r->reasoning)
        jw_str(w, "reasoning", r->reasoning);
    jw_str(w, "finish", finish_name(r->finish));
    if (r->logprobs) {
        jw_array(w, "logprobs");
        for (size_t i = 0; i < q->n_options; i++)
            jw_num(w, NULL, r->logprobs[i]);
        jw_end(w);
        jw_array(w, "option_tokens");
        for (size_t i = 0; i < q->n_options; i++)
            jw_int(w, NULL, r->option_tokens[i]);
        jw_end(w);
    }
    if (!isnan(r->margin))
        jw_num(w, "margin", r->margin);
    jw_int(w, "prompt_tokens", r->prompt_tokens);
    jw_int(w, "cached_tokens", r->cached_tokens);
    jw_int(w, "output_tokens", r->output_tokens);
}

enum err_code record_write(const struct request *q, const struct response *r,
                           struct buf *out, struct err *e)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    record_request(&w, q);
    if (r->code)
        write_error(&w, r);
    else
        write_answer(&w, q, r);
    jw_end(&w);
    buf_char(out, '\n');
    return buf_check(out, "a recorded exchange", e);
}

/* --- reading --------------------------------------------------------------- */

static const char *keep(struct arena *a, const char *s)
{
    return s ? arena_strdup(a, s) : NULL;
}

static enum err_code read_kind(const struct json *j, struct request *q,
                               struct err *e)
{
    const char *kind;

    if (json_get_str(j, "kind", &kind, e))
        return e->code;
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (strcmp(kind_names[i], kind) == 0) {
            q->kind = (enum request_kind)i;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_FORMAT,
                   "kind: expected chat, completion or score, got \"%s\"",
                   kind);
}

static enum err_code read_messages(const struct json *list, struct arena *a,
                                   struct request *q, struct err *e)
{
    struct message *m = arena_array(a, json_len(list) + 1, sizeof *m);
    const char *role, *content;

    if (!m)
        return err_set(e, ERR_NOMEM, "no memory for the messages");
    q->messages = m;
    for (const struct json *j = json_child(list); j; j = json_next(j), m++) {
        if (json_get_str(j, "role", &role, e) ||
            json_get_str(j, "content", &content, e))
            return err_wrap(e, "messages[%zu]", q->n_messages);
        m->role = arena_strdup(a, role);
        m->content = arena_strdup(a, content);
        q->n_messages++;
    }
    return ERR_OK;
}

static enum err_code read_options(const struct json *list, struct arena *a,
                                  struct request *q, struct err *e)
{
    q->options = arena_array(a, json_len(list) + 1, sizeof *q->options);
    if (!q->options)
        return err_set(e, ERR_NOMEM, "no memory for the options");
    for (const struct json *j = json_child(list); j; j = json_next(j)) {
        if (!json_string(j))
            return err_set(e, ERR_FORMAT, "options: expected strings");
        q->options[q->n_options++] = arena_strdup(a, json_string(j));
    }
    return ERR_OK;
}

static enum err_code read_request(const struct json *j, struct arena *a,
                                  struct request *q, struct err *e)
{
    const char *prompt;
    enum err_code rc = read_kind(j, q, e);

    if (!rc)
        rc = json_get_str_or(j, "prompt", NULL, &prompt, e);
    if (!rc)
        q->prompt = keep(a, prompt);
    if (!rc && json_get(j, "messages"))
        rc = read_messages(json_get(j, "messages"), a, q, e);
    if (!rc && json_get(j, "options"))
        rc = read_options(json_get(j, "options"), a, q, e);
    if (!rc && !q->prompt && !q->n_messages)
        rc = err_set(e, ERR_FORMAT, "neither messages nor a prompt");
    return rc;
}

static enum err_code read_error(const struct json *j, struct arena *a,
                                struct response *r, struct err *e)
{
    const char *code, *message, *vendor;
    int64_t status;

    if (json_get_str(j, "code", &code, e) ||
        json_get_str(j, "message", &message, e) ||
        json_get_str_or(j, "vendor_code", NULL, &vendor, e) ||
        json_get_int_or(j, "http_status", 0, 0, 999, &status, e))
        return err_wrap(e, "error");
    r->code = err_from_name(code);
    if (r->code == ERR_N_CODES || r->code == ERR_OK)
        return err_set(e, ERR_FORMAT, "error: code: no code \"%s\"", code);
    r->message = arena_strdup(a, message);
    r->vendor_code = keep(a, vendor);
    r->http_status = (int)status;
    return ERR_OK;
}

/* The list of numbers `key`, which must have one for each option. */
static enum err_code read_numbers(const struct json *j, const char *key,
                                  size_t n, struct arena *a, double **out,
                                  struct err *e)
{
    const struct json *list = json_get(j, key);
    size_t i = 0;

    if (!list || json_type(list) != JSON_ARRAY || json_len(list) != n)
        return err_set(e, ERR_FORMAT, "%s: expected a list of %zu numbers", key,
                       n);
    *out = arena_array(a, n + 1, sizeof **out);
    if (!*out)
        return err_set(e, ERR_NOMEM, "no memory for %s", key);
    for (const struct json *v = json_child(list); v; v = json_next(v)) {
        if (json_type(v) != JSON_NUMBER)
            return err_set(e, ERR_FORMAT, "%s: expected numbers", key);
        (*out)[i++] = json_number(v);
    }
    return ERR_OK;
}

static enum err_code read_scores(const struct json *j, struct arena *a,
                                 const struct request *q, struct response *r,
                                 struct err *e)
{
    double *logprobs = NULL, *tokens = NULL;
    int64_t *counts;
    enum err_code rc =
        read_numbers(j, "logprobs", q->n_options, a, &logprobs, e);

    if (!rc)
        rc = read_numbers(j, "option_tokens", q->n_options, a, &tokens, e);
    if (rc || !tokens)
        return rc;
    counts = arena_array(a, q->n_options + 1, sizeof *counts);
    if (!counts)
        return err_set(e, ERR_NOMEM, "no memory for the scores");
    for (size_t i = 0; i < q->n_options; i++)
        counts[i] = (int64_t)tokens[i];
    r->logprobs = logprobs;
    r->option_tokens = counts;
    return ERR_OK;
}

static enum err_code read_answer(const struct json *j, struct arena *a,
                                 const struct request *q, struct response *r,
                                 struct err *e)
{
    const char *text, *reasoning, *finish;
    const int64_t max = INT64_C(1) << 40;
    enum err_code rc;

    rc = json_get_str_or(j, "text", NULL, &text, e);
    if (!rc)
        rc = json_get_str_or(j, "reasoning", NULL, &reasoning, e);
    if (!rc)
        rc = json_get_str_or(j, "finish", "stop", &finish, e);
    if (!rc)
        rc = json_get_num_or(j, "margin", NAN, &r->margin, e);
    if (!rc)
        rc = json_get_int_or(j, "prompt_tokens", -1, -1, max, &r->prompt_tokens,
                             e);
    if (!rc)
        rc = json_get_int_or(j, "cached_tokens", -1, -1, max, &r->cached_tokens,
                             e);
    if (!rc)
        rc = json_get_int_or(j, "output_tokens", -1, -1, max, &r->output_tokens,
                             e);
    if (rc)
        return rc;
    if (q->kind == REQUEST_SCORE)
        return read_scores(j, a, q, r, e);
    if (!text)
        return err_set(e, ERR_FORMAT, "text: missing, expected a string");
    r->text = arena_strdup(a, text);
    r->reasoning = keep(a, reasoning);
    r->finish = finish_from_name(finish);
    return ERR_OK;
}

enum err_code record_response(const struct json *j, const struct request *q,
                              struct arena *a, struct response *r,
                              struct err *e)
{
    const struct json *error = json_get(j, "error");

    *r = (struct response){ .attempts = 1,
                            .finish = FINISH_SCORED,
                            .margin = NAN,
                            .prompt_tokens = -1,
                            .cached_tokens = -1,
                            .output_tokens = -1,
                            .latency_ns = -1,
                            .first_token_ns = -1 };
    return error ? read_error(error, a, r, e) : read_answer(j, a, q, r, e);
}

enum err_code record_read(struct str line, struct arena *a, struct request *q,
                          struct response *r, struct err *e)
{
    struct json *j = NULL;
    enum err_code rc = json_parse(&j, line, e);

    *q = (struct request){ 0 };
    if (!rc)
        rc = read_request(j, a, q, e);
    if (!rc)
        rc = record_response(j, q, a, r, e);
    if (!rc && a->failed)
        rc = err_set(e, ERR_NOMEM, "no memory for a recorded exchange");
    json_free(j);
    return rc;
}
