"""Recording: every event of openedx-events is in the log before its first receiver runs.

`install` puts Recorder between OpenEdxPublicSignal and Django's Signal. So it sees an event when
openedx-events has checked it and made its metadata, and hands it to Django's dispatch, before any
receiver, whenever that was connected. Disabled and refused events do not come here.
"""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import Signal

from evlog.openedx import conf
from evlog.openedx.delivery import current_event

logger = logging.getLogger(__name__)


class NotInOutboxError(Exception):
    """The producer of the bus could not insert an event's row: its transaction is not to commit."""


class Recorder(Signal):
    """Django's Signal, with a log."""

    def send(self, sender: Any, **named: Any) -> Any:
        """Records the event, and then sends it."""
        _record(self, named)
        return super().send(sender, **named)

    def send_robust(self, sender: Any, **named: Any) -> Any:
        """Records the event, and then sends it."""
        _record(self, named)
        responses = super().send_robust(sender, **named)
        for _, response in responses:
            if isinstance(response, NotInOutboxError):
                raise response
        return responses


def install() -> None:
    """Makes every OpenEdxPublicSignal a Recorder; again does nothing."""
    from openedx_events.tooling import OpenEdxPublicSignal

    if Recorder not in OpenEdxPublicSignal.__mro__:
        OpenEdxPublicSignal.__bases__ = tuple(
            Recorder if base is Signal else base for base in OpenEdxPublicSignal.__bases__
        )


def _record(signal: Any, named: dict[str, Any]) -> None:
    settings = conf.get()
    metadata = named.get("metadata")
    if settings.path is None or metadata is None or not settings.wants(signal.event_type):
        return
    delivered = current_event()
    attempt = 1
    if delivered is not None and delivered.id == metadata.id:
        attempt = delivered.attempt
    if attempt == 0:
        return  # manage.py evlog_replay
    try:
        keep(signal, metadata, named, settings, is_again=attempt > 1)
    except Exception:
        logger.exception(
            "The event %s %s could not be recorded in %s.",
            signal.event_type,
            metadata.id,
            settings.path,
        )
        if settings.on_failure == "raise" or settings.outbox:
            raise


def keep(
    signal: Any, metadata: Any, named: dict[str, Any], settings: conf.Conf, is_again: bool = False
) -> None:
    """Appends an event to the log, or with the outbox inserts its row.

    `is_again`: a consumer's attempt, of which an earlier one may have recorded it.
    """
    from evlog.openedx import codec, logs

    path = str(settings.path)
    data = {name: named[name] for name in signal.init_data}
    from_event_bus = bool(named.get("from_event_bus"))
    if settings.outbox and not from_event_bus:
        from evlog.openedx import outbox

        outbox.insert(path, signal, metadata, data)
        return
    log = logs.get(path)
    packed = codec.codec_of(signal).packed(log, data)
    log.send_many([codec.sending(metadata, packed, from_event_bus)], unless_id=is_again)
