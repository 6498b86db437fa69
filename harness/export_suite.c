/* A suite in our own form: suite.json, items.jsonl and the few-shot examples.
 * For suites that are found by id, or were read from another format. */
#include "harness/export.h"
#include "suites/suite.h"

static enum err_code write_suite(const struct suite_ref *ref,
                                 const char *output, struct err *e)
{
    struct suite *s;
    enum err_code rc = suite_open(&s, ref->path, e);

    if (rc)
        return rc;
    rc = suite_write(s, output, e);
    suite_close(s);
    return rc;
}

static enum err_code run(const struct export_params *p, struct err *e)
{
    struct arena a;
    struct suite_ref *refs;
    size_t n = 0;
    enum err_code rc;

    if (p->n_suites != 1 || p->n_models > 0)
        return err_set(e, ERR_USAGE, "export suite: wants one -s SUITE");
    arena_init(&a, 0);
    rc = suite_find(p->suites[0], &a, &refs, &n, e);
    if (!rc && n != 1)
        rc = err_set(e, ERR_USAGE, "%s: names %zu suites, expected one",
                     p->suites[0], n);
    if (!rc && refs[0].subset && *refs[0].subset)
        rc = err_set(e, ERR_USAGE, "%s: a suite is exported whole",
                     p->suites[0]);
    if (!rc)
        rc = write_suite(&refs[0], p->output, e);
    arena_free(&a);
    return rc;
}

const struct export_format export_suite = {
    .name = "suite",
    .doc = "a suite's suite.json and items.jsonl, into the folder --output",
    .to_folder = true,
    .run = run,
};
