"""The events of a range, and waiting for those that come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional

from evlog import convert
from evlog._evlog import ffi, lib
from evlog.errors import (
    BusyError,
    DamagedError,
    Error,
    InvalidError,
    check,
    error,
    text,
)
from evlog.event import UNREAD, Event, flat
from evlog.handle import SLICE_MS
from evlog.receivers import reraise

if TYPE_CHECKING:
    from evlog.log import Log

SEQ_MAX = (1 << 64) - 1
# Seqs that are followed at once, at most: then the event loop has its turn.
PART = 4096


@dataclass(frozen=True)
class Range:
    """Which events, in which order. Seqs are included; None is no bound."""

    first: Optional[int] = None
    last: Optional[int] = None
    since: Optional[datetime] = None
    until: Optional[datetime] = None
    types: convert.Types = None
    limit: Optional[int] = None
    reverse: bool = False
    keep_going: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", convert.type_names(self.types))
        for number in (self.first, self.last, self.limit):
            if number is not None and number < 0:
                raise InvalidError(f"{number} in a range: seqs and limits are not negative")
        if self.first is not None and self.last is not None and self.first > self.last:
            raise InvalidError(f"a range from {self.first} to {self.last}")

    def within(self, log: Log) -> tuple[int, int]:
        """Its first and last seq in the log as it is now; the first is after the last: there is none."""
        first_kept, head = log.bounds()
        last = head if self.last is None else min(self.last, head)
        return max(self.first or 1, first_kept, 1), 0 if self.limit == 0 else last


def matches(types: convert.Types, event_type: str) -> bool:
    """Whether an event type is among `types`, as `Log.events` takes them; None: every type is."""
    wanted = convert.CTypes(types)
    return lib.evlog_type_matches(  # type: ignore[no-any-return]
        wanted.array, wanted.count, convert.c_text(event_type)
    )


class CRange:
    """A Range between two seqs as the library takes it."""

    def __init__(self, range: Range, first: int, last: int, limit: Optional[int]) -> None:
        self._types = convert.CTypes(range.types)
        self.pointer = ffi.new("evlog_range *")
        c = self.pointer
        c.first_seq, c.last_seq = first, last
        c.since_us = 0 if range.since is None else convert.microseconds(range.since)
        c.until_us = 0 if range.until is None else convert.microseconds(range.until) or -1
        c.types, c.type_count = self._types.array, self._types.count
        c.limit = limit or 0
        c.newest_first = range.reverse
        c.keep_going = range.keep_going
        c.visit = lib.python_visit


class Events(Iterator[Event]):
    """The events of a range, up to the head of the log as it was when this was made.

    Where the log is damaged, `DamagedError` is raised with the seqs that cannot be read; iterating
    again goes on behind them. It is used by one thread at a time.
    """

    def __init__(self, log: Log, range: Range) -> None:
        self._log = log
        self._range = range
        self._first, self._last = range.within(log)
        self._left = range.limit
        self._raw = b""
        self._spans: Iterator[tuple[int, int]] = iter(())  # of the events in `_raw`
        self._failure: Optional[Error] = None
        self._filling = threading.Lock()  # while the batch is used, which another thread may close
        self._filler = 0  # the thread that has the lock
        self._batch: Any = None  # a flat_batch, with a cursor on `_first` to `_last`
        self._handle: Any = None
        log._cursors.add(self)
        if not self._is_over():
            self._open_batch()

    def __iter__(self) -> Iterator[Event]:
        new = Event.__new__
        while True:
            raw, handle, spans = self._raw, self._handle, self._spans
            for start, end in spans:
                event = new(Event)
                event._raw = raw[start:end]
                event._handle = handle
                event._data = UNREAD
                yield event
            # Another iterator of the same range may have gone on meanwhile.
            if self._spans is spans and not self._fill():
                return

    def __next__(self) -> Event:
        for event in self:
            return event
        raise StopIteration

    def close(self) -> None:
        """Ends it, and frees what it holds. Raises BusyError while another thread reads it."""
        self._release(True)

    def _release(self, is_over: bool) -> None:
        """Frees what it holds. Where it is not over, reading on needs the log to be open."""
        if not self._filling.acquire(blocking=False):
            raise BusyError("another thread reads a range")
        try:
            if is_over:
                self._first, self._last = 1, 0
                self._spans = iter(())
            self._close_batch()
        finally:
            self._filling.release()

    def __del__(self) -> None:
        if getattr(self, "_batch", None) is not None:
            self._close_batch()

    def _close_batch(self) -> None:
        batch, self._batch = self._batch, None
        if batch is not None and self._handle.is_open:
            lib.flat_batch_close(batch)

    def _is_over(self) -> bool:
        return self._first > self._last or self._left == 0

    def _open_batch(self) -> None:
        self._handle = self._log._live()
        batch = ffi.new("flat_batch **")
        range = CRange(self._range, self._first, self._last, self._left)
        check(self._handle.run(lib.flat_batch_open, range.pointer, batch))
        self._batch = batch[0]

    def _move_past(self, seq: int) -> None:
        if self._range.reverse:
            self._last = min(self._last, seq - 1)
        else:
            self._first = max(self._first, seq + 1)

    def _fill(self) -> bool:
        """Reads more events into `_raw`; False: there are no more."""
        if self._filler == threading.get_ident():
            raise BusyError("a signal handler uses a range that it has interrupted")
        with self._filling:
            try:
                self._filler = threading.get_ident()
                return self._fill_alone()
            finally:
                self._filler = 0

    def _fill_alone(self) -> bool:
        while True:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._batch is not None and not self._handle.is_open:
                self._batch = None  # it was opened before a fork, and is the parent's
            if self._batch is None:
                if self._is_over():
                    return False
                self._open_batch()
            lib.flat_batch_fill(self._batch)
            reraise()
            if self._take():
                return True

    def _take(self) -> bool:
        """Takes what the batch has: events, then perhaps a failure; False: no events.

        A signal handler may raise before the batch is marked as taken: then it is taken again.
        """
        batch = self._batch
        count: int = batch.count
        raw = ffi.buffer(batch.bytes, batch.used_size)[:]
        ends: list[int] = ffi.unpack(batch.ends, count)
        starts = [0, *ends[:-1]]
        if count:
            self._move_past(Event(raw[starts[-1] :], self._handle).seq)
        spans, failure = zip(starts, ends), self._failed(batch)
        self._raw, self._spans, self._failure = raw, spans, failure
        if self._left is not None:
            self._left -= count
        batch.is_untaken = False
        if batch.at_end:
            self._first, self._last = 1, 0
            self._close_batch()
        return count > 0

    def _failed(self, batch: Any) -> Optional[Error]:
        """What has ended a batch before its range."""
        if batch.result == lib.EVLOG_DAMAGED:
            self._move_past(batch.damage_first if self._range.reverse else batch.damage_last)
            return DamagedError(text(batch.message), batch.damage_first, batch.damage_last)
        return error(batch.result, text(batch.message)) if batch.result else None


class Follow(Iterator[Event], AsyncIterator[Event]):
    """The events from a place in the log on, and those that come, without an end.

    With `for`, or with `async for`, which waits in a thread of its own.
    """

    def __init__(self, log: Log, first: Optional[int], types: convert.Types) -> None:
        self._log = log
        self._types = Range(first, types=types).types
        self._next = log.bounds()[1] + 1 if first is None else max(first, 1)
        self._events: Iterator[Event] = iter(())
        self._thread: Optional[ThreadPoolExecutor] = None  # which ends when this is dropped

    def __next__(self) -> Event:
        while True:
            for event in self._events:
                return event
            self._look(self._wait())

    async def __anext__(self) -> Event:
        while True:
            for event in self._events:
                return event
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "evlog-follow")
            waiting = asyncio.get_running_loop().run_in_executor(self._thread, self._wait)
            try:
                self._look(await asyncio.shield(waiting))
            except asyncio.CancelledError:
                await asyncio.wait([waiting])  # its thread uses the log, which may be closed next
                raise

    def _wait(self) -> int:
        """Waits for a slice of time, and returns the head of the log."""
        return self._log.wait(self._next - 1, SLICE_MS / 1000)

    def _look(self, head: int) -> None:
        if head >= self._next:
            last = min(head, self._next + PART - 1)
            self._events = Events(self._log, Range(self._next, last, types=self._types))
            self._next = last + 1


def find(log: Log, id: bytes) -> Event:
    """The newest event with an id."""
    handle = log._live()
    found = ffi.new("evlog_event **")
    check(handle.run(lib.evlog_find, id, CRange(Range(), 0, 0, None).pointer, found))
    try:
        return Event(flat(found[0]), handle)
    finally:
        lib.evlog_event_free(found[0])
