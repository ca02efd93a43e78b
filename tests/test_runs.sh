#!/bin/sh
# evlog consume and commands that fail: attempts, parking, time limits, a second process that waits, and what an
# existing consumer refuses. usage: test_runs.sh BUILD
. "$(dirname "$0")/tool.sh"
said_max=200
type=org.example.first.v1

field() { sed "s/.*\"$1\": \\([^,}]*\\).*/\\1/" | tr '\n' ' '; } # field NAME: of each line
checkpoint() { "$evlog" consumer info "$1" "$2" 2>/dev/null | field checkpoint; }
parked() { "$evlog" parked ls "$1" "$2" 2>/dev/null | field seq; }
fresh() { # fresh COUNT: $log is a new log of so many events
    made=$((${made:-0} + 1)) log=log$((${made:-0} + 1))
    rm -f got runs
    seq -f '{"n": %.0f}' "$1" | "$evlog" send $log $type - >/dev/null
}
wait_for() { # wait_for COMMAND: until the shell's command is true, 60 seconds at most
    for tick in $(seq 1200); do eval "$1" && return; sleep 0.05; done
    bad "waited in vain for: $1"
}
ms() { echo $(($(date +%s%N) / 1000000)); }
# Commands that cannot deal with the events of which n is one of $POISON; what they did is in `got`, their starts in `runs`.
export POISON='4'
is_poison='poison() { case " $POISON " in *" $1 "*) return 0;; esac; return 1; }; echo run >>runs; '
line_n='n=${line##*\"n\": }; n=${n%%\}*}; '
answers="$is_poison"'while read -r line; do '"$line_n"'poison $n && exit 3; echo $n >>got; echo ok; done'
at_end="$is_poison"'all=; while read -r line; do '"$line_n"'poison $n && exit 3; all="$all $n"; done; for n in $all; do echo $n >>got; done'
in_batches="$at_end; for n in \$all; do echo ok; done"

# -------------------------------------------------------------------- a poisoned event ----
# However the command answers, the event that it cannot deal with is parked, with the reason, and all others are done.
for how in "--ack-lines:$answers" ":$at_end" "--ack-lines:$in_batches"; do
    for poison in 1 4 10 "1 2 3" "4 5 9" ""; do
        fresh 10; POISON=$poison
        try $([ "$poison" ] && echo 1 || echo 0) "$([ "$poison" ] && echo 'is parked: the command exited with 3')" consume $log c ${how%%:*} --backoff 0.001 --exec "${how#*:}"
        is "parked, of $poison" "$(parked $log c)" "$poison${poison:+ }"
        is "done" "$(checkpoint $log c)$(sort -nu got | wc -l)" "10 $((10 - $(echo $poison | wc -w)))"
        is "none of the parked is done" "$(for n in $poison; do grep -x $n got; done)" ""
        try 0 "" consume $log c ${how%%:*} --exec "${how#*:}"
    done
done
POISON=4; fresh 10
try 1 "event 4 is parked: the command exited with 3" consume $log c --ack-lines --exec "$answers"
try 0 "" parked ls $log c; has '"error": "the command exited with 3"'
is "of ten, in so many runs" "$(wc -l <runs)" 8 # of 10, 3, 1, 1, 1, and when it is parked 1, 2, 4
# An event that is parked counts for -n, and once.
"$evlog" consumer reset $log c --to first --yes >/dev/null
try 1 "event 1 is parked" consume $log c -n 1 --backoff 0.001 --exec false; is "only that one" "$(parked $log c)" "1 "
"$evlog" parked drop $log c --all --yes >/dev/null
try 1 "event 4 is parked" consume $log c -n 3 --backoff 0.001 --ack-lines --exec "$answers"; is "of three" "$(parked $log c) $(checkpoint $log c)" "4  4 "
# One that was parked can be retried, by either; it is parked again, or done.
for how in "--ack-lines --exec=$answers" "--exec=$at_end"; do
    "$evlog" parked retry $log c --all >/dev/null
    try 1 "event 4 is parked: the command exited with 3" consume $log c ${how%%--exec=*} --exec "${how#*--exec=}"
done
POISON= ; "$evlog" parked retry $log c --all >/dev/null
try 0 "" consume $log c --exec "$at_end"; is "nothing is parked any more" "$(parked $log c)" ""
# Among many it is found in few runs, and what is around it is given out again only a few times.
for how in "--ack-lines:$answers" ":$at_end"; do
    fresh 2000; POISON="7 1234 1999"
    try 1 "event 1234 is parked" consume $log c ${how%%:*} --backoff 0.001 --exec "${how#*:}"
    is "parked" "$(parked $log c)" "7 1234 1999 "
    is "all others once" "$(sort -n got | uniq | wc -l) $(wc -l <got)" "1997 1997"
    is "in few runs" "$(($(wc -l <runs) < 150))" 1
