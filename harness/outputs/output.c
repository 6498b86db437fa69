/* The table of formats, and what their readers share. */
#include "harness/outputs/output.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"

#define MAX_FILE ((size_t)1 << 30)
#define MAX_LEVELS 16

const struct output_format *const output_formats[] = {
#define OUTPUT_ENTRY(name) &output_##name,
    OUTPUT_FORMATS(OUTPUT_ENTRY)
#undef OUTPUT_ENTRY
        NULL
};

const struct output_format *output_format_find(const char *name)
{
    for (size_t i = 0; output_formats[i]; i++)
        if (strcmp(output_formats[i]->name, name) == 0)
            return output_formats[i];
    return NULL;
}

struct output *output_new(struct outputs *out, struct err *e)
{
    struct output *o;

    if (!mem_grow(&out->list, &out->cap, out->n + 1, sizeof *out->list)) {
        err_set(e, ERR_NOMEM, "no memory for %zu answers", out->n + 1);
        return NULL;
    }
    o = &out->list[out->n];
    *o = (struct output){
        .n_turns = 1,
        .questions = arena_array(out->arena, 1, sizeof *o->questions),
        .texts = arena_array(out->arena, 1, sizeof *o->texts),
        .finish = FINISH_STOP,
        .prompt_tokens = -1,
        .output_tokens = -1,
        .latency_ms = -1,
        .started_ms = -1,
        .theirs = NAN,
        .file = out->file,
    };
    if (out->arena->failed) {
        err_set(e, ERR_NOMEM, "no memory for an answer");
        return NULL;
    }
    out->n++;
    return o;
}

/* --- files ----------------------------------------------------------------- */

struct walk {
    const char *starts, *ends;
    struct outputs *out;
    enum err_code (*fn)(struct outputs *out, struct err *e);
    size_t found;
};

static enum err_code read_file(struct walk *w, const char *path, struct err *e)
{
    w->out->file = arena_strdup(w->out->arena, path);
    if (!w->out->file)
        return err_set(e, ERR_NOMEM, "no memory for a name");
    w->found++;
    return w->fn(w->out, e) ? err_wrap(e, "%s", path) : ERR_OK;
}

static bool ends_so(struct str name, const char *ends)
{
    for (size_t n; *ends; ends += n, ends += *ends == ' ') {
        n = strcspn(ends, " ");
        if (str_ends(name, (struct str){ ends, n }))
            return true;
    }
    return false;
}

static bool is_wanted(const struct walk *w, const char *name)
{
    struct str s = str_of(name);

    return name[0] != '.' && str_starts(s, str_of(w->starts)) &&
           ends_so(s, w->ends);
}

static enum err_code walk_folder(struct walk *w, const char *path, int level,
                                 struct err *e)
{
    char **names;
    size_t n;
    enum err_code rc = io_list(path, w->out->arena, &names, &n, e);

    if (!rc && level > MAX_LEVELS)
        rc = err_set(e, ERR_FORMAT, "%s: more than %d folders deep", path,
                     MAX_LEVELS);
    for (size_t i = 0; i < n && !rc; i++) {
        const char *inner = io_join(w->out->arena, path, names[i]);
        if (!inner)
            rc = err_set(e, ERR_NOMEM, "no memory for a name");
        else if (io_is_dir(inner))
            rc = walk_folder(w, inner, level + 1, e);
        else if (is_wanted(w, names[i]))
            rc = read_file(w, inner, e);
    }
    return rc;
}

/* "no file *.eval or *.json below it" */
static enum err_code no_file(const struct walk *w, const char *path,
                             struct err *e)
{
    struct buf b;
    enum err_code rc;

    buf_init(&b, 1 << 10);
    for (const char *end = w->ends; *end; end += *end == ' ') {
        size_t n = strcspn(end, " ");
        buf_printf(&b, "%s%s*%.*s", end == w->ends ? "" : " or ", w->starts,
                   (int)n, end);
        end += n;
    }
    rc = err_set(e, ERR_FORMAT, "%s: no file %s below it", path, b.p);
    buf_free(&b);
    return rc;
}

