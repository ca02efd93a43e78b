#!/bin/sh
# The command and consumers: tail, consume, consumer, parked, as their user runs them, and commands that do
# not behave. usage: test_consumer_tool.sh BUILD
. "$(dirname "$0")/tool.sh"
said_max=3
type=org.example.first.v1 other=com.other.v1

send() { # send LOG COUNT [TYPE]
    seq -f '{"n": %.0f}' "$2" | "$evlog" send "$1" "${3:-$type}" - >/dev/null
}
wait_for() { # wait_for COMMAND: until the shell's command is true, 60 seconds at most; it may use the caller's $i
    for tick in $(seq 1200); do eval "$1" && return; sleep 0.05; done
    bad "waited in vain for: $1"
}
seqs_of() { sed 's/^{"seq": \([0-9]*\),.*/\1/' "$@" | tr '\n' ' '; }
field() { sed "s/.*\"$1\": \\([^,}]*\\).*/\\1/" | tr '\n' ' '; } # field NAME: of each line
checkpoint() { "$evlog" consumer info "$1" "$2" | field checkpoint; }
ends() { # ends PID STATUS: the process ends with it
    wait "$1" 2>/dev/null
    is "exit status of process" $? "$2"
}

# ------------------------------------------------------------------ help, misuse ----
# Each verb has help, requires its operands, knows its options, and needs a log.
for verb in tail consume "consumer ls" "consumer info" "consumer add" "consumer rm" "consumer reset" \
    "consumer pause" "consumer resume" "parked ls" "parked retry" "parked drop"; do
    try 0 "" help $verb; has "usage: evlog $verb"
    is "lines of help over 100 columns" "$(grep -c '.\{101\}' out)" 0
    try 2 "an argument is missing; usage: evlog $verb LOG" $verb
    try 2 "unrecognized option '--nonsense'" $verb log --nonsense
    try 2 "too many arguments; usage: evlog $verb" $verb 1 2 3 4
    rest=name
    case $verb in
        tail | *ls) rest= ;;
        *reset) rest="name --to 1" ;;
        *retry | *drop) rest="name 1" ;;
        consume) rest="name --exec true" ;;
    esac
    [ "$verb" = "parked ls" ] && rest=name
    try 3 "none: no log there" $verb none $rest
done
try 0 "" help consumer; has "evlog consumer reset LOG NAME --to WHERE"; has "\`evlog help consumer VERB\` says more"
try 2 "evlog parked retry LOG NAME SEQ|--all" parked
try 2 "evlog consumer ls LOG" consumer drop log
try 2 "no such verb: consume_; see: evlog help" consume_ log
is "nothing was made" "$(ls -d none 2>/dev/null)" ""

send log 3; send log 2 $other
# What does not name a consumer is refused, by each verb that takes one.
for verb in "info log who" "rm log who" "rm log who --yes" "reset log who --to first" "reset log who --to 1 --yes" \
    "pause log who" "resume log who"; do try 1 "no consumer who" consumer $verb; done
for verb in "ls log who" "retry log who 1" "retry log who --all" "drop log who 1"; do try 1 "no consumer who" parked $verb; done
try 1 "log: it has no consumers" consumer ls log
try 1 "no consumer who" consume log who --exec true --no-create
for name in "" "two words" 'all*' "$(printf 'a\033[2J')" "$(printf '\377')" "$(printf '%0129d' 0)"; do
    try 2 "a consumer's name " consumer add log "$name"
done
for verb in "consumer pause" "consume --exec true"; do try 2 "a consumer's name " $verb log "two words"; done
try 2 "to what? evlog consume log name --exec 'COMMAND' or --plugin FILE.so" consume log name
try 2 "to what?" consume log name --exec true --plugin x.so
try 2 "--ack-lines is for a command that is run with --exec" consume log name --plugin x.so --ack-lines
for wrong in '' last: last:0 last:-1 last:x -1 sometime 99999999999999999999; do
    try 2 "--start takes first, last, last:N, a seq or a time, not '$wrong'" consumer add log name --start "$wrong"
done
try 2 "--to takes first, last, last:N, a seq or a time, not 'sometime'" consumer reset log name --to sometime
for wrong in 0 x nan inf; do
    try 2 "--rate takes a number above 0, not '$wrong'" consume log name --exec true --rate "$wrong"
    try 2 "--speed takes a number above 0, not '$wrong'" consume log name --exec true --speed "$wrong"
