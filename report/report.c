/* The tables of report kinds and formats, and what reports share in making and
 * formats in printing a struct table. */
#include "report/report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"

#define KIND_ROW(name) &report_##name,
const struct report_kind *const report_kinds[] = { REPORT_KINDS(KIND_ROW)
                                                       NULL };
#undef KIND_ROW
#define FORMAT_ROW(name) &format_##name,
const struct report_format *const report_formats[] = { REPORT_FORMATS(
    FORMAT_ROW) NULL };
#undef FORMAT_ROW

/* --- making --------------------------------------------------------------- */

enum err_code table_init(struct table *t, struct arena *a, const char *title,
                         const struct column *cols, size_t n_cols,
                         size_t n_rows, struct err *e)
{
    size_t n;

    *t = (struct table){ .title = title,
                         .cols = cols,
                         .n_cols = n_cols,
                         .n_rows = n_rows,
                         .arena = a };
    if (__builtin_mul_overflow(n_rows, n_cols, &n))
        return err_set(e, ERR_LIMIT, "a table of %zu rows", n_rows);
    t->cells = arena_array(a, n, sizeof *t->cells);
    return table_check(t, e);
}

struct cell *table_cell(const struct table *t, size_t row, size_t col)
{
    return t->cells + row * t->n_cols + col;
}

struct cell cell_text(const char *s)
{
    return (struct cell){ .kind = s ? CELL_TEXT : CELL_NONE, .text = s };
}

struct cell cell_int(int64_t v)
{
    return (struct cell){ .kind = CELL_INT, .i = v };
}

struct cell cell_num(double v, int digits)
{
    return (struct cell){ .kind = isnan(v) ? CELL_NONE : CELL_NUM,
                          .num = v,
                          .digits = digits };
}

void cells_interval(struct cell *c, struct arena *a, double value,
                    struct interval in, double scale, int digits)
{
    c[0] = cell_num(value * scale, digits);
    if (isnan(value) || isnan(in.lo))
        return;
    c[1] = cell_text(arena_printf(a, "[%.*f, %.*f]", digits, in.lo * scale,
                                  digits, in.hi * scale));
    c[2] = cell_num(in.lo * scale, 6);
    c[3] = cell_num(in.hi * scale, 6);
}

static bool grow_notes(struct table *t)
{
    size_t cap = t->cap_notes ? 2 * t->cap_notes : 8;
    const char **notes;

    if (t->n_notes < t->cap_notes)
        return true;
    notes = arena_array(t->arena, cap, sizeof *notes);
    if (!notes)
        return false;
    if (t->n_notes)
        memcpy(notes, t->notes, t->n_notes * sizeof *notes);
    t->notes = notes;
    t->cap_notes = cap;
    return true;
}

void table_note(struct table *t, const char *fmt, ...)
{
    va_list ap, again;
    int n;
    char *line;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    line = n < 0 ? NULL : arena_alloc(t->arena, (size_t)n + 1);
    if (line)
        vsnprintf(line, (size_t)n + 1, fmt, again);
    va_end(again);
    if (line && grow_notes(t))
        t->notes[t->n_notes++] = line;
}

enum err_code table_check(const struct table *t, struct err *e)
{
    if (t->arena->failed)
        return err_set(e, ERR_NOMEM, "no memory for the report");
    return ERR_OK;
}

/* --- words and lists ------------------------------------------------------ */

const char *report_word(const struct report_params *p, const char *zh,
                        const char *en)
{
    return p->english ? en : zh;
}

const struct column *report_columns(const struct report_params *p,
                                    const struct column_words *w, size_t n)
{
    struct column *cols = arena_array(p->arena, n, sizeof *cols);

    for (size_t i = 0; cols && i < n; i++)
        cols[i] = (struct column){ .key = w[i].key,
                                   .title = report_word(p, w[i].zh, w[i].en),
                                   .right = w[i].right,
                                   .audience = w[i].audience };
    return cols;
}

const char *report_json_list(struct arena *a, const char *const *v, size_t n)
{
    struct buf b;
    struct jw w;
    const char *list = NULL;

    if (!n)
        return NULL;
    buf_init(&b, 1 << 20);
    jw_init(&w, &b, false);
    jw_array(&w, NULL);
    for (size_t i = 0; i < n; i++)
        jw_str(&w, NULL, v[i]);
    jw_end(&w);
    if (b.failed)
        a->failed = true;
    else
        list = arena_strdup(a, b.p);
    buf_free(&b);
    return list;
}

/* --- choosing models ------------------------------------------------------ */

