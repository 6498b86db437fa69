/* Many prompts at once.
 *
 * All rows of tokens that have to be computed (prompts; prompts with an option,
 * less its last token, which is only scored) become a tree of common prefixes
 * (jobs_tree.h).  The tree is walked in its order, parents before children.
 * Each step fills one batch: first a token of every generation that is going
 * on, then as much of the waiting nodes as fits.  A node begins as a fork of its
 * parent's sequence; the last child takes the sequence over.
 *
 * When the KV cache is short, nodes that hold sequences are dropped and computed
 * again later, then the youngest generations are put aside.  A node that does
 * not fit beside its ancestors is computed by itself from the first token.  The
 * subtree for which others had to go is finished before anything else (`focus`):
 * so each such turn ends at least one row for good, however little room there
 * is.
 *
 * None of this shows in the results: a row of logits depends on the tokens
 * before it and on nothing else, and what a job sums up it sums up in the order
 * of its own tokens. */
#include "engine/engine.h"

#include <string.h>

#include "engine/jobs_run.h"
#include "engine/status.h"
#include "harness/base/io.h"
#include "harness/base/mem.h"

/* Memory for rows of logits, and how many rows there are at least. */
#define LOGIT_BYTES ((size_t)48 << 20)
#define ROWS_LEAST 8

/* --- using what was computed ----------------------------------------------- */

/* The rows of a batch are read by all threads of the context: each by itself,
 * so that it does not matter which does it. */
static void read_one(void *arg, size_t i, int thread)
{
    struct run *r = arg;

    (void)thread;
    r->row[i] = row_read(r->logits + i * r->n_vocab, r->n_vocab);
}

/* What was read of these logits of the batch. */
static const struct row *row_of(const struct run *r, const float *logits)
{
    return &r->row[(size_t)(logits - r->logits) / r->n_vocab];
}

/* A row of logits after position p of the node scores the next token of each
 * option that goes on from there. */
static void read_row(struct run *r, const struct tree_node *x, size_t p,
                     const float *logits)
{
    const struct row *row = row_of(r, logits);

    for (size_t i = 0; i < x->n_keys; i++) {
        const struct tree_key *k = &r->tree.key[x->first_key + i];
        struct mk_option_score *s;
        int32_t id;

        if (k->option >= TREE_BOUNDARY || p + 1 < k->n_prompt || p >= k->n)
            continue;
        id = k->tokens[p + 1];
        s = &r->state[k->job].scores[k->option];
        s->logprob += row_logprob(row, logits[id]);
        s->n_tokens++;
        s->greedy &= id == row->top;
    }
}

static void read_rows(struct run *r, const struct task *t,
                      const struct mk_piece *p)
{
    struct tree_node *x = &r->tree.node[t->node];

    if (p->want == MK_WANT_LAST)
        read_row(r, x, x->end - 1, p->logits);
    for (size_t i = 0; p->want == MK_WANT_ALL && i < p->n; i++)
        if (t->from + i >= x->read_to)
            read_row(r, x, t->from + i, p->logits + i * r->n_vocab);
}

static enum err_code keep_gen(struct run *r, struct gen *g, struct err *e)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are kept */
    if (!mem_grow(&r->gen, &r->cap_gen, r->n_gen + 1, sizeof r->gen[0]))
        return jobs_no_memory(e);
    r->gen[r->n_gen++] = g;
    return ERR_OK;
}

/* Starts the generation of a prompt that ends at the node; the last one takes
 * the node's sequence. */
static enum err_code start_gen(struct run *r, struct tree_node *x, size_t job,
                               bool last, const float *logits, struct err *e)
{
    struct gen *g;
    enum err_code rc = gen_open(&g, &r->jobs->jobs[job], job, e);

    if (rc)
        return rc;
    gen_take(g, r->vocab, logits, r->n_vocab, row_of(r, logits));
    if (g->over) {
        rc = jobs_give_gen(r, g, e);
        gen_close(g);
        return rc;
    }
    if (last) {
        g->seq = x->seq;
        x->seq = -1;
    } else {
        rc = jobs_status(r, mk_seq_fork(r->c, x->seq, x->end, &g->seq, r->err),
                         e);
    }
    if (!rc)
        rc = keep_gen(r, g, e);
    if (rc) {
        mk_seq_free(r->c, g->seq);
        gen_close(g);
    }
    return rc;
}

/* The rows of tokens that end at the node are done. */
static enum err_code end_keys(struct run *r, struct tree_node *x,
                              const float *logits, struct err *e)
{
    size_t n_left = x->n_prompts;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < x->n_keys && !rc; i++) {
        const struct tree_key *k = &r->tree.key[x->first_key + i];

        if (k->n != x->end)
            break;
        if (k->option == TREE_PROMPT)
            rc = start_gen(r, x, k->job, --n_left == 0 && x->n_coming == 0,
                           logits, e);
        else if (k->option != TREE_BOUNDARY && --r->state[k->job].open == 0)
            rc = jobs_give_scores(r, k->job, e);
    }
    return rc;
}

static enum err_code use_node(struct run *r, const struct task *t,
                              const struct mk_piece *p, struct err *e)
{
    struct tree_node *x = &r->tree.node[t->node];
    size_t n_rows = p->want == MK_WANT_ALL ? p->n : 1;
    enum err_code rc = ERR_OK;

    read_rows(r, t, p);
    x->done += p->n;
    if (x->done == x->end && x->read_to < x->end)
        rc = end_keys(
            r, x, p->logits ? p->logits + (n_rows - 1) * r->n_vocab : NULL, e);
    if (x->done > x->read_to)
        x->read_to = x->done;
    if (x->done < x->end)
        return rc;
    if (x->n_coming == 0)
        jobs_release(r, x);
    x->state = x->n_coming ? NODE_HELD : NODE_OVER;
    return rc;
}

