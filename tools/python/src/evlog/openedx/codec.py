"""Events between openedx-events and evlog.

The data go through openedx-events' own serializer to Avro's bytes, which evlog takes under the same
schema; and back through fastavro, which resolves the schema that an event was written under to that
of the signal here, and the own deserializer. So receivers get what they would get from a bus.
"""

from __future__ import annotations

import io
import json
from datetime import timezone
from functools import lru_cache
from typing import Any, Optional

import attr
import fastavro
from openedx_events.data import EventsMetadata
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
from openedx_events.tooling import KNOWN_UNSERIALIZABLE_SIGNALS, OpenEdxPublicSignal

import evlog
from evlog import convert


class Codec:
    """One signal's serializer, deserializer and schema."""

    def __init__(self, signal: OpenEdxPublicSignal) -> None:
        self.type: str = signal.event_type
        self.minor_version: int = signal.minor_version
        self.schema_text: Optional[str] = None
        if self.type not in KNOWN_UNSERIALIZABLE_SIGNALS:
            self._serializer = AvroSignalSerializer(signal)
            self._deserializer = AvroSignalDeserializer(signal)
            self._schema = fastavro.parse_schema(self._serializer.schema)
            self.schema_text = self._serializer.schema_string()

    def avro(self, event_data: dict[str, Any]) -> bytes:
        """The signal's arguments as Avro's bytes."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, self._serializer.to_dict(event_data))
        return out.getvalue()

    def encoded(self, event_data: dict[str, Any]) -> bytes:
        """The signal's arguments as the outbox keeps them: Avro's bytes, or MessagePack without a schema."""
        return (
            convert.pack(_plain(event_data)) if self.schema_text is None else self.avro(event_data)
        )

    def packed(self, log: evlog.Log, event_data: dict[str, Any]) -> bytes:
        """The signal's arguments as `Log.send` takes them."""
        encoded = self.encoded(event_data)
        return encoded if self.schema_text is None else self.packed_avro(log, encoded)

    def packed_avro(self, log: evlog.Log, avro: bytes) -> bytes:
        """Avro's bytes of this signal's schema as `Log.send` takes them."""
        define(log, self)
        return log.from_avro(self.type, avro)

    def resolved(self, avro: bytes, schema_text: str) -> bytes:
        """Avro's bytes of another schema of the type under this one."""
        if schema_text == self.schema_text:
            return avro
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, self._read(avro, schema_text))
        return out.getvalue()

    def arguments(self, event: evlog.Event) -> dict[str, Any]:
        """The signal's arguments from an event, whatever schema it was written under."""
        if self.schema_text is None:
            raise evlog.InvalidError(f"{self.type} has no serializer in openedx-events")
        if event.schema is None:
            raise evlog.InvalidError(f"event {event.seq} has no schema")
        record = self._read(event.avro(), event.schema)
        return self._deserializer.from_dict(record)  # type: ignore[no-any-return]

    def _read(self, avro: bytes, schema_text: str) -> Any:
        writer = self._schema if schema_text == self.schema_text else _parsed(schema_text)
        return fastavro.schemaless_reader(io.BytesIO(avro), writer, self._schema)


@lru_cache(maxsize=512)
def _parsed(schema_text: str) -> Any:
    return fastavro.parse_schema(json.loads(schema_text))


def _plain(value: Any) -> Any:
    """For the signals that openedx-events cannot put on a bus: what can be kept, else its repr."""
    if attr.has(type(value)):
        return {
            field.name: _plain(getattr(value, field.name)) for field in attr.fields(type(value))
        }
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    return str(value)


_codecs: dict[int, tuple[OpenEdxPublicSignal, Codec]] = {}


def codec_of(signal: OpenEdxPublicSignal) -> Codec:
    """The codec of a signal, made once."""
    known = _codecs.get(id(signal))
    if known is None:
        known = _codecs[id(signal)] = (signal, Codec(signal))
    return known[1]


def define(log: evlog.Log, codec: Codec) -> None:
    """Defines a signal's type in a log, once."""
    if not log.has_defined(codec.type):
        log.define(codec.type, codec.schema_text, codec.minor_version)


def sending(metadata: EventsMetadata, data: bytes, from_event_bus: bool) -> evlog.Sending:
    """An event with its metadata as `Log.send_many` takes it."""
    return evlog.Sending(
        metadata.event_type,
        data,
        id=metadata.id,
        time=metadata.time,
        source=metadata.source,
        sourcehost=metadata.sourcehost,
        sourcelib=".".join(map(str, metadata.sourcelib)),
        minorversion=metadata.minorversion,
        from_event_bus=from_event_bus,
    )


def metadata_of(event: evlog.Event) -> EventsMetadata:
    """An event's metadata as receivers get them."""
    return EventsMetadata(
        event_type=event.type,
        id=event.id,
        minorversion=event.minorversion,
        source=event.source,
        sourcehost=event.sourcehost,
        time=event.time.astimezone(timezone.utc),
        sourcelib=tuple(map(int, event.sourcelib.split("."))),
    )
