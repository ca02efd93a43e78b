#!/bin/sh
# The command as its user runs it: every verb and option, what is printed, each exit status, and
# what a hurried user gets wrong. usage: test_tools.sh BUILD
tracking=${SHARED:-$(cd "$(dirname "$0")/../.." && pwd)/shared}/openedx/tracking_events.ndjson
. "$(dirname "$0")/tool.sh"
a=org.example.first.v1 b=org.example.second.v1 c=com.other.v1

seqs() { # seqs EXPECTED ARGUMENT...: evlog show LOG prints these events
    expected=$1
    shift
    try 0 "" show "$@" -o json
    is "show $*" "$(sed 's/^{"seq": \([0-9]*\),.*/\1/' out | tr '\n' ' ')" "$expected "
}
data_of() { sed 's/.*"from_event_bus": false, "data": \(.*\)}$/\1/' "$1"; }
terminal() { script -qec "stty cols 80; $1" /dev/null </dev/null | tr -d '\r'; }

# ---------------------------------------------------------------- help and misuse ----
try 2 "usage: evlog VERB LOG"
for how in help --help -h; do try 0 "" $how; has "  1  nothing matched"; done
try 0 "" --version; is "version" "$(cat out)" "evlog 0.1.0"
for verb in send show get replay types info verify; do
    try 0 "" help $verb; has "usage: evlog $verb"
    try 0 "" $verb --help; has "--help"
    try 2 "an argument is missing; usage: evlog $verb LOG" $verb
    try 2 "unrecognized option '--nonsense'" $verb log --nonsense
    try 2 "too many arguments; usage: evlog $verb" $verb 1 2 3 4
    [ $verb = send ] && continue
    rest=; [ $verb = get ] && rest=1
    [ $verb = replay ] && rest="--exec true"
    try 3 "none: no log there" $verb none $rest
    echo >file; try 3 "file: is a file; a log is a directory" $verb file $rest
    mkdir -p foreign; echo >foreign/notes; try 3 "foreign: not an evlog log" $verb foreign $rest
done
is "nothing was made" "$(ls -d none foreign/* 2>&1 | tail -1)" foreign/notes
"$evlog" help | sed -n 's/^  \([a-z][a-z ]\{14\}\) .*/\1/p' | grep -v -e '^relay ' -e '^web ' >verbs
while read -r verb; do
    try 0 "" help $verb; has "usage: evlog $verb"
    is "lines of help $verb over 100 columns" "$(grep -c '.\{101\}' out)" 0
done <verbs
is "verbs that help lists" "$(grep -c . verbs)" 37
try 2 "no such verb: shwo; see: evlog help" shwo log
try 2 "no such verb: nothing" help nothing

# --------------------------------------------------------------------- send ----
try 2 "an argument is missing" send log
try 2 "not JSON: string or '}' expected near 'a', at byte 2" send log $a '{a: 1}'
try 2 "not JSON" send log $a ''
try 2 "a JSON object" send log $a '[1]'
try 2 "unable to decode byte 0xff" send log $a "$(printf '{"a": "\377"}')"
try 2 "duplicate object key" send log $a '{"a": 1, "a": 2}'
try 2 '$uint' send log $a '{"a": 9223372036854775808}'
is "a log made for wrong data" "$(ls -d log 2>/dev/null)" ""
try 3 "log: no log there" send log $a --no-create
try 3 "log: no log there" send log $a --known
try 2 "--durability takes durable or fast, not 'slow'" send log $a --durability slow
try 0 "" send log $a '{"n": 1}'; has '{"seq": 1, "id": "'
try 2 "no blanks, control characters" send log 'two words' '{}'
try 2 "byte 1 is 0x1b" send log "$(printf 'a\033[2J')" '{}'
try 2 "an event type" send log '' '{}'
try 2 "255" send log "$(printf '%0256d' 0)" '{}'
try 2 "does not know the event type $b; see: evlog types log" send log $b --known
try 0 "" send log $a --known '{"n": 2}'
try 0 "" send log $b -- '{"n": -3}'
try 0 "" send log $c '{"n": 4}' --time 1960-02-29T12:00:00.000001Z --minorversion 7 --service cms --no-create
try 0 "" send log $b; has '"seq": 5'
try 2 "--wait takes a number of seconds above 0, not 'x'" send log $b --wait x
try 2 "--wait takes a number of seconds above 0, not '0'" info log --wait 0
try 0 "" info log --wait 0.5; has '"readers": []'
mkfifo held
flock log/lock sh -c 'echo >held; read -r _ <held' & # another program holds it until it is asked to end
read -r _ <held
for verb in "send log $b" "info log" "consumer pause log c" "schema add log $b file"; do
    try 3 "opening or closing the log for 100 ms" $verb --wait 0.1