/* A name that is looked for; the nearest of those that are there. */
struct look_up {
    const char *name;
    struct arena *a;
    const char *nearest;
    size_t distance;
    bool found;
};

static enum err_code add_found(void *user, const struct store_row *r,
                               struct err *e)
{
    (void)r;
    (void)e;
    ((struct look_up *)user)->found = true;
    return ERR_OK;
}

static enum err_code add_near(void *user, const struct store_row *r,
                              struct err *e)
{
    struct look_up *l = user;
    size_t d = text_distance(str_of(l->name), row_str(r, 0));

    if (l->nearest && d >= l->distance)
        return ERR_OK;
    l->distance = d;
    l->nearest = arena_strdup(l->a, row_text(r, 0));
    return l->nearest ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for a name");
}

/* `what` is looked for by `one`, which has rows when it is there; `all` lists
 * the names of its kind. */
static enum err_code check_name(const struct report_params *p, const char *what,
                                const char *name, const char *one,
                                const char *all, struct err *e)
{
    struct look_up l = { .name = name, .a = p->arena };

    if (store_query(p->store, one, add_found, &l, e, "s", name))
        return e->code;
    if (l.found)
        return ERR_OK;
    if (store_query(p->store, all, add_near, &l, e, ""))
        return e->code;
    if (!l.nearest)
        return err_set(e, ERR_FORMAT,
                       "no %s \"%s\" in the database: it holds none", what,
                       name);
    return err_set(e, ERR_FORMAT,
                   "no %s \"%s\" in the database; did you mean \"%s\"?", what,
                   name, l.nearest);
}

enum err_code report_check_chosen(const struct report_params *p, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < p->n_models && !rc; i++)
        rc = check_name(p, "model", p->models[i],
                        "SELECT 1 FROM model WHERE id = ?1 OR name = ?1",
                        "SELECT id FROM model UNION SELECT name FROM model", e);
    for (size_t i = 0; i < p->n_suites && !rc; i++)
        rc = check_name(
            p, "suite", p->suites[i],
            "SELECT 1 FROM suite AS su WHERE su.id GLOB ?1 OR EXISTS (SELECT 1"
            " FROM suite_item AS si WHERE si.suite = su.pk AND"
            " su.id || '/' || si.subset GLOB ?1) LIMIT 1",
            "SELECT id FROM suite UNION SELECT DISTINCT su.id || '/' ||"
            " si.subset FROM suite AS su JOIN suite_item AS si"
            " ON si.suite = su.pk WHERE si.subset <> ''",
            e);
    for (size_t i = 0; i < p->n_args && !rc; i++)
        rc = check_name(p, "item", p->args[i],
                        "SELECT 1 FROM suite_item WHERE id = ?1 LIMIT 1",
                        "SELECT DISTINCT id FROM suite_item LIMIT 20000", e);
    return rc;
}

enum err_code report_query(const struct report_params *p, const char *sql,
                           store_row_fn *row, void *user, struct err *e)
{
    return store_query(p->store, sql, row, user, e, "ss",
                       report_json_list(p->arena, p->models, p->n_models),
                       report_json_list(p->arena, p->suites, p->n_suites));
}

/* --- printing ------------------------------------------------------------- */

bool column_shown(const struct column *c, bool machine)
{
    return c->audience == COLUMN_ALL ||
           (c->audience == COLUMN_MACHINE) == machine;
}

void cell_show(const struct cell *c, struct buf *out)
{
    switch (c->kind) {
    case CELL_NONE:
        break;
    case CELL_TEXT:
        buf_str(out, c->text);
        break;
    case CELL_INT:
        buf_printf(out, "%lld", (long long)c->i);
        break;
    case CELL_NUM:
        buf_printf(out, "%.*f", c->digits, c->num);
        break;
    }
}

/* C0, DEL and C1 controls.  C1 as UTF-8 is two bytes: C2 80 ... C2 9F. */
static bool is_control(int32_t rune)
{
    return (rune >= 0 && rune < 0x20) || (rune >= 0x7f && rune < 0xa0);
}

void show_text(struct str s, bool lines, struct buf *out)
{
    size_t len;

    for (size_t i = 0; i < s.n; i += len) {
        int32_t rune = text_rune(s, i, &len);
        if (lines && (rune == '\n' || rune == '\t'))
            buf_char(out, (char)rune);
        else if (rune == '\n')
            buf_char(out, ' ');
        else if (rune < 0 || is_control(rune))
            buf_printf(out, "\\x%02x",
                       rune < 0 ? (unsigned char)s.p[i] : (unsigned)rune);
        else
            buf_add(out, s.p + i, len);
    }
}
