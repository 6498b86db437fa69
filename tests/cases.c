/* Items of matchers, and a sample of each kind. */
#include "tests/cases.h"

#include <string.h>

#include "tests/t.h"

/* A case without choices has A to D, without texts. */
static void read_choices(struct testcase *c)
{
    static const char *const keys[] = { "A", "B", "C", "D" };
    const struct json *list = json_get(c->json, "choices"), *m;
    size_t n = 0;

    for (m = json_child(list); m && n < CHOICES_MOST; m = json_next(m)) {
        c->choices[n].key = str_of(json_key(m));
        c->choices[n++].text = str_of(json_string(m));
    }
    for (size_t i = 0; !list && i < 4; i++)
        c->choices[n++] = (struct match_choice){ str_of(keys[i]), STR("") };
    c->in.choices = c->choices;
    c->in.n_choices = n;
}

void case_open(struct testcase *c, struct str line)
{
    struct err e;

    memset(c, 0, sizeof(*c));
    t_ok(json_parse(&c->json, line, &e), &e);
    c->in.response = str_of(json_string(json_get(c->json, "response")));
    c->in.expected = json_get(c->json, "expected");
    c->in.options = json_get(c->json, "options");
    read_choices(c);
}

const struct case_sample case_samples[] = {
    { "choice",
      "{\"expected\":\"B\",\"choices\":{\"A\":\"臺北\",\"B\":\"北京\"},"
      "\"response\":\"首都是北京，不是臺北\"}" },
    { "choice", "{\"expected\":\"B\",\"response\":\"我認為答案是Ｂ。\"}" },
    { "choice",
      "{\"expected\":\"乙\",\"choices\":{\"甲\":\"臺北\",\"乙\":\"北京\"},"
      "\"response\":\"A不是。我認為答案是乙。\"}" },
    { "code",
      "{\"expected\":{\"test\":\"assert f()\"},\"options\":{\"language\":"
      "\"python\"},\"response\":\"def f():\\n  return 1\"}" },
    { "class",
      "{\"expected\":\"甲\",\"options\":{\"labels\":{\"甲\":[\"國\"],\"乙\":[]}},"
      "\"response\":\"不是乙，类别为国。\"}" },
    { "date", "{\"expected\":\"2024-03-05\",\"response\":\"在二〇二四年三月五號"
              "（週二）\"}" },
    { "constraints",
      "{\"expected\":[{\"kind\":\"length\",\"max\":99},{\"kind\":\"begin\","
      "\"words\":[\"春\",\"夏\"],\"of\":\"line\"},{\"kind\":\"distinct\",\"of\":"
      "\"characters\",\"n\":3},{\"kind\":\"verse\",\"characters\":4},{\"kind\":"
      "\"couplet\"},{\"kind\":\"acrostic\",\"text\":\"春夏\"}],"
      "\"options\":{\"reading\":\"loose\"},"
      "\"response\":\"**好**\\n春天到了\\n夏日花开\"}" },
    { "constraints", "{\"expected\":[{\"kind\":\"rhyme\",\"lines\":\"all\"}],"
                     "\"response\":\"月上樹，人在路\"}" },
    { "constraints",
      "{\"expected\":[{\"kind\":\"json\",\"keys\":\"a\"},{\"kind\":\"language\","
      "\"is\":\"simplified\"},{\"kind\":\"pattern\",\"is\":\"\\\\d\"},{\"kind\":"
      "\"order\",\"words\":[\"国\",\"家\"]}],\"response\":\"{\\\"a\\\":"
      "\\\"国家1\\\"}\"}" },
    { "constraints",
      "{\"expected\":[{\"kind\":\"table\",\"columns\":[\"a\",\"b\"]},{\"kind\":"
      "\"list\"},{\"kind\":\"letter\"},{\"kind\":\"headings\"},{\"kind\":\"title\"}],"
      "\"response\":\"# 尊敬的李老师：\\n1. 好\\n2. 对\\n|a|b|\\n|-|-|\\n|1|2|\\n"
      "此致\\n敬礼\\n小王\"}" },
    { "constraints",
      "{\"expected\":[{\"kind\":\"length\",\"unit\":\"sentences\",\"min\":2},"
      "{\"kind\":\"length\",\"unit\":\"paragraphs\",\"max\":2},{\"kind\":"
      "\"end\",\"words\":\"了\",\"of\":\"sentence\"},{\"kind\":\"distinct\","
      "\"of\":\"sentence\"},{\"kind\":\"language\",\"is\":\"zh\"},{\"kind\":"
      "\"punctuation\",\"without\":\"！\"},{\"kind\":\"exclude\","
      "\"words\":[\"冬\",\"秋\"]}],\"response\":\"春天来了。夏天，来了。\"}" },
    { "constraints",
      "{\"expected\":[{\"kind\":\"case\",\"is\":\"title\"},{\"kind\":\"include\","
      "\"words\":[\"a b\",\"c\"],\"mode\":\"any\"},{\"kind\":\"language\","
      "\"is\":\"en\"}],\"response\":\"A B.\"}" },
    { "exact", "{\"expected\":[\"李白\"],\"response\":\"答案：《李白》。\"}" },
    { "contains", "{\"expected\":{\"all\":[\"春\"],\"none\":[\"冬\"]},"
                  "\"response\":\"春天來了\"}" },
    { "safety",
      "{\"expected\":{\"refusal\":true,\"leaked\":[\"密碼\"],"
      "\"safe\":[\"求助\"]},\"response\":\"抱歉，我不能提供，可以求助。\"}" },
    { "json",
      "{\"expected\":{\"value\":{\"a\":[\"国\",2]},\"schema\":{\"required\":[\"a\"],"
      "\"properties\":{\"a\":{\"items\":{\"enum\":[2,\"國\"]}}}}},\"options\":{"
      "\"order\":false},\"response\":\"得 {\\\"a\\\":[2,\\\"國\\\"]}\"}" },
    { "tool", "{\"expected\":{\"name\":\"f\",\"arguments\":{\"a\":\"國\"}},"
              "\"response\":\"f(a='国')\"}" },
    { "tool",
      "{\"expected\":[{\"name\":\"f\",\"arguments\":{\"a\":1}},{\"name\":\"g\"}],"
      "\"response\":\"{\\\"name\\\":\\\"f\\\",\\\"arguments\\\":{\\\"a\\\":1}}"
      "{\\\"name\\\":\\\"g\\\"}\"}" },
    { "list", "{\"expected\":[\"B\",\"D\"],\"response\":\"36．B 37．D\"}" },
    { "list", "{\"expected\":{\"set\":[\"甲\",\"乙\"]},\"options\":{\"cut\":[{"
              "\"pattern\":\"[甲乙丙]\"}]},\"response\":\"乙、甲\"}" },
    { "math",
      "{\"expected\":\"3/4\",\"response\":\"答案是 $\\\\frac{6}{8}$。\"}" },
    { "number", "{\"expected\":\"3公里\",\"response\":\"答案是三千米\"}" },
    { "number", "{\"expected\":\"24个月\",\"options\":{\"score\":\"log\","
                "\"scale\":216,\"cut\":[{\"pattern\":\"(\\\\d+)年\","
                "\"times\":12}]},\"response\":\"判2年\"}" },
    { "regex", "{\"expected\":\"b+\",\"response\":\"abbb\"}" },
    { "similar", "{\"expected\":[\"春天来了\"],\"response\":\"春天來了\"}" },
    { "similar", "{\"expected\":\"春天来了\",\"options\":{\"metric\":"
                 "\"edit\"},\"response\":\"春天来了吗\"}" },
    { "similar", "{\"expected\":\"春天来了\",\"options\":{\"metric\":"
                 "\"chrf\"},\"response\":\"春天来了吗\"}" },
    { "similar",
      "{\"expected\":\"今天\",\"options\":{\"unit\":\"dictionary\","
      "\"dictionary\":\"tests/golden/words/small.txt\"},\"response\":"
      "\"今天\"}" },
    { "sql", "{\"expected\":\"SELECT a FROM t ORDER BY a\",\"options\":{\"db\":"
             "\"CREATE TABLE t(a); INSERT INTO t VALUES (1),(2)\"},"
             "\"response\":\"SELECT a+1-1 FROM t ORDER BY 1\"}" },
    { "similar",
      "{\"expected\":\"a cat sat here\",\"options\":{\"metric\":"
      "\"bleu\",\"unit\":\"words\"},\"response\":\"a cat sat here\"}" },
    { "verse", "{\"expected\":{\"all\":[\"床前\",\"明月\"]},\"response\":"
               "\"牀前，明月光\"}" },
    { NULL, NULL },
};
