/* rescore: what judging stored responses again has changed.
 *
 * Of each response the verdict that was replaced last (score_history) is set
 * beside today's; `mokao score --diff` shows the changes of its own call, which
 * in a dry run are in no history.  The first table sums up by suite, model and
 * matcher, the second lists response by response, those first that are correct
 * no more. */
#include <string.h>

#include "report/board.h"

enum {
    SUITE,
    MODEL,
    OLD,
    NEW,
    CHANGED,
    TO_CORRECT,
    FROM_CORRECT,
    OTHER,
    N_COLS
};
enum {
    I_SUITE,
    I_ITEM,
    I_MODEL,
    I_TURN,
    I_TRIAL,
    I_OLD,
    I_NEW,
    I_OLD_SCORE,
    I_NEW_SCORE,
    I_OLD_MATCHER,
    I_NEW_MATCHER,
    I_OLD_RULE,
    I_NEW_RULE,
    I_OLD_EXTRACT,
    I_NEW_EXTRACT,
    I_WHY,
    I_SAMPLE,
    I_N_COLS
};

/* One column a line. */
/* clang-format off */
static const struct column_words words[N_COLS] = {
    [SUITE] = { "suite", "题集", "suite", false, COLUMN_ALL },
    [MODEL] = { "model", "模型", "model", false, COLUMN_ALL },
    [OLD] = { "old_matcher", "原判分器", "old matcher", false, COLUMN_ALL },
    [NEW] = { "new_matcher", "现判分器", "new matcher", false, COLUMN_ALL },
    [CHANGED] = { "changed", "改判", "changed", true, COLUMN_ALL },
    [TO_CORRECT] = { "to_correct", "改对", "to correct", true, COLUMN_ALL },
    [FROM_CORRECT] = { "from_correct", "改错", "from correct", true, COLUMN_ALL },
    [OTHER] = { "other", "其他", "other", true, COLUMN_ALL },
};
static const struct column_words item_words[I_N_COLS] = {
    [I_SUITE] = { "suite", "题集", "suite", false, COLUMN_ALL },
    [I_ITEM] = { "item", "题目", "item", false, COLUMN_ALL },
    [I_MODEL] = { "model", "模型", "model", false, COLUMN_ALL },
    [I_TURN] = { "turn", "轮次", "turn", true, COLUMN_ALL },
    [I_TRIAL] = { "trial", "", "", true, COLUMN_MACHINE },
    [I_OLD] = { "old_verdict", "原判定", "old verdict", false, COLUMN_ALL },
    [I_NEW] = { "new_verdict", "现判定", "new verdict", false, COLUMN_ALL },
    [I_OLD_SCORE] = { "old_score", "", "", true, COLUMN_MACHINE },
    [I_NEW_SCORE] = { "new_score", "", "", true, COLUMN_MACHINE },
    [I_OLD_MATCHER] = { "old_matcher", "原判分器", "old matcher", false, COLUMN_ALL },
    [I_NEW_MATCHER] = { "new_matcher", "现判分器", "new matcher", false, COLUMN_ALL },
    [I_OLD_RULE] = { "old_rule", "原规则", "old rule", false, COLUMN_ALL },
    [I_NEW_RULE] = { "new_rule", "现规则", "new rule", false, COLUMN_ALL },
    [I_OLD_EXTRACT] = { "old_extracted", "原抽取", "old extract", false, COLUMN_ALL },
    [I_NEW_EXTRACT] = { "new_extracted", "现抽取", "new extract", false, COLUMN_ALL },
    [I_WHY] = { "why", "缘由", "why", false, COLUMN_ALL },
    [I_SAMPLE] = { "sample", "", "", true, COLUMN_MACHINE },
};
/* clang-format on */

/* --- queries --------------------------------------------------------------- */

/* Old and new outcome, one row a response whose verdict or score differs. */
static const char from_history[] =
    "SELECT h.sample, h.verdict AS old_verdict, h.score AS old_score,"
    " h.matcher AS old_matcher, h.version AS old_version,"
    " h.settings AS old_settings, h.extracted AS old_extracted,"
    " h.rule AS old_rule, c.verdict, c.score, c.matcher, c.version,"
    " c.settings, c.extracted, c.rule FROM score_history AS h"
    " JOIN score AS c ON c.sample = h.sample WHERE h.pk = (SELECT max(pk)"
    " FROM score_history WHERE sample = h.sample)"
    " AND (h.verdict, h.score) IS NOT (c.verdict, c.score)";
static const char from_call[] = "SELECT * FROM temp.rescored";

/* What of the judge is another: in this order, the first that differs. */
#define WHY                                                                    \
    "CASE WHEN x.matcher <> x.old_matcher THEN 'matcher'"                      \
    " WHEN x.version <> x.old_version THEN 'version'"                          \
    " WHEN x.settings <> x.old_settings THEN 'settings' ELSE 'rules' END"
#define JOINED                                                                 \
    " AS x JOIN sample AS s ON s.pk = x.sample"                                \
    " JOIN model AS m ON m.pk = s.model"                                       \
    " JOIN suite_item AS si ON si.item = s.item"                               \
    " JOIN suite AS su ON su.pk = si.suite AND su.current"                     \
    " WHERE " CHOSEN_MODEL " AND " CHOSEN_SUITE("si.subset")
