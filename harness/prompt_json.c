/* Requests as canonical JSON: members sorted by name, nothing that is not sent.
 * The SHA-256 of these bytes is the identity of a prompt and of parameters, so
 * a change here asks every stored sample again. */
#include <math.h>

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/prompt.h"

static void add_strings(struct jw *w, const char *key, const char **list,
                        size_t n)
{
    if (n == 0)
        return;
    jw_array(w, key);
    for (size_t i = 0; i < n; i++)
        jw_str(w, NULL, list[i]);
    jw_end(w);
}

static void add_messages(struct jw *w, const struct request *r)
{
    if (r->n_messages == 0)
        return;
    jw_array(w, "messages");
    for (size_t i = 0; i < r->n_messages; i++) {
        jw_object(w, NULL);
        jw_str(w, "content", r->messages[i].content);
        jw_str(w, "role", r->messages[i].role);
        jw_end(w);
    }
    jw_end(w);
}

enum err_code prompt_json(const struct request *r, struct buf *out,
                          struct err *e)
{
    static const char *const kinds[] = { [REQUEST_CHAT] = "chat",
                                         [REQUEST_COMPLETION] = "completion",
                                         [REQUEST_SCORE] = "score" };
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_str(&w, "kind", kinds[r->kind]);
    add_messages(&w, r);
    add_strings(&w, "options", r->options, r->n_options);
    if (r->prompt)
        jw_str(&w, "prompt", r->prompt);
    if (r->template)
        jw_str(&w, "template", r->template);
    jw_end(&w);
    return buf_check(out, "a prompt", e);
}

/* Greedy decoding has no use for seed, top_k and top_p: they are left out, so
 * that another seed does not ask the same again. */
enum err_code prompt_params_json(const struct request *r, struct buf *out,
                                 struct err *e)
{
    const struct sampling *s = &r->sampling;
    bool scored = r->kind == REQUEST_SCORE;
    bool greedy = s->temperature <= 0;
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    if (!scored) {
        jw_int(&w, "max_tokens", s->max_tokens);
        if (!greedy)
            jw_int(&w, "seed", s->seed);
        add_strings(&w, "stop", s->stop, s->n_stop);
        if (!isnan(s->temperature))
            jw_num(&w, "temperature", s->temperature);
        if (!greedy && s->top_k >= 0)
            jw_int(&w, "top_k", s->top_k);
        if (!greedy && !isnan(s->top_p))
            jw_num(&w, "top_p", s->top_p);
    }
    jw_end(&w);
    return buf_check(out, "parameters", e);
}
