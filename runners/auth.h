/* How a key is shown to a provider: the headers of the call.
 *
 *   bearer          Authorization: Bearer KEY
 *   optional_bearer the same where a key is set, else nothing
 *   bearer_or_jwt   a JSON Web Token of a key "id.secret" (Zhipu), else bearer
 *   jwt             a token signed with "ak" and "sk" (SenseNova), else bearer
 *   header          the header that the row's "key_header" names (x-api-key)
 *   none            nothing
 *
 * Schemes that sign the whole request are the adapters' own. */
#ifndef MK_AUTH_H
#define MK_AUTH_H

#include "runners/adapter.h"
#include "runners/sign.h"

/* Appends them.  ERR_AUTH when a key is missing: the message names provider
 * and variables, never a key. */
enum err_code auth_headers(const struct endpoint *ep, struct arena *a,
                           struct call *c, struct err *e) MUST_CHECK;

/* The secret of a role; ERR_AUTH with the variable's name when it is unset. */
enum err_code auth_secret(const struct endpoint *ep, const char *role,
                          const char **out, struct err *e) MUST_CHECK;
/* What every scheme that signs whole requests takes of a call: its method,
 * path, body and time, and the keys of these roles.  Also checks the arena, in
 * which the headers to be signed were made. */
enum err_code auth_request(const struct endpoint *ep, const struct call *c,
                           const char *id_role, const char *secret_role,
                           struct arena *a, struct sign_request *s,
                           struct err *e) MUST_CHECK;

#endif
