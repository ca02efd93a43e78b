"""The event bus without a broker, driven as openedx-events drives it."""

import json
import os
import signal as signals
import threading

import openedx_events
import pytest
from django.core.management import call_command
from django.test import override_settings
from openedx_events.apps import general_signal_handler
from openedx_events.event_bus import get_producer, make_single_consumer
from openedx_events.event_bus.avro.deserializer import deserialize_bytes_to_event_data
from openedx_events.event_bus.avro.serializer import (
    AvroSignalSerializer,
    serialize_event_data_to_bytes,
)
from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED
from openedx_events.tooling import OpenEdxPublicSignal
from samples import arguments, enrollment
from test_recording import SERIALIZABLE

import evlog
from evlog.openedx import current_event, is_replay, logs
from evlog.openedx.bus import EvlogConsumer, EvlogProducer

TOPIC = "enrollments"


def bus_log(home, topic=TOPIC):
    return logs.get(str(home / "bus" / f"stage-{topic}"))


@pytest.fixture
def produced(home):
    """COURSE_ENROLLMENT_CREATED goes to two topics, by the settings that openedx-events has."""
    entry = {"event_key_field": "enrollment.user.pii.username", "enabled": True}
    config = {COURSE_ENROLLMENT_CREATED.event_type: {TOPIC: entry, "everything": entry}}
    COURSE_ENROLLMENT_CREATED.connect(general_signal_handler)
    with override_settings(EVENT_BUS_PRODUCER_CONFIG=config):
        yield
    COURSE_ENROLLMENT_CREATED.disconnect(general_signal_handler)


@pytest.fixture
def receive():
    """Connects a receiver for the test."""
    made = []

    def connect(receiver, signal=COURSE_ENROLLMENT_CREATED):
        signal.connect(receiver, weak=False)
        made.append((signal, receiver))

    yield connect
    for signal, receiver in made:
        signal.disconnect(receiver)


def consume(group="mailer", **extra):
    consumer = make_single_consumer(
        topic=TOPIC, group_id=group, **{"timeout": 0, "backoff": 0.001, **extra}
    )
    assert isinstance(consumer, EvlogConsumer)
    consumer.consume_indefinitely()


def test_produce_and_consume(home, produced, receive):
    assert isinstance(get_producer(), EvlogProducer)
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    [event] = bus_log(home)
    assert [e.id for e in bus_log(home, "everything")] == [event.id]
    seen = []

    def receiver(enrollment, metadata, from_event_bus, **_):
        seen.append((enrollment, metadata.id, metadata.time, from_event_bus, current_event().seq))

    receive(receiver)
    consume()
    assert seen == [(enrollment(), event.id, event.time, True, 1)]
    consume()
    assert len(seen) == 1
    assert len(bus_log(home)) == 1, "what was consumed is not produced again"


@pytest.mark.parametrize("signal", SERIALIZABLE, ids=lambda signal: signal.event_type)
def test_each_type_there_and_back(home, receive, signal):
    data = arguments(signal)
    metadata = signal.generate_signal_metadata()
    get_producer().send(
        signal=signal, topic=TOPIC, event_key_field="", event_data=data, event_metadata=metadata
    )
    seen = []
    receive(lambda **named: seen.append(named), signal)
    consume()
    [named] = seen
    assert named["metadata"] == metadata
    wanted = deserialize_bytes_to_event_data(serialize_event_data_to_bytes(data, signal), signal)
    assert {name: named[name] for name in signal.init_data} == wanted


def test_a_failing_receiver_parks_the_event(home, produced, receive, caplog):
    attempts = []

    def fails(metadata, **_):
        attempts.append(current_event().attempt)
        if len(attempts) <= 2:
            raise ZeroDivisionError("no such course")

    for name in ("alice", "bob"):
        COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(name))
    receive(fails)
    consume(attempts=2, timeout=0.3)
    assert attempts == [1, 2, 1]
    [parked] = bus_log(home).parked("mailer")
    assert (parked.seq, parked.attempt_count) == (1, 2)
    assert "ZeroDivisionError: no such course" in parked.error
    assert "no such course" in caplog.text
    assert bus_log(home).retry("mailer") == 1
    consume(timeout=0.3)
    assert bus_log(home).parked("mailer") == []


def test_an_unknown_type_is_parked(home, receive):
    bus_log(home).send("org.example.unknown.v1", {})
    consume(attempts=1)
    [parked] = bus_log(home).parked("mailer")
    assert "no signal of type org.example.unknown.v1" in parked.error


def test_the_schema_of_the_writer_is_resolved(home, receive):
    """A field more in the middle, and one less at the end, of what another release wrote."""
    serializer = AvroSignalSerializer(COURSE_ENROLLMENT_CREATED)
    data = serializer.to_dict({"enrollment": enrollment()})
    schema = json.loads(serializer.schema_string())
    fields = schema["fields"][0]["type"]["fields"]
    fields.insert(1, {"name": "added", "type": ["null", "string"], "default": None})
    removed = fields.pop()
    assert removed["name"] == "created_by"
    with evlog.open(bus_log(home).path) as log:
        log.define(COURSE_ENROLLMENT_CREATED.event_type, schema)
        record = {**data["enrollment"], "added": "x"}
        del record["created_by"]
        log.send(COURSE_ENROLLMENT_CREATED.event_type, {"enrollment": record}, sourcelib="1.0")
    logs.close_all()
    seen = []
    receive(lambda enrollment, **_: seen.append(enrollment))
    consume()
    assert seen == [enrollment()]


