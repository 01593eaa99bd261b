"""Text files of unknown encoding, line by line, however large."""

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from django.utils.translation import gettext as _

from campaign.spreadsheets import MARKS
from donations.statements.items import StatementError

_PIECE = 64 * 1024
# Longer lines no bank writes; a file without line ends must not be read into memory at once.
LONGEST_LINE = 32 * 1024


def encoding_of(file: BinaryIO) -> str:
    """Return the encoding of the whole file: what its mark says, else UTF-8 if all of it is, else Windows-1252."""
    file.seek(0)
    start = file.read(4)
    for mark, name in MARKS:
        if start.startswith(mark):
            return name
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := file.read(_PIECE):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def lines(file: BinaryIO, encoding: str = "") -> Iterator[str]:
    """Yield the file's lines with their ends. Raises StatementError with the line that cannot be read."""
    encoding = encoding or encoding_of(file)
    file.seek(0)
    try:
        reader = codecs.getincrementaldecoder(encoding)()
    except LookupError as error:
        raise StatementError(_("The encoding “%(name)s” is not known.") % {"name": encoding}) from error
    rest, number = "", 0
    ends = io.IncrementalNewlineDecoder(reader, translate=True)
    while True:
        piece = file.read(_PIECE)
        try:
            rest += ends.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            before = rest.count("\n") + error.object[: error.start].count(b"\n")
            raise StatementError(
                _("The file's characters cannot be read as %(name)s.") % {"name": encoding}, number + before + 1
            ) from error
        parts = rest.split("\n")
        rest = parts.pop()
        for part in parts:
            number += 1
            _check(part, number)
            yield part + "\n"
        _check(rest, number + 1)
        if not piece:
            if rest:
                yield rest
            return


def _check(line: str, number: int) -> None:
    if len(line) > LONGEST_LINE:
        raise StatementError(_("This line is too long for a bank's file."), number)
    if "\0" in line:
        raise StatementError(_("This is no text file, or one in an unknown encoding."), number)
