/* Tables for the terminal.  Widths are counted in cells (a Chinese character is
 * 2).  When the terminal is too narrow the widest text columns give way, one
 * cell at a time, down to MIN_WIDTH; numbers are never cut.  The best of a
 * column has a star, so that it shows without colour too. */
#include <string.h>

#include "report/report.h"

enum { MIN_WIDTH = 8, GAP = 2, INDENT = 4 };

#define BOLD "\033[1m"
#define FAINT "\033[2m"
#define PLAIN "\033[0m"

struct page {
    const struct report_style *style;
    struct buf *out;
    struct buf cell, clean; /* scratch */
};

/* The cell as printed, in p->clean until the next call. */
static struct str shown(struct page *p, const struct cell *c, bool lines)
{
    buf_clear(&p->cell);
    buf_clear(&p->clean);
    cell_show(c, &p->cell);
    show_text(buf_view(&p->cell), lines, &p->clean);
    return buf_view(&p->clean);
}

static void in_style(struct page *p, const char *escape)
{
    if (p->style->colour)
        buf_str(p->out, escape);
}

/* s in exactly `width` cells. */
static void put(struct page *p, struct str s, size_t width, bool right)
{
    size_t have = text_width(s);

    if (have > width) {
        s.n = text_fit(s, width - 1);
        have = text_width(s) + 1;
        buf_fill(p->out, ' ', right ? width - have : 0);
        buf_text(p->out, s);
        buf_str(p->out, "…");
    } else {
        buf_fill(p->out, ' ', right ? width - have : 0);
        buf_text(p->out, s);
    }
    buf_fill(p->out, ' ', right ? 0 : width - have);
}

static bool has_best(const struct table *t, size_t col)
{
    for (size_t r = 0; r < t->n_rows; r++)
        if (table_cell(t, r, col)->best)
            return true;
    return false;
}

static size_t natural_width(struct page *p, const struct table *t, size_t col)
{
    size_t width = text_width(str_of(t->cols[col].title));

    for (size_t r = 0; r < t->n_rows; r++) {
        size_t w = text_width(shown(p, table_cell(t, r, col), false));
        width = w > width ? w : width;
    }
    return width;
}

/* Takes cells from the widest text column until all fits. */
static void shrink(const struct table *t, size_t *width, size_t total,
                   size_t limit)
{
    while (limit && total > limit) {
        size_t widest = t->n_cols;
        for (size_t i = 0; i < t->n_cols; i++)
            if (width[i] > MIN_WIDTH && !t->cols[i].right &&
                (widest == t->n_cols || width[i] > width[widest]))
                widest = i;
        if (widest == t->n_cols)
            return;
        width[widest]--;
        total--;
    }
}

/* Last columns are not padded on the right: no trailing blanks. */
static void trim_line(struct buf *out)
{
    while (out->n && out->p[out->n - 1] == ' ')
        out->p[--out->n] = '\0';
    buf_char(out, '\n');
}

static void grid_line(struct page *p, const struct table *t,
                      const size_t *width, const bool *star, size_t row)
{
    for (size_t i = 0; i < t->n_cols; i++) {
        const struct cell *c = row < t->n_rows ? table_cell(t, row, i) : NULL;
        struct str s = c ? shown(p, c, false) : str_of(t->cols[i].title);
        if (!width[i])
            continue;
        if (c && c->best)
            in_style(p, BOLD);
        put(p, s, width[i], t->cols[i].right);
        if (star[i])
            buf_char(p->out, c && c->best ? '*' : ' ');
        if (c && c->best)
            in_style(p, PLAIN);
        buf_fill(p->out, ' ', GAP);
    }
    trim_line(p->out);
}

static void rule(struct page *p, const struct table *t, const size_t *width,
                 const bool *star)
{
    for (size_t i = 0; i < t->n_cols; i++) {
        for (size_t k = 0; k < width[i] + (star[i] && width[i]); k++)
            buf_str(p->out, "─");
        buf_fill(p->out, ' ', width[i] ? GAP : 0);
    }
    trim_line(p->out);
}

