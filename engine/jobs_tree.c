/* Building the tree of prefixes.
 *
 * The keys are sorted (as bytes: any order will do that puts rows with a common
 * beginning together and a row before its continuations).  The lengths of the
 * common prefixes of neighbours then give the nodes by a stack: a node is a
 * depth and a range of keys (Kasai et al. 2001, "LCP intervals").  Sorted by
 * first key and depth they stand with parents before children.
 *
 * A branch is worth a node when it saves more tokens than the step it adds
 * costs: each level of the tree has to be computed before the next. */
#include "engine/jobs_tree.h"

#include <stdlib.h>
#include <string.h>

#include "engine/backend.h"
#include "harness/base/mem.h"

/* Tokens that a node must save: about what one more pass over the weights costs
 * on a CPU. */
#define WORTH 32

/* A node on its way: see above. */
struct raw {
    size_t depth, first, last; /* keys */
    size_t longest;            /* tokens of its longest key */
    size_t parent, n_kids;
};

struct raws {
    struct raw *p;
    size_t n, cap;
};

static int by_tokens(const void *a, const void *b)
{
    const struct tree_key *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = n ? memcmp(x->tokens, y->tokens, n * sizeof *x->tokens) : 0;

    if (order)
        return order;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    if (x->job != y->job)
        return x->job < y->job ? -1 : 1;
    return (x->option > y->option) - (x->option < y->option);
}

/* Equal prompts together: they are equally long. */
static int by_prompt(const void *a, const void *b)
{
    const struct tree_key *x = a, *y = b;

    if (x->n_prompt != y->n_prompt)
        return x->n_prompt < y->n_prompt ? -1 : 1;
    return by_tokens(a, b);
}

static size_t common(const struct tree *t, size_t i)
{
    const struct tree_key *x = &t->key[i - 1], *y = &t->key[i];
    size_t n = x->n < y->n ? x->n : y->n, k = 0;

    while (k < n && x->tokens[k] == y->tokens[k])
        k++;
    if (t->whole && (x->n_prompt != y->n_prompt || k < x->n_prompt))
        return 0;
    return k;
}

static bool push(struct raws *s, struct raw r)
{
    if (!mem_grow(&s->p, &s->cap, s->n + 1, sizeof *s->p))
        return false;
    s->p[s->n++] = r;
    return true;
}

/* Takes the nodes deeper than `depth` off the stack: they end before key i. */
static bool close_deeper(struct raws *stack, struct raws *out, size_t depth,
                         size_t i, size_t *first)
{
    while (stack->n > 0 && stack->p[stack->n - 1].depth > depth) {
        struct raw r = stack->p[--stack->n];

        r.last = i - 1;
        *first = r.first;
        if (!push(out, r))
            return false;
    }
    return true;
}

static bool find_nodes(const struct tree *t, struct raws *out)
{
    struct raws stack = { 0 };
    bool ok = true;

    for (size_t i = 0; i < t->n_keys && ok; i++) {
        size_t depth = i ? common(t, i) : 0, first = i;
        size_t top;

        ok = close_deeper(&stack, out, depth, i, &first);
        top = stack.n ? stack.p[stack.n - 1].depth : 0;
        if (ok && depth > top)
            ok = push(&stack, (struct raw){ .depth = depth, .first = first });
        if (ok && t->key[i].n > depth)
            ok = push(&stack, (struct raw){ .depth = t->key[i].n, .first = i });
    }
    ok = ok && close_deeper(&stack, out, 0, t->n_keys, &(size_t){ 0 });
    mem_free(stack.p);
    return ok;
}

static int by_place(const void *a, const void *b)
{
    const struct raw *x = a, *y = b;

    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->depth > y->depth) - (x->depth < y->depth);
}

