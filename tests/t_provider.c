/* The table of providers: loading, a user's additions, rules, classes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "runners/adapter.h"
#include "runners/remote.h"
#include "tests/t.h"

static struct providers *table;
static struct arena arena;
static struct err e;

static void begin(void)
{
    arena_init(&arena, 0);
    unsetenv("MOKAO_PROVIDERS");
    setenv("XDG_CONFIG_HOME", t_tmp(), 1);
    t_ok(providers_open(&table, NULL, &e), &e);
}

static void end(void)
{
    providers_close(table);
    table = NULL;
    arena_free(&arena);
}

static const struct provider *row(const char *id)
{
    const struct provider *p = providers_find(table, id);

    ck_assert_msg(p, "no row %s", id);
    return p;
}

/* Opens the table anew with the rows of that text. */
static enum err_code add(const char *rows)
{
    const char *path = arena_printf(&arena, "%s/rows.json", t_tmp());
    const char *text = arena_printf(&arena, "{\"providers\":[%s]}", rows);
    struct providers *p = NULL;

    t_ok(io_replace(path, str_of(text), &e), &e);
    if (providers_open(&p, path, &e))
        return e.code;
    providers_close(table);
    table = p;
    return ERR_OK;
}

/* --- the rows there are --------------------------------------------------- */

START_TEST(every_row_is_complete)
{
    ck_assert_uint_ge(providers_count(table), 41);
    for (size_t i = 0; i < providers_count(table); i++) {
        const struct provider *p = providers_at(table, i);
        ck_assert_ptr_eq(providers_find(table, p->id), p);
        ck_assert_msg(adapter_find(p->shape), "%s: %s", p->id, p->shape);
        ck_assert_msg(p->n_env > 0, "%s", p->id);
        ck_assert_msg(p->name_zh && p->name_en, "%s", p->id);
        ck_assert_msg(json_get(json_get(p->row, "paths"), "chat"), "%s", p->id);
        ck_assert_msg(json_string(json_get(p->row, "status")), "%s", p->id);
    }
    ck_assert_ptr_null(providers_at(table, providers_count(table)));
}
END_TEST

START_TEST(prices_have_a_date_and_a_source)
{
    size_t n = 0;

    for (size_t i = 0; i < providers_count(table); i++) {
        const struct provider *p = providers_at(table, i);
        for (size_t k = 0; k < p->n_prices; k++) {
            const struct price *m = &p->prices[k];
            if (isnan(m->in))
                continue;
            ck_assert_msg(m->date && m->source && m->currency, "%s:%s", p->id,
                          m->model);
            n++;
        }
    }
    ck_assert_uint_ge(n, 100);
}
END_TEST

/* The ids under which the vendors' services are described elsewhere, and the
 * names by which people call them. */
static const char *const names[][2] = {
    { "openai", "openai" },
    { "claude", "anthropic" },
    { "gemini", "gemini" },
    { "baidu_qianfan_v1", "qianfan_v1" },
    { "baidu_qianfan_v2", "qianfan" },
    { "文心", "qianfan" },
    { "aliyun_dashscope", "dashscope_native" },
    { "aliyun_compat", "dashscope" },
    { "通义", "dashscope" },
    { "tencent_hunyuan", "hunyuan_native" },
    { "tencent_hunyuan_compat", "hunyuan" },
    { "混元", "hunyuan" },
    { "iflytek_spark_ws", "spark_ws" },
    { "iflytek_spark_http", "spark" },
    { "星火", "spark" },
    { "zhipu_glm", "zhipu" },
    { "智谱", "zhipu" },
    { "百川", "baichuan" },
    { "minimax_pro", "minimax_pro" },
    { "minimax_v2", "minimax" },
    { "Kimi", "moonshot" },
    { "零一万物", "yi" },
    { "volc_ark", "ark" },
    { "豆包", "ark" },
    { "volc_maas_v1", "skylark" },
    { "sensenova", "sensenova" },
    { "商量", "sensenova_compat" },
    { "360智脑", "zhinao360" },
    { "huawei_pangu", "pangu" },
    { "盘古", "pangu" },
    { "huawei_maas", "maas" },
    { "言犀", "yanxi" },
    { "阶跃星辰", "stepfun" },
    { "DeepSeek", "deepseek" },
    { "天工", "skywork" },
    { "元象", "xverse" },
    { "书生", "intern" },
    { "容联云", "cloopen" },
    { "澜舟", "langboat" },
    { "wps", "wps_ai" },
    { "vllm", "vllm" },
    { "llama.cpp", "llamacpp" },
    { "昇腾", "mindie" },
};

