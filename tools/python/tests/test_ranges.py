"""Ranges of a log, against a list."""

import asyncio
import contextlib
import gc
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from conftest import TYPE

import evlog
from evlog import ranges

OTHER = "org.example.visit.v1"


def fill(log, count):
    log.send_many([(OTHER if i % 3 else TYPE, {"i": i}) for i in range(1, count + 1)])


def test_agrees_with_a_naive_twin(log):
    fill(log, 100)
    dice = random.Random(1)
    for _ in range(300):
        first = dice.choice([None, dice.randint(1, 110)])
        last = dice.choice([None, dice.randint(first or 1, 120)])
        types = dice.choice([None, TYPE, [TYPE, OTHER], "org.example.*", "org.nothing.*"])
        limit = dice.choice([None, dice.randint(1, 50)])
        reverse = dice.random() < 0.5
        wanted = [
            i
            for i in range(max(first or 1, 1), min(last or 100, 100) + 1)
            if types != "org.nothing.*" and (types != TYPE or i % 3 == 0)
        ]
        wanted = (wanted[::-1] if reverse else wanted)[:limit]
        events = log.events(first, last, types=types, limit=limit, reverse=reverse)
        assert [event.seq for event in events] == wanted


def test_by_time(log):
    fill(log, 3)
    middle = log[2].log_time
    assert len(list(log.events(since=middle))) >= 2
    assert list(log.events(since=datetime.now(timezone.utc) + timedelta(hours=1))) == []
    for until in (datetime(2000, 1, 1), datetime(1970, 1, 1)):
        assert list(log.events(until=until.replace(tzinfo=timezone.utc))) == []


def test_wrong_ranges_are_refused(log):
    fill(log, 3)
    with pytest.raises(evlog.InvalidError):
        log.events(3, 2)
    with pytest.raises(evlog.InvalidError):
        log.events(types="a b")
    with pytest.raises(evlog.InvalidError):
        log.events(since=datetime(2026, 1, 1))
    with pytest.raises(evlog.InvalidError, match="every type"):
        log.events(types=[])
    for name in ("from_", "to", "limit"):
        with pytest.raises(evlog.InvalidError, match="-1"):
            log.events(**{name: -1})


def test_ends_at_the_head_of_its_beginning(log):
    fill(log, 3)
    events = log.events()
    fill(log, 3)
    assert [event.seq for event in events] == [1, 2, 3]


def test_goes_on_where_it_was_left(log):
    fill(log, 10)
    events = log.events()
    assert next(events).seq == 1
    for event in events:
        if event.seq == 4:
            break
    assert next(events).seq == 5
    assert [event.seq for event in events] == [6, 7, 8, 9, 10]
    with pytest.raises(StopIteration):
        next(events)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_looking_ahead_in_a_loop_loses_nothing(log, every):
    fill(log, 10_000)
    events = log.events()
    seqs = []
    for event in events:
        seqs.append(event.seq)
        if event.seq % every == 0:
            seqs.extend(ahead.seq for ahead in [next(events, None)] if ahead)
    assert seqs == list(range(1, 10_001))


@pytest.mark.parametrize("reverse", [False, True])
def test_an_interrupt_loses_nothing(log, monkeypatch, reverse):
    fill(log, 10_000)
    events = log.events(reverse=reverse, limit=9000)
    take = ranges.Events._take
    calls = []

    def interrupted(self):
        calls.append(self)
        if len(calls) % 2:
            raise KeyboardInterrupt
        return take(self)

    monkeypatch.setattr(ranges.Events, "_take", interrupted)
    seqs = []
    while len(seqs) < 9000:
        with contextlib.suppress(KeyboardInterrupt):
            seqs.extend([next(events).seq])
            seqs.extend(event.seq for event in events)
    assert seqs == (list(range(10_000, 1000, -1)) if reverse else list(range(1, 9001)))
    assert len(calls) > 4


def test_backwards(log):
    fill(log, 3)
    assert [event.seq for event in reversed(log)] == [3, 2, 1]


