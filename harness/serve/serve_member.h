/* Members of a request's JSON, checked one by one.  Each function is false after
 * it has refused the request; a member that is missing or null is as good as
 * one that keeps *out. */
#ifndef MK_SERVE_MEMBER_H
#define MK_SERVE_MEMBER_H

#include "harness/base/json.h"
#include "harness/serve/serve_openai.h"

bool api_no_memory(struct api_error *x);

/* NULL when it is missing or null. */
const struct json *api_member(const struct json *j, const char *key);
bool api_wrong_type(struct api_error *x, const char *key, const char *expected,
                    const struct json *got);

struct api_range {
    double min, max;
};
bool api_number(const struct json *j, const char *key, struct api_range r,
                double *out, struct api_error *x);
bool api_int(const struct json *j, const char *key, struct api_range r,
             int64_t *out, struct api_error *x);
bool api_bool(const struct json *j, const char *key, bool *out,
              struct api_error *x);
/* Refuses a member unless it is missing, or says nothing: 0, "", [], {},
 * false. */
bool api_refuse_member(const struct json *j, const char *key,
                       struct api_error *x);

#endif
