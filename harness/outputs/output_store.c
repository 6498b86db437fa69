/* Outputs -> suites and samples.
 *
 * Outputs of one suite are written as a folder in our own form and read back,
 * so that they have the digests that any other run of these items has.  Where a
 * suite is named, its items are found by id, or by what is asked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/outputs/output.h"
#include "harness/plan.h"
#include "harness/rows.h"
#include "harness/score.h"

struct importer {
    const struct outputs *in;
    const struct output_import *how;
    struct output_totals *t;
    struct arena *a;
    struct suite *suite; /* of the outputs at work */
    int64_t suite_row;
    const char **suites;                      /* id of each output's suite */
    const struct item **by_id, **by_question; /* sorted */
    struct arena scratch;
    struct score_waiting waiting;
    struct err *e;
};

static enum err_code no_memory(struct importer *im)
{
    return err_set(im->e, ERR_NOMEM, "no memory for the answers");
}

/* --- a suite out of outputs -------------------------------------------------- */

static const char *suite_of(const struct importer *im, const struct output *o)
{
    if (im->how->suite_id)
        return im->how->suite_id;
    return output_slug(o->suite ? o->suite : output_stem(o->file, im->a),
                       im->a);
}

static const char *id_of(const struct importer *im, size_t i)
{
    const struct output *o = &im->in->list[i];

    return o->id ? o->id : arena_printf(im->a, "%zu", o->line ? o->line : i);
}

/* A subset stands behind a slash and is matched by globs. */
static const char *subset_of(const struct output *o, struct arena *a)
{
    char *s = arena_strdup(a, o->subset ? o->subset : "");

    for (size_t i = 0; s && s[i]; i++)
        if (strchr("/*? \t\r\n", s[i]))
            s[i] = '-';
    return s;
}

/* The matcher that fits the form of the answer. */
static const char *matcher_of(const struct importer *im, const struct output *o)
{
    if (im->how->matcher)
        return im->how->matcher;
    if (o->matcher)
        return o->matcher;
    return o->n_choices ? "{\"name\":\"choice\"}" : "{\"name\":\"exact\"}";
}

static enum err_code fill_turns(struct importer *im, const struct output *o,
                                struct item *it)
{
    it->n_turns = o->n_turns;
    it->turns = arena_array(im->a, o->n_turns, sizeof *it->turns);
    for (size_t i = 0; i < o->n_turns && it->turns; i++)
        it->turns[i].question = o->questions[i];
    return it->turns ? ERR_OK : no_memory(im);
}

/* What is not judged has turns: only these may be without an answer. */
static enum err_code fill_item(struct importer *im, size_t i, struct item *it)
{
    const struct output *o = &im->in->list[i];

    *it = (struct item){
        .id = id_of(im, i),
        .subset = subset_of(o, im->a),
        .matcher = o->answer ? matcher_of(im, o) : "{\"name\":\"none\"}",
    };
    if (!o->answer)
        return fill_turns(im, o, it);
    it->question = o->questions[0];
    it->choices = o->choices;
    it->n_choices = o->n_choices;
    it->answer = o->answer;
    return ERR_OK;
}

static int by_item_id(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a;
    const struct item *y = *(const struct item *const *)b;

    return strcmp(x->id, y->id);
}

/* Of items with one id the one that stood first in the file. */
static int by_id_and_place(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a;
    const struct item *y = *(const struct item *const *)b;
    int c = strcmp(x->id, y->id);

    return c ? c : (x > y) - (x < y);
}

static const char *asked(const struct item *it)
{
    return it->n_turns ? it->turns[0].question : it->question;
}

static int by_asked(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a;
    const struct item *y = *(const struct item *const *)b;

    return strcmp(asked(x), asked(y));
}

