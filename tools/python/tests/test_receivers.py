"""Receivers: order, failures, history, replay; no exception leaves through C."""

import gc
import threading
import weakref

import pytest
from conftest import TYPE

import evlog

OTHER = "org.example.visit.v1"


def test_receivers_run_in_order_with_the_event_in_the_log(log):
    calls = []

    def first(event):
        calls.append(("first", event.seq, log[event.seq].data))
        return "answer"

    @log.receiver(TYPE)
    def second(event):
        calls.append(("second", event.seq, event.is_replay))

    log.disconnect(TYPE, second)
    log.connect(TYPE, first)
    log.connect(TYPE, second)
    log.connect(TYPE, first)
    sent = log.send(TYPE, {"x": 1})
    assert calls == [("first", 1, {"x": 1}), ("second", 1, False)]
    assert sent.responses == [(first, "answer"), (second, None)]
    log.send(OTHER, {})
    assert len(calls) == 2


def test_a_receiver_of_all_types(log):
    seen = []
    log.connect(None, lambda event: seen.append(event.type))
    log.send(TYPE, {})
    log.send(OTHER, {})
    assert seen == [TYPE, OTHER]


def test_a_failure_is_reported_and_the_others_run(log):
    seen = []

    def fails(event):
        raise ZeroDivisionError("no such course")

    log.connect(TYPE, fails)
    log.connect(TYPE, seen.append)
    with pytest.raises(evlog.ReceiverError, match="no such course") as raised:
        log.send(TYPE, {})
    failure = raised.value
    assert isinstance(failure.__cause__, ZeroDivisionError)
    assert failure.sent.seq == 1
    assert [type(response) for _, response in failure.sent.responses] == [
        ZeroDivisionError,
        type(None),
    ]
    assert len(seen) == len(log) == 1
    with pytest.raises(evlog.ReceiverError):
        log.send(TYPE, {}, robust=False)
    assert len(seen) == 1
    assert len(log) == 2
    with pytest.raises(evlog.ReceiverError) as raised:
        log.send_many([(TYPE, {}), (TYPE, {})])
    assert [sent.seq for sent in raised.value.sent] == [3, 4]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_ends_the_dispatch(log, kind):
    seen = []

    def interrupted(event):
        raise kind

    log.connect(TYPE, interrupted)
    log.connect(TYPE, seen.append)
    with pytest.raises(kind):
        log.send(TYPE, {})
    assert seen == []
    assert len(log) == 1
    with pytest.raises(kind):
        log.replay()
    with pytest.raises(kind):
        log.connect(None, interrupted, start="first")
    log.disconnect(TYPE, interrupted)
    log.send(TYPE, {})
    assert len(seen) == 1


def test_a_receiver_may_send(log):
    order = []

    def outer(event):
        inner = log.send(OTHER, {"of": event.seq})
        order.append(("outer", event.seq, inner.seq, len(inner.responses)))

    log.connect(TYPE, outer)
    log.connect(OTHER, lambda event: order.append(("inner", event.data["of"])))
    sent = log.send(TYPE, {})
    assert order == [("inner", 1), ("outer", 1, 2, 1)]
    assert len(sent.responses) == 1


def test_a_receiver_may_not_close_its_log(log):
    failures = []

    def close(event):
        try:
            log.close()
        except evlog.BusyError as failure:
            failures.append(failure)

    log.connect(TYPE, close)
    log.send(TYPE, {})
    log.send(TYPE, {})
    assert len(failures) == len(log) == 2


def test_known_by_uid(log):
    seen = []
    log.connect(TYPE, lambda event: seen.append(1), uid="one")
    log.connect(TYPE, lambda event: seen.append(2), uid="one")
    log.send(TYPE, {})
    assert seen == [1]
    assert log.disconnect(TYPE, uid="one")
    assert not log.disconnect(TYPE, uid="one")
    log.send(TYPE, {})
    assert seen == [1]


class Unhashable(list):
    def __call__(self, event):
        self.append(event.seq)


def test_any_callable_is_a_receiver(log):
    receiver = Unhashable()
    log.connect(TYPE, receiver)
    log.connect(TYPE, receiver)
    log.send(TYPE, {})
    assert receiver == [1]
    assert log.disconnect(TYPE, receiver)


