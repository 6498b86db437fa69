/* Contexts and sequences, and computing batches.
 *
 * mk_compute() checks everything and reserves the KV blocks of all pieces
 * first; from then on nothing can fail.  The pieces are laid end to end and cut
 * into chunks of at most n_batch tokens; a chunk holds spans of several
 * sequences.  Rows whose logits are wanted go through the output matrix a few
 * at a time, so that the scratch for logits stays small however many there
 * are. */
#include <string.h>

#include "engine/graph.h"
#include "engine/internal.h"
#include "engine/kv.h"
#include "engine/status.h"

#define DEFAULT_POSITIONS 4096
#define DEFAULT_BATCH 256
#define MAX_POSITIONS ((size_t)1 << 30)
#define MAX_BATCH 65536
#define MAX_THREADS 256
/* Rows of logits in the scratch. */
#define LOGIT_ROWS 32

/* Where the logits of a wanted row go. */
struct wanted {
    const struct mk_piece *piece;
    size_t index;
};

struct mk_ctx {
    struct mk_model *m;
    struct pool *pool;
    struct be *be;
    struct be_kv *be_kv;
    struct kv *kv;
    struct pass pass;
    float *logits; /* device memory */
    size_t n_batch;
    /* the chunk, [n_batch] each */
    int32_t *ids, *rows;
    struct be_span *spans;
    struct kv_prompt *prompts;
    struct wanted *wanted;
};

/* --- contexts ------------------------------------------------------------- */

struct sizes {
    size_t n_blocks, n_batch;
    int n_threads;
};

/* Prompts that are computed at once: all that the model was made for. */
static size_t largest_prompt(const struct net *n, size_t n_positions,
                             size_t n_batch)
{
    size_t most = (size_t)n->h.n_pos;

    most = most < n_positions ? most : n_positions;
    return n_batch > most ? n_batch : most;
}

static struct sizes sizes_of(const struct mk_model *m,
                             const struct mk_ctx_params *p)
{
    size_t n_positions =
        p && p->n_positions ? p->n_positions : DEFAULT_POSITIONS;
    size_t n_batch = p && p->n_batch ? p->n_batch : DEFAULT_BATCH;
    int n_threads = p && p->n_threads ? p->n_threads : m->n_threads;

    if (m->net && m->net->prompts == PROMPT_WHOLE)
        n_batch = largest_prompt(m->net, n_positions, n_batch);

    return (struct sizes){ n_positions / KV_BLOCK +
                               (n_positions % KV_BLOCK != 0),
                           n_batch, n_threads };
}

static uint64_t chunk_bytes(void)
{
    return 2 * sizeof(int32_t) + sizeof(struct be_span) +
           sizeof(struct kv_prompt) + sizeof(struct wanted);
}

static uint64_t logit_bytes(const struct mk_model *m)
{
    return (uint64_t)LOGIT_ROWS * (uint64_t)m->net->h.n_vocab * sizeof(float);
}

uint64_t mk_ctx_bytes(const struct mk_model *m,
                      const struct mk_ctx_params *params)
{
    struct sizes s = sizes_of(m, params);

    if (!m->net)
        return 0;
    return (uint64_t)s.n_blocks * KV_BLOCK * m->info.kv_bytes +
           kv_table_bytes(s.n_blocks) + pass_bytes(m->net, s.n_batch) +
           logit_bytes(m) + s.n_batch * chunk_bytes() + sizeof(struct mk_ctx);
}

static enum err_code check_sizes(const struct mk_model *m,
                                 const struct sizes *s, struct err *e)
{
    if (!m->net)
        return err_set(e, ERR_USAGE, "the model was opened without weights");
    if (s->n_threads < 1 || s->n_threads > MAX_THREADS)
        return err_set(e, ERR_USAGE, "%d threads, expected 1 to %d",
                       s->n_threads, MAX_THREADS);
    if (s->n_blocks > MAX_POSITIONS / KV_BLOCK)
        return err_set(e, ERR_LIMIT, "more than %zu positions", MAX_POSITIONS);
    if (s->n_batch > MAX_BATCH)
        return err_set(e, ERR_LIMIT, "batches of more than %d tokens",
                       MAX_BATCH);
    return ERR_OK;
}