/* Trials of one item must ask the same; the first stands for all. */
static enum err_code mark_trials(struct importer *im, struct item **order,
                                 size_t n)
{
    const struct item *first = order[0];

    for (size_t i = 1; i < n; i++) {
        if (strcmp(order[i]->id, first->id) != 0) {
            first = order[i];
            continue;
        }
        if (strcmp(asked(order[i]), asked(first)) != 0)
            return err_set(im->e, ERR_FORMAT,
                           "item %s: two questions have this id; give the "
                           "files suites of their own (--suite-id)",
                           first->id);
        order[i]->line = SIZE_MAX;
    }
    return ERR_OK;
}

static enum err_code keep_first(struct importer *im, struct item *items,
                                size_t *n)
{
    struct item **order = mem_array(*n + 1, sizeof(struct item *));
    size_t kept = 0;
    enum err_code rc;

    if (!order)
        return no_memory(im);
    for (size_t i = 0; i < *n; i++)
        order[i] = &items[i];
    qsort(order, *n, sizeof(struct item *), by_id_and_place);
    rc = mark_trials(im, order, *n);
    mem_free(order);
    for (size_t i = 0; i < *n; i++)
        if (items[i].line != SIZE_MAX)
            items[kept++] = items[i];
    *n = kept;
    return rc;
}

static enum err_code collect_items(struct importer *im, const char *id,
                                   struct suite *s)
{
    enum err_code rc = ERR_OK;

    s->items = arena_array(im->a, im->in->n, sizeof *s->items);
    if (!s->items)
        return no_memory(im);
    for (size_t i = 0; i < im->in->n && !rc; i++)
        if (strcmp(im->suites[i], id) == 0)
            rc = fill_item(im, i, &s->items[s->n_items++]);
    return rc ? rc : keep_first(im, s->items, &s->n_items);
}

static enum err_code make_suite(struct importer *im, const char *id)
{
    struct suite s = {
        .id = id,
        .version = "1",
        .title_zh = id,
        .title_en = id,
        .ability = "imported",
        .language = "zh",
        .licence = "see the source",
        .template = "direct-zh",
        .metric = "accuracy",
        .matcher = "{\"name\":\"exact\"}",
    };
    const char *path = io_join(im->a, im->how->dest, id);
    enum err_code rc = collect_items(im, id, &s);

    if (!rc && !path)
        rc = no_memory(im);
    if (!rc)
        rc = suite_write(&s, path, im->e);
    return rc ? rc : suite_open(&im->suite, path, im->e);
}

static enum err_code find_suite(struct importer *im)
{
    struct suite_ref *refs;
    size_t n;
    enum err_code rc = suite_find(im->how->suite, im->a, &refs, &n, im->e);

    if (!rc && n != 1)
        rc = err_set(im->e, ERR_USAGE, "%s: %zu suites, expected one",
                     im->how->suite, n);
    return rc ? rc : suite_open(&im->suite, refs[0].path, im->e);
}

/* --- items ------------------------------------------------------------------- */

static enum err_code sort_items(struct importer *im)
{
    size_t n = im->suite->n_items;

    im->by_id = mem_array(n + 1, sizeof(struct item *));
    im->by_question = mem_array(n + 1, sizeof(struct item *));
    if (!im->by_id || !im->by_question)
        return no_memory(im);
    for (size_t i = 0; i < n; i++)
        im->by_id[i] = im->by_question[i] = &im->suite->items[i];
    qsort(im->by_id, n, sizeof(struct item *), by_item_id);
    qsort(im->by_question, n, sizeof(struct item *), by_asked);
    return ERR_OK;
}

static const struct item *look_up(const struct item **list, size_t n,
                                  const struct item *key,
                                  int (*cmp)(const void *, const void *))
{
    const struct item **hit =
        bsearch(&key, list, n, sizeof(struct item *), cmp);

    return hit ? *hit : NULL;
}

/* An id alone is no proof: another benchmark may count the same way. */
static const struct item *find_item(const struct importer *im, size_t i)
{
    const struct output *o = &im->in->list[i];
    const struct item key = { .id = id_of(im, i), .question = o->questions[0] };
    size_t n = im->suite->n_items;
    const struct item *it = look_up(im->by_id, n, &key, by_item_id);

    if (it && strstr(key.question, asked(it)))
        return it;
    return look_up(im->by_question, n, &key, by_asked);
}