done
# With -f it goes on, too, and so do the events that come later.
fresh 5; POISON=4
"$evlog" consume $log c -f --ack-lines --backoff 0.001 --exec "$answers" 2>err & consume=$!
wait_for '[ "$(checkpoint $log c)" = "5 " ]'
seq -f '{"n": %.0f}' 4 6 | "$evlog" send $log $type - >/dev/null
wait_for '[ "$(checkpoint $log c)" = "8 " ]'; is "both of them" "$(parked $log c)" "4 6 "
kill -TERM $consume; wait $consume; is "and that is its status" $? 1
# A command that answers all it had and ends is started again, and no event is to blame.
fresh 5; POISON=
"$evlog" consume $log c -f --ack-lines --attempts 1 --exec 'echo run >>runs; head -n 1' >out 2>err & consume=$!
wait_for '[ "$(checkpoint $log c)" = "5 " ] || ! kill -0 $consume 2>/dev/null'
for i in 6 7; do
    sleep 0.2; "$evlog" send $log $type '{}' >/dev/null; wait_for '[ "$(checkpoint $log c)" = "$i " ]'
done
kill -TERM $consume; wait $consume

# ----------------------------------------------------------------- attempts, backoff, on-failure ----
for n in 1 2 5; do
    fresh 1; POISON=1
    try 1 "event 1 is parked" consume $log c --attempts $n --backoff 0.001 --exec "$at_end"
    is "attempts" "$(wc -l <runs) $("$evlog" parked ls $log c | field attempts)" "$n $n "
    is "each is reported" "$(grep -c "^evlog: event 1, attempt [0-9] of $n: the command exited with 3$" err)" $((n - 1))
done
fresh 1; begin=$(ms)
try 1 "is parked" consume $log c --attempts 4 --backoff 0.1 --backoff-max 0.2 --exec "$at_end"
took=$(($(ms) - begin)); is "0.1 + 0.2 + 0.2 s" "$((took >= 500 && took < 5000))" 1
fresh 3; POISON=2
try 1 "event 2 is skipped: the command exited with 3" consume $log c --on-failure skip --backoff 0.001 --exec "$at_end"
is "skipped" "$(checkpoint $log c)$("$evlog" consumer info $log c | field skipped)$(parked $log c)" "3 1 "
fresh 3
try 1 "events 1 to 3 are not acknowledged: they come again" consume $log c --on-failure stop --exec "$at_end"
is "at once" "$(wc -l <runs) $(checkpoint $log c)" "1 0 "
try 1 "event 2 failed: the command exited with 3" consume $log c --on-failure stop --attempts 2 --backoff 0.001 --exec "$at_end"
is "what was before it is done, and nothing is parked" "$(checkpoint $log c)$(parked $log c)" "1 "
POISON=; try 0 "" consume $log c --exec "$at_end"
# No event is to blame for a command that cannot be run, that asks to be run later, or that reads nothing.
for exec in no-such-command-here /etc/passwd 'cat >/dev/null; exit 75' true 'exec <&-; sleep 0.1'; do
    fresh 1; try 1 "event 1 is not acknowledged: it comes again" consume $log c --attempts 1 --exec "$exec"
    is "not parked, for $exec" "$(checkpoint $log c)$(parked $log c)" "0 "
done
fresh 3; try 1 "answered more events than it was given" consume $log c --attempts 1 --ack-lines --exec 'cat >/dev/null; seq 9'
is "none is parked" "$(parked $log c)" ""
# Of plugins, too.
if [ -e "$build/plugins/refusing.so" ]; then
    fresh 3; export PLUGIN_REFUSES=2
    try 1 "event 2 is skipped" consume $log c --plugin "$build/plugins/refusing.so" --attempts 1 --on-failure skip
    fresh 3; try 1 "event 2 failed" consume $log c --plugin "$build/plugins/refusing.so" --attempts 1 --on-failure stop
    is "it stopped" "$(checkpoint $log c)" "1 "
fi
for wrong in 0 x -1 4294967296; do try 2 "--attempts takes a number: 1, 2, 3 ..., not '$wrong'" consume $log c --exec cat --attempts $wrong; done
try 2 "--on-failure takes park, stop or skip, not 'drop'" consume $log c --exec cat --on-failure drop
for name in backoff backoff-max timeout; do try 2 "--$name takes a number of seconds above 0, not '0'" consume $log c --exec cat --$name 0; done
try 2 "--timeout is for a command" consume $log c --plugin x.so --timeout 1

