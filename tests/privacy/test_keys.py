import os
import stat
from concurrent.futures import ThreadPoolExecutor

from cryptography.fernet import Fernet

from privacy.keys import read_or_make


def test_a_key_is_made_once_and_read_by_its_owner_alone(tmp_path):
    path = tmp_path / "secrets" / "key"

    key = read_or_make(path)

    assert read_or_make(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["key"]  # noqa: PTH208
    Fernet(key)


def test_processes_that_start_at_once_agree_on_the_key(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: read_or_make(tmp_path / "key"), range(64)))

    assert len(keys) == 1
