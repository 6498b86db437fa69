"""The made-up keys of the mock vendors, a value a variable's name.

Values follow from the names, so that the server, the program under test and
the search for leaks know the same ones without a file.  `python3 keys.py`
prints them as a shell script, `python3 keys.py secret` the secret ones alone.
"""
import hashlib
import sys

# Variables whose values are no secret: they name an account, they open nothing.
PUBLIC = {
    "IFLYTEK_SPARK_APP_ID": "mock0123",  # at most eight characters
    "MINIMAX_GROUP_ID": "1700000000000000001",
    "HUAWEICLOUD_SDK_PROJECT_ID": "0123456789abcdef0123456789abcdef",
}
NAMES = """
OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY QIANFAN_AK QIANFAN_SK
QIANFAN_API_KEY DASHSCOPE_API_KEY TENCENTCLOUD_SECRET_ID
TENCENTCLOUD_SECRET_KEY HUNYUAN_API_KEY IFLYTEK_SPARK_API_KEY
IFLYTEK_SPARK_API_SECRET SPARK_API_PASSWORD ZHIPUAI_API_KEY BAICHUAN_API_KEY
MINIMAX_API_KEY MOONSHOT_API_KEY YI_API_KEY ARK_API_KEY VOLC_ACCESSKEY
VOLC_SECRETKEY SENSENOVA_ACCESS_KEY_ID SENSENOVA_SECRET_ACCESS_KEY
SENSENOVA_API_KEY AI360_API_KEY HUAWEICLOUD_SDK_AK HUAWEICLOUD_SDK_SK
MAAS_API_KEY JDCLOUD_API_KEY STEPFUN_API_KEY DEEPSEEK_API_KEY SKYWORK_APP_KEY
SKYWORK_APP_SECRET XVERSE_API_KEY INTERNLM_API_KEY VLLM_API_KEY SGLANG_API_KEY
LLAMACPP_API_KEY OLLAMA_API_KEY TGI_API_KEY XINFERENCE_API_KEY
LMDEPLOY_API_KEY MINDIE_API_KEY CLOOPEN_API_KEY LANGBOAT_API_KEY
WPS_AI_API_KEY MOKAO_API_KEY MOKAO_SERVE_TOKEN
""".split()


def value(name):
    """What the variable of that name holds."""
    if name in PUBLIC:
        return PUBLIC[name]
    mark = hashlib.sha256(name.encode()).hexdigest()
    if name == "ZHIPUAI_API_KEY":  # identifier and secret in one
        return "mockid%s.mocksecret%s" % (mark[:26], mark[26:36])
    return "sk-mock-" + mark[:32]


def secrets():
    """All that must be found nowhere."""
    found = [value(n) for n in NAMES]
    return found + value("ZHIPUAI_API_KEY").split(".")


def blank(text):
    """The text without keys: for logs."""
    for s in secrets():
        text = text.replace(s, "***")
    return text


if __name__ == "__main__":
    if sys.argv[1:] == ["secret"]:
        print("\n".join(secrets()))
    else:
        for n in NAMES + sorted(PUBLIC):
            print("export %s=%s" % (n, value(n)))
