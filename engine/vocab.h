/* The tokenizer of a model: its vocabulary and the ways to and from text.
 *
 * A vocabulary is read from the GGUF's tokenizer.ggml.* keys, which are checked
 * as everything from a file is.  It borrows the token texts from the mapped
 * file, so the gguf must outlive it.  All functions but open and close may be
 * called by several threads at once.
 *
 * Kinds: "gpt2" (byte-level BPE, vocab_bpe.c with the pre-tokenizers of
 * vocab_split.c), "llama" (SentencePiece BPE with scores, vocab_spm.c), "t5"
 * (SentencePiece unigram, vocab_unigram.c). */
#ifndef MK_VOCAB_H
#define MK_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf.h"
#include "harness/base/err.h"
#include "harness/base/text.h"

struct vocab;
/* Reads and checks the tokenizer of g.  *out is the caller's, freed by
 * vocab_close(). */
enum err_code vocab_open(struct vocab **out, const struct gguf *g,
                         struct err *e) MUST_CHECK;
void vocab_close(struct vocab *v);

/* Strings live as long as the vocabulary. */
struct vocab_info {
    const char *name;        /* "gpt2/qwen2", "llama/default" */
    const char *chat;        /* the recognised chat template's name or "" */
    const char *chat_source; /* text of the file's own template or NULL */
    int32_t n_tokens;
    int32_t bos, eos; /* -1: none */
    bool add_bos, add_eos;
};
const struct vocab_info *vocab_info(const struct vocab *v);

/* Growing row of token ids with a sticky failure, checked once at the end. */
struct ids {
    int32_t *p;
    size_t n, cap;
    bool failed; /* no memory */
};
void ids_free(struct ids *s);
void ids_add(struct ids *s, int32_t id);

/* Appends the ids of text (any bytes); flags are those of mk_tokenize(). */
enum err_code vocab_tokenize(const struct vocab *v, struct str text,
                             unsigned flags, struct ids *out,
                             struct err *e) MUST_CHECK;
/* Bytes that the token stands for in running text; 0 for control tokens unless
 * `special`, and for ids out of range.  Writes at most cap, returns the length
 * there is. */
size_t vocab_bytes(const struct vocab *v, int32_t id, bool special, char *out,
                   size_t cap);
/* The vocabulary's own spelling; p is NULL when id is out of range.  It ends
 * in a NUL that is not counted. */
struct str vocab_piece(const struct vocab *v, int32_t id);
/* The id of that exact spelling, -1 if there is none. */
int32_t vocab_find(const struct vocab *v, struct str piece);
bool vocab_is_stop(const struct vocab *v, int32_t id);
bool vocab_is_control(const struct vocab *v, int32_t id);
/* Whether the first space of a whole output is the tokenizer's, not the
 * text's. */
bool vocab_drops_space(const struct vocab *v);

#endif
