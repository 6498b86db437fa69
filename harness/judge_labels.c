/* Labels of people, for the agreement with a judge: read whole, each found
 * among the stored responses, then stored together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/judge.h"
#include "harness/store/store_judge.h"
#include "suites/csv.h"

enum { MAX_FILE = 256 << 20 };

enum field { SUITE, ITEM, MODEL, BASELINE, TRIAL, VERDICT, GRADE, N_FIELDS };
static const char *const fields[] = { "suite", "item",    "model", "baseline",
                                      "trial", "verdict", "grade", NULL };

struct reading {
    struct store *store;
    const char *source;
    struct arena arena;
    struct store_label *labels;
    size_t n, cap;
};

/* --- one label ------------------------------------------------------------- */

static enum err_code read_number(const char *field, const char *text,
                                 double most, double *out, struct err *e)
{
    char *end;

    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= 0 && *out <= most))
        return err_set(e, ERR_FORMAT,
                       "%s: expected a number from 0 to %g, got \"%s\"", field,
                       most, text);
    return ERR_OK;
}

static enum err_code read_verdict(const char *const *v, struct store_label *out,
                                  struct err *e)
{
    static const char *const verdicts[] = { "win", "tie", "loss" };

    out->grade = NAN;
    if (v[GRADE])
        return read_number("grade", v[GRADE], 1, &out->grade, e);
    for (size_t i = 0; v[VERDICT] && i < 3; i++)
        if (strcmp(v[VERDICT], verdicts[i]) == 0)
            out->verdict = verdicts[i];
    if (out->verdict)
        return ERR_OK;
    return err_set(e, ERR_FORMAT,
                   "verdict: expected win, tie or loss, got \"%s\"",
                   v[VERDICT] ? v[VERDICT] : "");
}

/* Missing and superfluous fields. */
static enum err_code check_fields(const char *const *v, struct err *e)
{
    if (!v[ITEM] || !v[MODEL])
        return err_set(e, ERR_FORMAT, "%s: missing",
                       v[ITEM] ? "model" : "item");
    if (!v[VERDICT] == !v[GRADE])
        return err_set(e, ERR_FORMAT, "expected verdict or grade, one of them");
    if (v[VERDICT] && !v[BASELINE])
        return err_set(e, ERR_FORMAT, "baseline: missing beside verdict");
    if (v[GRADE] && v[BASELINE])
        return err_set(e, ERR_FORMAT, "baseline: has no use beside grade");
    return ERR_OK;
}

struct found {
    int64_t id, n;
};

static enum err_code take_found(void *user, const struct store_row *r,
                                struct err *e)
{
    struct found *f = user;

    (void)e;
    f->id = row_int(r, 0);
    f->n = row_int(r, 1);
    return ERR_OK;
}

static enum err_code find_response(struct store *s, const char *const *v,
                                   enum field model, double trial, int64_t *out,
                                   struct err *e)
{
    struct found f = { 0, 0 };

    if (store_query(
            s,
            "SELECT min(s.pk), count(DISTINCT s.item || ':' || s.model)"
            " FROM sample AS s JOIN response AS r ON r.sample = s.pk"
            " JOIN model AS m ON m.pk = s.model JOIN item AS i ON i.pk = s.item"
            " WHERE s.current AND s.trial = ?4 AND s.turn = i.n_turns - 1"
            " AND (m.id = ?3 OR m.name = ?3) AND s.item IN (SELECT si.item"
            " FROM suite_item AS si JOIN suite AS su ON su.pk = si.suite"
            " WHERE si.id = ?2 AND su.current AND (?1 IS NULL OR su.id = ?1))",
            take_found, &f, e, "sssi", v[SUITE], v[ITEM], v[model],
            (int64_t)trial))
        return e->code;
    *out = f.id;
    if (f.n == 0)
        return err_set(e, ERR_FORMAT, "no response of %s to item %s", v[model],
                       v[ITEM]);
    if (f.n > 1)
        return err_set(e, ERR_FORMAT,
                       "item %s of %s: there are %lld of them; give the suite",
                       v[ITEM], v[model], (long long)f.n);
    return ERR_OK;
}

static enum err_code add_label(struct reading *x, const char *const *v,
                               struct err *e)
{
    struct store_label l = { .source = x->source };
    double trial = 0;

    if (check_fields(v, e) || read_verdict(v, &l, e) ||
        (v[TRIAL] && read_number("trial", v[TRIAL], 100000, &trial, e)) ||
        find_response(x->store, v, MODEL, trial, &l.sample, e) ||
        (v[BASELINE] &&
         find_response(x->store, v, BASELINE, trial, &l.against, e)))
        return e->code;
    if (!mem_grow(&x->labels, &x->cap, x->n + 1, sizeof *x->labels))
        return err_set(e, ERR_NOMEM, "no memory for labels");
    x->labels[x->n++] = l;
    return ERR_OK;
}

