/* How alike two texts are, counted in characters or words.
 *
 * Pure functions of two runs of tokens.  Only the first SIMILARITY_MOST tokens
 * of a text are looked at, which bounds the time of the quadratic ones. */
#ifndef MK_SIMILARITY_H
#define MK_SIMILARITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

enum { SIMILARITY_MOST = 32768 };

/* Characters: every one but white space.  Words: longest runs of letters and
 * digits that are not Han; each Han character by itself; each other character
 * by itself.  Dictionary: what words_cut() gives but white space. */
enum similarity_unit {
    SIMILARITY_CHARS,
    SIMILARITY_WORDS,
    SIMILARITY_DICTIONARY
};

struct words;
struct similarity_cut {
    enum similarity_unit unit;
    bool letters; /* neither punctuation nor symbols are tokens */
    /* Of a dictionary: where lines end that hold nothing, or are rests of a
       line whose sentence ended before, is a token: rouge-chinese counts so. */
    bool breaks;
    const struct words *words; /* of SIMILARITY_DICTIONARY */
};

/* A token is its code point, a word of several characters a 63-bit hash with
 * the top bit set: two words of a text are taken for one once in 10^9 texts of
 * the greatest length. */
struct tokens {
    uint64_t *t;
    size_t n;
};

/* Splits s into the arena. */
enum err_code similarity_split(struct str s, const struct similarity_cut *cut,
                               struct arena *a, struct tokens *out,
                               struct err *e) MUST_CHECK;

struct similarity {
    const char *name, *doc;
    bool letters; /* punctuation is left out */
    bool chars;   /* of characters, whatever unit is asked for */
    /* 0 ... 1; scratch memory comes from the arena. */
    enum err_code (*run)(struct tokens got, struct tokens want, struct arena *a,
                         double *score, struct err *e);
};
extern const struct similarity similarities[]; /* a NULL name at the end */
const struct similarity *similarity_find(const char *name);

#endif
