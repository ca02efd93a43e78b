#!/bin/sh
# The relays to and from Redis, with a redis-server of the test's own, on a socket in its directory. usage: test_relay.sh BUILD
#
# What is in the stream is compared with what the real producer of Open edX writes, and relays and Redis are killed
# in the middle: each event arrives, none twice.
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"
. "$tests/relay_cases.sh"

skip() { echo "SKIPPING: $*"; exit 0; }
[ "$redis_server" ] || skip "redis-server is not installed (apt-get install redis-tools)"
"$evlog" relay out log redis://localhost topic 2>&1 | grep -q "built without Redis" && skip "evlog-relay was built without Redis"

rounds=${RELAY_ROUNDS:-15}

trap 'kill -9 $server 2>/dev/null; chmod -R u+rwx "$home"; rm -rf "$home"' EXIT
url=$url_redis

last_seq() { "$evlog" info "$1" -o json | grep -o '"last_seq": [0-9]*' | grep -o '[0-9]*$'; }
start_redis

# ------------------------------------------------------- options ----

try 2 "a password on the command line" relay out log redis://me:secret@localhost topic
try 2 "does not begin with redis://" relay out log http://localhost topic
try 2 "usage: evlog relay in" relay in log $url topic
try 3 "no log there" relay out no-log $url topic
try 0 "" relay --help; cp out said; try 0 "" help relay; is "help relay" "$(cat out)" "$(cat said)"

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

# ------------------------------------------------------- what options do ----

LOGIN=org.openedx.learning.auth.session.login.completed.v1
"$evlog" schema add a $LOGIN >/dev/null
"$evlog" send a $LOGIN '{"user": {"id": 1, "is_active": true, "pii": {"username": "u", "email": "e", "name": "n"}}}' >/dev/null
printf '{"%s": {"one": {"event_key_field": "enrollment.course.course_key", "enabled": true}, "both": {"event_key_field": "x"}}, "%s": {"both": {"enabled": true}, "none": {"enabled": false}}}' \
    $TYPE $LOGIN >config.json
try 2 "--config needs --name" relay out a $url --config config.json
try 0 "" relay out a $url --config config.json --name many --prefix p --metrics out.prom
is "topics of --config" "$(redis xlen p-one) $(redis xlen p-both) $(redis exists p-none)" "1310 1311 0"
try 0 "" relay out a $url --config config.json --name many --prefix p
is "topics of --config, again" "$(redis xlen p-one) $(redis xlen p-both)" "1310 1311"
is "metrics of what was relayed" "$(grep '^evlog_relay_relayed_total' out.prom)" \
    'evlog_relay_relayed_total{direction="out",log="a",topic="p-one"} 2621'
is "metrics of the lag" "$(grep -c '^evlog_relay_lag_events{.*} 0$' out.prom)" 1
is "metrics' names and kinds" "$(grep -c '^# HELP ' out.prom) $(grep -c '^# TYPE ' out.prom)" "$(grep -vc '^#' out.prom) $(grep -vc '^#' out.prom)"

# Redis has a put of one topic, and not that of the other, when the relay is killed: each goes on where it is.
make_log y
send y 1 1
try 0 "" relay out y $url --config config.json --name far --prefix q
send y 2 1200
ahead=$(redis keys 'evlog:*{q-one}')
redis set "$ahead" "$(redis get "$ahead" | sed "s/^[0-9]*/$(last_seq y)/")" >/dev/null
try 0 "" relay out y $url --config config.json --name far --prefix q
is "topics of which one is ahead" "$(redis xlen q-one) $(redis xlen q-both)" "1 1200"

printf '{"%s": []}' $TYPE >config.json
try 2 "topics of a type are not an object" relay out a $url --config config.json --name many

try 0 "" relay out a $url logins --type $LOGIN
is "events of --type" "$(redis xlen logins)" 1
try 0 "" relay out a $url short --type $TYPE --maxlen 100
is "a stream of --maxlen" "$([ "$(redis xlen short)" -lt 300 ] && echo short)" short

