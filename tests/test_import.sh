#!/bin/sh
# evlog export and evlog import: there and back, what was interrupted, what is wrong, and what is masked. usage: test_import.sh BUILD
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"

TYPE=org.openedx.learning.course.enrollment.created.v1
shared=$tests/../../shared/cases/history.jsonl
[ -r "$shared" ] || shared=/work/shared/cases/history.jsonl

# Events without what an import does not keep: seq and log time.
events() { "$evlog" show "$1" -o json | sed 's/^{"seq": [0-9]*, "log_time": "[^"]*", /{/'; }
exported() { "$evlog" export "$@" | sed 's/^{"seq": [0-9]*, "log_time": "[^"]*", /{/'; }
count() { events "$1" 2>/dev/null | wc -l; }
# made FIRST LAST: lines of events whose ids and data have these numbers
made() { seq "$1" "$2" | awk '{printf "{\"id\": \"%08x-0a51-11ef-8f3d-0242ac120002\", \"type\": \"org.example.made.v1\", \"time\": \"2024-05-04T19:20:31.250000+00:00\", \"data\": {\"n\": %d}}\n", $1, $1}'; }
numbers() { "$evlog" show "$1" -o json | sed 's/.*"data": {"n": \([0-9]*\)}}/\1/'; }

# ------------------------------------------------------- lines of elsewhere ----

cat >history <<'END'
{"id": "6f1c2f4e-0a51-11ef-8f3d-0242ac120002", "type": "org.example.sold.v1", "minorversion": 2, "time": "1970-01-01T00:00:00+00:00", "source": "shop/lms", "sourcehost": "lms-1", "sourcelib": [9, 5, 0], "from_event_bus": true, "headers": {"trace": "ä b"}, "data": {"a": {"$bin": "AAEC"}}}