static void copy_block(void *user, int32_t src, int32_t dst, size_t n)
{
    struct mk_ctx *c = user;
    c->m->backend->kv_copy(c->be, c->be_kv, src, dst, n);
}

static enum err_code open_device(struct mk_ctx *c, const struct sizes *s,
                                 struct err *e)
{
    const struct backend *ops = c->m->backend;
    struct be_params bp = { .f32 = c->m->f32 };
    struct be_kv_params kp = net_kv_params(c->m->net, s->n_blocks);
    void *logits = NULL;
    enum err_code rc = pool_open(&c->pool, s->n_threads, e);

    bp.pool = c->pool;
    rc = rc ? rc : ops->open(&c->be, &bp, e);
    rc = rc ? rc : ops->kv_open(c->be, &c->be_kv, &kp, e);
    rc = rc ? rc : pass_init(&c->pass, c->m->net, c->be, s->n_batch, e);
    rc = rc ? rc : ops->alloc(c->be, &logits, logit_bytes(c->m), e);
    c->logits = logits;
    c->pass.kv = c->be_kv;
    return rc;
}

static enum err_code open_host(struct mk_ctx *c, const struct sizes *s,
                               struct err *e)
{
    c->n_batch = s->n_batch;
    c->ids = mem_array(s->n_batch, sizeof *c->ids);
    c->rows = mem_array(s->n_batch, sizeof *c->rows);
    c->spans = mem_array(s->n_batch, sizeof *c->spans);
    c->prompts = mem_array(s->n_batch, sizeof *c->prompts);
    c->wanted = mem_array(s->n_batch, sizeof *c->wanted);
    if (!c->ids || !c->rows || !c->spans || !c->prompts || !c->wanted)
        return err_set(e, ERR_NOMEM, "no memory for batches of %zu tokens",
                       s->n_batch);
    return kv_open(&c->kv, s->n_blocks, copy_block, c, e);
}

int mk_ctx_open(struct mk_ctx **out, struct mk_model *m,
                const struct mk_ctx_params *params, char *err)
{
    struct sizes s = sizes_of(m, params);
    struct mk_ctx *c = NULL;
    struct err e;
    enum err_code rc = check_sizes(m, &s, &e);

    *out = NULL;
    if (!rc) {
        c = mem_zalloc(sizeof *c);
        if (!c)
            rc = err_set(&e, ERR_NOMEM, "no memory for a context");
    }
    if (!rc && c) {
        c->m = m;
        rc = open_host(c, &s, &e);
        rc = rc ? rc : open_device(c, &s, &e);
    }
    if (rc)
        mk_ctx_close(c);
    else
        *out = c;
    return status_out(rc, &e, err);
}

static void close_device(struct mk_ctx *c)
{
    const struct backend *ops = c->m->backend;

    if (!c->be)
        return;
    if (c->logits)
        ops->free(c->be, c->logits);
    pass_free(&c->pass, c->m->net);
    if (c->be_kv)
        ops->kv_close(c->be, c->be_kv);
    ops->close(c->be);
}

void mk_ctx_close(struct mk_ctx *c)
{
    if (!c)
        return;
    close_device(c);
    pool_close(c->pool);
    kv_close(c->kv);
    mem_free(c->ids);
    mem_free(c->rows);
    mem_free(c->spans);
    mem_free(c->prompts);
    mem_free(c->wanted);
    mem_free(c);
}

const struct mk_model *ctx_model(const struct mk_ctx *c)
{
    return c->m;
}

size_t ctx_batch(const struct mk_ctx *c)
{
    return c->n_batch;
}

struct pool *ctx_pool(const struct mk_ctx *c)
{
    return c->pool;
}

size_t ctx_longest(const struct mk_ctx *c)
{
    size_t free = mk_free_positions(c), most = (size_t)c->m->net->h.n_pos;

    return most < free ? most : free;
}

size_t ctx_need(const struct mk_ctx *c, int32_t seq, size_t n)
{
    return kv_need(c->kv, seq, n);
}

/* --- sequences ------------------------------------------------------------ */

