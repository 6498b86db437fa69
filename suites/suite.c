/* Suites: open, close, look up, and the table of formats. */
#include "suites/suite.h"

#include <stdlib.h>
#include <string.h>

#include "suites/suite_load.h"

#define FORMAT_ROW(name) &suite_format_##name,
const struct suite_format *const suite_formats[] = { SUITE_FORMATS(FORMAT_ROW)
                                                         NULL };

enum err_code suite_open(struct suite **out, const char *path, struct err *e)
{
    struct suite *s = mem_zalloc(sizeof *s);
    struct loader l = { .s = s, .e = e };

    *out = NULL;
    if (!s)
        return err_set(e, ERR_NOMEM, "%s: no memory", path);
    arena_init(&s->arena, 0);
    suite_load_suite(&l, path);
    if (l.rc)
        suite_close(s);
    else
        *out = s;
    return l.rc;
}

void suite_close(struct suite *s)
{
    if (!s)
        return;
    arena_free(&s->arena);
    mem_free(s);
}

static int cmp_title(const void *key, const void *row)
{
    return strcmp(key, ((const struct subset_title *)row)->subset);
}

const struct subset_title *suite_subset_title(const struct suite *s,
                                              const char *subset)
{
    if (s->n_subset_titles == 0)
        return NULL;
    return bsearch(subset, s->subset_titles, s->n_subset_titles,
                   sizeof *s->subset_titles, cmp_title);
}

const char *suite_item_matcher(const struct suite *s, const struct item *it)
{
    return it->matcher ? it->matcher : s->matcher;
}

/* Backs up to the last star instead of trying each place anew, so that a glob
 * from the command line cannot take more than length x length steps. */
bool suite_subset_matches(const char *glob, const char *subset)
{
    const char *star = NULL, *from = NULL;

    if (!*glob)
        return true;
    while (*subset) {
        if (*glob == '*') {
            star = glob++;
            from = subset;
        } else if (*glob == '?' || *glob == *subset) {
            size_t len = 1;
            if (*glob == '?')
                text_rune(str_of(subset), 0, &len);
            glob++;
            subset += len;
        } else if (star) {
            glob = star + 1;
            subset = ++from;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return !*glob;
}

const struct suite_format *suite_format_find(const char *name,
                                             const char **nearest)
{
    size_t least = (size_t)-1;

    for (size_t i = 0; suite_formats[i]; i++) {
        const char *have = suite_formats[i]->name;
        size_t d = text_distance(str_of(name), str_of(have));
        if (strcmp(name, have) == 0)
            return suite_formats[i];
        if (nearest && d < least) {
            least = d;
            *nearest = have;
        }
    }
    return NULL;
}
