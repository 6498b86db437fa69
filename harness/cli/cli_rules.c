/* The audit of rules as tables: reports may not call matchers, so what
 * harness/rules.c has counted is put into tables here. */
#include "harness/cli/cli_rules.h"

#include <string.h>

#include "harness/base/io.h"
#include "harness/cli/cli_table.h"
#include "harness/rules.h"

enum { CSV_MOST = 1 << 28 };

static double share(int64_t k, int64_t n)
{
    return n ? 100 * (double)k / (double)n : 0;
}

/* Rules without a name read nothing. */
static const char *shown(const char *rule)
{
    return *rule ? rule : "-";
}

/* --- how often each rule decides ------------------------------------------- */

static const struct column_words rule_words[] = {
    { "matcher", "判分器", "matcher", false, COLUMN_ALL },
    { "rule", "规则", "rule", false, COLUMN_ALL },
    { "fired", "命中", "fired", true, COLUMN_ALL },
    { "share", "占比%", "share %", true, COLUMN_ALL },
    { "correct", "正确", "correct", true, COLUMN_ALL },
    { "wrong", "错误", "wrong", true, COLUMN_ALL },
    { "unparsable", "无法解析", "unparsable", true, COLUMN_ALL },
    { "refused", "拒答", "refused", true, COLUMN_ALL },
    { "compared", "已比较", "compared", true, COLUMN_ALL },
    { "rivals", "别解", "rivals", true, COLUMN_ALL },
    { "changed", "影响判定", "changed", true, COLUMN_ALL },
};
enum { N_RULE = sizeof rule_words / sizeof *rule_words };

static enum err_code rule_table(const struct rules_audit *r,
                                const struct report_params *p, struct table *t,
                                struct err *e)
{
    enum err_code rc = table_init(t, p->arena, report_word(p, "规则", "Rules"),
                                  report_columns(p, rule_words, N_RULE), N_RULE,
                                  r->n_rules, e);
    size_t never = 0;

    for (size_t i = 0; i < r->n_rules && !rc; i++) {
        const struct rules_rule *x = &r->rules[i];
        struct cell *c = table_cell(t, i, 0);

        c[0] = cell_text(x->matcher);
        c[1] = cell_text(shown(x->rule));
        c[2] = cell_int(x->n);
        c[3] = cell_num(share(x->n, r->samples), 1);
        c[4] = cell_int(x->correct);
        c[5] = cell_int(x->wrong);
        c[6] = cell_int(x->unparsable);
        c[7] = cell_int(x->refused);
        if (x->told) {
            c[8] = cell_int(x->compared);
            c[9] = cell_int(x->rivals);
            c[10] = cell_int(x->changed);
        }
        never += x->n == 0;
    }
    if (!rc)
        REPORT_NOTE(
            p, t,
            "%lld 个判定; %zu 条规则从未命中; 别解: 另一条规则单独会读出"
            "不同的答案 (比较了 %lld 个)",
            "%lld verdicts; %zu rules never fired; rivals: another "
            "rule by itself would have read another answer (%lld "
            "compared)",
            (long long)r->samples, never, (long long)r->compared);
    return rc;
}

static const struct column_words use_words[] = {
    { "matcher", "判分器", "matcher", false, COLUMN_ALL },
    { "rule", "规则", "rule", false, COLUMN_ALL },
    { "model", "模型", "model", false, COLUMN_ALL },
    { "run", "运行", "run", true, COLUMN_ALL },
    { "fired", "命中", "fired", true, COLUMN_ALL },
    { "share", "占比%", "share %", true, COLUMN_ALL },
};
enum { N_USE = sizeof use_words / sizeof *use_words };

static enum err_code use_table(const struct rules_audit *r,
                               const struct report_params *p, struct table *t,
                               struct err *e)
{
    enum err_code rc = table_init(
        t, p->arena, report_word(p, "规则 × 模型 × 运行", "By model and run"),
        report_columns(p, use_words, N_USE), N_USE, r->n_uses, e);