START_TEST(providers_are_found_by_any_of_their_names)
{
    ck_assert_str_eq(row(names[_i][0])->id, names[_i][1]);
}
END_TEST

START_TEST(the_nearest_name_is_told)
{
    ck_assert_ptr_null(providers_find(table, "opnai"));
    ck_assert_str_eq(providers_nearest(table, "opnai")->id, "openai");
    ck_assert_str_eq(providers_nearest(table, "智普")->id, "zhipu");
}
END_TEST

START_TEST(keys_have_roles)
{
    const struct provider *p = row("zhipu");

    ck_assert_uint_eq(p->n_env, 2);
    ck_assert_str_eq(p->env[0], "ZHIPUAI_API_KEY");
    ck_assert_str_eq(p->env[1], "ZAI_API_KEY");
    ck_assert_str_eq(p->env_roles[0], "key");
    ck_assert_str_eq(p->env_roles[1], "key");
}
END_TEST

/* --- prices --------------------------------------------------------------- */

static const struct {
    const char *provider, *model;
    double in; /* NaN: none */
} prices[] = {
    { "openai", "gpt-4", 30 },
    { "openai", "gpt-4o-mini", 0.15 },
    { "openai", "gpt-4o-mini-2024-07-18", 0.15 },
    { "openai", "gpt-4o-2024-11-20", 2.5 },
    { "openai", "gpt-3.5-turbo-0613", 1.5 },
    { "openai", "gpt-4x", NAN },
    { "deepseek", "deepseek-chat", 1 },
    { "hunyuan", "hunyuan-lite", 0 },
};

START_TEST(prices_are_found_by_name_or_longest_beginning)
{
    const struct price *p =
        provider_price(row(prices[_i].provider), prices[_i].model);

    ck_assert_int_eq(p == NULL, isnan(prices[_i].in));
    if (p)
        ck_assert(fabs(p->in - prices[_i].in) < 1e-9);
}
END_TEST

/* --- parameters ----------------------------------------------------------- */

