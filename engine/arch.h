/* Model families: the table of them, and what a loaded network is.
 *
 * A family is one file arch_NAME.c with one row: it reads its hyper-parameters,
 * opens its tensors with exactly checked shapes, and puts its forward pass
 * together from the pieces of graph.h.  engine.c knows no family. */
#ifndef MK_ARCH_H
#define MK_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/backend.h"
#include "engine/gguf.h"
#include "harness/base/err.h"
#include "harness/base/mem.h"

struct net;
struct pass;

struct arch {
    const char *name; /* general.architecture */
    const char *doc;  /* the models that are of this family */
    /* Reads the hyper-parameters into net->h, opens all tensors. */
    enum err_code (*load)(struct net *net, struct err *e);
    /* Computes the batch from token ids to the normalised rows that the output
     * matrix is applied to (pass->out). */
    void (*forward)(const struct net *net, struct pass *pass);
};

/* The registration, sorted by name. */
#define ARCHS(X) X(gemma3) X(llama) X(qwen2)
#define ARCH_DECL(name) extern const struct arch arch_##name;
ARCHS(ARCH_DECL)
#undef ARCH_DECL

/* The row of that name; NULL and a message that lists the known ones. */
const struct arch *arch_find(struct str name, struct err *e);

#endif
