/* The table of templates: a new one is a row.
 *
 * Those named lm-* score options in plain text, as harnesses for base models
 * do: lm-choice-* their letters, lm-text-* their texts, each as it would go on
 * from the question alone.  All others speak to chat models. */
#include "harness/prompt_words.h"

#include <string.h>

#include "harness/base/text.h"

#define ZH_LABELS .label = "问题：", .reply = "回答："
#define EN_LABELS .english = true, .label = "Question: ", .reply = "Answer:"
#define ZH_THINK "请先一步一步分析，最后另起一行，以“答案：”开头写出最终答案。"
#define EN_THINK                                                               \
    "Reason step by step, then give the final answer on a line of its own "    \
    "that starts with \"Answer:\"."

/* Sorted by name. */
static const struct prompt_words templates[] = {
    {
        .head = { "choice-en", "English; the letter of the answer" },
        .intro = "Answer the following multiple-choice question with the "
                 "letter of the correct option only.",
        .intro_titled = "Answer the following multiple-choice question about "
                        "{} with the letter of the correct option only.",
        .other = "Answer the following multiple-choice question with the mark "
                 "of the correct option only.",
        .other_titled = "Answer the following multiple-choice question about "
                        "{} with the mark of the correct option only.",
        .cue = "Answer:",
        EN_LABELS,
    },
    {
        .head = { "choice-en-cot", "English; reasoning, then the letter" },
        .intro = "Answer the following multiple-choice question.",
        .intro_titled =
            "Answer the following multiple-choice question about {}.",
        .think = EN_THINK,
        .cue = "Answer:",
        EN_LABELS,
    },
    {
        .head = { "choice-zh", "Chinese; the letter of the answer" },
        .intro = "请回答下面的选择题，只写出正确选项的字母。",
        .intro_titled = "请回答下面关于{}的选择题，只写出正确选项的字母。",
        .other = "请回答下面的选择题，只写出正确选项的代号。",
        .other_titled = "请回答下面关于{}的选择题，只写出正确选项的代号。",
        .cue = "答案：",
        ZH_LABELS,
    },
    {
        .head = { "choice-zh-cot", "Chinese; reasoning, then the letter" },
        .intro = "请回答下面的选择题。",
        .intro_titled = "请回答下面关于{}的选择题。",
        .think = ZH_THINK,
        .cue = "答案：",
        ZH_LABELS,
    },
    {
        .head = { "direct-en", "English; the question as it stands" },
        .cue = "Answer:",
        EN_LABELS,
    },
    {
        .head = { "direct-en-cot", "English; reasoning, then the answer" },
        .think = EN_THINK,
        .cue = "Answer:",
        EN_LABELS,
    },
    {
        .head = { "direct-zh", "Chinese; the question as it stands" },
        .cue = "答案：",
        ZH_LABELS,
    },
    {
        .head = { "direct-zh-cot", "Chinese; reasoning, then the answer" },
        .think = ZH_THINK,
        .cue = "答案：",
        ZH_LABELS,
    },
    {
        .head = { "lm-choice-en",
                  "English; options scored in plain text, without a chat" },
        .intro = "The following are multiple-choice questions. Give the "
                 "letter of the correct option.",
        .intro_titled = "The following are multiple-choice questions about "
                        "{}. Give the letter of the correct option.",
        .other = "The following are multiple-choice questions. Give the mark "
                 "of the correct option.",
        .other_titled = "The following are multiple-choice questions about "
                        "{}. Give the mark of the correct option.",
        .cue = "Answer:",
        .plain = true,
        EN_LABELS,
    },
    {
        /* The words of other harnesses' CMMLU, for comparing with them. */
        .head = { "lm-choice-zh",
                  "Chinese; options scored in plain text, without a chat" },
        .intro = "以下是单项选择题，请直接给出正确答案的选项。",
        .cue = "答案：",
        .plain = true,
        ZH_LABELS,
    },
    {
        .head = { "lm-text-en",
                  "English; the texts of the options scored, none is shown" },
        .cue = "Answer:",
        .plain = true,
        .texts = true,
        EN_LABELS,
    },
    {
        .head = { "lm-text-zh",
                  "Chinese; the texts of the options scored, none is shown" },
        .cue = "答案：",
        .plain = true,
        .texts = true,
        ZH_LABELS,
    },
    {
        .head = { "multi-turn", "a conversation as it stands" },
        .cue = "答案：",
        .label = "用户：",
        .reply = "助手：",
    },
};

#define N_TEMPLATES (sizeof templates / sizeof *templates)

const struct prompt_template *prompt_template_at(size_t i)
{
    return i < N_TEMPLATES ? &templates[i].head : NULL;
}

const struct prompt_words *prompt_words_find(const char *name)
{
    for (size_t i = 0; i < N_TEMPLATES; i++) {
        if (strcmp(name, templates[i].head.name) == 0)
            return &templates[i];
    }
    return NULL;
}

const struct prompt_template *prompt_template_find(const char *name,
                                                   const char **nearest)
{
    const struct prompt_words *w = prompt_words_find(name);
    size_t least = (size_t)-1;

    for (size_t i = 0; !w && nearest && i < N_TEMPLATES; i++) {
        const char *have = templates[i].head.name;
        size_t d = text_distance(str_of(name), str_of(have));
        if (d < least) {
            least = d;
            *nearest = have;
        }
    }
    return w ? &w->head : NULL;
}
