/* Mixtures of experts: a router chooses for each token which of many small feed
 * forwards it goes through, and with what weights their results are summed.
 *
 * A token's experts are computed in ascending order and added to its row of x
 * one after the other: so its result does not depend on which other tokens of
 * the batch take the same ones. */
#ifndef MK_MOE_H
#define MK_MOE_H

#include "engine/graph.h"
#include "engine/net.h"

enum moe_gating { MOE_SOFTMAX = 1, MOE_SIGMOID = 2 }; /* as in the files */

/* What all layers have in common. */
struct moe {
    int n_expert, n_used;
    int width;        /* of an expert's feed forward */
    int shared_width; /* of the one that all tokens go through; 0: none */
    enum moe_gating gating;
    bool normalise; /* weights sum to 1 before they are scaled */
    float scale;
    int n_group, n_group_used; /* experts are chosen of these groups only */
};

struct moe_layer {
    struct linear router;
    float *select_bias; /* host memory; for choosing alone; or NULL */
    struct linear *gate, *up, *down; /* [n_expert] */
    struct linear shared_gate;       /* of one row; none: a factor of 1 */
    struct linear shared_up_gate, shared_up, shared_down;
};

/* Reads the keys expert_* into n->moe.  The defaults say what the family is
 * alike in: gating, normalising, scale, the width of the shared expert. */
void load_moe(struct loader *l, const struct moe *defaults);
/* The tensors of a layer.  shared_gate: there is ffn_gate_inp_shexp. */
void load_moe_layer(struct loader *l, struct layer *w, bool shared_gate);

/* x += the experts' results for h */
void pass_moe(const struct net *n, struct pass *p, const struct layer *layer);

/* For tests: what the router makes of a token's scores.  Writes n_used experts
 * in ascending order, and their weights. */
void moe_route(const struct moe *m, const float *select_bias,
               const float *scores, int32_t *ids, float *weights);

#endif
