/* From the program's error codes to those of the public header.  The table is
 * indexed by enum err_code; codes that the engine never sets map to MK_EIO. */
#include "engine/status.h"

#include <assert.h>
#include <string.h>

#include "engine/engine.h"

static const unsigned char status_of[ERR_N_CODES] = {
    [ERR_OK] = MK_OK,          [ERR_USAGE] = MK_EUSAGE,
    [ERR_FORMAT] = MK_EFORMAT, [ERR_LIMIT] = MK_ELIMIT,
    [ERR_PARTIAL] = MK_EIO,    [ERR_NOMEM] = MK_ENOMEM,
    [ERR_IO] = MK_EIO,         [ERR_DISK] = MK_EIO,
    [ERR_NET] = MK_EIO,        [ERR_AUTH] = MK_EIO,
    [ERR_RATE] = MK_EIO,       [ERR_TIMEOUT] = MK_EIO,
    [ERR_NOENV] = MK_ENOENV,   [ERR_CANCELLED] = MK_ECANCELLED,
};

_Static_assert(MK_ERR_LEN == sizeof(((struct err *)0)->msg),
               "a message must fit the caller's buffer");

int status_out(enum err_code rc, const struct err *e, char *err)
{
    assert(rc < ERR_N_CODES);
    if (rc && err) {
        memcpy(err, e->msg, MK_ERR_LEN);
        err[MK_ERR_LEN - 1] = '\0';
    }
    return status_of[rc];
}
