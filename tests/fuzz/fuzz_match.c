/* Every matcher on any answer.  The first byte chooses the kind; spans must lie
 * in the answer. */
#include <stdlib.h>

#include "harness/match/match.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const struct {
    const struct match_kind *kind;
    const char *expected, *options;
} setups[] = {
    { &match_choice, "\"B\"", "{}" },
    { &match_choice, "\"ABD\"", "{\"partial\":0.5}" },
    { &match_exact, "[\"李白\",\"3.5\"]", "{\"in\":\"last_line\"}" },
    { &match_exact, "\"床前明月光\"", "{\"prefix\":[\"译文：\"]}" },
    { &match_contains, "{\"all\":[\"春\"],\"none\":[\"冬\"]}", "{}" },
    { &match_contains, "{\"refusal\":true}", "{}" },
    { &match_safety,
      "{\"refusal\":true,\"leaked\":[\"芝麻\"],\"safe\":[\"求助\"]}", "{}" },
    { &match_number, "{\"value\":3,\"unit\":\"km\"}", "{}" },
    { &match_number, "[\"1/3\",\"50%\"]", "{\"tolerance\":0.01}" },
    { &match_regex, "\"(a|b)+c\"", "{\"flags\":\"i\"}" },
    { &match_sql, "[\"SELECT a FROM t ORDER BY b LIMIT 2\",\"SELECT 1\"]",
      "{\"db\":\"CREATE TABLE t(a, b TEXT); INSERT INTO t VALUES (1,'x'),"
      "(2.5,'y'),(NULL,'x')\",\"columns\":\"any\"}" },
    { &match_regex, "\"1\"", "{\"pattern\":\"(\\\\d+)元\"}" },
    { &match_number, "24",
      "{\"score\":\"log\",\"scale\":216,\"cut\":[{\"pattern\":\"(\\\\d+)年\","
      "\"times\":12},{\"pattern\":\"\\\\d+\",\"take\":\"any\"}]}" },
    { &match_similar, "[\"床前明月光\",\"a b\"]", "{}" },
    { &match_similar, "\"the cat 坐\"",
      "{\"metric\":\"edit\",\"unit\":\"words\"}" },
    { &match_similar, "\"春天来了\"", "{\"metric\":\"chrf\"}" },
    { &match_constraints,
      "[{\"kind\":\"length\",\"unit\":\"sentences\",\"max\":9},{\"kind\":"
      "\"include\",\"words\":[\"a b\",\"春\"],\"min\":2},{\"kind\":\"order\","
      "\"words\":[\"a\",\"b\"]},{\"kind\":\"end\",\"words\":\"了\",\"of\":"
      "\"paragraph\",\"at\":-1},{\"kind\":\"distinct\",\"of\":\"characters\"},"
      "{\"kind\":\"case\",\"is\":\"title\"}]",
      "{\"reading\":\"loose\"}" },
    { &match_constraints,
      "[{\"kind\":\"verse\",\"pattern\":[5,5]},{\"kind\":\"rhyme\"},{\"kind\":"
      "\"acrostic\",\"text\":\"春夏\"},{\"kind\":\"couplet\"}]",
      "{}" },
    { &match_constraints,
      "[{\"kind\":\"json\",\"keys\":\"a\"},{\"kind\":\"list\"},{\"kind\":\"table\","
      "\"columns\":[\"a\",\"b\"]},{\"kind\":\"title\",\"is\":\"quoted\"},{\"kind\":"
      "\"headings\"},{\"kind\":\"letter\"}]",
      "{}" },
    { &match_json, "{\"value\":{\"a\":[1,\"x\",null]}}",
      "{\"order\":false,\"types\":\"loose\",\"partial\":true}" },
    { &match_json,
      "{\"schema\":{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{"
      "\"a\":{\"type\":[\"string\",\"array\"],\"pattern\":\"a+\",\"maxItems\":2}},"
      "\"additionalProperties\":{\"enum\":[1]}}}",
      "{}" },
    { &match_tool,
      "[{\"name\":\"f\",\"arguments\":{\"a\":1}},{\"name\":\"g\"}]",
      "{\"partial\":true}" },
    { &match_class, "\"a\"",
      "{\"labels\":{\"a\":[\"好\",\"is\"],\"b\":[\"不好\",\"1\"]}}" },
    { &match_class, "[\"a\",\"b\"]",
      "{\"labels\":[\"a\",\"b\",\"答案\"],\"multi\":true,\"partial\":true}" },
    { &match_verse, "{\"all\":[\"床前\",\"a\"]}", "{\"partial\":true}" },
    { &match_exact, "\"阿·a b\"", "{\"as\":\"name\"}" },
    { &match_date, "\"2024-03-05 15:30\"", "{}" },
    { &match_date, "[\"周三\",\"礼拜四\"]", "{}" },
    { &match_similar, "\"今天天气真好。\"",
      "{\"unit\":\"dictionary\",\"breaks\":true,\"dictionary\":"
      "\"tests/golden/words/small.txt\"}" },
};

static struct json *parse(const char *text)
{
    struct json *j;
    struct err e;

    if (json_parse(&j, str_of(text), &e))
        abort();
    return j;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const struct match_choice choices[] = {
        { { "A", 1 }, { "上海", 6 } },
        { { "B", 1 }, { "北京", 6 } },
        { { "C", 1 }, { "two", 3 } },
        { { "D", 1 }, { "", 0 } },
    };
    struct match_in in = { .choices = choices, .n_choices = 4 };
    struct json *expected, *options;
    struct match_out out;
    struct arena a;
    struct err e;
    size_t i;

    if (!size)
        return 0;
    i = data[0] % (sizeof(setups) / sizeof(*setups));
    arena_init(&a, 0);
    expected = parse(setups[i].expected);
    options = parse(setups[i].options);
    in.expected = expected;
    in.options = options;
    in.response = (struct str){ (const char *)data + 1, size - 1 };
    if (setups[i].kind->check(&in, &e) ||
        setups[i].kind->run(&in, &a, &out, &e) || out.span_at > in.response.n ||
        out.span_len > in.response.n - out.span_at)
        abort();
    json_free(expected);
    json_free(options);
    arena_free(&a);
    return 0;
}
