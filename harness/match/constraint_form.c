/* Constraints on the form: JSON, lists, tables, titles, letters. */
#include <math.h>
#include <string.h>

#include "harness/match/constraint.h"
#include "harness/match/json_find.h"

static enum err_code lines_of(const struct constraint_text *t,
                              struct constraint_pieces *out, struct err *e)
{
    return constraint_pieces_of(t, PIECE_LINE, out, e);
}

/* ---- JSON ---- */

/* The text within its code fence, if the whole of it stands in one. */
static struct str unfence(struct str s)
{
    size_t nl = str_find(s, STR("\n"), 0);

    s = str_trim(s);
    if (!str_starts(s, STR("```")) || !str_ends(s, STR("```")) ||
        nl == (size_t)-1 || s.n < 7)
        return s;
    return str_trim(str_sub(s, str_find(s, STR("\n"), 0), s.n - 3));
}

static bool has_keys(const struct json *c, const struct json *value)
{
    const char *key;

    for (size_t i = 0; (key = match_accepted(json_get(c, "keys"), i)); i++)
        if (!json_get(value, key))
            return false;
    return true;
}

static enum err_code holds_json(const struct json *c,
                                const struct constraint_text *t, bool *yes,
                                struct err *e)
{
    struct json *value = NULL;
    const char *is = constraint_word(c, "is", NULL);
    enum err_code rc = json_parse(&value, unfence(t->raw), e);

    *yes = !rc && has_keys(c, value) &&
           (!is || json_type(value) ==
                       (!strcmp(is, "list") ? JSON_ARRAY : JSON_OBJECT));
    if (!rc)
        json_free(value);
    return rc == ERR_NOMEM ? rc : ERR_OK;
}

/* ---- lists ---- */

enum style { STYLE_NONE, STYLE_BULLET, STYLE_NUMBER };

static const struct match_rule item_rules[] = {
    { "bullet", "^(?:[-*+•·●○▪◦]|—)\\s+\\S|^[•·●○▪◦]\\S", 0, STYLE_BULLET },
    { "number",
      "^(?:\\*\\*)?(?:\\d{1,3}\\s*[.、)）．:：]|[(（]\\d{1,3}[)）]|[①-⑳]|"
      "[(（]?[一二三四五六七八九十]{1,3}[、)）.．:：]|"
      "第[一二三四五六七八九十\\d]{1,3}[条点步项]?[,，、:：.]|Step \\d+)",
      0, STYLE_NUMBER },
};
static struct match_rules items = MATCH_RULES(item_rules);

static enum err_code style_of(struct str line, enum style *style, struct err *e)
{
    enum err_code rc = match_rules_open(&items, e);
    struct pattern_hit h;
    bool found = false;

    *style = STYLE_NONE;
    for (size_t i = 0; i < items.n && !rc && !found; i++) {
        rc = match_rules_find(&items, i, line, 0, &h, &found, e);
        if (found)
            *style = (enum style)items.rules[i].tier;
    }
    return rc;
}

static size_t indent_of(struct str all, struct str line)
{
    const char *p = line.p;

    while (p > all.p && (p[-1] == ' ' || p[-1] == '\t'))
        p--;
    return (size_t)(line.p - p);
}

/* Items are the lines marked in the first item's style, no further in than it:
 * what hangs below an item is none. */
static enum err_code count_items(const struct constraint_text *t,
                                 enum style *first, size_t *n, struct err *e)
{
    struct constraint_pieces p;
    size_t indent = 0;
    enum err_code rc = lines_of(t, &p, e);

    *first = STYLE_NONE;
    *n = 0;
    for (size_t i = 0; i < p.n && !rc; i++) {
        enum style style;

        rc = style_of(p.list[i], &style, e);
        if (*first == STYLE_NONE && style != STYLE_NONE) {
            *first = style;
            indent = indent_of(t->raw, p.list[i]) + 1;
        }
        *n += style != STYLE_NONE && style == *first &&
              indent_of(t->raw, p.list[i]) <= indent;
    }
    return rc;
}

static enum err_code holds_list(const struct json *c,
                                const struct constraint_text *t, bool *yes,
                                struct err *e)
{
    const char *is = constraint_word(c, "is", NULL);
    enum style style;
    size_t n;
    enum err_code rc = count_items(t, &style, &n, e);

    *yes = constraint_in_range(c, n, 2) &&
           (!is || !n || (style == STYLE_NUMBER) == !strcmp(is, "numbered"));
    return rc;
}

/* ---- tables ---- */

enum { CELLS_MOST = 64 };

