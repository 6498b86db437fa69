/* Constraints on the text itself: its length, its words, how it begins and
 * ends, its language, what is repeated. */
#include <stdlib.h>
#include <string.h>

#include "harness/match/constraint.h"

/* ---- length ---- */

struct counts {
    size_t runes; /* that are no white space */
    size_t marks; /* of these punctuation and symbols */
    size_t words; /* runs of other letters and digits, Han characters */
    size_t han;
};

static struct counts count(struct str s)
{
    struct counts c = { 0 };
    bool inside = false;
    size_t len;

    for (size_t at = 0; at < s.n; at += len) {
        int32_t rune = text_rune(s, at, &len);
        bool han = text_is_han(rune), word = constraint_is_word_rune(rune);

        c.runes += !text_is_space(rune);
        c.marks += text_is_punct(rune) || text_is_symbol(rune);
        c.han += han;
        c.words += han || (word && !inside);
        inside = word && !han;
    }
    return c;
}

static enum err_code count_pieces(const struct constraint_text *t,
                                  enum constraint_piece piece, size_t *n,
                                  struct err *e)
{
    struct constraint_pieces p;
    enum err_code rc = constraint_pieces_of(t, piece, &p, e);

    *n = p.n;
    return rc;
}

/* 字数 may count punctuation or not: a text that fits either way does, unless
 * the constraint says which. */
static bool fits_characters(const struct json *c, struct counts n)
{
    const struct json *marks = json_get(c, "punctuation");

    if (marks)
        return constraint_in_range(
            c, n.runes - (json_bool(marks) ? 0 : n.marks), 0);
    return constraint_in_range(c, n.runes, 0) ||
           constraint_in_range(c, n.runes - n.marks, 0) ||
           constraint_in_range(c, n.words, 0);
}

static enum err_code holds_length(const struct json *c,
                                  const struct constraint_text *t, bool *yes,
                                  struct err *e)
{
    const char *unit = constraint_word(c, "unit", "characters");
    struct counts n = count(t->raw);
    size_t pieces = 0, lines = 0;
    enum err_code rc = ERR_OK;

    if (!strcmp(unit, "characters"))
        *yes = fits_characters(c, n);
    else if (!strcmp(unit, "words"))
        *yes = constraint_in_range(c, n.words, 0);
    else if (!strcmp(unit, "han"))
        *yes = constraint_in_range(c, n.han, 0);
    else {
        unit = !strcmp(unit, "sentences")    ? "sentence"
               : !strcmp(unit, "paragraphs") ? "paragraph"
                                             : "line";
        rc = count_pieces(t, constraint_piece_of(unit), &pieces, e);
        if (!rc)
            rc = count_pieces(t, PIECE_LINE, &lines, e);
        *yes = constraint_in_range(c, pieces, 0) ||
               (!strcmp(unit, "paragraph") && constraint_in_range(c, lines, 0));
    }
    return rc;
}

/* ---- words ---- */

static const unsigned fold =
    TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT | TEXT_SPACE;

static bool is_ascii_word(char c)
{
    return match_is_latin(c) || (c >= '0' && c <= '9');
}

/* A word of Latin letters is no part of another. */
static bool is_whole(struct str s, size_t at, size_t n)
{
    if (at && is_ascii_word(s.p[at]) && is_ascii_word(s.p[at - 1]))
        return false;
    return at + n >= s.n || !is_ascii_word(s.p[at + n - 1]) ||
           !is_ascii_word(s.p[at + n]);
}

static size_t find_word(struct str s, struct str word, size_t from)
{
    while ((from = str_find(s, word, from)) != (size_t)-1 &&
           !is_whole(s, from, word.n))
        from++;
    return from;
}

static size_t times(struct str s, struct str word)
{
    size_t n = 0, at = 0;

    while (word.n && (at = find_word(s, word, at)) != (size_t)-1) {
        at += word.n;
        n++;
    }
    return n;
}

/* The i-th word, folded; an empty one after the last. */
static enum err_code word_at(const struct json *c, size_t i,
                             const struct constraint_text *t, struct str *out,
                             struct err *e)
{
    const char *s = match_accepted(json_get(c, "words"), i);

    *out = STR("");
    return s ? match_fold(str_of(s), fold, t->a, out, e) : ERR_OK;
}

static bool has_word(const struct json *c, size_t i)
{
    return match_accepted(json_get(c, "words"), i) != NULL;
}

static enum err_code holds_include(const struct json *c,
                                   const struct constraint_text *t, bool *yes,
                                   struct err *e)
{
    bool any = !strcmp(constraint_word(c, "mode", "all"), "any");
    enum err_code rc = ERR_OK;
    struct str word;

    *yes = !any;
    for (size_t i = 0; has_word(c, i) && !rc && *yes != any; i++) {
        rc = word_at(c, i, t, &word, e);
        *yes = constraint_in_range(c, times(t->folded, word), 1);
    }
    return rc;
}