done
try 2 "the next to come is 6" consumer add log name --start 7
try 2 "a '*' can only stand at the end" consume log name --exec true --type '*.v1'
try 2 "where to? evlog consumer reset log name --to" consumer reset log name
try 1 "log: it has no consumers" consumer ls log

# -------------------------------------------------------------------------- tail ----
send many 25
try 0 "" tail many; is "tail" "$(seqs_of out)" "$(seq 16 25 | tr '\n' ' ')"
is "as evlog show prints it" "$(cat out)" "$("$evlog" show many --from 16)"
try 0 "" tail many -n 3 -o short; is "tail -n, short" "$(awk '{print $1}' out | tr '\n' ' ')" "23 24 25 "
try 0 "" tail many -n 100; is "tail of less than that" "$(wc -l <out)" 25
try 0 "" tail log --type $type -n 2; is "tail --type" "$(seqs_of out)" "2 3 "
try 1 "log: no event matches, of 5 in the log" tail log --type org.example.none
printf '' | "$evlog" send empty $type - >/dev/null
try 1 "empty: the log is empty" tail empty
# With -f it goes on: with an event of a type that was not known, and of another process; a signal ends it.
"$evlog" tail -f empty --type 'com.*' --type $type >tailed 2>err & tail=$!
send empty 2; wait_for '[ "$(wc -l <tailed)" = 2 ]'
send empty 1 com.late.v1; send empty 1 org.unwanted.v1; send empty 3
wait_for '[ "$(wc -l <tailed)" = 6 ]'
is "tail -f" "$(seqs_of tailed)" "1 2 3 5 6 7 "
kill -TERM $tail; ends $tail 143
# It ends when nobody reads on, also when nothing more comes.
is "tail -f into head" "$(timeout 10 sh -c '"$0" tail -f empty | head -1; echo ended' "$evlog" | seqs_of)" "1 ended "
is "tail -f into head, without SIGPIPE" "$(trap '' PIPE; timeout 10 sh -c '"$0" tail -f empty | head -1; echo ended' "$evlog" 2>/dev/null | seqs_of)" "1 ended "
# Thousands that come while it prints are all printed, in order.
"$evlog" tail -f empty >tailed & tail=$!
wait_for '[ "$(wc -l <tailed)" = 7 ]'
for i in 1 2; do send empty 2000 $other & senders="${senders:-} $!"; done
for i in $senders; do wait "$i"; done
wait_for '[ "$(wc -l <tailed)" = 4007 ]'; kill $tail; wait $tail 2>/dev/null
is "tail -f of 4000" "$(seqs_of tailed | cksum)" "$(seq 4007 | tr '\n' ' ' | cksum)"

# ----------------------------------------------------------- consumer, its family ----
try 0 "" consumer add log shop; is "add says nothing" "$(cat out)" ""
try 2 "consumer shop exists already" consumer add log shop
try 0 "" consumer add log mail --start 4 --type 'com.*' --type $type
try 0 "" consumer ls log
is "ls, JSON" "$(field name <out)$(field checkpoint <out)$(field lag_events <out)$(field pid <out)" '"mail" "shop" 3 0 2 5 0 0 '
is "the keys" "$(head -1 out | grep -oE '"[a-z_]+": ' | tr -d '":\n')" \
    "name checkpoint checkpoint_log_time lag_events lag_seconds replay_last_seq created updated done refused skipped parked to_retry state_keys paused pid types "
sleep 0.1; "$evlog" consumer info log shop | field lag_seconds >lag
is "the lag in seconds" "$(awk '{print ($1 > 0.1 && $1 < 60)}' lag)" 1
try 0 "" consumer info log mail; is "its types" "$(sed 's/.*"types": //' out)" "[\"com.*\", \"$type\"]}"
try 0 "" consumer ls log -o short; is "ls, short" "$(awk 'NR>1{print $1, $2, $8}' out | tr '\n' ',')" "3 2 mail,0 5 shop,"
try 0 "" consumer info log mail -o short
has "done up to  seq 3"; has "behind      2 events, "; has "replays     up to seq 5"; has "types       com.*"; has "at work     no process"
try 0 "" consumer info log mail -o pretty; has '  "checkpoint": 3,'
# A reset says what it would do, and does it only with --yes.
for to in 6:5 last:5 last:2:3 "@1:0" now:5; do
    try 5 "" consumer reset log shop --to "${to%:*}" -o short; has "the next event of consumer shop would be $((${to##*:} + 1)), and not 1; "
    has "; do it with --yes"; is "nothing is done" "$(checkpoint log shop)" "0 "
    try 0 "" consumer reset log shop --to "${to%:*}" --yes -o short; has "the next event of consumer shop is $((${to##*:} + 1)), and not 1; "
    is "it is done" "$(checkpoint log shop)" "${to##*:} "
    "$evlog" consumer reset log shop --to first --yes >/dev/null