/* The table of differences: which parameter, to whom, as what. */
static const struct {
    const char *provider, *model, *param;
    const char *name; /* NULL: left out */
    double value, sent;
} rules[] = {
    { "openai", "gpt-4o", "temperature", "temperature", 0, 0 },
    { "openai", "gpt-4o", "temperature", "temperature", 3, 2 },
    { "openai", "gpt-4o", "max_tokens", "max_tokens", 9, 9 },
    { "openai", "o1", "temperature", NULL, 0, 0 },
    { "openai", "o4-mini", "max_tokens", "max_completion_tokens", 9, 9 },
    { "openai", "gpt-5.6", "top_p", NULL, 0, 0 },
    { "openai", "gpt-4o", "top_k", NULL, 0, 0 },
    { "anthropic", "claude-haiku-4-5", "temperature", "temperature", 2, 1 },
    { "anthropic", "claude-sonnet-4-5", "top_k", "top_k", 5, 5 },
    { "anthropic", "claude-opus-4-7", "temperature", NULL, 0, 0 },
    { "anthropic", "claude-opus-4-8", "top_p", NULL, 0, 0 },
    { "anthropic", "claude-opus-5", "top_k", NULL, 0, 0 },
    { "anthropic", "claude-sonnet-5", "temperature", NULL, 0, 0 },
    { "gemini", "gemini-3.7-flash", "temperature", NULL, 0, 0 },
    { "gemini", "gemini-2.5-pro", "max_tokens", "maxOutputTokens", 9, 9 },
    { "moonshot", "kimi-k2.5", "temperature", NULL, 0, 0 },
    { "moonshot", "kimi-k3", "temperature", NULL, 0, 0 },
    { "moonshot", "moonshot-v1-8k", "temperature", "temperature", 2, 1 },
    { "zhipu", "glm-4", "temperature", "temperature", 1, 0.99 },
    { "zhipu", "glm-4", "top_p", "top_p", 1, 0.99 },
    { "qianfan", "ernie-3.5-8k", "temperature", "temperature", 0, 0.01 },
    { "qianfan", "ernie-3.5-8k", "temperature", "temperature", 1, 1 },
    { "qianfan", "m", "max_tokens", "max_completion_tokens", 9, 9 },
    { "qianfan_v1", "ERNIE-3.5-8K", "max_tokens", "max_output_tokens", 1, 2 },
    { "dashscope", "qwen-max", "temperature", "temperature", 2, 1.99 },
    { "dashscope", "qwen-max", "top_p", "top_p", 1, 0.9999 },
    { "dashscope_native", "qwen-max", "temperature", "temperature", 0, 0.01 },
    { "minimax", "MiniMax-M2.5", "temperature", "temperature", 0, 0.01 },
    { "minimax", "MiniMax-M3", "temperature", "temperature", 2, 2 },
    { "hunyuan", "hunyuan-lite", "seed", "seed", 99999, 10000 },
    { "spark", "lite", "top_k", "top_k", 40, 6 },
    { "sensenova", "SenseChat-5", "max_tokens", "max_new_tokens", 9, 9 },
    { "sensenova", "SenseChat-5", "temperature", "temperature", 0, 0.01 },
    { "stepfun", "step-1-8k", "top_k", NULL, 0, 0 },
    { "vllm", "m", "temperature", "temperature", 7, 7 },
};

START_TEST(parameters_follow_the_rules)
{
    const struct param_rule *r = provider_rule(
        row(rules[_i].provider), rules[_i].model, rules[_i].param);

    ck_assert_int_eq(r && r->omit, rules[_i].name == NULL);
    if (!rules[_i].name)
        return;
    ck_assert_str_eq(r && r->name ? r->name : rules[_i].param, rules[_i].name);
    ck_assert(fabs(param_clamp(r, rules[_i].value) - rules[_i].sent) < 1e-9);
}
END_TEST

START_TEST(greedy_has_a_switch_of_its_own)
{
    const struct param_rule *r =
        provider_rule(row("zhipu"), "glm-4", "temperature");

    ck_assert(json_get(r->zero, "do_sample"));
    ck_assert(!json_bool(json_get(r->zero, "do_sample")));
}
END_TEST

START_TEST(members_of_models_go_before_the_rows)
{
    const struct provider *p = row("dashscope");
    const struct json *plain = provider_member(p, "qwen-max", "body");
    const struct json *hybrid = provider_member(p, "qwen3-max", "body");

    ck_assert(!json_get(plain, "enable_thinking"));
    ck_assert(json_get(hybrid, "enable_thinking"));
    ck_assert_ptr_null(provider_member(p, "qwen-max", "no_such_member"));
}
END_TEST

/* --- classes of faults ---------------------------------------------------- */

