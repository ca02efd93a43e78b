#!/bin/sh
# make check-bus: the relays with the real producers and consumers of Open edX, a real Kafka and a real Redis.
# usage: check_bus.sh BUILD
#
# All event types go there and back, byte for byte; brokers and relays are killed in the middle; Kafka with TLS and SASL. What this needs beside make check is
# fetched the first time: a venv with tests/bus/bus_requirements.txt (Python 3.12), and Kafka's jars (Java 17, Maven); both are
# kept in BUS_DIR (BUILD/bus). What is missing is said, and its part skipped. BUS_ROUNDS: of kills, in each
# direction; without it 25 with Kafka, 100 with Redis.
set -u
tests=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
dir=${BUS_DIR:-$build/bus}
rounds=${BUS_ROUNDS:-25} redis_rounds=${BUS_ROUNDS:-100}
mkdir -p "$dir" && dir=$(cd "$dir" && pwd)
. "$tests/tool.sh"
. "$tests/relay_cases.sh"
evlog=$build/evlog # with all speed
peer=$build/tests/kafka_peer
KEY=enrollment.user.pii.username
pids=
unset http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY
trap 'kill -9 $pids $server $(cat "$dir"/run/*.pid 2>/dev/null) 2>/dev/null; chmod -R u+rwx "$home"; rm -rf "$home" "$dir/run"' EXIT

trap 'exit 1' INT TERM
skip() { echo "SKIPPING: $*"; skipped=1; }

# ------------------------------------------------------- what is needed ----

python=
for name in python3.12 python3.13 python3 "$HOME"/.pyenv/versions/3.12*/bin/python; do
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && { python=$name; break; }
done
if [ -z "$python" ]; then skip "the real producers and consumers need Python 3.12 or later"
elif ! "$dir/venv/bin/python" -c 'import confluent_kafka, walrus, openedx_events' 2>/dev/null; then
    "$python" -m venv "$dir/venv" && "$dir/venv/bin/pip" -q install -r "$tests/bus/bus_requirements.txt" || {
        skip "the real producers and consumers could not be installed"
        python=
    }
fi
real() { timeout 120 "$dir/venv/bin/python" "$tests/bus/peer.py" "$@" 2>>real.err; }

# the events that a real consumer saw are those that were sent, as its own reader makes them
check_seen() { # check_seen WHAT SENT SEEN
    cut -d' ' -f1,2,4 "$2" | sort >sent.sorted
    is "$1: events that the real consumer saw" "$(sort "$3" | cmp - sent.sorted 2>&1)" ""
}
all_types() { wc -l <"$1"; }

# ------------------------------------------------------- Kafka ----