done
try 2 "--count takes a number: 1, 2, 3 ..., not '0'" consume log shop --exec true -n 0
time=$("$evlog" get log 4 -o json | sed 's/.*"log_time": "\([^"]*\)".*/\1/')
try 0 "" consumer reset log shop --to "$time" --yes -o short; is "to a time" "$(checkpoint log shop)" "3 "
try 2 "the next to come is 6" consumer reset log shop --to 7 --yes; is "not past the end" "$(checkpoint log shop)" "3 "
# So does rm; add makes it anew, where it is asked to.
try 5 "" consumer rm log shop -o short; has "would remove consumer shop, done up to seq 3, with 0 parked events"
try 0 "" consumer info log shop
try 0 "" consumer rm log shop --yes; try 1 "no consumer shop" consumer info log shop
for start in first:0 2:1 last:5 last:99:0 1970-01-01:0; do
    try 0 "" consumer add log shop --start "${start%:*}"; is "--start ${start%:*}" "$(checkpoint log shop)" "${start##*:} "
    "$evlog" consumer rm log shop --yes >/dev/null
done
# What a consumer does not want does not count for --start last:N.
try 0 "" consumer add log shop --start last:1 --type $type; is "last:1 of a type" "$(checkpoint log shop)" "2 "
"$evlog" consumer rm log shop --yes >/dev/null

# ----------------------------------------------------------------------- consume ----
# A command that exits with 0 has dealt with all; the next one gets what is new, or is not run at all.
try 0 "" consume log shop --exec cat; is "all, in order" "$(seqs_of out)" "1 2 3 4 5 "
is "attempt" "$(field attempt <out)" "1 1 1 1 1 "; is "they are replays" "$(field is_replay <out)" "true true true true true "
is "else as evlog show" "$(sed 's/, "attempt": 1, "is_replay": true//' out)" "$("$evlog" show log)"
try 0 "" consume log shop --exec 'touch run'; is "nothing new: not run" "$(ls run 2>/dev/null)" ""
send log 2
try 0 "" consume log shop --exec cat; is "what is new" "$(seqs_of out)" "6 7 "; is "is no replay" "$(field is_replay <out)" "false false "
# One that fails has dealt with none, and they come again.
"$evlog" consumer reset log shop --to first --yes >/dev/null
try 1 "events 1 to 7 are not acknowledged: they come again" consume log shop --on-failure stop --exec 'cat >/dev/null; exit 7'
is "and why" "$(head -1 err)" "evlog: the command exited with 7"
is "its checkpoint" "$(checkpoint log shop)" "0 "
try 1 "event 1 is not acknowledged: it comes again" consume log shop -n 1 --on-failure stop --exec 'cat; kill -9 $$'; is "again" "$(field attempt <out)" "2 "
is "and why" "$(head -1 err)" "evlog: the command was killed by signal 9"
try 1 "the command exited with 127" consume log shop --exec no-such-command-here
try 0 "" consume log shop --exec cat; is "attempts" "$(field attempt <out | grep -c '^[2-9] [2-9] [2-9] [2-9] [2-9] [2-9] [2-9] $')" 1
# One that exits with 0 and has not read all has not dealt with all, however little it is.
"$evlog" consumer reset log shop --to first --yes >/dev/null
try 1 "the command exited with 0 and has not read all of its input" consume log shop --on-failure stop --exec 'read -r line; sleep 0.2; exit 0'
try 1 "does not read its input any more" consume many shop --on-failure stop --exec 'exec <&-; sleep 0.3; exit 0' --rate 20
is "neither" "$(checkpoint log shop)$(checkpoint many shop)" "0 0 "
# -n: so many, and the next ones the next time.
try 0 "" consume log shop -n 2 --exec cat; is "-n 2" "$(seqs_of out)" "1 2 "
try 0 "" consume log shop -n 2 --exec cat; is "-n 2" "$(seqs_of out)" "3 4 "
try 0 "" consume log shop -n 99 --exec cat; is "-n 99" "$(seqs_of out)" "5 6 7 "
# --type filters, is kept, and the checkpoint passes the others; --start is where a new one begins.
try 0 "" consume log only --type 'com.*' --exec cat; is "--type" "$(seqs_of out)" "4 5 "
send log 1 $other; send log 1
try 0 "" consume log only --exec cat; is "--type is kept" "$(seqs_of out)" "8 "; is "the checkpoint" "$(checkpoint log only)" "9 "
for start in last:2:'8 9 ' 9:'9 ' last:''; do
    try 0 "" consume log new --start "${start%:*}" --exec cat; is "--start ${start%:*}" "$(seqs_of out)" "${start##*:}"
    "$evlog" consumer rm log new --yes >/dev/null
