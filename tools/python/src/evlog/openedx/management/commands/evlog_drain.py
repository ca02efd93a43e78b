"""manage.py evlog_drain: moves the outbox into the logs."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from evlog.openedx import outbox


class Command(BaseCommand):
    """Moves what is in the outbox into the logs."""

    help = """Moves the events in the outbox into the logs, each once. A process does so by itself after each
    commit; this takes what a killed process left, or all of them where the others may not."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to go on."""
        parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, so often")
        parser.add_argument("--retry", action="store_true", help="also what a log has refused")

    def handle(self, *args: Any, **options: Any) -> None:
        """Drains, once or for ever."""
        if options["retry"]:
            outbox.retry_refused()
        while True:
            moved = outbox.drain()
            if options["every"] is None:
                self.stdout.write(f"{moved} events were moved")
                return
            time.sleep(options["every"])
