#!/usr/bin/env python3
"""
Checks a campaign's public log of accepted letters. Plain Python 3.8 or newer; nothing else is needed.

    python3 verify_log.py letter-log.jsonl letter-log-heads.json
    python3 verify_log.py letter-log.jsonl letter-log-heads.json --receipt letter-proof.json
    python3 verify_log.py letter-log.jsonl letter-log-heads.json --kept heads-of-last-year.json --kept 120:0a1b...

It says whether an entry was edited, removed, put elsewhere or cut off, whether the heads are signed as they should be,
whether the letters of your receipt are in the log, and whether the log is the one that somebody kept a head of. It
ends with 0 if all is well, with 1 if not, and with 2 if it could not check. It sends nothing anywhere.

The log may be one file or several, in their order.
"""

import argparse
import hashlib
import json
import re
import sys

BEGINNING = "0" * 64
HEAD_FORMAT = "solidarity-letter-log-head-1"
RECEIPT_FORMAT = "solidarity-letter-receipt-1"
# A log that was changed in the middle would be told of in a million lines.
MOST_FAULTS = 20


class Unusable(Exception):
    """A file is not what it should be: nothing can be said."""


# --- Ed25519 (RFC 8032, 5.1), only to verify ---------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def _add(p, q):
    """Add two points in extended coordinates (x, y, z, t), RFC 8032, 5.1.4."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number, point):
    found = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = _add(found, point)
        point = _add(point, point)
        number >>= 1
    return found


def _same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def _point(data):
    """Return the point that 32 bytes stand for, or None."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if len(data) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_is_valid(public_key, message, signature):
    """Whether the 64 bytes of `signature` are the key's under the message."""
    key, r = _point(public_key), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or r is None or len(signature) != 64 or s >= L:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    return _same(_times(s, BASE), _add(r, _times(int.from_bytes(digest, "little") % L, key)))


# --- What is hashed and signed -----------------------------------------------------------------------------------


def canonical(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def hash_of(previous, text):
    return hashlib.sha256((previous + text).encode("utf-8", "surrogatepass")).hexdigest()


def entry_hash(entry):
    content = {name: value for name, value in entry.items() if name not in ("hash", "previous_hash")}
    return hash_of(str(entry.get("previous_hash")), canonical(content))


def is_signed(head):
    told = {"format": HEAD_FORMAT, "day": head["day"], "entries": head["entries"], "hash": head["hash"]}
    try:
        key, signature = bytes.fromhex(head["public_key"]), bytes.fromhex(head["signature"])
    except ValueError:
        return False
    return ed25519_is_valid(key, canonical(told).encode("utf-8", "surrogatepass"), signature)


# --- Reading -----------------------------------------------------------------------------------------------------


def _json(path):
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}.")
    except (ValueError, RecursionError):
        raise Unusable(f"{path} is not JSON.")


def _as_head(value, where):
    texts = ("day", "hash", "public_key", "signature")
    if not (
        isinstance(value, dict)
        and all(isinstance(value.get(name), str) for name in texts)
        and type(value.get("entries")) is int
    ):
        raise Unusable(f"{where} holds something that is no head of a log.")
    return value


def read_heads(path):
    """Return the heads in a file: heads.json as it is published, or a single head."""
    found = _json(path)
    if isinstance(found, dict) and "heads" in found:
        found = found["heads"]
    elif isinstance(found, dict) and found.get("format") == RECEIPT_FORMAT:
        found = [found["head"]] if found.get("head") else []
    elif isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise Unusable(f"{path} holds no heads.")
    return [_as_head(head, path) for head in found]


def read_kept(text):
    """Return heads that somebody kept: from a file, or one as NUMBER:HASH."""
    found = re.match(r"^([0-9]{1,18}):([0-9a-f]{64})$", text.strip())
    if found:
        return [{"day": None, "entries": int(found.group(1)), "hash": found.group(2)}]
    return read_heads(text)


def read_receipt(path):
    found = _json(path)
    letters = found.get("letters") if isinstance(found, dict) and found.get("format") == RECEIPT_FORMAT else None
    if not isinstance(letters, list) or not letters:
        raise Unusable(f"{path} is no receipt of a letter.")
    for letter in letters:
        if not (
            isinstance(letter, dict)
            and isinstance(letter.get("entry"), dict)
            and type(letter["entry"].get("sequence")) is int
            and isinstance(letter.get("message_id"), str)
            and isinstance(letter.get("salt"), str)
        ):
            raise Unusable(f"{path} is no receipt of a letter.")
    return found


