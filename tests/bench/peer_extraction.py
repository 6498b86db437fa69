"""Other harnesses' own extraction of choice letters over the responses of a database, to set beside mokao score.

    pip install --no-deps lm_eval opencompass
    KEEP=/tmp/a.db sh tests/bench/scores.sh 100000
    python3 tests/bench/peer_extraction.py /tmp/a.db

Only their extraction is timed: no reading, no judging, no storing.  Their functions are read from the installed files, without what the packages need for all else.
"""
import importlib.util
import os
import sqlite3
import sys
import time
import types

from lm_eval.filters.extraction import MultiChoiceRegexFilter

KEYS = {"A": "红色", "B": "绿色", "C": "蓝色", "D": "黄色"}


def opencompass_module():
    class Registry:
        def register_module(self, *_, **__):
            return lambda function: function

    stub = types.ModuleType("opencompass.registry")
    stub.TEXT_POSTPROCESSORS = Registry()
    sys.modules["opencompass.registry"] = stub
    folder = os.path.dirname(importlib.util.find_spec("opencompass").origin)
    spec = importlib.util.spec_from_file_location("post", os.path.join(folder, "utils", "text_postprocessors.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lm_eval(texts):
    letters = MultiChoiceRegexFilter(regex_pattern=r"答案[是为]?[:：]?\s*\(?([A-D])", ignore_case=True,
                                     ignore_punctuation=True)
    found = letters.apply([[t] for t in texts], [{"choices": list(KEYS.values())}] * len(texts))
    return sum(f[0] != "[invalid]" for f in found)


def opencompass(texts):
    extract = opencompass_module().first_option_postprocess
    return sum(extract(t, "ABCD") != "" for t in texts)


rows = sqlite3.connect(sys.argv[1]).execute("SELECT text FROM response ORDER BY sample")
responses = [row[0] for row in rows]
for peer in (lm_eval, opencompass):
    start = time.process_time()
    read = peer(responses)
    print("%s: %d responses, %d letters read: %.1f s of CPU" % (peer.__name__, len(responses), read,
                                                                time.process_time() - start))
