/* Greedy merging of neighbours, shared by byte-level BPE and SentencePiece BPE:
 * symbols in a linked list, candidates in a heap, O(n log n). */
#ifndef MK_VOCAB_MERGE_H
#define MK_VOCAB_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge_sym {
    uint32_t at, len; /* bytes of the text; len 0: absorbed by its left */
    int32_t id;       /* -1: no token */
    int32_t prev, next;
    uint32_t when; /* number of the merge that absorbed it */
};

struct merge_cand {
    uint64_t key; /* priority << 32 | left symbol: the least goes first */
    uint32_t right, len;
    int32_t id;
};

struct merger {
    struct merge_sym *sym;
    size_t n_sym, cap_sym;
    struct merge_cand *heap;
    size_t n_heap, cap_heap;
    bool failed; /* no memory */
};

/* Whether l and r merge: to what id, and how early (0 first). */
typedef bool merge_pair_fn(const void *arg, const struct merge_sym *l,
                           const struct merge_sym *r, uint32_t *prio,
                           int32_t *id);

void merger_free(struct merger *m);
void merger_clear(struct merger *m);
void merger_add(struct merger *m, uint32_t at, uint32_t len, int32_t id);
/* Merges until nothing merges; ties go to the left.  Symbol 0 stays the head of
 * the list. */
void merger_run(struct merger *m, merge_pair_fn *pair, const void *arg);

#endif
