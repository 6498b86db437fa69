/* Loading a board: models, suites, items, then every counted sample once.
 *
 * A paired test needs each model's score on each item, so all samples are read;
 * the database is asked for no order, no grouping and no text, which makes a
 * million of them a matter of a second.  Here they are added up in matrices of
 * [model][item], found through a table by the item's key.  The counts come
 * from the sums the store keeps by subset. */
#include "report/board.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
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

/* --- rows ----------------------------------------------------------------- */

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

/* An item of a suite as the database has it, asked or not. */
struct entry {
    int64_t suite, item;
    size_t group;
    uint32_t judged; /* turns that have an answer */
    uint32_t next;   /* the same item in another suite: index + 1, 0: none */
};

struct load {
    struct board *b;
    const struct report_params *p;
    const struct by *by;
    const char *models, *suites; /* JSON lists or NULL */
    struct entry *entries;
    size_t n_entries, cap_entries;
    uint32_t *first; /* [n_first] by item key: index + 1, or 0 */
    size_t n_first;
    double *sum;               /* [n_models][n_entries] of the scores */
    uint32_t *scored, *trials; /* the same shape */
    int64_t no_params;         /* key of the empty parameter set, or -1 */
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

static size_t find_model(const struct board *b, int64_t pk)
{
    size_t i = 0;

    while (i < b->n_models && b->models[i].pk != pk)
        i++;
    return i;
}

static struct board_suite *find_suite(const struct board *b, int64_t pk)
{
    size_t i = 0;

    while (b->suites[i].pk != pk)
        i++;
    return &b->suites[i];
}

/* The group of that key, made when it is new.  Most items are in the group of
 * the item before them. */
static bool find_group(struct load *l, const char *key, size_t *out)
{
    struct board *b = l->b;
    size_t last = l->n_entries ? l->entries[l->n_entries - 1].group : 0;

    if (last < b->n_groups && !strcmp(b->groups[last].key, key)) {
        *out = last;
        return true;
    }
    for (*out = 0; *out < b->n_groups; ++*out)
        if (!strcmp(b->groups[*out].key, key))
            return true;
    b->groups = grown(b->arena, b->groups, b->n_groups, sizeof *b->groups);
    if (!b->groups)
        return false;
    key = arena_strdup(b->arena, key);
    b->groups[b->n_groups++] = (struct board_group){
        .key = key,
        .title = key && l->by->path ? last_part(key) : key,
        .order = key && l->by->path ? ability_order(key) : 0,
    };
    return key != NULL;
}

/* Whether the suite has the item already, under another id. */
static bool is_double(const struct load *l, int64_t suite, int64_t item)
{
    uint32_t at = l->first[item];

    while (at && l->entries[at - 1].suite != suite)
        at = l->entries[at - 1].next;
    return at != 0;
}

static enum err_code add_entry(void *user, const struct store_row *r,
                               struct err *e)
{
    struct load *l = user;
    int64_t suite = row_int(r, 0), item = row_int(r, 1);
    size_t group;

    if (item < 0 || (uint64_t)item >= l->n_first ||
        l->n_entries >= UINT32_MAX - 1)
        return err_set(e, ERR_LIMIT, "item %lld: too many items",
                       (long long)item);
    if (is_double(l, suite, item))
        return ERR_OK;
    if (!find_group(l, row_text(r, 3), &group) ||
        !mem_grow(&l->entries, &l->cap_entries, l->n_entries + 1,
                  sizeof *l->entries))
        return no_memory(e);
    l->entries[l->n_entries++] = (struct entry){
        .suite = suite,
        .item = item,
        .group = group,
        .judged = (uint32_t)row_int(r, 2),
        .next = l->first[item],
    };
    l->first[item] = (uint32_t)l->n_entries;
    return ERR_OK;
}

/* Generated answers with several parameter sets; log-likelihoods have none. */
static void note_params(const struct load *l, struct board_model *m,
                        int64_t params)
{
    if (params == l->no_params)
        return;
    m->mixed |= m->params && m->params != params;
    m->params = params;
}

/* One counted sample: model, item, turn, parameters, score if it has one. */
static enum err_code add_sample(void *user, const struct store_row *r,
                                struct err *e)
{
    struct load *l = user;
    size_t m = find_model(l->b, row_int(r, 0));
    int64_t item = row_int(r, 1);
    bool first_turn = row_int(r, 2) == 0, scored = !row_null(r, 4);
    uint32_t at;

    (void)e;
    if (m == l->b->n_models || item < 0 || (uint64_t)item >= l->n_first)
        return ERR_OK;
    for (at = l->first[item]; at; at = l->entries[at - 1].next) {
        size_t k = m * l->n_entries + at - 1;
        l->trials[k] += first_turn;
        l->scored[k] += scored;
        l->sum[k] += scored ? row_num(r, 4) : 0;
    }
    if (l->first[item])
        note_params(l, &l->b->models[m], row_int(r, 3));
    return ERR_OK;
}

static enum err_code add_counts(void *user, const struct store_row *r,
                                struct err *e)
{
    struct board *b = user;
    size_t i = find_model(b, row_int(r, 0));
    struct board_model *m = &b->models[i];

