/* Chinese text into words, by a dictionary.
 *
 * The cut is that of the segmenter jieba in its accurate mode: given jieba's
 * dictionary and model, the words are the same.  Where several cuts are
 * possible the most probable path through all dictionary words is taken; runs
 * of characters that no word covers are cut by a hidden Markov model, which
 * knows how characters begin, go on and end words.
 *
 * A dictionary is a text, one word a line: "word frequency [tag]".  The model
 * is one of these:
 *
 *   NULL          that of a jieba installation around the dictionary
 *                 (finalseg/prob_*.py beside it), else as "dictionary"
 *   "dictionary"  estimated from the dictionary's words and frequencies
 *   "none"        characters of no word stand alone
 *   FILE          JSON: {"start":{"B":-0.3,..},"trans":{"B":{"E":-0.5,..},..},
 *                 "emit":{"B":{"一":-3.7,..},..}}, natural logarithms; the
 *                 states are B, M, E (begin, middle, end of a word) and S
 */
#ifndef MK_WORDS_H
#define MK_WORDS_H

#include <stdbool.h>

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

struct words;

/* Reads the files.  *out is the caller's, freed by words_close(); it does not
 * change and threads may share it.  Names that are not absolute are looked for
 * in the folders of MOKAO_WORDS (separated by colons), in the working folder
 * and where Debian keeps Python's packages; dictionary NULL: "jieba/dict.txt".
 * NOENV: there is no such file.  FORMAT: file, line, and what is wrong. */
enum err_code words_open(struct words **out, const char *dictionary,
                         const char *model, struct err *e) MUST_CHECK;
void words_close(struct words *w);
/* The same, read at the first call and kept until the program ends; a file is
 * not looked at again.  Any thread may call it. */
enum err_code words_shared(const struct words **out, const char *dictionary,
                           const char *model, struct err *e) MUST_CHECK;
/* SHA-256 of dictionary and model: what a cut depends on besides the text. */
const char *words_digest(const struct words *w);

/* Calls fn for each word of s in its order, until it returns false; together
 * they are s.  Punctuation and white space stand alone, a character each.  s is
 * checked UTF-8.  Scratch memory, at most some 2 MB, comes from the arena. */
typedef bool words_fn(void *user, struct str word);
enum err_code words_cut(const struct words *w, struct str s, struct arena *a,
                        words_fn *fn, void *user, struct err *e) MUST_CHECK;

#endif
