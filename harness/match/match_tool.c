/* Calls of tools: the right functions with the right arguments, or none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/match/json_same.h"
#include "harness/match/match_parts.h"
#include "harness/match/tool_call.h"

enum { LOOKS_AT = 1 << 18, SHOWN_MOST = 1 << 20 };

struct look {
    const struct match_in *in;
    struct arena *a;
    struct json_how how;
    bool ordered; /* the calls; lists are unless told otherwise */
    struct tool_calls got;
};

static bool wants_none(const struct json *expected)
{
    return json_bool(json_get(expected, "none"));
}

/* The i-th expected call; NULL after the last. */
static const struct json *want_at(const struct json *expected, size_t i)
{
    if (json_type(expected) == JSON_ARRAY)
        return json_at(expected, i);
    return i ? NULL : expected;
}

/* functions.f is f, unless the expected name has a part in front too. */
static bool is_named(struct str got, const char *want)
{
    size_t n = got.n;

    if (str_is(got, want))
        return true;
    while (n && got.p[n - 1] != '.')
        n--;
    return n && !strchr(want, '.') && str_is(str_sub(got, n, got.n), want);
}

static bool is_optional(const struct json *want, const char *key)
{
    const struct json *m = json_child(json_get(want, "optional"));

    while (m && strcmp(json_string(m), key) != 0)
        m = json_next(m);
    return m != NULL;
}

/* What is given for the i-th argument: by name, or by place. */
static const struct json *argument(const struct json *got, const char *key,
                                   size_t i)
{
    const struct json *j = json_get(got, key);
    char place[24];

    (void)snprintf(place, sizeof(place), "$%zu", i);
    return j ? j : json_get(got, place);
}

/* Arguments that are not expected and may not be there. */
static size_t count_extra(const struct json *want, const struct json *got)
{
    const struct json *arguments = json_get(want, "arguments");
    const struct json *m = json_child(got);
    size_t n = 0;

    for (; m; m = json_next(m)) {
        const char *key = json_key(m);

        if (key[0] == '$')
            n += (size_t)strtoul(key + 1, NULL, 10) >= json_len(arguments);
        else
            n += !json_get(arguments, key) && !is_optional(want, key);
    }
    return n;
}

/* The name is one field, so that a right call is never worth nothing. */
static enum err_code compare(const struct look *l, const struct json *want,
                             const struct tool_call *got, struct json_tally *t,
                             struct err *e)
{
    const struct json *m = json_child(json_get(want, "arguments"));
    bool named =
        got && is_named(got->name, json_string(json_get(want, "name")));
    const struct json *arguments = named ? got->arguments : NULL;
    enum err_code rc = ERR_OK;
    size_t i = 0;

    *t = (struct json_tally){ 1, named };
    for (; m && !rc; m = json_next(m), i++)
        rc = json_same(m, argument(arguments, json_key(m), i), &l->how, l->a, t,
                       e);
    if (!l->how.extra)
        t->fields += count_extra(want, arguments);
    return rc;
}

/* The call not yet used that is right in most fields; in order the next one. */
static enum err_code best_call(const struct look *l, const struct json *want,
                               bool *used, size_t from, struct json_tally *best,
                               struct err *e)
{
    size_t to = l->ordered ? from + 1 : l->got.n, at = TOOL_CALLS_MOST;
    enum err_code rc = compare(l, want, NULL, best, e);

    for (size_t i = l->ordered ? from : 0; i < to && i < l->got.n && !rc; i++) {
        struct json_tally t;

        if (used[i])
            continue;
        rc = compare(l, want, &l->got.list[i], &t, e);
        if (t.right * best->fields > best->right * t.fields) {
            *best = t;
            at = i;
        }
    }
    used[at] = true;
    return rc;
}

/* Each call too many is a field that is wrong. */
static enum err_code tally(const struct look *l, struct json_tally *t,
                           struct err *e)
{
    bool used[TOOL_CALLS_MOST + 1] = { false };
    const struct json *want;
    enum err_code rc = ERR_OK;
    size_t i = 0;

    *t = (struct json_tally){ 0, 0 };
    for (; !rc && (want = want_at(l->in->expected, i)); i++) {
        struct json_tally one;

        rc = best_call(l, want, used, i, &one, e);
        t->fields += one.fields;
        t->right += one.right;
    }
    t->fields += l->got.n > i ? l->got.n - i : 0;
    return rc;
}

static enum err_code show(const struct look *l, struct match_out *out,
                          struct err *e)
{
    enum err_code rc = ERR_OK;
    struct buf b;

    buf_init(&b, SHOWN_MOST);
    for (size_t i = 0; i < l->got.n && !rc; i++) {
        const struct tool_call *call = &l->got.list[i];

        buf_printf(&b, "%s%.*s(", i ? " " : "", STR_FMT(call->name));
        if (call->arguments)
            rc = json_write(call->arguments, &b, e);
        buf_char(&b, ')');
    }
    if (!rc)
        rc = buf_check(&b, "calls", e);
    if (!rc)
        rc = match_extract(out, buf_view(&b), l->a, e);
    buf_free(&b);
    return rc;
}

