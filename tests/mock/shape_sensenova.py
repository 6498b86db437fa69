"""SenseTime's own shape: a token made of key and secret, text as message."""
import keys
import sign
from shapes import Asked, Shape, loads, messages, plain


class SenseNova(Shape):
    def where(self, row, req):
        return req.path == row.base + "/llm/chat-completions"

    def sign(self, row, req, now):
        got = req.headers.get("authorization", "")
        if got == "Bearer " + keys.value(row.env[2]):
            return None
        wrong = sign.sensenova(got[7:], keys.value(row.env[0]), keys.value(row.env[1]), now)
        return "auth" if wrong or not got.startswith("Bearer ") else None

    def read(self, row, req):
        body = loads(req)
        params = {k: v for k, v in body.items() if k not in ("model", "messages", "stream")}
        return Asked(body.get("model"), messages(body), params, body.get("stream"))

    def refuse(self, row, words):
        return plain(400, {"error": {"code": 3, "message": words, "details": []}})
