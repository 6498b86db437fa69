/* A query that is run: its rows are compared with those of the expected one.
 *
 * Both run in a private database that is built of the item's tables.  Where the
 * expected query says an order, the rows are compared as a list.  Before an
 * answer is called wrong the expected query is asked a second time, with the
 * tables walked backwards: rows that then change places are ones whose order it
 * leaves open, and where other rows come (the first of several that are level)
 * either will do. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/exec/sqlbox.h"
#include "harness/match/fence.h"
#include "harness/match/match_parts.h"

/* Sums of the same numbers in another order differ by about this much. */
#define ROUNDING 1e-12
enum { COLUMNS_TRIED = 8, ORDERS_TRIED = 720 };

enum how { HOW_AUTO, HOW_LIST, HOW_BAG, HOW_SET };
static const char *const hows[] = { "auto", "list", "bag", "set" };

struct settings {
    enum how how;
    bool any_columns;  /* columns in any order */
    bool text_numbers; /* '12' is 12 */
    double tolerance;
};

typedef const struct sqlbox_cell *row;

/* ---- cells and rows ---- */

static int kind_order(const struct sqlbox_cell *c)
{
    static const int order[] = { [SQLBOX_NULL] = 0,
                                 [SQLBOX_INT] = 1,
                                 [SQLBOX_REAL] = 1,
                                 [SQLBOX_TEXT] = 2,
                                 [SQLBOX_BLOB] = 3 };
    return order[c->kind];
}

static double value_of(const struct sqlbox_cell *c)
{
    return c->kind == SQLBOX_INT ? (double)c->i : c->d;
}

static int compare_doubles(double a, double b)
{
    return (a > b) - (a < b);
}

static int compare_cells(const struct sqlbox_cell *a,
                         const struct sqlbox_cell *b)
{
    int x = kind_order(a), y = kind_order(b);

    if (x != y)
        return x < y ? -1 : 1;
    if (a->kind == SQLBOX_INT && b->kind == SQLBOX_INT)
        return (a->i > b->i) - (a->i < b->i);
    if (x == 1)
        return compare_doubles(value_of(a), value_of(b));
    return x == 0 ? 0 : str_cmp(a->s, b->s);
}

static bool same_cell(const struct sqlbox_cell *a, const struct sqlbox_cell *b,
                      double tolerance)
{
    double x, y, room;

    if (compare_cells(a, b) == 0)
        return true;
    if (kind_order(a) != 1 || kind_order(b) != 1 ||
        (a->kind == SQLBOX_INT && b->kind == SQLBOX_INT && !(tolerance > 0)))
        return false;
    x = value_of(a);
    y = value_of(b);
    room = ROUNDING * fmax(fabs(x), fabs(y));
    return fabs(x - y) <= fmax(room, tolerance);
}

struct rows {
    row *at; /* [n] */
    size_t n, width;
};

static bool same_row(row a, row b, size_t width, double tolerance)
{
    for (size_t i = 0; i < width; i++)
        if (!same_cell(&a[i], &b[i], tolerance))
            return false;
    return true;
}

static int compare_rows(const void *x, const void *y, void *width)
{
    row a = *(const row *)x, b = *(const row *)y;

    for (size_t i = 0; i < *(const size_t *)width; i++) {
        int c = compare_cells(&a[i], &b[i]);
        if (c)
            return c;
    }
    return 0;
}

static void sort_rows(struct rows *r)
{
    qsort_r(r->at, r->n, sizeof(row), compare_rows, &r->width);
}

static void drop_equal(struct rows *r, double tolerance)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        if (!n || !same_row(r->at[n - 1], r->at[i], r->width, tolerance))
            r->at[n++] = r->at[i];
    r->n = n;
}

