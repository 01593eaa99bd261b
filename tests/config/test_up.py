import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from secrets import token_urlsafe

import pytest
from cryptography.fernet import Fernet

from tests.processes import ROOT, environment, running_with, started, wait_until
from tests.sinks import free_port
from tests.sizes import on_one_database

pytestmark = on_one_database  # each of them makes a database of its own, in SQLite


def up(var_dir, **more):
    """Run `manage.py up` where it cannot start; return what it answers."""
    return subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=environment(var_dir, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_gets_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = up(tmp_path, PORT=port, SINK_PORT=free_port())
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr == (
            f"CommandError: Port {port} is taken by another program. Stop it, or choose another: "
            f"make run PORT={port + 1}\n"
        )
        answer = up(tmp_path, PORT=free_port(), SINK_PORT=port)
        assert answer.returncode == 1
        assert f"make run SINK_PORT={port + 1}\n" in answer.stderr


NOT_COMPLETE = (
    "The settings are not complete: missing are BASE_URL, SECRET_KEY, PRIVACY_KEYS, PRIVACY_TAG_KEY, LETTER_LOG_KEY. "
    "See docs/operators.md.\n"
)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"PORT": "70000"}, "A setting makes no sense: Port out of range 0-65535\n"),
        ({"PORT": "eighty"}, "A setting makes no sense: invalid literal for int() with base 10: 'eighty'\n"),
        ({"DEVELOPMENT": "0"}, NOT_COMPLETE),
    ],
)
def test_settings_that_cannot_work_get_one_clear_line(tmp_path, more, line):
    answer = up(tmp_path, **more)
    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "", line)


def test_a_folder_that_cannot_be_written_gets_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("no folder")
    answer = up(tmp_path / "file" / "var", PORT=free_port())
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.count("\n") == 1
    assert str(tmp_path / "file") in answer.stderr


@contextmanager
def running(var_dir, **more):
    """`manage.py up` on an empty folder, once it says that it is ready; yields the process and what it said."""
    with started(
        "manage.py", "up", env=environment(var_dir, PORT=free_port(), SINK_PORT=free_port(), **more)
    ) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ctrl-C"):
                break
        else:
            pytest.fail("".join(said))
        yield process, "".join(said)


def parts(var_dir):
    """Return the parts of the program that run on that folder, as {name: pids}."""
    found = {}
    for pid, line in running_with(var_dir).items():
        for name in ("gunicorn", "worker", "beat", "sink"):
            if f" {name} " in line:
                found.setdefault(name, set()).add(pid)
    return found


def test_it_starts_all_parts_and_stops_them_together(tmp_path):
    with running(tmp_path) as (process, said):
        note = tmp_path / "organiser.txt"
        password = note.read_text().rpartition("password: ")[2].strip()
        assert note.stat().st_mode & 0o777 == 0o600
        assert "Ready: http://127.0.0.1:" in said
        assert password in said
        second = up(tmp_path, PORT=free_port(), SINK_PORT=free_port())
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr == (
            f"CommandError: The program runs on {tmp_path} already. Stop it, or choose another folder: "
            "make run VAR_DIR=/some/folder\n"
        )
        assert set(parts(tmp_path)) == {"gunicorn", "worker", "beat", "sink"}

        os.killpg(process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        rest, _ = process.communicate(timeout=30)
        assert (process.returncode, rest) == (0, "Stopped.\n")
        assert running_with(tmp_path) == {}

    with running(tmp_path) as (process, said):
        assert password not in said
        assert f"name and password are in {note}" in said

        (pid,) = parts(tmp_path)["sink"]
        os.kill(pid, signal.SIGKILL)
        assert process.stdout.readline() == "sink ended by itself (SIGKILL); it starts again in 1 s.\n"
        wait_until(lambda: "sink" in parts(tmp_path), 10, "the sink was not started again")

        process.kill()  # nothing outlives a supervisor that was killed
        wait_until(lambda: not running_with(tmp_path), 20, "processes outlive the supervisor")


def production(**more):
    return {
        "DEVELOPMENT": "0",
        "BASE_URL": "https://solidarity.example.org",
        "SECRET_KEY": token_urlsafe(48),
        "PRIVACY_KEYS": Fernet.generate_key().decode(),
        "PRIVACY_TAG_KEY": token_urlsafe(48),
        "LETTER_LOG_KEY": Fernet.generate_key().decode(),
        **more,
    }


def test_in_production_it_names_the_public_address_and_loads_no_demo(tmp_path):
    with running(tmp_path, **production()) as (_process, said):
        assert "Ready: https://solidarity.example.org/\n" in said
        assert "Organisers: https://solidarity.example.org/admin/\n" in said
        assert "manage.py load_campaign FOLDER" in said
        assert "demo" not in said
    with closing(sqlite3.connect(tmp_path / "solidarity.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM campaign_campaign").fetchone() == (0,)


def test_a_live_instance_that_would_mail_to_its_own_sink_does_not_start(tmp_path):
    more = {"MAIL_LIVE": "1", "MAIL_FROM": "letters@campaign.eu", "SINK_PORT": free_port(), "PORT": free_port()}
    answer = up(tmp_path, **production(**more, EMAIL_URL=f"smtp://127.0.0.1:{more['SINK_PORT']}"))
    assert answer.returncode == 1
    assert "EMAIL_URL is the sandbox's own mail server" in answer.stderr
