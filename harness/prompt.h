/* Item + few-shot examples + template -> request.
 *
 * Rendering is deterministic: the same item, template and examples give the
 * same bytes, so that a stored prompt can be remade. */
#ifndef MK_PROMPT_H
#define MK_PROMPT_H

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "runners/runner.h"
#include "suites/suite.h"

enum ask {            /* how a choice question is asked */
    ASK_AUTO,         /* log-likelihood where choices are and the runner can */
    ASK_SCORE,        /* by log-likelihood of the options */
    ASK_GENERATE      /* by generation and extraction */
};

struct prompt_params {
    const char *template; /* NULL: the suite's */
    size_t shots;
    enum ask ask;
    bool can_score;       /* the runner's */
    bool completion;      /* plain text instead of a chat */
    const char *system;   /* the model's system prompt, or NULL */
    struct sampling sampling;
};

/* A template is one row of the table in prompt.c: the words around question,
 * choices and answer, with and without chain of thought, zh and en. */
struct prompt_template {
    const char *name; /* "choice-zh", "choice-zh-cot", "direct-zh" ... */
    const char *doc;
};
const struct prompt_template *prompt_template_at(size_t i); /* NULL: past end */

/* What is asked of an item: one request a turn.  For turn > 0 `replies` holds
 * the model's earlier answers.  Everything lives in the arena. */
enum err_code prompt_render(const struct suite *s, const struct item *it,
                            const struct prompt_params *p, size_t turn,
                            const char *const *replies, struct arena *a,
                            struct request *out, struct err *e) MUST_CHECK;

/* Canonical JSON of what is asked ({"kind":...,"messages":[...],...}), without
 * the sampling: what is stored and hashed as the prompt. */
enum err_code prompt_json(const struct request *r, struct buf *out,
                          struct err *e) MUST_CHECK;
/* Canonical JSON of the generation parameters. */
enum err_code prompt_params_json(const struct request *r, struct buf *out,
                                 struct err *e) MUST_CHECK;

#endif
