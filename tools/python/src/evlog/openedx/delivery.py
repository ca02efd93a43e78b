"""Delivering an event of a log to the receivers of openedx-events, and knowing about it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Optional

from evlog.event import Event

_current: ContextVar[Optional[Event]] = ContextVar("evlog_current_event", default=None)


def current_event() -> Optional[Event]:
    """In a receiver: the event of a log that is being delivered; None: it was sent just now."""
    return _current.get()


def is_replay() -> bool:
    """In a receiver: the event is delivered again, so side effects may have happened before."""
    event = _current.get()
    return event is not None and event.is_replay


@contextmanager
def _delivering(event: Event) -> Iterator[None]:
    token = _current.set(event)
    try:
        yield
    finally:
        _current.reset(token)


class ReceiversFailed(Exception):
    """Receivers failed; the text has each one's exception, and the first is the cause."""


def deliver(event: Event) -> list[tuple[Any, Any]]:
    """Calls all receivers of the event's signal in this process; ReceiversFailed: some failed."""
    from openedx_events.tooling import OpenEdxPublicSignal

    from evlog.openedx import codec

    signal = _signal(OpenEdxPublicSignal, event)
    arguments = codec.codec_of(signal).arguments(event)
    with _delivering(event):
        responses: list[tuple[Any, Any]] = signal.send_event_with_custom_metadata(
            codec.metadata_of(event), **arguments
        )
    failures = [(who, what) for who, what in responses if isinstance(what, BaseException)]
    if failures:
        words = "; ".join(
            f"{getattr(who, '__qualname__', who)}: {type(what).__name__}: {what}"
            for who, what in failures
        )
        raise ReceiversFailed(words) from failures[0][1]
    return responses


def deliver_to(event: Event, receiver: Callable[..., Any]) -> Any:
    """Calls one receiver, which need not be connected, as its signal would."""
    from openedx_events.tooling import OpenEdxPublicSignal

    from evlog.openedx import codec

    signal = _signal(OpenEdxPublicSignal, event)
    arguments = codec.codec_of(signal).arguments(event)
    with _delivering(event):
        return receiver(
            signal=signal,
            sender=None,
            metadata=codec.metadata_of(event),
            from_event_bus=event.from_event_bus,
            **arguments,
        )


def _signal(signals: Any, event: Event) -> Any:
    try:
        signal = signals.get_signal_by_type(event.type)
    except KeyError:
        raise LookupError(f"no signal of type {event.type} in this process") from None
    if not getattr(signal, "_allow_events", True):
        raise LookupError(
            f"the signal {event.type} is disabled in this process: nobody would get the event"
        )
    return signal
