/* Brackets are matched by a scan that knows strings; what lies between them is
 * parsed.  One that does not parse is entered: {答案: {"a": 1}} holds a value.
 * A scan that may run to the end of the text from every bracket is quadratic,
 * so the bytes that are scanned in vain are limited. */
#include "harness/match/json_find.h"

#include <string.h>

enum { WASTE_MOST = 1 << 20, TRIES_MOST = 400 };

/* The end of the bracket at `at`; 0 if it is not closed. */
static size_t bracket_end(struct str s, size_t at)
{
    size_t depth = 0;
    bool quoted = false;

    for (; at < s.n; at++) {
        char c = s.p[at];

        if (quoted) {
            if (c == '\\')
                at++;
            else if (c == '"')
                quoted = false;
            continue;
        }
        quoted = c == '"';
        depth += c == '{' || c == '[';
        if ((c == '}' || c == ']') && --depth == 0)
            return at + 1;
    }
    return 0;
}

static enum err_code try_parse(struct str s, struct json **out, struct err *e)
{
    enum err_code rc = json_parse(out, s, e);

    if (rc)
        *out = NULL;
    return rc == ERR_NOMEM ? rc : ERR_OK;
}

static bool is_fenced(struct str s, size_t at)
{
    size_t line;

    while (at && strchr(" \t\r\n", s.p[at - 1]))
        at--;
    for (line = at; line && s.p[line - 1] != '\n'; line--)
        ;
    s = str_trim(str_sub(s, line, at));
    return str_starts(s, STR("```")) &&
           str_find(s, STR("```"), 3) == (size_t)-1;
}

enum err_code json_find_next(struct str s, size_t from, struct json_hit *hit,
                             struct err *e)
{
    size_t waste = 0, tries = 0;
    enum err_code rc = ERR_OK;

    *hit = (struct json_hit){ .value = NULL };
    for (; from < s.n && waste < WASTE_MOST && tries < TRIES_MOST; from++) {
        size_t end;

        if (s.p[from] != '{' && s.p[from] != '[')
            continue;
        end = bracket_end(s, from);
        tries++;
        waste += (end ? end : s.n) - from;
        if (!end)
            continue;
        rc = try_parse(str_sub(s, from, end), &hit->value, e);
        if (!rc && !hit->value)
            continue;
        hit->at = from;
        hit->end = end;
        hit->fenced = is_fenced(s, from);
        break;
    }
    return rc;
}

static enum err_code whole(struct str s, struct json_hit *hit, struct err *e)
{
    struct str t = str_trim(s);

    hit->at = (size_t)(t.p - s.p);
    hit->end = hit->at + t.n;
    return try_parse(t, &hit->value, e);
}

enum { VALUES_MOST = 2000 };

enum err_code json_find_answer(struct str s, enum json_type type,
                               struct json_hit *hit, struct err *e)
{
    size_t from = 0;
    enum err_code rc = ERR_OK;
    struct json_hit next;

    *hit = (struct json_hit){ .value = NULL };
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return whole(s, hit, e);
    for (size_t n = 0; n < VALUES_MOST; n++) {
        rc = json_find_next(s, from, &next, e);
        if (rc || !next.value)
            break;
        from = next.end;
        if (json_type(next.value) == type && (next.fenced || !hit->fenced)) {
            json_free(hit->value);
            *hit = next;
        } else {
            json_free(next.value);
        }
    }
    if (rc) {
        json_free(hit->value);
        hit->value = NULL;
    }
    return rc;
}
