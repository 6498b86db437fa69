/* What fuzzers share: promises, parts of an input, and a folder in memory for
 * parsers that read files. */
#ifndef MK_FUZZ_H
#define MK_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static inline struct str fuzz_text(const uint8_t *data, size_t size)
{
    return (struct str){ (const char *)data, size };
}

/* The next part of the input: up to a line "%%". */
static inline struct str fuzz_part(struct str *rest)
{
    size_t at = str_find(*rest, STR("\n%%\n"), 0);
    struct str part = str_sub(*rest, 0, at);

    *rest = str_sub(*rest, at == (size_t)-1 ? rest->n : at + 4, rest->n);
    return part;
}

static inline const char *fuzz_folder(void);

static inline void fuzz_clean(void)
{
    char command[96];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", fuzz_folder());
    (void)!system(command);
}

/* A folder of this process. */
static inline const char *fuzz_folder(void)
{
    static char path[64];

    if (!*path) {
        (void)snprintf(path, sizeof(path), "/dev/shm/mokao-fuzz-%ld",
                       (long)getpid());
        (void)atexit(fuzz_clean);
    }
    return path;
}

/* Writes a file of that name (with its folders) in the folder; its path. */
static inline const char *fuzz_file(struct arena *a, const char *name,
                                    struct str text)
{
    char *path = io_join(a, fuzz_folder(), name);
    char *dir = arena_strdup(a, path);
    struct err e;
    FILE *f;

    for (size_t i = strlen(dir); i-- > 0;)
        if (dir[i] == '/') {
            dir[i] = '\0';
            break;
        }
    must(io_is_dir(dir) || !io_mkdirs(dir, &e), "a folder");
    f = fopen(path, "wb"); /* io_replace() would wait for the disk */
    must(f != NULL && fwrite(text.p, 1, text.n, f) == text.n && !fclose(f),
         "a file");
    return path;
}

#endif
