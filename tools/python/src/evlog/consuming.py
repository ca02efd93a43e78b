"""Consumers: named places in the log that outlive the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from math import ceil
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional, Union

from evlog import convert
from evlog._evlog import ffi, lib
from evlog.delivering import replays_code, set_start
from evlog.errors import BusyError, Error, ForkedError, InvalidError, ReceiverError, check, text
from evlog.event import Event, flat
from evlog.handle import SLICE_MS, Uses, patiently
from evlog.inspecting import Visit, keep_interrupt, visit
from evlog.receivers import sentence

if TYPE_CHECKING:
    from evlog.handle import Handle
    from evlog.log import Log
    from evlog.parking import Parked

_ON_FAILURE = {
    "park": lib.EVLOG_FAILURE_PARK,
    "stop": lib.EVLOG_FAILURE_STOP,
    "skip": lib.EVLOG_FAILURE_SKIP,
}
_NOTICES = {1: "caught up", 2: "fell behind", 3: "lost", 4: "parked", 5: "skipped"}


@dataclass(frozen=True)
class Notice:
    """What a consumer's owner may want to know."""

    kind: str
    """"caught up", "fell behind", "lost", "parked" or "skipped"."""
    first_seq: int
    last_seq: int
    text: str


class ConsumedEvent(Event):
    """An event that a consumer has handed out.

    `with event:` marks it as done at the end, or as failed by the exception that leaves the block;
    an Exception goes no further, since the event comes again or is parked.
    """

    __slots__ = ("_consumer",)
    _consumer: Consumer

    def __enter__(self) -> ConsumedEvent:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> bool:
        if exception is None:
            self._consumer.done(self)
            return False
        if not isinstance(exception, Exception):
            return False
        self._consumer.fail(self, exception)
        return True


