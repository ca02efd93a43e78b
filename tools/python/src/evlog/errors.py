"""The library's failures as exceptions. Each has the library's sentence, and its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

from evlog._evlog import ffi, lib

if TYPE_CHECKING:
    from evlog.delivering import Outcome
    from evlog.sending import Sent


class Error(Exception):
    """A call of the evlog library failed. `str()` is its sentence: what failed, where, what to do."""

    code: int = 0
    """The library's number for this kind of failure."""
    outcome: Optional[Outcome] = None
    """Of a replay, or the history of a late receiver: how far it came."""


class InvalidError(Error, ValueError):
    """An argument or the data is wrong: correct the call."""

    code = lib.EVLOG_INVALID


class NotFoundError(Error, LookupError):
    """No such log, event, consumer or receiver."""

    code = lib.EVLOG_NOTFOUND


class LimitError(Error):
    """Over a limit that is named in the library's headers."""

    code = lib.EVLOG_LIMIT


class ConflictError(Error):
    """It exists already, and differently; or a condition of a send did not hold."""

    code = lib.EVLOG_CONFLICT


class ReadOnlyError(Error):
    """The log is open for reading only."""

    code = lib.EVLOG_READONLY


class BusyError(Error):
    """In use by another process, which the sentence names: try again later. Nothing was done."""

    code = lib.EVLOG_BUSY


class FullError(Error):
    """No room: free some and send again. The log is as it was."""

    code = lib.EVLOG_FULL


class IoError(Error):
    """The system refused: see the sentence, then close the log and open it again."""

    code = lib.EVLOG_IO


class NoMemoryError(Error, MemoryError):
    """Out of memory."""

    code = lib.EVLOG_NOMEM


class DamagedError(Error):
    """The log is damaged here: `first_seq` to `last_seq` where that is known, else 0."""

    code = lib.EVLOG_DAMAGED

    def __init__(self, message: str, first_seq: int = 0, last_seq: int = 0) -> None:
        super().__init__(message)
        self.first_seq = first_seq
        self.last_seq = last_seq


class UnsupportedError(Error):
    """Not an evlog log, a newer one, or on a file system that it cannot be on."""

    code = lib.EVLOG_UNSUPPORTED


class ForkedError(Error):
    """It was opened before fork() and cannot be used in the child: open it there."""

    code = lib.EVLOG_FORKED


class ReceiverError(Error):
    """A receiver failed, whose exception is `__cause__`. The event is in the log.

    `sent` is what `Log.send` or `send_many` would have returned; None after a replay or from a consumer.
    """

    code = lib.EVLOG_RECEIVER

    def __init__(self, message: str, sent: Union[Sent, list[Sent], None] = None) -> None:
        super().__init__(message)
        self.sent = sent


class StoppedError(Error):
    """`Consumer.stop` was called."""

    code = lib.EVLOG_STOPPED


_BY_CODE: dict[int, type[Error]] = {
    kind.code: kind
    for kind in (
        InvalidError,
        NotFoundError,
        LimitError,
        ConflictError,
        ReadOnlyError,
        BusyError,
        FullError,
        IoError,
        NoMemoryError,
        DamagedError,
        UnsupportedError,
        ForkedError,
        ReceiverError,
        StoppedError,
    )
}


def text(pointer: Any) -> str:
    """C's text as str. Text that is not UTF-8 keeps its bytes as escapes, so that it can be shown."""
    value: bytes = ffi.string(pointer)
    return value.decode("utf-8", "backslashreplace")


def error(code: int, message: Optional[str] = None) -> Error:
    """The exception for a code, with the sentence of this thread's last failure."""
    return _BY_CODE.get(code, Error)(message if message is not None else text(lib.evlog_errmsg()))


def check(code: int) -> None:
    """Raises the exception for a code that is not EVLOG_OK."""
    if code:
        raise error(code)
