/* Loading: models, suites, items, then one row a model and item of the view
 * item_scores into two matrices.  The rows come in no particular order, so that
 * the database need not sort a million of them; items are found by bisection.
 */
#include "report/board.h"

#include <math.h>
#include <string.h>

/* --- groups --------------------------------------------------------------- */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

/* Expressions over suite su, suite_item si, item i. */
static const struct by {
    const char *name, *sql;
    bool path; /* the last part is title enough */
} bys[] = {
    { "ability", "coalesce(nullif(su.ability, ''), su.id)", true },
    { "difficulty", "coalesce(i.difficulty, '-')", false },
    { "group",
      "coalesce(nullif(substr(su.ability, 1, instr(su.ability || '/', '/') - "
      "1), ''), su.id)",
      false },
    { "subset",
      "CASE si.subset WHEN '' THEN su.id ELSE su.id || '/' || si.subset END",
      false },
    { "suite", "su.id", false },
};

static const struct by *find_by(const char *name)
{
    for (size_t i = 0; i < sizeof bys / sizeof *bys; i++)
        if (!strcmp(bys[i].name, name))
            return &bys[i];
    return NULL;
}

/* The ten base abilities in the order SuperCLUE gives them; others after. */
static size_t ability_order(const char *path)
{
    static const char *const words[] = { "语义理解", "闲聊", "对话", "角色",
                                         "知识",     "生成", "代码", "逻辑",
                                         "计算",     "安全" };
    size_t i = 0, n = sizeof words / sizeof *words;

    while (i < n && !strstr(last_part(path), words[i]))
        i++;
    return i;
}

bool board_knows(const char *by)
{
    return find_by(by) != NULL;
}

const char *board_names(void)
{
    return "ability, difficulty, group, subset, suite";
}

/* --- loading -------------------------------------------------------------- */

/* Grows an array in the arena by doubling; old copies die with it. */
static void *grown(struct arena *a, void *v, size_t n, size_t size)
{
    void *more;

    if (a->failed)
        return NULL;
    if (n & (n - 1)) /* room until the next power of two */
        return v;
    more = arena_array(a, n ? 2 * n : 1, size);
    if (more && n)
        memcpy(more, v, n * size);
    return more;
}

struct load {
    struct board *b;
    const struct report_params *p;
    const struct by *by;
    const char *models, *suites; /* JSON lists or NULL */
};

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the scores");
}

static enum err_code add_model(void *user, const struct store_row *r,
                               struct err *e)
{
    struct board *b = user;
    struct arena *a = b->arena;

    b->models = grown(a, b->models, b->n_models, sizeof *b->models);
    if (!b->models)
        return no_memory(e);
    b->models[b->n_models++] = (struct board_model){
        .pk = row_int(r, 0),
        .id = arena_strdup(a, row_text(r, 1)),
        .name = arena_strdup(a, row_text(r, 2)),
        .vendor = arena_strdup(a, row_text(r, 3)),
        .fingerprint = arena_strdup(a, row_text(r, 4)),
        .open = row_int(r, 5) != 0,
        .domestic = row_int(r, 6) != 0,
    };
    return a->failed ? no_memory(e) : ERR_OK;
}

/* Rows come by suite, then group: new ones are seen by a change. */
static enum err_code add_item(void *user, const struct store_row *r,
                              struct err *e)
{
    struct board *b = user;
    struct arena *a = b->arena;
    int64_t suite = row_int(r, 0), item = row_int(r, 1);
    struct board_item *last = b->n_items ? &b->items[b->n_items - 1] : NULL;

    if (last && last->suite == suite && last->item == item)
        return ERR_OK; /* the same question under two ids counts once */
    b->items = grown(a, b->items, b->n_items, sizeof *b->items);
    if (!b->items)
        return no_memory(e);
    b->items[b->n_items++] = (struct board_item){
        .suite = suite,
        .item = item,
        .subset = arena_strdup(a, row_text(r, 2)),
        .group = (size_t)row_int(r, 3),
    };
    return a->failed ? no_memory(e) : ERR_OK;
}

static enum err_code add_suite(void *user, const struct store_row *r,
                               struct err *e)
{
    struct board *b = user;
    struct arena *a = b->arena;

    b->suites = grown(a, b->suites, b->n_suites, sizeof *b->suites);
    if (!b->suites)
        return no_memory(e);
    b->suites[b->n_suites++] = (struct board_suite){
        .pk = row_int(r, 0),
        .id = arena_strdup(a, row_text(r, 1)),
        .version = arena_strdup(a, row_text(r, 2)),
        .digest = arena_strdup(a, row_text(r, 3)),
        .ability = arena_strdup(a, row_text(r, 4)),
    };
    return a->failed ? no_memory(e) : ERR_OK;
}

static enum err_code add_group(void *user, const struct store_row *r,
                               struct err *e)
{
    const struct load *l = user;
    struct board *b = l->b;
    char *key = arena_strdup(b->arena, row_text(r, 0));

