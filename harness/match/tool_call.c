/* Calls of tools as models write them: JSON in several wrappings, or Python.
 *
 * JSON is looked for first, since the text of an argument may look like Python.
 * A Python call is rewritten as JSON while it is read, and parsed then: what is
 * no literal (a variable, an operator) makes it no call. */
#include "harness/match/tool_call.h"

#include <string.h>

#include "harness/match/json_find.h"
#include "harness/match/match_parts.h"

enum { DEPTH_MOST = 32, CALL_MOST = 1 << 16, TRIES_MOST = 2000 };

static enum err_code add(struct tool_calls *c, struct str name,
                         const struct json *arguments, struct arena *a,
                         struct err *e)
{
    struct tool_call *call = &c->list[c->n];
    char *copy = arena_dup(a, name.p, name.n);
    struct buf b;
    enum err_code rc = ERR_OK;

    if (c->n == TOOL_CALLS_MOST)
        return ERR_OK;
    if (!copy)
        return match_no_memory(e);
    *call = (struct tool_call){ { copy, name.n }, NULL };
    c->n++;
    if (!arguments)
        return ERR_OK;
    buf_init(&b, 1 << 24);
    rc = json_write(arguments, &b, e);
    if (!rc)
        rc = json_parse(&call->arguments, buf_view(&b), e);
    buf_free(&b);
    return rc;
}

/* ---- JSON ---- */

static const struct json *arguments_of(const struct json *j)
{
    static const char *const names[] = { "arguments", "parameters", "args",
                                         "input", "params" };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (json_get(j, names[i]))
            return json_get(j, names[i]);
    return NULL;
}

static const char *name_of(const struct json *j)
{
    static const char *const names[] = { "name",      "tool",
                                         "tool_name", "function_name",
                                         "function",  "action" };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (json_string(json_get(j, names[i])))
            return json_string(json_get(j, names[i]));
    return NULL;
}

/* Arguments may be a text that holds JSON, as in OpenAI's answers. */
static enum err_code add_json(struct tool_calls *c, const char *name,
                              const struct json *arguments, struct arena *a,
                              struct err *e)
{
    struct json *parsed = NULL;
    enum err_code rc = ERR_OK;

    if (json_string(arguments)) {
        rc = json_parse(&parsed, str_of(json_string(arguments)), e);
        if (rc == ERR_NOMEM)
            return rc;
        arguments = rc ? NULL : parsed;
    }
    if (!arguments || json_type(arguments) != JSON_OBJECT)
        arguments = NULL;
    rc = add(c, str_of(name), arguments, a, e);
    json_free(parsed);
    return rc;
}

/* Takes the calls of a value.  Wrappings nest three deep at most: a list in
 * "tool_calls" of objects with "function". */
static enum err_code take_value(struct tool_calls *c, const struct json *j,
                                int depth, struct arena *a, struct err *e)
{
    static const char *const wraps[] = { "tool_calls", "function_call",
                                         "function", "tool_call", "calls" };
    const char *name = name_of(j);
    enum err_code rc = ERR_OK;

    if (depth > 3)
        return ERR_OK;
    if (json_type(j) == JSON_ARRAY) {
        for (j = json_child(j); j && !rc; j = json_next(j))
            rc = take_value(c, j, depth + 1, a, e);
        return rc;
    }
    if (name && (arguments_of(j) || json_len(j) == 1))
        return add_json(c, name, arguments_of(j), a, e);
    for (size_t i = 0; i < sizeof(wraps) / sizeof(*wraps) && !rc; i++)
        if (json_get(j, wraps[i]))
            return take_value(c, json_get(j, wraps[i]), depth + 1, a, e);
    return ERR_OK;
}

