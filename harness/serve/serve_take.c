/* One lane: what its logits say, how its generation ends, what of it can be
 * handed out.  A token is handed out with its text, so that those of a stop
 * string never are. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/row.h"
#include "harness/base/mem.h"
#include "harness/serve/serve_lanes.h"

/* --- marks ------------------------------------------------------------------ */

void marks_free(struct marks *m)
{
    mem_free(m->v);
    mem_free(m->tops);
    *m = (struct marks){ .n_top = m->n_top };
}

static bool marks_room(struct marks *m, size_t more)
{
    return mem_grow(&m->v, &m->cap, m->n + more, sizeof *m->v) &&
           (!m->n_top || mem_grow(&m->tops, &m->cap_tops,
                                  (m->n + more) * m->n_top, sizeof *m->tops));
}

static void copy_tops(struct marks *m, const struct marks *from, size_t i)
{
    struct mark *mark = &m->v[m->n];

    if (mark->n_top > m->n_top)
        mark->n_top = m->n_top;
    if (mark->n_top)
        memcpy(m->tops + m->n * m->n_top, from->tops + i * from->n_top,
               mark->n_top * sizeof *m->tops);
}

bool marks_copy(struct marks *m, const struct marks *from, size_t begin,
                size_t end)
{
    if (begin >= end)
        return true;
    if (!marks_room(m, end - begin))
        return false;
    for (size_t i = begin; i < end; i++) {
        m->v[m->n] = from->v[i];
        copy_tops(m, from, i);
        m->n++;
    }
    return true;
}

/* The likeliest entries in falling order; of equal ones the lower id first. */
static size_t find_tops(const struct row *row, const float *logits,
                        size_t n_vocab, struct top *out, size_t most)
{
    double v[MARKS_MAX_TOP]; /* logits of out */
    size_t n = 0;

    for (size_t i = 0; i < n_vocab && most; i++) {
        double x = (double)logits[i];
        size_t at;

        if (isnan(x) || (n == most && !(x > v[n - 1])))
            continue;
        at = n < most ? n++ : n - 1;
        for (; at > 0 && x > v[at - 1]; at--) {
            v[at] = v[at - 1];
            out[at] = out[at - 1];
        }
        v[at] = x;
        out[at].id = (int32_t)i;
    }
    for (size_t i = 0; i < n; i++)
        out[i].logprob = row_logprob(row, logits[out[i].id]);
    return n;
}

static bool add_read(struct marks *m, struct mark mark, const struct row *row,
                     const float *logits, size_t n_vocab)
{
    if (!marks_room(m, 1))
        return false;
    mark.logprob = row_logprob(row, logits[mark.id]);
    if (m->n_top)
        mark.n_top = find_tops(row, logits, n_vocab, m->tops + m->n * m->n_top,
                               m->n_top);
    m->v[m->n++] = mark;
    return true;
}

bool marks_add(struct marks *m, struct mark mark, const float *logits,
               size_t n_vocab)
{
    struct row row;

    if (logits) {
        row = row_read(logits, n_vocab);
        return add_read(m, mark, &row, logits, n_vocab);
    }
    if (!marks_room(m, 1))
        return false;
    mark.logprob = NAN;
    m->v[m->n++] = mark;
    return true;
}

void news_free(struct news *n)
{
    buf_free(&n->text);
    marks_free(&n->prompt);
    marks_free(&n->marks);
}

/* --- lanes ------------------------------------------------------------------ */

struct lane *lane_open(struct ask *a)
{
    struct lane *l = mem_zalloc(sizeof *l);
    struct mark first = { .id = a->prompt[0] };

    if (!l)
        return NULL;
    *l = (struct lane){ .ask = a, .seq = -1, .state = a->sampling.seed };
    stream_init(&l->text, a->stop, a->n_stop);
    l->prompt.n_top = l->fresh.n_top = a->n_top;
    if (!mem_grow(&l->tokens, &l->cap, a->n_prompt + 1, sizeof *l->tokens) ||
        (a->score_prompt && !marks_add(&l->prompt, first, NULL, 0))) {
        lane_close(l, NULL);
        return NULL;
    }
    memcpy(l->tokens, a->prompt, a->n_prompt * sizeof *l->tokens);
    l->n = l->n_prompt = a->n_prompt;
    return l;
}

void lane_close(struct lane *l, struct mk_ctx *c)
{
    if (!l)
        return;
    if (l->seq >= 0) {
        assert(c);
        mk_seq_free(c, l->seq);
    }
    mem_free(l->tokens);
    marks_free(&l->prompt);
    marks_free(&l->fresh);
    stream_free(&l->text);
    mem_free(l);
}

static void finish(struct lane *l, enum mk_finish how)
{
    l->over = true;
    l->finish = how;
}

void lane_fail(struct lane *l, enum err_code code, const char *msg)
{
    finish(l, MK_FINISH_ERROR);
    err_set(&l->err, code, "%s", msg);
}

/* Characters of the text so far. */
static size_t count_chars(struct lane *l)
{
    struct str t = buf_view(&l->text.text);

    l->chars += text_count(str_sub(t, l->counted, t.n));
    l->counted = t.n;
    return l->chars;
}

