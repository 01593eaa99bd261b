"""
The typesetter: reads a document as JSON from standard input, writes a PDF to standard output.

What people typed reaches Typst as data, never as a part of the program that the first argument names: nothing in it is
markup there. Run by campaign.typesetting as a process of its own, without Django.
"""

import sys
from pathlib import Path

import typst


def main() -> None:
    # The wheel's own fonts hold Latin, Greek, Cyrillic, Kazakh, Hebrew and Arabic; the system's serve for the rest.
    fonts = typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)
    pdf = typst.compile(
        Path(sys.argv[1]).read_bytes(),
        font_paths=fonts,
        sys_inputs={"document": sys.stdin.buffer.read().decode()},
        format="pdf",
    )
    sys.stdout.buffer.write(pdf)


if __name__ == "__main__":
    main()
