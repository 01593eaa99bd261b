"""Downloads that are sent while they are made."""

from collections.abc import Iterator
from threading import Semaphore


class OneAtATime:
    """Parts of a long download, of which each process makes one at a time: it takes seconds."""

    def __init__(self, parts: Iterator[bytes] | Iterator[str], turn: Semaphore) -> None:
        self.parts, self.turn, self.is_ours = parts, turn, turn.acquire(blocking=False)

    def __iter__(self) -> Iterator[bytes] | Iterator[str]:
        return self.parts

    def close(self) -> None:
        if self.is_ours:
            self.is_ours = False
            self.turn.release()


class Taken:
    """A file without an end, for ZipFile to write to, from which what was written is taken."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken
