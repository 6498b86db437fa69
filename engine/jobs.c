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

#include <math.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/jobs_gen.h"
#include "engine/jobs_tree.h"
#include "engine/row.h"
#include "engine/status.h"
#include "harness/base/io.h"

/* Memory for rows of logits, and how many rows there are at least. */
#define LOGIT_BYTES ((size_t)48 << 20)
#define ROWS_LEAST 8
/* Positions that a generation is expected to take, when others are admitted. */
#define EXPECTED_TOKENS 64

struct job_state {
    bool over;
    size_t open;               /* rows still to be scored */
    size_t n_prompt, computed; /* tokens */
    int64_t prefill_ns;
    struct mk_option_score *scores;
};

/* What a piece of the batch is for: a generation or a node. */
struct task {
    struct gen *gen;
    size_t node;
    size_t from; /* position of its first token */
};

struct run {
    struct mk_ctx *c;
    const struct vocab *vocab;
    const struct mk_jobs *jobs;
    size_t n_vocab, capacity, n_batch, n_parallel;
    struct tree tree;
    struct job_state *state;
    struct mk_option_score *scores;
    size_t first_wait; /* no node before it waits */
    size_t focus;      /* subtree to be finished first, or TREE_NONE */
    bool drain;        /* nothing new begins */
    struct gen **gen;  /* oldest first */
    size_t n_gen, cap_gen;
    /* the batch */
    struct mk_piece *piece;
    struct task *task;
    size_t n_piece, n_tokens, n_rows, rows_most;
    size_t blocks; /* free, less what the batch will take */
    float *logits;
    char *err; /* of mk_ calls, MK_ERR_LEN */
};

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the jobs");
}

static size_t blocks_of(size_t positions)
{
    return (positions + KV_BLOCK - 1) / KV_BLOCK;
}

/* --- results -------------------------------------------------------------- */

/* The error code of what an mk_ function returned; the message is in r->err. */
static enum err_code from_status(const struct run *r, int status, struct err *e)
{
    static const enum err_code code[] = {
        [MK_OK] = ERR_OK,        [MK_EFORMAT] = ERR_FORMAT,
        [MK_ELIMIT] = ERR_LIMIT, [MK_ENOMEM] = ERR_NOMEM,
        [MK_EIO] = ERR_IO,       [MK_ENOENV] = ERR_NOENV,
        [MK_EUSAGE] = ERR_USAGE, [MK_ECANCELLED] = ERR_CANCELLED,
    };

    return status ? err_set(e, code[status], "%s", r->err) : ERR_OK;
}

static enum err_code give(struct run *r, size_t job, struct mk_result *res,
                          struct err *e)
{
    struct job_state *s = &r->state[job];

    s->over = true;
    res->n_prompt = s->n_prompt;
    res->n_cached = s->n_prompt > s->computed ? s->n_prompt - s->computed : 0;
    res->prefill_ns += s->prefill_ns;
    if (r->jobs->on_result(r->jobs->user, job, res))
        return ERR_OK;
    return err_set(e, ERR_CANCELLED, "stopped by the caller");
}

static enum err_code give_error(struct run *r, size_t job,
                                const struct err *why, struct err *e)
{
    struct mk_result res = { .finish = MK_FINISH_ERROR, .text = "" };

    res.status = status_out(why->code, why, res.error);
    return give(r, job, &res, e);
}

static enum err_code give_gen(struct run *r, struct gen *g, struct err *e)
{
    struct mk_result res = { .finish = g->finish };

    gen_result(g, &res);
    if (g->finish == MK_FINISH_ERROR)
        res.status = status_out(g->err.code, &g->err, res.error);
    return give(r, g->index, &res, e);
}

/* Best minus second best log-probability. */
static double margin_of(const struct mk_option_score *o, size_t n)
{
    double best = -INFINITY, second = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        if (o[i].logprob > best) {
            second = best;
            best = o[i].logprob;
        } else if (o[i].logprob > second) {
            second = o[i].logprob;
        }
    }
    return isfinite(best) && isfinite(second) ? best - second : 0;
}

