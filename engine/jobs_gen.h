/* One generation in progress: its tokens, its text, how it ends. */
#ifndef MK_JOBS_GEN_H
#define MK_JOBS_GEN_H

#include "engine/engine.h"
#include "engine/row.h"
#include "engine/stream.h"
#include "engine/vocab.h"

struct gen {
    const struct mk_job *job;
    size_t index;      /* of the job */
    int32_t seq;       /* -1: put aside, to be computed again */
    struct ids tokens; /* prompt and generated ones; the last is not computed */
    struct stream text;
    uint64_t state; /* of the sampler */
    double logprob, margin;
    int64_t prefill_ns, decode_ns;
    bool over;
    enum mk_finish finish;
    struct err err; /* if finish is MK_FINISH_ERROR */
};

enum err_code gen_open(struct gen **out, const struct mk_job *job, size_t index,
                       struct err *e) MUST_CHECK;
void gen_close(struct gen *g);
/* Takes the next token from a row of logits and what was read of it; sets over
 * when it was the last. */
void gen_take(struct gen *g, const struct vocab *v, const float *logits,
              size_t n_vocab, const struct row *row);
/* Ends it for a reason from outside. */
void gen_end(struct gen *g, enum mk_finish how);
void gen_result(const struct gen *g, struct mk_result *r);

#endif
