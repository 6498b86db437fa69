"""Writes a suite whose score at the mock is known.

    python3 suite.py DIR N

N choice questions; the mock is right on all but every fourth one.
"""
import json
import os
import sys

import shapes

OPTIONS = {"A": "红色", "B": "绿色", "C": "蓝色", "D": "黄色"}


def item(i):
    right = shapes.letter(i)
    if i % 4 == 0:  # the mock will be wrong here
        right = shapes.LETTERS[(shapes.LETTERS.index(right) + 1) % 4]
    return {"id": "q%04d" % i, "question": "题号%d：下列颜色中，哪一种是第%d号？" % (i, i), "choices": OPTIONS, "answer": right}


def main(folder, n):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "suite.json"), "w", encoding="utf-8") as f:
        json.dump({"id": os.path.basename(folder), "version": "1", "title": {"zh": "模拟", "en": "Mock"},
                   "ability": "模拟", "language": "zh", "licence": "Apache-2.0", "template": "choice-zh",
                   "matcher": {"name": "choice"}, "metric": "accuracy"}, f, ensure_ascii=False)
    with open(os.path.join(folder, "items.jsonl"), "w", encoding="utf-8") as f:
        for i in range(1, n + 1):
            f.write(json.dumps(item(i), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), int(sys.argv[2]))