/* Text that is a number becomes one. */
static void read_number(struct sqlbox_cell *c)
{
    char text[64], *end;
    double d;

    if (c->kind != SQLBOX_TEXT || !c->s.n || c->s.n >= sizeof text ||
        strspn(c->s.p, "0123456789.eE+-") < c->s.n)
        return;
    memcpy(text, c->s.p, c->s.n);
    text[c->s.n] = '\0';
    d = strtod(text, &end);
    if (*end || !isfinite(d))
        return;
    c->kind = SQLBOX_REAL;
    c->d = d;
}

/* ---- results ---- */

struct compare {
    const struct settings *set;
    struct arena *a;
    bool no_memory;
};

/* Rows of r with its columns in the order given (NULL: as they are). */
static bool view_rows(struct compare *c, const struct sqlbox_result *r,
                      const size_t *order, struct rows *out)
{
    struct sqlbox_cell *cells = r->cells;

    out->n = r->n_rows;
    out->width = r->n_cols;
    out->at = arena_array(c->a, r->n_rows + 1, sizeof(row));
    if (order)
        cells = arena_array(c->a, r->n_rows * r->n_cols + 1, sizeof *cells);
    if (!out->at || (!cells && r->n_rows)) {
        c->no_memory = true;
        return false;
    }
    for (size_t i = 0; i < r->n_rows; i++) {
        out->at[i] = cells + i * r->n_cols;
        for (size_t k = 0; order && k < r->n_cols; k++)
            cells[i * r->n_cols + k] = r->cells[i * r->n_cols + order[k]];
    }
    return true;
}

static bool same_lists(const struct rows *a, const struct rows *b,
                       double tolerance)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!same_row(a->at[i], b->at[i], a->width, tolerance))
            return false;
    return true;
}

/* As bags, or as sets.  Sorts both. */
static bool same_bags(const struct settings *set, struct rows *a,
                      struct rows *b, bool as_set)
{
    sort_rows(a);
    sort_rows(b);
    if (as_set) {
        drop_equal(a, set->tolerance);
        drop_equal(b, set->tolerance);
    }
    return same_lists(a, b, set->tolerance);
}

/* What the expected query gave, and what it gave backwards (before that is
 * known: the same). */
struct wanted {
    struct sqlbox_result there, back;
    bool ordered;
};

/* Rows whose place both ways of asking agree on must stand there. */
static bool same_places(const struct settings *set, const struct rows *got,
                        const struct rows *there, const struct rows *back)
{
    for (size_t i = 0; i < there->n; i++) {
        bool fixed = i < back->n && same_row(there->at[i], back->at[i],
                                             there->width, set->tolerance);
        if (fixed &&
            !same_row(there->at[i], got->at[i], there->width, set->tolerance))
            return false;
    }
    return true;
}

/* Nearer to right in this order. */
enum outcome { OTHER_COLUMNS, OTHER_ROWS, OTHER_ORDER, SAME };

static enum outcome compare_with(struct compare *c,
                                 const struct sqlbox_result *got,
                                 const size_t *order, const struct wanted *w,
                                 const struct sqlbox_result *want)
{
    struct rows g, there, back;
    bool list =
        c->set->how == HOW_LIST || (c->set->how == HOW_AUTO && w->ordered);
    bool in_place;

    if (!view_rows(c, got, order, &g) || !view_rows(c, want, NULL, &there) ||
        !view_rows(c, want == &w->there ? &w->back : &w->there, NULL, &back))
        return OTHER_ROWS;
    in_place =
        !list || (g.n == there.n && same_places(c->set, &g, &there, &back));
    if (!same_bags(c->set, &g, &there, c->set->how == HOW_SET))
        return OTHER_ROWS;
    return in_place ? SAME : OTHER_ORDER;
}

static enum outcome compare_ways(struct compare *c,
                                 const struct sqlbox_result *got,
                                 const size_t *order, const struct wanted *w)
{
    enum outcome there = compare_with(c, got, order, w, &w->there);

    if (there == SAME || c->no_memory)
        return there;
    return compare_with(c, got, order, w, &w->back) == SAME ? SAME : there;
}

