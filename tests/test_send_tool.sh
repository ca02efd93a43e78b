#!/bin/sh
# What evlog send makes of its input: a pipe that nobody asked for, half an emoji, a byte order mark, NaN, a new type of
# Open edX, another host. usage: test_send_tool.sh BUILD
. "$(dirname "$0")/tool.sh"
exec </dev/null

data() { "$evlog" show "$1" -o json | sed 's/.*"data": \(.*\)}$/\1/'; }

# Standard input is not dropped, nor taken unasked.
echo '{"n": 1}' >input
try 2 "standard input is not read unless it is asked for: evlog send log a.b.v1 - sends its lines" send log a.b.v1 <input
echo '{"n": 1}' | "$evlog" send log a.b.v1 2>err
is "from a pipe" "$? $(grep -c 'is not read unless it is asked for' err)" "2 1"
(sleep 0.5; echo '{"n": 1}' 2>/dev/null) | "$evlog" send log a.b.v1 2>err
is "from a slow pipe" "$? $(grep -c 'is not read unless it is asked for' err)" "2 1"
is "nothing was made" "$(ls -d log 2>/dev/null)" ""
try 0 "" send log a.b.v1 '{"n": 2}' <input
try 0 "" send log a.b.v1 - <input
try 0 "" send log a.b.v1
: >empty; try 0 "" send log a.b.v1 <empty
true | { sleep 0.2; "$evlog" send log a.b.v1 >out; }
is "from a pipe that has ended" $? 0
printf '1\n2\n3\n' | while read -r n; do "$evlog" send loop a.b.v1 "{\"n\": $n}"; done >out 2>err
is "a loop keeps its input" "$(data loop | tr '\n' ' ')" '{"n": 1} {"n": 2} {"n": 3} '
is "what was sent" "$(data log | tr '\n' ' ')" '{"n": 2} {"n": 1} {} {} {} '

# Half an emoji, and numbers that JSON does not have.
cat >halves <<'END'
{"n":1,"text":"whole: \ud83d\ude00"}
{"n":2,"text":"cut in the middle of an emoji: \ud83d"}
{"n":3,"text":"only the second half: \ude00 and more"}
{"n":4,"text":"a regular expression: [\ud800-\udfff]"}
{"n":5,"text":"fine, \\ud83d and \"NaN\""}
{"n":6,"text":"\ud83d\ud83d\ude00"}
{"n":NaN,"m":[Infinity,-Infinity]}
END
try 2 "(--lenient takes it, see evlog help send)" send strict a.b.v1 - <halves
is "the line before" "$(data strict | wc -l)" 1
try 0 "" send lenient a.b.v1 - --lenient <halves; has '"sent": 7, "skipped": 0'
fffd=$(printf '\357\277\275') grin=$(printf '\360\237\230\200')
is "halves are U+FFFD" "$(data lenient)" '{"n": 1, "text": "whole: '$grin'"}
{"n": 2, "text": "cut in the middle of an emoji: '$fffd'"}
{"n": 3, "text": "only the second half: '$fffd' and more"}
{"n": 4, "text": "a regular expression: ['$fffd-$fffd']"}
{"n": 5, "text": "fine, \\ud83d and \"NaN\""}
{"n": 6, "text": "'$fffd$grin'"}
{"n": {"$float": "nan"}, "m": [{"$float": "inf"}, {"$float": "-inf"}]}'
try 2 "(--lenient takes it" send lenient a.b.v1 '{"n": NaN}'
try 0 "" send lenient a.b.v1 '{"n": NaN}' --lenient
try 2 "not JSON" send lenient a.b.v1 '{"n": Nan}' --lenient
is "what does not help is not named" "$(grep -c lenient err)" 0
printf '\357\273\277{"n":1}\n{"n":2}\n' | "$evlog" send mark a.b.v1 - >out 2>err; has '"sent": 2, "skipped": 0'
printf '{"n":1}\n\357\273\277{"n":2}\n' | "$evlog" send mark a.b.v1 - >out 2>err
is "a mark elsewhere is wrong" "$(grep -c 'line 2: not JSON' err)" 1

# A type of Open edX is checked from its first event.
type=org.openedx.learning.auth.session.login.completed.v1
user='{"user": {"id": 1, "is_active": true, "pii": {"username": "a", "email": "a@example.org", "name": "A"}}}'
try 2 "user" send edx $type '{"user": 1}'
is "what was refused is not there" "$("$evlog" show edx 2>/dev/null | wc -l)" 0
try 0 "" send edx $type "$user"
try 2 "user" send edx $type '{"user": 1}'
try 0 "" types edx --schema; is "its schema is in the log" "$(grep -c '"type": "'$type'".*"record"' out)" 1
try 0 "" send edx2 $type '{"user": 1}' --untyped
try 0 "" send edx2 $type '{"user": 2}'

try 0 "" send log a.b.v1 '{}' --sourcehost pod-7 --header k=v --header 'l=w x'
try 0 "" show log -r -n 1; has '"sourcehost": "pod-7"'; has '"headers": {"k": "v", "l": "w x"}'
end_cases
