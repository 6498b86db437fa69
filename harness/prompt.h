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

/* How a choice question is asked; all others are generated in any case. */
enum ask {
    ASK_AUTO,    /* log-likelihood where one choice is right, the template
                    does not reason first and the runner can; else generation */
    ASK_SCORE,   /* by log-likelihood of the options */
    ASK_GENERATE /* by generation and extraction */
};

struct prompt_params {
    const char *template; /* NULL: the suite's */
    size_t shots;
    enum ask ask;
    bool score_chat, score_text; /* whether the runner can score options */
    bool completion;             /* plain text instead of a chat */
    const char *system;          /* the model's system prompt, or NULL */
    const char *chat;            /* the model's chat template, NULL: its own */
    struct sampling sampling;
};

/* A template is one row of the table in prompt.c: the words around question,
 * choices and answer, with and without reasoning first, zh and en.  Each can
 * show every item: one without choices stands as it is, as do turns. */
struct prompt_template {
    const char *name; /* "choice-zh", "choice-zh-cot", "direct-zh" ... */
    const char *doc;
};
const struct prompt_template *prompt_template_at(size_t i); /* NULL: past end */
/* NULL if there is none; *nearest (may be NULL) then is the likeliest name. */
const struct prompt_template *prompt_template_find(const char *name,
                                                   const char **nearest);

/* What is asked of an item: one request a turn.  For turn > 0 `replies` holds
 * the model's earlier answers.  Everything lives in the arena, in the suite or
 * in p.
 *
 * The examples are the first p->shots of the item's subset that can be shown
 * (one question, an answer that is a text); fewer than that are an error.  An
 * item with turns is asked without.
 *
 * Options are the choices' keys, with templates lm-text-* their texts.  In plain
 * text (a template for it, or p->completion) they go on from "答案：", after a
 * space but for Chinese texts; in a chat they are beginnings of the reply.
 * p->system is a chat's: plain text goes without. */
enum err_code prompt_render(const struct suite *s, const struct item *it,
                            const struct prompt_params *p, size_t turn,
                            const char *const *replies, struct arena *a,
                            struct request *out, struct err *e) MUST_CHECK;

/* Canonical JSON of what is asked ({"kind":...,"messages":[...],...}), without
 * the sampling: what is stored and hashed as the prompt. */
enum err_code prompt_json(const struct request *r, struct buf *out,
                          struct err *e) MUST_CHECK;
/* Canonical JSON of the generation parameters; {} where nothing is generated. */
enum err_code prompt_params_json(const struct request *r, struct buf *out,
                                 struct err *e) MUST_CHECK;

#endif
