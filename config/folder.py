"""Reading a folder of TOML and Markdown, and saying in which line of which file something is wrong."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

FENCE = "+++"
DEEPEST = 20  # levels of tables and lists within each other; a campaign needs five
Steps = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """Something to put right: `line` 0 stands for the whole file, an empty `key` for the whole line."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class CampaignFolderError(Exception):
    """The folder cannot be loaded. Nothing was changed."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass
class Source:
    """One file: its TOML, and the Markdown below it."""

    name: str
    problems: list[Problem]
    toml: str = ""
    toml_line: int = 1
    body: str = ""
    body_line: int = 0
    body_key: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> "Table":
        return Table(self, (), self.data)

    def name_body(self, key: str) -> "Table":
        """Let the Markdown stand in the table, under `key`; a text with a line of +++ stands there itself."""
        if key in self.data and self.body:
            self.table.report("stands below the fields, not among them.", key)
        elif self.body:
            self.data[key] = self.body
        self.body_key = key
        return self.table

    @cached_property
    def _lines(self) -> dict[Steps, int]:
        """In which line each key and each table begins."""
        found: dict[Steps, int] = {(): self.toml_line}
        here: Steps = ()
        counts: dict[Steps, int] = {}
        for line, text in _statements(self.toml):
            named = tomllib.loads(text)
            if header := re.match(r"\s*(\[\[?)", text):
                here = ()
                for name in _only_path(named):
                    here = (*here, name)
                    if here in counts:
                        here = (*here, counts[here] - 1)
                if header[1] == "[[":
                    if here and isinstance(here[-1], int):
                        here = here[:-1]
                    counts[here] = counts.get(here, 0) + 1
                    found.setdefault(here, self.toml_line + line)
                    here = (*here, counts[here] - 1)
                found[here] = self.toml_line + line
            else:
                for path in _all_paths(named):
                    found.setdefault((*here, *path), self.toml_line + line)
        return found

    def line_of(self, steps: Steps, at: str = "") -> int:
        """
        Return the line of the key that `steps` lead to, or of the nearest table around it.

        In the Markdown, it is the line that holds `at`.
        """
        if steps == (self.body_key,) and self.body and steps not in self._lines:
            return self.body_line + (self.body.partition(at)[0].count("\n") if at else 0)
        while steps not in self._lines:
            steps = steps[:-1]
        return self._lines[steps]


@dataclass(frozen=True)
class Table:
    """A table of a file, which knows where it stands."""

    source: Source
    steps: Steps
    data: dict[str, Any]

    def report(self, message: str, *way: str | int, at: str = "") -> None:
        """Note a problem: with the table itself, or with what `way` leads to, a key or an item of its list."""
        steps = (*self.steps, *way)
        line = self.source.line_of(steps, at)
        self.source.problems.append(Problem(self.source.name, line, _written(steps), message))

    def line(self, *way: str | int) -> int:
        return self.source.line_of((*self.steps, *way))

    def inner(self, key: str) -> "Table | None":
        """Return the table [key], or None when there is none."""
        value = self.data.get(key)
        if isinstance(value, dict):
            return Table(self.source, (*self.steps, key), value)
        if key in self.data:
            self.report(f"expects a table, written [{key}]; found {described(value)}.", key)
        return None

    def inners(self, key: str) -> "list[Table] | None":
        """Return the tables [[key]], or None when there is no such list: an empty one is written `key = []`."""
        value = self.data.get(key)
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return [Table(self.source, (*self.steps, key, number), item) for number, item in enumerate(value)]
        if key in self.data:
            self.report(f"expects tables, each under a line [[{key}]]; found {described(value)}.", key)
        return None

    def texts(self, key: str) -> dict[int, str]:
        """Return the list of texts under `key`, by their place, without those that stand there twice."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.report(f'expects a list of texts, such as ["one", "two"]; found {described(value)}.', key)
            return {}
        found: dict[int, str] = {}
        for index, text in enumerate(map(str.strip, value)):
            if holds_control_character(text):
                self.report("holds a control character, such as NUL or a line break.", key, index)
            elif text in found.values():
                self.report(f'"{text}" stands there twice.', key, index)
            else:
                found[index] = text
        return found


