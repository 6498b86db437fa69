"""Kunlun's Skywork: an MD5 of key, secret and time; lines of JSON."""
import keys
import sign
from shapes import Asked, Shape, loads, messages, plain


class Skywork(Shape):
    mime = "application/x-ndjson"

    def where(self, row, req):
        return req.path == row.base + "/saas/api/v4/generate"

    def sign(self, row, req, now):
        return "auth" if sign.skywork(req, keys.value(row.env[0]), keys.value(row.env[1]), now) else None

    def read(self, row, req):
        body = loads(req)
        params = {k: v for k, v in body.items() if k not in ("messages", "model")}
        return Asked(body.get("model"), messages(body), params, req.headers.get("stream") == "true")

    def refuse(self, row, words):
        return plain(200, {"code": 400, "code_msg": words, "trace_id": "mock"})
