#!/bin/sh
# The relays to and from Redis, with a redis-server of the test's own, on a socket in its directory. usage: test_relay.sh BUILD
#
# What is in the stream is compared with what the real producer of Open edX writes, and relays and Redis are killed
# in the middle: each event arrives, none twice.
. "$(dirname "$0")/tool.sh"

skip() { echo "SKIPPING: $*"; exit 0; }
redis_server=$(command -v redis-server || command -v redis-check-rdb) # the same program, which goes by the name it is called by
[ "$redis_server" ] || skip "redis-server is not installed (apt-get install redis-tools)"
ln -s "$redis_server" redis-server
[ -x "$build/evlog-relay" ] || skip "evlog-relay was not built: hiredis is not installed"

TYPE=org.openedx.learning.course.enrollment.created.v1
rounds=${RELAY_ROUNDS:-15}
server=

start_redis() { # with what it had: everything is in the append-only file
    ./redis-server --port 0 --unixsocket "$home/socket" --save "" --appendonly yes --appendfsync no --dir "$home" >redis.out 2>&1 &
    server=$!
    until redis-cli -s socket ping 2>/dev/null | grep -q PONG; do kill -0 $server || { cat redis.out; exit 1; }; done
}
stop_redis() { # stop_redis SIGNAL
    kill "-$1" $server
    wait $server 2>/dev/null
}
trap 'kill -9 $server 2>/dev/null; chmod -R u+rwx "$home"; rm -rf "$home"' EXIT
redis() { redis-cli -s socket "$@"; }
url=unix://$home/socket

# send LOG FIRST LAST: events whose users have these ids
send() {
    seq "$2" "$3" | sed 's/.*/{"enrollment": {"user": {"id": &, "is_active": true, "pii": {"username": "u&", "email": "e", "name": "Grüße"}}, "course": {"course_key": "course-v1:edX+D+2026", "display_name": "D", "start": null, "end": null}, "mode": "audit", "is_active": true, "creation_date": "2026-01-02T03:04:05+00:00", "created_by": null}}/' |
        "$evlog" send "$1" $TYPE - >/dev/null 2>&1 || bad "send $1 $2 $3"
}
ids_in_stream() { redis --raw xrange "$1" - + | grep -a -A1 '^id$' | grep -av -e '^id$' -e '^--$'; }
ids_in_log() { "$evlog" show "$1" --type 'org.openedx.*' -o json | sed 's/.*"id": "\([-0-9a-f]\{36\}\)", "type".*/\1/'; }
last_seq() { "$evlog" info "$1" -o json | grep -o '"last_seq": [0-9]*' | grep -o '[0-9]*$'; }
make_log() { # with the schema
    "$evlog" send "$1" org.evlog.nothing.v1 '{}' >/dev/null
    "$evlog" schema add "$1" $TYPE >out 2>err || bad "schema add"
}

start_redis

# ------------------------------------------------------- options ----

try 2 "a password on the command line" relay out log redis://me:secret@localhost topic
try 2 "rediss:// needs TLS" relay out log rediss://localhost topic
try 2 "does not begin with redis://" relay out log http://localhost topic
try 2 "usage: evlog relay in" relay in log $url topic
try 3 "no log there" relay out no-log $url topic
try 0 "" relay --help

# ------------------------------------------------------- there and back ----

make_log a
send a 1 1200
try 1 "event 1 is parked: it has no schema" relay out a $url there --prefix stage
is "events in the stream" "$(redis xlen stage-there)" 1200
is "order of the stream" "$(ids_in_stream stage-there | cksum)" "$(ids_in_log a | cksum)"
is "fields of a message" "$(redis --raw xrange stage-there - + COUNT 1 | sed -n '2p;4p;6p;8p;10p;12p;14p;16p' | tr '\n' ' ')" \
    "type id source time minorversion sourcehost sourcelib event_data "
try 0 "" relay in b $url stage-there --group g
is "events that came" "$(ids_in_log b | cksum)" "$(ids_in_log a | cksum)"
is "data that came" "$("$evlog" show b --type 'org.openedx.*' -o json | sed 's/.*"data": //' | cksum)" "$("$evlog" show a --type 'org.openedx.*' -o json | sed 's/.*"data": //' | cksum)"
try 0 "" relay out b $url back
is "what came from a bus is passed over" "$(redis xlen back)" 0
try 0 "" relay out b $url back --all --name bridge
is "but for a bridge" "$(redis xlen back)" 1200

# A group that was made anew gives everything a second time; nothing is twice in the log.
redis xgroup destroy stage-there g >/dev/null
try 0 "" relay in b $url stage-there --group g
is "events after the group was made anew" "$(last_seq b)" 1200

# The same, and the relay is killed while it takes them.
take_and_die() { # take_and_die LOG STREAM: some of it, by a relay that is killed
    "$evlog" relay in -f "$1" $url "$2" --group g --rate 3000 >/dev/null 2>&1 & pid=$!
    until redis xpending "$2" g 2>/dev/null | grep -q evlog; do kill -0 $pid || break; done
    kill -9 $pid
    wait $pid 2>/dev/null
}
redis xgroup destroy stage-there g >/dev/null
take_and_die b stage-there
take_and_die b stage-there
try 0 "" relay in b $url stage-there --group g
is "events after the group was made anew, and kills" "$(last_seq b)" 1200

