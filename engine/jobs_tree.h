/* The tree of common prefixes of many rows of tokens. */
#ifndef MK_JOBS_TREE_H
#define MK_JOBS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

/* A row of tokens to be computed.  Logits are wanted at its last position, and
 * for an option that is longer than its prompt from position n_prompt on. */
struct tree_key {
    const int32_t *tokens;
    size_t n;
    size_t n_prompt; /* n, or less for an option */
    size_t job;
    size_t option; /* its number, or one of the two below */
};
#define TREE_PROMPT SIZE_MAX         /* generation starts here */
#define TREE_BOUNDARY (SIZE_MAX - 1) /* where an option's prompt ends */

enum tree_state {
    NODE_WAITS, /* not computed, or in part */
    NODE_HELD,  /* computed, the sequence is kept for its children */
    NODE_OVER   /* computed, and all children have begun */
};

/* Tokens start ... end-1 of the keys first_key ... first_key+n_keys-1, which
 * have them and all before in common. */
struct tree_node {
    size_t parent; /* TREE_NONE */
    size_t next;   /* the first node that is not below this one */
    size_t first_key, n_keys;
    size_t start, end;
    bool want_last, want_all; /* logits */
    size_t n_prompts;         /* keys that end here and are TREE_PROMPT */
    /* for the run */
    enum tree_state state;
    size_t read_to;  /* logits of positions before this one have been used */
    int32_t seq;     /* -1: none */
    size_t done;     /* computed up to here */
    size_t n_coming; /* children that have not begun */
};
#define TREE_NONE SIZE_MAX

struct tree {
    bool whole;           /* see tree_init() */
    struct tree_key *key; /* sorted */
    size_t n_keys;
    struct tree_node *node; /* parents before children */
    size_t n_nodes;
};

/* whole: keys have nothing in common unless they have the whole prompt.
 * Sorts the keys (an array that is handed over) and builds the tree.  Nodes that
 * would save less than they cost are left out, and those that would make the
 * path to a key take more than `capacity` positions of a cache in blocks. */
enum err_code tree_init(struct tree *t, struct tree_key *key, size_t n_keys,
                        size_t capacity, bool whole, struct err *e) MUST_CHECK;
void tree_free(struct tree *t);

#endif
