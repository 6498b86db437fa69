/* What is to be asked, less what the store already holds.
 *
 * Three passes: collect (choose the items, write their rows, make the keys),
 * drop doubles (two globs may name one item), drop what is answered.  Nothing
 * is committed before the end, so thousands of rows cost one sync.
 *
 * The limit is applied before the shards are cut: N shards together ask what
 * one run would. */
#include "harness/plan.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/buf.h"
#include "harness/rows.h"

#define MAX_JSON ((size_t)64 << 20)

struct planner {
    struct plan *out;
    struct store *store;
    const struct plan_params *p;
    int64_t model;
    size_t cap; /* of the entries */
    struct plan_entry *entries;
    size_t n;
    struct arena scratch; /* of one item */
    struct buf json;
    char params_hash[DIGEST_HEX]; /* of the row written last */
    int64_t params;
    struct err *e;
};

/* --- which items ----------------------------------------------------------- */

/* How many items of a subset have been taken.  Files keep subsets together, so
 * the last one is nearly always the right one. */
struct tally {
    const char *subset;
    size_t n;
};

struct tallies {
    struct tally *p;
    size_t n, cap, last;
};

static struct tally *tally_of(struct tallies *t, const char *subset)
{
    if (t->n && strcmp(t->p[t->last].subset, subset) == 0)
        return &t->p[t->last];
    for (t->last = 0; t->last < t->n; t->last++) {
        if (strcmp(t->p[t->last].subset, subset) == 0)
            return &t->p[t->last];
    }
    if (!mem_grow(&t->p, &t->cap, t->n + 1, sizeof *t->p))
        return NULL;
    t->p[t->n++] = (struct tally){ subset, 0 };
    return &t->p[t->last];
}

static bool in_shard(const struct plan_params *p, const struct item *it)
{
    char head[9];

    if (p->n_shards == 0)
        return true;
    memcpy(head, it->digest, 8);
    head[8] = '\0';
    return strtoul(head, NULL, 16) % p->n_shards == p->shard;
}

static enum err_code no_subset(const struct plan_suite *ps, struct err *e)
{
    const char *best = NULL;
    size_t least = (size_t)-1;

    for (size_t i = 0; i < ps->suite->n_items; i++) {
        const char *have = ps->suite->items[i].subset;
        size_t d = text_distance(str_of(ps->subset), str_of(have));
        if (*have && d < least) {
            least = d;
            best = have;
        }
    }
    if (!best)
        return err_set(e, ERR_USAGE,
                       "suite %s has no subsets, so none is "
                       "\"%s\"",
                       ps->suite->id, ps->subset);
    return err_set(e, ERR_USAGE,
                   "suite %s has no subset \"%s\"; did you mean \"%s\"?",
                   ps->suite->id, ps->subset, best);
}

/* --- rows ------------------------------------------------------------------ */

/* Nearly all items have the same parameters: the row is written once. */
static enum err_code put_params(struct planner *pl, const struct request *q,
                                int64_t *id)
{
    char hash[DIGEST_HEX];
    enum err_code rc;

    buf_clear(&pl->json);
    rc = prompt_params_json(q, &pl->json, pl->e);
    if (!rc) {
        digest_hex(buf_view(&pl->json), hash);
        if (strcmp(hash, pl->params_hash) != 0)
            rc = store_put_params(pl->store, hash, pl->json.p, &pl->params,
                                  pl->e);
        memcpy(pl->params_hash, hash, sizeof hash);
    }
    buf_clear(&pl->json);
    *id = pl->params;
    return rc;
}

/* --- collect --------------------------------------------------------------- */

static enum err_code add_entries(struct planner *pl, const struct suite *s,
                                 const struct item *it,
                                 const struct store_sample *key)
{
    size_t need = pl->n + pl->p->trials;

    if (!mem_grow(&pl->entries, &pl->cap, need, sizeof *pl->entries))
        return err_set(pl->e, ERR_NOMEM, "no memory for %zu samples", need);
    for (size_t t = 0; t < pl->p->trials; t++) {
        struct plan_entry *x = &pl->entries[pl->n++];
        *x = (struct plan_entry){ s, it, *key, t };
        x->key.trial = (int64_t)t;
    }
    return ERR_OK;
}

