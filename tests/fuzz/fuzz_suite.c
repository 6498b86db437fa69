/* A suite from any bytes: "\n%%\n" parts suite.json, items.jsonl and dev.jsonl.
 *
 * Beside crashes it looks for lies: what opens has no faults and what has
 * faults does not open, what is written reads back the same, every prompt can
 * be rendered.  The same bytes also go through the CSV reader. */
#include "harness/plan.h"
#include "suites/csv.h"
#include "tests/fuzz/fuzz.h"

static void hear(void *user, const char *file, size_t line, const char *field,
                 const char *message)
{
    (void)user;
    (void)line;
    must(*file && *message && text_check(str_of(message), NULL) &&
             text_check(str_of(field), NULL),
         "a fault is told in whole characters");
}

static void render(const struct suite *s, struct arena *a)
{
    static const char *const replies[] = { "一", "", "三" };
    const struct prompt_template *t;
    struct err e;

    for (size_t i = 0; i < s->n_items && i < 4; i++) {
        const struct item *it = &s->items[i];
        (void)!plan_check_item(NULL, s, it, &e);
        for (size_t k = 0; (t = prompt_template_at(k)); k++) {
            struct prompt_params p = { .template = t->name,
                                       .shots = k % 2,
                                       .score_chat = k % 3 > 0,
                                       .score_text = k % 3 > 1,
                                       .completion = k % 4 == 0 };
            size_t turn = it->n_turns < 4 ? it->n_turns : 4;
            struct request q;
            enum err_code rc = prompt_render(s, it, &p, turn ? turn - 1 : 0,
                                             replies, a, &q, &e);
            must(!rc || (p.shots && rc == ERR_USAGE), "a prompt");
        }
    }
}

static void write_and_read(const struct suite *s, struct arena *a)
{
    char *copy = arena_printf(a, "%s/copy", fuzz_folder());
    struct suite *t;
    struct err e;

    must(!suite_write(s, copy, &e), "a suite can be written");
    must(!suite_open(&t, copy, &e), "what was written opens");
    must(strcmp(s->digest, t->digest) == 0, "what was written is the same");
    suite_close(t);
}

static void try_suite(struct str text, struct arena *a)
{
    const struct suite_checks checks = { .fault = hear };
    const struct suite_checks hooks = { .fault = hear,
                                        .suite = plan_check_suite,
                                        .item = plan_check_item };
    size_t faults, warnings;
    struct suite *s;
    struct err e;
    enum err_code rc;
    const char *folder = io_join(a, fuzz_folder(), "suite");

    (void)fuzz_file(a, "suite/suite.json", fuzz_part(&text));
    (void)fuzz_file(a, "suite/items.jsonl", fuzz_part(&text));
    (void)fuzz_file(a, "suite/dev.jsonl", text);
    must(!suite_check(folder, &checks, &faults, &warnings, &e), "a check");
    rc = suite_open(&s, folder, &e);
    must((rc == ERR_OK) == (faults == 0), "opens when there are no faults");
    must(!suite_check(folder, &hooks, &faults, &warnings, &e), "hooks");
    if (rc)
        return;
    render(s, a);
    write_and_read(s, a);
    suite_close(s);
}

static void try_csv(struct str text, struct arena *a)
{
    struct csv c;
    struct err e;
    bool more = true;

    if (csv_init(&c, text, a, &e))
        return;
    while (more && !csv_next(&c, &more, &e))
        must(!more || c.n > 0, "a row has fields");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    struct arena a;

    arena_init(&a, 0);
    try_suite(text, &a);
    try_csv(text, &a);
    arena_free(&a);
    return 0;
}
