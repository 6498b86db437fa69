/* Strings, UTF-8, folding and its map, Chinese numerals. */
#include <math.h>
#include <opencc/opencc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "harness/base/buf.h"
#include "harness/base/io.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"
#include "tests/t.h"

enum { ALL = TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT | TEXT_SPACE };

START_TEST(strings_compare_and_find)
{
    ck_assert(str_eq(STR("a"), STR("a")) && !str_eq(STR("a"), STR("ab")));
    ck_assert(str_is(str_of(NULL), ""));
    ck_assert(str_starts(STR("答案"), STR("答")));
    ck_assert(!str_starts(STR("答"), STR("答案")));
    ck_assert(str_ends(STR("答案"), STR("案")));
    ck_assert_int_eq(str_cmp(STR("a"), STR("ab")), -1);
    ck_assert_int_eq(str_cmp(STR("b"), STR("ab")), 1);
    ck_assert_int_eq(str_cmp(STR(""), STR("")), 0);
    ck_assert_uint_eq(str_find(STR("abcabc"), STR("ca"), 0), 2);
    ck_assert_uint_eq(str_find(STR("abcabc"), STR("ab"), 1), 3);
    ck_assert(str_find(STR("abc"), STR("d"), 0) == (size_t)-1);
    ck_assert(str_find(STR("abc"), STR("a"), 9) == (size_t)-1);
    ck_assert_uint_eq(str_sub(STR("abc"), 2, 99).n, 1);
    ck_assert_uint_eq(str_sub(STR("abc"), 5, 2).n, 0);
}
END_TEST

START_TEST(trim_takes_chinese_spaces)
{
    ck_assert(str_is(str_trim(STR(" \t　答 案\u00a0\n")), "答 案"));
    ck_assert(str_is(str_trim(STR("　　")), ""));
    ck_assert(str_is(str_trim(STR("案")), "案"));
}
END_TEST

