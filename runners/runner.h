/* Runners: request -> response.
 *
 * A runner answers requests: the in-tree engine, a remote API, recorded
 * responses.  It pulls requests and hands back responses in any order, as many
 * in flight as it sees fit.  It never sees the store or an item. */
#ifndef MK_RUNNER_H
#define MK_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/digest.h"
#include "harness/base/err.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"

enum request_kind { REQUEST_CHAT, REQUEST_COMPLETION, REQUEST_SCORE };

struct message {
    const char *role, *content;
};

struct sampling {
    double temperature; /* NaN: not sent */
    double top_p;       /* NaN: not sent */
    int64_t top_k;      /* -1: not sent */
    int64_t max_tokens;
    int64_t seed;
    const char **stop;
    size_t n_stop;
};

struct request {
    size_t id; /* the caller's */
    enum request_kind kind;
    const struct message *messages; /* CHAT, and SCORE in a chat */
    size_t n_messages;
    const char *prompt;   /* COMPLETION, and SCORE of plain text */
    const char **options; /* SCORE: continuations of the prompt */
    size_t n_options;
    const char *template; /* chat template by name; NULL: the model's own */
    struct sampling sampling;
};

enum finish {
    FINISH_STOP,
    FINISH_LENGTH,
    FINISH_CONTEXT,
    FINISH_FILTER,
    FINISH_REFUSED,
    FINISH_SCORED,
    FINISH_OTHER
};
const char *finish_name(enum finish f); /* "stop" ... */
/* FINISH_OTHER for a name it does not know. */
enum finish finish_from_name(const char *name);

struct response {
    /* ERR_OK: an answer.  Anything else: no answer, and why. */
    enum err_code code;
    const char *message;     /* of the error */
    const char *vendor_code; /* of the error, or NULL */
    int http_status;         /* 0: none */
    int attempts;
    const char *text;      /* SCORE: NULL */
    const char *reasoning; /* kept apart from the answer, or NULL */
    enum finish finish;
    const double *logprobs;       /* SCORE: [n_options], natural log */
    const int64_t *option_tokens; /* SCORE: [n_options] tokens scored */
    double margin; /* engine: smallest top-1 - top-2 on the way, or
                                best - second option; NaN: unknown */
    int64_t prompt_tokens, cached_tokens, output_tokens; /* -1: unknown */
    int64_t started_ms;                                  /* wall clock */
    int64_t latency_ns, first_token_ns;                  /* -1: unknown */
};

/* Where requests come from and responses go.  The request and all it points to
 * stay valid until its response has been delivered; the response until
 * `deliver` returns.  All three are called on the thread of runner_run().
 * A delivery may bring new requests (the next turn of a dialogue): the run is
 * over when `next` gives NULL and nothing is in flight. */
struct exchange {
    const struct request *(*next)(void *user); /* NULL: none at present */
    void (*deliver)(void *user, const struct request *req,
                    const struct response *res);
    /* 0 go on; 1 finish what is under way, ask nothing new; 2 stop at once */
    int (*stop)(void *user);
    void *user;
};

/* What a model is: an entry of models.json or an inline spec. */
struct model_spec {
    const char *id;       /* "qwen-0.5b" or the inline spec itself */
    const char *kind;     /* runner: "gguf", "replay" ... */
    const char *path;     /* file, or the provider's name of the model */
    const char *provider; /* remote: a row of providers.json; else NULL */
    const char *base_url; /* remote: instead of the provider's, or NULL */
    /* remote: a JSON object, members added to every request's body or put in
     * the place of the provider's own (null: taken out); NULL: none. */
    const char *body;
    const char *name, *vendor;
    const char **names; /* all it is known by; name is the first */
    size_t n_names;
    bool open, domestic;
    double size_b;              /* billions of parameters, 0: unknown */
    double price_in, price_out; /* per million tokens, NaN: unknown */
    double price_cached; /* of prompt tokens the vendor had cached; NaN */
    const char *currency, *price_date, *price_source;
    const char *template; /* chat template, NULL: its own */
    const char *system;   /* system prompt for every item, or NULL */
    const char **tags;
    size_t n_tags;
    struct sampling sampling; /* defaults of this model; NaN/-1: none */
};

