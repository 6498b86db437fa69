/* Two JSON values compared field by field: what is right is counted, so that
 * an answer with nine of ten fields can earn nine tenths. */
#include "harness/match/json_same.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/match/match_parts.h"

enum { FOLD = TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT | TEXT_SPACE };

/* ---- options ---- */

static enum err_code read_word(const struct json *options, const char *name,
                               const char *usual, const char *other, bool *is,
                               struct err *e)
{
    const char *word;
    enum err_code rc = json_get_str_or(options, name, usual, &word, e);

    if (rc)
        return rc;
    *is = !strcmp(word, other);
    if (*is || !strcmp(word, usual))
        return ERR_OK;
    return err_set(e, ERR_FORMAT, "%s: expected %s or %s, got \"%s\"", name,
                   usual, other, word);
}

enum err_code json_how_read(const struct json *options, struct json_how *how,
                            struct err *e)
{
    bool order = true;
    enum err_code rc =
        json_get_bool_or(options, "extra", false, &how->extra, e);

    if (!rc)
        rc = json_get_bool_or(options, "order", true, &order, e);
    if (!rc)
        rc = read_word(options, "text", "folded", "exact", &how->exact_text, e);
    if (!rc)
        rc = read_word(options, "types", "strict", "loose", &how->loose_types,
                       e);
    if (!rc)
        rc = json_get_num_or(options, "tolerance", 0, &how->tolerance, e);
    if (!rc && !(how->tolerance >= 0))
        rc = err_set(e, ERR_FORMAT, "tolerance: expected 0 or more");
    how->any_order = !order;
    return rc;
}

/* ---- single values ---- */

static size_t count_fields(const struct json *j)
{
    const struct json *m = json_child(j);
    size_t n = 0;

    for (; m; m = json_next(m))
        n += count_fields(m);
    return n ? n : 1;
}

static bool same_number(double x, double y, const struct json_how *how)
{
    double off = fabs(x - y);

    return off <= how->tolerance || off <= 1e-12 * fabs(x);
}

/* A text that says a number, true or false. */
static bool says(const struct json *want, const char *s,
                 const struct json_how *how)
{
    char *end;
    double v;

    if (json_type(want) == JSON_BOOL)
        return !strcmp(s, json_bool(want) ? "true" : "false");
    if (json_type(want) != JSON_NUMBER || !*s)
        return false;
    v = strtod(s, &end);
    return !*end && same_number(json_number(want), v, how);
}

static enum err_code same_text(const char *x, const char *y,
                               const struct json_how *how, struct arena *a,
                               bool *same, struct err *e)
{
    struct str fx, fy;
    enum err_code rc;

    *same = !strcmp(x, y);
    if (*same || how->exact_text)
        return ERR_OK;
    rc = match_fold(str_of(x), FOLD, a, &fx, e);
    if (!rc)
        rc = match_fold(str_of(y), FOLD, a, &fy, e);
    if (rc)
        return rc;
    *same = str_eq(fx, fy);
    return ERR_OK;
}

static enum err_code same_loosely(const struct json *want,
                                  const struct json *got,
                                  const struct json_how *how, bool *same)
{
    *same = false;
    if (!how->loose_types)
        return ERR_OK;
    if (json_string(got))
        *same = says(want, json_string(got), how);
    else if (json_string(want))
        *same = says(got, json_string(want), how);
    return ERR_OK;
}

static enum err_code same_leaf(const struct json *want, const struct json *got,
                               const struct json_how *how, struct arena *a,
                               bool *same, struct err *e)
{
    *same = false;
    if (json_type(want) != json_type(got))
        return same_loosely(want, got, how, same);
    switch (json_type(want)) {
    case JSON_NULL:
        *same = true;
        break;
    case JSON_BOOL:
        *same = json_bool(want) == json_bool(got);
        break;
    case JSON_NUMBER:
        *same = same_number(json_number(want), json_number(got), how);
        break;
    case JSON_STRING:
        return same_text(json_string(want), json_string(got), how, a, same, e);
    case JSON_ARRAY:
    case JSON_OBJECT:
        *same = !json_len(want) && !json_len(got);
        break;
    }
    return ERR_OK;
}

/* ---- objects and lists ---- */

static void add(struct json_tally *t, struct json_tally more)
{
    t->fields += more.fields;
    t->right += more.right;
}

static enum err_code same_object(const struct json *want,
                                 const struct json *got,
                                 const struct json_how *how, struct arena *a,
                                 struct json_tally *t, struct err *e)
{
    const struct json *m = json_child(want);
    enum err_code rc = ERR_OK;