    for (size_t i = 0; i < r->n_uses && !rc; i++) {
        const struct rules_use *x = &r->uses[i];
        struct cell *c = table_cell(t, i, 0);

        c[0] = cell_text(x->matcher);
        c[1] = cell_text(shown(x->rule));
        c[2] = cell_text(x->model);
        c[3] = cell_int(x->run);
        c[4] = cell_int(x->n);
        c[5] = cell_num(share(x->n, x->of), 1);
    }
    return rc;
}

/* --- drift, conflicts --------------------------------------------------------- */

static const struct column_words drift_words[] = {
    { "matcher", "判分器", "matcher", false, COLUMN_ALL },
    { "model", "模型", "model", false, COLUMN_ALL },
    { "run", "运行", "run", true, COLUMN_ALL },
    { "samples", "样本", "samples", true, COLUMN_ALL },
    { "unread", "未读出%", "not read %", true, COLUMN_ALL },
    { "refused", "其中拒答", "refused", true, COLUMN_ALL },
    { "others", "其余%", "others %", true, COLUMN_ALL },
    { "p", "p", "p", true, COLUMN_ALL },
    { "drift", "漂移", "drift", false, COLUMN_ALL },
};
enum { N_DRIFT = sizeof drift_words / sizeof *drift_words };

static enum err_code drift_table(const struct rules_audit *r,
                                 const struct report_params *p, struct table *t,
                                 struct err *e)
{
    enum err_code rc = table_init(
        t, p->arena, report_word(p, "读出率漂移", "Drift"),
        report_columns(p, drift_words, N_DRIFT), N_DRIFT, r->n_drifts, e);

    for (size_t i = 0; i < r->n_drifts && !rc; i++) {
        const struct rules_drift *x = &r->drifts[i];
        struct cell *c = table_cell(t, i, 0);

        c[0] = cell_text(x->matcher);
        c[1] = cell_text(x->model);
        c[2] = x->run ? cell_int(x->run) : cell_text(NULL);
        c[3] = cell_int(x->n);
        c[4] = cell_num(share(x->unread, x->n), 1);
        c[5] = cell_int(x->refused);
        if (x->others)
            c[6] = cell_num(share(x->others_unread, x->others), 1);
        c[7] = cell_num(x->p, 4);
        c[8] = cell_text(x->drifts ? report_word(p, "是", "yes") : NULL);
    }
    if (!rc)
        REPORT_NOTE(
            p, t,
            "未读出: 无法解析或拒答; 一个模型与其余模型比, 一次运行与该模型"
            "其余运行比; 两比例检验, Holm 校正, p < %g 为漂移",
            "not read: unparsable or refused; a model against all "
            "others, a run against the model's others; test of two "
            "shares, Holm's correction, drift below p = %g",
            p->alpha);
    return rc;
}

static const struct column_words conflict_words[] = {
    { "matcher", "判分器", "matcher", false, COLUMN_ALL },
    { "rule", "采用规则", "rule", false, COLUMN_ALL },
    { "rival", "别解规则", "rival", false, COLUMN_ALL },
    { "samples", "样本", "samples", true, COLUMN_ALL },
    { "changed", "影响判定", "changed", true, COLUMN_ALL },
    { "item", "例", "such as", false, COLUMN_ALL },
};
enum { N_CONFLICT = sizeof conflict_words / sizeof *conflict_words };

static enum err_code conflict_table(const struct rules_audit *r,
                                    const struct report_params *p,
                                    struct table *t, struct err *e)
{
    enum err_code rc =
        table_init(t, p->arena, report_word(p, "规则冲突", "Conflicts"),
                   report_columns(p, conflict_words, N_CONFLICT), N_CONFLICT,
                   r->n_conflicts, e);

    for (size_t i = 0; i < r->n_conflicts && !rc; i++) {
        const struct rules_conflict *x = &r->conflicts[i];
        struct cell *c = table_cell(t, i, 0);

        c[0] = cell_text(x->matcher);
        c[1] = cell_text(shown(x->rule));
        c[2] = cell_text(x->rival);
        c[3] = cell_int(x->n);
        c[4] = cell_int(x->changed);
        c[5] = cell_text(x->item);
    }
    return rc;
}

