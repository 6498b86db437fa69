/* mokao import of outputs: reads, stores, tells what came of it. */
#ifndef MK_IMPORT_OUTPUTS_H
#define MK_IMPORT_OUTPUTS_H

#include "harness/outputs/output.h"
#include "report/report.h"

struct import_options {
    const char *db;
    bool official, differences;
    const struct report_format *format;
    struct output_import how; /* store and run are filled in */
};

enum err_code import_outputs(const struct output_format *f, const char *path,
                             struct import_options *o, struct arena *a,
                             struct err *e) MUST_CHECK;

#endif
