#!/bin/sh
# store/README.md is exact enough: test_format.py, written from it alone, reads a log as evlog does.
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"
set -e
if ! python_with lmdb, msgpack, xxhash; then
    echo "SKIPPED: needs python3-lmdb, python3-msgpack and python3-xxhash"
    exit 0
fi
"$evlog" send "$home/log" org.example.first.v1 '{"text": "é", "list": [1, -1, 2.5, null, true, {"k": {}}]}' >/dev/null
"$evlog" send "$home/log" org.example.second.v1 '{}' --time 1960-02-29T12:00:00.000001Z --minorversion 7 --service cms >/dev/null
seq -f '{"n": %.0f, "filler": "0123456789012345678901234567890123456789"}' 3000 | "$evlog" send "$home/log" org.example.many.v1 - >/dev/null
$python "$tests/test_format.py" "$home/log" >"$home/theirs"
"$evlog" show "$home/log" -o json >"$home/ours"
$python - "$home/theirs" "$home/ours" <<'PY'
import datetime, json, sys
def us(text): return (datetime.datetime.fromisoformat(text) - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)
theirs, ours = ([json.loads(line) for line in open(name)] for name in sys.argv[1:])
assert len(theirs) == len(ours) == 3002, (len(theirs), len(ours))
for a, b in zip(theirs, ours):
    lib = [int(part) for part in a["source"][2].split(".")]
    assert (a["seq"], a["id"], a["type"], a["minorversion"], a["data"], a["from_event_bus"]) == \
           (b["seq"], b["id"], b["type"], b["minorversion"], b["data"], b["from_event_bus"]), (a, b)
    assert a["source"][:2] == [b["source"], b["sourcehost"]] and lib == b["sourcelib"], (a, b)
    assert a["log_time_us"] == us(b["log_time"]) and a["time_us"] == us(b["time"]), (a, b)
assert ours[1]["time"] == "1960-02-29T12:00:00.000001+00:00" and ours[1]["source"] == "openedx/cms/web"
PY
echo "3002 events read alike by evlog and by test_format.py"