static enum err_code plan_item(struct planner *pl, const struct suite *s,
                               const struct item *it, int64_t suite)
{
    struct store_sample key = { .run = pl->p->run, .model = pl->model };
    struct request q;
    enum err_code rc;

    arena_reset(&pl->scratch);
    rc = plan_check_item(NULL, s, it, pl->e);
    if (!rc)
        rc = prompt_render(s, it, &pl->p->prompt, 0, NULL, &pl->scratch, &q,
                           pl->e);
    if (rc)
        return err_wrap(pl->e, "suite %s, item %s", s->id, it->id);
    if ((rc = rows_put_item(pl->store, s, it, suite, &key.item, pl->e)) ||
        (rc = rows_put_prompt(pl->store, &q, &key.prompt, pl->e)) ||
        (rc = put_params(pl, &q, &key.params)))
        return rc;
    return add_entries(pl, s, it, &key);
}

static enum err_code plan_items(struct planner *pl, const struct plan_suite *ps,
                                int64_t suite)
{
    const struct suite *s = ps->suite;
    struct tallies t = { 0 };
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < s->n_items && !rc; i++) {
        const struct item *it = &s->items[i];
        struct tally *count;
        if (!suite_subset_matches(ps->subset, it->subset))
            continue;
        count = tally_of(&t, it->subset);
        if (!count)
            rc = err_set(pl->e, ERR_NOMEM, "no memory for the plan");
        else if (pl->p->limit && count->n == pl->p->limit)
            continue;
        else if (count->n++, in_shard(pl->p, it))
            rc = plan_item(pl, s, it, suite);
    }
    if (!rc && t.n == 0)
        rc = no_subset(ps, pl->e);
    mem_free(t.p);
    return rc;
}

static enum err_code collect(struct planner *pl)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < pl->p->n_suites && !rc; i++) {
        const struct plan_suite *ps = &pl->p->suites[i];
        int64_t suite;
        rc = plan_check_suite(NULL, ps->suite, pl->e);
        if (rc)
            return err_wrap(pl->e, "suite %s", ps->suite->id);
        rc = rows_put_suite(pl->store, ps->suite, &suite, pl->e);
        if (!rc)
            rc = plan_items(pl, ps, suite);
    }
    return rc;
}

/* --- drop ------------------------------------------------------------------ */

