"""Sending: what goes in beside the data, and what became of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional, Union

from evlog import convert, receivers
from evlog._evlog import ffi, lib
from evlog.errors import InvalidError, ReceiverError, error, text
from evlog.handle import patiently
from evlog.receivers import Response

if TYPE_CHECKING:
    from evlog.handle import Handle

_FLAT_SENT = ffi.typeof("flat_sent *")
DISPATCH = {
    None: lib.EVLOG_DISPATCH_DEFAULT,
    True: lib.EVLOG_DISPATCH_ROBUST,
    False: lib.EVLOG_DISPATCH_STRICT,
}


class Sent:
    """What became of a send."""

    __slots__ = ("_flat", "responses")

    def __init__(self, flat: Any, responses: list[Response]) -> None:
        self._flat = flat
        self.responses = responses
        """Each receiver's answer, in the order of the calls."""

    @property
    def seq(self) -> int:
        """The event's place in the log; 0: nothing was sent, because its type is disabled."""
        return self._flat.seq  # type: ignore[no-any-return]

    @property
    def id(self) -> uuid.UUID:
        """The event's id."""
        return uuid.UUID(bytes=ffi.buffer(self._flat.id)[:])

    @property
    def was_there(self) -> bool:
        """With `unless_id`: the log had it already, as `seq`; it was not appended."""
        return self._flat.was_there  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<evlog.Sent {self.seq} {self.id}>"


@dataclass(frozen=True)
class Sending:
    """One event for `Log.send_many`. The fields are those of `Log.send`."""

    type: str
    data: convert.Data
    id: Optional[uuid.UUID] = None
    time: Optional[datetime] = None
    headers: Optional[Mapping[str, str]] = None
    source: Optional[str] = None
    sourcehost: Optional[str] = None
    sourcelib: Optional[str] = None
    minorversion: int = 0
    from_event_bus: bool = False


@dataclass(frozen=True)
class Conditions:
    """When a send does nothing, looked at together with its append. See `Log.send`."""

    after: int = 0
    unless_id: bool = False
    unless_any: bool = False
    unless_types: convert.Types = None


class _Fields:
    """What evlog_send_options and evlog_sending have in common, filled in; keeps what they point to."""

    def __init__(self, target: Any, sending: Sending) -> None:
        self._kept: list[Any] = []
        target.from_event_bus = sending.from_event_bus
        if sending.headers:
            headers = convert.CHeaders(sending.headers)
            self._kept.append(headers)
            target.headers, target.header_count = headers.array, headers.count
        if sending.time is not None:
            target.time_us = convert.microseconds(sending.time)
            if target.time_us == 0:
                raise InvalidError(f"an event cannot have the time {sending.time}, which means now")
        if (
            sending.id
            or sending.minorversion
            or sending.source
            or sending.sourcehost
            or sending.sourcelib
        ):
            target.metadata = self._metadata(sending)

    def _metadata(self, sending: Sending) -> Any:
        metadata = ffi.new("evlog_metadata *")
        self._kept.append(metadata)
        if sending.id is not None:
            metadata.id = sending.id.bytes
        metadata.minorversion = sending.minorversion
        metadata.source = self._text(sending.source)
        metadata.sourcehost = self._text(sending.sourcehost)
        metadata.sourcelib = self._text(sending.sourcelib)
        return metadata

    def _text(self, value: Optional[str]) -> Any:
        if value is None:
            return ffi.NULL
        pointer = ffi.new("char[]", convert.c_text(value))
        self._kept.append(pointer)
        return pointer


def options_of(robust: Optional[bool], conditions: Optional[Conditions]) -> tuple[Any, Any]:
    """An evlog_send_options and what has to be kept for it."""
    options = ffi.new("evlog_send_options *")
    options.dispatch = DISPATCH[robust]
    kept = None
    if conditions is not None:
        kept = convert.CTypes(conditions.unless_types or None)
        options.after_seq = conditions.after
        options.unless_id = conditions.unless_id
        options.unless_any = conditions.unless_any
        options.unless_types, options.unless_type_count = kept.array, kept.count
    return options, kept