/* Parents, children counted, and the longest keys. */
static void measure(struct raws *all)
{
    size_t up = TREE_NONE;

    for (size_t i = 0; i < all->n; i++) {
        struct raw *r = &all->p[i];

        while (up != TREE_NONE && all->p[up].last < r->first)
            up = all->p[up].parent;
        r->parent = up;
        r->longest = r->depth;
        if (up != TREE_NONE)
            all->p[up].n_kids++;
        up = i;
    }
    for (size_t i = all->n; i-- > 0;) {
        struct raw *r = &all->p[i];

        if (r->parent != TREE_NONE && all->p[r->parent].longest < r->longest)
            all->p[r->parent].longest = r->longest;
    }
}

/* --- nodes ---------------------------------------------------------------- */

static bool worth_it(const struct raw *r, size_t start, size_t n_above,
                     size_t capacity)
{
    size_t path = (r->longest + KV_BLOCK - 1) / KV_BLOCK + n_above + 1;

    return r->n_kids > 1 && (r->depth - start) * (r->n_kids - 1) >= WORTH &&
           path <= capacity / KV_BLOCK;
}

/* What is wanted of the node by the keys that end there. */
static void read_keys(struct tree *t, size_t node)
{
    struct tree_node *x = &t->node[node];

    for (size_t i = 0; i < x->n_keys; i++) {
        const struct tree_key *k = &t->key[x->first_key + i];

        if (k->n != x->end)
            break;
        x->n_prompts += k->option == TREE_PROMPT;
        if (k->n == k->n_prompt) {
            x->want_last = true;
            continue;
        }
        for (size_t up = node;
             up != TREE_NONE && t->node[up].start >= k->n_prompt;
             up = t->node[up].parent)
            t->node[up].want_all = true;
    }
}

static size_t last_key(const struct tree_node *x)
{
    return x->first_key + x->n_keys - 1;
}

static void make_nodes(struct tree *t, const struct raws *all, size_t capacity)
{
    size_t up = TREE_NONE, n_above = 0;

    for (size_t i = 0; i < all->n; i++) {
        const struct raw *r = &all->p[i];
        size_t start;

        for (; up != TREE_NONE && last_key(&t->node[up]) < r->first;
             n_above--) {
            t->node[up].next = t->n_nodes;
            up = t->node[up].parent;
        }
        start = up == TREE_NONE ? 0 : t->node[up].end;
        if (t->key[r->first].n != r->depth &&
            !worth_it(r, start, n_above, capacity))
            continue;
        if (up != TREE_NONE)
            t->node[up].n_coming++;
        t->node[t->n_nodes] =
            (struct tree_node){ .parent = up,
                                .first_key = r->first,
                                .n_keys = r->last - r->first + 1,
                                .start = start,
                                .end = r->depth,
                                .seq = -1,
                                .done = start,
                                .read_to = start };
        read_keys(t, t->n_nodes);
        up = t->n_nodes++;
        n_above++;
    }
    for (; up != TREE_NONE; up = t->node[up].parent)
        t->node[up].next = t->n_nodes;
}

enum err_code tree_init(struct tree *t, struct tree_key *key, size_t n_keys,
                        size_t capacity, bool whole, struct err *e)
{
    struct raws all = { 0 };
    bool ok;

    *t = (struct tree){ .whole = whole, .key = key, .n_keys = n_keys };
    if (n_keys > 1)
        qsort(key, n_keys, sizeof *key, whole ? by_prompt : by_tokens);
    ok = find_nodes(t, &all);
    if (ok) {
        if (all.n > 1)
            qsort(all.p, all.n, sizeof *all.p, by_place);
        measure(&all);
        t->node = mem_array(all.n + 1, sizeof *t->node);
        ok = t->node != NULL;
    }
    if (ok)
        make_nodes(t, &all, capacity);
    mem_free(all.p);
    return ok ? ERR_OK
              : err_set(e, ERR_NOMEM, "no memory for %zu prompts", n_keys);
}

void tree_free(struct tree *t)
{
    mem_free(t->key);
    mem_free(t->node);
    *t = (struct tree){ 0 };
}
