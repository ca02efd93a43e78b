"""Receivers: Python's functions that the library calls.

The library knows a receiver by a number, which it hands back as the context of the call; the
registry here finds the function. So a call for one that has gone finds nothing, and never memory
that was freed. No exception leaves through C: one is kept in the Dispatch of the call under way,
and reported to the library as a failure with its text.

What may read much of the log calls `python_visit` now and then, so that it can be interrupted.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from evlog._evlog import ffi, lib
from evlog.event import Event, flat

if TYPE_CHECKING:
    from evlog.handle import Handle

Receiver = Callable[[Event], Any]

_numbers = itertools.count(1)
_registry: dict[int, Registered] = {}


class Response(NamedTuple):
    """One receiver's answer: what it returned, or the exception that it raised."""

    receiver: Receiver
    response: Any


class Registered:
    """A function that the library may call, until it is forgotten."""

    def __init__(self, function: Receiver, handle: Handle) -> None:
        self.function = function
        self.handle = handle
        self.number = next(_numbers)
        _registry[self.number] = self

    def forget(self) -> None:
        """The library calls it no more."""
        _registry.pop(self.number, None)

    @property
    def context(self) -> Any:
        """What the library hands back."""
        return ffi.cast("void *", self.number)


class Dispatch:
    """One call of the library on this thread that calls receivers; they may be inside each other.

    What is not an Exception (KeyboardInterrupt, SystemExit) ends the dispatch: no receiver is
    called after it, and it is raised when the library has returned.
    """

    is_replay = False  # which may be of millions: only the first failure is kept
    fatal: Optional[BaseException] = None
    failure: Optional[BaseException] = None

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.seqs: list[int] = []

    def add(self, receiver: Receiver, seq: int, response: Any) -> None:
        """Keeps a receiver's answer."""
        if self.failure is None and isinstance(response, BaseException):
            self.failure = response
        if not self.is_replay:
            self.responses.append(Response(receiver, response))
            self.seqs.append(seq)

    def by_seq(self) -> dict[int, list[Response]]:
        """The answers to each of many events."""
        answers: dict[int, list[Response]] = {}
        for seq, response in zip(self.seqs, self.responses):
            answers.setdefault(seq, []).append(response)
        return answers


class _Thread(threading.local):
    def __init__(self) -> None:
        self.dispatches: list[Dispatch] = []
        self.interrupt: Optional[BaseException] = None


_thread = _Thread()


def begin() -> Dispatch:
    """Before a call of the library that calls receivers; `end` follows whatever happens."""
    dispatch = Dispatch()
    _thread.dispatches.append(dispatch)
    return dispatch


def end(dispatch: Dispatch) -> None:
    """After the call: raises what has ended the dispatch."""
    _thread.dispatches.pop()
    if dispatch.fatal is not None:
        raise dispatch.fatal


@contextmanager
def replaying() -> Iterator[Dispatch]:
    """The same, around a call that replays."""
    dispatch = begin()
    dispatch.is_replay = True
    try:
        yield dispatch
    finally:
        end(dispatch)


def _keep_fatal(kind: Any, exception: Any, traceback: Any) -> Any:
    """What was raised outside of the receiver itself: an interrupt as it began."""
    if _thread.dispatches:
        _thread.dispatches[-1].fatal = exception
    return 1


@ffi.def_extern(error=1, onerror=_keep_fatal)  # type: ignore[untyped-decorator]
def python_receive(c_event: Any, context: Any) -> int:
    """Calls the function that the context names with a copy of the event."""
    dispatch = _thread.dispatches[-1]
    registered = _registry.get(int(ffi.cast("uintptr_t", context)))
    if registered is None:
        return 0
    if dispatch.fatal is not None:
        return 1
    event = Event(flat(c_event), registered.handle)
    try:
        response = registered.function(event)
    except Exception as exception:
        dispatch.add(registered.function, event.seq, exception)
        return lib.evlog_fail(sentence(exception))  # type: ignore[no-any-return]
    except BaseException as exception:
        dispatch.fatal = exception
        return 1
    dispatch.add(registered.function, event.seq, response)
    return 0


def _keep_interrupt(kind: Any, exception: Any, traceback: Any) -> None:
    _thread.interrupt = exception


@ffi.def_extern(error=1, onerror=_keep_interrupt)  # type: ignore[untyped-decorator]
def python_visit(seq: int, context: Any) -> int:
    """A `visit` of the library's options: Python's signal handlers run as this begins.

    It also ends a replay with keep_going, in which a receiver was interrupted.
    """
    dispatches = _thread.dispatches
    return 1 if dispatches and dispatches[-1].fatal is not None else 0


def reraise() -> None:
    """After a call with `python_visit`: raises what has interrupted it."""
    interrupt, _thread.interrupt = _thread.interrupt, None
    if interrupt is not None:
        raise interrupt


def sentence(exception: BaseException) -> bytes:
    """What an exception says, for the record."""
    words = type(exception).__name__
    try:
        said = str(exception)
    except Exception as another:  # it is a program's own code
        said = f"its text cannot be had ({type(another).__name__})"
    if said:
        words = f"{words}: {said}"
    return words.encode("utf-8", "backslashreplace").replace(b"\0", b"\\0")
