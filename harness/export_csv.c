/* CSV after RFC 4180: one line a sample, a header line, UTF-8 without a byte
 * order mark, LF at the end of lines. */
#include <string.h>

#include "harness/base/buf.h"
#include "harness/export.h"

enum { FLUSH_AT = 1 << 16 };

struct csv {
    const struct export_params *p;
    struct buf out;
};

static void add_field(struct buf *out, struct str s)
{
    bool quote = false;

    for (size_t i = 0; i < s.n && !quote; i++)
        quote =
            s.p[i] == '"' || s.p[i] == ',' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote) {
        buf_text(out, s);
        return;
    }
    buf_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_char(out, '"');
        buf_char(out, s.p[i]);
    }
    buf_char(out, '"');
}

static enum err_code flush(struct csv *c, size_t at, struct err *e)
{
    enum err_code rc = buf_check(&c->out, "a line of CSV", e);

    if (!rc && c->out.n >= at) {
        rc = c->p->write(c->p->user, buf_view(&c->out), e);
        buf_clear(&c->out);
    }
    return rc;
}

static enum err_code add_row(void *user, const struct store_row *r,
                             struct err *e)
{
    struct csv *c = user;

    for (int i = 0; export_cols[i].name; i++) {
        if (i > 0)
            buf_char(&c->out, ',');
        add_field(&c->out, row_str(r, i));
    }
    buf_char(&c->out, '\n');
    return flush(c, FLUSH_AT, e);
}

static enum err_code run(const struct export_params *p, struct err *e)
{
    struct csv c = { .p = p };
    enum err_code rc;

    buf_init(&c.out, (size_t)1 << 30);
    for (int i = 0; export_cols[i].name; i++) {
        buf_str(&c.out, i ? "," : "");
        buf_str(&c.out, export_cols[i].name);
    }
    buf_char(&c.out, '\n');
    rc = export_samples(p, add_row, &c, e);
    if (!rc)
        rc = flush(&c, 1, e);
    buf_free(&c.out);
    return rc;
}

const struct export_format export_csv = {
    .name = "csv",
    .doc = "a table of samples, one line each",
    .needs_store = true,
    .run = run,
};
