/* Constraints on verse: the measure of its lines, rhyme, acrostics, couplets.
 *
 * A verse is what stands between punctuation.  Above it may stand a title and
 * the poet's name: lines without a stop where the poem itself has stops, or
 * marked as a title. */
#include <math.h>
#include <string.h>

#include "harness/match/constraint.h"
#include "harness/match/rhyme.h"

/* ---- the verses ---- */

static bool has_stop(struct str line)
{
    static const char *const stops[] = { "，", "。", "！", "？", "；",
                                         ",",  ".",  "!",  "?",  ";" };

    for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
        if (str_find(line, str_of(stops[i]), 0) != (size_t)-1)
            return true;
    return false;
}

static bool is_heading(struct str line)
{
    static const char *const marks[] = { "#",    "《",   "【", "标题", "题目",
                                         "作者", "朝代", "——", "**" };

    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
        if (str_starts(line, str_of(marks[i])))
            return true;
    return str_ends(line, STR("：")) || str_ends(line, STR(":"));
}

/* How many lines stand above the poem. */
static size_t lines_above(const struct constraint_pieces *lines)
{
    bool stops = lines->n > 1 && has_stop(lines->list[lines->n - 1]);
    size_t n = 0;

    while (n + 1 < lines->n &&
           (is_heading(lines->list[n]) || (stops && !has_stop(lines->list[n]))))
        n++;
    return n;
}

static enum err_code verses_of(const struct constraint_text *t,
                               struct constraint_pieces *out, struct err *e)
{
    struct constraint_pieces lines;
    size_t above;
    enum err_code rc = constraint_pieces_of(t, PIECE_LINE, &lines, e);

    if (rc)
        return rc;
    above = lines.n ? lines_above(&lines) : 0;
    if (!above)
        return constraint_pieces_of(t, PIECE_CLAUSE, out, e);
    return constraint_split(
        str_sub(t->raw, (size_t)(lines.list[above].p - t->raw.p), t->raw.n),
        PIECE_CLAUSE, t->a, out, e);
}

/* ---- measure ---- */

static bool fits_measure(const struct json *c, size_t i, struct str verse)
{
    const struct json *pattern = json_get(c, "pattern");
    double each = json_number(json_get(c, "characters"));
    double want = pattern ? json_number(json_at(pattern, i)) : each;

    return isnan(want) || fabs((double)constraint_han(verse) - want) < 0.5;
}

static enum err_code holds_verse(const struct json *c,
                                 const struct constraint_text *t, bool *yes,
                                 struct err *e)
{
    const struct json *pattern = json_get(c, "pattern");
    double want =
        pattern ? (double)json_len(pattern) : json_number(json_get(c, "lines"));
    struct constraint_pieces p = { .n = 0 };
    enum err_code rc = verses_of(t, &p, e);

    *yes = !rc && p.n && (isnan(want) || fabs((double)p.n - want) < 0.5);
    for (size_t i = 0; i < p.n && *yes; i++)
        *yes = constraint_han(p.list[i]) && fits_measure(c, i, p.list[i]);
    return rc;
}

/* ---- rhyme ---- */

static int32_t han_at(struct str s, bool last)
{
    int32_t found = -1;
    size_t len;

    for (size_t at = 0; at < s.n; at += len) {
        int32_t rune = text_rune(s, at, &len);

        if (!text_is_han(rune))
            continue;
        found = rune;
        if (!last)
            break;
    }
    return found;
}

/* The last Han character of a verse, simplified. */
static enum err_code rhyme_of(struct str verse, struct arena *a, int32_t *rune,
                              struct err *e)
{
    struct str simple;
    enum err_code rc = match_fold(verse, TEXT_SIMPLE, a, &simple, e);

    *rune = rc ? -1 : han_at(simple, true);
    return rc;
}

/* The even verses rhyme; whether the first does too is free. */
static enum err_code holds_rhyme(const struct json *c,
                                 const struct constraint_text *t, bool *yes,
                                 struct err *e)
{
    size_t step = strcmp(constraint_word(c, "lines", "even"), "all") ? 2 : 1;
    bool level = json_bool(json_get(c, "level"));
    struct constraint_pieces p = { .n = 0 };
    uint32_t shared = UINT32_MAX;
    size_t n = 0;
    enum err_code rc = verses_of(t, &p, e);

    *yes = true;
    for (size_t i = step - 1; i < p.n && !rc && *yes; i += step) {
        int32_t rune;

        rc = rhyme_of(p.list[i], t->a, &rune, e);
        shared &= rhyme_sets(rune);
        *yes = shared && (!level || rhyme_is_level(rune));
        n++;
    }
    *yes = *yes && n > 1;
    return rc;
}

/* ---- acrostics ---- */

/* The first (or last) characters of the verses, or of the lines, say `text`. */
static enum err_code says(const struct json *c, const struct constraint_text *t,
                          const struct constraint_pieces *p, bool *yes,
                          struct err *e)
{
    bool last = !strcmp(constraint_word(c, "at", "begin"), "end");
    struct str want, got;
    size_t len = 0, at = 0, i = 0;
    enum err_code rc = match_fold(str_of(constraint_word(c, "text", "")),
                                  TEXT_SIMPLE, t->a, &want, e);

