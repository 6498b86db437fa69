/* Any bytes as the files of a public benchmark, plain or in gzip: refused with a
 * reason, or a suite that opens.  The first byte chooses the benchmark; a line
 * "%%" parts its files. */
#include "suites/gzip.h"
#include "suites/suite.h"
#include "tests/fuzz/fuzz.h"

static const struct {
    const char *format, *files[3];
} sets[] = {
    { "ceval", { "dev/law_dev.csv", "val/law_val.csv", NULL } },
    { "ceval",
      { "dev/law_dev.csv", "val/law_val.csv", "subject_mapping.json" } },
    { "cmmlu", { "dev/agronomy.csv", "test/agronomy.csv", NULL } },
    { "humaneval-x",
      { "humaneval_python.jsonl", "humaneval_cpp.jsonl", NULL } },
    { "humaneval-x", { "humaneval_python.jsonl.gz", NULL, NULL } },
    { "sesql",
      { "db_content.json", "valid/valid-eval_predictions.json",
        "valid/valid-eval_predictions.json.eval" } },
};
enum { N_SETS = sizeof(sets) / sizeof(*sets) };

static void try_gzip(struct arena *a, struct str bytes)
{
    const char *path = fuzz_file(a, "any.gz", bytes);
    struct err e = { .msg = "" };
    struct buf b;

    buf_init(&b, 1 << 20);
    must(!gzip_read(path, &b, &e) || e.msg[0], "a refusal has a reason");
    must(b.n <= 1 << 20, "no more than allowed");
    buf_free(&b);
}

/* Without links the folder is one of files, which may be overwritten. */
static void try_import(struct arena *a, size_t i, struct str text)
{
    const char *from = arena_printf(a, "%s/%zu", fuzz_folder(), i);
    const char *dest = arena_printf(a, "%s/out", fuzz_folder());
    const struct suite_format *f = suite_format_find(sets[i].format, NULL);
    struct err e = { .msg = "" };
    size_t n = 0;
    struct suite *s;

    for (size_t k = 0; k < 3 && sets[i].files[k]; k++)
        (void)fuzz_file(a, arena_printf(a, "%zu/%s", i, sets[i].files[k]),
                        fuzz_part(&text));
    if (f->import(from, dest, &n, &e)) {
        must(e.msg[0] != '\0', "a refusal has a reason");
        return;
    }
    must(!suite_open(&s, arena_printf(a, "%s/%s", dest, f->name), &e),
         "what was imported opens");
    must(s->n_items == n, "as many items as were said");
    suite_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;

    if (!size)
        return 0;
    arena_init(&a, 0);
    try_gzip(&a, fuzz_text(data + 1, size - 1));
    try_import(&a, data[0] % N_SETS, fuzz_text(data + 1, size - 1));
    arena_free(&a);
    return 0;
}
