#!/bin/sh
# In a terminal: colours, and a pager; neither in a pipe, nor anything of an event that a terminal would obey. usage: test_terminal.sh BUILD
. "$(dirname "$0")/tool.sh"
python_with pty, fcntl, termios || { echo "SKIPPED: no python3 with pty"; exit 0; }
unset EVLOG_PAGER PAGER NO_COLOR LESS

# terminal KEYS COMMAND...: runs it in a terminal of 60 columns and 10 lines, types KEYS into it when it has shown something, and
# prints what it showed; its exit status in `ended`.
cat >terminal.py <<'END'
import fcntl, os, pty, select, struct, sys, termios, time
keys, command = sys.argv[1].encode().decode("unicode_escape").encode(), sys.argv[2:]
child, fd = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 60, 0, 0))
    os.execvp(command[0], command)
shown, end = b"", time.time() + 60
while time.time() < end:
    if select.select([fd], [], [], 0.5)[0]:
        try:
            some = os.read(fd, 65536)
        except OSError:
            break
        if not some:
            break
        shown += some
    elif shown and keys:
        os.write(fd, keys[:1])
        keys = keys[1:]
else:
    shown += b"TIMEOUT"
status = os.waitpid(child, 0)[1]
open("ended", "w").write(str(os.waitstatus_to_exitcode(status)))
sys.stdout.buffer.write(shown.replace(b"\r\n", b"\n"))
END
terminal() { $python terminal.py "$@" >out 2>err; }
escapes() { LC_ALL=C tr -dc '\033' <out | wc -c; }
TERM=xterm
export TERM

hostile=$(printf '{"a": "\\u001b[2J\\u001b]0;title\\u0007\\u202e"}')
"$evlog" send log a.b.v1 "$hostile" >/dev/null
cyan=$(printf '\033[36m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')

# Colours.
terminal '' env EVLOG_PAGER= "$evlog" show log
has "${cyan}a.b.v1${plain}"
is "the escapes of a line" "$(escapes)" 4
is "the line, without them" "$(sed 's/\x1b\[[0-9]*m//g' out | cut -c 1-6)$(grep -c '…' out)" "     11"
for off in NO_COLOR=1 TERM=dumb TERM=; do
    terminal '' env EVLOG_PAGER= $off "$evlog" show log
    is "no colours with $off" "$(escapes)" 0
    has 'a.b.v1  {"a": "'
done
terminal '' env EVLOG_PAGER= NO_COLOR= "$evlog" show log
is "an empty NO_COLOR is none" "$(escapes)" 4
terminal '' env EVLOG_PAGER= "$evlog" show log -o short --fields type,a
is "hostile fields in a terminal" "$(escapes)" 0
terminal '' env EVLOG_PAGER= "$evlog" get log 1
is "hostile data in a terminal" "$(escapes)" 0
"$evlog" show log -o short >out
is "no colours in a pipe" "$(escapes)" 0

# The pager: less ends by itself when all fits; a long output waits for a key; what a pager gets, and that it is none.
terminal '' "$evlog" show log
is "a screen ends by itself" "$(cat ended)$(grep -cF "${cyan}a.b.v1" out)" 01
seq -f '{"n": %.0f}' 100 | "$evlog" send log a.b.v1 - >/dev/null
if command -v less >/dev/null; then
    terminal q "$evlog" show log
    is "less is left with q" "$(cat ended | sed 's/^-13$/0/')$(grep -c '"n": 1}' out)$(grep -c '"n": 99}' out)" 010
    terminal '\x03Gq' "$evlog" show log -n 50 # an interruption does not end it before it is left
    is "the interruption's signal" "$(cat ended | sed 's/^-2$/0/')" 0