    for (; i < p->n && at < want.n && !rc; i++, at += len) {
        rc = match_fold(p->list[i], TEXT_SIMPLE, t->a, &got, e);
        if (rc || han_at(got, last) != text_rune(want, at, &len))
            break;
    }
    *yes = !rc && at >= want.n && i == p->n;
    return rc;
}

static enum err_code holds_acrostic(const struct json *c,
                                    const struct constraint_text *t, bool *yes,
                                    struct err *e)
{
    struct constraint_pieces p, lines;
    size_t above;
    enum err_code rc = verses_of(t, &p, e);

    if (!rc)
        rc = says(c, t, &p, yes, e);
    if (rc || *yes)
        return rc;
    rc = constraint_pieces_of(t, PIECE_LINE, &lines, e);
    if (rc || !lines.n)
        return rc;
    above = lines_above(&lines);
    lines.list += above;
    lines.n -= above;
    return says(c, t, &lines, yes, e);
}

/* ---- couplets ---- */

static struct str after_label(struct str line)
{
    static const char *const labels[] = { "上联", "下联", "出句", "对句" };
    struct str s = constraint_bare(line);

    for (size_t i = 0; i < 4; i++)
        if (str_starts(s, str_of(labels[i])))
            return str_sub(s, strlen(labels[i]), s.n);
    return s;
}

static bool is_motto(struct str line)
{
    line = constraint_bare(line);
    return str_starts(line, STR("横批")) || str_starts(line, STR("横额")) ||
           str_starts(line, STR("（横批"));
}

/* The two lines: by labels, by lines, or by verses. */
static enum err_code couplet_of(const struct constraint_text *t,
                                struct str pair[2], size_t *n, struct err *e)
{
    struct constraint_pieces p;
    enum err_code rc = constraint_pieces_of(t, PIECE_LINE, &p, e);

    *n = 0;
    if (!rc && p.n == 1)
        rc = constraint_pieces_of(t, PIECE_CLAUSE, &p, e);
    for (size_t i = 0; i < p.n && !rc; i++) {
        if (is_motto(p.list[i]) || is_heading(constraint_bare(p.list[i])))
            continue;
        if (*n < 2)
            pair[*n] = after_label(p.list[i]);
        ++*n;
    }
    return rc;
}

/* The Han characters of s as runes, simplified. */
static enum err_code han_of(struct str s, struct arena *a, int32_t **out,
                            size_t *n, struct err *e)
{
    struct str simple;
    size_t len;
    enum err_code rc = match_fold(s, TEXT_SIMPLE, a, &simple, e);

    *n = 0;
    if (rc)
        return rc;
    *out = arena_array(a, simple.n + 1, sizeof(**out));
    if (!*out)
        return match_no_memory(e);
    for (size_t at = 0; at < simple.n; at += len) {
        int32_t rune = text_rune(simple, at, &len);

        if (text_is_han(rune))
            (*out)[(*n)++] = rune;
    }
    return ERR_OK;
}

/* Of one length, no character in the same place of both, the first ending on an
 * oblique tone and the second on a level one. */
static bool is_couplet(const int32_t *x, const int32_t *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] == y[i])
            return false;
    return rhyme_is_oblique(x[n - 1]) && rhyme_is_level(y[n - 1]);
}

static enum err_code holds_couplet(const struct json *c,
                                   const struct constraint_text *t, bool *yes,
                                   struct err *e)
{
    double want = json_number(json_get(c, "characters"));
    struct str pair[2];
    int32_t *x, *y;
    size_t n, nx = 0, ny = 0;
    enum err_code rc = couplet_of(t, pair, &n, e);

    *yes = false;
    if (rc || n != 2)
        return rc;
    rc = han_of(pair[0], t->a, &x, &nx, e);
    if (!rc)
        rc = han_of(pair[1], t->a, &y, &ny, e);
    if (rc)
        return rc;
    *yes = nx && nx == ny && (isnan(want) || fabs((double)nx - want) < 0.5) &&
           is_couplet(x, y, nx);
    return ERR_OK;
}

const struct constraint constraints_of_verse[] = {
    { "verse",
      "so many lines of so many characters; title and poet do not count",
      { { "lines", CONSTRAINT_NUMBER, false, NULL },
        { "characters", CONSTRAINT_NUMBER, false, NULL },
        { "pattern", CONSTRAINT_NUMBERS, false, NULL } },
      0,
      holds_verse,
      false },
    { "rhyme",
      "the even lines rhyme, or all",
      { { "lines", CONSTRAINT_ONE_OF, false, "even|all" },
        { "level", CONSTRAINT_BOOL, false, NULL } },
      0,
      holds_rhyme,
      false },
    { "acrostic",
      "the first or last characters of the lines",
      { { "text", CONSTRAINT_TEXT, true, NULL },
        { "at", CONSTRAINT_ONE_OF, false, "begin|end" } },
      0,
      holds_acrostic,
      false },
    { "couplet",
      "two lines of one length, tones opposed at their ends",
      { { "characters", CONSTRAINT_NUMBER, false, NULL } },
      0,
      holds_couplet,
      false },
    { NULL,
      NULL,
      { { NULL, CONSTRAINT_NUMBER, false, NULL } },
      0,
      NULL,
      false },
};
