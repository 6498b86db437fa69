/* What all constraints share: the lookup, the check of their objects against
 * the tables, ranges, and cutting a text into pieces. */
#include "harness/match/constraint.h"

#include <math.h>
#include <string.h>

static const struct constraint *const tables[] = { constraints_of_text,
                                                   constraints_of_form,
                                                   constraints_of_verse };
enum { N_TABLES = sizeof(tables) / sizeof(tables[0]) };

static const char *const ranges[] = { "min", "max", "about", "within",
                                      "exactly" };
enum { N_RANGES = sizeof(ranges) / sizeof(*ranges) };

const struct constraint *constraint_find(const char *name)
{
    for (size_t i = 0; i < N_TABLES; i++)
        for (const struct constraint *k = tables[i]; k->name; k++)
            if (!strcmp(k->name, name))
                return k;
    return NULL;
}

/* ---- check ---- */

static const char *nearest(const char *name)
{
    size_t least = (size_t)-1;
    const char *found = "";

    for (size_t i = 0; i < N_TABLES; i++)
        for (const struct constraint *k = tables[i]; k->name; k++) {
            size_t d = text_distance(str_of(name), str_of(k->name));

            if (d < least) {
                least = d;
                found = k->name;
            }
        }
    return found;
}

static bool is_one_of(const char *choices, const char *s)
{
    size_t n = strlen(s);

    for (const char *p = choices; s[0]; p++) {
        size_t len = strcspn(p, "|");

        if (len == n && !strncmp(p, s, n))
            return true;
        p += len;
        if (!*p)
            break;
    }
    return false;
}

static bool all_are(const struct json *list, enum json_type type)
{
    const struct json *m = json_child(list);

    for (; m; m = json_next(m))
        if (json_type(m) != type || (type == JSON_STRING && !*json_string(m)) ||
            (type == JSON_NUMBER && !(json_number(m) >= 0)))
            return false;
    return json_len(list) > 0;
}

static bool all_of(const char *choices, const struct json *list)
{
    const struct json *m = json_child(list);

    while (m && is_one_of(choices, json_string(m)))
        m = json_next(m);
    return !m;
}

static bool is_text(const struct json *j)
{
    return json_string(j) && *json_string(j);
}

static bool is_count(const struct json *j)
{
    return json_type(j) == JSON_NUMBER && json_number(j) >= 0;
}

static bool has_type(const struct constraint_member *m, const struct json *j)
{
    bool list = json_type(j) == JSON_ARRAY;
    double v = json_number(j);

    switch (m->type) {
    case CONSTRAINT_NUMBER:
        return is_count(j);
    case CONSTRAINT_BOOL:
        return json_type(j) == JSON_BOOL;
    case CONSTRAINT_TEXT:
    case CONSTRAINT_PATTERN:
        return is_text(j);
    case CONSTRAINT_WORDS:
        return is_text(j) || (list && all_are(j, JSON_STRING));
    case CONSTRAINT_ONE_OF:
        return is_text(j) && is_one_of(m->choices, json_string(j));
    case CONSTRAINT_PARTS:
        return list && all_are(j, JSON_STRING) && all_of(m->choices, j);
    case CONSTRAINT_NUMBERS:
        return list && all_are(j, JSON_NUMBER);
    case CONSTRAINT_COLUMNS:
        return is_count(j) || (list && all_are(j, JSON_STRING));
    case CONSTRAINT_INDEX:
        return fabs(v) >= 1 && fabs(v) < 1e6 && fabs(v - rint(v)) < 1e-9;
    }
    return false;
}

static const char *type_name(enum constraint_type type)
{
    static const char *const names[] = {
        "a number of 0 or more",
        "true or false",
        "a text",
        "a text or a list of texts",
        "one of ",
        "a list of ",
        "a list of numbers",
        "a number or a list of texts",
        "a pattern",
        "1, 2 ... or -1, -2 ...",
    };

    return names[type];
}

static enum err_code check_member(const struct json *c,
                                  const struct constraint_member *m,
                                  struct err *e)
{
    const struct json *j = json_get(c, m->name);
    struct pattern *p = NULL;
    enum err_code rc;

    if (!j && !m->needed)
        return ERR_OK;
    if (!j || !has_type(m, j))
        return err_set(e, ERR_FORMAT, "%s: expected %s%s", m->name,
                       type_name(m->type), m->choices ? m->choices : "");
    if (m->type != CONSTRAINT_PATTERN)
        return ERR_OK;
    rc = pattern_open(&p, str_of(json_string(j)), 0, e);
    pattern_close(p);
    return rc ? err_wrap(e, "%s", m->name) : ERR_OK;
}

