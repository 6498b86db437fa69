/* Blocks, reference counts and the tables of sequences.
 *
 * Invariants: a block is free (count 0, on the stack of free ones) or in as
 * many tables as its count says; a table holds the blocks of positions 0 ...
 * len-1 and, between reserve and settle, those of the tokens to come. */
#include "engine/kv.h"

#include <assert.h>
#include <string.h>

#include "harness/base/mem.h"

#define MAX_SEQS 65536

struct seq {
    int32_t *table;
    size_t n, cap; /* blocks in the table */
    size_t len;    /* positions */
    bool used;
    bool reserved; /* between reserve and settle */
    struct kv_prompt prompt;
};

struct kv {
    size_t n_blocks, n_free;
    int32_t *free; /* stack */
    int32_t *refs; /* [n_blocks] */
    struct seq *seqs;
    size_t n_seqs, cap_seqs;
    kv_copy_fn *copy;
    void *user;
};

uint64_t kv_table_bytes(size_t n_blocks)
{
    return sizeof(struct kv) + (uint64_t)n_blocks * 2 * sizeof(int32_t);
}

enum err_code kv_open(struct kv **out, size_t n_blocks, kv_copy_fn *copy,
                      void *user, struct err *e)
{
    struct kv *kv = mem_zalloc(sizeof *kv);

    *out = NULL;
    if (kv) {
        kv->free = mem_array(n_blocks, sizeof *kv->free);
        kv->refs = mem_array(n_blocks, sizeof *kv->refs);
    }
    if (!kv || !kv->free || !kv->refs) {
        kv_close(kv);
        return err_set(e, ERR_NOMEM, "no memory for %zu KV blocks", n_blocks);
    }
    kv->n_blocks = kv->n_free = n_blocks;
    kv->copy = copy;
    kv->user = user;
    for (size_t i = 0; i < n_blocks; i++)
        kv->free[i] = (int32_t)(n_blocks - 1 - i);
    *out = kv;
    return ERR_OK;
}

void kv_close(struct kv *kv)
{
    if (!kv)
        return;
    for (size_t i = 0; i < kv->n_seqs; i++)
        mem_free(kv->seqs[i].table);
    mem_free(kv->seqs);
    mem_free(kv->free);
    mem_free(kv->refs);
    mem_free(kv);
}

/* --- blocks --------------------------------------------------------------- */

static int32_t take_block(struct kv *kv)
{
    int32_t b = kv->free[--kv->n_free];
    assert(kv->refs[b] == 0);
    kv->refs[b] = 1;
    return b;
}

static void drop_block(struct kv *kv, int32_t b)
{
    assert(kv->refs[b] > 0);
    if (--kv->refs[b] == 0)
        kv->free[kv->n_free++] = b;
}

static size_t blocks_of(size_t len)
{
    return (len + KV_BLOCK - 1) / KV_BLOCK;
}

/* The last block is partly filled and in other tables too. */
static bool shares_last(const struct kv *kv, const struct seq *s)
{
    return s->len % KV_BLOCK != 0 && kv->refs[s->table[s->len / KV_BLOCK]] > 1;
}

static void unshare_last(struct kv *kv, struct seq *s)
{
    int32_t *last = &s->table[s->len / KV_BLOCK], copy = take_block(kv);

    kv->copy(kv->user, *last, copy, s->len % KV_BLOCK);
    drop_block(kv, *last);
    *last = copy;
}

/* --- sequences ------------------------------------------------------------ */

bool kv_has(const struct kv *kv, int32_t seq)
{
    return seq >= 0 && (size_t)seq < kv->n_seqs && kv->seqs[seq].used;
}

static enum err_code check_seq(const struct kv *kv, int32_t seq, struct err *e)
{
    if (kv_has(kv, seq))
        return ERR_OK;
    return err_set(e, ERR_USAGE, "there is no sequence %d", seq);
}

size_t kv_len(const struct kv *kv, int32_t seq)
{
    return kv_has(kv, seq) ? kv->seqs[seq].len : 0;
}

size_t kv_free_blocks(const struct kv *kv)
{
    return kv->n_free;
}

enum err_code kv_new(struct kv *kv, int32_t *seq, struct err *e)
{
    size_t i = 0;

