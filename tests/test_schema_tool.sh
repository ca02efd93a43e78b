#!/bin/sh
# The command and schemas: what is sent is checked, what is printed can be sent again, a log's schemas are
# reported and guarded, plugins are loaded.
set -eu
build=$(cd "$1" && pwd)
evlog=$build/evlog
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cd "$home"
type=org.openedx.learning.course.enrollment.created.v1
good='{"enrollment": {"user": {"id": 42, "is_active": false, "pii": {"username": "alice", "email": "", "name": "A"}},
 "course": {"course_key": "course-v1:edX+DemoX+Demo_Course", "display_name": "D", "start": null, "end": "2021-06-09T14:12:45.320819+00:00"},
 "mode": "honor", "is_active": true, "creation_date": "2021-06-09T14:12:45+00:00", "created_by": null}}'
fails() { # fails STATUS WORDS COMMAND...: it exits with that and says these words
    wanted=$1 words=$2 status=0
    shift 2
    "$@" >out 2>&1 || status=$?
    [ "$status" = "$wanted" ] || { echo "$*: exit $status, not $wanted: $(cat out)"; exit 1; }
    grep -qF -- "$words" out || { echo "$*: says nothing of '$words': $(cat out)"; exit 1; }
}

# a schema from the catalogue: sends are checked, each wrong field is named, nothing wrong is logged
"$evlog" schema add log "$type"
fails 2 'enrollment.user.pii.email: expected string, found integer; enrollment.mode: missing' \
    "$evlog" send log "$type" "$(echo "$good" | sed 's/"email": ""/"email": 5/; s/"mode": "honor", //')"
fails 2 'enrollment.seat: no such field' "$evlog" send log "$type" "$(echo "$good" | sed 's/"mode"/"seat": 1, "mode"/')"
fails 2 'enrollment.creation_date: expected a time' "$evlog" send log "$type" "$(echo "$good" | sed 's/12:45+00:00/12:45/')"
fails 2 'enrollment.course.course_key: expected a course key' "$evlog" send log "$type" "$(echo "$good" | sed 's/course-v1:/course-v9:/')"
fails 1 'the log is empty' "$evlog" show log
"$evlog" send log "$type" "$good" >/dev/null
# what is left out has its default; lines are checked one by one
echo "$good" | tr -d '\n' | sed 's/, "created_by": null//' >lines
printf '\n{"enrollment": 1}\n' >>lines
fails 2 'line 2: enrollment: expected map, found integer' "$evlog" send log "$type" - <lines
[ "$("$evlog" show log -o json | wc -l)" = 2 ]

# what is printed can be sent again, and is the same
"$evlog" show log -o json | sed 's/.*"data": //; s/}$//' >data
"$evlog" send log "$type" - <data >/dev/null
"$evlog" show log --from 3 -o json | sed 's/.*"data": //; s/}$//' | cmp - data

# types prints the schemas, one a line; they can be given back
"$evlog" types log --schema -o json >types
grep -qF '"name": "CourseEnrollmentData"' types
[ "$(wc -l <types)" = 1 ]
sed 's/.*"schema": //; s/}$//' types >schema
"$evlog" schema check log "$type" schema -o short | grep -q '^it fits$'

