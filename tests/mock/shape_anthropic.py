"""Anthropic's messages."""
import keys
from shapes import Asked, Shape, content, loads, messages, plain


class Anthropic(Shape):
    def where(self, row, req):
        return req.path == row.base + "/v1/messages"

    def sign(self, row, req, now):
        good = req.headers.get("x-api-key") == keys.value(row.env[0])
        return None if good and req.headers.get("anthropic-version") == "2023-06-01" else "auth"

    def read(self, row, req):
        body = loads(req)
        system = [("system", content(body["system"]))] if "system" in body else []
        params = {k: v for k, v in body.items() if k not in ("model", "messages", "system", "stream")}
        return Asked(body.get("model"), system + messages(body), params, body.get("stream"))

    def refuse(self, row, words):
        return plain(400, {"type": "error", "error": {"type": "invalid_request_error", "message": words},
                           "request_id": "req_mock"})
