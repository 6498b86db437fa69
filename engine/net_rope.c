/* Loading the rotation: the angles of each pair, and how long contexts change
 * them. */
#include <math.h>

#include "engine/net.h"

#define MAX_CTX (1 << 30)

static float *rope_table(struct loader *l, int i, float base, bool interleaved)
{
    struct net *n = l->net;
    int n_rot = n->h.n_rot;
    float *inv;

    if (l->rc)
        return NULL;
    inv = load_alloc(l, (size_t)n_rot / 2, sizeof *inv);
    if (!inv)
        return NULL;
    for (int j = 0; j < n_rot / 2; j++)
        inv[j] = (float)pow(base, -2.0 * j / n_rot);
    n->rope[i] = (struct be_rope){ inv, n_rot, interleaved, 1.0f };
    return inv;
}

void load_rope_plain(struct loader *l, int i, float base, bool interleaved)
{
    rope_table(l, i, base, interleaved);
}

static void scale_linear(float *inv, int n, float factor)
{
    for (int j = 0; j < n; j++)
        inv[j] /= factor;
}

struct yarn {
    float factor, ext_factor, attn_factor, beta_fast, beta_slow;
    int orig_ctx;
};

/* The (fractional) pair that turns `beta` times over the original context. */
static double yarn_pair(const struct yarn *y, double beta, double base,
                        int n_rot)
{
    return n_rot * log(y->orig_ctx / (2 * 3.14159265358979323846 * beta)) /
           (2 * log(base));
}

/* YaRN (arXiv 2309.00071): fast pairs stay, slow ones are divided by the
 * factor, a ramp lies between; cos and sin grow with the factor's logarithm. */
static void scale_yarn(struct loader *l, float *inv, const struct yarn *y,
                       double base, float *mscale)
{
    int n_rot = l->net->h.n_rot;
    double lo = fmax(0, floor(yarn_pair(y, y->beta_fast, base, n_rot)));
    double hi = fmin(n_rot - 1, ceil(yarn_pair(y, y->beta_slow, base, n_rot)));

    for (int j = 0; j < n_rot / 2; j++) {
        double ramp = (j - lo) / fmax(0.001, hi - lo);
        double keep = (1 - fmin(1, fmax(0, ramp))) * y->ext_factor;
        inv[j] = (float)(inv[j] / y->factor * (1 - keep) + inv[j] * keep);
    }
    *mscale = y->attn_factor * (float)(1 + 0.1 * log((double)y->factor));
}

static void load_yarn(struct loader *l, struct yarn *y)
{
    load_int(l, "rope.scaling.original_context_length", 1, MAX_CTX,
             &y->orig_ctx);
    load_float(l, "rope.scaling.yarn_ext_factor", &y->ext_factor);
    load_float(l, "rope.scaling.attn_factor", &y->attn_factor);
    load_float(l, "rope.scaling.yarn_attn_factor", &y->attn_factor);
    load_float(l, "rope.scaling.yarn_beta_fast", &y->beta_fast);
    load_float(l, "rope.scaling.yarn_beta_slow", &y->beta_slow);
}

/* Llama 3.1's scaling comes as a divisor for each pair. */
static void scale_by_tensor(struct loader *l, float *inv)
{
    int n = l->net->h.n_rot / 2;
    const float *f;

    l->layer = -1;
    if (!load_has(l, "rope_freqs.weight"))
        return;
    f = load_vector(l, "rope_freqs", ".weight", n);
    for (int j = 0; !l->rc && j < n; j++) {
        if (!(f[j] > 0 && f[j] <= 3e38f))
            load_refuse(l,
                        "rope_freqs.weight holds %g, expected a number "
                        "above 0",
                        (double)f[j]);
        inv[j] /= f[j];
    }
}

void load_rope(struct loader *l, int i, float base, bool interleaved,
               bool freqs)
{
    struct yarn y = { 1, 1, 1, 32, 1, l->net->h.n_ctx_train };
    struct str type = STR("linear");
    float *inv = rope_table(l, i, base, interleaved);

    load_float(l, "rope.scale_linear", &y.factor);
    load_float(l, "rope.scaling.factor", &y.factor);
    load_yarn(l, &y);
    load_str(l, "rope.scaling.type", &type);
    if (l->rc)
        return;
    if (str_is(type, "linear"))
        scale_linear(inv, l->net->h.n_rot / 2, y.factor);
    else if (str_is(type, "yarn"))
        scale_yarn(l, inv, &y, base, &l->net->rope[i].mscale);
    else if (!str_is(type, "none"))
        load_refuse(l,
                    "key %s.rope.scaling.type is \"%.*s\", known are none, "
                    "linear and yarn",
                    l->net->arch->name, STR_FMT(type));
    if (!l->rc && freqs)
        scale_by_tensor(l, inv);
}
