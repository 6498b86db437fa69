/* The lines below a ranking or a matrix: what to beware of, and the versions
 * and hashes from which the numbers can be made again. */
#include <string.h>

#include "report/board.h"

static enum err_code add_matcher(void *user, const struct store_row *r,
                                 struct err *e)
{
    struct buf *out = user;

    (void)e;
    buf_printf(out, "%s%s v%lld", out->n ? ", " : "", row_text(r, 0),
               (long long)row_int(r, 1));
    return ERR_OK;
}

static enum err_code note_matchers(const struct report_params *p,
                                   struct table *t, struct err *e)
{
    struct buf b;
    enum err_code rc;

    buf_init(&b, 1 << 16);
    rc = store_query(
        p->store, "SELECT DISTINCT matcher, version FROM score ORDER BY 1, 2",
        add_matcher, &b, e, "");
    if (!rc)
        rc = buf_check(&b, "matchers", e);
    if (!rc && b.n)
        table_note(t, "%s: %s", report_word(p, "判分", "matchers"), b.p);
    buf_free(&b);
    return rc;
}

static void note_warnings(const struct board *b, const struct report_params *p,
                          struct table *t)
{
    for (size_t m = 0; m < b->n_models; m++) {
        const struct board_model *x = &b->models[m];
        if (x->mixed)
            REPORT_NOTE(
                p, t, "%s: 生成的回答用了不止一组参数",
                "%s: answers were generated with several parameter sets",
                x->id);
        if (x->unscored)
            REPORT_NOTE(p, t, "%s: %lld 个回答尚未判分 (mokao score)",
                        "%s: %lld answers have no verdict yet: mokao score",
                        x->id, (long long)x->unscored);
        if (x->near_ties)
            REPORT_NOTE(p, t, "%s: %lld 个选择取决于舍入误差",
                        "%s: %lld choices hang on rounding", x->id,
                        (long long)x->near_ties);
    }
}

/* "gguf:90fb2f8a81e5…:q8": enough to tell files apart, and how it was run. */
static void note_model(const struct board_model *m,
                       const struct report_params *p, struct table *t)
{
    const char *colon = strrchr(m->fingerprint, ':');
    const char *end = colon && strlen(colon) < 8 ? colon : "";

    if (strlen(m->fingerprint) > 40)
        REPORT_NOTE(p, t, "模型 %s: %.17s…%s", "model %s: %.17s…%s", m->id,
                    m->fingerprint, end);
    else
        REPORT_NOTE(p, t, "模型 %s: %s", "model %s: %s", m->id, m->fingerprint);
}

enum err_code board_notes(const struct board *b, const struct report_params *p,
                          struct table *t, struct err *e)
{
    enum err_code rc;

    note_warnings(b, p, t);
    for (size_t i = 0; i < b->n_suites; i++) {
        const struct board_suite *s = &b->suites[i];
        REPORT_NOTE(p, t, "题集 %s %s: %zu 题, sha256 %.12s",
                    "suite %s %s: %zu items, sha256 %.12s", s->id, s->version,
                    s->items, s->digest);
    }
    for (size_t m = 0; m < b->n_models; m++)
        note_model(&b->models[m], p, t);
    rc = note_matchers(p, t, e);
    table_note(t, "mokao " MK_VERSION);
    return rc ? rc : table_check(t, e);
}