{"id": "70b7c7da-0a51-11ef-8f3d-0242ac120002", "type": "org.example.sold.v1", "time": "2024-05-04T21:20:34.1+02:00", "unknown": [1], "data": {}}
{"id": "70b7c7da-0a51-11ef-8f3d-0242ac120002", "type": "org.example.gone.v1", "time": "2024-05-04T21:20:34.1+02:00", "data": null}
{"type": "org.example.bare.v1", "data": {"b": 1}}
END
try 0 "" import log history -o short
is "what it says" "$(cat out)" "3 events imported, seq 1 to 3; 1 is erased, and left out"
is "an event as it was" "$(events log | head -n 1)" '{"id": "6f1c2f4e-0a51-11ef-8f3d-0242ac120002", "type": "org.example.sold.v1", "minorversion": 2, "time": "1970-01-01T00:00:00.000000+00:00", "source": "shop/lms", "sourcehost": "lms-1", "sourcelib": [9, 5, 0], "from_event_bus": true, "headers": {"trace": "ä b"}, "data": {"a": {"$bin": "AAEC"}}}'
is "the time of one with another offset" "$(events log | sed -n 's/.*"time": "\(2024[^"]*\)".*/\1/p')" "2024-05-04T19:20:34.100000+00:00"
is "log time is now" "$("$evlog" show log --since -10m | wc -l)" 3
try 0 "" import log history -o short
is "a second time" "$(cat out)" "nothing new; 3 were imported before"
try 0 "" verify log

if [ -r "$shared" ]; then
    try 0 "" import shared "$shared" -o short
    is "the shared history" "$(cat out)" "3 events imported, seq 1 to 3"
    sed 's/"time": "[^"]*"//' "$shared" >wanted
    events shared | sed 's/"time": "[^"]*"//' | cmp - wanted >/dev/null || bad "the shared history is not as it was"
    try 0 "" import known --skip-known "$shared" -o short
    is "ids that are there" "$(cat out)" "2 events imported, seq 1 to 2; 1 was in the log already"
else
    echo "SKIPPING the shared history: ../shared is not there"
fi

# ------------------------------------------------------- there and back ----

record() { printf '{"type": "record", "name": "Sale", "fields": [%s]}' "$1"; }
N='{"name": "n", "type": "long"}'
AT='{"name": "at", "type": ["null", "string"], "default": null}'
send() { "$evlog" send "$@" >/dev/null 2>err || bad "send $*"; }
record "$N" >one.json
record "$N, $AT" >two.json
send a org.example.untyped.v1 '{"x": {"$uint": "18446744073709551615"}, "y": {"$float": "nan"}}' --header 'trace=1' --service shop
try 0 "" schema add a org.example.sale.v1 one.json
send a org.example.sale.v1 '{"n": 1}' --minorversion 3
try 0 "" schema add a org.example.sale.v1 two.json --form at=time
send a org.example.sale.v1 '{"n": 2, "at": "2024-05-04T19:20:31+00:00"}' --time 2001-02-03
try 0 "" schema add a $TYPE
"$evlog" export a >mixed
"$evlog" import b - <mixed >out 2>err || bad "import b"
is "events that went there" "$(events b)" "$(events a)"
is "types, numbers included" "$("$evlog" types b --schema)" "$("$evlog" types a --schema)"
is "an export of what was imported" "$(exported b)" "$(exported a)"
is "a line for an earlier schema" "$(grep -c '^{"define": "org.example.sale.v1", "number": "[0-9a-f]*"}$' mixed)" 2
try 0 "" schema check b
try 0 "" verify b
send a org.example.sale.v1 '{"n": 3}'
send a org.example.later.v1 '{}' # its line comes before all events
"$evlog" export a | "$evlog" import b -o short >out 2>err || bad "import b again"
has "2 events imported, seq 5 to 6; 3 were imported before"
is "events that came later" "$(events b)" "$(events a)"
is "a range" "$("$evlog" export a --from 2 --to 3 --type 'org.example.sale.*' | grep -vc '"define"')" 2
is "types of a range" "$("$evlog" export a --type org.example.later.v1 | grep -c '"define"')" 1
try 1 "no event matches" export a --type org.example.none.v1
try 3 "no log there" export nothing

"$evlog" export a | "$evlog" import e - >/dev/null 2>&1 || bad "import e"
try 0 "" erase e 2 --reason test --yes
"$evlog" export e | "$evlog" import e2 -o short >out 2>err || bad "import of what was erased"
has "4 events imported, seq 1 to 4; 1 is erased, and left out"

# A type's line that does not go with what the log has.
record '{"name": "other", "type": "string"}' >other.json
printf '{"define": "org.example.sale.v1", "schema": "%s"}\n{"type": "org.example.sale.v1", "data": {"other": "x"}}\n' \
    "$(sed 's/"/\\"/g' other.json)" >breaking
try 2 "line 1: org.example.sale.v1: cannot read what was written" import b breaking
grep -q "With --force" err || bad "nothing of --force"
try 0 "" import b breaking --force
printf '{"define": "org.example.sale.v1", "number": "0123456789abcdef"}\n' >short
try 2 "line 1: no line before it defines org.example.sale.v1" import b short
{ made 1 2; cat short; } >two-and-short
try 2 "line 3: no line before it defines" import before two-and-short
is "events before a wrong type" "$(numbers before | xargs)" "1 2"
printf '{"define": "evlog.own.v1", "schema": null}\n' >own
try 2 "are the log's own" import b own

# ------------------------------------------------------- what is wrong ----

{ made 1 3; echo '{"type": "org.example.made.v1"'; made 4 6; } >wrong
try 2 "line 4: not JSON" import w wrong
is "events before the wrong line" "$(numbers w | xargs)" "1 2 3"
made 1 6 >right
try 0 "" import w right -o short
has "3 events imported"
is "events when it was mended" "$(numbers w | xargs)" "1 2 3 4 5 6"
try 0 "line 4 is skipped" import skip wrong --skip-bad -o short
is "with --skip-bad" "$(cat out)" "6 events imported, seq 1 to 7; 1 line was skipped"
try 0 "" import skip wrong --skip-bad -o short
has "nothing new"
{ cat right; made 7 8; } >longer
try 2 "this input begins as one of which 6 events were imported, and differs from it before line 8" import skip longer
try 0 "" import skip right --skip-known -o short
is "what --skip-known does" "$(cat out)" "0 events imported; 6 were in the log already"
head -n 3 right >shorter
try 2 "the input is shorter than before" import w shorter
wrong_line() { # wrong_line WORDS LINE
    printf '%s\n' "$2" >line
    try 2 "line 1: $1" import wrongs line
    try 2 "line 1: $1" import wrongs line --preview
}
wrong_line "id is not a UUID" '{"type": "a.v1", "id": "x", "data": {}}'
wrong_line "id is not a UUID" '{"type": "a.v1", "id": "00000000-0000-0000-0000-000000000000", "data": {}}'
wrong_line "time is not a time" '{"type": "a.v1", "time": "yesterday", "data": {}}'
wrong_line "time is not a text" '{"type": "a.v1", "time": 5, "data": {}}'
wrong_line "minorversion is not a number" '{"type": "a.v1", "minorversion": -1, "data": {}}'
wrong_line "sourcelib is not a list" '{"type": "a.v1", "sourcelib": ["a"], "data": {}}'
wrong_line "from_event_bus is not true or false" '{"type": "a.v1", "from_event_bus": 1, "data": {}}'
wrong_line "headers is not an object" '{"type": "a.v1", "headers": 1, "data": {}}'
wrong_line "a header is not a text" '{"type": "a.v1", "headers": {"a": 1}, "data": {}}'
wrong_line "data is not a JSON object" '{"type": "a.v1", "data": []}'
wrong_line "data is not a JSON object" '{"type": "a.v1"}'
wrong_line "the line is not an event" '{"data": {}}'
wrong_line "the line is not a JSON object" '[]'
wrong_line "define is not a text" '{"define": 1}'
wrong_line "number is not 16 hexadecimal digits" '{"define": "a.v1", "number": "1", "schema": null}'
try 2 "evlog.own.v1: types that begin with" import wrongs - <<'END'
{"type": "evlog.own.v1", "data": {}}
END
try 2 "source must be" import wrongs - <<'END'
{"type": "a.v1", "source": "", "data": {}}
END
is "events of wrong lines" "$(count wrongs)" 0
try 2 "has no id, which --skip-known needs" import wrongs --skip-known - <<'END'
{"type": "a.v1", "data": {}}
END
try 2 "No such file" import wrongs no-file
"$evlog" show w | "$evlog" send x org.example.made.v1 - >out 2>err && bad "send takes whole events"
grep -q "line 1: a whole event, as evlog show prints it.*evlog import takes it" err || bad "nothing of evlog import"

try 5 "" import nothing right --preview -o short
is "a preview" "$(cat out)" "6 events would be imported"
[ ! -e nothing ] || bad "a preview made a log"
try 5 "" import w longer --preview -o short
is "a preview of what is new" "$(cat out)" "2 events would be imported; 6 were imported before"
is "events after a preview" "$(count w)" 6
printf '{"define": "org.example.sale.v1", "schema": "%s"}\n{"type": "org.example.sale.v1", "data": {"n": "x"}}\n' "$(sed 's/"/\\"/g' one.json)" >unfit
try 2 "line 2: n: expected integer" import nothing unfit --preview
is "what a preview says of a wrong line" "$(wc -l <err)" 1
echo '{"type": "org.example.sale.v1", "data": {"n": "x"}}' >unfit
try 2 "line 1: " import a unfit --preview

# ------------------------------------------------------- interrupted ----

events=30000
made 1 $events >many
seq 1 $events >wanted
last_seq() { "$evlog" info k -o json 2>/dev/null | grep -o '"last_seq": [0-9]*' | grep -o '[0-9]*$' || echo 0; }
has_more() { [ "$(last_seq)" -gt "$at" ] || ! kill -0 $pid 2>/dev/null; }
kills=0
at=0
while :; do
    "$evlog" import k many --durability fast >out 2>err & pid=$!
    [ $kills -lt 5 ] || break
    until_true has_more
    sleep 0.0$((kills * 17 % 10))
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
    [ "$(last_seq)" -lt $events ] || break
    at=$(last_seq)
done
wait $pid
[ $kills -ge 2 ] || bad "it was killed $kills times only"
"$evlog" import k many >out 2>err || bad "the import after kills"
has '"imported": 0, "before": 30000'
numbers k | cmp -s - wanted || bad "after kills not every event is there once, in order"
try 0 "" verify k

mkfifo pipe
"$evlog" import s - <pipe >out 2>err & pid=$!
exec 4>pipe
made 1 10 >&4
arrived() { [ "$(count s)" = 10 ]; }
until_true arrived
kill -TERM $pid
wait $pid 2>/dev/null
is "status after SIGTERM" $? 143
exec 4>&-
grep -q "interrupted: 10 events imported; the same command continues after them" err || bad "nothing of an interruption"
made 1 20 | "$evlog" import s -o short >out 2>err
is "after SIGTERM" "$(cat out)" "10 events imported, seq 12 to 21; 10 were imported before"

# ------------------------------------------------------- redacted ----

send r $TYPE '{"enrollment": {"user": {"id": 11, "is_active": true, "pii": {"username": "secret1", "email": "secret2", "name": "secret3"}}, "course": {"course_key": "course-v1:edX+D+2024", "display_name": "Demo", "start": null, "end": null}, "mode": "audit", "is_active": true, "creation_date": "2024-05-04T19:20:31+00:00", "created_by": null}}' --header trace=secret4
try 0 "" schema add r $TYPE # from here on it is typed
send r $TYPE '{"enrollment": {"user": {"id": 12, "is_active": true, "pii": {"username": "secret1", "email": "secret2", "name": "secret3"}}, "course": {"course_key": "course-v1:edX+D+2024", "display_name": "Demo", "start": null, "end": null}, "mode": "audit", "is_active": true, "creation_date": "2024-05-04T19:20:31+00:00", "created_by": {"id": 1, "is_active": true, "pii": {"username": "secret5", "email": "secret6", "name": "secret7"}}}}'
"$evlog" export r --redact >redacted 2>err || bad "export --redact"
is "secrets" "$(grep -c secret redacted)" 0
is "what is left" "$(grep -o '"id": 1[12], "is_active": true' redacted | wc -l)" 2
try 0 "" import r2 redacted
try 0 "" schema check r2
cat >own <<'END'
{"define": "org.example.person.v1", "number": "0000000000000001", "schema": "{\"type\": \"record\", \"name\": \"Top\", \"fields\": [{\"name\": \"who\", \"type\": {\"type\": \"record\", \"name\": \"Who\", \"fields\": [{\"name\": \"born\", \"type\": [\"null\", \"string\"], \"default\": null}, {\"name\": \"age\", \"type\": \"long\"}, {\"name\": \"size\", \"type\": \"double\"}, {\"name\": \"photo\", \"type\": \"bytes\"}, {\"name\": \"is_ill\", \"type\": \"boolean\"}, {\"name\": \"mails\", \"type\": {\"type\": \"array\", \"items\": \"string\"}}, {\"name\": \"notes\", \"type\": {\"type\": \"map\", \"values\": \"string\"}}]}}, {\"name\": \"others\", \"type\": {\"type\": \"array\", \"items\": \"Who\"}}, {\"name\": \"by\", \"type\": {\"type\": \"map\", \"values\": [\"null\", {\"type\": \"record\", \"name\": \"By\", \"fields\": [{\"name\": \"name\", \"type\": \"string\"}, {\"name\": \"n\", \"type\": \"long\"}]}]}}]}", "forms": {"who.born": "time"}, "personal": ["who.born", "who.age", "who.size", "who.photo", "who.is_ill", "who.mails.*", "who.notes", "by.*.name"]}
{"type": "org.example.person.v1", "data": {"who": {"born": "2000-01-02T03:04:05+00:00", "age": 24, "size": 1.5, "photo": {"$bin": "AAEC"}, "is_ill": true, "mails": ["a"], "notes": {"secret": "x"}}, "others": [{"age": 3, "size": 1.0, "photo": {"$bin": ""}, "is_ill": true, "mails": [], "notes": {}}], "by": {"k": {"name": "secret", "n": 5}, "l": null}}}
{"type": "org.example.free.v1", "data": {"name": "free"}}
{"type": "org.example.free.v1", "data": {"name": "free"}}
END
try 0 "" import p own
try 0 "org.example.free.v1 has no schema that marks personal fields: its events are not masked" export p --redact
is "said once" "$(wc -l <err)" 1
is "masked data" "$(sed -n 's/.*person.v1".*"data": //p' out)" '{"who": {"born": "1970-01-01T00:00:00+00:00", "age": 0, "size": 0.0, "photo": {"$bin": ""}, "is_ill": false, "mails": [], "notes": {}}, "others": [{"age": 0, "size": 0.0, "photo": {"$bin": ""}, "is_ill": false, "mails": [], "notes": {}}], "by": {"k": {"name": "redacted", "n": 5}, "l": null}}}'
mv out masked
try 0 "" import p2 masked
try 0 "" schema check p2
is "types of what was masked" "$("$evlog" types p2 --schema)" "$("$evlog" types p --schema)"
end_cases
