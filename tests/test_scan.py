"""The scan of `make lint`: it finds a secret, and takes no service that does not answer for one without findings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sizes import on_one_database

pytestmark = on_one_database

CI = Path(__file__).resolve().parent.parent / ".ci"


@pytest.fixture
def project(tmp_path):
    """A project with our scan, and lock files of one package."""
    shutil.copytree(CI, tmp_path / ".ci")
    (tmp_path / ".ci" / "not-secrets").write_text("x.py 12345678 was here once\n")
    (tmp_path / "requirements").mkdir()
    for name in ("base", "dev", "bench"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"tzdata==2026.1 --hash=sha256:{'0' * 64}\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def scan(project, what, **env):
    command, env = [sys.executable, ".ci/scan.py", what], {**os.environ, **env}
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_key_in_a_file_is_found_until_somebody_says_why_it_is_none(project):
    key = "AKIA" + "IOSFODNN7" + "EXAMPLF"
    (project / "settings.py").write_text(f'aws = "{key}"\n')
    status, said = scan(project, "secrets")
    assert status == 1
    assert "settings.py:1: AWS Access Key" in said
    assert key not in said

    assert "x.py 12345678 is there no more" in said
    line = said.split("If it is none: ")[1].splitlines()[0].removesuffix(" and why")
    (project / ".ci" / "not-secrets").write_text(f"{line} an invented key\n")
    assert scan(project, "secrets")[0] == 0


def test_without_an_advisory_service_nothing_fails_and_nothing_is_called_checked(project):
    nowhere = "http://127.0.0.1:9"
    status, said = scan(project, "packages", HTTPS_PROXY=nowhere, https_proxy=nowhere, NO_PROXY="", no_proxy="")
    assert status == 75, said
    assert said.strip()


def test_a_lock_file_without_hashes_fails(project):
    (project / "requirements" / "base.txt").write_text("tzdata==2026.1\n")
    nowhere = "http://127.0.0.1:9"
    status, said = scan(project, "packages", HTTPS_PROXY=nowhere, https_proxy=nowhere, NO_PROXY="", no_proxy="")
    assert status == 1, said
