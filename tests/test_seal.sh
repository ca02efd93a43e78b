#!/bin/sh
# What an auditor runs: heads, seals, proofs. usage: test_seal.sh BUILD
. "$(dirname "$0")/tool.sh"
a=org.example.first.v1

# ------------------------------------------------------------------- heads ----
for n in 1 2 3 4 5; do "$evlog" send log $a "{\"n\": $n}" >/dev/null; done
head_of() { "$evlog" info "$1" | sed 's/.*"head": "\([^"]*\)".*/\1/'; }
head=$(head_of log)
is "a head" "$(echo "$head" | sed 's/^5:[0-9a-f]\{16\}$/good/')" good
try 0 "" info log -o short; has "head        $head"
try 0 "" verify log -o short; has "head $head"
try 0 "" verify log --expect "$head"
is "what is expected" "$(cat out)" ""
for wrong in 5 5: :1 "$head"0 x"$head" "${head%?}g" -1:0000000000000000; do
    try 2 "--expect takes SEQ:CHAIN" verify log --expect "$wrong"
done
cp -r log old
"$evlog" send log $a '{"n": 6}' >/dev/null
newer=$(head_of log)
try 0 "" verify log --expect "$head"
try 0 "" verify log --expect 0:0000000000000000
try 0 "" verify old
try 1 "" verify old --expect "$newer" -o short
has "event 6 is expected, and the log ends with event 5: what came after it was cut off, or this is an older copy"
has "5 events read: 1 finding"
"$evlog" send old $a '{"n": 6}' >/dev/null
try 0 "" verify old
try 1 "" verify old --expect "$newer" -o short
has "is expected: it, or an event before it, is not the one that was there"
try 1 "" verify old --expect "$newer"; has '"first_seq": 6, "last_seq": 6, "text": "event 6: its chain is '
try 0 "" verify old --expect "$head"
"$evlog" trim log --before 6 --yes >/dev/null
try 0 "" verify log --expect "$head"
try 0 "" verify log --expect "$newer"
try 1 "" verify log --expect "5:0000000000000001" -o short; has "event 5: its chain is ${head#5:}, and 0000000000000001 is expected"
try 1 "" verify log --expect "4:0000000000000001" -o short; has "event 4 was trimmed, and what is expected of it cannot be compared: use a newer head, of event 5 or later"
"$evlog" info empty 2>/dev/null; : >events; "$evlog" send empty $a - <events >/dev/null
try 0 "" info empty; has '"head": "0:0000000000000000"'
try 0 "" verify empty --expect 0:0000000000000000

end_cases
