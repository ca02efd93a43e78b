"""Consumers by their names, whichever process has them: looking, retrying, resetting, removing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from evlog import convert
from evlog._evlog import ffi, lib
from evlog.delivering import Start, set_start
from evlog.errors import text
from evlog.inspecting import Visit, keep_interrupt

if TYPE_CHECKING:
    from evlog.handle import Handle


@dataclass(frozen=True)
class ConsumerInfo:
    """How far a consumer has come."""

    name: str
    checkpoint: int
    """The last seq that it is done with; 0: none."""
    lag_count: int
    """Events in the log after it, wanted or not."""
    lag: timedelta
    """How long ago the first of these was logged."""
    created: datetime
    updated: datetime
    done_count: int
    refused_count: int
    skipped_count: int
    parked_count: int
    retry_count: int
    state_count: int
    is_paused: bool
    pid: Optional[int]
    """Of the process that has it; None: nobody. -1: not known, or in another pid namespace."""
    types: list[str]
    """Empty: every type."""


@dataclass(frozen=True)
class Parked:
    """An event on record as not done."""

    seq: int
    last_seq: int
    """`seq`; or of a range that was lost, its last."""
    attempt_count: int
    time: datetime
    """Of the last attempt."""
    is_lost: bool
    """Damaged or trimmed away when the consumer came there."""
    is_retry: bool
    """It waits to be retried."""
    error: str


@dataclass(frozen=True)
class Reset:
    """What a reset did, or would do."""

    old_checkpoint: int
    checkpoint: int
    state_count: int
    """Keys of its state that are dropped."""
    parked_count: int
    """Parked events that are dropped: they come again, or are passed."""


@ffi.def_extern(error=1, onerror=keep_interrupt)  # type: ignore[untyped-decorator]
def python_consumer(info: Any, context: Any) -> int:
    """evlog_each_consumer's visitor."""
    return ffi.from_handle(context).call(info)  # type: ignore[no-any-return]


@ffi.def_extern(error=1, onerror=keep_interrupt)  # type: ignore[untyped-decorator]
def python_parked(parked: Any, context: Any) -> int:
    """evlog_each_parked's visitor."""
    return ffi.from_handle(context).call(parked)  # type: ignore[no-any-return]


@ffi.def_extern(error=1, onerror=keep_interrupt)  # type: ignore[untyped-decorator]
def python_state(key: Any, key_size: int, value: Any, value_size: int, context: Any) -> int:
    """evlog_each_state's visitor."""
    pair = ffi.buffer(key, key_size)[:], ffi.buffer(value, value_size)[:]
    return ffi.from_handle(context).call(pair)  # type: ignore[no-any-return]


def _info(c: Any) -> ConsumerInfo:
    return ConsumerInfo(
        name=text(c.name),
        checkpoint=c.checkpoint,
        lag_count=c.lag_count,
        lag=timedelta(microseconds=c.lag_us),
        created=convert.datetime_of(c.created_us),
        updated=convert.datetime_of(c.updated_us),
        done_count=c.done_count,
        refused_count=c.refused_count,
        skipped_count=c.skipped_count,
        parked_count=c.parked_count,
        retry_count=c.retry_count,
        state_count=c.state_count,
        is_paused=c.is_paused,
        pid=c.pid or None,
        types=[text(c.types[i]) for i in range(c.type_count)],
    )


def _parked(c: Any) -> Parked:
    return Parked(
        c.seq,
        c.last_seq,
        c.attempt_count,
        convert.datetime_of(c.time_us),
        c.is_lost,
        c.is_retry,
        text(c.error),
    )


def _each(handle: Handle, make: Callable[[Any], Any], walk: Callable[[Any, Any], int]) -> list[Any]:
    """What `make` makes of each thing that the library shows."""
    found: list[Any] = []
    visit = Visit(lambda c: found.append(make(c)))

    def call(log: Any) -> int:
        found.clear()
        code = walk(log, visit.context)
        visit.reraise()
        return code

    handle.call(call)
    return found


def consumers(handle: Handle) -> list[ConsumerInfo]:
    """See `Log.consumers`."""
    return _each(
        handle,
        _info,
        lambda log, context: lib.evlog_each_consumer(log, lib.python_consumer, context),
    )


def inspect(handle: Handle, name: str) -> ConsumerInfo:
    """See `Log.consumer_info`."""
    found = ffi.new("evlog_consumer_info **")
    handle.call(lib.evlog_consumer_inspect, convert.c_text(name), found)
    try:
        return _info(found[0])
    finally:
        lib.evlog_consumer_info_free(found[0])


def parked(handle: Handle, name: str) -> list[Parked]:
    """See `Log.parked`."""
    c_name = convert.c_text(name)
    return _each(
        handle,
        _parked,
        lambda log, context: lib.evlog_each_parked(log, c_name, lib.python_parked, context),
    )


def state(handle: Handle, name: str) -> dict[Union[str, bytes], Any]:
    """See `Log.consumer_state`."""
    c_name = convert.c_text(name)
    pairs = _each(
        handle,
        lambda pair: (convert.text_or_bytes(pair[0]), convert.unpack(pair[1])),
        lambda log, context: lib.evlog_each_state(log, c_name, lib.python_state, context),
    )
    return dict(pairs)


def retry(handle: Handle, name: str, seq: int) -> int:
    """See `Log.retry`."""
    count = ffi.new("uint64_t *")
    handle.call(lib.evlog_parked_retry, convert.c_text(name), seq, count)
    return count[0]  # type: ignore[no-any-return]


def drop(handle: Handle, name: str, seq: int) -> int:
    """See `Log.drop_parked`."""
    count = ffi.new("uint64_t *")
    handle.call(lib.evlog_parked_drop, convert.c_text(name), seq, count)
    return count[0]  # type: ignore[no-any-return]


def reset(handle: Handle, name: str, start: Start, dry_run: bool) -> Reset:
    """See `Log.reset_consumer`."""
    options, result = ffi.new("evlog_reset_options *"), ffi.new("evlog_reset *")
    set_start(options, start)
    options.dry_run = dry_run
    handle.call(lib.evlog_consumer_reset, convert.c_text(name), options, result)
    return Reset(result.old_checkpoint, result.checkpoint, result.state_count, result.parked_count)
