/* What follows from a provider's row, for adapters of every shape: parameters,
 * messages, finish reasons, classes of faults. */
#include <math.h>
#include <string.h>

#include "runners/adapter.h"

enum { MEMBER_BYTES = 1 << 20 };

/* --- faults and finish reasons -------------------------------------------- */

static void copy_cut(char *to, size_t room, const char *from)
{
    struct str s = str_sub(str_of(from), 0, room - 1);

    s = str_sub(s, 0, text_whole(s));
    memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

void fault_set(struct fault *f, const struct provider *p, int status,
               const char *code, const char *message)
{
    copy_cut(f->code, sizeof f->code, code);
    copy_cut(f->message, sizeof f->message, message);
    f->class = provider_words(p, message);
    if (f->class == FAULT_NONE)
        f->class = provider_fault(p, status, code);
}

/* Words that mean the same everywhere. */
static const char *usual_finish(const char *reason)
{
    static const char *const rows[][2] = {
        { "stop", "stop" },
        { "normal", "stop" },
        { "eos", "stop" },
        { "length", "length" },
        { "content_filter", "filter" },
        { "sensitive", "filter" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], reason) == 0)
            return rows[i][1];
    return "other";
}

void adapter_finish(const struct endpoint *ep, const char *reason,
                    struct reply *r)
{
    const char *to;

    if (!reason || !*reason || strcmp(reason, "null") == 0)
        return;
    to = json_string(json_get(json_get(ep->provider->row, "finish"), reason));
    if (!to)
        to = usual_finish(reason);
    if (strcmp(to, "retry") == 0) {
        fault_set(&r->fault, ep->provider, 503, reason,
                  "the answer was broken off");
        r->fault.class = FAULT_RETRY;
        return;
    }
    r->finish = finish_from_name(to);
    r->finished = true;
}

/* --- parameters ----------------------------------------------------------- */

static void write_node(struct jw *w, const char *key, const struct json *j)
{
    struct buf text;
    struct err e;

    buf_init(&text, MEMBER_BYTES);
    if (json_write(j, &text, &e))
        w->out->failed = true;
    else
        jw_raw(w, key, buf_view(&text));
    buf_free(&text);
}

void adapter_members(struct jw *w, const struct json *object)
{
    for (const struct json *j = json_child(object); j; j = json_next(j))
        write_node(w, json_key(j), j);
}

/* Whole numbers are written as such: some vendors refuse 64.0. */
static void write_number(struct jw *w, const char *key, double v)
{
    if (fabs(v) < 9e15 && !(fabs(v - rint(v)) > 0))
        jw_int(w, key, (int64_t)v);
    else
        jw_num(w, key, v);
}

/* Parameters in the making.  No member may be written twice: what stands in
 * `own` or `zero` is not written again. */
struct params {
    struct jw *w;
    const struct endpoint *ep;
    const struct json *own;  /* the body of the model's entry, or NULL */
    const struct json *zero; /* written in place of temperature 0, or NULL */
};

/* The rule of a parameter and the name to send it under; NULL: not sent. */
static const char *name_of(const struct params *p, const char *param,
                           const struct param_rule **rule)
{
    const struct param_rule *r =
        provider_rule(p->ep->provider, p->ep->name, param);
    const char *name = r && r->name ? r->name : param;

    *rule = r;
    if ((r && r->omit) || json_get(p->own, name) || json_get(p->zero, name))
        return NULL;
    return name;
}

static void write_param(struct params *p, const char *param, double value)
{
    const struct param_rule *r;
    const char *name = name_of(p, param, &r);

    if (!name || isnan(value))
        return;
    if (r && r->zero && !(fabs(value) > 0)) {
        adapter_members(p->w, r->zero);
        p->zero = r->zero;
    } else {
        write_number(p->w, name, param_clamp(r, value));
    }
}

static void write_stop(const struct params *p, const struct sampling *s)
{
    const struct param_rule *r;
    const char *name = name_of(p, "stop", &r);
    const struct json *rules =
        provider_member(p->ep->provider, p->ep->name, "messages");
    double most = json_number(json_get(rules, "stop"));

    if (!name || !s->n_stop)
        return;
    jw_array(p->w, name);
    for (size_t i = 0; i < s->n_stop && !((double)i >= most); i++)
        jw_str(p->w, NULL, s->stop[i]);
    jw_end(p->w);
}

/* The most tokens to ask for: what the model can write at all is a limit, and
 * the score of a first token needs no second one. */