static void grid(struct page *p, const struct table *t)
{
    size_t *width = mem_array(t->n_cols, sizeof *width), total = 0;
    bool *star = mem_array(t->n_cols, sizeof *star);

    if (!width || !star) {
        p->out->failed = true;
        goto done;
    }
    for (size_t i = 0; i < t->n_cols; i++) {
        if (!column_shown(&t->cols[i], false))
            continue;
        width[i] = natural_width(p, t, i);
        star[i] = has_best(t, i);
        total += width[i] + star[i] + GAP;
    }
    shrink(t, width, total - (total ? GAP : 0), p->style->width);
    in_style(p, BOLD);
    grid_line(p, t, width, star, t->n_rows);
    in_style(p, PLAIN);
    rule(p, t, width, star);
    for (size_t r = 0; r < t->n_rows; r++)
        grid_line(p, t, width, star, r);
done:
    mem_free(star);
    mem_free(width);
}

/* --- records -------------------------------------------------------------- */

static size_t title_width(const struct table *t)
{
    size_t width = 0;

    for (size_t i = 0; i < t->n_cols; i++) {
        size_t w = text_width(str_of(t->cols[i].title));
        if (column_shown(&t->cols[i], false) && w > width)
            width = w;
    }
    return width;
}

static void block(struct page *p, struct str s)
{
    struct str rest = s;

    trim_line(p->out);
    while (rest.n) {
        size_t end = str_find(rest, STR("\n"), 0);
        size_t n = end == (size_t)-1 ? rest.n : end;
        buf_fill(p->out, ' ', INDENT);
        buf_add(p->out, rest.p, n);
        buf_char(p->out, '\n');
        rest = str_sub(rest, end == (size_t)-1 ? n : n + 1, rest.n);
    }
}

static void record(struct page *p, const struct table *t, size_t r)
{
    size_t width = title_width(t);

    in_style(p, BOLD);
    buf_printf(p->out, "── %zu / %zu ──\n", r + 1, t->n_rows);
    in_style(p, PLAIN);
    for (size_t i = 0; i < t->n_cols; i++) {
        const struct cell *c = table_cell(t, r, i);
        struct str s;
        if (!column_shown(&t->cols[i], false) || c->kind == CELL_NONE)
            continue;
        in_style(p, FAINT);
        put(p, str_of(t->cols[i].title), width, false);
        in_style(p, PLAIN);
        s = shown(p, c, true);
        if (str_find(s, STR("\n"), 0) != (size_t)-1) {
            block(p, s);
            continue;
        }
        buf_fill(p->out, ' ', GAP);
        buf_text(p->out, s);
        trim_line(p->out);
    }
}

static void one_table(struct page *p, const struct table *t)
{
    in_style(p, BOLD);
    buf_printf(p->out, "%s\n", t->title);
    in_style(p, PLAIN);
    if (t->records)
        for (size_t r = 0; r < t->n_rows; r++)
            record(p, t, r);
    else
        grid(p, t);
    in_style(p, FAINT);
    for (size_t i = 0; i < t->n_notes; i++) {
        buf_clear(&p->clean);
        show_text(str_of(t->notes[i]), false, &p->clean);
        buf_str(p->out, "  ");
        buf_text(p->out, buf_view(&p->clean));
        buf_char(p->out, '\n');
    }
    in_style(p, PLAIN);
}

static void print(const struct table *tables, size_t n,
                  const struct report_style *style, struct buf *out)
{
    struct page p = { .style = style, .out = out };

    buf_init(&p.cell, out->limit);
    buf_init(&p.clean, out->limit);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_char(out, '\n');
        one_table(&p, &tables[i]);
    }
    out->failed |= p.cell.failed || p.clean.failed;
    buf_free(&p.clean);
    buf_free(&p.cell);
}

const struct report_format format_table = {
    .name = "table",
    .doc = "aligned columns for the terminal",
    .notes = true,
    .print = print,
};
