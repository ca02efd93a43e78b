#!/bin/sh
# How fast the relays out are, beside the brokers' own tools. usage: bench/relay.sh BUILD [ROUNDS [EVENTS]]
#
# Redis: `evlog relay out` into a stream, beside `redis-benchmark -c 1`, which pipelines an XADD of eight fields of the same sizes, with
# 64 and with 512 at once. Kafka: beside a bare producer of librdkafka, of values of the same size, as its own
# rdkafka_performance is, with the same settings, with ten headers of some 30 bytes and without; all to librdkafka's
# mock broker, which is not one of Kafka, or to KAFKA_BROKERS=HOST:PORT with KAFKA_REGISTRY=URL (tests/bus/start_kafka.sh).
#
# All take turns. The ratio is the median of the rounds', above 1 where evlog is ahead; 0.7 is asked for.
set -eu
tests=$(cd "$(dirname "$0")/../tests" && pwd)
build=$(cd "$1" && pwd)
rounds=${2:-5} events=${3:-100000}
evlog=$build/evlog peer=$build/tests/kafka_peer
home=$(mktemp -d)
server= registry= mock=
trap 'kill -9 $server $registry $mock 2>/dev/null; rm -rf "$home"' EXIT
cd "$home"
TYPE=org.openedx.learning.course.enrollment.created.v1

seconds() { # seconds COMMAND...: how long it takes
    began=$(date +%s%N)
    "$@" >out 2>err || { cat out err >&2; exit 1; }
    ended=$(date +%s%N)
    awk "BEGIN { print ($ended - $began) / 1e9 }"
}
row() { # row WHAT FILE: the file has a line for each round: evlog's seconds and the other's
    awk '{ print $2 / $1, $1, $2 }' "$2" | sort -n |
        awk -v what="$1" -v events="$events" '{ ratio[NR] = $1; ours[NR] = $2; theirs[NR] = $3 }
            END { m = int((NR + 1) / 2); printf "%-44s %9.0f/s %9.0f/s  %.2f (%.2f to %.2f)\n", what, events / ours[m], events / theirs[m], ratio[m], ratio[1], ratio[NR] }'
}

make_log() {
    "$evlog" send log org.evlog.nothing.v1 '{}' >out 2>err
    "$evlog" schema add log $TYPE >out 2>err
    seq "$events" | sed 's/.*/{"enrollment": {"user": {"id": &, "is_active": true, "pii": {"username": "u&", "email": "u&@example.org", "name": "Grüße"}}, "course": {"course_key": "course-v1:edX+D+2026", "display_name": "D", "start": null, "end": null}, "mode": "audit", "is_active": true, "creation_date": "2026-01-02T03:04:05+00:00", "created_by": null}}/' |
        "$evlog" send log $TYPE - >out 2>err
}

# ----------------------------------------------------------------- Redis ----

xadd() { # xadd AT_ONCE: fields and values of the sizes that are in the stream
    redis-cli -s socket --no-raw xrange stream - + COUNT 1 | tail -n +2 |
        sed 's/^[^"]*"//; s/"$//; s/\\x../x/g; s/\\./x/g; s/./x/g' >fields
    set -- "$1" $(cat fields)
    at_once=$1
    shift
    seconds redis-benchmark -s socket -q -c 1 -P "$at_once" -n "$events" xadd peer '*' "$@"
}

redis_rows() {
    redis_server=$(command -v redis-server || command -v redis-check-rdb) || { echo "(redis-server is not installed)"; return 0; }
    ln -s "$redis_server" redis-server
    ./redis-server --port 0 --unixsocket "$home/socket" --save "" --appendonly no >redis.out 2>&1 &
    server=$!
    until redis-cli -s socket ping 2>/dev/null | grep -q PONG; do kill -0 $server; done
    for round in $(seq "$rounds"); do
        redis-cli -s socket flushall >out
        ours=$(seconds "$evlog" relay out log "unix://$home/socket" stream --type $TYPE --name "redis$round")
        [ "$(redis-cli -s socket xlen stream)" = "$events" ]
        for at_once in 64 512; do
            theirs=$(xadd $at_once)
            echo "$ours $theirs" >>"redis.$at_once"
            redis-cli -s socket del peer >out
        done
    done
    kill $server
    for at_once in 64 512; do row "Redis, beside redis-benchmark -P $at_once" "redis.$at_once"; done
}

# ----------------------------------------------------------------- Kafka ----

kafka_rounds() { # kafka_rounds BROKERS REGISTRY WHAT
    for round in $(seq "$rounds"); do
        ours=$(seconds "$evlog" relay out log "kafka://$1?registry=$2" "ours$round" --type $TYPE --name "kafka$round")
        size=$("$peer" read "$1" "ours$round" 2>err | head -n 1 | awk '{ print length($4) / 2 }')
        for headers in 10 0; do
            theirs=$(seconds "$peer" produce "$1" "theirs$headers.$round" "$events" "$size" $headers)
            echo "$ours $theirs" >>kafka.$headers
        done
    done
    for headers in 10 0; do row "$3, beside a producer, $headers headers" kafka.$headers; done
}

kafka_rows() {
    [ -x "$peer" ] || { echo "(librdkafka-dev or libcurl4-openssl-dev is not installed)"; return 0; }
    if [ "${KAFKA_BROKERS:-}" ]; then kafka_rounds "$KAFKA_BROKERS" "$KAFKA_REGISTRY" "Kafka"; return; fi
    python3 "$tests/kafka_registry.py" 0 "$home/schemas" >registry.out 2>registry.log &
    registry=$!
    mkfifo commands
    "$peer" mock 1 <commands >mock.out 2>mock.err &
    mock=$!
    exec 3>commands
    until [ -s registry.out ] && [ -s mock.out ]; do sleep 0.1; done
    for round in $(seq "$rounds"); do
        for topic in ours theirs10. theirs0.; do echo "topic $topic$round 1" >&3; done
    done
    kafka_rounds "$(head -n 1 mock.out)" "http://127.0.0.1:$(head -n 1 registry.out)" "Kafka (mock)"
}

make_log
printf '%-44s %11s %11s  ratio\n' "$events events, $rounds rounds" evlog "the other"
redis_rows
kafka_rows
