/* judge: what judges say of stored responses, and how far they can be trusted.
 *
 * The first table has a row a judge, candidate, baseline and ability: wins,
 * ties and losses over both orders (orders that disagree are ties, and counted
 * as split), or the mean grade.  The second has a row a judge: answers without
 * a verdict, the share of wins that went to what was shown first, how often
 * both orders agree, Cohen's kappa with the rules' verdicts and with labels of
 * people, tokens and money.  Pairs without a verdict in both orders are in no
 * share. */
#include <math.h>
#include <string.h>

#include "report/board.h"

enum {
    JUDGE,
    RUBRIC,
    MODEL,
    BASELINE,
    ABILITY,
    ITEMS,
    WIN,
    TIE,
    LOSS,
    SPLIT,
    OPEN,
    WIN_TIE,
    INTERVAL,
    LOW,
    HIGH,
    OPEN_SCORE,
    WIN_RATE,
    SIGN_P,
    GRADE,
    GRADE_SE,
    N_COLS
};
enum {
    Q_JUDGE,
    Q_RUBRIC,
    Q_ANSWERS,
    Q_UNREAD,
    Q_UNREAD_SHARE,
    Q_FAILED,
    Q_FIRST,
    Q_FIRST_CI,
    Q_FIRST_LOW,
    Q_FIRST_HIGH,
    Q_AGREE,
    Q_RULES_N,
    Q_RULES,
    Q_RULES_CI,
    Q_RULES_LOW,
    Q_RULES_HIGH,
    Q_PEOPLE_N,
    Q_PEOPLE,
    Q_PEOPLE_CI,
    Q_PEOPLE_LOW,
    Q_PEOPLE_HIGH,
    Q_PROMPT,
    Q_OUTPUT,
    Q_CNY,
    Q_N_COLS
};

