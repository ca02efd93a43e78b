#!/bin/sh
# make demo: the demonstration program, and then its log seen from outside with the command.
# usage: demo.sh BUILD | --plan
set -eu
build=$1
if [ "$build" = --plan ]; then # said before anything is done
    cat <<'TEXT'
make demo builds the library and the command into build/, and shows them at work on a log in a temporary directory,
which it removes: it sends events, runs a plugin's receivers, replays to receivers that come late, kills and continues
a consumer, reads the log with the command, finds damage, copies the log and erases in the copy; where Redis and
Python are installed, it also relays events to a Redis that was away, and reads the log from Python. Packages that the
build needs and that are not installed are named first, and installed with apt if that is allowed. Nothing else is
changed.
TEXT
    exit
fi
home=$(mktemp -d)
redis_pid=
trap '[ -z "$redis_pid" ] || kill -9 $redis_pid 2>/dev/null; rm -rf "$home"' EXIT
log=$home/log

# Runs the command, after the line that a shell would run: what has a blank or a * is quoted.
run() {
    printf '\n$ evlog'
    for word; do
        case $word in
        *[\ *]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done | sed "s|$home/||g; s|$build/||g"
    printf '\n'
    "$build/evlog" "$@"
}

"$build/demo" "$log" "$build/plugins/preferences.so"
printf '\n7. The log from outside, with nothing but its files and the command:\n'
run info "$log" -o short
run show "$log" --type 'org.openedx.learning.course.*' -n 3 -o short
run get "$log" 11 -o json
run types "$log" --schema --type org.openedx.learning.auth.session.login.completed.v1 -o short
run replay "$log" --plugin "$build/plugins/preferences.so" --from 1 --to 4
run consumer ls "$log" -o short
run consume "$log" shell --exec 'wc -l | sed "s/^/    a command was given events: /"'
run consumer ls "$log" -o short
run verify "$log" -o short
printf '\nAnd damage is found: one letter of an address is changed in two events of a copy of the log.\n'
cp -r "$log" "$home/damaged"
# LMDB copies a page to change it, so the text may be there more than once.
for offset in $(LC_ALL=C grep -obUa 'carol@example.com' "$home/damaged/events.mdb" | cut -d: -f1); do
    printf 'X' | dd of="$home/damaged/events.mdb" bs=1 seek="$offset" conv=notrunc 2>/dev/null
done
if run verify "$home/damaged" -o short; then
    echo 'It was not found!'
    exit 1
fi
printf '\nThe journal has these events, too: a process that opens the copy for writing mends it.\n'
"$build/evlog" send "$home/damaged" org.evlog.demo.opened.v1 '{}' >/dev/null
run verify "$home/damaged" -o short

printf '\nThe log is copied, and in the copy the data of carol are erased: no byte of them is left in any file.\n'
run copy "$log" "$home/copy" -o short
run erase "$home/copy" 5 6 --reason 'ticket 4711' --yes --now -o short
run get "$home/copy" 6 -o short
run verify "$home/copy" -o short
if grep -rqa 'carol@example.com' "$home/copy"; then
    echo 'They are still there!'
    exit 1
fi

# ------------------------------------------------------------- a broker that is away ----

start_redis() {
    (cd "$home" && exec ./redis-server --port 0 --unixsocket redis --save "" --appendonly yes --dir "$home" >redis.out 2>&1) &
    redis_pid=$!
    until [ -S "$home/redis" ]; do kill -0 $redis_pid; done
}
login() { # login LOG NAME
    "$build/evlog" send "$1" $type "{\"user\": {\"id\": 7, \"is_active\": true, \"pii\": {\"username\": \"$2\", \"email\": \"\", \"name\": \"\"}}}" >/dev/null
}

bus() {
    printf '\n8. An event bus that is down when events are sent (Redis, of this demonstration alone, on a socket in its directory):\n'
    redis_server=$(command -v redis-server || command -v redis-check-rdb || true)
    if [ -z "$redis_server" ] || "$build/evlog" relay out log redis://localhost topic 2>&1 | grep -q "built without Redis"; then
        cat <<'TEXT'
Left out: it needs Redis and hiredis (Debian: apt-get install redis-tools libhiredis-dev, then make demo). It would
show that events are sent while Redis is stopped, and that a consumer of the bus has them all, once, when Redis is back.
TEXT
        return
    fi
    ln -s "$redis_server" "$home/redis-server" # as which it is this program that runs
    type=org.openedx.learning.auth.session.login.completed.v1
    start_redis
    printf '\n$ evlog relay out -f log unix://redis logins &        # Redis runs\n'
    "$build/evlog" schema add "$home/site" $type >/dev/null
    "$build/evlog" relay out -f "$home/site" "unix://$home/redis" logins 2>"$home/relay.err" & relay_pid=$!
    login "$home/site" alice
    "$build/evlog" relay in "$home/service" "unix://$home/redis" logins --group service
    kill $redis_pid && wait $redis_pid || true
    rm -f "$home/redis"
    echo 'Redis is stopped; bob, carol and dave log in; Redis is started again.'
    for name in bob carol dave; do login "$home/site" $name; done
    until grep -q 'is away' "$home/relay.err"; do kill -0 $relay_pid; done
    start_redis
    until [ "$("$build/evlog" consumer ls "$home/site" -o json | grep -c '"lag_events": 0')" = 1 ]; do kill -0 $relay_pid; done
    kill $relay_pid && wait $relay_pid
    sed "s|$home/||g" "$home/relay.err"
    "$build/evlog" relay in "$home/service" "unix://$home/redis" logins --group service
    printf '\nWhat the service has, in the log that its own relay fills:\n'
    run show "$home/service" -o short
}
bus

# ------------------------------------------------------------- from Python ----

printf '\n9. The first log from Python:\n'
python=$(ls "$build"/python/venv-*/bin/python 2>/dev/null | head -n 1)
python=${python:-python3}
mkdir "$home/package"
cp -R tools/python "$home/package/source" 2>/dev/null
if "$python" -c 'import cffi, msgpack, setuptools, pip' 2>/dev/null &&
    EVLOG_BUILD=$(cd "$build" && pwd) "$python" -m pip install -q --no-deps --no-build-isolation --no-warn-script-location \
        --disable-pip-version-check --root-user-action=ignore --target "$home/package/there" "$home/package/source" 2>"$home/pip.log"; then
    cat >"$home/read.py" <<'PYTHON'
import sys, evlog
with evlog.open(sys.argv[1], read_only=True) as log:
    for event in log.events(limit=3): print(event.seq, event.time.isoformat(timespec="seconds"), event.type)
PYTHON
    printf '\n$ cat read.py\n'
    cat "$home/read.py"
    printf '\n$ python3 read.py log\n'
    PYTHONPATH=$home/package/there "$python" "$home/read.py" "$log"
else
    cat <<'TEXT'
Left out: it needs Python 3.9 with its headers, cffi, msgpack, setuptools and pip (Debian: apt-get install python3-dev python3-cffi
python3-msgpack python3-setuptools python3-pip). It would read the log with tools/python.
TEXT
fi
