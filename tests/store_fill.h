/* Small databases for tests: models, suites of numbered items, answers. */
#ifndef MK_STORE_FILL_H
#define MK_STORE_FILL_H

#include "harness/store/store.h"

enum { FILL_ITEMS = 128 };
struct fill {
    int64_t run, model, suite, params;
    int64_t item[FILL_ITEMS], prompt[FILL_ITEMS];
    size_t n;
};

/* Opens for writing; fails the test when that fails. */
struct store *fill_open(const char *path);
/* A model, version 1 of a suite with n choice items "0", "1" ... (answer B;
 * subsets even and odd), a run that starts at the clock's time. */
struct fill fill_make(struct store *s, const char *model, const char *suite,
                      size_t n);
struct store_sample fill_key(const struct fill *f, size_t i);
/* Stores a response and, unless verdict is NULL, its score.  A text of "<cut>"
 * has finish "length". */
int64_t fill_answer(struct store *s, const struct store_sample *k,
                    const char *text, const char *verdict);
int64_t fill_fail(struct store *s, const struct store_sample *k,
                  const char *code, const char *message);
/* First column of the first row; the text lives until the next call. */
int64_t fill_int(struct store *s, const char *sql);
const char *fill_text(struct store *s, const char *sql);
/* The three values and a null, bound and read back: "s|i|d|". */
const char *fill_bound(struct store *s, const char *string, int64_t i,
                       double d);

#endif
