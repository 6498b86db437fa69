/* A dictionary, a model and a text from any bytes, "\n%%\n" between them.  What
 * opens cuts the text into words that together are the text. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/match/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char paths[2][64];

static void clean_up(void)
{
    for (size_t i = 0; i < 2; i++)
        (void)remove(paths[i]);
}

/* A file of this process in memory. */
static const char *put(size_t i, struct str text)
{
    struct err e;

    if (!*paths[i]) {
        if (i == 0)
            atexit(clean_up);
        snprintf(paths[i], sizeof paths[i], "/dev/shm/mokao-fuzz-words-%ld-%zu",
                 (long)getpid(), i);
    }
    if (io_replace(paths[i], text, &e))
        abort();
    return paths[i];
}

static struct str next_part(struct str *rest)
{
    size_t at = str_find(*rest, STR("\n%%\n"), 0);
    struct str part = str_sub(*rest, 0, at);

    *rest = str_sub(*rest, at == (size_t)-1 ? rest->n : at + 4, rest->n);
    return part;
}

static bool follows(void *user, struct str word)
{
    const char **at = user;

    if (word.p != *at || !word.n)
        abort();
    *at += word.n;
    return true;
}

static void cut(const struct words *w, struct str text)
{
    const char *at = text.p;
    struct arena a;
    struct err e;

    arena_init(&a, 0);
    if (words_cut(w, text, &a, follows, &at, &e) || at != text.p + text.n)
        abort();
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = { (const char *)data, size };
    const char *dictionary = put(0, next_part(&rest));
    struct str part = next_part(&rest);
    const char *models[] = { "none", "dictionary", put(1, part) };
    struct words *w;
    struct err e;

    for (size_t i = 0; i < 3 && text_check(rest, NULL); i++) {
        enum err_code rc = words_open(&w, dictionary, models[i], &e);

        if (rc && rc != ERR_FORMAT)
            abort();
        if (!rc)
            cut(w, rest);
        words_close(w);
    }
    return 0;
}
