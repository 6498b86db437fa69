"""What a run against the mock must have stored: database and log side by side.

    judge.py rows DIR DB N whole|stream
        every row of DIR/models.json has N answers, the right ones, with the
        tokens that the mock has counted; nothing was refused or lost
    judge.py table DIR ROW once|always whole|stream GROUP
        writes DIR/ROW-once-whole-GROUP.json, a models file with a model for
        each fault of the group (see GROUPS), and prints their options
    judge.py first DIR DB N ROW once|always whole|stream GROUP
    judge.py second DIR DB N ROW once|always whole|stream GROUP
        the fault matrix after its first and its second run
    judge.py model DIR ROW NAME FILE
        writes a models file with one model, x
    judge.py keep DIR DB FILE
    judge.py unasked DIR DB FILE
        notes what is stored; later: none of that was asked again or is gone
    judge.py complete DIR DB N MOST
        N right answers; sums of tokens as the mock told them; at most MOST
        calls more than items

Prints what is wrong and exits with 1.
"""
import json
import os
import re
import sqlite3
import sys

import shapes
from rows import BY_ID, QUIRKS
from shapes import MARK, letter

# A fault's name: what becomes of an answer that it befalls, and what becomes
# of it when it never ends.  FINE: nothing, the answer is right.  HEALS: asked
# again and right.  Else the code of its failure.
FINE, HEALS = "fine", "heals"
ODD = "SERVER FORMAT NET LIMIT"  # answers that cannot be read
GONE = "AUTH NOENV REJECTED"  # nothing will be answered any more
MATRIX = {
    "rate": (HEALS, "RATE"), "rateafter": (HEALS, "RATE"), "ratedate": (HEALS, "RATE"), "429": (HEALS, "RATE"),
    "429after": (HEALS, "RATE"), "503after": (HEALS, "SERVER"),
    "server": (HEALS, "SERVER"), "said200": (HEALS, "SERVER"), "500": (HEALS, "SERVER"), "502": (HEALS, "SERVER"),
    "503": (HEALS, "SERVER"), "504": (HEALS, "SERVER TIMEOUT"), "529": (HEALS, "SERVER"),
    "408": (HEALS, "SERVER TIMEOUT"), "html502": (HEALS, "SERVER"), "html200": (HEALS, ODD),
    "errorinside": (HEALS, "SERVER"), "silence": (HEALS, "TIMEOUT"), "stall": (HEALS, "TIMEOUT"),
    "slow": (FINE, FINE), "split": (FINE, FINE), "reset": (HEALS, "NET"), "hangup": (HEALS, "NET"),
    "cut": (HEALS, "NET"), "cututf8": (HEALS, "NET"), "cuthead": (HEALS, "NET SERVER"), "noend": (HEALS, ODD),
    "lengthshort": (HEALS, ODD), "lengthlong": (HEALS, "NET"), "badchunk": (HEALS, "NET"),
    "badstatus": (HEALS, "NET"), "longhead": (HEALS, ODD), "empty": (HEALS, ODD),
    "brokenjson": (HEALS, ODD), "emptychoices": (HEALS, ODD), "nul": (HEALS, ODD), "nultext": (HEALS, ODD),
    "badutf8": (HEALS, ODD), "gzip": (FINE, FINE), "twicelast": (FINE, FINE), "swaplast": (FINE, FINE),
    "afterend": (FINE, FINE), "comments": (FINE, FINE), "crlf": (FINE, FINE), "untilclose": (FINE, FINE),
    "informed": (FINE, FINE),
    "auth": (GONE, GONE), "401": (GONE, GONE), "402": (GONE, GONE), "403": (GONE, GONE), "quota": (GONE, GONE),
    "nomodel": (GONE, GONE), "404": (GONE, GONE), "redirect": (HEALS, "SERVER"),
    "400": ("REJECTED", "REJECTED"), "toolong": ("REJECTED", "REJECTED"), "filter": ("FILTERED", "FILTERED"),
    "huge": (HEALS, ODD), "echo": ("REJECTED", "REJECTED"),
}
# With numbers in the frames of a stream nothing of it stays unseen.
FRAMES = {
    "auth": (GONE, GONE), "rate": (HEALS, "RATE"), "server": (HEALS, "SERVER"), "filter": ("FILTERED", "FILTERED"),
    "toolong": ("REJECTED", "REJECTED"), "nomodel": (GONE, GONE), "silence": (HEALS, "TIMEOUT"),
    "stall": (HEALS, "TIMEOUT"), "slow": (FINE, FINE), "reset": (HEALS, "NET"), "hangup": (HEALS, "NET"),
    "cut": (HEALS, "NET"), "noend": (HEALS, ODD), "brokenjson": (HEALS, ODD), "nul": (HEALS, ODD),
    "badutf8": (HEALS, ODD), "masked": (HEALS, ODD), "reserved": (HEALS, ODD), "huge": (HEALS, ODD),
    "twicelast": (FINE, FINE),
}
# Whose stream is whole before what is wrong with its end can be seen.
STREAM = {"lengthlong": (FINE, FINE)}
# Those that want a short time-out, or much of the machine, run by themselves.
GROUPS = {"waits": ("silence", "stall"), "huge": ("huge",)}
# Rows that do not tell tokens, or not in a stream unless asked in a way that
# unknown servers might refuse.
UNTOLD = ("minimax_pro", "skywork", "tgi", "cloopen", "langboat", "wps_ai")
EVERY = 2  # every second item is befallen
wrong = []


