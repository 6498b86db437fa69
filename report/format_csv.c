/* RFC 4180: CRLF ends a line, fields with comma, quote or line break are
 * quoted, quotes are doubled.  Numbers read back the same.  An empty line
 * stands between tables. */
#include <string.h>

#include "harness/base/json.h"
#include "report/report.h"

static void field(const char *s, struct buf *out)
{
    if (!s[strcspn(s, ",\"\r\n")]) {
        buf_str(out, s);
        return;
    }
    buf_char(out, '"');
    for (; *s; s++) {
        if (*s == '"')
            buf_char(out, '"');
        buf_char(out, *s);
    }
    buf_char(out, '"');
}

static void number(double v, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_num(&w, NULL, v);
}

static void value(const struct cell *c, struct buf *out)
{
    switch (c->kind) {
    case CELL_NONE:
        break;
    case CELL_TEXT:
        field(c->text, out);
        break;
    case CELL_INT:
        buf_printf(out, "%lld", (long long)c->i);
        break;
    case CELL_NUM:
        number(c->num, out);
        break;
    }
}

static void line(const struct table *t, const struct cell *row, struct buf *out)
{
    const char *comma = "";

    for (size_t i = 0; i < t->n_cols; i++) {
        if (!column_shown(&t->cols[i], true))
            continue;
        buf_str(out, comma);
        if (row)
            value(&row[i], out);
        else
            field(t->cols[i].key, out);
        comma = ",";
    }
    buf_str(out, "\r\n");
}

static void print(const struct table *tables, size_t n,
                  const struct report_style *style, struct buf *out)
{
    (void)style;
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_str(out, "\r\n");
        line(&tables[i], NULL, out);
        for (size_t r = 0; r < tables[i].n_rows; r++)
            line(&tables[i], table_cell(&tables[i], r, 0), out);
    }
}

const struct report_format format_csv = {
    .name = "csv",
    .doc = "comma-separated values (RFC 4180), one line a row",
    .machine = true,
    .print = print,
};
