"""manage.py evlog_status: the logs, their consumers, and the outbox."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evlog.openedx import status


class Command(BaseCommand):
    """Prints what there is, and exits with a status of 1 when a log cannot be read."""

    help = "The logs of this service, how far their consumers have come, what is parked, and the outbox."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The form."""
        parser.add_argument("--json", action="store_true", help="as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints it."""
        found = status.everything()
        if options["json"]:
            self.stdout.write(json.dumps(found, default=str))
        else:
            self._print(found)
        failures = [log["error"] for log in found["logs"] if "error" in log]
        if failures:
            raise CommandError("; ".join(failures))

    def _print(self, found: dict[str, Any]) -> None:
        for log in found["logs"]:
            if "error" in log:
                continue
            last = f"{log['last_time']:%Y-%m-%d %H:%M:%S}" if log["last_time"] else "never"
            self.stdout.write(f"{log['path']}: {log['events']} events, the last {last} UTC")
            for consumer in log["consumers"]:
                who = f"process {consumer['pid']}" if consumer["pid"] else "not running"
                paused = ", paused" if consumer["paused"] else ""
                self.stdout.write(
                    f"  {consumer['name']}: {consumer['lag']} behind ({consumer['lag_seconds']:.0f} s), "
                    f"{consumer['parked']} parked, {who}{paused}"
                )
        if "outbox" in found:
            outbox = found["outbox"]
            age = (
                ""
                if outbox["oldest_seconds"] is None
                else f", the oldest {outbox['oldest_seconds']:.0f} s"
            )
            self.stdout.write(
                f"outbox: {outbox['events']} events{age}, {outbox['refused']} refused"
            )
