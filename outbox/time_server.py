"""Asking a time server how late it is (SNTP, RFC 4330)."""

import os
import socket
import struct
import time

PORT = 123
SECONDS = 3
TO_UNIX = 2_208_988_800  # seconds from 1900 to 1970
ERA = 2**32
CLIENT = 0x23  # no warning, version 4, client


def seconds_ahead(server: str) -> float:
    """
    Return by how many seconds this machine's clock is ahead of `server`, as `host` or `host:port`.

    Raises OSError where none answers, or what answers is no time server.
    """
    host, _, port = server.partition(":")
    family, kind, protocol, _name, address = socket.getaddrinfo(host, port or PORT, type=socket.SOCK_DGRAM)[0]
    nonce = os.urandom(8)
    with socket.socket(family, kind, protocol) as asking:
        asking.settimeout(SECONDS)
        asking.connect(address)
        asked = time.time()
        asking.send(bytes([CLIENT]) + bytes(39) + nonce)
        answer = asking.recv(512)
        answered = time.time()
    # A stratum of 0 means "ask elsewhere"; our own eight bytes show that the answer is one to this question.
    if len(answer) < 48 or answer[1] == 0 or answer[24:32] != nonce:
        raise OSError("not the answer of a time server")
    seconds, fraction = struct.unpack("!II", answer[40:48])
    now = (asked + answered) / 2
    theirs = seconds - TO_UNIX + fraction / ERA
    theirs += ERA * round((now - theirs) / ERA)  # the count begins anew in 2036
    return now - theirs
