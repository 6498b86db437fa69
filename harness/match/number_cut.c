/* Numbers found by a suite's own patterns: how another benchmark's rule is
 * written down, so that its figures can be had again. */
#include "harness/match/number_cut.h"

#include <string.h>

enum { HITS_MOST = 10000 };

static const char *take_of(const struct json *cut)
{
    const char *take = json_string(json_get(cut, "take"));

    return take ? take : "first";
}

/* The number in s, times the cut's factor; s lies at `at`. */
static bool read_hit(const struct json *cut, struct str s, size_t at,
                     struct number *x)
{
    const struct json *times = json_get(cut, "times");
    struct number_reader r = { .s = s };

    if (!number_read(&r, 0, x))
        return false;
    if (times)
        x->value = rat_mul(x->value, rat_of_double(json_number(times)));
    x->at = at;
    x->end = at + s.n;
    return true;
}

static enum err_code all_hits(const struct json *cut,
                              const struct pattern *pattern, struct str text,
                              struct number_hits *out, struct err *e)
{
    bool one = !strcmp(take_of(cut), "first");
    bool last = !strcmp(take_of(cut), "last");
    struct pattern_hit h;
    enum err_code rc = ERR_OK;
    bool found = true;
    size_t from = 0;

    while (from <= text.n && out->n < HITS_MOST && !(one && out->n)) {
        size_t g, at;

        rc = pattern_find(pattern, text, from, &h, &found, e);
        if (rc || !found)
            break;
        g = h.n > 1 && h.g[1].at != (size_t)-1;
        at = last ? 0 : out->n;
        if (read_hit(cut, match_group(text, &h, g), h.g[g].at, out->list + at))
            out->n = at + 1;
        from = h.g[0].end > from ? h.g[0].end : from + 1;
    }
    return rc;
}

enum err_code number_cut_find(const struct json *cuts, struct str text,
                              struct arena *a, struct number_hits *out,
                              struct err *e)
{
    enum err_code rc = ERR_OK;

    *out = (struct number_hits){ NULL, 0 };
    for (const struct json *c = json_child(cuts); c && !rc && !out->n;
         c = json_next(c)) {
        struct pattern *pattern;
        size_t most = !strcmp(take_of(c), "any") ? HITS_MOST : 1;

        out->list = arena_array(a, most, sizeof(*out->list));
        if (!out->list)
            return match_no_memory(e);
        rc = pattern_open(&pattern, str_of(json_string(json_get(c, "pattern"))),
                          0, e);
        if (!rc)
            rc = all_hits(c, pattern, text, out, e);
        pattern_close(pattern);
    }
    return rc;
}

static enum err_code check_cut(const struct json *cut, struct err *e)
{
    static const char *const known[] = { "pattern", "times", "take", NULL };
    struct pattern *p = NULL;
    const char *source, *take;
    double times;
    enum err_code rc = json_only(cut, known, e);

    if (!rc)
        rc = json_get_str(cut, "pattern", &source, e);
    if (!rc)
        rc = json_get_num_or(cut, "times", 1, &times, e);
    if (!rc)
        rc = json_get_str_or(cut, "take", "first", &take, e);
    if (!rc && strcmp(take, "first") != 0 && strcmp(take, "last") != 0 &&
        strcmp(take, "any") != 0)
        rc = err_set(e, ERR_FORMAT,
                     "take: expected first, last or any, got \"%s\"", take);
    if (!rc)
        rc = pattern_open(&p, str_of(source), 0, e);
    pattern_close(p);
    return rc;
}

enum err_code number_cut_check(const struct json *cuts, struct err *e)
{
    enum err_code rc = ERR_OK;

    if (!cuts)
        return ERR_OK;
    if (json_type(cuts) != JSON_ARRAY || !json_len(cuts))
        return err_set(e, ERR_FORMAT,
                       "cut: expected a list of objects with \"pattern\"");
    for (const struct json *c = json_child(cuts); c && !rc; c = json_next(c))
        rc = check_cut(c, e);
    return rc ? err_wrap(e, "cut") : ERR_OK;
}
