/* Reads suite.json: what the suite is, and how its items are asked and judged.
 *
 * Titles and ability are needed because every report shows them; a suite that
 * leaves them out would be a row without a name. */
#include <stdlib.h>
#include <string.h>

#include "suites/suite_load.h"

static const char *const fields[] = {
    "id",      "version", "title",         "ability", "language",
    "licence", "authors", "template",      "matcher", "few_shot",
    "metric",  "canary",  "subset_titles", NULL
};

static const char *const metrics[] = { "accuracy", "score", NULL };

bool suite_id_is_valid(const char *id)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

    return *id && !id[strspn(id, plain)] && !strchr("-_.", *id);
}

/* An id is a folder's name and the part before the slash of ID/SUBSET. */
static void check_id(struct loader *l, const char *id)
{
    char q[LOAD_QUOTE];

    if (id && !suite_id_is_valid(id))
        suite_load_fault(l, "id",
                         "\"%s\": expected small letters, digits, - _ . and a "
                         "letter or digit first",
                         suite_load_quote(id, q));
}

static void check_metric(struct loader *l, const char *metric)
{
    char q[LOAD_QUOTE];

    for (size_t i = 0; metric && metrics[i]; i++) {
        if (strcmp(metric, metrics[i]) == 0)
            return;
    }
    if (metric)
        suite_load_fault(
            l, "metric",
            "\"%s\": expected \"accuracy\" (share of items that are "
            "correct) or \"score\" (mean of scores from 0 to 1)",
            suite_load_quote(metric, q));
}

static void read_title(struct loader *l, const struct json *j)
{
    static const char *const known[] = { "zh", "en", NULL };
    const struct json *t = suite_load_member(
        l, j, "title", JSON_OBJECT, true,
        "an object such as {\"zh\":\"逻辑\",\"en\":\"Logic\"}");

    if (!t)
        return;
    l->where = "title.";
    suite_load_known(l, t, known);
    l->s->title_zh = suite_load_str(l, t, "zh", true, "the title in Chinese");
    l->s->title_en = suite_load_str(l, t, "en", true, "the title in English");
    l->where = "";
}

/* The file is one of the suite's own folder: a suite may come from anywhere,
 * and must not make us read elsewhere. */
static void read_few_shot(struct loader *l, const struct json *j)
{
    static const char *const known[] = { "file", NULL };
    static const char hint[] = "a file of the suite's folder such as "
                               "\"dev.jsonl\"";
    const struct json *m =
        suite_load_member(l, j, "few_shot", JSON_OBJECT, false,
                          "an object such as {\"file\":\"dev.jsonl\"}");
    const char *file;
    char q[LOAD_QUOTE];

    if (!m)
        return;
    l->where = "few_shot.";
    suite_load_known(l, m, known);
    file = suite_load_str(l, m, "file", true, hint);
    if (file && (strchr(file, '/') || *file == '.'))
        suite_load_fault(l, "file", "\"%s\": expected %s",
                         suite_load_quote(file, q), hint);
    else
        l->s->shot_source = file;
    l->where = "";
}

static int by_subset(const void *a, const void *b)
{
    return strcmp(((const struct subset_title *)a)->subset,
                  ((const struct subset_title *)b)->subset);
}

static void read_subset_titles(struct loader *l, const struct json *j)
{
    const struct json *m =
        suite_load_member(l, j, "subset_titles", JSON_OBJECT, false,
                          "an object {\"SUBSET\":{\"zh\":...,\"en\":...}}");
    struct subset_title *t;

    if (!m)
        return;
    t = arena_array(&l->s->arena, json_len(m) + 1, sizeof *t);
    l->s->subset_titles = t;
    l->where = "subset_titles.";
    for (m = json_child(m); m && t && !l->rc; m = json_next(m)) {
        if (json_type(m) != JSON_OBJECT) {
            suite_load_fault(l, json_key(m),
                             "is %s, expected an object "
                             "{\"zh\":...,\"en\":...}",
                             json_type_name(json_type(m)));
            continue;
        }
        t[l->s->n_subset_titles++] = (struct subset_title){
            .subset = arena_strdup(&l->s->arena, json_key(m)),
            .zh = suite_load_str(l, m, "zh", true, "the title in Chinese"),
            .en = suite_load_str(l, m, "en", false, "the title in English"),
        };
    }
    l->where = "";
    if (t && !l->s->arena.failed)
        qsort(t, l->s->n_subset_titles, sizeof *t, by_subset);
}

static void read_fields(struct loader *l, const struct json *j)
{
    struct suite *s = l->s;

    suite_load_known(l, j, fields);
    s->id = suite_load_str(l, j, "id", true, "a short name such as \"logic\"");
    check_id(l, s->id);
    s->version =
        suite_load_str(l, j, "version", true, "a text such as \"1.0\"");
    read_title(l, j);
    s->ability = suite_load_str(l, j, "ability", true,
                                "a path such as \"基础能力/逻辑与推理\"");
    s->language = suite_load_str(l, j, "language", true, "\"zh\" or \"en\"");
    s->licence =
        suite_load_str(l, j, "licence", true, "a name such as \"CC-BY-4.0\"");
    s->authors = suite_load_strs(l, j, "authors", &s->n_authors);
    s->template = suite_load_str(l, j, "template", true,
                                 "a prompt template such as \"choice-zh\"");
    s->matcher = suite_load_matcher(l, j, true);
    read_few_shot(l, j);
    s->metric =
        suite_load_str(l, j, "metric", true, "\"accuracy\" or \"score\"");
    check_metric(l, s->metric);
    s->canary = suite_load_str(l, j, "canary", false, "a text");
    read_subset_titles(l, j);
}

void suite_load_meta(struct loader *l)
{
    struct json *j = NULL;
    struct buf text;
    struct err e;
    size_t bad;
    enum err_code rc = ERR_OK;

    if (!suite_load_file(l, SUITE_FILE, &text))
        goto done;
    if (!text_check(l->text, &bad)) {
        suite_load_fault(l, "",
                         "broken UTF-8: byte 0x%02x at byte %zu; save the "
                         "file as UTF-8",
                         (unsigned char)l->text.p[bad], bad + 1);
        goto done;
    }
    rc = json_parse(&j, l->text, &e);
    if (rc == ERR_NOMEM)
        suite_load_stop(l, err_set(l->e, rc, "%s", e.msg));
    else if (rc)
        suite_load_fault(l, "", "broken JSON: %s", e.msg);
    else if (json_type(j) != JSON_OBJECT)
        suite_load_fault(l, "", "is %s, expected an object {...}",
                         json_type_name(json_type(j)));
    else
        read_fields(l, j);
    suite_load_ask_suite_hook(l);
done:
    json_free(j);
    buf_free(&text);
    l->text = STR("");
}