/* The bounds, of which one may have to be there. */
static enum err_code check_range(const struct json *c, bool must, struct err *e)
{
    size_t n = 0;

    for (size_t i = 0; i < N_RANGES; i++) {
        const struct json *j = json_get(c, ranges[i]);

        n += j != NULL;
        if (j && !is_count(j))
            return err_set(e, ERR_FORMAT, "%s: expected a number of 0 or more",
                           ranges[i]);
    }
    if (must && !n)
        return err_set(e, ERR_FORMAT,
                       "expected min, max, about or exactly in it");
    if (json_number(json_get(c, "min")) > json_number(json_get(c, "max")))
        return err_set(e, ERR_FORMAT, "min: is more than max");
    if (json_get(c, "within") && !json_get(c, "about"))
        return err_set(e, ERR_FORMAT, "within: goes with about");
    return ERR_OK;
}

static enum err_code check_members(const struct json *c,
                                   const struct constraint *k, struct err *e)
{
    const char *known[CONSTRAINT_MEMBERS + N_RANGES + 3] = { "kind", "name" };
    enum err_code rc;
    size_t n = 2;

    for (size_t i = 0; i < CONSTRAINT_MEMBERS && k->members[i].name; i++)
        known[n++] = k->members[i].name;
    for (size_t i = 0; i < N_RANGES && k->range; i++)
        known[n++] = ranges[i];
    rc = json_only(c, known, e);
    for (size_t i = 0; i < CONSTRAINT_MEMBERS && !rc && k->members[i].name; i++)
        rc = check_member(c, &k->members[i], e);
    return rc || !k->range ? rc : check_range(c, k->range > 1, e);
}

enum err_code constraint_check(const struct json *c, struct err *e)
{
    const struct constraint *k;
    const char *name;
    enum err_code rc;

    if (!c || json_type(c) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT, "expected an object with \"kind\"");
    rc = json_get_str(c, "kind", &name, e);
    if (rc)
        return rc;
    k = constraint_find(name);
    if (!k)
        return err_set(e, ERR_FORMAT,
                       "kind: \"%s\" is not known; the nearest is \"%s\"", name,
                       nearest(name));
    rc = check_members(c, k, e);
    return rc ? err_wrap(e, "%s", name) : ERR_OK;
}

/* ---- ranges and words ---- */

bool constraint_in_range(const struct json *c, size_t n, size_t least)
{
    double min = json_number(json_get(c, "min")), v = (double)n;
    double max = json_number(json_get(c, "max"));
    double about = json_number(json_get(c, "about"));
    double within = json_number(json_get(c, "within"));
    double exactly = json_number(json_get(c, "exactly"));

    if (isnan(min) && isnan(max) && isnan(about) && isnan(exactly))
        return n >= least;
    within = isnan(within) ? 0.1 : within;
    return !(v < min) && !(v > max) && !(fabs(v - exactly) > 0.5) &&
           !(fabs(v - about) > within * about + 1e-9);
}

const char *constraint_word(const struct json *c, const char *name,
                            const char *without)
{
    const char *s = json_string(json_get(c, name));

    return s ? s : without;
}

/* ---- pieces ---- */

bool constraint_is_word_rune(int32_t rune)
{
    return text_is_letter(rune) || text_is_number(rune);
}

size_t constraint_han(struct str s)
{
    size_t n = 0, len;

    for (size_t at = 0; at < s.n; at += len)
        n += text_is_han(text_rune(s, at, &len));
    return n;
}

static bool is_mark(char c)
{
    return strchr("#>*`_ \t\r\n", c) != NULL;
}

struct str constraint_bare(struct str s)
{
    s = str_trim(s);
    while (s.n && s.p[0] && is_mark(s.p[0]))
        s = str_sub(s, 1, s.n);
    while (s.n && s.p[s.n - 1] && is_mark(s.p[s.n - 1]))
        s.n--;
    return str_trim(s);
}

enum constraint_piece constraint_piece_of(const char *name)
{
    static const char *const names[] = { "whole", "line", "paragraph",
                                         "sentence" };

    for (size_t i = 0; i < 4; i++)
        if (!strcmp(names[i], name))
            return (enum constraint_piece)i;
    return PIECE_WHOLE;
}

