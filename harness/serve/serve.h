/* mokao serve: the engine behind HTTP, in the shapes of OpenAI's API.
 *
 *     GET  /                      the page that is given (the leaderboard)
 *     GET  /health                {"status":"ok"}
 *     GET  /v1/models[/ID]
 *     POST /v1/completions
 *     POST /v1/chat/completions
 *     GET  /tokenizer_info        as vLLM has them
 *     POST /tokenize, /detokenize
 *
 * A thread for each connection reads the request, hands its asks to the batch
 * and waits; the batch's thread computes for all of them.  A client that goes
 * away cancels its request. */
#ifndef MK_SERVE_H
#define MK_SERVE_H

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/serve/serve_openai.h"

struct serve_params {
    const char *host;    /* an address or "localhost" */
    int port;            /* 0: one that is free */
    const char *token;   /* NULL: anyone may ask, on a loopback address only */
    struct batch *batch; /* the caller's, closed after the server */
    struct api_model model; /* what it points to outlives the server */
    /* Appends the page of "/" as HTML; called by one thread at a time. */
    enum err_code (*page)(void *user, struct buf *out, struct err *e);
    void *user;
    size_t max_body; /* bytes of a request; 0: 16 MiB */
    int idle_s;      /* a connection that does nothing ends; 0: 60 */
};

struct serve;
/* Listens and answers from now on.  *out is the caller's. */
enum err_code serve_open(struct serve **out, const struct serve_params *p,
                         struct err *e) MUST_CHECK;
int serve_port(const struct serve *s);
/* Waits until stop() says 1 (let no one in, finish what is under way) or 2
 * (cancel that too), then until all is finished. */
void serve_run(struct serve *s, int (*stop)(void *user), void *user);
/* Ends all connections. */
void serve_close(struct serve *s);

#endif
