"""What the tests with the real openedx-events share: Django, a database, logs of their own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_home = tempfile.mkdtemp(prefix="evlog-openedx-")
os.environ["EVLOG_TEST_DIR"] = _home
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
sys.path.insert(0, str(HERE))

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import override_settings  # noqa: E402

from evlog.openedx import logs  # noqa: E402


@pytest.fixture(autouse=True, scope="session")
def database():
    call_command("migrate", verbosity=0)
    yield
    connection.close()
    shutil.rmtree(_home)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A directory with a log and a bus of its own, which the setting EVLOG names."""
    monkeypatch.setenv("EVLOG_TEST_DIR", _home)
    setting = {"path": str(tmp_path / "lms"), "bus_path": str(tmp_path / "bus"), "durable": False}
    with override_settings(EVLOG=setting):
        yield tmp_path
    logs.close_all()


@pytest.fixture
def setting(home):
    """Changes the setting EVLOG for the test."""
    from django.conf import settings

    overrides = []

    def change(**changes):
        override = override_settings(EVLOG={**settings.EVLOG, **changes})
        override.enable()
        overrides.append(override)

    yield change
    for override in reversed(overrides):
        override.disable()


@pytest.fixture
def run(home):
    """Starts a Python process with Django set up; `code` gets sys.argv[1:]."""
    processes = []

    def start(code, *arguments, producer_config=None, **setting):
        paths = {"path": str(home / "lms"), "bus_path": str(home / "bus"), **setting}
        environment = {
            **os.environ,
            "EVLOG_TEST_SETTING": json.dumps(paths),
            "EVLOG_TEST_PRODUCER_CONFIG": json.dumps(producer_config or {}),
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", f"import django; django.setup()\n{code}", *map(str, arguments)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