enum err_code output_files(
    const char *path, const char *starts, const char *ends, struct outputs *out,
    enum err_code (*fn)(struct outputs *out, struct err *e), struct err *e)
{
    struct walk w = { starts, ends, out, fn, 0 };
    enum err_code rc;

    if (!io_exists(path))
        return err_set(e, ERR_NOENV, "%s: no such file or folder", path);
    out->searching = io_is_dir(path);
    if (!out->searching)
        return read_file(&w, path, e);
    rc = walk_folder(&w, path, 0, e);
    if (!rc && w.found == 0)
        rc = no_file(&w, path, e);
    return rc;
}

/* --- JSON -------------------------------------------------------------------- */

/* The word of no JSON that stands at p, 0: none. */
static size_t no_json(struct str rest)
{
    static const char *const words[] = { "NaN", "Infinity", "-Infinity" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_starts(rest, str_of(words[i])))
            return strlen(words[i]);
    return 0;
}

static void tame(struct str s, struct buf *out)
{
    bool quoted = false;

    for (size_t i = 0; i < s.n; i++) {
        size_t n = quoted ? 0 : no_json(str_sub(s, i, s.n));
        if (n) {
            buf_str(out, "null");
            i += n - 1;
            continue;
        }
        if (s.p[i] == '"')
            quoted = !quoted;
        buf_char(out, s.p[i]);
        if (quoted && s.p[i] == '\\' && i + 1 < s.n)
            buf_char(out, s.p[++i]);
    }
}

enum err_code output_parse(struct json **out, struct str text, struct err *e)
{
    struct buf tamed;
    enum err_code rc;

    text = io_skip_bom(text);
    if (!memmem(text.p, text.n, "NaN", 3) &&
        !memmem(text.p, text.n, "Infinity", 8))
        return json_parse(out, text, e);
    *out = NULL;
    buf_init(&tamed, MAX_FILE);
    tame(text, &tamed);
    rc = buf_check(&tamed, "the file", e);
    if (!rc)
        rc = json_parse(out, buf_view(&tamed), e);
    buf_free(&tamed);
    return rc;
}

enum err_code output_whole(struct outputs *out, output_json_fn *fn,
                           struct err *e)
{
    struct json *j = NULL;
    struct buf text;
    enum err_code rc;

    buf_init(&text, MAX_FILE);
    rc = io_read(out->file, &text, e);
    if (!rc)
        rc = output_parse(&j, buf_view(&text), e);
    if (!rc)
        rc = fn(j, 0, out, e);
    json_free(j);
    buf_free(&text);
    return rc;
}

/* The parser saw one line, so its "line 1" is not the file's. */
static enum err_code no_value(size_t line, struct err *e)
{
    static const char line_1[] = "line 1 ";
    const struct err said = *e;
    size_t skip =
        str_starts(str_of(said.msg), str_of(line_1)) ? sizeof line_1 - 1 : 0;

    return err_set(e, said.code, "line %zu: %s", line, said.msg + skip);
}

static enum err_code read_line(const struct io_lines *l, output_json_fn *fn,
                               struct outputs *out, struct err *e)
{
    struct json *j = NULL;
    enum err_code rc;

    if (str_trim(l->line).n == 0)
        return ERR_OK;
    rc = output_parse(&j, l->line, e);
    if (rc)
        return no_value(l->number, e);
    rc = fn(j, l->number, out, e);
    json_free(j);
    return rc ? err_wrap(e, "line %zu", l->number) : ERR_OK;
}

enum err_code output_lines(struct outputs *out, output_json_fn *fn,
                           struct err *e)
{
    struct io_lines l = { 0 };
    struct buf text;
    enum err_code rc;

    buf_init(&text, MAX_FILE);
    rc = io_read(out->file, &text, e);
    l.rest = io_skip_bom(buf_view(&text));
    while (!rc && io_next_line(&l))
        rc = read_line(&l, fn, out, e);
    buf_free(&text);
    return rc;
}

/* --- members ---------------------------------------------------------------- */