static double most_tokens(const struct endpoint *ep, const struct request *q)
{
    double most =
        json_number(provider_member(ep->provider, ep->name, "max_output"));
    double want = (double)q->sampling.max_tokens;

    if (q->kind == REQUEST_SCORE)
        return 1;
    if (want <= 0)
        return NAN;
    return want > most ? most : want;
}

/* The body of the model's own entry, checked when it was read. */
static struct json *own_body(struct jw *w, const struct endpoint *ep)
{
    struct json *own = NULL;
    struct err e;

    if (ep->model && ep->model->body &&
        json_parse(&own, str_of(ep->model->body), &e))
        w->out->failed = true;
    return own;
}

void adapter_sampling(struct jw *w, const struct endpoint *ep,
                      const struct request *q)
{
    const struct sampling *s = &q->sampling;
    struct json *own = own_body(w, ep);
    struct params p = { .w = w, .ep = ep, .own = own };

    write_param(&p, "temperature", s->temperature);
    write_param(&p, "top_p", s->top_p);
    write_param(&p, "top_k", s->top_k < 0 ? NAN : (double)s->top_k);
    write_param(&p, "max_tokens", most_tokens(ep, q));
    /* The vendors' seeds have 31 bits at the least. */
    write_param(&p, "seed", s->seed < 0 ? NAN : (double)(s->seed & INT32_MAX));
    write_stop(&p, s);
    json_free(own);
}

static void write_unless(struct jw *w, const struct json *object,
                         const struct json *unless)
{
    for (const struct json *j = json_child(object); j; j = json_next(j))
        if (!json_get(unless, json_key(j)) && json_type(j) != JSON_NULL)
            write_node(w, json_key(j), j);
}

void adapter_extra(struct jw *w, const struct endpoint *ep)
{
    struct json *own = own_body(w, ep);

    write_unless(w, provider_member(ep->provider, ep->name, "body"), own);
    write_unless(w, own, NULL);
    json_free(own);
}

/* --- messages ------------------------------------------------------------- */

struct turn_list {
    const struct endpoint *ep;
    struct arena *arena;
    struct message *list;
    size_t n;
    const char *held; /* system text that waits for the user's first message */
    bool alternate;
};

static const char *joined(struct arena *a, const char *x, const char *y)
{
    return x && *x ? arena_printf(a, "%s\n\n%s", x, y) : y;
}

static void add_turn(struct turn_list *t, struct message m)
{
    struct message *last = t->n ? &t->list[t->n - 1] : NULL;

    if (t->held && strcmp(m.role, "user") == 0) {
        m.content = joined(t->arena, t->held, m.content);
        t->held = NULL;
    }
    if (t->alternate && last && strcmp(last->role, m.role) == 0)
        last->content = joined(t->arena, last->content, m.content);
    else
        t->list[t->n++] = m;
}

static void add_system(struct turn_list *t, struct message m)
{
    const struct param_rule *r =
        provider_rule(t->ep->provider, t->ep->name, "system");

    if (r && r->omit) {
        t->held = joined(t->arena, t->held, m.content);
        return;
    }
    m.role = r && r->name ? r->name : m.role;
    add_turn(t, m);
}

enum err_code adapter_messages(const struct endpoint *ep,
                               const struct request *q, struct arena *a,
                               const struct message **out, size_t *n,
                               struct err *e)
{
    const struct provider *p = ep->provider;
    const struct json *rules = provider_member(p, ep->name, "messages");
    struct turn_list t = {
        .ep = ep,
        .arena = a,
        .alternate = json_bool(json_get(rules, "alternate")),
        .list = arena_array(a, q->n_messages + 2, sizeof *t.list),
    };

    for (size_t i = 0; t.list && i < q->n_messages; i++) {
        if (strcmp(q->messages[i].role, "system") == 0)
            add_system(&t, q->messages[i]);
        else
            add_turn(&t, q->messages[i]);
    }
    if (t.list && !q->n_messages && q->prompt)
        add_turn(&t, (struct message){ "user", q->prompt });
    if (t.list && t.held)
        add_turn(&t, (struct message){ "user", "" });
    if (a->failed)
        return err_set(e, ERR_NOMEM, "no memory for the messages");
    *out = t.list;
    *n = t.n;
    if (p->max_messages && t.n > p->max_messages)
        return err_set(e, ERR_REJECTED,
                       "%s takes %zu messages at the most, this dialogue has "
                       "%zu",
                       p->id, p->max_messages, t.n);
    return ERR_OK;
}