    while (i < kv->n_seqs && kv->seqs[i].used)
        i++;
    if (i == MAX_SEQS)
        return err_set(e, ERR_LIMIT, "more than %d sequences", MAX_SEQS);
    if (!mem_grow(&kv->seqs, &kv->cap_seqs, i + 1, sizeof *kv->seqs))
        return err_set(e, ERR_NOMEM, "no memory for a sequence");
    if (i == kv->n_seqs)
        kv->seqs[kv->n_seqs++] = (struct seq){ 0 };
    kv->seqs[i].used = true;
    kv->seqs[i].prompt = (struct kv_prompt){ 0 };
    *seq = (int32_t)i;
    return ERR_OK;
}

static enum err_code room_for(struct seq *s, size_t n_blocks, struct err *e)
{
    if (mem_grow(&s->table, &s->cap, n_blocks, sizeof *s->table))
        return ERR_OK;
    return err_set(e, ERR_NOMEM, "no memory for a sequence of %zu blocks",
                   n_blocks);
}

enum err_code kv_fork(struct kv *kv, int32_t src, size_t n, int32_t *dst,
                      struct err *e)
{
    enum err_code rc = check_seq(kv, src, e);
    int32_t new_seq = 0;
    struct seq *from, *to;

    if (rc)
        return rc;
    if (n > kv->seqs[src].len)
        return err_set(e, ERR_USAGE,
                       "a fork of %zu tokens of sequence %d, "
                       "which has %zu",
                       n, src, kv->seqs[src].len);
    rc = kv_new(kv, &new_seq, e);
    if (rc)
        return rc;
    from = &kv->seqs[src];
    to = &kv->seqs[new_seq];
    rc = room_for(to, blocks_of(n), e);
    if (rc) {
        to->used = false;
        return rc;
    }
    for (; to->n < blocks_of(n); to->n++) {
        to->table[to->n] = from->table[to->n];
        kv->refs[to->table[to->n]]++;
    }
    to->len = n;
    to->prompt = from->prompt;
    *dst = new_seq;
    return ERR_OK;
}

enum err_code kv_trim(struct kv *kv, int32_t seq, size_t n, struct err *e)
{
    enum err_code rc = check_seq(kv, seq, e);

    if (rc)
        return rc;
    if (n > kv->seqs[seq].len)
        return err_set(e, ERR_USAGE,
                       "sequence %d has %zu tokens, it cannot be "
                       "cut to %zu",
                       seq, kv->seqs[seq].len, n);
    kv_settle(kv, seq, n);
    return ERR_OK;
}

void kv_free(struct kv *kv, int32_t seq)
{
    if (!kv_has(kv, seq))
        return;
    kv_settle(kv, seq, 0);
    kv->seqs[seq].used = false;
}

/* --- growing -------------------------------------------------------------- */

size_t kv_need(const struct kv *kv, int32_t seq, size_t n)
{
    const struct seq *s = &kv->seqs[seq];
    return blocks_of(s->len + n) - s->n + (n > 0 && shares_last(kv, s));
}

enum err_code kv_reserve(struct kv *kv, int32_t seq, size_t n, struct err *e)
{
    enum err_code rc = check_seq(kv, seq, e);
    struct seq *s;
    size_t want;

    if (rc)
        return rc;
    s = &kv->seqs[seq];
    want = blocks_of(s->len + n);
    if (s->reserved)
        return err_set(e, ERR_USAGE, "sequence %d occurs twice", seq);
    if (kv_need(kv, seq, n) > kv->n_free)
        return err_set(e, ERR_LIMIT, "the KV cache is full");
    rc = room_for(s, want, e);
    if (rc)
        return rc;
    if (n > 0 && shares_last(kv, s))
        unshare_last(kv, s);
    while (s->n < want)
        s->table[s->n++] = take_block(kv);
    s->reserved = true;
    return ERR_OK;
}

void kv_settle(struct kv *kv, int32_t seq, size_t len)
{
    struct seq *s = &kv->seqs[seq];

    assert(kv_has(kv, seq));
    s->len = len;
    s->reserved = false;
    while (s->n > blocks_of(len))
        drop_block(kv, s->table[--s->n]);
}

const int32_t *kv_table(const struct kv *kv, int32_t seq)
{
    return kv->seqs[seq].table;
}

struct kv_prompt *kv_prompt(struct kv *kv, int32_t seq)
{
    return &kv->seqs[seq].prompt;
}