static bool is_name_byte(char c)
{
    return match_is_latin(c) || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

/* The name that stands right before an object: on its own line, or in
 * <function=name>; empty if there is none. */
static struct str name_before(struct str s, size_t at)
{
    struct str line;
    size_t from;

    s = str_trim(str_sub(s, 0, at));
    if (str_ends(s, STR("```json")))
        s = str_trim(str_sub(s, 0, s.n - 7));
    for (from = s.n; from && s.p[from - 1] != '\n'; from--)
        ;
    line = str_trim(str_sub(s, from, s.n));
    if (str_find(line, STR("<function="), 0) != (size_t)-1) {
        line = str_sub(line, str_find(line, STR("<function="), 0) + 10, line.n);
        if (str_ends(line, STR(">")))
            line.n--;
    }
    for (size_t i = 0; i < line.n; i++)
        if (!is_name_byte(line.p[i]))
            return STR("");
    return line.n && match_is_latin(line.p[0]) ? line : STR("");
}

static void note_span(struct tool_calls *c, size_t before, size_t at,
                      size_t end)
{
    if (c->n == before)
        return;
    if (!before)
        c->at = at;
    c->end = end;
}

static enum err_code read_json(struct str text, struct arena *a,
                               struct tool_calls *c, struct err *e)
{
    struct json_hit hit;
    size_t from = 0;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < TRIES_MOST && !rc; i++) {
        size_t before = c->n;
        struct str name;

        rc = json_find_next(text, from, &hit, e);
        if (rc || !hit.value)
            break;
        from = hit.end;
        rc = take_value(c, hit.value, 0, a, e);
        name = name_before(text, hit.at);
        if (!rc && c->n > before)
            c->form = "json";
        else if (!rc && name.n && json_type(hit.value) == JSON_OBJECT) {
            rc = add(c, name, hit.value, a, e);
            c->form = "named";
        }
        note_span(c, before, hit.at, hit.end);
        json_free(hit.value);
    }
    return rc;
}

/* ---- Python ---- */

struct reader {
    struct str s;
    size_t at;
    struct buf out; /* JSON */
    bool bad;       /* what is read is no call */
    bool starved;   /* it may be one, but memory ran out */
};

static void skip_space(struct reader *r)
{
    while (r->at < r->s.n && strchr(" \t\r\n", r->s.p[r->at]) && r->s.p[r->at])
        r->at++;
}

static bool take(struct reader *r, char c)
{
    skip_space(r);
    if (r->at >= r->s.n || r->s.p[r->at] != c)
        return false;
    r->at++;
    return true;
}

