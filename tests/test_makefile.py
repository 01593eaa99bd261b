"""What `make` does before there is a Python of the project's own."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from django.conf import settings

NOBODY = 65534


@pytest.fixture
def project():
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which other users cannot enter
        project = Path(folder)
        project.chmod(0o755)
        shutil.copy(settings.BASE_DIR / "Makefile", project)
        (project / ".venv").mkdir()
        (project / ".venv" / "kept").touch()
        yield project


def make(project, **how):
    return subprocess.run(
        ["make", ".venv/bin/python"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHON": "true"},
        capture_output=True,
        text=True,
        check=False,
        **how,
    )


def test_a_venv_of_another_user_is_left_alone_in_one_line(project):
    (project / ".venv").chmod(0o555)
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    answer = make(project, **user)
    assert answer.returncode != 0
    assert (project / ".venv" / "kept").exists()
    assert answer.stderr.startswith(".venv is another user's, and this user cannot run it: run make as that user")
    assert answer.stderr.count("\n") == 2  # the second one is make's own
    (project / ".venv").chmod(0o755)


def test_a_broken_venv_of_ones_own_is_made_anew(project):
    make(project)
    assert not (project / ".venv" / "kept").exists()