/* --- samples ------------------------------------------------------------------ */

static enum err_code put_model(struct importer *im, const struct output *o,
                               int64_t *id)
{
    const char *name = im->how->model ? im->how->model : o->model;
    struct store_model row = {
        .id = name,
        .name = name,
        .vendor = im->how->vendor ? im->how->vendor : "",
        .kind = "import",
        .spec_json = "{\"runner\":\"import\"}",
        .price_in = NAN,
        .price_out = NAN,
        .open = false,
    };

    if (!name)
        return err_set(im->e, ERR_USAGE,
                       "%s names no model: say which it was with --model",
                       o->file);
    row.fingerprint = arena_printf(&im->scratch, "import:%s", name);
    return row.fingerprint ? store_put_model(im->how->store, &row, id, im->e)
                           : no_memory(im);
}

/* What was sent where the file tells it, else the question; of a later turn
 * what came before it too. */
static enum err_code put_prompt(struct importer *im, const struct output *o,
                                size_t turn, int64_t *id)
{
    struct request q = { .kind = REQUEST_CHAT };
    struct message *list =
        arena_array(&im->scratch, 2 * turn + 1, sizeof *list);

    if (!list)
        return no_memory(im);
    for (size_t i = 0; i <= turn; i++) {
        list[2 * i] = (struct message){ "user", o->questions[i] };
        if (i < turn)
            list[2 * i + 1] = (struct message){ "assistant", o->texts[i] };
    }
    q.messages = o->n_messages ? o->messages : list;
    q.n_messages = o->n_messages ? o->n_messages : 2 * turn + 1;
    if (o->prompt && !o->n_messages)
        q = (struct request){ .kind = REQUEST_COMPLETION, .prompt = o->prompt };
    return rows_put_prompt(im->how->store, &q, id, im->e);
}

static enum err_code put_params(struct importer *im, int64_t *id)
{
    static const char json[] = "{\"imported\":true}";
    char hash[DIGEST_HEX];

    digest_hex(STR(json), hash);
    return store_put_params(im->how->store, hash, json, id, im->e);
}

static const char *scores_json(struct importer *im, const struct output *o)
{
    const char *made;
    struct buf b;
    struct jw w;

    if (!o->logprobs)
        return NULL;
    buf_init(&b, 1 << 20);
    jw_init(&w, &b, false);
    jw_object(&w, NULL);
    for (size_t i = 0; i < o->n_choices; i++)
        jw_num(&w, o->choices[i].key, o->logprobs[i]);
    jw_end(&w);
    made = b.failed ? NULL : arena_dup(&im->scratch, b.p, b.n);
    buf_free(&b);
    return made;
}

static enum err_code add_answer(struct importer *im, const struct output *o,
                                size_t turn, const struct store_sample *key,
                                int64_t *sample, bool *added)
{
    const struct store_response row = {
        .text = o->logprobs ? NULL : o->texts[turn],
        .reasoning = turn + 1 == o->n_turns ? o->reasoning : NULL,
        .finish = finish_name(o->finish),
        .logprobs_json = scores_json(im, o),
        .margin = NAN,
        .prompt_tokens = o->prompt_tokens,
        .cached_tokens = -1,
        .output_tokens = o->output_tokens,
        .started_ms = o->started_ms,
        .latency_ns = o->latency_ms < 0 ? -1 : o->latency_ms * 1000000,
        .first_token_ns = -1,
        .attempts = 1,
    };

    return store_add_response(im->how->store, key, &row, sample, added, im->e);
}

static enum err_code add_failure(struct importer *im, const struct output *o,
                                 const struct store_sample *key)
{
    const struct store_error row = {
        .code = err_name(ERR_SERVER),
        .message = o->error ? o->error : "no answer in the file",
        .attempts = 1,
        .at_ms = io_wall_ms(),
    };
    bool answered;
    int64_t id;

    im->t->failed++;
    if (store_find_sample(im->how->store, key, &id, &answered, im->e))
        return im->e->code;
    return id ? ERR_OK : store_add_error(im->how->store, key, &row, &id, im->e);
}

