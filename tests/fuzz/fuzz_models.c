/* Any bytes as a models file, as a file of providers, as a rubric, and as the
 * name of a model: refused with a reason, or entries with an id.  A line "%%"
 * parts the files and the name. */
#include "harness/judge_prompt.h"
#include "runners/provider.h"
#include "runners/runner.h"
#include "tests/fuzz/fuzz.h"

static void try_models(const char *path, struct arena *a)
{
    struct err e = { .msg = "" };
    struct model_spec *list, one;
    size_t n = 0;

    if (model_list(path, a, &list, &n, &e)) {
        must(e.msg[0] != '\0', "a refusal has a reason");
        return;
    }
    for (size_t i = 0; i < n; i++)
        must(list[i].id && *list[i].id &&
                 !model_find(list[i].id, path, a, &one, &e),
             "a model is found by its id");
}

static void try_name(const char *path, struct str name, struct arena *a)
{
    struct err e = { .msg = "" };
    struct model_spec one;

    if (model_find(arena_dup(a, name.p, name.n), path, a, &one, &e))
        must(e.msg[0] != '\0', "a refusal has a reason");
}

static void try_providers(const char *path)
{
    struct providers *p = NULL;
    struct err e = { .msg = "" };

    if (providers_open(&p, path, &e))
        must(e.msg[0] != '\0', "a refusal has a reason");
    else
        must(providers_count(p) > 0, "the built-in rows are there");
    providers_close(p);
}

static void try_rubric(const char *path, struct arena *a)
{
    struct rubric r;
    struct err e = { .msg = "" };
    struct buf b;

    if (rubric_find(path, a, &r, &e)) {
        must(e.msg[0] != '\0', "a refusal has a reason");
        return;
    }
    buf_init(&b, 1 << 20);
    must(!rubric_json(&r, &b, &e), "a rubric can be written");
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_text(data, size), models, providers;
    const char *path;
    struct arena a;

    (void)setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    arena_init(&a, 0);
    models = fuzz_part(&text);
    path = fuzz_file(&a, "models.json", models);
    try_models(path, &a);
    try_rubric(path, &a);
    providers = fuzz_part(&text);
    if (providers.n) /* reading the table takes 50 ms under sanitizers */
        try_providers(fuzz_file(&a, "providers.json", providers));
    if (text.n)
        try_name(path, text, &a);
    arena_free(&a);
    return 0;
}
