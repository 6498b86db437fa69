/* Models behind a provider: what their specs say, completed from its row. */
#ifndef MK_MODELS_REMOTE_H
#define MK_MODELS_REMOTE_H

#include "runners/provider.h"
#include "runners/runner.h"

/* Reads "PROVIDER:MODEL", "PROVIDER:URL#MODEL" or "http(s)://...#MODEL" into
 * *out, which has been set up; *is is false when the spec is none of these.
 * Opens *table when it is needed and NULL; it is the caller's. */
enum err_code remote_inline(const char *spec, struct providers **table,
                            struct arena *a, struct model_spec *out, bool *is,
                            struct err *e) MUST_CHECK;

/* Members "provider", "model", "base_url" and "body" of an entry of a models
 * file; without "runner" or with "runner": "remote". */
enum err_code remote_entry(const struct json *j, struct providers **table,
                           struct arena *a, struct model_spec *out,
                           struct err *e) MUST_CHECK;

/* What the provider's row knows and the spec does not: vendor, prices. */
enum err_code remote_complete(const struct provider *p, struct arena *a,
                              struct model_spec *out, struct err *e) MUST_CHECK;

#endif