def say(form, *values):
    wrong.append(form % values)


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def read_log(folder):
    with open(os.path.join(folder, "log"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def stored(db, model):
    """{mark: (text, verdict, tokens in, tokens out, attempts, last failure's code, its message)}"""
    found = {}
    for question, turns, *rest in db.execute(
            "SELECT i.question, i.turns, r.text, c.verdict, r.prompt_tokens, r.output_tokens, r.attempts,"
            " (SELECT code FROM failure f WHERE f.sample = s.pk ORDER BY f.pk DESC LIMIT 1),"
            " (SELECT message FROM failure f WHERE f.sample = s.pk ORDER BY f.pk DESC LIMIT 1)"
            " FROM sample s JOIN model m ON m.pk = s.model JOIN item i ON i.pk = s.item"
            " LEFT JOIN response r ON r.sample = s.pk LEFT JOIN score c ON c.sample = s.pk WHERE m.id = ?", (model,)):
        mark = int(MARK.search(question or turns)[1])
        if mark in found:
            say("%s: item %d is stored twice", model, mark)
        found[mark] = rest
    return found


def judge_answer(model, mark, row):
    text, verdict = row[:2]
    if text is None:
        say("%s: item %d has no answer: %s, %s", model, mark, row[5], row[6])
    elif text != "答案：%s。" % letter(mark):
        say("%s: item %d: stored text %r", model, mark, text)
    elif verdict != ("correct" if mark % 4 else "wrong"):
        say("%s: item %d: verdict %s", model, mark, verdict)


def sane(log):
    for line in log:
        for word in ("denied", "lost", "refused", "broken"):
            if word in line:
                say("the mock: %s", json.dumps(line, ensure_ascii=False)[:300])
        if line.get("key"):
            say("a key reached another host")


def rows(folder, path, n, how):
    db, log = sqlite3.connect(path), read_log(folder)
    sane(log)
    told = {(x["row"], x["mark"]): x for x in log if "try" in x}
    for m in load(os.path.join(folder, "models.json"))["models"]:
        found = stored(db, m["id"])
        if sorted(found) != list(range(1, n + 1)):
            say("%s: items %s", m["id"], sorted(found))
        for mark, row in found.items():
            if row[0] is None:
                say("%s: item %d: no answer, %s", m["id"], mark, row[5])
                continue
            judge_answer(m["id"], mark, row)
            line = told[m["id"], mark]
            if m["id"] != "iflytek_spark_ws" and line["stream"] != (how == "stream"):
                say("%s: item %d: stream is %s", m["id"], mark, line["stream"])
            for got, name in ((row[2], "in"), (row[3], "out")):
                if got != line[name] and not (got is None and m["id"] in UNTOLD):
                    say("%s: item %d: %s tokens %s, the mock said %s", m["id"], mark, name, got, line[name])


def matrix(row, how, group):
    """What is to happen, by fault."""
    found = FRAMES if row == "iflytek_spark_ws" else dict(MATRIX, **STREAM) if how == "stream" else MATRIX
    apart = sum(GROUPS.values(), ())
    return {f: ends for f, ends in found.items() if (f in GROUPS[group] if group in GROUPS else f not in apart)}


def model_name(row, fault, how_long, how):
    times = {"once": 1, "always": 0}[how_long]
    return "%s~%s~%s~every%d~times%d" % (BY_ID[row].model, how[0], fault, EVERY, times)


def table(folder, row, how_long, how, group):
    base = next(m for m in load(os.path.join(folder, "models.json"))["models"] if m["id"] == row)
    found = [dict(base, id=f, model=model_name(row, f, how_long, how)) 
             for f, ends in sorted(matrix(row, how, group).items()) if how_long == "once" or ends[1] != FINE]
    with open(os.path.join(folder, "-".join((row, how_long, how, group)) + ".json"), "w", encoding="utf-8") as f:
        json.dump({"models": found}, f, ensure_ascii=False)
    print(" ".join("-m " + m["id"] for m in found))


def model(folder, row, name, to):
    """A models file with one model, x."""
    base = next(m for m in load(os.path.join(folder, "models.json"))["models"] if m["id"] == row)
    with open(to, "w", encoding="utf-8") as f:
        json.dump({"models": [dict(base, id="x", model=name)]}, f, ensure_ascii=False)


def quirks(folder, to):
    """A models file of the models that want something of their own."""
    bases = {m["id"]: m for m in load(os.path.join(folder, "models.json"))["models"]}
    with open(to, "w", encoding="utf-8") as f:
        json.dump({"models": [dict(bases[r], id=n, model=n) for r, n in QUIRKS]}, f, ensure_ascii=False)
    print(" ".join("-m " + n for _, n in QUIRKS))


def attempts(log, model):
    found = {}
    for x in log:
        if x.get("model") == model and "try" in x:
            found.setdefault(x["mark"], []).append(x.get("fault"))
    return found


def after(folder, path, n, second, row, how_long, how, group):
    db, log = sqlite3.connect(path), read_log(folder)
    for line in log:
        if "broken" in line or "refused" in line or "lost" in line or line.get("key"):
            say("the mock: %s", json.dumps(line, ensure_ascii=False)[:300])
    for fault, ends in sorted(matrix(row, how, group).items()):
        end = ends[how_long == "always"]
        if how_long == "always" and ends[1] == FINE:
            continue
        found, calls = stored(db, fault), attempts(log, model_name(row, fault, how_long, how))
        lost = set(range(1, n + 1)) - set(found)
        if lost:
            say("%s: items %s are lost", fault, sorted(lost))
        for mark, r in sorted(found.items()):
            hit = mark % EVERY == 0
            if r[0] is not None and group != "waits" and calls.get(mark, []).count(None) > 1:
                say("%s: item %d was answered twice", fault, mark)
            if r[0] is not None:
                judge_answer(fault, mark, r)
                if hit and not second and end not in (FINE, HEALS):
                    say("%s: item %d has an answer", fault, mark)
                if hit and end == HEALS and calls.get(mark) != [fault, None]:
                    say("%s: item %d was asked %s", fault, mark, calls.get(mark))
                if hit and end == HEALS and not second and r[4] != 2:
                    say("%s: item %d took %s attempts", fault, mark, r[4])
                continue
            if second or (not hit and end != GONE) or end in (FINE, HEALS):
                say("%s: item %d has no answer: %s", fault, mark, r[5])
            elif r[5] not in end.split() + (["CANCELLED"] if end == GONE else []):
                say("%s: item %d failed as %s, expected %s", fault, mark, r[5], end)
            elif hit and how_long == "once" and len(calls.get(mark, [])) > 1:
                say("%s: item %d was asked again: %s", fault, mark, calls[mark])


def keep(folder, path, marks):
    """Notes what is stored and where the log ends."""
    db = sqlite3.connect(path)
    answered = [[m, int(MARK.search(q)[1])] for m, q in db.execute(
        "SELECT m.id, i.question FROM response r JOIN sample s ON s.pk = r.sample JOIN model m ON m.pk = s.model"
        " JOIN item i ON i.pk = s.item")]
    with open(marks, "w", encoding="utf-8") as f:
        json.dump({"answered": answered, "lines": len(read_log(folder))}, f)


def unasked(folder, path, marks):
    """What was stored when the note was made was not asked again, and is there."""
    note, db = load(marks), sqlite3.connect(path)
    asked = {x["mark"] for x in read_log(folder)[note["lines"]:] if "try" in x}
    for model, mark in note["answered"]:
        if mark in asked:
            say("%s: item %d was stored and is asked again", model, mark)
        if stored_once(db, model).get(mark, [None])[0] is None:
            say("%s: item %d was stored and is gone", model, mark)


def stored_once(db, model, known={}):
    if model not in known:
        known[model] = stored(db, model)
    return known[model]


def complete(folder, path, n, most):
    """N answers of each model, all right, their sums whole; nothing asked more
    often than a run that was stopped with so many in flight has to."""
    db, log = sqlite3.connect(path), read_log(folder)
    sane(log)
    for model, in db.execute("SELECT id FROM model").fetchall():
        found = stored(db, model)
        if sorted(found) != list(range(1, n + 1)):
            say("%s: %d items of %d", model, len(found), n)
        for mark, row in found.items():
            judge_answer(model, mark, row)
    calls = [x for x in log if "try" in x and not x.get("fault")]
    if len(calls) > n + most:
        say("%d calls for %d items, at most %d may be lost", len(calls), n, most)
    want = {x["mark"]: (x["in"], x["out"]) for x in calls}
    got = db.execute("SELECT sum(prompt_tokens), sum(output_tokens), min(latency_ns) > 0 FROM response").fetchone()
    sums = tuple(map(sum, zip(*want.values()))) + (1,)
    if tuple(got) != sums:
        say("sums are %s, the mock's %s", got, sums)


def main(what, *a):
    if what == "model":
        model(*a)
    elif what == "quirks":
        quirks(*a)
    elif what == "keep":
        keep(*a)
    elif what == "unasked":
        unasked(*a)
    elif what == "complete":
        complete(a[0], a[1], int(a[2]), int(a[3]))
    elif what == "rows":
        rows(a[0], a[1], int(a[2]), a[3])
    elif what == "table":
        table(*a)
    else:
        after(a[0], a[1], int(a[2]), what == "second", *a[3:])
    for line in wrong[:40]:
        print(line)
    if len(wrong) > 40:
        print("... %d in all" % len(wrong))
    sys.exit(1 if wrong else 0)


main(*sys.argv[1:])