static enum err_code on_text(void *user, const struct store_row *row,
                             struct err *e)
{
    const struct output *o = *(const struct output **)user;

    (void)e;
    if (row_null(row, 0) || strcmp(row_text(row, 0), o->texts[0]) != 0)
        *(const struct output **)user = NULL;
    return ERR_OK;
}

/* A sample that was there keeps its answer; another one is told. */
static enum err_code note_stored(struct importer *im, const struct output *o,
                                 int64_t sample)
{
    const struct output *same = o;
    enum err_code rc = store_query(im->how->store,
                                   "SELECT text FROM response WHERE sample = ?",
                                   on_text, &same, im->e, "i", sample);

    if (!rc && !o->logprobs && o->n_turns == 1 && !same)
        im->t->conflicts++;
    else
        im->t->stored++;
    return rc;
}

static enum err_code note_difference(struct importer *im,
                                     const struct output *o,
                                     const struct item *it,
                                     const struct store_score *s)
{
    struct output_totals *t = im->t;

    t->compared++;
    if (fabs(o->theirs - s->score) < 1e-6) {
        t->same++;
        return ERR_OK;
    }
    if (!mem_grow(&t->differences, &t->cap_differences, t->n_differences + 1,
                  sizeof *t->differences))
        return no_memory(im);
    t->differences[t->n_differences++] = (struct output_difference){
        .output = o,
        .suite = arena_strdup(im->a, im->suite->id),
        .item = arena_strdup(im->a, it->id),
        .verdict = arena_strdup(im->a, s->verdict),
        .extracted = arena_strdup(im->a, s->extracted ? s->extracted : ""),
        .rule = arena_strdup(im->a, s->rule ? s->rule : ""),
        .score = s->score,
    };
    return ERR_OK;
}

static enum err_code judge(struct importer *im, const struct output *o,
                           const struct item *it, int64_t sample)
{
    struct store_score s = { .verdict = NULL };
    enum err_code rc = score_sample(im->how->store, sample, &im->scratch,
                                    &im->waiting, &s, im->e);

    if (rc || !s.verdict)
        return rc;
    im->t->scored++;
    im->t->correct += strcmp(s.verdict, "correct") == 0;
    return isnan(o->theirs) ? ERR_OK : note_difference(im, o, it, &s);
}

static enum err_code put_turns(struct importer *im, const struct output *o,
                               const struct item *it, struct store_sample *key)
{
    bool answered = o->logprobs || o->texts[0];
    int64_t sample;
    bool added;

    for (size_t i = 0; i < o->n_turns; i++) {
        key->turn = (int64_t)i;
        if (put_prompt(im, o, i, &key->prompt))
            return im->e->code;
        if (!answered)
            return add_failure(im, o, key);
        if (add_answer(im, o, i, key, &sample, &added))
            return im->e->code;
        if (added)
            im->t->added++;
        else if (note_stored(im, o, sample))
            return im->e->code;
        if (judge(im, o, it, sample))
            return im->e->code;
    }
    return store_tick(im->how->store, im->e);
}

static enum err_code put_output(struct importer *im, size_t i)
{
    const struct output *o = &im->in->list[i];
    const struct item *it = find_item(im, i);
    struct store_sample key = {
        .run = im->how->run,
        .trial = (int64_t)(o->trial + im->how->trial),
    };

    if (!it) {
        im->t->unmatched++;
        return ERR_OK;
    }
    arena_reset(&im->scratch);
    if (plan_check_item(NULL, im->suite, it, im->e) ||
        rows_put_item(im->how->store, im->suite, it, im->suite_row, &key.item,
                      im->e) ||
        put_model(im, o, &key.model) || put_params(im, &key.params) ||
        put_turns(im, o, it, &key))
        return err_wrap(im->e, "%s: item %s", o->file, it->id);
    return ERR_OK;
}

