/* Rows that plans and imports write alike: suites, items, prompts. */
#ifndef MK_ROWS_H
#define MK_ROWS_H

#include "harness/base/err.h"
#include "harness/store/store.h"
#include "runners/runner.h"
#include "suites/suite.h"

enum err_code rows_put_suite(struct store *db, const struct suite *s,
                             int64_t *id, struct err *e) MUST_CHECK;
/* suite: the row of s. */
enum err_code rows_put_item(struct store *db, const struct suite *s,
                            const struct item *it, int64_t suite, int64_t *id,
                            struct err *e) MUST_CHECK;
/* What q asks, without its sampling. */
enum err_code rows_put_prompt(struct store *db, const struct request *q,
                              int64_t *id, struct err *e) MUST_CHECK;

#endif
