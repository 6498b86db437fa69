"""Tencent's cloud API: TC3 signatures, capitals, errors with HTTP 200."""
import keys
import sign
from shapes import Asked, Shape, loads, messages, plain

SAMPLE = {sign.KEY: "secretid", sign.CLOCK: "expired", sign.SIGNATURE: "auth"}


class Tencent(Shape):
    def where(self, row, req):
        return (req.path == row.base + "/" and req.headers.get("x-tc-action") == "ChatCompletions"
                and req.headers.get("x-tc-version") == "2023-09-01")

    def sign(self, row, req, now):
        return SAMPLE.get(sign.tc3(req, keys.value(row.env[0]), keys.value(row.env[1]), now))

    def read(self, row, req):
        body = loads(req)
        params = {k: v for k, v in body.items() if k not in ("Model", "Messages", "Stream")}
        return Asked(body.get("Model"), messages(body, "Messages", "Role", "Content"), params, body.get("Stream"))

    def refuse(self, row, words):
        return plain(200, {"Response": {"Error": {"Code": "InvalidParameterValue", "Message": words},
                                        "RequestId": "mock"}})