/* Whether column i of one and k of the other hold the same values. */
static bool same_column(struct compare *c, const struct sqlbox_result *x,
                        size_t i, const struct sqlbox_result *y, size_t k)
{
    const struct sqlbox_result *results[2] = { x, y };
    const size_t cols[2] = { i, k };
    struct rows r[2];

    for (int s = 0; s < 2; s++) {
        if (!view_rows(c, results[s], NULL, &r[s]))
            return false;
        for (size_t n = 0; n < r[s].n; n++)
            r[s].at[n] += cols[s];
        r[s].width = 1;
        sort_rows(&r[s]);
        if (c->set->how == HOW_SET)
            drop_equal(&r[s], c->set->tolerance);
    }
    return same_lists(&r[0], &r[1], c->set->tolerance);
}

/* Tries orders of the columns, one after the other; only columns that hold the
 * same values can stand for each other, so there are few. */
static enum outcome try_orders(struct compare *c,
                               const struct sqlbox_result *got,
                               const struct wanted *w)
{
    bool fits[COLUMNS_TRIED][COLUMNS_TRIED], used[COLUMNS_TRIED] = { false };
    size_t order[COLUMNS_TRIED], n = got->n_cols, depth = 0, tried = 0;
    enum outcome best = OTHER_ROWS;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            fits[i][k] = same_column(c, &w->there, i, got, k) ||
                         same_column(c, &w->back, i, got, k);
    order[0] = (size_t)-1;
    while (tried < ORDERS_TRIED && !c->no_memory) {
        size_t k = order[depth] + 1; /* the next choice at this place */
        if (order[depth] != (size_t)-1)
            used[order[depth]] = false;
        while (k < n && (used[k] || !fits[depth][k]))
            k++;
        if (k == n) {
            if (!depth--)
                break;
            continue;
        }
        order[depth] = k;
        used[k] = true;
        if (depth + 1 < n) {
            order[++depth] = (size_t)-1;
            continue;
        }
        tried++;
        switch (compare_ways(c, got, order, w)) {
        case SAME:
            return SAME;
        case OTHER_ORDER:
            best = OTHER_ORDER;
            break;
        case OTHER_ROWS:
        case OTHER_COLUMNS:
            break;
        }
    }
    return best;
}

/* ---- the expected answer ---- */

/* Whether the query itself, not one inside it, says an order. */
static bool says_order(struct str sql)
{
    int depth = 0;

    for (size_t i = 0; i < sql.n; i++) {
        char c = sql.p[i];
        if (c == '\'' || c == '"' || c == '`') {
            const char *end = memchr(sql.p + i + 1, c, sql.n - i - 1);
            i = end ? (size_t)(end - sql.p) : sql.n;
        } else if (c == '(' || c == ')') {
            depth += c == '(' ? 1 : -1;
        } else if (depth == 0 && (c == 'o' || c == 'O') && i + 8 <= sql.n &&
                   strncasecmp(sql.p + i, "order", 5) == 0 &&
                   strchr(" \t\n\r", sql.p[i + 5])) {
            return true;
        }
    }
    return false;
}

static struct sqlbox_cell cell_of(const struct json *v)
{
    double d = json_number(v);

    switch (json_type(v)) {
    case JSON_NUMBER:
        return (struct sqlbox_cell){ .kind = SQLBOX_REAL, .d = d };
    case JSON_STRING:
        return (struct sqlbox_cell){ .kind = SQLBOX_TEXT,
                                     .s = str_of(json_string(v)) };
    case JSON_BOOL:
        return (struct sqlbox_cell){ .kind = SQLBOX_INT, .i = json_bool(v) };
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return (struct sqlbox_cell){ .kind = SQLBOX_NULL };
}

/* {"rows": [[...], ...]}, checked by check_rows(). */
static enum err_code want_rows(const struct json *expected, struct arena *a,
                               struct wanted *w, struct err *e)
{
    const struct json *rows = json_get(expected, "rows");
    struct sqlbox_result r = { .end = SQLBOX_ROWS,
                               .n_rows = json_len(rows),
                               .n_cols = json_len(json_child(rows)) };
    struct sqlbox_cell *c;