START_TEST(check_finds_the_first_bad_byte)
{
    static const struct {
        const char *s;
        size_t bad; /* 99: none */
    } cases[] = {
        { "", 99 },
        { "plain ascii that is longer than a word", 99 },
        { "汉字𠀀é", 99 },
        { "ab\xff", 2 },
        { "\xc0\xaf", 0 },         /* overlong */
        { "\xe0\x9f\xbf", 0 },     /* overlong */
        { "a\xed\xa0\x80", 1 },    /* surrogate */
        { "\xf4\x90\x80\x80", 0 }, /* above 10FFFF */
        { "汉\xe6\xb1", 3 },       /* cut */
        { "\x80", 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t bad = 99;

        ck_assert_int_eq(text_check(str_of(cases[i].s), &bad),
                         cases[i].bad == 99);
        ck_assert_uint_eq(bad, cases[i].bad);
    }
}
END_TEST

START_TEST(every_character_encodes_and_decodes)
{
    char bytes[4];
    size_t len;

    for (int32_t r = 0; r <= 0x10FFFF; r++) {
        size_t n = text_encode(r, bytes);

        if (r >= 0xD800 && r <= 0xDFFF) {
            ck_assert_uint_eq(n, 0);
            continue;
        }
        if (text_rune((struct str){ bytes, n }, 0, &len) != r || len != n)
            ck_abort_msg("U+%04X", (unsigned)r);
    }
    ck_assert_uint_eq(text_encode(0x110000, bytes), 0);
    ck_assert_uint_eq(text_encode(-1, bytes), 0);
}
END_TEST

START_TEST(whole_holds_back_only_what_can_grow)
{
    ck_assert_uint_eq(text_whole(STR("汉字")), 6);
    ck_assert_uint_eq(text_whole(STR("汉\xe5\xad")), 3);
    ck_assert_uint_eq(text_whole(STR("汉\xe5")), 3);
    ck_assert_uint_eq(text_whole(STR("a\xf0\xa0\x80")), 1);
    ck_assert_uint_eq(text_whole(STR("a\xe5\x41")), 3);
    ck_assert_uint_eq(text_whole(STR("a\xff")), 2);
    ck_assert_uint_eq(text_whole(STR("a\xe0\x80")), 3);
    ck_assert_uint_eq(text_whole(STR("")), 0);
}
END_TEST

START_TEST(width_counts_cells)
{
    ck_assert_uint_eq(text_width(STR("答a")), 3);
    ck_assert_uint_eq(text_width(STR("e\u0301")), 1);
    ck_assert_uint_eq(text_count(STR("答a")), 2);
    ck_assert_uint_eq(text_fit(STR("答案ab"), 3), 3);
    ck_assert_uint_eq(text_fit(STR("答案ab"), 5), 7);
    ck_assert_uint_eq(text_fit(STR("答"), 0), 0);
}
END_TEST

START_TEST(classes_know_chinese)
{
    ck_assert(text_is_han(0x7B54) && text_is_han(0x3007));
    ck_assert(!text_is_han('a') && !text_is_han(0x3002) && !text_is_han(-1));
    ck_assert(text_is_punct(0x3002) && text_is_symbol('+'));
    ck_assert(text_is_letter(0x7B54) && text_is_number('7'));
    ck_assert(text_is_mark(0x301) && !text_is_letter(-1));
}
END_TEST

START_TEST(classes_of_ascii_are_those_of_unicode)
{
    for (int32_t r = -1; r < 0x80; r++) {
        utf8proc_category_t c =
            r < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(r);

        ck_assert(text_is_letter(r) ==
                  (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO));
        ck_assert(text_is_number(r) ==
                  (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO));
        ck_assert(text_is_punct(r) ==
                  (c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO));
        ck_assert(text_is_symbol(r) ==
                  (c >= UTF8PROC_CATEGORY_SM && c <= UTF8PROC_CATEGORY_SO));
        ck_assert(!text_is_mark(r));
    }
}
END_TEST

static void fold(const char *s, unsigned flags, struct buf *out,
                 struct buf *map)
{
    struct err e;

    buf_init(out, 1 << 24);
    buf_init(map, 1 << 26);
    t_ok(text_fold(str_of(s), flags, out, map, &e), &e);
    ck_assert_uint_eq(map->n, out->n * sizeof(uint32_t));
}

START_TEST(fold_makes_forms_one)
{
    static const struct {
        const char *s;
        unsigned flags;
        const char *want;
    } cases[] = {
        { "答案：Ｂ。", ALL, "答案:b." },
        { "選項　Ａ\n\n「正確」", ALL, "选项 a \"正确\"" },
        { "x²", TEXT_NFKC, "x2" },
        { "ﬁ㍿", TEXT_NFKC, "fi株式会社" },
        { "Straße", TEXT_CASE, "strasse" },
        { "e\u0301", TEXT_NFKC, "é" },
        { "a\u0323\u0307", TEXT_NFKC, "ạ\u0307" },
        { "a\u0307\u0323", TEXT_NFKC, "ạ\u0307" },
        { "\u1112\u1161\u11ab", TEXT_NFKC, "한" },
        { "乾隆皇帝，乾淨", TEXT_SIMPLE, "乾隆皇帝，干净" },
        { "頭髮與發展", TEXT_SIMPLE, "头发与发展" },
        { " a  b ", TEXT_SPACE, "a b" },
        { " a  b ", TEXT_NOSPACE, "ab" },
        { "《三国》，是“书”！", TEXT_PUNCT, "<三国>,是\"书\"!" },
        { "《三国》+1", TEXT_NOPUNCT, "三国1" },
        { "a , b", TEXT_NOPUNCT | TEXT_SPACE, "a b" },
        { "", ALL, "" },
        { "   ", TEXT_SPACE, "" },
        { "raw 原文", 0, "raw 原文" },
        { "\xe4\uff76", TEXT_NFKC, "\uFFFDカ" },
        { "\xe4\uff9e", TEXT_NFKC, "\uFFFD\u3099" },
    };
    struct buf out, map;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fold(cases[i].s, cases[i].flags, &out, &map);
        ck_assert_str_eq(out.p, cases[i].want);
        buf_free(&out);
        buf_free(&map);
    }
}
END_TEST