def read_lines(paths):
    """Yield each line of the files, a line in memory at a time."""
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                for number, line in enumerate(file, start=1):
                    yield path, number, line
        except OSError as error:
            raise Unusable(f"{path} cannot be read: {error.strerror}.")
        except ValueError:
            raise Unusable(f"{path} is not a text in UTF-8.")


# --- Checking ----------------------------------------------------------------------------------------------------


class Log:
    """What was found in a log, read once from its first line to its last."""

    def __init__(self, wanted):
        self.wanted = wanted  # numbers of entries that heads and receipts name
        self.entries = {}
        self.count = self.trials = 0
        self.last_hash = BEGINNING
        self.faults = []

    def read(self, lines):
        previous, expected = BEGINNING, 1
        for path, number, line in lines:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                entry = None
            if not isinstance(entry, dict) or type(entry.get("sequence")) is not int:
                self.faults.append("%s, line %d is no entry: it was edited, or the file is damaged." % (path, number))
                continue
            sequence = entry["sequence"]
            if sequence > expected:
                self.faults.append(_missing(expected, sequence - 1))
            elif sequence < expected:
                self.faults.append(
                    "Entry %d comes again or after a later one: entries were put elsewhere, or doubled." % sequence
                )
            elif entry.get("previous_hash") != previous:
                self.faults.append(
                    "Entry %d does not follow from the one before it: one of them was changed." % sequence
                )
            if entry_hash(entry) != entry.get("hash") or canonical(entry) != line.rstrip("\n"):
                self.faults.append("Entry %d was edited: its hash is not that of what it says." % sequence)
            if sequence in self.wanted and sequence not in self.entries:
                self.entries[sequence] = entry
            self.count += 1
            self.trials += entry.get("live") is not True
            previous, expected = str(entry.get("hash")), max(sequence + 1, expected)
        self.last_hash, self.end = previous, expected - 1
        return self

    def fits(self, head):
        """Whether the log holds the head."""
        if head["entries"] == 0:
            return head["hash"] == BEGINNING
        return head["entries"] in self.entries and self.entries[head["entries"]].get("hash") == head["hash"]


def _missing(first, last):
    if first == last:
        return "Entry %d is missing: it was removed, or put elsewhere." % first
    return "Entries %d to %d are missing: they were removed, or put elsewhere." % (first, last)


def check_heads(log, heads, key):
    """Return what is wrong with the published heads, and what else is to be known."""
    faults, notes = [], []
    if not heads:
        notes.append("No head is published: nothing is signed.")
    for before, head in zip([None, *heads], heads):
        if not is_signed(head):
            faults.append("The head of {} is not signed by its key: it was changed.".format(head["day"]))
        if key and head["public_key"] != key:
            faults.append("The head of {} is signed with another key than the one that you gave.".format(head["day"]))
        if before and before["public_key"] != head["public_key"]:
            notes.append(
                "From {} on another key signs. Ask the organisers, not by this site, whether they changed it.".format(
                    head["day"]
                )
            )
        if before and (before["day"] >= head["day"] or before["entries"] > head["entries"]):
            faults.append(
                "The heads are not in their order: that of {} was changed or put elsewhere.".format(head["day"])
            )
        if head["entries"] > log.end:
            faults.append(
                "The log was cut off: on %s it had %d entries, and now it ends with %d."
                % (head["day"], head["entries"], log.end)
            )
        elif not log.fits(head):
            faults.append(
                "The log is not the one that was signed on %s: entry %d is another." % (head["day"], head["entries"])
            )
    if heads and heads[-1]["entries"] < log.end:
        notes.append("Entries %d to %d are not signed yet." % (heads[-1]["entries"] + 1, log.end))
    return faults, notes


