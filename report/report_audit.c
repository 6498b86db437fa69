/* audit: how each verdict came about, sample by sample: what was asked as it
 * was sent, what came back whole, which rule read which part of it, and why
 * there is no answer where there is none. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "report/board.h"

enum {
    SUITE,
    VERSION,
    DIGEST,
    SUBSET,
    ITEM,
    MODEL,
    FINGERPRINT,
    RUN,
    TURN,
    TRIAL,
    OUTCOME,
    SCORE,
    EXTRACTED,
    EXPECTED,
    RULE,
    MATCHER,
    MATCHER_VERSION,
    SPAN_AT,
    SPAN_LEN,
    FINISH,
    PROMPT,
    PROMPT_JSON,
    CHOICES,
    MARKED,
    RESPONSE,
    REASONING,
    LOGPROBS,
    MARGIN,
    NEAR_TIE,
    PROMPT_TOKENS,
    CACHED_TOKENS,
    OUTPUT_TOKENS,
    LATENCY,
    ATTEMPTS,
    ERROR,
    ERROR_MESSAGE,
    PARAMS,
    N_COLS
};

/* One column a line. */
/* clang-format off */
static const struct column_words words[N_COLS] = {
    [SUITE] = { "suite", "题集", "suite", false, COLUMN_ALL },
    [VERSION] = { "suite_version", "版本", "version", false, COLUMN_ALL },
    [DIGEST] = { "suite_digest", "题集摘要", "digest", false, COLUMN_ALL },
    [SUBSET] = { "subset", "子集", "subset", false, COLUMN_ALL },
    [ITEM] = { "item", "题目", "item", false, COLUMN_ALL },
    [MODEL] = { "model", "模型", "model", false, COLUMN_ALL },
    [FINGERPRINT] = { "fingerprint", "指纹", "fingerprint", false, COLUMN_ALL },
    [RUN] = { "run", "运行", "run", true, COLUMN_ALL },
    [TURN] = { "turn", "轮次", "turn", true, COLUMN_ALL },
    [TRIAL] = { "trial", "次数", "trial", true, COLUMN_ALL },
    [OUTCOME] = { "outcome", "判定", "outcome", false, COLUMN_ALL },
    [SCORE] = { "score", "得分", "score", true, COLUMN_ALL },
    [EXTRACTED] = { "extracted", "抽取", "extracted", false, COLUMN_ALL },
    [EXPECTED] = { "expected", "标准答案", "expected", false, COLUMN_ALL },
    [RULE] = { "rule", "规则", "rule", false, COLUMN_ALL },
    [MATCHER] = { "matcher", "判分器", "matcher", false, COLUMN_ALL },
    [MATCHER_VERSION] = { "matcher_version", "判分器版本", "its version", true, COLUMN_ALL },
    [SPAN_AT] = { "span_at", "", "", true, COLUMN_MACHINE },
    [SPAN_LEN] = { "span_len", "", "", true, COLUMN_MACHINE },
    [FINISH] = { "finish", "结束原因", "finish", false, COLUMN_ALL },
    [PROMPT] = { "prompt_text", "提示", "prompt", false, COLUMN_PEOPLE },
    [PROMPT_JSON] = { "prompt", "", "", false, COLUMN_MACHINE },
    [CHOICES] = { "choices", "选项", "choices", false, COLUMN_ALL },
    [MARKED] = { "response_marked", "回答", "response", false, COLUMN_PEOPLE },
    [RESPONSE] = { "response", "", "", false, COLUMN_MACHINE },
    [REASONING] = { "reasoning", "思考", "reasoning", false, COLUMN_ALL },
    [LOGPROBS] = { "logprobs", "选项对数似然", "log-likelihoods", false, COLUMN_ALL },
    [MARGIN] = { "margin", "差距", "margin", true, COLUMN_ALL },
    [NEAR_TIE] = { "near_tie", "", "", true, COLUMN_MACHINE },
    [PROMPT_TOKENS] = { "prompt_tokens", "提示词元", "prompt tokens", true, COLUMN_ALL },
    [CACHED_TOKENS] = { "cached_tokens", "", "", true, COLUMN_MACHINE },
    [OUTPUT_TOKENS] = { "output_tokens", "回答词元", "output tokens", true, COLUMN_ALL },
    [LATENCY] = { "latency_ms", "毫秒", "ms", true, COLUMN_ALL },
    [ATTEMPTS] = { "attempts", "", "", true, COLUMN_MACHINE },
    [ERROR] = { "error", "错误", "error", false, COLUMN_ALL },
    [ERROR_MESSAGE] = { "error_message", "错误信息", "message", false, COLUMN_ALL },
    [PARAMS] = { "params", "参数", "parameters", false, COLUMN_ALL },
};

