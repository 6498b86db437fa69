/* Matchers with any setting: the first byte chooses the kind, "\n%%\n" parts
 * the expected answer, the options, and the reply.  What the kind's check lets
 * pass must be safe to run. */
#include <stdlib.h>

#include "harness/match/match.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* sql and code run programs and have targets of their own. */
static const struct match_kind *const kinds[] = {
    &match_class,  &match_constraints, &match_date, &match_exact, &match_json,
    &match_number, &match_similar,     &match_tool, &match_verse, &match_list,
};

static struct str part(struct str *rest)
{
    size_t at = str_find(*rest, STR("\n%%\n"), 0);
    struct str s = str_sub(*rest, 0, at);

    *rest = str_sub(*rest, at == (size_t)-1 ? rest->n : at + 4, rest->n);
    return s;
}

/* Runs; true when a file that the settings name is not here. */
static bool lacks_only(const struct match_kind *kind, const struct match_in *in,
                       struct arena *a, struct match_out *out)
{
    struct err e;
    enum err_code rc = kind->run(in, a, out, &e);

    if (rc && rc != ERR_NOENV)
        abort();
    return rc == ERR_NOENV;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct str rest = { (const char *)data + 1, size ? size - 1 : 0 };
    struct json *expected = NULL, *options = NULL;
    struct match_in in = { .n_choices = 0 };
    const struct match_kind *kind;
    struct match_out out;
    struct arena a;
    struct err e;

    if (!size)
        return 0;
    kind = kinds[data[0] % (sizeof(kinds) / sizeof(*kinds))];
    arena_init(&a, 0);
    if (!json_parse(&expected, part(&rest), &e) &&
        !json_parse(&options, part(&rest), &e) &&
        json_type(options) == JSON_OBJECT && text_check(rest, NULL)) {
        in = (struct match_in){ .expected = expected,
                                .options = options,
                                .response = rest };
        if (!kind->check(&in, &e) && !lacks_only(kind, &in, &a, &out) &&
            (out.span_at > rest.n || out.span_len > rest.n - out.span_at))
            abort();
    }
    json_free(expected);
    json_free(options);
    arena_free(&a);
    return 0;
}