#define IS_CORRECT(verdict) "(" verdict " = 'correct')"

static const char sums_head[] =
    "SELECT su.id, m.id, x.old_matcher || ' ' || x.old_version,"
    " x.matcher || ' ' || x.version, count(*),"
    " sum(" IS_CORRECT("x.verdict") " > " IS_CORRECT(
        "x.old_verdict") "),"
                         " sum(" IS_CORRECT("x.verdict") " < " IS_CORRECT(
                             "x.old_verdict") "),"
                                              " sum(" IS_CORRECT("x.verdict") " = " IS_CORRECT(
                                                  "x.old_verdict") ")"
                                                                   " FROM (";
static const char sums_tail[] =
    ")" JOINED " GROUP BY su.id, m.id, x.old_matcher, x.old_version,"
    " x.matcher, x.version ORDER BY 1, 2, 3, 4";

static const char items_head[] =
    "SELECT su.id, si.id, m.id, s.turn, s.trial, x.old_verdict, x.verdict,"
    " x.old_score, x.score, x.old_matcher || ' ' || x.old_version,"
    " x.matcher || ' ' || x.version, nullif(x.old_rule, ''),"
    " nullif(x.rule, ''), nullif(x.old_extracted, ''),"
    " nullif(x.extracted, ''), " WHY ", x.sample FROM (";
static const char items_tail[] =
    ")" JOINED " ORDER BY " IS_CORRECT("x.verdict") " - " IS_CORRECT(
        "x.old_verdict") ", su.id, si.id, m.id, s.trial, s.turn, x.sample";

/* --- reading --------------------------------------------------------------- */

struct cells {
    struct arena *a;
    struct cell *v;
    size_t n_cols, n, cap; /* n, cap: rows */
};

static struct cell value(struct arena *a, const struct store_row *r, int col,
                         const struct column_words *w)
{
    if (row_null(r, col))
        return (struct cell){ 0 };
    if (strstr(w->key, "score"))
        return cell_num(row_num(r, col), 3);
    if (w->right)
        return cell_int(row_int(r, col));
    return cell_text(arena_strdup(a, row_text(r, col)));
}

static enum err_code add_row(struct cells *c, const struct column_words *w,
                             const struct store_row *r, struct err *e)
{
    struct cell *more;

    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 64;
        more = arena_array(c->a, cap * c->n_cols, sizeof *more);
        if (!more)
            return err_set(e, ERR_NOMEM, "no memory for the report");
        if (c->n)
            memcpy(more, c->v, c->n * c->n_cols * sizeof *more);
        c->v = more;
        c->cap = cap;
    }
    for (size_t i = 0; i < c->n_cols; i++)
        c->v[c->n * c->n_cols + i] = value(c->a, r, (int)i, &w[i]);
    c->n++;
    return c->a->failed ? err_set(e, ERR_NOMEM, "no memory for the report")
                        : ERR_OK;
}

static enum err_code add_sum(void *user, const struct store_row *r,
                             struct err *e)
{
    return add_row(user, words, r, e);
}

static enum err_code add_item(void *user, const struct store_row *r,
                              struct err *e)
{
    return add_row(user, item_words, r, e);
}

static enum err_code load(const struct report_params *p, const char *head,
                          const char *tail, store_row_fn *add, struct cells *c,
                          struct err *e)
{
    struct buf q;
    enum err_code rc;

    buf_init(&q, 1 << 16);
    buf_printf(&q, "%s%s%s", head, p->this_call ? from_call : from_history,
               tail);
    rc = buf_check(&q, "query", e);
    if (!rc)
        rc = report_query(p, q.p, add, c, e);
    buf_free(&q);
    return rc;
}

static void put(struct table *t, const struct cells *c)
{
    t->cells = c->v;
    t->n_rows = c->n;
}

static enum err_code make(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e)
{
    struct cells sums = { .a = p->arena, .n_cols = N_COLS };
    struct cells items = { .a = p->arena, .n_cols = I_N_COLS };
    struct table *t = arena_array(p->arena, 2, sizeof *t);

    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for the report");
    if (report_check_chosen(p, e) ||
        load(p, sums_head, sums_tail, add_sum, &sums, e) ||
        load(p, items_head, items_tail, add_item, &items, e) ||
        table_init(&t[0], p->arena, report_word(p, "改判汇总", "Changes"),
                   report_columns(p, words, N_COLS), N_COLS, 0, e) ||
        table_init(&t[1], p->arena,
                   report_word(p, "逐条改判", "Response by response"),
                   report_columns(p, item_words, I_N_COLS), I_N_COLS, 0, e))
        return e->code;
    put(&t[0], &sums);
    put(&t[1], &items);
    table_note(&t[1], "%s",
               report_word(p,
                           "缘由: 判分器、其版本或设置不同，或规则本身判得不同",
                           "why: another matcher, version or settings; rules: "
                           "the same, and yet another verdict"));
    table_note(&t[1], "mokao " MK_VERSION);
    *tables = t;
    *n = 2;
    return table_check(&t[1], e);
}

const struct report_kind report_rescore = {
    .name = "rescore",
    .doc = "what judging again has changed, and by which rules",
    .make = make,
};