static enum err_code audit(const struct rules_scope *scope,
                           const struct report_params *p,
                           const struct report_format *format, struct err *e)
{
    struct rules_audit r;
    struct table t[4];
    enum err_code rc = rules_audit(scope, &r, e);

    if (!rc)
        rc = rule_table(&r, p, &t[0], e);
    if (!rc)
        rc = use_table(&r, p, &t[1], e);
    if (!rc)
        rc = drift_table(&r, p, &t[2], e);
    if (!rc)
        rc = conflict_table(&r, p, &t[3], e);
    for (size_t i = 0; i < 4 && !rc; i++)
        rc = table_check(&t[i], e);
    return rc ? rc : cli_print_tables(t, 4, format, e);
}

/* --- a sample for a person ------------------------------------------------------ */

static const struct column_words pick_words[] = {
    { "sample", "样本", "sample", true, COLUMN_ALL },
    { "matcher", "判分器", "matcher", false, COLUMN_ALL },
    { "rule", "规则", "rule", false, COLUMN_ALL },
    { "verdict", "判定", "verdict", false, COLUMN_ALL },
    { "stratum", "层大小", "stratum", true, COLUMN_ALL },
    { "suite", "题集", "suite", false, COLUMN_ALL },
    { "item", "题目", "item", false, COLUMN_ALL },
    { "model", "模型", "model", false, COLUMN_ALL },
    { "trial", "次数", "trial", true, COLUMN_ALL },
    { "turn", "轮次", "turn", true, COLUMN_ALL },
    { "expected", "标准答案", "expected", false, COLUMN_ALL },
    { "extracted", "抽取", "extracted", false, COLUMN_ALL },
    { "response", "回答", "response", false, COLUMN_ALL },
    { "check", "核对", "check", false, COLUMN_ALL },
};
enum { N_PICK = sizeof pick_words / sizeof *pick_words };

/* The response with what was read in brackets. */
static struct cell marked(struct arena *a, const struct rules_pick *x)
{
    size_t n = strlen(x->response), at = (size_t)x->span_at;
    size_t len = (size_t)x->span_len;

    if (x->span_at < 0 || x->span_len <= 0 || at > n || len > n - at)
        return cell_text(x->response);
    return cell_text(arena_printf(a, "%.*s⟦%.*s⟧%s", (int)at, x->response,
                                  (int)len, x->response + at,
                                  x->response + at + len));
}

static void put_pick(struct arena *a, const struct rules_pick *x,
                     struct cell *c)
{
    c[0] = cell_int(x->sample);
    c[1] = cell_text(x->matcher);
    c[2] = cell_text(x->rule);
    c[3] = cell_text(x->verdict);
    c[4] = cell_int(x->stratum);
    c[5] = cell_text(x->suite);
    c[6] = cell_text(x->item);
    c[7] = cell_text(x->model);
    c[8] = cell_int(x->trial);
    c[9] = cell_int(x->turn);
    c[10] = cell_text(x->expected);
    c[11] = cell_text(x->extracted);
    c[12] = marked(a, x);
}

static enum err_code sample(const struct cli_rules *o,
                            const struct rules_scope *scope,
                            const struct report_params *p,
                            const struct report_format *format, struct err *e)
{
    struct rules_pick *picks;
    struct table t;
    size_t n;
    enum err_code rc =
        rules_draw(scope, (size_t)o->sample, (uint64_t)o->seed, &picks, &n, e);

    if (!rc)
        rc = table_init(&t, p->arena,
                        report_word(p, "待核对的样本", "Sample to check"),
                        report_columns(p, pick_words, N_PICK), N_PICK, n, e);
    if (rc)
        return rc;
    t.records = true;
    for (size_t i = 0; i < n; i++)
        put_pick(p->arena, &picks[i], table_cell(&t, i, 0));
    REPORT_NOTE(
        p, &t,
        "check 一列填 1 (抽取与判定如人所读) 或 0 (不是), 另存为 CSV, 再用 "
        "--checked 读回; seed %lld",
        "fill the column check with 1 (read and judged as a person "
        "would) or 0 (not), save as CSV, and give it to --checked; "
        "seed %lld",
        (long long)o->seed);
    rc = table_check(&t, e);
    return rc ? rc : cli_print_tables(&t, 1, format, e);
}

