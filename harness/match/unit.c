/* One row a unit, its names in one string; areas, volumes and quotients are
 * made of rows, so that 平方厘米 needs none of its own. */
#include "harness/match/unit.h"

#include <string.h>

enum { LATIN_MOST = 7 }; /* letters of a Latin name */
struct row {
    const char *names; /* between blanks */
    enum unit_base base;
    signed char power;
    long num, den;
};

static const struct row rows[] = {
    { "千米 公里 km", BASE_METRE, 1, 1000, 1 },
    { "米 公尺 m", BASE_METRE, 1, 1, 1 },
    { "分米 dm", BASE_METRE, 1, 1, 10 },
    { "厘米 公分 cm", BASE_METRE, 1, 1, 100 },
    { "毫米 mm", BASE_METRE, 1, 1, 1000 },
    { "微米 μm", BASE_METRE, 1, 1, 1000000 },
    { "纳米 nm", BASE_METRE, 1, 1, 1000000000 },
    { "里 华里", BASE_METRE, 1, 500, 1 },
    { "海里", BASE_METRE, 1, 1852, 1 },
    { "丈", BASE_METRE, 1, 10, 3 },
    { "英里", BASE_METRE, 1, 1609344, 1000 },
    { "英尺", BASE_METRE, 1, 3048, 10000 },
    { "英寸", BASE_METRE, 1, 254, 10000 },

    { "平米", BASE_METRE, 2, 1, 1 },
    { "公顷 ha", BASE_METRE, 2, 10000, 1 },
    { "亩", BASE_METRE, 2, 2000, 3 },
    { "升 公升 L l", BASE_METRE, 3, 1, 1000 },
    { "毫升 mL ml", BASE_METRE, 3, 1, 1000000 },
    { "立方", BASE_METRE, 3, 1, 1 },

    { "吨 t", BASE_GRAM, 1, 1000000, 1 },
    { "千克 公斤 kg", BASE_GRAM, 1, 1000, 1 },
    { "斤 市斤", BASE_GRAM, 1, 500, 1 },
    { "克 g", BASE_GRAM, 1, 1, 1 },
    { "毫克 mg", BASE_GRAM, 1, 1, 1000 },

    { "星期 个星期 周 礼拜 个礼拜", BASE_SECOND, 1, 604800, 1 },
    { "天 日", BASE_SECOND, 1, 86400, 1 },
    { "小时 个小时 钟头 个钟头 时 h hours hour", BASE_SECOND, 1, 3600, 1 },
    { "刻钟", BASE_SECOND, 1, 900, 1 },
    { "分钟 min minutes", BASE_SECOND, 1, 60, 1 },
    { "秒 秒钟 s seconds", BASE_SECOND, 1, 1, 1 },
    { "毫秒 ms", BASE_SECOND, 1, 1, 1000 },

    { "年 周年", BASE_MONTH, 1, 12, 1 },
    { "季度 个季度", BASE_MONTH, 1, 3, 1 },
    { "月 个月", BASE_MONTH, 1, 1, 1 },

    { "元 圆 块 块钱 元钱 元人民币 人民币 RMB CNY yuan", BASE_YUAN, 1, 1, 1 },
    { "角 毛 毛钱 角钱", BASE_YUAN, 1, 1, 10 },
    { "分钱", BASE_YUAN, 1, 1, 100 },
    { "美元 美金 USD dollars dollar", BASE_DOLLAR, 1, 1, 1 },
    { "美分 cents", BASE_DOLLAR, 1, 1, 100 },

    { "摄氏度 °C", BASE_CELSIUS, 1, 1, 1 },
    { "度 °", BASE_DEGREE, 1, 1, 1 },
};

/* Names that mean different things alone. */
static const struct row later_rows[] = {
    { "分", BASE_YUAN, 1, 1, 100 },    { "分", BASE_SECOND, 1, 60, 1 },
    { "分 ′", BASE_DEGREE, 1, 1, 60 }, { "秒 ″", BASE_DEGREE, 1, 1, 3600 },
    { "两", BASE_GRAM, 1, 50, 1 },     { "尺", BASE_METRE, 1, 1, 3 },
};

