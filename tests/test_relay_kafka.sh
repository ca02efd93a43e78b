#!/bin/sh
# The relays to and from Kafka, with librdkafka's mock brokers (tests/kafka_peer.c) and a registry of the tests
# (tests/kafka_registry.py). usage: test_relay_kafka.sh BUILD
#
# What is on the topic is compared with what the real producer of Open edX writes; relays are killed, brokers and registry go
# away. The mock brokers keep no offsets of transactions, have no static members, and reset no group: what rests on that is in
# check_bus.sh, with a real broker.
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"
. "$tests/relay_cases.sh"
skip() { echo "SKIPPING: $*"; exit 0; }
peer=$build/tests/kafka_peer
[ -x "$peer" ] || skip "evlog-relay was built without Kafka: librdkafka-dev and libcurl4-openssl-dev are not installed"
command -v python3 >/dev/null || skip "python3, which runs the tests' registry, is not installed"

trap 'exit 1' INT TERM
KEY=enrollment.user.pii.username
rounds=${RELAY_ROUNDS:-6}
registry= mock= tls=
unset http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY
trap 'kill -9 $registry $mock $tls 2>/dev/null; chmod -R u+rwx "$home"; rm -rf "$home"' EXIT

start_registry() { # with what it had, on the same port
    rm -f registry.out
    python3 "$tests/kafka_registry.py" "${port:-0}" "$home/schemas" ${captured:+"$captured"} >registry.out 2>>registry.log &
    registry=$!
    until_true test -s registry.out
    port=$(head -n 1 registry.out)
}
stop_registry() { kill -9 $registry; wait $registry 2>/dev/null; }
start_mock() {
    mkfifo commands
    "$peer" mock 3 <commands >mock.out 2>mock.err &
    mock=$!
    exec 3>commands
    until_true test -s mock.out
    brokers=$(head -n 1 mock.out)
}
mock_do() { # mock_do COMMAND
    lines=$(wc -l <mock.out)
    echo "$*" >&3
    until_true sh -c "[ \$(wc -l <mock.out) -gt $lines ]"
}
captured=${BUS_KAFKA_JSON:-/work/shared/openedx/bus_kafka.json}
[ -r "$captured" ] || captured=
start_registry
start_mock
url="kafka://$brokers?registry=http://127.0.0.1:$port"
fast="-X session.timeout.ms=4000 -X heartbeat.interval.ms=300" # the mock brokers have no static members

