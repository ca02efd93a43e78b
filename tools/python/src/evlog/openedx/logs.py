"""The logs that this process has open, by their paths. They stay open until it ends."""

from __future__ import annotations

import os
import threading
from typing import Any

from django.core.signals import setting_changed

import evlog
from evlog.openedx import conf

_lock = threading.Lock()
_logs: dict[str, evlog.Log] = {}


def get(path: str) -> evlog.Log:
    """The log at a path, which is made with its directories when it does not exist."""
    log = _logs.get(path)
    if log is not None:
        return log
    with _lock:
        if path not in _logs:
            os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
            new = not os.path.exists(path)
            _logs[path] = evlog.open(path, durable=conf.get().durable if new else None)
        return _logs[path]


def existing(path: str) -> evlog.Log:
    """A log that is there, to be read; it is not made.

    Opened like the others: a receiver of this process may send into it. Where it cannot be written to
    now, it is read only, and closed when it is dropped.
    """
    with _lock:
        if path not in _logs:
            try:
                _logs[path] = evlog.open(path, create=False)
            except (evlog.IoError, evlog.ReadOnlyError, evlog.DamagedError):
                return evlog.open(path, read_only=True)
        return _logs[path]


def close_all() -> None:
    """Closes them, so that each is opened again when it is asked for."""
    with _lock:
        while _logs:
            _logs.popitem()[1].close()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


def _setting_changed(*, setting: str, **_: Any) -> None:
    if setting == "EVLOG":
        close_all()


os.register_at_fork(after_in_child=_after_fork)
setting_changed.connect(_setting_changed)
