"""ByteDance's first MaaS: signed like AWS's fourth, one choice."""
import keys
import sign
from shapes import Asked, Bad, Shape, loads, messages, plain


class Volc(Shape):
    def where(self, row, req):
        return req.path == row.base + "/api/v1/chat"

    def sign(self, row, req, now):
        wrong = sign.volc(req, keys.value(row.env[0]), keys.value(row.env[1]), now)
        return "auth" if wrong else None

    def read(self, row, req):
        body = loads(req)
        if not isinstance(body.get("model"), dict) or "name" not in body["model"]:
            raise Bad("model: expected {name}")
        return Asked(body["model"]["name"], messages(body), body.get("parameters", {}), body.get("stream"))

    def refuse(self, row, words):
        return plain(400, {"req_id": "mock", "error": {"code": "InvalidParameter", "code_n": 1709701,
                                                       "message": words}})
