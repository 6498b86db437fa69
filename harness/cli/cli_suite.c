/* mokao suite show: a suite, or an item and its prompt. */
#include "harness/cli/cli_suite.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"

const char *cli_suite_digest(struct cli_suite *o, const char *digest)
{
    size_t n = strlen(digest);

    return arena_dup(&o->arena, digest, o->format->machine || n < 12 ? n : 12);
}

static struct subset_count *count_of(struct subset_count *list, size_t *n,
                                     size_t last, const char *name)
{
    if (last < *n && strcmp(list[last].name, name) == 0)
        return &list[last];
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    }
    list[*n].name = name;
    return &list[(*n)++];
}

struct subset_count *cli_suite_subsets(const struct suite *s, struct arena *a,
                                       size_t *n)
{
    size_t most = s->n_items + s->n_dev, last = 0;
    struct subset_count *list = arena_array(a, most + 1, sizeof *list);

    *n = 0;
    for (size_t i = 0; list && i < most; i++) {
        bool dev = i >= s->n_items;
        const struct item *it = dev ? &s->dev[i - s->n_items] : &s->items[i];
        struct subset_count *c;
        if (!*it->subset)
            continue;
        c = count_of(list, n, last, it->subset);
        last = (size_t)(c - list);
        c->items += !dev;
        c->dev += dev;
    }
    return list;
}

/* --- show: the suite ------------------------------------------------------- */

enum {
    ID,
    VERSION,
    TITLE_ZH,
    TITLE_EN,
    ABILITY,
    LANGUAGE,
    LICENCE,
    AUTHORS,
    TEMPLATE,
    MATCHER,
    METRIC,
    CANARY,
    ITEMS,
    EXAMPLES,
    DIGEST,
    PATH,
    N_FACTS
};

/* one column a line */
/* clang-format off */
static const struct column facts[N_FACTS] = {
    [ID] = { "id", "id", false, COLUMN_ALL },
    [VERSION] = { "version", "version", false, COLUMN_ALL },
    [TITLE_ZH] = { "title_zh", "title", false, COLUMN_ALL },
    [TITLE_EN] = { "title_en", "in English", false, COLUMN_ALL },
    [ABILITY] = { "ability", "ability", false, COLUMN_ALL },
    [LANGUAGE] = { "language", "language", false, COLUMN_ALL },
    [LICENCE] = { "licence", "licence", false, COLUMN_ALL },
    [AUTHORS] = { "authors", "authors", false, COLUMN_ALL },
    [TEMPLATE] = { "template", "template", false, COLUMN_ALL },
    [MATCHER] = { "matcher", "matcher", false, COLUMN_ALL },
    [METRIC] = { "metric", "metric", false, COLUMN_ALL },
    [CANARY] = { "canary", "canary", false, COLUMN_ALL },
    [ITEMS] = { "items", "items", true, COLUMN_ALL },
    [EXAMPLES] = { "examples", "examples", true, COLUMN_ALL },
    [DIGEST] = { "digest", "digest", false, COLUMN_ALL },
    [PATH] = { "path", "path", false, COLUMN_ALL },
};
/* clang-format on */

/* Strings with commas between, in the arena; NULL for none. */
static const char *joined(struct arena *a, const char *const *list, size_t n)
{
    const char *s = NULL;

    for (size_t i = 0; i < n; i++)
        s = arena_printf(a, "%s%s%s", s ? s : "", s ? ", " : "", list[i]);
    return s;
}

static void fill_facts(struct cli_suite *o, struct cell *c,
                       const struct suite *s)
{
    c[ID] = cell_text(s->id);
    c[VERSION] = cell_text(s->version);
    c[TITLE_ZH] = cell_text(s->title_zh);
    c[TITLE_EN] = cell_text(s->title_en);
    c[ABILITY] = cell_text(s->ability);
    c[LANGUAGE] = cell_text(s->language);
    c[LICENCE] = cell_text(s->licence);
    c[AUTHORS] = cell_text(joined(&o->arena, s->authors, s->n_authors));
    c[TEMPLATE] = cell_text(s->template);
    c[MATCHER] = cell_text(s->matcher);
    c[METRIC] = cell_text(s->metric);
    c[CANARY] = cell_text(s->canary);
    c[ITEMS] = cell_int((int64_t)s->n_items);
    c[EXAMPLES] = cell_int((int64_t)s->n_dev);
    c[DIGEST] = cell_text(s->digest);
    c[PATH] = cell_text(s->path);
}

