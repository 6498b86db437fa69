/* What the files of the remote runner share; for no one else.
 *
 *   runner_remote.c  the row: opens a model at a provider
 *   remote_loop.c    the loop of all models, remote_job.c one request of it,
 *   remote_token.c   the tokens that providers mint
 *   remote_reply.c   reads one answer as it comes
 *   remote_fault.c   says what went wrong, without any secret */
#ifndef MK_REMOTE_H
#define MK_REMOTE_H

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "runners/adapter.h"
#include "runners/http.h"
#include "runners/pace.h"

/* An opened model. */
struct remote {
    struct runner base;
    struct providers *providers;
    const struct provider *provider;
    const struct adapter *adapter;
    struct model_spec model;
    struct runner_params params;
    struct endpoint endpoint;
    const char **secrets; /* by the provider's env_roles */
    const char **hidden;  /* what may not be told; NULL at the end */
    const char *minted;   /* the token, NULL: none yet; in token_arena */
    int64_t minted_until_ms;
    int64_t minted_ns; /* when it was minted */
    bool tokenless;    /* this endpoint needs no token */
    struct arena token_arena;
    struct arena arena;
};

extern const struct runner_kind runner_remote;

/* --- remote_fault.c -------------------------------------------------------- */

/* Fills m->hidden from m->secrets. */
enum err_code remote_spell_secrets(struct remote *m, struct err *e) MUST_CHECK;
/* Replaces each secret of the model, as it is and URL-encoded, by "***".  Text
 * without one is returned as it is, else a copy in the arena; NULL: no
 * memory. */
const char *remote_scrub(const struct remote *m, const char *text,
                         struct arena *a);

/* A call that brought no answer. */
struct failure {
    enum fault_class class;
    enum err_code code; /* what is stored */
    int status;         /* of HTTP, 0: none */
    char vendor_code[64];
    char words[320];  /* the vendor's, or ours about the connection */
    int64_t retry_ns; /* told to wait; -1: not told */
    bool unreachable; /* nothing was sent */
    bool final;       /* told not to ask again */
};

/* Fills f from how the call ended and what the adapter found (fault may be
 * NULL or of class FAULT_NONE). */
void failure_of_http(struct failure *f, const struct http_result *r);
void failure_of_fault(struct failure *f, int status, const struct fault *fault);
void failure_words(struct failure *f, enum fault_class class, const char *fmt,
                   ...) PRINTF_LIKE(3, 4);
/* "zhipu: HTTP 429, code 1302: words (3 attempts); lower --rpm": scrubbed, in
 * the arena, NULL: no memory.  most: bytes of the words. */
const char *failure_message(const struct remote *m, const struct failure *f,
                            int attempts, size_t most, struct arena *a);

/* --- remote_reply.c -------------------------------------------------------- */

/* One answer under way. */
struct reading {
    const struct remote *model;
    const struct endpoint *endpoint;
    const struct request *request;
    size_t call;
    enum framing framing; /* what the call asked for */
    struct reply reply;
    struct sse stream;
    struct buf body; /* what is no stream, or the start of one */
    bool whole;      /* it is no stream after all */
    bool decided;    /* whether it is one is known */
    int status;
    struct pace_hint hint;
    int64_t first_text_ns; /* when text came first, -1: not yet */
    int64_t next_id;    /* of events numbered from 0 or 1; -1: they are not */
    uint64_t last_hash; /* of the last event's data */
    size_t n_events;
    struct failure failure; /* class FAULT_NONE: none so far */
};

void reading_init(struct reading *r);
void reading_free(struct reading *r);
/* Makes it ready for a call of the request.  What the reply holds of earlier
 * calls (log-probabilities) stays when call is not 0. */
void reading_start(struct reading *r, const struct remote *m,
                   const struct endpoint *ep, const struct request *q,
                   size_t call, enum framing framing);
void reading_header(struct reading *r, struct str name, struct str value);
/* false: no more is wanted (a fault, or a WebSocket whose answer is whole) */
bool reading_piece(struct reading *r, struct str piece);
/* The call has ended: r->failure says whether there is an answer. */
void reading_end(struct reading *r, const struct http_result *h);
/* Moves a leading <think>...</think> of the text to the reasoning. */
void reading_split_thoughts(struct reply *r);

/* --- remote_loop.c --------------------------------------------------------- */

void remote_run_all(struct runner *const *r, const struct exchange *x,
                    struct err *errs, size_t n);

#endif