/* Each piece's share of the time, by its tokens. */
static void share_time(struct run *r, int64_t ns)
{
    for (size_t i = 0; i < r->n_piece; i++) {
        const struct task *t = &r->task[i];
        int64_t part =
            (int64_t)((double)ns * (double)r->piece[i].n / (double)r->n_tokens);

        if (!t->gen)
            r->state[r->tree.key[r->tree.node[t->node].first_key].job]
                .prefill_ns += part;
        else if (r->piece[i].n == 1)
            t->gen->decode_ns += part;
        else
            t->gen->prefill_ns += part;
    }
}

/* Gives the results of generations that are over, keeps the others in order. */
static enum err_code sweep(struct run *r, struct err *e)
{
    enum err_code rc = ERR_OK;
    size_t n = 0;

    for (size_t i = 0; i < r->n_gen; i++) {
        struct gen *g = r->gen[i];

        if (!g->over && g->tokens.n > r->capacity)
            gen_end(g, MK_FINISH_CONTEXT);
        if (!g->over || rc) {
            r->gen[n++] = g;
            continue;
        }
        if (g->seq >= 0)
            mk_seq_free(r->c, g->seq);
        rc = jobs_give_gen(r, g, e);
        gen_close(g);
    }
    r->n_gen = n;
    return rc;
}

/* --- running --------------------------------------------------------------- */

static enum err_code compute(struct run *r, struct err *e)
{
    int64_t from = io_now_ns();
    enum err_code rc =
        jobs_status(r, mk_compute(r->c, r->piece, r->n_piece, r->err), e);

    if (rc)
        return rc;
    pool_run(ctx_pool(r->c), r->n_rows, read_one, r);
    share_time(r, io_now_ns() - from);
    for (size_t i = 0; i < r->n_piece && !rc; i++) {
        if (r->task[i].gen)
            gen_take(r->task[i].gen, r->vocab, r->piece[i].logits, r->n_vocab,
                     row_of(r, r->piece[i].logits));
        else
            rc = use_node(r, &r->task[i], &r->piece[i], e);
    }
    return rc ? rc : sweep(r, e);
}

static enum err_code step(struct run *r, bool *more, struct err *e)
{
    int stop = r->jobs->stop ? r->jobs->stop(r->jobs->user) : 0;
    enum err_code rc;

    if (stop >= 2)
        return err_set(e, ERR_CANCELLED, "stopped by the caller");
    r->drain |= stop == 1;
    rc = jobs_fill(r, e);
    *more = r->n_piece > 0;
    return rc || !*more ? rc : compute(r, e);
}

static enum err_code open_run(struct run *r, struct err *e)
{
    size_t most = LOGIT_BYTES / (r->n_vocab * sizeof *r->logits);

    most = most > ROWS_LEAST ? most : ROWS_LEAST;
    r->rows_most = most < r->n_batch ? most : r->n_batch;
    if (r->n_parallel > r->rows_most)
        r->n_parallel = r->rows_most;
    r->logits = mem_alloc(r->rows_most * r->n_vocab * sizeof *r->logits);
    r->row = mem_array(r->rows_most, sizeof *r->row);
    r->piece = mem_array(r->n_batch + 1, sizeof *r->piece);
    r->task = mem_array(r->n_batch + 1, sizeof *r->task);
    return r->logits && r->row && r->piece && r->task ? ERR_OK
                                                      : jobs_no_memory(e);
}

static void close_run(struct run *r)
{
    for (size_t i = 0; i < r->tree.n_nodes; i++)
        jobs_release(r, &r->tree.node[i]);
    for (size_t i = 0; i < r->n_gen; i++) {
        if (r->gen[i]->seq >= 0)
            mk_seq_free(r->c, r->gen[i]->seq);
        gen_close(r->gen[i]);
    }
    mem_free(r->gen);
    mem_free(r->logits);
    mem_free(r->row);
    mem_free(r->piece);
    mem_free(r->task);
    mem_free(r->state);
    mem_free(r->scores);
    tree_free(&r->tree);
}

int mk_jobs_run(struct mk_ctx *c, const struct mk_jobs *jobs, char *err)
{
    const struct mk_model *m = ctx_model(c);
    char message[MK_ERR_LEN] = "";
    struct run r = { .c = c,
                     .vocab = m->vocab,
                     .jobs = jobs,
                     .n_vocab = (size_t)m->info.n_vocab,
                     .capacity = ctx_longest(c),
                     .n_batch = ctx_batch(c),
                     .whole = m->info.whole_prompt,
                     .at_once = m->net->prompts == PROMPT_WHOLE,
                     .n_parallel = jobs->n_parallel ? jobs->n_parallel : 8,
                     .focus = TREE_NONE,
                     .err = message };
    struct err e = { .code = ERR_OK };
    enum err_code rc = open_run(&r, &e);
    bool more = true;

    if (!rc)
        rc = jobs_plan(&r, &e);
    while (!rc && more)
        rc = step(&r, &more, &e);
    for (size_t i = 0; !rc && i < jobs->n; i++)
        if (!r.state[i].over)
            rc = err_set(&e, ERR_CANCELLED, "stopped by the caller");
    close_run(&r);
    return status_out(rc, &e, err);
}
