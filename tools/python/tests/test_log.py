"""Opening, defining, sending, and what a log says of itself."""

import gc
import json
import os
import shutil
import threading
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from conftest import TYPE

import evlog

SCHEMA = {
    "type": "record",
    "name": "CloudEvent",
    "namespace": TYPE,
    "fields": [{"name": "username", "type": "string"}, {"name": "age", "type": "long"}],
}


def test_what_is_sent_can_be_read(log):
    data = {
        "username": "alice",
        "n": [1, -2, 2.5, None, True],
        "b": b"\0\xff",
        "nested": {"ü": "ß"},
    }
    sent = log.send(TYPE, data)
    assert (sent.seq, sent.was_there, sent.responses) == (1, False, [])
    event = log[1]
    assert event.data == data
    assert event.type == TYPE
    assert event.id == sent.id
    assert event.id.version == 1
    assert event.time.tzinfo is timezone.utc
    assert abs(event.time - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert event.log_time >= event.time
    assert event.headers == {}
    assert event.schema is None
    assert not event.from_event_bus
    assert not event.is_erased
    assert repr(event) == f"<evlog.Event 1 {TYPE} {event.id}>"


def test_metadata_of_ones_own_is_kept(log):
    time = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    id = uuid.uuid4()
    log.send(
        TYPE,
        {},
        id=id,
        time=time,
        headers={"traceparent": "00-1", "a": "ü"},
        source="openedx/lms/web",
        sourcehost="host",
        sourcelib="11.2.0",
        minorversion=3,
        from_event_bus=True,
    )
    event = log[-1]
    assert (event.id, event.time) == (id, time)
    assert event.headers == {"traceparent": "00-1", "a": "ü"}
    assert (event.source, event.sourcehost, event.sourcelib) == (
        "openedx/lms/web",
        "host",
        "11.2.0",
    )
    assert event.minorversion == 3
    assert event.from_event_bus


def test_a_time_alone_keeps_the_rest(log):
    time = datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)
    log.send(TYPE, {}, time=time)
    assert log[1].time == time
    assert log[1].id.version == 1


def test_datetimes_and_uuids_become_text(log):
    id = uuid.uuid4()
    log.send(TYPE, {"at": datetime(2026, 1, 2, tzinfo=timezone.utc), "id": id})
    assert log[1].data == {"at": "2026-01-02T00:00:00+00:00", "id": str(id)}


@pytest.mark.parametrize("packed", [b"\x81\x91\x01\x02", b"\x81\xa1a\xc7\x03\xff\1\2\3"])
def test_data_that_python_cannot_have(log, packed):
    log.send(TYPE, packed)
    event = log[1]
    for _ in range(2):
        with pytest.raises(evlog.InvalidError, match="event 1"):
            _ = event.data
    assert bytes(event.packed) == packed


def test_a_send_inside_of_a_send_has_its_own_data(log):
    class Time(datetime):
        def isoformat(self):  # as a signal handler would
            log.send(TYPE, {"inner": 1})
            return "now"

    log.send(TYPE, {"at": Time(2026, 1, 2, tzinfo=timezone.utc)})
    assert [event.data for event in log] == [{"inner": 1}, {"at": "now"}]


@pytest.mark.parametrize(
    "data", [{"at": datetime(2026, 1, 2)}, {"x": object()}, {"x": 1 << 70}, {"x": "\ud800"}, []]
)
def test_what_cannot_be_sent_is_refused(log, data):
    with pytest.raises((evlog.InvalidError, evlog.LimitError)):
        log.send(TYPE, data)
    assert len(log) == 0


def test_times_that_an_event_cannot_have_are_refused(log):
    with pytest.raises(ValueError, match="naive"):
        log.send(TYPE, {}, time=datetime(2026, 1, 2))
    with pytest.raises(evlog.InvalidError, match="1970"):
        log.send(TYPE, {}, time=datetime(1970, 1, 1, tzinfo=timezone.utc))
    assert len(log) == 0


def test_what_is_no_text_is_refused(log, path):
    uses = (
        lambda: log.send("a.\ud800", {}),
        lambda: log.send(TYPE, {}, headers={"h": "\ud800"}),
        lambda: log.send(TYPE, {}, headers={"h": "\0"}),
        lambda: log.consumer("\ud800"),
        lambda: evlog.open(f"{path}2\0"),
    )
    for use in uses:
        with pytest.raises(evlog.InvalidError):
            use()
    assert not path.with_name("log2").exists()


