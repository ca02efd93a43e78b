"""An event, as receivers, consumers and ranges get it."""

from __future__ import annotations

import struct
import uuid
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Optional

from msgpack import unpackb

from evlog import convert
from evlog._evlog import ffi, lib
from evlog.errors import InvalidError, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evlog.handle import Handle

# struct flat_head of binding/flat.c: the places of its members in the tuple are below.
HEAD = struct.Struct("=QqqQiIIHHHHII16s")
_SEQ = struct.Struct("=Q")
_DATA_SIZE_ALONE = struct.Struct("=I")
_DATA_SIZE_OFFSET = HEAD.size - 20
_SEQ_AT, _LOG_TIME, _TIME, _SCHEMA, _MINORVERSION, _ATTEMPT, _FLAGS = range(7)
_TYPE_SIZE, _SOURCE_SIZE, _SOURCEHOST_SIZE, _SOURCELIB_SIZE = range(7, 11)
_HEADERS_SIZE, _DATA_SIZE, _ID = range(11, 14)
_IS_REPLAY, _FROM_EVENT_BUS, _IS_RETRY, _ERASED = 1, 2, 4, 8

_CHARS = ffi.typeof("char[]")

UNREAD = object()


class Event:
    """What was sent: the data, the metadata, and its place in the log.

    An event is a copy, valid as long as you keep it. Nothing is decoded until it is asked for.
    """

    __slots__ = ("_data", "_handle", "_raw")

    # ranges.py sets these by itself, which saves a call for each of many events.
    def __init__(self, raw: bytes, handle: Handle) -> None:
        self._raw = raw
        self._handle = handle
        self._data: Any = UNREAD

    def _fields(self) -> tuple[Any, ...]:
        return HEAD.unpack_from(self._raw)

    def _text(self, size_at: int) -> str:
        head = self._fields()
        start = HEAD.size + sum(head[_TYPE_SIZE:size_at])
        return self._raw[start : start + head[size_at]].decode("utf-8", "backslashreplace")

    @property
    def seq(self) -> int:
        """Its place in the log: 1, 2, 3 and so on, in the order in which events were appended."""
        seq: int = _SEQ.unpack_from(self._raw)[0]
        return seq

    @property
    def type(self) -> str:
        """The event type, for example `org.openedx.learning.course.enrollment.created.v1`."""
        return self._text(_TYPE_SIZE)

    @property
    def data(self) -> Any:
        """What was sent, a dict; None when it was erased. The same object each time.

        Raises InvalidError where Python cannot have them: another program's key that is a list, say.
        """
        data = self._data
        if data is UNREAD:
            raw = self._raw
            size = _DATA_SIZE_ALONE.unpack_from(raw, _DATA_SIZE_OFFSET)[0]
            try:
                data = self._data = unpackb(raw[-size:], strict_map_key=False) if size else None
            except (TypeError, ValueError) as exception:
                raise InvalidError(f"event {self.seq}, its data: {exception}") from exception
        return data

    @property
    def packed(self) -> Optional[memoryview]:
        """The data as they are in the log, MessagePack; None when they were erased."""
        head = self._fields()
        return memoryview(self._raw)[-head[_DATA_SIZE] :] if head[_DATA_SIZE] else None

    @property
    def id(self) -> uuid.UUID:
        """The event's id, which it keeps in every log and on every bus."""
        return uuid.UUID(bytes=self._fields()[_ID])

    @property
    def time(self) -> datetime:
        """When it happened, as its sender gave it, in UTC."""
        return convert.datetime_of(self._fields()[_TIME])

    @property
    def log_time(self) -> datetime:
        """When it was appended to the log, in UTC."""
        return convert.datetime_of(self._fields()[_LOG_TIME])

    @property
    def minorversion(self) -> int:
        """The minor version of its type."""
        return self._fields()[_MINORVERSION]  # type: ignore[no-any-return]

    @property
    def source(self) -> str:
        """The service that sent it, for example `openedx/lms/web`."""
        return self._text(_SOURCE_SIZE)

    @property
    def sourcehost(self) -> str:
        """The host that it was sent on."""
        return self._text(_SOURCEHOST_SIZE)

    @property
    def sourcelib(self) -> str:
        """The version of the library that sent it, for example `11.2.0`."""
        return self._text(_SOURCELIB_SIZE)

    @property
    def headers(self) -> Mapping[str, str]:
        """Text that its sender gave beside the data; empty when there is none, or it was erased."""
        head = self._fields()
        if not head[_HEADERS_SIZE]:
            return MappingProxyType({})
        start = HEAD.size + sum(head[_TYPE_SIZE:_HEADERS_SIZE])
        return MappingProxyType(convert.unpack(self._raw[start : start + head[_HEADERS_SIZE]]))

    @property
    def is_replay(self) -> bool:
        """Delivered again from the log, not by its send."""
        return bool(self._fields()[_FLAGS] & _IS_REPLAY)

    @property
    def from_event_bus(self) -> bool:
        """It came from a bus, and is not to be relayed to one again."""
        return bool(self._fields()[_FLAGS] & _FROM_EVENT_BUS)

    @property
    def is_retry(self) -> bool:
        """From a consumer: it was parked, and is retried."""
        return bool(self._fields()[_FLAGS] & _IS_RETRY)

    @property
    def is_erased(self) -> bool:
        """Its data and headers were erased."""
        return bool(self._fields()[_FLAGS] & _ERASED)

    @property
    def attempt(self) -> int:
        """From a consumer: 1, and more when it was handed out before; else 0."""
        return self._fields()[_ATTEMPT]  # type: ignore[no-any-return]

    @property
    def schema(self) -> Optional[str]:
        """The Avro schema it was written under, as JSON; None: untyped. The log must be open."""
        schema = self._schema()

        def read(log: Any) -> Optional[str]:
            return None if schema == ffi.NULL else text(lib.evlog_schema_text(schema))

        return self._handle.run(read)  # type: ignore[no-any-return]

    def avro(self) -> bytes:
        """The data in Avro's binary encoding under the event's own schema. The log must be open."""
        return self._handle.avro_encode(self._schema(), self.packed)

    def _schema(self) -> Any:
        return ffi.cast("evlog_schema *", self._fields()[_SCHEMA])

    def __repr__(self) -> str:
        return f"<evlog.Event {self.seq} {self.type} {self.id}>"


def flat(event: Any) -> bytes:
    """The flat bytes of one of the library's events."""
    size = lib.flat_size(event)
    raw = ffi.new(_CHARS, size)
    lib.flat_write(event, raw)
    return ffi.buffer(raw)[:]  # type: ignore[no-any-return]
