/* Signatures that vendors ask for, over OpenSSL.  Each is checked against
 * published examples in tests/golden/signing.json. */
#ifndef MK_SIGN_H
#define MK_SIGN_H

#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

/* "Name: value" of a request that is signed. */
struct sign_header {
    const char *name, *value;
};

#endif