done
echo >held
wait
try 2 "--time takes a time" send log $a --time sometime
try 2 "--time takes a time, and not 1970" send log $a --time 1970-01-01
try 2 "--minorversion takes a number: 0, 1, 2" send log $a --minorversion -1
try 2 "evlog send has no option --from; see: evlog help send" send log $a --from 1
try 2 "deep" send log $a "{\"a\": $(printf '%040d' 0 | tr 0 '[')$(printf '%040d' 0 | tr 0 ']')}"
try 2 "log: its durability is durable" send log $a --durability fast
try 3 "foreign: not an evlog log" send foreign $a
try 3 "no/such/log: making the directory" send no/such/log $a
try 2 "file: is a file" send file $a
{ printf '{"a": "'; head -c 70000000 /dev/zero | tr '\0' x; echo '"}'; } >large
try 2 "line 1: data: 70000008 bytes is over" send log $a - <large
try 0 "line 1 is skipped: data: 70000008 bytes is over" send log $a - --skip-bad <large
rm large
is "what a refused send left" "$("$evlog" show log | wc -l)" 5

# -------------------------------------------------------------- send, line by line ----
printf '{"n": 1}\n\n{"n": 2}\r\n  \n{"n": 3' >input
try 2 "line 5: not JSON" send lines $a - <input
is "lines before a bad one are in the log" "$("$evlog" show lines | wc -l)" 2
is "and it says how many" "$(sed -n 2p err)" "The lines before it are in the log (2 events), it and those after it are not."
printf '{"n": 1}' >input; try 0 "" send lines $a - <input; has '{"sent": 1, "skipped": 0, "first_seq": 3, "last_seq": 3}'
try 0 "" send lines $a - </dev/null; has '{"sent": 0, "skipped": 0, "first_seq": 0, "last_seq": 0}'
try 3 "cannot read standard input" send lines $a - <&-
seq -f '{"n": %.0f}' 100000 | sed -e '500s/.*/[]/' -e '70000s/.*/{"n": /' >input
try 2 "line 500: an event's data is a JSON object" send many $a - <input
is "the events before line 500" "$("$evlog" info many | grep -o '"events": [0-9]*')" '"events": 499'
try 0 "line 70000 is skipped: not JSON" send many2 $a - --skip-bad <input
has '{"sent": 99998, "skipped": 2, "first_seq": 1, "last_seq": 99998}'
"$evlog" show many2 >out; is "they are in their order" "$(data_of out | cksum)" "$(sed -e 500d -e 70000d input | cksum)"
deep='{"n": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}'
{ seq -f '{"n": %.0f}' 3000; echo "$deep"; echo '{"n": 3002}'; } >input
try 0 "line 3001 is skipped: " send many3 $a - --skip-bad <input
has '{"sent": 3001, "skipped": 1,'
mkfifo pipe; "$evlog" send now $a - <pipe >summary & sender=$!
exec 3>pipe; echo '{"n": 1}' >&3
for i in 1 2 3 4 5 6 7 8 9; do [ "$("$evlog" show now 2>/dev/null)" ] && break; sleep 0.2; done
is "a line is in the log before the next one comes" "$("$evlog" show now 2>&1 | wc -l)" 1
exec 3>&-; wait $sender; is "and then the end" "$(cat summary)" '{"sent": 1, "skipped": 0, "first_seq": 1, "last_seq": 1}'
senders=
for i in 1 2 3 4; do seq -f "{\"s\": $i, \"n\": %.0f}" 2000 | "$evlog" send together $a - >/dev/null & senders="$senders $!"; done
for i in $senders; do wait "$i" || bad "a sender among others failed"; done
"$evlog" show together >out
is "four senders at once: seqs" "$(sed 's/^{"seq": \([0-9]*\),.*/\1/' out | cksum)" "$(seq 8000 | cksum)"
is "each one's events in its order" "$(data_of out | grep '"s": 3' | cksum)" "$(seq -f '{"s": 3, "n": %.0f}' 2000 | cksum)"

# ---------------------------------------------------------------- show, get: what is printed ----
try 0 "" show log -o json --from 4 --to 4
is "keys" "$(grep -oE '"[a-z_]+": ' out | tr -d '": ' | tr '\n' ' ')" \
    "seq log_time id type minorversion time source sourcehost sourcelib from_event_bus data n "
