/* CSV reader: one pass over the bytes, a field at a time. */
#include "suites/csv.h"

#include <string.h>

#include "harness/base/buf.h"
#include "harness/base/io.h"

enum err_code csv_init(struct csv *c, struct str text, struct arena *a,
                       struct err *e)
{
    size_t bad;

    *c = (struct csv){ .rest = io_skip_bom(text), .arena = a, .next_line = 1 };
    if (!text_check(c->rest, &bad))
        return err_set(e, ERR_FORMAT,
                       "broken UTF-8: byte 0x%02x at byte %zu; save the file "
                       "as UTF-8",
                       (unsigned char)c->rest.p[bad], bad + 1);
    if (memchr(c->rest.p, '\0', c->rest.n))
        return err_set(e, ERR_FORMAT, "holds a zero byte: not a CSV text");
    return ERR_OK;
}

static enum err_code fault(const struct csv *c, const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, "row %zu (line %zu), column %zu: %s", c->row,
                   c->line, c->n + 1, what);
}

static bool at_end(const struct csv *c)
{
    return c->rest.n == 0 || c->rest.p[0] == '\n' ||
           (c->rest.p[0] == '\r' && c->rest.n > 1 && c->rest.p[1] == '\n');
}

static void skip_newline(struct csv *c)
{
    if (c->rest.n && c->rest.p[0] == '\r')
        c->rest = str_sub(c->rest, 1, c->rest.n);
    if (c->rest.n && c->rest.p[0] == '\n') {
        c->rest = str_sub(c->rest, 1, c->rest.n);
        c->next_line++;
    }
}

/* From the opening quote to behind the closing one. */
static enum err_code read_quoted(struct csv *c, struct buf *out, struct err *e)
{
    size_t i = 1;

    for (; i < c->rest.n; i++) {
        char ch = c->rest.p[i];
        c->next_line += ch == '\n';
        if (ch != '"')
            buf_char(out, ch);
        else if (i + 1 < c->rest.n && c->rest.p[i + 1] == '"')
            buf_char(out, c->rest.p[i++]);
        else
            break;
    }
    if (i == c->rest.n)
        return fault(c, "the quote is never closed", e);
    c->rest = str_sub(c->rest, i + 1, c->rest.n);
    if (!at_end(c) && c->rest.p[0] != ',')
        return fault(c,
                     "text after the closing quote; write \"\" for a quote "
                     "inside",
                     e);
    return ERR_OK;
}

static enum err_code read_plain(struct csv *c, struct buf *out, struct err *e)
{
    size_t i = 0;

    while (i < c->rest.n && c->rest.p[i] != ',' && c->rest.p[i] != '\n') {
        if (c->rest.p[i] == '"')
            return fault(c,
                         "a quote inside a field that does not start with "
                         "one",
                         e);
        i++;
    }
    if (i > 0 && i < c->rest.n && c->rest.p[i] == '\n' &&
        c->rest.p[i - 1] == '\r')
        i--;
    buf_add(out, c->rest.p, i);
    c->rest = str_sub(c->rest, i, c->rest.n);
    return ERR_OK;
}

static enum err_code read_field(struct csv *c, struct buf *b, struct err *e)
{
    enum err_code rc;

    if (c->n == CSV_MAX_FIELDS)
        return fault(c, "more columns than can be read", e);
    buf_clear(b);
    rc = c->rest.n && c->rest.p[0] == '"' ? read_quoted(c, b, e)
                                          : read_plain(c, b, e);
    if (!rc)
        rc = buf_check(b, "a field", e);
    if (rc)
        return rc;
    c->field[c->n] = arena_dup(c->arena, b->p, b->n);
    if (!c->field[c->n])
        return err_set(e, ERR_NOMEM, "no memory for a CSV row");
    c->n++;
    return ERR_OK;
}

enum err_code csv_next(struct csv *c, bool *more, struct err *e)
{
    struct buf b;
    enum err_code rc;

    while (c->rest.n && at_end(c))
        skip_newline(c);
    *more = c->rest.n > 0;
    c->n = 0;
    if (!*more)
        return ERR_OK;
    c->row++;
    c->line = c->next_line;
    buf_init(&b, (size_t)16 << 20);
    rc = read_field(c, &b, e);
    while (!rc && c->rest.n && c->rest.p[0] == ',') {
        c->rest = str_sub(c->rest, 1, c->rest.n);
        rc = read_field(c, &b, e);
    }
    if (!rc)
        skip_newline(c);
    buf_free(&b);
    return rc;
}
