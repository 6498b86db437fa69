/* JSON Lines: one object a sample; what is JSON in the store is JSON here, not
 * a string. */
#include "harness/base/json.h"
#include "harness/export.h"

enum { FLUSH_AT = 1 << 16 };

struct lines {
    const struct export_params *p;
    struct buf out;
};

static void add_value(struct jw *w, const struct export_col *col,
                      const struct store_row *r, int i)
{
    if (row_null(r, i)) {
        jw_null(w, col->name);
        return;
    }
    switch (col->kind) {
    case EXPORT_TEXT:
        jw_text(w, col->name, row_str(r, i));
        break;
    case EXPORT_INT:
        jw_int(w, col->name, row_int(r, i));
        break;
    case EXPORT_NUM:
        jw_num(w, col->name, row_num(r, i));
        break;
    case EXPORT_BOOL:
        jw_bool(w, col->name, row_int(r, i) != 0);
        break;
    case EXPORT_JSON:
        jw_raw(w, col->name, row_str(r, i));
        break;
    }
}

static enum err_code flush(struct lines *l, size_t at, struct err *e)
{
    enum err_code rc = buf_check(&l->out, "a line of JSON", e);

    if (!rc && l->out.n >= at) {
        rc = l->p->write(l->p->user, buf_view(&l->out), e);
        buf_clear(&l->out);
    }
    return rc;
}

static enum err_code add_row(void *user, const struct store_row *r,
                             struct err *e)
{
    struct lines *l = user;
    struct jw w;

    jw_init(&w, &l->out, false);
    jw_object(&w, NULL);
    for (int i = 0; export_cols[i].name; i++)
        add_value(&w, &export_cols[i], r, i);
    jw_end(&w);
    buf_char(&l->out, '\n');
    return flush(l, FLUSH_AT, e);
}

static enum err_code run(const struct export_params *p, struct err *e)
{
    struct lines l = { .p = p };
    enum err_code rc;

    buf_init(&l.out, (size_t)1 << 30);
    rc = export_samples(p, add_row, &l, e);
    if (!rc)
        rc = flush(&l, 1, e);
    buf_free(&l.out);
    return rc;
}

const struct export_format export_json = {
    .name = "json",
    .doc = "JSON Lines of samples, one object each",
    .needs_store = true,
    .run = run,
};
