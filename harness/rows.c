/* A suite's and an item's rows: what the reports need of them. */
#include "harness/rows.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/prompt.h"

#define MAX_JSON ((size_t)64 << 20)

enum err_code rows_put_suite(struct store *db, const struct suite *s,
                             int64_t *id, struct err *e)
{
    const struct store_suite row = {
        .id = s->id,
        .version = s->version,
        .digest = s->digest,
        .title_zh = s->title_zh,
        .title_en = s->title_en,
        .ability = s->ability,
        .language = s->language,
        .licence = s->licence,
        .matcher = s->matcher,
        .path = s->path,
    };

    return store_put_suite(db, &row, id, e);
}

static void choices_json(const struct item *it, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    for (size_t i = 0; i < it->n_choices; i++)
        jw_str(&w, it->choices[i].key, it->choices[i].text);
    jw_end(&w);
}

static void turns_json(const struct item *it, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_array(&w, NULL);
    for (size_t i = 0; i < it->n_turns; i++) {
        const struct turn *t = &it->turns[i];
        jw_object(&w, NULL);
        jw_str(&w, "question", t->question);
        if (t->answer)
            jw_raw(&w, "answer", str_of(t->answer));
        if (t->matcher)
            jw_raw(&w, "matcher", str_of(t->matcher));
        jw_end(&w);
    }
    jw_end(&w);
}

/* An item's row may be shared by suites, so its matcher is always given. */
enum err_code rows_put_item(struct store *db, const struct suite *s,
                            const struct item *it, int64_t suite, int64_t *id,
                            struct err *e)
{
    struct store_item row = {
        .suite = suite,
        .digest = it->digest,
        .id = it->id,
        .subset = it->subset,
        .question = it->n_turns ? it->turns[0].question : it->question,
        .answer = it->answer,
        .matcher = suite_item_matcher(s, it),
        .difficulty = it->difficulty,
    };
    struct buf choices, turns;
    enum err_code rc;

    buf_init(&choices, MAX_JSON);
    buf_init(&turns, MAX_JSON);
    if (it->n_choices)
        choices_json(it, &choices);
    if (it->n_turns)
        turns_json(it, &turns);
    row.choices = it->n_choices ? choices.p : NULL;
    row.turns = it->n_turns ? turns.p : NULL;
    if (!(rc = buf_check(&choices, "an item", e)) &&
        !(rc = buf_check(&turns, "an item", e)))
        rc = store_put_item(db, &row, id, e);
    buf_free(&choices);
    buf_free(&turns);
    return rc;
}

enum err_code rows_put_prompt(struct store *db, const struct request *q,
                              int64_t *id, struct err *e)
{
    char hash[DIGEST_HEX];
    struct buf json;
    enum err_code rc;

    buf_init(&json, MAX_JSON);
    rc = prompt_json(q, &json, e);
    if (!rc) {
        digest_hex(buf_view(&json), hash);
        rc = store_put_prompt(db, hash, json.p, id, e);
    }
    buf_free(&json);
    return rc;
}
