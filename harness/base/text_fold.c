/* text_fold(): one pass over the characters, with a map back to the source.
 *
 *   source -> clusters -> NFKC and case -> Han runs -> t2s -> punctuation,
 *   white space -> out, map
 *
 * A cluster is a character and the marks (or Hangul letters) that may compose
 * with it; nothing composes across clusters, so each is normalised by itself
 * and all it becomes is mapped to its start.  A cluster is cut after 32
 * characters: that bounds the sorting of marks, and no writing needs more.
 *
 * Characters that nothing can change (ASCII, most Han) do not go through
 * utf8proc at all.  OpenCC is opened at the first Han character, asked once
 * which characters it would change, and then only sees runs with one of those.
 * It converts whole runs, since the right Simplified character may depend on
 * its neighbours (乾隆, 乾淨). */
#include "harness/base/text.h"

#include <opencc/opencc.h>
#include <pthread.h>
#include <string.h>
#include <utf8proc.h>

#include "harness/base/buf.h"

enum {
    CLUSTER_RUNES = 32,
    CLUSTER_OUT = CLUSTER_RUNES * 18, /* U+FDFA becomes 18 characters */
    HAN_FIRST = 0x3400,
    HAN_END = 0xA000
};

/* ---- Traditional to Simplified ---- */

/* What is known of each Han character.  Found out when it is first met, since
 * asking OpenCC about all of them would take longer than most jobs. */
enum { UNKNOWN, STAYS, CHANGES };

static struct {
    opencc_t t2s; /* written once under the once-lock, read-only ever after */
    bool fine;
    _Atomic unsigned char known[HAN_END - HAN_FIRST];
} cc;

static void open_t2s(void)
{
    cc.t2s = opencc_open("t2s.json");
    /* OpenCC's way to say that it failed.  NOLINTNEXTLINE */
    cc.fine = cc.t2s != (opencc_t)-1;
}

/* A lack of memory here costs a needless conversion later. */
static unsigned char look_up(struct str c)
{
    char *simple = opencc_convert_utf8(cc.t2s, c.p, c.n);
    bool same = simple && str_eq(str_of(simple), c);

    if (simple)
        opencc_convert_utf8_free(simple);
    return same ? STAYS : CHANGES;
}

/* Whether the character with these bytes may have a simplified form. */
static bool may_change(int32_t rune, struct str bytes)
{
    _Atomic unsigned char *known;

    if (rune < HAN_FIRST || rune >= HAN_END)
        return true;
    known = &cc.known[rune - HAN_FIRST];
    if (*known == UNKNOWN)
        *known = look_up(bytes); /* two threads find the same */
    return *known == CHANGES;
}

/* ---- the state of a fold ---- */

struct fold {
    unsigned flags;
    struct buf *out, *map;
    size_t start; /* out->n at the beginning */
    bool gap;     /* white space seen, not yet written */
    uint32_t gap_at;
    struct buf run;    /* Han characters that wait for OpenCC */
    struct buf run_at; /* the offset of each, uint32_t */
    bool run_changes;
    bool no_opencc;
};

static void write_rune(struct fold *f, int32_t rune, uint32_t at)
{
    uint32_t origin[4] = { at, at, at, at };
    char bytes[4];
    size_t n = text_encode(rune, bytes);

    buf_add(f->out, bytes, n);
    if (f->map)
        buf_add(f->map, origin, n * sizeof(*origin));
}

/* Pairs of a Chinese mark and its ASCII relative, sorted by code point. */
static const struct {
    uint16_t from;
    char to;
} puncts[] = {
    { 0x2010, '-' }, { 0x2011, '-' }, { 0x2012, '-' },  { 0x2013, '-' },
    { 0x2014, '-' }, { 0x2015, '-' }, { 0x2018, '\'' }, { 0x2019, '\'' },
    { 0x201C, '"' }, { 0x201D, '"' }, { 0x201E, '"' },  { 0x2032, '\'' },
    { 0x2033, '"' }, { 0x2212, '-' }, { 0x3001, ',' },  { 0x3002, '.' },
    { 0x3008, '<' }, { 0x3009, '>' }, { 0x300A, '<' },  { 0x300B, '>' },
    { 0x300C, '"' }, { 0x300D, '"' }, { 0x300E, '"' },  { 0x300F, '"' },
    { 0x3010, '[' }, { 0x3011, ']' }, { 0x3014, '[' },  { 0x3015, ']' },
    { 0x3016, '[' }, { 0x3017, ']' }, { 0x301C, '~' },  { 0xFF61, '.' },
};