    b->groups = grown(b->arena, b->groups, b->n_groups, sizeof *b->groups);
    if (!b->groups || !key)
        return no_memory(e);
    b->groups[b->n_groups++] = (struct board_group){
        .key = key,
        .title = l->by->path ? last_part(key) : key,
        .order = l->by->path ? ability_order(key) : 0,
    };
    return ERR_OK;
}

/* By order, else as they stand.  Items follow their group. */
static enum err_code sort_groups(struct board *b, struct err *e)
{
    size_t *place = arena_array(b->arena, b->n_groups, sizeof *place);
    struct board_group *sorted =
        arena_array(b->arena, b->n_groups, sizeof *sorted);

    if (b->arena->failed)
        return no_memory(e);
    for (size_t g = 0; g < b->n_groups; g++) {
        for (size_t h = 0; h < b->n_groups; h++)
            place[g] += b->groups[h].order < b->groups[g].order ||
                        (b->groups[h].order == b->groups[g].order && h < g);
        sorted[place[g]] = b->groups[g];
    }
    for (size_t i = 0; i < b->n_items; i++)
        b->items[i].group = place[b->items[i].group];
    b->groups = sorted;
    return ERR_OK;
}

/* Items that any chosen model was asked, with their group's number. */
#define ASKED_ITEMS                                                                   \
    "FROM suite_item AS si JOIN suite AS su ON su.pk = si.suite AND "                 \
    "su.current JOIN item AS i ON i.pk = si.item AND i.n_judged > 0 "                 \
    "WHERE " CHOSEN_SUITE(                                                            \
        "si.subset") " AND EXISTS (SELECT 1 FROM model AS m "                         \
                     "CROSS JOIN sample AS s ON s.model = m.pk AND s.item = si.item " \
                     "WHERE " CHOSEN_MODEL ")"

static enum err_code load_items(struct load *l, struct err *e)
{
    struct store *s = l->p->store;
    const char *groups, *suites, *items;
    struct arena *a = l->p->arena;
    enum err_code rc;

    groups = arena_printf(
        a, "SELECT DISTINCT %s AS g " ASKED_ITEMS " ORDER BY g", l->by->sql);
    suites =
        "SELECT DISTINCT su.pk, su.id, su.version, su.digest, su.ability " ASKED_ITEMS
        " ORDER BY su.id";
    items = arena_printf(a,
                         "SELECT si.suite, si.item, si.subset, "
                         "dense_rank() OVER (ORDER BY %s) - 1 " ASKED_ITEMS
                         " ORDER BY 1, 2",
                         l->by->sql);
    if (!groups || !items)
        return no_memory(e);
    rc = store_query(s, groups, add_group, l, e, "ss", l->models, l->suites);
    if (!rc)
        rc = store_query(s, suites, add_suite, l->b, e, "ss", l->models,
                         l->suites);
    if (!rc)
        rc = store_query(s, items, add_item, l->b, e, "ss", l->models,
                         l->suites);
    return rc ? rc : sort_groups(l->b, e);
}

static size_t find_item(const struct board *b, int64_t suite, int64_t item)
{
    size_t lo = 0, hi = b->n_items;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct board_item *it = &b->items[mid];
        if (it->suite < suite || (it->suite == suite && it->item < item))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < b->n_items && b->items[lo].suite == suite &&
                   b->items[lo].item == item
               ? lo
               : b->n_items;
}

static size_t find_model(const struct board *b, int64_t pk)
{
    size_t i = 0;

    while (i < b->n_models && b->models[i].pk != pk)
        i++;
    return i;
}

static void count(struct board_model *m, const struct store_row *r)
{
    m->items++;
    m->asked += row_int(r, 5);
    m->failed += row_int(r, 6);
    m->answered += row_int(r, 5) - row_int(r, 6);
    m->unscored += row_int(r, 7);
    m->correct += row_int(r, 8);
    m->wrong += row_int(r, 9);
    m->unparsable += row_int(r, 10);
    m->refused += row_int(r, 11);
    m->cut_off += row_int(r, 12);
    m->near_ties += row_int(r, 13);
    m->prompt_tokens += row_int(r, 14);
    m->output_tokens += row_int(r, 15);
    m->latency_ns += row_int(r, 16);
    m->timed += row_int(r, 17);
}

static enum err_code add_score(void *user, const struct store_row *r,
                               struct err *e)
{
    struct board *b = user;
    size_t m = find_model(b, row_int(r, 0));
    size_t i = find_item(b, row_int(r, 1), row_int(r, 2));
    size_t at = m * b->n_items + i;

    (void)e;
    if (m == b->n_models || i == b->n_items || !isnan(b->low[at]))
        return ERR_OK;
    b->low[at] = row_num(r, 3);
    b->high[at] = row_num(r, 4);
    count(&b->models[m], r);
    return ERR_OK;
}

