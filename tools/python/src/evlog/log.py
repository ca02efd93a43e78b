"""The log."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar, Union
from weakref import WeakSet

from evlog import convert, delivering, handle, inspecting, parking, sending, upkeep
from evlog._evlog import ffi, lib
from evlog.consuming import Consumer, Notice
from evlog.delivering import Connections, Outcome, Start
from evlog.errors import BusyError, NotFoundError, check
from evlog.event import Event, flat
from evlog.handle import SLICE_MS, Handle
from evlog.ranges import SEQ_MAX, Events, Follow, Range, find
from evlog.receivers import Receiver
from evlog.sending import DISPATCH, Conditions, Sending, Sent

_T = TypeVar("_T")

_DURABILITY = {
    None: lib.EVLOG_DURABILITY_DEFAULT,
    True: lib.EVLOG_DURABLE,
    False: lib.EVLOG_FAST,
}


def open(
    path: Union[str, os.PathLike[str]],
    durable: Optional[bool] = None,
    read_only: bool = False,
    *,
    create: bool = True,
    source: Optional[str] = None,
    service: Optional[str] = None,
    sourcehost: Optional[str] = None,
    robust: Optional[bool] = None,
    wait: float = 10.0,
    data_size_max: int = 0,
    log_size_max: int = 0,
    readers_max: int = 0,
    flush_every_ms: int = 0,
) -> Log:
    """Opens the log in the directory `path`, and makes it when it does not exist.

    `durable`: True, what was sent survives a power cut; False, the death of every process, and a
    power cut 100 ms later (`flush_every_ms`). A log keeps what it was made with; None is what it is,
    and durable for a new one.

    `source`, or else `service`, and `sourcehost` say where the events come from that are sent here.
    `robust` is the default of `Log.send`. `wait` is the longest time, in seconds, that a call waits
    for another process; then it is BusyError, which names the process. `data_size_max` is the most
    bytes of one event's data (default 1 MiB), `log_size_max` of the log.

    Raises NotFoundError (no log there, and `create` is False or `read_only` True), ConflictError
    (durable, and the log is not), UnsupportedError (no log, or a network file system), DamagedError.
    """
    return Log(
        path,
        durable=durable,
        read_only=read_only,
        create=create,
        source=source,
        service=service,
        sourcehost=sourcehost,
        robust=robust,
        wait=wait,
        data_size_max=data_size_max,
        log_size_max=log_size_max,
        readers_max=readers_max,
        flush_every_ms=flush_every_ms,
    )


def _listed(items: WeakSet[_T]) -> list[_T]:
    """What is in a set that another thread may add to."""
    while True:
        with contextlib.suppress(RuntimeError):
            return list(items)


class _Options:
    """An evlog_options, and what it points to."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._kept: list[Any] = []
        self.pointer = ffi.new("evlog_options *")
        c = self.pointer
        c.durability = _DURABILITY[options["durable"]]
        c.read_only = options["read_only"]
        c.no_create = not options["create"]
        c.dispatch = DISPATCH[options["robust"]]
        c.wait_ms = SLICE_MS
        for name in ("source", "service", "sourcehost"):
            setattr(c, name, self._text(options[name]))
        for name in ("data_size_max", "log_size_max", "readers_max", "flush_every_ms"):
            setattr(c, name, options[name])

    def _text(self, value: Optional[str]) -> Any:
        if value is None:
            return ffi.NULL
        pointer = ffi.new("char[]", convert.c_text(value))
        self._kept.append(pointer)
        return pointer