static enum err_code holds_exclude(const struct json *c,
                                   const struct constraint_text *t, bool *yes,
                                   struct err *e)
{
    enum err_code rc = ERR_OK;
    struct str word;

    *yes = true;
    for (size_t i = 0; has_word(c, i) && !rc && *yes; i++) {
        rc = word_at(c, i, t, &word, e);
        *yes = !times(t->folded, word);
    }
    return rc;
}

/* Each word comes first behind the first place of the one before it. */
static enum err_code holds_order(const struct json *c,
                                 const struct constraint_text *t, bool *yes,
                                 struct err *e)
{
    enum err_code rc = ERR_OK;
    size_t last = 0, at;
    struct str word;

    *yes = true;
    for (size_t i = 0; has_word(c, i) && !rc && *yes; i++) {
        rc = word_at(c, i, t, &word, e);
        at = find_word(t->folded, word, 0);
        *yes = at != (size_t)-1 && (!i || at > last);
        last = at;
    }
    return rc;
}

/* ---- beginning and end ---- */

static bool is_plain(struct str word)
{
    size_t len;

    return word.n && constraint_is_word_rune(text_rune(word, 0, &len));
}

static bool ends_plain(struct str word)
{
    size_t at = word.n, len;

    while (at && ((unsigned char)word.p[--at] & 0xC0) == 0x80)
        ;
    return word.n && constraint_is_word_rune(text_rune(word, at, &len));
}

/* Quotes and brackets before a phrase, stops and quotes after it, are no part
 * of what is asked for; marks of Markdown are left to the loose reading. */
static bool is_around(int32_t rune)
{
    return rune != '*' && rune != '#' && rune != '`' && rune != '_' &&
           rune != '~' && (text_is_punct(rune) || text_is_space(rune));
}

static bool begins(struct str s, struct str word)
{
    size_t len;

    while (is_plain(word) && s.n && is_around(text_rune(s, 0, &len)))
        s = str_sub(s, len, s.n);
    return str_starts(s, word);
}

static bool ends(struct str s, struct str word)
{
    size_t at, len;

    while (ends_plain(word) && s.n) {
        for (at = s.n - 1; at && ((unsigned char)s.p[at] & 0xC0) == 0x80; at--)
            ;
        if (!is_around(text_rune(s, at, &len)))
            break;
        s.n = at;
    }
    return str_ends(s, word);
}

static enum err_code piece_has(const struct json *c, struct str piece,
                               bool at_end, const struct constraint_text *t,
                               bool *yes, struct err *e)
{
    struct str s, word;
    enum err_code rc = match_fold(piece, fold, t->a, &s, e);

    *yes = false;
    for (size_t i = 0; has_word(c, i) && !rc && !*yes; i++) {
        rc = word_at(c, i, t, &word, e);
        *yes = at_end ? ends(s, word) : begins(s, word);
    }
    return rc;
}

/* Each piece, or the one that "at" names, counted from the end if below 0. */
static enum err_code holds_edge(const struct json *c, bool at_end,
                                const struct constraint_text *t, bool *yes,
                                struct err *e)
{
    const struct json *index = json_get(c, "at");
    double at = json_number(index);
    struct constraint_pieces p;
    size_t from = 0, to;
    enum err_code rc = constraint_pieces_of(
        t, constraint_piece_of(constraint_word(c, "of", "whole")), &p, e);

    to = p.n;
    if (index) {
        from = at > 0 ? (size_t)at - 1 : p.n - (size_t)-at;
        to = from + 1;
    }
    *yes = p.n > 0 && from < p.n;
    for (size_t i = from; i < to && !rc && *yes; i++)
        rc = piece_has(c, p.list[i], at_end, t, yes, e);
    return rc;
}

static enum err_code holds_begin(const struct json *c,
                                 const struct constraint_text *t, bool *yes,
                                 struct err *e)
{
    return holds_edge(c, false, t, yes, e);
}

static enum err_code holds_end(const struct json *c,
                               const struct constraint_text *t, bool *yes,
                               struct err *e)
{
    return holds_edge(c, true, t, yes, e);
}

/* ---- repetition ---- */

struct chunk {
    struct str s;
};

static size_t hash_of(struct str s)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001B3u;
    return (size_t)(h ^ h >> 29);
}

/* By a table of twice as many places, each the number of a chunk or 0. */
static enum err_code all_differ(const struct chunk *list, size_t n,
                                struct arena *a, bool *yes, struct err *e)
{
    size_t size = 16, at;
    uint32_t *table;

