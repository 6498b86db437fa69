/* The rules by which the matcher `choice` finds letters, as data.
 *
 * A rule reads group 1; its place in the cascade is its tier.  What takes a hit
 * back (不选, 排除, 如果是; 错误, 吗, ?) is held against the few bytes before and
 * after it by tables of its own, so that every rule has these guards.  Each
 * rule has examples of what it reads and of what it leaves in
 * tests/golden/match/rules.jsonl. */
#include "harness/match/choice.h"

/* ---- the rules ---- */

/* What may stand around a letter and says nothing: quotes, brackets, Markdown,
 * LaTeX.  Possessive, so that a failed match does not try again without. */
#define DECO                                                                   \
    "(?:[\\s\"'“”‘’「」『』《〈<(\\[{【〖*_`$:#]|\\\\[,;!( ]|" \
    "\\\\(?:text|textbf|textit|mathrm|mathbf|mathsf|mathbb|rm|bf)\\b){0,16}+"
#define CLOSE "[\\s\"'“”‘’」』》〉>)\\]}】〗*_`$]{0,16}+"
/* A letter is not part of a Latin word or of a number. */
#define EDGE "(?![A-Za-z0-9_'’]|\\+\\+)"
#define ONE "(?<![A-Za-z0-9_'’\\\\])[A-Za-z]" EDGE
/* One letter, or several that are listed: AC, A、C, A and C, A C.  After a
 * comma or space the next letter must not begin a clause (B, C项错误). */
#define LIST                                                                   \
    "(?:[)]?\\s*(?:[、/&+]|和|与|及|以及|或者?|and|or)\\s*[(]?[A-Z][)]?" EDGE  \
    "|[)]?[ \\t]*[,;]?[ \\t]*[(]?[A-Z][)]?" EDGE                               \
    "(?!\\s*[\\p{sc:Han}.:、-]|[ \\t]+(?!and\\b|or\\b)[a-z])){0,25}+"
#define LETTERS "((?<![A-Za-z0-9_'’\\\\])[A-Z]{2,26}" EDGE "|" ONE LIST ")"
#define OPT "(?:选项|选择|选|第|(?i:options?|choices?|letters?)\\b)?+"
#define ITEM "\\s*+(?:选?项|选项)?+"
/* Up to n characters inside a clause, without a word that denies. */
#define GAP(n) "[^。!?！？;；\\n不非没未吗A-Za-z]{0," #n "}?"
#define IS                                                                     \
    "(?:应该是|应当是|应该为|应是|应为|应该选择?|应选|只能是|就是|是|为|选择|选|填|在于)"
#define END "(?=" CLOSE "(?:选?项)?\\s*(?:[。.,，;；!！、<]|才|吧|了|更|$))"

