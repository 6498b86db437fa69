"""The vendors: a row each, by the identifiers of the reference.

base     the path before the shape's own, as in the vendor's address
env      the variables of its keys, in the order that the shape wants them
auth     OpenAI's shape: bearer, jwt (Zhipu), optional (self-hosted)
sample   the folder in tests/golden/api; body_sample: of the answers, where
         the vendor's samples show another route
top      OpenAI's shape: most top_logprobs, 0: none; echo: /completions has it
rules    what is refused, see rules.py
param_error  status and body of such a refusal, where it is not OpenAI's
"""
from rules import (CLAUDE_FIXED, KIMI_FIXED, alternating, between, but_for, fixed, most, most_messages, needs, never,
                   no_logprobs_when_thinking, only, reasoning, system_first, thinking_off, whole_number)
from shape_anthropic import Anthropic
from shape_dashscope import DashScope
from shape_gemini import Gemini
from shape_minimax import MiniMaxPro
from shape_ollama import Ollama
from shape_openai import OpenAI
from shape_pangu import Pangu
from shape_qianfan import Qianfan
from shape_sensenova import SenseNova
from shape_skywork import Skywork
from shape_spark import Spark
from shape_tencent import Tencent
from shape_tgi import TGI
from shape_volc import Volc

TEMPERATURE_2 = between("temperature", 0, 2)
TEMPERATURE_1 = between("temperature", 0, 1)
TEMPERATURE_ABOVE_0 = between("temperature", 0, 1, open_low=True)
TOP_P = between("top_p", 0, 1)
TOP_P_ABOVE_0 = between("top_p", 0, 1, open_low=True)
OPENAI_PARAMS = only(
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "n", "logprobs", "top_logprobs",
    "logit_bias", "presence_penalty", "frequency_penalty", "response_format", "user", "echo", "reasoning_effort",
    "service_tier")


class Row:
    def __init__(self, id, shape, base, env, rules=(), auth="bearer", sample=None, body_sample=None, top=0,
                 echo=False, param_error=None, paths=("/chat/completions", "/completions"), model="mock"):
        self.id, self.shape, self.base, self.env = id, shape, base, env.split()
        self.rules, self.auth, self.sample, self.body_sample = rules, auth, sample or id, body_sample
        self.top, self.echo, self.param_error, self.paths = top, echo, param_error, paths
        self.model = model  # a name that the vendor's own rules accept
        self.mock = None


def code_error(status, code):
    return status, '{"error":{"code":"%s","message":"%%s","type":"invalid_request_error"}}' % code


