/* Adapters: one wire format each, request -> HTTP call, body -> reply.
 *
 * An adapter is pure: it builds calls and reads what came back.  Connections,
 * retries, pace and secrets' origin are runner_remote.c's.  What differs
 * between providers of one format stands in the provider's row.
 *
 * A new one is a file adapter_NAME.c and a row in ADAPTERS. */
#ifndef MK_ADAPTER_H
#define MK_ADAPTER_H

#include "harness/base/buf.h"
#include "runners/provider.h"
#include "runners/runner.h"
#include "runners/sse.h"

/* A model at a provider, ready to be asked. */
struct endpoint {
    const struct provider *provider;
    const struct model_spec *model;
    const char *name;     /* the provider's name of the model */
    const char *base_url; /* without the slash at the end */
    bool stream;
    /* Secrets, by the role of provider->env_roles; NULL where unset.  They
     * never enter a message, a log line or a record. */
    const char *const *secrets;
    const char *token; /* minted by token_call, NULL: none yet */
    int64_t now_ms;    /* wall clock of the call: for signatures */
};
/* The secret of that role, NULL: unset or no such role. */
const char *endpoint_secret(const struct endpoint *ep, const char *role);

/* One call to make.  All in the arena that was given. */
struct call {
    const char *method; /* "POST" */
    const char *url;
    const char **headers; /* "Name: value"; those of the key are among them */
    size_t n_headers;
    struct str body; /* sent as it is: what was signed */
    enum framing framing;
    bool websocket; /* upgrade, send body as one text frame, read frames */
};
/* Appends a header made as by printf. */
enum err_code call_header(struct call *c, struct arena *a, struct err *e,
                          const char *fmt, ...) PRINTF_LIKE(4, 5) MUST_CHECK;

/* A fault as the vendor told it. */
struct fault {
    enum fault_class class;
    char code[64];     /* the vendor's, as text; "": none */
    char message[200]; /* the vendor's words, UTF-8, cut */
    int64_t retry_ms;  /* told by the body, -1: not told */
};

/* What a request has brought so far; filled by the adapter piece by piece. */
struct reply {
    struct buf text, reasoning;
    enum finish finish;
    bool finished; /* a finish reason, or the stream's own end was seen */
    bool refused;  /* the model says so in a field of its own */
    /* Of this call; the runner adds up.  -1: not told */
    int64_t prompt_tokens, cached_tokens, output_tokens;
    double *logprobs; /* SCORE: [n_options], NaN until known */
    int64_t *option_tokens;
    struct fault fault; /* class FAULT_NONE: none */
    int64_t events;     /* the adapter's own count, 0 at first */
};

struct adapter {
    const char *shape;
    const char *doc;
    /* Calls that one request takes: 1, or one an option when options are
     * scored by the log-probabilities of the prompt.  NULL: always 1. */
    size_t (*n_calls)(const struct endpoint *ep, const struct request *q);
    enum err_code (*build)(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e);
    /* A whole body with a status below 300; sets r->fault when it tells of an
     * error all the same. */
    void (*parse)(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r);
    /* One event of a stream, its data parsed; NULL: never streams.  data is
     * NULL for the end mark "[DONE]" alone; other data that is no JSON never
     * gets here. */
    void (*event)(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r);
    /* The vendor's code and words out of an error body; body NULL: it is no
     * JSON, see raw.  The class is set from provider_fault() by default. */
    void (*fault)(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f);
    /* Providers whose token is minted by a call of its own; NULL: none.  A
     * call with url NULL: this endpoint needs no token (its key signs).  The
     * body given to token_parse is that of the answer, or the value of the
     * header token_header where the token comes in a header.
     * *expires_ms is wall clock. */
    const char *token_header;
    enum err_code (*token_call)(const struct endpoint *ep, struct arena *a,
                                struct call *out, struct err *e);
    enum err_code (*token_parse)(const struct endpoint *ep, struct str body,
                                 struct arena *a, const char **token,
                                 int64_t *expires_ms, struct err *e);
    /* Whether options can be scored by log-likelihood; NULL: no. */
    bool (*can_score)(const struct endpoint *ep, bool chat);
};

/* --- what adapters share ---------------------------------------------------- */

/* Code and words of a fault, cut to fit, and its class: by the row's words,
 * its codes, the status.  code may be NULL, message too. */
void fault_set(struct fault *f, const struct provider *p, int status,
               const char *code, const char *message);
/* Writes the request's sampling parameters as the row's rules want them: sent,
 * left out, brought into range, renamed, or replaced by other members.  Their
 * names are temperature, top_p, top_k, max_tokens, seed and stop. */
void adapter_sampling(struct jw *w, const struct endpoint *ep,
                      const struct request *q);
/* Writes the row's "body" for this model, with the changes of the model's own
 * entry: members that are null there are left out. */
void adapter_extra(struct jw *w, const struct endpoint *ep);
/* Writes the members of an object (NULL: none) into the one that is open. */
void adapter_members(struct jw *w, const struct json *object);
/* The messages as the row wants them: system text under its role, or put before
 * the first user message; neighbours of one role joined where they have to
 * alternate.  ERR_REJECTED when there are more than the provider takes. */
enum err_code adapter_messages(const struct endpoint *ep,
                               const struct request *q, struct arena *a,
                               const struct message **out, size_t *n,
                               struct err *e) MUST_CHECK;
/* The row's word for a finish reason, by its "finish"; the usual names without
 * one.  Sets r->finish and r->finished, or a fault where the reason means that
 * the answer has to be asked again.  NULL and "": nothing. */
void adapter_finish(const struct endpoint *ep, const char *reason,
                    struct reply *r);

#define ADAPTERS(X)                                                            \
    X(anthropic)                                                               \
    X(dashscope)                                                               \
    X(gemini)                                                                  \
    X(minimax)                                                                 \
    X(openai)                                                                  \
    X(pangu)                                                                   \
    X(qianfan)                                                                 \
    X(sensenova)                                                               \
    X(skywork)                                                                 \
    X(spark)                                                                   \
    X(tencent)                                                                 \
    X(tgi)                                                                     \
    X(volc)
#define ADAPTER_DECL(name) extern const struct adapter adapter_##name;
ADAPTERS(ADAPTER_DECL)
#undef ADAPTER_DECL
extern const struct adapter *const adapters[];         /* NULL at the end */
const struct adapter *adapter_find(const char *shape); /* NULL: none */

#endif