# ------------------------------------------------------------------------ time limits ----
# One that hangs is killed, with what it has started, and that is a failed attempt: while it reads, answers, or ends.
hangs='sleep 600 & echo $! >>pids; cat >/dev/null; wait'
for how in "--ack-lines:$hangs" ":$hangs" ":exec <&-; $hangs" "--ack-lines:while read -r line; do echo; done; $hangs"; do
    fresh 2; rm -f pids; begin=$(ms)
    try 1 "the command did nothing for 0.3 s, and was killed" consume $log c ${how%%:*} --timeout 0.3 --attempts 2 --backoff 0.001 --exec "${how#*:}"
    took=$(($(ms) - begin)); is "in time" "$((took >= 300 && took < 20000))" 1
    sleep 0.1; is "all that it started is gone" "$(for pid in $(cat pids); do [ "$(sed 's/.*) //; s/ .*//' /proc/$pid/stat 2>/dev/null)" = S ] && echo $pid; done)" ""
done
fresh 2
try 1 "event 2 is parked: the command did nothing for 0.2 s, and was killed" consume $log c --ack-lines --timeout 0.2 --backoff 0.001 \
    --exec 'while read -r line; do case $line in *": 2}"*) sleep 600;; esac; echo; done'
is "only that one" "$(checkpoint $log c)$(parked $log c)" "2 2 "
head -c 900000 /dev/zero | tr '\0' x | sed 's/.*/{"a": "&"}/' | "$evlog" send $log $type - >/dev/null
try 1 "event 3 is parked: the command did nothing for 0.2 s" consume $log c --timeout 0.2 --attempts 1 --exec 'sleep 600'
# It does not count what the command does not owe: it waits for events as long as it has to.
fresh 1
"$evlog" consume $log c -f --ack-lines --timeout 0.3 --exec 'echo run >>runs; while read -r line; do echo; done' 2>err & consume=$!
wait_for '[ "$(checkpoint $log c)" = "1 " ]'; sleep 0.8
"$evlog" send $log $type '{}' >/dev/null; wait_for '[ "$(checkpoint $log c)" = "2 " ]'
kill -TERM $consume; wait $consume; is "one run, and nothing failed" "$? $(wc -l <runs) $(cat err)" "0 1 "
fresh 20; try 0 "" consume $log c --timeout 0.5 --rate 20 --exec 'cat >/dev/null'

# ------------------------------------------------------------------------- hot standby ----
# A second process waits until the consumer is free, and goes on.
fresh 3
"$evlog" consume $log c -f --exec 'cat >/dev/null' 2>err1 & first=$!
wait_for '[ "$(checkpoint $log c)" = "3 " ]'
begin=$(ms); try 3 "consumer c: process $first has it" consume $log c --wait 0.3 --exec cat
took=$(($(ms) - begin)); is "so long" "$((took >= 300 && took < 10000))" 1
begin=$(ms); try 3 "consumer c: process $first has it" consume $log c --exec cat
"$evlog" consume $log c -f --wait forever --exec 'cat >>got' 2>err2 & second=$!
wait_for 'grep -q "consumer c: process $first has it: waiting for it" err2'
kill -9 $first; wait $first 2>/dev/null
"$evlog" send $log $type '{}' >/dev/null; wait_for '[ "$(checkpoint $log c)" = "4 " ]'
is "the second has it" "$("$evlog" consumer info $log c | field pid)" "$second "
kill -TERM $second; wait $second; is "and ends well" $? 0
try 2 "--wait takes a number of seconds above 0, or forever, not 'x'" consume $log c --wait x --exec cat

# --------------------------------------------------------------- what exists stays as it is ----
fresh 4
try 0 "" consume $log old --type $type --type 'com.*' --exec cat
try 0 "" consume $log old --type 'com.*' --type $type --exec cat
for types in "--type zz" "--type $type" "--type $type --type zz"; do
    try 2 "consumer old exists, with other types (evlog consumer info $log old): leave out --type, or make it anew with: evlog consumer rm $log old, and --start 5" \
        consume $log old $types --exec cat
done
is "it has its types" "$("$evlog" consumer info $log old | grep -cF -e "\"types\": [\"com.*\", \"$type\"]" -e "\"types\": [\"$type\", \"com.*\"]")" 1
try 2 "consumer old exists, and goes on where it was: leave out --start, or move it with: evlog consumer reset $log old --to WHERE" \
    consume $log old --start first --exec cat
try 0 "" consume $log all --exec cat; try 2 "consumer all exists, with other types" consume $log all --type $type --exec cat
try 0 "" consume $log g --worker 1/2 --by n --exec cat
try 2 "consumer g exists, and goes on" consume $log g --worker 2/2 --by n --start last --exec cat
try 2 "consumer g exists, with other types" consume $log g --worker 2/2 --by n --type zz --exec cat
try 0 "" consume $log g --worker 2/2 --by n --exec cat
try 2 "--exec is given twice: one command gets the events" consume $log all --exec cat --exec wc
try 2 "--exec is given twice" replay $log --exec cat --exec wc

end_cases
