/* {"mokao": version, "tables": [{"title", "rows": [{key: value}], "notes"}]} */
#include "harness/base/json.h"
#include "report/report.h"

static void value(struct jw *w, const char *key, const struct cell *c)
{
    switch (c->kind) {
    case CELL_NONE:
        jw_null(w, key);
        break;
    case CELL_TEXT:
        jw_str(w, key, c->text);
        break;
    case CELL_INT:
        jw_int(w, key, c->i);
        break;
    case CELL_NUM:
        jw_num(w, key, c->num);
        break;
    }
}

static void table(struct jw *w, const struct table *t)
{
    jw_object(w, NULL);
    jw_str(w, "title", t->title);
    jw_array(w, "rows");
    for (size_t r = 0; r < t->n_rows; r++) {
        jw_object(w, NULL);
        for (size_t c = 0; c < t->n_cols; c++)
            if (column_shown(&t->cols[c], true))
                value(w, t->cols[c].key, table_cell(t, r, c));
        jw_end(w);
    }
    jw_end(w);
    jw_array(w, "notes");
    for (size_t i = 0; i < t->n_notes; i++)
        jw_str(w, NULL, t->notes[i]);
    jw_end(w);
    jw_end(w);
}

static void print(const struct table *tables, size_t n,
                  const struct report_style *style, struct buf *out)
{
    struct jw w;

    (void)style;
    jw_init(&w, out, true);
    jw_object(&w, NULL);
    jw_str(&w, "mokao", MK_VERSION);
    jw_array(&w, "tables");
    for (size_t i = 0; i < n; i++)
        table(&w, &tables[i]);
    jw_end(&w);
    jw_end(&w);
    buf_char(out, '\n');
}

const struct report_format format_json = {
    .name = "json",
    .doc = "one object with all tables, numbers in full",
    .machine = true,
    .notes = true,
    .print = print,
};
