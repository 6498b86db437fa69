/* Logs of inspect_ai of any bytes: as a zip archive when they begin as one, as
 * JSON otherwise.  What is read has what the importer takes for granted. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/outputs/output.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static char path[64];

static void clean_up(void)
{
    (void)remove(path);
}

static void must(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void check(const struct output *o)
{
    must(o->id && o->suite && o->file, "an answer has a name");
    must(o->n_turns == 1 && o->questions[0], "something was asked");
    must(o->texts[0] || o->error, "an answer or an error");
    must(o->n_choices != 1, "one choice is none");
    for (size_t i = 0; i < o->n_messages; i++)
        must(o->messages[i].role && o->messages[i].content, "a message");
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct str bytes = { (const char *)data, size };
    struct arena a;
    struct outputs out = { .arena = &a };
    struct err e;

    if (!*path) {
        snprintf(path, sizeof path, "/dev/shm/mokao-fuzz-inspect-%ld",
                 (long)getpid());
        atexit(clean_up);
    }
    arena_init(&a, 0);
    must(!io_replace(path, bytes, &e), "a file");
    if (output_format_find("inspect")->read(path, &out, &e))
        must(text_check(str_of(e.msg), NULL), "a fault in whole characters");
    else
        for (size_t i = 0; i < out.n; i++)
            check(&out.list[i]);
    mem_free(out.list);
    arena_free(&a);
    return 0;
}