sed 's/{"name": "mode", "type": "string"}, //' schema >less
fails 1 'enrollment.mode: is missing' "$evlog" schema check log "$type" less -o short
fails 2 'enrollment.mode: is missing' "$evlog" schema add log "$type" less
sed 's/{"name": "mode", "type": "string"}/&, {"name": "seat", "type": ["null", "long"], "default": null}/' schema >more
"$evlog" schema add log "$type" more
[ "$("$evlog" types log --schema -o json | wc -l)" = 2 ]
[ "$("$evlog" types log -o json | wc -l)" = 1 ]
"$evlog" send log "$type" "$(echo "$good" | sed 's/"mode"/"seat": 1, "mode"/')" >/dev/null
# a change that breaks is refused, and recorded when asked for; events keep the schema they were sent under
catalog() { # catalog FIELDS
    echo '{"type":"record","name":"CloudEvent","fields":[{"name":"catalog_info","type":{"type":"record",
        "name":"CourseCatalogData","fields":['"$1"'{"name":"hidden","type":"boolean"}]}}]}'
}
catalog '{"name":"effort","type":"string"},' >catalog1
catalog '' >catalog2
"$evlog" schema add catalog org.example.catalog.v1 catalog1
"$evlog" send catalog org.example.catalog.v1 '{"catalog_info": {"effort": "2h", "hidden": true}}' >/dev/null
fails 2 'With --force it is recorded all the same' "$evlog" schema add catalog org.example.catalog.v1 catalog2
fails 2 'effort: missing' "$evlog" send catalog org.example.catalog.v1 '{"catalog_info": {"hidden": true}}'
"$evlog" schema add catalog org.example.catalog.v1 catalog2 --force
"$evlog" schema add catalog org.example.catalog.v1 catalog2
"$evlog" send catalog org.example.catalog.v1 '{"catalog_info": {"hidden": true}}' >/dev/null
fails 2 'effort: no such field' "$evlog" send catalog org.example.catalog.v1 '{"catalog_info": {"effort": "2h", "hidden": true}}'
"$evlog" schema check catalog -o short | grep -q " 0 do not"
fails 1 'no such event type' "$evlog" types log --schema --type org.example.none
fails 2 'not JSON' "$evlog" schema check log "$type" lines
fails 2 'is not an event of Open edX' "$evlog" schema add log org.example.none
fails 2 'evlog schema check LOG' "$evlog" schema drop log
fails 3 'none' "$evlog" schema check none
# every event against its own schema, also those that were sent untyped
"$evlog" send log org.example.untyped.v1 '{"any": "thing"}' >/dev/null
"$evlog" schema check log -o short | grep -q 'fit their schema, 0 do not, 1 are untyped'

# the forms of texts are the log's: what a class refuses the command refuses too
echo '{"type":"record","name":"Placed","fields":[{"name":"order","type":{"type":"record","name":"Order",
  "fields":[{"name":"placed_at","type":"string"},{"name":"lines","type":{"type":"array","items":"string"}}]}}]}' >placed
"$evlog" schema add shop org.example.order.placed.v1 placed --form order.placed_at=time --form 'order.lines.*=uuid'
fails 2 'order.placed_at: expected a time' \
    "$evlog" send shop org.example.order.placed.v1 '{"order": {"placed_at": "2026-01-01", "lines": []}}'
fails 2 'order.lines[0]: expected a UUID' \
    "$evlog" send shop org.example.order.placed.v1 '{"order": {"placed_at": "2026-01-01T00:00:00Z", "lines": ["a"]}}'
fails 1 'the log is empty' "$evlog" show shop
"$evlog" send shop org.example.order.placed.v1 '{"order": {"placed_at": "2026-01-01T00:00:00Z", "lines": []}}' >/dev/null
"$evlog" types shop --schema -o json | grep -qF '"forms": {"order.lines.*": "uuid", "order.placed_at": "time"}'
"$evlog" types shop --schema -o short | grep -qF 'forms: order.lines.* = uuid, order.placed_at = time'
fails 2 'no field order.sent_at' "$evlog" schema add shop org.example.order.sent.v1 placed --form order.sent_at=time
fails 2 '--form takes' "$evlog" schema add shop org.example.order.sent.v1 placed --form time
fails 2 'those of its class' "$evlog" schema add log "$type" --form enrollment.mode=time

# plugins, in the order given; a bad one stops everything
"$evlog" replay log --plugin "$build/plugins/preferences.so" -n 1 | grep -qF 'notification preference of alice'
"$evlog" send log "$type" "$good" --plugin "$build/plugins/preferences.so" | grep -q 'event 7, in the log already'
fails 2 'its start failed with -13: no database' \
    "$evlog" replay log --plugin "$build/plugins/preferences.so" --plugin "$build/plugins/failing.so"
# a receiver that fails is reported, one event or many; the events are in the log
PLUGIN_REFUSES=all; export PLUGIN_REFUSES
fails 1 'event 1 is in the log, but receiver plugged failed: no seat for 1' "$evlog" send seats org.example.plugged.v1 --plugin "$build/plugins/refusing.so"
printf '{}\n{}\n' >two
fails 1 'event 3 is in the log, but a receiver failed: no seat for 3' "$evlog" send seats org.example.plugged.v1 - --plugin "$build/plugins/refusing.so" <two
[ "$("$evlog" show seats -o json | wc -l)" = 3 ]
unset PLUGIN_REFUSES
fails 2 'has no evlog_plugin_main' "$evlog" send log "$type" "$good" --plugin "$build/plugins/nameless.so"
fails 2 '--exec' "$evlog" replay log
[ "$("$evlog" show log -o json | wc -l)" = 7 ]
echo "checked, printed and sent again, schemas guarded, plugins loaded"
