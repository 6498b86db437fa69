"""Ollama's own /api/chat beside its OpenAI shape: streams unless told not to."""
from shape_openai import OpenAI
from shapes import Asked, Shape, loads, messages

CHAT = "/api/chat"


class Ollama(OpenAI):
    def where(self, row, req):
        return super().where(row, req) or req.path == CHAT

    def read(self, row, req):
        if req.path != CHAT:
            return super().read(row, req)
        body = loads(req)
        a = Asked(body.get("model"), messages(body), body.get("options", {}), body.get("stream", True))
        a.native = True
        return a

    def native(self, a):
        return getattr(a, "native", False)

    def reply(self, row, a):
        return Shape.reply(self, row, a) if self.native(a) else super().reply(row, a)

    def source(self, row, a):
        return "ollama" if self.native(a) else super().source(row, a)

    def kind(self, a):
        return "application/x-ndjson" if self.native(a) else self.mime

    def keep(self, row, a, event):
        return self.native(a) or super().keep(row, a, event)
