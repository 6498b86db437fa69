/* The public face of tokenizer and chat templates: mk_tokenize() and its
 * relatives over vocab.h and chat.h. */
#include <string.h>

#include "engine/chat.h"
#include "engine/engine.h"
#include "engine/internal.h"
#include "engine/status.h"

/* Hands ids to the caller's array and frees them. */
static void give_ids(struct ids *s, int32_t *ids, size_t cap, size_t *n)
{
    size_t fits = s->n < cap ? s->n : cap;

    if (fits > 0)
        memcpy(ids, s->p, fits * sizeof *ids);
    *n = s->n;
    ids_free(s);
}

/* Hands text to the caller's array, with a NUL where there is room for it. */
static void give_text(const struct buf *b, char *out, size_t cap, size_t *len)
{
    if (cap > 0)
        memcpy(out, b->p, b->n < cap ? b->n + 1 : cap);
    *len = b->n;
}

/* NOLINTNEXTLINE(readability-function-size): the public header's */
int mk_tokenize(const struct mk_model *m, const char *text, size_t len,
                unsigned flags, int32_t *ids, size_t cap, size_t *n, char *err)
{
    struct ids s = { 0 };
    struct err e = { 0 };
    enum err_code rc =
        vocab_tokenize(m->vocab, (struct str){ text, len }, flags, &s, &e);

    if (rc)
        s.n = 0;
    give_ids(&s, ids, cap, n);
    return status_out(rc, &e, err);
}

size_t mk_token_bytes(const struct mk_model *m, int32_t id, bool special,
                      char *out, size_t cap)
{
    return vocab_bytes(m->vocab, id, special, out, cap);
}

const char *mk_token_piece(const struct mk_model *m, int32_t id)
{
    return vocab_piece(m->vocab, id).p;
}

bool mk_token_is_stop(const struct mk_model *m, int32_t id)
{
    return vocab_is_stop(m->vocab, id);
}

/* Appends a token's bytes to b. */
static void add_token(const struct vocab *v, int32_t id, struct buf *b)
{
    char small[64];
    size_t n = vocab_bytes(v, id, false, small, sizeof small);

    if (n <= sizeof small) {
        buf_add(b, small, n);
        return;
    }
    buf_fill(b, ' ', n);
    if (!b->failed)
        vocab_bytes(v, id, false, b->p + b->n - n, n);
}

int mk_detokenize(const struct mk_model *m, const int32_t *ids, size_t n,
                  char *out, size_t cap, size_t *len, char *err)
{
    struct err e = { 0 };
    struct buf b;
    enum err_code rc = ERR_OK;

    buf_init(&b, SIZE_MAX / 2);
    *len = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if (!vocab_piece(m->vocab, ids[i]).p)
            rc = err_set(&e, ERR_USAGE, "token %zu: id %d, expected 0 to %d", i,
                         ids[i], vocab_info(m->vocab)->n_tokens - 1);
        add_token(m->vocab, ids[i], &b);
    }
    if (!rc)
        rc = buf_check(&b, "text of the tokens", &e);
    if (!rc) {
        bool drop = vocab_drops_space(m->vocab) && b.n > 0 && b.p[0] == ' ';

        if (drop)
            memmove(b.p, b.p + 1, b.n--);
        give_text(&b, out, cap, len);
    }
    buf_free(&b);
    return status_out(rc, &e, err);
}

/* NOLINTNEXTLINE(readability-function-size): the public header's */
int mk_chat_ids(const struct mk_model *m, const char *name,
                const struct mk_message *msgs, size_t n_msgs,
                bool add_generation, int32_t *ids, size_t cap, size_t *n,
                char *err)
{
    struct ids s = { 0 };
    struct err e = { 0 };
    enum err_code rc =
        chat_ids(m->vocab, name, msgs, n_msgs, add_generation, &s, &e);

    if (rc)
        s.n = 0;
    give_ids(&s, ids, cap, n);
    return status_out(rc, &e, err);
}

/* NOLINTNEXTLINE(readability-function-size): the public header's */
int mk_chat_text(const struct mk_model *m, const char *name,
                 const struct mk_message *msgs, size_t n_msgs,
                 bool add_generation, char *out, size_t cap, size_t *len,
                 char *err)
{
    struct err e = { 0 };
    struct buf b;
    enum err_code rc;

    buf_init(&b, INT32_MAX / 4);
    *len = 0;
    rc = chat_text(m->vocab, name, msgs, n_msgs, add_generation, &b, &e);
    if (!rc)
        give_text(&b, out, cap, len);
    buf_free(&b);
    return status_out(rc, &e, err);
}

const char *mk_chat_name(size_t i)
{
    return chat_name(i);
}
