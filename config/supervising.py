"""
Runs the program's processes side by side, starts again what dies, and stops all of them together.

Of the process managers tried, honcho stops everything as soon as one process ends; but a Celery worker may end by
itself when its broker comes back, and must then be started again.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Longer than a worker needs to hear the answer to the one message it is handing over, in all but the worst case.
STOP_SECONDS = 15
FIRST_PAUSE, LONGEST_PAUSE = 1, 30
# A process that ran for so long was healthy: its next pause is the first one again.
HEALTHY_SECONDS = 60
_PR_SET_PDEATHSIG = 1

Say = Callable[[str], None]


class Supervisor:
    """
    The processes by name, each with its command.

    Each is the leader of a group of its own, so that Ctrl-C in a terminal reaches this process alone and the order of
    stopping is its own. On Linux the kernel ends them should this process be killed.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], say: Say) -> None:
        self._commands = commands
        self._environment = dict(environment)
        self._say = say
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started_at: dict[str, float] = {}
        self._starts_at: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._parent = os.getppid()
        self.stopping = False

    def run(self, tick: Callable[[], None], *, with_parent: bool = False) -> None:
        """
        Start everything and watch over it until a signal of STOPPING comes, or `stopping` is set; then stop all.

        `tick` is called about ten times a second. `with_parent`: also stop once the process that started this one is
        gone (make does not pass every signal on).
        """
        before = {number: signal.signal(number, self._stop) for number in STOPPING}
        try:
            self._starts_at = dict.fromkeys(self._commands, 0.0)
            while not self.stopping:
                self._start_and_look()
                tick()
                self.stopping = self.stopping or (with_parent and os.getppid() != self._parent)
                time.sleep(0.1)
        finally:
            self._stop_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, *received: object) -> None:
        self.stopping = True

    def _start_and_look(self) -> None:
        now = time.monotonic()
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                del self._running[name]
                healthy = now - self._started_at[name] > HEALTHY_SECONDS
                pause = FIRST_PAUSE if healthy else self._pause.get(name, FIRST_PAUSE)
                self._pause[name] = min(pause * 2, LONGEST_PAUSE)
                self._starts_at[name] = now + pause
                self._say(f"{name} ended by itself ({_how(process.returncode)}); it starts again in {pause:.0f} s.")
        for name in self._commands:
            if name not in self._running and now >= self._starts_at[name]:
                self._started_at[name] = now
                self._running[name] = subprocess.Popen(
                    self._commands[name],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,  # the logs go to standard error
                    process_group=0,
                    preexec_fn=_end_with_parent,  # noqa: PLW1509 - this process has one thread
                )

    def _stop_all(self) -> None:
        """Ask all to end, and end what has not after STOP_SECONDS."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for name, process in self._running.items():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"{name} did not stop within {STOP_SECONDS} s and was ended.")
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """In the new process: ask the kernel for SIGTERM when the process that started it dies."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _how(returncode: int) -> str:
    return signal.Signals(-returncode).name if returncode < 0 else f"exit code {returncode}"
