/* turns: how dialogues hold up.  One row a model, suite and judged turn, over
 * the dialogues that were begun (a turn that was never reached counts as
 * failed, with 0), and one for whole dialogues, right when every judged turn is.
 * Wilson intervals; with scores between 0 and 1 a normal one. */
#include <math.h>

#include "harness/stats.h"
#include "report/board.h"

enum {
    MODEL,
    SUITE,
    TURN,
    ASKED,
    FAILED,
    CORRECT,
    SCORE,
    INTERVAL,
    LOW,
    HIGH,
    DROP,
    N_COLS
};

/* One column a line. */
/* clang-format off */
static const struct column_words words[N_COLS] = {
    [MODEL] = { "model", "模型", "model", false, COLUMN_ALL },
    [SUITE] = { "suite", "题集", "suite", false, COLUMN_ALL },
    [TURN] = { "turn", "轮次", "turn", false, COLUMN_ALL },
    [ASKED] = { "dialogues", "对话", "dialogues", true, COLUMN_ALL },
    [FAILED] = { "failed", "失败", "failed", true, COLUMN_ALL },
    [CORRECT] = { "correct", "正确", "correct", true, COLUMN_ALL },
    [SCORE] = { "score", "得分", "score", true, COLUMN_ALL },
    [INTERVAL] = { "interval", "区间", "interval", true, COLUMN_PEOPLE },
    [LOW] = { "low", "", "", true, COLUMN_MACHINE },
    [HIGH] = { "high", "", "", true, COLUMN_MACHINE },
    [DROP] = { "against_first", "较首轮", "against first", true, COLUMN_ALL },
};
/* clang-format on */

/* x: a begun dialogue and one of its judged turns, with its score if any. */
#define TURNS                                                                  \
    "(SELECT s0.pk, s0.model, su.pk AS suite, t.key AS turn, c.sample,"        \
    " r.sample IS NULL AS failed, c.score, c.verdict IS 'correct' AS correct"  \
    " FROM sample AS s0 JOIN item AS i ON i.pk = s0.item AND i.n_turns > 1"    \
    " JOIN json_each(i.turns) AS t ON t.value ->> 'answer' IS NOT NULL"        \
    " JOIN model AS m ON m.pk = s0.model"                                      \
    " JOIN suite_item AS si ON si.item = s0.item"                              \
    " JOIN suite AS su ON su.pk = si.suite AND su.current"                     \
    " LEFT JOIN sample AS s ON s.model = s0.model AND s.item = s0.item"        \
    " AND s.trial = s0.trial AND s.turn = t.key AND s.current"                 \
    " LEFT JOIN response AS r ON r.sample = s.pk"                              \
    " LEFT JOIN score AS c ON c.sample = s.pk"                                 \
    " WHERE s0.turn = 0 AND s0.current AND " CHOSEN_MODEL                      \
    " AND " CHOSEN_SUITE("si.subset") ")"

static const char query[] =
    "SELECT m.id, su.id, x.turn, count(*), sum(x.failed), sum(x.correct),"
    " total(x.score), total(x.score * x.score)"
    " FROM (SELECT model, suite, turn, failed, correct, score FROM " TURNS
    " UNION ALL SELECT model, suite, -1, max(failed), min(correct),"
    " min(correct) FROM " TURNS " GROUP BY pk, suite) AS x"
    " JOIN model AS m ON m.pk = x.model JOIN suite AS su ON su.pk = x.suite"
    " GROUP BY x.model, x.suite, x.turn"
    " ORDER BY su.id, m.id, x.turn < 0, x.turn";

struct line {
    const char *model, *suite;
    int64_t turn, asked, failed, correct; /* turn -1: the whole */
    double sum, squares;
};
struct lines {
    struct arena *a;
    struct line *v;
    size_t n, cap;
};

static enum err_code add_line(void *user, const struct store_row *r,
                              struct err *e)
{
    struct lines *l = user;

    if (!mem_grow(&l->v, &l->cap, l->n + 1, sizeof *l->v))
        return err_set(e, ERR_NOMEM, "no memory for the report");
    l->v[l->n++] = (struct line){ .model = arena_strdup(l->a, row_text(r, 0)),
                                  .suite = arena_strdup(l->a, row_text(r, 1)),
                                  .turn = row_int(r, 2),
                                  .asked = row_int(r, 3),
                                  .failed = row_int(r, 4),
                                  .correct = row_int(r, 5),
                                  .sum = row_num(r, 6),
                                  .squares = row_num(r, 7) };
    return ERR_OK;
}

static struct interval interval_of(const struct line *x, double alpha)
{
    double n = (double)x->asked, mean = x->sum / n, half;
    bool graded = fabs(x->sum - (double)x->correct) > 1e-9;

    if (!graded || x->asked < 2)
        return stats_wilson(x->correct, x->asked, alpha);
    half = stats_normal_quantile(1 - alpha / 2) *
           sqrt(fmax(0, x->squares / n - mean * mean) / (n - 1));
    return (struct interval){ fmax(0, mean - half), fmin(1, mean + half) };
}

static void put_line(const struct report_params *p, struct cell *c,
                     const struct line *x, const struct line *first)
{
    double score = x->sum / (double)x->asked;

    c[MODEL] = cell_text(x->model);
    c[SUITE] = cell_text(x->suite);
    c[TURN] = cell_text(
        x->turn < 0 ? report_word(p, "全对", "all right")
                    : arena_printf(p->arena, "%lld", (long long)x->turn + 1));
    c[ASKED] = cell_int(x->asked);
    c[FAILED] = cell_int(x->failed);
    c[CORRECT] = cell_int(x->correct);
    cells_interval(c + SCORE, p->arena, score, interval_of(x, p->alpha), 100,
                   1);
    if (x->turn >= 0 && x != first)
        c[DROP] =
            cell_num(100 * (score - first->sum / (double)first->asked), 1);
}

static enum err_code fill(const struct report_params *p, const struct lines *l,
                          struct table *t, struct err *e)
{
    const struct line *first = NULL;

    if (table_init(t, p->arena, report_word(p, "多轮对话", "Dialogues"),
                   report_columns(p, words, N_COLS), N_COLS, l->n, e))
        return e->code;
    for (size_t i = 0; i < l->n; i++) {
        if (i == 0 || l->v[i - 1].turn < 0)
            first = &l->v[i];
        put_line(p, table_cell(t, i, 0), &l->v[i], first);
    }
    table_note(
        t, "%s",
        report_word(p,
                    "每轮对开始了的所有对话计算, 未问到的轮次计 0；全对: "
                    "每个计分的轮次都对",
                    "each turn over all dialogues that were begun, one "
                    "not reached counts 0; all right: every judged turn "
                    "is"));
    table_note(t, "mokao " MK_VERSION);
    return table_check(t, e);
}

static enum err_code make(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e)
{
    struct lines l = { .a = p->arena };
    struct table *t = arena_alloc(p->arena, sizeof *t);
    enum err_code rc = t ? report_check_chosen(p, e)
                         : err_set(e, ERR_NOMEM, "no memory for the report");

    if (!rc)
        rc = report_query(p, query, add_line, &l, e);
    if (!rc)
        rc = fill(p, &l, t, e);
    mem_free(l.v);
    *tables = t;
    *n = 1;
    return rc;
}

const struct report_kind report_turns = {
    .name = "turns",
    .doc = "dialogues turn by turn, and right as a whole",
    .make = make,
};
