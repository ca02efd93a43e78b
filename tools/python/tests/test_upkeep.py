"""Trimming, and what is known of space."""

import pytest
from conftest import TYPE

import evlog


def fill(log, count):
    log.send_many([(TYPE, {"i": i}) for i in range(1, count + 1)])


def test_trimming_drops_the_oldest(log):
    fill(log, 10)
    assert log.trim(6, preview=True) == evlog.Trimmed(1, 5, 0, 0, None)
    assert len(log) == 10
    assert log.trim(6) == evlog.Trimmed(1, 5, 5, 0, None)
    assert log.info().first_seq == 6
    assert [event.seq for event in log] == [6, 7, 8, 9, 10]
    assert len(log) == 6, "that it was trimmed is an event of the log's own"
    with pytest.raises(evlog.NotFoundError):
        log[5]
    assert log.trim(6) == evlog.Trimmed(0, 0, 0, 0, None)
    assert log.verify().is_whole


def test_what_a_consumer_needs_is_kept(log):
    fill(log, 10)
    with log.consumer("mailer") as consumer:
        consumer.done([consumer.next(0) for _ in range(3)][-1])
    for preview in (True, False):
        with pytest.raises(evlog.ConflictError, match="mailer still needs event 4"):
            log.trim(6, preview=preview)
    assert len(log) == 10
    assert log.trim(4).last_seq == 3
    assert log.trim(6, force=True, preview=True) == evlog.Trimmed(4, 5, 0, 4, "mailer")
    assert log[4].data == {"i": 4}
    assert log.trim(6, force=True) == evlog.Trimmed(4, 5, 2, 4, "mailer")
    with log.consumer("mailer", timeout=0) as consumer:
        assert [event.seq for event in consumer] == [6, 7, 8, 9, 10]
        [lost] = consumer.parked()
    assert (lost.seq, lost.last_seq, lost.is_lost) == (4, 5, True)


def test_info_says_what_waits_for_compacting(log, path, command):
    fill(log, 5000)
    info = log.info()
    assert (info.free_size, info.erased_waiting_count, info.unknown_entry_count) == (0, 0, 0)
    command("erase", path, 4999, 5000, "--reason", "on request", "--yes")
    log.trim(4000)
    info = log.info()
    assert info.erased_waiting_count == 2
    assert 0 < info.free_size < info.used_size <= info.file_size
