/* The table in memory, shared by the files that read it and answer from it. */
#ifndef MK_PROVIDER_ROWS_H
#define MK_PROVIDER_ROWS_H

#include "runners/provider.h"

struct providers {
    struct arena arena;
    struct provider *rows;
    struct json **trees; /* [n], a row of two files merged; NULL: of one */
    size_t n, cap;
    struct json *files[2]; /* the built-in one, the user's */
    size_t n_files;
};

/* Checks a row and reads it into p, whose id is set; what p points to lives as
 * long as the row's tree or file. */
enum err_code provider_read(const struct json *row, struct arena *a,
                            struct provider *p, struct err *e) MUST_CHECK;

#endif