int mk_seq_new(struct mk_ctx *c, int32_t *seq, char *err)
{
    struct err e;
    return status_out(kv_new(c->kv, seq, &e), &e, err);
}

/* Keys of a prompt that was read as a whole are of no use to a part of it. */
static enum err_code check_part(const struct mk_ctx *c, int32_t seq, size_t n,
                                struct err *e)
{
    if (n == 0 || !kv_has(c->kv, seq) || n >= (size_t)kv_prompt(c->kv, seq)->n)
        return ERR_OK;
    return err_set(e, ERR_USAGE,
                   "%zu tokens of a prompt of %d: models of the family %s "
                   "share prompts only whole",
                   n, kv_prompt(c->kv, seq)->n, c->m->net->arch->name);
}

int mk_seq_fork(struct mk_ctx *c, int32_t src, size_t n, int32_t *dst,
                char *err)
{
    struct err e;
    enum err_code rc = check_part(c, src, n, &e);

    return status_out(rc ? rc : kv_fork(c->kv, src, n, dst, &e), &e, err);
}

size_t mk_seq_len(const struct mk_ctx *c, int32_t seq)
{
    return kv_len(c->kv, seq);
}

int mk_seq_trim(struct mk_ctx *c, int32_t seq, size_t n, char *err)
{
    struct err e;
    enum err_code rc = check_part(c, seq, n, &e);

    return status_out(rc ? rc : kv_trim(c->kv, seq, n, &e), &e, err);
}

void mk_seq_free(struct mk_ctx *c, int32_t seq)
{
    kv_free(c->kv, seq);
}

size_t mk_free_positions(const struct mk_ctx *c)
{
    return kv_free_blocks(c->kv) * KV_BLOCK;
}

/* --- checks --------------------------------------------------------------- */

static enum err_code check_ids(const struct mk_ctx *c, const int32_t *ids,
                               size_t n, const char *what, struct err *e)
{
    int32_t n_vocab = c->m->net->h.n_vocab;

    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= n_vocab)
            return err_set(e, ERR_USAGE, "%s %zu is %d, expected 0 to %d", what,
                           i, ids[i], n_vocab - 1);
    return ERR_OK;
}

static enum err_code check_positions(const struct mk_ctx *c,
                                     const struct mk_piece *p, struct err *e)
{
    size_t have = kv_len(c->kv, p->seq), most = (size_t)c->m->net->h.n_pos;

    if (have <= most && p->n <= most - have)
        return ERR_OK;
    return err_set(e, ERR_LIMIT,
                   "%zu tokens after %zu: the model was trained for %zu", p->n,
                   have, most);
}

static enum err_code read_prompt(const struct mk_ctx *c, const int32_t *ids,
                                 size_t n_ids, size_t n_prompt,
                                 struct kv_prompt *out, struct err *e)
{
    const struct net *n = c->m->net;
    enum err_code rc;

    *out = (struct kv_prompt){ 0 };
    if (n->prompts == PROMPT_FREE)
        return ERR_OK;
    rc = n->arch->read_prompt(n, ids, n_ids, n_prompt ? n_prompt : n_ids, out,
                              e);
    if (rc || (size_t)out->open <= c->n_batch)
        return rc;
    return err_set(e, ERR_LIMIT,
                   "a prompt of %d tokens: %zu are computed at once in this "
                   "context",
                   out->n, c->n_batch);
}

enum err_code ctx_check_prompt(const struct mk_ctx *c, const int32_t *ids,
                               size_t n_ids, size_t n_prompt, size_t *n,
                               struct err *e)
{
    struct kv_prompt prompt;
    enum err_code rc = read_prompt(c, ids, n_ids, n_prompt, &prompt, e);

    *n = (size_t)prompt.n;
    return rc;
}