static bool add_text(struct lane *l, const struct mk_model *m, int32_t id)
{
    char small[256];
    size_t n = mk_token_bytes(m, id, false, small, sizeof small);
    char *big = NULL;

    if (n > sizeof small) {
        big = mem_alloc(n);
        if (!big)
            return false;
        mk_token_bytes(m, id, false, big, n);
    }
    stream_push(&l->text, big ? big : small, n);
    mem_free(big);
    return !l->text.text.failed;
}

/* Whatever ends a generation is decided here, from its own tokens alone. */
static bool take_token(struct lane *l, const struct mk_model *m, int32_t id)
{
    if (!mem_grow(&l->tokens, &l->cap, l->n + 1, sizeof *l->tokens))
        return false;
    l->tokens[l->n++] = id;
    if (mk_token_is_stop(m, id)) {
        finish(l, MK_FINISH_STOP);
        stream_end(&l->text);
    } else {
        if (!add_text(l, m, id))
            return false;
        if (l->text.stopped)
            finish(l, MK_FINISH_STOP);
        else if (l->n - l->n_prompt >= l->ask->max_tokens)
            finish(l, MK_FINISH_LENGTH);
        if (l->over && !l->text.stopped)
            stream_end(&l->text);
    }
    return !l->text.text.failed;
}

static bool next_token(struct lane *l, const struct mk_model *m,
                       const float *logits)
{
    size_t n_vocab = (size_t)mk_model_info(m)->n_vocab;
    struct row row = row_read(logits, n_vocab);
    struct mark mark = { .begin = l->text.text.n, .chars = count_chars(l) };

    if (l->ask->max_tokens == 0) {
        finish(l, MK_FINISH_LENGTH);
        return true;
    }
    mark.id = l->ask->sampling.temperature > 0
                  ? mk_sample(logits, n_vocab, &l->ask->sampling, &l->state)
                  : row.top;
    if (!take_token(l, m, mark.id))
        return false;
    mark.end = l->text.text.n;
    return !l->ask->mark || add_read(&l->fresh, mark, &row, logits, n_vocab);
}

/* The mark of token t of the prompt. */
static bool mark_prompt(struct lane *l, const struct mk_model *m, size_t t,
                        const float *logits)
{
    struct mark mark = { .id = l->tokens[t] };

    return marks_add(&l->prompt, mark, logits,
                     (size_t)mk_model_info(m)->n_vocab);
}

void lane_take(struct lane *l, const struct mk_model *m,
               const struct mk_piece *p)
{
    size_t n_vocab = (size_t)mk_model_info(m)->n_vocab, end = l->n;
    size_t n_rows = p->want == MK_WANT_ALL ? p->n : p->want == MK_WANT_LAST;
    size_t t = l->done + p->n - n_rows + 1; /* what the first row foretells */
    bool ok = true;

    l->done += p->n;
    for (size_t i = 0; ok && i < n_rows; i++, t++) {
        const float *logits = p->logits + i * n_vocab;

        if (l->ask->score_prompt && t < l->n_prompt && t == l->prompt.n)
            ok = mark_prompt(l, m, t, logits);
        if (ok && t == end)
            ok = next_token(l, m, logits);
    }
    if (!ok)
        lane_fail(l, ERR_NOMEM, "no memory for the answer");
}

/* --- what can be given ------------------------------------------------------ */

/* Marks whose text has been given; at a stop string the rest goes with it.  A
 * token without text of its own may be the beginning of a character, and goes
 * with the next one that has text. */
static size_t n_given(const struct lane *l)
{
    size_t n = 0;

    if (l->over && !l->text.stopped)
        return l->fresh.n;
    for (size_t i = 0; i < l->fresh.n; i++) {
        const struct mark *m = &l->fresh.v[i];

        if (l->over ? m->begin < l->text.text.n
                    : m->begin < m->end && m->end <= l->text.given)
            n = i + 1;
    }
    return n;
}

static void drop_marks(struct marks *m, size_t n)
{
    if (n == 0)
        return;
    m->n -= n;
    memmove(m->v, m->v + n, m->n * sizeof *m->v);
    if (m->n_top)
        memmove(m->tops, m->tops + n * m->n_top,
                m->n * m->n_top * sizeof *m->tops);
}

static bool give_marks(struct lane *l, struct news *news)
{
    size_t n = n_given(l);

    news->marks.n_top = news->prompt.n_top = l->ask->n_top;
    if (!marks_copy(&news->marks, &l->fresh, 0, n))
        return false;
    drop_marks(&l->fresh, n);
    if (l->prompt_given || l->prompt.n < l->n_prompt)
        return true;
    l->prompt_given = true;
    return marks_copy(&news->prompt, &l->prompt, 0, l->n_prompt);
}

bool lane_publish(struct lane *l)
{
    struct news *news = &l->ask->news;

    buf_text(&news->text, stream_next(&l->text, l->over));
    if (!give_marks(l, news) || news->text.failed)
        lane_fail(l, ERR_NOMEM, "no memory for the answer");
    news->n_tokens = l->n - l->n_prompt;
    news->n_cached = l->n_cached;
    news->over = l->over;
    news->finish = l->finish;
    news->err = l->err;
    return l->over || news->text.n || news->marks.n || news->prompt.n;
}