def test_data_are_checked_against_the_schema(log):
    log.define(TYPE, SCHEMA)
    with pytest.raises(evlog.InvalidError, match="age: expected"):
        log.send(TYPE, {"username": "alice", "age": "old"})
    log.send(TYPE, {"username": "alice", "age": 7})
    event = log[1]
    assert json.loads(event.schema) == SCHEMA
    assert event.avro() == b"\x0aalice\x0e"
    types = [type for type in log.types() if type.name == TYPE]
    assert [json.loads(type.schema) for type in types] == [SCHEMA]


def test_a_schema_that_breaks_older_events_is_a_conflict(log):
    log.define(TYPE, json.dumps(SCHEMA))
    other = {**SCHEMA, "fields": [{"name": "other", "type": "bytes"}]}
    with pytest.raises(evlog.ConflictError):
        log.define(TYPE, other)


def test_the_types_of_open_edx(log):
    log.define_openedx()
    names = {type.name for type in log.types()}
    assert len(names) >= 75
    assert "org.openedx.learning.course.enrollment.created.v1" in names
    with pytest.raises(evlog.InvalidError, match="enrollment"):
        log.send("org.openedx.learning.course.enrollment.created.v1", {})


def test_many_are_all_or_none(log):
    sent = log.send_many([(TYPE, {"i": i}) for i in range(100)])
    assert [s.seq for s in sent] == list(range(1, 101))
    noise = [bytearray(b"x" * size) for size in range(2000, 4000)]  # takes memory that was freed
    assert [s.id for s in sent] == [event.id for event in log]
    del noise
    with pytest.raises(evlog.InvalidError):
        log.send_many([(TYPE, {}), (TYPE, b"\xc1")])
    assert len(log) == 100
    id = uuid.uuid4()
    log.send_many([evlog.Sending(TYPE, {"x": 1}, id=id, headers={"h": "v"})])
    assert (log[-1].id, log[-1].headers) == (id, {"h": "v"})
    assert log.send_many([]) == []


def test_a_conditional_send_by_id(log):
    id = uuid.uuid4()
    first = log.send(TYPE, {"i": 1}, id=id, unless_id=True)
    again = log.send(TYPE, {"i": 2}, id=id, unless_id=True)
    assert (again.seq, again.was_there) == (first.seq, True)
    assert len(log) == 1


def test_a_conditional_send_by_what_was_read(log):
    log.send(TYPE, {})
    with pytest.raises(evlog.ConflictError):
        log.send(TYPE, {}, unless_any=True)
    log.send(TYPE, {}, unless_any=True, after=1)
    log.send(TYPE, {}, unless_types="org.other.*")
    log.send(TYPE, {}, unless_types=[])
    with pytest.raises(evlog.ConflictError):
        log.send(TYPE, {}, unless_types=["org.other.*", TYPE], after=1)
    assert len(log) == 4


def test_a_disabled_type_sends_nothing(log):
    log.disable(TYPE)
    assert log.send(TYPE, {}).seq == 0
    log.enable(TYPE)
    assert log.send(TYPE, {}).seq == 1


def test_by_seq(log):
    log.send_many([(TYPE, {"i": i}) for i in range(3)])
    assert [log[i].data["i"] for i in (1, 2, 3, -1, -3)] == [0, 1, 2, 2, 0]
    for seq in (0, 4, -4, 1 << 64):
        with pytest.raises(LookupError):
            log[seq]
    assert log


def test_an_empty_log_is_true(log):
    assert len(log) == 0
    assert log
    assert list(log) == []


def test_find(log):
    log.send_many([(TYPE, {"i": i}) for i in range(10)])
    assert log.find(log[4].id).seq == 4
    with pytest.raises(evlog.NotFoundError):
        log.find(uuid.uuid4())


def test_info_and_verify(log, path):
    log.send(TYPE, {})
    info = log.info()
    assert (info.first_seq, info.last_seq, info.durable, info.read_only) == (1, 1, False, False)
    assert info.uuid == info.origin
    assert info.created.tzinfo is timezone.utc
    result = log.verify()
    assert result.checked_count == 1
    assert result.is_whole


