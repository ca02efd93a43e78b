"""evlog for Open edX: a Django app that records every event, and an event bus without a broker.

    INSTALLED_APPS = [..., "openedx_events", "evlog.openedx"]
    EVLOG = {"path": "/var/lib/evlog/lms", "bus_path": "/var/lib/evlog/bus"}

    EVENT_BUS_PRODUCER = "evlog.openedx.create_producer"
    EVENT_BUS_CONSUMER = "evlog.openedx.EvlogConsumer"

With `path` each event of openedx-events is in the log there before its first receiver runs. With
`bus_path` evlog is the event bus: a log for each topic. Either can be used alone. The settings are in
`evlog.openedx.conf`.

In a receiver `current_event` is the `evlog.Event` that is being delivered from a log, and
`is_replay` says whether it is a replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evlog.openedx.delivery import current_event, is_replay

if TYPE_CHECKING:
    from evlog.openedx.bus import EvlogConsumer, EvlogProducer

__all__ = ["EvlogConsumer", "create_producer", "current_event", "is_replay"]


def create_producer() -> EvlogProducer:
    """What the setting EVENT_BUS_PRODUCER names."""
    from evlog.openedx.bus import EvlogProducer

    return EvlogProducer()


def __getattr__(name: str) -> Any:
    # The bus needs openedx_events, which Django may not be ready for when it imports this package.
    if name == "EvlogConsumer":
        from evlog.openedx.bus import EvlogConsumer

        return EvlogConsumer
    raise AttributeError(name)