/* "a.b": walks the dots. */
static const struct json *at_path(const struct json *j, struct str path)
{
    char key[64];

    while (j && path.n) {
        const char *dot = memchr(path.p, '.', path.n);
        size_t n = dot ? (size_t)(dot - path.p) : path.n;
        if (n >= sizeof key)
            return NULL;
        memcpy(key, path.p, n);
        key[n] = '\0';
        j = json_get(j, key);
        path = str_sub(path, dot ? n + 1 : n, path.n);
    }
    return j && json_type(j) != JSON_NULL ? j : NULL;
}

const struct json *output_member(const struct json *j, const char *keys)
{
    while (*keys) {
        size_t n = strcspn(keys, " ");
        const struct json *m = at_path(j, (struct str){ keys, n });
        if (m)
            return m;
        keys += n;
        keys += strspn(keys, " ");
    }
    return NULL;
}

const char *output_text(const struct json *j, struct arena *a)
{
    double v;

    if (!j)
        return NULL;
    switch (json_type(j)) {
    case JSON_STRING:
        return arena_strdup(a, json_string(j));
    case JSON_NUMBER:
        v = json_number(j);
        return fabs(v) < 1e15 && v == floor(v) ? arena_printf(a, "%.0f", v)
                                               : arena_printf(a, "%.17g", v);
    case JSON_BOOL:
        return json_bool(j) ? "true" : "false";
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return NULL;
}

const char *output_field(const struct json *j, const char *keys,
                         struct arena *a)
{
    return output_text(output_member(j, keys), a);
}

int64_t output_int(const struct json *j, const char *keys)
{
    double v = json_number(output_member(j, keys));

    return isnan(v) || v < 0 || v > 9e15 ? -1 : (int64_t)v;
}

static double named_score(const char *s)
{
    static const struct {
        const char *name;
        double score;
    } names[] = { { "C", 1 },       { "P", 0.5 },      { "I", 0 },
                  { "N", 0 },       { "correct", 1 },  { "incorrect", 0 },
                  { "wrong", 0 },   { "true", 1 },     { "false", 0 },
                  { "CORRECT", 1 }, { "INCORRECT", 0 } };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, s) == 0)
            return names[i].score;
    return NAN;
}

double output_score(const struct json *j, const char *keys)
{
    const struct json *m = output_member(j, keys);
    double v;

    if (!m)
        return NAN;
    if (json_type(m) == JSON_BOOL)
        return json_bool(m) ? 1 : 0;
    if (json_type(m) == JSON_STRING)
        return named_score(json_string(m));
    v = json_number(m);
    return v >= 0 && v <= 1 ? v : NAN;
}

const char *output_content(const struct json *m, struct arena *a)
{
    const struct json *content = output_member(m, "content prompt");
    const char *text = output_text(content, a);

    for (const struct json *p = json_child(content); p && !text;
         p = json_next(p))
        text = output_field(p, "text", a);
    return text ? text : "";
}

/* OpenCompass says HUMAN and BOT. */
static const char *role_of(const char *said)
{
    if (!said || strcmp(said, "HUMAN") == 0)
        return "user";
    if (strcmp(said, "BOT") == 0)
        return "assistant";
    return strcmp(said, "SYSTEM") == 0 ? "system" : said;
}

enum err_code output_messages(const struct json *j, struct outputs *out,
                              struct output *o, struct err *e)
{
    struct message *list;
    size_t n = 0;

    if (!j || json_type(j) != JSON_ARRAY || json_len(j) == 0)
        return ERR_OK;
    list = arena_array(out->arena, json_len(j), sizeof *list);
    for (const struct json *m = json_child(j); m && list; m = json_next(m)) {
        list[n].role = role_of(output_field(m, "role", out->arena));
        list[n++].content = output_content(m, out->arena);
    }
    o->messages = list;
    o->n_messages = n;
    return list ? ERR_OK : err_set(e, ERR_NOMEM, "no memory for messages");
}

/* --- choices and answers ---------------------------------------------------- */

static void add_choice(struct output *o, const char *key, const char *text)
{
    if (key && text)
        o->choices[o->n_choices++] = (struct choice){ key, text };
}

/* Members A, B, C ... as many as follow each other. */
static void lettered_members(const struct json *j, struct outputs *out,
                             struct output *o)
{
    for (size_t i = 0; i < 26; i++) {
        const char key[2] = { "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i], '\0' };
        const char *text = output_text(json_get(j, key), out->arena);
        if (!text)
            break;
        add_choice(o, arena_strdup(out->arena, key), text);
    }
}

static void listed(const struct json *list, struct outputs *out,
                   struct output *o)
{
    char letter = 'A';

