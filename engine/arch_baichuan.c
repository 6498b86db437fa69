/* Baichuan and Baichuan 2: the LLaMA decoder, with rope (7B) or ALiBi (13B).
 *
 * Converters write no key for ALiBi: without attention.max_alibi_bias it is the
 * model of 40 layers that has it.  Baichuan 2 multiplies by the rows of the
 * output matrix brought to length 1.  Whether a file's rows are so already is
 * looked up, for converters leave it to their users; the others' logits are
 * divided by the lengths. */
#include <math.h>

#include "engine/graph.h"

#define LAYERS_13B 40
#define VOCAB_2 125696 /* Baichuan 2 */
#define SAMPLES 256    /* rows that are measured first */

static void load_layer(struct loader *l, struct layer *w)
{
    load_norms(l, w, BE_NORM_RMS);
    load_attention(l, w, BIAS_NONE, BIAS_NONE);
    load_ffn(l, w);
    w->rope = l->net->slopes ? NULL : &l->net->rope[0];
}

static void load_place(struct loader *l)
{
    float base = 10000, alibi = l->net->h.n_layer == LAYERS_13B ? 8 : 0;

    load_float_or_zero(l, "attention.max_alibi_bias", &alibi);
    load_float(l, "rope.freq_base", &base);
    if (alibi > 0)
        load_slopes(l, alibi);
    else
        load_rope(l, 0, base, true, false);
}

/* Length of row r of the output matrix; `row` has room for it as floats. */
static double row_length(const struct gguf_tensor *t, int64_t r, float *row)
{
    const struct quant_type *type = quant_type((int)t->type);
    size_t bytes = (size_t)(t->dims[0] / type->block_elems * type->block_bytes);
    double sum = 0;

    type->dequantise(t->data + (size_t)r * bytes, row, (size_t)t->dims[0]);
    for (int64_t c = 0; c < t->dims[0]; c++)
        sum += (double)row[c] * (double)row[c];
    return sqrt(sum);
}

static bool rows_are_normal(const struct gguf_tensor *t, float *row)
{
    int64_t step = t->dims[1] / SAMPLES + 1;

    for (int64_t r = 0; r < t->dims[1]; r += step)
        if (fabs(row_length(t, r, row) - 1) > 1e-2)
            return false;
    return true;
}

static void load_norm_head(struct loader *l)
{
    struct net *n = l->net;
    bool norm_head = n->h.n_vocab == VOCAB_2;
    const struct gguf_tensor *t;
    float *row;

    load_bool(l, "norm_head", &norm_head);
    if (l->rc || !norm_head)
        return;
    t = gguf_tensor(n->gguf, "output.weight");
    if (!t) {
        load_refuse(l, "tensor output.weight is missing");
        return;
    }
    row = load_alloc(l, (size_t)n->h.n_embd, sizeof *row);
    if (l->rc || rows_are_normal(t, row))
        return;
    n->logit_scale =
        load_alloc(l, (size_t)n->h.n_vocab, sizeof *n->logit_scale);
    for (int64_t r = 0; !l->rc && r < n->h.n_vocab; r++)
        n->logit_scale[r] = (float)(1 / fmax(1e-12, row_length(t, r, row)));
}

static void load(struct loader *l)
{
    load_hparams(l, "attention.layer_norm_rms_epsilon");
    load_place(l);
    load_ends(l, BE_NORM_RMS);
    load_norm_head(l);
    load_layers(l, load_layer);
}

static void forward(const struct net *n, struct pass *p)
{
    pass_embed(n, p, 1.0f);
    pass_prenorm(n, p, BE_ACT_SILU, 1.0f);
}

const struct arch arch_baichuan = {
    .name = "baichuan",
    .doc = "Baichuan and Baichuan 2, 7B and 13B",
    .load = load,
    .forward = forward,
};