else echo "SKIPPED: less as the pager: it is not installed"; fi
terminal '' env EVLOG_PAGER='sed s/^/paged:/' PAGER=false "$evlog" show log -n 2
is "EVLOG_PAGER" "$(cat ended)$(grep -c '^paged:' out)" 02
has "${dim}"
terminal '' env PAGER='sed s/^/paged:/' "$evlog" types log
is "PAGER" "$(cat ended)$(grep -c '^paged:' out)" 02
terminal '' env PAGER='sed s/^/paged:/' "$evlog" help show
is "help" "$(cat ended)$(grep -c '^paged:usage' out)" 01
terminal '' env PAGER='sed s/^/paged:/' "$evlog" show --help
is "--help" "$(cat ended)$(grep -c '^paged:usage' out)" 01
terminal '' env PAGER='sed s/^/paged:/' "$evlog" show log --where n=1000
is "the exit status is its own" "$(cat ended)$(grep -c 'no event matches' out)" 11
seq -f '{"n": %.0f}' 5000 | "$evlog" send long a.b.v1 - >/dev/null # more than a pipe holds
terminal '' env PAGER='head -n 1' "$evlog" show long -o pretty
is "one that is left early ends it quietly" "$(cat ended) $(wc -l <out)" "-13 1"
terminal '' env PAGER='sed s/^/paged:/' "$evlog" show log -n 2 --no-pager
is "--no-pager" "$(cat ended)$(grep -c paged out)$(grep -c a.b.v1 out)" 002
for none in EVLOG_PAGER= EVLOG_PAGER=cat PAGER= PAGER=cat; do
    terminal '' env $none "$evlog" show log -n 2
    is "$none" "$(cat ended)$(grep -c a.b.v1 out)" 02
done
mkdir bare && ln -s "$(command -v cat)" bare/
terminal '' env PATH="$home/bare" "$evlog" show log -n 2
is "without less" "$(cat ended)$(grep -c a.b.v1 out)" 02
PAGER='sed s/^/paged:/' "$evlog" show log >out
is "none in a pipe" "$(grep -c paged out)" 0
terminal '\x03' env PAGER='sed s/^/paged:/' "$evlog" show log -n 2 -f
is "none with -f" "$(cat ended)$(grep -c paged out)$(grep -c a.b.v1 out)" -202

# Progress of long work. Each look at the clock is a second after the one before, so all work is long; without the sanitizers, since the
# clock is preloaded.
cat >clock.c <<'C'
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    static atomic_int looks;
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC)
        now->tv_sec += ++looks;
    return result;
}
C
cc -shared -fPIC clock.c -o clock.so
"$evlog" export long >exported
fresh() { rm -rf trial new && cp -r long trial; }
while IFS='|' read -r shown arguments; do
    fresh
    LD_PRELOAD="$home/clock.so" "$build/evlog" $arguments </dev/null >piped 2>err
    is "evlog $arguments: nothing in a pipe" "$? $(head -c 80 err)" "0 "
    fresh
    terminal '' env LD_PRELOAD="$home/clock.so" "$build/evlog" $arguments
    is "evlog $arguments: how far it is" "$(cat ended) $(grep -c "$(printf '\r')$shown$(printf '\033')" out)" "0 1"
    is "evlog $arguments: and its line goes" "$(tr '\r' '\n' <out | grep -A 1 "^$shown" | tail -n 1 | cut -c 1-3)" "$(printf '\033[K')"
    fresh
    terminal '' sh -c "LD_PRELOAD='$home/clock.so' exec '$build/evlog' $arguments >printed"
    is "evlog $arguments: on standard error" "$(cat ended) $(grep -c "$(printf '\r')$shown" out)$(grep -c "$shown" printed)" "0 10"
done <<'END'
events trimmed: [1-9][0-9]*|trim trial --keep 10 --yes
copied up to event: 5000 of 5000 (100 %)|copy trial new
rewritten up to event: [1-9][0-9]*|compact trial --yes
bytes searched: [0-9]* of [0-9]* ([0-9]* %)|salvage trial new --yes
events imported: [1-9][0-9]*|import new exported
events verified: [0-9]* of 5000 ([0-9]* %)|verify trial
END
end_cases