static int32_t ascii_punct(int32_t rune)
{
    size_t lo = 0, hi = sizeof(puncts) / sizeof(*puncts);

    if (rune < 0x2010)
        return rune;
    if (rune >= 0xFF01 && rune <= 0xFF5E) {
        int32_t half = rune - 0xFEE0;

        return text_is_punct(half) || text_is_symbol(half) ? half : rune;
    }
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (puncts[mid].from == rune)
            return puncts[mid].to;
        if (puncts[mid].from < rune)
            lo = mid + 1;
        else
            hi = mid;
    }
    return rune;
}

/* The last stage: punctuation and white space. */
static void put(struct fold *f, int32_t rune, uint32_t at)
{
    if (f->flags & (TEXT_SPACE | TEXT_NOSPACE) && text_is_space(rune)) {
        if (f->flags & TEXT_NOSPACE || f->out->n == f->start || f->gap)
            return;
        f->gap = true;
        f->gap_at = at;
        return;
    }
    if (f->flags & TEXT_PUNCT)
        rune = ascii_punct(rune);
    if (f->flags & TEXT_NOPUNCT &&
        (text_is_punct(rune) || text_is_symbol(rune)))
        return;
    if (f->gap)
        write_rune(f, ' ', f->gap_at);
    f->gap = false;
    write_rune(f, rune, at);
}

/* ---- Han runs ---- */

static uint32_t offset_at(const struct buf *offsets, size_t i)
{
    uint32_t at;

    memcpy(&at, offsets->p + i * sizeof(at), sizeof(at));
    return at;
}

/* Almost every conversion keeps the number of characters; where one does not,
 * all of the run is mapped to its start. */
static void put_run(struct fold *f, struct str text)
{
    size_t n = f->run_at.n / sizeof(uint32_t), len;
    bool aligned = text_count(text) == n;

    for (size_t at = 0, i = 0; at < text.n; at += len, i++) {
        int32_t rune = text_rune(text, at, &len);

        put(f, rune, offset_at(&f->run_at, aligned ? i : 0));
    }
}

static void flush_run(struct fold *f)
{
    char *simple = NULL;

    if (!f->run.n || f->run.failed || f->run_at.failed)
        return;
    if (f->run_changes)
        simple = opencc_convert_utf8(cc.t2s, f->run.p, f->run.n);
    put_run(f, simple ? str_of(simple) : buf_view(&f->run));
    if (simple)
        opencc_convert_utf8_free(simple);
    buf_clear(&f->run);
    buf_clear(&f->run_at);
    f->run_changes = false;
}

static void simplify(struct fold *f, int32_t rune, uint32_t at)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t from;

    if (!(f->flags & TEXT_SIMPLE) || !text_is_han(rune)) {
        flush_run(f);
        put(f, rune, at);
        return;
    }
    (void)pthread_once(&once, open_t2s);
    f->no_opencc |= !cc.fine;
    from = f->run.n;
    buf_rune(&f->run, rune);
    f->run_changes |=
        cc.fine && !f->run.failed &&
        may_change(rune, str_sub(buf_view(&f->run), from, f->run.n));
    buf_add(&f->run_at, &at, sizeof(at));
}

/* ---- clusters ---- */

/* What may belong to the character before it: marks, and the Hangul letters
 * (plain, compatibility and half width) that make up syllables. */
static bool continues(int32_t r)
{
    if (r < 0x300 || (r >= 0x3400 && r < 0xA000))
        return false;
    return text_is_mark(r) || (r >= 0x1100 && r <= 0x11FF) ||
           (r >= 0x3131 && r <= 0x318E) || (r >= 0xA960 && r <= 0xA97F) ||
           (r >= 0xD7B0 && r <= 0xD7FF) || (r >= 0xFF9E && r <= 0xFFDC);
}

