#!/bin/sh
# --fields on the verbs that take it: which part of an event a name means, in both forms, and hostile values. usage: test_fields.sh BUILD
. "$(dirname "$0")/tool.sh"

printf '{"user": {"id": 7, "name": "a\\tb\\u001b[2Jc\\nd\\u202e", "a,b": 1, "x.y": {"l": [1, 2]}, "n": null}, "seq": "mine", "headers": {"trace": 3}}\n' |
    "$evlog" send log a.b.v1 - --header trace=t1 --header evlog.peer.x=2 --time 2026-01-31T18:00:00.5Z --minorversion 3 >/dev/null
"$evlog" send log a.b.v1 '{"user": {"id": 8, "name": "bob"}}' --sourcehost shop >/dev/null

# The value of each name, as JSON and tabbed; of an event's parts the JSON is that of the whole event.
while IFS='|' read -r field json short; do
    try 0 "" get log 1 -o json --fields "$field"
    is "$field in JSON" "$(sed 's/^{"[^:]*": \(.*\)}$/\1/' out)" "$json"
    try 0 "" get log 1 -o short --utc --fields "$field"
    is "$field tabbed" "$(cat out)" "$short"
done <<'END'
seq|1|1
time|"2026-01-31T18:00:00.500000+00:00"|2026-01-31 18:00:00.500000 UTC
type|"a.b.v1"|a.b.v1
minorversion|3|3
source|"openedx/SERVICE_NAME_UNSET/web"|openedx/SERVICE_NAME_UNSET/web
from_event_bus|false|false
headers|{"evlog.peer.x": "2", "trace": "t1"}|{"evlog.peer.x": "2", "trace": "t1"}
headers.trace|"t1"|t1
headers.evlog.peer.x|"2"|2
headers.nothing|null|
headers.tracy|null|
user.id|7|7
user.a\,b|1|1
user.x\.y|{"l": [1, 2]}|{"l": [1, 2]}
user.x\.y.l.1|2|2
user.n|null|null
user.nothing|null|
nothing|null|
data.seq|"mine"|mine
data.headers.trace|3|3
user.name|"a\tb\u001b[2Jc\nd\u202e"|a\u0009b\u001b[2Jc\u000ad\u202e
END
for field in log_time id sourcehost sourcelib data; do
    try 0 "" get log 1 -o json
    whole=$(cat out)
    try 0 "" get log 1 -o json --fields $field
    part=$(sed 's/^{\(.*\)}$/\1/' out)
    case $whole in *"$part"*) ;; *) bad "$field is not what the event has" ;; esac
done

# Several, in their order, once and again; each verb.
try 0 "" show log -o json --fields user.id,seq --fields user.name
is "keys" "$(tail -1 out)" '{"user.id": 8, "seq": 2, "user.name": "bob"}'
try 0 "" tail log -n 1 -o short --fields sourcehost,nothing,user.id
is "tabs" "$(cat out)" "$(printf 'shop\t\t8')"
try 0 "" get log 2 -o pretty --fields seq,user
is "indented" "$(cat out)" '{
  "seq": 2,
  "user": {"id": 8, "name": "bob"}
}'
try 0 "" show log -r -n 1 --fields seq --where user.id=8
is "in a pipe, filtered" "$(cat out)" '{"seq": 2}'
try 0 "" replay log --exec cat --fields seq,user.id
is "replay" "$(cat out)" '{"seq": 1, "user.id": 7}
{"seq": 2, "user.id": 8}'
try 2 "--fields is for a command" replay log --plugin none.so --fields seq
try 0 "" show log -o short --fields user.name
is "a line an event, nothing raw" "$(wc -l <out) $(LC_ALL=C tr -d '[:print:]\n' <out | wc -c)" "2 0"
"$evlog" show log -n 1 --fields "$(printf 'a\033[2J')" >out
is "nor in a key" "$(cat out)" '{"a\u001b[2J": null}'

# An erased event has no data and no headers.
"$evlog" erase log 1 --reason test --yes >/dev/null
try 0 "" get log 1 -o json --fields seq,user.id,data,headers,headers.trace,type
is "erased" "$(cat out)" '{"seq": 1, "user.id": null, "data": null, "headers": null, "headers.trace": null, "type": "a.b.v1"}'

# Wrong ones.
for wrong in '' , a, ,a a,,b 'a\b' 'a\' "$(printf 'a\377')" "$(seq -s , 65)"; do
    try 2 "--fields takes names with commas between, and no more than 64, not '" show log --fields "$wrong"
done
try 0 "" show log -n 1 --fields "$(seq -s , 64)"
try 2 "evlog export has no option --fields" export log --fields seq
end_cases
