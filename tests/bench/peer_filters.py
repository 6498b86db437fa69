"""lm-eval's own extraction of choice letters over the responses of a database, for comparison with mokao score.

    pip install --no-deps lm_eval
    KEEP=/tmp/a.db sh tests/bench/scores.sh 100000
    python3 tests/bench/peer_filters.py /tmp/a.db

Only the filter is timed: no reading, no judging, no storing.
"""
import sqlite3
import sys
import time

from lm_eval.filters.extraction import MultiChoiceRegexFilter

db = sqlite3.connect(sys.argv[1])
texts = [[row[0]] for row in db.execute("SELECT text FROM response ORDER BY sample")]
docs = [{"choices": ["红色", "绿色", "蓝色", "黄色"]}] * len(texts)
letters = MultiChoiceRegexFilter(regex_pattern=r"答案[是为]?[:：]?\s*\(?([A-D])", ignore_case=True, ignore_punctuation=True)
start = time.process_time()
found = letters.apply(texts, docs)
seconds = time.process_time() - start
read = sum(f[0] != "[invalid]" for f in found)
print("lm-eval: %d responses, %d letters read: %.1f s of CPU" % (len(texts), read, seconds))
