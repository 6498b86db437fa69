/* Compiled patterns.  A pattern owns its code and a match context with the
 * limits; match data belong to the call, so threads may share a pattern.
 *
 * PCRE2_MATCH_INVALID_UTF makes a match over ill-formed bytes defined (they
 * match nothing) and spares the check of the whole subject at every call.
 * Compiled code honours the match limit but has neither depth nor heap limit:
 * where its stack is too small, the interpreter does the match once more. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "harness/base/pattern.h"

#include <pcre2.h>
#include <stdint.h>

#include "harness/base/mem.h"

enum {
    STEPS_MOST = 5000000,
    DEPTH_MOST = 100000,
    HEAP_MOST = 64 * 1024, /* KiB */
    SOURCE_MOST = 65536
};

struct pattern {
    pcre2_general_context *general;
    pcre2_code *code;
    pcre2_match_context *limits;
    bool compiled; /* to machine code */
};

static void *take(size_t n, void *data)
{
    (void)data;
    return mem_alloc(n);
}

static void give(void *p, void *data)
{
    (void)data;
    mem_free(p);
}

static uint32_t options_of(unsigned flags)
{
    uint32_t o = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF |
                 PCRE2_NEVER_BACKSLASH_C;

    o |= flags & PATTERN_CASELESS ? PCRE2_CASELESS : 0;
    o |= flags & PATTERN_MULTILINE ? PCRE2_MULTILINE : 0;
    o |= flags & PATTERN_DOTALL ? PCRE2_DOTALL : 0;
    o |= flags & PATTERN_EXTENDED ? PCRE2_EXTENDED : 0;
    return o;
}

static enum err_code compile(struct pattern *p, struct str source,
                             unsigned flags, struct err *e)
{
    pcre2_compile_context *ctx = pcre2_compile_context_create(p->general);
    PCRE2_UCHAR why[160];
    PCRE2_SIZE at = 0;
    int code = PCRE2_ERROR_NOMEMORY;

    if (ctx) {
        pcre2_set_max_pattern_length(ctx, SOURCE_MOST);
        p->code = pcre2_compile((PCRE2_SPTR)source.p, source.n,
                                options_of(flags), &code, &at, ctx);
        pcre2_compile_context_free(ctx);
    }
    if (p->code)
        return ERR_OK;
    /* PCRE2_ERROR_HEAP_FAILED, which its header does not name. */
    if (code == PCRE2_ERROR_NOMEMORY || code == 121)
        return err_set(e, ERR_NOMEM, "pattern: out of memory");
    (void)pcre2_get_error_message(code, why, sizeof(why));
    return err_set(e, ERR_FORMAT, "pattern: at byte %zu: %s", (size_t)at,
                   (const char *)why);
}

enum err_code pattern_open(struct pattern **out, struct str source,
                           unsigned flags, struct err *e)
{
    struct pattern *p = mem_zalloc(sizeof(*p));
    enum err_code rc;

    *out = NULL;
    if (p)
        p->general = pcre2_general_context_create(take, give, NULL);
    if (p && p->general)
        p->limits = pcre2_match_context_create(p->general);
    if (!p || !p->limits) {
        pattern_close(p);
        return err_set(e, ERR_NOMEM, "pattern: out of memory");
    }
    rc = compile(p, source, flags, e);
    if (rc) {
        pattern_close(p);
        return rc;
    }
    (void)pcre2_set_match_limit(p->limits, STEPS_MOST);
    (void)pcre2_set_depth_limit(p->limits, DEPTH_MOST);
    (void)pcre2_set_heap_limit(p->limits, HEAP_MOST);
    p->compiled = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
    *out = p;
    return ERR_OK;
}

void pattern_close(struct pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    pcre2_match_context_free(p->limits);
    pcre2_general_context_free(p->general);
    mem_free(p);
}

static int match(const struct pattern *p, struct str s, size_t from,
                 pcre2_match_data *data)
{
    /* PCRE2 wants a subject even when it is empty. */
    PCRE2_SPTR subject = (PCRE2_SPTR)(s.p ? s.p : "");
    int n = pcre2_match(p->code, subject, s.n, from, 0, data, p->limits);

    if (n == PCRE2_ERROR_JIT_STACKLIMIT)
        n = pcre2_match(p->code, subject, s.n, from, PCRE2_NO_JIT, data,
                        p->limits);
    return n;
}

/* A group that took no part keeps PCRE2_UNSET, which is (size_t)-1. */
static void copy_groups(struct pattern_hit *hit, pcre2_match_data *data, int n)
{
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(data);

    hit->n = (size_t)n < PATTERN_GROUPS ? (size_t)n : PATTERN_GROUPS;
    for (size_t i = 0; i < PATTERN_GROUPS; i++) {
        hit->g[i].at = i < hit->n ? v[2 * i] : PCRE2_UNSET;
        hit->g[i].end = i < hit->n ? v[2 * i + 1] : PCRE2_UNSET;
    }
}

enum err_code pattern_find(const struct pattern *p, struct str s, size_t from,
                           struct pattern_hit *hit, bool *found, struct err *e)
{
    pcre2_match_data *data;
    int n;

    *found = false;
    if (from > s.n)
        return ERR_OK;
    data = pcre2_match_data_create_from_pattern(p->code, p->general);
    if (!data)
        return err_set(e, ERR_NOMEM, "pattern: out of memory");
    n = match(p, s, from, data);
    if (n > 0) {
        *found = true;
        copy_groups(hit, data, n);
    }
    pcre2_match_data_free(data);
    if (n > 0 || n == PCRE2_ERROR_NOMATCH || n == PCRE2_ERROR_BADUTFOFFSET)
        return ERR_OK;
    if (n == PCRE2_ERROR_NOMEMORY)
        return err_set(e, ERR_NOMEM, "pattern: out of memory");
    return err_set(e, ERR_LIMIT, "pattern: gave up after too many steps");
}
