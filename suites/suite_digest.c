/* Identity of items and suites.
 *
 * An item's digest is the SHA-256 of a JSON object with all that decides what
 * is asked and how it is judged, keys sorted:
 *
 *   {"answer":..,"choices":[["A",".."],..],"context":..,"matcher":..,
 *    "question":..,"system":..,"turns":[{..}]}
 *
 * Its id, subset, tags, explanation and place do not count, so that an item
 * keeps its answers when a suite is sorted anew.  Choices are a list of pairs
 * because their order is part of the question.  The matcher is the one that
 * judges, the suite's or its own.
 *
 * Public suites hold the same item twice.  Both count in the published score,
 * so the second of a kind is told apart by "copy":2. */
#include <stdlib.h>
#include <string.h>

#include "suites/suite_load.h"

#define MAX_ITEM ((size_t)64 << 20)

static void add_raw(struct jw *w, const char *key, const char *json)
{
    if (json)
        jw_raw(w, key, str_of(json));
}

static void add_str(struct jw *w, const char *key, const char *s)
{
    if (s)
        jw_str(w, key, s);
}

static void add_choices(struct jw *w, const struct item *it)
{
    if (it->n_choices == 0)
        return;
    jw_array(w, "choices");
    for (size_t i = 0; i < it->n_choices; i++) {
        jw_array(w, NULL);
        jw_str(w, NULL, it->choices[i].key);
        jw_str(w, NULL, it->choices[i].text);
        jw_end(w);
    }
    jw_end(w);
}

static void add_turns(struct jw *w, const struct item *it, bool judged)
{
    if (it->n_turns == 0)
        return;
    jw_array(w, "turns");
    for (size_t i = 0; i < it->n_turns; i++) {
        jw_object(w, NULL);
        add_raw(w, "answer", judged ? it->turns[i].answer : NULL);
        add_raw(w, "matcher", judged ? it->turns[i].matcher : NULL);
        jw_str(w, "question", it->turns[i].question);
        jw_end(w);
    }
    jw_end(w);
}

/* matcher NULL: only what is asked. */
static enum err_code sum(const struct item *it, const char *matcher,
                         size_t copy, char hex[DIGEST_HEX], struct err *e)
{
    struct buf b;
    struct jw w;
    enum err_code rc;

    buf_init(&b, MAX_ITEM);
    jw_init(&w, &b, false);
    jw_object(&w, NULL);
    add_raw(&w, "answer", matcher ? it->answer : NULL);
    add_choices(&w, it);
    add_str(&w, "context", it->context);
    if (copy > 1)
        jw_int(&w, "copy", (int64_t)copy);
    add_raw(&w, "matcher", matcher);
    add_str(&w, "question", it->question);
    add_str(&w, "system", it->system);
    add_turns(&w, it, matcher != NULL);
    jw_end(&w);
    rc = buf_check(&b, "an item", e);
    if (!rc)
        digest_hex(buf_view(&b), hex);
    buf_free(&b);
    return rc;
}

enum err_code item_question_sum(const struct item *it, char hex[DIGEST_HEX],
                                struct err *e)
{
    return sum(it, NULL, 1, hex, e);
}

static int by_digest(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a;
    const struct item *y = *(struct item *const *)b;
    int c = strcmp(x->digest, y->digest);

    return c ? c : (x->line > y->line) - (x->line < y->line);
}

/* order: items sorted by digest, then line. */
static enum err_code tell_copies(const struct suite *s, struct item **order,
                                 size_t n, struct err *e)
{
    enum err_code rc = ERR_OK;
    char first[DIGEST_HEX];
    size_t copy = 1;

    for (size_t i = 1; i < n && !rc; i++) {
        if (copy == 1)
            memcpy(first, order[i - 1]->digest, sizeof first);
        copy = strcmp(order[i]->digest, first) == 0 ? copy + 1 : 1;
        if (copy > 1)
            rc = sum(order[i], suite_item_matcher(s, order[i]), copy,
                     order[i]->digest, e);
    }
    return rc;
}

static enum err_code sum_items(const struct suite *s, struct item *items,
                               size_t n, struct err *e)
{
    struct item **order = mem_array(n + 1, sizeof(struct item *));
    enum err_code rc = ERR_OK;

    if (!order)
        return err_set(e, ERR_NOMEM, "no memory for %zu items", n);
    for (size_t i = 0; i < n && !rc; i++) {
        order[i] = &items[i];
        rc = sum(&items[i], suite_item_matcher(s, &items[i]), 1,
                 items[i].digest, e);
    }
    if (!rc) {
        qsort(order, n, sizeof(struct item *), by_digest);
        rc = tell_copies(s, order, n, e);
    }
    mem_free(order);
    return rc;
}

static void add_field(struct digest *d, const char *s)
{
    digest_field(d, str_of(s));
}

/* Titles, authors and licence do not decide anything; the names of subsets
 * stand in prompts. */
static void add_meta(struct digest *d, const struct suite *s)
{
    add_field(d, "mokao suite 1");
    add_field(d, s->id);
    add_field(d, s->version);
    add_field(d, s->language);
    add_field(d, s->template);
    add_field(d, s->matcher);
    add_field(d, s->metric);
    for (size_t i = 0; i < s->n_subset_titles; i++) {
        add_field(d, s->subset_titles[i].subset);
        add_field(d, s->subset_titles[i].zh);
        add_field(d, s->subset_titles[i].en);
    }
}

enum err_code suite_sum(struct suite *s, struct err *e)
{
    struct digest *d;
    enum err_code rc;

    if ((rc = sum_items(s, s->items, s->n_items, e)) ||
        (rc = sum_items(s, s->dev, s->n_dev, e)) || (rc = digest_open(&d, e)))
        return rc;
    add_meta(d, s);
    add_field(d, "items");
    for (size_t i = 0; i < s->n_items; i++) {
        add_field(d, s->items[i].subset);
        add_field(d, s->items[i].digest);
    }
    add_field(d, "dev");
    for (size_t i = 0; i < s->n_dev; i++) {
        add_field(d, s->dev[i].subset);
        add_field(d, s->dev[i].digest);
        add_field(d, s->dev[i].explanation);
    }
    digest_close(d, s->digest);
    return ERR_OK;
}