# A consumer of the group died with messages in hand: they are taken over, the trimmed ones counted as lost.
redis xgroup create short dead 0 >/dev/null
redis xreadgroup group dead someone count 50 streams short '>' >/dev/null
try 0 "" relay in d $url short --group dead --consumer other
is "messages in another one's hand" "$(last_seq d)" "$(($(redis xlen short) - 50))"
is_idle() { [ "$(redis xpending short dead - + 1 someone | sed -n 3p)" -gt 1000 ]; }
until_true is_idle
redis xtrim short maxlen $(($(redis xlen short) - 20)) >/dev/null
"$evlog" relay in d $url short --group dead --consumer other --claim-after 1 --metrics in.prom >/dev/null 2>&1
is "messages that were taken over" "$(last_seq d)" "$(redis xlen short)"
is "messages that were lost" "$(grep '^evlog_relay_lost_total' in.prom | sed 's/.* //')" 20

"$evlog" relay in e $url p-one --group g --plugin "$build/plugins/preferences.so" >out 2>err
is "events that a plugin heard" "$(grep -c 'notification preference of' out)" 1310

# ------------------------------------------------------- TCP, passwords, TLS ----

free_port() { # one of this machine that nobody listens on
    port=$(($(od -An -N2 -tu2 /dev/urandom) % 20000 + 20000))
    while redis-cli -p $port ping >/dev/null 2>&1; do port=$((port + 1)); done
    echo $port
}
# start_guarded ARGUMENT...: another Redis, with a password; leaves its pid in `guarded`
start_guarded() {
    ./redis-server --save "" --dir "$home" --requirepass sesame "$@" >guarded.out 2>&1 &
    guarded=$!
    until grep -q 'Ready to accept' guarded.out; do kill -0 $guarded || { cat guarded.out; exit 1; }; done
}
guarded=
trap 'kill -9 $server $guarded 2>/dev/null; chmod -R u+rwx "$home"; rm -rf "$home"' EXIT
port=$(free_port)
start_guarded --port "$port" --bind 127.0.0.1
try 3 "NOAUTH" relay out a redis://127.0.0.1:$port there
export EVLOG_RELAY_PASSWORD=wrong
try 3 "WRONGPASS" relay out a redis://127.0.0.1:$port there
is "no password in a sentence" "$(grep -c wrong err)" 0
EVLOG_RELAY_PASSWORD=sesame
try 0 "" relay out a redis://127.0.0.1:$port there --type 'org.openedx.*'
unset EVLOG_RELAY_PASSWORD
echo sesame >password
export EVLOG_RELAY_PASSWORD_FILE=password
try 0 "" relay in g redis://127.0.0.1:$port there --group g
unset EVLOG_RELAY_PASSWORD_FILE
echo "redis://:sesame@127.0.0.1:$port/0" >url
try 0 "" relay in h @url there --group h
is "events by TCP with a password" "$(last_seq g) $(last_seq h)" "1311 1311"
kill $guarded && wait $guarded 2>/dev/null
guarded=

if command -v openssl >/dev/null && ./redis-server --version | grep -q 'v=[6-9]'; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca >/dev/null 2>&1
    openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost >/dev/null 2>&1
    echo 'subjectAltName=DNS:localhost' >extensions
    openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem >/dev/null 2>&1
    port=$(free_port)
    start_guarded --port 0 --tls-port "$port" --bind 127.0.0.1 --tls-cert-file cert.pem --tls-key-file key.pem --tls-ca-cert-file ca.pem --tls-auth-clients no
    export EVLOG_RELAY_PASSWORD=sesame
    try 3 "its certificate: " relay out a rediss://localhost:$port there --name tls
    export SSL_CERT_FILE=ca.pem
    try 3 "IP address mismatch" relay out a rediss://127.0.0.1:$port there --name tls
    try 0 "" relay out a rediss://localhost:$port there --name tls --type 'org.openedx.*'
    try 0 "" relay in i rediss://localhost:$port there --group g
    is "events by TLS" "$(last_seq i)" 1311
    unset SSL_CERT_FILE EVLOG_RELAY_PASSWORD
    kill $guarded && wait $guarded 2>/dev/null
    guarded=
else
    echo "SKIPPING TLS: there is no openssl, or Redis is older than 6"
fi

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

redis_kills "$rounds"

# ------------------------------------------------------- waiting, stopping ----

stop_redis KILL
"$evlog" relay out -f k $url kills >out 2>err & pid=$!
until_true grep -q "is away" err
begun=$(date +%s)
start_redis
until_true grep -q "is back" err
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