    for (; m && !rc; m = json_next(m))
        rc = json_same(m, json_get(got, json_key(m)), how, a, t, e);
    if (how->extra)
        return rc;
    for (m = json_child(got); m; m = json_next(m))
        if (!json_get(want, json_key(m)))
            t->fields += count_fields(m);
    return rc;
}

static enum err_code same_in_order(const struct json *want,
                                   const struct json *got,
                                   const struct json_how *how, struct arena *a,
                                   struct json_tally *t, struct err *e)
{
    const struct json *x = json_child(want), *y = json_child(got);
    enum err_code rc = ERR_OK;

    for (; x && !rc; x = json_next(x)) {
        rc = json_same(x, y, how, a, t, e);
        y = y ? json_next(y) : NULL;
    }
    for (; y && !how->extra; y = json_next(y))
        t->fields += count_fields(y);
    return rc;
}

enum { ELEMENTS_MOST = 300 };

/* The element of got not yet used that is right in most fields. */
static enum err_code best_element(const struct json *want,
                                  const struct json *got, const bool *used,
                                  const struct json_how *how, struct arena *a,
                                  struct json_tally *best, size_t *at,
                                  struct err *e)
{
    const struct json *y = json_child(got);
    enum err_code rc = ERR_OK;

    *best = (struct json_tally){ count_fields(want), 0 };
    *at = ELEMENTS_MOST;
    for (size_t i = 0; y && i < ELEMENTS_MOST && !rc; y = json_next(y), i++) {
        struct json_tally t = { 0, 0 };

        if (used[i])
            continue;
        rc = json_same(want, y, how, a, &t, e);
        if (t.right > best->right ||
            (t.right == best->right && t.right && t.fields < best->fields)) {
            *best = t;
            *at = i;
        }
        if (t.right == t.fields)
            break;
    }
    return rc;
}

static enum err_code same_in_any_order(const struct json *want,
                                       const struct json *got,
                                       const struct json_how *how,
                                       struct arena *a, struct json_tally *t,
                                       struct err *e)
{
    bool used[ELEMENTS_MOST + 1] = { false };
    const struct json *x = json_child(want);
    enum err_code rc = ERR_OK;
    size_t i = 0;

    for (; x && !rc; x = json_next(x)) {
        struct json_tally best;
        size_t at;

        rc = best_element(x, got, used, how, a, &best, &at, e);
        used[at] = true;
        add(t, best);
    }
    for (x = json_child(got); x && !how->extra; x = json_next(x), i++)
        if (i >= ELEMENTS_MOST || !used[i])
            t->fields += count_fields(x);
    return rc;
}

/* ---- one value ---- */

static const struct json *alternatives(const struct json *want)
{
    return json_len(want) == 1 ? json_get(want, "$any") : NULL;
}

static enum err_code same_any(const struct json *list, const struct json *got,
                              const struct json_how *how, struct arena *a,
                              struct json_tally *t, struct err *e)
{
    struct json_tally best = { 1, 0 };
    const struct json *m = json_child(list);
    enum err_code rc = ERR_OK;

    for (; m && !rc; m = json_next(m)) {
        struct json_tally one = { 0, 0 };

        rc = json_same(m, got, how, a, &one, e);
        if (one.right * best.fields > best.right * one.fields)
            best = one;
    }
    add(t, best);
    return rc;
}

enum err_code json_same(const struct json *want, const struct json *got,
                        const struct json_how *how, struct arena *a,
                        struct json_tally *t, struct err *e)
{
    enum json_type type = json_type(want);
    bool same = false;
    enum err_code rc;

    if (alternatives(want))
        return same_any(alternatives(want), got, how, a, t, e);
    if (!got) {
        t->fields += count_fields(want);
        return ERR_OK;
    }
    if (type == JSON_OBJECT && json_type(got) == type && json_len(want))
        return same_object(want, got, how, a, t, e);
    if (type == JSON_ARRAY && json_type(got) == type && json_len(want))
        return how->any_order ? same_in_any_order(want, got, how, a, t, e)
                              : same_in_order(want, got, how, a, t, e);
    rc = same_leaf(want, got, how, a, &same, e);
    if (json_type(got) == type && how->extra && !json_len(want) &&
        (type == JSON_OBJECT || type == JSON_ARRAY))
        same = true;
    t->fields += count_fields(want);
    t->right += same;
    return rc;
}
