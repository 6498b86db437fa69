/* The dictionary of words.h: its lines, and the tree of all words and their
 * beginnings.
 *
 * The tree grows with its edges in a table of hashes, and is then put in order
 * once.  Looking words up in the hashes takes two misses of the cache a
 * character, four times as long. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/mem.h"
#include "harness/match/words_parts.h"

enum { FIRST_BITS = 10, FILE_MOST = 256 << 20 };
/* Sums of frequencies stay exact in a double. */
#define FREQUENCY_MOST ((uint64_t)1 << 53)
/* A weight is never positive: this one says that no word ends here. */
#define NO_WORD 1.0

bool words_is_han(int32_t rune)
{
    return rune >= WORDS_HAN && rune < WORDS_HAN_END;
}

enum err_code words_read_file(const char *path, struct buf *out, struct err *e)
{
    enum err_code rc;
    size_t bad;

    buf_init(out, FILE_MOST);
    rc = io_read(path, out, e);
    /* Not LIMIT, which would be one of the answer that is judged. */
    if (rc == ERR_LIMIT)
        return err_set(e, ERR_FORMAT, "%s: more than %d MB", path,
                       FILE_MOST >> 20);
    if (!rc && !text_check(buf_view(out), &bad))
        return err_set(e, ERR_FORMAT,
                       "%s: not UTF-8 at byte %zu: convert it (iconv -t UTF-8)",
                       path, bad);
    return rc;
}

/* ---- lines ---- */

static size_t to_blank(struct str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t')
        n++;
    return n;
}

/* A whole number that is the whole of s. */
static bool read_whole(struct str s, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || *value > FREQUENCY_MOST)
            return false;
        *value = *value * 10 + (uint64_t)(s.p[i] - '0');
    }
    return s.n && *value <= FREQUENCY_MOST;
}

static enum err_code read_entry(struct str line, size_t number,
                                const char *name, struct word_entry *out,
                                struct err *e)
{
    struct str rest, freq;

    out->word = str_sub(line, 0, to_blank(line));
    rest = str_trim(str_sub(line, out->word.n, line.n));
    freq = str_sub(rest, 0, to_blank(rest));
    if (!read_whole(freq, &out->frequency))
        return err_set(e, ERR_FORMAT,
                       "%s: line %zu: expected \"word frequency [tag]\" with a "
                       "whole number, got \"%.*s\"",
                       name, number,
                       STR_FMT(str_sub(line, 0, text_fit(line, 40))));
    if (text_count(out->word) > WORD_MOST)
        return err_set(e, ERR_FORMAT,
                       "%s: line %zu: a word of %zu characters, at most %d: "
                       "take it out",
                       name, number, text_count(out->word), WORD_MOST);
    return ERR_OK;
}

enum err_code word_next(struct io_lines *lines, const char *name,
                        struct word_entry *out, bool *more, struct err *e)
{
    *more = false;
    while (!*more && io_next_line(lines)) {
        lines->line = str_trim(lines->line);
        *more = lines->line.n > 0;
    }
    return *more ? read_entry(lines->line, lines->number, name, out, e)
                 : ERR_OK;
}

/* ---- the tree as it grows ---- */

/* A node knows where it comes from, an edge is found by the hash of both; a
 * slot is only a node's number. */
struct growing {
    struct {
        uint32_t parent;
        int32_t rune;
        double frequency; /* 0: no word */
    } * nodes;
    size_t n, cap;
    uint32_t *slots; /* 0: free */
    unsigned bits;   /* there are 2^bits slots */
};

/* The slot of an edge: the one that has it, or a free one. */
static uint32_t *slot_of(const struct growing *g, uint32_t parent, int32_t rune)
{
    uint64_t key = (uint64_t)parent << 21 ^ (uint64_t)(uint32_t)rune;
    size_t mask = ((size_t)1 << g->bits) - 1,
           i = (size_t)((key * 0x9E3779B97F4A7C15u) >> (64 - g->bits));

    while (g->slots[i] && (g->nodes[g->slots[i]].parent != parent ||
                           g->nodes[g->slots[i]].rune != rune))
        i = (i + 1) & mask;
    return &g->slots[i];
}

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "dictionary: out of memory");
}

/* Room for one more; at most half of the slots are taken. */
static enum err_code make_room(struct growing *g, struct err *e)
{
    uint32_t *slots;

    if (!mem_grow(&g->nodes, &g->cap, g->n + 1, sizeof(*g->nodes)))
        return no_memory(e);
    if (g->slots && g->n < (size_t)1 << (g->bits - 1))
        return ERR_OK;
    slots = mem_array((size_t)1 << (g->bits + 1), sizeof(*slots));
    if (!slots)
        return no_memory(e);
    mem_free(g->slots);
    g->slots = slots;
    g->bits++;
    for (size_t i = 1; i < g->n; i++)
        *slot_of(g, g->nodes[i].parent, g->nodes[i].rune) = (uint32_t)i;
    return ERR_OK;
}

static enum err_code go_on(struct growing *g, uint32_t *node, int32_t rune,
                           struct err *e)
{
    uint32_t *slot = slot_of(g, *node, rune);

    if (!*slot) {
        if (make_room(g, e))
            return e->code;
        slot = slot_of(g, *node, rune);
        g->nodes[g->n].parent = *node;
        g->nodes[g->n].rune = rune;
        g->nodes[g->n].frequency = 0;
        *slot = (uint32_t)g->n++;
    }
    *node = *slot;
    return ERR_OK;
}

/* Of a word that comes twice the last one counts. */
static enum err_code add_word(struct growing *g, const struct word_entry *entry,
                              struct err *e)
{
    enum err_code rc = ERR_OK;
    uint32_t node = 0;
    size_t len;