static const struct match_rule rules[] = {
    { "boxed", "\\\\f?box(?:ed)?\\b" DECO OPT DECO LETTERS, 0, CHOICE_STATED },
    { "answer-tag", "<(?i:answer|答案)>" DECO OPT DECO LETTERS, 0,
      CHOICE_STATED },
    { "answer-mark",
      "(?:答案|(?i:answer)|选项)\\s*[\\]】〗)〕]" DECO IS
      "?" DECO OPT DECO LETTERS,
      0, CHOICE_STATED },
    { "answer-is", "答案" GAP(14) IS DECO OPT DECO LETTERS, 0, CHOICE_STATED },
    { "answer-colon",
      "答案[\"'”’*_`)\\t ]*+(?:[:=]|->|→|\\n)" DECO OPT DECO LETTERS, 0,
      CHOICE_STATED },
    { "answer-letter",
      "答案" OPT DECO LETTERS "(?=" CLOSE ITEM "\\s*(?:[。.,，;；!！<]|$))", 0,
      CHOICE_STATED },
    { "reply-colon",
      "(?:^|[\\n。;；])[\\s*#]{0,100}+(?:答|解答|回答|选择|选项|结论|我的选择|最终选择|"
      "Choice|Option)[*\\s]*:" DECO OPT DECO LETTERS,
      0, CHOICE_STATED },
    { "choose",
      "(?<![备候精当筛可初入文评竞挑])(?:选择|选取|选定|选|选用)(?:了|的是|的|为|出|"
      "答案|选项|第)?+" DECO OPT DECO LETTERS
      "(?!\\s*选?项?的(?!是|正确|答案)|\\s*(?:会|时|后|则|就|还是|是因为))",
      0, CHOICE_STATED },
    { "right-option",
      "正确(?:的)?(?:选项|选择|一项|一个|回答|判断|结论)" GAP(
          8) "(?:是|为|有|:|选)" DECO OPT DECO LETTERS,
      0, CHOICE_STATED },
    { "option-is", "选项\\s*(?:应该?)?(?:是|为)" DECO LETTERS END, 0,
      CHOICE_STATED },
    { "should-be",
      "(?:应该|应当|应|而|便|就|那么|我认为|我觉得|我选的)(?:是|为|选择|选)" DECO
          OPT DECO LETTERS END,
      0, CHOICE_STATED },
    { "not-but",
      "不(?:是|选)" DECO OPT DECO "[A-Z]" EDGE ITEM CLOSE
      "[,，、]?\\s*(?:而|应|应该)?(?:是|选)" DECO OPT DECO LETTERS,
      0, CHOICE_STATED },
    { "corrected",
      "(?:更正|纠正|改为|改成|改选|修正|改答|订正)(?:为|成|是|后|答案)*" DECO
          OPT DECO LETTERS,
      0, CHOICE_STATED },
    { "corrected",
      "(?:不对|错了|有误)(?:(?!不是|不选)[^A-Za-z\\n]){0,16}?(?:是|为|选)" DECO
          OPT DECO LETTERS,
      0, CHOICE_STATED },
    { "therefore",
      "(?:因此|所以|故|综上所述|综上|由此可知|由此可见|可见|可知|总之|最终|最后)"
      "[,，:\\s]*(?:本题|此题|答案|应该|应|只能|就|必然)?(?:是|为)?" DECO OPT
          DECO LETTERS "(?=" CLOSE ITEM "\\s*(?:[。.!！;；<]|$))",
      0, CHOICE_STATED },
    { "answer-is-en",
      "\\b(?i:(?:final|correct|best|right|my)\\s+(?:answer|choice|option)"
      "|answers?|ans)\\b[*_\"']*+"
      "(?i:(?:(?!\\bnot\\b|n['’]t|\\bnever\\b|\\bif\\b)[^.,\\n?!:]){0,40}?"
      "\\b(?:is|be|are)\\b|\\s*[:=\\n(])" DECO
      "(?i:(?:indeed|clearly|therefore|likely|probably|definitely|most likely|"
      "actually|thus|simply)[\\s,]+)?" OPT DECO LETTERS,
      0, CHOICE_STATED },
    { "choose-en",
      "\\b(?i:choose|chose|pick|picked|select|selected|go(?:ing)? with|"
      "go(?:ing)? for|opt for|stick with)\\b" DECO
      "(?i:the )?" OPT DECO LETTERS,
      0, CHOICE_STATED },
    /* A question may ask which is wrong: D项错误, 是本题的答案. */
    { "is-the-answer",
      LETTERS ITEM CLOSE
      "(?:(?!不是|并非|不能|不可|不应|不会)[^。!?！？;；\\nA-Za-z]){0,24}?"
      "(?:就是|即为|即是|是|为|作为)(?:本题|此题|该题|题目|我们要[找选]的?|所求)"
      "的?(?:正确|最佳|最终)?的?(?:答案|选择|选项)(?!之一|吗|的)",
      0, CHOICE_STATED | CHOICE_FIRM },
    { "is-the-answer",
      LETTERS ITEM CLOSE
      "是(?:表述|说法|论述|叙述|理解)(?:错误|有误|不正确|不当)的(?:答案|选项|一项)"
      "(?!之一|吗|的)",
      0, CHOICE_STATED | CHOICE_FIRM },

    { "head",
      "\\A(?:[\\s\"'“‘「『《<(\\[{【*_`$#>]|\\\\(?:text|textbf|mathrm|mathbf)\\b|"
      "好的[,，。!]|嗯[,，。])*+" OPT DECO LETTERS "(?:选?项)?" CLOSE
      "(?=[.。,，、:;!！<(—\\n-]|\\z|(?<=\\s)[^a-z]|因为)",
      0, CHOICE_ALONE | CHOICE_HEAD },
    { "tail",
      "(?:\\A|\\n)(?:[\\s\"'“‘「<(\\[{【*_`$#>:-]|\\\\(?:text|textbf|mathrm)\\b){0,100}+" OPT
          DECO LETTERS ITEM "[\\s\"'”’」)\\]}】*_`$.。!！]*+"
      "(?:</?[|\\w]{1,20}>\\s*)*+\\z",
      0, CHOICE_ALONE },

    { "which",
      "(?:不|未|没有)?"
      "(?:正确|错误|有误|不当|恰当|符合|属于|合适|成立|合理|无关|最佳|不同|一致)"
      "[^。!?！？,，;；\\n]{0,12}?(?:的|项|选项|说法)"
      "[^。!?！？,，;；\\nA-Za-z是不非]{0,8}?"
      "(?:是|为|:|有)" DECO OPT DECO LETTERS,
      0, CHOICE_WHICH },

    { "right",
      LETTERS ITEM CLOSE
      "(?:\\s*:?\\s*[对√✓✔](?=\\s*(?:[,，。;；、\\n]|\\z))|" GAP(
          10) "(?:正确|符合题意|符合题干|最佳|最合适|最恰当|最准确|最符合|最为准确|最为合适|更合适|"
              "更准确|更恰当|是对的|无误)(?!率|与否|地|[^。,，\\n]{0,3}[吗?？]))",
      0, CHOICE_RIGHT },
    { "right-saying",
      LETTERS ITEM CLOSE
      "是[^。!?！？,，;；\\n不非没未A-Za-z]{0,40}?"
      "(?:正确|恰当|准确|合适)的?(?:说法|表述|选项|观点|描述|"
      "理解|做法|判断|结论)(?![?？吗])",
      0, CHOICE_RIGHT },
    { "right-text",
      OPT LETTERS ITEM
      ":[^。!?！？,，;；\\n不非没未A-Za-z]{1,80}?是(?:正确|对)的",
      0, CHOICE_RIGHT },
    { "right-mark",
      "(?:\\A|\\n)[ \\t*]*" LETTERS "[.、:)][^\\n]{0,200}?[(\\[ ]"
      "(?:正确答案|正确|√|✓|✔)[)\\]]?[ \\t]*(?=\\n|\\z)",
      0, CHOICE_RIGHT | CHOICE_MARK },
    { "right-only", "只有" DECO OPT DECO LETTERS ITEM, 0, CHOICE_RIGHT },
    { "right-en",
      "(?:\\b(?i:option|choice|answer)\\s+)?" DECO LETTERS CLOSE
      "\\s*(?:\\b(?i:is|seems|appears|looks)\\b)(?i: to be)?(?i:\\s+(?:the|most|"
      "indeed|clearly|likely|also|only))*\\s+(?i:correct|right|best|true|"
      "accurate|appropriate|suitable|answer)",
      0, CHOICE_RIGHT },

    { "is-option",
      "(?<=\\p{Han})(?:是|为)(?![ :]*\\n)" DECO OPT DECO LETTERS
      "\\s*(?:选项|项|:)",
      0, CHOICE_NAMED },
    { "is-letter",
      "(?:措施|情形|情况|做法|说法|观点|表述|行为|原因|目的|结论|叙述|项|者|方式|"
      "制度|规定|判断|词语?|句子|人物|国家|城市|作品|结果)(?:是|为|应是|应为)(?![ :]*\\n)" DECO
          OPT DECO LETTERS END,
      0, CHOICE_NAMED },
    /* The one that a closing sentence calls wrong: the question asked for it. */
    { "concluded-wrong",
      "(?:综上所述|综上|总之|由上可知|根据以上分析)[,，]?"
      "[^。!?！？\\nA-Za-z]{0,30}?" OPT LETTERS ITEM CLOSE
      "[^。!?！？\\nA-Za-z]{0,40}?(?:不正确|不符|错误|有误|不属于|不恰当|不成立|"
      "不包括|不对|不能|不是)[^。!?！？\\nA-Za-z]{0,40}[。.!]?\\s*"
      "(?:</?[|\\w]{1,20}>\\s*)*+\\z",
      0, CHOICE_NAMED | CHOICE_FIRM | CHOICE_SINGLE },

    { "bold",
      "\\*\\*" DECO OPT DECO LETTERS "(?:\\s*选?项|[.。、:)]?[^*\\n]{0,80}?)?"
      "\\*\\*",
      0, CHOICE_BOLD },
};
struct match_rules choice_rules = MATCH_RULES(rules);

