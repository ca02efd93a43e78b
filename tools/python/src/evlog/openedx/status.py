"""What there is to know about the logs, the consumers and the outbox of this service."""

from __future__ import annotations

import os
from typing import Any

import evlog
from evlog.openedx import conf, logs

PARKED_SHOWN = 20


def log_paths() -> list[str]:
    """The recorder's log, and the logs of the bus, that exist."""
    settings = conf.get()
    paths = [settings.path] if settings.path else []
    if settings.bus_path and os.path.isdir(settings.bus_path):
        paths += [
            entry.path for entry in sorted(os.scandir(settings.bus_path), key=lambda e: e.name)
        ]
    return [path for path in paths if os.path.isfile(f"{path}/format")]


def of_log(path: str) -> dict[str, Any]:
    """A log, its consumers and what they have parked."""
    log = logs.existing(path)
    info = log.info()
    return {
        "path": path,
        "events": len(log),
        "last_time": info.last_log_time,
        "used_size": info.used_size,
        "consumers": [
            {
                "name": consumer.name,
                "checkpoint": consumer.checkpoint,
                "lag": consumer.lag_count,
                "lag_seconds": consumer.lag.total_seconds(),
                "parked": consumer.parked_count,
                "parked_events": [
                    {"seq": parked.seq, "attempts": parked.attempt_count, "error": parked.error}
                    for parked in log.parked(consumer.name)[:PARKED_SHOWN]
                ],
                "pid": consumer.pid,
                "paused": consumer.is_paused,
            }
            for consumer in log.consumers()
        ],
    }


def of_outbox() -> dict[str, Any]:
    """How many events wait in the outbox, and for how long the oldest."""
    from evlog.openedx import outbox

    size = outbox.size()
    return {
        "events": size.count,
        "refused": size.refused_count,
        "oldest_seconds": None if size.age is None else size.age.total_seconds(),
    }


def everything() -> dict[str, Any]:
    """All of it. A log that cannot be read has its failure instead."""
    shown = []
    for path in log_paths():
        try:
            shown.append(of_log(path))
        except evlog.Error as failure:
            shown.append({"path": path, "error": str(failure)})
    found: dict[str, Any] = {"logs": shown}
    if conf.get().outbox:
        found["outbox"] = of_outbox()
    return found