/* --- what the marks say ------------------------------------------------------------ */

static const struct column_words error_words[] = {
    { "matcher", "判分器", "matcher", false, COLUMN_ALL },
    { "rule", "规则", "rule", false, COLUMN_ALL },
    { "checked", "已核对", "checked", true, COLUMN_ALL },
    { "errors", "误判", "errors", true, COLUMN_ALL },
    { "rate", "误判率%", "error rate %", true, COLUMN_ALL },
    { "low", "下限%", "low %", true, COLUMN_ALL },
    { "high", "上限%", "high %", true, COLUMN_ALL },
    { "covered", "覆盖%", "covered %", true, COLUMN_ALL },
};
enum { N_ERROR = sizeof error_words / sizeof *error_words };

static enum err_code error_table(const struct rules_checked *r,
                                 const struct report_params *p, struct table *t,
                                 struct err *e)
{
    const char *all = report_word(p, "全部", "all");
    enum err_code rc =
        table_init(t, p->arena, report_word(p, "误判率", "Error rate"),
                   report_columns(p, error_words, N_ERROR), N_ERROR, r->n, e);

    for (size_t i = 0; i < r->n && !rc; i++) {
        const struct rules_error *x = &r->list[i];
        struct cell *c = table_cell(t, i, 0);

        c[0] = cell_text(x->matcher ? x->matcher : all);
        c[1] = cell_text(x->rule ? shown(x->rule) : all);
        c[2] = cell_int(x->checked);
        c[3] = cell_int(x->errors);
        c[4] = cell_num(100 * x->rate, 2);
        c[5] = cell_num(100 * x->lo, 2);
        c[6] = cell_num(100 * x->hi, 2);
        c[7] = cell_num(100 * x->covered, 1);
    }
    if (!rc)
        REPORT_NOTE(
            p, t,
            "按层大小加权; Wilson 区间 (%g%%); %zu 行未填, %zu 行此后已重新"
            "判分而不计; 覆盖: 已核对的层所占样本",
            "weighted by the strata's sizes; Wilson intervals "
            "(%g%%); %zu rows without a mark, %zu left out as judged "
            "anew since; covered: samples whose strata were checked",
            100 * (1 - p->alpha), r->unmarked, r->stale);
    return rc;
}

static enum err_code check(const struct cli_rules *o,
                           const struct rules_scope *scope,
                           const struct report_params *p,
                           const struct report_format *format, struct err *e)
{
    struct rules_checked r;
    struct table t;
    struct buf b;
    enum err_code rc;

    buf_init(&b, CSV_MOST);
    rc = io_read(o->checked, &b, e);
    if (!rc && (rc = rules_check(scope, buf_view(&b), &r, e)))
        rc = err_wrap(e, "%s", o->checked);
    if (!rc)
        rc = error_table(&r, p, &t, e);
    if (!rc)
        rc = table_check(&t, e);
    buf_free(&b);
    return rc ? rc : cli_print_tables(&t, 1, format, e);
}

enum err_code cli_rules_report(const struct cli_rules *o,
                               const struct report_params *p,
                               const struct report_format *format,
                               struct err *e)
{
    const struct rules_scope scope = {
        .store = p->store,
        .models = report_json_list(p->arena, p->models, p->n_models),
        .suites = report_json_list(p->arena, p->suites, p->n_suites),
        .alpha = p->alpha,
        .arena = p->arena,
    };

    if (p->arena->failed)
        return err_set(e, ERR_NOMEM, "no memory for the audit");
    if (report_check_chosen(p, e))
        return e->code;
    if (o->checked)
        return check(o, &scope, p, format, e);
    return o->sample ? sample(o, &scope, p, format, e)
                     : audit(&scope, p, format, e);
}