/* A text in either kind of quotes; \n, \t, \\, \' and \" are known. */
static void read_text(struct reader *r)
{
    char quote = r->s.p[r->at++];
    struct buf b;
    struct jw w;

    buf_init(&b, CALL_MOST);
    for (; r->at < r->s.n && r->s.p[r->at] != quote; r->at++) {
        char c = r->s.p[r->at];

        if (c == '\\' && r->at + 1 < r->s.n) {
            c = r->s.p[++r->at];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        buf_char(&b, c);
    }
    r->bad |= r->at >= r->s.n || b.failed;
    r->starved |= b.failed && !b.full;
    r->at++;
    jw_init(&w, &r->out, false);
    jw_text(&w, NULL, buf_view(&b));
    buf_free(&b);
}

/* True, False, None, and numbers as JSON has them. */
static void read_word(struct reader *r)
{
    static const char *const words[][2] = {
        { "True", "true" }, { "False", "false" }, { "None", "null" },
        { "true", "true" }, { "false", "false" }, { "null", "null" },
    };
    size_t from = r->at;
    struct str word;

    while (r->at < r->s.n &&
           (is_name_byte(r->s.p[r->at]) || r->s.p[r->at] == '+'))
        r->at++;
    word = str_sub(r->s, from, r->at);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (str_is(word, words[i][0])) {
            buf_str(&r->out, words[i][1]);
            return;
        }
    r->bad |= !word.n || !(match_is_digit(word, 0) || word.p[0] == '-');
    buf_text(&r->out, word);
}

static void read_value(struct reader *r, int depth);

/* Values between brackets; of a dictionary each with its key. */
static void read_many(struct reader *r, char close, bool keys, int depth)
{
    bool first = true;

    buf_char(&r->out, keys ? '{' : '[');
    while (!r->bad && !take(r, close)) {
        if (!first && !take(r, ',')) {
            r->bad = true;
            break;
        }
        if (!first && take(r, close))
            break;
        if (!first)
            buf_char(&r->out, ',');
        read_value(r, depth + 1);
        if (keys) {
            r->bad |= !take(r, ':');
            buf_char(&r->out, ':');
            read_value(r, depth + 1);
        }
        first = false;
    }
    buf_char(&r->out, keys ? '}' : ']');
}

static void read_value(struct reader *r, int depth)
{
    skip_space(r);
    r->bad |= r->at >= r->s.n || depth > DEPTH_MOST;
    if (r->bad)
        return;
    switch (r->s.p[r->at]) {
    case '"':
    case '\'':
        read_text(r);
        break;
    case '[':
        r->at++;
        read_many(r, ']', false, depth);
        break;
    case '(':
        r->at++;
        read_many(r, ')', false, depth);
        break;
    case '{':
        r->at++;
        read_many(r, '}', true, depth);
        break;
    default:
        read_word(r);
    }
}

/* The bytes of a name at r->at that an equals sign follows. */
static size_t keyword(const struct reader *r)
{
    size_t at = r->at, end;

    while (at < r->s.n && is_name_byte(r->s.p[at]))
        at++;
    for (end = at; end < r->s.n && r->s.p[end] == ' '; end++)
        ;
    return at > r->at && end < r->s.n && r->s.p[end] == '=' ? at - r->at : 0;
}

/* The arguments behind the bracket at r->at, as an object. */
static void read_arguments(struct reader *r)
{
    size_t n = 0, len;

    buf_char(&r->out, '{');
    while (!r->bad && !take(r, ')')) {
        r->bad |= n && !take(r, ',');
        if (n && take(r, ')'))
            break;
        skip_space(r);
        len = keyword(r);
        buf_str(&r->out, n ? "," : "");
        if (len)
            buf_printf(&r->out, "\"%.*s\":", (int)len, r->s.p + r->at);
        else
            buf_printf(&r->out, "\"$%zu\":", n);
        r->at += len;
        r->bad |= len && !take(r, '=');
        read_value(r, 0);
        n++;
    }
    buf_char(&r->out, '}');
}

/* The call whose bracket is at `open`; *end is where it ends, 0 if it is none. */
static enum err_code read_call(struct str s, size_t open, struct json **out,
                               size_t *end, struct err *e)
{
    struct reader r = { .s = s, .at = open + 1 };
    enum err_code rc = ERR_OK;

    *out = NULL;
    *end = 0;
    r.s = str_sub(s, 0, open + CALL_MOST);
    buf_init(&r.out, 2 * CALL_MOST);
    read_arguments(&r);
    if (r.starved || (r.out.failed && !r.out.full))
        rc = match_no_memory(e);
    else if (!r.bad && !r.out.failed)
        rc = json_parse(out, buf_view(&r.out), e);
    buf_free(&r.out);
    if (!rc && *out)
        *end = r.at;
    return rc == ERR_NOMEM ? rc : ERR_OK;
}

/* The name that ends at `open`, empty if none does. */
static struct str called(struct str s, size_t open)
{
    size_t from = open;

    while (from && is_name_byte(s.p[from - 1]))
        from--;
    if (from == open || !(match_is_latin(s.p[from]) || s.p[from] == '_'))
        return STR("");
    return str_sub(s, from, open);
}

static enum err_code read_python(struct str text, struct arena *a,
                                 struct tool_calls *c, struct err *e)
{
    size_t open = 0, tries = 0;
    enum err_code rc = ERR_OK;

    while (!rc && tries < TRIES_MOST &&
           (open = str_find(text, STR("("), open)) != (size_t)-1) {
        struct str name = called(text, open);
        size_t before = c->n, end = 0;
        struct json *arguments = NULL;

        if (name.n) {
            tries++;
            rc = read_call(text, open, &arguments, &end, e);
        }
        if (!rc && end) {
            rc = add(c, name, arguments, a, e);
            note_span(c, before, open - name.n, end);
            c->form = "python";
        }
        json_free(arguments);
        open = end ? end : open + 1;
    }
    return rc;
}

/* ---- both ---- */

enum err_code tool_calls_read(struct str text, struct arena *a,
                              struct tool_calls *out, struct err *e)
{
    enum err_code rc;

    *out = (struct tool_calls){ .n = 0, .form = "" };
    rc = read_json(text, a, out, e);
    if (!rc && !out->n)
        rc = read_python(text, a, out, e);
    return rc;
}

void tool_calls_free(struct tool_calls *c)
{
    for (size_t i = 0; i < c->n; i++)
        json_free(c->list[i].arguments);
    c->n = 0;
}
