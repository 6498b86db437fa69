#include "tests/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "tests/t.h"

void tiny_ok(int rc, const char *err)
{
    ck_assert_msg(rc == MK_OK, "status %d: %s", rc, err);
}

struct mk_model *tiny_open_path(const char *path, const char *device,
                                enum mk_activations act)
{
    struct mk_model_params p = { .activations = act,
                                 .device = device,
                                 .n_threads = 1 };
    char err[MK_ERR_LEN];
    struct mk_model *m;

    tiny_ok(mk_model_open(&m, path, &p, err), err);
    return m;
}

struct mk_model *tiny_open(const char *name, const char *device,
                           enum mk_activations act)
{
    char path[256];
    snprintf(path, sizeof path, TINY "%s.gguf", name);
    return tiny_open_path(path, device, act);
}

struct mk_ctx *tiny_ctx(struct mk_model *m, size_t n_positions, size_t n_batch,
                        int n_threads)
{
    struct mk_ctx_params p = { n_threads, n_positions, n_batch };
    char err[MK_ERR_LEN];
    struct mk_ctx *c;

    tiny_ok(mk_ctx_open(&c, m, &p, err), err);
    return c;
}

int32_t tiny_seq(struct mk_ctx *c)
{
    char err[MK_ERR_LEN];
    int32_t seq;

    tiny_ok(mk_seq_new(c, &seq, err), err);
    return seq;
}

int32_t tiny_fork(struct mk_ctx *c, int32_t src, size_t n)
{
    char err[MK_ERR_LEN];
    int32_t seq;

    tiny_ok(mk_seq_fork(c, src, n, &seq, err), err);
    return seq;
}

void tiny_compute(struct mk_ctx *c, int32_t seq, const int32_t *tokens,
                  size_t n, enum mk_want want, float *logits)
{
    struct mk_piece p = {
        .seq = seq, .tokens = tokens, .n = n, .want = want, .logits = logits
    };
    char err[MK_ERR_LEN];

    tiny_ok(mk_compute(c, &p, 1, err), err);
}

/* `make check` is to be quick; `make test` takes all cases. */
bool tiny_full_mode(void)
{
    const char *mode = getenv("MOKAO_TEST_MODE");
    return mode && strcmp(mode, "full") == 0;
}

size_t tiny_argmax(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* Tokens that depend on `which`, from a small generator. */
void tiny_tokens(int32_t *out, size_t n, int n_vocab, uint32_t which)
{
    uint32_t s = 12345 + which * 7919;

    for (size_t i = 0; i < n; i++) {
        s = s * 1664525 + 1013904223;
        out[i] = (int32_t)((s >> 8) % (uint32_t)n_vocab);
    }
}

/* Writes a copy of a tiny model in which the bytes at the first place where
 * `find` ends (plus skip) are changed. */
const char *tiny_patched(const char *name, const char *find, size_t skip,
                         const void *bytes, size_t n)
{
    static char path[256];
    struct buf b;
    struct err e;
    char *at;

    snprintf(path, sizeof path, TINY "%s.gguf", name);
    t_read(path, &b);
    at = memmem(b.p, b.n, find, strlen(find));
    ck_assert_ptr_nonnull(at);
    memcpy(at + strlen(find) + skip, bytes, n);
    snprintf(path, sizeof path, "%s/patched.gguf", t_tmp());
    t_ok(io_replace(path, buf_view(&b), &e), &e);
    buf_free(&b);
    return path;
}

void tiny_refused(const char *path, const char *words)
{
    struct mk_model *m;
    char err[MK_ERR_LEN];

    ck_assert_int_eq(mk_model_open(&m, path, NULL, err), MK_EFORMAT);
    ck_assert_ptr_null(m);
    ck_assert_msg(strstr(err, words) != NULL, "\"%s\" has no \"%s\"", err,
                  words);
}