"$evlog" send headed $a '{"n": 1}' --header trace=00-1 --header 'note=a=b "c"' >/dev/null
printf '{"n": 2}\n{"n": 3}\n' | "$evlog" send headed $a - --header line=yes >/dev/null
"$evlog" send headed $a '{"n": 4}' >/dev/null
"$evlog" show headed -o json >shown
is "headers" "$(grep -o '"from_event_bus": false, .*' shown)" '"from_event_bus": false, "headers": {"note": "a=b \"c\"", "trace": "00-1"}, "data": {"n": 1}}
"from_event_bus": false, "headers": {"line": "yes"}, "data": {"n": 2}}
"from_event_bus": false, "headers": {"line": "yes"}, "data": {"n": 3}}
"from_event_bus": false, "data": {"n": 4}}'
try 0 "" get headed 1 -o pretty; has '"trace": "00-1"'
try 2 "--header takes NAME=VALUE" send headed $a --header trace
try 2 "--header takes NAME=VALUE" send headed $a --header =value
try 2 "header t is given twice" send headed $a --header t=1 --header t=2
try 0 "" show log -o json --from 4 --to 4
has '"type": "com.other.v1", "minorversion": 7, "time": "1960-02-29T12:00:00.000001+00:00", "source": "openedx/cms/web"'
is "log_time" "$(grep -cE '"log_time": "20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}\+00:00"' out)" 1
is "id" "$(grep -cE '"id": "[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"' out)" 1
id=$(sed 's/.*"id": "\([^"]*\)".*/\1/' out) line=$(cat out)
try 0 "" get log 4; is "get by seq" "$(cat out)" "$line"
try 0 "" get log "$id"; is "get by id" "$(cat out)" "$line"
try 0 "" get log "$(echo "$id" | tr -d - | tr a-f A-F)"; is "get by id, no hyphens" "$(cat out)" "$line"
try 2 "neither a seq" get log "$(echo "$id" | cut -c1-13)"
try 2 "neither a seq" get log "$id-"
try 1 "no event has the id 00000000" get log 00000000-0000-1000-8000-000000000000
for seq in 0 6 18446744073709551615 99999999999999999999; do try 1 "log: " get log $seq; done
try 0 "" get log 1 -o pretty; is "pretty" "$(sed -n '2p;$p' out | tr '\n' ' ')" '  "seq": 1, } '
try 0 "" get log 1 -o short; is "short" "$(sed 's/  20..-..-.. ..:..:.. UTC  / TIME /' out)" "     1 TIME $a  {\"n\": 1}"
try 2 "--output takes short, json or pretty, not 'xml'" show log -o xml
is "show in a pipe is json" "$("$evlog" show log | head -c 7)" '{"seq":'

# ---------------------------------------------------------------- what was printed is sent again ----
cat >values <<'JSON'
{"k": [1, -1, 1.0, 0.1, 0.30000000000000004, 1e+22, 5e-324, -0.0, null, true, {}, [], ""]}
{"z": 9223372036854775807, "a": -9223372036854775808, "j": 9007199254740993}
{"bin": {"$bin": "AAEC/w=="}, "ext": {"$ext": [-5, "AAEC"]}, "u": {"$uint": "18446744073709551615"}}
{"f": [{"$float": "nan"}, {"$float": "inf"}, {"$float": "-inf"}], "m": {"$map": [[1, "a"], [1, {"$$bin": 1}]]}}
{"$map": [["a", 1], ["a", 2], [null, {}]]}
{"$$bin": "no binary"}
{"": ""}
{"text": "é 漢 😀 \"\\\b\f\n\r\t\u0000\u001b"}
JSON
try 0 "" send forms $a - <values; "$evlog" show forms >out
data_of out >again; is "forms" "$(cat again)" "$(cat values)"
try 0 "" send forms $a - <again; "$evlog" show forms --from 9 >out; is "forms, sent again" "$(data_of out)" "$(cat values)"
is "forms, through a replay" "$("$evlog" replay forms --to 8 --exec 'cat; :' | data_of /dev/stdin | cksum)" "$(cksum <values)"
if [ -f "$tracking" ]; then
    try 0 "" send tracking org.openedx.analytics.tracking.event.emitted.v1 - <"$tracking"; has '"sent": 61'
    "$evlog" show tracking >out; is "61 tracking events" "$(data_of out | cksum)" "$(cksum <"$tracking")"
else echo "SKIPPED: the tracking events ($tracking is not there)"; fi

# ----------------------------------------------------------------------- ranges ----
seqs "1 2 3 4 5" log
seqs "2 3 4" log --from 2 --to 4
seqs "5 4" log -r -n 2
seqs "4 3" log --reverse --count 2 --to 4
seqs "1 2" log -n 2
seqs "1 2" log --type $a
seqs "1 2 4" log --type $a --type 'com.*'
seqs "1 2 3 5" log --type 'org.example.*'
seqs "1 2 3 4 5" log --type '*'
seqs "1 2 3 4 5" log --since yesterday --until now
seqs "1 2 3 4 5" log --since -1h --until 9999-12-31
time=$(sed -n 3p out | sed 's/.*"log_time": "\([^"]*\)".*/\1/')
seqs "3 4 5" log --since "$time"
seqs "1 2 3" log --until "$time"
seqs "3" log --since "$time" --until "$time"
seqs "1 2 3 4 5" log --from 1 --to 18446744073709551615
TZ=Asia/Kathmandu; export TZ; seqs "3" log --since "$time" --until "$time"; unset TZ
try 1 "log: no event from seq 6 on: the last is 5" show log --from 6
try 1 "log: no event matches, of 5 in the log" show log --until yesterday
try 1 "log: no event matches, of 5 in the log" show log --type org.example.firs
try 2 "its first seq, 4, is after its last, 3" show log --from 4 --to 3
try 2 "since" show log --since now --until yesterday
for wrong in 0 -1 x 1x 18446744073709551616 ''; do
    for option in --from --to; do try 2 "takes a seq: 1, 2, 3 ..., not '$wrong'" show log $option "$wrong"; done
    try 2 "takes a number: 1, 2, 3 ..., not '$wrong'" show log -n "$wrong"
done
for wrong in '' sometime 2026-02-30 '2026-01-31 25:00'; do try 2 "takes a time, not '$wrong'" show log --since "$wrong"; done
try 2 "a '*' can only stand at the end" show log --type 'org.*.v1'
try 2 "is 1 to 255 bytes" show log --type ''
try 2 "requires an argument" show log --type
try 2 "no more than 256 types" show log $(seq -f '--type t%.0f' 257)

# ------------------------------------------------------------- types, info, verify ----
try 0 "" types log -o short; is "types" "$(awk 'NR>1{print $1, $8}' out | tr '\n' ' ')" "2 $a 2 $b 1 $c "
try 0 "" types log --from 4; is "types of a range" "$(grep -o '"type": "[^"]*", "count": [0-9]*, "first_seq": [0-9]*' out | head -1)" "\"type\": \"$b\", \"count\": 1, \"first_seq\": 5"
try 1 "no event from seq 6 on" types log --from 6
try 0 "" info log; has '"path": "log", "uuid": "'; has '"durability": "durable", "created": "20'; has '"events": 5, "first_seq": 1, "last_seq": 5'
try 0 "" info log -o short; has "events      5, seq 1 to 5"
try 0 "" verify log; is "verify in a pipe, all well" "$(sed 's/[0-9a-f]\{16\}"/CHAIN"/' out)" '{"events": 5, "findings": 0, "first_seq": 1, "last_seq": 5, "head": "5:CHAIN"}'
is "its head" "$(grep -o '"head": "[^"]*"' out)" "$("$evlog" info log | grep -o '"head": "[^"]*"')"
try 0 "" verify log -o short; is "verify" "$(tail -n 1 out)" "5 events read: all is as it was written"
try 0 "" send fast $a --durability fast; try 0 "" info fast -o short; has "not a power cut"
printf '' | "$evlog" send empty $a - >/dev/null
try 1 "empty: the log is empty" show empty
try 1 "empty: the log is empty" replay empty --exec true
try 1 "empty: the log is empty" get empty 1
try 0 "" info empty -o short; has "events      none"
try 0 "" verify empty -o short; has "0 events read"
try 0 "" verify empty; is "verify, of no events" "$(cat out)" '{"events": 0, "findings": 0, "first_seq": 0, "last_seq": 0, "head": "0:0000000000000000"}'
try 0 "" types empty; has "\"type\": \"$a\", \"count\": 0"

# ---------------------------------------------------------------------- replay ----
try 2 "'{}' is not an event type: evlog send LOG TYPE" send forgotten '{}'
try 2 "'-' is not an event type" send forgotten -
is "nothing was made" "$(ls -d forgotten 2>/dev/null)" ""
try 2 "to what? evlog replay log --exec 'COMMAND' or --plugin FILE.so" replay log
try 0 "" replay log --exec 'echo $EVLOG_SEQ $EVLOG_TYPE ${#EVLOG_ID}'
is "replay" "$(tr '\n' ',' <out)" "1 $a 36,2 $a 36,3 $b 36,4 $c 36,5 $b 36,"
try 0 "" replay log --exec cat; is "its input is what show prints" "$(cat out)" "$("$evlog" show log)"
try 0 "" replay log --exec 'echo $EVLOG_SEQ' -r -n 2 --type $a; is "a range" "$(tr '\n' ' ' <out)" "2 1 "
try 1 "event 3 ($b): the command exited with 7" replay log --exec 'echo $EVLOG_SEQ; [ $EVLOG_SEQ != 3 ] || exit 7'
is "it stopped there" "$(tr '\n' ' ' <out)" "1 2 3 "
is "and says how to go on" "$(tail -1 err)" "evlog: stopped; 2 events went well before. To go on with this one: --from 3"
try 1 "was killed by signal 9" replay log --to 1 --exec 'kill -9 $$'
try 1 "the command exited with 127" replay log --to 1 --exec no-such-command-here
try 1 "1 of 5 events failed, the first at seq 3" replay log --keep-going --exec 'echo $EVLOG_SEQ; [ $EVLOG_SEQ != 3 ]'
is "it went on" "$(tr '\n' ' ' <out)" "1 2 3 4 5 "
head -c 900000 /dev/zero | tr '\0' x | sed 's/.*/{"a": "&"}/' | "$evlog" send big $a - >/dev/null
try 0 "" replay big --exec true
try 0 "" replay big --exec 'wc -c'; is "a large event goes in whole" "$(cat out)" "$("$evlog" show big | wc -c)"
is "the log's files stay out of the command" "$("$evlog" replay big --exec 'ls -l /proc/self/fd' | grep -c mdb)" 0
try 0 "" replay log --exec 'echo "{}" | '"$evlog"' send log2 $EVLOG_TYPE - >/dev/null'
is "a replay into another log" "$("$evlog" types log2 -o short | awk 'NR>1{print $1}' | tr '\n' ' ')" "2 2 1 "

# ------------------------------------------------------------ closed and full outputs ----
is "a reader that closes early" "$("$evlog" show many2 2>&1 | head -1 | head -c 9)" '{"seq": 1'
is "the same without SIGPIPE" "$( (trap '' PIPE; "$evlog" show many2 2>err | head -1 >out); wc -l <err)" 1
cases=$((cases + 1)); "$evlog" show log >&- 2>err && bad "closed output: no failure"
cases=$((cases + 1)); "$evlog" send log3 $a '{"n": 1}' >&- 2>err && bad "closed output: no failure"
try 0 "" verify log3; is "what is printed goes into no log" "$("$evlog" show log3 | wc -l)" 1
[ -c /dev/full ] && { "$evlog" show many2 >/dev/full 2>err; is "full" "$? $(cat err)" "3 evlog: cannot write to standard output: No space left on device"; }

# ------------------------------------------------------------------------ damage ----
seq -f '{"mark": "here-%.0f-here"}' 100 | "$evlog" send damaged $a - >/dev/null
cp -r damaged sound
for offset in $(LC_ALL=C grep -obUa 'here-50-here' damaged/events.mdb | cut -d: -f1); do
    printf X | dd of=damaged/events.mdb bs=1 seek="$offset" conv=notrunc 2>/dev/null
done
try 4 "1 of the events asked for could not be read, the first at seq 50; run: evlog verify damaged" show damaged
is "the rest is shown" "$(wc -l <out)" 99
try 0 "" show damaged --to 49
try 4 "event 50" get damaged 50
try 0 "" get damaged 51
try 4 "event 50" replay damaged --exec 'echo $EVLOG_SEQ >>ran'; is "a replay stops there" "$(tail -1 ran)" 49
try 4 "first at seq 50" replay damaged --keep-going --from 45 --to 55 --exec 'echo $EVLOG_SEQ'; is "or passes on" "$(wc -l <out)" 10
try 4 "first at seq 50" types damaged; has '"count": 99'
try 4 "no event has the id 00000000-0000-1000-8000-000000000000, but 1 could not be read" get damaged 00000000-0000-1000-8000-000000000000
try 1 "" verify damaged -o short; has "event 50: its checksum does not fit"
try 1 "" verify damaged; has '"first_seq": 50'; is "how many" "$(tail -n 1 out | grep -o '"findings": 1,')" '"findings": 1,'
sed -i 's/^evlog 2$/evlog 3/' sound/format
for verb in "show sound" "info sound" "verify sound" "send sound $a"; do try 3 "sound" $verb; done
rm -rf sound; cp -r log sound; head -c 100 log/events.mdb >sound/events.mdb
for verb in "show sound" "send sound $a"; do cases=$((cases + 1)); "$evlog" $verb >out 2>err; case $? in 3 | 4) ;; *) bad "$verb, cut off: $?" ;; esac; done
if [ "$(id -u)" != 0 ]; then chmod 0 sound; try 3 "ermission denied" show sound; fi