static enum err_code give_scores(struct run *r, size_t job, struct err *e)
{
    const struct job_state *s = &r->state[job];
    size_t n = r->jobs->jobs[job].n_options;
    struct mk_result res = { .finish = MK_FINISH_SCORED,
                             .text = "",
                             .options = s->scores,
                             .margin = margin_of(s->scores, n) };

    return give(r, job, &res, e);
}

/* --- from jobs to rows of tokens ------------------------------------------ */

static enum err_code check_tokens(const struct run *r, const int32_t *t,
                                  size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (t[i] < 0 || (size_t)t[i] >= r->n_vocab)
            return err_set(e, ERR_USAGE, "token %zu is %d, expected 0 to %zu",
                           i, t[i], r->n_vocab - 1);
    return ERR_OK;
}

static enum err_code check_length(const struct run *r, size_t n, struct err *e)
{
    if (n <= r->capacity)
        return ERR_OK;
    return err_set(e, ERR_LIMIT,
                   "the prompt has %zu tokens, the context holds %zu", n,
                   r->capacity);
}

static enum err_code check_option(const struct run *r,
                                  const struct mk_option *o, struct err *e)
{
    enum err_code rc;

    if (o->n < o->n_prompt)
        return err_set(e, ERR_USAGE, "%zu tokens with a prompt of %zu", o->n,
                       o->n_prompt);
    if (o->n_prompt == 0)
        return err_set(e, ERR_USAGE,
                       "nothing stands before the first token "
                       "to be scored");
    rc = check_length(r, o->n - 1, e);
    return rc ? rc : check_tokens(r, o->tokens, o->n, e);
}

static enum err_code check_job(const struct run *r, const struct mk_job *j,
                               struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < j->n_options && !rc; i++) {
        rc = check_option(r, &j->options[i], e);
        if (rc)
            return err_wrap(e, "option %zu", i);
    }
    if (j->n_options > 0)
        return ERR_OK;
    if (j->n_prompt == 0)
        return err_set(e, ERR_USAGE, "the prompt is empty");
    rc = check_length(r, j->n_prompt, e);
    return rc ? rc : check_tokens(r, j->prompt, j->n_prompt, e);
}

/* Tokens to be computed for the options, those that all share counted once. */
static size_t count_options(const struct mk_job *j)
{
    const struct mk_option *first = &j->options[0];
    size_t shared = first->n - 1, n = 0;

    for (size_t i = 0; i < j->n_options; i++) {
        const struct mk_option *o = &j->options[i];
        size_t k = 0;

        while (k < shared && k < o->n - 1 && o->tokens[k] == first->tokens[k])
            k++;
        shared = k;
        n += o->n - 1;
    }
    return n - shared * (j->n_options - 1);
}

struct keys {
    struct tree_key *p;
    size_t n, cap;
};

static bool add_key(struct keys *k, struct tree_key key)
{
    if (!mem_grow(&k->p, &k->cap, k->n + 1, sizeof *k->p))
        return false;
    k->p[k->n++] = key;
    return true;
}

/* The rows of an option.  That the prompt's end is a row of its own makes a node
 * end there, whose last logits are wanted. */
static bool add_option(struct run *r, struct keys *k, size_t job, size_t i)
{
    const struct mk_option *o = &r->jobs->jobs[job].options[i];
    struct tree_key key = { o->tokens, o->n - 1, o->n_prompt, job, i };

    r->state[job].scores[i].greedy = true;
    if (o->n == o->n_prompt)
        return true;
    r->state[job].open++;
    if (!add_key(k, key))
        return false;
    key.n = o->n_prompt;
    key.option = TREE_BOUNDARY;
    return o->n - 1 == o->n_prompt || add_key(k, key);
}

static enum err_code add_job(struct run *r, struct keys *k, size_t job,
                             struct err *e)
{
    const struct mk_job *j = &r->jobs->jobs[job];
    struct tree_key key = { j->prompt, j->n_prompt, j->n_prompt, job,
                            TREE_PROMPT };
    struct mk_result none = { .finish = MK_FINISH_LENGTH, .text = "" };
    struct err why = { .code = ERR_OK };
    bool ok = true;

