"""The outbox: an event exists if and only if its transaction commits, once, whatever is killed where."""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client, override_settings
from openedx_events.apps import general_signal_handler
from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED
from samples import enrollment

import evlog
from evlog.openedx import codec, logs, outbox, recording
from evlog.openedx.models import OutboxEvent


@pytest.fixture
def outboxed(home, setting):
    """Recording goes through the outbox, which is empty."""
    OutboxEvent.objects.all().delete()
    setting(outbox=True)
    yield logs.get(str(home / "lms"))
    OutboxEvent.objects.all().delete()


def names(log):
    return [event.data["enrollment"]["user"]["pii"]["username"] for event in log]


def send(name):
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(name))


def test_an_event_is_in_the_log_when_its_transaction_commits(outboxed):
    with transaction.atomic():
        send("alice")
        send("bob")
        assert names(outboxed) == []
        assert OutboxEvent.objects.count() == 2
    assert names(outboxed) == ["alice", "bob"]
    assert OutboxEvent.objects.count() == 0
    send("carol")
    assert names(outboxed) == ["alice", "bob", "carol"]


def test_an_event_of_a_rolled_back_transaction_never_was(outboxed):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        send("alice")
        raise ZeroDivisionError
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            send("bob")
            raise ZeroDivisionError
        send("carol")
    assert names(outboxed) == ["carol"]
    assert OutboxEvent.objects.count() == 0


def test_what_cannot_be_in_the_outbox_fails_the_transaction(outboxed, monkeypatch, caplog):
    def fails(*_, **__):
        raise ArithmeticError

    monkeypatch.setattr(outbox.codec, "codec_of", fails)
    with pytest.raises(ArithmeticError), transaction.atomic():
        send("alice")
    assert "could not be recorded" in caplog.text
    assert names(outboxed) == []


def test_what_the_bus_cannot_put_in_the_outbox_fails_too(outboxed, setting, monkeypatch):
    entry = {"event_key_field": "enrollment.user.pii.username", "enabled": True}
    config = {COURSE_ENROLLMENT_CREATED.event_type: {"enrollments": entry}}
    setting(outbox=True, path=None)
    monkeypatch.setattr(outbox, "insert", lambda *_: 1 / 0)
    COURSE_ENROLLMENT_CREATED.connect(general_signal_handler)
    try:
        with (
            override_settings(EVENT_BUS_PRODUCER_CONFIG=config),
            pytest.raises(recording.NotInOutboxError) as raised,
            transaction.atomic(),
        ):
            User.objects.create(username="not committed")
            send("alice")
    finally:
        COURSE_ENROLLMENT_CREATED.disconnect(general_signal_handler)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert not User.objects.filter(username="not committed").exists()


def test_without_autocommit_it_is_drained_later(outboxed):
    transaction.set_autocommit(False)
    try:
        send("alice")
        transaction.commit()
        send("bob")
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert names(outboxed) == []
    assert outbox.drain() == 1
    assert names(outboxed) == ["alice"]


def test_a_log_that_fails_does_not_hold_up_the_others(outboxed, home, setting, monkeypatch):
    monkeypatch.setattr(outbox, "_drain_quietly", lambda: None)
    (home / "file").write_text("in the way")
    for path in ("file", "lms", "file/under", "lms"):
        setting(outbox=True, path=str(home / path))
        send(path)
    with pytest.raises(evlog.InvalidError):
        outbox.drain(batch=1)
    assert names(logs.get(str(home / "lms"))) == ["lms", "lms"]
    assert outbox.size().count == 2
    assert outbox.size().refused_count == 0


def test_metadata_are_those_of_its_receivers(outboxed):
    seen = []

    def receiver(metadata, **_):
        seen.append(metadata)

    COURSE_ENROLLMENT_CREATED.connect(receiver)
    send("alice")
    COURSE_ENROLLMENT_CREATED.disconnect(receiver)
    assert codec.metadata_of(outboxed[1]) == seen[0]


def test_a_row_that_is_there_already_is_not_appended_again(outboxed, monkeypatch):
    monkeypatch.setattr(outbox, "_drain_quietly", lambda: None)
    send("alice")
    [row] = OutboxEvent.objects.all()
    outbox._append(row.log_path, [row], "default")
    assert outbox.drain() == 1
    assert names(outboxed) == ["alice"]


def test_a_log_that_is_away_is_waited_for(outboxed, home, caplog):
    path = home / "lms"
    logs.close_all()
    shutil.move(path, home / "away")
    path.write_text("in the way")
    send("alice")
    assert "stays in the outbox" in caplog.text
    assert OutboxEvent.objects.count() == 1
    path.unlink()
    shutil.move(home / "away", path)
    out = StringIO()
    call_command("evlog_drain", stdout=out)
    assert out.getvalue() == "1 events were moved\n"
    assert names(logs.get(str(path))) == ["alice"]


