"""What is done a million times leaves nothing behind."""

import gc
import re
from pathlib import Path

import pytest
from conftest import TYPE

import evlog


def anonymous_kib():
    """This process's own memory; the pages of a log's files are not counted."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def iterate(log):
    for _ in range(4):  # a million in all
        for event in log.events(1, 50_000):
            _ = event.data


def replay(log):
    log.replay(lambda event: event.type, 1, 20_000)


def consume(log):
    with log.consumer("c", timeout=0, start="first") as consumer:
        for event in consumer:
            consumer.state["seq"] = event.seq
            if event.seq == 20_000:
                break
    log.remove_consumer("c")


def send(log):
    for _ in range(5000):
        log.send(TYPE, {"username": "alice"}, headers={"h": "v"})


def send_many(log):
    for _ in range(20):
        log.send_many([evlog.Sending(TYPE, {"username": "alice"}, source="s")] * 1000)


def fail(log):
    for _ in range(5000):
        with pytest.raises(evlog.NotFoundError):
            log[1 << 40]


def connect(log):
    for _ in range(3000):
        log.connect(TYPE, lambda event: None, uid="x")
        log.disconnect(TYPE, uid="x")


@pytest.mark.parametrize("work", [iterate, replay, consume, send, send_many, fail, connect])
def test_memory_is_flat(log, work):
    log.send_many([(TYPE, {"username": "alice", "n": i}) for i in range(50_000)])
    work(log)
    work(log)
    gc.collect()
    before = anonymous_kib()
    for _ in range(5):
        work(log)
    gc.collect()
    assert anonymous_kib() - before < 2048