    (void)e;
    if (i == b->n_models)
        return ERR_OK;
    m->asked = row_int(r, 1);
    m->answered = row_int(r, 2);
    m->failed = row_int(r, 3);
    m->unscored = row_int(r, 4);
    m->correct = row_int(r, 5);
    m->wrong = row_int(r, 6);
    m->unparsable = row_int(r, 7);
    m->refused = row_int(r, 8);
    m->cut_off = row_int(r, 9);
    m->near_ties = row_int(r, 10);
    m->prompt_tokens = row_int(r, 11);
    m->output_tokens = row_int(r, 12);
    m->latency_ns = row_int(r, 13);
    m->timed = row_int(r, 14);
    return ERR_OK;
}

static enum err_code add_no_params(void *user, const struct store_row *r,
                                   struct err *e)
{
    struct load *l = user;

    (void)e;
    l->no_params = row_int(r, 0);
    return ERR_OK;
}

static enum err_code add_max(void *user, const struct store_row *r,
                             struct err *e)
{
    struct load *l = user;
    int64_t max = row_int(r, 0);

    /* Keys are given in order from 1: a larger one is no database of ours. */
    if (max < 0 || max > INT32_MAX / 4)
        return err_set(e, ERR_LIMIT, "item key %lld", (long long)max);
    l->n_first = (size_t)max + 1;
    l->first = mem_array(l->n_first, sizeof *l->first);
    return l->first ? ERR_OK : no_memory(e);
}

/* --- steps ---------------------------------------------------------------- */

static enum err_code load_models(struct load *l, struct err *e)
{
    return store_query(l->p->store,
                       "SELECT pk, id, name, vendor, fingerprint, open, "
                       "domestic FROM model AS m WHERE " CHOSEN_MODEL
                       " ORDER BY id, pk",
                       add_model, l->b, e, "s", l->models);
}

static enum err_code load_entries(struct load *l, struct err *e)
{
    struct store *s = l->p->store;
    const char *sql = arena_printf(
        l->p->arena,
        "SELECT si.suite, si.item, i.n_judged, %s FROM suite AS su JOIN "
        "suite_item AS si ON si.suite = su.pk JOIN item AS i ON i.pk = si.item "
        "WHERE su.current AND i.n_judged > 0 AND " CHOSEN_SUITE("si.subset"),
        l->by->sql);
    enum err_code rc;

    if (!sql)
        return no_memory(e);
    rc = store_query(s, "SELECT coalesce(max(pk), 0) FROM item", add_max, l, e,
                     "");
    if (!rc)
        rc = store_query(s,
                         "SELECT pk, id, version, digest, ability FROM suite "
                         "WHERE current ORDER BY id",
                         add_suite, l->b, e, "");
    return rc ? rc : store_query(s, sql, add_entry, l, e, "ns", l->suites);
}

static enum err_code load_samples(struct load *l, struct err *e)
{
    size_t n;
    enum err_code rc;

    if (__builtin_mul_overflow(l->b->n_models, l->n_entries, &n))
        return err_set(e, ERR_LIMIT, "too many models and items");
    l->sum = mem_array(n, sizeof *l->sum);
    l->scored = mem_array(n, sizeof *l->scored);
    l->trials = mem_array(n, sizeof *l->trials);
    if (!l->sum || !l->scored || !l->trials)
        return no_memory(e);
    rc = store_query(l->p->store, "SELECT pk FROM params WHERE json = '{}'",
                     add_no_params, l, e, "");
    if (rc)
        return rc;
    return store_query(
        l->p->store,
        "SELECT s.model, s.item, s.turn, s.params, c.score FROM sample AS "
        "s LEFT JOIN score AS c ON c.sample = s.pk "
        "WHERE s.current",
        add_sample, l, e, "");
}

static enum err_code load_counts(struct load *l, struct err *e)
{
    return store_query(
        l->p->store,
        "SELECT t.model_pk, sum(asked), sum(answered), sum(failed), "
        "sum(unscored), sum(correct), sum(wrong), sum(unparsable), "
        "sum(refused), sum(cut_off), sum(near_ties), sum(prompt_tokens), "
        "sum(output_tokens), sum(latency_ns), sum(timed) "
        "FROM subset_scores AS t "
        "JOIN suite AS su ON su.pk = t.suite_pk WHERE " CHOSEN_SUITE(
            "t.subset") " GROUP BY t.model_pk",
        add_counts, l->b, e, "ns", l->suites);
}

/* --- from sums to the board ----------------------------------------------- */

static int by_order(const void *a, const void *b)
{
    const struct board_group *x = a, *y = b;

    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return strcmp(x->key, y->key);
}

/* Groups in order, less those nothing was asked of; items follow. */
static enum err_code sort_groups(struct board *b, struct err *e)
{
    size_t *place = arena_array(b->arena, b->n_groups, sizeof *place);
    size_t kept = 0;