start_kafka() { # with what it had
    KAFKA_PARTITIONS=3 KAFKA_LIBS="$dir/jars" KAFKA_TLS="$dir/run/server.pem" bash "$tests/bus/start_kafka.sh" "$dir/run" 29092 >kafka.out 2>&1 || { cat kafka.out; exit 1; }
    . "$dir/run/env"
    until_true "$peer" group "$BUS_KAFKA" nobody nothing
}
records() { "$peer" read "$BUS_KAFKA" "$1" || bad "read $1"; }
hex_to_text() { "$python" -c 'import sys
for line in sys.stdin: print(bytes.fromhex(line.strip()).decode())'; }
ids_in_topic() { records "$1" | sed 's/.* ce_id=\([0-9a-f]*\).*/\1/' | hex_to_text; }

make_certificates() { # of localhost, by an authority of our own: run/server.pem and run/ca.pem
    mkdir -p "$dir/run"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out "$dir/run/ca.pem" -days 2 -subj /CN=ca >/dev/null 2>&1
    openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost >/dev/null 2>&1
    echo 'subjectAltName=DNS:localhost' >extensions
    openssl x509 -req -in request.pem -CA "$dir/run/ca.pem" -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem >/dev/null 2>&1
    cat key.pem cert.pem >"$dir/run/server.pem" || exit 1
}

kafka_tls() { # TLS and SASL by -X, both ways; a certificate and a password that are not right end the relay
    secure="kafka://localhost:$((${BUS_KAFKA#*:} + 3))?registry=$BUS_REGISTRY_URL"
    set -- -X security.protocol=SASL_SSL -X sasl.mechanism=PLAIN
    make_log t
    send t 1 200
    export EVLOG_RELAY_USER=evlog EVLOG_RELAY_PASSWORD=sesame
    said_max=9 try 3 "certificate verify failed" relay out t "$secure" tls --key $KEY "$@"
    said_max=9 try 3 "certificate verify failed" relay in u "$secure" tls --group g "$@"
    set -- "$@" -X ssl.ca.location="$dir/run/ca.pem"
    said_max=9 try 3 "certificate verify failed" relay out t "kafka://127.0.0.1${secure#kafka://localhost}" tls --key $KEY "$@"
    EVLOG_RELAY_PASSWORD=wrong
    said_max=9 try 3 "Authentication failed" relay out t "$secure" tls --key $KEY "$@"
    said_max=9 try 3 "Authentication failed" relay in u "$secure" tls --group g "$@"
    is "Kafka: no password in a sentence" "$(grep -c wrong err)" 0
    EVLOG_RELAY_PASSWORD=sesame
    said_max=9 try 1 "event 1 is parked" relay out t "$secure" tls --key $KEY --exactly-once "$@"
    try 0 "" relay in u "$secure" tls --group g "$@"
    unset EVLOG_RELAY_USER EVLOG_RELAY_PASSWORD
    is "Kafka: what went by TLS, there and back" "$(ids_in_log u | sort | cksum)" "$(ids_in_log t | sort | cksum)"
    is "Kafka: and how many" "$(ids_in_log u | wc -l)" 200
}

kafka_types() {
    real produce kafka there sent 2 || bad "the real producer"
    is "Kafka: at least 72 types" "$([ "$(cut -d' ' -f1 sent | sort -u | wc -l)" -ge 72 ] && echo yes)" yes
    try 0 "" relay in types "$url" there --group g
    "$python" - >config <<'PYTHON'
import json
print(json.dumps({line.split()[0]: {"back": {"event_key_field": line.split()[4]}} for line in open("sent")}))
PYTHON
    try 0 "" relay out types "$url" --config config --name back --all --exactly-once
    is "Kafka: all types there and back, byte for byte" "$(records back | cut -d' ' -f1,3- | sort | cksum)" "$(records there | cut -d' ' -f1,3- | sort | cksum)"
    "$peer" reset "$BUS_KAFKA" readers back 0 || bad "reset" # a new group of a real consumer begins at the end
    real consume kafka back readers "$(all_types sent)" seen || bad "the real consumer"
    check_seen Kafka sent seen
}

kafka_kills() { # the broker, and both relays, in turn
    make_log k
    "$evlog" send l org.evlog.nothing.v1 '{}' >/dev/null
    i=1
    while [ $i -le "$rounds" ]; do
        send k $((i * 500 + 1)) $((i * 500 + 500))
        "$evlog" relay out -f k "$url" kills --key $KEY --exactly-once >/dev/null 2>>kills.err & out_pid=$!
        "$evlog" relay in -f l "$url" kills --group g >/dev/null 2>>kills.err & in_pid=$!
        at=$("$evlog" info l -o json | grep -o '"last_seq": [0-9]*')
        moved() { [ "$("$evlog" info l -o json | grep -o '"last_seq": [0-9]*')" != "$at" ]; }
        [ $((i % 4)) = 3 ] || until_true moved
        case $((i % 4)) in
        0) kill -9 "$(cat "$dir/run/kafka.pid" )" "$(cat "$dir/run/registry.pid")"; start_kafka ;;
        1) kill -9 $out_pid ;;
        2) kill -9 $in_pid ;;
        esac
        kill -9 $out_pid $in_pid 2>/dev/null
        wait $out_pid $in_pid 2>/dev/null
        i=$((i + 1))
    done
    "$evlog" relay out k "$url" kills --key $KEY --exactly-once >/dev/null 2>&1
    try 0 "" relay in l "$url" kills --group g
    ids_in_log k | sort >wanted
    is "Kafka, kills: each event is on the topic once, for readers of what is committed" "$(ids_in_topic kills | sort | cmp - wanted 2>&1)" ""
    is "Kafka, kills: each event is in the other log once" "$(ids_in_log l | sort | cmp - wanted 2>&1)" ""
    try 0 "" verify l
    until_true "$peer" reset "$BUS_KAFKA" g kills 0 # a static member has left when its session has timed out
    try 0 "" relay in l "$url" kills --group g
    is "Kafka: nothing is twice after the group was reset" "$(ids_in_log l | sort | cmp - wanted 2>&1)" ""
}

