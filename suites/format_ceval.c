/* C-Eval: dev/SUBJECT_dev.csv and val/SUBJECT_val.csv (the test split has no
 * public answers), subject_mapping.json with the subjects' names:
 *
 *   {"logic": ["Logic", "逻辑学", "Humanities"], ...} */
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "suites/csv_exam.h"

#define MAPPING "subject_mapping.json"

static const char *authors[] = { "C-Eval authors" };

static const struct suite head = {
    .id = "ceval",
    .version = "val",
    .title_zh = "C-Eval 中文综合考试",
    .title_en = "C-Eval",
    .ability = "基础能力/知识",
    .language = "zh",
    .licence = "CC-BY-NC-SA-4.0",
    .template = "lm-choice-zh",
    .matcher = "{\"name\":\"choice\"}",
    .metric = "accuracy",
    .authors = authors,
    .n_authors = 1,
};

static const char *text_at(const struct json *list, size_t i)
{
    const struct json *m = json_at(list, i);

    return m ? json_string(m) : NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct csv_subject *)a)->name,
                  ((const struct csv_subject *)b)->name);
}

/* The strings lie in j. */
static enum err_code take_subjects(const struct json *j,
                                   struct csv_subject *out, size_t *n,
                                   struct err *e)
{
    for (const struct json *m = json_child(j); m; m = json_next(m)) {
        struct csv_subject *s = &out[(*n)++];
        *s = (struct csv_subject){ json_key(m), text_at(m, 1), text_at(m, 0),
                                   text_at(m, 2) };
        if (!s->zh || !s->en || !s->group)
            return err_set(e, ERR_FORMAT,
                           "%s: expected [English, Chinese, category]",
                           s->name);
    }
    qsort(out, *n, sizeof *out, by_name);
    return ERR_OK;
}

/* A folder without the mapping is read too: subjects are then called by their
 * files' names. */
static enum err_code read_mapping(const char *path, struct json **j,
                                  struct err *e)
{
    *j = NULL;
    return io_exists(path) ? json_read(j, path, (size_t)16 << 20, e) : ERR_OK;
}

static enum err_code import(const char *path, const char *dest, size_t *n_items,
                            struct err *e)
{
    struct csv_exam x = {
        .head = &head,
        .dev_dir = "dev",
        .dev_end = "_dev.csv",
        .items_dir = "val",
        .items_end = "_val.csv",
        .question = "question",
        .answer = "answer",
        .explanation = "explanation",
    };
    struct csv_subject *subjects = NULL;
    struct json *j = NULL;
    struct arena a;
    char *mapping;
    enum err_code rc;

    arena_init(&a, 0);
    mapping = io_join(&a, path, MAPPING);
    rc = mapping ? read_mapping(mapping, &j, e)
                 : err_set(e, ERR_NOMEM, "%s: no memory", path);
    if (!rc && j) {
        subjects = arena_array(&a, json_len(j) + 1, sizeof *subjects);
        rc = subjects ? take_subjects(j, subjects, &x.n_subjects, e)
                      : err_set(e, ERR_NOMEM, "%s: no memory", path);
    }
    if (rc == ERR_FORMAT)
        rc = err_wrap(e, "%s", mapping);
    x.subjects = subjects;
    if (!rc)
        rc = csv_exam_import(&x, path, dest, n_items, e);
    json_free(j);
    arena_free(&a);
    return rc;
}

const struct suite_format suite_format_ceval = {
    .name = "ceval",
    .doc = "C-Eval: dev/SUBJECT_dev.csv, val/SUBJECT_val.csv, " MAPPING,
    .import = import,
};
