"""Consumers: what is done, what comes again, what is parked; state; claims over processes."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import MutableMapping

import pytest
from conftest import TYPE

import evlog
from evlog import consuming
from evlog._evlog import lib

OTHER = "org.example.visit.v1"


def fill(log, count, type=TYPE):
    log.send_many([(type, {"i": i}) for i in range(1, count + 1)])


def drain(log, name="c", **options):
    with log.consumer(name, timeout=0, **options) as consumer:
        return [event.seq for event in consumer]


def test_each_event_once_over_many_openings(log):
    fill(log, 5)
    assert drain(log) == [1, 2, 3, 4, 5]
    assert drain(log) == []
    fill(log, 2)
    assert drain(log) == [6, 7]
    assert drain(log, "other", start="new") == []
    assert drain(log, "third", start=6) == [6, 7]
    assert drain(log, "fourth", start=evlog.Last(1)) == [7]
    assert drain(log, "fifth", start=log[7].log_time)[-1] == 7


def test_types_are_kept_with_it(log):
    fill(log, 2)
    fill(log, 2, OTHER)
    assert drain(log, types=OTHER) == [3, 4]
    fill(log, 1)
    fill(log, 1, OTHER)
    assert drain(log) == [6]
    assert log.consumer_info("c").types == [OTHER]


def test_a_backfill_has_an_end_and_a_pace(log):
    fill(log, 30)
    began = time.monotonic()
    with log.consumer("c", timeout=0.5, to=10, per_second=100) as consumer:
        assert [event.seq for event in consumer] == list(range(1, 11))
    assert time.monotonic() - began >= 0.08
    assert drain(log, to=12) == [11, 12]
    assert drain(log)[0] == 13
    with pytest.raises(evlog.InvalidError):
        drain(log, "d", per_second=-1)


def test_what_was_handed_out_and_not_finished_comes_again(log):
    fill(log, 5)
    with log.consumer("c") as consumer:
        for event in consumer:
            assert event.attempt == 1
            if event.seq == 3:
                break
    with log.consumer("c", timeout=0) as consumer:
        assert [(event.seq, event.attempt) for event in consumer] == [(3, 2), (4, 1), (5, 1)]


def test_an_exception_in_the_loop_leaves_its_event(log):
    fill(log, 3)
    with pytest.raises(ZeroDivisionError), log.consumer("c") as consumer:
        for event in consumer:
            if event.seq == 2:
                raise ZeroDivisionError
    assert drain(log) == [2, 3]


def test_what_fails_is_tried_again_and_parked(log):
    fill(log, 3)
    seen = []
    with log.consumer("c", timeout=0.2, attempts=2, backoff=0.001) as consumer:
        for event in consumer:
            with event:
                seen.append((event.seq, event.attempt))
                if event.seq == 2:
                    raise LookupError("no such course\0")
        assert seen == [(1, 1), (2, 1), (2, 2), (3, 1)]
        [parked] = consumer.parked()
        assert (parked.seq, parked.attempt_count) == (2, 2)
        assert parked.error == "LookupError: no such course\\0"
        assert not parked.is_lost
        assert consumer.retry() == 1
        event = consumer.next(5)
        assert (event.seq, event.is_retry) == (2, True)
        consumer.done(event)
        assert consumer.parked() == []
    with pytest.raises(evlog.NotFoundError):
        log.retry("c", 2)


def test_keyboard_interrupt_is_no_failure_of_the_event(log):
    fill(log, 1)
    with pytest.raises(KeyboardInterrupt), log.consumer("c") as consumer:
        for event in consumer:
            with event:
                raise KeyboardInterrupt
    assert log.parked("c") == []
    assert drain(log) == [1]


def test_on_failure_stop_and_skip(log):
    fill(log, 2)

    def run(name, on_failure):
        with log.consumer(name, timeout=0, attempts=1, on_failure=on_failure) as consumer:
            for event in consumer:
                with event:
                    raise ValueError("bad")

    with pytest.raises(evlog.ReceiverError) as raised:
        run("stops", "stop")
    assert isinstance(raised.value.__cause__, ValueError)
    assert log.consumer_info("stops").checkpoint == 0
    run("skips", "skip")
    assert log.consumer_info("skips").checkpoint == 2
    assert log.parked("skips") == []
    with pytest.raises(evlog.InvalidError):
        run("c", "explode")


def test_many_out_at_once(log):
    fill(log, 10)
    with log.consumer("c") as consumer:
        events = [consumer.next(0) for _ in range(10)]
        consumer.done(events[4])
        consumer.fail(events[7], "why")
        again = [consumer.next(5).seq for _ in range(3)]
        assert again == [8, 9, 10]
    assert log.consumer_info("c").checkpoint == 5


def test_state_is_lasting_with_the_checkpoint(log):
    fill(log, 4)
    with log.consumer("c") as consumer:
        for event in consumer:
            consumer.state["sum"] = consumer.state.get("sum", 0) + event.data["i"]
            consumer.state[b"last"] = {"seq": event.seq}
            if event.seq == 3:
                break
    with log.consumer("c", timeout=0) as consumer:
        assert consumer.state["sum"] == 3
        assert consumer.state[b"last"] == {"seq": 2}
        assert log.consumer_state("c") == {"last": {"seq": 2}, "sum": 3}
        for event in consumer:
            with event:
                consumer.state["sum"] += event.data["i"]
                assert "sum" in consumer.state
        assert consumer.state["sum"] == 10
        del consumer.state["sum"]
        with pytest.raises(KeyError):
            consumer.state["sum"]
        with pytest.raises(KeyError):
            del consumer.state["sum"]
        assert "sum" not in consumer.state
        with pytest.raises(evlog.LimitError):
            consumer.state["large"] = "x" * 100_000
    assert log.consumer_state("c") == {"last": {"seq": 2}}
    with pytest.raises(evlog.NotFoundError):
        log.consumer_state("none")


def test_state_of_a_failed_event_is_dropped(log):
    fill(log, 1)
    with log.consumer("c", timeout=0, attempts=1) as consumer:
        for event in consumer:
            with event:
                consumer.state["x"] = 1
                assert list(consumer.state) == ["x"]
                raise ValueError
        assert "x" not in consumer.state
        assert consumer.state == {}


def test_state_is_a_mapping_beside_a_dict(log):
    """Whatever is written already, and whatever waits for its event."""
    fill(log, 200)
    twin, dice = {}, random.Random(1)
    keys = ["a", "b", "c\xe9", b"\xff", "d" * 200]
    with log.consumer("c", timeout=0) as consumer:
        state = consumer.state
        for event in consumer:
            key = dice.choice(keys)
            action = dice.choice(["set", "set", "pop", "clear", "update", "default", "commit"])
            if action == "set":
                state[key] = twin[key] = event.seq
            elif action == "pop":
                assert state.pop(key, None) == twin.pop(key, None)
            elif action == "clear":
                state.clear()
                twin.clear()
            elif action == "update":
                state.update({key: 1}, a=[2])
                twin.update({key: 1}, a=[2])
            elif action == "default":
                assert state.setdefault(key, 3) == twin.setdefault(key, 3)
            else:
                consumer.commit()
            assert state == twin
            assert len(state) == len(twin)
            assert set(state) == state.keys() == twin.keys()
            assert sorted(map(str, state.items())) == sorted(map(str, twin.items()))
        assert isinstance(state, MutableMapping)
        assert ("a" in state) == (b"a" in state), "a str is the key that its UTF-8 is"
    assert log.consumer_state("c") == twin
    with pytest.raises(evlog.InvalidError, match="closed"):
        list(consumer.state)
    assert repr(consumer.state) == "<evlog.State of c>"


def test_administration_by_name(log):
    fill(log, 3)
    drain(log, "a")
    drain(log, "b", start=2)
    assert [info.name for info in log.consumers()] == ["a", "b"]
    info = log.consumer_info("a")
    assert (info.checkpoint, info.lag_count, info.done_count, info.pid) == (3, 0, 3, None)
    assert log.reset_consumer("a", 2, dry_run=True).checkpoint == 1
    assert log.consumer_info("a").checkpoint == 3
    assert log.reset_consumer("a", 2) == evlog.Reset(3, 1, 0, 0)
    log.pause_consumer("a")
    assert drain(log, "a") == []
    log.pause_consumer("a", False)
    assert drain(log, "a") == [2, 3]
    log.remove_consumer("b")
    with pytest.raises(evlog.NotFoundError):
        log.consumer_info("b")
    with pytest.raises(evlog.NotFoundError):
        log.consumer("b", create=False)


def test_notices(log):
    fill(log, 1)
    notices = []
    with log.consumer("c", timeout=0, attempts=1, notice=notices.append) as consumer:
        for event in consumer:
            with event:
                raise ValueError("bad")
    kinds = [notice.kind for notice in notices]
    assert "parked" in kinds
    assert "caught up" in kinds

    def fails(notice):
        raise ArithmeticError

    fill(log, 1)
    with pytest.raises(ArithmeticError), log.consumer("c", notice=fails) as consumer:
        consumer.done(consumer.next(0))
        consumer.next(0)


def test_an_event_is_not_lost_with_a_notice_that_fails(log):
    fill(log, 5)
    with log.consumer("c"):
        pass
    log.trim(3, force=True)

    def fails(notice):
        if notice.kind == "lost":
            raise ArithmeticError

    with log.consumer("c", notice=fails, timeout=0) as consumer:
        with pytest.raises(ArithmeticError):
            next(consumer)
        assert [event.seq for event in consumer] == [3, 4, 5]


def test_a_consumer_is_not_closed_in_its_notice(log):
    fill(log, 1)
    failures = []

    def close(notice):
        for what in (consumer, log):
            try:
                what.close()
            except evlog.BusyError as failure:
                failures.append(failure)

    consumer = log.consumer("c", notice=close)
    consumer.done(consumer.next(0))
    assert consumer.next(0) is None
    assert len(failures) == 2
    consumer.close()
    assert log.consumer_info("c").checkpoint == 1


def test_a_consumer_is_not_closed_while_it_takes_an_event(log, monkeypatch):
    fill(log, 2)

    def close_first(c_event):  # as another thread or a signal handler would
        for what in (consumer, log):
            with pytest.raises(evlog.BusyError):
                what.close()
        with pytest.raises(evlog.BusyError):
            consumer.next(0)
        return flat(c_event)

    with log.consumer("c", timeout=0) as consumer:
        flat = consuming.flat
        monkeypatch.setattr(consuming, "flat", close_first)
        assert [event.data["i"] for event in consumer] == [1, 2]


def test_an_interrupt_while_it_takes_an_event_loses_nothing(log, monkeypatch):
    fill(log, 3)
    patiently = consuming.patiently
    interrupts = []

    def interrupted(*arguments):
        patiently(*arguments)
        if lib.evlog_consumer_next in arguments and len(interrupts) < 2:
            interrupts.append(1)
            raise KeyboardInterrupt

    with log.consumer("c", timeout=0, attempts=2) as consumer:
        first = consumer.next(0)
        monkeypatch.setattr(consuming, "patiently", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(consumer)
        consumer.fail(first)  # and so what was handed out after it comes again
        with pytest.raises(KeyboardInterrupt):
            consumer.next(1)
        assert [event.seq for event in consumer] == [1, 2, 3]


def test_an_exception_without_a_text_is_parked_too(log):
    class Broken(Exception):
        def __str__(self):
            raise LookupError

    fill(log, 1)
    with log.consumer("c", timeout=0, attempts=1) as consumer:
        for event in consumer:
            with event:
                raise Broken
        assert [parked.error for parked in consumer.parked()] == [
            "Broken: its text cannot be had (LookupError)"
        ]
    log.connect(TYPE, lambda event: (_ for _ in ()).throw(Broken))
    with pytest.raises(evlog.ReceiverError, match="Broken"):
        fill(log, 1)


def test_stopping_while_it_is_closed(log):
    stop = threading.Event()

    def stop_again_and_again():
        while not stop.is_set():
            consumer.stop()

    consumer = log.consumer("c")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=stop_again_and_again)
    thread.start()
    try:
        for _ in range(300):
            consumer.close()
            consumer = log.consumer("c")
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    consumer.close()


def test_stop_from_another_thread(log):
    with log.consumer("c") as consumer:
        timer = threading.Timer(0.05, consumer.stop)
        timer.start()
        assert list(consumer) == []
        timer.join()
    consumer.stop()
    with pytest.raises(evlog.InvalidError, match="closed"):
        consumer.next(0)


def run_python(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


CONSUME = """
    import sys, evlog
    with evlog.open(sys.argv[1]) as log, log.consumer("c", wait=None, commit_every=1) as consumer:
        for event in consumer:
            print(event.seq, event.attempt, flush=True)
            if event.seq == int(sys.argv[2]):
                sys.stdin.read()