static const struct {
    const char *provider;
    int status;
    const char *code;
    enum fault_class class;
} faults[] = {
    /* the usual meaning of a status */
    { "xverse", 200, NULL, FAULT_NONE },
    { "xverse", 301, "", FAULT_FATAL },
    { "xverse", 400, NULL, FAULT_ITEM },
    { "xverse", 401, NULL, FAULT_KEY },
    { "xverse", 402, NULL, FAULT_QUOTA },
    { "xverse", 403, NULL, FAULT_KEY },
    { "xverse", 404, NULL, FAULT_MODEL },
    { "xverse", 408, NULL, FAULT_RETRY },
    { "xverse", 413, NULL, FAULT_ITEM },
    { "xverse", 422, NULL, FAULT_ITEM },
    { "xverse", 429, NULL, FAULT_RATE },
    { "xverse", 500, NULL, FAULT_RETRY },
    { "xverse", 501, NULL, FAULT_FATAL },
    { "xverse", 529, NULL, FAULT_RETRY },
    { "xverse", 429, "what_is_this", FAULT_RATE },
    /* codes say more: final under 429 ... */
    { "openai", 429, "insufficient_quota", FAULT_QUOTA },
    { "baichuan", 429, "insufficient_quota", FAULT_QUOTA },
    { "moonshot", 429, "exceeded_current_quota_error", FAULT_QUOTA },
    { "zhipu", 429, "1113", FAULT_QUOTA },
    { "ark", 429, "QuotaExceeded", FAULT_QUOTA },
    /* ... and what only sounds final */
    { "dashscope", 429, "insufficient_quota", FAULT_RATE },
    { "zhipu", 401, "1003", FAULT_TOKEN },
    { "qianfan_v1", 200, "110", FAULT_TOKEN },
    { "qianfan_v1", 200, "18", FAULT_RATE },
    { "spark", 200, "10013", FAULT_FILTER },
    { "minimax", 200, "1008", FAULT_QUOTA },
    { "stepfun", 451, NULL, FAULT_FILTER },
    { "ark", 400, "InputTextSensitiveContentDetected", FAULT_FILTER },
    { "ark", 403, "OperationDenied.ServiceOverdue", FAULT_QUOTA },
    { "ark", 403, "OperationDenied.Other", FAULT_FATAL },
    /* what a status of many meanings is about */
    { "gemini", 400, "API_KEY_INVALID", FAULT_KEY },
    { "gemini", 400, "FAILED_PRECONDITION", FAULT_FATAL },
    { "hunyuan_native", 200, "InvalidParameterValue.Model", FAULT_MODEL },
    { "hunyuan_native", 200, "RequestLimitExceeded.UinLimitExceeded",
      FAULT_RATE },
    { "tgi", 424, NULL, FAULT_RETRY },
};

START_TEST(codes_and_statuses_have_classes)
{
    ck_assert_str_eq(
        fault_class_name(provider_fault(row(faults[_i].provider),
                                        faults[_i].status, faults[_i].code)),
        fault_class_name(faults[_i].class));
}
END_TEST

START_TEST(words_tell_where_codes_do_not)
{
    ck_assert_int_eq(provider_words(row("baichuan"), "deemed High Risk"),
                     FAULT_FILTER);
    ck_assert_int_eq(provider_words(row("baichuan"), "other"), FAULT_NONE);
    ck_assert_int_eq(provider_words(row("baichuan"), NULL), FAULT_NONE);
    ck_assert_int_eq(provider_words(row("openai"), "high risk"), FAULT_NONE);
}
END_TEST

/* --- a user's file -------------------------------------------------------- */

START_TEST(a_row_of_ones_own_is_added)
{
    t_ok(add("{\"id\":\"acme\",\"aliases\":[\"某厂\"],"
             "\"base_url\":\"https://api.acme.cn/v1\","
             "\"paths\":{\"chat\":\"/chat/completions\"},"
             "\"env\":{\"key\":\"ACME_KEY\"}}"),
         &e);
    ck_assert_str_eq(row("某厂")->id, "acme");
    ck_assert_str_eq(row("acme")->shape, "openai");
    ck_assert_str_eq(row("acme")->auth, "bearer");
    ck_assert_ptr_nonnull(row("openai"));
}
END_TEST

START_TEST(members_are_added_to_a_row)
{
    t_ok(add("{\"id\":\"zhipu_glm\",\"base_url\":\"http://proxy/v4\","
             "\"limits\":{\"rpm\":7},"
             "\"parameters\":[{\"param\":\"seed\",\"name\":\"s\"}],"
             "\"prices\":[{\"model\":\"glm-4-plus\",\"in\":1,\"out\":2,"
             "\"currency\":\"CNY\",\"date\":\"2026-12-01\"}]}"),
         &e);
    ck_assert_str_eq(row("zhipu")->base_url, "http://proxy/v4");
    ck_assert_int_eq(row("zhipu")->rpm, 7);
    ck_assert_str_eq(row("zhipu")->env[0], "ZHIPUAI_API_KEY");
    ck_assert_str_eq(provider_rule(row("zhipu"), "glm-4", "seed")->name, "s");
    ck_assert(provider_price(row("zhipu"), "glm-4-plus")->in == 1);
    ck_assert(provider_price(row("zhipu"), "glm-4-air")->in == 0.5);
}
END_TEST

