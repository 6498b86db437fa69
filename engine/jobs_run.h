/* What the files of mk_jobs_run() share: jobs_plan.c makes rows of tokens of the
 * jobs and gives results, jobs_fill.c fills the batches, jobs.c computes and uses
 * them. */
#ifndef MK_JOBS_RUN_H
#define MK_JOBS_RUN_H

#include "engine/engine.h"
#include "engine/internal.h"
#include "engine/jobs_gen.h"
#include "engine/jobs_tree.h"
#include "engine/row.h"

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
    bool whole;   /* prompts are shared as a whole only */
    bool at_once; /* and computed in one batch */
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
    struct row *row; /* of the logits, read */
    char *err;       /* of mk_ calls, MK_ERR_LEN */
};

static inline size_t blocks_of(size_t positions)
{
    return (positions + KV_BLOCK - 1) / KV_BLOCK;
}

static inline struct tree_node *parent_of(const struct run *r,
                                          const struct tree_node *x)
{
    return x->parent == TREE_NONE ? NULL : &r->tree.node[x->parent];
}

/* --- jobs_plan.c ---------------------------------------------------------- */

/* Checks the jobs, ends those that cannot be run, builds the tree of the
 * others. */
enum err_code jobs_plan(struct run *r, struct err *e) MUST_CHECK;
/* The error code of what an mk_ function returned; the message is in r->err. */
enum err_code jobs_status(const struct run *r, int status,
                          struct err *e) MUST_CHECK;
enum err_code jobs_no_memory(struct err *e);
/* Hand a result to the caller; ERR_CANCELLED when that stops the run. */
enum err_code jobs_give_gen(struct run *r, struct gen *g,
                            struct err *e) MUST_CHECK;
enum err_code jobs_give_scores(struct run *r, size_t job,
                               struct err *e) MUST_CHECK;

/* --- jobs_fill.c ---------------------------------------------------------- */

/* Fills the batch; it stays empty when there is nothing left to do. */
enum err_code jobs_fill(struct run *r, struct err *e) MUST_CHECK;
/* Frees the node's sequence. */
void jobs_release(struct run *r, struct tree_node *x);

#endif