def read(root: Path, name: str, problems: list[Problem]) -> Source | None:
    """
    Read the file `name` below `root`: TOML, or Markdown under TOML between two lines of +++.

    Return None for a file that cannot be read, after noting in `problems` why.
    """
    source = Source(name, problems)
    try:
        text = _text(root / name)
        if name.endswith(".md"):
            _split(source, text)
        else:
            source.toml = text
        source.data = tomllib.loads(source.toml, parse_float=Decimal)
        if _is_deeper_than(DEEPEST, source.data):
            raise RecursionError
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        line = int(at[1]) if at else source.toml.rstrip().count("\n") + 1
        where = f"in column {at[2]}" if at else "at the end"
        wrong = str(error).partition(" (at ")[0]
        message = f'is not TOML: {wrong}, {where}. A field is written: name = "text".'
        problems.append(Problem(name, source.toml_line + line - 1, "", message))
    except RecursionError:
        problems.append(Problem(name, 0, "", "nests tables or lists too deeply."))
    except _UnreadableError as error:
        problems.append(Problem(name, error.line, "", str(error)))
    else:
        return source
    return None


class _UnreadableError(Exception):
    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except IsADirectoryError:
        raise _UnreadableError(0, "is a folder; a file is expected here.") from None
    except OSError as error:
        raise _UnreadableError(0, f"cannot be read: {error.strerror}.") from error
    if b"\0" in raw:
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        raise _UnreadableError(line, "holds a NUL character: remove it, or save the file as plain text in UTF-8.")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _UnreadableError(line, "is not UTF-8: save the file as UTF-8 in your editor.") from error


def _is_deeper_than(levels: int, value: Any) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
    return bool(layer)


def _split(source: Source, text: str) -> None:
    """Part the fields between two lines of +++ from the Markdown below them."""
    lines = text.split("\n")
    if lines[0].rstrip() != FENCE:
        raise _UnreadableError(1, f"expects {FENCE} in the first line, then the fields, then {FENCE}, then the text.")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE), 0)
    if not end:
        raise _UnreadableError(1, f"the second {FENCE}, which ends the fields, is missing.")
    source.toml, source.toml_line = "\n".join(lines[1:end]), 2
    below = lines[end + 1 :]
    for number, line in enumerate(below):
        if line.rstrip() == FENCE:
            raise _UnreadableError(end + 2 + number, f"is a third {FENCE}: the fields end at the second one.")
    blank = next((number for number, line in enumerate(below) if line.strip()), 0)
    source.body, source.body_line = "\n".join(below).strip(), end + 2 + blank


def holds_control_character(text: str, allowed: str = "") -> bool:
    return any(unicodedata.category(sign) == "Cc" and sign not in allowed for sign in text)


def described(value: object) -> str:
    """Say in plain words what kind of value this is."""
    words: list[tuple[type, str]] = [
        (str, "text"),
        (bool, "true or false"),
        (int, "a whole number"),
        (Decimal, "a number with decimals"),
        (datetime, "a date with a time"),
        (date, "a date"),
        (time, "a time"),
        (dict, "a table"),
    ]
    return next((word for kind, word in words if isinstance(value, kind)), "a list")


def _statements(toml: str) -> Iterator[tuple[int, str]]:
    """Yield each statement of a valid TOML text with the number of its first line, counted from 0."""
    lines = toml.split("\n")
    start = 0
    while start < len(lines):
        end = start + 1
        while end < len(lines) and not _is_toml("\n".join(lines[start:end])):  # the value goes on in the next line
            end += 1
        if lines[start].strip() and not lines[start].lstrip().startswith("#"):
            yield start, "\n".join(lines[start:end])
        start = end


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _only_path(named: Any) -> Iterator[str]:
    """Yield the names in the header of a table: "charge", "de" for [charge.de]."""
    while named:
        if isinstance(named, list):
            named = named[0]
        else:
            name, named = next(iter(named.items()))
            yield name


def _all_paths(value: Any) -> Iterator[Steps]:
    """Yield the way to each key in a statement's value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        yield (name,)
        yield from ((name, *path) for path in _all_paths(inner))


def _written(steps: Steps) -> str:
    """Return the way to a key as people write and count it: charge[2].title."""
    return "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