class State(MutableMapping[Union[str, bytes], Any]):
    """A consumer's own small values by key; keys are str or bytes, values what MessagePack has.

    What is set while an event is handled becomes lasting in one transaction with the checkpoint that
    passes it, and is dropped when that event fails. What is lasting, for any process:
    `Log.consumer_state`. A str is the same key as its UTF-8, and iterating gives the str; a value that
    was read is a copy, so set it again when you have changed it. `len` and iterating read all keys.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def __getitem__(self, key: Union[str, bytes]) -> Any:
        raw = _key(key)

        def get(consumer: Any) -> bytes:
            value, size = ffi.new("const void **"), ffi.new("size_t *")
            _check(key, lib.evlog_state_get(consumer, raw, len(raw), value, size))
            return ffi.buffer(value[0], size[0])[:]  # type: ignore[no-any-return]

        return convert.unpack(self._consumer._run(get))

    def __setitem__(self, key: Union[str, bytes], value: Any) -> None:
        raw, packed = _key(key), convert.pack_any(value)
        check(self._consumer._run(lib.evlog_state_put, raw, len(raw), packed, len(packed)))

    def __delitem__(self, key: Union[str, bytes]) -> None:
        raw = _key(key)
        _check(key, self._consumer._run(lib.evlog_state_delete, raw, len(raw)))

    def __iter__(self) -> Iterator[Union[str, bytes]]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def __repr__(self) -> str:
        return f"<evlog.State of {self._consumer.name}>"

    def clear(self) -> None:
        """Deletes every key."""
        for key in self._keys():
            del self[key]

    def _keys(self) -> list[Union[str, bytes]]:
        keys: list[Union[str, bytes]] = []

        def add(pair: tuple[bytes, bytes]) -> None:
            keys.append(convert.text_or_bytes(pair[0]))

        def each(consumer: Any) -> Any:
            return visit(lib.evlog_state_each, lib.python_state, add, consumer)

        check(self._consumer._run(each))
        return keys


def _check(key: Union[str, bytes], code: int) -> None:
    if code == lib.EVLOG_NOTFOUND:
        raise KeyError(key)
    check(code)


def _key(key: Union[str, bytes]) -> bytes:
    return convert.utf8(key) if isinstance(key, str) else key


class _Notices(Visit):
    """The program's function for notices; what it raises is raised by the consumer's next call."""

    def take(self) -> Optional[BaseException]:
        """What the function raised, once."""
        failure, self._failure = self._failure, None
        return failure


@ffi.def_extern(onerror=keep_interrupt)  # type: ignore[untyped-decorator]
def python_notice(c: Any, context: Any) -> None:
    """evlog_consumer_options.notice."""
    kind = _NOTICES.get(c.kind, str(c.kind))
    ffi.from_handle(context).call(Notice(kind, c.first_seq, c.last_seq, text(c.text)))


class _Options:
    """An evlog_consumer_options, and what it points to."""

    def __init__(self, options: dict[str, Any], notices: Optional[_Notices]) -> None:
        self._types = convert.CTypes(options["types"])
        self.pointer = ffi.new("evlog_consumer_options *")
        c = self.pointer
        set_start(c, options["start"])
        c.no_create = not options["create"]
        c.types, c.type_count = self._types.array, self._types.count
        c.replay = replays_code(options["replays"])
        try:
            c.on_failure = _ON_FAILURE[options["on_failure"]]
        except KeyError:
            raise InvalidError('on_failure is "park", "stop" or "skip"') from None
        c.attempt_max = options["attempts"]
        c.backoff_ms = int(options["backoff"] * 1000)
        c.backoff_max_ms = int(options["backoff_max"] * 1000)
        c.commit_every = options["commit_every"]
        c.last_seq = options["to"]
        c.per_second, c.speed = options["per_second"], options["speed"]
        if notices is not None:
            c.notice, c.notice_ctx = lib.python_notice, notices.context


def _left_ms(end: Optional[float]) -> int:
    """How long to wait at once: what is left, never less, but no more than a slice; 0: it is over."""
    return SLICE_MS if end is None else max(0, min(ceil((end - monotonic()) * 1000), SLICE_MS))


class Consumer(Iterator[ConsumedEvent]):
    """A consumer that is open here, made by `Log.consumer`. One thread at a time uses it.

    Iterating waits for the next event and hands it out. It is done when the loop comes round to the
    next one, or when its `with event:` ends; it has failed when `with event:` sees an exception. What
    is not done when the consumer is closed, or its process dies, comes again.
    """

    def __init__(
        self,
        log: Log,
        name: str,
        options: dict[str, Any],
        wait: Optional[float],
        timeout: Optional[float],
        notice: Optional[Callable[[Notice], Any]],
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.state = State(self)
        """Small values of its own, that become lasting with its checkpoint."""
        self._log = log
        self._handle: Handle = log._live()
        self._out: Optional[ConsumedEvent] = None
        self._held: Optional[ConsumedEvent] = None  # handed out, but an exception came first
        self._pointer: Any = None
        self._uses = Uses()
        self._found = ffi.new("const evlog_event **")
        self._in_next = threading.Lock()  # until the event is copied
        self._stopping = threading.RLock()  # while `stop` or `close` uses the pointer
        self._notices = None if notice is None else _Notices(notice)
        self._options = _Options(options, self._notices)
        self._open(wait)

    def _open(self, wait: Optional[float]) -> None:
        """Opens it, and waits in slices for another process that has it."""
        made = ffi.new("evlog_consumer **")
        end = None if wait is None else monotonic() + wait
        while True:
            slice_ms = self._options.pointer.claim_wait_ms = _left_ms(end)
            try:
                patiently(
                    0 if slice_ms else self._handle.wait_s,
                    self._handle.run,
                    lib.evlog_consumer_open,
                    convert.c_text(self.name),
                    self._options.pointer,
                    made,
                )
            except BusyError:
                if not slice_ms:
                    raise
            else:
                self._pointer = made[0]
                return

    def _live(self) -> Any:
        """The library's handle, for one of the `_uses`."""
        pointer = self._pointer
        if pointer is None or self._handle.is_forked:
            raise self._gone(pointer)
        return pointer

    def _gone(self, pointer: Any) -> Error:
        if pointer is None:
            return InvalidError(f"the consumer {self.name} is closed")
        return ForkedError(f"the consumer {self.name} was opened before fork(): open it here")

    def _run(self, function: Any, *arguments: Any) -> Any:
        return self._uses.run(self._live, function, *arguments)

    def _call(self, function: Any, *arguments: Any) -> None:
        patiently(self._handle.wait_s, self._uses.run, self._live, function, *arguments)

    # ------------------------------------------------------------ events ----

    def next(self, timeout: Optional[float] = None) -> Optional[ConsumedEvent]:
        """The next event; None: there was none in `timeout` seconds, or it is paused.

        None waits without limit. It stays out until `done` or `fail` ends it.
        Raises StoppedError after `stop`.
        """
        end = None if timeout is None else monotonic() + timeout
        while True:
            event = self._next(_left_ms(end))
            if event is not None or (end is not None and monotonic() >= end):
                return event

    def _next(self, timeout_ms: int) -> Optional[ConsumedEvent]:
        if self._held is None:
            self._enter_next()
            try:
                self._found[0] = ffi.NULL
                self._call(lib.evlog_consumer_next, timeout_ms, self._found)
            finally:  # a signal handler may have raised when it was handed out
                self._held = self._copied(self._found[0])
                self._in_next.release()
            self._raise_notice()
        event, self._held = self._held, None
        return event

    def _enter_next(self) -> None:
        if self._pointer is None or self._handle.is_forked:
            raise self._gone(self._pointer)
        if not self._in_next.acquire(blocking=False):
            raise BusyError(f"the consumer {self.name} is waiting for an event, or takes one")

    def _copied(self, c_event: Any) -> Optional[ConsumedEvent]:
        if not c_event:
            return None
        event = ConsumedEvent(flat(c_event), self._handle)
        event._consumer = self
        return event

    def done(self, event: Union[Event, int]) -> None:
        """The event is done, and all that were handed out before it; a retried one, alone."""
        seq = event if isinstance(event, int) else event.seq
        if self._out is not None and self._out.seq == seq:
            self._out = None
        self._call(lib.evlog_consumer_done, seq)

    def fail(self, event: Union[Event, int], why: Union[BaseException, str, None] = None) -> None:
        """The event has failed: it comes again later, and after its last attempt `on_failure` holds.

        What was handed out after it comes again too. Raises ReceiverError with on_failure="stop".
        """
        seq = event if isinstance(event, int) else event.seq
        if self._out is not None and self._out.seq == seq:
            self._out = None
        words = ffi.NULL
        if isinstance(why, str):
            words = why.encode("utf-8", "backslashreplace").replace(b"\0", b"\\0")
        elif why is not None:
            words = sentence(why)
        try:
            self._call(lib.evlog_consumer_fail, seq, words)
        except Error as failure:
            if isinstance(failure, ReceiverError):
                self._held = None
            raise failure from (why if isinstance(why, BaseException) else None)
        self._held = None  # it was handed out later, so it comes again
        self._raise_notice()

    def commit(self) -> None:
        """Writes the checkpoint now. It is written by itself now and then, and by `close`."""
        self._call(lib.evlog_consumer_commit)

    def stop(self) -> None:
        """Ends the loop after its present event. From any thread, and from a signal handler."""
        with self._stopping:
            if self._pointer is not None and self._handle.is_open:
                lib.evlog_consumer_stop(self._pointer)

    def __iter__(self) -> Consumer:
        return self

    def __next__(self) -> ConsumedEvent:
        self._finish_last()
        try:
            event = self.next(self.timeout)
        except Error as failure:
            if failure.code == lib.EVLOG_STOPPED:
                raise StopIteration from None
            raise
        if event is None:
            raise StopIteration
        self._out = event
        return event

    def _finish_last(self) -> None:
        """The loop has come round: the event that it had is done, unless `with` has ended it."""
        if self._out is not None:
            self.done(self._out)

    def _raise_notice(self) -> None:
        failure = None if self._notices is None else self._notices.take()
        if failure is not None:
            raise failure

    # ------------------------------------------------------------ parked ----

    def parked(self) -> list[Parked]:
        """The events that it has set aside, by seq."""
        return self._log.parked(self.name)

    def retry(self, seq: int = 0) -> int:
        """Has a parked event, or with 0 all of them, handed out again; returns how many."""
        return self._log.retry(self.name, seq)

    # ----------------------------------------------------------- closing ----

    def close(self) -> None:
        """Writes the checkpoint, and gives the consumer up for other processes.

        Raises BusyError, and it stays open, in `notice`, and while another thread waits with it.
        """
        with self._stopping:
            if self._pointer is None or not self._handle.is_open:
                return
            self._enter_next()
            try:
                pointer, self._pointer = self._pointer, None
                if self._uses:
                    raise BusyError(f"the consumer {self.name} is in use")
                check(lib.evlog_consumer_close(pointer))
            except BusyError:
                self._pointer = pointer
                raise
            finally:
                self._in_next.release()
        self._out = self._held = None

    def __enter__(self) -> Consumer:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        pointer = getattr(self, "_pointer", None)
        if pointer is not None and self._handle.is_open:
            self._pointer = None
            lib.evlog_consumer_close(pointer)

    def __repr__(self) -> str:
        return f"<evlog.Consumer {self.name}>"
