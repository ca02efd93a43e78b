#!/bin/sh
# The command and a clock that was in 2099 for one send: ranges, speed, info and verify. usage: test_clock_tool.sh BUILD
set -eu
evlog=$(cd "$1" && pwd)/evlog
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cd "$home"
cat >clock.c <<'C'
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec = 4071000000;
    return result;
}
C
cc -shared -fPIC clock.c -o clock.so
failed=0
is() { [ "$2" = "$3" ] || { echo "$1: '$2', not '$3'"; failed=1; }; }
send() { "$evlog" send log a.b.v1 "{\"n\": $1}" >/dev/null; }
seqs() { "$evlog" show log -o json "$@" | sed 's/^{"seq": \([0-9]*\),.*/\1/' | tr '\n' ' '; }

send 1
LD_PRELOAD="$home/clock.so" send 2
is "the last event is in the future" "$("$evlog" info log -o short | grep ^clock)" \
    "clock       behind the log: the clock of a sender was ahead, or this one is wrong"
is "it is remarked" "$("$evlog" verify log -o short | head -1)" \
    "remark: event 2: its log time, $("$evlog" get log 2 -o json | sed 's/.*"log_time": "\([^"]*\)".*/\1/'), is in the future: the clock was wrong, or is"
for i in 3 4 5; do send $i; done
is "until now" "$(seqs --until now)" "1 3 4 5 "
is "in the last minute" "$(seqs --since -1m --until now)" "1 3 4 5 "
is "newest first" "$(seqs --since -1m --until now --reverse -n 3)" "5 4 3 "
is "in 2099" "$(seqs --since 2099-01-01)" "2 "
is "replay by speed" "$(timeout 20 "$evlog" replay log --speed 1000 --exec 'echo $EVLOG_SEQ' | tr '\n' ' ')" "1 2 3 4 5 "
is "info" "$("$evlog" info log -o short | grep ^clock)" "clock       stepped back 1 time; evlog verify names the places"
is "info, JSON" "$("$evlog" info log -o json | grep -o '"clock_steps": 1, "is_ahead": false')" '"clock_steps": 1, "is_ahead": false'
"$evlog" verify log -o json >found || { echo "verify: $?"; failed=1; }
is "verify" "$(sed 's/"text": ".*",/.../' found)" '{"first_seq": 3, "last_seq": 3, ... "remark": true}
{"events": 5, "findings": 0, "first_seq": 1, "last_seq": 5, "head": "'"$("$evlog" info log -o short | sed -n 's/^head *//p')"'"}'
is "verify, short" "$("$evlog" verify log -o short | tail -1)" "5 events read: all is as it was written"
[ $failed = 0 ] && echo "one send in 2099 harms nothing else"
exit $failed