def test_history_first_then_live(log):
    log.send_many([(TYPE, {"i": i}) for i in range(5)])
    seen = []
    outcome = log.connect(TYPE, lambda event: seen.append((event.seq, event.is_replay)), start=3)
    assert outcome == evlog.Outcome(delivered=3, last_seq=5)
    log.send(TYPE, {})
    assert seen == [(3, True), (4, True), (5, True), (6, False)]
    last = []
    log.connect(TYPE, lambda event: last.append(event.seq), start=evlog.Last(2))
    assert last == [5, 6]
    with pytest.raises(evlog.InvalidError):
        log.connect(TYPE, print, start="second")


def test_history_ends_with_a_failure(log):
    log.send_many([(TYPE, {"i": i}) for i in range(5)])
    seen = []

    def fails(event):
        seen.append(event.seq)
        if event.seq == 2:
            raise ValueError

    with pytest.raises(evlog.ReceiverError) as raised:
        log.connect(TYPE, fails, start="first")
    assert raised.value.outcome.first_failed_seq == 2
    log.send(TYPE, {})
    assert seen == [1, 2]
    assert log.connect(TYPE, fails, start="first", keep_going=True).failed == 1


def test_handover_under_load_loses_nothing(log):
    log.send_many([(TYPE, {"i": i}) for i in range(100)])
    seen = []
    stop = threading.Event()

    def send():
        for _ in range(1000):  # a receiver that is slower than all senders never gets there
            if stop.is_set():
                return
            log.send(TYPE, {})

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    log.connect(TYPE, lambda event: seen.append(event.seq), start="first")
    stop.set()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, len(log) + 1))


@pytest.mark.parametrize("types", [None, "org.*"])
def test_replay_to_one(log, types):
    log.send_many([(TYPE, {"i": i}) for i in range(5)])
    seen = []
    outcome = log.replay(seen.append, 2, 4, types=types)
    assert [(event.seq, event.is_replay) for event in seen] == [(2, True), (3, True), (4, True)]
    assert outcome == evlog.Outcome(delivered=3, last_seq=4)
    assert log.replay(seen.append, types="org.nothing") == evlog.Outcome()
    with pytest.raises(evlog.InvalidError):
        log.replay(seen.append, 4, 2, types=types)
    with pytest.raises(evlog.InvalidError):
        log.replay(seen.append, 9, types="a b")


@pytest.mark.parametrize("none", [{"limit": 0}, {"to": 0}, {"from_": 6}])
@pytest.mark.parametrize("types", [None, "org.*"])
def test_a_range_without_events_replays_nothing(log, none, types):
    log.send_many([(TYPE, {"i": i}) for i in range(5)])
    seen = []
    assert log.replay(seen.append, **none, types=types) == evlog.Outcome()
    assert list(log.events(**none, types=types)) == seen == []


def test_replay_to_all_that_are_connected(log):
    log.send_many([(TYPE, {}), (OTHER, {}), (TYPE, {})])
    seen = []
    log.connect(TYPE, lambda event: seen.append(event.seq))
    log.connect(TYPE, lambda event: seen.append(-event.seq), replays="refuse", uid="refuses")
    assert log.replay() == evlog.Outcome(delivered=2, skipped=1, refused=2, last_seq=3)
    assert seen == [1, 3]


def test_replay_failures(log):
    log.send_many([(TYPE, {"i": i}) for i in range(5)])

    def fails(event):
        if event.seq in (2, 4):
            raise LookupError(event.seq)

    with pytest.raises(evlog.ReceiverError) as raised:
        log.replay(fails)
    assert raised.value.outcome.delivered == 1
    assert raised.value.sent is None
    assert isinstance(raised.value.__cause__, LookupError)
    outcome = log.replay(fails, keep_going=True)
    assert (outcome.delivered, outcome.failed, outcome.first_failed_seq) == (3, 2, 2)


def test_a_disconnected_receiver_is_freed(log):
    class Receiver:
        def __call__(self, event):
            pass

    receiver = Receiver()
    log.connect(TYPE, receiver)
    log.send(TYPE, {})
    log.disconnect(TYPE, receiver)
    gone = weakref.ref(receiver)
    del receiver
    gc.collect()
    assert gone() is None


def test_two_logs_of_one_path_have_their_own_receivers(path):
    seen = []
    with evlog.open(path) as one:
        with evlog.open(path) as other:
            other.connect(TYPE, lambda event: seen.append(event.seq))
            one.send(TYPE, {})
        one.send(TYPE, {})
    assert seen == [1]
