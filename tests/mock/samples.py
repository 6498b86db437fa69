"""The vendors' bodies, filled from the samples in tests/golden/api.

The samples answer 北京 in two pieces, 北 and 京.  A sample becomes a template
by taking those, the counts of tokens and the model's name for blanks, so the
mock says what the sample says, in its dialect, and nothing that we made up.
"""
import functools
import json
import os
import re

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "api")
IN = "prompt_tokens|input_tokens|PromptTokens|promptTokenCount|prompt_eval_count|question_tokens|input_length"
OUT = "completion_tokens|output_tokens|CompletionTokens|candidatesTokenCount|eval_count|generated_tokens"
ALL = "total_tokens|TotalTokens|totalTokenCount"
BLANK = re.compile(
    r'(?P<whole>北京)|(?P<first>北)|(?P<second>京)'
    r'|(?P<head>"(?:(?P<tin>%s)|(?P<tout>%s)|(?P<tall>%s))":\s*)\d+'
    r'|(?P<mhead>"model":\s*")[^"]*' % (IN, OUT, ALL))


class Template:
    """Text with blanks."""

    def __init__(self, text):
        self.parts, at = [], 0
        for m in BLANK.finditer(text):
            self.parts.append(text[at:m.start()] + (m["head"] or m["mhead"] or ""))
            name = m.lastgroup if not m["head"] else next(k for k in ("tin", "tout", "tall") if m[k])
            self.parts.append({"mhead": "model"}.get(name, name))
            at = m.end()
        self.parts.append(text[at:])

    def fill(self, a):
        out = self.parts[:]
        for i in range(1, len(out), 2):
            out[i] = a[out[i]]
        return "".join(out).encode()


def inside(text):
    """The text as it stands between the quotation marks of JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def blanks(text, first, n_in, n_out, model):
    return {"whole": inside(text), "first": inside(first), "second": inside(text[len(first):]),
            "tin": str(n_in), "tout": str(n_out), "tall": str(n_in + n_out), "model": inside(model)}


def path(sample, name):
    return os.path.join(HERE, sample, name)


@functools.lru_cache(None)
def read(sample, name):
    with open(path(sample, name), encoding="utf-8", newline="") as f:
        return f.read()


@functools.lru_cache(None)
def whole(sample, name="response.json"):
    """A whole body; the remarks of the samples are no part of it."""
    body = json.loads(read(sample, name))
    body.pop("_note", None)
    return Template(json.dumps(body, ensure_ascii=False))


@functools.lru_cache(None)
def stream(sample, name="stream.txt"):
    """The events of a stream, each with its end; lines where it has no events."""
    text = read(sample, name)
    if text.lstrip().startswith("{"):
        pieces = [line + "\n" for line in text.splitlines() if line]
    else:
        pieces = re.findall(r"(?s).+?(?:\r?\n){2,}|.+$", text)
    return [Template(p) for p in pieces]


@functools.lru_cache(None)
def error(sample, *names):
    """(status, headers, body) of the first of error-NAME.json that is there."""
    for folder in (sample, "openai"):
        for name in names:
            if os.path.exists(path(folder, "error-%s.json" % name)):
                e = json.loads(read(folder, "error-%s.json" % name))
                body = e.get("body", e)
                body.pop("_note", None)
                return e.get("_http_status", 200), e.get("_headers", {}), json.dumps(body, ensure_ascii=False).encode()
    if "filter" in names:  # OpenAI's, which has no sample
        return 400, {}, b'{"error":{"message":"The prompt triggered the content filter",' \
            b'"type":"invalid_request_error","param":"prompt","code":"content_filter"}}'
    raise KeyError(names)
