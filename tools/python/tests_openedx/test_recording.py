"""Recording: every event of openedx-events, before its receivers, with their metadata."""

import json
from datetime import datetime, timezone
from io import StringIO

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import override_settings
from openedx_events.content_authoring.signals import COURSE_CERTIFICATE_CONFIG_CHANGED
from openedx_events.data import EventsMetadata
from openedx_events.event_bus.avro.deserializer import deserialize_bytes_to_event_data
from openedx_events.event_bus.avro.serializer import serialize_event_data_to_bytes
from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED, COURSE_UNENROLLMENT_COMPLETED
from openedx_events.tooling import KNOWN_UNSERIALIZABLE_SIGNALS, OpenEdxPublicSignal
from samples import arguments, enrollment

import evlog
from evlog.openedx import current_event, is_replay, logs

SERIALIZABLE = [
    signal
    for signal in OpenEdxPublicSignal.all_events()
    if signal.event_type not in KNOWN_UNSERIALIZABLE_SIGNALS
]


@pytest.fixture
def connected():
    """Connects receivers for the test."""
    made = []

    def connect(signal, receiver):
        signal.connect(receiver, weak=False)
        made.append((signal, receiver))

    yield connect
    for signal, receiver in made:
        signal.disconnect(receiver)


def recorded(home):
    return list(logs.get(str(home / "lms")))


def test_the_event_is_in_the_log_before_its_receiver(home, connected):
    seen = []

    def receiver(signal, sender, enrollment, metadata, from_event_bus, **_):
        event = logs.get(str(home / "lms"))[-1]
        seen.append((metadata, event, current_event(), is_replay(), from_event_bus))

    connected(COURSE_ENROLLMENT_CREATED, receiver)
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(), time=time)
    [(metadata, event, current, replay, from_bus)] = seen
    assert (current, replay, from_bus) == (None, False, False)
    assert event.type == metadata.event_type == COURSE_ENROLLMENT_CREATED.event_type
    assert (event.id, event.time) == (metadata.id, time)
    assert event.source == metadata.source == "openedx/lms/web"
    assert event.sourcehost == metadata.sourcehost
    assert event.sourcelib == ".".join(map(str, metadata.sourcelib))
    assert not event.from_event_bus
    assert event.data["enrollment"]["user"]["pii"]["username"] == "alice"
    assert len(recorded(home)) == 1


@pytest.mark.parametrize("signal", SERIALIZABLE, ids=lambda signal: signal.event_type)
def test_each_type_out_and_in(home, connected, signal):
    from evlog.openedx import codec

    data = arguments(signal)
    signal.send_event(**data)
    [event] = recorded(home)
    avro = serialize_event_data_to_bytes(data, signal)
    assert event.avro() == avro
    assert codec.codec_of(signal).arguments(event) == deserialize_bytes_to_event_data(avro, signal)
    assert json.loads(event.schema) == json.loads(codec.codec_of(signal).schema_text)


def test_what_cannot_be_on_a_bus_is_recorded_too(home):
    from openedx_events.content_authoring.data import CertificateConfigData

    data = CertificateConfigData(
        certificate_type="professional", course_key=enrollment().course.course_key, title="T"
    )
    COURSE_CERTIFICATE_CONFIG_CHANGED.send_event(certificate_config=data)
    [event] = recorded(home)
    assert event.schema is None
    assert event.data["certificate_config"]["title"] == "T"


def test_only_the_types_that_are_asked_for(home, setting):
    setting(types=["org.openedx.learning.course.un*"])
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    COURSE_UNENROLLMENT_COMPLETED.send_event(enrollment=enrollment())
    assert [event.type for event in recorded(home)] == [COURSE_UNENROLLMENT_COMPLETED.event_type]


def test_disabled_and_refused_events_are_not_recorded(home):
    from openedx_events.exceptions import SenderValidationError

    COURSE_ENROLLMENT_CREATED.disable()
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    COURSE_ENROLLMENT_CREATED.enable()
    with pytest.raises(SenderValidationError):
        COURSE_ENROLLMENT_CREATED.send_event(enrollment="no enrollment")
    assert recorded(home) == []


@pytest.mark.parametrize("on_failure", ["log", "raise"])
def test_failing_to_record_is_loud(home, setting, connected, caplog, on_failure):
    (home / "file").write_text("")
    setting(path=str(home / "file"), on_failure=on_failure)
    seen = []
    connected(COURSE_ENROLLMENT_CREATED, lambda **named: seen.append(1))
    if on_failure == "raise":
        with pytest.raises(evlog.Error):
            COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
        assert seen == []
    else:
        COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
        assert seen == [1]
    assert "could not be recorded" in caplog.text


