/* Filling a batch: which generations go on, which nodes are computed next, and
 * what has to go when the KV cache is short.  The order is jobs.c's. */
#include "engine/jobs_run.h"

/* Positions that a generation is expected to take, when others are admitted. */
#define EXPECTED_TOKENS 64

/* --- the tree's sequences -------------------------------------------------- */
static bool begun(const struct tree_node *x)
{
    return x->seq >= 0 || x->state == NODE_OVER;
}

void jobs_release(struct run *r, struct tree_node *x)
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

        jobs_release(r, x);
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
        jobs_release(r, p);
        p->state = NODE_OVER;
    }
    jobs_release(r, x);
    x->parent = TREE_NONE;
    x->start = x->done = 0;
}

/* Gives the node a sequence that holds its ancestors' tokens. */
static enum err_code begin(struct run *r, struct tree_node *x, struct err *e)
{
    struct tree_node *p = parent_of(r, x);
    enum err_code rc;

    if (!p)
        return jobs_status(r, mk_seq_new(r->c, &x->seq, r->err), e);
    if (p->n_coming == 1) {
        x->seq = p->seq;
        p->seq = -1;
        p->state = NODE_OVER;
        p->n_coming = 0;
        return ERR_OK;
    }
    rc = jobs_status(r, mk_seq_fork(r->c, p->seq, p->end, &x->seq, r->err), e);
    if (!rc)
        p->n_coming--;
    return rc;
}

/* --- filling a batch ------------------------------------------------------- */

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
        rc = jobs_status(r, mk_seq_new(r->c, &g->seq, r->err), e);
    if (rc)
        return rc;
    p.seq = g->seq;
    p.n_prompt = g->job->n_prompt;
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

/* How many tokens of the node go into this batch.  A node that begins with a
 * whole prompt ends with it, or was cut off from its ancestors. */
static size_t chunk_of(const struct run *r, const struct tree_node *x)
{
    size_t n = x->end - x->done, room = r->n_batch - r->n_tokens;

    if (r->at_once && x->done == 0) {
        n = r->tree.key[x->first_key].n_prompt;
        return n <= room && r->n_rows < r->rows_most ? n : 0;
    }
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
    p.n_prompt = r->tree.key[x->first_key].n_prompt;
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

enum err_code jobs_fill(struct run *r, struct err *e)
{
    enum err_code rc;

    r->n_piece = r->n_tokens = r->n_rows = 0;
    r->blocks = mk_free_positions(r->c) / KV_BLOCK;
    rc = add_gens(r, e);
    return rc ? rc : add_nodes(r, e);
}
