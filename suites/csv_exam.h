/* Exams as folders of CSV files: one file a subject and split, one row a
 * question with four choices.  C-Eval, CMMLU and their relatives differ in
 * names only, so an importer of that kind is one struct csv_exam. */
#ifndef MK_CSV_EXAM_H
#define MK_CSV_EXAM_H

#include "suites/suite.h"

struct csv_subject {
    const char *name, *zh, *en, *group; /* en, group: or NULL */
};

struct csv_exam {
    const struct suite *head;      /* id, version, titles ... */
    const char *dev_dir, *dev_end; /* "dev", "_dev.csv" */
    const char *items_dir, *items_end;
    const char *question, *answer; /* column names */
    const char *explanation;       /* column of dev, or NULL */
    /* The names of subjects, sorted by name; those that are not there are
     * called by the file's. */
    const struct csv_subject *subjects;
    size_t n_subjects;
};

/* Reads the folder `path`, writes the suite below `dest`.  A folder that does
 * not have the layout, a subject without examples, and a row that is no
 * question are errors that name file, row and column. */
enum err_code csv_exam_import(const struct csv_exam *x, const char *path,
                              const char *dest, size_t *n_items,
                              struct err *e) MUST_CHECK;

#endif
