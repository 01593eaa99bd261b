"""The script over_http.py against the program as `make run` starts it, on the database and broker of this run."""

import os
import signal
import subprocess
import sys

import pytest

from tests.journeys.program import own_servers
from tests.processes import ROOT, environment, running_with, started
from tests.sinks import free_port
from tests.sizes import on_one_database


@on_one_database  # test_grown.py has the other
def test_everybody_finds_their_way_through_the_program(tmp_path, worker_id):
    port = free_port()
    with own_servers(worker_id) as servers:
        settings = environment(
            tmp_path,
            PORT=port,
            SINK_PORT=free_port(),
            OUTBOX_SWEEP_SECONDS=2,
            PAGE_SECONDS=2,
            TALLY_SECONDS=1,
            **servers,
        )
        with started("manage.py", "up", env=settings) as program:
            said = []
            for line in program.stdout:
                said.append(line)
                if line.startswith("Ready:"):
                    break
            else:
                pytest.fail("".join(said))
            script = subprocess.run(
                [sys.executable, "-m", "tests.journeys.over_http", f"http://127.0.0.1:{port}", "--var-dir", tmp_path],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )
            os.killpg(program.pid, signal.SIGINT)
            rest, _ = program.communicate(timeout=30)
    assert script.returncode == 0, script.stdout + script.stderr + rest
    assert "Traceback" not in rest
    assert program.returncode == 0
    assert running_with(tmp_path) == {}
