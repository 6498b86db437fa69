/* What a struct words is made of: the dictionary's words, the model of what is
 * no word. */
#ifndef MK_WORDS_PARTS_H
#define MK_WORDS_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/buf.h"
#include "harness/base/digest.h"
#include "harness/base/err.h"
#include "harness/base/io.h"
#include "harness/base/text.h"

/* The characters that the model knows. */
enum { WORDS_HAN = 0x4E00, WORDS_HAN_END = 0x9FD6, WORD_MOST = 64 };
bool words_is_han(int32_t rune);

/* ---- the dictionary: words_dict.c ---- */

/* One line of a dictionary. */
struct word_entry {
    struct str word;
    uint64_t frequency;
};
/* The next entry; *more is false after the last one.  Blank lines are passed
 * over.  `name` is that of the file, for messages. */
enum err_code word_next(struct io_lines *lines, const char *name,
                        struct word_entry *out, bool *more,
                        struct err *e) MUST_CHECK;

/* All words and their beginnings, a tree; node 0 is the empty beginning.  The
 * nodes stand level by level; those of one parent are neighbours, sorted by
 * character, and end where those of the next node begin. */
struct word_node {
    int32_t rune;   /* that leads here */
    uint32_t first; /* child */
    double weight;  /* log of the word's share of all frequencies */
};
struct word_tree {
    struct word_node *nodes; /* and one more, which ends the last */
    uint32_t *begin;         /* the node of each Han character as a beginning */
    double unseen;           /* the weight of a character that is no word */
};
/* `text` is the file's content; `name` is for messages. */
enum err_code word_tree_init(struct word_tree *t, const char *name,
                             struct str text, struct err *e) MUST_CHECK;
void word_tree_free(struct word_tree *t);
/* The node that a character leads to, 0 if no word goes on so. */
uint32_t word_tree_step(const struct word_tree *t, uint32_t node, int32_t rune);
bool word_tree_is_word(const struct word_tree *t, uint32_t node);

/* ---- the model: words_model.c ---- */

/* Places of a character in its word, in the order in which equals win: of two
 * paths of one probability the one with the later letter is taken. */
enum word_place { WORD_B, WORD_E, WORD_M, WORD_S, WORD_PLACES };

struct word_model {
    double start[WORD_PLACES], trans[WORD_PLACES][WORD_PLACES];
    double (*emit)[WORD_PLACES]; /* of a character; NULL: there is no model */
};
/* Estimates the model from a dictionary that has been read without a fault. */
enum err_code word_model_estimate(struct word_model *m, struct str dictionary,
                                  struct err *e) MUST_CHECK;
/* Reads our own form (JSON), or jieba's three files in `folder`.  What is read
 * is added to the digest. */
enum err_code word_model_read(struct word_model *m, const char *path,
                              struct digest *d, struct err *e) MUST_CHECK;
enum err_code word_model_read_jieba(struct word_model *m, const char *folder,
                                    struct digest *d, struct err *e) MUST_CHECK;
void word_model_free(struct word_model *m);
/* The likeliest place of each of n Han characters. */
void word_model_places(const struct word_model *m, const int32_t *runes,
                       size_t n, unsigned char *out);

/* Reads a file whole and checks that it is UTF-8. */
enum err_code words_read_file(const char *path, struct buf *out,
                              struct err *e) MUST_CHECK;

#endif
