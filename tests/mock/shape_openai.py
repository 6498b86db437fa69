"""OpenAI's shape: 26 vendors' and every self-hosted server's."""
import json
import math

import keys
import samples
import sign
from shapes import Asked, Bad, Reply, Shape, content, error, loads, messages, plain

NOT_PARAMS = ("model", "messages", "prompt", "stream", "stream_options")


def logprob(option, right):
    """Higher for the letter that the mock picks, unlike for all."""
    return -0.125 if option == right else -2.5 - (ord(option[0]) % 16) / 4


def top(right, n):
    found = [(x, logprob(x, right)) for x in "ABCD"] + [(" " + right, -9.0)]
    found += [("的%d" % i, -12.0 - i) for i in range(max(0, n - len(found)))]
    return sorted(found, key=lambda f: -f[1])[:n]


def token(text, value):
    return {"token": text, "logprob": value, "bytes": list(text.encode())}


class OpenAI(Shape):
    def where(self, row, req):
        return req.path in (row.base + p for p in row.paths)

    def other(self, mock, row, req):
        if req.method == "GET" and req.path == row.base + "/models":
            return plain(200, {"object": "list", "data": [{"id": "mock", "object": "model"}]})

    def sign(self, row, req, now):
        got = req.headers.get("authorization", "")
        want = keys.value(row.env[0])
        if row.auth == "optional" and not got:
            return None
        if not got.startswith("Bearer "):
            return "auth"
        if row.auth == "jwt":
            return {None: None, sign.CLOCK: "expired"}.get(sign.zhipu(got[7:], want, now), "auth")
        return None if got[7:] == want else "auth"

    def read(self, row, req):
        body = loads(req)
        if not isinstance(body.get("model"), str):
            raise Bad("model: expected text")
        params = {k: v for k, v in body.items() if k not in NOT_PARAMS}
        if req.path.endswith("/completions") and not req.path.endswith("/chat/completions"):
            if not isinstance(body.get("prompt"), str):
                raise Bad("prompt: expected text")
            a = Asked(body["model"], [("prompt", body["prompt"])], params, body.get("stream"))
        else:
            a = Asked(body["model"], messages(body), params, body.get("stream"))
        a.usage = bool((body.get("stream_options") or {}).get("include_usage"))
        k = body.get("top_logprobs") or 0
        if body.get("logprobs") is True and (not row.top or not 0 <= k <= row.top):
            raise Bad("top_logprobs: this model gives at most %d" % row.top)
        return a

    def answer(self, row, a):
        if a.params.get("logprobs") or a.params.get("max_tokens") == 1:
            return a.letter()
        return super().answer(row, a)

    def keep(self, row, a, event):
        """The chunk of the usage comes where it was asked for."""
        return a.usage or b'"choices":[]' not in event

    def reply(self, row, a):
        if a.messages[0][0] == "prompt":
            return self.completion(row, a)
        out = super().reply(row, a)
        change = [f for name, f in MANNERS.items() if name in a.options]
        if a.params.get("logprobs"):
            change.append(with_logprobs)
        for f in change:
            if out.events is None:
                body = json.loads(out.body)
                f(a, body["choices"][0], body["choices"][0]["message"])
                out.body = json.dumps(body, ensure_ascii=False).encode()
            else:
                out.events = [self.changed(a, e, f) for e in out.events]
        return out

    def changed(self, a, event, f):
        """One event with its choice changed."""
        head, _, data = event.partition(b"data:")
        if not data.strip().startswith(b"{"):
            return event
        body = json.loads(data)
        for choice in body.get("choices") or []:
            if "delta" in choice:
                f(a, choice, choice["delta"])
        return head + b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"

    def completion(self, row, a):
        """/completions: a text, or the echo with its log-probabilities."""
        prompt = a.text
        if not a.params.get("echo"):
            text = self.answer(row, a)
            return self.completed(a, text, None, text)
        if not row.echo:
            raise Bad("echo is not supported")
        tokens = list(prompt)
        values = [None] + [-1.0] * (len(tokens) - 1)
        if tokens and tokens[-1] in "ABCD":
            values[-1] = logprob(tokens[-1], a.letter())
        if a.params.get("max_tokens"):
            tokens, values = tokens + ["。"], values + [-0.5]
        logprobs = {
            "tokens": tokens, "token_logprobs": values, "text_offset": list(range(len(tokens))),
            "top_logprobs": [None if v is None else {t: v} for t, v in zip(tokens, values)]}
        return self.completed(a, "".join(tokens), logprobs, "")

    def completed(self, a, text, logprobs, output):
        out = plain(200, {
            "id": "cmpl-mock", "object": "text_completion", "created": 1700000000, "model": a.model,
            "choices": [{"index": 0, "text": text, "logprobs": logprobs, "finish_reason": "length"}],
            "usage": {"prompt_tokens": a.n_in, "completion_tokens": len(output),
                      "total_tokens": a.n_in + len(output)}})
        if a.stream:
            out.events = [b"data: " + out.body + b"\n\n", b"data: [DONE]\n\n"]
            out.mime = self.mime
        out.text, out.n_in, out.n_out = text, a.n_in, len(output)
        return out

    def refuse(self, row, words):
        if row.param_error:
            return Reply(row.param_error[0], {}, (row.param_error[1] % json.dumps(words)[1:-1]).encode())
        return plain(400, {"error": {"message": words, "type": "invalid_request_error", "param": None, "code": None}})


def with_logprobs(a, choice, message):
    if not message.get("content"):
        return
    right, n = a.letter(), a.params.get("top_logprobs") or 0
    choice["logprobs"] = {"content": [dict(
        token(right, logprob(right, right)), top_logprobs=[token(*f) for f in top(right, n)])]}


def put(choice, message, text, finish):
    """The whole text in one message or in the first delta that has some."""
    if message.get("content") or finish is None:
        message["content"] = text
    if choice.get("finish_reason"):
        choice["finish_reason"] = finish


def think(a, choice, message):
    if message.get("content"):
        message["reasoning_content"] = "想一想：不是%s。" % "ABCD"[("ABCD".index(a.letter()) + 1) % 4]


def think_tags(a, choice, message):
    if message.get("content", "").startswith("答"):
        message["content"] = "<think>想一想：不是Z。</think>" + message["content"]


def refusal(a, choice, message):
    if message.get("content"):
        message.update(content=None, refusal="我不能回答这个问题。")


def filtered(a, choice, message):
    if message.get("content"):
        message["content"] = None
    if choice.get("finish_reason"):
        choice["finish_reason"] = "content_filter"


def cut_off(a, choice, message):
    if choice.get("finish_reason"):
        choice["finish_reason"] = "length"


# Ways of answering, asked for in the model's name: "mock~think".
MANNERS = {"think": think, "thinktags": think_tags, "refusal": refusal, "filtered": filtered, "length": cut_off}