def send(handle: Handle, type: str, data: convert.Data, options: Any) -> Sent:
    """Sends one event; `options` is an evlog_send_options or NULL."""
    packed = convert.pack(data)
    flat = ffi.new(_FLAT_SENT)
    dispatch = receivers.begin()
    message = None
    try:
        handle.uses.add(dispatch)
        signal = handle.signal(type)
        code = lib.flat_send(signal, packed, len(packed), options, flat)
        if code:
            if code == lib.EVLOG_BUSY:
                code = _again(handle, lib.flat_send, signal, packed, len(packed), options, flat)
            message = text(lib.evlog_errmsg())
    finally:
        handle.uses.discard(dispatch)
        receivers.end(dispatch)
    made = Sent(flat, dispatch.responses)
    if code:
        _fail(code, message, made, dispatch)
    return made


def _again(handle: Handle, function: Any, *arguments: Any) -> int:
    """Waits on, in slices, while another process is in the way; returns the code."""
    code: int = lib.EVLOG_BUSY

    def call() -> int:
        nonlocal code
        code = function(*arguments)
        return code if code == lib.EVLOG_BUSY else 0

    patiently(handle.wait_s, call)
    return code


def _fail(code: int, message: Optional[str], sent: Union[Sent, list[Sent]], dispatch: Any) -> None:
    if code == lib.EVLOG_RECEIVER:
        raise ReceiverError(message or "", sent) from dispatch.failure
    raise error(code, message)


def send_many(
    handle: Handle,
    events: Iterable[Union[Sending, tuple[str, convert.Data]]],
    robust: Optional[bool],
    conditions: Optional[Conditions],
) -> list[Sent]:
    """Appends many events in one commit, all or none, and then dispatches them in order."""
    sendings = [event if isinstance(event, Sending) else Sending(*event) for event in events]
    if not sendings:
        return []
    options, kept_too = options_of(robust, conditions)
    flat = ffi.new("flat_sent[]", len(sendings))
    dispatch = receivers.begin()
    try:
        handle.uses.add(dispatch)
        array, kept = _sendings(handle, sendings)
        code = _again(handle, lib.flat_send_many, array, len(sendings), options, flat)
        message = None if code == 0 else text(lib.evlog_errmsg())
    finally:
        handle.uses.discard(dispatch)
        receivers.end(dispatch)
    del kept, kept_too
    answers = dispatch.by_seq()
    # Each has a copy: an element of the array does not keep the array.
    made = [Sent(ffi.new(_FLAT_SENT, each), answers.get(each.seq, [])) for each in flat]
    if code:
        _fail(code, message, made, dispatch)
    return made


def _sendings(handle: Handle, sendings: Sequence[Sending]) -> tuple[Any, list[Any]]:
    array = ffi.new("evlog_sending[]", len(sendings))
    kept: list[Any] = []
    all_packed = [convert.pack(sending.data) for sending in sendings]
    for item, sending, packed in zip(array, sendings, all_packed):
        pointer = ffi.from_buffer(packed)
        kept += [packed, pointer, _Fields(item, sending)]
        item.signal = handle.signal(sending.type)
        item.data, item.data_size = pointer, len(packed)
    return array, kept


def send_with(
    handle: Handle, sending: Sending, robust: Optional[bool], conditions: Optional[Conditions]
) -> Sent:
    """Sends one event with metadata, headers or conditions of its own."""
    if conditions is not None and conditions.unless_id and sending.id is None:
        raise InvalidError("unless_id without an id")
    options, kept = options_of(robust, conditions)
    fields = _Fields(options, sending)
    sent = send(handle, sending.type, sending.data, options)
    del kept, fields
    return sent
