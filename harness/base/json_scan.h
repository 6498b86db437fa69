/* Within base: the grammar of JSON, checked before cJSON reads a text. */
#ifndef MK_JSON_SCAN_H
#define MK_JSON_SCAN_H

#include "harness/base/err.h"
#include "harness/base/text.h"

#define JSON_SAFE_INT 9007199254740992.0 /* 2^53: the next are rounded */

/* One value that is all of the text: UTF-8, no deeper than JSON_DEPTH, no
 * integer that a double would round, no \u0000.  The message names line and
 * column, from 1, in characters. */
enum err_code json_scan(struct str text, struct err *e) MUST_CHECK;

#endif
