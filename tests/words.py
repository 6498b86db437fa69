"""Cuts the lines of a file with jieba, for comparison: words.py IN OUT.

Each word is followed by U+001F.  Ends with 77 where python3-jieba is not
installed."""
import os
import sys

try:
    import jieba
except ImportError:
    sys.exit(77)


def main():
    jieba.setLogLevel(60)
    jieba.dt.tmp_dir = os.path.dirname(os.path.abspath(sys.argv[2]))
    with open(sys.argv[1], encoding="utf-8", newline="\n") as lines, \
            open(sys.argv[2], "w", encoding="utf-8", newline="\n") as out:
        for line in lines:
            words = jieba.cut(line.rstrip("\n").removesuffix("\r"))
            out.write("".join(word + "\x1f" for word in words) + "\n")


main()