    r.cells = c = arena_array(a, r.n_rows * r.n_cols + 1, sizeof *c);
    if (!c)
        return match_no_memory(e);
    for (const struct json *x = json_child(rows); x; x = json_next(x))
        for (const struct json *v = json_child(x); v; v = json_next(v))
            *c++ = cell_of(v);
    w->there = w->back = r;
    w->ordered = json_bool(json_get(expected, "ordered"));
    return ERR_OK;
}

static enum err_code want_query(struct sqlbox *box, const char *sql,
                                struct arena *a, struct wanted *w,
                                struct err *e)
{
    enum err_code rc = sqlbox_query(box, str_of(sql), a, &w->there, e);

    w->ordered = says_order(str_of(sql));
    w->back = w->there;
    if (!rc && w->there.end != SQLBOX_ROWS)
        rc = err_set(e, ERR_FORMAT, "answer: %s: %.150s", w->there.msg, sql);
    return rc;
}

/* The i-th accepted result; *there is false behind the last. */
static enum err_code want(struct sqlbox *box, const struct json *expected,
                          size_t i, struct arena *a, struct wanted *w,
                          bool *there, struct err *e)
{
    const char *sql;

    if (json_type(expected) == JSON_OBJECT) {
        *there = i == 0;
        return *there ? want_rows(expected, a, w, e) : ERR_OK;
    }
    sql = match_accepted(expected, i);
    *there = sql != NULL;
    return sql ? want_query(box, sql, a, w, e) : ERR_OK;
}

/* ---- the verdict ---- */

static const struct json *database(const struct match_in *in)
{
    const struct json *own = json_type(in->expected) == JSON_OBJECT
                                 ? json_get(in->expected, "db")
                                 : NULL;
    return own ? own : json_get(in->options, "db");
}

/* An answer that has been run. */
struct judge {
    const struct match_in *in;
    struct settings set;
    struct arena *a;
    struct sqlbox *box, *mirror; /* mirror: NULL until it is needed */
    struct sqlbox_result got;
};

static void read_numbers(const struct judge *j, struct sqlbox_result *r)
{
    for (size_t i = 0; j->set.text_numbers && i < r->n_rows * r->n_cols; i++)
        read_number(&r->cells[i]);
}

static enum err_code compare_results(struct judge *j, const struct wanted *w,
                                     enum outcome *out, struct err *e)
{
    struct compare c = { .set = &j->set, .a = j->a };
    bool any = j->set.any_columns && j->got.n_cols <= COLUMNS_TRIED;

    *out =
        any ? try_orders(&c, &j->got, w) : compare_ways(&c, &j->got, NULL, w);
    return c.no_memory ? match_no_memory(e) : ERR_OK;
}

/* The same query with the tables walked backwards.  One that then fails (it
 * asks for rowids, or takes too long) is taken as it was. */
static enum err_code want_backwards(struct judge *j, const char *sql,
                                    struct wanted *w, struct err *e)
{
    enum err_code rc = ERR_OK;

    if (!j->mirror)
        rc = sqlbox_open(&j->mirror, database(j->in), true, e);
    if (!rc)
        rc = sqlbox_query(j->mirror, str_of(sql), j->a, &w->back, e);
    if (!rc &&
        (w->back.end != SQLBOX_ROWS || w->back.n_cols != w->there.n_cols))
        w->back = w->there;
    if (!rc)
        read_numbers(j, &w->back);
    return rc;
}

/* Against the i-th accepted answer; where the author says that the order
 * counts, it is the one that was seen. */
static enum err_code judge_one(struct judge *j, size_t i, struct wanted *w,
                               enum outcome *o, struct err *e)
{
    const char *sql = match_accepted(j->in->expected, i);
    enum err_code rc;