def test_a_log_that_waits_to_be_recovered_does_not_look_empty(path):
    copy = path.parent / "copy"
    with evlog.open(path) as log:
        log.send_many([(TYPE, {"i": i}) for i in range(60)])
        assert (log.info().is_unrecovered, log.info().waiting_count) == (False, 0)
        shutil.copytree(path, copy)
    content = bytearray((copy / "events.mdb").read_bytes())
    page_size = os.sysconf("SC_PAGE_SIZE")
    for end in range(3 * page_size, len(content) + 1, page_size):  # all but the two meta pages
        content[end - 60] ^= 1
    (copy / "events.mdb").write_bytes(content)
    with evlog.open(copy, read_only=True) as log:
        info = log.info()
        assert info.is_unrecovered
        assert info.waiting_count == 60 - len(log) > 0
    with evlog.open(copy) as log:
        assert [event.data["i"] for event in log] == list(range(60))
        assert (log.info().is_unrecovered, log.info().waiting_count) == (False, 0)


def test_verify_ends_with_what_progress_raises(log):
    log.send_many([(TYPE, {"i": i}) for i in range(2000)])

    def stop(seq):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        log.verify(progress=stop)
    assert log.verify().is_whole


def test_damage_is_raised_and_passed(path):
    with evlog.open(path) as log:
        log.send_many([(TYPE, {"i": i, "pad": "x" * 500}) for i in range(40)])
    file = path / "events.mdb"
    content = bytearray(file.read_bytes())
    at = content.rindex(b"x" * 300)
    content[at] ^= 1
    file.write_bytes(content)
    with evlog.open(path, read_only=True) as log:
        events = log.events()
        seqs = []
        with pytest.raises(evlog.DamagedError) as raised:
            seqs.extend(event.seq for event in events)
        bad = raised.value
        assert 1 <= bad.first_seq <= bad.last_seq <= 40
        after = [event.seq for event in events]
        assert after == list(range(bad.last_seq + 1, 41))
        assert not log.verify().is_whole
        backwards = log.events(reverse=True)
        assert next(backwards).seq == (40 if bad.last_seq < 40 else bad.first_seq - 1)


def test_options_and_their_errors(path):
    with pytest.raises(evlog.NotFoundError):
        evlog.open(path, create=False)
    with evlog.open(path, service="lms", sourcehost="h") as log:
        log.send(TYPE, {})
        assert (log[1].source, log[1].sourcehost) == ("openedx/lms/web", "h")
        assert log.info().durable
    with pytest.raises(evlog.ConflictError):
        evlog.open(path, durable=False)
    with evlog.open(path, read_only=True) as log, pytest.raises(evlog.ReadOnlyError):
        log.send(TYPE, {})
    (path.parent / "other").mkdir()
    (path.parent / "other" / "file").write_text("")
    with pytest.raises(evlog.UnsupportedError):
        evlog.open(path.parent / "other")


def test_a_closed_log_says_so(path):
    log = evlog.open(path)
    log.send(TYPE, {})
    events = log.events()
    log.close()
    log.close()
    uses = [lambda: log.send(TYPE, {}), lambda: log[1], lambda: len(log), log.info, log.events]
    for use in [*uses, lambda: list(events)]:
        with pytest.raises(evlog.InvalidError, match="closed"):
            use()


def test_threads_send_at_once(log):
    def send():
        for i in range(50):
            log.send(TYPE, {"i": i})

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.seq for event in log] == list(range(1, 401))


def test_errors_are_a_tree():
    for name in evlog.__all__:
        kind = getattr(evlog, name)
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert issubclass(kind, evlog.Error)
            assert kind.__doc__
    assert issubclass(evlog.NotFoundError, LookupError)
    assert issubclass(evlog.InvalidError, ValueError)


def test_the_command_reads_it(log, command):
    log.send(TYPE, {"username": "alice"}, headers={"h": "v"})
    shown = json.loads(command("show", log.path, "-o", "json"))
    assert shown["id"] == str(log[1].id)
    assert shown["data"] == {"username": "alice"}
    assert shown["headers"] == {"h": "v"}


def test_a_log_that_is_dropped_is_closed(path):
    evlog.open(path, log_size_max=1 << 24).send(TYPE, {})
    gc.collect()
    with evlog.open(path, log_size_max=1 << 25) as log:
        assert len(log) == 1