def test_bad_settings_are_refused(home):
    from evlog.openedx import conf

    for bad in (
        {"paht": "x"},
        {"on_failure": "explode"},
        {"outbox": "yes"},
        {"types": [None]},
        {"path": 7},
        "x",
    ):
        with override_settings(EVLOG=bad), pytest.raises(ImproperlyConfigured):
            conf.get()


def test_a_log_that_could_once_be_read_only_is_written_to_later(home, monkeypatch):
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    logs.close_all()
    path = str(home / "lms")
    real = evlog.open

    def refused(path, read_only=False, **options):
        if not read_only:
            raise evlog.IoError("too many open files")
        return real(path, read_only=True, **options)

    with monkeypatch.context() as patch:
        patch.setattr(evlog, "open", refused)
        assert len(logs.existing(path)) == 1
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    assert len(recorded(home)) == 2


def test_paths_may_be_objects_or_empty(home, setting):
    from evlog.openedx import conf

    setting(path=home / "lms", bus_path="")
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    assert len(recorded(home)) == 1
    assert conf.get().bus_path is None
    setting(path="")
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    setting(types=[])
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    assert len(recorded(home)) == 1


received = []


def new_receiver(signal, sender, metadata, enrollment, from_event_bus, **_):
    """A receiver that is connected nowhere."""
    received.append((metadata.id, is_replay(), current_event().seq, enrollment, from_event_bus))


def failing_receiver(**_):
    raise ZeroDivisionError("bad course \33[2J")


def replay(*arguments, **options):
    out = StringIO()
    call_command("evlog_replay", *arguments, stdout=out, **options)
    return out.getvalue()


def test_replay_to_one_new_receiver(home):
    received.clear()
    for name in ("alice", "bob", "carol"):
        COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment(name))
    COURSE_UNENROLLMENT_COMPLETED.send_event(enrollment=enrollment())
    log = str(home / "lms")
    options = {
        "to": "test_recording.new_receiver",
        "type": [COURSE_ENROLLMENT_CREATED.event_type],
        "first": 2,
    }
    assert "2 events would be delivered" in replay(log, **options)
    assert received == []
    assert "2 events were delivered, 0 failed" in replay(log, yes=True, **options)
    events = recorded(home)
    assert [r[:3] for r in received] == [(events[1].id, True, 2), (events[2].id, True, 3)]
    assert received[0][3] == enrollment("bob")
    assert len(events) == 4
    with pytest.raises(CommandError, match="range"):
        replay(log, **{**options, "first": 3, "last": 2})
    with pytest.raises(CommandError, match="no_module"):
        replay(log, to="no_module.receiver")
    with pytest.raises(CommandError, match=r"event 2 .*bad course \\x1b\[2J; 0 were delivered"):
        replay(log, **{**options, "to": "test_recording.failing_receiver"}, yes=True)


def test_replay_to_all_records_nothing_again(home, connected):
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    seen = []
    connected(
        COURSE_ENROLLMENT_CREATED,
        lambda metadata, **_: seen.append((metadata, is_replay(), current_event().seq)),
    )
    assert "1 events were delivered" in replay(str(home / "lms"), all=True, yes=True)
    [(metadata, replayed, seq)] = seen
    [event] = recorded(home)
    assert isinstance(metadata, EventsMetadata)
    assert (metadata.id, metadata.time, replayed, seq) == (event.id, event.time, True, 1)
    assert current_event() is None
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    assert len(recorded(home)) == 2


def test_status(home):
    COURSE_ENROLLMENT_CREATED.send_event(enrollment=enrollment())
    with logs.get(str(home / "lms")).consumer("mailer", timeout=0, attempts=1) as consumer:
        for event in consumer:
            with event:
                raise ValueError("no mail")
    out = StringIO()
    call_command("evlog_status", stdout=out)
    assert "lms: 1 events" in out.getvalue()
    assert "mailer: 0 behind (0 s), 1 parked, not running" in out.getvalue()
    out = StringIO()
    call_command("evlog_status", json=True, stdout=out)
    [log] = json.loads(out.getvalue())["logs"]
    assert log["consumers"][0]["parked_events"][0]["error"] == "ValueError: no mail"
