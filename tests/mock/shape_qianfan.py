"""Baidu's first Qianfan: a token by key and secret, the model in the path."""
import hashlib

import keys
import samples
import sign
from shapes import Asked, Reply, Shape, loads, messages, plain

CHAT = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/"
TOKEN = "24.mock-minted-" + hashlib.sha256(b"qianfan").hexdigest()[:24]


class Qianfan(Shape):
    def where(self, row, req):
        return req.path.startswith(row.base + CHAT)

    def other(self, mock, row, req):
        if req.path != row.base + "/oauth/2.0/token":
            return None
        q = dict(req.query_list)
        good = (q.get("grant_type") == "client_credentials" and q.get("client_id") == keys.value(row.env[0])
                and q.get("client_secret") == keys.value(row.env[1]))
        mock.count("minted", row.id)
        if not good:
            return Reply(401, {}, samples.read(row.sample, "token-error.json").encode())
        text = samples.read(row.sample, "token-response.json")
        return Reply(200, {}, text.replace("24.mokao0000000000000000000000000.2592000.1702592000.000000-00000000",
                                           self.token(mock, row)).encode())

    def token(self, mock, row):
        """A new one after the old one has been called expired."""
        return TOKEN + ("-%d" % mock.generation if mock.generation else "")

    def sign(self, row, req, now):
        got = dict(req.query_list).get("access_token")
        if got is None:
            return "auth" if sign.bce(req, keys.value(row.env[0]), keys.value(row.env[1]), now) else None
        return None if got == self.token(row.mock, row) else "expired"

    def read(self, row, req):
        body = loads(req)
        system = [("system", body["system"])] if "system" in body else []
        params = {k: v for k, v in body.items() if k not in ("messages", "system", "stream")}
        return Asked(req.path[len(row.base + CHAT):], system + messages(body), params, body.get("stream"))

    def refuse(self, row, words):
        return plain(200, {"error_code": 336003, "error_msg": words, "id": "as-mock"})