def test_a_group_begins_at_the_first_or_with_what_is_new(home, produced, receive):
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    seen = []
    receive(lambda metadata, **_: seen.append(is_replay()))
    consume("one")
    consume("two", start="new")
    assert seen == [True]


def test_extras_of_other_buses_are_taken(home, produced, receive):
    for name in ("a", "b", "c"):
        COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(name))
    seen = []
    receive(lambda metadata, **_: seen.append(current_event().seq))
    consume(consumer_name="c1", check_backlog=True, claim_msgs_older_than=1)
    assert seen == [1, 2, 3]
    seen.clear()
    consume(last_read_msg_id="1")
    assert seen == [2, 3]
    consume(last_read_msg_id="1")
    assert seen == [2, 3], "a reset is done once"
    seen.clear()
    first = bus_log(home)[1].log_time
    consume(offset_time=first.isoformat())
    assert seen == [1, 2, 3]
    seen.clear()
    milliseconds = int(first.timestamp() * 1000) - 5
    consume(last_read_msg_id=f"{milliseconds}-0")
    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    "extra", [{"chek_backlog": True}, {"offset_time": "yesterday"}, {"start": "middle"}]
)
def test_failures_are_the_exit_status(home, extra):
    with pytest.raises(SystemExit) as raised:
        call_command("consume_events", topic=[TOPIC], group_id=["g"], extra=json.dumps(extra))
    assert raised.value.code == 1


@pytest.mark.parametrize("topic", ["../other", "a/b"])
def test_a_topic_stays_under_the_bus(home, produced, topic, caplog):
    get_producer().send(
        signal=COURSE_ENROLLMENT_CREATED,
        topic=topic,
        event_key_field="",
        event_data={"enrollment": enrollment()},
        event_metadata=COURSE_ENROLLMENT_CREATED.generate_signal_metadata(),
    )
    assert "could not be put on the topic" in caplog.text


def test_events_of_the_bus_are_recorded_as_such(home, produced, receive):
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    seen = []

    def fails_once(metadata, **_):
        seen.append(metadata.id)
        if len(seen) == 1:
            raise ValueError("once")

    receive(fails_once)
    consume(timeout=0.3)
    marks = [(event.id, event.from_event_bus) for event in logs.get(str(home / "lms"))]
    assert marks == [(seen[0], False), (seen[0], True)]


CONSUME = """
import sys
from django.core.management import call_command
from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED
from evlog.openedx import current_event

def receiver(metadata, **_):
    print(current_event().seq, current_event().attempt, flush=True)
    sys.stdin.readline()

COURSE_ENROLLMENT_CREATED.connect(receiver)
call_command("consume_events", topic=["enrollments"], group_id=["mailer"])
"""


def test_kill_and_hot_standby_lose_nothing(home, produced, run):
    for i in range(20):
        COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(f"u{i}"))
    done = []

    def finish_one(process):
        seq = int(process.stdout.readline().split()[0])
        process.stdin.write("\n")
        process.stdin.flush()
        done.append(seq)

    active = run(CONSUME)
    for _ in range(3):
        finish_one(active)
        standby = run(CONSUME)
        for _ in range(4):
            finish_one(active)
        assert active.stdout.readline()
        os.kill(active.pid, signals.SIGKILL)
        active.wait()
        active = standby
    while done[-1] != 20:
        finish_one(active)
    assert sorted(set(done)) == list(range(1, 21))
    active.send_signal(signals.SIGTERM)
    assert active.wait(10) == 0


PREFORK = """
import os, sys, threading
from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED
sys.path.insert(0, os.path.dirname(os.environ["PYTHONPATH"].split(os.pathsep)[0]))
from samples import enrollment

COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment("parent"))

def send(worker):
    for i in range(25):
        COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(f"{worker}-{i}"))

pids = []
for worker in range(4):
    pid = os.fork()
    if pid == 0:
        threads = [threading.Thread(target=send, args=(f"{worker}-{n}",)) for n in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        os._exit(0)
    pids.append(pid)
sys.exit(any(os.waitpid(pid, 0)[1] for pid in pids))
"""


def test_prefork_workers_with_threads(home, run):
    entry = {"event_key_field": "enrollment.user.pii.username", "enabled": True}
    config = {COURSE_ENROLLMENT_CREATED.event_type: {TOPIC: entry}}
    process = run(PREFORK, producer_config=config)
    assert process.wait(60) == 0, process.stderr.read()
    for log in (bus_log(home), logs.get(str(home / "lms"))):
        names = [event.data["enrollment"]["user"]["pii"]["username"] for event in log]
        assert len(names) == len(set(names)) == 401


def test_a_thread_may_consume(home, produced, receive):
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    seen = []
    receive(lambda **_: seen.append(1))
    thread = threading.Thread(target=consume)
    thread.start()
    thread.join()
    assert seen == [1]


def test_a_disabled_signal_delivers_nothing_and_is_not_lost(home, produced, receive):
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    COURSE_ENROLLMENT_CREATED.disable()
    try:
        consume(attempts=1)
    finally:
        COURSE_ENROLLMENT_CREATED.enable()
    [parked] = bus_log(home).parked("mailer")
    assert "disabled" in parked.error


def test_all_signals_are_known():
    if openedx_events.__version__ == "11.2.0":
        assert len(SERIALIZABLE) == 72
        assert len(OpenEdxPublicSignal.all_events()) == 75
    assert len(SERIALIZABLE) >= 60