/* What the store gives for a column; those without are made from others. */
static const struct source {
    int column;
    enum cell_kind kind;
    const char *sql;
} sources[] = {
    { SUITE, CELL_TEXT, "v.suite" },
    { VERSION, CELL_TEXT, "v.suite_version" },
    { DIGEST, CELL_TEXT, "su.digest" },
    { SUBSET, CELL_TEXT, "nullif(v.subset, '')" },
    { ITEM, CELL_TEXT, "v.item" },
    { MODEL, CELL_TEXT, "v.model" },
    { FINGERPRINT, CELL_TEXT, "m.fingerprint" },
    { RUN, CELL_INT, "v.run" },
    { TURN, CELL_INT, "v.turn" },
    { TRIAL, CELL_INT, "v.trial" },
    { OUTCOME, CELL_TEXT, "CASE WHEN v.failed THEN 'failed' WHEN v.verdict IS NULL THEN 'unscored' ELSE v.verdict END" },
    { SCORE, CELL_NUM, "v.score" },
    { EXTRACTED, CELL_TEXT, "nullif(v.extracted, '')" },
    { EXPECTED, CELL_TEXT, "coalesce(json_extract(i.turns, '$[' || v.turn || '].answer'), i.answer)" },
    { RULE, CELL_TEXT, "nullif(v.rule, '')" },
    { MATCHER, CELL_TEXT, "v.matcher" },
    { MATCHER_VERSION, CELL_INT, "v.matcher_version" },
    { SPAN_AT, CELL_INT, "v.span_at" },
    { SPAN_LEN, CELL_INT, "v.span_len" },
    { FINISH, CELL_TEXT, "v.finish" },
    { PROMPT_JSON, CELL_TEXT, "pr.json" },
    { CHOICES, CELL_TEXT, "i.choices" },
    { RESPONSE, CELL_TEXT, "v.text" },
    { REASONING, CELL_TEXT, "v.reasoning" },
    { LOGPROBS, CELL_TEXT, "v.logprobs" },
    { MARGIN, CELL_NUM, "v.margin" },
    { NEAR_TIE, CELL_INT, "v.near_tie" },
    { PROMPT_TOKENS, CELL_INT, "v.prompt_tokens" },
    { CACHED_TOKENS, CELL_INT, "v.cached_tokens" },
    { OUTPUT_TOKENS, CELL_INT, "v.output_tokens" },
    { LATENCY, CELL_NUM, "v.latency_ns / 1e6" },
    { ATTEMPTS, CELL_INT, "v.attempts" },
    { ERROR, CELL_TEXT, "v.error" },
    { ERROR_MESSAGE, CELL_TEXT, "v.error_message" },
    { PARAMS, CELL_TEXT, "pa.json" },
};
/* clang-format on */
enum { N_SOURCES = sizeof sources / sizeof *sources };

/* --verdict, and the condition it stands for. */
static const struct outcome {
    const char *name, *sql;
} outcomes[] = {
    { "correct", "v.verdict = 'correct'" },
    { "cut-off", "v.cut_off" },
    { "failed", "v.failed" },
    { "near-tie", "v.near_tie" },
    { "refused", "v.verdict = 'refused'" },
    { "unparsable", "v.verdict = 'unparsable'" },
    { "unscored", "v.answered AND v.verdict IS NULL" },
    { "wrong", "v.verdict = 'wrong'" },
};

static enum err_code find_outcome(const char *name, const char **sql,
                                  struct err *e)
{
    *sql = "1";
    if (!name)
        return ERR_OK;
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (!strcmp(outcomes[i].name, name)) {
            *sql = outcomes[i].sql;
            return ERR_OK;
        }
    return err_set(e, ERR_USAGE,
                   "--verdict %s: expected correct, cut-off, failed, near-tie, "
                   "refused, unparsable, unscored or wrong",
                   name);
}

/* --- texts made for people ------------------------------------------------ */

static void put_message(struct buf *out, const char *role, const char *text)
{
    if (out->n)
        buf_str(out, "\n");
    buf_printf(out, "[%s]\n%s", role ? role : "?", text ? text : "");
}

static void put_prompt(const struct json *j, struct buf *out)
{
    const struct json *m = json_child(json_get(j, "messages"));
    const char *plain = json_string(json_get(j, "prompt"));

    for (; m; m = json_next(m))
        put_message(out, json_string(json_get(m, "role")),
                    json_string(json_get(m, "content")));
    if (plain)
        put_message(out, "prompt", plain);
}

/* The messages one below the other; what is no prompt of ours as it is. */
static struct cell prompt_cell(struct arena *a, const char *json)
{
    struct json *j = NULL;
    struct buf b;
    struct cell c;

    buf_init(&b, (size_t)1 << 26);
    if (!json_parse(&j, str_of(json), NULL))
        put_prompt(j, &b);
    c = cell_text(arena_strdup(a, b.n && !b.failed ? b.p : json));
    buf_free(&b);
    json_free(j);
    return c;
}

/* The response with the span that was read as the answer in brackets. */
static struct cell marked_cell(struct arena *a, const struct cell *row)
{
    const char *text = row[RESPONSE].text;
    int64_t at = row[SPAN_AT].i, len = row[SPAN_LEN].i;

    if (row[RESPONSE].kind != CELL_TEXT)
        return cell_text(NULL);
    if (row[SPAN_AT].kind != CELL_INT || len <= 0 || at < 0 ||
        at > (int64_t)strlen(text) - len)
        return row[RESPONSE];
    return cell_text(arena_printf(a, "%.*s⟦%.*s⟧%s", (int)at, text, (int)len,
                                  text + at, text + at + len));
}

