"""Huawei's Pangu: a token from the identity service, or a signed request."""
import hashlib
import json
import re

import keys
import samples
import sign
from shapes import Asked, Bad, Reply, Shape, loads, messages, plain

TOKEN = "MIIF-mock-minted-" + hashlib.sha256(b"pangu").hexdigest()[:24]


class Pangu(Shape):
    def where(self, row, req):
        return re.fullmatch(re.escape(row.base) + r"/v1/[^/]+/deployments/[^/]+/chat/completions", req.path)

    def other(self, mock, row, req):
        if not req.path.endswith("/v3/auth/tokens"):
            return None
        mock.count("minted", row.id)
        try:
            auth = json.loads(req.body)["auth"]
            pair = auth["identity"]["hw_ak_sk"]
            good = (auth["identity"]["methods"] == ["hw_ak_sk"] and auth["scope"]["project"]["name"]
                    and pair["access"]["key"] == keys.value(row.env[0])
                    and pair["secret"]["key"] == keys.value(row.env[1]))
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            return plain(401, {"error": {"code": 401, "title": "Unauthorized",
                                         "message": "The username or password is wrong."}})
        e = json.loads(samples.read(row.sample, "token-response.json"))
        e["body"]["token"]["expires_at"] = "2099-01-01T00:00:00.000000Z"
        return plain(201, e["body"], {"X-Subject-Token": self.token(mock)})

    def token(self, mock):
        return TOKEN + ("-%d" % mock.generation if mock.generation else "")

    def sign(self, row, req, now):
        got = req.headers.get("x-auth-token")
        if got is not None:
            return None if got == self.token(row.mock) else "auth"
        wrong = sign.huawei(req, keys.value(row.env[0]), keys.value(row.env[1]), now)
        return "auth" if wrong else None

    def read(self, row, req):
        body = loads(req)
        project, _, deployment = req.path[len(row.base + "/v1/"):].split("/")[:3]
        if project != keys.value(row.env[2]):
            raise Bad("no such project")
        params = {k: v for k, v in body.items() if k not in ("messages", "stream")}
        return Asked(deployment, messages(body), params, body.get("stream"))

    def refuse(self, row, words):
        return plain(400, {"error_code": "PANGU.0001", "error_msg": words, "request_id": "mock"})