static bool is_latin(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bytes of the longest of `names` that begins s; a Latin one must not go on as
 * a word. */
static size_t name_at(struct str s, const char *names)
{
    size_t best = 0, n;

    for (; *names; names += n + (names[n] == ' ')) {
        n = strcspn(names, " ");
        if (n <= best || n > s.n || *names != *s.p ||
            memcmp(s.p, names, n) != 0)
            continue;
        if (!is_latin(names[n - 1]) || n == s.n || !is_latin(s.p[n]))
            best = n;
    }
    return best;
}

/* A sign, a digit, or letters longer than any name. */
static bool is_no_name(struct str s)
{
    size_t n = 0;

    if (s.n && (unsigned char)*s.p < 0x80 && !is_latin(*s.p))
        return true;
    while (n < s.n && n <= LATIN_MOST && is_latin(s.p[n]))
        n++;
    return n > LATIN_MOST;
}

static size_t row_at(struct str s, const struct row **row)
{
    size_t best = 0;

    if (is_no_name(s))
        return 0;
    for (size_t i = 0; s.n && i < sizeof(rows) / sizeof(*rows); i++) {
        size_t n = name_at(s, rows[i].names);

        if (n > best) {
            best = n;
            *row = &rows[i];
        }
    }
    return best;
}

static size_t word_at(struct str s, const char *word)
{
    struct str w = str_of(word);

    return str_starts(s, w) ? w.n : 0;
}

/* ^2, ^{3}, ², 2 after a folded ², or what closes \text{cm}^2. */
static size_t power_at(struct str s, int *power)
{
    bool brace = word_at(s, "}") > 0, inner, caret;
    size_t i = brace, raised = word_at(s, "²") + word_at(s, "³");

    if (raised) {
        *power = word_at(s, "²") ? 2 : 3;
        return raised;
    }
    caret = word_at(str_sub(s, i, s.n), "^") > 0;
    i += caret;
    inner = caret && word_at(str_sub(s, i, s.n), "{") > 0;
    i += inner;
    if (i >= s.n || (s.p[i] != '2' && s.p[i] != '3') || (brace && !caret))
        return 0;
    *power = s.p[i++] - '0';
    if (i < s.n && ((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.'))
        return 0;
    return i + (inner && word_at(str_sub(s, i, s.n), "}") > 0);
}

/* One factor: 平方厘米, cm^2, 小时. */
static size_t part_at(struct str s, struct unit_part *u)
{
    static const char *const words[] = { "平方", "立方" };
    const struct row *row = NULL;
    size_t n = 0, name;
    int power = 1;

    for (int k = 0; k < 2; k++)
        if (word_at(s, words[k])) {
            n = strlen(words[k]);
            power = k + 2;
        }
    name = row_at(str_sub(s, n, s.n), &row);
    if (n && (!name || row->base != BASE_METRE || row->power != 1)) {
        n = 0; /* 立方 by itself, a cubic metre */
        power = 1;
        name = row_at(s, &row);
    }
    if (!name)
        return 0;
    n += name;
    if (row->base <= BASE_SECOND && row->power == 1 && power == 1 &&
        (is_latin(s.p[n - 1]) || word_at(str_sub(s, n, s.n), "^")))
        n += power_at(str_sub(s, n, s.n), &power);
    u->power[row->base] = (signed char)(power * row->power);
    u->factor = rat_pow(rat_of(row->num, row->den), power);
    return n;
}

/* What it is divided by.  分 is a minute here: 米/分. */
static size_t under_at(struct str s, struct unit_part *u)
{
    static const char *const per[] = { "/", "每" };
    size_t mark = word_at(s, per[0]), n;

    if (!mark)
        mark = word_at(s, per[1]);
    s = str_sub(s, mark, s.n);
    n = mark ? part_at(s, u) : 0;
    if (mark && !n && (n = word_at(s, "分")) > 0) {
        u->power[BASE_SECOND] = 1;
        u->factor = rat_of(60, 1);
    }
    return n ? mark + n : 0;
}

static const struct unit one = { .over.factor = { 1, 1, 1, true },
                                 .under.factor = { 1, 1, 1, true } };

size_t unit_read(struct str s, struct unit *u)
{
    size_t n;

    *u = one;
    n = part_at(s, &u->over);
    return n ? n + under_at(str_sub(s, n, s.n), &u->under) : 0;
}

size_t unit_read_after(struct str s, const struct unit *first, struct unit *u)
{
    size_t n = unit_read(s, u);

    if (n && unit_like(first, u))
        return n;
    for (size_t i = 0; i < sizeof(later_rows) / sizeof(*later_rows); i++) {
        const struct row *row = &later_rows[i];

        *u = one;
        u->over.factor = rat_of(row->num, row->den);
        u->over.power[row->base] = row->power;
        n = s.n ? name_at(s, row->names) : 0;
        if (n && unit_like(first, u))
            return n;
    }
    return 0;
}

static bool is_divided(const struct unit *u)
{
    return memcmp(u->under.power, one.under.power, sizeof(u->under.power)) != 0;
}

static bool same_part(const struct unit_part *a, const struct unit_part *b)
{
    return !memcmp(a->power, b->power, sizeof(a->power));
}

bool unit_like(const struct unit *a, const struct unit *b)
{
    return same_part(&a->over, &b->over) && (!is_divided(a) || !is_divided(b) ||
                                             same_part(&a->under, &b->under));
}

struct rat unit_ratio(const struct unit *a, const struct unit *b)
{
    struct rat r = rat_div(a->over.factor, b->over.factor);

    if (is_divided(a) && is_divided(b))
        r = rat_mul(r, rat_div(b->under.factor, a->under.factor));
    return r;
}