static enum err_code subsets_table(struct cli_suite *o, const struct suite *s,
                                   struct table *t, struct err *e)
{
    static const struct column cols[] = {
        { "subset", "subset", false, COLUMN_ALL },
        { "title", "title", false, COLUMN_ALL },
        { "items", "items", true, COLUMN_ALL },
        { "examples", "examples", true, COLUMN_ALL },
    };
    size_t n;
    const struct subset_count *list = cli_suite_subsets(s, &o->arena, &n);
    enum err_code rc =
        table_init(t, &o->arena, "Subsets", cols, 4, list ? n : 0, e);

    for (size_t i = 0; !rc && i < t->n_rows; i++) {
        const struct subset_title *title = suite_subset_title(s, list[i].name);
        struct cell *c = table_cell(t, i, 0);
        c[0] = cell_text(list[i].name);
        c[1] = cell_text(title ? title->zh : NULL);
        c[2] = cell_int((int64_t)list[i].items);
        c[3] = cell_int((int64_t)list[i].dev);
    }
    return rc;
}

static enum err_code show_suite(struct cli_suite *o, const struct suite *s,
                                struct err *e)
{
    struct table t[2];
    enum err_code rc =
        table_init(&t[0], &o->arena, "Suite", facts, N_FACTS, 1, e);

    if (rc)
        return rc;
    t[0].records = true;
    fill_facts(o, table_cell(&t[0], 0, 0), s);
    rc = subsets_table(o, s, &t[1], e);
    if (!rc)
        rc = table_check(&t[0], e);
    return rc ? rc : cli_print_tables(t, t[1].n_rows ? 2 : 1, o->format, e);
}

/* --- show: an item --------------------------------------------------------- */

enum {
    ITEM_ID,
    SUBSET,
    QUESTION,
    CHOICES,
    ANSWER,
    ITEM_MATCHER,
    EXPLANATION,
    DIFFICULTY,
    TAGS,
    SOURCE,
    ITEM_DIGEST,
    LINE,
    KIND,
    PROMPT,
    PROMPT_JSON,
    PROMPT_HASH,
    N_ITEM
};

/* one column a line */
/* clang-format off */
static const struct column item_facts[N_ITEM] = {
    [ITEM_ID] = { "id", "id", false, COLUMN_ALL },
    [SUBSET] = { "subset", "subset", false, COLUMN_ALL },
    [QUESTION] = { "question", "question", false, COLUMN_MACHINE },
    [CHOICES] = { "choices", "choices", false, COLUMN_MACHINE },
    [ANSWER] = { "answer", "answer", false, COLUMN_ALL },
    [ITEM_MATCHER] = { "matcher", "matcher", false, COLUMN_ALL },
    [EXPLANATION] = { "explanation", "explanation", false, COLUMN_ALL },
    [DIFFICULTY] = { "difficulty", "difficulty", false, COLUMN_ALL },
    [TAGS] = { "tags", "tags", false, COLUMN_ALL },
    [SOURCE] = { "source", "source", false, COLUMN_ALL },
    [ITEM_DIGEST] = { "digest", "digest", false, COLUMN_ALL },
    [LINE] = { "line", "line", true, COLUMN_ALL },
    [KIND] = { "kind", "asked as", false, COLUMN_ALL },
    [PROMPT] = { "prompt", "prompt", false, COLUMN_ALL },
    [PROMPT_JSON] = { "prompt_json", "prompt as stored", false,
                      COLUMN_MACHINE },
    [PROMPT_HASH] = { "prompt_hash", "prompt's hash", false, COLUMN_ALL },
};
/* clang-format on */

static const struct item *find_item(const struct suite *s, const char *id)
{
    for (size_t i = 0; i < s->n_items; i++) {
        if (strcmp(s->items[i].id, id) == 0)
            return &s->items[i];
    }
    return NULL;
}

static enum err_code no_item(const struct suite *s, const char *id,
                             struct err *e)
{
    const char *best = "";
    size_t least = (size_t)-1;

    for (size_t i = 0; i < s->n_items; i++) {
        size_t d = text_distance(str_of(id), str_of(s->items[i].id));
        if (d < least) {
            least = d;
            best = s->items[i].id;
        }
    }
    return err_set(e, ERR_USAGE,
                   "suite %s has no item \"%s\"; did you mean \"%s\"?", s->id,
                   id, best);
}