    while (size < 2 * n)
        size *= 2;
    table = arena_array(a, size, sizeof(*table));
    if (!table)
        return match_no_memory(e);
    *yes = true;
    for (size_t i = 0; i < n && *yes; i++) {
        for (at = hash_of(list[i].s) % size; table[at]; at = (at + 1) % size)
            if (str_eq(list[table[at] - 1].s, list[i].s))
                *yes = false;
        table[at] = (uint32_t)i + 1;
    }
    return ERR_OK;
}

/* Every run of n characters of the text without punctuation. */
static enum err_code runs_of(struct str s, size_t n, struct arena *a,
                             struct chunk **list, size_t *count, struct err *e)
{
    size_t *at = arena_array(a, s.n + 2, sizeof(*at)), runes = 0, len;

    *list = arena_array(a, s.n + 1, sizeof(**list));
    *count = 0;
    if (!at || !*list)
        return match_no_memory(e);
    for (size_t i = 0; i < s.n; i += len) {
        (void)text_rune(s, i, &len);
        at[runes++] = i;
    }
    at[runes] = s.n;
    for (size_t i = 0; i + n <= runes; i++)
        (*list)[(*count)++].s = str_sub(s, at[i], at[i + n]);
    return ERR_OK;
}

static enum err_code chunks_of(const struct constraint_text *t,
                               enum constraint_piece piece, struct chunk **list,
                               size_t *count, struct err *e)
{
    struct constraint_pieces p;
    enum err_code rc = constraint_pieces_of(t, piece, &p, e);
    size_t n = 0;

    if (rc)
        return rc;
    *list = arena_array(t->a, p.n + 1, sizeof(**list));
    if (!*list)
        return match_no_memory(e);
    for (size_t i = 0; i < p.n && !rc; i++) {
        rc = match_fold(p.list[i], fold | TEXT_NOSPACE | TEXT_NOPUNCT, t->a,
                        &(*list)[n].s, e);
        n += !rc && (*list)[n].s.n;
    }
    *count = n;
    return rc;
}

enum { RUN_LENGTH = 8, RUN_MOST = 100 };

static enum err_code holds_distinct(const struct json *c,
                                    const struct constraint_text *t, bool *yes,
                                    struct err *e)
{
    const char *of = constraint_word(c, "of", "line");
    double n = json_number(json_get(c, "n"));
    struct chunk *list = NULL;
    struct str bare;
    size_t n_list = 0;
    enum err_code rc;

    if (strcmp(of, "characters") != 0) {
        rc = chunks_of(t, constraint_piece_of(of), &list, &n_list, e);
    } else {
        rc = match_fold(t->folded, TEXT_NOSPACE | TEXT_NOPUNCT, t->a, &bare, e);
        n = n >= 1 && n <= RUN_MOST ? n : RUN_LENGTH;
        if (!rc)
            rc = runs_of(bare, (size_t)n, t->a, &list, &n_list, e);
    }
    *yes = false;
    return rc ? rc : all_differ(list, n_list, t->a, yes, e);
}

/* ---- characters ---- */

/* Full and half width are two characters: "without": "，" allows the comma of
 * the keyboard. */
static enum err_code holds_punctuation(const struct json *c,
                                       const struct constraint_text *t,
                                       bool *yes, struct err *e)
{
    const char *marks = constraint_word(c, "without", NULL);
    size_t len;

    (void)e;
    *yes = true;
    for (size_t at = 0; at < t->raw.n && *yes; at += len) {
        int32_t rune = text_rune(t->raw, at, &len);
        struct str s = str_sub(t->raw, at, at + len);

        *yes = marks ? str_find(str_of(marks), s, 0) == (size_t)-1
                     : !text_is_punct(rune);
    }
    return ERR_OK;
}

struct scripts {
    size_t letters, han, latin, upper, lower;
};

static struct scripts scripts_of(struct str s)
{
    struct scripts n = { 0 };
    size_t len;

    for (size_t at = 0; at < s.n; at += len) {
        int32_t rune = text_rune(s, at, &len);

        n.letters += text_is_letter(rune);
        n.han += text_is_han(rune);
        n.latin += text_is_letter(rune) && rune < 0x250;
        n.upper += rune >= 'A' && rune <= 'Z';
        n.lower += rune >= 'a' && rune <= 'z';
    }
    return n;
}

/* A Latin word weighs as one character: five letters say what two Han
 * characters say.  Simplified: OpenCC finds nothing to simplify. */
static enum err_code holds_language(const struct json *c,
                                    const struct constraint_text *t, bool *yes,
                                    struct err *e)
{
    const char *is = constraint_word(c, "is", "zh");
    double min = json_number(json_get(c, "share"));
    struct scripts n = scripts_of(t->raw);
    struct counts words = count(t->raw);
    struct str simple;
    enum err_code rc;
    double share;

