#!/usr/bin/env python3
"""Real producers and consumers of Open edX events. Runs in the venv of bus_requirements.txt, see check_bus.sh.

peer.py produce kafka|redis TOPIC OUT ROUNDS   sends all event types; OUT has a line for each: TYPE ID AVRO READ KEY
peer.py consume kafka|redis TOPIC GROUP COUNT OUT   waits for COUNT events; OUT has a line for each: TYPE ID READ

AVRO is what goes on the bus, READ what a real consumer makes of it, serialized again, in hexadecimal; KEY the event_key_field. Where the bus is comes
from BUS_KAFKA and BUS_REGISTRY_URL, or BUS_REDIS.
"""
import datetime
import os
import random
import sys
import typing
import uuid

import attr
import django
from django.conf import settings

BROKER = sys.argv[2]
settings.configure(
    INSTALLED_APPS=["openedx_events", "edx_event_bus_kafka", "edx_event_bus_redis"],
    DATABASES={},
    SERVICE_VARIANT="lms",
    EVENTS_SERVICE_NAME="lms",
    EVENT_BUS_TOPIC_PREFIX="",
    EVENT_BUS_PRODUCER=f"edx_event_bus_{BROKER}.create_producer",
    EVENT_BUS_CONSUMER=f"edx_event_bus_{BROKER}." + {"kafka": "KafkaEventConsumer", "redis": "RedisEventConsumer"}[BROKER],
    EVENT_BUS_KAFKA_BOOTSTRAP_SERVERS=os.environ.get("BUS_KAFKA", ""),
    EVENT_BUS_KAFKA_SCHEMA_REGISTRY_URL=os.environ.get("BUS_REGISTRY_URL", ""),
    EVENT_BUS_REDIS_CONNECTION_URL=os.environ.get("BUS_REDIS", ""),
)
django.setup()

from opaque_keys.edx import locator  # noqa: E402
from opaque_keys.edx.keys import CourseKey, UsageKey  # noqa: E402
from openedx_events.event_bus import get_producer, make_single_consumer  # noqa: E402
from openedx_events.event_bus.avro.deserializer import deserialize_bytes_to_event_data  # noqa: E402
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer, serialize_event_data_to_bytes  # noqa: E402
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals  # noqa: E402

load_all_signals()
SIGNALS = sorted(OpenEdxPublicSignal.all_events(), key=lambda signal: signal.event_type)
KEYS = {
    "CourseKey": "course-v1:edX+Demo{}+2026",
    "UsageKey": "block-v1:edX+Demo+2026+type@problem+block@b{}",
    "LibraryLocatorV2": "lib:edX:l{}",
    "LibraryUsageLocatorV2": "lb:edX:l1:problem:b{}",
    "LibraryCollectionLocator": "lib-collection:edX:l1:c{}",
    "LibraryContainerLocator": "lct:edX:l1:unit:u{}",
    "CCXLocator": "ccx-v1:edX+Demo+2026+ccx@{}",
}


def value(kind, number):
    """Something of a type of attrs' classes."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    name = getattr(kind, "__name__", str(kind))
    if origin is typing.Union or name == "UnionType" or str(origin) == "<class 'types.UnionType'>":
        return value(arguments[0], number)
    if origin in (list, set, tuple):
        return [value(arguments[0], number + i) for i in range(2)]
    if origin is dict:
        return {f"k{i}": value(arguments[1], number + i) for i in range(2)} if arguments else {"k": "v"}
    if kind in (str, bool, int, float, datetime.datetime, uuid.UUID, dict, list):
        return {
            str: f"Grüße {number} 🎓", bool: True, int: number + 1, float: number + 0.5, dict: {"k": f"v{number}"}, list: [f"v{number}"],
            datetime.datetime: datetime.datetime(2026, 1, 2, 3, 4, 5, number % 1000000, datetime.timezone.utc), uuid.UUID: uuid.UUID(int=number),
        }[kind]
    if attr.has(kind):
        return kind(**{f.name.lstrip("_"): value(f.type, number) for f in attr.fields(attr.resolve_types(kind))})
    if name in KEYS:
        text = KEYS[name].format(number)
        if name in ("CourseKey", "CCXLocator"):
            return CourseKey.from_string(text)
        return UsageKey.from_string(text) if name == "UsageKey" else getattr(locator, name).from_string(text)
    raise TypeError(f"no value for {kind}")


def key_field(schema, path=""):
    """The path of a field that can be a key; None: there is none."""
    for field in schema["fields"]:
        kind = field["type"]
        if kind in ("string", "long", "boolean", "double"):
            return path + field["name"]
        if isinstance(kind, dict) and kind.get("type") == "record":
            found = key_field(kind, path + field["name"] + ".")
            if found:
                return found
    return None


def produce(topic, out, rounds):
    producer = get_producer()
    for number in range(rounds):
        for signal in SIGNALS:
            try:
                data = {name: value(kind, random.randrange(10000)) for name, kind in signal.init_data.items()}
                avro = serialize_event_data_to_bytes(data, signal)
            except Exception as error:  # a type that cannot go on a bus
                if number == 0:
                    print(f"not sent: {signal.event_type}: {error}", file=sys.stderr)
                continue
            key = key_field(AvroSignalSerializer(signal).schema)
            if not key:
                print(f"no key: {signal.event_type}", file=sys.stderr)
                continue
            metadata = signal.generate_signal_metadata()
            read = serialize_event_data_to_bytes(deserialize_bytes_to_event_data(avro, signal), signal)
            producer.send(signal=signal, topic=topic, event_key_field=key, event_data=data, event_metadata=metadata)
            print(signal.event_type, metadata.id, avro.hex(), read.hex(), key, file=out)
    if hasattr(producer, "prepare_for_shutdown"):
        producer.prepare_for_shutdown()


def consume(topic, group, count, out):
    seen = []

    def hear(signal, sender, metadata, **data):
        data = {name: data[name] for name in signal.init_data}
        print(metadata.event_type, metadata.id, serialize_event_data_to_bytes(data, signal).hex(), file=out, flush=True)
        seen.append(metadata.id)
        if len(seen) == count:
            out.flush()
            os._exit(0)

    for signal in SIGNALS:
        signal.connect(hear)
    extra = {"consumer_name": "peer", "check_backlog": True} if BROKER == "redis" else {}
    make_single_consumer(topic=topic, group_id=group, **extra).consume_indefinitely()


if sys.argv[1] == "produce":
    with open(sys.argv[4], "w") as file:
        produce(sys.argv[3], file, int(sys.argv[5]))
else:
    with open(sys.argv[6], "w") as file:
        consume(sys.argv[3], sys.argv[4], int(sys.argv[5]), file)