    r->state[job].n_prompt = j->n_options ? 0 : j->n_prompt;
    if (check_job(r, j, &why))
        return give_error(r, job, &why, e);
    if (j->n_options > 0)
        r->state[job].n_prompt = count_options(j);
    for (size_t i = 0; i < j->n_options && ok; i++)
        ok = add_option(r, k, job, i);
    if (j->n_options > 0 && ok && r->state[job].open == 0)
        return give_scores(r, job, e);
    if (j->n_options == 0 && j->max_tokens == 0) {
        r->state[job].computed = j->n_prompt;
        return give(r, job, &none, e);
    }
    if (j->n_options == 0)
        ok = add_key(k, key);
    return ok ? ERR_OK : no_memory(e);
}

static enum err_code plan(struct run *r, struct err *e)
{
    const struct mk_jobs *jobs = r->jobs;
    struct keys k = { 0 };
    size_t n_options = 0;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < jobs->n; i++)
        n_options += jobs->jobs[i].n_options;
    r->state = mem_array(jobs->n, sizeof *r->state);
    r->scores = mem_array(n_options, sizeof *r->scores);
    if (!r->state || !r->scores)
        return no_memory(e);
    n_options = 0;
    for (size_t i = 0; i < jobs->n && !rc; i++) {
        r->state[i].scores = r->scores + n_options;
        n_options += jobs->jobs[i].n_options;
        rc = add_job(r, &k, i, e);
    }
    if (rc) {
        mem_free(k.p);
        return rc;
    }
    rc = tree_init(&r->tree, k.p, k.n, r->capacity, e);
    for (size_t i = 0; i < r->tree.n_nodes && !rc; i++) {
        const struct tree_node *x = &r->tree.node[i];

        r->state[r->tree.key[x->first_key].job].computed += x->end - x->start;
    }
    return rc;
}

/* --- the tree's sequences ------------------------------------------------- */

static struct tree_node *parent_of(const struct run *r,
                                   const struct tree_node *x)
{
    return x->parent == TREE_NONE ? NULL : &r->tree.node[x->parent];
}

static bool begun(const struct tree_node *x)
{
    return x->seq >= 0 || x->state == NODE_OVER;
}

static void release(struct run *r, struct tree_node *x)
{
    if (x->seq >= 0)
        mk_seq_free(r->c, x->seq);
    x->seq = -1;
}

/* Makes a node wait again, and those above it whose sequences are gone. */
static void drop(struct run *r, size_t node)
{
    for (;;) {
        struct tree_node *x = &r->tree.node[node], *p = parent_of(r, x);

        release(r, x);
        x->state = NODE_WAITS;
        x->done = x->start;
        if (node < r->first_wait)
            r->first_wait = node;
        if (!p)
            return;
        p->n_coming++;
        if (p->seq >= 0)
            return;
        node = x->parent;
    }
}

static bool is_above(const struct run *r, size_t node, size_t below)
{
    return below != TREE_NONE && node <= below &&
           below < r->tree.node[node].next &&
           (node == below || r->tree.node[below].parent != TREE_NONE);
}

/* Drops nodes that hold sequences, the last first, until `blocks` are free:
 * but not `keep` and what is above it.  Says whether they are. */
static bool make_room(struct run *r, size_t blocks, size_t keep)
{
    for (size_t i = r->tree.n_nodes; i-- > 0;) {
        if (mk_free_positions(r->c) / KV_BLOCK >= blocks)
            return true;
        if (r->tree.node[i].seq >= 0 && !is_above(r, i, keep))
            drop(r, i);
    }
    return mk_free_positions(r->c) / KV_BLOCK >= blocks;
}

/* Cuts a node off from its ancestors: it will be computed from position 0. */
static void detach(struct run *r, size_t node)
{
    struct tree_node *x = &r->tree.node[node], *p = parent_of(r, x);

    if (p && !begun(x) && --p->n_coming == 0) {
        release(r, p);
        p->state = NODE_OVER;
    }
    release(r, x);
    x->parent = TREE_NONE;
    x->start = x->done = 0;
}

