/* rank: one row a model.  The score is strict (a failed request is no right
 * answer), beside it what was answered only and the bounds between which the
 * failed ones could move it.  Ranks are ranges: models that cannot be told
 * apart share them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/board.h"

enum {
    RANK,
    RANK_LOW,
    RANK_HIGH,
    MODEL,
    NAME,
    VENDOR,
    OPEN,
    DOMESTIC,
    SCORE,
    INTERVAL,
    LOW,
    HIGH,
    COMMON,
    ANSWERED_SCORE,
    BOUNDS,
    BOUND_HIGH,
    ITEMS,
    ASKED,
    ANSWERED,
    CORRECT,
    WRONG,
    FAILED,
    UNPARSABLE,
    REFUSED,
    CUT_OFF,
    UNSCORED,
    PROMPT_TOKENS,
    OUTPUT_TOKENS,
    LATENCY,
    FINGERPRINT,
    N_COLS
};

/* One column a line. */
/* clang-format off */
static const struct column_words words[N_COLS] = {
    [RANK] = { "rank", "名次", "rank", true, COLUMN_PEOPLE },
    [RANK_LOW] = { "rank_low", "", "", true, COLUMN_MACHINE },
    [RANK_HIGH] = { "rank_high", "", "", true, COLUMN_MACHINE },
    [MODEL] = { "model", "模型", "model", false, COLUMN_ALL },
    [NAME] = { "name", "", "", false, COLUMN_MACHINE },
    [VENDOR] = { "vendor", "", "", false, COLUMN_MACHINE },
    [OPEN] = { "open", "", "", true, COLUMN_MACHINE },
    [DOMESTIC] = { "domestic", "", "", true, COLUMN_MACHINE },
    [SCORE] = { "score", "得分", "score", true, COLUMN_ALL },
    [INTERVAL] = { "interval", "区间", "interval", true, COLUMN_PEOPLE },
    [LOW] = { "low", "", "", true, COLUMN_MACHINE },
    [HIGH] = { "high", "", "", true, COLUMN_MACHINE },
    [COMMON] = { "score_common", "共同题", "common", true, COLUMN_ALL },
    [ANSWERED_SCORE] = { "score_answered", "已答", "answered", true, COLUMN_ALL },
    [BOUNDS] = { "bounds", "上下限", "bounds", true, COLUMN_PEOPLE },
    [BOUND_HIGH] = { "bound_high", "", "", true, COLUMN_MACHINE },
    [ITEMS] = { "items", "题数", "items", true, COLUMN_ALL },
    [ASKED] = { "asked", "", "", true, COLUMN_MACHINE },
    [ANSWERED] = { "answered", "作答", "replies", true, COLUMN_ALL },
    [CORRECT] = { "correct", "", "", true, COLUMN_MACHINE },
    [WRONG] = { "wrong", "", "", true, COLUMN_MACHINE },
    [FAILED] = { "failed", "失败", "failed", true, COLUMN_ALL },
    [UNPARSABLE] = { "unparsable", "不可解析", "unparsable", true, COLUMN_ALL },
    [REFUSED] = { "refused", "拒答", "refused", true, COLUMN_ALL },
    [CUT_OFF] = { "cut_off", "截断", "cut off", true, COLUMN_ALL },
    [UNSCORED] = { "unscored", "", "", true, COLUMN_MACHINE },
    [PROMPT_TOKENS] = { "prompt_tokens", "", "", true, COLUMN_MACHINE },
    [OUTPUT_TOKENS] = { "output_tokens", "", "", true, COLUMN_MACHINE },
    [LATENCY] = { "latency_ms", "平均毫秒", "mean ms", true, COLUMN_ALL },
    [FINGERPRINT] = { "fingerprint", "", "", false, COLUMN_MACHINE },
};
/* clang-format on */

struct ranked {
    const struct board_model *model;
    struct board_score total, common;
    struct rank_range range;
};

/* Best first; those level in score by name, so that the order is the same
 * whatever order the database gave. */
static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    double p = isnan(x->common.strict) ? x->total.strict : x->common.strict;
    double q = isnan(y->common.strict) ? y->total.strict : y->common.strict;

    if (p > q || p < q)
        return p > q ? -1 : 1;
    return strcmp(x->model->id, y->model->id);
}

static bool items_differ(const struct board *b)
{
    return b->n_common < b->n_items;
}

