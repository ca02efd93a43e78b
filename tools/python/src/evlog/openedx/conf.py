"""The setting EVLOG.

EVLOG = {
    "path": "/var/lib/evlog/lms",     # the log that every event is recorded in; None: none is
    "types": ["*"],                   # which, by their types or beginnings of them
    "on_failure": "log",              # of recording or producing: "log" it, or "raise" to the sender
    "outbox": False,                  # True: through a table, with the transaction of the change
    "bus_path": "/var/lib/evlog/bus", # the directory of the event bus: a log for each topic
    "durable": True,                  # new logs survive a power cut
}
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Optional

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

import evlog


@dataclass(frozen=True)
class Conf:
    """The setting EVLOG, checked."""

    path: Optional[str] = None
    types: tuple[str, ...] = ("*",)
    on_failure: str = "log"
    outbox: bool = False
    bus_path: Optional[str] = None
    durable: bool = True

    def wants(self, event_type: str) -> bool:
        """Whether events of this type are recorded."""
        return bool(self.types) and evlog.matches(self.types, event_type)


def get() -> Conf:
    """The setting as it is now."""
    given = getattr(settings, "EVLOG", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("EVLOG is not a dict")
    known = {field.name for field in fields(Conf)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise ImproperlyConfigured(f"EVLOG has {unknown}; it takes {sorted(known)}")
    return _checked(given)


def _checked(given: Mapping[str, Any]) -> Conf:
    types = given.get("types", ("*",))
    types = (types,) if isinstance(types, str) else tuple(types)
    if not all(isinstance(name, str) for name in types):
        raise ImproperlyConfigured('EVLOG["types"] is a list of event types')
    paths = {name: _path(name, given.get(name)) for name in ("path", "bus_path")}
    conf = Conf(**{**given, **paths, "types": types})
    if conf.on_failure not in ("log", "raise"):
        raise ImproperlyConfigured('EVLOG["on_failure"] is "log" or "raise"')
    for name in ("outbox", "durable"):
        if not isinstance(getattr(conf, name), bool):
            raise ImproperlyConfigured(f'EVLOG["{name}"] is True or False')
    return conf


def _path(name: str, path: Any) -> Optional[str]:
    if path is None or path == "":
        return None
    if not isinstance(path, (str, os.PathLike)):
        raise ImproperlyConfigured(f'EVLOG["{name}"] is a path')
    return os.fspath(path)


def topic_path(topic: str) -> str:
    """The log of a topic, which is given without the prefix of EVENT_BUS_TOPIC_PREFIX."""
    prefix = getattr(settings, "EVENT_BUS_TOPIC_PREFIX", None)
    full = f"{prefix}-{topic}" if prefix else topic
    bus_path = get().bus_path
    if not bus_path:
        raise ImproperlyConfigured('EVLOG["bus_path"] is not set: the directory of the event bus')
    if "/" in full or full in ("", ".", ".."):
        raise ImproperlyConfigured(f"a topic cannot be named {full!r}")
    return f"{bus_path}/{full}"