static enum err_code check_piece(const struct mk_ctx *c,
                                 const struct mk_piece *p, struct err *e)
{
    enum err_code rc;

    if (!kv_has(c->kv, p->seq))
        return err_set(e, ERR_USAGE, "there is no sequence %d", p->seq);
    if (p->n == 0)
        return err_set(e, ERR_USAGE, "no tokens for sequence %d", p->seq);
    if (p->want != MK_WANT_NONE && !p->logits)
        return err_set(e, ERR_USAGE, "no room for the wanted logits");
    if (p->n_ids > (size_t)c->m->net->h.n_vocab)
        return err_set(e, ERR_USAGE, "more logits than the vocabulary has");
    rc = check_positions(c, p, e);
    rc = rc ? rc : check_ids(c, p->tokens, p->n, "token", e);
    if (!rc && kv_len(c->kv, p->seq) == 0)
        rc = read_prompt(c, p->tokens, p->n, p->n_prompt,
                         kv_prompt(c->kv, p->seq), e);
    return rc ? rc : check_ids(c, p->ids, p->n_ids, "wanted token", e);
}

/* Adds up what the pieces need, so that the message can say it. */
static enum err_code check_room(const struct mk_ctx *c,
                                const struct mk_piece *pieces, size_t n,
                                struct err *e)
{
    size_t have = kv_free_blocks(c->kv), need = 0, tokens = 0;

    for (size_t i = 0; i < n; i++) {
        if (pieces[i].n > MAX_POSITIONS)
            return err_set(e, ERR_LIMIT, "more than %zu tokens", MAX_POSITIONS);
        need += kv_need(c->kv, pieces[i].seq, pieces[i].n);
        tokens += pieces[i].n;
    }
    if (need <= have)
        return ERR_OK;
    return err_set(e, ERR_LIMIT,
                   "%zu more tokens need %zu positions of the KV cache, %zu "
                   "are free",
                   tokens, need * KV_BLOCK, have * KV_BLOCK);
}

/* Sets the lengths that the first n pieces had before they were reserved. */
static void give_back(struct mk_ctx *c, const struct mk_piece *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++)
        kv_settle(c->kv, pieces[i].seq, kv_len(c->kv, pieces[i].seq));
}

static enum err_code reserve(struct mk_ctx *c, const struct mk_piece *pieces,
                             size_t n, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < n; i++) {
        rc = check_piece(c, &pieces[i], e);
        if (rc)
            return rc;
    }
    rc = check_room(c, pieces, n, e);
    for (size_t i = 0; !rc && i < n; i++) {
        rc = kv_reserve(c->kv, pieces[i].seq, pieces[i].n, e);
        if (rc)
            give_back(c, pieces, i);
    }
    return rc;
}

/* --- chunks --------------------------------------------------------------- */

/* How far the pieces have been cut. */
struct cut {
    const struct mk_piece *pieces;
    size_t n, piece, token;
};

static bool is_wanted(const struct mk_piece *p, size_t token)
{
    return p->want == MK_WANT_ALL ||
           (p->want == MK_WANT_LAST && token == p->n - 1);
}

static void want_rows(struct mk_ctx *c, const struct mk_piece *p, size_t first,
                      size_t n)
{
    struct pass *pass = &c->pass;

    for (size_t i = first; i < first + n; i++) {
        if (!is_wanted(p, i))
            continue;
        c->rows[pass->n_wanted] = (int32_t)(pass->n_rows + i - first);
        c->wanted[pass->n_wanted++] =
            (struct wanted){ p, p->want == MK_WANT_ALL ? i : 0 };
    }
}

/* Puts as much of the current piece into the chunk as fits; false: nothing of
 * it, because it begins with tokens that see each other. */
static bool add_span(struct mk_ctx *c, struct cut *u)
{
    const struct mk_piece *p = &u->pieces[u->piece];
    const struct kv_prompt *prompt = kv_prompt(c->kv, p->seq);
    struct pass *pass = &c->pass;
    size_t room = c->n_batch - pass->n_rows, rest = p->n - u->token;
    size_t n = rest < room ? rest : room;
    size_t pos = kv_len(c->kv, p->seq) + u->token;

    if (pos == 0 && room < (size_t)prompt->open)
        return false;
    memcpy(c->ids + pass->n_rows, p->tokens + u->token, n * sizeof *c->ids);
    want_rows(c, p, u->token, n);
    c->prompts[pass->n_spans] = *prompt;
    c->spans[pass->n_spans++] = (struct be_span){
        .row = pass->n_rows,
        .n = n,
        .pos = (int32_t)pos,
        .table = kv_table(c->kv, p->seq),
        .open = prompt->open,
    };
    pass->n_rows += n;
    u->token += n;
    if (u->token == p->n) {
        u->token = 0;
        u->piece++;
    }
    return true;
}