/* NULL with e set when it fails. */
static struct ranked *make_ranking(const struct board *b,
                                   const struct report_params *p, struct err *e)
{
    struct ranked *r = arena_array(p->arena, b->n_models, sizeof *r);
    struct rank_range *range =
        arena_array(p->arena, b->n_models, sizeof *range);

    if (!r || !range) {
        err_set(e, ERR_NOMEM, "no memory for the ranking");
        return NULL;
    }
    if (board_ranks(b, p->alpha, range, e))
        return NULL;
    for (size_t m = 0; m < b->n_models; m++)
        r[m] = (struct ranked){ .model = &b->models[m],
                                .total = board_total(b, m, false, p->alpha),
                                .common = board_total(b, m, true, p->alpha),
                                .range = range[m] };
    qsort(r, b->n_models, sizeof *r, by_score);
    return r;
}

/* --- the table ------------------------------------------------------------ */

static const char *range_text(struct arena *a, struct rank_range r)
{
    return r.lo == r.hi ? arena_printf(a, "%zu", r.lo)
                        : arena_printf(a, "%zu–%zu", r.lo, r.hi);
}

static void fill_scores(struct cell *c, const struct ranked *r, struct arena *a,
                        bool differ)
{
    const struct board_score *t = &r->total;

    cells_interval(c + SCORE, a, t->strict, t->interval, 100, 1);
    if (differ)
        c[COMMON] = cell_num(100 * r->common.strict, 1);
    c[ANSWERED_SCORE] = cell_num(100 * t->answered, 1);
    c[BOUND_HIGH] = cell_num(100 * t->high, 1);
    if (r->model->failed)
        c[BOUNDS] = cell_text(
            arena_printf(a, "%.1f–%.1f", 100 * t->strict, 100 * t->high));
}

static void fill_counts(struct cell *c, const struct board_model *m)
{
    c[ITEMS] = cell_int(m->items);
    c[ASKED] = cell_int(m->asked);
    c[ANSWERED] = cell_int(m->answered);
    c[CORRECT] = cell_int(m->correct);
    c[WRONG] = cell_int(m->wrong);
    c[FAILED] = cell_int(m->failed);
    c[UNPARSABLE] = cell_int(m->unparsable);
    c[REFUSED] = cell_int(m->refused);
    c[CUT_OFF] = cell_int(m->cut_off);
    c[UNSCORED] = cell_int(m->unscored);
    c[PROMPT_TOKENS] = cell_int(m->prompt_tokens);
    c[OUTPUT_TOKENS] = cell_int(m->output_tokens);
    if (m->timed)
        c[LATENCY] =
            cell_num((double)m->latency_ns / (double)m->timed / 1e6, 0);
}

static void fill_row(struct cell *c, const struct ranked *r, struct arena *a,
                     bool differ)
{
    const struct board_model *m = r->model;

    c[RANK] = cell_text(range_text(a, r->range));
    c[RANK_LOW] = cell_int((int64_t)r->range.lo);
    c[RANK_HIGH] = cell_int((int64_t)r->range.hi);
    c[MODEL] = cell_text(m->id);
    c[NAME] = cell_text(m->name);
    c[VENDOR] = cell_text(m->vendor);
    c[OPEN] = cell_int(m->open);
    c[DOMESTIC] = cell_int(m->domestic);
    c[FINGERPRINT] = cell_text(m->fingerprint);
    fill_scores(c, r, a, differ);
    fill_counts(c, m);
}

static void note_method(const struct board *b, const struct report_params *p,
                        struct table *t)
{
    double percent = 100 * (1 - p->alpha);

    if (b->n_groups > 1)
        REPORT_NOTE(p, t,
                    "得分: %zu 项能力正确率的平均 (各题在其能力内等权), 失败的"
                    "请求计 0; 区间 %g%%: 各能力 Wilson 区间合成",
                    "score: mean over %zu abilities of the accuracy in each, "
                    "failed requests count 0; %g %% interval combined from "
                    "the abilities' Wilson intervals",
                    b->n_groups, percent);
    else
        REPORT_NOTE(
            p, t, "得分: %zu 题等权的正确率, 失败的请求计 0; 区间 %g%%: Wilson",
            "score: accuracy over %zu items, failed requests count 0; "
            "%g %% interval: Wilson",
            b->n_items, percent);
    REPORT_NOTE(p, t,
                "名次: 共同题上两两配对检验, Holm 校正, 显著水平 %g; 不显著或"
                "差距小于失败请求上下限的不分先后",
                "rank: paired tests on common items, Holm correction, alpha "
                "%g; what is not significant or lies within the bounds of "
                "failed requests is not ranked apart",
                p->alpha);
    if (!items_differ(b))
        return;
    if (b->n_common)
        REPORT_NOTE(p, t,
                    "各模型的题目不同: 名次与排序用 %zu 道共同题 (全部 %zu 题)",
                    "models were asked different items: ranks and order are "
                    "those of the %zu common ones (of %zu)",
                    b->n_common, b->n_items);
    else
        REPORT_NOTE(p, t,
                    "没有所有模型都答过的题 (共 %zu 题): 得分不可直接比较, "
                    "名次只用各对模型的共同题",
                    "no item was asked of every model (%zu items): scores are "
                    "not comparable, ranks use each pair's common items",
                    b->n_items);
}