/* One column a line. */
/* clang-format off */
static const struct column_words words[N_COLS] = {
    [JUDGE] = { "judge", "评审", "judge", false, COLUMN_ALL },
    [RUBRIC] = { "rubric", "准则", "rubric", false, COLUMN_ALL },
    [MODEL] = { "model", "模型", "model", false, COLUMN_ALL },
    [BASELINE] = { "baseline", "基准", "baseline", false, COLUMN_ALL },
    [ABILITY] = { "ability", "能力", "ability", false, COLUMN_ALL },
    [ITEMS] = { "items", "题数", "items", true, COLUMN_ALL },
    [WIN] = { "win", "胜", "win", true, COLUMN_ALL },
    [TIE] = { "tie", "平", "tie", true, COLUMN_ALL },
    [LOSS] = { "loss", "负", "loss", true, COLUMN_ALL },
    [SPLIT] = { "split", "其中不一致", "of ties split", true, COLUMN_ALL },
    [OPEN] = { "no_verdict", "无结论", "no verdict", true, COLUMN_ALL },
    [WIN_TIE] = { "win_or_tie", "胜平率", "win or tie", true, COLUMN_ALL },
    [INTERVAL] = { "interval", "区间", "interval", true, COLUMN_PEOPLE },
    [LOW] = { "low", "", "", true, COLUMN_MACHINE },
    [HIGH] = { "high", "", "", true, COLUMN_MACHINE },
    [OPEN_SCORE] = { "three_one", "三一分", "3-1 score", true, COLUMN_ALL },
    [WIN_RATE] = { "win_rate", "胜率", "win rate", true, COLUMN_ALL },
    [SIGN_P] = { "sign_p", "符号检验p", "sign test p", true, COLUMN_ALL },
    [GRADE] = { "grade", "平均分", "grade", true, COLUMN_ALL },
    [GRADE_SE] = { "grade_se", "标准误", "its SE", true, COLUMN_ALL },
};
static const struct column_words judge_words[Q_N_COLS] = {
    [Q_JUDGE] = { "judge", "评审", "judge", false, COLUMN_ALL },
    [Q_RUBRIC] = { "rubric", "准则", "rubric", false, COLUMN_ALL },
    [Q_ANSWERS] = { "answers", "回答", "answers", true, COLUMN_ALL },
    [Q_UNREAD] = { "unread", "", "", true, COLUMN_MACHINE },
    [Q_UNREAD_SHARE] = { "unread_share", "无结论%", "no verdict %", true, COLUMN_ALL },
    [Q_FAILED] = { "failed", "失败", "failed", true, COLUMN_ALL },
    [Q_FIRST] = { "first_share", "先者胜%", "first wins %", true, COLUMN_ALL },
    [Q_FIRST_CI] = { "first_interval", "区间", "interval", true, COLUMN_PEOPLE },
    [Q_FIRST_LOW] = { "first_low", "", "", true, COLUMN_MACHINE },
    [Q_FIRST_HIGH] = { "first_high", "", "", true, COLUMN_MACHINE },
    [Q_AGREE] = { "orders_agree", "两序一致%", "orders agree %", true, COLUMN_ALL },
    [Q_RULES_N] = { "rules_n", "", "", true, COLUMN_MACHINE },
    [Q_RULES] = { "rules_kappa", "κ规则", "κ rules", true, COLUMN_ALL },
    [Q_RULES_CI] = { "rules_interval", "区间", "interval", true, COLUMN_PEOPLE },
    [Q_RULES_LOW] = { "rules_low", "", "", true, COLUMN_MACHINE },
    [Q_RULES_HIGH] = { "rules_high", "", "", true, COLUMN_MACHINE },
    [Q_PEOPLE_N] = { "people_n", "", "", true, COLUMN_MACHINE },
    [Q_PEOPLE] = { "people_kappa", "κ人工", "κ people", true, COLUMN_ALL },
    [Q_PEOPLE_CI] = { "people_interval", "区间", "interval", true, COLUMN_PEOPLE },
    [Q_PEOPLE_LOW] = { "people_low", "", "", true, COLUMN_MACHINE },
    [Q_PEOPLE_HIGH] = { "people_high", "", "", true, COLUMN_MACHINE },
    [Q_PROMPT] = { "prompt_tokens", "输入", "in", true, COLUMN_ALL },
    [Q_OUTPUT] = { "output_tokens", "输出", "out", true, COLUMN_ALL },
    [Q_CNY] = { "cost_cny", "费用/元", "CNY", true, COLUMN_ALL },
};
/* clang-format on */

/* --- queries --------------------------------------------------------------- */

/* Judged samples of the models and suites chosen, each with the ability of one
 * suite that has its item. */
#define CHOSEN                                                                          \
    "WITH c AS (SELECT * FROM (SELECT s.pk AS sample, m.id AS model,"                   \
    " (SELECT coalesce(su.ability, su.id) FROM suite_item AS si"                        \
    " JOIN suite AS su ON su.pk = si.suite WHERE si.item = s.item"                      \
    " AND su.current AND " CHOSEN_SUITE(                                                \
        "si.subset") " ORDER BY su.pk DESC LIMIT 1) AS ability"                         \
                     " FROM sample AS s JOIN model AS m ON m.pk = s.model"              \
                     " WHERE s.current AND s.pk IN (SELECT sample FROM judgement UNION" \
                     " SELECT sample FROM judge_failure) AND " CHOSEN_MODEL             \
                     ") WHERE ability IS NOT NULL) "

static const char pairs_sql[] = CHOSEN
    "SELECT jm.id, jg.name, c.model, bm.id, c.ability,"
    " count(d.outcome) + count(d.grade), count(*),"
    " sum(d.outcome IS 'win'), sum(d.outcome IS 'tie'),"
    " sum(d.outcome IS 'loss'), sum(d.split AND d.outcome IS NOT NULL),"
    " total(d.grade), total(d.grade * d.grade), jg.kind, d.judge_pk"
    " FROM judged AS d JOIN c ON c.sample = d.sample"
    " JOIN judge AS jg ON jg.pk = d.judge_pk"
    " JOIN model AS jm ON jm.pk = jg.model"
    " LEFT JOIN sample AS b ON b.pk = d.against"
    " LEFT JOIN model AS bm ON bm.pk = b.model"
    " GROUP BY d.judge_pk, c.model, bm.id, c.ability ORDER BY jm.id, jg.name,"
    " d.judge_pk, c.model, bm.id, c.ability";

