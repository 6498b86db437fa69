/* Continuous batching: requests join and leave while others are computed.
 *
 * One thread owns the engine's context.  At each step it computes one batch: a
 * token of every generation under way, and with the room that is left the next
 * part of the prompts that have begun.  A new prompt takes over what it has in
 * common with one that is there or was there lately, and waits while another is
 * about to compute that.  When the KV cache is full, what is kept for later
 * goes first, then the youngest generation is put aside and computed again.
 * None of this can be seen in a result: the engine gives the same bits for any
 * batch, and each request has a generator of its own. */
#ifndef MK_SERVE_BATCH_H
#define MK_SERVE_BATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "harness/base/buf.h"
#include "harness/base/err.h"

enum { BATCH_MAX_PARALLEL = 256, MARKS_MAX_TOP = 20 };

/* --- what is known of tokens ------------------------------------------------ */

struct top {
    int32_t id;
    double logprob;
};
struct mark {
    int32_t id;
    double logprob;    /* NaN: the first token of a prompt has none */
    size_t n_top;      /* entries of its row of tops */
    size_t begin, end; /* generated: bytes of the text before and with it */
    size_t chars;      /* generated: characters of the text before it */
};
struct marks {
    struct mark *v;
    struct top *tops; /* n_top a mark, likeliest first */
    size_t n, cap, cap_tops, n_top;
};
void marks_free(struct marks *m);
/* Appends marks [from, to) of another one with at least as many tops. */
bool marks_copy(struct marks *m, const struct marks *from, size_t begin,
                size_t end) MUST_CHECK;
/* Appends a token read from its row of logits; NULL: nothing is known. */
bool marks_add(struct marks *m, struct mark mark, const float *logits,
               size_t n_vocab) MUST_CHECK;

/* --- requests --------------------------------------------------------------- */

/* What has come of an ask since it was last taken. */
struct news {
    struct buf text;     /* whole characters */
    struct marks prompt; /* all of them, once */
    struct marks marks;  /* of generated tokens whose text was given */
    bool over;           /* the rest holds only then */
    enum mk_finish finish;
    size_t n_tokens; /* generated, the end token included */
    size_t n_cached; /* of the prompt, not computed for this ask */
    struct err err;  /* if finish is MK_FINISH_ERROR */
};
void news_free(struct news *n);

/* One continuation.  The caller's, with all it points to, until it is over. */
struct ask {
    const int32_t *prompt;
    size_t n_prompt;
    size_t max_tokens;
    struct mk_sampling sampling;
    const char *const *stop;
    size_t n_stop;
    bool score_prompt;   /* marks of the prompt too */
    bool mark;           /* marks of generated tokens */
    size_t n_top;        /* tops of each mark */
    struct order *order; /* set by batch_submit() */
    struct news news;    /* under the batch's lock: batch_take() */
};

/* The asks of one HTTP request. */
struct order {
    struct ask *asks;
    size_t n;
    size_t n_open; /* not over */
    bool whole;    /* set by the caller: no news before all are over */
    bool news, cancelled;
    pthread_cond_t changed;
};

struct batch_params {
    struct mk_model *model; /* must outlive the batch */
    int n_threads;          /* 0: the model's */
    size_t n_positions;     /* of the KV cache; 0: chosen by the model */
    size_t n_parallel;      /* sequences under way at the most; 0: 16 */
    size_t n_queue;         /* asks that may wait beside; 0: 1024 */
};

struct batch;
/* Opens a context and starts the thread.  *out is the caller's. */
enum err_code batch_open(struct batch **out, const struct batch_params *p,
                         struct err *e) MUST_CHECK;
/* Cancels what is under way and ends the thread.  No order may be in use. */
void batch_close(struct batch *b);
/* Tokens that prompt and answer may have together. */
size_t batch_context(const struct batch *b);
/* Asks that one order may have. */
size_t batch_room(const struct batch *b);

/* Hands the asks to the thread: ERR_RATE when too many wait.  After success the
 * caller must call batch_end() before it frees anything of the order. */
enum err_code batch_submit(struct batch *b, struct order *o,
                           struct err *e) MUST_CHECK;
/* Waits for news of the order, wait_ms at the most; whether there are any. */
bool batch_wait(struct batch *b, struct order *o, int wait_ms);
bool batch_over(struct batch *b, struct order *o); /* all asks are over */
/* Moves what is new to *out, whose own content is the caller's to free. */
void batch_take(struct batch *b, struct ask *a, struct news *out);
/* Cancels what is left of the order, waits for that, frees what it holds. */
void batch_end(struct batch *b, struct order *o);
/* Cancels all orders: each ends with ERR_CANCELLED. */
void batch_cancel_all(struct batch *b);

#endif