done
# A paused consumer gets nothing, and it says so.
try 0 "" consumer pause log only; send log 1 $other
try 1 "the consumer is paused; see: evlog help consumer resume" consume log only --exec cat
is "nothing" "$(cat out)" ""; try 0 "" consumer ls log -o short; has " only (paused)"
"$evlog" consume log only -f -n 1 --exec cat >got 2>err & consume=$!
wait_for '"$evlog" consumer ls log | grep -q "\"pid\": $consume,"'; try 0 "" consumer resume log only
ends $consume 0; is "resumed, in another process" "$(seqs_of got)" "10 "
# --rate and --speed, of one command.
"$evlog" consumer reset log shop --to last:4 --yes >/dev/null
start=$(date +%s%N); try 0 "" consume log shop --rate 20 --exec 'echo run; cat'; end=$(date +%s%N)
is "4 events, 20 a second" "$(seqs_of out) $(((end - start) / 1000000 >= 150))" "run 7 8 9 10  1"
"$evlog" consumer reset log shop --to first --yes >/dev/null
try 0 "" consume log shop --speed 1000 --exec 'echo run; cat'; is "--speed" "$(seqs_of out)" "run 1 2 3 4 5 6 7 8 9 10 "
# Events that are larger than a pipe go in whole.
head -c 900000 /dev/zero | tr '\0' x | sed 's/.*/{"a": "&"}/' | "$evlog" send big $type - >/dev/null
try 0 "" consume big shop --exec 'sleep 0.1; wc -c'; is "a large event" "$(cat out)" "$(($("$evlog" show big | wc -c) + 33))"

# ----------------------------------------------------------------- consume -f ----
# It goes on: the command is started again for what comes, and each run's end acknowledges.
"$evlog" consumer add many live --start last
"$evlog" consume many live -f --exec 'echo run; cat' >got 2>err & consume=$!
send many 1; wait_for '[ "$(checkpoint many live)" = "26 " ]'
send many 1; wait_for '[ "$(checkpoint many live)" = "27 " ]'
is "a run for each" "$(seqs_of got)" "run 26 run 27 "
# A second process gets the pid that has it; so does one that would change it.
try 3 "consumer live: process $consume has it" consume many live --exec cat
try 3 "consumer live: process $consume has it" consumer reset many live --to first --yes
try 3 "consumer live: process $consume has it" consumer rm many live --yes
try 0 "" consumer ls many -o short; is "the list shows it" "$(awk 'NR==2{print $7}' out)" $consume
try 0 "" consumer info many live -o short; has "at work     process $consume"
kill -TERM $consume; ends $consume 0
# Interrupted, by a typed ^C too, it lets the command finish what it has, and acknowledges.
for signal in INT TERM; do
    rm -f begun; "$evlog" consumer reset many live --to last:1 --yes >/dev/null
    setsid "$evlog" consume many live -f --exec 'cat >/dev/null; touch begun; sleep 0.4; echo finished' >got 2>err & consume=$!
    wait_for '[ -e begun ]'; target=$consume; [ $signal = INT ] && target=-$consume
    kill -$signal $target; ends $consume 0
    is "it has finished" "$(cat got)$(checkpoint many live)" "finished27 "