static const char judges_sql[] = CHOSEN
    "SELECT jm.id, jg.name, jg.pk, count(*),"
    " sum(j.verdict IS NULL AND j.grade IS NULL),"
    " sum(j.verdict IS CASE WHEN j.swapped THEN 'loss' ELSE 'win' END),"
    " sum(j.verdict IN ('win', 'loss')),"
    " (SELECT count(*) FROM (SELECT DISTINCT f.sample, f.against, f.swapped"
    " FROM judge_failure AS f JOIN c ON c.sample = f.sample"
    " WHERE f.judge = jg.pk AND NOT EXISTS (SELECT 1 FROM judgement AS o WHERE"
    " o.judge = f.judge AND o.sample = f.sample AND ifnull(o.against, 0) ="
    " ifnull(f.against, 0) AND o.swapped = f.swapped))),"
    " (SELECT sum(NOT d.split) FROM judged AS d JOIN c ON c.sample = d.sample"
    " WHERE d.judge_pk = jg.pk AND d.outcome IS NOT NULL),"
    " (SELECT count(*) FROM judged AS d JOIN c ON c.sample = d.sample"
    " WHERE d.judge_pk = jg.pk AND d.outcome IS NOT NULL),"
    " (SELECT sum(k.prompt_tokens) FROM judge_cost AS k JOIN c"
    " ON c.sample = k.sample WHERE k.judge_pk = jg.pk),"
    " (SELECT sum(k.output_tokens) FROM judge_cost AS k JOIN c"
    " ON c.sample = k.sample WHERE k.judge_pk = jg.pk),"
    " (SELECT CASE WHEN count(*) = count(k.cny_nano) THEN"
    " total(k.cny_nano) / 1e9 END FROM judge_cost AS k JOIN c"
    " ON c.sample = k.sample WHERE k.judge_pk = jg.pk)"
    " FROM judge AS jg JOIN model AS jm ON jm.pk = jg.model"
    " JOIN (SELECT j.* FROM judgement AS j JOIN c ON c.sample = j.sample) AS j"
    " ON j.judge = jg.pk GROUP BY jg.pk ORDER BY jm.id, jg.name, jg.pk";

/* 0 win, 1 tie, 2 loss; a grade of a half or more is a win. */
#define CLASS(verdict, grade)                                                  \
    "CASE WHEN " verdict " IS NOT NULL THEN"                                   \
    " CASE " verdict " WHEN 'win' THEN 0 WHEN 'tie' THEN 1 ELSE 2 END"         \
    " WHEN " grade " IS NOT NULL THEN iif(" grade " >= 0.5, 0, 2) END"

/* The judge's class against that of the rules (0) and of people (1). */
static const char agreement_sql[] = CHOSEN
    "SELECT judge_pk, kind, judges, others, count(*) FROM ("
    "SELECT d.judge_pk, 0 AS kind, " CLASS(
        "d.outcome",
        "d.grade") " AS judges,"
                   " CASE WHEN d.against IS NULL THEN iif(x.score >= 0.5, 0, 2)"
                   " WHEN x.score > y.score THEN 0 WHEN x.score = y.score THEN 1"
                   " WHEN x.score < y.score THEN 2 END AS others"
                   " FROM judged AS d JOIN c ON c.sample = d.sample"
                   " JOIN score AS x ON x.sample = d.sample"
                   " LEFT JOIN score AS y ON y.sample = d.against"
                   " UNION ALL SELECT d.judge_pk, 1, " CLASS("d.outcome", "d.grade") ", " CLASS(
                       "l.verdict",
                       "l.grade") " FROM judged AS d JOIN c ON c.sample = d.sample"
                                  " JOIN label AS l ON l.sample = d.sample AND"
                                  " ifnull(l.against, 0) = ifnull(d.against, 0))"
                                  " WHERE judges IS NOT NULL AND others IS NOT NULL"
                                  " GROUP BY judge_pk, kind, judges, others";

