"""The library's log as one process has it: opened, called with patience, closed.

A Handle belongs to the process that made it. After fork() it is dead in the child, where nothing of
it may be touched; log.py then makes another one. A call that waits for another process is made in
slices of SLICE_MS, between which Python's signal handlers run.

The library frees a log that is closed. So whoever takes its pointer, or that of a signal, is one of its
`Uses` from before it takes it until its call has returned, and what is in use is not closed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Optional

from evlog import convert
from evlog._evlog import ffi, lib
from evlog.errors import BusyError, ForkedError, InvalidError, check, error
from evlog.receivers import reraise

SLICE_MS = 400

# How often this process was forked; and what guards the opening and closing of every log.
forks_now = 0
lock = threading.RLock()


def _after_fork() -> None:
    global forks_now, lock
    forks_now += 1
    lock = threading.RLock()  # the parent's may be held by a thread that the child does not have


os.register_at_fork(after_in_child=_after_fork)


def patiently(wait_s: float, function: Any, *arguments: Any) -> None:
    """Calls what gives up with EVLOG_BUSY after SLICE_MS again and again, for `wait_s` seconds.

    EVLOG_BUSY that comes sooner is not about waiting, and is raised at once.
    """
    began = monotonic()
    end = began + wait_s
    while True:
        code = function(*arguments)
        if not code:
            return
        now = monotonic()
        if code != lib.EVLOG_BUSY or now >= end or now - began < SLICE_MS / 2000:
            raise error(code)
        began = now


class Uses(set[object]):
    """The calls under way that use a pointer of the library, each by an object of its own.

    A call adds its object before it takes the pointer; closing takes the pointer away before it looks
    here. So a call finds no pointer, or is found. Adding and discarding are one step each.
    """

    def run(self, pointer: Callable[[], Any], function: Any, *arguments: Any) -> Any:
        """Calls a function with the pointer, and returns what it does, unless it was interrupted."""
        use = object()
        try:
            self.add(use)
            result = function(pointer(), *arguments)
        finally:
            self.discard(use)
        if result == 1:  # python_visit has ended the call
            reraise()
        return result


class Handle:
    """An open log of the C library."""

    def __init__(self, path: bytes, options: Any, wait_s: float) -> None:
        self.wait_s = wait_s
        self.forks = forks_now
        self._pointer: Any = None
        self._signals: dict[str, Any] = {}
        self.uses = Uses()
        log = ffi.new("evlog **")
        patiently(wait_s, lib.evlog_open, path, options, log)
        self._pointer = log[0]

    @property
    def is_forked(self) -> bool:
        """It is another process's."""
        return self.forks != forks_now

    @property
    def is_open(self) -> bool:
        """It can be used."""
        return self._pointer is not None and self.forks == forks_now

    @property
    def was_closed(self) -> bool:
        """It was closed, here or before the fork."""
        return self._pointer is None

    def pointer(self) -> Any:
        """The library's handle, for one of its `uses`."""
        pointer = self._pointer
        if pointer is None:
            with lock:  # when it cannot be closed, it is there again
                pointer = self._pointer
        if pointer is None:
            raise InvalidError("the log is closed")
        if self.forks != forks_now:
            raise ForkedError("the log was opened before fork()")
        return pointer

    def run(self, function: Any, *arguments: Any) -> Any:
        """Calls a function whose first argument is the library's handle, and returns what it does."""
        return self.uses.run(self.pointer, function, *arguments)

    def call(self, function: Any, *arguments: Any) -> None:
        """Calls a function of the library whose first argument is the log, patiently."""
        patiently(self.wait_s, self.uses.run, self.pointer, function, *arguments)

    def check_unused(self) -> None:
        """Raises BusyError while a call uses it."""
        if self.uses:
            raise BusyError(
                "the log is in use, by another thread or by what calls this: close it later"
            )

    def close(self) -> None:
        """Closes it once; in a forked child there is nothing to close.

        The pointers are forgotten first: a thread that comes later finds the log closed.
        """
        with lock:
            if not self.is_open:
                return
            pointer, self._pointer = self._pointer, None
            signals, self._signals = self._signals, {}
            try:
                self.check_unused()
                patiently(self.wait_s, lib.evlog_close, pointer)
            except BusyError:
                self._pointer, self._signals = pointer, signals
                raise

    def define(self, type: str, schema: Optional[bytes], minor_version: int) -> Any:
        """Defines a signal, and keeps it by its type."""
        signal = ffi.new("evlog_signal **")

        def define(log: Any) -> int:
            text = ffi.NULL if schema is None else schema
            code: int = lib.evlog_define(log, convert.c_text(type), minor_version, text, signal)
            if code == 0:
                self._signals[type] = signal[0]
            return code

        self.call(define)
        return signal[0]

    def signal(self, type: str) -> Any:
        """The signal of a type, for one of the `uses`.

        It is defined as the log knows it when it is not defined yet.
        """
        signal = self._signals.get(type)
        if signal is not None and self.forks == forks_now:
            return signal
        found = ffi.new("evlog_signal **")
        if lib.evlog_signal_by_type(self.pointer(), convert.c_text(type), found):
            return self.define(type, None, 0)
        self._signals[type] = found[0]
        return found[0]

    def avro_encode(self, schema: Any, packed: Any) -> bytes:
        """MessagePack as Avro's bytes under a schema of this log."""

        def encode(log: Any) -> bytes:
            if schema == ffi.NULL or packed is None:
                raise InvalidError("it has no schema" if packed is not None else "it was erased")
            buffer = ffi.new("evlog_buffer *")
            check(lib.evlog_avro_encode(schema, ffi.from_buffer(packed), len(packed), buffer))
            return _taken(buffer)

        return self.run(encode)  # type: ignore[no-any-return]

    def avro_decode(self, type: str, avro: bytes) -> bytes:
        """Avro's bytes as MessagePack, under the schema that the type is sent under here."""

        def decode(log: Any) -> bytes:
            schema = lib.evlog_signal_schema(self.signal(type))
            if schema == ffi.NULL:
                raise InvalidError(f"{type} has no schema")
            buffer = ffi.new("evlog_buffer *")
            check(lib.evlog_avro_decode(schema, avro, len(avro), buffer))
            return _taken(buffer)

        return self.run(decode)  # type: ignore[no-any-return]


def _taken(buffer: Any) -> bytes:
    """What the library made, which is freed."""
    taken: bytes = ffi.buffer(buffer.data, buffer.size)[:]
    lib.evlog_buffer_free(buffer)
    return taken
