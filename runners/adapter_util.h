/* What adapters share: reading answers, writing parameters and messages. */
#ifndef MK_ADAPTER_UTIL_H
#define MK_ADAPTER_UTIL_H

#include "harness/base/json.h"
#include "runners/adapter.h"

/* --- answers -------------------------------------------------------------- */

/* The node at a path of members and indices, "choices/0/message"; NULL. */
const struct json *adapter_at(const struct json *j, const char *path);
/* A text there, NULL: none (null, absent or of another type). */
const char *adapter_text(const struct json *j, const char *path);
/* A count there, -1: none.  Some vendors send tokens as 31.0. */
int64_t adapter_count(const struct json *j, const char *path);
/* Takes a count over when it is told. */
void adapter_take(int64_t *to, const struct json *j, const char *path);
/* usage/prompt_tokens and usage/completion_tokens. */
void adapter_usage(const struct json *j, struct reply *r);
/* A code there, a text or a number as text, in `room`; "": none. */
const char *adapter_code(const struct json *j, const char *path, char room[64]);
/* Appends a text there; false: none or empty. */
bool adapter_append(struct buf *to, const struct json *j, const char *path);
/* Makes `text` the whole of it: for streams that send all so far.  A shorter
 * one is old news and left. */
void adapter_whole(struct buf *to, const char *text);

/* A fault that a body or an event tells under a status of success: the class
 * is that of the row's words and codes, FAULT_RETRY for an unknown one. */
void adapter_fault_inside(const struct endpoint *ep, struct reply *r,
                          const char *code, const char *message);
/* The same for bodies whose code at that path is missing, empty or 0 when all
 * is well: whether there is a fault. */
bool adapter_told_fault(const struct endpoint *ep, const struct json *body,
                        const char *code, const char *message, struct reply *r);
/* A fault of ours: what came holds no answer, and why. */
void adapter_no_answer(struct reply *r, enum fault_class class,
                       const struct endpoint *ep, const char *why);
/* A fault whose code and words lie at these paths of an error body, else where
 * errors usually have them.  body NULL: it is no JSON (a proxy's page), its
 * first words are the message. */
void adapter_fault_at(const struct endpoint *ep, int status,
                      const struct json *body, struct str raw, const char *code,
                      const char *message, struct fault *f);
/* For streams whose events are numbered from `first`: whether this one is the
 * next.  One that was there already is dropped; after a gap the answer cannot
 * be whole, which is a fault to be tried again.  seq -1: not told, taken. */
bool adapter_next(struct reply *r, int64_t seq, int64_t first);
/* Vendors that give no reason why an answer ended: cut when all tokens that
 * were asked for have been used. */
void adapter_ended(const struct request *q, struct reply *r);

/* Scoring by the first token: `list` holds the likeliest ones as objects with
 * two members of these names.  Options are compared without white space around
 * them; one that is not in the list gets the most that it can have.  The reply
 * is scored then, or has a fault when there is no list or no option in it. */
void adapter_first_tokens(const struct endpoint *ep, const struct request *q,
                          const struct json *list, const char *token,
                          const char *logprob, struct reply *r);
/* The most log-probabilities a token comes with, 0: none. */
int64_t adapter_top(const struct endpoint *ep);

/* --- requests ------------------------------------------------------------- */

/* The body in the making, its memory the arena's in the end. */
struct body {
    struct buf buf;
    struct jw w;
};
void body_init(struct body *b);
/* Hands the text to the call and frees the rest. */
enum err_code body_done(struct body *b, struct arena *a, struct call *c,
                        struct err *e) MUST_CHECK;

/* A call by POST of that JSON body, with its Content-Type, the row's
 * "extra_headers" and, for a stream, "stream_headers". */
enum err_code adapter_post(const struct endpoint *ep, struct body *b,
                           struct arena *a, struct call *c,
                           struct err *e) MUST_CHECK;
/* The same to the row's path "chat", answered in events where ep streams. */
enum err_code adapter_chat(const struct endpoint *ep, struct body *b,
                           struct arena *a, struct call *c,
                           struct err *e) MUST_CHECK;
/* Adds the headers of an object of the row ("extra_headers"). */
enum err_code adapter_headers(const struct endpoint *ep, const char *key,
                              struct arena *a, struct call *c,
                              struct err *e) MUST_CHECK;

enum turn_rule {
    TURNS_IN_PLACE, /* system messages stay where they are */
    TURNS_APART     /* they are no messages: see struct turns */
};
struct turns {
    const char *system; /* with TURNS_APART; NULL: none */
    struct message *list;
    size_t n;
};
/* adapter_messages() with what these shapes want besides.  ERR_REJECTED when
 * the first or the last message but for system ones is not the user's, where
 * the row says "alternate". */
enum err_code adapter_turns(const struct endpoint *ep, const struct request *q,
                            enum turn_rule rule, struct arena *a,
                            struct turns *out, struct err *e) MUST_CHECK;

/* Writes them as an array of objects with two members of these names. */
void turns_put(struct jw *w, const struct turns *t, const char *key,
               const char *role, const char *content);

/* A text of the row for this model, else `otherwise`. */
const char *adapter_word(const struct endpoint *ep, const char *key,
                         const char *otherwise);
/* What the row's "paths" has under the name, NULL: nothing. */
const char *adapter_path_of(const struct endpoint *ep, const char *name);
/* base URL + path; what stands in it in braces is filled in, percent-encoded:
 * {model}, {deployment_id} (the model too), {token}, {endpoint} (the row's for
 * this model, else its name in small letters), {ROLE} of any secret.  ERR_AUTH
 * for one that is unset. */
enum err_code adapter_url(const struct endpoint *ep, const char *path,
                          struct arena *a, const char **url,
                          struct err *e) MUST_CHECK;
/* "api.x.com:8000" and "/path" (at least "/", without the query) of a URL. */
const char *adapter_host(const char *url, struct arena *a);
const char *adapter_path(const char *url, struct arena *a);

#endif
