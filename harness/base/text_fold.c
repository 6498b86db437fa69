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
 * utf8proc at all.  OpenCC is opened at the first Han character, and asked once
 * what each one becomes by itself.  What a character becomes beside others
 * (乾隆, 乾淨) is asked only where it may differ, since OpenCC takes a
 * microsecond a character and all else a few nanoseconds. */
#include "harness/base/text.h"

#include <opencc/opencc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <utf8proc.h>

#include "harness/base/buf.h"

enum {
    CLUSTER_RUNES = 32,
    CLUSTER_OUT = CLUSTER_RUNES * 18, /* U+FDFA becomes 18 characters */
    HAN_FIRST = 0x3400,
    HAN_END = 0xA000,
    CHUNK = 256 /* bytes put into out at once */
};

/* ---- Traditional to Simplified ---- */

/* Facts about the phrases of OpenCC 1.1.6 (TSPhrases.ocd2): all characters that
 * stand in one, less those that some phrase makes another character of than they
 * become alone, which are listed apart.  No phrase reaches beyond a stretch of
 * these, and a stretch with none of the second kind becomes what its characters
 * become.  A test compares with opencc_dict's list where that is installed. */
static const char in_phrases[] =
    "一上不丑世中之乎事二些亡代以仲住侔信倒倫傢傷元免八公兵其再冒冥凌出函到則"
    "力功助勇千卉半卦反口句名呈呼命哀哉哪商單喻嘉回圖坤坦塊墓墜壺夕多大如威子"
    "宅完宗宫宮寇射尋小少尼屋山崇工己帝帳幬年幺序康弦張形彿得徨復德心忠思性情"
    "惕惟態憑成戲戶手扭找投拉拜指按挪掌推摩據擲故救敖文斷方旋族无旦明曜書會有"
    "望朝期木本李杯杳枕林柯校梅條梨森槁樊樹機此母水沒法流浪淨清滑潛澤無然牾狐"
    "狼獨珍珠琳瓿甌甚生由申畢發皇盂盆盛盜盤目着知石示祇神祥福移程稟穆積端竹竺"
    "答箸篤簡籌粟糧紅素絃維綱縣繇羽老聲肘育能脆臣自船若英茵草菟華萬蒜蕉蕓蕩蕭"
    "虎袖裏見角解觸言計詞話調讀變象貂買資足踅躪載轉辭逆造逢連過道遺邑郁郭酒醜"
    "醞醢醬重量金鈞鉸銀錘錢錦鍛鎖鐵鑽門間阱防陀陵隆雁雖電露音項頗頸額顛顧馗魚"
    "鹿黄默鼎齎龍";
static const char by_phrase[] =
    "么乾俱吒噁彷徵於昇沈濛牴畫瞭薹藉衹覆鉅鍊鍾麼麽";

enum han { HAN_ALONE, HAN_IN_PHRASE, HAN_BY_PHRASE };

static struct {
    opencc_t t2s; /* written once under the once-lock, read-only ever after */
    bool fine;
    unsigned char kind[HAN_END - HAN_FIRST]; /* so too */
    /* What each character becomes by itself; 0 until it is first met, since
       asking about all of them would take longer than most jobs. */
    _Atomic int32_t simple[HAN_END - HAN_FIRST];
} cc;

static void note_kind(const char *chars, enum han kind)
{
    struct str s = str_of(chars);
    size_t len;

    for (size_t at = 0; at < s.n; at += len)
        cc.kind[text_rune(s, at, &len) - HAN_FIRST] = (unsigned char)kind;
}

static void open_t2s(void)
{
    note_kind(in_phrases, HAN_IN_PHRASE);
    note_kind(by_phrase, HAN_BY_PHRASE);
    cc.t2s = opencc_open("t2s.json");
    /* OpenCC's way to say that it failed.  NOLINTNEXTLINE */
    cc.fine = cc.t2s != (opencc_t)-1;
}

static bool in_table(int32_t rune)
{
    return rune >= HAN_FIRST && rune < HAN_END;
}

static enum han kind_of(int32_t rune)
{
    return in_table(rune) ? (enum han)cc.kind[rune - HAN_FIRST] : HAN_BY_PHRASE;
}

/* Without memory it stays as it is, and is asked about again. */
static int32_t ask_simple(int32_t rune)
{
    char bytes[5] = { 0 };
    char *simple = opencc_convert_utf8(cc.t2s, bytes, text_encode(rune, bytes));
    size_t len;

    if (!simple)
        return rune;
    if (*simple)
        rune = text_rune(str_of(simple), 0, &len);
    opencc_convert_utf8_free(simple);
    return rune;
}

static int32_t simple_of(int32_t rune)
{
    _Atomic int32_t *known;
    int32_t simple;

    if (!in_table(rune))
        return rune;
    known = &cc.simple[rune - HAN_FIRST];
    simple = atomic_load_explicit(known, memory_order_relaxed);
    if (!simple) { /* two threads find the same */
        simple = ask_simple(rune);
        atomic_store_explicit(known, simple, memory_order_relaxed);
    }
    return simple;
}

/* Most Han; between the two ranges are symbols. */
static bool is_plain_han(int32_t rune)
{
    return in_table(rune) && !(rune >= 0x4DC0 && rune < 0x4E00);
}

/* ---- the state of a fold ---- */

struct fold {
    unsigned flags;
    struct buf *out, *map;
    size_t start; /* out->n at the beginning */
    bool gap;     /* white space seen, not yet written */
    uint32_t gap_at;
    struct buf run;    /* Han characters that may be a phrase */
    struct buf run_at; /* the offset of each, uint32_t */
    bool run_changes;
    bool opened, no_opencc;
    size_t n; /* what is not yet in out and map */
    char bytes[CHUNK];
    uint32_t origin[CHUNK];
};

