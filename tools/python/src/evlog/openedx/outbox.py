"""The outbox: events reach a log if and only if the transaction of their change commits.

    insert        in the transaction: the row
    COMMIT        the database's
    drain         rows -> log (each once, by its id, in the order of the rows), then DELETE

A process that is killed before COMMIT leaves nothing; after it, the row, which the next drain of any
process takes. Killed between the append and the DELETE, the row is taken again, and the log has the
id already. Where to look for the id is known without reading the whole log: the event cannot be
before what was the log's last seq when the row was written (`after_seq`).

Order is that of the rows' keys among the rows that are visible: two transactions that overlap may
commit in the other order than they inserted, and then a later drain appends the earlier key.

After each commit the process drains by itself; `manage.py evlog_drain` does it for what a killed or
failing process left, and where autocommit is off and Django does not know of a commit.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any, Optional

from django.db import router, transaction
from django.utils.timezone import now

import evlog
from evlog.openedx import codec, logs
from evlog.openedx.models import OutboxEvent

logger = logging.getLogger(__name__)

BATCH = 1000

_ABOUT_THE_LOG = (evlog.Error, OSError, MemoryError)
# The others are about the event, and so are these.
_REFUSED = (evlog.InvalidError, evlog.LimitError, evlog.ConflictError, evlog.NotFoundError)


def insert(log_path: str, signal: Any, metadata: Any, data: dict[str, Any]) -> None:
    """Inserts the row of an event, in the transaction that is open; it is drained after the commit."""
    encoder = codec.codec_of(signal)
    using = router.db_for_write(OutboxEvent)
    OutboxEvent.objects.using(using).create(
        log_path=log_path,
        after_seq=_head(log_path),
        event_id=metadata.id,
        event_type=metadata.event_type,
        minorversion=metadata.minorversion,
        time=metadata.time,
        source=metadata.source,
        sourcehost=metadata.sourcehost,
        sourcelib=".".join(map(str, metadata.sourcelib)),
        schema=encoder.schema_text or "",
        data=encoder.encoded(data),
    )
    drain_after_commit()


def _head(log_path: str) -> int:
    """The log's last seq. A log that cannot be used now is no reason to lose the event."""
    try:
        return logs.get(log_path).wait(0, 0)
    except (evlog.Error, OSError):
        logger.exception("The log %s cannot be used; the event stays in the outbox.", log_path)
        return 0


def drain_after_commit() -> None:
    """Drains once after the commit, however many events the transaction has.

    A hook of a savepoint goes with it when it is rolled back: it counts only inside.
    """
    using = router.db_for_write(OutboxEvent)
    connection = transaction.get_connection(using)
    if not (connection.in_atomic_block or connection.get_autocommit()):
        return
    for savepoints, hook, *_ in connection.run_on_commit:
        if hook is _drain_quietly and savepoints <= set(connection.savepoint_ids):
            return
    transaction.on_commit(_drain_quietly, using=using)


def _drain_quietly() -> None:
    """What was committed stays in the outbox when it cannot be drained now."""
    try:
        drain()
    except Exception:
        logger.exception("The outbox could not be drained; manage.py evlog_drain goes on.")


def drain(batch: int = BATCH) -> int:
    """Moves all rows that are visible into their logs, in order; returns how many. Any process may.

    A row that its log refuses is kept with the reason, and passed over from then on. The failure of a
    log is raised when the others have theirs. In a transaction, its own rows are visible to it.
    """
    using = router.db_for_write(OutboxEvent)
    moved = 0
    failures: dict[str, Exception] = {}
    while True:
        waiting = OutboxEvent.objects.using(using).filter(error="")
        rows = list(waiting.exclude(log_path__in=list(failures)).order_by("id")[:batch])
        if not rows:
            break
        done: list[int] = []
        for log_path in dict.fromkeys(row.log_path for row in rows):
            try:
                done += _append(log_path, [row for row in rows if row.log_path == log_path], using)
            except _ABOUT_THE_LOG as failure:
                failures[log_path] = failure
        OutboxEvent.objects.using(using).filter(pk__in=done).delete()
        moved += len(done)
    if failures:
        raise next(iter(failures.values()))
    return moved


def retry_refused() -> int:
    """Has rows that were refused moved by the next drain; returns how many."""
    using = router.db_for_write(OutboxEvent)
    return OutboxEvent.objects.using(using).exclude(error="").update(error="")  # type: ignore[no-any-return]


def _append(log_path: str, rows: Sequence[OutboxEvent], using: str) -> list[int]:
    """Appends rows to a log, and returns the keys of those that are there."""
    log = logs.get(log_path)
    try:
        _send(log, rows)
    except Exception as failure:
        if isinstance(failure, _ABOUT_THE_LOG) and not isinstance(failure, _REFUSED):
            raise
        if len(rows) > 1:
            return [key for row in rows for key in _append(log_path, [row], using)]
        logger.error("The log %s refuses the event %s: %s", log_path, rows[0], failure)
        OutboxEvent.objects.using(using).filter(pk=rows[0].pk).update(
            error=str(failure) or repr(failure)
        )
        return []
    return [row.pk for row in rows]


def _send(log: evlog.Log, rows: Sequence[OutboxEvent]) -> None:
    after = min(row.after_seq for row in rows)
    if after > log.wait(0, 0):
        logger.warning("The log %s is shorter than it was: looking for ids in all of it.", log.path)
        after = 0
    log.send_many([_sending(log, row) for row in rows], unless_id=True, after=after)


def _sending(log: evlog.Log, row: OutboxEvent) -> evlog.Sending:
    return evlog.Sending(
        row.event_type,
        _packed(log, row),
        id=row.event_id,
        time=row.time.astimezone(timezone.utc),
        source=row.source,
        sourcehost=row.sourcehost,
        sourcelib=row.sourcelib,
        minorversion=row.minorversion,
    )


def _packed(log: evlog.Log, row: OutboxEvent) -> bytes:
    """The row's data as the log takes them, under the schema that its type has in this process."""
    from openedx_events.tooling import OpenEdxPublicSignal

    data = bytes(row.data)
    if not row.schema:
        return data
    try:
        encoder = codec.codec_of(OpenEdxPublicSignal.get_signal_by_type(row.event_type))
    except KeyError:  # a type that this process does not have: as it was written
        if not log.has_defined(row.event_type):
            log.define(row.event_type, row.schema, row.minorversion)
        return log.from_avro(row.event_type, data)
    return encoder.packed_avro(log, encoder.resolved(data, row.schema))


@dataclass(frozen=True)
class Size:
    """How much is in the outbox."""

    count: int
    refused_count: int
    """Of these, those that their log does not take."""
    age: Optional[timedelta]
    """Of the oldest; None: it is empty."""


def size() -> Size:
    """How many rows there are, and how old the oldest is."""
    rows = OutboxEvent.objects.using(router.db_for_read(OutboxEvent))
    oldest = rows.order_by("id").first()
    return Size(
        count=rows.count(),
        refused_count=rows.exclude(error="").count(),
        age=None if oldest is None else now() - oldest.created,
    )
