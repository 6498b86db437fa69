/* Recorded exchanges: one JSON object a line, a request and what came back.
 *
 *   {"kind":"chat","messages":[{"role":..,"content":..}],"text":..,"finish":..}
 *   {"kind":"score","prompt":..,"options":[..],"logprobs":[..],
 *    "option_tokens":[..]}
 *   {"kind":..., "error":{"code":"RATE","message":..}}
 *
 * Written by `run --record F`, answered from by the replay runner. */
#ifndef MK_RECORD_H
#define MK_RECORD_H

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "runners/runner.h"

/* Appends the line, with its newline. */
enum err_code record_write(const struct request *q, const struct response *r,
                           struct buf *out, struct err *e) MUST_CHECK;

/* Reads one line; what q and r point to lives in the arena. */
enum err_code record_read(struct str line, struct arena *a, struct request *q,
                          struct response *r, struct err *e) MUST_CHECK;

/* The parts of a line, for runners that speak in the same words: the members
 * of a request; an answer or an "error" to it, into the arena. */
void record_request(struct jw *w, const struct request *q);
enum err_code record_response(const struct json *j, const struct request *q,
                              struct arena *a, struct response *r,
                              struct err *e) MUST_CHECK;

#endif
