/* Reference outputs of a tiny model, as the file NAME.json beside it has
 * them. */
#ifndef MK_TINY_REF_H
#define MK_TINY_REF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/json.h"

#define REF_PROMPT 12 /* tokens */
#define REF_GREEDY 16

struct ref {
    struct json *j;
    int32_t prompt[REF_PROMPT], greedy[REF_GREEDY];
    size_t n_vocab;
    char model[300]; /* path */
};

/* All tiny models: those with float32 weights first, REF_FLOATS of them. */
extern const char *const ref_models[];
extern const size_t ref_n_models;
#define REF_FLOATS 34

/* Whether it lies in tests/golden/tiny. */
bool ref_is_golden(const char *name);
/* False, and said, where the model lies among the shared files only and these
 * are not here. */
bool ref_open(struct ref *r, const char *name);
void ref_close(struct ref *r);

#endif