static uint32_t origin(const struct buf *map, size_t byte)
{
    uint32_t at;

    memcpy(&at, map->p + byte * sizeof(at), sizeof(at));
    return at;
}

START_TEST(fold_map_leads_back_to_the_source)
{
    struct buf out, map;

    /* 株式会社 is one character of the source, é two. */
    fold("Ａ㍿e\u0301臺灣", ALL, &out, &map);
    ck_assert_str_eq(out.p, "a株式会社é台湾");
    ck_assert_uint_eq(origin(&map, 0), 0);
    for (size_t i = 1; i < 13; i++)
        ck_assert_uint_eq(origin(&map, i), 3);
    ck_assert_uint_eq(origin(&map, 13), 6);
    ck_assert_uint_eq(origin(&map, 15), 9);
    ck_assert_uint_eq(origin(&map, 18), 12);
    buf_free(&out);
    buf_free(&map);
}
END_TEST

START_TEST(fold_map_survives_dropped_characters)
{
    struct buf out, map;

    fold("  (A)  B", TEXT_NOPUNCT | TEXT_SPACE, &out, &map);
    ck_assert_str_eq(out.p, "A B");
    ck_assert_uint_eq(origin(&map, 0), 3);
    ck_assert_uint_eq(origin(&map, 1), 5);
    ck_assert_uint_eq(origin(&map, 2), 7);
    buf_free(&out);
    buf_free(&map);
}
END_TEST

/* OpenCC is asked for little of the text; that must not show.  Characters that
 * stand in its phrases, each beside each of those that phrases change, and in
 * longer runs. */
static const char in_phrases[] =
    "一目瞭然明瞭解萬里鍾繇龍情有獨錢書鐵鍊項珍珠鎖乾隆坤淨脆清宮扭轉旋徵角宮"
    "商羽變於是菟陵呼哀哉潛覆重反命盆憑藉口助此故狼沈沒船默積彷彿徨計畫籌么麼"
    "幺畢昇濛傢俱牴觸鉅子萬衹見得哪吒薹蒜噁頭髮與發展臺灣國";

static void agrees_with_opencc(opencc_t cc, struct str s)
{
    char *want = opencc_convert_utf8(cc, s.p, s.n);
    struct buf out;
    struct err e;

    ck_assert_ptr_nonnull(want);
    buf_init(&out, 1 << 20);
    t_ok(text_fold(s, TEXT_SIMPLE, &out, NULL, &e), &e);
    ck_assert_str_eq(out.p, want);
    buf_free(&out);
    opencc_convert_utf8_free(want);
}

START_TEST(fold_agrees_with_opencc_on_the_whole_text)
{
    struct str pool = STR(in_phrases);
    opencc_t cc = opencc_open("t2s.json");
    unsigned seed = 7;
    struct buf in;

    buf_init(&in, 1 << 20);
    for (size_t i = 0; i < pool.n; i += 3) { /* all pairs */
        for (size_t j = 0; j < pool.n; j += 3) {
            buf_add(&in, pool.p + i, 3);
            buf_add(&in, pool.p + j, 3);
            buf_str(&in, j % 2 ? "，" : "有");
        }
        agrees_with_opencc(cc, buf_view(&in));
        buf_clear(&in);
    }
    for (int i = 0; i < 100000; i++) {
        seed = seed * 1103515245u + 12345u;
        buf_add(&in, pool.p + 3 * ((seed >> 8) % (pool.n / 3)), 3);
    }
    agrees_with_opencc(cc, buf_view(&in));
    buf_free(&in);
    (void)opencc_close(cc);
}
END_TEST