/* Cells of a line with bars; 0 if it has none. */
static size_t cells_of(struct str line, struct str *cells)
{
    size_t n = 0, bar;

    if (str_find(line, STR("|"), 0) == (size_t)-1)
        return 0;
    if (str_starts(line, STR("|")))
        line = str_sub(line, 1, line.n);
    if (str_ends(line, STR("|")))
        line.n--;
    while (n < CELLS_MOST) {
        bar = str_find(line, STR("|"), 0);
        cells[n++] = str_trim(str_sub(line, 0, bar));
        if (bar == (size_t)-1)
            break;
        line = str_sub(line, bar + 1, line.n);
    }
    return n;
}

static bool is_rule_line(struct str line)
{
    size_t dashes = 0;

    for (size_t i = 0; i < line.n; i++) {
        dashes += line.p[i] == '-';
        if (!strchr("|-: \t", line.p[i]) || !line.p[i])
            return false;
    }
    return dashes > 0 && str_find(line, STR("|"), 0) != (size_t)-1;
}

static enum err_code has_columns(const struct json *c,
                                 const struct constraint_text *t,
                                 const struct str *cells, size_t n, bool *yes,
                                 struct err *e)
{
    const unsigned fold =
        TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_NOSPACE | TEXT_NOPUNCT;
    const struct json *columns = json_get(c, "columns");
    double count = json_number(columns);
    struct str want, got;
    const char *name;
    enum err_code rc = ERR_OK;

    *yes = !columns || json_len(columns) == n || fabs((double)n - count) < 0.5;
    for (size_t i = 0; !rc && *yes && json_len(columns) && i < n; i++) {
        name = match_accepted(columns, i);
        rc = match_fold(str_of(name), fold, t->a, &want, e);
        if (!rc)
            rc = match_fold(cells[i], fold, t->a, &got, e);
        *yes = !rc && str_eq(want, got);
    }
    return rc;
}

/* A line of cells, a line of dashes, lines of as many cells. */
static enum err_code holds_table(const struct json *c,
                                 const struct constraint_text *t, bool *yes,
                                 struct err *e)
{
    struct str cells[CELLS_MOST];
    struct constraint_pieces p;
    size_t head = 0, n = 0, rows = 0;
    enum err_code rc = lines_of(t, &p, e);

    *yes = false;
    while (!rc && head + 1 < p.n && !is_rule_line(p.list[head + 1]))
        head++;
    if (rc || head + 1 >= p.n)
        return rc;
    for (size_t i = head + 2; i < p.n && cells_of(p.list[i], cells); i++)
        rows++;
    n = cells_of(p.list[head], cells);
    if (n < 1 || !constraint_in_range(c, rows, 1))
        return ERR_OK;
    return has_columns(c, t, cells, n, yes, e);
}

/* ---- titles ---- */

enum { TITLE_MOST = 40 };

static bool ends_sentence(struct str s)
{
    static const char *const stops[] = { "。", "！", "？", "；", "，", "：",
                                         ".",  ",",  ";",  ":",  "、" };

    for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
        if (str_ends(s, str_of(stops[i])))
            return true;
    return false;
}

static bool is_marked_title(struct str line)
{
    return (str_starts(line, STR("#")) && constraint_bare(line).n) ||
           (str_starts(line, STR("**")) && str_ends(line, STR("**")) &&
            line.n > 4) ||
           str_starts(line, STR("标题")) || str_starts(line, STR("题目")) ||
           str_starts(line, STR("Title:"));
}

static bool is_quoted(struct str line, const char *open, const char *close)
{
    size_t at = str_find(line, str_of(open), 0);
    size_t end = str_find(line, str_of(close), at == (size_t)-1 ? 0 : at);

    return at != (size_t)-1 && end != (size_t)-1 && end > at + strlen(open);
}

/* The first line is a title when it is marked as one, or short, without a stop
 * at its end, and not all there is. */
static enum err_code holds_title(const struct json *c,
                                 const struct constraint_text *t, bool *yes,
                                 struct err *e)
{
    const char *is = constraint_word(c, "is", "any");
    struct constraint_pieces p;
    enum err_code rc = lines_of(t, &p, e);
    struct str line = !rc && p.n ? p.list[0] : STR("");

    *yes = false;
    if (rc || p.n < 2)
        return rc;
    if (!strcmp(is, "quoted"))
        *yes = is_quoted(line, "《", "》") || is_quoted(line, "<<", ">>") ||
               is_quoted(line, "【", "】");
    else if (!strcmp(is, "heading"))
        *yes = str_starts(line, STR("#")) && constraint_bare(line).n > 0;
    else
        *yes = is_marked_title(line) || is_quoted(line, "《", "》") ||
               (text_count(line) <= TITLE_MOST && !ends_sentence(line) &&
                !str_starts(line, STR("-")) && !str_starts(line, STR("|")));
    return rc;
}

/* Headings of Markdown. */
static enum err_code holds_headings(const struct json *c,
                                    const struct constraint_text *t, bool *yes,
                                    struct err *e)
{
    double level = json_number(json_get(c, "level"));
    struct constraint_pieces p;
    size_t n = 0;
    enum err_code rc = lines_of(t, &p, e);

