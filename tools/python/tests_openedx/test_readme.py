"""The README's blocks for an operator of Open edX: its settings, and each of its commands."""

import json
import re
import shlex
from io import StringIO
from pathlib import Path

from django.core.management import call_command
from django.test import override_settings
from openedx_events.apps import general_signal_handler
from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED
from samples import enrollment

from evlog.openedx import is_replay, logs

README = Path(__file__).parent.parent / "README.md"
received = []


def new(enrollment, **_):
    """The receiver that the README calls myapp.receivers.new."""
    received.append((enrollment, is_replay()))


def run(line, home):
    """Runs a line of the README; a consumer ends when it has had what there is."""
    line = (
        line.split("  #")[0]
        .replace("/var/lib/evlog", str(home))
        .replace("myapp.receivers", "test_readme")
    )
    program, command, *arguments = shlex.split(line)
    assert program == "manage.py"
    if command == "consume_events":
        extra = json.loads(arguments[-1]) if "--extra" in arguments else {}
        arguments = [*arguments[:4], "--extra", json.dumps({**extra, "timeout": 0})]
        call_command(command, *arguments)
        return ""
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def test_the_settings_and_commands_of_the_readme(home):
    part = README.read_text().split("## Five minutes for Open edX")[1]
    settings = {}
    for code in re.findall(r"```python\n(.*?)```", part, re.DOTALL):
        exec(code.replace("/var/lib/evlog", str(home)), settings)
    wanted = {
        name: value for name, value in settings.items() if name.startswith(("EVLOG", "EVENT_BUS"))
    }
    assert len(wanted) == 4
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(lines) == 5
    COURSE_ENROLLMENT_CREATED.connect(general_signal_handler)
    try:
        with override_settings(**wanted):
            COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
            printed = [run(line, home) for line in lines]
    finally:
        COURSE_ENROLLMENT_CREATED.disconnect(general_signal_handler)
    assert "lms: 1 events" in printed[0]
    assert "1 events would be delivered" in printed[1]
    assert "1 events were delivered" in printed[2]
    assert received == [(enrollment(), True)]
    with override_settings(**wanted):
        info = logs.get(str(home / "bus" / "stage-enrollments")).consumer_info("mailer")
    assert info.checkpoint == 1
