/* Matchers with any setting: the first byte chooses the kind, a line "%%" parts
 * the expected answer, the options, and the reply.  What the kind's check lets
 * pass must be safe to run.  Of programs only the text is looked for: none is
 * started here. */
#include "harness/match/code_text.h"
#include "harness/match/match.h"
#include "tests/fuzz/fuzz.h"

/* Seeds tell kinds by their place. */
static const struct match_kind *const kinds[] = {
    &match_class,  &match_constraints, &match_date,    &match_exact,
    &match_json,   &match_number,      &match_similar, &match_tool,
    &match_verse,  &match_list,        &match_sql,     &match_code,
    &match_safety, &match_contains,    &match_regex,   &match_choice,
    &match_math,
};
enum { N_KINDS = sizeof(kinds) / sizeof(*kinds) };

static bool lies_in(struct str part, struct str s)
{
    return !part.n || (part.p >= s.p && part.p + part.n <= s.p + s.n);
}

static void find_code(const struct json *expected, struct str reply)
{
    static const struct code_language *const languages[] = { &code_python,
                                                             &code_c,
                                                             &code_cpp };
    const char *entry = json_string(json_get(expected, "entry"));

    for (size_t i = 0; i < 3; i++) {
        struct str code = code_find(languages[i], reply, entry);

        must(lies_in(code, reply), "a program lies in the reply");
        must(lies_in(code_body(languages[i], reply), reply),
             "the rest of a function too");
        (void)code_defines(languages[i], code, entry ? entry : "f");
    }
}

static void judge(const struct match_kind *kind, const struct match_in *in,
                  struct arena *a)
{
    struct match_candidates list = { .n = 0 };
    struct match_out out;
    struct err e;

    if (kind->check(in, &e))
        return;
    if (kind->executes) {
        find_code(in->expected, in->response);
        return;
    }
    must(!kind->run(in, a, &out, &e), "what was checked can be judged");
    must(out.span_at <= in->response.n &&
             out.span_len <= in->response.n - out.span_at,
         "the span lies in the reply");
    must(!kind->candidates || !kind->candidates(in, a, &list, &e),
         "rules tell what they read");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct match_choice choices[] = {
        { { "A", 1 }, { "上海", 6 } },
        { { "B", 1 }, { "北京", 6 } },
    };
    struct json *expected = NULL, *options = NULL;
    struct match_in in = { .choices = choices, .n_choices = 2 };
    struct str rest;
    struct arena a;
    struct err e;

    if (!size)
        return 0;
    rest = fuzz_text(data + 1, size - 1);
    arena_init(&a, 0);
    if (!json_parse(&expected, fuzz_part(&rest), &e) &&
        !json_parse(&options, fuzz_part(&rest), &e) &&
        json_type(options) == JSON_OBJECT && text_check(rest, NULL)) {
        in.expected = expected;
        in.options = options;
        in.response = rest;
        judge(kinds[data[0] % N_KINDS], &in, &a);
    }
    json_free(expected);
    json_free(options);
    arena_free(&a);
    return 0;
}
