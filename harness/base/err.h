/* Error codes, exit status, and the message that travels with a code.
 *
 * A failing function returns an `enum err_code`; the code decides, the message
 * explains.  `struct err` lies with the caller, so reporting an error needs no
 * memory and cannot fail. */
#ifndef MK_ERR_H
#define MK_ERR_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* name, exit status of the program, text */
#define ERR_CODES(X)                                                           \
    X(OK, 0, "ok")                                                             \
    X(USAGE, 2, "wrong usage")                                                 \
    X(FORMAT, 2, "wrong input")                                                \
    X(LIMIT, 2, "limit exceeded")                                              \
    X(PARTIAL, 3, "done in part")                                              \
    X(NOMEM, 4, "out of memory")                                               \
    X(IO, 4, "input/output error")                                             \
    X(DISK, 4, "disk full or read-only")                                       \
    X(NET, 4, "network error")                                                 \
    X(AUTH, 4, "not authorised")                                               \
    X(RATE, 4, "rate limited")                                                 \
    X(TIMEOUT, 4, "timed out")                                                 \
    X(SERVER, 4, "the server failed")                                          \
    X(REJECTED, 3, "the request was rejected for good")                        \
    X(FILTERED, 3, "refused by the vendor's content filter")                   \
    X(BUDGET, 3, "the budget is spent")                                        \
    X(NOENV, 4, "the environment lacks something")                             \
    X(CANCELLED, 130, "interrupted")

#define ERR_ENUM(name, status, text) ERR_##name,
enum err_code { ERR_CODES(ERR_ENUM) ERR_N_CODES };
#undef ERR_ENUM

struct err {
    enum err_code code;
    char msg[240]; /* UTF-8, cut at a character's end */
};

/* Sets the code and the message; returns the code.  e may be NULL. */
enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Puts "context: " before the message that is there; keeps and returns the
 * code.  e must hold an error. */
enum err_code err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "RATE", "NOMEM" ...: the stable name that is stored and logged. */
const char *err_name(enum err_code code);
/* The code of that name, ERR_N_CODES if there is none. */
enum err_code err_from_name(const char *name);
/* "rate limited" ... */
const char *err_text(enum err_code code);
/* The program's exit status for that code. */
int err_status(enum err_code code);
/* Sets e from errno: EROFS, ENOSPC, EDQUOT become ERR_DISK, ENOMEM
 * ERR_NOMEM, ENOENT and EACCES ERR_NOENV, all others ERR_IO. */
enum err_code err_errno(struct err *e, int errnum, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
