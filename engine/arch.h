/* The table of model families.
 *
 * A family is one file arch_NAME.c with one row: it reads its hyper-parameters
 * and tensors with the loader of net.h, all shapes exactly checked, and puts
 * its forward pass together from the pieces of graph.h.  Nothing else knows a
 * family by name. */
#ifndef MK_ARCH_H
#define MK_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/text.h"

struct kv_prompt;
struct loader;
struct net;
struct pass;

struct arch {
    const char *name; /* general.architecture */
    const char *doc;  /* the models that are of this family */
    const char *chat; /* chat template where files have none and all models of
                         the family want the same one; or NULL */
    void (*load)(struct loader *l);
    /* Takes the batch from token ids to the normalised rows that the output
     * matrix is applied to. */
    void (*forward)(const struct net *n, struct pass *p);
    /* Both NULL but for few families.  Rotates n_head heads of the rows of the
     * batch, in place of layer->rope: */
    void (*rotate)(const struct net *n, struct pass *p, float *x, int n_head,
                   bool is_query);
    /* Reads the first tokens of a sequence, of which n_prompt are the prompt
     * (some of them may still come): when net->prompts is not PROMPT_FREE. */
    enum err_code (*read_prompt)(const struct net *n, const int32_t *ids,
                                 size_t n_ids, size_t n_prompt,
                                 struct kv_prompt *out, struct err *e);
};

/* The registration, sorted by name. */
#define ARCHS(X)                                                               \
    X(baichuan)                                                                \
    X(bloom)                                                                   \
    X(chatglm)                                                                 \
    X(chatglm1)                                                                \
    X(deepseek2)                                                               \
    X(gemma3)                                                                  \
    X(glm4)                                                                    \
    X(gpt2)                                                                    \
    X(gptj)                                                                    \
    X(internlm2)                                                               \
    X(llama)                                                                   \
    X(minicpm)                                                                 \
    X(qwen)                                                                    \
    X(qwen2)                                                                   \
    X(qwen2moe)                                                                \
    X(qwen3)                                                                   \
    X(qwen3moe)
#define ARCH_DECL(name) extern const struct arch arch_##name;
ARCHS(ARCH_DECL)
#undef ARCH_DECL

/* The row of that name; NULL and a message that lists the known ones. */
const struct arch *arch_find(struct str name, struct err *e);

#endif
