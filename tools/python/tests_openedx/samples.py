"""Data for every signal of openedx-events, made from its types."""

import random
import typing
import uuid
from datetime import datetime, timedelta, timezone

import attr
from ccx_keys.locator import CCXLocator
from opaque_keys.edx.keys import CourseKey, UsageKey
from opaque_keys.edx.locator import LibraryLocatorV2, LibraryUsageLocatorV2
from openedx_events.learning.data import (
    CourseData,
    CourseEnrollmentData,
    UserData,
    UserPersonalData,
)

try:
    from opaque_keys.edx.locator import LibraryCollectionLocator, LibraryContainerLocator
except ImportError:
    LibraryCollectionLocator = LibraryContainerLocator = None

_COURSE = "course-v1:edX+DemoX+2026"


def enrollment(username="alice"):
    """The argument of COURSE_ENROLLMENT_CREATED."""
    return CourseEnrollmentData(
        user=UserData(
            pii=UserPersonalData(username=username, email=f"{username}@example.com", name="Grüße"),
            id=42,
            is_active=True,
        ),
        course=CourseData(course_key=CourseKey.from_string(_COURSE), display_name="Demo"),
        mode="audit",
        is_active=True,
        creation_date=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc),
    )


def _key(kind, dice):
    name = kind.__name__
    makers = {
        "CourseKey": lambda: CourseKey.from_string(_COURSE),
        "CCXLocator": lambda: CCXLocator.from_string("ccx-v1:edX+DemoX+2026+ccx@1"),
        "UsageKey": lambda: UsageKey.from_string(
            f"block-v1:edX+DemoX+2026+type@html+block@{dice.randrange(999)}"
        ),
        "LibraryLocatorV2": lambda: LibraryLocatorV2.from_string("lib:edX:lib"),
        "LibraryUsageLocatorV2": lambda: LibraryUsageLocatorV2.from_string("lb:edX:lib:html:one"),
        "LibraryCollectionLocator": lambda: LibraryCollectionLocator.from_string(
            "lib-collection:edX:lib:one"
        ),
        "LibraryContainerLocator": lambda: LibraryContainerLocator.from_string(
            "lct:edX:lib:unit:one"
        ),
    }
    return makers[name]() if name in makers else None


def value(kind, dice):
    """A value of a type, as openedx-events declares them."""
    if attr.has(kind):
        return kind(**{a.name.lstrip("_"): value(a.type, dice) for a in attr.fields(kind)})
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return [value(of[0], dice) for _ in range(dice.randint(1, 3))]
    if origin is dict:
        return {f"key{i}": value(of[1], dice) for i in range(dice.randint(1, 3))}
    if origin is typing.Union:
        return value(of[0], dice)
    key = _key(kind, dice)
    if key is not None:
        return key
    if kind is datetime:
        return datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(
            microseconds=dice.randrange(10**12)
        )
    plain = {
        str: lambda: f"text ü {dice.randrange(10**6)}",
        int: lambda: dice.randrange(1, 10**9),
        float: lambda: dice.random() + 1,
        bool: lambda: True,
        uuid.UUID: lambda: uuid.UUID(int=dice.getrandbits(128)),
        bytes: lambda: b"bytes",
    }
    return plain[kind]()


def arguments(signal, seed=0):
    """The arguments of a signal."""
    dice = random.Random(f"{signal.event_type} {seed}")
    return {name: value(kind, dice) for name, kind in signal.init_data.items()}