/* Every phrase, where the tool that lists them is installed. */
START_TEST(fold_knows_every_phrase_of_opencc)
{
    struct io_lines l = { .number = 0 };
    opencc_t cc = opencc_open("t2s.json");
    char path[200], cmd[400];
    struct buf b;

    (void)snprintf(path, sizeof(path), "%s/phrases", t_tmp());
    (void)snprintf(cmd, sizeof(cmd),
                   "opencc_dict -f ocd2 -t text -i "
                   "/usr/share/opencc/TSPhrases.ocd2 -o %s >/dev/null 2>&1",
                   path);
    if (system(cmd) != 0) {
        t_skip("no opencc_dict: package opencc");
        (void)opencc_close(cc);
        return;
    }
    buf_init(&b, 1 << 24);
    t_read(path, &b);
    l.rest = buf_view(&b);
    while (io_next_line(&l))
        agrees_with_opencc(cc,
                           str_sub(l.line, 0, str_find(l.line, STR("\t"), 0)));
    ck_assert_uint_gt(l.number, 200);
    buf_free(&b);
    (void)opencc_close(cc);
}
END_TEST

/* Folding cluster by cluster must give what utf8proc gives for the whole. */
START_TEST(fold_agrees_with_whole_text_normalisation)
{
    static const int32_t pool[] = {
        'a',     'e',     0x301,  0x323,  0x307,  0x1112, 0x1161, 0x11AB,
        0xAC00,  0x3131,  0xFFA1, 0xFFC2, 0x7B54, 0xFF21, 0x304B, 0x3099,
        0xFF76,  0xFF9E,  0x9C7,  0x9BE,  0xB4,   0x344,  0x1E9B, 0x2126,
        0x1D15E, 0x1D165, 0xF900, 0x2F00, 0xFDFA, 0x130,  0x3A3,  0xDF,
    };
    unsigned seed = 7;

    for (int round = 0; round < 20000; round++) {
        struct buf in, out, map;
        utf8proc_uint8_t *want = NULL;

        buf_init(&in, 1000);
        for (int i = 0; i < 8; i++) {
            seed = seed * 1103515245u + 12345u;
            buf_rune(&in, pool[seed >> 16 & 31]);
        }
        fold(in.p, TEXT_NFKC | TEXT_CASE, &out, &map);
        ck_assert_int_ge(utf8proc_map((utf8proc_uint8_t *)in.p, 0, &want,
                                      UTF8PROC_NULLTERM | UTF8PROC_STABLE |
                                          UTF8PROC_COMPAT | UTF8PROC_COMPOSE |
                                          UTF8PROC_CASEFOLD),
                         0);
        ck_assert_str_eq(out.p, (char *)want);
        free(want);
        buf_free(&in);
        buf_free(&out);
        buf_free(&map);
    }
}
END_TEST

START_TEST(fold_takes_any_bytes_in_linear_time)
{
    struct buf in, out, map;
    int64_t start;

    buf_init(&in, 1 << 22);
    for (int i = 0; i < 1 << 17; i++) /* marks out of order: sorting bait */
        buf_str(&in, i & 1 ? "\u0301" : "\u0323");
    buf_str(&in, "\xff\xc0\xe7");
    start = io_now_ns();
    fold(in.p, ALL, &out, &map);
    ck_assert_int_lt(io_now_ns() - start, 2000000000);
    ck_assert(text_check(buf_view(&out), NULL));
    buf_free(&in);
    buf_free(&out);
    buf_free(&map);
}
END_TEST

START_TEST(fold_reports_no_memory_and_the_limit)
{
    struct buf out;
    struct err e;
    enum err_code rc = ERR_NOMEM;

    buf_init(&out, 4);
    ck_assert_int_eq(text_fold(STR("答案"), ALL, &out, NULL, &e), ERR_LIMIT);
    buf_free(&out);
    for (size_t nth = 1; rc; nth++) {
        buf_init(&out, 100);
        mem_fail_at(nth, true);
        rc = text_fold(STR("選項 A"), ALL, &out, NULL, &e);
        mem_fail_at(0, false);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
        ck_assert(rc || str_is(buf_view(&out), "选项 a"));
        buf_free(&out);
        ck_assert_uint_lt(nth, 50);
    }
}
END_TEST