"""


def test_a_second_process_stands_by_and_takes_over(log, path):
    fill(log, 5)
    first = run_python(CONSUME, path, 3)
    assert [first.stdout.readline().split()[0] for _ in range(3)] == ["1", "2", "3"]
    with pytest.raises(evlog.BusyError, match=str(first.pid)):
        log.consumer("c")
    assert log.consumer_info("c").pid == first.pid
    began = time.monotonic()
    with pytest.raises(evlog.BusyError, match=str(first.pid)):
        log.consumer("c", wait=1)
    assert 1 <= time.monotonic() - began < 5, "and not until `wait` of the log is over"
    second = run_python(CONSUME, path, 5)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    lines = [second.stdout.readline().split() for _ in range(3)]
    assert lines == [["3", "2"], ["4", "1"], ["5", "1"]]
    second.kill()
    second.wait()
    for process in (first, second):
        process.stdin.close()
        process.stdout.close()


def test_a_log_closes_its_consumers(path):
    with pytest.raises(ZeroDivisionError), evlog.open(path) as log:
        fill(log, 2)
        consumer = log.consumer("c")
        consumer.done(consumer.next(0))
        raise ZeroDivisionError
    with pytest.raises(evlog.InvalidError, match="closed"):
        consumer.next(0)
    with evlog.open(path) as log:
        assert log.consumer_info("c").checkpoint == 1