# ---------------------------------------------------------------------- terminal ----
if command -v script >/dev/null && [ "$(terminal 'echo yes')" = yes ]; then
    printf '{"k": "%s"}\n' "$(printf '\302\233%0200d' 0)" | "$evlog" send tty org.openedx.learning.course.v1 - >/dev/null
    "$evlog" send tty $a '{"k": "\u001b[2J\u0007 漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢"}' >/dev/null
    terminal "$evlog show tty" >out
    is "one line an event" "$(wc -l <out)" 2
    has '  org.openedx.learning.course.v1  {"k": "\u009b'; has '{"k": "\u001b[2J\u0007 '
    is "cut to its width" "$(head -1 out | tr -d '\n' | LC_ALL=C.UTF-8 wc -m)" 80
    is "no control character" "$(LC_ALL=C tr -d '\n\40-\176\200-\377' <out | wc -c)" 0
    terminal "$evlog get tty 2" >out; has '  "seq": 2,'; has '    "k": "\u001b[2J'
    terminal "$evlog show tty | cat" >out; is "in a pipe on a terminal" "$(head -c 9 out)" '{"seq": 1'
    terminal "$evlog send tty $a" >out; has "event 3 is in the log, id "
    terminal "$evlog verify tty" >out; has "3 events read: all is as it was written"
    terminal "$evlog types tty" >out; has "org.openedx.learning.course.v1"
    terminal "$evlog info tty" >out; has "events      3, seq 1 to 3"
    terminal "$evlog replay tty --exec true" >out; has "3 events replayed"
    terminal "$evlog replay tty --exec 'sleep 0.3; echo done'" >out; is "no progress into a command's output" "$(grep -c '^done$' out)" 3
    terminal "$evlog replay tty --exec 'sleep 0.3' >$home/null" >out; has "events replayed: 2"; has "3 events replayed"
    terminal "$evlog replay tty --keep-going --to 2 --exec 'sleep 0.6; false' >$home/null" >out
    has "events replayed: 1"; has "$(printf '\r\033[Kevlog: event 2' | tr -d '\r')"
    terminal "$evlog show 'no