done
# A second interrupt ends it at once, and what it gave comes again.
"$evlog" consumer reset many live --to last:1 --yes >/dev/null; rm begun
"$evlog" consume many live -f --exec 'touch begun; sleep 1.5' >got 2>err & consume=$!
wait_for '[ -e begun ]'; kill -INT $consume; sleep 0.1; kill -INT $consume; ends $consume 130
try 0 "" consume many live --exec cat; is "again" "$(field attempt <out)" "2 "

# ---------------------------------------------------------------- consume --ack-lines ----
answer='while read -r line; do echo "$line" >>got; echo; done'
rm -f got; try 0 "" consume many lines --ack-lines --exec "$answer"
is "all answered" "$(wc -l <got) $(checkpoint many lines)" "27 27 "
# One that dies in the middle has dealt with those it answered.
"$evlog" consumer reset many lines --to first --yes >/dev/null
try 1 "the command exited with 5" consume many lines --ack-lines --on-failure stop --exec 'for i in 1 2 3; do read -r line; echo; done; sleep 0.3; exit 5'
is "three" "$(checkpoint many lines)" "3 "
rm -f got; try 0 "" consume many lines --ack-lines -n 2 --exec "$answer"
is "they come again" "$(seqs_of got)$(field attempt <got)" "4 5 2 2 "
# One that fails in the end has dealt with what it answered nonetheless; one that exits with 0 only with that.
try 1 "the command exited with 9" consume many lines --ack-lines -n 2 --exec "$answer; exit 9"; is "reported once" "$(wc -l <err)" 1
is "both" "$(checkpoint many lines)" "7 "
try 1 "exited with 0 and has not answered 2 events" consume many lines --ack-lines -n 3 --on-failure stop --exec 'read -r a; echo; cat >/dev/null'
is "one" "$(checkpoint many lines)" "8 "
# One that answers too much is not believed, nor waited for.
try 1 "the command has answered more events than it was given" consume many lines --ack-lines --exec yes
try 1 "the command has answered more events than it was given" consume many lines --ack-lines -n 3 --exec 'cat; echo'
try 1 "before its input ended" consume many lines --ack-lines -f --on-failure stop --exec 'exec >&-; sleep 0.4'
try 1 "the command exited with 1" consume many lines --ack-lines --on-failure stop --exec 'exec <&-; sleep 0.2; exit 1'
# Thousands of events, more than may be unanswered, to a command that answers all in the end, each at
# once, or with long lines; none waits for the other.
send thousands 6000
for answer in 'tee got' 'sleep 0.3; tee got' "tee got | sed 's/.*/&&&&&&&&&&/'" "tee got | sed -u 's/.*//'"; do
    rm -f got; "$evlog" consumer add thousands lines
    try 0 "" consume thousands lines --ack-lines --exec "$answer"
    is "thousands to: $answer" "$(seqs_of got | cksum) $(checkpoint thousands lines)" "$(seq 6000 | tr '\n' ' ' | cksum) 6000 "
    "$evlog" consumer rm thousands lines --yes >/dev/null
done
try 1 "events 1 to 4096 are not acknowledged" consume thousands lines --ack-lines --on-failure stop --exec 'cat >/dev/null; kill -9 $$' -n 4096
# Large events both ways.
try 0 "" consume big lines --ack-lines --exec 'tee /dev/stderr 2>/dev/null'; is "large answers" "$(checkpoint big lines)" "1 "
# -f: one command gets all; what it answers is acknowledged while it runs, also while events are slow to come.
rm -f got pids; "$evlog" consumer reset many lines --to last --yes >/dev/null
"$evlog" consume many lines --ack-lines -f --exec 'echo $$ >>pids; while read -r line; do echo "$line" >>got; echo; done; echo end >>got' 2>err & consume=$!
for i in 28 29; do send many 1; wait_for '[ "$(checkpoint many lines)" = "$i " ]'; done
is "one command" "$(wc -l <pids)" 1
kill -INT $consume; ends $consume 0; is "its input ended" "$(seqs_of got)" "28 29 end "
rm -f got; "$evlog" consumer reset many lines --to last:3 --yes >/dev/null
"$evlog" consume many lines --ack-lines --rate 0.2 --exec "while read -r l; do echo; done" 2>err & consume=$!
wait_for '[ "$(checkpoint many lines)" = "27 " ]'; kill -INT $consume; ends $consume 0

