"""How fast: iterating and sending beside the library's own calls, and the bus beside event-bus-redis.

usage: python bench/speed.py [DIRECTORY]

Each line is the best of several rounds, of events of 230 bytes. The last part needs openedx-events; beside it
event-bus-redis is measured, where that is installed, with redis-server (REDIS), appendfsync always.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import evlog
from evlog import ranges
from evlog._evlog import ffi, lib

TYPE = "org.example.enrollment.created.v1"
DATA = {
    "username": "u" * 20,
    "course": "course-v1:edX+DemoX+2026",
    "mode": "audit",
    "is_active": True,
    "n": 12345,
    "pad": "x" * 130,
}
COUNT = 400_000
ROUNDS = 5


def best(function, count):
    """The least time of a round, in seconds for each of `count`."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times) / count


def say(what, seconds, beside=None):
    """A line: how many a second, how long one takes, and how much more than what it is beside."""
    more = "" if beside is None else f"  {(seconds - beside) * 1e6:+8.2f} us"
    print(f"{what:52} {1 / seconds:12,.0f}/s {seconds * 1e6:10.2f} us{more}", flush=True)
    return seconds


def iterate(log):
    """Ranges of a fast log."""
    for _ in range(COUNT // 4000):
        log.send_many([(TYPE, DATA)] * 4000)

    def read_in_c():
        batch = ffi.new("flat_batch **")
        wanted = ranges.CRange(ranges.Range(), 1, COUNT, None)
        evlog.errors.check(lib.flat_batch_open(log._live().pointer(), wanted.pointer, batch))
        while not batch[0].at_end:
            lib.flat_batch_fill(batch[0])
            batch[0].is_untaken = False
        lib.flat_batch_close(batch[0])

    def without_data():
        for _ in log.events(1, COUNT):
            pass

    def with_data():
        for event in log.events(1, COUNT):
            _ = event.data

    def consume():
        with log.consumer("c", timeout=0) as consumer:
            for _ in consumer:
                pass
        log.reset_consumer("c")

    c = say("the C API, copied", best(read_in_c, COUNT))
    say("for event in log.events()", best(without_data, COUNT), c)
    say("for event in log.events(): event.data", best(with_data, COUNT), c)
    say("for event in consumer", best(consume, len(log)))


def send(log):
    """Single sends into a fast log."""
    packed = evlog.convert.pack(DATA)
    signal = log._live().signal(TYPE)
    flat = ffi.new("flat_sent *")
    count = 20_000

    def in_c():
        for _ in range(count):
            lib.flat_send(signal, packed, len(packed), ffi.NULL, flat)

    def in_python():
        for _ in range(count):
            log.send(TYPE, DATA)

    c = say("the C API, through cffi: a send, fast log", best(in_c, count))
    say("log.send(type, data)", best(in_python, count), c)


def settings(home, redis_url):
    """Django with both buses, of which one is named by EVENT_BUS_PRODUCER."""
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["openedx_events"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{home}/db"}},
        EVLOG={"bus_path": f"{home}/bus"},
        EVENT_BUS_REDIS_CONNECTION_URL=redis_url,
        EVENT_BUS_TOPIC_PREFIX="bench",
        EVENTS_SERVICE_NAME="bench",
    )
    django.setup()


def produce(home, redis):
    """The producers of the two buses, on one disk, both flushed."""
    from openedx_events.learning.signals import COURSE_ENROLLMENT_CREATED as SIGNAL
    from samples import enrollment

    from evlog.openedx import create_producer

    data = {"enrollment": enrollment()}
    count = 300

    def producing(producer):
        def run():
            for _ in range(count):
                producer.send(
                    signal=SIGNAL,
                    topic="enrollments",
                    event_key_field="enrollment.user.pii.username",
                    event_data=data,
                    event_metadata=SIGNAL.generate_signal_metadata(),
                )

        run()
        return best(run, count)

    c = None
    if redis:
        from edx_event_bus_redis import create_producer as create_redis_producer

        c = say("event-bus-redis: a produced event, durable", producing(create_redis_producer()))
    say("evlog.openedx: a produced event, durable", producing(create_producer()), c)


def main():
    """All parts that can be run."""
    home = Path(tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None))
    server = None
    try:
        with evlog.open(home / "log", durable=False) as log:
            iterate(log)
            send(log)
        if importlib.util.find_spec("openedx_events") is None:
            return
        has_redis = importlib.util.find_spec("edx_event_bus_redis") is not None
        program = shutil.which(os.environ.get("REDIS", "redis-server"))
        if has_redis and program:
            options = ["--port", "0", "--unixsocket", f"{home}/socket", "--dir", str(home)]
            options += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
            server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
            while not os.path.exists(f"{home}/socket"):
                time.sleep(0.01)
        settings(home, f"unix://{home}/socket")
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests_openedx"))
        produce(home, server is not None)
    finally:
        if server:
            server.terminate()
            server.wait()
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
