/* Tokens become text as they come; whatever ends a generation is decided here,
 * from its own tokens alone. */
#include "engine/jobs_gen.h"

#include <math.h>
#include <string.h>

#include "harness/base/mem.h"

enum err_code gen_open(struct gen **out, const struct mk_job *job, size_t index,
                       struct err *e)
{
    struct gen *g = mem_zalloc(sizeof *g);

    if (!g)
        return err_set(e, ERR_NOMEM, "no memory for a generation");
    g->job = job;
    g->index = index;
    g->seq = -1;
    g->state = job->sampling.seed;
    g->margin = INFINITY;
    stream_init(&g->text, job->stop, job->n_stop);
    for (size_t i = 0; i < job->n_prompt; i++)
        ids_add(&g->tokens, job->prompt[i]);
    if (g->tokens.failed) {
        gen_close(g);
        return err_set(e, ERR_NOMEM, "no memory for a generation");
    }
    *out = g;
    return ERR_OK;
}

void gen_close(struct gen *g)
{
    if (!g)
        return;
    ids_free(&g->tokens);
    stream_free(&g->text);
    mem_free(g);
}

/* Hands out the new text; the caller may end the job by it. */
static void deliver(struct gen *g)
{
    struct str s = stream_next(&g->text, g->over);

    if (s.n == 0 || !g->job->on_text || g->job->on_text(g->job->user, s.p, s.n))
        return;
    g->over = true;
    g->finish = MK_FINISH_ERROR;
    err_set(&g->err, ERR_CANCELLED, "cancelled by the caller");
}

static void add_text(struct gen *g, const struct vocab *v, int32_t id)
{
    char small[256];
    size_t n = vocab_bytes(v, id, g->job->keep_special, small, sizeof small);
    char *big = NULL;

    if (n > sizeof small) {
        big = mem_alloc(n);
        if (!big) {
            g->text.text.failed = true;
            return;
        }
        vocab_bytes(v, id, g->job->keep_special, big, n);
    }
    stream_push(&g->text, big ? big : small, n);
    mem_free(big);
}

static void finish(struct gen *g, enum mk_finish how)
{
    g->over = true;
    g->finish = how;
}

void gen_end(struct gen *g, enum mk_finish how)
{
    finish(g, how);
    stream_end(&g->text);
    deliver(g);
}

void gen_take(struct gen *g, const struct vocab *v, const float *logits,
              size_t n_vocab, const struct row *row)
{
    bool greedy = !(g->job->sampling.temperature > 0);
    int32_t id = greedy
                     ? row->top
                     : mk_sample(logits, n_vocab, &g->job->sampling, &g->state);

    ids_add(&g->tokens, id);
    g->logprob += row_logprob(row, logits[id]);
    g->margin = fmin(g->margin, row->best - row->second);
    if (vocab_is_stop(v, id)) {
        finish(g, MK_FINISH_STOP);
    } else {
        add_text(g, v, id);
        if (g->text.stopped)
            finish(g, MK_FINISH_STOP);
        else if (g->tokens.n - g->job->n_prompt >= g->job->max_tokens)
            finish(g, MK_FINISH_LENGTH);
    }
    if (g->over && !g->text.stopped)
        stream_end(&g->text);
    if (g->tokens.failed || g->text.text.failed) {
        finish(g, MK_FINISH_ERROR);
        err_set(&g->err, ERR_NOMEM, "no memory for the generated text");
        return;
    }
    deliver(g);
}

void gen_result(const struct gen *g, struct mk_result *r)
{
    size_t n_prompt = g->job->n_prompt;

    r->finish = g->finish;
    r->text = g->text.text.p;
    r->text_len = g->text.text.n;
    r->n_tokens = g->tokens.n - n_prompt;
    r->tokens = g->tokens.p + n_prompt;
    r->logprob = g->logprob;
    r->margin = isfinite(g->margin) ? g->margin : 0;
    r->prefill_ns = g->prefill_ns;
    r->decode_ns = g->decode_ns;
}