static int cmp_int(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* By what makes a sample, then by place. */
static int by_key(const void *a, const void *b)
{
    const struct plan_entry *x = *(struct plan_entry *const *)a;
    const struct plan_entry *y = *(struct plan_entry *const *)b;
    int c = cmp_int(x->key.item, y->key.item);

    c = c ? c : cmp_int(x->key.prompt, y->key.prompt);
    c = c ? c : cmp_int(x->key.params, y->key.params);
    c = c ? c : cmp_int(x->key.trial, y->key.trial);
    return c ? c : (x > y) - (x < y);
}

static bool same_key(const struct plan_entry *x, const struct plan_entry *y)
{
    return x->key.item == y->key.item && x->key.prompt == y->key.prompt &&
           x->key.params == y->key.params && x->key.trial == y->key.trial;
}

/* Keeps the entries that still have an item. */
static void squeeze(struct planner *pl)
{
    size_t kept = 0;

    for (size_t i = 0; i < pl->n; i++) {
        if (pl->entries[i].item)
            pl->entries[kept++] = pl->entries[i];
    }
    pl->n = kept;
}

static enum err_code drop_doubles(struct planner *pl)
{
    struct plan_entry **order =
        mem_array(pl->n + 1, sizeof(struct plan_entry *));
    const struct plan_entry *first;

    if (!order)
        return err_set(pl->e, ERR_NOMEM, "no memory for the plan");
    for (size_t i = 0; i < pl->n; i++)
        order[i] = &pl->entries[i];
    qsort(order, pl->n, sizeof(struct plan_entry *), by_key);
    first = order[0];
    for (size_t i = 1; i < pl->n; i++) {
        if (same_key(first, order[i]))
            order[i]->item = NULL;
        else
            first = order[i];
    }
    mem_free(order);
    squeeze(pl);
    return ERR_OK;
}

struct reply {
    struct arena *a;
    const char *text;
};

static enum err_code take_reply(void *user, const struct store_row *row,
                                struct err *e)
{
    struct reply *r = user;

    r->text = arena_strdup(r->a, row_text(row, 0));
    return r->text ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for a reply");
}

/* The prompt of a later turn holds the replies to those before it. */
static enum err_code key_of_turn(struct planner *pl, const struct plan_entry *x,
                                 size_t turn, const char *const *replies,
                                 struct store_sample *key)
{
    struct request q;
    enum err_code rc;

    key->turn = (int64_t)turn;
    if (turn == 0)
        return ERR_OK;
    rc = prompt_render(x->suite, x->item, &pl->p->prompt, turn, replies,
                       &pl->scratch, &q, pl->e);
    return rc ? rc : rows_put_prompt(pl->store, &q, &key->prompt, pl->e);
}

/* An item with turns is answered when its last turn is. */
static enum err_code is_answered(struct planner *pl, const struct plan_entry *x,
                                 bool *answered)
{
    size_t n = x->item->n_turns ? x->item->n_turns : 1;
    struct store_sample key = x->key;
    struct reply reply = { &pl->scratch, NULL };
    const char **replies;
    enum err_code rc = ERR_OK;
    int64_t id;

    arena_reset(&pl->scratch);
    replies = arena_array(&pl->scratch, n, sizeof *replies);
    if (!replies)
        return err_set(pl->e, ERR_NOMEM, "no memory for the plan");
    *answered = true;
    for (size_t t = 0; t < n && *answered && !rc; t++) {
        rc = key_of_turn(pl, x, t, replies, &key);
        if (!rc)
            rc = store_find_sample(pl->store, &key, &id, answered, pl->e);
        if (rc || !*answered || t + 1 == n)
            break;
        rc =
            store_query(pl->store, "SELECT text FROM response WHERE sample = ?",
                        take_reply, &reply, pl->e, "i", id);
        replies[t] = reply.text ? reply.text : "";
    }
    return rc;
}

static enum err_code drop_answered(struct planner *pl)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < pl->n && !pl->p->fresh && !rc; i++) {
        bool answered = false;
        rc = is_answered(pl, &pl->entries[i], &answered);
        if (rc || !answered)
            continue;
        pl->entries[i].item = NULL;
        pl->out->n_stored++;
    }
    squeeze(pl);
    return rc;
}

/* --- the plan -------------------------------------------------------------- */

static enum err_code hand_over(struct planner *pl)
{
    struct plan *out = pl->out;

    out->entries = arena_array(&out->arena, pl->n + 1, sizeof *out->entries);
    if (!out->entries)
        return err_set(pl->e, ERR_NOMEM, "no memory for the plan");
    if (pl->n)
        memcpy(out->entries, pl->entries, pl->n * sizeof *out->entries);
    out->n = pl->n;
    return ERR_OK;
}

enum err_code plan_make(struct plan *out, struct store *s, int64_t model,
                        const struct plan_params *p, struct err *e)
{
    struct planner pl = {
        .out = out, .store = s, .p = p, .model = model, .e = e
    };
    enum err_code rc;

    *out = (struct plan){ .prompt = p->prompt };
    arena_init(&out->arena, 0);
    arena_init(&pl.scratch, 0);
    buf_init(&pl.json, MAX_JSON);
    if (!(rc = collect(&pl)) && !(rc = drop_doubles(&pl)) &&
        !(rc = drop_answered(&pl)) && !(rc = hand_over(&pl)))
        rc = store_flush(s, e);
    buf_free(&pl.json);
    arena_free(&pl.scratch);
    mem_free(pl.entries);
    if (rc)
        plan_free(out);
    return rc;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    arena_free(&p->arena);
    *p = (struct plan){ 0 };
}
