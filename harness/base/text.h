/* Borrowed strings, UTF-8, folding, display width, Chinese numerals.
 *
 * Text is UTF-8 and is checked where it enters the program (text_check); all
 * other functions here expect checked text and never cut inside a character. */
#ifndef MK_TEXT_H
#define MK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

struct buf;
struct str {
    const char *p;
    size_t n;
};

#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })
#define STR_FMT(s) (int)(s).n, (s).p /* for "%.*s" */

struct str str_of(const char *s); /* NULL gives the empty string */
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *s);
bool str_starts(struct str a, struct str prefix);
bool str_ends(struct str a, struct str suffix);
/* -1, 0, 1 by bytes, which is code point order. */
int str_cmp(struct str a, struct str b);
/* Offset of the first `needle` at or after `from`; (size_t)-1 if none. */
size_t str_find(struct str hay, struct str needle, size_t from);
struct str str_trim(struct str s); /* Unicode white space at both ends */
struct str str_sub(struct str s, size_t from, size_t to);

/* Whether s is well-formed UTF-8; *bad (may be NULL) is the offset of the first
 * ill-formed byte. */
bool text_check(struct str s, size_t *bad);
/* The longest prefix of s that ends at a character's end: for text that
 * arrives in pieces. A prefix that can no longer become a character counts as
 * ended. */
size_t text_whole(struct str s);
/* Decodes the character at s.p[at]; *len is its bytes.  Ill-formed bytes give
 * -1 with *len 1. */
int32_t text_rune(struct str s, size_t at, size_t *len);
/* UTF-8 of rune in out[4]; its length, 0 for a surrogate or too large one. */
size_t text_encode(int32_t rune, char out[4]);
size_t text_count(struct str s); /* code points */
size_t text_width(struct str s); /* terminal cells: CJK 2, combining 0 */
int text_rune_width(int32_t rune);
bool text_is_space(int32_t rune); /* Unicode White_Space */
bool text_is_han(int32_t rune);
bool text_is_letter(int32_t rune); /* \p{L} */
bool text_is_mark(int32_t rune);   /* \p{M} */
bool text_is_number(int32_t rune); /* \p{N} */
bool text_is_punct(int32_t rune);  /* \p{P} */
bool text_is_symbol(int32_t rune); /* \p{S} */
/* Longest prefix of at most `cells` cells, in bytes. */
size_t text_fit(struct str s, size_t cells);

/* What text_fold() does; together they are what most matchers compare. */
enum text_fold_flags {
    TEXT_NFKC = 1,     /* compatibility composition: full width to half ... */
    TEXT_CASE = 2,     /* Unicode case folding */
    TEXT_SIMPLE = 4,   /* Traditional to Simplified (OpenCC t2s) */
    TEXT_PUNCT = 8,    /* Chinese punctuation to its ASCII relative */
    TEXT_SPACE = 16,   /* runs of white space to one space, ends trimmed */
    TEXT_NOSPACE = 32, /* all white space away */
    TEXT_NOPUNCT = 64  /* all punctuation and symbols away */
};
/* Appends the folded s to out.  If map is not NULL it receives, for every byte
 * appended, the offset in s of the character it came from (uint32_t each, as
 * raw bytes in a struct buf), so that a span in the folded text can be told in
 * the raw one.  Fails with NOMEM or LIMIT, and with NOENV when TEXT_SIMPLE meets
 * Han characters and OpenCC's tables are not installed. */
enum err_code text_fold(struct str s, unsigned flags, struct buf *out,
                        struct buf *map, struct err *e) MUST_CHECK;

/* Reads a Chinese numeral (一百二十三万, 两千零五, 〇, 壹佰, 3万5千, 一点五, 半 is
 * not one) at the start of s; *value is the nearest double.  Returns the bytes read, 0 if there is no numeral. */
size_t text_chinese_number(struct str s, double *value);

/* Whether `word` is near `to`: the Damerau-Levenshtein distance in characters.
 * For "did you mean". */
size_t text_distance(struct str a, struct str b);

#endif