    if (b->n_groups && !place)
        return no_memory(e);
    for (size_t i = 0; i < b->n_items; i++)
        b->groups[b->items[i].group].items++;
    for (size_t g = 0; g < b->n_groups; g++)
        b->groups[g].was = g;
    qsort(b->groups, b->n_groups, sizeof *b->groups, by_order);
    for (size_t g = 0; g < b->n_groups; g++)
        if (b->groups[g].items) {
            place[b->groups[g].was] = kept;
            b->groups[kept++] = b->groups[g];
        }
    b->n_groups = kept;
    for (size_t i = 0; i < b->n_items; i++)
        b->items[i].group = place[b->items[i].group];
    return ERR_OK;
}

static void keep_asked_suites(struct board *b)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->n_items; i++)
        find_suite(b, b->items[i].suite)->items++;
    for (size_t s = 0; s < b->n_suites; s++)
        if (b->suites[s].items)
            b->suites[kept++] = b->suites[s];
    b->n_suites = kept;
}

/* How many models were asked the item. */
static size_t askers(const struct load *l, size_t entry)
{
    size_t n = 0;

    for (size_t m = 0; m < l->b->n_models; m++)
        n += l->trials[m * l->n_entries + entry] > 0;
    return n;
}

/* Models that were asked nothing are left out; ERR_FORMAT if none is left. */
static enum err_code drop_idle_models(struct load *l, struct err *e)
{
    struct board *b = l->b;
    size_t kept = 0, n = l->n_entries;

    for (size_t m = 0; m < b->n_models; m++) {
        int64_t items = 0;
        for (size_t k = 0; k < n; k++)
            items += l->trials[m * n + k] > 0;
        if (!items)
            continue;
        memmove(l->sum + kept * n, l->sum + m * n, n * sizeof *l->sum);
        memmove(l->scored + kept * n, l->scored + m * n, n * sizeof *l->scored);
        memmove(l->trials + kept * n, l->trials + m * n, n * sizeof *l->trials);
        b->models[kept] = b->models[m];
        b->models[kept++].items = items;
    }
    b->n_models = kept;
    return kept ? ERR_OK
                : err_set(e, ERR_FORMAT,
                          "no scores of these models and suites in the "
                          "database: mokao run makes them");
}

static void fill_scores(struct load *l, size_t entry, size_t item)
{
    struct board *b = l->b;

    for (size_t m = 0; m < b->n_models; m++) {
        size_t from = m * l->n_entries + entry, to = m * b->n_items + item;
        double asked = (double)l->trials[from] * l->entries[entry].judged;
        double missing = asked - (double)l->scored[from];
        if (asked > 0) {
            b->low[to] = l->sum[from] / asked;
            b->high[to] = (l->sum[from] + fmax(missing, 0)) / asked;
        } else {
            b->low[to] = b->high[to] = NAN;
        }
    }
}

static enum err_code make_matrices(struct load *l, struct err *e)
{
    struct board *b = l->b;
    size_t at = 0;

    for (size_t k = 0; k < l->n_entries; k++)
        b->n_items += askers(l, k) > 0;
    b->items = arena_array(b->arena, b->n_items, sizeof *b->items);
    b->common = arena_array(b->arena, b->n_items, sizeof *b->common);
    b->low = arena_array(b->arena, b->n_models * b->n_items, sizeof *b->low);
    b->high = arena_array(b->arena, b->n_models * b->n_items, sizeof *b->high);
    if (b->arena->failed)
        return no_memory(e);
    for (size_t k = 0; k < l->n_entries; k++) {
        size_t n = askers(l, k);
        if (!n)
            continue;
        b->items[at] = (struct board_item){ .suite = l->entries[k].suite,
                                            .group = l->entries[k].group };
        b->common[at] = n == b->n_models;
        b->n_common += b->common[at];
        fill_scores(l, k, at++);
    }
    return ERR_OK;
}

static enum err_code load_board(struct load *l, struct err *e)
{
    enum err_code rc = load_models(l, e);

    if (!rc)
        rc = load_entries(l, e);
    if (!rc)
        rc = load_samples(l, e);
    if (!rc)
        rc = drop_idle_models(l, e);
    if (!rc)
        rc = make_matrices(l, e);
    if (!rc)
        rc = sort_groups(l->b, e);
    if (!rc)
        rc = load_counts(l, e);
    if (!rc)
        keep_asked_suites(l->b);
    return rc;
}

enum err_code board_load(struct board *b, const struct report_params *p,
                         const char *by, struct err *e)
{
    struct load l = { .b = b, .p = p, .by = find_by(by), .no_params = -1 };
    enum err_code rc = report_check_chosen(p, e);

    *b = (struct board){ .arena = p->arena };
    if (rc)
        return rc;
    l.models = report_json_list(p->arena, p->models, p->n_models);
    l.suites = report_json_list(p->arena, p->suites, p->n_suites);
    rc = p->arena->failed ? no_memory(e) : load_board(&l, e);
    mem_free(l.trials);
    mem_free(l.scored);
    mem_free(l.sum);
    mem_free(l.first);
    mem_free(l.entries);
    return rc;
}
