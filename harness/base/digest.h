/* SHA-256 and HMAC over OpenSSL: identity of items, prompts, models; request
 * signing.  Hex is lower case. */
#ifndef MK_DIGEST_H
#define MK_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/text.h"

#define DIGEST_BYTES 32
#define DIGEST_HEX 65 /* with the NUL */

struct digest; /* a running SHA-256 */
enum err_code digest_open(struct digest **d, struct err *e) MUST_CHECK;
void digest_add(struct digest *d, const void *p, size_t n);
/* Adds the length as 8 bytes, then the bytes: fields cannot run together. */
void digest_field(struct digest *d, struct str s);
/* Writes the sum in hex and closes d. */
void digest_close(struct digest *d, char hex[DIGEST_HEX]);

void digest_sha256(struct str s, unsigned char out[DIGEST_BYTES]);
void digest_hex(struct str s, char hex[DIGEST_HEX]);
void digest_hmac_sha256(struct str key, struct str s,
                        unsigned char out[DIGEST_BYTES]);
/* Sum of a whole file. */
enum err_code digest_file(const char *path, char hex[DIGEST_HEX],
                          struct err *e) MUST_CHECK;

#endif
