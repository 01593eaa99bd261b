"""Setting pages with Typst, in a process of its own: the typesetter keeps what it has set until its process ends."""

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

_TYPESETTER = Path(__file__).with_name("typesetter.py")
_TIMEOUT_SECONDS = 120


class TypesettingError(Exception):
    """The typesetter failed."""


def typeset(program: Path, document: dict[str, Any], form: Literal["pdf", "png"] = "pdf") -> bytes:
    """Return `document` as a PDF or a picture, set by the Typst program in that file. Raises TypesettingError."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_TYPESETTER), str(program), form],
            input=json.dumps(document).encode(),
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TypesettingError(f"not done within {_TIMEOUT_SECONDS} seconds") from error
    if done.returncode:
        raise TypesettingError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return done.stdout


@lru_cache(maxsize=64)
def _kept(program: Path, document: str) -> bytes:
    return typeset(program, json.loads(document))


def typeset_once(program: Path, document: dict[str, Any]) -> bytes:
    """Return a PDF that anybody may ask for, and that is therefore not set anew each time. Raises TypesettingError."""
    return _kept(program, json.dumps(document, sort_keys=True))


def short(language: str) -> str:
    """Return the language alone, without script and country, as Typst takes it: "zh" for "zh-hans"."""
    return language.partition("-")[0]
