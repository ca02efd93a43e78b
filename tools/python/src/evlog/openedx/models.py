"""The outbox: events that are on their way into a log, in the transaction of the change they are about.

A row exists if and only if that transaction commits. outbox.py moves rows into the logs, and deletes
them there. Rows keep the schema that they were written under, so that they can be read by a later
release of the program.
"""

from __future__ import annotations

from django.db import models


class OutboxEvent(models.Model):
    """An event that is not in its log yet, or is there but was not deleted here yet."""

    id = models.BigAutoField(primary_key=True)
    log_path = models.TextField(help_text="The log that it goes to.")
    after_seq = models.BigIntegerField(
        help_text="The last seq of that log when the row was written: the event cannot be before."
    )
    event_id = models.UUIDField()
    event_type = models.CharField(max_length=255)
    minorversion = models.IntegerField()
    time = models.DateTimeField()
    source = models.CharField(max_length=255)
    sourcehost = models.CharField(max_length=255)
    sourcelib = models.CharField(max_length=255)
    schema = models.TextField(
        help_text="Avro's, that the data are under; empty: MessagePack without one."
    )
    data = models.BinaryField()
    created = models.DateTimeField(auto_now_add=True)
    error = models.TextField(
        blank=True,
        default="",
        help_text="Why the log does not take it; empty: it waits to be moved.",
    )

    class Meta:
        ordering = ("id",)
        verbose_name = "event in the outbox"
        verbose_name_plural = "events in the outbox"

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"
