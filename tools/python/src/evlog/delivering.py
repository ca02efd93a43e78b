"""Receivers of this process: connecting them, late ones too, and replaying ranges to them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional, Union

from evlog import convert
from evlog._evlog import ffi, lib
from evlog.errors import Error, InvalidError, ReceiverError, check, error
from evlog.ranges import SEQ_MAX, CRange, Range
from evlog.receivers import Dispatch, Receiver, Registered, replaying

if TYPE_CHECKING:
    from evlog.handle import Handle
    from evlog.log import Log


@dataclass(frozen=True)
class Last:
    """Where to begin: at the last `count` events of the types that are asked for."""

    count: int


Start = Union[str, int, datetime, Last]
"""Where to begin: "first", "new", a seq, a log time, or `Last(count)`."""

_REPLAYS = {
    "knowing": lib.EVLOG_REPLAY_KNOWING,
    "silent": lib.EVLOG_REPLAY_SILENT,
    "refuse": lib.EVLOG_REPLAY_REFUSE,
}


def set_start(options: Any, start: Start) -> None:
    """Fills in the start of an options struct, and the visit of the search for it."""
    options.visit = lib.python_visit
    if start == "first":
        options.start = lib.EVLOG_START_FIRST
    elif start == "new":
        options.start = lib.EVLOG_START_NEW
    elif isinstance(start, Last):
        options.start, options.start_count = lib.EVLOG_START_LAST, start.count
    elif isinstance(start, datetime):
        options.start = lib.EVLOG_START_TIME
        options.start_time_us = convert.microseconds(start)
    elif isinstance(start, int) and not isinstance(start, bool):
        options.start, options.start_seq = lib.EVLOG_START_SEQ, start
    else:
        raise InvalidError(f'start is "first", "new", a seq, a time or Last(count), not {start!r}')


def replays_code(replays: str) -> int:
    """The library's number for what a receiver does with replays."""
    try:
        return _REPLAYS[replays]  # type: ignore[no-any-return]
    except KeyError:
        raise InvalidError(f'replays is "knowing", "silent" or "refuse", not {replays!r}') from None


@dataclass(frozen=True)
class Outcome:
    """How far a replay, or the history of a late receiver, came."""

    delivered: int = 0
    """Receivers' calls that did not fail."""
    failed: int = 0
    skipped: int = 0
    """Events that nobody was connected to."""
    refused: int = 0
    """Calls that were not made: the receiver refuses replays."""
    damaged: int = 0
    """Seqs that could not be read."""
    last_seq: int = 0
    """Of the last event that was handed to a receiver; 0: none."""
    first_failed_seq: int = 0
    """The first that failed or was damaged; 0: none."""


def _outcome(c: Any) -> Outcome:
    return Outcome(*(getattr(c, field.name) for field in fields(Outcome)))


def _raise(code: int, outcome: Outcome, dispatch: Dispatch) -> None:
    """Raises what a call that delivered events ended with."""
    if not code:
        return
    failure: Error = error(code)
    failure.outcome = outcome
    if isinstance(failure, ReceiverError):
        raise failure from dispatch.failure
    raise failure


def _key(type: Optional[str], receiver: Optional[Receiver], uid: str) -> Hashable:
    """What a connection is known by, as in Django: its uid, or else the function."""
    if uid:
        return type, uid
    try:
        hash(receiver)
    except TypeError:
        return type, id(receiver)
    return type, receiver


@dataclass
class _Connection:
    registered: Registered
    type: Optional[str]
    uid: bytes
    replays: int

    def c_arguments(self, handle: Handle) -> tuple[Any, ...]:
        """What the library knows it by, for one of the handle's `uses`."""
        signal = ffi.NULL if self.type is None else handle.signal(self.type)
        return signal, self.uid, lib.python_receive, self.registered.context


class Connections:
    """The receivers that a Log has connected, in order."""

    def __init__(self) -> None:
        self._by_key: dict[Hashable, _Connection] = {}

    def connect(
        self,
        log: Log,
        type: Optional[str],
        receiver: Receiver,
        uid: str,
        start: Start,
        replays: str,
        keep_going: bool,
    ) -> Outcome:
        """See `Log.connect`."""
        key = _key(type, receiver, uid)
        options = ffi.new("evlog_connect_options *")
        set_start(options, start)
        options.replay = replays_code(replays)
        options.keep_going = keep_going
        c_outcome = ffi.new("evlog_outcome *")
        options.outcome = c_outcome
        handle = log._live()
        made = _Connection(Registered(receiver, handle), type, convert.c_text(uid), options.replay)
        if self._by_key.setdefault(key, made) is not made:
            made.registered.forget()
            return Outcome()
        try:
            with replaying() as dispatch:
                code = _connect(handle, made, options)
                _raise(code, _outcome(c_outcome), dispatch)
        except BaseException:
            self._drop(key, handle)
            raise
        return _outcome(c_outcome)

    def disconnect(
        self, log: Log, type: Optional[str], receiver: Optional[Receiver], uid: str
    ) -> bool:
        """See `Log.disconnect`."""
        return self._drop(_key(type, receiver, uid), log._live())

    def _drop(self, key: Hashable, handle: Handle) -> bool:
        connection = self._by_key.pop(key, None)
        if connection is None:
            return False
        connection.registered.forget()
        if handle.is_open:
            _disconnect(handle, connection)
        return True

    def connect_again(self, handle: Handle) -> None:
        """After `suspend`, or in a forked child on its own handle: as they were."""
        for connection in self._by_key.values():
            connection.registered.handle = handle
            options = ffi.new("evlog_connect_options *")
            options.replay = connection.replays
            check(_connect(handle, connection, options))

    def suspend(self, handle: Handle) -> None:
        """The log is about to be closed; another Log of this process may go on with it."""
        for connection in self._by_key.values():
            _disconnect(handle, connection)

    def forget(self) -> None:
        """The log was closed."""
        for connection in self._by_key.values():
            connection.registered.forget()
        self._by_key.clear()


def _connect(handle: Handle, connection: _Connection, options: Any) -> int:
    def connect(log: Any) -> int:
        return lib.evlog_connect(  # type: ignore[no-any-return]
            log, *connection.c_arguments(handle), options
        )

    return handle.run(connect)  # type: ignore[no-any-return]


def _disconnect(handle: Handle, connection: _Connection) -> int:
    def disconnect(log: Any) -> int:
        return lib.evlog_disconnect(  # type: ignore[no-any-return]
            log, *connection.c_arguments(handle)
        )

    return handle.run(disconnect)  # type: ignore[no-any-return]


def replay(log: Log, receiver: Optional[Receiver], range: Range) -> Outcome:
    """See `Log.replay`."""
    if receiver is None:
        return _replay(log, range, lib.evlog_replay_to_receivers)
    registered = Registered(receiver, log._live())

    def call(pointer: Any, c_range: Any, outcome: Any) -> int:
        return lib.evlog_replay(  # type: ignore[no-any-return]
            pointer, c_range, lib.python_receive, registered.context, outcome
        )

    try:
        return _replay(log, range, call)
    finally:
        registered.forget()


def _replay(log: Log, range: Range, call: Callable[[Any, Any, Any], int]) -> Outcome:
    first, last = range.within(log)
    if first > last:  # none: the library checks the rest of the range all the same
        first = last = SEQ_MAX
    c_range = CRange(range, first, last, range.limit)
    c_outcome = ffi.new("evlog_outcome *")
    with replaying() as dispatch:
        code = log._live().run(call, c_range.pointer, c_outcome)
        outcome = _outcome(c_outcome)
        _raise(code, outcome, dispatch)
    return outcome