/* --- suites one after the other ------------------------------------------------ */

static enum err_code note_suite(struct importer *im)
{
    struct output_totals *t = im->t;

    if (!t->suites) /* at most one an answer */
        t->suites = arena_array(im->a, im->in->n + 1, sizeof *t->suites);
    if (!t->suites)
        return no_memory(im);
    t->suites[t->n_suites] = arena_strdup(im->a, im->suite->id);
    return t->suites[t->n_suites++] ? ERR_OK : no_memory(im);
}

static enum err_code put_suite(struct importer *im, const char *id)
{
    enum err_code rc = im->how->suite ? find_suite(im) : make_suite(im, id);

    if (!rc)
        rc = note_suite(im);
    if (!rc)
        rc = sort_items(im);
    if (!rc)
        rc = rows_put_suite(im->how->store, im->suite, &im->suite_row, im->e);
    for (size_t i = 0; i < im->in->n && !rc; i++)
        if (!id || strcmp(im->suites[i], id) == 0)
            rc = put_output(im, i);
    im->t->items += im->suite ? im->suite->n_items : 0;
    mem_free(im->by_id);
    mem_free(im->by_question);
    im->by_id = im->by_question = NULL;
    suite_close(im->suite);
    im->suite = NULL;
    return rc;
}

static bool is_first(const struct importer *im, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(im->suites[k], im->suites[i]) == 0)
            return false;
    return true;
}

static enum err_code name_suites(struct importer *im)
{
    im->suites = arena_array(im->a, im->in->n + 1, sizeof *im->suites);
    for (size_t i = 0; i < im->in->n && im->suites; i++) {
        im->suites[i] = suite_of(im, &im->in->list[i]);
        if (im->suites[i] && !suite_id_is_valid(im->suites[i]))
            return err_set(im->e, ERR_USAGE,
                           "\"%s\" is no suite's id (small letters, digits, "
                           "- _ .): give one with --suite-id",
                           im->suites[i]);
    }
    return im->a->failed ? no_memory(im) : ERR_OK;
}

/* Files keep suites together: only where the name changes is it looked up
 * among those before. */
static enum err_code put_suites(struct importer *im)
{
    enum err_code rc = name_suites(im);

    if (!rc && im->how->suite)
        return put_suite(im, NULL);
    for (size_t i = 0; i < im->in->n && !rc; i++) {
        if (i && strcmp(im->suites[i], im->suites[i - 1]) == 0)
            continue;
        if (is_first(im, i))
            rc = put_suite(im, im->suites[i]);
    }
    return rc;
}

/* Answers that must be executed come last. */
static enum err_code judge_waiting(struct importer *im)
{
    struct score_totals t = { 0 };
    enum err_code rc =
        score_the_waiting(im->how->store, &im->waiting, false, NULL, &t, im->e);

    im->t->scored += (size_t)t.scored;
    im->t->correct += (size_t)t.correct;
    if (!rc && t.unscored)
        rc = err_set(im->e, ERR_NOENV,
                     "%lld answers are stored without a score: %.160s",
                     (long long)t.unscored, t.lacks.msg);
    return rc;
}

enum err_code outputs_store(const struct outputs *in,
                            const struct output_import *how,
                            struct output_totals *t, struct err *e)
{
    struct importer im = {
        .in = in, .how = how, .t = t, .a = in->arena, .e = e
    };
    enum err_code rc;

    *t = (struct output_totals){ 0 };
    arena_init(&im.scratch, 0);
    rc = put_suites(&im);
    arena_free(&im.scratch);
    if (!rc)
        rc = judge_waiting(&im);
    score_waiting_free(&im.waiting);
    if (!rc && in->n && t->unmatched == in->n)
        rc = err_set(e, ERR_FORMAT,
                     "no item of suite %s asks what the file's do", how->suite);
    return rc ? rc : store_flush(how->store, e);
}
