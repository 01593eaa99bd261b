"""The bench of what is served, and the drills of signing, played small: that they run, and that the program passes."""

import json
import subprocess
import sys

import pytest
from django.db import connection

from tests.processes import ROOT, environment


@pytest.fixture
def run(tmp_path):
    """Run a module of the bench as make does, which starts servers of its own; return what it said and its JSON."""
    if connection.vendor == "sqlite":
        pytest.skip("It runs on a PostgreSQL of its own, whatever the suite runs on: once is enough.")

    def run(*arguments):
        env = {name: value for name, value in environment(tmp_path).items() if not name.startswith("PYTEST")}
        command = [sys.executable, "-m", *arguments]
        ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=900)
        assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
        (file,) = tmp_path.glob("*.json")
        return ended.stdout, json.loads(file.read_text())

    return run


def test_what_is_served_is_measured_beside_a_bare_project(run):
    said, result = run("bench", "serving", "--quick", "--sizes", "10,50")

    rows = {(row["key"], row["signatures"]): row for row in result["serving"]["rows"]}
    assert {key for key, _size in rows} == {"hello", "insert", "home", "letter", "sign", "confirm"}
    assert all(row["median"] > 0 and 0 < row["p50_ms"] <= row["p99_ms"] for row in rows.values())
    assert rows["sign", 10]["of_bare"] > 0
    assert len(result["serving"]["aims"]) == 8
    assert "POST /confirm/<token>/: confirmations" in said


def test_the_drills_of_signing_pass(run):
    names = ["races", "greatday", "restart"]
    said, result = run("bench.drill", "--quick", *names)

    assert [(drill["drill"], drill["passed"]) for drill in result["drills"]] == [(name, True) for name in names]
    assert "50 posts of one person in 50 spellings at once: asked for one row and one answer; found 1 and 1" in said
