/* SHA-256 and HMAC.  The one-shot functions have no way to fail, so they use
 * OpenSSL's SHA256_* calls, which allocate nothing; its EVP calls do the same
 * rounds but may run out of memory on the way. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "harness/base/digest.h"

#include <openssl/sha.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/base/mem.h"

enum { BLOCK = 64 };

struct digest {
    SHA256_CTX sha;
};

enum err_code digest_open(struct digest **d, struct err *e)
{
    *d = mem_zalloc(sizeof(**d));
    if (!*d)
        return err_set(e, ERR_NOMEM, "digest: out of memory");
    SHA256_Init(&(*d)->sha);
    return ERR_OK;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
    SHA256_Update(&d->sha, p, n);
}

void digest_field(struct digest *d, struct str s)
{
    unsigned char len[8];
    uint64_t n = s.n;

    for (int i = 0; i < 8; i++)
        len[i] = (unsigned char)(n >> (8 * i));
    digest_add(d, len, sizeof(len));
    digest_add(d, s.p, s.n);
}

static void to_hex(const unsigned char *sum, char hex[DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[DIGEST_HEX - 1] = '\0';
}

void digest_close(struct digest *d, char hex[DIGEST_HEX])
{
    unsigned char sum[DIGEST_BYTES];

    if (!d)
        return;
    SHA256_Final(sum, &d->sha);
    to_hex(sum, hex);
    mem_free(d);
}

void digest_sha256(struct str s, unsigned char out[DIGEST_BYTES])
{
    SHA256_CTX sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, s.p, s.n);
    SHA256_Final(out, &sha);
}

void digest_hex(struct str s, char hex[DIGEST_HEX])
{
    unsigned char sum[DIGEST_BYTES];

    digest_sha256(s, sum);
    to_hex(sum, hex);
}

/* RFC 2104: H(key ^ opad, H(key ^ ipad, text)). */
void digest_hmac_sha256(struct str key, struct str s,
                        unsigned char out[DIGEST_BYTES])
{
    unsigned char pad[BLOCK] = { 0 }, inner[DIGEST_BYTES];
    SHA256_CTX sha;

    if (key.n > BLOCK)
        digest_sha256(key, pad);
    else if (key.n)
        memcpy(pad, key.p, key.n);
    for (int i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36;
    SHA256_Init(&sha);
    SHA256_Update(&sha, pad, BLOCK);
    SHA256_Update(&sha, s.p, s.n);
    SHA256_Final(inner, &sha);
    for (int i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&sha);
    SHA256_Update(&sha, pad, BLOCK);
    SHA256_Update(&sha, inner, sizeof(inner));
    SHA256_Final(out, &sha);
}

enum err_code digest_file(const char *path, char hex[DIGEST_HEX], struct err *e)
{
    struct io_map m;
    enum err_code rc = io_map(&m, path, e);

    if (rc)
        return rc;
    digest_hex((struct str){ (const char *)m.p, m.n }, hex);
    io_unmap(&m);
    return ERR_OK;
}
