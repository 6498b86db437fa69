/* A JSON value in the answer: compared with the expected one field by field,
 * or checked against a schema, or both. */
#include <string.h>

#include "harness/match/json_find.h"
#include "harness/match/json_same.h"
#include "harness/match/json_schema.h"
#include "harness/match/match_parts.h"

enum { LOOKS_AT = 1 << 19, WRITES = 1 << 20 };

struct look {
    const struct match_in *in;
    struct arena *a;
    struct str text;
    const struct json *value, *schema; /* expected, each may be NULL */
};

/* The type that is looked for: that of the value, else what the schema says. */
static enum json_type type_wanted(const struct look *l)
{
    const char *name = json_string(json_get(l->schema, "type"));

    if (l->value) {
        const struct json *any = json_get(l->value, "$any");

        return json_type(any && json_child(any) ? json_child(any) : l->value);
    }
    if (!name)
        return json_get(l->schema, "items") ? JSON_ARRAY : JSON_OBJECT;
    return !strcmp(name, "object")  ? JSON_OBJECT
           : !strcmp(name, "array") ? JSON_ARRAY
                                    : JSON_STRING;
}

/* A value of the type wanted, else of the other that has parts. */
static enum err_code find(const struct look *l, struct json_hit *hit,
                          struct err *e)
{
    enum json_type type = type_wanted(l);
    enum err_code rc = json_find_answer(l->text, type, hit, e);

    if (rc || hit->value)
        return rc;
    return json_find_answer(
        l->text, type == JSON_OBJECT ? JSON_ARRAY : JSON_OBJECT, hit, e);
}

static enum err_code show(const struct look *l, const struct json_hit *hit,
                          struct match_out *out, struct err *e)
{
    struct buf b;
    enum err_code rc;

    buf_init(&b, WRITES);
    rc = json_write(hit->value, &b, e);
    out->span_at = (size_t)(l->text.p - l->in->response.p) + hit->at;
    out->span_len = hit->end - hit->at;
    if (!rc)
        rc = match_extract(out, buf_view(&b), l->a, e);
    buf_free(&b);
    return rc;
}

/* An answer that breaks the schema is worth nothing, whatever its fields. */
static enum err_code judge(const struct look *l, const struct json *got,
                           struct match_out *out, struct err *e)
{
    bool partial = json_bool(json_get(l->in->options, "partial"));
    struct json_tally t = { 0, 0 };
    struct json_how how;
    const char *why = "";
    bool fits = true;
    enum err_code rc = json_how_read(l->in->options, &how, e);

    if (!rc && l->schema)
        rc = json_schema_holds(l->schema, got, &fits, &why, e);
    why = fits ? "" : why;
    if (!rc && l->value)
        rc = json_same(l->value, got, &how, l->a, &t, e);
    if (rc)
        return rc;
    fits = fits && t.right == t.fields;
    out->verdict = fits ? VERDICT_CORRECT : VERDICT_WRONG;
    out->score = fits ? 1 : 0;
    if (!fits && partial && t.fields && !*why)
        out->score = (double)t.right / (double)t.fields;
    out->rule = fits ? "fields" : *why ? "schema" : "differs";
    if (fits && !l->value)
        out->rule = "schema";
    return ERR_OK;
}

static enum err_code look(const struct look *l, struct match_out *out,
                          struct err *e)
{
    struct json_hit hit;
    enum err_code rc = find(l, &hit, e);

    if (rc || !hit.value) {
        if (!rc)
            match_no_answer(l->in, out);
        return rc;
    }
    rc = judge(l, hit.value, out, e);
    if (rc == ERR_LIMIT) {
        out->rule = "limit";
        rc = ERR_OK;
    } else if (!rc) {
        rc = show(l, &hit, out, e);
    }
    json_free(hit.value);
    return rc;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct look l = {
        .in = in,
        .a = a,
        .text = match_answer_part(in->response),
        .value = json_get(in->expected, "value"),
        .schema = json_get(in->expected, "schema"),
    };

    match_begin(out);
    if (!l.schema)
        l.schema = json_get(in->options, "schema");
    l.text = str_sub(l.text, 0, LOOKS_AT);
    return look(&l, out, e);
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "partial", "schema",
                                         JSON_HOW_MEMBERS, NULL };
    static const char *const members[] = { "value", "schema", NULL };
    const struct json *schemas[] = { json_get(in->expected, "schema"),
                                     json_get(in->options, "schema") };
    struct json_how how;
    bool partial;
    enum err_code rc = json_only(in->options, known, e);

    if (!rc)
        rc = json_how_read(in->options, &how, e);
    if (!rc)
        rc = json_get_bool_or(in->options, "partial", false, &partial, e);
    if (!rc && (!in->expected || json_type(in->expected) != JSON_OBJECT ||
                !json_len(in->expected)))
        return err_set(e, ERR_FORMAT,
                       "answer: expected {\"value\": ..} or {\"schema\": ..}");
    if (!rc)
        rc = json_only(in->expected, members, e);
    for (size_t i = 0; i < 2 && !rc; i++) {
        rc = schemas[i] ? json_schema_check(schemas[i], e) : ERR_OK;
        if (rc)
            (void)err_wrap(e, "schema");
    }
    return rc;
}

const struct match_kind match_json = {
    .name = "json",
    .version = 1,
    .doc = "a JSON value: its fields, a schema",
    .help =
        "answer: {\"value\": {..}} - what the JSON in the answer must be;\n"
        "  {\"$any\": [..]} within it accepts each of the listed values;\n"
        "  {\"schema\": {..}} - a JSON Schema that it must keep to; or both\n"
        "partial: true - the score is the share of the fields that are right\n"
        "extra: true - members that are not expected do not matter\n"
        "order: false - the order of lists does not matter\n"
        "text: \"folded\" (default) or \"exact\"; types: \"strict\" (default)\n"
        "  or \"loose\": \"3\" is 3; tolerance: 0.01 - of numbers\n"
        "schema: for all items",
    .check = check,
    .run = run,
};
