"""Keeping a log for years: trimming it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from evlog._evlog import ffi, lib
from evlog.errors import text
from evlog.inspecting import Visit, keep_interrupt

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


@ffi.def_extern(error=1, onerror=keep_interrupt)  # type: ignore[untyped-decorator]
def python_trimming(deleted_count: int, context: Any) -> int:
    """evlog_trim_options.visit: Python's signal handlers run here."""
    return ffi.from_handle(context).call(deleted_count)  # type: ignore[no-any-return]


def trim(handle: Handle, before: int, force: bool, preview: bool) -> Trimmed:
    """What `Log.trim` returns."""
    visit = Visit(lambda deleted_count: None)
    options, c = ffi.new("evlog_trim_options *"), ffi.new("evlog_trimmed *")
    options.force, options.preview = force, preview
    options.visit, options.ctx = lib.python_trimming, visit.context

    def run(log: Any) -> int:
        code: int = lib.evlog_trim(log, before, options, c)
        visit.reraise()
        return code

    handle.call(run)
    return Trimmed(c.first_seq, c.last_seq, c.deleted_count, c.held_seq, text(c.held_by) or None)
