"""Keeping a log for years: trimming it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from evlog._evlog import ffi, lib
from evlog.errors import text

if TYPE_CHECKING:
    from evlog.handle import Handle


@dataclass(frozen=True)
class Trimmed:
    """What `Log.trim` dropped, or would drop."""

    first_seq: int
    """Of the events that are gone; 0: none."""
    last_seq: int
    deleted_count: int
    """Events whose space can be used again, also those of an earlier trimming."""
    held_seq: int
    """The first of these events that a consumer has not done, or has parked; 0: none."""
    held_by: Optional[str]
    """That consumer."""


def trim(handle: Handle, before: int, force: bool, preview: bool) -> Trimmed:
    """What `Log.trim` returns."""
    options, c = ffi.new("evlog_trim_options *"), ffi.new("evlog_trimmed *")
    options.force, options.preview = force, preview
    options.visit = lib.python_visit
    handle.call(lib.evlog_trim, before, options, c)
    return Trimmed(c.first_seq, c.last_seq, c.deleted_count, c.held_seq, text(c.held_by) or None)
