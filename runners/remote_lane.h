/* What the files of the loop share; for no one else.
 *
 *   remote_loop.c    whose turn it is, from begin to end
 *   remote_job.c     one request: sent, tried again, delivered
 *   remote_token.c   tokens that a provider mints */
#ifndef MK_REMOTE_LANE_H
#define MK_REMOTE_LANE_H

#include "runners/remote.h"

enum {
    FATAL_MOST = 3,        /* in a row, then a model stops */
    FATAL_LATER = 10,      /* the same once it has answered */
    UNREACHABLE_MOST = 10, /* requests given up in a row, no connection */
    AT_ONCE = 16,          /* sent; read; delivered */
    RATE_PATIENCE = 4,     /* "too fast" may be told so many times more */
    GRACE_MS = 30000,      /* after a first interruption */
    WAIT_MOST_MS = 600000, /* a vendor that wants more gets no answer */
    CONNECT_MS = 15000,
    FIRST_MS = 300000, /* of a stream */
    STALL_MS = 120000,
    TOKEN_EARLY_MS = 60000, /* a token is renewed before it ends */
    TOKEN_MS = 30000,
    BODY_LIMIT = 64 << 20,
    STOP_WORDS = 100 /* bytes of a vendor's, so that the cure has room */
};

struct lane;

struct job {
    struct lane *lane;
    const struct request *request;
    struct reading reading;
    struct arena arena; /* of the call under way, then of its message */
    size_t call, n_calls;
    int failures, rate_failures;
    bool minted_again;
    struct pace_pass pass;
    struct http_result result; /* of a call that has ended, not yet read */
    double tokens;             /* expected */
    int64_t due_ns;
    int64_t wall_ms, sent_ns;
    int64_t latency_ns, first_token_ns;
    int64_t prompt_tokens, cached_tokens, output_tokens; /* of all attempts */
    double *logprobs;
    int64_t *option_tokens;
    struct job *next;     /* in a queue, or among the spare ones */
    struct job *next_all; /* of all there are */
};

struct queue {
    struct job *head, **tail;
    size_t n;
};

/* What models asked with one key share. */
struct key {
    struct pace pace;
    const struct remote *owner; /* any of them */
};

/* The call that mints a token. */
struct mint {
    bool under_way;
    int failures;
    int64_t due_ns;
    struct arena arena;
    struct buf body;
    const char *header; /* the token's, in the arena */
};

struct lane {
    struct loop *loop;
    struct remote *model;
    const struct exchange *x;
    struct err *err; /* why it stopped; code ERR_OK: it did not */
    struct key *key;
    struct queue ready, waiting;
    size_t n_jobs, under_way;
    size_t n_ended; /* of the jobs: arrived or ended */
    bool dry;       /* `next` had none; ask again after a delivery */
    bool answered;  /* at least once */
    bool stopped;   /* nothing more is asked */
    int fatal, unreachable;
    int64_t wake_ns;    /* when the pace allows the next; INT64_MAX: unknown */
    double mean_output; /* tokens, of the answers so far; -1: none */
    struct mint mint;
};

struct loop {
    struct http *http;
    struct lane *lanes;
    struct key *keys;
    size_t n, n_keys;
    struct queue arrived, ended;
    size_t arrived_most; /* before reading goes before asking */
    struct job *spare, *all;
    uint64_t chance;
    int stop;
    int64_t stop_ns;
};

/* Queues of jobs; take_job() gives NULL when there is none. */
void queue_init(struct queue *q);
void put_job(struct queue *q, struct job *j);
void put_job_first(struct queue *q, struct job *j);
struct job *take_job(struct queue *q);

extern const struct http_handler job_handler; /* the user is the job */

/* The next request of a lane as a job; NULL: none at present. */
struct job *job_pull(struct lane *l);
/* Sends the job's call; it has passed the pace. */
void job_send(struct job *j);
/* Reads what came: answered, to be tried again, or given up. */
void job_read(struct job *j);
/* It is answered or given up, and waits to be delivered. */
void job_end(struct job *j);
void job_deliver(struct job *j);
/* A call that will not be sent: the request is left to a later run, unless
 * something of it was sent before, which has its price. */
void job_hold_back(struct job *j);
/* Forgets a job that was never sent. */
void job_drop(struct lane *l, struct job *j);
void job_free(struct job *j);

/* Nothing more is asked of the model; the first reason stays. */
void lane_stop(struct lane *l, enum err_code code, const char *message);
/* What a run ends with when no request of the model can be answered. */
enum err_code lane_code(enum err_code stored);
/* 64 bits for jitter. */
uint64_t lane_chance(struct lane *l);
/* Whether a token is there or none is needed; else one is being asked for. */
bool lane_has_token(struct lane *l, int64_t now);
/* How a call of an adapter is put to the loop. */
struct http_call lane_call(const struct call *c, const struct remote *m);

#endif