    if (!strcmp(is, "simplified") || !strcmp(is, "traditional")) {
        rc = match_fold(t->raw, TEXT_SIMPLE, t->a, &simple, e);
        *yes =
            !rc && n.han && str_eq(simple, t->raw) == !strcmp(is, "simplified");
        return rc;
    }
    share = !strcmp(is, "zh")
                ? (words.words ? (double)n.han / (double)words.words : 0)
                : (n.letters ? (double)n.latin / (double)n.letters : 0);
    *yes = n.letters && share >= (min >= 0 ? min : 0.8);
    return ERR_OK;
}

static bool is_title_case(struct str s)
{
    bool inside = false;

    for (size_t i = 0; i < s.n; i++) {
        if (!inside && s.p[i] >= 'a' && s.p[i] <= 'z')
            return false;
        inside = match_is_latin(s.p[i]) || s.p[i] == '\'' ||
                 match_is_digit(s, i) || (unsigned char)s.p[i] >= 0x80;
    }
    return true;
}

static enum err_code holds_case(const struct json *c,
                                const struct constraint_text *t, bool *yes,
                                struct err *e)
{
    const char *is = constraint_word(c, "is", "lower");
    struct scripts n = scripts_of(t->raw);

    (void)e;
    if (!strcmp(is, "title"))
        *yes = n.upper && is_title_case(t->raw);
    else
        *yes = !strcmp(is, "upper") ? n.upper && !n.lower : n.lower && !n.upper;
    return ERR_OK;
}

/* How often the pattern hits; every empty hit moves on by one byte. */
static enum err_code holds_pattern(const struct json *c,
                                   const struct constraint_text *t, bool *yes,
                                   struct err *e)
{
    struct pattern *p;
    struct pattern_hit h;
    size_t n = 0, from = 0;
    bool found = true;
    enum err_code rc =
        pattern_open(&p, str_of(constraint_word(c, "is", "")), 0, e);

    while (!rc && found && from <= t->raw.n) {
        rc = pattern_find(p, t->raw, from, &h, &found, e);
        n += !rc && found;
        from = !rc && found && h.g[0].end > from ? h.g[0].end : from + 1;
        while (from < t->raw.n &&
               ((unsigned char)t->raw.p[from] & 0xC0) == 0x80)
            from++;
    }
    pattern_close(p);
    *yes = constraint_in_range(c, n, 1);
    return rc;
}

/* ---- the table ---- */

#define PIECES "whole|line|paragraph|sentence"
#define EDGE                                                                   \
    {                                                                          \
        { "words", CONSTRAINT_WORDS, true, NULL },                             \
            { "of", CONSTRAINT_ONE_OF, false, PIECES },                        \
            { "at", CONSTRAINT_INDEX, false, NULL },                           \
    }

const struct constraint constraints_of_text[] = {
    { "length",
      "how long it is",
      { { "unit", CONSTRAINT_ONE_OF, false,
          "characters|words|han|sentences|paragraphs|lines" },
        { "punctuation", CONSTRAINT_BOOL, false, NULL } },
      2,
      holds_length,
      false },
    { "include",
      "words that occur",
      { { "words", CONSTRAINT_WORDS, true, NULL },
        { "mode", CONSTRAINT_ONE_OF, false, "all|any" } },
      1,
      holds_include,
      true },
    { "exclude",
      "words that do not occur",
      { { "words", CONSTRAINT_WORDS, true, NULL } },
      0,
      holds_exclude,
      true },
    { "order",
      "words in this order",
      { { "words", CONSTRAINT_WORDS, true, NULL } },
      0,
      holds_order,
      true },
    { "begin", "what it begins with", EDGE, 0, holds_begin, false },
    { "end", "what it ends with", EDGE, 0, holds_end, false },
    { "distinct",
      "nothing is repeated",
      { { "of", CONSTRAINT_ONE_OF, false,
          "line|paragraph|sentence|characters" },
        { "n", CONSTRAINT_NUMBER, false, NULL } },
      0,
      holds_distinct,
      true },
    { "punctuation",
      "none of these marks, or none at all",
      { { "without", CONSTRAINT_TEXT, false, NULL } },
      0,
      holds_punctuation,
      false },
    { "language",
      "in Chinese or English, in simplified or traditional characters",
      { { "is", CONSTRAINT_ONE_OF, true, "zh|en|simplified|traditional" },
        { "share", CONSTRAINT_NUMBER, false, NULL } },
      0,
      holds_language,
      false },
    { "case",
      "the case of its Latin letters",
      { { "is", CONSTRAINT_ONE_OF, true, "upper|lower|title" } },
      0,
      holds_case,
      false },
    { "pattern",
      "how often a pattern hits",
      { { "is", CONSTRAINT_PATTERN, true, NULL } },
      1,
      holds_pattern,
      false },
    { NULL,
      NULL,
      { { NULL, CONSTRAINT_NUMBER, false, NULL } },
      0,
      NULL,
      false },
};
