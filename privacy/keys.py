"""Key files: made on first use, readable by their owner alone, kept apart from the database."""

import os
from base64 import urlsafe_b64encode
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def read_or_make(path: Path) -> str:
    """
    Return the key in the file at `path`, making one of 32 random bytes (base64) if there is none.

    Safe when several processes start at once: the file is linked into place whole, and the first one wins.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as fresh:  # its mode is 0600
            fresh.write(urlsafe_b64encode(os.urandom(32)))
            fresh.flush()
            with suppress(FileExistsError):
                path.hardlink_to(fresh.name)
    return path.read_text().strip()