static const char scores_sql[] =
    "SELECT model_pk, suite_pk, item_pk, score, score_high, asked, failed, "
    "unscored, correct, wrong, unparsable, refused, cut_off, near_ties, "
    "prompt_tokens, output_tokens, latency_ns, timed "
    "FROM item_scores WHERE asked > 0";

static enum err_code load_scores(struct load *l, struct err *e)
{
    struct board *b = l->b;
    size_t n;

    if (__builtin_mul_overflow(b->n_models, b->n_items, &n))
        return err_set(e, ERR_LIMIT, "too many models and items");
    b->low = arena_array(b->arena, n, sizeof *b->low);
    b->high = arena_array(b->arena, n, sizeof *b->high);
    b->common = arena_array(b->arena, b->n_items, sizeof *b->common);
    if (b->arena->failed)
        return no_memory(e);
    for (size_t i = 0; i < n; i++)
        b->low[i] = b->high[i] = NAN;
    return store_query(l->p->store, scores_sql, add_score, b, e, "");
}

/* Models without a judged item are left out; ERR_FORMAT if none is left. */
static enum err_code drop_empty(struct board *b, struct err *e)
{
    size_t kept = 0;

    for (size_t m = 0; m < b->n_models; m++) {
        if (!b->models[m].items)
            continue;
        memmove(b->low + kept * b->n_items, b->low + m * b->n_items,
                b->n_items * sizeof *b->low);
        memmove(b->high + kept * b->n_items, b->high + m * b->n_items,
                b->n_items * sizeof *b->high);
        b->models[kept++] = b->models[m];
    }
    b->n_models = kept;
    return kept ? ERR_OK
                : err_set(e, ERR_FORMAT,
                          "no scores of these models and suites in the "
                          "database: mokao run makes them");
}

static void mark_common(struct board *b)
{
    for (size_t i = 0; i < b->n_items; i++) {
        size_t asked = 0;
        for (size_t m = 0; m < b->n_models; m++)
            asked += !isnan(b->low[m * b->n_items + i]);
        b->common[i] = asked == b->n_models;
        b->n_common += b->common[i];
        b->n_asked += asked > 0;
        b->groups[b->items[i].group].items += asked > 0;
        for (size_t s = 0; s < b->n_suites; s++)
            if (b->suites[s].pk == b->items[i].suite)
                b->suites[s].items += asked > 0;
    }
}

static enum err_code add_mixed(void *user, const struct store_row *r,
                               struct err *e)
{
    struct board *b = user;
    size_t m = find_model(b, row_int(r, 0));

    (void)e;
    if (m < b->n_models)
        b->models[m].mixed = true;
    return ERR_OK;
}

static const char mixed_sql[] =
    "SELECT model FROM sample WHERE current GROUP BY model "
    "HAVING min(params) <> max(params)";

enum err_code report_check_models(const struct report_params *p, struct err *e)
{
    struct board b = { .arena = p->arena };
    const char *one;

    for (size_t i = 0; i < p->n_models; i++) {
        enum err_code rc;
        size_t before = b.n_models;
        one = report_json_list(p->arena, &p->models[i], 1);
        if (!one)
            return no_memory(e);
        rc = store_query(p->store,
                         "SELECT pk, id, name, vendor, fingerprint, open, "
                         "domestic FROM model AS m WHERE " CHOSEN_MODEL,
                         add_model, &b, e, "s", one);
        if (rc)
            return rc;
        if (b.n_models == before)
            return err_set(e, ERR_FORMAT,
                           "no model \"%s\" in the database: mokao report "
                           "rank names those there are",
                           p->models[i]);
    }
    return ERR_OK;
}

enum err_code board_load(struct board *b, const struct report_params *p,
                         const char *by, struct err *e)
{
    struct load l = { .b = b, .p = p, .by = find_by(by) };
    enum err_code rc = report_check_models(p, e);

    *b = (struct board){ .arena = p->arena };
    if (rc)
        return rc;
    l.models = report_json_list(p->arena, p->models, p->n_models);
    l.suites = report_json_list(p->arena, p->suites, p->n_suites);
    if (p->arena->failed)
        return no_memory(e);
    rc = store_query(p->store,
                     "SELECT pk, id, name, vendor, fingerprint, open, domestic "
                     "FROM model AS m WHERE " CHOSEN_MODEL " ORDER BY id, pk",
                     add_model, b, e, "s", l.models);
    if (!rc)
        rc = load_items(&l, e);
    if (!rc)
        rc = load_scores(&l, e);
    if (!rc)
        rc = drop_empty(b, e);
    if (!rc)
        rc = store_query(p->store, mixed_sql, add_mixed, b, e, "");
    if (!rc)
        mark_common(b);
    return rc;
}

/* --- notes ---------------------------------------------------------------- */

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
            REPORT_NOTE(p, t, "%s: 样本用了不止一组生成参数",
                        "%s: samples of several parameter sets", x->id);
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