OA = OpenAI()
HOSTED = dict(auth="optional", body_sample="openai", top=20)
ROWS = [
    Row("openai", OA, "/v1", "OPENAI_API_KEY", (TEMPERATURE_2, TOP_P, most("stop", 4), reasoning, OPENAI_PARAMS),
        top=20),
    Row("anthropic", Anthropic(), "", "ANTHROPIC_API_KEY",
        (needs("max_tokens"), TEMPERATURE_1, alternating, fixed(CLAUDE_FIXED, "top_p", "top_k"),
         only("max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "thinking"))),
    Row("gemini", Gemini(), "", "GEMINI_API_KEY",
        (TEMPERATURE_2, between("topP", 0, 1), most("stopSequences", 5),
         only("temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "candidateCount", "seed",
              "responseLogprobs", "logprobs", "thinkingConfig"))),
    Row("baidu_qianfan_v1", Qianfan(), "", "QIANFAN_AK QIANFAN_SK",
        (TEMPERATURE_ABOVE_0, TOP_P, alternating, most("stop", 4), whole_number("max_output_tokens", 2, 2048),
         never("max_tokens", "seed", "model", "top_k"))),
    Row("baidu_qianfan_v2", OA, "/v2", "QIANFAN_API_KEY",
        (TEMPERATURE_ABOVE_0, TOP_P, alternating, never("max_tokens", "top_k")),
        param_error=code_error(400, "invalid_argument")),
    Row("aliyun_dashscope", DashScope(), "", "DASHSCOPE_API_KEY",
        (between("temperature", 0, 2, open_high=True), TOP_P_ABOVE_0, alternating)),
    Row("aliyun_compat", OA, "/compatible-mode/v1", "DASHSCOPE_API_KEY",
        (between("temperature", 0, 2, open_high=True), TOP_P_ABOVE_0), top=5,
        param_error=code_error(400, "invalid_parameter_error")),
    Row("tencent_hunyuan", Tencent(), "", "TENCENTCLOUD_SECRET_ID TENCENTCLOUD_SECRET_KEY",
        (between("Temperature", 0, 2), between("TopP", 0, 1), whole_number("Seed", 1, 10000), most_messages(40),
         alternating, only("Temperature", "TopP", "Seed", "Stop", "EnableEnhancement", "StreamModeration",
                           "EnableThinking"))),
    Row("tencent_hunyuan_compat", OA, "/v1", "HUNYUAN_API_KEY",
        (TEMPERATURE_2, TOP_P, most_messages(40), system_first, whole_number("seed", 1, 10000))),
    Row("iflytek_spark_ws", Spark(), "", "IFLYTEK_SPARK_APP_ID IFLYTEK_SPARK_API_KEY IFLYTEK_SPARK_API_SECRET",
        (TEMPERATURE_ABOVE_0, whole_number("top_k", 1, 6), whole_number("max_tokens", 1, 32768), system_first),
        model="generalv3.5"),
    Row("iflytek_spark_http", OA, "", "SPARK_API_PASSWORD",
        (TEMPERATURE_2, whole_number("top_k", 1, 6), system_first),
        paths=("/v1/chat/completions", "/v2/chat/completions"),
        param_error=(200, '{"error":{"message":"%s","type":"api_error","param":null,"code":"10005"}}')),
    Row("zhipu_glm", OA, "/api/paas/v4", "ZHIPUAI_API_KEY",
        (thinking_off("glm-4.[5-9]*", "glm-[5-9]*"), between("temperature", 0, 1, True, True), between("top_p", 0, 1, True, True)), auth="jwt",
        param_error=(400, '{"error":{"code":"1214","message":"%s"}}')),
    Row("baichuan", OA, "/v1", "BAICHUAN_API_KEY", (TEMPERATURE_1, TOP_P)),
    Row("minimax_pro", MiniMaxPro(), "", "MINIMAX_API_KEY MINIMAX_GROUP_ID",
        (TEMPERATURE_ABOVE_0, TOP_P_ABOVE_0, needs("tokens_to_generate"), never("max_tokens"))),
    Row("minimax_v2", OA, "/v1", "MINIMAX_API_KEY",
        (but_for("MiniMax-M3*", TEMPERATURE_ABOVE_0), TEMPERATURE_2, TOP_P_ABOVE_0),
        paths=("/text/chatcompletion_v2", "/chat/completions"),
        param_error=(200, '{"choices":null,"base_resp":{"status_code":2013,"status_msg":"%s"}}')),
    Row("moonshot", OA, "/v1", "MOONSHOT_API_KEY", (TEMPERATURE_1, TOP_P, fixed(KIMI_FIXED))),
    Row("yi", OA, "/v1", "YI_API_KEY", (between("temperature", 0, 2, open_high=True), TOP_P_ABOVE_0)),
    Row("volc_ark", OA, "/api/v3", "ARK_API_KEY", (TEMPERATURE_2, TOP_P, thinking_off("doubao-seed-*")), top=20,
        param_error=code_error(400, "InvalidParameter")),
    Row("volc_maas_v1", Volc(), "", "VOLC_ACCESSKEY VOLC_SECRETKEY",
        (TEMPERATURE_1, never("max_tokens"))),
    Row("sensenova", SenseNova(), "/v1", "SENSENOVA_ACCESS_KEY_ID SENSENOVA_SECRET_ACCESS_KEY SENSENOVA_API_KEY",
        (between("temperature", 0, 2, open_low=True), TOP_P_ABOVE_0, never("max_tokens"))),
    Row("sensenova_compat", OA, "/compatible-mode/v1", "SENSENOVA_API_KEY",
        (between("temperature", 0, 2, open_low=True), TOP_P_ABOVE_0)),
    Row("zhinao360", OA, "/v1", "AI360_API_KEY", (TEMPERATURE_1, TOP_P), param_error=code_error(400, "1001")),
    Row("huawei_pangu", Pangu(), "", "HUAWEICLOUD_SDK_AK HUAWEICLOUD_SDK_SK HUAWEICLOUD_SDK_PROJECT_ID",
        (TEMPERATURE_1, TOP_P_ABOVE_0, whole_number("n", 1, 2))),
    Row("huawei_maas", OA, "/v2", "MAAS_API_KEY", (TEMPERATURE_2,)),
    Row("jd_yanxi", OA, "/v1", "JDCLOUD_API_KEY", (TEMPERATURE_2,)),
    Row("stepfun", OA, "/v1", "STEPFUN_API_KEY", (TEMPERATURE_2, TOP_P)),
    Row("deepseek", OA, "", "DEEPSEEK_API_KEY", (TEMPERATURE_2, TOP_P, no_logprobs_when_thinking), top=20,
        paths=("/chat/completions", "/v1/chat/completions", "/beta/completions")),
    Row("skywork", Skywork(), "", "SKYWORK_APP_KEY SKYWORK_APP_SECRET"),
    Row("xverse", OA, "/v1", "XVERSE_API_KEY", (TEMPERATURE_2,)),
    Row("intern", OA, "/api/v1", "INTERNLM_API_KEY", (TEMPERATURE_2,)),
    Row("cloopen", OA, "/v1", "CLOOPEN_API_KEY", auth="optional", sample="openai"),
    Row("langboat", OA, "/v1", "LANGBOAT_API_KEY", auth="optional", sample="openai"),
    Row("wps_ai", OA, "/v1", "WPS_AI_API_KEY", auth="optional", sample="openai"),
    Row("vllm", OA, "/v1", "VLLM_API_KEY", auth="optional", top=20, echo=True),
    Row("sglang", OA, "/v1", "SGLANG_API_KEY", echo=True, **HOSTED),
    Row("llamacpp", OA, "/v1", "LLAMACPP_API_KEY", **HOSTED),
    Row("ollama", Ollama(), "/v1", "OLLAMA_API_KEY", **HOSTED),
    Row("tgi", TGI(), "", "TGI_API_KEY"),
    Row("xinference", OA, "/v1", "XINFERENCE_API_KEY", auth="optional", top=20),
    Row("lmdeploy", OA, "/v1", "LMDEPLOY_API_KEY", auth="optional", top=20),
    Row("custom", OA, "/v1", "MOKAO_API_KEY", sample="openai", **dict(HOSTED, top=0)),
    Row("mokao", OA, "/v1", "MOKAO_SERVE_TOKEN", sample="openai", echo=True, **HOSTED),
    Row("mindie", OA, "/v1", "MINDIE_API_KEY", auth="optional", top=20),
]
# Models that want something else than others of their vendor.
QUIRKS = [
    ("openai", "gpt-4o"), ("openai", "o3"), ("openai", "gpt-5.6"), ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-opus-5"), ("gemini", "gemini-3.7-flash"), ("gemini", "gemini-2.5-pro"),
    ("baidu_qianfan_v1", "ERNIE-4.0-8K"), ("iflytek_spark_ws", "lite"), ("iflytek_spark_ws", "4.0Ultra"),
    ("iflytek_spark_http", "x1"), ("moonshot", "kimi-k2.6"), ("zhipu_glm", "glm-4.6"), ("minimax_v2", "MiniMax-M3"),
    ("deepseek", "deepseek-reasoner"), ("aliyun_compat", "qwen-plus"), ("volc_ark", "doubao-seed-1-8-251228"),
]
BY_ID = {r.id: r for r in ROWS}