def check_kept(log, heads, kept):
    """Return what is wrong when the log is compared with heads that somebody kept."""
    faults, published = [], {head["day"]: head for head in heads}
    for head in kept:
        name = "The head that was kept (%s%d entries)" % (
            "of {}, ".format(head["day"]) if head["day"] else "",
            head["entries"],
        )
        if head["day"] and not is_signed(head):
            faults.append(f"{name} is not signed by its key: what was kept was changed, and shows nothing.")
            continue
        if head["entries"] > log.end:
            faults.append("%s is of a longer log: this one was cut off after entry %d." % (name, log.end))
        elif not log.fits(head):
            faults.append(
                "%s is of another log: this one is a fork, and differs before or at entry %d." % (name, head["entries"])
            )
        if head["day"] and head != published.get(head["day"]):
            what = "another one stands there" if head["day"] in published else "it is gone"
            faults.append(f"{name} is not among the published heads: {what}.")
    return faults


def check_receipt(log, receipt):
    """Return what is wrong with a receipt, and which letters are in the log."""
    faults, found = [], []
    for letter in receipt["letters"]:
        entry, told = letter["entry"], {"message_id": letter["message_id"], "salt": letter["salt"]}
        name = "Your letter to {} ({})".format(entry.get("target_name"), letter["message_id"])
        if len(letter["salt"]) < 32 or hashlib.sha256(
            canonical(told).encode("utf-8", "surrogatepass")
        ).hexdigest() != entry.get("commitment"):
            faults.append("%s does not belong to entry %d: the receipt was changed." % (name, entry["sequence"]))
        elif log.entries.get(entry["sequence"]) != entry:
            faults.append(
                "%s is not in this log: entry %d is %s."
                % (name, entry["sequence"], "another" if entry["sequence"] in log.entries else "not there")
            )
        else:
            trial = "" if entry.get("live") is True else " It was a trial: nothing left the campaign's own machine."
            found.append("%s is in it as entry %d, of %s.%s" % (name, entry["sequence"], entry.get("day"), trial))
    return faults, found


def run(arguments=None):
    parser = argparse.ArgumentParser(
        description="Checks a campaign's public log of accepted letters.",
        epilog="It ends with 0 if all is well, with 1 if not, and with 2 if it could not check.",
    )
    parser.add_argument("log", nargs="+", help="letter-log.jsonl, or its files in their order")
    parser.add_argument("heads", help="letter-log-heads.json")
    parser.add_argument("--receipt", help="letter-proof.json, from the page of your letters")
    parser.add_argument("--kept", action="append", default=[], help="heads that somebody kept: a file, or NUMBER:HASH")
    parser.add_argument("--key", help="the public key that you know from elsewhere: 64 hexadecimal digits")
    options = parser.parse_args(arguments)
    heads = read_heads(options.heads)
    kept = [head for text in options.kept for head in read_kept(text)]
    receipt = read_receipt(options.receipt) if options.receipt else None
    if receipt and receipt.get("head"):
        kept.append(_as_head(receipt["head"], options.receipt))
    key = (options.key or "").strip().lower()
    if options.key and not re.match(r"^[0-9a-f]{64}$", key):
        raise Unusable("--key takes 64 hexadecimal digits.")

    wanted = {head["entries"] for head in heads + kept}
    wanted |= {letter["entry"]["sequence"] for letter in receipt["letters"]} if receipt else set()
    log = Log(wanted).read(read_lines(options.log))
    faults, notes = check_heads(log, heads, key)
    faults = log.faults + faults + check_kept(log, heads, kept)
    wrong, found = check_receipt(log, receipt) if receipt else ([], [])
    faults += wrong

    for fault in faults[:MOST_FAULTS]:
        print(f"NOT WELL: {fault}")
    if len(faults) > MOST_FAULTS:
        print("... and %d more." % (len(faults) - MOST_FAULTS))
    if not faults:
        print("The log is whole: %d entries, none edited, removed, put elsewhere or cut off." % log.count)
        print("It ends with %d:%s" % (log.end, log.last_hash))
        if log.trials:
            print("%d entries are trials: nothing left the campaign's own machine." % log.trials)
        if heads:
            print("It was signed on {} with the key {}".format(heads[-1]["day"], heads[-1]["public_key"]))
        if kept:
            print("It is the log that was kept: %d heads fit." % len(kept))
    for sentence in found + notes:
        print(sentence)
    if not faults and not kept:
        print("Keep letter-log-heads.json: only with an older one can you see that the whole log was made anew.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.exit(run())
    except Unusable as reason:
        print(f"Could not check: {reason}", file=sys.stderr)
        sys.exit(2)