/* --- rows ----------------------------------------------------------------- */

struct rows {
    struct arena *a;
    struct cell *cells;
    size_t n;
};

static struct cell value(struct arena *a, const struct store_row *r, int col,
                         enum cell_kind kind)
{
    if (row_null(r, col))
        return (struct cell){ 0 };
    if (kind == CELL_INT)
        return cell_int(row_int(r, col));
    if (kind == CELL_NUM)
        return cell_num(row_num(r, col), 3);
    return cell_text(arena_strdup(a, row_text(r, col)));
}

static bool make_room(struct rows *rows)
{
    struct cell *more;

    if (rows->n & (rows->n - 1)) /* room until the next power of two */
        return true;
    more =
        arena_array(rows->a, rows->n ? 2 * rows->n : 1, N_COLS * sizeof *more);
    if (more && rows->n)
        memcpy(more, rows->cells, rows->n * N_COLS * sizeof *more);
    rows->cells = more;
    return more != NULL;
}

static enum err_code add_row(void *user, const struct store_row *r,
                             struct err *e)
{
    struct rows *rows = user;
    struct cell *c;

    if (!make_room(rows))
        return err_set(e, ERR_NOMEM, "no memory for the report");
    c = rows->cells + rows->n++ * N_COLS;
    for (int i = 0; i < N_SOURCES; i++)
        c[sources[i].column] = value(rows->a, r, i, sources[i].kind);
    c[MARKED] = marked_cell(rows->a, c);
    c[PROMPT] = prompt_cell(rows->a, c[PROMPT_JSON].text);
    return rows->a->failed ? err_set(e, ERR_NOMEM, "no memory for the report")
                           : ERR_OK;
}

/* With items given, samples are found by key: the view by itself would walk
 * through all there are. */
static void query_text(struct buf *q, const char *outcome, bool items)
{
    buf_str(q, "SELECT ");
    for (int i = 0; i < N_SOURCES; i++)
        buf_printf(q, "%s%s", i ? ", " : "", sources[i].sql);
    buf_printf(q,
               " FROM sample_scores AS v JOIN model AS m ON m.pk = v.model_pk "
               "JOIN suite AS su ON su.pk = v.suite_pk "
               "JOIN item AS i ON i.pk = v.item_pk "
               "JOIN prompt AS pr ON pr.pk = v.prompt_pk "
               "JOIN params AS pa ON pa.pk = v.params_pk "
               "WHERE v.current AND v.suite_current AND %s AND " CHOSEN_MODEL
               " AND " CHOSEN_SUITE("v.subset"),
               outcome);
    if (items)
        buf_str(q,
                " AND v.item IN (SELECT value FROM json_each(?3)) "
                "AND v.item_pk IN (SELECT si.item FROM suite_item AS si WHERE "
                "si.id IN (SELECT value FROM json_each(?3))) "
                "AND v.model_pk IN (SELECT pk FROM model)");
    buf_str(q, " ORDER BY v.suite, v.item, v.model, v.trial, v.turn, v.sample");
}

static enum err_code load(const struct report_params *p, struct rows *rows,
                          struct err *e)
{
    const char *models, *suites, *items, *outcome;
    struct buf q;
    enum err_code rc = find_outcome(p->verdict, &outcome, e);

    if (rc)
        return rc;
    models = report_json_list(p->arena, p->models, p->n_models);
    suites = report_json_list(p->arena, p->suites, p->n_suites);
    items = report_json_list(p->arena, p->args, p->n_args);
    buf_init(&q, 1 << 16);
    query_text(&q, outcome, items != NULL);
    rc = buf_check(&q, "query", e);
    if (!rc)
        rc = store_query(p->store, q.p, add_row, rows, e, items ? "sss" : "ss",
                         models, suites, items);
    buf_free(&q);
    return rc;
}

static enum err_code make(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e)
{
    struct rows rows = { .a = p->arena };
    struct table *t = arena_alloc(p->arena, sizeof *t);
    enum err_code rc;

    if (!t)
        return err_set(e, ERR_NOMEM, "no memory for the report");
    rc = report_check_chosen(p, e);
    if (!rc)
        rc = load(p, &rows, e);
    if (!rc)
        rc = table_init(t, p->arena, report_word(p, "逐题核查", "Audit"),
                        report_columns(p, words, N_COLS), N_COLS, 0, e);
    if (rc)
        return rc;
    t->cells = rows.cells;
    t->n_rows = rows.n;
    t->records = true;
    REPORT_NOTE(p, t, "%zu 个样本; ⟦ ⟧: 作为答案读取的部分",
                "%zu samples; ⟦ ⟧: the part read as the answer", rows.n);
    table_note(t, "mokao " MK_VERSION);
    *tables = t;
    *n = 1;
    return table_check(t, e);
}

const struct report_kind report_audit = {
    .name = "audit",
    .doc = "sample by sample: prompt, response, extraction, verdict, errors",
    .make = make,
};