/* What a runner of that model would keep to. */
static struct runner_params limits_of(const char *provider,
                                      const char *base_url, double rpm)
{
    const struct model_spec m = { .id = "m",
                                  .kind = "remote",
                                  .path = "m",
                                  .provider = provider,
                                  .base_url = base_url };
    const struct runner_params asked = { .rpm = rpm, .retries = -1 };
    struct runner_params p;
    struct runner *r = NULL;

    t_ok(runner_open(&r, &m, &asked, &e), &e);
    p = ((struct remote *)r)->params;
    runner_close(r);
    return p;
}

START_TEST(limits_hold_at_the_vendors_own_address)
{
    ck_assert(limits_of("moonshot", NULL, 0).rpm == 200);
    ck_assert_uint_eq(limits_of("moonshot", NULL, 0).concurrency, 50);
    ck_assert(limits_of("moonshot", NULL, 900).rpm == 900);
    ck_assert(limits_of("moonshot", "http://h/v1", 0).rpm == 0);
    ck_assert_uint_eq(limits_of("vllm", NULL, 0).concurrency, 8);
}
END_TEST

START_TEST(the_usual_places_are_looked_at)
{
    const char *dir = arena_printf(&arena, "%s/mokao", t_tmp());
    const char *usual = arena_printf(&arena, "%s/providers.json", dir);
    const char *named = arena_printf(&arena, "%s/named.json", t_tmp());
    struct providers *p = NULL;

    t_ok(io_mkdirs(dir, &e), &e);
    t_ok(io_replace(usual, STR("{\"providers\":[{\"id\":\"usual\"}]}"), &e),
         &e);
    t_ok(io_replace(named, STR("{\"providers\":[{\"id\":\"named\"}]}"), &e),
         &e);
    t_ok(providers_open(&p, NULL, &e), &e);
    ck_assert(providers_find(p, "usual") && !providers_find(p, "named"));
    providers_close(p);
    setenv("MOKAO_PROVIDERS", named, 1);
    t_ok(providers_open(&p, NULL, &e), &e);
    ck_assert(!providers_find(p, "usual") && providers_find(p, "named"));
    providers_close(p);
    unsetenv("MOKAO_PROVIDERS");
    t_ok(io_remove_dir(dir, &e), &e);
}
END_TEST

static const struct {
    const char *row, *says;
} bad[] = {
    { "{}", "row 1: id: missing" },
    { "[]", "expected rows" },
    { "{\"id\":\"A b\"}", "id: expected a-z" },
    { "{\"id\":\"x\",\"colour\":1}", "row x: " },
    { "{\"id\":\"x\",\"aliases\":\"y\"}", "row x: aliases: expected an array" },
    { "{\"id\":\"x\",\"aliases\":[\"openai\"]}", "\"openai\" is a name of" },
    { "{\"id\":\"x\",\"auth\":\"magic\"}", "auth: no \"magic\"" },
    { "{\"id\":\"x\",\"base_url\":\"h\"}", "base_url: expected https://" },
    { "{\"id\":\"x\",\"env\":{\"key\":1}}", "env: expected a string" },
    { "{\"id\":\"x\",\"parameters\":[{\"min\":1}]}",
      "parameters: param: missing" },
    { "{\"id\":\"x\",\"parameters\":[{\"param\":\"heat\"}]}",
      "param: no \"heat\"" },
    { "{\"id\":\"x\",\"parameters\":[{\"param\":\"seed\",\"min\":2,\"max\":1}]}",
      "min 2 is above max 1" },
    { "{\"id\":\"x\",\"parameters\":[{\"param\":\"seed\",\"maxx\":1}]}",
      "maxx" },
    { "{\"id\":\"x\",\"omit\":[\"heat\"]}", "omit: no \"heat\"" },
    { "{\"id\":\"x\",\"omit\":[1]}", "omit: expected a string" },
    { "{\"id\":\"x\",\"models\":[{\"body\":{}}]}",
      "models[0]: model: missing" },
    { "{\"id\":\"x\",\"models\":[{\"model\":\"*\",\"body\":1}]}",
      "models[0]: body: expected an object" },
    { "{\"id\":\"x\",\"stream\":{\"usage\":\"never\"}}", "stream: " },
    { "{\"id\":\"x\",\"finish\":{\"end\":\"done\"}}", "finish: end: expected" },
    { "{\"id\":\"x\",\"codes\":{\"maybe\":[]}}", "codes: expected retry" },
    { "{\"id\":\"x\",\"codes\":{\"retry\":[1]}}", "codes: retry: expected" },
    { "{\"id\":\"x\",\"statuses\":{\"retry\":[\"a\"]}}", "statuses: retry" },
    { "{\"id\":\"x\",\"limits\":{\"rpm\":0}}", "limits: rpm" },
    { "{\"id\":\"x\",\"limits\":{\"rps\":1}}", "limits: " },
    { "{\"id\":\"x\",\"messages\":{\"max\":-1}}", "messages: max" },
    { "{\"id\":\"x\",\"top_logprobs\":true}", "top_logprobs" },
    { "{\"id\":\"x\",\"prices\":[{\"model\":\"m\",\"in\":1}]}",
      "prices: m: a price needs its currency" },
    { "{\"id\":\"x\",\"prices\":[{\"model\":\"m\",\"in\":-1,\"currency\":\"CNY\","
      "\"date\":\"d\"}]}",
      "below 0" },
    { "{\"id\":\"x\",\"body\":[]}", "body: expected an object" },
};

