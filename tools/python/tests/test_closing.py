"""Closing what is in use: it is refused, or what uses it is told, and no memory is used that was freed."""

import sys
import threading
import time
import uuid

import pytest
from conftest import TYPE

import evlog
from evlog._evlog import lib
from evlog.consuming import Consumer
from evlog.handle import Handle

OTHER = "org.example.visit.v1"
SCHEMA = {"type": "record", "name": "V", "fields": [{"name": "i", "type": "int"}]}


def wait(log):
    return log.wait(0, 0)


USES = {
    "send": lambda log: log.send(TYPE, {}),
    "send of a new type": lambda log: log.send("org.example.new", {}),
    "send with headers": lambda log: log.send(TYPE, {}, headers={"a": "b"}),
    "send_many": lambda log: log.send_many([(TYPE, {})]),
    "define": lambda log: log.define(OTHER, SCHEMA),
    "define_openedx": lambda log: log.define_openedx(),
    "from_avro": lambda log: log.from_avro(OTHER, b"\x02"),
    "enable": lambda log: log.enable(TYPE),
    "disable": lambda log: log.disable(OTHER),
    "events": lambda log: list(log),
    "find": lambda log: log.find(log[1].id),
    "wait": wait,
    "getitem": lambda log: log[1],
    "schema": lambda log: log[2].schema,
    "avro": lambda log: log[2].avro(),
    "len": len,
    "connect": lambda log: log.connect(TYPE, print, uid=str(uuid.uuid4())),
    "connect late": lambda log: log.connect(OTHER, print, start="first"),
    "disconnect": lambda log: log.disconnect(TYPE, uid="known"),
    "replay": lambda log: log.replay(lambda event: None),
    "replay to receivers": lambda log: log.replay(),
    "consumer": lambda log: log.consumer("new").close(),
    "consumers": lambda log: log.consumers(),
    "consumer_info": lambda log: log.consumer_info("c"),
    "consumer_state": lambda log: log.consumer_state("c"),
    "reset_consumer": lambda log: log.reset_consumer("c"),
    "pause_consumer": lambda log: log.pause_consumer("c"),
    "remove_consumer": lambda log: log.remove_consumer("c"),
    "parked": lambda log: log.parked("c"),
    "info": lambda log: log.info(),
    "types": lambda log: log.types(),
    "verify": lambda log: log.verify(),
    "trim": lambda log: log.trim(1),
    "sync": lambda log: log.sync(),
}


def closing_at(monkeypatch, owner, name, close, refusals):
    """`close` is called whenever a method has taken a pointer, as another thread could."""
    take = getattr(owner, name)

    def taken(self, *arguments):
        pointer = take(self, *arguments)
        with pytest.raises(evlog.BusyError):
            close()
        refusals.append(name)
        return pointer

    monkeypatch.setattr(owner, name, taken)


@pytest.mark.parametrize("name", USES)
def test_a_log_is_not_closed_between_taking_its_pointer_and_the_call(log, monkeypatch, name):
    log.define(OTHER, SCHEMA)
    log.send(TYPE, {})
    log.send(OTHER, {"i": 1})
    log.connect(TYPE, lambda event: None, uid="known")
    log.consumer("c").close()
    refusals = []

    def close():
        with pytest.raises(evlog.BusyError):
            log._handle.close()  # without the look that comes before all others
        log.close()

    with monkeypatch.context() as patch:
        closing_at(patch, Handle, "pointer", close, refusals)
        closing_at(patch, Handle, "signal", close, refusals)
        USES[name](log)
    assert refusals
    assert log.send(TYPE, {}).seq, "it is open"


CONSUMER_USES = {
    "next": lambda consumer: consumer.next(0),
    "done": lambda consumer: consumer.done(1),
    "fail": lambda consumer: consumer.fail(1),
    "commit": lambda consumer: consumer.commit(),
    "get": lambda consumer: consumer.state["x"],
    "put": lambda consumer: consumer.state.update(x=2),
    "delete": lambda consumer: consumer.state.pop("x"),
    "list": lambda consumer: list(consumer.state),
}


@pytest.mark.parametrize("name", CONSUMER_USES)
def test_a_consumer_is_not_closed_between_taking_its_pointer_and_the_call(log, monkeypatch, name):
    log.send_many([(TYPE, {}), (TYPE, {})])
    refusals = []
    with log.consumer("c") as consumer:
        consumer.next(0)
        consumer.state["x"] = 1
        with monkeypatch.context() as patch:
            closing_at(patch, Consumer, "_live", consumer.close, refusals)
            CONSUMER_USES[name](consumer)
        assert refusals
        consumer.commit()


def test_closing_while_others_send_and_read(path):
    """Each call of the others succeeds, or says that the log is closed; nothing crashes."""
    log = evlog.open(path, durable=False)
    stop = threading.Event()
    unexpected, sent = [], [0, 0]

    def work(i):
        while not stop.is_set():
            try:
                log.send(TYPE, {"i": i})
                log[1], log.events(limit=2).close()
                sent[i] += 1
                time.sleep(0.0005)  # or closing never comes to its turn
            except (evlog.InvalidError, evlog.BusyError) as failure:
                if "closed" not in str(failure):
                    unexpected.append(failure)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    closed = 0
    try:
        while closed < 20 or not all(sent):
            try:
                log.close()
            except evlog.BusyError:
                continue
            closed += 1
            log = evlog.open(path, durable=False)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    log.close()
    assert unexpected == []


def test_a_log_that_cannot_be_closed_keeps_its_receivers(log):
    seen = []
    log.connect(TYPE, lambda event: seen.append(event.seq))

    def close(event):
        with pytest.raises(evlog.BusyError):
            log.close()
        log.send(TYPE, {})

    log.connect(OTHER, close)
    log.send(OTHER, {})
    assert seen == [2]


def test_a_call_during_a_close_that_is_refused_is_not_told_that_the_log_is_closed(log, monkeypatch):
    seqs = []
    sending = threading.Thread(target=lambda: seqs.append(log.send(TYPE, {}).seq))

    def refused(handle):
        sending.start()
        sending.join(0.1)  # it waits for what becomes of the close
        raise evlog.BusyError

    with monkeypatch.context() as patch, pytest.raises(evlog.BusyError):
        patch.setattr(Handle, "check_unused", refused)
        log._handle.close()
    sending.join()
    assert seqs == [1]


def test_closing_disconnects_where_another_log_of_the_process_goes_on(path):
    with evlog.open(path) as other:
        with evlog.open(path) as log:
            log.connect(TYPE, print)
            assert lib.evlog_has_receivers(other._live().signal(TYPE))
        assert not lib.evlog_has_receivers(other._live().signal(TYPE))


def refuse():
    raise evlog.BusyError


def test_a_range_does_not_seem_to_end_where_its_log_was_closed(path, monkeypatch):
    with evlog.open(path, durable=False) as log:
        log.send_many([(TYPE, {"i": i}) for i in range(10_000)])
    log = evlog.open(path)
    whole, ended, limited = log.events(), log.events(), log.events(limit=5000)
    assert [next(events).seq for events in (whole, ended, limited)] == [1, 1, 1]
    ended.close()
    with monkeypatch.context() as patch, pytest.raises(evlog.BusyError):
        patch.setattr(log._handle, "close", refuse)
        log.close()
    assert [event.seq for event in limited] == list(range(2, 5001)), "a close that was refused"
    log.close()
    assert list(ended) == list(limited) == []
    with pytest.raises(evlog.InvalidError, match="closed"):
        list(whole)