\$(printf \"\\033\")[2Jlog'" >out; is "a path's control characters" "$(LC_ALL=C tr -d '\n\40-\176\200-\377' <out | wc -c)" 0
else echo "SKIPPED: what is shown on a terminal (needs script of util-linux)"; fi

# -------------------------------------------------------------------------- trim ----

seq -f '{"n": %.0f}' 100 | "$evlog" send old t.v1 - >/dev/null 2>&1
count=$("$evlog" show old | wc -l)
try 2 "what is to go?" trim old
try 2 "--max-age takes a number and s, m, h, d or w" trim old --max-age soon
try 2 "--before takes a seq or a time" trim old --before first
try 2 "--max-size takes a number of bytes" trim old --max-size 5X
try 5 "" trim old --keep 10; has "\"last_seq\": $((count - 10)), \"deleted\": 0, \"done\": false"
is "a preview" "$("$evlog" show old | wc -l)" "$count"
try 0 "" trim old --max-age 1h --yes -o short; has "nothing to trim"
try 0 "" trim old --max-size 1T --yes -o short; has "nothing to trim"
try 0 "" trim old --keep 50 --yes -o short; has "events 1 to $((count - 50)) are gone"
is "what is kept" "$("$evlog" show old | wc -l)" 50
try 1 "the first is 51" show old --from 1 --to 3
try 0 "" verify old
try 0 "" consumer add old slow
try 2 "the consumer slow still needs event 51" trim old --keep 20 --yes
try 0 "" trim old --keep 20 --yes --force -o short; has "the consumer slow loses events from $((count - 49)) on"
try 0 "" trim old --before now --yes --force
is "the newest stays" "$("$evlog" show old --type '*' --type 'evlog.*' | wc -l)" 2
try 0 "" trim old --before now --yes --force
"$evlog" send old t.v1 '{}' >/dev/null
try 5 "" trim old --max-size 1T --force -o short; has "nothing to trim" # the log's own events are there, too
try 3 "no log there" trim none --keep 1

# ----------------------------------------------------------------------- compact ----

seq -f '{"n": %.0f}' 3000 | "$evlog" send loose t.v1 - >/dev/null 2>&1
try 0 "" trim loose --keep 10 --yes
"$evlog" show loose >kept.json
try 5 "" compact loose -o short; has "on disk would become about"; has "do it with --yes"
try 5 "" compact loose; has '"done": false'
try 0 "" compact loose --yes; has '"done": true'
is "what is kept" "$("$evlog" show loose)" "$(cat kept.json)"
try 0 "" compact loose --yes -o short; has "on disk are now"
try 0 "" verify loose
try 3 "no log there" compact none --yes

# ------------------------------------------------------------------------- erase ----

seq -f '{"name": "learner%.0f"}' 20 | "$evlog" send people t.v1 - >/dev/null 2>&1
id=$("$evlog" get people 7 -o json | sed 's/.*"id": "\([^"]*\)".*/\1/')
place_of() { LC_ALL=C grep -obUa "$1" people/events.mdb | head -n 1 | cut -d: -f1; }
# Salt and headers are 19 bytes before the data, and the data begin 6 bytes before the name.
digest=$(tail -c +$(($(place_of learner13) - 7 - 19 + 1)) people/events.mdb | head -c $((19 + 7 + 9)) | sha256sum | cut -c 1-64)
try 2 "why?" erase people 3 --yes
try 2 "needs a reason" erase people 3 --yes --reason ""
try 2 "neither a seq" erase people 3 x --yes --reason r
try 1 "no event 99" erase people 3 99 --yes --reason r
try 5 "" erase people 3 "$id" --reason r -o short; has "would be erased"; has '{"name": "learner7"}'
try 5 "" erase people 3 "$id" --reason r; has '"was_erased": false, "done": false}'
is "nothing is erased yet" "$("$evlog" show people | grep -c '"data": null')" 0
try 0 "" erase people 3 "$id" 13 --reason "on request" --yes; has '"was_erased": false, "done": true}'
is "three are" "$("$evlog" show people | grep -c '"data": null')" 3
try 0 "" show people --from 7 --to 7 -o short; has "t.v1  (erased)"
try 0 "" show people --type 'evlog.*' -n 1; has '"seq": 3, "id": "'; has '"type": "t.v1", "reason": "on request"}'
is "the digest" "$(od -An -v -tx1 people/events.mdb | tr -d ' \n' | grep -c "$digest")" 1
is "journal and edge" "$(cat people/journal people/edge | LC_ALL=C grep -ca -e learner3 -e learner7 -e learner13)" 0
try 0 "" erase people 3 --reason r --yes -o short; has "event 3 was erased before"
try 2 "the log's own" erase people 21 --reason r --yes
try 0 "" info people; has '"erased_waiting": 3'
try 0 "" info people -o short; has "erased      3 events whose bytes"
try 0 "" verify people
try 0 "" erase people 5 --reason r --yes --now
is "every file" "$(cat people/* | LC_ALL=C grep -ca -e learner3 -e learner5 -e learner7 -e learner13)" 0
try 0 "" info people; has '"erased_waiting": 0'
try 0 "" verify people
try 3 "no log there" erase none 1 --reason r
for option in --redact --preview; do try 2 "evlog erase has no option $option" erase people 6 --reason r $option; done
try 2 "evlog export has no option --now" export people --now

# ------------------------------------------------------------------------ retain ----

seq -f '{"n": %.0f}' 100 | "$evlog" send kept100 t.v1 - >/dev/null 2>&1
try 0 "" retain kept100 -o short; has "keeps       all"
try 0 "" retain kept100; has '{"max_age_seconds": 0.0, "keep": 0, "max_size": 0'
try 2 "--held-by goes with" retain kept100 --held-by none
try 2 "goes with no limit" retain kept100 --off --keep 3
try 2 "--max-age takes a number and s, m, h, d or w" retain kept100 --max-age 0d
try 2 "consumer's name" retain kept100 --keep 3 --held-by 'a b' --yes
try 5 "" retain kept100 --keep 20 -o short; has "to go       events 1 to 80"; has "make it that with --yes"
try 0 "" retain kept100 -o short; has "keeps       all"
try 0 "" consumer add kept100 lazy
try 0 "" retain kept100 --keep 20 --max-age 90d --max-size 1M --yes -o short
has "keeps       the last 90d, 20 events, 1.0 MB, at most"; has "held by     all consumers"
has "held back   80 events from 1 on, by the consumer lazy"
try 0 "" info kept100 -o short; has "by the consumer lazy"
try 0 "" info kept100; has '"retention": {"max_age_seconds": 7776000.0, "keep": 20, "max_size": 1048576, "held_by": "all"'
has '"held_seq": 1, "held": 80, "in_the_way": "lazy"}'
try 0 "" retain kept100 --keep 20 --held-by busy,other --yes; has '"held_by": ["busy", "other"]'
"$evlog" send kept100 t.v1 '{}' >/dev/null # applies it
is "what is kept" "$("$evlog" show kept100 | wc -l)" 20
try 0 "" verify kept100
try 0 "" retain kept100 --off --yes -o short; has "keeps       all"
try 0 "" info kept100 -o short; has "free for events to come"

# ----------------------------------------------------------------- idle consumers ----

try 5 "" consumer rm kept100 --idle 1h -o short; is "nobody is idle" "$(cat out)" "no consumer is idle for that long"
try 2 "which one?" consumer rm kept100
try 2 "which one?" consumer rm kept100 lazy --idle 1h
sleep 1.1 # idle for that long
try 0 "" consumer add kept100 new
try 5 "" consumer rm kept100 --idle 1s -o short; has "would remove consumer lazy"
try 0 "" consumer rm kept100 --idle 1s --yes; has '{"name": "lazy", '
is "who was not" "$("$evlog" consumer ls kept100 -o json | grep -c '"name": "new"')" 1

# -------------------------------------------------------------------------- copy ----

seq -f '{"n": %.0f}' 10 | "$evlog" send kept t.v1 - >/dev/null 2>&1
try 5 "" copy kept kept-copy --preview -o short; has "events 1 to 10 would be copied"
is "a preview of a copy" "$(ls -d kept-copy 2>/dev/null)" ""
try 0 "" copy kept kept-copy; has '"first_seq": 1, "last_seq": 10, "events": 10, "missing": 0, "done": true'
is "a copy" "$("$evlog" show kept-copy)" "$("$evlog" show kept)"
"$evlog" send kept t.v1 '{}' >/dev/null
try 2 "there would be a gap" copy kept kept-copy --since 12
try 0 "" copy kept kept-copy --since 11 -o short; has "event 11 copied"
try 0 "" copy kept kept-copy -o short; has "no event was to be copied"
"$evlog" send kept-copy t.v1 '{}' >/dev/null
try 2 "something was appended to the copy" copy kept kept-copy
try 2 "another log" copy kept old
try 3 "this process has it open" copy kept kept
try 2 "usage" copy many

# ------------------------------------------------------------ salvage and repair ----

try 5 "" salvage kept kept-new -o short; has "11 events and 0 consumers would be in kept-new; do it with --yes"
is "a preview of a salvage" "$(ls -d kept-new 2>/dev/null)" ""
try 0 "" salvage kept kept-new --yes; has '"events": 11, "first_seq": 1, "last_seq": 11, "missing": 0'; has '"done": true}'
is "what was salvaged" "$("$evlog" show kept-new)" "$("$evlog" show kept)"
LC_ALL=C sed -i 's/\xa1n\x05/\xa1n\x06/' kept/events.mdb kept/journal kept/edge # wherever event 5 is
try 4 "" salvage kept kept-less --yes; has '{"first_seq": 5, "last_seq": 5, "text": "'; has '"missing": 1'
try 4 "event 5: missing" get kept-less 5
try 4 "1 event is missing in kept-less, and in the copy" copy kept-less kept-less-copy; has '"missing": 1'
try 4 "1 event is missing in kept-less" copy kept-less kept-less-copy2 -o short
try 5 "" repair kept -o short; has "the newest event is sound: there is nothing to repair"

# The newest event is damaged in events.mdb, and nothing else has it: so it is cut off, when that is asked for.
seq -f '{"n": %.0f}' 7 | "$evlog" send ends t.v1 - >/dev/null
rm ends/edge
for at in $(LC_ALL=C grep -obaP '\xa1n\x07' ends/events.mdb | cut -d : -f 1); do
    printf x | dd of=ends/events.mdb bs=1 seek=$((at + 2)) conv=notrunc 2>/dev/null
done
files() { (cd ends && ls && cksum events.mdb state.mdb journal); }
try 4 "event 7: its checksum does not fit" send ends t.v1
before=$(files)
try 5 "" repair ends -o short; is "what would be done" "$(cat out)" "event 7 would be cut off, and kept in ends/cut-7-7; do it with --yes"
try 5 "" repair ends; has '{"first_seq": 7, "last_seq": 7, "noted_seq": 0, "file": "cut-7-7", "done": false}'
is "a preview of a repair" "$(files)" "$before"
try 4 "event 7: its checksum does not fit" send ends t.v1
try 0 "" repair ends --yes -o short; is "what was done" "$(cat out)" "event 7 is cut off, and kept in ends/cut-7-7"
is "it is kept" "$(LC_ALL=C grep -caP '\xa1nx' ends/cut-7-7)" 1
try 0 "" get ends 8; has '"type": "evlog.repaired.v1"'
try 0 "" send ends t.v1 -o short; has "event 9 is in the log"
try 4 "event 7: missing" get ends 7
try 5 "" repair ends -o short; has "nothing to repair"

end_cases
