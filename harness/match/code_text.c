/* Where the program of a reply stands. */
#include "harness/match/code_text.h"

#include <string.h>

#include "harness/base/io.h"
#include "harness/match/fence.h"

static const char *const python_starts[] = { "def ",  "class ", "import ",
                                             "from ", "@",      "async def ",
                                             NULL };
static const char *const c_starts[] = {
    "#include", "#define",  "int ",     "void ",     "char ",
    "double ",  "float ",   "long ",    "unsigned ", "bool ",
    "static ",  "struct ",  "typedef ", "size_t ",   "const ",
    "using ",   "template", "vector<",  "string ",   NULL
};

const struct code_language code_python = { "python", "python py python3",
                                           python_starts };
const struct code_language code_c = { "c", "c h", c_starts };
const struct code_language code_cpp = { "c++", "c++ cpp cc cxx c", c_starts };

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

/* The name as a whole word with an opening bracket behind it. */
static bool is_called(struct str line, size_t at, size_t n)
{
    size_t i = at + n;

    if (at > 0 && is_name(line.p[at - 1]))
        return false;
    while (i < line.n && line.p[i] == ' ')
        i++;
    return i < line.n && (line.p[i] == '(' || line.p[i] == ':');
}

/* In Python "def" or "class" stands before it; in C a definition begins at the
 * left margin with a type, and no semicolon ends its line. */
static bool defines_here(const struct code_language *l, struct str line,
                         size_t at)
{
    struct str before = str_trim(str_sub(line, 0, at));

    if (l == &code_python)
        return str_ends(before, STR("def")) || str_ends(before, STR("class"));
    return before.n && is_name(line.p[0]) &&
           !str_starts(before, STR("return")) &&
           !str_ends(str_trim(line), STR(";"));
}

bool code_defines(const struct code_language *l, struct str code,
                  const char *name)
{
    struct str want = str_of(name);
    struct io_lines lines = { .rest = code };

    if (!want.n)
        return false;
    while (io_next_line(&lines)) {
        size_t at = 0;
        while ((at = str_find(lines.line, want, at)) != (size_t)-1) {
            if (is_called(lines.line, at, want.n) &&
                defines_here(l, lines.line, at))
                return true;
            at += want.n;
        }
    }
    return false;
}

/* ---- blocks ---- */

static struct str best_fence(const struct code_language *l, struct str text,
                             const char *entry, bool tagged)
{
    struct str best = { text.p, 0 };
    bool defined = false;
    struct fence f;
    size_t at = 0;

    while (fence_next(text, &at, &f)) {
        bool defines = entry && code_defines(l, f.body, entry);
        if (tagged ? !fence_tag_is(f.tag, l->tags) : f.tag.n > 0)
            continue;
        if (defines || (!defined && f.body.n >= best.n))
            best = f.body;
        defined = defined || defines;
    }
    return best;
}

/* ---- running text ---- */

static bool begins_code(const struct code_language *l, struct str line)
{
    for (size_t i = 0; line.n && l->starts[i]; i++)
        if (*line.p == *l->starts[i] && str_starts(line, str_of(l->starts[i])))
            return true;
    return false;
}

/* Prose behind a program: a line at the left margin that begins with a Chinese
 * character. */
static bool is_prose(struct str line)
{
    size_t len;

    return line.n && text_is_han(text_rune(line, 0, &len));
}

static struct str plain(const struct code_language *l, struct str text)
{
    struct io_lines lines = { .rest = text };
    size_t from = text.n;

    while (io_next_line(&lines)) {
        size_t at = (size_t)(lines.line.p - text.p);
        if (from == text.n && begins_code(l, lines.line))
            from = at;
        else if (from < text.n && is_prose(lines.line))
            return str_sub(text, from, at);
    }
    return str_sub(text, from, text.n);
}

struct str code_find(const struct code_language *l, struct str text,
                     const char *entry)
{
    struct str found = best_fence(l, text, entry, true);

    if (!str_trim(found).n)
        found = best_fence(l, text, entry, false);
    return str_trim(found).n ? found : plain(l, text);
}

/* ---- unfinished functions ---- */

static bool begins_body(const struct code_language *l, struct str text)
{
    static const char *const words[] = { "return", "for ", "if ",    "while ",
                                         "try:",   "with", "raise ", "yield " };

    if (text.n && (text.p[0] == ' ' || text.p[0] == '\t'))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_starts(text, str_of(words[i])))
            return true;
    return begins_code(l, text) && l != &code_python;
}

static bool is_inside(char c)
{
    return c == ' ' || c == '\t' || c == '}' || c == '\r';
}

struct str code_body(const struct code_language *l, struct str text)
{
    struct io_lines lines;

    while (text.n && (text.p[0] == '\n' || text.p[0] == '\r'))
        text = str_sub(text, 1, text.n);
    if (!begins_body(l, text))
        return str_sub(text, 0, 0);
    lines = (struct io_lines){ .rest = text };
    while (io_next_line(&lines)) {
        size_t at = (size_t)(lines.line.p - text.p);
        if (at > 0 && lines.line.n && !is_inside(lines.line.p[0]))
            return str_sub(text, 0, at);
    }
    return text;
}

bool code_lost_margin(struct str body)
{
    return body.n && body.p[0] != ' ' && body.p[0] != '\t';
}