static size_t cluster_end(struct str s, size_t at)
{
    size_t len;

    (void)text_rune(s, at, &len);
    at += len;
    for (int i = 1; at < s.n && i < CLUSTER_RUNES; i++) {
        if (!continues(text_rune(s, at, &len)))
            break;
        at += len;
    }
    return at;
}

static int options_of(unsigned flags)
{
    int o = UTF8PROC_STABLE;

    if (flags & TEXT_NFKC)
        o |= UTF8PROC_COMPAT | UTF8PROC_COMPOSE;
    if (flags & TEXT_CASE)
        o |= UTF8PROC_CASEFOLD;
    return o;
}

static void put_plain(struct fold *f, struct str s, size_t at, size_t end)
{
    size_t len;

    for (; at < end; at += len) {
        int32_t rune = text_rune(s, at, &len);

        simplify(f, rune < 0 ? 0xFFFD : rune, (uint32_t)at);
    }
}

static void put_cluster(struct fold *f, struct str s, size_t at, size_t end)
{
    utf8proc_int32_t runes[CLUSTER_OUT];
    int options = options_of(f->flags);
    utf8proc_ssize_t n = utf8proc_decompose(
        (const utf8proc_uint8_t *)s.p + at, (utf8proc_ssize_t)(end - at), runes,
        CLUSTER_OUT, (utf8proc_option_t)options);

    if (n > 0 && n <= CLUSTER_OUT && f->flags & TEXT_NFKC)
        n = utf8proc_normalize_utf32(runes, n, (utf8proc_option_t)options);
    if (n < 0 || n > CLUSTER_OUT) { /* ill-formed bytes */
        put_plain(f, s, at, end);
        return;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++)
        simplify(f, runes[i], (uint32_t)at);
}

/* The character at `at` when no normalisation can change it: most Han, and
 * ASCII that no mark follows.  -1 otherwise. */
static int32_t plain_rune(const struct fold *f, struct str s, size_t at,
                          size_t *len)
{
    unsigned char c = (unsigned char)s.p[at];
    int32_t rune;

    if (c < 0x80) {
        *len = 1;
        if (at + 1 < s.n && (unsigned char)s.p[at + 1] >= 0xCC &&
            cluster_end(s, at) > at + 1)
            return -1;
        return f->flags & TEXT_CASE && c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    }
    if (!(f->flags & (TEXT_NFKC | TEXT_CASE))) {
        rune = text_rune(s, at, len);
        return rune < 0 ? 0xFFFD : rune;
    }
    if (c < 0xE3 || c > 0xE9)
        return -1;
    rune = text_rune(s, at, len);
    return rune >= 0x3400 && rune < 0xA000 ? rune : -1;
}

enum err_code text_fold(struct str s, unsigned flags, struct buf *out,
                        struct buf *map, struct err *e)
{
    struct fold f = { .flags = flags, .out = out, .map = map, .start = out->n };
    enum err_code rc;
    size_t len;

    if (s.n > UINT32_MAX)
        return err_set(e, ERR_LIMIT, "a text of more than 4 GiB");
    buf_init(&f.run, SIZE_MAX / 2);
    buf_init(&f.run_at, SIZE_MAX / 2);
    for (size_t at = 0; at < s.n && !out->failed; at += len) {
        int32_t rune = plain_rune(&f, s, at, &len);

        if (rune >= 0) {
            simplify(&f, rune, (uint32_t)at);
        } else {
            len = cluster_end(s, at) - at;
            put_cluster(&f, s, at, at + len);
        }
    }
    flush_run(&f);
    rc = buf_check(out, "folded text", e);
    if (!rc && map)
        rc = buf_check(map, "map of the folded text", e);
    if (!rc && (f.run.failed || f.run_at.failed))
        rc = err_set(e, ERR_NOMEM, "folded text: out of memory");
    if (!rc && f.no_opencc)
        rc = err_set(e, ERR_NOENV,
                     "OpenCC cannot open t2s.json: install its "
                     "data (package libopencc-data)");
    buf_free(&f.run);
    buf_free(&f.run_at);
    return rc;
}
