#!/bin/sh
# SIGINT and SIGTERM in a long verb: it ends by the signal, says where to go on, and what it printed up to there is whole; also as
# process 1. usage: test_interrupt.sh BUILD
. "$(dirname "$0")/tool.sh"
T=org.example.visit.v1
seq -f '{"n": %.0f, "text": "0123456789012345678901234567890123456789"}' 30000 | "$evlog" send log $T - >/dev/null
mkfifo pipe
signal_name() { [ "$1" = 130 ] || [ "$1" = 143 ] || bad "$2: exit status $1, and not by the signal"; cases=$((cases + 1)); }

# Interrupted while its reader is slow: what was printed, and the place it names to go on from, fit.
while IFS='|' read -r signal how arguments; do
    "$evlog" $arguments >pipe 2>err &
    running=$!
    exec 3<pipe
    head -c 100 <&3 >first
    kill -$signal $running
    sleep 0.2
    cat first - <&3 >out
    exec 3<&-
    { wait $running; } 2>/dev/null
    signal_name $? "$arguments"
    next=$(sed -n "s/^evlog: interrupted; .*$how \([0-9]*\)\$/\1/p" err)
    last=$(grep '^{"seq"' out | tail -1 | sed 's/^{"seq": \([0-9]*\), .*/\1/')
    is "evlog $arguments ends in a whole line" "$(tail -c 2 out)" '}'
    is "evlog $arguments goes on where it was" "$next" "$([ "$how" = --to ] && echo $((last - 1)) || echo $((last + 1)))"
    [ "$next" ] || continue
    "$evlog" $arguments $how $next >rest
    is "evlog $arguments: with the rest it is all" "$(cat out rest | grep -c '^{"seq"')" 30000
done <<'END'
INT|--from|show log
TERM|--from|show log --where n>0
INT|--to|show log -r
INT|--from|export log
END

# A filter that nothing matches is interrupted too.
timeout -s INT 0.05 "$evlog" show log --where n=0 >out 2>err
is "a filter that passes over all" "$(grep -c 'interrupted; for the rest: --from [0-9]*$\|no event matches' err)" 1

# A replay: the command gets SIGINT, too, in a terminal; here it is evlog alone, and the command ends well.
"$evlog" replay log --exec 'echo $EVLOG_SEQ >>replayed; sleep 0.05' 2>err &
running=$!
until_true test -s replayed
kill -TERM $running
{ wait $running; } 2>/dev/null
signal_name $? replay
is "a replay goes on where it was" "$(cat err)" "evlog: interrupted; to go on: --from $(($(tail -1 replayed) + 1))"

# Lines that are sent.
mkfifo lines
"$evlog" send sent $T - <lines 2>err &
running=$!
exec 4>lines
seq -f '{"n": %.0f}' 100 >&4
until_true sh -c "[ \$('$evlog' info sent -o json | sed 's/.*\"events\": \([0-9]*\),.*/\1/') = 100 ]"
kill -INT $running || bad "it is not there"
{ wait $running; } 2>/dev/null
signal_name $? send
exec 4>&-
is "send" "$(cat err)" "evlog: interrupted: 100 events are in the log, of the first 100 lines; the rest: tail -n +101"

# Those that end inside of the library: what they say of what is there is so.
for verb in "verify log" "copy log copied" "compact log --yes" "salvage log new --yes" "trim log --keep 10 --yes"; do
    tries=0
    while [ $tries -lt 150 ]; do
        rm -rf copied new trial && cp -r log trial
        tries=$((tries + 1))
        "$evlog" $(echo "$verb" | sed 's/ log/ trial/') >out 2>err &
        running=$!
        sleep 0.$(printf %02d $((tries % 20 + 1)))
        kill -INT $running 2>/dev/null
        { wait $running; } 2>/dev/null
        [ $? = 130 ] && break
    done
    is "evlog $verb is interrupted, and says so" "$(grep -c '^evlog: interrupted; ' err)" 1
    try 0 "" verify trial
    case $verb in
    copy*) try 0 "" copy trial copied; try 0 "" diff trial copied ;;
    salvage*) is "nothing is made" "$(ls -d new 2>/dev/null)" "" ;;
    compact*) try 0 "" diff log trial; is "nothing is left beside the log" "$(ls trial | grep -c new)" 0 ;;
    esac
done

# As process 1 of a container a signal ends each of them.
exec 4<>lines
if unshare --pid --fork true 2>/dev/null; then
    while read -r arguments; do
        unshare --pid --fork --kill-child sh -c "exec '$evlog' $arguments" >inside 2>inside.err &
        outer=$!
        until_true pgrep -x -P $outer evlog || :
        inner=$(pgrep -P $outer)
        sleep 0.3
        kill -TERM "$inner"
        { wait $outer; } 2>/dev/null
        is "process 1: $arguments" $? 143
    done <<END
send sent $T - <lines
import imported <lines
replay log --exec 'sleep 0.5'
tail log -f
END
else echo "SKIPPED: process 1: no namespace of processes can be made"; fi
end_cases
