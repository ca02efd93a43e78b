"""What the tests share."""

import os
import shutil
import subprocess

import pytest

import evlog

TYPE = "org.example.enrollment.created.v1"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def log(path):
    """A log, closed at the end of the test. It is a fast one, so that tests are quick."""
    with evlog.open(path, durable=False) as opened:
        yield opened


@pytest.fixture
def command():
    """The evlog command, as a function of its arguments that returns what it prints."""
    program = os.environ.get("EVLOG") or shutil.which("evlog")
    if not program:
        pytest.skip("the evlog command is not there")

    def run(*arguments):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