    read_numbers(j, &w->there);
    if (!w->there.n_cols)
        w->there.n_cols = w->back.n_cols = j->got.n_cols;
    *o = OTHER_COLUMNS;
    if (w->there.n_cols != j->got.n_cols)
        return ERR_OK;
    rc = compare_results(j, w, o, e);
    if (rc || *o == SAME || !sql || j->set.how == HOW_LIST)
        return rc;
    rc = want_backwards(j, sql, w, e);
    return rc ? rc : compare_results(j, w, o, e);
}

static enum err_code judge_rows(struct judge *j, struct match_out *out,
                                struct err *e)
{
    static const char *const rules[] = { [OTHER_COLUMNS] = "columns",
                                         [OTHER_ROWS] = "rows",
                                         [OTHER_ORDER] = "order",
                                         [SAME] = "same" };
    enum outcome best = OTHER_COLUMNS, o;
    bool there = true;

    read_numbers(j, &j->got);
    for (size_t i = 0; there && best != SAME; i++) {
        struct wanted w;
        if (want(j->box, j->in->expected, i, j->a, &w, &there, e))
            return e->code;
        if (there && judge_one(j, i, &w, &o, e))
            return e->code;
        if (there && o > best)
            best = o;
    }
    out->rule = rules[best];
    out->verdict = best == SAME ? VERDICT_CORRECT : VERDICT_WRONG;
    out->score = best == SAME;
    return ERR_OK;
}

static void judge_end(enum sqlbox_end end, struct match_out *out)
{
    static const char *const rules[] = { [SQLBOX_ROWS] = "rows",
                                         [SQLBOX_ERROR] = "error",
                                         [SQLBOX_DENIED] = "denied",
                                         [SQLBOX_LIMIT] = "limit",
                                         [SQLBOX_MANY] = "several" };

    out->verdict = end == SQLBOX_MANY ? VERDICT_UNPARSABLE : VERDICT_WRONG;
    out->rule = rules[end];
}

static struct settings read_settings(const struct json *options)
{
    struct settings set = { .how = HOW_AUTO };
    const char *how = json_string(json_get(options, "compare"));
    const char *columns = json_string(json_get(options, "columns"));
    double tolerance = json_number(json_get(options, "tolerance"));

    for (int i = 0; how && i < 4; i++)
        if (strcmp(how, hows[i]) == 0)
            set.how = (enum how)i;
    set.any_columns = columns && strcmp(columns, "any") == 0;
    set.text_numbers = json_bool(json_get(options, "text_numbers"));
    set.tolerance = tolerance > 0 ? tolerance : 0;
    return set;
}

static enum err_code judge(const struct match_in *in, struct str sql,
                           struct arena *a, struct match_out *out,
                           struct err *e)
{
    struct judge j = { in, read_settings(in->options), a, NULL, NULL, { 0 } };
    enum err_code rc = sqlbox_open(&j.box, database(in), false, e);

    if (rc)
        return err_wrap(e, "db");
    rc = sqlbox_query(j.box, sql, a, &j.got, e);
    if (!rc && j.got.end == SQLBOX_ROWS)
        rc = judge_rows(&j, out, e);
    else if (!rc)
        judge_end(j.got.end, out);
    sqlbox_close(j.mirror);
    sqlbox_close(j.box);
    return rc;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct str sql = sql_find(match_answer_part(in->response));
    enum err_code rc;

    match_begin(out);
    if (!sql.n) {
        match_no_answer(in, out);
        return ERR_OK;
    }
    out->span_at = (size_t)(sql.p - in->response.p);
    out->span_len = sql.n;
    rc = match_extract(out, sql, a, e);
    return rc ? rc : judge(in, sql, a, out, e);
}

/* ---- checks ---- */

static enum err_code check_options(const struct json *options, struct err *e)
{
    static const char *const known[] = { "name",    "db",           "compare",
                                         "columns", "text_numbers", "tolerance",
                                         NULL };
    const char *how, *columns;
    double tolerance;
    bool is_how = false, yes;

