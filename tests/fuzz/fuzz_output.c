/* Any bytes as the file of another harness, in each form that is read: refused
 * with a reason, or outputs whose strings are whole.  The first byte chooses
 * the form. */
#include "harness/outputs/output.h"
#include "tests/fuzz/fuzz.h"

/* Names by which the readers know files. */
static const struct {
    const struct output_format *format;
    const char *dir, *name;
} forms[] = {
    { &output_alpaca, "alpaca", "model_outputs.json" },
    { &output_evalscope, "evalscope", "reviews/m/d.jsonl" },
    { &output_gaokao, "gaokao", "m_2010-2022_History_MCQs.json" },
    { &output_gaokao, "gaokao-five", "m_2010-2022_English_Reading_Comp.json" },
    { &output_gaokao, "gaokao-zh", "m_2010_2022物理全国卷选择题.json" },
    { &output_inspect, "inspect", "log.json" },
    { &output_inspect, "inspect-eval", "log.eval" },
    { &output_jsonl, "jsonl", "a.jsonl" },
    { &output_lawbench, "lawbench", "zero_shot/m/1-2.json" },
    { &output_lawbench, "lawbench-labels", "zero_shot/m/2-1.json" },
    { &output_lmeval, "lmeval", "m/samples_d_2024.jsonl" },
    { &output_mtbench, "mtbench", "model_answer/m.jsonl" },
    { &output_opencompass, "opencompass", "predictions/m/d.json" },
};
enum { N_FORMS = sizeof(forms) / sizeof(*forms) };

static void check_output(const struct output *o)
{
    must(o->file != NULL && o->n_turns > 0, "an output has a file and turns");
    for (size_t i = 0; i < o->n_choices; i++)
        must(o->choices[i].key && o->choices[i].text, "a choice is whole");
    for (size_t i = 0; i < o->n_turns; i++)
        must(!o->texts || !o->texts[i] || text_check(str_of(o->texts[i]), NULL),
             "a text is UTF-8");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct outputs in = { .arena = &a };
    struct err e = { .msg = "" };
    size_t i;

    if (!size)
        return 0;
    i = data[0] % N_FORMS;
    arena_init(&a, 0);
    (void)fuzz_file(&a, arena_printf(&a, "%s/%s", forms[i].dir, forms[i].name),
                    fuzz_text(data + 1, size - 1));
    if (forms[i].format->read(io_join(&a, fuzz_folder(), forms[i].dir), &in,
                              &e))
        must(e.msg[0] != '\0', "a refusal has a reason");
    else
        for (size_t k = 0; k < in.n; k++)
            check_output(&in.list[k]);
    mem_free(in.list);
    arena_free(&a);
    return 0;
}