def test_what_the_log_refuses_is_kept_and_passed(outboxed, monkeypatch, caplog):
    monkeypatch.setattr(outbox, "_drain_quietly", lambda: None)
    for name in ("alice", "bob", "carol"):
        send(name)
    row = OutboxEvent.objects.order_by("id")[1]
    OutboxEvent.objects.filter(pk=row.pk).update(data=b"\xff" * 20)
    assert outbox.drain() == 2
    assert names(outboxed) == ["alice", "carol"]
    size = outbox.size()
    assert (size.count, size.refused_count) == (1, 1)
    assert size.age < timedelta(minutes=1)
    assert "refuses the event" in caplog.text
    OutboxEvent.objects.filter(pk=row.pk).update(data=row.data)
    call_command("evlog_drain", retry=True, stdout=StringIO())
    assert names(outboxed) == ["alice", "carol", "bob"]


def test_a_row_of_a_schema_that_cannot_be_read_is_kept_and_passed(outboxed, monkeypatch):
    monkeypatch.setattr(outbox, "_drain_quietly", lambda: None)
    send("alice")
    other = {"type": "record", "name": "CloudEvent", "fields": [{"name": "x", "type": "long"}]}
    OutboxEvent.objects.update(schema=json.dumps(other), data=b"\2")
    send("bob")
    assert outbox.drain() == 1
    assert names(outboxed) == ["bob"]
    assert outbox.size().refused_count == 1


def test_rows_keep_the_schema_they_were_written_under(outboxed, monkeypatch):
    monkeypatch.setattr(outbox, "_drain_quietly", lambda: None)
    send("alice")
    row = OutboxEvent.objects.get()
    schema = json.loads(row.schema)
    fields = schema["fields"][0]["type"]["fields"]
    assert fields.pop()["name"] == "created_by"
    older = bytes(row.data)[:-1]  # the null of created_by
    OutboxEvent.objects.update(schema=json.dumps(schema), data=older)
    assert outbox.drain() == 1
    assert (
        codec.codec_of(COURSE_ENROLLMENT_CREATED).arguments(outboxed[1])["enrollment"]
        == enrollment()
    )


def test_a_log_that_lost_its_end_is_looked_through(outboxed, monkeypatch, caplog):
    monkeypatch.setattr(outbox, "_drain_quietly", lambda: None)
    send("alice")
    OutboxEvent.objects.update(after_seq=1000)
    assert outbox.drain() == 1
    assert "shorter than it was" in caplog.text
    assert names(outboxed) == ["alice"]


def test_status_and_the_admin_page(outboxed, home, monkeypatch):
    monkeypatch.setattr(outbox, "_drain_quietly", lambda: None)
    topic = logs.get(str(home / "bus" / "topic"))
    topic.send("a.b", {})
    with topic.consumer("printer", timeout=0, attempts=1) as consumer:
        for event in consumer:
            with event:
                raise ValueError("<b>bad</b>")
    send("alice")
    with outboxed.consumer("mailer", start="new"):
        pass
    out = StringIO()
    call_command("evlog_status", stdout=out)
    assert "outbox: 1 events, the oldest 0 s, 0 refused" in out.getvalue()
    User.objects.filter(username="admin").delete()
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    page = client.get("/admin/evlog_openedx/outboxevent/").content.decode()
    assert "Outbox: 1 events" in page
    assert "mailer" in page
    assert "1: ValueError: &lt;b&gt;bad&lt;/b&gt; (1 attempts)" in page
    assert COURSE_ENROLLMENT_CREATED.event_type in page
    row = OutboxEvent.objects.get()
    assert client.get(f"/admin/evlog_openedx/outboxevent/{row.pk}/change/").status_code == 200
    assert (
        client.post(
            f"/admin/evlog_openedx/outboxevent/{row.pk}/delete/", {"post": "yes"}
        ).status_code
        == 403
    )
    monkeypatch.undo()
    action = {"action": "try_again", "_selected_action": [row.pk]}
    client.post("/admin/evlog_openedx/outboxevent/", action)
    assert names(outboxed) == ["alice"]


def test_the_bus_goes_through_the_outbox_too(outboxed, home, monkeypatch):
    from evlog.openedx import create_producer

    monkeypatch.setattr(outbox, "_drain_quietly", lambda: None)
    create_producer().send(
        signal=COURSE_ENROLLMENT_CREATED,
        topic="enrollments",
        event_key_field="",
        event_data={"enrollment": enrollment()},
        event_metadata=COURSE_ENROLLMENT_CREATED.generate_signal_metadata(),
    )
    assert OutboxEvent.objects.count() == 1
    assert outbox.drain() == 1
    assert names(logs.get(str(home / "bus" / "stage-enrollments"))) == ["alice"]


