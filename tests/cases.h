/* Items of matchers as tests write them, and a sample of each kind with an answer
 * that is right. */
#ifndef MK_CASES_H
#define MK_CASES_H

#include "harness/match/match.h"

enum { CHOICES_MOST = 26 };

struct testcase {
    struct json *json;
    struct match_choice choices[CHOICES_MOST];
    struct match_in in;
};

/* Reads {"response", "expected", "choices"?, "options"?}; the caller frees
 * c->json.  Fails the test when the line is no JSON. */
void case_open(struct testcase *c, struct str line);

/* Each kind of matcher has one or more, side by side. */
struct case_sample {
    const char *kind, *item;
};
extern const struct case_sample case_samples[]; /* NULL kind at the end */

#endif