    for (const struct json *c = json_child(list); c && letter <= 'Z';
         c = json_next(c), letter++) {
        const char *text = output_text(c, out->arena);
        const char *key = json_type(list) == JSON_OBJECT
                              ? arena_strdup(out->arena, json_key(c))
                              : arena_printf(out->arena, "%c", letter);
        if (!text)
            text = output_field(c, "text content", out->arena);
        add_choice(o, key, text);
    }
}

enum err_code output_choices(const struct json *j, const struct json *list,
                             struct outputs *out, struct output *o,
                             struct err *e)
{
    size_t room = list ? json_len(list) : 26;

    o->n_choices = 0;
    o->choices = arena_array(out->arena, room + 1, sizeof *o->choices);
    if (!o->choices)
        return err_set(e, ERR_NOMEM, "no memory for choices");
    if (list)
        listed(list, out, o);
    else
        lettered_members(j, out, o);
    if (o->n_choices < 2)
        o->n_choices = 0;
    return ERR_OK;
}

/* "2", or the text of the third option, with options A to D: "C". */
static const char *as_key(const char *said, const struct output *o)
{
    char *end;
    long i;

    for (size_t k = 0; k < o->n_choices; k++)
        if (strcmp(o->choices[k].key, said) == 0)
            return said;
    for (size_t k = 0; k < o->n_choices; k++)
        if (strcmp(o->choices[k].text, said) == 0)
            return o->choices[k].key;
    i = strtol(said, &end, 10);
    if (*said && !*end && i >= 0 && (size_t)i < o->n_choices)
        return o->choices[i].key;
    return said;
}

static void put_texts(const struct json *target, struct outputs *out,
                      const struct output *o, struct jw *w)
{
    jw_array(w, NULL);
    for (const struct json *t = json_child(target); t; t = json_next(t)) {
        const char *s = output_text(t, out->arena);
        if (s)
            jw_str(w, NULL, as_key(s, o));
    }
    jw_end(w);
}

enum err_code output_answer(const struct json *target, struct outputs *out,
                            struct output *o, struct err *e)
{
    struct buf b;
    struct jw w;
    enum err_code rc;

    if (!target)
        return ERR_OK;
    /* A list of one is the same as its member. */
    if (json_type(target) == JSON_ARRAY && json_len(target) == 1)
        target = json_child(target);
    buf_init(&b, MAX_FILE);
    jw_init(&w, &b, false);
    if (json_type(target) == JSON_ARRAY) {
        put_texts(target, out, o, &w);
    } else {
        const char *s = output_text(target, out->arena);
        if (s)
            jw_str(&w, NULL, as_key(s, o));
    }
    rc = buf_check(&b, "an answer", e);
    if (!rc && b.n && !(o->answer = arena_dup(out->arena, b.p, b.n)))
        rc = err_set(e, ERR_NOMEM, "no memory for an answer");
    buf_free(&b);
    return rc;
}

/* --- names ------------------------------------------------------------------ */

const char *output_slug(const char *name, struct arena *a)
{
    char *s = arena_strdup(a, name);
    size_t n = 0;

    for (size_t i = 0; s && s[i]; i++) {
        unsigned char c = (unsigned char)s[i];
        bool fit = c < 128 && (isalnum(c) || c == '_' || c == '.');
        if (fit && (n || isalnum(c)))
            s[n++] = (char)tolower(c);
        else if (n && s[n - 1] != '-')
            s[n++] = '-';
    }
    while (n && s[n - 1] == '-')
        n--;
    if (s)
        s[n] = '\0';
    return n ? s : "imported";
}

const char *output_stem(const char *path, struct arena *a)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');

    return arena_dup(a, base,
                     dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

const char *output_parent(const char *path, struct arena *a)
{
    const char *end = strrchr(path, '/'), *start;

    if (!end)
        return "";
    for (start = end; start > path && start[-1] != '/';)
        start--;
    return arena_dup(a, start, (size_t)(end - start));
}
