/* Which positions of which sequence lie in which block of the KV cache.
 *
 * The cache is blocks of KV_BLOCK positions with reference counts; a sequence
 * is a length and a table of blocks.  A fork shares the blocks; the last one is
 * copied when a sequence that shares it is about to write there (copy on
 * write), so a fork costs no block until then. */
#ifndef MK_KV_H
#define MK_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/backend.h"
#include "harness/base/err.h"

/* What a family keeps of the prompt of a sequence; zero: nothing. */
struct kv_prompt {
    int32_t n;    /* tokens that later ones depend on as a whole */
    int32_t open; /* positions before this one are seen by all of them */
    int32_t mark; /* a position that the family looked for */
};

struct kv; /* bookkeeping only: the entries are the backend's */

/* Copies the first n positions of block src to block dst. */
typedef void kv_copy_fn(void *user, int32_t src, int32_t dst, size_t n);

enum err_code kv_open(struct kv **out, size_t n_blocks, kv_copy_fn *copy,
                      void *user, struct err *e) MUST_CHECK;
void kv_close(struct kv *kv);
uint64_t kv_table_bytes(size_t n_blocks); /* of kv_open() */

enum err_code kv_new(struct kv *kv, int32_t *seq, struct err *e) MUST_CHECK;
enum err_code kv_fork(struct kv *kv, int32_t src, size_t n, int32_t *dst,
                      struct err *e) MUST_CHECK;
enum err_code kv_trim(struct kv *kv, int32_t seq, size_t n,
                      struct err *e) MUST_CHECK;
void kv_free(struct kv *kv, int32_t seq); /* an unknown one is ignored */
bool kv_has(const struct kv *kv, int32_t seq);
size_t kv_len(const struct kv *kv, int32_t seq); /* 0 for an unknown one */
size_t kv_free_blocks(const struct kv *kv);

/* Blocks that n more tokens of seq take at the most. */
size_t kv_need(const struct kv *kv, int32_t seq, size_t n);
/* Gives seq the blocks for n more tokens, copies a shared last block.  The
 * length stays; kv_settle() sets it afterwards and gives back what it does not
 * need.  ERR_LIMIT when there are too few blocks, ERR_USAGE when seq is unknown
 * or reserved already. */
enum err_code kv_reserve(struct kv *kv, int32_t seq, size_t n,
                         struct err *e) MUST_CHECK;
void kv_settle(struct kv *kv, int32_t seq, size_t len);
/* Zero for a new sequence; a fork has that of its source. */
struct kv_prompt *kv_prompt(struct kv *kv, int32_t seq);
const int32_t *kv_table(const struct kv *kv, int32_t seq);

#endif
