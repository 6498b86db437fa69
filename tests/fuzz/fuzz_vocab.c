/* Any bytes, by byte-level BPE, SentencePiece BPE and unigram: ids in range, and
 * the same bytes come back.  The first byte chooses the vocabulary and the
 * flags. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/gguf.h"
#include "engine/vocab_kind.h"
#include "harness/base/buf.h"

#define N_VOCABS 4
static struct gguf *file[N_VOCABS];
static struct vocab *vocab[N_VOCABS];

static const struct {
    const char *path, *pre;
} row[N_VOCABS] = {
    { "tests/golden/tiny/qwen2.gguf", NULL },
    { "tests/golden/tiny/qwen2.gguf", "deepseek-v3" },
    { "tests/golden/tiny/llama2-gqa.gguf", NULL },
    { "tests/golden/tokvec/vocab-unigram.gguf", NULL },
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < N_VOCABS; i++)
        if (gguf_open(&file[i], row[i].path, NULL) ||
            vocab_open_pre(&vocab[i], file[i], row[i].pre, NULL))
            abort();
    return 0;
}

/* U+2581 in the text comes back as a space, so it is compared as one. */
static void as_spaces(struct buf *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; n++) {
        bool low = i + 3 <= b->n && memcmp(b->p + i, "\xE2\x96\x81", 3) == 0;

        b->p[n] = low ? ' ' : b->p[i];
        i += low ? 3 : 1;
    }
    b->n = n;
}

static void check_back(const struct vocab *v, struct str text,
                       const struct ids *ids, bool sentencepiece)
{
    struct buf back, want;
    char piece[512];

    buf_init(&back, 1 << 24);
    buf_init(&want, 1 << 24);
    if (sentencepiece && text.n > 0)
        buf_char(&want, ' ');
    buf_text(&want, text);
    for (size_t i = 0; i < ids->n; i++) {
        if (!vocab_piece(v, ids->p[i]).p)
            abort();
        buf_add(&back, piece,
                vocab_bytes(v, ids->p[i], true, piece, sizeof piece));
    }
    if (sentencepiece)
        as_spaces(&want);
    if (!str_eq(buf_view(&back), buf_view(&want)))
        abort();
    buf_free(&back);
    buf_free(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t i = n ? data[0] % N_VOCABS : 0;
    unsigned flags = n && data[0] & 64 ? MK_PARSE_SPECIAL : 0;
    struct str text = { (const char *)data + (n > 0), n - (n > 0) };
    struct ids ids = { 0 };

    if (vocab_tokenize(vocab[i], text, flags, &ids, NULL))
        abort();
    /* special tokens cut a text, and each part gets its own space */
    if (i < 2 || (i == 2 && !flags))
        check_back(vocab[i], text, &ids, i == 2);
    ids_free(&ids);
    return 0;
}