/* --- reading --------------------------------------------------------------- */

struct line {
    const char *judge, *rubric, *model, *baseline, *ability; /* NULL: all */
    int64_t key;                                             /* of the judge */
    int64_t read, pairs, win, tie, loss, split;
    double grade, grade_sq;
    bool pairwise;
};
enum { CLASSES = 3, RULES = 0, PEOPLE = 1 };
struct judge_line {
    const char *judge, *rubric;
    int64_t pk, answers, unread, first, decided, failed, agree, paired;
    double prompt, output, cny;
    int64_t counts[2][CLASSES * CLASSES];
};
struct judged {
    struct arena *a;
    struct line *lines;
    struct judge_line *judges;
    size_t n_lines, cap_lines, n_judges, cap_judges;
};

/* Room for two more in an array of the arena that holds n. */
static bool grow(struct arena *a, void *array, size_t *cap, size_t n,
                 size_t size)
{
    void *old, *more;

    if (n + 2 <= *cap)
        return true;
    more = arena_array(a, *cap ? 2 * *cap : 16, size);
    if (!more)
        return false;
    memcpy(&old, array, sizeof old);
    if (n)
        memcpy(more, old, n * size);
    memcpy(array, &more, sizeof more);
    *cap = *cap ? 2 * *cap : 16;
    return true;
}

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the report");
}

