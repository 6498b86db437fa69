/* How a fault is told: its line, its field, and to whom. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "suites/suite_load.h"

void suite_load_stop(struct loader *l, enum err_code rc)
{
    if (!l->rc)
        l->rc = rc;
}

const char *suite_load_quote(const char *s, char out[LOAD_QUOTE])
{
    struct str all = str_of(s), shown = { s, text_fit(all, 40) };

    if (shown.n > LOAD_QUOTE - 8)
        shown.n = text_whole((struct str){ s, LOAD_QUOTE - 8 });
    snprintf(out, LOAD_QUOTE, "%.*s%s", STR_FMT(shown),
             shown.n < all.n ? "..." : "");
    return out;
}

/* Where the first part of a field's name ("few_shot" of "few_shot.") stands in
 * the text at or after `from`, `from` when it is not there. */
static size_t find_part(struct str text, const char *part, size_t from)
{
    char quoted[80];
    size_t at;

    snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)strcspn(part, ".["), part);
    at = str_find(text, str_of(quoted), from);
    return at == (size_t)-1 ? from : at;
}

/* The line of suite.json where a field, or the object it should be in, stands;
 * 0 when neither does. */
static size_t find_line(const struct loader *l, const char *field)
{
    size_t at = 0, line = 1;

    if (*l->where)
        at = find_part(l->text, l->where, at);
    if (*field)
        at = find_part(l->text, field, at);
    for (size_t i = 0; i < at; i++)
        line += l->text.p[i] == '\n';
    return at ? line : 0;
}

/* "title.en"; the point is left out where no field follows. */
static const char *full_name(const struct loader *l, const char *field,
                             char out[128])
{
    size_t len = strlen(l->where);

    if (len && !*field)
        len--;
    snprintf(out, 128, "%.*s%s", (int)len, l->where, field);
    return out;
}

static void say(struct loader *l, size_t line, const char *mark,
                const char *field, const char *message)
{
    char name[128], marked[130];

    snprintf(marked, sizeof marked, "%s%s", mark, full_name(l, field, name));
    l->checks->fault(l->checks->user, l->file, line, marked, message);
}

/* Opening: the first fault is the error. */
static void fail(struct loader *l, size_t line, const char *field,
                 const char *message)
{
    char at[24] = "", name[128];

    if (line)
        snprintf(at, sizeof at, ":%zu", line);
    full_name(l, field, name);
    l->rc = err_set(l->e, ERR_FORMAT, "%s/%s%s: %s%s%s", l->s->path, l->file,
                    at, name, *name ? ": " : "", message);
}

void suite_load_fault(struct loader *l, const char *field, const char *fmt, ...)
{
    struct err text; /* cuts at a character's end */
    char msg[512];
    size_t line = l->line ? l->line : find_line(l, field);
    va_list ap;

    if (l->rc)
        return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    err_set(&text, ERR_FORMAT, "%s", msg);
    l->bad = true;
    l->n_faults++;
    if (l->checks)
        say(l, line, "", field, text.msg);
    else
        fail(l, line, field, text.msg);
}

void suite_load_warn(struct loader *l, size_t line, const char *field,
                     const char *fmt, ...)
{
    struct err text;
    char msg[512];
    va_list ap;

    if (l->rc || !l->checks)
        return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    err_set(&text, ERR_FORMAT, "%s", msg);
    l->n_warnings++;
    say(l, line, "~", field, text.msg);
}

/* A hook's message starts with the field it is about. */
static void take_hook(struct loader *l, enum err_code rc, const struct err *e)
{
    char field[32];
    size_t len = strcspn(e->msg, ": ");

    if (rc != ERR_FORMAT) {
        suite_load_stop(l, err_set(l->e, rc, "%s", e->msg));
        return;
    }
    if (e->msg[len] != ':' || len >= sizeof field)
        len = 0;
    snprintf(field, sizeof field, "%.*s", (int)len, e->msg);
    suite_load_fault(l, field, "%s", len ? e->msg + len + 2 : e->msg);
}

void suite_load_ask_item_hook(struct loader *l, const struct item *it)
{
    struct err e = { 0 };
    enum err_code rc;

    if (l->rc || l->bad || !l->checks || !l->checks->item)
        return;
    if (!suite_item_matcher(l->s, it)) /* told where suite.json was read */
        return;
    rc = l->checks->item(l->checks->user, l->s, it, &e);
    if (rc)
        take_hook(l, rc, &e);
}

void suite_load_ask_suite_hook(struct loader *l)
{
    struct err e = { 0 };
    enum err_code rc;

    if (l->rc || l->n_faults || !l->checks || !l->checks->suite)
        return;
    rc = l->checks->suite(l->checks->user, l->s, &e);
    if (rc)
        take_hook(l, rc, &e);
}
