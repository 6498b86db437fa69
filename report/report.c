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

static enum err_code add_found(void *user, const struct store_row *r,
                               struct err *e)
{
    bool *found = user;

    (void)r;
    (void)e;
    *found = true;
    return ERR_OK;
}

enum err_code report_check_models(const struct report_params *p, struct err *e)
{
    for (size_t i = 0; i < p->n_models; i++) {
        bool found = false;
        enum err_code rc = store_query(
            p->store, "SELECT 1 FROM model WHERE id = ?1 OR name = ?1",
            add_found, &found, e, "s", p->models[i]);
        if (rc)
            return rc;
        if (!found)
            return err_set(e, ERR_FORMAT,
                           "no model \"%s\" in the database: mokao report "
                           "rank names those there are",
                           p->models[i]);
    }
    return ERR_OK;
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