/* The prompt as people read it: a line before each message, or the text. */
static void add_prompt(struct buf *b, const struct request *q)
{
    for (size_t i = 0; i < q->n_messages; i++)
        buf_printf(b, "%s<%s>\n%s", i ? "\n" : "", q->messages[i].role,
                   q->messages[i].content);
    if (q->prompt)
        buf_str(b, q->prompt);
    if (q->n_options)
        buf_str(b, "\n<options>");
    for (size_t i = 0; i < q->n_options; i++)
        buf_printf(b, " \"%s\"", q->options[i]);
}

static void add_choices(struct buf *b, const struct item *it)
{
    struct jw w;

    jw_init(&w, b, false);
    jw_object(&w, NULL);
    for (size_t i = 0; i < it->n_choices; i++)
        jw_str(&w, it->choices[i].key, it->choices[i].text);
    jw_end(&w);
}

/* Moves the text into a cell. */
static struct cell take(struct cli_suite *o, struct buf *b)
{
    struct cell c = cell_text(arena_dup(&o->arena, b->p, b->n));

    buf_clear(b);
    return c;
}

static void fill_item(struct cli_suite *o, struct cell *c,
                      const struct suite *s, const struct item *it)
{
    c[ITEM_ID] = cell_text(it->id);
    c[SUBSET] = cell_text(*it->subset ? it->subset : NULL);
    c[QUESTION] = cell_text(it->question);
    c[ANSWER] = cell_text(it->answer);
    c[ITEM_MATCHER] = cell_text(suite_item_matcher(s, it));
    c[EXPLANATION] = cell_text(it->explanation);
    c[DIFFICULTY] = cell_text(it->difficulty);
    c[TAGS] = cell_text(joined(&o->arena, it->tags, it->n_tags));
    c[SOURCE] = cell_text(it->source);
    c[ITEM_DIGEST] = cell_text(it->digest);
    c[LINE] = cell_int((int64_t)it->line);
}

static enum err_code fill_prompt(struct cli_suite *o, struct cell *c,
                                 const struct item *it, const struct request *q,
                                 struct err *e)
{
    static const char *const kinds[] = {
        [REQUEST_CHAT] = "chat",
        [REQUEST_COMPLETION] = "completion",
        [REQUEST_SCORE] = "options by log-likelihood",
    };
    char hash[DIGEST_HEX];
    struct buf b;
    enum err_code rc;

    buf_init(&b, (size_t)64 << 20);
    if (it->n_choices) {
        add_choices(&b, it);
        c[CHOICES] = take(o, &b);
    }
    add_prompt(&b, q);
    c[PROMPT] = take(o, &b);
    c[KIND] = cell_text(kinds[q->kind]);
    rc = prompt_json(q, &b, e);
    digest_hex(buf_view(&b), hash);
    c[PROMPT_JSON] = take(o, &b);
    c[PROMPT_HASH] = cell_text(arena_strdup(&o->arena, hash));
    buf_free(&b);
    return rc;
}

/* Of a conversation the first turn: the others hold the model's replies. */
static enum err_code show_item(struct cli_suite *o, const struct suite *s,
                               const char *id, struct err *e)
{
    const struct item *it = find_item(s, id);
    struct request q;
    struct table t;
    enum err_code rc;

    if (!it)
        return no_item(s, id, e);
    o->prompt.score_chat = o->prompt.score_text = true;
    rc = prompt_render(s, it, &o->prompt, 0, NULL, &o->arena, &q, e);
    if (!rc)
        rc = table_init(&t, &o->arena, "Item", item_facts, N_ITEM, 1, e);
    if (rc)
        return rc;
    t.records = true;
    fill_item(o, table_cell(&t, 0, 0), s, it);
    rc = fill_prompt(o, table_cell(&t, 0, 0), it, &q, e);
    for (size_t i = 0; i < it->n_turns; i++)
        table_note(&t, "turn %zu: %s%s%s", i + 1, it->turns[i].question,
                   it->turns[i].answer ? " -> " : "",
                   it->turns[i].answer ? it->turns[i].answer : "");
    if (!rc)
        rc = table_check(&t, e);
    return rc ? rc : cli_print_tables(&t, 1, o->format, e);
}

enum err_code cli_suite_show(struct cli_suite *o, struct err *e)
{
    struct suite_ref *refs;
    struct suite *s;
    size_t n;
    enum err_code rc = suite_find(o->words.v[0], &o->arena, &refs, &n, e);

    for (size_t i = 0; i < n && !rc; i++) {
        rc = suite_open(&s, refs[i].path, e);
        if (rc)
            break;
        rc = o->words.n > 1 ? show_item(o, s, o->words.v[1], e)
                            : show_suite(o, s, e);
        suite_close(s);
    }
    return rc;
}