struct runner_params {
    int threads;           /* engine; 0: the cores there are */
    const char *device;    /* engine; NULL: auto */
    bool f32;              /* engine: float32 activations */
    size_t concurrency;    /* in flight at the most; 0: the runner's choice */
    size_t context;        /* engine: KV positions; 0: the runner's choice */
    double rpm, tpm;       /* remote: requests, tokens a minute; 0: no limit */
    int64_t timeout_ms;    /* remote: for a whole answer; 0: its choice */
    int64_t retries;       /* remote: after a first failure; -1: its choice */
    bool stream;           /* remote: answers piece by piece */
    uint64_t seed;         /* remote: of the jitter between attempts */
    const char *providers; /* remote: file of providers, NULL: usual place */
};

struct runner;
struct runner_kind {
    const char *name; /* the prefix of inline specs: "gguf" */
    const char *doc;
    bool words; /* a model's path is a command line, not a file */
    enum err_code (*open)(struct runner **out, const struct model_spec *m,
                          const struct runner_params *p, struct err *e);
    void (*close)(struct runner *r);
    /* Answers all requests of the exchange.  ERR_OK even when some have no
     * answer; ERR_CANCELLED when stopped; other codes: the runner itself
     * cannot go on. */
    enum err_code (*run)(struct runner *r, const struct exchange *x,
                         struct err *e);
    /* What identifies the model beyond its parameters: the GGUF's SHA-256 and
     * how it is computed; provider + model + endpoint kind.  In the arena. */
    enum err_code (*fingerprint)(struct runner *r, struct arena *a,
                                 const char **out, struct err *e);
    /* Whether options can be scored by log-likelihood. */
    bool (*can_score)(const struct runner *r, bool chat);
    /* Prompt tokens of a request by the model's own tokenizer, as its response
     * would tell them; NULL: it is not here. */
    enum err_code (*count)(struct runner *r, const struct request *q,
                           int64_t *tokens, struct err *e);
    /* Runs several runners of this kind from one thread: see
     * runner_run_all().  NULL: they run one after the other. */
    void (*run_all)(struct runner *const *r, const struct exchange *x,
                    struct err *errs, size_t n);
};

/* Every runner's own struct starts with this. */
struct runner {
    const struct runner_kind *kind;
};

#define RUNNER_KINDS(X)                                                        \
    X(cmd)                                                                     \
    X(engine)                                                                  \
    X(remote)                                                                  \
    X(replay)
#define RUNNER_DECL(name) extern const struct runner_kind runner_##name;
RUNNER_KINDS(RUNNER_DECL)
#undef RUNNER_DECL
extern const struct runner_kind *const runner_kinds[];   /* NULL at the end */
const struct runner_kind *runner_find(const char *name); /* NULL: none */

/* SHA-256 of what is asked (kind, messages, prompt, options), not of how it is
 * sampled: the key of recorded responses. */
enum err_code request_digest(const struct request *r, char hex[DIGEST_HEX],
                             struct err *e) MUST_CHECK;

enum err_code runner_open(struct runner **out, const struct model_spec *m,
                          const struct runner_params *p,
                          struct err *e) MUST_CHECK;
void runner_close(struct runner *r);
enum err_code runner_run(struct runner *r, const struct exchange *x,
                         struct err *e) MUST_CHECK;
/* Answers n exchanges, x[i] by r[i]: those of one kind that has run_all at the
 * same time, the others one after the other.  errs[i] is what runner_run() of
 * each would have returned, code ERR_OK included. */
void runner_run_all(struct runner *const *r, const struct exchange *x,
                    struct err *errs, size_t n);

/* Models: the entries of a models file plus inline specs: "gguf:PATH", a path
 * that ends in .gguf, "replay:FILE", "PROVIDER:MODEL", "PROVIDER:URL#MODEL",
 * "http(s)://HOST/v1#MODEL" (a server of one's own that speaks OpenAI's shape).
 * Prices of remote models come from the provider's row where the entry has
 * none.  `file` NULL: ./models.json, else
 * $XDG_CONFIG_HOME/mokao/models.json, else the installed one.  Paths in a file
 * are relative to its folder.  The arena holds the result.  An unknown name is
 * ERR_FORMAT with the nearest one. */
enum err_code model_find(const char *spec, const char *file, struct arena *a,
                         struct model_spec *out, struct err *e) MUST_CHECK;
enum err_code model_list(const char *file, struct arena *a,
                         struct model_spec **out, size_t *n,
                         struct err *e) MUST_CHECK;
/* The models file that these read, NULL: there is none. */
const char *model_file(const char *file, struct arena *a);

#endif
