"""Python's values as the library takes them, and back."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Optional, Union

import msgpack

from evlog._evlog import ffi
from evlog.errors import InvalidError

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)

Data = Union[Mapping[str, Any], bytes]
Types = Union[str, Iterable[str], None]


def microseconds(time: datetime) -> int:
    """An aware datetime as microseconds since 1970."""
    if time.tzinfo is None or time.utcoffset() is None:
        raise InvalidError(f"{time!r} is naive: give a datetime with a time zone")
    return (time - EPOCH) // _MICROSECOND


def datetime_of(microseconds: int) -> datetime:
    """Microseconds since 1970 as a datetime in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def _default(value: Any) -> Any:
    if isinstance(value, datetime):
        microseconds(value)
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    raise InvalidError(f"data of type {type(value).__name__} cannot be sent: {value!r}")


def _new_pack() -> Any:
    return msgpack.Packer(default=_default).pack


class _Thread(threading.local):
    """A packer for each thread: making one costs more than packing an event. None: it is in use."""

    def __init__(self) -> None:
        self.pack: Any = _new_pack()


_thread = _Thread()


def pack(data: Data) -> bytes:
    """An event's data as MessagePack, which bytes are taken for.

    An aware datetime and a UUID become their text.
    """
    return data if isinstance(data, bytes) else pack_any(data)


def pack_any(value: Any) -> bytes:
    """A value of any kind as MessagePack."""
    # A signal handler, for one, may send while a datetime is made text.
    pack, _thread.pack = _thread.pack, None
    try:
        return (pack or _new_pack())(value)  # type: ignore[no-any-return]
    except (TypeError, OverflowError, UnicodeEncodeError, ValueError) as exception:
        if isinstance(exception, InvalidError):
            raise
        raise InvalidError(f"data that cannot be sent: {exception}") from exception
    finally:
        _thread.pack = pack


def unpack(packed: Any) -> Any:
    """MessagePack of any kind as Python's values."""
    return msgpack.unpackb(packed, strict_map_key=False)


def utf8(value: str) -> bytes:
    """A str's bytes."""
    try:
        return value.encode()
    except UnicodeEncodeError as exception:
        raise InvalidError(f"{value!r} is not text: {exception}") from exception


def text_or_bytes(value: bytes) -> Union[str, bytes]:
    """The str of UTF-8, and other bytes as they are."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def c_text(value: str) -> bytes:
    """A str for a C function that takes text."""
    return _without_nul(utf8(value), value)


def c_path(path: Union[str, bytes]) -> bytes:
    """A path for a C function, which stays the same when the working directory changes."""
    encoded = _without_nul(os.fsencode(path), path)
    if encoded and not os.path.isabs(encoded):
        return os.path.join(os.getcwdb(), encoded)
    return encoded


def _without_nul(encoded: bytes, value: Union[str, bytes]) -> bytes:
    if b"\0" in encoded:
        raise InvalidError(f"{value!r} contains NUL")
    return encoded


def type_names(types: Types) -> Optional[tuple[str, ...]]:
    """Event types and patterns, which may come from an iterator; None: every type."""
    if types is None:
        return None
    names = (types,) if isinstance(types, str) else tuple(types)
    if not names:
        raise InvalidError("no types are asked for: None is every type")
    return names


class CTypes:
    """A list of event types and patterns as the library takes it; `array` lives as long as this object."""

    def __init__(self, types: Types) -> None:
        names = type_names(types) or ()
        self._texts = [ffi.new("char[]", c_text(name)) for name in names]
        self.array = ffi.new("const char *[]", self._texts) if names else ffi.NULL
        self.count = len(names)


class CHeaders:
    """Headers as the library takes them; `array` lives as long as this object."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._texts: list[Any] = []
        self.count = len(headers)
        self.array = ffi.new("evlog_header[]", self.count)
        for header, (name, value) in zip(self.array, headers.items()):
            header.name = self._text(name)
            header.value = self._text(value)

    def _text(self, value: str) -> Any:
        pointer = ffi.new("char[]", c_text(value))
        self._texts.append(pointer)
        return pointer


def schema_text(schema: Union[str, Mapping[str, Any]]) -> bytes:
    """A schema, given as Avro's JSON or as what json.loads makes of it."""
    return c_text(schema if isinstance(schema, str) else json.dumps(schema))
