/* SentencePiece unigram ("t5"): the segmentation with the best sum of scores,
 * found by dynamic programming over the positions of the text.
 *
 * From each reachable position all pieces that begin there are tried; the hash
 * of the text grows with them byte by byte.  A path is replaced only by a
 * strictly better one, so of equal ones the longer last piece wins. */
#include <float.h>
#include <stdio.h>

#include "engine/vocab_kind.h"
#include "harness/base/mem.h"

struct unigram {
    int32_t byte_id[256];
    float unknown; /* score of a character that is no piece */
    float best;    /* greatest score of a piece */
};

/* The best path to a position. */
struct step {
    float score;
    uint32_t from;
    uint32_t to; /* the best path's way on, set when it is known */
    int32_t id;  /* -1: unknown character, NOT_REACHED */
};
#define NOT_REACHED (-2)

static bool is_piece(const struct vocab *v, int32_t id)
{
    enum token_type t = vocab_type(v, id);

    return t == TOKEN_NORMAL || t == TOKEN_USER;
}

static void close_unigram(struct vocab *v)
{
    mem_free(v->model);
    v->model = NULL;
}

static enum err_code open_unigram(struct vocab *v, const struct gguf *g,
                                  struct str pre, struct err *e)
{
    struct unigram *u = v->model = mem_zalloc(sizeof *u);
    float low = FLT_MAX, high = -FLT_MAX;

    (void)g;
    (void)pre;
    if (!u)
        return err_set(e, ERR_NOMEM, "tokenizer: out of memory");
    snprintf(v->name, sizeof v->name, "t5/unigram");
    vocab_byte_ids(v, u->byte_id);
    for (int32_t id = 0; id < v->info.n_tokens; id++) {
        float s = gguf_f32_at(v->scores, (uint64_t)id);

        if (vocab_type(v, id) == TOKEN_NORMAL) {
            low = s < low ? s : low;
            high = s > high ? s : high;
        }
    }
    u->unknown = low - 10.0f;
    u->best = high;
    return ERR_OK;
}

static float piece_score(const struct vocab *v, int32_t id)
{
    const struct unigram *u = v->model;

    if (vocab_type(v, id) == TOKEN_USER)
        return (float)vocab_text(v, id).n * u->best - 0.1f;
    return gguf_f32_at(v->scores, (uint64_t)id);
}

static void relax(struct step *to, float score, size_t from, int32_t id)
{
    if (to->id == NOT_REACHED || score > to->score)
        *to = (struct step){ .score = score, .from = (uint32_t)from, .id = id };
}

/* All ways on from position `at`. */
static void extend(const struct vocab *v, struct str s, size_t at,
                   struct step *best)
{
    const struct unigram *u = v->model;
    uint64_t h = VOCAB_HASH;
    size_t len, most = s.n - at < v->longest ? s.n - at : v->longest;
    bool single = false;

    text_rune(s, at, &len);
    for (size_t n = 1; n <= most; n++) {
        struct str piece = { s.p + at, n };
        int32_t id;

        h = vocab_hash(h, (struct str){ s.p + at + n - 1, 1 });
        id = vocab_lookup(v, h, piece);
        if (id < 0 || !is_piece(v, id))
            continue;
        single |= n == len;
        relax(&best[at + n], best[at].score + piece_score(v, id), at, id);
    }
    if (!single)
        relax(&best[at + len], best[at].score + u->unknown, at, -1);
}

static void emit_path(struct encoder *x, struct str s, struct step *best)
{
    const struct unigram *u = x->v->model;

    for (size_t at = s.n; at > 0; at = best[at].from)
        best[best[at].from].to = (uint32_t)at;
    for (size_t at = 0, to; at < s.n; at = to) {
        to = best[at].to;
        if (best[to].id >= 0)
            ids_add(x->out, best[to].id);
        else
            vocab_fallback(x, u->byte_id, str_sub(s, at, to));
    }
}

static enum err_code encode(struct encoder *x, struct str piece, struct err *e)
{
    enum err_code rc = vocab_spm_text(x, piece, e);
    struct str s = buf_view(&x->text);
    struct step *best;

    if (rc)
        return rc;
    best = mem_array(s.n + 1, sizeof *best);
    if (!best)
        return err_set(e, ERR_NOMEM, "tokenizer: out of memory");
    for (size_t i = 1; i <= s.n; i++)
        best[i].id = NOT_REACHED;
    for (size_t at = 0; at < s.n; at++)
        if (best[at].id != NOT_REACHED)
            extend(x->v, s, at, best);
    emit_path(x, s, best);
    mem_free(best);
    return ERR_OK;
}

const struct vocab_kind vocab_t5 = {
    .name = "t5",
    .add_eos = true,
    .add_space_prefix = true,
    .scores = true,
    .blanks = true,
    .bos = -1,
    .eos = 1,
    .unk = 2,
    .open = open_unigram,
    .close = close_unigram,
    .encode = encode,
    .bytes = vocab_spm_bytes,
};