/* Gives the node a sequence that holds its ancestors' tokens. */
static enum err_code begin(struct run *r, struct tree_node *x, struct err *e)
{
    struct tree_node *p = parent_of(r, x);
    enum err_code rc;

    if (!p)
        return from_status(r, mk_seq_new(r->c, &x->seq, r->err), e);
    if (p->n_coming == 1) {
        x->seq = p->seq;
        p->seq = -1;
        p->state = NODE_OVER;
        p->n_coming = 0;
        return ERR_OK;
    }
    rc = from_status(r, mk_seq_fork(r->c, p->seq, p->end, &x->seq, r->err), e);
    if (!rc)
        p->n_coming--;
    return rc;
}

/* --- filling a batch ------------------------------------------------------ */

static void add_piece(struct run *r, struct mk_piece p, struct task t,
                      size_t n_rows)
{
    p.logits = n_rows ? r->logits + r->n_rows * r->n_vocab : NULL;
    r->piece[r->n_piece] = p;
    r->task[r->n_piece++] = t;
    r->n_tokens += p.n;
    r->n_rows += n_rows;
}

/* The youngest generation after `i` that has a sequence is put aside. */
static bool put_aside(struct run *r, size_t i)
{
    for (size_t k = r->n_gen; k-- > i + 1;)
        if (r->gen[k]->seq >= 0) {
            mk_seq_free(r->c, r->gen[k]->seq);
            r->gen[k]->seq = -1;
            return true;
        }
    return false;
}

static size_t gen_need(const struct run *r, const struct gen *g)
{
    return g->seq < 0 ? blocks_of(g->tokens.n) : ctx_need(r->c, g->seq, 1);
}

/* Adds the next token of generation i (all its tokens if it was put aside);
 * *fits says whether there was room. */
static enum err_code add_gen(struct run *r, size_t i, bool *fits, struct err *e)
{
    struct gen *g = r->gen[i];
    size_t need = gen_need(r, g), taken;
    struct mk_piece p = { .want = MK_WANT_LAST };
    enum err_code rc = ERR_OK;

    *fits = true;
    while (need > r->blocks && *fits) {
        taken = mk_free_positions(r->c) / KV_BLOCK - r->blocks;
        *fits = make_room(r, need + taken, TREE_NONE) || put_aside(r, i);
        r->blocks = mk_free_positions(r->c) / KV_BLOCK - taken;
        need = gen_need(r, g);
    }
    if (!*fits)
        return ERR_OK;
    p.n = g->seq < 0 ? g->tokens.n : 1;
    p.tokens = g->tokens.p + g->tokens.n - p.n;
    if (g->seq < 0)
        rc = from_status(r, mk_seq_new(r->c, &g->seq, r->err), e);
    if (rc)
        return rc;
    p.seq = g->seq;
    r->blocks -= need;
    add_piece(r, p, (struct task){ .gen = g, .node = TREE_NONE }, 1);
    return ERR_OK;
}

static enum err_code add_gens(struct run *r, struct err *e)
{
    bool fits = true;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < r->n_gen && i < r->n_parallel && fits && !rc; i++)
        if (r->n_rows < r->rows_most)
            rc = add_gen(r, i, &fits, e);
    return rc;
}

/* Blocks to be left for generations, the coming one's included. */
static size_t expected(const struct run *r, const struct tree_node *x)
{
    size_t blocks = x->n_prompts * blocks_of(EXPECTED_TOKENS);

    for (size_t i = 0; i < r->n_gen; i++) {
        const struct gen *g = r->gen[i];
        size_t left = g->job->max_tokens - (g->tokens.n - g->job->n_prompt);

        blocks += blocks_of(left < EXPECTED_TOKENS ? left : EXPECTED_TOKENS);
    }
    return blocks;
}

/* Blocks that n more tokens of the node take.  A fork writes to a block of its
 * own, even where the parent's last one has room. */
static size_t node_need(const struct run *r, const struct tree_node *x,
                        size_t n)
{
    const struct tree_node *p = parent_of(r, x);

    if (x->seq >= 0)
        return ctx_need(r->c, x->seq, n);
    if (p && p->n_coming == 1)
        return ctx_need(r->c, p->seq, n);
    return blocks_of(x->done + n) - x->done / KV_BLOCK;
}

