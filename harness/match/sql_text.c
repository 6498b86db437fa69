/* Where the SQL of a reply stands.
 *
 * A statement begins with its verb at the start of a line, or behind a colon;
 * in running text it ends with its semicolon, an empty line, or a line of
 * prose.  Verbs that change something are found too: they are an answer, a
 * wrong one. */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "harness/match/fence.h"

static const char *const verbs[] = {
    "select",  "with",    "values", "insert", "update", "delete",
    "drop",    "create",  "alter",  "attach", "pragma", "detach",
    "replace", "explain", "vacuum", "reindex"
};

/* In running text: bytes behind the brackets of a statement that are looked at,
 * and comments before its verb. */
enum { FRONT_MOST = 400, COMMENTS_MOST = 8 };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 0x80;
}

/* Behind the blanks and opening brackets that stand at i. */
static size_t skip_blanks(struct str s, size_t i)
{
    while (i < s.n && s.p[i] && strchr(" \t\r\n(", s.p[i]))
        i++;
    return i;
}

/* Blanks, comments and opening brackets before a statement. */
static size_t skip_front(struct str s, size_t comments)
{
    size_t i = skip_blanks(s, 0);

    for (; comments > 0 && i < s.n; comments--) {
        struct str rest = str_sub(s, i, s.n);

        if (str_starts(rest, STR("--"))) {
            const char *end = memchr(rest.p, '\n', rest.n);
            i = end ? (size_t)(end - s.p) : s.n;
        } else if (str_starts(rest, STR("/*"))) {
            size_t end = str_find(s, STR("*/"), i + 2);
            i = end == (size_t)-1 ? s.n : end + 2;
        } else {
            break;
        }
        i = skip_blanks(s, i);
    }
    return i;
}

/* WITH opens a query only as "WITH name AS (" or "WITH name(", not as an
 * English word. */
static bool is_with_query(struct str s)
{
    size_t open;

    s = str_sub(s, 0, 200);
    open = str_find(s, STR("("), 0);
    if (open == (size_t)-1 || open < 6)
        return false;
    s = str_trim(str_sub(s, 4, open));
    if (s.n > 10 && strncasecmp(s.p, "recursive ", 10) == 0)
        s = str_trim(str_sub(s, 10, s.n));
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == ' ' || s.p[i] == '\n')
            return strncasecmp(str_trim(str_sub(s, i, s.n)).p, "as", 2) == 0;
    return s.n > 0;
}

/* In prose a verb counts only as a whole word with a blank, a bracket or a
 * star behind it. */
static bool is_statement(struct str s, size_t comments)
{
    size_t at = skip_front(s, comments);

    s = str_sub(s, at, s.n);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        size_t n;

        if (!s.n || (s.p[0] | 0x20) != verbs[i][0])
            continue;
        n = strlen(verbs[i]);
        if (s.n > n && strncasecmp(s.p, verbs[i], n) == 0 && !is_word(s.p[n]))
            return i != 1 || is_with_query(s);
    }
    return false;
}

static struct str in_fences(struct str text)
{
    struct str found = { text.p, 0 };
    struct fence f;
    size_t at = 0;

    while (fence_next(text, &at, &f))
        if (is_statement(f.body, SIZE_MAX))
            found = str_trim(f.body);
    return found;
}

/* `SELECT ...` within a line. */
static struct str in_backticks(struct str text)
{
    struct str found = { text.p, 0 };

    for (size_t i = 0; i < text.n; i++) {
        const char *end;
        if (text.p[i] != '`')
            continue;
        end = memchr(text.p + i + 1, '`', text.n - i - 1);
        if (!end)
            break;
        if (is_statement(str_sub(text, i + 1, (size_t)(end - text.p)),
                         SIZE_MAX))
            found = str_sub(text, i + 1, (size_t)(end - text.p));
        i = (size_t)(end - text.p);
    }
    return found;
}

/* Behind the quotation that begins at i. */
static size_t skip_quoted(struct str s, size_t i)
{
    const char *end = memchr(s.p + i + 1, s.p[i], s.n - i - 1);

    return end ? (size_t)(end - s.p) + 1 : s.n;
}

static size_t mark_of_prose(struct str line, size_t i)
{
    static const char *const marks[] = { "。", "；", "！", "？", "，", "：" };

    if (line.p[i] != '\xE3' && line.p[i] != '\xEF')
        return 0; /* no mark begins so */
    for (size_t m = 0; m < sizeof marks / sizeof *marks; m++)
        if (str_starts(str_sub(line, i, line.n), str_of(marks[m])))
            return strlen(marks[m]);
    return 0;
}

/* Names may be Chinese, and brackets full width; sentence marks outside of
 * quotations are prose. */
static bool is_prose(struct str line)
{
    for (size_t i = 0; i < line.n;) {
        if (line.p[i] == '\'' || line.p[i] == '"' || line.p[i] == '`') {
            i = skip_quoted(line, i);
            continue;
        }
        if (mark_of_prose(line, i))
            return true;
        i++;
    }
    return false;
}

/* Where the statement that begins at i ends. */
static size_t statement_end(struct str s, size_t i)
{
    while (i < s.n) {
        char c = s.p[i];
        if (c == '\'' || c == '"') {
            i = skip_quoted(s, i);
            continue;
        }
        if (c == ';')
            return i + 1;
        if (mark_of_prose(s, i) && (str_starts(str_sub(s, i, s.n), STR("。")) ||
                                    str_starts(str_sub(s, i, s.n), STR("；"))))
            return i;
        if (c == '\n') {
            const char *end = memchr(s.p + i + 1, '\n', s.n - i - 1);
            struct str line =
                str_sub(s, i + 1, end ? (size_t)(end - s.p) : s.n);
            if (!str_trim(line).n || is_prose(line))
                return i;
        }
        i++;
    }
    return s.n;
}

/* At the start of a line, or behind a colon. */
static bool may_begin(struct str s, size_t i)
{
    struct str before;

    while (i > 0 && (s.p[i - 1] == ' ' || s.p[i - 1] == '\t' ||
                     s.p[i - 1] == '"' || s.p[i - 1] == '*'))
        i--;
    before = str_sub(s, 0, i);
    return i == 0 || before.p[i - 1] == '\n' || before.p[i - 1] == ':' ||
           str_ends(before, STR("：")) || str_ends(before, STR("是")) ||
           str_ends(before, STR("为")) || str_ends(before, STR("“"));
}

static bool may_be_verb(char c)
{
    return c == '(' || (c && strchr("swviudcaprexSWVIUDCAPREX", c));
}

/* All brackets of one front lead to the same statement, or to none. */
static struct str in_prose(struct str text)
{
    struct str found = { text.p, 0 };

    for (size_t i = 0, at; i < text.n;) {
        if (!may_be_verb(text.p[i]) || !may_begin(text, i)) {
            i++;
            continue;
        }
        at = skip_blanks(text, i);
        if (is_statement(str_sub(text, at, at + FRONT_MOST), COMMENTS_MOST)) {
            at = statement_end(text, i);
            found = str_trim(str_sub(text, i, at));
        }
        i = at > i ? at : i + 1;
    }
    return found;
}

struct str sql_find(struct str text)
{
    struct str found = in_fences(text);

    if (!found.n)
        found = in_backticks(text);
    return found.n ? found : in_prose(text);
}
