# What the tests of the relays share: events to send, a Redis of the test's own, and kills. Sourced after tool.sh.
TYPE=org.openedx.learning.course.enrollment.created.v1

# send LOG FIRST LAST: events whose users have these ids
send() {
    seq "$2" "$3" | sed 's/.*/{"enrollment": {"user": {"id": &, "is_active": true, "pii": {"username": "u&", "email": "e", "name": "Grüße"}}, "course": {"course_key": "course-v1:edX+D+2026", "display_name": "D", "start": null, "end": null}, "mode": "audit", "is_active": true, "creation_date": "2026-01-02T03:04:05+00:00", "created_by": null}}/' |
        "$evlog" send "$1" $TYPE - >/dev/null 2>&1 || bad "send $1 $2 $3"
}
ids_in_log() { "$evlog" show "$1" --type 'org.openedx.*' -o json | sed 's/.*"id": "\([-0-9a-f]\{36\}\)", "type".*/\1/'; }
make_log() { # with the schema
    "$evlog" send "$1" org.evlog.nothing.v1 '{}' >/dev/null
    "$evlog" schema add "$1" $TYPE >out 2>err || bad "schema add"
}

# ------------------------------------------------------- Redis ----

redis_server=$(command -v redis-server || command -v redis-check-rdb) # the same program, which goes by the name it is called by
server=
url_redis=unix://$home/socket

start_redis() { # with what it had: everything is in the append-only file
    [ -e redis-server ] || ln -s "$redis_server" redis-server
    ./redis-server --port 0 --unixsocket "$home/socket" --save "" --appendonly yes --appendfsync no --dir "$home" >redis.out 2>&1 &
    server=$!
    until redis-cli -s socket ping 2>/dev/null | grep -q PONG; do kill -0 $server || { cat redis.out; exit 1; }; done
}
stop_redis() { # stop_redis SIGNAL
    kill "-$1" $server
    wait $server 2>/dev/null
}
redis() { redis-cli -s socket "$@"; }
ids_in_stream() { redis --raw xrange "$1" - + | grep -a -A1 '^id$' | grep -av -e '^id$' -e '^--$'; }

has_more() { [ "$(redis xlen kills)" -gt "$at" ]; }

# redis_kills ROUNDS: both relays in each, and Redis in every third; leaves the logs k and l, and the stream kills
redis_kills() {
    make_log k
    "$evlog" send l org.evlog.nothing.v1 '{}' >/dev/null
    i=1
    while [ $i -le "$1" ]; do
        send k $((i * 300 + 1)) $((i * 300 + 300))
        at=$(redis xlen kills)
        "$evlog" relay out -f k $url_redis kills --metrics metrics >/dev/null 2>&1 & out_pid=$!
        "$evlog" relay in -f l $url_redis kills --group g >/dev/null 2>&1 & in_pid=$!
        until_true has_more # in the middle
        case $((i % 3)) in
        0) stop_redis KILL; start_redis ;; # what it had written is there: it was not the machine that died
        1) kill -STOP $server; kill -9 $out_pid; kill -CONT $server ;;
        esac
        kill -9 $out_pid $in_pid 2>/dev/null
        wait $out_pid $in_pid 2>/dev/null
        i=$((i + 1))
    done
    "$evlog" relay out k $url_redis kills >/dev/null 2>&1
    "$evlog" relay in l $url_redis kills --group g >/dev/null 2>&1
    is "Redis, kills: each event is in the stream once, in order" "$(ids_in_stream kills | cksum)" "$(ids_in_log k | cksum)"
    ids_in_log k | sort >wanted
    is "Redis, kills: each event is in the other log once" "$(ids_in_log l | sort | cmp - wanted 2>&1)" ""
    try 0 "" verify l
}
