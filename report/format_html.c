/* A page of its own: no script, no file beside it, readable when printed. */
#include <string.h>

#include "report/report.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"zh\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>mokao</title>\n<style>\n"
    "body{font:15px/1.5 \"Noto Sans CJK SC\",\"PingFang SC\","
    "\"Microsoft YaHei\",sans-serif;margin:2em auto;max-width:72em;"
    "padding:0 1em;color:#222}\n"
    "h2{font-size:1.3em}\n"
    "table{border-collapse:collapse;margin:1em 0}\n"
    "th,td{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left;"
    "vertical-align:top}\n"
    "th{background:#f2f5fc;border-bottom:2px solid #5586f0}\n"
    ".r{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".b{font-weight:700;background:#eef3ff}\n"
    "tbody tr:hover{background:#fafafa}\n"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;"
    "font:inherit}\n"
    ".notes{color:#666;font-size:.85em;overflow-wrap:anywhere}\n"
    "</style>\n</head>\n<body>\n";

static void escape(struct str s, struct buf *out)
{
    struct buf clean;

    buf_init(&clean, out->limit);
    show_text(s, true, &clean);
    for (size_t i = 0; i < clean.n; i++) {
        switch (clean.p[i]) {
        case '&':
            buf_str(out, "&amp;");
            break;
        case '<':
            buf_str(out, "&lt;");
            break;
        case '>':
            buf_str(out, "&gt;");
            break;
        case '"':
            buf_str(out, "&quot;");
            break;
        default:
            buf_char(out, clean.p[i]);
        }
    }
    out->failed |= clean.failed;
    buf_free(&clean);
}

static void value(const struct cell *c, bool pre, struct buf *out)
{
    struct buf raw;

    buf_init(&raw, out->limit);
    cell_show(c, &raw);
    buf_str(out, pre ? "<pre>" : "");
    escape(buf_view(&raw), out);
    buf_str(out, pre ? "</pre>" : "");
    out->failed |= raw.failed;
    buf_free(&raw);
}

static void grid_row(const struct table *t, size_t r, struct buf *out)
{
    buf_str(out, "<tr>");
    for (size_t i = 0; i < t->n_cols; i++) {
        const struct cell *c = table_cell(t, r, i);
        const char *right = t->cols[i].right ? "r" : "";
        if (!column_shown(&t->cols[i], false))
            continue;
        if (c->best)
            buf_printf(out, "<td class=\"%s b\">", right);
        else
            buf_printf(out, *right ? "<td class=\"r\">" : "<td>");
        value(c, false, out);
        buf_str(out, "</td>");
    }
    buf_str(out, "</tr>\n");
}

static void grid(const struct table *t, struct buf *out)
{
    buf_str(out, "<table>\n<thead><tr>");
    for (size_t i = 0; i < t->n_cols; i++)
        if (column_shown(&t->cols[i], false)) {
            buf_str(out, t->cols[i].right ? "<th class=\"r\">" : "<th>");
            escape(str_of(t->cols[i].title), out);
            buf_str(out, "</th>");
        }
    buf_str(out, "</tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < t->n_rows; r++)
        grid_row(t, r, out);
    buf_str(out, "</tbody>\n</table>\n");
}

static void record(const struct table *t, size_t r, struct buf *out)
{
    buf_str(out, "<table>\n");
    for (size_t i = 0; i < t->n_cols; i++) {
        const struct cell *c = table_cell(t, r, i);
        if (!column_shown(&t->cols[i], false) || c->kind == CELL_NONE)
            continue;
        buf_str(out, "<tr><th>");
        escape(str_of(t->cols[i].title), out);
        buf_str(out, "</th><td>");
        value(c, true, out);
        buf_str(out, "</td></tr>\n");
    }
    buf_str(out, "</table>\n");
}

static void print_notes(const struct table *t, struct buf *out)
{
    if (!t->n_notes)
        return;
    buf_str(out, "<ul class=\"notes\">\n");
    for (size_t i = 0; i < t->n_notes; i++) {
        buf_str(out, "<li>");
        escape(str_of(t->notes[i]), out);
        buf_str(out, "</li>\n");
    }
    buf_str(out, "</ul>\n");
}

static void print(const struct table *tables, size_t n,
                  const struct report_style *style, struct buf *out)
{
    (void)style;
    buf_str(out, head);
    for (size_t i = 0; i < n; i++) {
        buf_str(out, "<h2>");
        escape(str_of(tables[i].title), out);
        buf_str(out, "</h2>\n");
        if (tables[i].records)
            for (size_t r = 0; r < tables[i].n_rows; r++)
                record(&tables[i], r, out);
        else
            grid(&tables[i], out);
        print_notes(&tables[i], out);
    }
    buf_str(out, "</body>\n</html>\n");
}

const struct report_format format_html = {
    .name = "html",
    .doc = "a page of its own, no script",
    .notes = true,
    .print = print,
};
