"""Signals, forks, and other processes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from conftest import TYPE

import evlog
from evlog import handle
from evlog._evlog import lib
from evlog.errors import check

# How long a signal may take: within a second, and another one where the machine is busy.
LIMIT_S = 2

WAITS = {
    "follow": "next(log.follow())",
    "wait": "log.wait(10**9)",
    "consumer": "next(log.consumer('c', start='new'))",
    "claim": "log.consumer('held', wait=None)",
    "search": "[log.replay(print, types='org.nothing') for _ in iter(int, 1)]",
    "iteration": "[e for _ in iter(int, 1) for e in log.events(types='org.nothing')]",
    "verify": "[log.verify() for _ in iter(int, 1)]",
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_signal_ends_a_wait_within_a_second(log, path, wait):
    log.send_many([(TYPE, {"i": i}) for i in range(3000)])
    code = f"""
        import signal, sys, evlog
        signal.alarm(60)  # if it is not interrupted, the test fails and does not wait
        with evlog.open(sys.argv[1]) as log:
            print("ready", flush=True)
            try:
                {WAITS[wait]}
            except KeyboardInterrupt:
                print("interrupted", flush=True)
    """
    with log.consumer("held"):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.1)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            # Python drops an exception that comes while it runs a finalizer, and this loop makes and
            # drops iterators all the time. So there the signal is sent again; the limit is the same.
            while wait == "iteration" and time.monotonic() - began < LIMIT_S:
                try:
                    process.wait(0.5)
                    break
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert time.monotonic() - began < LIMIT_S
            process.wait(10)


def test_a_send_that_waits_for_a_stopped_process_can_be_interrupted(path):
    code = """
        import sys, evlog
        with evlog.open(sys.argv[1], durable=False) as log:
            print("ready", flush=True)
            while True:
                log.send_many([("a.b", {"x": "x" * 1000})] * 2000)
    """
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], stdout=subprocess.PIPE, text=True
    )
    with writer, evlog.open(path.parent / "log", durable=False, wait=30) as log:
        writer.stdout.readline()
        for _ in range(100):
            writer.send_signal(signal.SIGSTOP)
            timer = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            began = time.monotonic()
            try:
                log.send(TYPE, {})
            except KeyboardInterrupt:
                assert time.monotonic() - began < 0.6 + LIMIT_S
                break
            finally:
                timer.cancel()
                writer.send_signal(signal.SIGCONT)
        writer.kill()
        log.send(TYPE, {})


def in_child(function):
    """Runs it in a forked child, and returns what it returns."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run():
        try:
            theirs.send(function())
        except BaseException as exception:
            theirs.send(repr(exception))
            raise

    process = context.Process(target=run)
    process.start()
    assert ours.poll(30)
    answer = ours.recv()
    process.join()
    assert process.exitcode == 0, answer
    return answer


SCHEMA = {
    "type": "record",
    "name": "R",
    "fields": [{"name": "x", "type": "long"}],
}


def test_a_forked_child_goes_on_by_itself(log):
    log.define(TYPE, SCHEMA)
    log.send(TYPE, {"x": 1})
    seen = []
    log.connect(TYPE, lambda event: seen.append(event.seq))
    events = log.events()
    next(events)
    log.disable("org.example.disabled")

    def child():
        assert log.send("org.example.disabled", {}).seq == 0
        with pytest.raises(evlog.InvalidError):
            log.send(TYPE, {"x": "not a number"})
        sent = log.send(TYPE, {"x": 2})
        return sent.seq, seen, [event.seq for event in log], log[1].data

    assert in_child(child) == (2, [2], [1, 2], {"x": 1})
    assert in_child(lambda: log.send(TYPE, {"x": 3}).seq) == 3
    assert seen == []
    assert log.send(TYPE, {"x": 4}).seq == 4
    assert seen == [4]


def test_a_child_in_another_directory_has_the_same_log(path, monkeypatch):
    monkeypatch.chdir(path.parent)

    def child():
        os.mkdir("elsewhere")
        os.chdir("elsewhere")  # as daemons do
        return log.send(TYPE, {}).seq

    with evlog.open(path.name, durable=False) as log:
        log.send(TYPE, {})
        assert in_child(child) == 2
        assert len(log) == 2


def test_a_child_that_cannot_open_the_log_at_once_tries_again(log, monkeypatch):
    log.define(TYPE, SCHEMA)

    def child():
        with monkeypatch.context() as patch, pytest.raises(evlog.BusyError):
            patch.setattr(handle.Handle, "define", lambda *_: check(lib.EVLOG_BUSY))
            len(log)
        log.send(TYPE, {"x": 1})
        log.close()
        with evlog.open(log.path, log_size_max=1 << 25):  # it is not open any more
            return True

    assert in_child(child)


def test_a_range_goes_on_in_a_child(log):
    log.send_many([(TYPE, {"i": i}) for i in range(5000)])
    events = log.events()
    for event in events:
        if event.seq == 10:
            break
    assert in_child(lambda: [event.seq for event in events]) == list(range(11, 5001))
    assert [event.seq for event in events] == list(range(11, 5001))


def test_a_consumer_stays_with_its_process(log):
    log.send(TYPE, {})
    with log.consumer("c", timeout=0) as consumer:

        def child():
            with pytest.raises(evlog.ForkedError, match="fork"):
                next(consumer)
            with pytest.raises(evlog.BusyError):
                log.consumer("c")
            consumer.close()
            return True

        assert in_child(child)
        assert [event.seq for event in consumer] == [1]


def test_a_closed_log_stays_closed_in_a_child(path):
    log = evlog.open(path)
    log.close()

    def child():
        with pytest.raises(evlog.InvalidError, match="closed"):
            log.send(TYPE, {})
        log.close()
        return True

    assert in_child(child)


def test_forked_workers_with_threads_send_together(log):
    def work():
        def send():
            for i in range(100):
                log.send(TYPE, {"pid": os.getpid(), "i": i})

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert [event.seq for event in log] == list(range(1, 1601))
    assert len({event.id for event in log}) == 1600
    assert len({event.data["pid"] for event in log}) == 4


def test_the_gil_is_released_while_it_waits(log):
    done = threading.Event()
    thread = threading.Thread(target=lambda: (log.wait(0, 5), done.set()))
    thread.start()
    began = time.monotonic()
    sum(range(100_000))
    log.send(TYPE, {})
    assert done.wait(5)
    assert time.monotonic() - began < 2
    thread.join()
