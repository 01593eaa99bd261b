"""A real DNS server and a real time server on loopback ports, which know what a test tells them."""

import socket
import struct
import threading
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class UdpServer:
    """Answers each packet with what `answer(packet)` returns; with None, not at all."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopping:
            stopping.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while True:
            packet, sender = self._socket.recvfrom(4096)
            if not packet:
                return
            answer = self.answer(packet)
            if answer is not None:
                self._socket.sendto(answer, sender)


class NameServer(UdpServer):
    """`publish(name, kind, *values)` as they stand in a zone file; every other name is NXDOMAIN."""

    def __init__(self):
        super().__init__()
        self.zone = {}
        self.silent = False
        self.broken = False
        self.asked = 0

    def publish(self, name, kind, *values):
        self.zone[f"{name}.", kind] = values

    def answer(self, packet):
        self.asked += 1
        if self.silent:
            return None
        query = dns.message.from_wire(packet)
        question = query.question[0]
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        if self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif values := self.zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        elif not any(known == name for known, _kind in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()


class TimeServer(UdpServer):
    """Tells the time of this machine, later by `late` seconds."""

    def __init__(self):
        super().__init__()
        self.late = 0.0
        self.stratum = 2

    def answer(self, packet):
        now = time.time() + self.late + 2_208_988_800
        stamp = struct.pack("!II", int(now) % 2**32, int(now % 1 * 2**32))
        return bytes([0x24, self.stratum]) + bytes(22) + packet[40:48] + stamp + stamp
