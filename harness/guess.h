/* How many tokens a text has, from its characters alone: for models whose
 * tokenizer we do not have.
 *
 * Measured on nine vocabularies and thirteen texts (the ten suites, English
 * and Chinese documents, C): today's vocabularies (Qwen 2.5, DeepSeek,
 * Baichuan 2, Gemma 3, Llama 3) have 0.79 to 1.40 of `likely`, so low and high
 * are 0.8 and 1.6 of it.  Vocabularies without Chinese of their own (GPT-2,
 * Llama 2) have up to 2.9 of it on Chinese texts. */
#ifndef MK_GUESS_H
#define MK_GUESS_H

#include "harness/base/text.h"
#include "runners/runner.h"

#define GUESS_LOW 0.8
#define GUESS_HIGH 1.6

/* The likeliest number of tokens. */
double guess_text(struct str s);
/* Of all prompts of a request: its messages with what a chat puts around them;
 * where options are scored, the prompt and each option once. */
double guess_prompt(const struct request *q);

#endif