static void spill(struct fold *f)
{
    buf_add(f->out, f->bytes, f->n);
    if (f->map)
        buf_add(f->map, f->origin, f->n * sizeof(*f->origin));
    f->n = 0;
}

static void write_rune(struct fold *f, int32_t rune, uint32_t at)
{
    size_t n;

    if (f->n + 4 > CHUNK)
        spill(f);
    n = text_encode(rune, f->bytes + f->n);
    for (size_t i = 0; i < n; i++)
        f->origin[f->n + i] = at;
    f->n += n;
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

static bool is_dropped(const struct fold *f, int32_t rune)
{
    if (!(f->flags & TEXT_NOPUNCT))
        return false;
    if (rune < 0x80)
        return rune > ' ' && rune < 0x7F && !(rune >= '0' && rune <= '9') &&
               !((rune | 0x20) >= 'a' && (rune | 0x20) <= 'z');
    return text_is_punct(rune) || text_is_symbol(rune);
}

/* White space that is dropped, or comes as one space before what follows. */
static bool is_gap(struct fold *f, int32_t rune, uint32_t at)
{
    if (!(f->flags & (TEXT_SPACE | TEXT_NOSPACE)) || !text_is_space(rune))
        return false;
    if (!(f->flags & TEXT_NOSPACE) && f->out->n + f->n > f->start && !f->gap) {
        f->gap = true;
        f->gap_at = at;
    }
    return true;
}

/* The last stage: punctuation and white space. */
static void put(struct fold *f, int32_t rune, uint32_t at)
{
    if (rune == 0xFFFD) { /* a symbol, and most of what is no text */
        if (f->flags & TEXT_NOPUNCT)
            return;
    } else if (!is_plain_han(rune)) {
        if (is_gap(f, rune, at))
            return;
        if (f->flags & TEXT_PUNCT)
            rune = ascii_punct(rune);
        if (is_dropped(f, rune))
            return;
    }
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
static void put_simple(struct fold *f, struct str text)
{
    size_t n = f->run_at.n / sizeof(uint32_t), len;
    bool aligned = text_count(text) == n;

    for (size_t at = 0, i = 0; at < text.n; at += len, i++) {
        int32_t rune = text_rune(text, at, &len);

        put(f, rune, offset_at(&f->run_at, aligned ? i : 0));
    }
}

static void put_run(struct fold *f)
{
    struct str text = buf_view(&f->run);
    size_t len;

    for (size_t at = 0, i = 0; at < text.n; at += len, i++) {
        int32_t rune = text_rune(text, at, &len);

        put(f, simple_of(rune), offset_at(&f->run_at, i));
    }
}

static void flush_run(struct fold *f)
{
    char *simple = NULL;

    if (!f->run.n || f->run.failed || f->run_at.failed)
        return;
    if (f->run_changes)
        simple = opencc_convert_utf8(cc.t2s, f->run.p, f->run.n);
    if (simple) {
        put_simple(f, str_of(simple));
        opencc_convert_utf8_free(simple);
    } else {
        put_run(f);
    }
    buf_clear(&f->run);
    buf_clear(&f->run_at);
    f->run_changes = false;
}

static bool have_opencc(struct fold *f)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    if (!f->opened)
        (void)pthread_once(&once, open_t2s);
    f->opened = true;
    f->no_opencc = !cc.fine;
    return cc.fine;
}

static void simplify(struct fold *f, int32_t rune, uint32_t at)
{
    bool han = f->flags & TEXT_SIMPLE && rune >= 0x2E80 && rune != 0xFFFD &&
               (is_plain_han(rune) || text_is_han(rune)) && have_opencc(f);
    enum han kind = han ? kind_of(rune) : HAN_ALONE;

    if (kind == HAN_ALONE) {
        flush_run(f);
        put(f, han ? simple_of(rune) : rune, at);
        return;
    }
    f->run_changes |= kind == HAN_BY_PHRASE;
    buf_rune(&f->run, rune);
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

    if (text_rune(s, at, &len) < 0)
        return at + len; /* an ill-formed byte takes none with it */
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

/* simplify() and put() of an ASCII character, most of what junk is made of. */
static void put_ascii(struct fold *f, unsigned char c, uint32_t at)
{
    flush_run(f);
    if ((c == ' ' || (c >= 9 && c <= 13)) && is_gap(f, c, at))
        return;
    if (f->flags & TEXT_NOPUNCT && is_dropped(f, c))
        return;
    if (f->gap)
        write_rune(f, ' ', f->gap_at);
    f->gap = false;
    if (f->n == CHUNK)
        spill(f);
    f->bytes[f->n] = (char)c;
    f->origin[f->n++] = at;
}

/* Whether normalisation makes something else of a character by itself. */
static bool is_composed(int32_t rune)
{
    const utf8proc_property_t *p = utf8proc_get_property(rune);

    return p->decomp_seqindex != UINT16_MAX ||
           p->casefold_seqindex != UINT16_MAX;
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
    rune = text_rune(s, at, len);
    if (in_table(rune) || !(f->flags & (TEXT_NFKC | TEXT_CASE)))
        return rune < 0 ? 0xFFFD : rune;
    if (cluster_end(s, at) > at + *len || (rune >= 0 && is_composed(rune)))
        return -1;
    return rune < 0 ? 0xFFFD : rune;
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

        if (rune >= 0 && rune < 0x80) {
            put_ascii(&f, (unsigned char)rune, (uint32_t)at);
        } else if (rune >= 0) {
            simplify(&f, rune, (uint32_t)at);
        } else {
            len = cluster_end(s, at) - at;
            put_cluster(&f, s, at, at + len);
        }
    }
    flush_run(&f);
    spill(&f);
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
