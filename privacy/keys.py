"""Key files: made on first use, readable by their owner alone, kept apart from the database."""

import os
from base64 import urlsafe_b64encode
from pathlib import Path


def read_or_make(path: Path) -> str:
    """
    Return the key in the file at `path`, making one of 32 random bytes (base64) if there is none.

    Safe when several processes start at once: the file is linked into place whole, and the first one wins.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(urlsafe_b64encode(os.urandom(32)))
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()
