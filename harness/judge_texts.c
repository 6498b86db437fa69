/* What a judge is asked about stored responses, as texts and as a request. */
#include <string.h>

#include "harness/base/json.h"
#include "harness/judge.h"

#define MAX_JSON ((size_t)64 << 20)

/* A stored response with what it answered. */
struct answered {
    struct arena *a;
    const char *prompt, *text, *expected;
    bool dialogue;
};

static enum err_code take_answered(void *user, const struct store_row *r,
                                   struct err *e)
{
    struct answered *x = user;

    x->prompt = arena_strdup(x->a, row_text(r, 0));
    x->text = arena_strdup(x->a, row_text(r, 1));
    x->expected = row_null(r, 2) ? NULL : arena_strdup(x->a, row_text(r, 2));
    x->dialogue = row_int(r, 3) > 0;
    return x->a->failed ? err_set(e, ERR_NOMEM, "no memory for a response")
                        : ERR_OK;
}

static enum err_code load_answered(struct store *s, int64_t sample,
                                   struct answered *x, struct err *e)
{
    return store_query(
        s,
        "SELECT p.json, r.text, CASE WHEN i.turns IS NULL THEN i.answer ELSE"
        " nullif(i.turns -> ('$[' || s.turn || '].answer'), 'null') END, s.turn"
        " FROM sample AS s JOIN response AS r ON r.sample = s.pk"
        " JOIN prompt AS p ON p.pk = s.prompt JOIN item AS i ON i.pk = s.item"
        " WHERE s.pk = ?",
        take_answered, x, e, "i", sample);
}

static void put_turn(struct buf *b, bool english, const char *role,
                     const char *text)
{
    static const char *const roles[][3] = {
        { "system", "系统", "system" },
        { "user", "用户", "user" },
        { "assistant", "助手", "assistant" },
    };

    for (size_t i = 0; role && i < sizeof roles / sizeof *roles; i++)
        if (strcmp(role, roles[i][0]) == 0) {
            buf_printf(b, "[%s]\n%s\n\n", roles[i][english ? 2 : 1],
                       text ? text : "");
            return;
        }
    buf_printf(b, "[%s]\n%s\n\n", role ? role : "?", text ? text : "");
}

/* What the model was asked: plain when it is one message, else with roles. */
static enum err_code put_prompt(const struct answered *x, bool english,
                                struct buf *b, struct err *e)
{
    struct json *j = NULL;
    const struct json *m, *list;
    const char *text;

    if (json_parse(&j, str_of(x->prompt), e))
        return err_wrap(e, "a stored prompt");
    list = json_get(j, "messages");
    m = json_child(list);
    text = json_string(json_get(j, "prompt"));
    if (!list)
        buf_printf(b, "%s%s", text ? text : "", x->dialogue ? "\n\n" : "");
    else if (json_len(list) == 1 && !x->dialogue)
        buf_text(b, str_of(json_string(json_get(m, "content"))));
    else
        for (; m; m = json_next(m))
            put_turn(b, english, json_string(json_get(m, "role")),
                     json_string(json_get(m, "content")));
    json_free(j);
    return ERR_OK;
}

static enum err_code keep_text(struct arena *a, struct buf *b, const char **out,
                               struct err *e)
{
    enum err_code rc = buf_check(b, "a judge's prompt", e);

    if (!rc && !(*out = arena_dup(a, b->p, b->n)))
        rc = err_set(e, ERR_NOMEM, "no memory for a prompt");
    buf_clear(b);
    return rc;
}

/* A dialogue is shown whole, each model's own; else the response alone. */
static enum err_code answer_text(const struct answered *x, bool english,
                                 struct buf *b, const char **out, struct err *e)
{
    *out = x->text;
    if (!x->dialogue)
        return ERR_OK;
    if (put_prompt(x, english, b, e))
        return e->code;
    put_turn(b, english, "assistant", x->text);
    return keep_text(x->a, b, out, e);
}

/* An answer that is a text or a list of texts; others are a matcher's own. */
static const char *reference_text(const char *expected, struct arena *a)
{
    struct json *j = NULL;
    const char *out = NULL;

    if (!expected || json_parse(&j, str_of(expected), NULL))
        return NULL;
    if (json_string(j))
        out = arena_strdup(a, json_string(j));
    else if (json_type(j) == JSON_ARRAY)
        out = expected;
    json_free(j);
    return out;
}

static enum err_code load_texts(const struct judge_params *p,
                                const struct judge_question *q, struct arena *a,
                                struct judge_texts *t, struct err *e)
{
    struct answered mine = { .a = a }, other = { .a = a };
    bool english = p->rubric->english;
    struct buf b;
    enum err_code rc;

    *t = (struct judge_texts){ 0 };
    buf_init(&b, MAX_JSON);
    rc = load_answered(p->store, q->sample, &mine, e);
    if (!rc && !mine.dialogue && !(rc = put_prompt(&mine, english, &b, e)))
        rc = keep_text(a, &b, &t->question, e);
    if (!rc)
        rc = answer_text(&mine, english, &b, &t->first, e);
    if (!rc && q->against &&
        !(rc = load_answered(p->store, q->against, &other, e)))
        rc = answer_text(&other, english, &b, &t->second, e);
    buf_free(&b);
    t->reference = reference_text(mine.expected, a);
    if (q->swapped) {
        const char *first = t->first;
        t->first = t->second;
        t->second = first;
    }
    return rc;
}

enum err_code judge_request(const struct judge_params *p,
                            const struct judge_question *q, struct arena *a,
                            struct request *out, struct err *e)
{
    struct judge_texts t;

    *out = (struct request){ .template = p->chat, .sampling = *p->sampling };
    if (load_texts(p, q, a, &t, e) || judge_render(p->rubric, &t, a, out, e))
        return err_wrap(e, "sample %lld", (long long)q->sample);
    return ERR_OK;
}

enum err_code judge_estimate(struct estimate *out,
                             const struct judge_plan *plan,
                             const struct judge_params *p,
                             const struct runner_params *how,
                             const struct tariff *t, struct err *e)
{
    struct estimating es;
    struct request q;
    struct arena a;
    enum err_code rc = estimate_begin(&es, out, p->runner, p->store, p->model,
                                      ESTIMATE_JUDGEMENTS, e);

    arena_init(&a, 0);
    for (size_t i = 0; i < plan->n && !rc; i++) {
        arena_reset(&a);
        rc = judge_request(p, &plan->questions[i], &a, &q, e);
        if (!rc)
            rc = estimate_add(&es, &q, 0, e);
    }
    arena_free(&a);
    return rc ? rc : estimate_end(&es, how, t, e);
}
