/* The shapes of OpenAI's API: a request's JSON to asks, asks' news to JSON.
 *
 * What the engine cannot do and what would change the answer (tools, penalties,
 * other kinds of content ...) is refused with the member's name; members that
 * are unknown are ignored, as clients send many that mean nothing here.  null
 * is the same as leaving a member out. */
#ifndef MK_SERVE_OPENAI_H
#define MK_SERVE_OPENAI_H

#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "harness/serve/serve_batch.h"

/* An answer that is an error. */
struct api_error {
    int status; /* HTTP */
    const char *type, *code;
    char param[64]; /* the member at fault, or "" */
    char message[240];
};
/* Sets x; always false. */
bool api_refuse(struct api_error *x, int status, const char *param,
                const char *code, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* The API's error for one of ours; always false. */
bool api_refuse_err(struct api_error *x, const struct err *e);
void api_write_error(const struct api_error *x, struct buf *out);

/* What is served. */
struct api_model {
    const struct mk_model *model;
    const char *id;
    const char *template; /* NULL: the model's own */
    size_t context, room; /* tokens of a request, asks of one */
    int64_t created;      /* s since 1970 */
};
void api_write_models(const struct api_model *m, struct buf *out);
/* One model; false: there is none of that id. */
bool api_write_model(const struct api_model *m, struct str id, struct buf *out,
                     struct api_error *x);

struct api_prompt {
    int32_t *ids;
    size_t n;
    struct str text; /* for echo */
};

/* A choice of the answer: what has come of its ask. */
struct api_choice {
    struct news news;   /* all of it, or since the last event */
    bool begun, closed; /* of a stream */
};

/* A request that has been read, and how far its answer is. */
struct api_call {
    bool chat, stream, include_usage, echo, logprobs;
    size_t n_top;
    size_t n; /* choices for each prompt */
    struct api_prompt *prompts;
    size_t n_prompts;
    struct order order; /* choice i answers prompt i / n */
    struct api_choice *choices;
    const struct api_model *model;
    char id[40];
    int64_t created;
    struct json *json;  /* the request: strings are its */
    struct arena arena; /* of the rest */
};
/* Reads a request into a zeroed call, which is the caller's to free whatever
 * happens.  `random` seeds what has no seed and names the answer. */
bool api_read(struct api_call *c, bool chat, struct str body,
              const struct api_model *m, uint64_t random, struct api_error *x);
void api_call_free(struct api_call *c);

/* The tokenizer alone, in the shapes of vLLM, for clients that count tokens
 * before they ask.  Reads {"prompt": TEXT} or {"tokens": IDS} into the call's
 * only prompt. */
bool api_read_tokens(struct api_call *c, bool ids, struct str body,
                     const struct api_model *m, struct api_error *x);
void api_write_ids(const struct api_call *c, struct buf *out);
void api_write_text(const struct api_call *c, struct buf *out);
void api_write_tokenizer(const struct api_model *m, struct buf *out);

/* Takes the news of an ask into its choice; false when that ask has failed. */
bool api_take(struct api_call *c, struct batch *b, size_t choice,
              struct api_error *x);
/* The whole answer, when all is over. */
void api_write_answer(struct api_call *c, struct buf *out);
/* The events of what was taken since the last call. */
void api_write_events(struct api_call *c, size_t choice, struct buf *out);
/* Usage if it was asked for, and the end mark. */
void api_write_last_event(struct api_call *c, struct buf *out);

#endif
