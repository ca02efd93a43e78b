#!/bin/sh
# Following a log: evlog tail -f and show -f, from a place, filtered, before the log is there, until it is deleted; and
# as process 1. usage: test_follow.sh BUILD
. "$(dirname "$0")/tool.sh"

send() { "$evlog" send "$@" >/dev/null || bad "send $*"; }
start() { # start NAME ARGUMENT...: evlog in the background, its output in NAME
    name=$1
    shift
    "$evlog" "$@" >"$name" 2>"$name.err" &
    follower=$!
}
seqs() { grep -o '^{"seq": [0-9]*' "$1" 2>/dev/null | tr -dc '0-9\n' | tr '\n' ' '; }
shows() { [ "$(seqs "$1")" = "$2 " ]; }
stops() { # stops NAME EXPECTED: it shows these; a signal then ends it
    until_true shows "$1" "$2" || is "what $1 shows" "$(seqs "$1")" "$2 "
    cases=$((cases + 1))
    kill -TERM $follower
    { wait $follower; } 2>/dev/null
    [ $? = 143 ] || bad "$1: SIGTERM does not end it"
}

for n in 1 2 3 4 5; do send log a.b.v1 "{\"n\": $n}"; done
since=$("$evlog" show log --from 3 --to 3 | sed 's/.*"log_time": "\([^"]*\)".*/\1/')
i=0
while IFS='|' read -r arguments begins goes_on; do
    i=$((i + 1))
    "$evlog" copy log log$i >/dev/null
    eval "start out$i $(echo "$arguments" | sed "s/ LOG/ log$i/")"
    [ "$begins" ] && until_true shows out$i "$begins"
    [ "$begins" ] || sleep 0.5
    send log$i a.b.v1 '{"n": 6}'
    send log$i a.c.v1 '{"n": 7}'
    stops out$i "$goes_on"
done <<END
tail LOG -f -n 2|4 5|4 5 6 7
tail LOG -f -n 0||6 7
tail LOG -f --from 4|4 5|4 5 6 7
tail LOG -f --since $since|3 4 5|3 4 5 6 7
tail LOG -f --from 2 --where 'n>3'|4 5|4 5 6 7
tail LOG -f -n 1 --where 'n!=5' --type a.b.v1|4|4 6
show LOG -f|1 2 3 4 5|1 2 3 4 5 6 7
show LOG -f -n 1 --not-type a.b.v1||7
show LOG -f --from 7||7
END
try 2 "--count takes a number: 1, 2, 3 ..., not '0'" show log -n 0
try 0 "" tail log -n 0
try 2 "it takes no --reverse, --to or --until" show log -f -r
try 0 "" tail log --from 4; is "tail --from" "$(seqs out)" "4 5 "
try 0 "" tail log --from 2 -n 1; is "tail --from -n" "$(seqs out)" "5 "

# A log that is deleted, or replaced by another.
start gone tail log1 -f
until_true shows gone "1 2 3 4 5 6 7"
rm -r log1
wait $follower; is "its log is deleted" $? 3
is "and it says so" "$(cat gone.err)" "evlog: log1: the log was deleted or moved; event 7 is the last that was read"
start replaced show log2 -f
until_true shows replaced "1 2 3 4 5 6 7"
mv log2 old; "$evlog" copy old log2 >/dev/null
wait $follower; is "its log is replaced" $? 3
is "and it says so" "$(cat replaced.err)" "evlog: log2: the log was replaced; event 7 is the last that was read"

# One that is not there yet.
try 3 "none: no log there" tail none -f
try 3 "none: no log there" tail none -f --wait 0.2
try 3 "none: no log there" tail none --wait 100
start late tail late.log -f --wait 100
sleep 0.3
send late.log a.b.v1
stops late 1

# As process 1 of a container.
if unshare --pid --fork true 2>/dev/null; then
    for arguments in "tail log -f" "show log -f" "consume log c -f --exec cat" "replay log --rate 1 --exec true"; do
        unshare --pid --fork --kill-child sh -c "exec '$evlog' $arguments" >inside 2>inside.err &
        outer=$!
        until_true pgrep -P $outer -f "$arguments" || :
        inner=$(pgrep -P $outer)
        sleep 0.5
        kill -TERM "$inner"
        cases=$((cases + 1))
        timeout 10 sh -c "while kill -0 $inner; do sleep 0.05; done" 2>/dev/null || bad "process 1 is not ended: $arguments"
        kill -KILL $outer 2>/dev/null
        { wait $outer; } 2>/dev/null
    done
    # The first signal lets the command finish; the second ends evlog all the same.
    unshare --pid --fork --kill-child "$evlog" consume log c2 --exec 'cat >/dev/null; touch begun; exec sleep 1000' >inside 2>inside.err &
    outer=$!
    until_true test -e begun
    inner=$(pgrep -P $outer)
    kill -TERM "$inner"
    sleep 0.3
    cases=$((cases + 1))
    kill -0 "$inner" 2>/dev/null || bad "process 1 does not let its command finish"
    kill -TERM "$inner"
    timeout 10 sh -c "while kill -0 $inner; do sleep 0.05; done" 2>/dev/null || bad "a second SIGTERM does not end process 1"
    kill -KILL "$inner" 2>/dev/null
    { wait $outer; } 2>/dev/null
    is "its exit status" $? 143
else
    echo "SKIPPED: as process 1: unshare is not allowed here"
fi
end_cases
