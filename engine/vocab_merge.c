/* Merging of neighbours with a binary heap and a doubly linked list.
 *
 * A candidate is stale when one of its two symbols has since been merged: then
 * one of them has length 0 or the sum of the lengths is another.  Stale ones
 * are thrown away when they come up, which is cheaper than finding them. */
#include "engine/vocab_merge.h"

#include "harness/base/mem.h"

void merger_free(struct merger *m)
{
    mem_free(m->sym);
    mem_free(m->heap);
    *m = (struct merger){ 0 };
}

void merger_clear(struct merger *m)
{
    m->n_sym = m->n_heap = 0;
}

void merger_add(struct merger *m, uint32_t at, uint32_t len, int32_t id)
{
    int32_t i = (int32_t)m->n_sym;

    if (m->failed ||
        !mem_grow(&m->sym, &m->cap_sym, m->n_sym + 1, sizeof *m->sym)) {
        m->failed = true;
        return;
    }
    if (i > 0)
        m->sym[i - 1].next = i;
    m->sym[m->n_sym++] = (struct merge_sym){
        .at = at, .len = len, .id = id, .prev = i - 1, .next = -1
    };
}

static void push(struct merger *m, struct merge_cand c)
{
    size_t i = m->n_heap;

    if (!mem_grow(&m->heap, &m->cap_heap, i + 1, sizeof *m->heap)) {
        m->failed = true;
        return;
    }
    m->n_heap++;
    for (; i > 0 && m->heap[(i - 1) / 2].key > c.key; i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = c;
}

static struct merge_cand pop(struct merger *m)
{
    struct merge_cand top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0, n = m->n_heap;

    for (;;) {
        size_t kid = 2 * i + 1;

        if (kid + 1 < n && m->heap[kid + 1].key < m->heap[kid].key)
            kid++;
        if (kid >= n || m->heap[kid].key >= last.key)
            break;
        m->heap[i] = m->heap[kid];
        i = kid;
    }
    if (n > 0)
        m->heap[i] = last;
    return top;
}

static void offer(struct merger *m, int32_t left, merge_pair_fn *pair,
                  const void *arg)
{
    int32_t right = left < 0 ? -1 : m->sym[left].next;
    uint32_t prio;
    int32_t id;

    if (right < 0 || !pair(arg, &m->sym[left], &m->sym[right], &prio, &id))
        return;
    push(m, (struct merge_cand){ .key = (uint64_t)prio << 32 | (uint32_t)left,
                                 .right = (uint32_t)right,
                                 .len = m->sym[left].len + m->sym[right].len,
                                 .id = id });
}

void merger_run(struct merger *m, merge_pair_fn *pair, const void *arg)
{
    uint32_t when = 0;

    for (size_t i = 0; i + 1 < m->n_sym && !m->failed; i++)
        offer(m, (int32_t)i, pair, arg);
    while (m->n_heap > 0 && !m->failed) {
        struct merge_cand c = pop(m);
        int32_t left = (int32_t)(uint32_t)c.key;
        struct merge_sym *l = &m->sym[left], *r = &m->sym[c.right];

        if (!l->len || !r->len || l->len + r->len != c.len)
            continue;
        l->len = c.len;
        l->id = c.id;
        l->next = r->next;
        r->len = 0;
        r->when = ++when;
        if (l->next >= 0)
            m->sym[l->next].prev = left;
        offer(m, l->prev, pair, arg);
        offer(m, left, pair, arg);
    }
}