class Log:
    """An open log, made by `evlog.open`.

    Many threads may use it at once. After fork() the child's first call opens it again there, with
    the types that were defined and the receivers that were connected. It is a context manager,
    which closes it.

    `len(log)` is how many events it holds, `log[seq]` reads one, `log[-1]` the last; iterating gives
    all of them.
    """

    def __init__(self, path: Union[str, os.PathLike[str]], **options: Any) -> None:
        self.path = os.fspath(path)
        self._c_path = convert.c_path(self.path)
        self._options = options
        self._definitions: dict[str, tuple[Optional[bytes], int]] = {}
        self._defines_openedx = False
        self._disabled: set[str] = set()
        self._connections = Connections()
        self._cursors: WeakSet[Events] = WeakSet()
        self._consumers: WeakSet[Consumer] = WeakSet()
        self._handle = self._open()

    def _open(self) -> Handle:
        options = _Options(self._options)
        return Handle(self._c_path, options.pointer, self._options["wait"])

    def _live(self) -> Handle:
        """The library's handle, of this process: after a fork another one."""
        if self._handle.forks != handle.forks_now:
            with handle.lock:
                if self._handle.is_forked:
                    self._handle = self._reopen()
        return self._handle

    def _reopen(self) -> Handle:
        """In a forked child: the log anew, as it was in the parent."""
        if self._handle.was_closed:
            return self._handle
        fresh = self._open()
        try:
            self._restore(fresh)
        except BaseException:
            fresh.close()
            raise
        return fresh

    def _restore(self, fresh: Handle) -> None:
        if self._defines_openedx:
            fresh.call(lib.evlog_define_openedx)
        for type, (schema, minor_version) in self._definitions.items():
            fresh.define(type, schema, minor_version)
        for type in self._disabled:
            self._switch(fresh, lib.evlog_signal_disable, type)
        self._connections.connect_again(fresh)

    # ----------------------------------------------------------- closing ----

    def close(self) -> None:
        """Closes it, with its consumers, and ranges that were not read to their ends. Again does nothing.

        Who reads on in such a range is told so, by InvalidError.
        Raises BusyError inside a receiver, or while another thread uses it; then it stays open.
        """
        with handle.lock:
            if not self._handle.is_open:
                return
            self._handle.check_unused()
            for cursor in _listed(self._cursors):
                cursor._release(False)
            for consumer in _listed(self._consumers):
                consumer.close()
            self._connections.suspend(self._handle)
            try:
                self._handle.close()
            except BusyError:
                self._connections.connect_again(self._handle)
                raise
            self._connections.forget()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None and self._handle.is_open:
            with contextlib.suppress(Exception):
                self.close()

    def __repr__(self) -> str:
        return f"<evlog.Log {self.path!r}>"

    def sync(self) -> None:
        """Makes everything that was sent so far survive a power cut; a durable log is so already."""
        self._live().call(lib.evlog_sync)

    # ----------------------------------------------------------- sending ----

    def define(
        self,
        type: str,
        schema: Union[str, Mapping[str, Any], None] = None,
        minor_version: int = 0,
    ) -> None:
        """Defines an event type here, and records it in the log.

        `schema` is Avro's, as JSON or as a dict: all data are checked against it before they are
        appended. None: as the log knows the type, or else any data. A type need not be defined to be
        sent or received: then it is as if with None.

        Raises ConflictError when older events of the type could not be read under the schema.
        """
        text = None if schema is None else convert.schema_text(schema)
        self._live().define(type, text, minor_version)
        self._definitions[type] = (text, minor_version)

    def has_defined(self, type: str) -> bool:
        """Whether `define` was called for this type, on this object."""
        return type in self._definitions

    def define_openedx(self) -> None:
        """Defines the 75 event types of openedx-events 11.2, with their schemas."""
        self._live().call(lib.evlog_define_openedx)
        self._defines_openedx = True

    def send(
        self,
        type: str,
        data: convert.Data,
        *,
        id: Optional[uuid.UUID] = None,
        time: Optional[datetime] = None,
        headers: Optional[Mapping[str, str]] = None,
        source: Optional[str] = None,
        sourcehost: Optional[str] = None,
        sourcelib: Optional[str] = None,
        minorversion: int = 0,
        from_event_bus: bool = False,
        robust: Optional[bool] = None,
        after: int = 0,
        unless_id: bool = False,
        unless_any: bool = False,
        unless_types: convert.Types = None,
    ) -> Sent:
        """Appends an event to the log, and then calls the receivers of its type in this process.

        `data` is a dict of what MessagePack has: None, bool, int, float, str, bytes, list, dict. An
        aware datetime and a UUID become their text. bytes are taken as MessagePack of a dict.
        The other arguments are metadata of your own instead of those that are made. `headers` is
        a few texts that go with the event. `robust` False: the first receiver that fails ends the
        dispatch.

        A send with conditions does nothing when one does not hold for the events after the seq
        `after`, looked at inside the transaction that appends: `unless_id`, the event's id is among
        them (no error: `Sent.was_there`); `unless_any`, there are any; `unless_types`, there are any
        of these types (ConflictError).

        Raises ReceiverError when a receiver failed: then the event is in the log. After every other
        exception it is not, and no receiver ran: InvalidError (the data, with each wrong field),
        ConflictError, LimitError, ReadOnlyError, FullError, BusyError; after IoError see its text.
        """
        is_conditional = after or unless_id or unless_any or unless_types is not None
        has_metadata = id or time or headers or source or sourcehost or sourcelib or minorversion
        if not (is_conditional or has_metadata or from_event_bus) and robust is None:
            return sending.send(self._live(), type, data, ffi.NULL)
        conditions = None
        if is_conditional:
            conditions = Conditions(after, unless_id, unless_any, unless_types)
        one = Sending(
            type,
            data,
            id,
            time,
            headers,
            source,
            sourcehost,
            sourcelib,
            minorversion,
            from_event_bus,
        )
        return sending.send_with(self._live(), one, robust, conditions)

    def send_many(
        self,
        events: Iterable[Union[Sending, tuple[str, convert.Data]]],
        *,
        robust: Optional[bool] = None,
        after: int = 0,
        unless_id: bool = False,
        unless_any: bool = False,
        unless_types: convert.Types = None,
    ) -> list[Sent]:
        """Appends many events, all or none, side by side in one commit, and then dispatches them.

        Each is a `Sending`, or `(type, data)`. Much faster than single sends. The other arguments
        and the exceptions are those of `send`.
        """
        conditions = None
        if after or unless_id or unless_any or unless_types is not None:
            conditions = Conditions(after, unless_id, unless_any, unless_types)
        return sending.send_many(self._live(), events, robust, conditions)

    def from_avro(self, type: str, avro: bytes) -> bytes:
        """Avro's binary encoding, under the schema that the type has here, as `send` takes it."""
        return self._live().avro_decode(type, avro)

    def enable(self, type: str) -> None:
        """Takes back `disable`."""
        self._switch(self._live(), lib.evlog_signal_enable, type)
        self._disabled.discard(type)

    def disable(self, type: str) -> None:
        """From now on a send of this type does nothing in this process, and returns seq 0."""
        self._switch(self._live(), lib.evlog_signal_disable, type)
        self._disabled.add(type)

    def _switch(self, owner: Handle, function: Any, type: str) -> None:
        owner.run(lambda log: function(owner.signal(type)))

    # ----------------------------------------------------------- reading ----

    def events(
        self,
        from_: Optional[int] = None,
        to: Optional[int] = None,
        *,
        since: Optional[datetime] = None,
        until: Optional[datetime] = None,
        types: convert.Types = None,
        limit: Optional[int] = None,
        reverse: bool = False,
    ) -> Events:
        """The events of a range, in order, up to the log's last one as it is now.

        `from_` and `to` are seqs, `since` and `until` log times, all included. `types` are event
        types, or beginnings of one: `org.openedx.learning.*`. `reverse`: the newest first, of which
        `limit` then is the number. Where the log is damaged, iterating raises DamagedError; iterating
        over the same object again goes on behind it.
        """
        return Events(self, Range(from_, to, since, until, types, limit, reverse))

    def follow(self, from_: Optional[int] = None, *, types: convert.Types = None) -> Follow:
        """The events from seq `from_` on, then those that any process sends; it does not end.

        None is those that are sent from now on. For `for` and for `async for`.
        """
        return Follow(self, from_, types)

    def find(self, id: uuid.UUID) -> Event:
        """The newest event with this id. It reads from the end of the log until it is found.

        Raises NotFoundError; DamagedError: not found, and some events could not be read.
        """
        return find(self, id.bytes)

    def wait(self, seq: int, timeout: Optional[float] = None) -> int:
        """Waits until the log has an event after `seq`, for at most `timeout` seconds.

        Returns the log's last seq, which is not after `seq` when the time was up.
        """
        end = None if timeout is None else monotonic() + timeout
        last = ffi.new("uint64_t *")
        while True:
            left = SLICE_MS / 1000 if end is None else end - monotonic()
            slice_ms = max(0, min(SLICE_MS, int(left * 1000)))
            check(self._live().run(lib.evlog_wait, seq, slice_ms, last))
            if last[0] > seq or (end is not None and monotonic() >= end):
                return last[0]  # type: ignore[no-any-return]

    def bounds(self) -> tuple[int, int]:
        """The first and the last seq; 0, 0 when it is empty."""
        info = ffi.new("evlog_info *")
        self._live().call(lib.evlog_inspect, info)
        return info.first_seq, info.last_seq

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events())

    def __reversed__(self) -> Iterator[Event]:
        return iter(self.events(reverse=True))

    def __getitem__(self, seq: int) -> Event:
        if seq < 0:
            seq += self.bounds()[1] + 1
        found = ffi.new("evlog_event **")
        owner = self._live()
        if not 0 <= seq <= SEQ_MAX:
            raise NotFoundError(f"the log has no event {seq}")
        owner.call(lib.evlog_read, seq, found)
        try:
            return Event(flat(found[0]), owner)
        finally:
            lib.evlog_event_free(found[0])

    def __len__(self) -> int:
        first, last = self.bounds()
        return last - first + 1 if last else 0

    def __bool__(self) -> bool:
        return True

    # --------------------------------------------------------- receiving ----

    def connect(
        self,
        type: Optional[str],
        receiver: Receiver,
        *,
        uid: str = "",
        start: Start = "new",
        replays: str = "knowing",
        keep_going: bool = False,
    ) -> Outcome:
        """Calls `receiver(event)` for what this process sends from now on; type None: of every type.

        Receivers run in the order of connection, on the thread that sends. A receiver is known by
        its `uid`, or else by the function: connecting it again changes nothing. It is kept alive.

        With a `start` ("first", a seq, a time, `Last(count)`) it is a late one: it first gets the
        events from there on, on this thread, with `is_replay` True. `replays` is "knowing", "silent"
        (`is_replay` is False) or "refuse" (it gets none). When it fails in the history, it is
        disconnected, and this is ReceiverError; with `keep_going` failures are counted instead.
        """
        return self._connections.connect(self, type, receiver, uid, start, replays, keep_going)

    def receiver(self, type: Optional[str], **options: Any) -> Callable[[Receiver], Receiver]:
        """A decorator: `@log.receiver("org.example.visit.v1")` connects the function."""

        def connect(function: Receiver) -> Receiver:
            self.connect(type, function, **options)
            return function

        return connect

    def disconnect(
        self, type: Optional[str], receiver: Optional[Receiver] = None, *, uid: str = ""
    ) -> bool:
        """Takes back `connect`; False: it was not connected."""
        return self._connections.disconnect(self, type, receiver, uid)

    def replay(
        self,
        receiver: Optional[Receiver] = None,
        from_: Optional[int] = None,
        to: Optional[int] = None,
        *,
        since: Optional[datetime] = None,
        until: Optional[datetime] = None,
        types: convert.Types = None,
        limit: Optional[int] = None,
        reverse: bool = False,
        keep_going: bool = False,
    ) -> Outcome:
        """Calls `receiver` for each event of a range, or else the receivers that are connected here.

        The events have their own ids and times, and `is_replay` is True. The range is that of
        `events`. A failure ends it with ReceiverError, and damage with DamagedError, whose `outcome`
        says how far it came; with `keep_going` they are counted.
        """
        range = Range(from_, to, since, until, types, limit, reverse, keep_going)
        return delivering.replay(self, receiver, range)

    # --------------------------------------------------------- consumers ----

    def consumer(
        self,
        name: str,
        *,
        types: convert.Types = None,
        start: Start = "first",
        timeout: Optional[float] = None,
        wait: Optional[float] = 0.0,
        create: bool = True,
        attempts: int = 3,
        backoff: float = 0.1,
        backoff_max: float = 30.0,
        on_failure: str = "park",
        replays: str = "knowing",
        commit_every: int = 0,
        to: int = 0,
        per_second: float = 0.0,
        speed: float = 0.0,
        notice: Optional[Callable[[Notice], Any]] = None,
    ) -> Consumer:
        """Opens a consumer: a place in the log with a name, which outlives the process.

            with log.consumer("mailer", types="org.example.*") as consumer:
                for event in consumer:
                    with event:
                        mail(event.data)

        A new one begins at `start` ("first", "new", a seq, a log time, `Last(count)`), an existing one
        goes on at its checkpoint; `types` are kept with it. Its loop ends when there was no event for
        `timeout` seconds (None: never; 0: when it has had what there is), or by `Consumer.stop`.

        One process at a time has a consumer. `wait` is how long, in seconds, to wait for one that
        another process has (None: as long as it takes; so a second process stands by): then
        BusyError names it.

        An event that fails comes again after `backoff` seconds, doubled each time up to
        `backoff_max`. When it has failed `attempts` times, it is parked and the next one comes;
        or `on_failure` is "stop" (ReceiverError, and it comes again) or "skip". `replays`: see
        `connect`. The checkpoint is written every `commit_every` events (0: 4096), when the loop
        waits, and when the consumer is closed. `notice` is called with a `Notice`.

        For a backfill: it is given no event after seq `to`, at most `per_second` events a second,
        and history at `speed` times the pace at which it was logged (1: as it was; 0: no waiting).
        `timeout` is then to be longer than the time between two events.
        """
        options = {
            "types": types,
            "start": start,
            "create": create,
            "attempts": attempts,
            "backoff": backoff,
            "backoff_max": backoff_max,
            "on_failure": on_failure,
            "replays": replays,
            "commit_every": commit_every,
            "to": to,
            "per_second": per_second,
            "speed": speed,
        }
        made = Consumer(self, name, options, wait, timeout, notice)
        self._consumers.add(made)
        return made

    def consumers(self) -> list[parking.ConsumerInfo]:
        """The consumers of the log, in the order of their names."""
        return parking.consumers(self._live())

    def consumer_info(self, name: str) -> parking.ConsumerInfo:
        """How far a consumer has come."""
        return parking.inspect(self._live(), name)

    def reset_consumer(
        self, name: str, start: Start = "first", *, dry_run: bool = False
    ) -> parking.Reset:
        """Moves a consumer that no process has: the event of `start` is its next. Its state is dropped."""
        return parking.reset(self._live(), name, start, dry_run)

    def remove_consumer(self, name: str) -> None:
        """Removes a consumer that no process has, with its state and parked events."""
        self._live().call(lib.evlog_consumer_remove, convert.c_text(name))

    def pause_consumer(self, name: str, paused: bool = True) -> None:
        """A paused consumer hands out nothing; whoever has it notices within a moment."""
        self._live().call(lib.evlog_consumer_set_paused, convert.c_text(name), paused)

    def consumer_state(self, name: str) -> dict[Union[str, bytes], Any]:
        """A consumer's state as it was written last, with its checkpoint; for any process."""
        return parking.state(self._live(), name)

    def parked(self, name: str) -> list[parking.Parked]:
        """The events that a consumer has set aside, by seq."""
        return parking.parked(self._live(), name)

    def retry(self, name: str, seq: int = 0) -> int:
        """Has a parked event, or with 0 all of them, handed out again; returns how many.

        Raises NotFoundError: it is not parked, or waits to be retried already.
        """
        return parking.retry(self._live(), name, seq)

    def drop_parked(self, name: str, seq: int = 0) -> int:
        """Takes a parked event, or with 0 all of them, off the record; returns how many."""
        return parking.drop(self._live(), name, seq)

    # ----------------------------------------------------------- looking ----

    def info(self) -> inspecting.Info:
        """What there is to know of the log without reading it through."""
        return inspecting.info(self._live())

    def types(self) -> list[inspecting.Type]:
        """The event types in the log, each with each schema that it has had."""
        return inspecting.types(self._live())

    def verify(self, progress: Optional[Callable[[int], Any]] = None) -> inspecting.Verification:
        """Reads the whole log and checks what must hold. `progress` is called with a seq now and then."""
        return inspecting.verify(self._live(), progress)

    # ------------------------------------------------------------ upkeep ----

    def trim(self, before: int, *, force: bool = False, preview: bool = False) -> upkeep.Trimmed:
        """Drops the events before seq `before`, but never the newest one; the log then begins there.

        Their space is used for events to come; the file does not get smaller. `preview`: nothing is
        changed, and the result is what would be dropped. It can be interrupted, and done again.

        Raises ConflictError when a consumer has not done all of them, or has parked one: nothing was
        changed. With `force` they are dropped all the same, and that consumer parks them as lost.
        """
        return upkeep.trim(self._live(), before, force, preview)
