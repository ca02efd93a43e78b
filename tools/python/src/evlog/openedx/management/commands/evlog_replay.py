"""manage.py evlog_replay: a range of a log again, to one receiver or to all."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from datetime import datetime, timezone
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

import evlog
from evlog.openedx import delivery, logs


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _shown(text: str) -> str:
    """Text of an event or a receiver, for a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Command(BaseCommand):
    """Delivers events of a log again, with their own ids and times."""

    help = """Delivers a range of a log again, to one receiver or to all that are connected. Without --yes it
    only says what it would deliver. A receiver knows a replay by evlog.openedx.is_replay()."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The log, to whom, and which events."""
        parser.add_argument("log", help="the log's directory")
        whom = parser.add_mutually_exclusive_group(required=True)
        whom.add_argument("--to", help="the dotted path of a receiver, which need not be connected")
        whom.add_argument("--all", action="store_true", help="to all receivers that are connected")
        parser.add_argument("--since", type=_time, help="logged then or later; ISO 8601, else UTC")
        parser.add_argument("--until", type=_time)
        parser.add_argument("--first", type=int, help="a seq")
        parser.add_argument("--last", type=int, help="a seq")
        parser.add_argument(
            "--type", action="append", help="or a beginning, org.openedx.learning.*"
        )
        parser.add_argument("--keep-going", action="store_true", help="after an event that fails")
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delivers, or counts."""
        from openedx_events.tooling import load_all_signals

        load_all_signals()
        try:
            receiver = import_string(options["to"]) if options["to"] else None
            events = logs.existing(options["log"]).events(
                options["first"],
                options["last"],
                since=options["since"],
                until=options["until"],
                types=options["type"],
            )
        except (evlog.Error, ImportError) as failure:
            raise CommandError(str(failure)) from failure
        if options["yes"]:
            self._deliver(events, receiver, options["keep_going"])
        else:
            self._count(events)

    def _count(self, events: evlog.Events) -> None:
        counts = Counter(event.type for event in events)
        for event_type, count in sorted(counts.items()):
            self.stdout.write(f"{count:8} {event_type}")
        self.stdout.write(f"{sum(counts.values())} events would be delivered; --yes does it")

    def _deliver(self, events: evlog.Events, receiver: Any, keep_going: bool) -> None:
        delivered = failed = 0
        for event in events:
            try:
                if receiver is None:
                    delivery.deliver(event)
                else:
                    delivery.deliver_to(event, receiver)
                delivered += 1
            except Exception as exception:
                failed += 1
                what = _shown(f"{type(exception).__name__}: {exception}")
                words = f"event {event.seq} {event.type} {event.id}: {what}"
                if not keep_going:
                    raise CommandError(
                        f"{words}; {delivered} were delivered before it"
                    ) from exception
                self.stderr.write(words)
        self.stdout.write(f"{delivered} events were delivered, {failed} failed")
        if failed:
            raise CommandError(f"{failed} events failed")
