"""Looking at a log: what it is, which types it has, whether it is whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional
from uuid import UUID

from evlog import convert
from evlog._evlog import ffi, lib
from evlog.errors import text

if TYPE_CHECKING:
    from evlog.handle import Handle


@dataclass(frozen=True)
class Info:
    """What there is to know of a log without reading it through."""

    uuid: UUID
    """The log's own."""
    origin: UUID
    """Of the log that this one is a copy of, else as `uuid`."""
    format: int
    durable: bool
    read_only: bool
    created: datetime
    first_seq: int
    """0: the log is empty."""
    last_seq: int
    first_log_time: Optional[datetime]
    last_log_time: Optional[datetime]
    clock_step_count: int
    """How often log time stepped back, because the clock had been ahead."""
    is_ahead: bool
    """The last log time is more than a minute after the clock here."""
    file_size: int
    used_size: int
    free_size: int
    """Of used_size: in pages that trimming has freed, for events to come."""
    type_count: int
    source_count: int
    unknown_entry_count: int
    """Entries of state.mdb that a newer evlog has made."""
    is_unrecovered: bool
    """Open for reading only, and its newest state is not whole, by a power cut or damage: what is read is
    what the last flush left, until a writer opens the log."""
    waiting_count: int
    """Events that only the journal has until then: they are in none of the numbers above."""
    erased_waiting_count: int
    """Erased events whose bytes may be in unused parts of the file until the log is compacted."""


@dataclass(frozen=True)
class Type:
    """An event type as the log records it. A type is there once for each schema that it has had."""

    name: str
    schema: Optional[str]
    """Avro's JSON; None: untyped."""
    forms: dict[str, str]
    """What a text field must be like, by its path."""
    personal: list[str]
    """The paths of fields that are about a person."""


@dataclass(frozen=True)
class Finding:
    """What `Log.verify` found wrong, or remarks."""

    first_seq: int
    last_seq: int
    text: str
    is_remark: bool
    """It is not wrong."""


@dataclass(frozen=True)
class Verification:
    """The result of `Log.verify`."""

    checked_count: int
    findings: list[Finding]

    @property
    def is_whole(self) -> bool:
        """Every event is as it was sent, and all that must hold does."""
        return all(finding.is_remark for finding in self.findings)


class Visit:
    """A function that the library calls for each of several things; an exception ends the walk."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._failure: Optional[BaseException] = None
        self.context = ffi.new_handle(self)

    def call(self, *arguments: Any) -> int:
        """Calls the function, and keeps what it raises."""
        try:
            self._function(*arguments)
        except BaseException as exception:
            self._failure = exception
            return 1
        return 0

    def keep(self, failure: BaseException) -> None:
        """Keeps what was raised, for `reraise`."""
        self._failure = failure

    def reraise(self) -> None:
        """Raises what the function raised."""
        if self._failure is not None:
            raise self._failure


def visit(function: Any, visitor: Any, each: Callable[..., Any], *arguments: Any) -> Any:
    """Calls one of the library's evlog_each_... functions, and returns its code."""
    walk = Visit(each)
    code = function(*arguments, visitor, walk.context)
    walk.reraise()
    return code


def keep_interrupt(kind: Any, exception: Any, traceback: Any) -> None:
    """For a def_extern whose last argument is a Visit: an interrupt as the function began."""
    if traceback is not None:
        ffi.from_handle(traceback.tb_frame.f_locals["context"]).keep(exception)


def _visited(context: Any, *arguments: Any) -> int:
    return ffi.from_handle(context).call(*arguments)  # type: ignore[no-any-return]


@ffi.def_extern(error=1, onerror=keep_interrupt)  # type: ignore[untyped-decorator]
def python_type(c_type: Any, context: Any) -> int:
    """evlog_each_type's visitor."""
    return _visited(context, c_type)


@ffi.def_extern(error=1, onerror=keep_interrupt)  # type: ignore[untyped-decorator]
def python_finding(finding: Any, seq: int, context: Any) -> int:
    """evlog_verify's visitor."""
    return _visited(context, finding, seq)


def info(handle: Handle) -> Info:
    """What `Log.info` returns."""
    c = ffi.new("evlog_info *")
    handle.call(lib.evlog_inspect, c)

    def time(microseconds: int) -> Optional[datetime]:
        return convert.datetime_of(microseconds) if microseconds else None

    return Info(
        uuid=UUID(bytes=ffi.buffer(c.uuid)[:]),
        origin=UUID(bytes=ffi.buffer(c.origin)[:]),
        format=c.format,
        durable=c.durability == lib.EVLOG_DURABLE,
        read_only=c.read_only,
        created=convert.datetime_of(c.created_us),
        first_seq=c.first_seq,
        last_seq=c.last_seq,
        first_log_time=time(c.first_log_time_us),
        last_log_time=time(c.last_log_time_us),
        clock_step_count=c.clock_step_count,
        is_ahead=c.is_ahead,
        file_size=c.file_size,
        used_size=c.used_size,
        free_size=c.free_size,
        type_count=c.type_count,
        source_count=c.source_count,
        unknown_entry_count=c.unknown_entry_count,
        is_unrecovered=c.is_unrecovered,
        waiting_count=c.waiting_count,
        erased_waiting_count=c.erased_waiting_count,
    )


def types(handle: Handle) -> list[Type]:
    """What `Log.types` returns."""
    found: list[Type] = []

    def add(c: Any) -> None:
        found.append(
            Type(
                name=text(c.name),
                schema=None if c.schema == ffi.NULL else text(c.schema),
                forms={
                    text(form.path): text(form.form) for form in ffi.unpack(c.forms, c.form_count)
                }
                if c.form_count
                else {},
                personal=[text(path) for path in ffi.unpack(c.personal, c.personal_count)]
                if c.personal_count
                else [],
            )
        )

    def each_type(log: Any) -> int:
        found.clear()
        return visit(lib.evlog_each_type, lib.python_type, add, log)  # type: ignore[no-any-return]

    handle.call(each_type)
    return found


def verify(handle: Handle, progress: Optional[Callable[[int], Any]]) -> Verification:
    """What `Log.verify` returns."""
    findings: list[Finding] = []
    checked = ffi.new("uint64_t *")

    def add(c: Any, seq: int) -> None:
        if c == ffi.NULL:
            if progress is not None:
                progress(seq)
            return
        findings.append(Finding(c.first_seq, c.last_seq, text(c.text), c.is_remark))

    def run(log: Any) -> int:
        findings.clear()
        walk = Visit(add)
        code: int = lib.evlog_verify(log, lib.python_finding, walk.context, checked)
        walk.reraise()
        return 0 if code == lib.EVLOG_DAMAGED else code

    handle.call(run)
    return Verification(checked[0], findings)
