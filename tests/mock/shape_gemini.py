"""Google's generateContent."""
import re
import urllib.parse

import keys
from shapes import Asked, Bad, Shape, loads, plain

ROLES = {"user": "user", "model": "assistant"}


class Gemini(Shape):
    def where(self, row, req):
        return re.fullmatch(re.escape(row.base) + r"/v1beta/models/[^/]+:(generateContent|streamGenerateContent)",
                            req.path)

    def sign(self, row, req, now):
        got = req.headers.get("x-goog-api-key") or dict(req.query_list).get("key")
        return None if got == keys.value(row.env[0]) else "auth"

    def read(self, row, req):
        body = loads(req)
        stream = req.path.endswith(":streamGenerateContent")
        if stream and dict(req.query_list).get("alt") != "sse":
            raise Bad("the mock streams with alt=sse alone")
        try:
            text = lambda c: "".join(p["text"] for p in c["parts"])
            found = [(ROLES[c["role"]], text(c)) for c in body["contents"]]
            system = [("system", text(body["systemInstruction"]))] if "systemInstruction" in body else []
        except (KeyError, TypeError):
            raise Bad("contents: expected a list of {role user or model, parts [{text}]}")
        model = urllib.parse.unquote(req.path.rsplit("/", 1)[1].rsplit(":", 1)[0])
        return Asked(model, system + found, body.get("generationConfig", {}), stream)

    def refuse(self, row, words):
        return plain(400, {"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}})
