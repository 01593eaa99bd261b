"""What a browser does: static/js/prove-worker.js in Python, by the protocol and not by the library."""

import base64
import json
from hashlib import sha256


def solve(challenge, **changes):
    number = next(
        number
        for number in range(challenge["maxnumber"] + 1)
        if sha256(f"{challenge['salt']}{number}".encode()).hexdigest() == challenge["challenge"]
    )
    names = ("algorithm", "challenge", "salt", "signature")
    return encoded({**{name: challenge[name] for name in names}, "number": number, **changes})


def encoded(solution):
    return base64.b64encode(json.dumps(solution).encode()).decode()
