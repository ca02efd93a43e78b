"""A persistent event log with replay.

    >>> import evlog
    >>> with evlog.open("enrollments") as log:
    ...     log.send("org.example.enrollment.created.v1", {"username": "alice"})
    ...     for event in log:
    ...         print(event.seq, event.type, event.data)

`open` gives a `Log`. An event is in the log before any receiver or consumer gets it; `Log.events`
reads any range, `Log.connect` calls a function for what this process sends, `Log.consumer` is a named
place in the log that outlives the process. Times are aware datetimes, ids are `uuid.UUID`, and every
failure is an `Error` with the library's sentence.
"""

from evlog._evlog import ffi as _ffi
from evlog._evlog import lib as _lib
from evlog.consuming import ConsumedEvent, Consumer, Notice, State
from evlog.delivering import Last, Outcome
from evlog.errors import (
    BusyError,
    ConflictError,
    DamagedError,
    Error,
    ForkedError,
    FullError,
    InvalidError,
    IoError,
    LimitError,
    NoMemoryError,
    NotFoundError,
    ReadOnlyError,
    ReceiverError,
    StoppedError,
    UnsupportedError,
)
from evlog.event import Event
from evlog.inspecting import Finding, Info, Type, Verification
from evlog.log import Log, open
from evlog.parking import ConsumerInfo, Parked, Reset
from evlog.ranges import Events, Follow, matches
from evlog.receivers import Response
from evlog.sending import Sending, Sent
from evlog.upkeep import Trimmed

__version__: str = _ffi.string(_lib.evlog_version()).decode()

__all__ = [
    "BusyError",
    "ConflictError",
    "ConsumedEvent",
    "Consumer",
    "ConsumerInfo",
    "DamagedError",
    "Error",
    "Event",
    "Events",
    "Finding",
    "Follow",
    "ForkedError",
    "FullError",
    "Info",
    "InvalidError",
    "IoError",
    "Last",
    "LimitError",
    "Log",
    "NoMemoryError",
    "NotFoundError",
    "Notice",
    "Outcome",
    "Parked",
    "ReadOnlyError",
    "ReceiverError",
    "Reset",
    "Response",
    "Sending",
    "Sent",
    "State",
    "StoppedError",
    "Trimmed",
    "Type",
    "UnsupportedError",
    "Verification",
    "matches",
    "open",
]
