"""Alibaba's own shape of Qwen: streams by header, text so far or in pieces."""
import keys
from shapes import Asked, Bad, Shape, loads, messages, plain


class DashScope(Shape):
    def where(self, row, req):
        return req.path == row.base + "/api/v1/services/aigc/text-generation/generation"

    def sign(self, row, req, now):
        return None if req.headers.get("authorization") == "Bearer " + keys.value(row.env[0]) else "auth"

    def read(self, row, req):
        body = loads(req)
        params = body.get("parameters", {})
        if params.get("result_format") != "message":
            raise Bad("the mock answers with result_format message alone")
        if "stream" in body or "stream" in params:
            raise Bad("a stream is asked for by header")
        a = Asked(body.get("model"), messages(body.get("input", {})), params,
                  req.headers.get("x-dashscope-sse") == "enable")
        if a.stream and "text/event-stream" not in req.headers.get("accept", ""):
            raise Bad("X-DashScope-SSE without Accept: text/event-stream")
        return a

    def stream_name(self, row, a):
        return "stream.txt" if a.params.get("incremental_output") else "stream-cumulative.txt"

    def refuse(self, row, words):
        return plain(400, {"code": "InvalidParameter", "message": words, "request_id": "mock"})
