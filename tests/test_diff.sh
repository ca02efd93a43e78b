#!/bin/sh
# evlog diff: copies that are the same, go on apart, end earlier, were trimmed, erased in or damaged; and logs of different origins.
. "$(dirname "$0")/tool.sh"
send() { # send LOG N...
    log=$1
    shift
    for n; do echo "{\"n\": $n, \"user\": {\"a.b\": [1, {\"id\": $n}]}}"; done | "$evlog" send "$log" org.example.visit.v1 - >/dev/null
}
of() { sed "s/.*\"$1\": \(\"[^\"]*\"\|\[[^]]*\]\|[a-z0-9]*\).*/\1/" out; } # of KEY: in the JSON of the last run
copy() { rm -rf "$2" && "$evlog" copy "$1" "$2" >/dev/null; }

send a $(seq 300)
copy a b
try 0 '' diff a b -o short
is "a copy" "$(cat out)" 'same origin
events 1 to 300 are the same'
try 0 '' diff a b
is "in JSON" "$(of result) $(of same_origin) $(of seq)" '"same" true 0'

# one goes on, then both do
send a 301
try 1 '' diff a b -o short
is "an earlier end" "$(cat out)" 'same origin
events 1 to 300 are the same
b ends at event 300, a at 301'
try 1 '' diff b a
is "in JSON" "$(of result)" '"ends"'
send b 302
send a $(seq 400 420)
send b $(seq 400 420)
try 1 '' diff a b -o short
is "what differs" "$(sed -n 2p out)" 'event 301 differs: log_time, id, time, data.n'
is "both are shown" "$(sed -n '3,4s/^[^{]*//p' out)" '{"n": 301, "user": {"a.b": [1, {"id": 301}]}}
{"n": 302, "user": {"a.b": [1, {"id": 302}]}}'
try 1 '' diff b a
is "in JSON" "$(of result) $(of seq) $(of fields)" '"differ" 301 ["log_time", "id", "time", "data.n"]'
has '"event": {"seq": 301, "log_time"'

# trimmed beginnings
"$evlog" trim a --before 100 --yes >/dev/null
try 1 '' diff a b
is "trimmed" "$(of seq)" 301
copy a c
"$evlog" trim c --before 200 --yes >/dev/null
try 1 '' diff c a -o short
is "the trimming is in the log" "$(sed -n 2,3p out)" 'events 200 to 323 are the same
a ends at event 323, c at 324'
copy a late
"$evlog" trim a --keep 1 --yes >/dev/null
"$evlog" compact a --yes >/dev/null 2>&1
try 1 '' diff b a -o short
has 'no event is in both'

# erased, missing and damaged in one of them, in both
copy b e
copy b f
"$evlog" erase e 50 --reason test --yes >/dev/null
try 1 '' diff b e
is "erased" "$(of seq) $(of fields)" '50 ["erased"]'
for log in f g; do
    [ -e $log ] || cp -r f $log
    for offset in $(LC_ALL=C grep -obUaP '\xa1n\x28\xa4user' $log/events.mdb | cut -d: -f1); do # 40
        printf '\051' | dd of=$log/events.mdb bs=1 seek=$((offset + 2)) conv=notrunc 2>/dev/null
    done
done
try 1 '' diff b f -o short
is "damaged" "$(sed -n 2p out)" 'event 40 differs: unreadable'
has 'event 40: its checksum does not fit'
try 4 '' diff f g -o short
is "damaged in both" "$(cat out)" 'same origin
events 1 to 322 are the same
1 of the events cannot be read in either'

# different origins: what an import has made
"$evlog" export b >lines
"$evlog" import i lines >/dev/null 2>&1
try 1 '' diff b i -o short
is "import" "$(sed -n 1,2p out)" 'different origins: log times are not compared
events 1 to 322 are the same'
sed '60s/{"id": 59}/{"id": 7}/' lines >changed
"$evlog" import j changed >/dev/null 2>&1
try 1 '' diff b j
is "the path in the data" "$(of seq) $(of fields)" '59 ["data.user.a\\.b.1.id"]'

"$evlog" send empty org.example.visit.v1 '{}' >/dev/null
try 3 'no log there' diff a nolog
try 2 'missing' diff a
end_cases