static void cut_chunk(struct mk_ctx *c, struct cut *u)
{
    struct pass *pass = &c->pass;

    pass->ids = c->ids;
    pass->spans = c->spans;
    pass->prompts = c->prompts;
    pass->wanted = c->rows;
    pass->n_rows = pass->n_spans = pass->n_wanted = 0;
    while (u->piece < u->n && pass->n_rows < c->n_batch && add_span(c, u))
        ;
}

/* --- logits --------------------------------------------------------------- */

static bool same_ids(const struct mk_piece *a, const struct mk_piece *b)
{
    return a->n_ids == b->n_ids &&
           (a->ids == b->ids || a->n_ids == 0 ||
            memcmp(a->ids, b->ids, a->n_ids * sizeof *a->ids) == 0);
}

/* The wanted rows from `first` on that can be computed by one product. */
static size_t logit_group(const struct mk_ctx *c, size_t first)
{
    size_t n = 1;

    while (first + n < c->pass.n_wanted && n < LOGIT_ROWS &&
           same_ids(c->wanted[first].piece, c->wanted[first + n].piece))
        n++;
    return n;
}

static void output_product(struct mk_ctx *c, size_t first, size_t n)
{
    const struct net *net = c->m->net;
    const struct mk_piece *p = c->wanted[first].piece;
    size_t cols = (size_t)net->h.n_embd;
    const float *x = c->pass.h + first * cols;
    struct be_linear l = { net->output.mat, net->output.bias, c->logits,
                           (size_t)net->h.n_vocab };

    if (p->n_ids > 0)
        c->m->backend->matmul_rows(c->be, x, n, net->output.mat, p->ids,
                                   p->n_ids, c->logits);
    else
        c->m->backend->matmul(c->be, x, cols, n, &l, 1);
}

/* What families do to the logits beyond the product: on the host, so that
 * backends need not know. */
static void finish_logits(const struct net *n, const struct mk_piece *p,
                          float *x, size_t width)
{
    if (!n->logit_bias && !n->logit_scale)
        return;
    for (size_t i = 0; i < width; i++) {
        size_t id = p->n_ids ? (size_t)p->ids[i] : i;
        float bias = n->logit_bias ? n->logit_bias[id] : 0;
        float scale = n->logit_scale ? n->logit_scale[id] : 1;
        x[i] = (x[i] + bias) * scale;
    }
}

static void give_logits(struct mk_ctx *c)
{
    size_t n_vocab = (size_t)c->m->net->h.n_vocab, n;

    for (size_t first = 0; first < c->pass.n_wanted; first += n) {
        const struct mk_piece *p = c->wanted[first].piece;
        size_t width = p->n_ids ? p->n_ids : n_vocab;
        n = logit_group(c, first);
        output_product(c, first, n);
        for (size_t i = 0; i < n; i++) {
            const struct wanted *w = &c->wanted[first + i];
            float *x = w->piece->logits + w->index * width;
            c->m->backend->download(c->be, x, c->logits + i * width,
                                    width * sizeof(float));
            finish_logits(c->m->net, w->piece, x, width);
        }
    }
}

int mk_compute(struct mk_ctx *c, const struct mk_piece *pieces, size_t n,
               char *err)
{
    struct cut u = { .pieces = pieces, .n = n };
    struct err e;
    enum err_code rc = reserve(c, pieces, n, &e);

    if (rc)
        return status_out(rc, &e, err);
    while (u.piece < n) {
        cut_chunk(c, &u);
        c->m->net->arch->forward(c->m->net, &c->pass);
        give_logits(c);
    }
    for (size_t i = 0; i < n; i++)
        kv_settle(c->kv, pieces[i].seq,
                  kv_len(c->kv, pieces[i].seq) + pieces[i].n);
    return MK_OK;
}
