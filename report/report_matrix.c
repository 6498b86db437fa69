/* matrix: model x ability (or suite, subset, difficulty); each cell the strict
 * score and the number of items, the best of each column marked.  Its plot is a
 * radar of the abilities. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/board.h"

enum { MAX_RADAR_MODELS = 7, MIN_RADAR_AXES = 3 };

/* Columns: the model, its total, then two a group for people and programs. */
enum { MODEL, TOTAL, FIRST_GROUP, CELL = 0, SCORE, COUNT, PER_GROUP };

static const struct column *
make_columns(const struct board *b, const struct report_params *p, size_t n)
{
    struct column *c = arena_array(p->arena, n, sizeof *c);

    if (!c)
        return NULL;
    c[MODEL] = (struct column){ .key = "model",
                                .title = report_word(p, "模型", "model") };
    c[TOTAL] = (struct column){ .key = "total",
                                .title = report_word(p, "总分", "total"),
                                .right = true };
    for (size_t g = 0; g < b->n_groups; g++) {
        struct column *k = c + FIRST_GROUP + g * PER_GROUP;
        const struct board_group *x = &b->groups[g];
        k[CELL] = (struct column){ x->key, x->title, true, COLUMN_PEOPLE };
        k[SCORE] = (struct column){ x->key, x->title, true, COLUMN_MACHINE };
        k[COUNT] = (struct column){ arena_printf(p->arena, "%s items", x->key),
                                    x->title, true, COLUMN_MACHINE };
    }
    return c;
}

/* Order of the rows: best total first. */
struct order {
    size_t model;
    double total;
    const char *id;
};

static int by_total(const void *a, const void *b)
{
    const struct order *x = a, *y = b;

    if (x->total > y->total || x->total < y->total)
        return x->total > y->total ? -1 : 1;
    return strcmp(x->id, y->id);
}

static struct order *sorted(const struct board *b,
                            const struct report_params *p)
{
    struct order *o = arena_array(p->arena, b->n_models, sizeof *o);

    for (size_t m = 0; o && m < b->n_models; m++)
        o[m] = (struct order){ m, board_total(b, m, false, p->alpha).strict,
                               b->models[m].id };
    if (o)
        qsort(o, b->n_models, sizeof *o, by_total);
    return o;
}

static void fill_cell(struct cell *c, const struct board_score *s,
                      struct arena *a)
{
    c[COUNT] = cell_int((int64_t)s->items);
    c[SCORE] = cell_num(100 * s->strict, 1);
    if (s->items)
        c[CELL] =
            cell_text(arena_printf(a, "%.1f (%zu)", 100 * s->strict, s->items));
}

/* The mark goes to all that are level at the top, and to none when all are. */
static void mark_best(const struct table *t, size_t value, size_t shown)
{
    double best = -1, worst = 101;

    for (size_t r = 0; r < t->n_rows; r++) {
        const struct cell *c = table_cell(t, r, value);
        if (c->kind == CELL_NUM) {
            best = fmax(best, c->num);
            worst = fmin(worst, c->num);
        }
    }
    for (size_t r = 0; r < t->n_rows && best > worst; r++) {
        const struct cell *c = table_cell(t, r, value);
        if (c->kind == CELL_NUM && c->num >= best)
            table_cell(t, r, shown)->best = true;
    }
}

static void fill(struct table *t, const struct board *b,
                 const struct order *order, const struct report_params *p)
{
    for (size_t r = 0; r < b->n_models; r++) {
        struct cell *c = table_cell(t, r, 0);
        size_t m = order[r].model;
        c[MODEL] = cell_text(b->models[m].id);
        c[TOTAL] = cell_num(100 * order[r].total, 1);
        for (size_t g = 0; g < b->n_groups; g++) {
            struct board_score s = board_group_score(b, m, g, false, p->alpha);
            fill_cell(c + FIRST_GROUP + g * PER_GROUP, &s, p->arena);
        }
    }
    mark_best(t, TOTAL, TOTAL);
    for (size_t g = 0; g < b->n_groups; g++) {
        size_t at = FIRST_GROUP + g * PER_GROUP;
        mark_best(t, at + SCORE, at + CELL);
    }
}

static const char *title_of(const struct report_params *p)
{
    return report_word(p, "模型 × 能力", "Models and abilities");
}

static enum err_code load(struct board *b, const struct report_params *p,
                          struct err *e)
{
    const char *by = p->by ? p->by : "ability";

    if (!board_knows(by))
        return err_set(e, ERR_USAGE, "--by %s: expected one of %s", by,
                       board_names());
    return board_load(b, p, by, e);
}

static enum err_code make(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e)
{
    struct board b = { 0 };
    struct table *t = arena_alloc(p->arena, sizeof *t);
    struct order *order;
    size_t cols;
    enum err_code rc = load(&b, p, e);