    if (json_only(options, known, e) ||
        json_get_str_or(options, "compare", "auto", &how, e) ||
        json_get_str_or(options, "columns", "same", &columns, e) ||
        json_get_bool_or(options, "text_numbers", false, &yes, e) ||
        json_get_num_or(options, "tolerance", 0, &tolerance, e))
        return e->code;
    for (int i = 0; i < 4; i++)
        is_how = is_how || strcmp(how, hows[i]) == 0;
    if (!is_how)
        return err_set(e, ERR_FORMAT,
                       "compare: expected auto, list, bag or set, got \"%s\"",
                       how);
    if (strcmp(columns, "same") != 0 && strcmp(columns, "any") != 0)
        return err_set(e, ERR_FORMAT,
                       "columns: expected same or any, got \"%s\"", columns);
    if (!(tolerance >= 0))
        return err_set(e, ERR_FORMAT, "tolerance: expected 0 or more");
    return ERR_OK;
}

static enum err_code check_rows(const struct json *expected, struct err *e)
{
    static const char *const known[] = { "rows", "ordered", "db", NULL };
    const struct json *rows = json_get(expected, "rows");
    size_t width = json_len(json_child(rows));
    bool ordered;

    if (json_only(expected, known, e) ||
        json_get_bool_or(expected, "ordered", false, &ordered, e))
        return err_wrap(e, "answer");
    if (!rows || json_type(rows) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "answer: rows: expected a list of rows");
    for (const struct json *r = json_child(rows); r; r = json_next(r)) {
        if (json_type(r) != JSON_ARRAY || !width || json_len(r) != width)
            return err_set(e, ERR_FORMAT,
                           "answer: rows: expected lists of one length");
        for (const struct json *v = json_child(r); v; v = json_next(v))
            if (json_type(v) == JSON_ARRAY || json_type(v) == JSON_OBJECT)
                return err_set(e, ERR_FORMAT,
                               "answer: rows: expected plain values, got %s",
                               json_type_name(json_type(v)));
    }
    return ERR_OK;
}

/* The expected queries must run: an item that cannot be judged is no item. */
static enum err_code try_queries(const struct match_in *in, struct err *e)
{
    struct sqlbox *box;
    struct arena a;
    bool there = true;
    enum err_code rc = sqlbox_open(&box, database(in), false, e);

    if (rc)
        return err_wrap(e, "db");
    arena_init(&a, 0);
    for (size_t i = 0; !rc && there; i++) {
        struct wanted w;
        rc = want(box, in->expected, i, &a, &w, &there, e);
    }
    arena_free(&a);
    sqlbox_close(box);
    return rc;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    enum err_code rc = check_options(in->options, e);

    if (rc)
        return rc;
    if (in->expected && json_type(in->expected) == JSON_OBJECT)
        rc = check_rows(in->expected, e);
    else
        rc = match_check_strings(in->expected, "a query", e);
    if (rc)
        return rc;
    if (!database(in))
        return err_set(e, ERR_FORMAT,
                       "db: missing, expected SQL or tables to run it on");
    return try_queries(in, e);
}

const struct match_kind match_sql = {
    .name = "sql",
    .version = 1,
    .doc = "a query that is run: its rows against those of the right one",
    .help =
        "answer: a query, or a list of which one must give the same rows; or\n"
        "  {\"rows\": [[...], ...], \"ordered\": true|false}.\n"
        "db: the database: a script of CREATE TABLE and INSERT, or\n"
        "  {\"TABLE\": {\"columns\": [[\"NAME\", \"TYPE\"]], \"rows\": [[...]]}}.\n"
        "  In the matcher, or in an answer that is an object.\n"
        "compare: \"auto\" (default: a list where the right query says ORDER\n"
        "  BY, else a bag), \"list\", \"bag\" or \"set\".\n"
        "columns: \"same\" order (default) or \"any\"; names do not matter.\n"
        "text_numbers: true - '12' is 12.\n"
        "tolerance: N - by how much numbers may differ.\n"
        "Only reading is allowed; steps, memory, rows and time are limited.",
    .check = check,
    .run = run,
};