static const char *keep(struct arena *a, const struct store_row *r, int col)
{
    return row_null(r, col) ? NULL : arena_strdup(a, row_text(r, col));
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void add_to(struct line *sum, const struct line *x)
{
    sum->read += x->read;
    sum->pairs += x->pairs;
    sum->win += x->win;
    sum->tie += x->tie;
    sum->loss += x->loss;
    sum->split += x->split;
    sum->grade += x->grade;
    sum->grade_sq += x->grade_sq;
}

/* The line of all abilities, before the first of them. */
static struct line *total_of(struct judged *j, const struct line *x)
{
    struct line *t;

    for (size_t i = j->n_lines; i-- > 0;) {
        t = &j->lines[i];
        if (!t->ability)
            return t->key == x->key && same(t->model, x->model) &&
                           same(t->baseline, x->baseline)
                       ? t
                       : NULL;
    }
    return NULL;
}

static enum err_code add_line(void *user, const struct store_row *r,
                              struct err *e)
{
    struct judged *j = user;
    struct line x = { .judge = keep(j->a, r, 0),
                      .rubric = keep(j->a, r, 1),
                      .model = keep(j->a, r, 2),
                      .baseline = keep(j->a, r, 3),
                      .ability = keep(j->a, r, 4),
                      .read = row_int(r, 5),
                      .pairs = row_int(r, 6),
                      .win = row_int(r, 7),
                      .tie = row_int(r, 8),
                      .loss = row_int(r, 9),
                      .split = row_int(r, 10),
                      .grade = row_num(r, 11),
                      .grade_sq = row_num(r, 12),
                      .pairwise = strcmp(row_text(r, 13), "pairwise") == 0,
                      .key = row_int(r, 14) };
    struct line *total;

    if (!grow(j->a, &j->lines, &j->cap_lines, j->n_lines, sizeof x))
        return no_memory(e);
    total = total_of(j, &x);
    if (total) {
        add_to(total, &x);
    } else {
        j->lines[j->n_lines] = x;
        j->lines[j->n_lines++].ability = NULL;
    }
    j->lines[j->n_lines++] = x;
    return ERR_OK;
}

static double number(const struct store_row *r, int col)
{
    return row_null(r, col) ? NAN : row_num(r, col);
}

static enum err_code add_judge(void *user, const struct store_row *r,
                               struct err *e)
{
    struct judged *j = user;

    if (!grow(j->a, &j->judges, &j->cap_judges, j->n_judges, sizeof *j->judges))
        return no_memory(e);
    j->judges[j->n_judges++] = (struct judge_line){ .judge = keep(j->a, r, 0),
                                                    .rubric = keep(j->a, r, 1),
                                                    .pk = row_int(r, 2),
                                                    .answers = row_int(r, 3),
                                                    .unread = row_int(r, 4),
                                                    .first = row_int(r, 5),
                                                    .decided = row_int(r, 6),
                                                    .failed = row_int(r, 7),
                                                    .agree = row_int(r, 8),
                                                    .paired = row_int(r, 9),
                                                    .prompt = number(r, 10),
                                                    .output = number(r, 11),
                                                    .cny = number(r, 12) };
    return ERR_OK;
}

static enum err_code add_agreement(void *user, const struct store_row *r,
                                   struct err *e)
{
    struct judged *j = user;
    int64_t cell = row_int(r, 2) * CLASSES + row_int(r, 3);

    (void)e;
    for (size_t i = 0; i < j->n_judges; i++)
        if (j->judges[i].pk == row_int(r, 0))
            j->judges[i].counts[row_int(r, 1)][cell] = row_int(r, 4);
    return ERR_OK;
}

static enum err_code load(const struct report_params *p, struct judged *j,
                          struct err *e)
{
    if (report_query(p, pairs_sql, add_line, j, e) ||
        report_query(p, judges_sql, add_judge, j, e) ||
        report_query(p, agreement_sql, add_agreement, j, e))
        return e->code;
    if (j->n_lines == 0)
        return err_set(e, ERR_FORMAT,
                       "no judge has answered about these: mokao judge -m "
                       "JUDGE --candidate MODEL does");
    return ERR_OK;
}

/* --- cells ----------------------------------------------------------------- */

static double ratio(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

static void put_pairs(const struct report_params *p, struct cell *c,
                      const struct line *x)
{
    int64_t good = x->win + x->tie;
    double open_score = ratio(3 * x->win + x->tie, 2 * x->read);

    c[WIN] = cell_int(x->win);
    c[TIE] = cell_int(x->tie);
    c[LOSS] = cell_int(x->loss);
    c[SPLIT] = cell_int(x->split);
    cells_interval(c + WIN_TIE, p->arena, ratio(good, x->read),
                   stats_wilson(good, x->read, p->alpha), 100, 1);
    c[OPEN_SCORE] = cell_num(100 * fmin(1, open_score), 2);
    if (isnan(open_score))
        c[OPEN_SCORE] = cell_text(NULL);
    c[WIN_RATE] = cell_num(100 * ratio(x->win, x->read), 1);
    if (x->win + x->loss)
        c[SIGN_P] = cell_num(stats_mcnemar_exact(x->win, x->loss), 4);
}

static void put_grades(struct cell *c, const struct line *x)
{
    double n = (double)x->read, mean = x->grade / n;

    if (x->read == 0)
        return;
    c[GRADE] = cell_num(100 * mean, 1);
    if (x->read > 1)
        c[GRADE_SE] = cell_num(
            100 * sqrt(fmax(0, x->grade_sq / n - mean * mean) / (n - 1)), 1);
}

static void put_line(const struct report_params *p, struct cell *c,
                     const struct line *x)
{
    c[JUDGE] = cell_text(x->judge);
    c[RUBRIC] = cell_text(x->rubric);
    c[MODEL] = cell_text(x->model);
    c[BASELINE] = cell_text(x->baseline);
    c[ABILITY] =
        cell_text(x->ability ? x->ability : report_word(p, "全部", "all"));
    c[ITEMS] = cell_int(x->read);
    c[OPEN] = cell_int(x->pairs - x->read);
    if (x->pairwise)
        put_pairs(p, c, x);
    else
        put_grades(c, x);
}

static void put_kappa(const struct report_params *p, struct cell *c,
                      const int64_t *counts)
{
    struct kappa k = stats_kappa(counts, CLASSES, p->alpha);

    c[0] = cell_int(k.n);
    cells_interval(c + 1, p->arena, k.kappa, k.interval, 1, 3);
}

static void put_judge(const struct report_params *p, struct cell *c,
                      const struct judge_line *x)
{
    c[Q_JUDGE] = cell_text(x->judge);
    c[Q_RUBRIC] = cell_text(x->rubric);
    c[Q_ANSWERS] = cell_int(x->answers);
    c[Q_UNREAD] = cell_int(x->unread);
    c[Q_UNREAD_SHARE] = cell_num(100 * ratio(x->unread, x->answers), 1);
    c[Q_FAILED] = cell_int(x->failed);
    cells_interval(c + Q_FIRST, p->arena, ratio(x->first, x->decided),
                   stats_wilson(x->first, x->decided, p->alpha), 100, 1);
    c[Q_AGREE] = cell_num(100 * ratio(x->agree, x->paired), 1);
    put_kappa(p, c + Q_RULES_N, x->counts[RULES]);
    put_kappa(p, c + Q_PEOPLE_N, x->counts[PEOPLE]);
    c[Q_PROMPT] = cell_num(x->prompt, 0);
    c[Q_OUTPUT] = cell_num(x->output, 0);
    c[Q_CNY] = cell_num(x->cny, 4);
}

/* --- the report ------------------------------------------------------------ */

static void put_notes(const struct report_params *p, struct table *t)
{
    table_note(
        t, "%s",
        report_word(
            p,
            "两种先后次序都问；结论不一致的算平，并列入“其中不一致”；缺任一次"
            "序的结论不计入比率。胜平率 = (胜+平)/题数，三一分 = min(100, "
            "100(3胜+平)/(2题数))，p 为胜负的双侧符号检验。",
            "both orders are asked; orders that disagree are a tie and counted "
            "as split; pairs without a verdict in both orders are in no rate.  "
            "win or tie = (win+tie)/items, 3-1 score = min(100, "
            "100(3 win+tie)/(2 items)), p: two-sided sign test of wins and "
            "losses."));
    table_note(
        t, "%s",
        report_word(p,
                    "先者胜%: 分出胜负的回答中先出示者胜的比例，无位置偏好时为"
                    " 50。κ: 与规则判分、与人工标注的一致性 (Cohen)。",
                    "first wins %: of the verdicts for one side, those for the "
                    "answer shown first; 50 without a position bias.  κ: "
                    "agreement (Cohen) with the rules' verdicts and with "
                    "people's labels."));
    table_note(t, "mokao " MK_VERSION);
}

/* With a single ability its line repeats the total: it is left out. */
static bool repeats(const struct judged *j, size_t i)
{
    return j->lines[i].ability && !j->lines[i - 1].ability &&
           (i + 1 == j->n_lines || !j->lines[i + 1].ability);
}

static enum err_code fill(const struct report_params *p, struct judged *j,
                          struct table *t, struct err *e)
{
    size_t n = 0, row = 0;

    for (size_t i = 0; i < j->n_lines; i++)
        n += !repeats(j, i);
    if (table_init(&t[0], p->arena, report_word(p, "评审", "Judges' verdicts"),
                   report_columns(p, words, N_COLS), N_COLS, n, e) ||
        table_init(&t[1], p->arena,
                   report_word(p, "评审的可信度", "The judges themselves"),
                   report_columns(p, judge_words, Q_N_COLS), Q_N_COLS,
                   j->n_judges, e))
        return e->code;
    for (size_t i = 0; i < j->n_lines; i++)
        if (!repeats(j, i))
            put_line(p, table_cell(&t[0], row++, 0), &j->lines[i]);
    for (size_t i = 0; i < j->n_judges; i++)
        put_judge(p, table_cell(&t[1], i, 0), &j->judges[i]);
    put_notes(p, &t[1]);
    return table_check(&t[1], e);
}

static enum err_code make(const struct report_params *p, struct table **tables,
                          size_t *n, struct err *e)
{
    struct judged j = { .a = p->arena };
    struct table *t = arena_array(p->arena, 2, sizeof *t);

    if (!t)
        return no_memory(e);
    if (report_check_chosen(p, e) || load(p, &j, e) || fill(p, &j, t, e))
        return e->code;
    *tables = t;
    *n = 2;
    return ERR_OK;
}

const struct report_kind report_judge = {
    .name = "judge",
    .doc = "verdicts of judges, their position bias and agreement",
    .make = make,
};
