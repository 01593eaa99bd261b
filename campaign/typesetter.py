"""
The typesetter: reads a document as JSON from standard input, writes a PDF, or its one page as PNG, to standard output.

What people typed reaches Typst as data, never as a part of the program that the first argument names: nothing in it is
markup there. The second argument is "pdf" or "png". Run by campaign.typesetting as a process of its own, without
Django.
"""

import sys
from pathlib import Path
from typing import Literal

import typst

FORMATS: dict[str, Literal["pdf", "png"]] = {"pdf": "pdf", "png": "png"}


def main() -> None:
    # The wheel's own fonts hold Latin, Greek, Cyrillic, Kazakh, Hebrew and Arabic; the system's serve for the rest.
    fonts = typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)
    done = typst.compile(
        Path(sys.argv[1]).read_bytes(),
        font_paths=fonts,
        sys_inputs={"document": sys.stdin.buffer.read().decode()},
        format=FORMATS[sys.argv[2]],
        ppi=72,  # of a PNG: a point is a pixel
    )
    sys.stdout.buffer.write(done)


if __name__ == "__main__":
    main()
