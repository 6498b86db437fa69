/* A model file from any bytes: opened, described, its tokenizer used, a batch
 * computed where the sizes are small.  The seeds, in golden/fuzz/gguf, are whole
 * models of one layer, small enough to be changed everywhere. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void describe(const struct mk_model *m)
{
    const struct mk_model_info *info = mk_model_info(m);
    const char *a, *b;
    char value[80];
    int64_t dims[4];
    uint64_t bytes;

    for (size_t i = 0; i < info->n_meta; i++)
        mk_model_meta(m, i, &a, &b, value, sizeof value);
    for (size_t i = 0; i < info->n_tensors; i++)
        mk_model_tensor(m, i, &a, &b, dims, &bytes);
}

static void tokenise(const struct mk_model *m)
{
    static const char text[] = "Hello 你好\n12 <|im_end|> \xff";
    int32_t ids[64];
    size_t n = 0, len;
    char out[256];

    if (mk_tokenize(m, text, sizeof text - 1, MK_ADD_SPECIAL | MK_PARSE_SPECIAL,
                    ids, 64, &n, NULL))
        return;
    mk_detokenize(m, ids, n < 64 ? n : 64, out, sizeof out, &len, NULL);
    for (int32_t i = -1; i < 8; i++) {
        mk_token_bytes(m, i, true, out, sizeof out);
        mk_token_piece(m, i);
        mk_token_is_stop(m, i);
    }
}

static void compute(struct mk_model *m)
{
    struct mk_ctx_params p = { 1, 64, 4 };
    int32_t tokens[] = { 0, 1, 2, 3, 4, 5 }, seq;
    struct mk_ctx *c;
    float *logits;

    if (mk_ctx_bytes(m, &p) > 64 << 20 || mk_ctx_open(&c, m, &p, NULL))
        return;
    for (int i = 0; i < 6; i++)
        if (tokens[i] >= mk_model_info(m)->n_vocab)
            tokens[i] = 0;
    logits = malloc((size_t)mk_model_info(m)->n_vocab * sizeof *logits);
    if (logits && mk_seq_new(c, &seq, NULL) == MK_OK) {
        struct mk_piece piece = { .seq = seq,
                                  .tokens = tokens,
                                  .n = 6,
                                  .want = MK_WANT_LAST,
                                  .logits = logits };
        mk_compute(c, &piece, 1, NULL);
    }
    free(logits);
    mk_ctx_close(c);
}

static void try_path(const char *path, bool vocab_only)
{
    struct mk_model_params p = { .device = "ref",
                                 .vocab_only = vocab_only,
                                 .n_threads = 1 };
    struct mk_model *m;
    char err[MK_ERR_LEN];

    if (mk_model_open(&m, path, &p, err))
        return;
    describe(m);
    tokenise(m);
    if (!vocab_only)
        compute(m);
    mk_model_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("model", 0);

    if (fd < 0)
        return 0;
    if (write(fd, data, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        try_path(path, true);
        try_path(path, false);
    }
    close(fd);
    return 0;
}
