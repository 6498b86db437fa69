/* A vendor as adapters see it, for tests: a row, a model, keys that open
 * nothing, an answer fed to the adapter whole or in pieces. */
#ifndef MK_TEST_VENDOR_H
#define MK_TEST_VENDOR_H

#include "harness/base/json.h"
#include "runners/adapter.h"

enum { VENDOR_SECRETS = 8, VENDOR_OPTIONS = 8 };

struct vendor {
    struct providers *table;
    struct endpoint ep;
    struct model_spec model;
    const struct adapter *adapter;
    const char *secrets[VENDOR_SECRETS];
    struct request q; /* one question, unless the test changes it */
    struct message messages[2];
    struct reply reply;
    double logprobs[VENDOR_OPTIONS];
    int64_t option_tokens[VENDOR_OPTIONS];
    struct arena arena;
    struct err e;
};

/* The row `id` of the built-in table, or of `rows` (JSON) added to it. */
void vendor_init(struct vendor *v, const char *id, const char *model,
                 const char *rows);
void vendor_free(struct vendor *v);
/* Sets the secret of a role. */
void vendor_secret(struct vendor *v, const char *role, const char *value);
/* Sets every secret, and the token: "test-ROLE". */
void vendor_secrets(struct vendor *v);
/* Forgets what was answered. */
void vendor_reset(struct vendor *v);
/* The call for the request; fails the test when there is none. */
void vendor_build(struct vendor *v, size_t call, struct call *c);
/* The value of a header, NULL: not there. */
const char *vendor_header(const struct call *c, const char *name);
/* A file of tests/golden/api/DIR as text in the arena, as JSON. */
struct str vendor_sample(struct vendor *v, const char *dir, const char *name);
struct json *vendor_json(struct vendor *v, struct str text);
/* An answer with HTTP 200, or an error when status is 300 or more. */
void vendor_answer(struct vendor *v, int status, struct str body, size_t call);
/* A stream in pieces of `piece` bytes, 0: in one. */
void vendor_stream(struct vendor *v, struct str text, enum framing framing,
                   size_t piece);
/* Fails the test unless both are the same JSON value, `less` (canonical text)
 * left out of what is wanted; NULL: nothing. */
void vendor_same(struct vendor *v, struct str got, struct str want,
                 const char *less);

#endif
