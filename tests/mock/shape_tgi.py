"""Hugging Face's Text Generation Inference, its own routes."""
import json

import keys
from shape_openai import logprob
from shapes import Asked, Bad, Shape, loads, plain


class TGI(Shape):
    def where(self, row, req):
        return req.path in (row.base + "/generate", row.base + "/generate_stream")

    def sign(self, row, req, now):
        got = req.headers.get("authorization")
        return None if got in (None, "Bearer " + keys.value(row.env[0])) else "validation"

    def read(self, row, req):
        body = loads(req)
        if not isinstance(body.get("inputs"), str):
            raise Bad("inputs: expected text")
        stream = req.path.endswith("_stream")
        params = body.get("parameters", {})
        if stream and params.get("decoder_input_details"):
            raise Bad("Input validation error: `decoder_input_details` == true is not supported when streaming tokens")
        return Asked("tgi", [("prompt", body["inputs"])], params, stream)

    def reply(self, row, a):
        out = super().reply(row, a)
        if a.stream:
            return out
        body = json.loads(out.body)
        body["generated_text"] = out.text
        body["details"].update(finish_reason="eos_token", generated_tokens=out.n_out)
        body["details"]["prefill"] = self.prefill(a) if a.params.get("decoder_input_details") else []
        if not a.params.get("details"):
            del body["details"]
        out.body = json.dumps(body, ensure_ascii=False).encode()
        return out

    def prefill(self, a):
        """One token a character; the last one is worth what the mock picks."""
        found = [{"id": ord(c), "text": c, "logprob": -1.0 if i else None} for i, c in enumerate(a.text)]
        if found and found[-1]["text"] in "ABCD":
            found[-1]["logprob"] = logprob(found[-1]["text"], a.letter())
        return found

    def refuse(self, row, words):
        return plain(422, {"error": "Input validation error: " + words, "error_type": "validation"})