START_TEST(chinese_numerals_are_read)
{
    static const struct {
        const char *s;
        size_t bytes;
        double value;
    } cases[] = {
        { "一百二十三万", 18, 1230000 },
        { "两千零五", 12, 2005 },
        { "〇", 3, 0 },
        { "壹佰", 6, 100 },
        { "3万5千", 8, 35000 },
        { "一点五", 9, 1.5 },
        { "三点一四一五九", 21, 3.14159 },
        { "十", 3, 10 },
        { "十二", 6, 12 },
        { "二十", 6, 20 },
        { "一百一十", 12, 110 },
        { "一百零一", 12, 101 },
        { "一千零五十", 15, 1050 },
        { "十万零三百", 15, 100300 },
        { "一亿三千万", 15, 130000000 },
        { "1亿2千万", 11, 120000000 },
        { "一万亿", 9, 1e12 },
        { "十二万亿", 12, 1.2e13 },
        { "九千九百九十九万九千九百九十九", 45, 99999999 },
        { "二〇二三年", 12, 2023 },
        { "一百五", 9, 150 },
        { "三万五", 9, 35000 },
        { "两百三十个", 12, 230 },
        { "1.5亿元", 6, 150000000 },
        { "12万", 5, 120000 },
        { "1,200万", 8, 12000000 },
        { "1万2345", 8, 12345 },
        { "貳拾萬", 9, 200000 },
        { "三点", 3, 3 },
        { "五十三百", 6, 50 },
        { "百分之", 0, 0 },
        { "万一", 0, 0 },
        { "半", 0, 0 },
        { "12", 0, 0 },
        { "千万", 0, 0 },
        { "", 0, 0 },
        { "a", 0, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        double v = 0;
        size_t n = text_chinese_number(str_of(cases[i].s), &v);

        ck_assert_msg(n == cases[i].bytes && fabs(v - cases[i].value) < 1e-9,
                      "%s: %zu bytes, %.17g", cases[i].s, n, v);
    }
}
END_TEST

START_TEST(distance_counts_swaps_as_one)
{
    ck_assert_uint_eq(text_distance(STR("choice"), STR("choice")), 0);
    ck_assert_uint_eq(text_distance(STR("chioce"), STR("choice")), 1);
    ck_assert_uint_eq(text_distance(STR("答案"), STR("答")), 1);
    ck_assert_uint_eq(text_distance(STR(""), STR("abc")), 3);
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, strings_compare_and_find);
    tcase_add_test(tc, trim_takes_chinese_spaces);
    tcase_add_test(tc, check_finds_the_first_bad_byte);
    tcase_add_test(tc, every_character_encodes_and_decodes);
    tcase_add_test(tc, whole_holds_back_only_what_can_grow);
    tcase_add_test(tc, width_counts_cells);
    tcase_add_test(tc, classes_know_chinese);
    tcase_add_test(tc, classes_of_ascii_are_those_of_unicode);
    tcase_add_test(tc, fold_makes_forms_one);
    tcase_add_test(tc, fold_map_leads_back_to_the_source);
    tcase_add_test(tc, fold_map_survives_dropped_characters);
    tcase_add_test(tc, fold_agrees_with_opencc_on_the_whole_text);
    tcase_add_test(tc, fold_knows_every_phrase_of_opencc);
    tcase_add_test(tc, fold_agrees_with_whole_text_normalisation);
    tcase_add_test(tc, fold_takes_any_bytes_in_linear_time);
    tcase_add_test(tc, fold_reports_no_memory_and_the_limit);
    tcase_add_test(tc, chinese_numerals_are_read);
    tcase_add_test(tc, distance_counts_swaps_as_one);
}

T_MAIN("text", setup)