    if (rc)
        return rc;
    order = sorted(&b, p);
    cols = FIRST_GROUP + b.n_groups * PER_GROUP;
    if (!order || !t)
        return err_set(e, ERR_NOMEM, "no memory for the report");
    rc = table_init(t, p->arena, title_of(p), make_columns(&b, p, cols), cols,
                    b.n_models, e);
    if (rc)
        return rc;
    fill(t, &b, order, p);
    REPORT_NOTE(p, t,
                "各格: 正确率 %% (题数), 失败的请求计 0; 总分: %zu 列的平均; "
                "* 该列最高",
                "cells: accuracy in %% (items), failed requests count 0; "
                "total: mean of the %zu columns; * best of its column",
                b.n_groups);
    *tables = t;
    *n = 1;
    return board_notes(&b, p, t, e);
}

/* --- radar ---------------------------------------------------------------- */

struct radar {
    const struct board *b;
    const struct report_params *p;
    const struct order *order;
    size_t n_models;
};

static double angle(const struct radar *r, size_t g)
{
    return 2 * M_PI * (double)g / (double)r->b->n_groups;
}

/* The first axis comes again at the end, which closes rings and polygons. */
static void radar_axes(const struct radar *r, struct buf *data)
{
    for (size_t k = 0; k <= r->b->n_groups; k++) {
        size_t g = k % r->b->n_groups;
        buf_printf(data, "%.6f\t%.6f\t", cos(angle(r, g)), sin(angle(r, g)));
        plot_field(data, r->b->groups[g].title);
        buf_char(data, '\n');
    }
}

static void radar_model(const struct radar *r, size_t m, struct buf *data)
{
    const struct board_model *x = &r->b->models[m];

    buf_str(data, "\n\n");
    plot_field(data, *x->name ? x->name : x->id);
    buf_char(data, '\n');
    for (size_t k = 0; k <= r->b->n_groups; k++) {
        size_t g = k % r->b->n_groups;
        double s =
            100 * board_group_score(r->b, m, g, false, r->p->alpha).strict;
        if (isnan(s)) /* an ability that was not asked: a gap */
            buf_str(data, "NaN\tNaN\n");
        else
            buf_printf(data, "%.4f\t%.4f\n", s * cos(angle(r, g)),
                       s * sin(angle(r, g)));
    }
}

static void radar_script(const struct radar *r, struct buf *s)
{
    const struct report_params *p = r->p;
    size_t width = 0;
    const char *sub;

    for (size_t i = 0; i < r->n_models; i++) {
        const struct board_model *x = &r->b->models[r->order[i].model];
        size_t w = text_width(str_of(*x->name ? x->name : x->id));
        width = w > width ? w : width;
    }
    sub =
        p->english
            ? arena_printf(p->arena, "accuracy in %%, %zu items", r->b->n_items)
            : arena_printf(p->arena, "正确率 %%, 共 %zu 题", r->b->n_items);
    plot_set_str(s, "radar_title", title_of(p));
    plot_set_str(s, "radar_subtitle", sub ? sub : "");
    plot_set_num(s, "radar_n", (double)r->n_models);
    plot_set_num(s, "radar_name_width", (double)width);
    buf_str(s, plot_radar_gp);
}

static enum err_code draw(const struct radar *r, struct err *e)
{
    struct buf script, data;
    enum err_code rc;

    buf_init(&script, 1 << 20);
    buf_init(&data, 1 << 24);
    radar_axes(r, &data);
    for (size_t i = 0; i < r->n_models; i++)
        radar_model(r, r->order[i].model, &data);
    radar_script(r, &script);
    rc = buf_check(&script, "plot script", e);
    if (!rc)
        rc = buf_check(&data, "plot data", e);
    if (!rc)
        rc = plot_run(script.p, data.p, r->p->plot, r->p->keep, e);
    buf_free(&data);
    buf_free(&script);
    return rc;
}

static enum err_code plot(const struct report_params *p, struct err *e)
{
    struct board b = { 0 };
    struct radar r = { .b = &b, .p = p };
    enum err_code rc = load(&b, p, e);

    if (rc)
        return rc;
    if (b.n_groups < MIN_RADAR_AXES)
        return err_set(e, ERR_FORMAT,
                       "a radar needs at least %d axes, there are %zu: choose "
                       "more suites, or --by subset",
                       MIN_RADAR_AXES, b.n_groups);
    r.order = sorted(&b, p);
    if (!r.order)
        return err_set(e, ERR_NOMEM, "no memory for the plot");
    r.n_models = b.n_models < MAX_RADAR_MODELS ? b.n_models : MAX_RADAR_MODELS;
    return draw(&r, e);
}

const struct report_kind report_matrix = {
    .name = "matrix",
    .doc = "model x ability (--by suite, subset, difficulty): accuracy, items",
    .make = make,
    .plot = plot,
};