def test_types_from_an_iterator_hold_for_all_of_a_range(log):
    fill(log, 30)
    expected = [seq for seq in range(1, 31) if seq % 3 == 0]
    assert [event.seq for event in log.events(types=iter([TYPE]))] == expected
    follow = log.follow(1, types=iter([TYPE]))
    assert [next(follow).seq for _ in expected] == expected
    fill(log, 3)
    assert next(follow).type == TYPE


def test_a_log_is_not_closed_while_another_thread_reads_a_range(path):
    log = evlog.open(path, durable=False)
    for _ in range(10):
        fill(log, 50_000)
    events = log.events(types="org.nothing")
    reading = threading.Thread(target=lambda: list(events))
    reading.start()
    refused = 0
    while reading.is_alive():
        try:
            log.close()
            break
        except evlog.BusyError:
            refused += 1
            time.sleep(0.001)
    reading.join()
    log.close()
    assert refused
    with evlog.open(path) as log:
        assert len(log) == 500_000


def test_an_event_larger_than_a_batch(path):
    with evlog.open(path, durable=False, data_size_max=4 << 20) as log:
        for size in (10, 1 << 20, 3 << 20, 10):
            log.send(TYPE, {"x": "x" * size})
        assert [len(event.data["x"]) for event in log] == [10, 1 << 20, 3 << 20, 10]


def test_events_outlive_their_range(log):
    fill(log, 1000)
    kept = list(log)
    gc.collect()
    assert [event.data["i"] for event in kept] == list(range(1, 1001))


def test_a_range_that_is_dropped_frees_the_log(path):
    log = evlog.open(path, durable=False)
    fill(log, 1000)
    next(log.events())
    iter(log.events())
    left = log.events()
    next(left)
    log.close()


def test_follow_gets_history_and_what_comes(log):
    fill(log, 3)
    seqs = []

    def follow():
        for event in log.follow(from_=2):
            seqs.append(event.seq)
            if event.seq == 6:
                return

    thread = threading.Thread(target=follow)
    thread.start()
    fill(log, 3)
    thread.join(20)
    assert seqs == [2, 3, 4, 5, 6]


def test_follow_begins_at_the_first(log):
    fill(log, 3)
    assert next(log.follow(0)).seq == 1


def test_what_could_not_be_read_is_read_later(log, monkeypatch):
    fill(log, 3)
    follow = log.follow(1)

    def busy(*_):
        raise evlog.BusyError("all reader slots are taken")

    with monkeypatch.context() as patch, pytest.raises(evlog.BusyError):
        patch.setattr(ranges, "Events", busy)
        next(follow)
    assert next(follow).seq == 1


def test_a_cancelled_follow_lets_its_log_be_closed(path):
    async def follow():
        with evlog.open(path, durable=False) as log:
            async for _ in log.follow():
                pass

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(follow(), 0.1))


def test_followers_leave_the_executor_to_others(log):
    async def follow():
        async for _ in log.follow():
            pass

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        tasks = [asyncio.ensure_future(follow()) for _ in range(20)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(loop.run_in_executor(None, int), 5) == 0
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    threads = threading.active_count()
    asyncio.run(main())
    while threading.active_count() > threads:  # they end by themselves
        time.sleep(0.01)


def test_others_have_their_turn_while_history_is_followed(log):
    fill(log, 20_000)

    async def main():
        turns = 0

        async def count():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.ensure_future(count())
        async for event in log.follow(1):
            if event.seq == 20_000:
                break
        task.cancel()
        return turns

    assert asyncio.run(main()) > 2


def test_async_follow(log):
    async def main():
        seqs = []

        async def follow():
            async for event in log.follow(types=TYPE):
                seqs.append(event.seq)
                if len(seqs) == 2:
                    return

        task = asyncio.ensure_future(follow())
        await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.get_running_loop().run_in_executor(None, fill, log, 3)
        await asyncio.wait_for(task, 20)
        return seqs

    assert asyncio.run(main()) == [3, 6]


def test_wait_has_a_limit(log):
    fill(log, 2)
    assert log.wait(1) == 2
    assert log.wait(2, 0) == 2
    assert log.wait(2, 0.01) == 2


def test_matches():
    assert evlog.matches(None, TYPE)
    assert evlog.matches("org.example.*", TYPE)
    assert evlog.matches(["*"], TYPE)
    assert not evlog.matches(["org.other.*", OTHER], TYPE)
