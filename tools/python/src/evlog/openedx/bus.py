"""An event bus of openedx-events without a broker: a log for each topic under EVLOG["bus_path"].

The producer appends to the topic's log. The consumer is a consumer of it, named by the group: one
process has it at a time, and others of the group stand by. Its position outlives it.
"""

from __future__ import annotations

import logging
import signal as signals
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Optional, Union

from openedx_events.data import EventsMetadata
from openedx_events.event_bus import EventBusConsumer, EventBusProducer
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals, prepare_for_new_work_cycle

import evlog
from evlog.openedx import codec, conf, delivery, logs
from evlog.openedx.recording import NotInOutboxError

logger = logging.getLogger(__name__)

# What the consumers of other buses take, and has no meaning here: one log has no backlog that is
# skipped, no pending messages of others, and a group needs no names for its processes.
_EXTRAS_OF_OTHERS = {"consumer_name", "check_backlog", "claim_msgs_older_than", "signal"}
_EXTRAS = {"start", "attempts", "backoff", "on_failure", "wait", "timeout"}
_RESETS = ("offset_time", "last_read_msg_id")
_RESET_KEY = "evlog.reset"


class EvlogProducer(EventBusProducer):
    """Appends to the log of the topic. The key field has no meaning: a log has one order."""

    def send(
        self,
        *,
        signal: OpenEdxPublicSignal,
        topic: str,
        event_key_field: str,
        event_data: dict[str, Any],
        event_metadata: EventsMetadata,
    ) -> None:
        """The event is in the log, durably, when this returns; with the outbox, in the transaction."""
        settings = conf.get()
        try:
            self._send(settings, signal, topic, event_data, event_metadata)
        except Exception as failure:
            logger.exception(
                "The event %s %s could not be put on the topic %s.",
                signal.event_type,
                event_metadata.id,
                topic,
            )
            if settings.outbox:
                raise NotInOutboxError(f"{signal.event_type} {event_metadata.id}") from failure
            if settings.on_failure == "raise":
                raise

    def _send(
        self, settings: conf.Conf, signal: Any, topic: str, data: dict[str, Any], metadata: Any
    ) -> None:
        path = conf.topic_path(topic)
        if settings.outbox:
            from evlog.openedx import outbox

            outbox.insert(path, signal, metadata, data)
            return
        log = logs.get(path)
        packed = codec.codec_of(signal).packed(log, data)
        log.send_many([codec.sending(metadata, packed, from_event_bus=False)])


class EvlogConsumer(EventBusConsumer):
    """Consumes a topic for a group, and sends each event's signal in this process.

    An event whose receivers fail is tried again, `attempts` times, and then parked: `evlog parked ls
    LOG GROUP` and `evlog parked retry` have it. Extras (`consume_events --extra`, JSON):

    - `start`: where a new group begins, "first" (the default) or "new";
    - `attempts`, `backoff`, `on_failure` ("park", "stop", "skip"): see `Log.consumer`;
    - `wait`: for how many seconds to wait for a process that has the group (default: as long as it takes);
    - `timeout`: ends when there was no event for so many seconds;
    - `offset_time` (ISO 8601): goes back, or on, to the first event logged then, and consumes from there;
    - `last_read_msg_id`: to the one after this seq, or the time in an id of Redis.

    A reset is done once: a process that is started again with the same one goes on where it was.
    """

    def __init__(self, *, topic: str, group_id: str, **extra: Any) -> None:
        # openedx-events takes an exception here for a warning, so a mistake is reported later.
        self.topic = topic
        self.group_id = group_id
        self._extra = extra

    def consume_indefinitely(self) -> None:
        """Consumes until SIGTERM or an interrupt; on failure the process exits with a status of 1."""
        try:
            self._check()
            load_all_signals()
            self._consume()
        except Exception:
            # The command consume_events would log it too, and exit with 0.
            logger.exception("The consumer %s of the topic %s failed.", self.group_id, self.topic)
            sys.exit(1)

    def _check(self) -> None:
        unknown = sorted(set(self._extra) - _EXTRAS - _EXTRAS_OF_OTHERS - set(_RESETS))
        if unknown:
            raise ValueError(f"extras {unknown}: there are {sorted(_EXTRAS | set(_RESETS))}")
        for ignored in sorted(set(self._extra) & _EXTRAS_OF_OTHERS):
            logger.info("The extra %s has no meaning for evlog.", ignored)

    def _consume(self) -> None:
        reset = self._reset_wanted()
        options = {name: self._extra[name] for name in _EXTRAS if name in self._extra}
        options.setdefault("wait", None)
        log = logs.get(conf.topic_path(self.topic))
        if reset is not None:
            self._reset(log, reset, options)
        with log.consumer(self.group_id, **options) as consumer, _until_terminated(consumer):
            for event in consumer:
                with event:
                    self._handle(event)

    def _reset(self, log: evlog.Log, reset: Union[int, datetime], options: dict[str, Any]) -> None:
        """Moves the group, unless it was moved there before."""
        with log.consumer(self.group_id, **options) as consumer:
            if consumer.state.get(_RESET_KEY) == str(reset):
                return
        logger.info(
            "Reset of %s to %s: %s", self.group_id, reset, log.reset_consumer(self.group_id, reset)
        )
        with log.consumer(self.group_id, **options) as consumer:
            consumer.state[_RESET_KEY] = str(reset)

    def _handle(self, event: evlog.Event) -> None:
        prepare_for_new_work_cycle()
        try:
            delivery.deliver(event)
        except Exception:
            logger.exception(
                "The event %s %s (seq %s, attempt %s) of the topic %s failed.",
                event.type,
                event.id,
                event.seq,
                event.attempt,
                self.topic,
            )
            raise

    def _reset_wanted(self) -> Union[int, datetime, None]:
        """Where the extras say to go."""
        offset_time: Optional[str] = self._extra.get("offset_time")
        if offset_time is not None:
            time = datetime.fromisoformat(offset_time.replace("Z", "+00:00"))
            return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
        last_read: Optional[str] = self._extra.get("last_read_msg_id")
        if last_read is None:
            return None
        number, of_redis, _ = str(last_read).partition("-")
        if of_redis:
            return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
                milliseconds=int(number) + 1
            )
        return int(number) + 1


@contextmanager
def _until_terminated(consumer: evlog.Consumer) -> Iterator[None]:
    """SIGTERM ends the loop after its present event, so that its checkpoint is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signals.signal(signals.SIGTERM, lambda *_: consumer.stop())
    try:
        yield
    finally:
        signals.signal(signals.SIGTERM, before)