/* Held against the text before a hit: words that take it back. */
#define TO_DO                                                                                                         \
    "(?:能|能够|要|应|该|应该|可|可以|会|宜|得|建议|是|再|太|必|用|考虑|推荐|准备|打算|" \
    "倾向于?|直接|符合|选择?|属于)*\\s*"
static const struct match_rule before_rules[] = {
    { "example",
      "(?:例如|比如|譬如|诸如|形如|如下|示例|样例|格式)(?:是|为|:)?\\s*"
      "[\\[【〖(\"“「]*(?:正确|最终|标准|参考)?\\s*"
      "(?:答案\\s*[\\]】〗)]?\\s*:?\\s*)?\\z",
      0, 0 },
    { "denied",
      "(?:不|没有?|未|别|勿|切勿|并非|绝非|决非|而非|无法|不宜)" TO_DO "\\z", 0,
      0 },
    { "left-out", "(?:排除|否定|剔除|误|错|多|漏|去掉)(?:了|掉)?\\s*\\z", 0,
      0 },
    { "supposed",
      "(?:如果|假如|假设|假定|要是|倘若|若是|若|万一|是否|为什么|为何|怎么|凭什么|有人|"
      "同学|学生|考生|容易|会被|误以为|原以为|以为|起初|一开始|最初|先前|之前)"
      "(?:本题|此题|我们|你|他们?|把|会|能|可能|也|是|认为|觉得|就|都|正确|的|答案|将|的话|"
      "我|说)*\\s*\\z",
      0, 0 },
    { "denied-en",
      "(?i:\\b(?:not|never|if|whether|why|than|cannot|initially|first)|n['’]t)"
      "(?i:\\s+(?:the|be|to|a|an|i|you|we|would|think|thought|correct|right|"
      "option|choose|pick))*\\s*\\z",
      0, 0 },
};
struct match_rules choice_before = MATCH_RULES(before_rules);