# -------------------------------------------------------------------------- kill -9 ----
# Killed at any time, nothing is lost: every event was given, in order, and again only with its attempt shown.
rm -f got; send killed 300; "$evlog" consumer add killed lines
for i in 1 2 3; do
    before=$(cat got 2>/dev/null | wc -l) # it acknowledges so many, and then no more
    ACKED_MAX=$((i * 7)) "$evlog" consume killed lines --ack-lines -f --exec \
        'n=0; while read -r line; do echo "$line" >>got; n=$((n + 1)); [ $n -gt $ACKED_MAX ] || echo; done' 2>/dev/null & consume=$!
    wait_for '[ "$(cat got 2>/dev/null | wc -l)" -gt $((before + i * 7)) ]'
    kill -9 $consume; wait $consume 2>/dev/null
    wait_for '[ "$(cat got | wc -l)" = "$(sleep 0.1; cat got | wc -l)" ]' # its command has ended too
done
try 0 "" consume killed lines --ack-lines --exec 'while read -r line; do echo "$line" >>got; echo; done'
sed 's/^{"seq": \([0-9]*\),.*"attempt": \([0-9]*\).*/\1 \2/' got >given
is "every event" "$(cut -d' ' -f1 given | sort -nu | cksum)" "$(seq 300 | cksum)"
is "none twice without saying so" "$(grep ' 1$' given | uniq -d)" ""
is "some were given twice" "$(cut -d' ' -f1 given | sort | uniq -d | grep -c . | grep -c '^0$')" 0
is "the checkpoint" "$(checkpoint killed lines)" "300 "
rm -f got; "$evlog" consumer add killed whole
"$evlog" consume killed whole --exec 'cat >>got; sleep 5' 2>/dev/null & consume=$!
wait_for '[ "$(cat got 2>/dev/null | wc -l)" = 300 ]'; kill -9 $consume; wait $consume 2>/dev/null
try 0 "" consume killed whole --exec cat; is "a whole run again" "$(wc -l <out) $(field attempt <out | tr ' ' '\n' | sort -u | tr -d '\n')" "300 2"

# ------------------------------------------------------------------- plugins, parked ----
plugin=$build/plugins/refusing.so
export PLUGIN_REFUSES=
try 2 "its start failed with -13: no database" consume log hears --plugin "$build/plugins/failing.so"
try 2 "no-such.so" consume log hears --plugin no-such.so
try 1 "no consumer hears" consumer info log hears
try 0 "" consume log hears --plugin "$plugin" -n 2; is "its receivers heard" "$(cat out)" "heard 1
heard 2"
PLUGIN_REFUSES=4
try 1 "event 4 is parked: no seat for 4" consume log hears --plugin "$plugin"
is "the others were heard" "$(tr '\n' ' ' <out)" "heard 3 heard 5 heard 6 heard 7 heard 8 heard 9 heard 10 "
is "the checkpoint" "$(checkpoint log hears)" "10 "
try 0 "" parked ls log hears; is "on record" "$(field seq <out)$(field attempts <out)$(field error <out)" '4 3 "no seat for 4" '
try 0 "" parked ls log hears -o short; is "and in short" "$(awk 'NR==2{print $1, $2, $6, $7, $8, $9}' out)" "4 3 no seat for 4"
try 0 "" consumer ls log -o short; is "it counts" "$(awk '$NF=="hears"{print $5}' out)" 1
try 5 "" consumer reset log hears --to 5 -o short; has "; 0 parked events and"
try 5 "" consumer reset log hears --to 4 -o short; has "; 1 parked event and"
try 5 "" consumer rm log hears -o short; has "with 1 parked event and"
for which in "" 0 x 4x; do try 2 "which? A seq, as evlog parked ls shows it, or --all" parked retry log hears $which; done
try 2 "which?" parked drop log hears 4 --all
try 1 "consumer hears: event 5 is not parked" parked retry log hears 5
for yes in "" --yes; do try 1 "consumer hears: event 5 is not parked" parked drop log hears 5 $yes; done
# One that is retried and fails is parked again; one that goes well is off the record.
try 0 "" parked retry log hears 4 -o short; has "1 event to be retried when the consumer runs"
try 0 "" parked ls log hears -o short; has "(to be retried) no seat for 4"
try 1 "event 4 is parked: no seat for 4" consume log hears --plugin "$plugin"
try 0 "" parked ls log hears; is "once more" "$(field attempts <out)" "4 "
PLUGIN_REFUSES=
try 0 "" parked retry log hears --all -o short; try 0 "" consume log hears --plugin "$plugin"; has "heard 4"
try 1 "consumer hears has no parked events" parked ls log hears
try 1 "consumer hears has no parked events" parked retry log hears --all
PLUGIN_REFUSES=all
try 0 "" consumer reset log hears --to last:2 --yes
said_max=9; try 1 "event 9 is parked" consume log hears --plugin "$plugin"; said_max=3
try 5 "" parked drop log hears 9 -o short; has "1 event would go off the record; do it with --yes"
try 5 "" parked drop log hears --all -o short; has "2 events would go off the record; do it with --yes"
try 0 "" parked ls log hears; is "nothing is done" "$(field seq <out)" "9 10 "
try 0 "" parked drop log hears 9 --yes -o short; has "1 event off the record"
try 0 "" parked ls log hears; is "the other is left" "$(field seq <out)" "10 "
# A retried event that a command does not deal with is parked again, and never lost, as little as the others are.
for how in "" --ack-lines; do
    send log 1
    try 0 "" parked retry log hears --all
    try 1 "event 10 is parked: the command exited with 3" consume log hears $how -n 1 --exec 'cat; exit 3'
    try 0 "" parked ls log hears; is "on record" "$(field seq <out)$(field error <out)" '10 "the command exited with 3" '
    try 0 "" parked retry log hears 10
    rm -f runs; try 0 "" consume log hears $how --exec 'echo run >>runs; tee -a runs'
    is "alone, then the others" "$(seqs_of runs)" "run 10 run $("$evlog" show log --from 11 | seqs_of)"
    try 1 "has no parked events" parked ls log hears
    "$evlog" consumer reset log hears --to 10 --yes >/dev/null
    [ "$how" ] || "$evlog" consume log hears -n 1 --plugin "$plugin" 2>/dev/null