/* --- files ----------------------------------------------------------------- */

/* A text, or a number as a text; missing and null: NULL. */
static enum err_code json_field(const struct json *j, const char *name,
                                struct arena *a, const char **out,
                                struct err *e)
{
    const struct json *m = json_get(j, name);

    *out = NULL;
    if (!m || json_type(m) == JSON_NULL)
        return ERR_OK;
    if (json_string(m))
        *out = arena_strdup(a, json_string(m));
    else if (json_type(m) == JSON_NUMBER)
        *out = arena_printf(a, "%.17g", json_number(m));
    else
        return err_set(e, ERR_FORMAT, "%s: expected a text or a number", name);
    return *out ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for labels");
}

static enum err_code json_line(struct reading *x, struct str line,
                               struct err *e)
{
    const char *v[N_FIELDS];
    struct json *j = NULL;
    enum err_code rc = json_parse(&j, line, e);

    if (!rc)
        rc = json_only(j, fields, e);
    for (size_t i = 0; i < N_FIELDS && !rc; i++)
        rc = json_field(j, fields[i], &x->arena, &v[i], e);
    if (!rc)
        rc = add_label(x, v, e);
    json_free(j);
    return rc;
}

static enum err_code read_jsonl(struct reading *x, struct str text,
                                struct err *e)
{
    struct io_lines l = { .rest = io_skip_bom(text) };

    while (io_next_line(&l))
        if (str_trim(l.line).n && json_line(x, l.line, e))
            return err_wrap(e, "line %zu", l.number);
    return ERR_OK;
}

/* Which column holds what: column[i] of fields[i], -1: none does. */
static enum err_code read_heading(const struct csv *c, int *column,
                                  struct err *e)
{
    for (size_t f = 0; f < N_FIELDS; f++)
        column[f] = -1;
    for (size_t i = 0; i < c->n; i++) {
        size_t f = 0;
        while (f < N_FIELDS && strcmp(c->field[i], fields[f]) != 0)
            f++;
        if (f == N_FIELDS)
            return err_set(e, ERR_FORMAT,
                           "line 1: column \"%s\" is not one of suite, item, "
                           "model, baseline, trial, verdict, grade",
                           c->field[i]);
        column[f] = (int)i;
    }
    return ERR_OK;
}

static enum err_code csv_row(struct reading *x, const struct csv *c,
                             const int *column, struct err *e)
{
    const char *v[N_FIELDS];

    for (size_t f = 0; f < N_FIELDS; f++) {
        bool there = column[f] >= 0 && (size_t)column[f] < c->n;
        v[f] = there && *c->field[column[f]] ? c->field[column[f]] : NULL;
    }
    return add_label(x, v, e);
}

static enum err_code read_csv(struct reading *x, struct str text, struct err *e)
{
    struct csv *c = arena_alloc(&x->arena, sizeof *c);
    int column[N_FIELDS];
    bool more = false;

    if (!c)
        return err_set(e, ERR_NOMEM, "no memory for labels");
    if (csv_init(c, text, &x->arena, e) || csv_next(c, &more, e))
        return e->code;
    if (!more)
        return err_set(e, ERR_FORMAT, "line 1: expected a heading");
    if (read_heading(c, column, e))
        return e->code;
    for (;;) {
        if (csv_next(c, &more, e))
            return e->code;
        if (!more)
            return ERR_OK;
        if (csv_row(x, c, column, e))
            return err_wrap(e, "line %zu", c->line);
    }
}

enum err_code judge_labels(struct store *s, const char *path, size_t *n,
                           struct err *e)
{
    struct reading x = { .store = s, .source = path };
    struct buf text;
    enum err_code rc;

    arena_init(&x.arena, 0);
    buf_init(&text, MAX_FILE);
    rc = io_read(path, &text, e);
    if (!rc)
        rc = str_ends(str_of(path), STR(".csv"))
                 ? read_csv(&x, buf_view(&text), e)
                 : read_jsonl(&x, buf_view(&text), e);
    for (size_t i = 0; i < x.n && !rc; i++)
        rc = store_put_label(s, &x.labels[i], e);
    if (!rc)
        rc = store_flush(s, e);
    else
        rc = err_wrap(e, "%s", path);
    *n = x.n;
    buf_free(&text);
    mem_free(x.labels);
    arena_free(&x.arena);
    return rc;
}
