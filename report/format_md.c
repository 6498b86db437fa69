/* Markdown: pipe tables; records as lists with fenced texts.  What a model
 * wrote cannot end a cell or a fence early. */
#include <string.h>

#include "report/report.h"

/* Text in running Markdown: marks lose their meaning, lines become one. */
static void inline_text(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n')
            buf_str(out, "<br>");
        else if (s.p[i] == '<')
            buf_str(out, "&lt;");
        else if (s.p[i] == '&')
            buf_str(out, "&amp;");
        else if (strchr("\\`*_|[]", s.p[i]) && s.p[i]) {
            buf_char(out, '\\');
            buf_char(out, s.p[i]);
        } else
            buf_char(out, s.p[i]);
    }
}

static void shown(const struct cell *c, struct buf *out)
{
    struct buf raw, clean;

    buf_init(&raw, out->limit);
    buf_init(&clean, out->limit);
    cell_show(c, &raw);
    show_text(buf_view(&raw), true, &clean);
    if (c->best)
        buf_str(out, "**");
    inline_text(buf_view(&clean), out);
    if (c->best)
        buf_str(out, "**");
    out->failed |= raw.failed || clean.failed;
    buf_free(&clean);
    buf_free(&raw);
}

static void heading(const struct table *t, struct buf *out)
{
    for (size_t i = 0; i < t->n_cols; i++)
        if (column_shown(&t->cols[i], false)) {
            buf_str(out, "| ");
            inline_text(str_of(t->cols[i].title), out);
            buf_char(out, ' ');
        }
    buf_str(out, "|\n");
    for (size_t i = 0; i < t->n_cols; i++)
        if (column_shown(&t->cols[i], false))
            buf_str(out, t->cols[i].right ? "| ---: " : "| --- ");
    buf_str(out, "|\n");
}

static void grid(const struct table *t, struct buf *out)
{
    heading(t, out);
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t i = 0; i < t->n_cols; i++)
            if (column_shown(&t->cols[i], false)) {
                buf_str(out, "| ");
                shown(table_cell(t, r, i), out);
                buf_char(out, ' ');
            }
        buf_str(out, "|\n");
    }
}

/* A fence longer than any run of backquotes in the text. */
static void fenced(const char *s, struct buf *out)
{
    size_t longest = 2, run = 0;

    for (const char *p = s; *p; p++) {
        run = *p == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    buf_char(out, '\n');
    buf_fill(out, '`', longest + 1);
    buf_char(out, '\n');
    show_text(str_of(s), true, out);
    buf_char(out, '\n');
    buf_fill(out, '`', longest + 1);
    buf_str(out, "\n\n");
}

static void record(const struct table *t, size_t r, struct buf *out)
{
    buf_printf(out, "### %zu / %zu\n\n", r + 1, t->n_rows);
    for (size_t i = 0; i < t->n_cols; i++) {
        const struct cell *c = table_cell(t, r, i);
        if (!column_shown(&t->cols[i], false) || c->kind == CELL_NONE)
            continue;
        buf_printf(out, "- %s: ", t->cols[i].title);
        if (c->kind == CELL_TEXT && strchr(c->text, '\n')) {
            fenced(c->text, out);
        } else {
            shown(c, out);
            buf_char(out, '\n');
        }
    }
    buf_char(out, '\n');
}

static void print(const struct table *tables, size_t n,
                  const struct report_style *style, struct buf *out)
{
    (void)style;
    for (size_t i = 0; i < n; i++) {
        const struct table *t = &tables[i];
        buf_printf(out, "%s## %s\n\n", i ? "\n" : "", t->title);
        if (t->records)
            for (size_t r = 0; r < t->n_rows; r++)
                record(t, r, out);
        else
            grid(t, out);
        if (t->n_notes)
            buf_char(out, '\n');
        for (size_t j = 0; j < t->n_notes; j++) {
            buf_str(out, "- ");
            inline_text(str_of(t->notes[j]), out);
            buf_char(out, '\n');
        }
    }
}

const struct report_format format_md = {
    .name = "md",
    .doc = "Markdown tables",
    .notes = true,
    .print = print,
};