records() { "$peer" read "$brokers" "$1" || bad "read $1"; }
count() { records "$1" | wc -l; }
hex_to_text() { python3 -c 'import sys
for line in sys.stdin: print(bytes.fromhex(line.strip()).decode())'; }
ids_in_topic() { records "$1" | sed 's/.* ce_id=\([0-9a-f]*\).*/\1/' | hex_to_text; }
last_seq() { "$evlog" info "$1" -o json | grep -o '"last_seq": [0-9]*'; }
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

# ------------------------------------------------------- options ----

try 2 "does not name the schema registry" relay out log kafka://localhost:9092 topic
try 2 "the registry's URL is not http:// or https://" relay out log "kafka://localhost:9092?registry=ftp://x" topic
try 2 "the URL's hosts are not" relay out log "kafka://?registry=http://x" topic
try 2 "a password on the command line" relay out log "kafka://localhost?registry=http://me:secret@x" topic
try 2 "a password on the command line" relay out log "kafka://me:secret@localhost?registry=http://x" topic
try 2 "the relay sets this itself: acks" relay out log "$url" topic -X acks=1
try 2 "a secret on the command line" relay out log "$url" topic -X sasl.password=x
try 2 "for kafka:// only" relay out log unix:///socket topic --exactly-once
try 2 "--maxlen is for Redis only" relay out log "$url" topic --maxlen 5

# ------------------------------------------------------- there and back ----

make_log a
send a 1 900
mock_do topic stage-there 3
try 3 "librdkafka does not take -X linger.ms with this value" relay out a "$url" there --prefix stage -X linger.ms=soon
try 1 "event 1 is parked" relay out a "$url" there --prefix stage --key $KEY
is "events on the topic" "$(count stage-there)" 900
ids_in_log a | sort >wanted
is "ids on the topic" "$(ids_in_topic stage-there | sort | cmp - wanted 2>&1)" ""
is "partitions that have events" "$(records stage-there | cut -d' ' -f1 | sort -u | wc -l)" 3
is "order in each partition" "$(records stage-there | sed 's/\([0-9]*\) .* ce_time=\([0-9a-f]*\) .*/\1 \2/' | sort -s -n -k1,1 | sort -c -k1,1n -k2,2 2>&1)" ""
is "headers" "$(records stage-there | head -n 1 | tr ' ' '\n' | grep = | cut -d= -f1 | tr '\n' ' ')" \
    "ce_specversion content-type ce_datacontenttype ce_type ce_id ce_source ce_time ce_minorversion sourcehost sourcelib "
is "schemas are registered once" "$(grep -c "POST /subjects/stage-there-.* 200" registry.log)" 2
try 0 "" relay in b "$url" stage-there --group g $fast
is "events that came" "$(ids_in_log b | sort | cmp - wanted 2>&1)" ""
"$evlog" show a --type 'org.openedx.*' -o json | sed 's/.*"data": //' | sort >data
is "data that came" "$("$evlog" show b --type 'org.openedx.*' -o json | sed 's/.*"data": //' | sort | cmp - data 2>&1)" ""
try 0 "" relay out b "$url" back
is "what came from a bus is passed over" "$(grep -c subjects/back registry.log)" 0

# Another group gives everything a second time; nothing is twice in the log.
try 0 "" relay in b "$url" stage-there --group h $fast
is "events after another group" "$(last_seq b)" '"last_seq": 900'
"$evlog" consumer reset a relay.stage-there --to first --yes >/dev/null 2>&1
try 1 "event 1 is parked" relay out a "$url" there --prefix stage --key $KEY
is "after a reset all comes again" "$(count stage-there)" 1800
try 0 "" relay in b "$url" stage-there --group h $fast
is "copies that a producer has made are known" "$(last_seq b)" '"last_seq": 900'

# ------------------------------------------------------- keys ----

try 2 "it can be null, or is not" relay out a "$url" keys --key enrollment.course.start
try 2 "it can be null, or is not" relay out a "$url" keys --key enrollment.user
try 2 "the event type has no such field" relay out a "$url" keys --key enrollment.nobody
printf '{"%s": {"keys": {"event_key_field": "enrollment.user.id", "enabled": true}, "off": {"event_key_field": "x", "enabled": false}}}' $TYPE >config
try 0 "" relay out a "$url" --config config --name keys
id=$(records keys | head -n 1 | cut -d' ' -f3)
is "a key that is a long: its size" "$(printf %s "$id" | cut -c1-2)" 00
is "subject of a key that is a long" "$(grep -c "POST /subjects/keys-long/versions" registry.log)" 1
printf '{"org.openedx.learning.auth.session.login.completed.v1": {"keys": {"event_key_field": "user.pii"}}}' >config
try 2 "cannot be the key" relay out a "$url" --config config --name more-keys

# ------------------------------------------------------- the real producer's bytes ----

if [ "$captured" ]; then
    python3 - "$captured" >lines <<'PYTHON'
import json, sys
for message in json.load(open(sys.argv[1]))["messages"]:
    kafka = message["kafka"]
    print(0, kafka["key_hex"], kafka["value_hex"], *("=".join(header) for header in kafka["headers"]))
PYTHON
    python3 - "$captured" >config <<'PYTHON'
import json, sys
print(json.dumps({m["event_type"]: {"again": {"event_key_field": m["event_key_field"]}} for m in json.load(open(sys.argv[1]))["messages"]}))
PYTHON
    mock_do topic stage-capture 1
    mock_do topic stage-again 1
    "$peer" write "$brokers" stage-capture <lines || bad write
    try 0 "" relay in real "$url" stage-capture --group g $fast
    try 0 "" relay out real "$url" --config config --prefix stage --name again --all
    is "the bytes of the real producer" "$(records stage-again | cut -d' ' -f1,3- | cmp - lines 2>&1)" ""
else
    echo "SKIPPING the bytes of the real producer: bus_kafka.json is not there"
fi

# ------------------------------------------------------- refused ----

first=$(records stage-there | head -n 1)
value=$(echo "$first" | cut -d' ' -f4)
headers="ce_type=$(hex $TYPE) ce_source=$(hex openedx/x/web) ce_time=$(hex 2026-01-02T03:04:05Z) sourcelib=$(hex 11.2.0)"
uuid() { hex "6ba7b810-9dad-11d1-80b4-00c04fd430c$1"; }
mock_do topic bad 1
"$peer" write "$brokers" bad <<END || bad write
0 - - $headers ce_id=$(uuid 0)
0 - 01${value#00} $headers ce_id=$(uuid 1)
0 - 007fffffff00 $headers ce_id=$(uuid 2)
0 - ${value}00 $headers ce_id=$(uuid 3)
0 - ${value%????} $headers ce_id=$(uuid 4)
0 - $value $headers
0 - $value $headers ce_id=$(uuid 5) ce_id=$(uuid 6)
0 - $value $headers ce_id=$(uuid 7) sourcehost=-
0 - $value $headers ce_id=$(uuid 8) sourcehost=ff
0 - $value ce_id=$(uuid 9)
0 - $value $headers ce_id=$(hex 6BA7B810-9DAD-11D1-80B4-00C04FD430C0) other=00
END
said_max=20 try 0 "tombstone" relay in c "$url" bad --group g $fast
for words in "does not begin with 00" "Schema not found" "bytes" "it has no id" "ce_id is there twice" "sourcehost is null" "it has no type"; do
    grep -q "$words" err || bad "nothing of $words"
done
is "refused messages are kept" "$("$evlog" show c --type evlog.refused.v1 | wc -l)" 10
is "what a reader takes comes in" "$(ids_in_log c)" 6ba7b810-9dad-11d1-80b4-00c04fd430c0
"$evlog" show c --type 'org.*' -o json | grep -q '"evlog.relay.filled": "minorversion,sourcehost"' || bad "what was filled in is not said"
try 0 "" relay in c "$url" bad --group h $fast
is "refused messages are kept once" "$("$evlog" show c --type evlog.refused.v1 | wc -l)" 10
said_max=20 try 1 "refused still" relay retry c

# ------------------------------------------------------- types and schemas that are new here ----

register() { # register SUBJECT SCHEMA: prints its id
    python3 - "$port" "$1" "$2" <<'PYTHON'
import json, sys, urllib.request
request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/subjects/{sys.argv[2]}/versions",
    json.dumps({"schema": sys.argv[3], "schemaType": "AVRO"}).encode(), {"Content-Type": "application/json"})
print("00%08x" % json.load(urllib.request.urlopen(request))["id"])
PYTHON
}
one=$(register new '{"type": "record", "name": "CloudEvent", "namespace": "org.new.v1", "fields": [{"name": "a", "type": "string"}]}')
two=$(register new '{"type": "record", "name": "CloudEvent", "namespace": "org.new.v1", "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "long", "default": 7}]}')
three=$(register new '{"type": "record", "name": "CloudEvent", "namespace": "org.new.v1", "fields": [{"name": "a", "type": "long"}]}')
mock_do topic new 1
for i in 0 1 2 3 4 5 6; do
    case $i in 0 | 1 | 4) body=${one}0278 ;; 6) body=${three}0e ;; *) body=${two}02780a ;; esac
    echo "0 - $body ce_type=$(hex org.new.v1) ce_id=$(uuid $i)"
