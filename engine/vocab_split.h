/* Pre-tokenizers of byte-level BPE: they cut a text into the words inside which
 * merging happens. */
#ifndef MK_VOCAB_SPLIT_H
#define MK_VOCAB_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"
#include "harness/base/text.h"

struct split_row; /* a row of the table of pre-tokenizers */
/* The row of that name (tokenizer.ggml.pre); the one called "default" when
 * there is none. */
const struct split_row *split_row(struct str name);
/* Row i, NULL past the last. */
const struct split_row *split_row_at(size_t i);
const char *split_name(const struct split_row *r);
bool split_ignores_merges(const struct split_row *r);
bool split_adds_bos(const struct split_row *r);

struct split;
enum err_code split_open(struct split **out, const struct split_row *row,
                         struct err *e) MUST_CHECK;
void split_close(struct split *s);
/* Calls word() for each word of text (any bytes), in order.  Ill-formed bytes
 * count as characters of no class.  Stops when word() fails.  Threads may share
 * s. */
enum err_code split_run(const struct split *s, struct str text,
                        enum err_code (*word)(void *arg, struct str w,
                                              struct err *e),
                        void *arg, struct err *e) MUST_CHECK;

#endif