# ------------------------------------------------------------------ kills ----


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of the tests' own, as the setting DATABASES."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = os.path.dirname(found[-1])
    base = Path(tempfile.mkdtemp(prefix="evlog-postgres-"))
    home = base / "server"
    home.mkdir()
    as_user = []
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        base.chmod(0o755)
        shutil.chown(home, "nobody")
        as_user = ["setpriv", "--reuid", "nobody", "--clear-groups"]
    data = home / "data"
    initdb = [*as_user, f"{programs}/initdb", "-D", data, "-U", "evlog", "-A", "trust", "-N"]
    subprocess.run(initdb, check=True, capture_output=True)
    options = ["-D", data, "-k", home, "-c", "listen_addresses=", "-c", "fsync=off"]
    server = subprocess.Popen(
        [*as_user, f"{programs}/postgres", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ready = [f"{programs}/pg_isready", "-q", "-h", home]
    while subprocess.run(ready).returncode and server.poll() is None:
        time.sleep(0.05)
    yield {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "evlog",
            "HOST": str(home),
        }
    }
    server.terminate()
    server.wait()
    shutil.rmtree(base)


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request, home):
    if request.param == "postgresql":
        return request.getfixturevalue("postgres")
    name = str(home / "killed.sqlite3")
    return {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            "OPTIONS": {"timeout": 30},
        }
    }


KILLS = """
import itertools, json, os, signal, sys
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED
from samples import enrollment
import evlog
from evlog.openedx import conf, logs, outbox

class Steps:
    def __init__(self, deadly):
        self.deadly, self.count = deadly, 0

    def step(self):
        self.count += 1
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function):
        def call(*arguments, **named):
            self.step()
            result = function(*arguments, **named)
            self.step()
            return result
        return call

    def execute(self, execute, *arguments):
        return self.around(execute)(*arguments)

class RolledBack(Exception):
    pass

def change(name, deadly):
    steps = Steps(deadly)
    connection.ensure_connection()
    connection._commit = steps.around(connection._commit)
    evlog.Log.send_many = steps.around(evlog.Log.send_many)
    with connection.execute_wrapper(steps.execute):
        with transaction.atomic():
            User.objects.create(username=name)
            COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(name))
            try:
                with transaction.atomic():
                    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(name + " rolled back"))
                    raise RolledBack
            except RolledBack:
                pass

call_command("migrate", verbosity=0)
User.objects.all().delete()
killed = 0
for deadly in itertools.count(1):
    connection.close()
    pid = os.fork()
    if pid == 0:
        change(f"{deadly:04}", deadly)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if status == 0:
        break
    assert os.WIFSIGNALED(status), status
    killed += 1
left = outbox.size().count
outbox.drain()
log = logs.get(conf.get().path)
print(json.dumps({
    "killed": killed,
    "left": left,
    "after": outbox.size().count,
    "users": sorted(User.objects.values_list("username", flat=True)),
    "events": [event.data["enrollment"]["user"]["pii"]["username"] for event in log],
}))
"""


def test_kill_at_every_statement_around_the_commit(run, databases, monkeypatch):
    monkeypatch.setenv("EVLOG_TEST_DATABASES", json.dumps(databases))
    process = run(KILLS, outbox=True)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert found["killed"] >= 12
    assert found["after"] == 0
    assert found["events"] == found["users"]
    committed = len(found["users"])
    assert 1 < committed < found["killed"] + 1


TOGETHER = """
import json, os, sys, threading
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED
from samples import enrollment
from evlog.openedx import conf, logs, outbox

call_command("migrate", verbosity=0)
User.objects.all().delete()
connection.close()

def work(worker):
    for i in range(20):
        name = f"{worker}-{i}"
        try:
            with transaction.atomic():
                User.objects.create(username=name)
                COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(name))
                if i % 3 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    connection.close()

pids = []
for worker in range(4):
    pid = os.fork()
    if pid == 0:
        threads = [threading.Thread(target=work, args=(f"{worker}-{n}",)) for n in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        os._exit(0)
    pids.append(pid)
assert not any(os.waitpid(pid, 0)[1] for pid in pids)
outbox.drain()
log = logs.get(conf.get().path)
print(json.dumps({
    "users": sorted(User.objects.values_list("username", flat=True)),
    "events": [event.data["enrollment"]["user"]["pii"]["username"] for event in log],
}))
"""


def test_workers_drain_together(run, postgres, monkeypatch):
    monkeypatch.setenv("EVLOG_TEST_DATABASES", json.dumps(postgres))
    process = run(TOGETHER, outbox=True)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert len(found["users"]) == 16 * 13
    assert sorted(found["events"]) == found["users"]


def test_connection_is_not_left_in_a_transaction(outboxed):
    send("alice")
    assert not connection.in_atomic_block
    assert isinstance(outboxed, evlog.Log)
