"""
Key files, kept apart from the database: made on first use in development, judged before a start in production.

deploy/make-secrets makes them for production.
"""

import os
import stat
from base64 import urlsafe_b64encode
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

# What people write where a key should be. A random key holds one of them by chance once in ten million.
_WORDS = ("change", "default", "example", "insecure", "password", "placeholder", "replace", "secret")
# 32 random bytes in Base64 have some 30 different characters; fewer than 16 come never by chance.
_FEWEST_CHARACTERS = 16
# Where containers mount their secrets.
CONTAINER_SECRETS = "/run/secrets/"


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


def why_open(path: Path) -> str:
    """
    Return why other users of this machine can read the file, and what mends it; "" if none can.

    A folder that they cannot enter keeps them out, whatever the file's own mode. The group may read a file of another
    owner, such as root: so a service is let in. A secret that a container mounts is seen by that container alone; who
    sees it outside is a matter of the folder there.
    """
    if str(path).startswith(CONTAINER_SECRETS):
        return ""
    path = path.resolve()
    file, folders = path.stat(), [folder.stat() for folder in path.parents]
    if file.st_mode & stat.S_IROTH and all(folder.st_mode & stat.S_IXOTH for folder in folders):
        return f"{path} can be read by every user of this machine: chmod 600 {path}"
    is_ours = file.st_uid == os.geteuid()
    lets_in = all(
        folder.st_mode & (stat.S_IXGRP if folder.st_gid == file.st_gid else stat.S_IXOTH) for folder in folders
    )
    if is_ours and file.st_mode & stat.S_IRGRP and lets_in:
        return f"{path} can be read by its group: chmod 600 {path}"
    return ""


def why_guessable(key: str) -> str:
    """Return why others may know the key, or "" if it looks like chance."""
    if any(character.isspace() for character in key):
        return "is not a key: it has blanks"
    if found := next((word for word in _WORDS if word in key.casefold()), ""):
        return f"is an example, not a key: it has “{found}” in it"
    if len(set(key)) < _FEWEST_CHARACTERS:
        return "could be guessed: it is not random"
    return ""