/* Held against the text after a hit. */
static const struct match_rule after_rules[] = {
    { "asked", "\\A" CLOSE ITEM "\\s*(?:[?？]|吗|呢|还是)", 0, 0 },
    { "called-wrong",
      "\\A" CLOSE ITEM
      "\\s*:\\s*(?:错误?|不正确|不对|不成立|不符合|有误)(?![\\p{Han}])",
      0, 0 },
    { "denied",
      "\\A" CLOSE ITEM CLOSE "[^。.!?！？;；,，:、\\nA-Za-z]{0,8}?"
      "(?:错误?|不对|不正确|不成立|不符|有误|不合|不是|不选|不准确|不妥|不当|不可能|不属于|"
      "排除|不够|不行|不能选|不全面)(?!的一?项|的是|的选|的说|的叙|的答)",
      0, 0 },
    { "one-of-several",
      "\\A[.、][^。\\n,，;；A-Z]{1,60}(?:和|与|及|、|以及|或)\\s*(?:选项)?[(]?[A-Z][)]?"
      "[.、]",
      0, 0 },
    { "denied-en",
      "\\A" CLOSE
      "\\s*(?i:(?:is|are|was|seems)\\s+(?:not|wrong|incorrect|false)|"
      "isn['’]t|can(?:not|['’]t) be)",
      0, 0 },
};
struct match_rules choice_after = MATCH_RULES(after_rules);