static bool has_words(struct str s)
{
    size_t len;

    for (size_t at = 0; at < s.n; at += len)
        if (constraint_is_word_rune(text_rune(s, at, &len)))
            return true;
    return false;
}

static bool is_closing(int32_t rune)
{
    return rune == U'”' || rune == U'’' || rune == '"' || rune == '\'' ||
           rune == U'」' || rune == U'』' || rune == U'）' || rune == ')' ||
           rune == U'》' || rune == '*';
}

static bool is_stop(int32_t rune)
{
    return rune == U'。' || rune == U'！' || rune == U'？' || rune == '!' ||
           rune == '?' || rune == U'…' || rune == U'．';
}

/* A full stop ends a sentence before white space, not in 3.5 or e.g. */
static bool is_period(struct str s, size_t at)
{
    size_t len;

    return s.p[at] == '.' && at &&
           (at + 1 == s.n || text_is_space(text_rune(s, at + 1, &len))) &&
           !match_is_digit(s, at - 1);
}

static bool ends_piece(struct str s, size_t at, int32_t rune,
                       enum constraint_piece piece)
{
    switch (piece) {
    case PIECE_SENTENCE:
        return rune == '\n' || is_stop(rune) || is_period(s, at);
    case PIECE_CLAUSE:
        return rune == '\n' || (text_is_punct(rune) && rune != U'·');
    case PIECE_WHOLE:
    case PIECE_LINE:
    case PIECE_PARAGRAPH:
    case PIECE_KINDS:
        break;
    }
    return rune == '\n';
}

static size_t line_end(struct str s, size_t from)
{
    size_t nl = str_find(s, STR("\n"), from);

    return nl == (size_t)-1 ? s.n : nl + 1;
}

/* The end of the piece that begins at `from`; several stops and what closes
 * after them belong to it. */
static size_t piece_end(struct str s, size_t from, enum constraint_piece piece)
{
    bool ended = false;
    size_t len;

    if (piece <= PIECE_PARAGRAPH)
        return line_end(s, from);
    for (size_t at = from; at < s.n; at += len) {
        int32_t rune = text_rune(s, at, &len);
        bool ends = ends_piece(s, at, rune, piece);

        if (rune == '\n')
            return at + len;
        if (ended && !ends && !is_closing(rune))
            return at;
        ended |= ends;
    }
    return s.n;
}

/* White-space-only lines part paragraphs. */
static size_t paragraph_end(struct str s, size_t from)
{
    size_t nl = str_find(s, STR("\n"), from);

    while (nl != (size_t)-1) {
        size_t next = str_find(s, STR("\n"), nl + 1);

        if (!str_trim(str_sub(s, nl, next)).n)
            return nl + 1;
        nl = next;
    }
    return s.n;
}

static bool has_empty_line(struct str s)
{
    s = str_trim(s);
    return paragraph_end(s, 0) < s.n;
}

static bool keep(struct str s, enum constraint_piece piece)
{
    return s.n && (piece <= PIECE_PARAGRAPH || has_words(s));
}

enum err_code constraint_split(struct str s, enum constraint_piece piece,
                               struct arena *a, struct constraint_pieces *out,
                               struct err *e)
{
    bool blocks = piece == PIECE_PARAGRAPH && has_empty_line(s);
    size_t cap = 0, end;

    *out = (struct constraint_pieces){ NULL, 0 };
    for (size_t at = 0; at < s.n; at = end) {
        struct str part;

        end = piece == PIECE_WHOLE ? s.n
              : blocks             ? paragraph_end(s, at)
                                   : piece_end(s, at, piece);
        part = str_trim(str_sub(s, at, end));
        if (!keep(part, piece))
            continue;
        if (out->n == cap) {
            struct str *more =
                arena_array(a, cap = cap ? 2 * cap : 16, sizeof(*more));

            if (!more)
                return match_no_memory(e);
            if (out->n)
                memcpy(more, out->list, out->n * sizeof(*more));
            out->list = more;
        }
        out->list[out->n++] = part;
    }
    return ERR_OK;
}

enum err_code constraint_pieces_of(const struct constraint_text *t,
                                   enum constraint_piece piece,
                                   struct constraint_pieces *out, struct err *e)
{
    struct constraint_kept *k = t->kept;
    enum err_code rc = ERR_OK;

    if (!k->made[piece])
        rc = constraint_split(t->raw, piece, t->a, &k->pieces[piece], e);
    k->made[piece] = !rc;
    *out = k->pieces[piece];
    return rc;
}