done
# What is damaged is lost to a consumer, which goes on, and says so.
seq -f '{"mark": "here-%.0f-here"}' 20 | "$evlog" send damaged $type - >/dev/null
for offset in $(LC_ALL=C grep -obUa 'here-12-here' damaged/events.mdb | cut -d: -f1); do
    printf X | dd of=damaged/events.mdb bs=1 seek="$offset" conv=notrunc 2>/dev/null
done
try 1 "event 12 is lost: " consume damaged shop --exec cat; is "the others came" "$(wc -l <out) $(checkpoint damaged shop)" "19 20 "
try 0 "" parked ls damaged shop; is "it is on record" "$(field seq <out)$(field lost <out)" "12 true "
try 4 "1 of the events asked for could not be read, the first at seq 12" tail damaged; is "tail goes on" "$(wc -l <out)" 10
try 0 "" tail damaged -n 8

# ------------------------------------------------------------------- worker groups ----
# Two workers share the events by a value, each as a consumer of its own, made together by the first.
seq 40 | sed 's/.*/{"o": {"c": "c&"}}/; s/\(c[0-9]\)[0-9]"/\1"/' | "$evlog" send shared $type - >/dev/null
for wrong in 0/2 3/2 1 1/ /2 1/257 x/2 1/2/3 01x/2; do
    try 2 "--worker takes two numbers, as 1/4, from 1/1 to 256/256, not '$wrong'" consume shared g --exec cat --worker "$wrong" --by o.c
