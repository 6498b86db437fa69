/* Members of a request's JSON, checked one by one, and refusals. */
#include "harness/serve/serve_member.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* --- errors ----------------------------------------------------------------- */

static const char *type_of(int status)
{
    return status == 401   ? "authentication_error"
           : status == 403 ? "permission_error"
           : status == 429 ? "rate_limit_error"
           : status >= 500 ? "server_error"
                           : "invalid_request_error";
}

bool api_refuse(struct api_error *x, int status, const char *param,
                const char *code, const char *fmt, ...)
{
    struct err e;
    char text[sizeof x->message];
    va_list ap;

    *x = (struct api_error){ .status = status, .code = code };
    x->type = type_of(status);
    if (param)
        snprintf(x->param, sizeof x->param, "%s", param);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(&e, ERR_USAGE, "%s", text); /* cuts at a character's end */
    snprintf(x->message, sizeof x->message, "%.*s",
             (int)text_whole(str_of(e.msg)), e.msg);
    return false;
}

bool api_refuse_err(struct api_error *x, const struct err *e)
{
    switch (e->code) {
    case ERR_RATE:
        return api_refuse(x, 429, NULL, "rate_limit_exceeded", "%s", e->msg);
    case ERR_CANCELLED:
        return api_refuse(x, 503, NULL, "unavailable", "%s", e->msg);
    case ERR_USAGE:
    case ERR_FORMAT:
        return api_refuse(x, 400, NULL, NULL, "%s", e->msg);
    case ERR_LIMIT:
        return api_refuse(x, 400, NULL, "context_length_exceeded", "%s",
                          e->msg);
    default:
        return api_refuse(x, 500, NULL, "internal_error", "%s", e->msg);
    }
}

bool api_no_memory(struct api_error *x)
{
    return api_refuse(x, 500, NULL, "internal_error",
                      "no memory for the request");
}

/* --- members ---------------------------------------------------------------- */

const struct json *api_member(const struct json *j, const char *key)
{
    const struct json *m = json_get(j, key);
    return m && json_type(m) != JSON_NULL ? m : NULL;
}

bool api_wrong_type(struct api_error *x, const char *key, const char *expected,
                    const struct json *got)
{
    return api_refuse(x, 400, key, "invalid_type", "%s: expected %s, got %s",
                      key, expected, json_type_name(json_type(got)));
}

bool api_number(const struct json *j, const char *key, struct api_range r,
                double *out, struct api_error *x)
{
    const struct json *m = api_member(j, key);
    double v = json_number(m);

    if (!m)
        return true;
    if (json_type(m) != JSON_NUMBER)
        return api_wrong_type(x, key, "a number", m);
    if (!(v >= r.min && v <= r.max))
        return api_refuse(x, 400, key, "invalid_value",
                          "%s: expected %g to %g, got %g", key, r.min, r.max,
                          v);
    *out = v;
    return true;
}

bool api_int(const struct json *j, const char *key, struct api_range r,
             int64_t *out, struct api_error *x)
{
    double v = (double)*out;

    if (!api_number(j, key, r, &v, x))
        return false;
    if (floor(v) < v)
        return api_refuse(x, 400, key, "invalid_type",
                          "%s: expected a whole number, got %g", key, v);
    if (api_member(j, key))
        *out = (int64_t)v;
    return true;
}

bool api_bool(const struct json *j, const char *key, bool *out,
              struct api_error *x)
{
    const struct json *m = api_member(j, key);

    if (!m)
        return true;
    if (json_type(m) != JSON_BOOL)
        return api_wrong_type(x, key, "true or false", m);
    *out = json_bool(m);
    return true;
}

bool api_refuse_member(const struct json *j, const char *key,
                       struct api_error *x)
{
    const struct json *m = api_member(j, key);
    bool nothing = !m;

    switch (m ? json_type(m) : JSON_NULL) {
    case JSON_NULL:
        break;
    case JSON_BOOL:
        nothing = !json_bool(m);
        break;
    case JSON_NUMBER:
        nothing = !(fabs(json_number(m)) > 0);
        break;
    case JSON_STRING:
        nothing = !*json_string(m);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        nothing = json_len(m) == 0;
        break;
    }
    return nothing ||
           api_refuse(x, 400, key, "unsupported_parameter",
                      "%s: this server cannot do that, leave it out", key);
}