/* An option that is called wrong; only used where all options are judged. */
static const struct match_rule wrong_rules[] = {
    { "wrong",
      LETTERS ITEM CLOSE
      "[^。.!?！？;；\\nA-Za-z]{0,24}?"
      "(?:错误|不正确|不对|不符合|有误|不成立|不准确|不恰当|不合理|错|[×✗✘❌])",
      0, 0 },
};
struct match_rules choice_wrong = MATCH_RULES(wrong_rules);

/* Where a base model goes on and writes the next question by itself. */
static const struct match_rule next_rules[] = {
    { "next",
      "\\n[\\s*#]{0,100}+(?:(?:下一题|问题|题目|单选题|多选题|选择题|例题|Question|Q|Human|User|"
      "用户|问)\\s*\\d{0,3}\\s*[:.]|以下是|<\\|im_start|<\\|user|\\[INST\\])",
      0, 0 },
};
struct match_rules choice_next = MATCH_RULES(next_rules);

/* The answer is that no option is one.  It counts like a statement: the last
 * one does. */
static const struct match_rule none_rules[] = {
    { "none-stated",
      "答案\\s*[\\]】〗]?\\s*(?:[:：是为]\\s*)*(?:应为|应该是|选项为)?\\s*"
      "(?:无(?:正确|解|答案|法|合适|符合|选项|可选|。|<|$)|没有(?:正确|合适|符合|出现)|"
      "不存在|题目|题干|选项为?空|空集|都不|均不|不唯一|不确定|未知)",
      0, 0 },
    { "none-right",
      "(?:无|没有|不存在|并无)(?:一个|任何一?个?)?(?:完全)?(?:正确|合适)的?"
      "(?:答案|选项)",
      0, 0 },
    { "none-of-all",
      "(?:(?:所有|全部|四个|五个|给出的|这些|以上|上述|题目的?)的?选项|"
      "(?<=[,。;\\n ])选项|A\\W{0,3}B\\W{0,3}C\\W{0,3}D\\s?(?:选项)?)"
      "(?:都|均|全)(?:是)?(?:不正确|不对|不符合|错误|错的|有误)",
      0, 0 },
    { "none-flawed",
      "(?:题目|题干|题设|本题|此题)(?:本身|可能|或许|应该|似乎|中)*(?:有误|有错|"
      "存在错误|有问题|存在问题|无解|出错)",
      0, 0 },
    { "none-open",
      "(?:无法|不能|难以)(?:从[^。\\n]{0,16}?)?(?:选出|选择|确定|得出|判断|给出)"
      "(?:出)?(?:唯一|本题|此题|具体)?的?(?:正确)?的?(?:答案|选项)",
      0, 0 },
    { "none-en",
      "(?i:\\bnone of the (?:given |above |provided )?(?:options|choices|answers)"
      "(?: \\w+){0,2} (?:is|are|matche?s?|seems?)\\b|"
      "\\bno correct (?:answer|option|choice)\\b)",
      0, 0 },
};
struct match_rules choice_none = MATCH_RULES(none_rules);
