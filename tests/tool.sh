# Helpers of the tests of the command; sourced with BUILD as $1. They run in a directory of their own,
# with the command that is compiled with the sanitizers, where there is one.
set -u
build=$(cd "$1" && pwd)
evlog=$build/asan/evlog
[ -x "$evlog" ] || evlog=$build/evlog
export ASAN_OPTIONS="exitcode=99:detect_leaks=0:suppressions=$(cd "$(dirname "$0")" && pwd)/asan.supp"
export EVLOG_PAGER= NO_COLOR=1 # test_terminal.sh has them
home=$(mktemp -d)
trap 'chmod -R u+rwx "$home"; rm -rf "$home"' EXIT
cd "$home" || exit 1
cases=0 failed=0

bad() { # bad WORD...: prints what failed, and the last run's output
    failed=$((failed + 1))
    printf 'FAILED: %s\n' "$*"
    head -c 600 out | sed 's/^/    out: /'
    head -c 600 err | sed 's/^/    err: /'
}

# try STATUS WORDS ARGUMENT...: evlog exits so, and its standard error contains the words ("": is empty)
try() {
    wanted=$1 words=$2
    shift 2
    cases=$((cases + 1))
    "$evlog" "$@" >out 2>err
    status=$?
    [ $status = "$wanted" ] || bad "evlog $*: exit status $status, not $wanted"
    if [ "$words" ]; then grep -qF -e "$words" err || bad "evlog $*: nothing of \"$words\""
    elif [ -s err ]; then bad "evlog $*: says something"; fi
    [ "$(grep -c '^evlog: ' err)" -le "${said_max:-2}" ] || bad "evlog $*: says too much"
}

is() { # is WHAT ACTUAL EXPECTED
    cases=$((cases + 1))
    [ "$2" = "$3" ] || bad "$1: '$2', not '$3'"
}

has() { # has WORDS: the last run printed them
    cases=$((cases + 1))
    grep -qF -e "$1" out || bad "printed nothing of \"$1\""
}

python_with() { # python_with MODULE, ...: $python is one that has these modules; false: there is none
    python=
    for candidate in python3 /usr/bin/python3; do
        [ "$python" ] || ! $candidate -c "import $*" 2>/dev/null || python=$candidate
    done
    [ "$python" ]
}

until_true() { # until_true COMMAND...: waits at most two minutes for it
    deadline=$(($(date +%s) + 120))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $deadline ] || { bad "waited in vain: $*"; return 1; }
        sleep 0.01
    done
}

end_cases() { # end_cases: the last line, and 0 when all was well
    if [ $failed = 0 ]; then echo "$cases cases hold for $evlog"
    else echo "$failed of $cases cases failed"; fi
    [ $failed = 0 ]
}