/* How many tokens of the node go into this batch. */
static size_t chunk_of(const struct run *r, const struct tree_node *x)
{
    size_t n = x->end - x->done, room = r->n_batch - r->n_tokens;

    n = n < room ? n : room;
    if (x->want_all && n > r->rows_most - r->n_rows)
        n = r->rows_most - r->n_rows;
    return x->want_last && r->n_rows == r->rows_most ? 0 : n;
}

/* Whether a generation may start when the node is done. */
static bool has_slot(const struct run *r, const struct tree_node *x)
{
    size_t coming = 0;

    if (x->n_prompts == 0)
        return true;
    for (size_t i = 0; i < r->n_piece; i++)
        if (r->task[i].node != TREE_NONE)
            coming += r->tree.node[r->task[i].node].n_prompts;
    return r->n_gen + coming < r->n_parallel;
}

static enum err_code add_chunk(struct run *r, size_t node, size_t n,
                               struct err *e)
{
    struct tree_node *x = &r->tree.node[node];
    bool ends = x->done + n == x->end;
    struct mk_piece p = { .n = n, .want = MK_WANT_NONE };
    struct task t = { .node = node, .from = x->done };
    size_t n_rows = 0, need = node_need(r, x, n);
    enum err_code rc = x->seq < 0 ? begin(r, x, e) : ERR_OK;

    if (rc)
        return rc;
    if (x->want_all && x->done + n > x->read_to) {
        p.want = MK_WANT_ALL;
        n_rows = n;
    } else if (x->want_last && ends && x->read_to < x->end) {
        p.want = MK_WANT_LAST;
        n_rows = 1;
    }
    p.seq = x->seq;
    p.tokens = r->tree.key[x->first_key].tokens + x->done;
    r->blocks -= need;
    add_piece(r, p, t, n_rows);
    return ERR_OK;
}

/* Adds what fits of a waiting node; *fits is false when nothing does. */
static enum err_code add_node(struct run *r, size_t node, bool *fits,
                              struct err *e)
{
    struct tree_node *x = &r->tree.node[node];
    size_t n = chunk_of(r, x), need = node_need(r, x, n);
    bool alone = r->n_piece == 0;

    *fits = n > 0 && has_slot(r, x) &&
            (alone || need + expected(r, x) <= r->blocks);
    if (!*fits)
        return ERR_OK;
    if (need > r->blocks) {
        r->focus = node;
        if (!make_room(r, need, node)) {
            detach(r, node);
            n = chunk_of(r, x);
            make_room(r, blocks_of(n), node);
        }
    }
    if (alone)
        r->blocks = mk_free_positions(r->c) / KV_BLOCK;
    return add_chunk(r, node, n, e);
}

/* Whether what stands before the node is there: a parent that was dropped may
 * stand before nodes that were not, and comes first in the next step. */
static bool is_ready(const struct run *r, const struct tree_node *x)
{
    const struct tree_node *p = parent_of(r, x);

    return x->seq >= 0 || !p || p->state == NODE_HELD;
}

/* Whether the node belongs to a job whose prompt has been read. */
static bool under_way(const struct run *r, const struct tree_node *x)
{
    for (size_t i = 0; i < x->n_keys; i++)
        if (r->tree.key[x->first_key + i].n_prompt <= x->start)
            return true;
    return false;
}

static enum err_code add_nodes(struct run *r, struct err *e)
{
    size_t n = r->tree.n_nodes, i;
    bool fits = true;
    enum err_code rc = ERR_OK;

    while (r->first_wait < n && r->tree.node[r->first_wait].state != NODE_WAITS)
        r->first_wait++;
    i = r->first_wait;
    if (r->focus != TREE_NONE) {
        i = r->focus;
        n = r->tree.node[i].next;
        while (i < n && r->tree.node[i].state != NODE_WAITS)
            i++;
        if (i == n) {
            r->focus = TREE_NONE;
            return add_nodes(r, e);
        }
    }
    while (i < n && fits && !rc && r->n_tokens < r->n_batch) {
        const struct tree_node *x = &r->tree.node[i];

        if (x->state != NODE_WAITS) {
            i++;
            continue;
        }
        if (is_ready(r, x) && (!r->drain || under_way(r, x)))
            rc = add_node(r, i, &fits, e);
        i = x->next;
    }
    return rc;
}