    for (size_t i = 0; i < p.n && !rc; i++) {
        size_t marks = 0;

        while (marks < p.list[i].n && p.list[i].p[marks] == '#')
            marks++;
        n += marks > 0 && marks < 7 && marks < p.list[i].n &&
             p.list[i].p[marks] == ' ' &&
             (isnan(level) || fabs((double)marks - level) < 0.5);
    }
    *yes = constraint_in_range(c, n, 1);
    return rc;
}

/* ---- letters ---- */

static const struct match_rule letter_rules[] = {
    { "salutation",
      "\\A(?:(?:尊敬|亲爱|敬爱|尊贵|可敬)的.{1,30}|Dear\\b.{1,40}|"
      "(?:致|To\\b).{1,30}|\\S{1,20}(?:您好|你好|同志|先生|女士|老师|经理|教授|"
      "同学|朋友|爸爸|妈妈|爷爷|奶奶|.{0,3}))[:：,，!！]\\s*(?:您好|你好|你们好|见信如晤|见字如面)?[!！。]?\\Z",
      PATTERN_CASELESS, 0 },
    { "closing",
      "此致|敬礼|顺颂|敬颂|顺祝|敬祝|谨祝|谨上|敬上|祝(?:您|你|好|愿|安|身体|工作|学习|生活|一切|大家|早日|健康|万事)|"
      "即颂|恭祝|盼复|Sincerely|Regards|Yours|Best wishes|Respectfully",
      PATTERN_CASELESS, 0 },
};
enum { SALUTATION, CLOSING };
static struct match_rules letter = MATCH_RULES(letter_rules);

struct letter {
    bool salutation, closing, signature;
};

static bool is_signature(struct str line)
{
    return text_count(line) <= 24 && !ends_sentence(line) &&
           !str_ends(line, STR("！")) && !str_ends(line, STR("!"));
}

/* The salutation is one of the first lines, the closing one of the last, and
 * the signature stands below the closing. */
static enum err_code read_letter(const struct constraint_pieces *p,
                                 struct letter *l, struct err *e)
{
    enum err_code rc = match_rules_open(&letter, e);
    struct pattern_hit h;
    bool hit;

    *l = (struct letter){ false, false, false };
    for (size_t i = 0; i < p->n && !rc; i++) {
        struct str line = constraint_bare(p->list[i]);

        if (i < 4 && !l->salutation) {
            rc = match_rules_find(&letter, SALUTATION, line, 0, &h, &hit, e);
            l->salutation = !rc && hit;
        }
        if (i + 8 < p->n || rc)
            continue;
        rc = match_rules_find(&letter, CLOSING, line, 0, &h, &hit, e);
        l->signature |= l->closing && !hit && is_signature(line);
        l->closing |= !rc && hit;
    }
    return rc;
}

static enum err_code holds_letter(const struct json *c,
                                  const struct constraint_text *t, bool *yes,
                                  struct err *e)
{
    const struct json *parts = json_get(c, "parts");
    struct constraint_pieces p;
    struct letter l;
    const char *part;
    enum err_code rc = lines_of(t, &p, e);

    if (!rc)
        rc = read_letter(&p, &l, e);
    if (rc)
        return rc;
    *yes = parts || (l.salutation && l.closing && l.signature);
    for (size_t i = 0; *yes && (part = match_accepted(parts, i)); i++)
        *yes = !strcmp(part, "salutation") ? l.salutation
               : !strcmp(part, "closing")  ? l.closing
                                           : l.signature;
    return ERR_OK;
}

/* ---- the table ---- */

const struct constraint constraints_of_form[] = {
    { "json",
      "all of it is JSON, in a code fence or not",
      { { "is", CONSTRAINT_ONE_OF, false, "object|list" },
        { "keys", CONSTRAINT_WORDS, false, NULL } },
      0,
      holds_json,
      false },
    { "list",
      "a list of so many items, bulleted or numbered",
      { { "is", CONSTRAINT_ONE_OF, false, "bulleted|numbered" } },
      1,
      holds_list,
      false },
    { "table",
      "a Markdown table; the range is that of its rows",
      { { "columns", CONSTRAINT_COLUMNS, false, NULL } },
      1,
      holds_table,
      false },
    { "title",
      "the first line is a title",
      { { "is", CONSTRAINT_ONE_OF, false, "any|quoted|heading" } },
      0,
      holds_title,
      false },
    { "headings",
      "Markdown headings",
      { { "level", CONSTRAINT_NUMBER, false, NULL } },
      1,
      holds_headings,
      false },
    { "letter",
      "salutation, closing and signature",
      { { "parts", CONSTRAINT_PARTS, false, "salutation|closing|signature" } },
      0,
      holds_letter,
      false },
    { NULL,
      NULL,
      { { NULL, CONSTRAINT_NUMBER, false, NULL } },
      0,
      NULL,
      false },
};