    for (size_t at = 0; at < entry->word.n && !rc; at += len)
        rc = go_on(g, &node, text_rune(entry->word, at, &len), e);
    if (!rc)
        g->nodes[node].frequency = (double)entry->frequency;
    return rc;
}

static enum err_code add_words(struct growing *g, const char *name,
                               struct str text, uint64_t *total, struct err *e)
{
    struct io_lines lines = { .rest = text };
    struct word_entry entry;
    bool more;
    enum err_code rc;

    *total = 0;
    while (!(rc = word_next(&lines, name, &entry, &more, e)) && more) {
        *total += entry.frequency;
        if (*total > FREQUENCY_MOST)
            return err_set(e, ERR_FORMAT,
                           "%s: line %zu: the frequencies sum to more than "
                           "2^53: scale them down",
                           name, lines.number);
        rc = add_word(g, &entry, e);
        if (rc)
            return rc;
    }
    if (!rc && !*total)
        rc = err_set(e, ERR_FORMAT,
                     "%s: no word with a frequency above 0: expected lines "
                     "\"word frequency [tag]\"",
                     name);
    return rc;
}

/* ---- the tree as it is used ---- */

/* A node of the growing tree, to be sorted. */
struct child {
    int32_t rune;
    uint32_t node;
};

static int by_rune(const void *x, const void *y)
{
    const struct child *a = x, *b = y;

    return (a->rune > b->rune) - (a->rune < b->rune);
}

/* Puts the nodes but the root in the order of their parents, then of their
 * characters; the children of p are those from first[p] to first[p + 1]. */
static void sort_children(const struct growing *g, struct child *sorted,
                          uint32_t *first)
{
    for (size_t i = 1; i < g->n; i++)
        first[g->nodes[i].parent]++;
    for (size_t i = 1; i <= g->n; i++)
        first[i] += first[i - 1];
    for (size_t i = g->n; i-- > 1;)
        sorted[--first[g->nodes[i].parent]] =
            (struct child){ g->nodes[i].rune, (uint32_t)i };
    for (size_t i = 0; i < g->n; i++)
        qsort(sorted + first[i], first[i + 1] - first[i], sizeof(*sorted),
              by_rune);
}

/* The children of each node are put behind all that stand already, from the
 * root on: level by level.  from[k] is the k-th node's number in the growing
 * tree. */
static void set_nodes(struct word_tree *t, const struct growing *g,
                      const struct child *sorted, const uint32_t *first,
                      uint32_t *from, double all)
{
    uint32_t n = 1;

    for (size_t k = 0; k < g->n; k++) {
        size_t old = from[k];
        double f = g->nodes[old].frequency;

        t->nodes[k] =
            (struct word_node){ .rune = g->nodes[old].rune,
                                .first = n,
                                .weight = f > 0 ? log(f) - all : NO_WORD };
        for (size_t i = first[old]; i < first[old + 1]; i++)
            from[n++] = sorted[i].node;
    }
    t->nodes[g->n].first = n;
}

static void set_begin(struct word_tree *t)
{
    for (uint32_t i = t->nodes[0].first; i < t->nodes[1].first; i++)
        if (words_is_han(t->nodes[i].rune))
            t->begin[t->nodes[i].rune - WORDS_HAN] = i;
}

static enum err_code settle(struct word_tree *t, const struct growing *g,
                            uint64_t total, struct err *e)
{
    struct child *sorted = mem_array(g->n, sizeof(*sorted));
    uint32_t *first = mem_array(g->n + 1, sizeof(*first));
    uint32_t *from = mem_array(g->n, sizeof(*from));
    double all = log((double)total);
    bool fine;

    t->unseen = -all;
    t->nodes = mem_array(g->n + 1, sizeof(*t->nodes));
    t->begin = mem_array(WORDS_HAN_END - WORDS_HAN, sizeof(*t->begin));
    fine = sorted && first && from && t->nodes && t->begin;
    if (fine) {
        sort_children(g, sorted, first);
        set_nodes(t, g, sorted, first, from, all);
        set_begin(t);
    }
    mem_free(sorted);
    mem_free(first);
    mem_free(from);
    return fine ? ERR_OK : no_memory(e);
}

enum err_code word_tree_init(struct word_tree *t, const char *name,
                             struct str text, struct err *e)
{
    struct growing g = { .n = 1, .bits = FIRST_BITS };
    uint64_t total;
    enum err_code rc = make_room(&g, e);

    *t = (struct word_tree){ 0 };
    if (!rc) {
        memset(g.nodes, 0, sizeof(*g.nodes));
        rc = add_words(&g, name, text, &total, e);
    }
    if (!rc)
        rc = settle(t, &g, total, e);
    mem_free(g.nodes);
    mem_free(g.slots);
    return rc;
}

void word_tree_free(struct word_tree *t)
{
    mem_free(t->nodes);
    mem_free(t->begin);
    *t = (struct word_tree){ 0 };
}

uint32_t word_tree_step(const struct word_tree *t, uint32_t node, int32_t rune)
{
    uint32_t from = t->nodes[node].first, end = t->nodes[node + 1].first;

    if (!node && words_is_han(rune))
        return t->begin[rune - WORDS_HAN];
    while (from < end) {
        uint32_t half = from + (end - from) / 2;

        if (t->nodes[half].rune == rune)
            return half;
        if (t->nodes[half].rune < rune)
            from = half + 1;
        else
            end = half;
    }
    return 0;
}

bool word_tree_is_word(const struct word_tree *t, uint32_t node)
{
    return t->nodes[node].weight <= 0;
}
