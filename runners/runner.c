/* The table of runners, and what all of them share. */
#include "runners/runner.h"

#include <string.h>

#include "harness/base/digest.h"

#define RUNNER_ROW(name) &runner_##name,
const struct runner_kind *const runner_kinds[] = { RUNNER_KINDS(RUNNER_ROW)
                                                       NULL };
#undef RUNNER_ROW

static const char *const finish_names[] = {
    [FINISH_STOP] = "stop",       [FINISH_LENGTH] = "length",
    [FINISH_CONTEXT] = "context", [FINISH_FILTER] = "filter",
    [FINISH_REFUSED] = "refused", [FINISH_SCORED] = "scored",
    [FINISH_OTHER] = "other",
};

const char *finish_name(enum finish f)
{
    return finish_names[f];
}

enum finish finish_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof finish_names / sizeof *finish_names; i++)
        if (strcmp(finish_names[i], name) == 0)
            return (enum finish)i;
    return FINISH_OTHER;
}

const struct runner_kind *runner_find(const char *name)
{
    for (size_t i = 0; runner_kinds[i]; i++)
        if (strcmp(runner_kinds[i]->name, name) == 0)
            return runner_kinds[i];
    return NULL;
}

enum err_code runner_open(struct runner **out, const struct model_spec *m,
                          const struct runner_params *p, struct err *e)
{
    const struct runner_kind *k = runner_find(m->kind);

    *out = NULL;
    if (!k)
        return err_set(e, ERR_FORMAT, "model %s: no runner called \"%s\"",
                       m->id, m->kind);
    if (k->open(out, m, p, e))
        return err_wrap(e, "model %s", m->id);
    return ERR_OK;
}

void runner_close(struct runner *r)
{
    if (r)
        r->kind->close(r);
}

enum err_code runner_run(struct runner *r, const struct exchange *x,
                         struct err *e)
{
    return r->kind->run(r, x, e);
}

/* How many of n, from the first on, are of its kind. */
static size_t count_alike(struct runner *const *r, size_t n)
{
    size_t k = 1;

    while (k < n && r[k]->kind == r[0]->kind)
        k++;
    return k;
}

void runner_run_all(struct runner *const *r, const struct exchange *x,
                    struct err *errs, size_t n)
{
    for (size_t i = 0, k; i < n; i += k) {
        k = r[i]->kind->run_all ? count_alike(r + i, n - i) : 1;
        for (size_t j = i; j < i + k; j++)
            errs[j] = (struct err){ .code = ERR_OK };
        if (r[i]->kind->run_all)
            r[i]->kind->run_all(r + i, x + i, errs + i, k);
        else
            errs[i].code = runner_run(r[i], &x[i], &errs[i]);
    }
}

static void digest_str(struct digest *d, const char *s)
{
    digest_field(d, str_of(s));
}

enum err_code request_digest(const struct request *r, char hex[DIGEST_HEX],
                             struct err *e)
{
    struct digest *d;
    unsigned char head[1] = { (unsigned char)r->kind };

    if (digest_open(&d, e))
        return e->code;
    digest_add(d, head, sizeof head);
    for (size_t i = 0; i < r->n_messages; i++) {
        digest_str(d, r->messages[i].role);
        digest_str(d, r->messages[i].content);
    }
    digest_str(d, r->prompt);
    for (size_t i = 0; i < r->n_options; i++)
        digest_str(d, r->options[i]);
    digest_close(d, hex);
    return ERR_OK;
}