# Redis went back to an older state: it gives again what it gave, and the note of the relay is older, too.
try 0 "" relay in f $url stage-there --group f
send a 1201 1210
try 0 "" relay out a $url there --prefix stage
notes=$(redis keys 'evlog:*{stage-there}:f')
redis hset "$notes" evlog 600 >/dev/null
redis xgroup setid stage-there f "$(redis --raw xrange stage-there - + COUNT 700 | grep -a '^[0-9]*-[0-9]*$' | tail -1)" >/dev/null
try 0 "" relay in f $url stage-there --group f
is "events after Redis went back" "$(last_seq f)" 1210
try 0 "" relay in b $url stage-there --group g

# The broker went back to an older state, and to none.
redis set "$(redis keys 'evlog:*{stage-there}')" "$(redis get "$(redis keys 'evlog:*{stage-there}')" | sed 's/^[0-9]*/1101/')" >/dev/null
try 0 "were put again" relay out a $url there --prefix stage
is "events after a failover" "$(redis xlen stage-there)" 1320
redis flushall >/dev/null
send a 1211 1310
try 0 "" relay out a $url there --prefix stage
is "events after FLUSHALL" "$(redis xlen stage-there)" 100
try 0 "" relay in b $url stage-there --group g
is "what came after FLUSHALL" "$(ids_in_log b | cksum)" "$(ids_in_log a | cksum)"
"$evlog" consumer reset a relay.stage-there --to first --yes >/dev/null 2>&1
"$evlog" relay out a $url there --prefix stage >/dev/null 2>&1
is "after a reset all comes again" "$(redis xlen stage-there)" 1410

# ------------------------------------------------------- refused ----

id=6ba7b810-9dad-11d1-80b4-00c04fd430c8
redis xadd bad '*' type foo.v1 id $id event_data '' >/dev/null
redis xadd bad '*' type $TYPE id $id event_data 'xyz' >/dev/null
redis xadd bad '*' a b >/dev/null
redis xadd bad '*' type $TYPE id $id time 2026-01-02T03:04:05 event_data '' >/dev/null
said_max=9 try 0 "its type has no schema in the log" relay in c $url bad --group g
try 0 "" relay in c $url bad --group g
redis xgroup destroy bad g >/dev/null
try 0 "" relay in c $url bad --group g
is "refused messages are kept once" "$("$evlog" show c --type evlog.refused.v1 | wc -l)" 4
said_max=9 try 1 "refused still" relay retry c
printf '{"type": "record", "name": "CloudEvent", "fields": []}' >schema
"$evlog" schema add c foo.v1 schema >/dev/null 2>&1
said_max=9 try 1 "refused still" relay retry c
has "1 sent"
said_max=9 try 1 "refused still" relay retry c
has "0 sent, 1 were in the log already"

# ------------------------------------------------------- the real producer's bytes ----

captured=${BUS_REDIS_JSON:-/work/shared/openedx/bus_redis.json}
if [ -r "$captured" ] && command -v python3 >/dev/null; then
    python3 - "$captured" >resp <<'PYTHON'
import json, sys
for message in json.load(open(sys.argv[1]))["messages"]:
    words = [b"XADD", b"real", b"*"] + [bytes.fromhex(x) for pair in message["redis"]["fields_hex"] for x in pair]
    sys.stdout.buffer.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
PYTHON
    redis --pipe <resp >/dev/null
    try 0 "" relay in real $url real --group g
    try 0 "" relay out real $url real-again --all
    is "the bytes of the real producer" "$(redis --raw xrange real-again - + | grep -av '^[0-9]*-[0-9]*$' | cksum)" \
        "$(redis --raw xrange real - + | grep -av '^[0-9]*-[0-9]*$' | cksum)"
else
    echo "SKIPPING the bytes of the real producer: $captured or python3 is not there"
fi

# ------------------------------------------------------- kills ----

make_log k
"$evlog" send l org.evlog.nothing.v1 '{}' >/dev/null
i=1
while [ $i -le $rounds ]; do
    send k $((i * 300 + 1)) $((i * 300 + 300))
    at=$(redis xlen kills)
    "$evlog" relay out -f k $url kills --metrics metrics >/dev/null 2>&1 & out_pid=$!
    "$evlog" relay in -f l $url kills --group g >/dev/null 2>&1 & in_pid=$!
    until [ "$(redis xlen kills)" -gt "$at" ]; do :; done # in the middle
    case $((i % 3)) in
    0) stop_redis KILL; start_redis ;; # what it had written is there: it was not the machine that died
    1) kill -STOP $server; kill -9 $out_pid; kill -CONT $server ;;
    esac
    kill -9 $out_pid $in_pid 2>/dev/null
    wait $out_pid $in_pid 2>/dev/null
    i=$((i + 1))
done
"$evlog" relay out k $url kills >/dev/null 2>&1
"$evlog" relay in l $url kills --group g >/dev/null 2>&1
is "kills: each event is in the stream once, in order" "$(ids_in_stream kills | cksum)" "$(ids_in_log k | cksum)"
ids_in_log k | sort >wanted
is "kills: each event is in the other log once" "$(ids_in_log l | sort | cmp - wanted 2>&1)" ""
try 0 "" verify l

# ------------------------------------------------------- waiting, stopping ----

stop_redis KILL
"$evlog" relay out -f k $url kills >out 2>err & pid=$!
until grep -q "is away" err; do :; done
begun=$(date +%s)
start_redis
until grep -q "is back" err; do :; done
kill -STOP $server
send k 90001 90010
kill -TERM $pid
wait $pid
is "status after SIGTERM, with a broker that hangs" $? 0
[ $(($(date +%s) - begun)) -le 20 ] || bad "SIGTERM took too long"
kill -CONT $server
is "lines about a broker that was away" "$(grep -c 'is away\|is back' err)" 2
try 0 "" relay out k $url kills
is "what was sent meanwhile" "$(redis xlen kills)" $((rounds * 300 + 10))
end_cases