static enum err_code judge(const struct look *l, struct match_out *out,
                           struct err *e)
{
    bool partial = json_bool(json_get(l->in->options, "partial"));
    struct json_tally t = { 1, 0 };
    enum err_code rc = ERR_OK;

    if (!wants_none(l->in->expected))
        rc = tally(l, &t, e);
    if (!rc)
        rc = show(l, out, e);
    out->rule = l->got.form;
    out->verdict = t.right == t.fields ? VERDICT_CORRECT : VERDICT_WRONG;
    out->score = t.right == t.fields ? 1 : 0;
    if (partial)
        out->score = (double)t.right / (double)t.fields;
    return rc;
}

/* No call at all is right where none is wanted. */
static void no_call(const struct look *l, struct match_out *out)
{
    if (!wants_none(l->in->expected)) {
        match_no_answer(l->in, out);
        return;
    }
    out->verdict = VERDICT_CORRECT;
    out->score = 1;
    out->rule = "none";
}

static enum err_code look(struct look *l, struct match_out *out, struct err *e)
{
    struct str text = match_answer_part(l->in->response);
    enum err_code rc = json_how_read(l->in->options, &l->how, e);

    l->ordered = json_bool(json_get(l->in->options, "order"));
    text = str_sub(text, 0, LOOKS_AT);
    if (!rc)
        rc = tool_calls_read(text, l->a, &l->got, e);
    if (rc)
        return rc;
    if (!l->got.n) {
        if (text.n)
            no_call(l, out);
        return ERR_OK;
    }
    out->span_at = (size_t)(text.p - l->in->response.p) + l->got.at;
    out->span_len = l->got.end - l->got.at;
    return judge(l, out, e);
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct look *l = arena_alloc(a, sizeof(*l));
    enum err_code rc;

    match_begin(out);
    if (!l)
        return match_no_memory(e);
    l->in = in;
    l->a = a;
    rc = look(l, out, e);
    tool_calls_free(&l->got);
    return rc;
}

/* ---- check ---- */

static enum err_code check_call(const struct json *want, struct err *e)
{
    static const char *const known[] = { "name", "arguments", "optional",
                                         NULL };
    const struct json *arguments = json_get(want, "arguments");
    const struct json *optional = json_get(want, "optional");
    const char *name;
    enum err_code rc;

    if (json_type(want) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "expected {\"name\", \"arguments\"}");
    rc = json_only(want, known, e);
    if (!rc)
        rc = json_get_str(want, "name", &name, e);
    if (!rc && arguments && json_type(arguments) != JSON_OBJECT)
        rc = err_set(e, ERR_FORMAT, "arguments: expected an object");
    if (!rc && optional) {
        rc = match_check_strings(optional, "a name", e);
        if (!rc && json_type(optional) != JSON_ARRAY)
            rc = err_set(e, ERR_FORMAT, "expected a list of names");
        if (rc)
            (void)err_wrap(e, "optional");
    }
    return rc;
}

static enum err_code check_calls(const struct json *expected, struct err *e)
{
    const struct json *want;
    enum err_code rc = ERR_OK;

    if (!expected || !json_len(expected) ||
        json_len(expected) > TOOL_CALLS_MOST)
        return err_set(e, ERR_FORMAT,
                       "answer: expected {\"name\", \"arguments\"}, a list of "
                       "them, or {\"none\": true}");
    for (size_t i = 0; !rc && (want = want_at(expected, i)); i++) {
        rc = check_call(want, e);
        if (rc)
            (void)err_wrap(e, "answer: call %zu", i + 1);
    }
    return rc;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "partial", JSON_HOW_MEMBERS,
                                         NULL };
    static const char *const none[] = { "none", NULL };
    struct json_how how;
    bool partial;
    enum err_code rc = json_only(in->options, known, e);

    if (!rc)
        rc = json_how_read(in->options, &how, e);
    if (!rc)
        rc = json_get_bool_or(in->options, "partial", false, &partial, e);
    if (rc)
        return rc;
    return wants_none(in->expected) ? json_only(in->expected, none, e)
                                    : check_calls(in->expected, e);
}

const struct match_kind match_tool = {
    .name = "tool",
    .version = 1,
    .doc = "calls of tools: names and arguments",
    .help =
        "answer: {\"name\": \"f\", \"arguments\": {..}, \"optional\": [..]}, a\n"
        "  list of such calls, or {\"none\": true} when none is right;\n"
        "  optional: arguments that may be there besides; {\"$any\": [..]}\n"
        "  accepts each of the listed values\n"
        "Reads JSON with name and arguments, <tool_call>, OpenAI's tool_calls,\n"
        "a name before an object, and f(a=1) with literal values.\n"
        "partial: true - the score is the share of names and arguments\n"
        "order: true - calls must be in their order; false - nor need lists be\n"
        "extra: true - other arguments do not matter; text, types, tolerance:\n"
        "  as for json",
    .check = check,
    .run = run,
};
