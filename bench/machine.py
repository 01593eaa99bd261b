"""The facts of the machine that a figure means nothing without."""

import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import django
from django.db import connection


def facts() -> dict[str, str]:
    """Return what to print above a table."""
    with connection.cursor() as cursor:
        shown = {}
        for name in ("server_version", "fsync", "synchronous_commit", "full_page_writes", "data_directory"):
            cursor.execute(f"SHOW {name}")
            shown[name] = cursor.fetchone()[0]
    return {
        "processor": f"{_field('/proc/cpuinfo', 'model name') or platform.processor()}, {os.cpu_count()} of them",
        "two at once": f"two processes that only compute do {_two_at_once():.1f} times the work of one",
        "memory": f"{int((_field('/proc/meminfo', 'MemTotal') or '0').split()[0]) / 2**20:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Django, Celery": f"{django.get_version()}, {version('celery')}",
        "PostgreSQL": f"{shown['server_version']}, fsync {shown['fsync']}, synchronous_commit "
        f"{shown['synchronous_commit']}, full_page_writes {shown['full_page_writes']}",
        "data on": f"{_filesystem(Path(shown['data_directory']))}; one fsync of 8 KB takes {_fsync_ms():.2f} ms there",
        "others' load": _load(),
    }


def _load() -> str:
    """Say how busy the machine was before the bench began, by its load average of that moment."""
    load, processors = float(os.environ["BENCH_LOAD"]), os.cpu_count() or 1
    if load < 0.25 * processors:
        return f"{load:.1f}"
    return f"{load:.1f} on {processors} processors: OTHER PROGRAMS WERE BUSY, and every figure is too low"


def _two_at_once() -> float:
    """Measure what a second processor is worth, which on a shared machine is less than one, and changes."""
    ratios = []
    for _ in range(5):
        alone, together = (_seconds(processes) for processes in (1, 2))
        ratios.append(2 * alone / together)
    return statistics.median(ratios)


def _seconds(processes: int) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-c", "sum(i * i for i in range(4_000_000))"]
    computing = [subprocess.Popen(command) for _ in range(processes)]
    for process in computing:
        process.wait()
    return time.perf_counter() - start


def _field(path: str, name: str) -> str:
    """Return the value of the first line `name: value`, or nothing."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _filesystem(path: Path) -> str:
    """Return the kind of filesystem that `path` is on."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "an unknown filesystem"
    holding = [mount for mount in mounts if path.is_relative_to(mount[1])]
    return max(holding, key=lambda mount: len(mount[1]))[2]


def _fsync_ms() -> float:
    """Measure in the folder for temporary files, where the database is too."""
    path, times = Path(os.environ["BENCH_FOLDER"], "fsync"), []
    with path.open("wb", buffering=0) as file:
        for _ in range(50):
            file.seek(0)
            file.write(os.urandom(8192))
            start = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return statistics.median(times) * 1000
