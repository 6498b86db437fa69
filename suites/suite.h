/* Suites: items, their digests, the tables of formats and generators.
 *
 * A suite is a folder with suite.json and items.jsonl (and dev.jsonl, the
 * few-shot source).  Loading is strict: what is invalid is reported with file,
 * line, field, and what was expected.  Other people's formats are read by
 * importers (suites/format_NAME.c), which write a folder in our own form. */
#ifndef MK_SUITE_H
#define MK_SUITE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/digest.h"
#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

struct choice {
    const char *key; /* "A" */
    const char *text;
};

struct turn { /* of a multi-turn item */
    const char *question;
    const char *answer;  /* JSON, NULL: this turn is not judged */
    const char *matcher; /* JSON, NULL: the item's */
};

struct item {
    const char *id;       /* unique in the suite */
    const char *subset;   /* "" or a subject such as "agronomy" */
    const char *question; /* NULL when turns are given */
    const char *context;  /* passage the question is about, or NULL */
    const char *system;   /* system prompt (roles), or NULL */
    struct turn *turns;
    size_t n_turns;
    struct choice *choices;
    size_t n_choices;
    const char *answer;  /* canonical JSON: "B", ["北京","北京市"], {...};
                              NULL when turns are given */
    const char *matcher; /* JSON {"name":...,options}, NULL: the suite's */
    const char *explanation, *difficulty, *source; /* or NULL */
    const char **tags;
    size_t n_tags;
    size_t line;             /* in items.jsonl */
    char digest[DIGEST_HEX]; /* of all that decides what is asked and judged */
};

struct subset_title { /* what a subset is called in prompts and reports */
    const char *subset, *zh, *en;
};

struct suite {
    const char *id, *version;
    const char *title_zh, *title_en;
    const char *ability; /* path: 基础能力/逻辑与推理 */
    const char *language, *licence, *template, *metric, *canary;
    const char *shot_source; /* file of the few-shot examples, or NULL */
    const char **authors;
    size_t n_authors;
    const char *matcher;                /* JSON {"name":"choice",...} */
    struct subset_title *subset_titles; /* sorted by subset */
    size_t n_subset_titles;
    const char *path; /* folder */
    struct item *items;
    size_t n_items;
    struct item *dev; /* few-shot examples, in the order of their file */
    size_t n_dev;
    char digest[DIGEST_HEX]; /* of suite.json's deciding fields and all items */
    struct arena arena;      /* holds all of the above */
};

/* Opens the suite in folder `path`.  *out is the caller's, freed by
 * suite_close(); items live as long as it does. */
enum err_code suite_open(struct suite **out, const char *path,
                         struct err *e) MUST_CHECK;
void suite_close(struct suite *s);
/* Small letters, digits, - _ . with a letter or digit first. */
bool suite_id_is_valid(const char *id);
/* NULL when the suite gives none for it. */
const struct subset_title *suite_subset_title(const struct suite *s,
                                              const char *subset);
/* JSON of the matcher that judges the item. */
const char *suite_item_matcher(const struct suite *s, const struct item *it);

/* What suite_check() calls.  Suites know no matchers and no templates, so what
 * these have to say comes in through `suite` and `item`: plan_check_suite() and
 * plan_check_item() of harness/plan.h are made for that.  Their ERR_FORMAT with
 * "field: message" is one more fault; other codes end the check. */
struct suite_checks {
    /* For each fault; line 0: the file as a whole, field "": the line as a
     * whole.  A suspicion's field starts with '~'. */
    void (*fault)(void *user, const char *file, size_t line, const char *field,
                  const char *message);
    /* When suite.json has been read and is sound; NULL: none. */
    enum err_code (*suite)(void *user, const struct suite *s, struct err *e);
    /* For each item and example that is sound so far; NULL: none. */
    enum err_code (*item)(void *user, const struct suite *s,
                          const struct item *it, struct err *e);
    void *user;
};
/* Reports every fault, not only the first: what suite_open() refuses, and what
 * is suspicious (duplicate questions, an answer that is always the same
 * letter, the answer inside the question).  *n_faults counts the refusals,
 * *n_warnings the suspicions.  ERR_OK when all could be read, whatever was
 * found. */
enum err_code suite_check(const char *path, const struct suite_checks *checks,
                          size_t *n_faults, size_t *n_warnings,
                          struct err *e) MUST_CHECK;

/* Where suites are looked for by id, in this order: the folders named in
 * MOKAO_SUITES (separated by colons), ./suites/data, ./suites/imported, the
 * user's ($XDG_DATA_HOME or ~/.local/share)/mokao/suites, the installed share
 * folder.  `spec` is an id, an id with /subset, a glob over both
 * ("cmmlu/high_school_*"), or a path to a folder, with or without /subset.
 * Gives paths and subset globs ("": all), sorted by id. */
struct suite_ref {
    const char *path, *subset;
};
enum err_code suite_find(const char *spec, struct arena *a,
                         struct suite_ref **refs, size_t *n,
                         struct err *e) MUST_CHECK;
/* All suites that are found, sorted by id; of two with one id the first. */
enum err_code suite_list(struct arena *a, struct suite_ref **refs, size_t *n,
                         struct err *e) MUST_CHECK;
/* Where imported suites go when nothing else is said: ./suites/imported where
 * there is a folder ./suites, else the user's folder of the list above. */
enum err_code suite_import_dir(struct arena *a, const char **out,
                               struct err *e) MUST_CHECK;
/* Whether subset matches a glob of * and ?; "" matches all. */
bool suite_subset_matches(const char *glob, const char *subset);

/* Importers: another project's files at `path` become a folder below `dest`
 * named as the format; one that was there is replaced as a whole. */
struct suite_format {
    const char *name; /* "cmmlu" */
    const char *doc;  /* one line, with the layout expected */
    enum err_code (*import)(const char *path, const char *dest, size_t *n_items,
                            struct err *e);
};
#define SUITE_FORMATS(X)                                                       \
    X(ceval)                                                                   \
    X(cmmlu)                                                                   \
    X(humaneval)                                                               \
    X(sesql)
#define FORMAT_DECL(name) extern const struct suite_format suite_format_##name;
SUITE_FORMATS(FORMAT_DECL)
#undef FORMAT_DECL
extern const struct suite_format *const suite_formats[]; /* NULL at the end */

/* NULL if there is none; *nearest (may be NULL) then is the likeliest name. */
const struct suite_format *suite_format_find(const char *name,
                                             const char **nearest);

/* Writes a suite in our own form (suite.json, items.jsonl, and dev.jsonl when
 * it has examples) into the folder `path`, which holds either the old or the
 * new suite, never a part.  Refuses to replace a folder that is no suite. */
enum err_code suite_write(const struct suite *s, const char *path,
                          struct err *e) MUST_CHECK;

#endif