START_TEST(faulty_rows_are_told)
{
    ck_assert_int_eq(add(bad[_i].row), ERR_FORMAT);
    ck_assert_msg(strstr(e.msg, bad[_i].says), "%s", e.msg);
    ck_assert_msg(strstr(e.msg, "rows.json"), "%s", e.msg);
}
END_TEST

START_TEST(a_missing_file_is_told)
{
    struct providers *p = NULL;

    ck_assert_int_ne(providers_open(&p, "/nowhere/p.json", &e), ERR_OK);
    ck_assert_msg(strstr(e.msg, "/nowhere/p.json"), "%s", e.msg);
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(memory_may_run_out_anywhere)
{
    enum err_code rc = ERR_NOMEM;
    struct providers *p = NULL;

    for (size_t n = 1; rc && n < 1000000; n += 1 + n / 3) {
        mem_fail_at(n, true);
        rc = providers_open(&p, NULL, &e);
        mem_fail_at(0, false);
        ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM, "%s", e.msg);
    }
    ck_assert_int_eq(rc, ERR_OK);
    providers_close(p);
}
END_TEST

#define N(list) (int)(sizeof(list) / sizeof *(list))

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, every_row_is_complete);
    tcase_add_test(tc, prices_have_a_date_and_a_source);
    tcase_add_loop_test(tc, providers_are_found_by_any_of_their_names, 0,
                        N(names));
    tcase_add_test(tc, the_nearest_name_is_told);
    tcase_add_test(tc, keys_have_roles);
    tcase_add_loop_test(tc, prices_are_found_by_name_or_longest_beginning, 0,
                        N(prices));
    tcase_add_loop_test(tc, parameters_follow_the_rules, 0, N(rules));
    tcase_add_test(tc, greedy_has_a_switch_of_its_own);
    tcase_add_test(tc, members_of_models_go_before_the_rows);
    tcase_add_loop_test(tc, codes_and_statuses_have_classes, 0, N(faults));
    tcase_add_test(tc, words_tell_where_codes_do_not);
    tcase_add_test(tc, a_row_of_ones_own_is_added);
    tcase_add_test(tc, members_are_added_to_a_row);
    tcase_add_test(tc, limits_hold_at_the_vendors_own_address);
    tcase_add_test(tc, the_usual_places_are_looked_at);
    tcase_add_loop_test(tc, faulty_rows_are_told, 0, N(bad));
    tcase_add_test(tc, a_missing_file_is_told);
    tcase_add_test(tc, memory_may_run_out_anywhere);
}
T_MAIN("provider", setup)
