/* What the files of the batch share: serve_batch.c queues orders and hands out
 * news, serve_lanes.c decides who is computed next, serve_take.c reads the
 * logits. */
#ifndef MK_SERVE_LANES_H
#define MK_SERVE_LANES_H

#include "engine/stream.h"
#include "harness/serve/serve_batch.h"

enum { LANE_BLOCK = 32 }; /* positions that the KV cache gives out at once */

/* A row of tokens.  It waits (no sequence), is under way, or is kept for what
 * others may have in common with it (no ask). */
struct lane {
    struct lane *next; /* in the order of arrival */
    struct ask *ask;
    int32_t *tokens; /* of the prompt, and generated ones */
    size_t n, cap, n_prompt;
    size_t done;         /* of them computed: the length of the sequence */
    int32_t seq;         /* -1: none */
    struct marks prompt; /* as far as they are known */
    struct marks fresh;  /* generated, not handed out */
    bool prompt_given, started, over;
    struct stream text;
    size_t chars, counted; /* characters in the first `counted` bytes */
    uint64_t state;        /* of the sampler */
    uint64_t used;         /* when it was last of use: the oldest goes first */
    size_t n_cached;
    enum mk_finish finish;
    struct err err;
};
/* NULL when there is no memory. */
struct lane *lane_open(struct ask *a);
/* c is needed where the lane has a sequence. */
void lane_close(struct lane *l, struct mk_ctx *c);
void lane_fail(struct lane *l, enum err_code code, const char *msg);
/* What the logits of a piece say: marks of the prompt, the next token. */
void lane_take(struct lane *l, const struct mk_model *m,
               const struct mk_piece *p);
/* Moves what can be given to the ask; whether there is anything to take.  The
 * batch's lock is held. */
bool lane_publish(struct lane *l);

/* Belongs to the batch's thread alone. */
struct lanes {
    struct mk_model *model;
    struct mk_ctx *ctx;
    struct lane *first;
    size_t n_parallel, n_vocab, n_batch;
    bool whole; /* prompts share nothing and are computed at once */
    uint64_t clock;
    float *logits; /* [n_rows][n_vocab] */
    size_t n_rows;
    /* the next step */
    struct mk_piece pieces[BATCH_MAX_PARALLEL];
    struct lane *of[BATCH_MAX_PARALLEL];
    size_t n_pieces, n_tokens, rows_used;
};
void lanes_add(struct lanes *s, struct lane *l); /* owns it from now on */
/* Lets in who can begin, and lays out the next step; false: nothing to do. */
bool lanes_plan(struct lanes *s);
/* Computes what was planned and reads it. */
void lanes_step(struct lanes *s);
/* Lets go of a lane that is over: keeps its tokens or closes it. */
void lanes_retire(struct lanes *s, struct lane *l);
void lanes_free(struct lanes *s);

#endif
