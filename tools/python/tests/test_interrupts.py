"""What reads much of the log can be interrupted on its way, and nothing is lost by that."""

import signal
import threading
import uuid
from contextlib import contextmanager

import pytest
from conftest import TYPE

import evlog
from evlog import ranges, receivers
from evlog._evlog import ffi

RARE = "org.example.rare.v1"
NONE = "org.example.none.v1"


@contextmanager
def interrupted():
    """SIGINT comes each time when the library calls `python_visit`."""

    def interrupt(seq, context):
        signal.raise_signal(signal.SIGINT)
        return receivers.python_visit(seq, context)

    def call(function):
        keep = receivers._keep_interrupt
        ffi.def_extern("python_visit", error=1, onerror=keep)(function)

    call(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        call(receivers.python_visit)


@pytest.fixture
def long_log(log):
    log.send_many([(TYPE, {"i": i}) for i in range(5000)])
    log.send(RARE, {})
    return log


def consume(log):
    with log.consumer("c", types=RARE) as consumer:
        return consumer.next(0).seq


SEARCHES = {
    "events": lambda log: [event.seq for event in log.events(types=NONE)],
    "events backwards": lambda log: [event.seq for event in log.events(types=NONE, reverse=True)],
    "follow": lambda log: next(log.follow(1, types=RARE)).seq,
    "replay": lambda log: log.replay(print, types=NONE),
    "replay with a limit": lambda log: log.replay(print, types=NONE, limit=1),
    "replay backwards": lambda log: log.replay(print, types=NONE, reverse=True),
    "replay to nobody": lambda log: log.replay().skipped,
    "a late receiver": lambda log: log.connect(NONE, print, start="first"),
    "a late receiver of the last": lambda log: log.connect(NONE, print, start=evlog.Last(1)),
    "a consumer's next": consume,
    "a consumer of the last": lambda log: log.consumer("n", types=NONE, start=evlog.Last(1)).name,
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_is_interrupted_and_can_be_done_again(long_log, name):
    with interrupted():
        SEARCHES[name](long_log)
    nothing = evlog.Outcome()
    assert SEARCHES[name](long_log) in ([], nothing, 5001, "n")


def test_looking_for_an_id_is_interrupted(long_log):
    with interrupted():
        long_log.find(uuid.uuid4())
    with pytest.raises(evlog.NotFoundError):
        long_log.find(uuid.uuid4())


def test_a_reset_that_is_interrupted_changes_nothing(long_log):
    consume(long_log)
    before = long_log.consumer_info("c")
    with interrupted():
        long_log.reset_consumer("c", evlog.Last(2))
    assert long_log.consumer_info("c").checkpoint == before.checkpoint
    assert long_log.reset_consumer("c", evlog.Last(2)).checkpoint == 5000


def test_a_trimming_is_interrupted(long_log):
    with interrupted():
        long_log.trim(4000)
    assert [event.seq for event in long_log.events(limit=1)] == [4000]
    assert long_log.trim(4000).deleted_count > 0
    assert long_log.verify().is_whole


def test_a_range_goes_on_where_it_was_interrupted(long_log):
    events = long_log.events(types=RARE)
    with interrupted():
        next(events)
    assert [event.seq for event in events] == [5001]


def test_a_late_receiver_that_was_interrupted_is_not_connected(long_log):
    seen = []
    with interrupted():
        long_log.connect(RARE, seen.append, start="first")
    long_log.send(RARE, {})
    assert seen == []
    long_log.connect(RARE, seen.append, start="first")
    long_log.send(RARE, {})
    assert [event.seq for event in seen] == [5001, 5002, 5003]


def test_a_consumer_goes_on_where_it_was_interrupted(long_log):
    with long_log.consumer("c", types=RARE, timeout=0) as consumer:
        with interrupted():
            next(consumer)
        assert [event.seq for event in consumer] == [5001]
    assert long_log.consumer_info("c").checkpoint == 5001


def test_an_interrupted_receiver_ends_a_replay_that_keeps_going():
    """It is not called for the rest of the range: the library is stopped when it visits."""
    dispatch = receivers.begin()
    assert receivers.python_visit(1, ffi.NULL) == 0
    dispatch.fatal = KeyboardInterrupt()
    assert receivers.python_visit(1, ffi.NULL) == 1
    with pytest.raises(KeyboardInterrupt):
        receivers.end(dispatch)


def test_a_signal_handler_that_uses_the_range_that_it_has_interrupted_is_told(log, monkeypatch):
    log.send_many([(TYPE, {"i": i}) for i in range(10)])
    events = log.events()
    take = ranges.Events._take

    def handled(self):
        monkeypatch.setattr(ranges.Events, "_take", take)
        with pytest.raises(evlog.BusyError, match="signal handler"):
            next(events)
        seqs.extend(event.seq for event in log.events(limit=2))  # another range is free
        return take(self)

    monkeypatch.setattr(ranges.Events, "_take", handled)
    seqs = []
    reading = threading.Thread(target=lambda: seqs.extend(e.seq for e in events), daemon=True)
    reading.start()
    reading.join(20)
    assert seqs == [1, 2, *range(1, 11)]