/* A column without a single value says nothing to people. */
static void hide_common(struct table *t, const struct report_params *p)
{
    struct column *cols = arena_array(p->arena, N_COLS, sizeof *cols);

    if (!cols)
        return;
    memcpy(cols, t->cols, N_COLS * sizeof *cols);
    cols[COMMON].audience = COLUMN_MACHINE;
    t->cols = cols;
}

static enum err_code make(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e)
{
    struct board b = { 0 };
    struct ranked *r;
    struct table *t = arena_alloc(p->arena, sizeof *t);
    enum err_code rc;

    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for the report");
    rc = board_load(&b, p, "ability", e);
    if (rc)
        return rc;
    r = make_ranking(&b, p, e);
    if (!r)
        return e->code;
    rc = table_init(t, p->arena, report_word(p, "模型排名", "Ranking"),
                    report_columns(p, words, N_COLS), N_COLS, b.n_models, e);
    if (rc)
        return rc;
    for (size_t m = 0; m < b.n_models; m++)
        fill_row(table_cell(t, m, 0), &r[m], p->arena, items_differ(&b));
    if (!items_differ(&b))
        hide_common(t, p);
    note_method(&b, p, t);
    *tables = t;
    *n = 1;
    return board_notes(&b, p, t, e);
}

/* --- the plot ------------------------------------------------------------- */

static const char *shown_name(const struct board_model *m)
{
    return *m->name ? m->name : m->id;
}

static void plot_row(struct buf *data, const struct ranked *r, struct arena *a)
{
    const struct board_score *t = &r->total;

    plot_field(data, shown_name(r->model));
    buf_printf(data, "\t%.4f\t%.4f\t%.4f\t%d\t%.1f (%s)\n", 100 * t->strict,
               100 * t->interval.lo, 100 * t->interval.hi, r->model->domestic,
               100 * t->strict, range_text(a, r->range));
}

static void plot_script(struct buf *s, const struct board *b,
                        const struct ranked *r, const struct report_params *p)
{
    double low = 100;
    size_t width = 0;
    const char *sub;

    for (size_t m = 0; m < b->n_models; m++) {
        size_t w = text_width(str_of(shown_name(r[m].model)));
        low = fmin(low, 100 * r[m].total.interval.lo);
        width = w > width ? w : width;
    }
    sub = p->english
              ? arena_printf(p->arena,
                             "%zu abilities, %zu items; whiskers: %g %% "
                             "interval, in brackets: range of ranks",
                             b->n_groups, b->n_items, 100 * (1 - p->alpha))
              : arena_printf(p->arena,
                             "%zu 项能力, %zu 题;须线:%g%% 区间,"
                             "括号:名次区间",
                             b->n_groups, b->n_items, 100 * (1 - p->alpha));
    plot_set_str(s, "bars_title", report_word(p, "模型排名", "Ranking"));
    plot_set_str(s, "bars_subtitle", sub ? sub : "");
    plot_set_str(s, "bars_domestic", report_word(p, "国内模型", "domestic"));
    plot_set_str(s, "bars_foreign", report_word(p, "国外模型", "foreign"));
    plot_set_num(s, "bars_n", (double)b->n_models);
    plot_set_num(s, "bars_from", 10 * floor(fmin(low, 99) / 10));
    plot_set_num(s, "bars_name_width", (double)width);
    buf_str(s, plot_bars_gp);
}

static enum err_code draw(const struct board *b, const struct ranked *r,
                          const struct report_params *p, struct err *e)
{
    struct buf script, data;
    enum err_code rc;

    buf_init(&script, 1 << 20);
    buf_init(&data, 1 << 24);
    for (size_t m = 0; m < b->n_models; m++)
        plot_row(&data, &r[m], p->arena);
    plot_script(&script, b, r, p);
    rc = buf_check(&script, "plot script", e);
    if (!rc)
        rc = buf_check(&data, "plot data", e);
    if (!rc)
        rc = plot_run(script.p, data.p, p->plot, p->keep, e);
    buf_free(&data);
    buf_free(&script);
    return rc;
}

static enum err_code plot(const struct report_params *p, struct err *e)
{
    struct board b = { 0 };
    struct ranked *r;
    enum err_code rc = board_load(&b, p, "ability", e);

    if (rc)
        return rc;
    r = make_ranking(&b, p, e);
    return r ? draw(&b, r, p, e) : e->code;
}

const struct report_kind report_rank = {
    .name = "rank",
    .doc = "one row a model: rank range, score with interval, counts",
    .make = make,
    .plot = plot,
};
