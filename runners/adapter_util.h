/* What adapters share: reading answers, writing parameters and messages. */
#ifndef MK_ADAPTER_UTIL_H
#define MK_ADAPTER_UTIL_H

#include "harness/base/json.h"
#include "runners/adapter.h"

/* --- answers --------------------------------------------------------------- */

/* The node at a path of members and indices, "choices/0/message"; NULL. */
const struct json *adapter_at(const struct json *j, const char *path);
/* A text there, NULL: none (null, absent or of another type). */
const char *adapter_text(const struct json *j, const char *path);
/* A count there, -1: none.  Some vendors send tokens as 31.0. */
int64_t adapter_count(const struct json *j, const char *path);
/* Takes a count over when it is told. */
void adapter_take(int64_t *to, const struct json *j, const char *path);
/* A code there, a text or a number as text, in `room`; "": none. */
const char *adapter_code(const struct json *j, const char *path, char room[64]);
/* Appends a text there; false: none or empty. */
bool adapter_append(struct buf *to, const struct json *j, const char *path);
/* Makes `text` the whole of it: for streams that send all so far.  A shorter
 * one is old news and left. */
void adapter_whole(struct buf *to, const char *text);

struct finish_row {
    const char *word;
    enum finish finish;
};
/* Sets finish and finished by the table (word NULL at its end gives
 * FINISH_OTHER); nothing for NULL, "" and the word "null": still running. */
void adapter_finish(struct reply *r, const struct finish_row *table,
                    const char *word);

/* Code and words, cut; NULL: none.  The class stays as it is. */
void adapter_fault_says(struct fault *f, const char *code, const char *message);
/* The same in a body whose status was 2xx: the class is that of the row's
 * codes, FAULT_ITEM for a code that it does not know. */
void adapter_fault_inside(const struct endpoint *ep, struct reply *r,
                          const char *code, const char *message);
/* Text that is no JSON (a proxy's page): its first words as the message. */
void adapter_fault_raw(struct fault *f, struct str raw);

/* Scoring by the first token: notes a token and its log-probability for every
 * option that is this text (white space around them apart). */
void adapter_first_token(const struct request *q, const char *token,
                         double logprob, struct reply *r);

/* --- requests -------------------------------------------------------------- */

/* The body in the making, its memory the arena's in the end. */
struct body {
    struct buf buf;
    struct jw w;
};
void body_init(struct body *b);
/* Hands the text to the call and frees the rest. */
enum err_code body_done(struct body *b, struct arena *a, struct call *c,
                        struct err *e) MUST_CHECK;

/* Writes a sampling parameter under the vendor's name `own` as the row's rule
 * says: left out, clamped, renamed, or other members in place of 0.  NaN:
 * not sent. */
void adapter_param(struct jw *w, const struct endpoint *ep, const char *param,
                   const char *own, double value);
/* An array of the stop texts, at most `most` of them; nothing where there are
 * none or the rule of "stop" says omit. */
void adapter_stop(struct jw *w, const struct endpoint *ep,
                  const struct request *q, const char *own, size_t most);
/* The members of an object, into the object that is open. */
void adapter_members(struct jw *w, const struct json *members);

enum turn_rule {
    TURNS_SYSTEM_APART = 1, /* system texts are no messages */
    TURNS_ALTERNATE = 2,    /* user first, neighbours of a role merged */
    TURNS_END_USER = 4      /* the last one is the user's */
};
struct turns {
    const char *system; /* with TURNS_SYSTEM_APART; NULL: none */
    struct message *list;
    size_t n;
};
/* The messages of a request (a plain prompt is one of the user's) in the order
 * a vendor wants.  ERR_REJECTED, with the vendor's rule, when they cannot be
 * brought into it or are more than the row's max_messages. */
enum err_code adapter_turns(const struct endpoint *ep, const struct request *q,
                            unsigned rules, struct arena *a, struct turns *out,
                            struct err *e) MUST_CHECK;

/* base URL + path, "{model}" in it replaced by the encoded model's name. */
const char *adapter_url(const struct endpoint *ep, const char *path,
                        struct arena *a);
/* "api.x.com:8000" of a URL, and the path on it ("/" at least). */
struct str adapter_host(const char *url);
const char *adapter_path(const char *url);

#endif