/* --- using what was computed ---------------------------------------------- */

/* A row of logits after position p of the node scores the next token of each
 * option that goes on from there. */
static void read_row(struct run *r, const struct tree_node *x, size_t p,
                     const float *logits)
{
    struct row row;
    bool is_read = false;

    for (size_t i = 0; i < x->n_keys; i++) {
        const struct tree_key *k = &r->tree.key[x->first_key + i];
        struct mk_option_score *s;
        int32_t id;

        if (k->option >= TREE_BOUNDARY || p + 1 < k->n_prompt || p >= k->n)
            continue;
        if (!is_read)
            row = row_read(logits, r->n_vocab);
        is_read = true;
        id = k->tokens[p + 1];
        s = &r->state[k->job].scores[k->option];
        s->logprob += row_logprob(&row, logits[id]);
        s->n_tokens++;
        s->greedy &= id == row.top;
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
    if (!mem_grow(&r->gen, &r->cap_gen, r->n_gen + 1, sizeof *r->gen))
        return no_memory(e);
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
    gen_take(g, r->vocab, logits, r->n_vocab);
    if (g->over) {
        rc = give_gen(r, g, e);
        gen_close(g);
        return rc;
    }
    if (last) {
        g->seq = x->seq;
        x->seq = -1;
    } else {
        rc = from_status(r, mk_seq_fork(r->c, x->seq, x->end, &g->seq, r->err),
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
            rc = give_scores(r, k->job, e);
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
        release(r, x);
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
        rc = give_gen(r, g, e);
        gen_close(g);
    }
    r->n_gen = n;
    return rc;
}

/* --- running -------------------------------------------------------------- */

static enum err_code compute(struct run *r, struct err *e)
{
    int64_t from = io_now_ns();
    enum err_code rc =
        from_status(r, mk_compute(r->c, r->piece, r->n_piece, r->err), e);

    if (rc)
        return rc;
    share_time(r, io_now_ns() - from);
    for (size_t i = 0; i < r->n_piece && !rc; i++) {
        if (r->task[i].gen)
            gen_take(r->task[i].gen, r->vocab, r->piece[i].logits, r->n_vocab);
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
    r->n_piece = r->n_tokens = r->n_rows = 0;
    r->blocks = mk_free_positions(r->c) / KV_BLOCK;
    rc = add_gens(r, e);
    if (!rc)
        rc = add_nodes(r, e);
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
    r->piece = mem_array(r->n_batch + 1, sizeof *r->piece);
    r->task = mem_array(r->n_batch + 1, sizeof *r->task);
    return r->logits && r->piece && r->task ? ERR_OK : no_memory(e);
}

static void close_run(struct run *r)
{
    for (size_t i = 0; i < r->tree.n_nodes; i++)
        release(r, &r->tree.node[i]);
    for (size_t i = 0; i < r->n_gen; i++) {
        if (r->gen[i]->seq >= 0)
            mk_seq_free(r->c, r->gen[i]->seq);
        gen_close(r->gen[i]);
    }
    mem_free(r->gen);
    mem_free(r->logits);
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
                     .capacity = mk_free_positions(c),
                     .n_batch = ctx_batch(c),
                     .n_parallel = jobs->n_parallel ? jobs->n_parallel : 8,
                     .focus = TREE_NONE,
                     .err = message };
    struct err e = { .code = ERR_OK };
    enum err_code rc = open_run(&r, &e);
    bool more = true;

    if (!rc)
        rc = plan(&r, &e);
    while (!rc && more)
        rc = step(&r, &more, &e);
    for (size_t i = 0; !rc && i < jobs->n; i++)
        if (!r.state[i].over)
            rc = err_set(&e, ERR_CANCELLED, "stopped by the caller");
    close_run(&r);
    return status_out(rc, &e, err);
}