done >lines
"$peer" write "$brokers" new <lines || bad write
try 0 "" relay in d "$url" new --group g $fast
is "events under three schemas in turn" "$("$evlog" show d --type 'org.*' -o json | sed 's/.*"data": //' | tr -d '\n')" \
    '{"a": "x"}}{"a": "x"}}{"a": "x", "b": 5}}{"a": "x", "b": 5}}{"a": "x"}}{"a": "x", "b": 5}}{"a": 7}}'
try 0 "" relay out d "$url" new-back --all
is "each with its own schema again" "$(records new-back | cut -d' ' -f4 | cut -c11- | sort)" "$(cut -d' ' -f3 lines | cut -c11- | sort)"

# Records whose schemas the registry gets later: retry asks it, and without it nothing is guessed.
newest=$(register newest '{"type": "record", "name": "Newest", "fields": []}')
four=$(printf '00%08x' $((0x${newest#00} + 1))) five=$(printf '00%08x' $((0x${newest#00} + 2)))
mock_do topic later 1
for i in 0 1 2; do
    case $i in 1) body=${five}02780a ;; *) body=${four}0278 ;; esac
    echo "0 - $body ce_type=$(hex org.late.v1) ce_id=$(uuid $i)"
done | "$peer" write "$brokers" later || bad write
said_max=9 try 0 "Schema not found" relay in g "$url" later --group g $fast
echo '{"type": "record", "name": "CloudEvent", "namespace": "org.late.v1", "fields": [{"name": "other", "type": "string"}]}' |
    "$evlog" schema add g org.late.v1 - >/dev/null 2>err || bad "schema add"
said_max=9 try 1 "is refused still: it was written under a schema of the registry: evlog relay retry LOG URL asks that" relay retry g
said_max=9 try 1 "Schema not found" relay retry g "$url"
is "retried too early" "$(cat out)" "0 sent, 0 were in the log already, 3 refused still"
try 2 "retry takes the URL of Kafka only" relay retry g redis://localhost
stop_registry
try 3 "registry http://127.0.0.1:$port: " relay retry g "$url"
start_registry
is "ids of the late schemas" "$(register late '{"type": "record", "name": "CloudEvent", "namespace": "org.late.v1", "fields": [{"name": "a", "type": "string"}]}') $(
    register late '{"type": "record", "name": "CloudEvent", "namespace": "org.late.v1", "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "long", "default": 7}]}')" "$four $five"
try 0 "" relay retry g "$url"
is "retried" "$(cat out)" "3 sent, 0 were in the log already, 0 refused still"
is "each by its own schema" "$("$evlog" show g --type org.late.v1 -o json | sed 's/.*"data": //' | tr -d '\n')" '{"a": "x"}}{"a": "x", "b": 5}}{"a": "x"}}'
try 0 "" relay retry g "$url"
is "and once" "$(cat out)" "0 sent, 3 were in the log already, 0 refused still"

# ------------------------------------------------------- what the registry or a broker refuses ----

make_log e
send e 1 50
echo refused-topic >schemas.refuse
said_max=60 try 1 "the registry http://127.0.0.1:$port answers 422: Invalid schema" relay out e "$url" refused-topic
is "events that the registry refuses are parked" "$("$evlog" consumer ls e -o json | grep -o '"parked": [0-9]*')" '"parked": 51'
rm schemas.refuse
"$evlog" parked retry e relay.refused-topic --all >/dev/null 2>&1 || "$evlog" parked retry e relay.refused-topic >/dev/null 2>&1
said_max=60 try 1 "event 1 is parked" relay out e "$url" refused-topic
is "and are there when it does not any more" "$(count refused-topic)" 50

make_log f
send f 1 20
sed 's/Grüße/'"$(head -c 3000 /dev/zero | tr '\0' x)"'/' >large <<END
{"enrollment": {"user": {"id": 9, "is_active": true, "pii": {"username": "u", "email": "e", "name": "Grüße"}}, "course": {"course_key": "course-v1:edX+D+2026", "display_name": "D", "start": null, "end": null}, "mode": "audit", "is_active": true, "creation_date": "2026-01-02T03:04:05+00:00", "created_by": null}}
END
"$evlog" send f $TYPE - <large >/dev/null 2>&1
send f 21 40
said_max=9 try 1 "more than message.max.bytes" relay out f "$url" large -X message.max.bytes=2000
is "a record that is too large is parked, the rest is there" "$(count large)" 40
mock_do topic refusing 1
mock_do error 0 10 2
said_max=9 try 1 "parked" relay out f "$url" refusing --name refusing
is "one that the broker refuses is parked, the rest is there" "$(count refusing)" 40
is "in order" "$(ids_in_topic refusing | sort -u | wc -l)" 40

# ------------------------------------------------------- kills ----

make_log k
mock_do topic kills 3
"$evlog" send l org.evlog.nothing.v1 '{}' >/dev/null
i=1
while [ $i -le $rounds ]; do
    send k $((i * 300 + 1)) $((i * 300 + 300))
    at=$(count kills)
    "$evlog" relay out -f k "$url" kills --key $KEY --metrics metrics >/dev/null 2>kill.err & out_pid=$!
    "$evlog" relay in -f l "$url" kills --group g $fast >/dev/null 2>>kill.err & in_pid=$!
    until_true sh -c "[ \$('$peer' read $brokers kills | wc -l) -gt $at ]"
    kill -9 $out_pid
    if [ $((i % 2)) = 0 ]; then until_true sh -c "'$evlog' info l -o json | grep -q '\"last_seq\": [1-9][0-9][0-9]'"; fi
    kill -9 $in_pid
    wait $out_pid $in_pid 2>/dev/null
    i=$((i + 1))
done
"$evlog" relay out k "$url" kills --key $KEY >/dev/null 2>&1
try 0 "" relay in l "$url" kills --group g $fast
ids_in_log k | sort >wanted
is "kills: each event is on the topic" "$(ids_in_topic kills | sort -u | cmp - wanted 2>&1)" ""
is "kills: each event is in the other log once" "$(ids_in_log l | sort | cmp - wanted 2>&1)" ""
try 0 "" verify l

# ------------------------------------------------------- notes ----

# What was appended and not committed is known by the note, however much came between; without a note by all that was there.
make_log s
send s 1 20
mock_do topic noted 1
try 1 "event 1 is parked" relay out s "$url" noted
try 0 "" relay in t "$url" noted --group g $fast
send s 21 40
try 0 "" relay out s "$url" noted
mock_do error 8 30 1
try 3 "Group authorization failed" relay in t "$url" noted --group g $fast
is "what could not be committed is in the log" "$(last_seq t)" '"last_seq": 40'
send t 10001 19000
try 0 "" relay in t "$url" noted --group g $fast
is "it is not there twice" "$(last_seq t)" '"last_seq": 9040'
try 0 "" relay in t "$url" noted --group h $fast
is "nor by another group" "$(last_seq t)" '"last_seq": 9040'

# ------------------------------------------------------- away and back ----

# A line when they go and one when they are back; on a busy machine librdkafka may find them away once more on the way.
lines_of() { grep -o 'is away\|is back' "$1" | paste -sd ' ' | sed 's/^is away is back\( is away is back\)\{0,2\}$/well/'; }
: >err
"$evlog" relay out -f k "$url" kills --key $KEY >out 2>err & out_pid=$!
"$evlog" relay in -f l "$url" kills --group g $fast >in.out 2>in.err & in_pid=$!
mock_do down
send k 90001 90010
until_true grep -q "is away" err
until_true grep -q "is away" in.err
mock_do up
until_true grep -q "is back" err
until_true grep -q "is back" in.err
here() { [ "$(ids_in_log l | wc -l)" = "$(ids_in_log k | wc -l)" ]; }
until_true here
is "lines about brokers that were away (out)" "$(lines_of err)" well
is "lines about brokers that were away (in)" "$(lines_of in.err)" well
kill -TERM $out_pid $in_pid
wait $out_pid; is "status after SIGTERM (out)" $? 0
wait $in_pid; is "status after SIGTERM (in)" $? 0

stop_registry
make_log n
send n 1 10
: >err
"$evlog" relay out -f n "$url" late >out 2>err & out_pid=$!
until_true grep -q "is away: registry" err
start_registry
until_true grep -q "is back" err
there() { [ "$(count late)" = 10 ]; }
until_true there
kill -TERM $out_pid
wait $out_pid
is "lines about a registry that was away" "$(lines_of err)" well
stop_registry
: >err
"$evlog" relay in -f o "$url" late --group g $fast >out 2>err & in_pid=$!
until_true grep -q "is away: registry" err
start_registry
there() { [ "$(ids_in_log o | wc -l)" = 10 ]; }
until_true there
kill -STOP $mock
begun=$(date +%s)
kill -TERM $in_pid
wait $in_pid
is "status after SIGTERM, with brokers that hang" $? 0
[ $(($(date +%s) - begun)) -le 5 ] || bad "SIGTERM took too long"
kill -CONT $mock
is "lines about a registry that was away (in)" "$(lines_of err)" well

# ------------------------------------------------------- a registry that is not to be trusted ----

echo "302 http://127.0.0.1:$port/elsewhere" >schemas.answer
"$evlog" relay out n "$url" redirect >out 2>err
is "a redirection is not followed: status" $? 3
grep -q "answers 302" err || bad "nothing of 302"
is "requests to elsewhere" "$(grep -c elsewhere registry.log)" 0
echo 200 >schemas.answer
"$evlog" relay out n "$url" nonsense >out 2>err
is "an answer without an id: status" $? 3
rm schemas.answer
stop_registry
REGISTRY_LOGIN=me:tell-no-one start_registry
"$evlog" relay out n "$url" login >out 2>err
is "without a login: status" $? 3
grep -q "answers 401" err || bad "nothing of 401"
echo "kafka://$brokers?registry=http://me:tell-no-one@127.0.0.1:$port" >url
"$evlog" relay out n @url login >out 2>err
is "with it" "$(count login)" 10
EVLOG_REGISTRY_USER=me EVLOG_REGISTRY_PASSWORD=tell-no-on "$evlog" relay out n "$url" login --name other >out 2>>err
grep -q tell-no err out && bad "a password is in a message"

# ------------------------------------------------------- certificates ----

# One that is not verified ends the relay: it would not be the next time. (With a real broker: make check-bus.)
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.pem -days 2 -subj /CN=localhost >/dev/null 2>&1
    openssl s_server -accept 127.0.0.1:0 -key tls.key -cert tls.pem -www </dev/null >tls.out 2>&1 & tls=$!
    until_true grep -q '^ACCEPT 127' tls.out
    secure=$(sed -n 's/^ACCEPT //p' tls.out)
    for command in "out n" "in n --group g"; do
        timeout 60 "$evlog" relay ${command%% n*} n "kafka://$secure?registry=http://127.0.0.1:$port" certificate ${command#* n} -X security.protocol=SSL >out 2>err
        is "a certificate that is not verified ($command): status" $? 3
        grep -q "certificate verify failed" err || bad "nothing of the certificate"
    done
    kill $tls
fi
end_cases
