"""Writes the logs of inspect-eval/, in the form of inspect_ai's .eval files.

    python3 tests/golden/outputs/eval.py tests/golden/outputs/inspect-eval

Python's zipfile does not know Zstandard, so the archives are written here:
seasons.eval in Zstandard, sums.eval deflated and stored.  The second is of a
run that has not ended: no header.json, and a sample that was run again."""
import ctypes
import ctypes.util
import json
import struct
import sys
import zlib

STORED, DEFLATE, ZSTD = 0, 8, 93
DATE = 0x5AC1  # 2025-06-01
UTF8_NAME = 0x800


def zstd(data):
    lib = ctypes.CDLL(ctypes.util.find_library("zstd"))
    lib.ZSTD_compressBound.restype = ctypes.c_size_t
    lib.ZSTD_compress.restype = ctypes.c_size_t
    room = ctypes.create_string_buffer(len(data) + 1024)
    n = lib.ZSTD_compress(room, ctypes.c_size_t(len(room)), data,
                          ctypes.c_size_t(len(data)), 19)
    return room.raw[:n]


def deflate(data):
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return z.compress(data) + z.flush()


PACK = {STORED: bytes, DEFLATE: deflate, ZSTD: zstd}


def archive(path, members):
    """members: (name, how, value to be written as JSON)"""
    body, directory = b"", b""
    for name, how, value in members:
        data = json.dumps(value, ensure_ascii=False).encode()
        packed, name = PACK[how](data), name.encode()
        fields = struct.pack("<HHHHHIIIHH", 63 if how == ZSTD else 20,
                             UTF8_NAME, how, 0, DATE, zlib.crc32(data),
                             len(packed), len(data), len(name), 0)
        directory += struct.pack("<IH", 0x02014B50, 63) + fields
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += struct.pack("<I", 0x04034B50) + fields + name + packed
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(members),
                      len(members), len(directory), len(body), 0)
    with open(path, "wb") as f:
        f.write(body + directory + end)


def user(text):
    return {"role": "user", "content": text}


def sample(id, epoch, asked, target, said, score, **more):
    answer = {"role": "assistant", "content": said}
    messages = [{"role": "system", "content": "你是考生。"}, user(asked), answer]
    output = {"model": "m", "completion": said if isinstance(said, str) else
              said[-1]["text"], "time": 0.25,
              "choices": [{"message": answer, "stop_reason": "stop"}],
              "usage": {"input_tokens": 20, "output_tokens": 3}}
    return {"id": id, "epoch": epoch, "input": asked, "target": target,
            "messages": messages, "output": output,
            "scores": {"s": {"value": score}}, **more}


def failed(id, asked, target, message):
    return {"id": id, "epoch": 1, "input": asked, "target": target,
            "messages": [user(asked)], "scores": {},
            "output": {"model": "m", "choices": [], "completion": ""},
            "error": {"message": message, "traceback": "…"}}


def start(task, scorer, **options):
    return {"version": 2, "eval": {"task": task, "model": "mock/tiny-model",
            "scorers": [{"name": scorer, "options": options}]}, "plan": {}}


def seasons():
    days = {"choices": ["五天", "六天", "七天", "八天"]}
    warm = {"choices": ["春天", "夏天", "冬天"]}
    head = start("seasons", "choice")
    samples = [
        sample("周", 2, "一周有几天？", "C", "ANSWER: B", "I", **days),
        sample("周", 1, "一周有几天？", "C",
               [{"type": "reasoning", "reasoning": "数一数"},
                {"type": "text", "text": "ANSWER: C"}], "C", **days),
        sample("暖", 1, "哪些季节暖和？", ["A", "B"], "ANSWER: A,B", "C", **warm),
        sample("无分", 1, "哪个季节最冷？", "C", "答案：C", float("nan"), **warm),
        failed("坏", "出错的题", "A", "connection reset"),
    ]
    yield "_journal/start.json", ZSTD, head
    for s in samples:
        yield f"samples/{s['id']}_epoch_{s['epoch']}.json", ZSTD, s
    yield "summaries.json", ZSTD, []
    yield "header.json", ZSTD, {**head, "status": "success"}


def sums():
    again = sample(10, 1, "5+5=?", "10", "等于 10", "C")
    chat = sample(9, 1, "4+5=?", "9", "先算 4+5，得 9", "C")
    chat["input"] = [{"role": "system", "content": "只答数字"},
                     user([{"type": "text", "text": "4+5=?"}])]
    yield "_journal/start.json", STORED, start("sums", "match", numeric=True)
    yield "samples/10_epoch_1.json", DEFLATE, failed(10, "5+5=?", "10", "busy")
    yield "samples/9_epoch_1.json", DEFLATE, chat
    yield "samples/10_epoch_1.json", DEFLATE, again


archive(sys.argv[1] + "/seasons.eval", list(seasons()))
archive(sys.argv[1] + "/sums.eval", list(sums()))