kafka_topic_comes() { # a topic that is not there yet, and two logs that share a group
    "$evlog" relay in -f m "$url" comes --group g >out 2>err & one=$!
    "$evlog" relay in -f n "$url" comes --group g --consumer two >out2 2>err2 & two=$!
    pids="$pids $one $two"
    until_true grep -q "is not there yet" err
    "$evlog" relay out k "$url" comes --name comes --key $KEY >/dev/null 2>&1
    both() { [ "$( (ids_in_log m; ids_in_log n) | sort | cmp - wanted 2>&1)" = "" ]; }
    until_true both
    kill -9 $one
    wait $one 2>/dev/null
    send k 90001 90100
    "$evlog" relay out k "$url" comes --name comes --key $KEY >/dev/null 2>&1
    ids_in_log k | sort >wanted
    all() { [ "$( (ids_in_log m; ids_in_log n) | sort -u | cmp - wanted 2>&1)" = "" ]; }
    until_true all # when the group has noticed that the one is dead
    kill -TERM $two
    wait $two
    is "Kafka: status after SIGTERM" $? 0
    is "Kafka: no event is twice in a log" "$( (ids_in_log m | uniq -d; ids_in_log n | uniq -d) | wc -l)" 0
}

if [ ! -x "$peer" ]; then skip "evlog-relay was built without Kafka"
elif [ -z "$python" ]; then :
elif ! command -v java >/dev/null || ! command -v mvn >/dev/null; then skip "Kafka needs Java 17 and Maven (openjdk-17-jre-headless, maven)"
else
    make_certificates
    start_kafka
    url="kafka://$BUS_KAFKA?registry=$BUS_REGISTRY_URL"
    export BUS_KAFKA BUS_REGISTRY_URL
    kafka_tls
    kafka_types
    kafka_kills
    kafka_topic_comes
fi

# ------------------------------------------------------- Redis ----

redis_types() {
    real produce redis there sent 2 || bad "the real producer"
    try 0 "" relay in redis-types "$BUS_REDIS" there --group g
    try 0 "" relay out redis-types "$BUS_REDIS" back --all
    bytes() { redis --raw xrange "$1" - + | grep -av '^[0-9]*-[0-9]*$' | cksum; }
    is "Redis: all types there and back, byte for byte" "$(bytes back)" "$(bytes there)"
    real consume redis back readers "$(all_types sent)" seen || bad "the real consumer"
    check_seen Redis sent seen
}

if [ -z "$redis_server" ]; then skip "redis-server is not installed (apt-get install redis-tools)"
else
    start_redis
    export BUS_REDIS="$url_redis"
    [ -z "$python" ] || redis_types
    rm -rf k l
    redis_kills "$redis_rounds"
    stop_redis KILL
fi
[ -z "${skipped:-}" ] || echo "(some of it was skipped, see above)"
end_cases