done
try 2 "which share of the events? evlog consume shared g --worker I/N --by PATH" consume shared g --exec cat --worker 1/2
try 2 "which share of the events?" consume shared g --exec cat --by o.c
try 2 "has no blanks" consume shared g --exec cat --worker 1/2 --by 'o c'
try 1 "no group g" consume shared g --exec cat --worker 1/2 --by o.c --no-create
try 1 "it has no consumers" consumer ls shared
try 0 "" consume shared g --exec 'tee first' --worker 1/2 --by o.c
try 0 "" consumer ls shared; is "both are there" "$(field name <out)$(field checkpoint <out)" '"g/1of2:o.c" "g/2of2:o.c" 40 0 '
is "as a group" "$(sed -n 's/.*"group": //p' out | head -1)" '"g", "worker": 1, "workers": 2, "by": "o.c"}'
try 1 "40 events are not" consume shared g/2of2:o.c --on-failure stop --exec 'sed s/x/y/; echo "40 events are not" >&2; exit 1'
try 0 "" consume shared g/2of2:o.c --exec 'tee second'; is "by its whole name, again" "$(field attempt <out | tr ' ' '\n' | sort -u | tr -d '\n')" 2
is "each event once" "$(cat first second | seqs_of | tr ' ' '\n' | grep . | sort -n | cksum)" "$(seq 40 | cksum)"
customers() { sed 's/.*"c": "\(c[0-9]*\)".*/\1/' "$1" | sort -u; }
is "no value in both" "$(customers first >a; customers second | comm -12 - a)" ""
is "in order" "$(cat first | seqs_of)" "$(seqs_of first | tr ' ' '\n' | grep . | sort -n | tr '\n' ' ')"
# What names the group means all of it, what names a worker that one.
try 0 "" consumer info shared g -o short; is "info of both" "$(grep -c '^worker      [12] of 2 of the group g, by the value at o.c$' out)" 2
try 0 "" consumer info shared g/2of2:o.c -o short; is "of one" "$(grep -c '^consumer ' out)" 1
try 1 "it is a group: name one of its consumers, as g/1of2:o.c" parked ls shared g
try 0 "" consumer pause shared g; try 0 "" consumer ls shared; is "paused" "$(field paused <out)" "true true "
try 0 "" consumer resume shared g
try 2 "remove the group g" consumer rm shared g/1of2:o.c --yes
try 2 "g is a group of consumers" consume shared g --exec cat
try 0 "" consumer reset shared g/1of2:o.c --to 11 --yes -o short; is "one is moved" "$(checkpoint shared g | tr -d '\n')" "10 40 "
# Another number of workers only where all are at the same seq.
try 2 "g/1of2:o.c is done up to seq 10 and g/2of2:o.c up to 40; let each go on up to that one" consume shared g --exec cat --worker 1/3 --by o.c
send shared 5
try 0 "" consume shared g --exec cat --worker 1/2 --by o.c --to 40; is "not past it" "$(checkpoint shared g)" "40 40 "
try 0 "" consume shared g --exec cat --worker 1/3 --by o.c; is "without a value: the first's" "$(seqs_of out)" "41 42 43 44 45 "
is "three now, there" "$(checkpoint shared g)" "45 40 40 "
try 5 "" consumer reset shared g --to first -o short; has "the next event of consumer g would be 1, and not 41; 0 parked events and"
try 0 "" consumer reset shared g --to first --yes -o short; is "all are moved" "$(checkpoint shared g)" "0 0 0 "
try 5 "" consumer rm shared g -o short; is "says it of each" "$(grep -c 'would remove consumer g/[123]of3:o.c, ' out)" 3
# One that is idle does not make the group so.
sleep 1.2; try 0 "" consume shared g --exec cat --worker 2/3 --by o.c
try 0 "" consumer rm shared --idle 1s --yes -o short; has "no consumer is idle for that long"
sleep 1.2; try 0 "" consumer rm shared --idle 1s --yes -o short; has "removed consumer g"
try 1 "it has no consumers" consumer ls shared

# --------------------------------------------------------------- where none can write ----
# Looking is possible, and changing is refused.
as=false
if [ "$(id -u)" != 0 ]; then as=env
elif command -v setpriv >/dev/null; then as="setpriv --reuid=65534 --regid=65534 --clear-groups"
fi
if ! $as "$evlog" --version >/dev/null 2>&1; then
    echo "SKIPPED: a directory that cannot be written to (needs setpriv, and a build that others can read)"
else
    real=$evlog evlog=$home/other
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$as" "$real" >other; chmod 755 . other
    chmod -R a+rX log; chmod a-w log log/*
    try 0 "" consumer ls log; try 0 "" tail log -n 1; try 1 "no parked" parked ls log hears
    for verb in "consume log shop --exec cat" "consumer add log more" "consumer rm log shop --yes" "consumer pause log shop" \
        "consumer reset log shop --to first --yes" "parked drop log hears 1 --yes"; do try 3 "ermission denied" $verb; done
    chmod -R u+w log; evlog=$real
fi

end_cases
