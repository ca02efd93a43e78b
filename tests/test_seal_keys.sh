#!/bin/sh
# A key that is replaced by another: the handover, what is proved before and after it, and what a thief of either key can do.
# usage: test_seal_keys.sh BUILD
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"
a=org.example.first.v1
send() { for n in "$@"; do "$evlog" send log $a "{\"n\": $n}" >/dev/null; done; }
verdicts() { # verdicts INTEGRITY COMPLETENESS FRESHNESS: of the last run
    is "verdicts" "$(sed -n 's/^{"integrity": "\([a-z]*\)", "completeness": "\([a-z]*\)", "freshness": "\([a-z]*\)".*/\1 \2 \3/p' out)" "$*"
}

# ------------------------------------------------------------ handing over ----
# Events 1 to 4, a seal (5), 6, that it is erased by the old key (7), the handover (8), 9, a seal of the new key (10), an erasure by that (11).
send 1 2 3 4
"$evlog" seal keygen log --key old >old.pub
"$evlog" seal log --key old >early # 5: of 4
send 6
"$evlog" erase log 6 --reason 'ticket 1' --key old --yes >/dev/null # 7
cp -r log before
"$evlog" seal keygen log --key new >new.pub
cat old.pub new.pub >both.pub

try 2 "nokey: No such file or directory" seal log --key old --next nokey
try 2 "old: this key has sealed the log, by event 5: hand over to a new one" seal log --key old --next old
"$evlog" send other $a '{}' >/dev/null
"$evlog" seal keygen other --key others >/dev/null
try 2 "others: is the key of evlog/" seal log --key old --next others
try 0 "" seal log --key old --next new # 8: of 7
cp out handover
is "the handover's fourth line" "$(sed -n 4p handover)" "next $(cat new.pub)"
is "its lines" "$(grep -c "^— $(sed 's/+.*//' old.pub) " handover)" 4
try 2 "old: this key has handed over, by event 8, to $(cat new.pub)" seal log --key old
try 2 "old: this key has handed over, by event 8, to $(cat new.pub)" erase log 3 --reason 'ticket 2' --key old --yes
"$evlog" seal keygen log --key third >third.pub
try 2 "new: this key has sealed the log, by event 8" seal log --key third --next new
send 9
try 0 "" seal log --key new # 10: of 9
cp out late
is "an ordinary checkpoint's lines" "$(wc -l <late)" 6
try 0 "" erase log 3 --reason 'ticket 2' --key new --yes # 11

# --------------------------------------------- with the old key, the new one, both ----
try 0 "" verify log --seal old.pub --expect early; verdicts proved proved proved
has "event 8: it hands over to the key $(cat new.pub), which alone is believed from there on\", \"remark\": true"
has '"sealed_to": 9'; has "\"keys\": [\"$(cat old.pub)\", \"$(cat new.pub)\"]"
try 0 "" verify log --seal old.pub --expect handover; verdicts proved proved proved
try 2 "late: this checkpoint is not signed by this key" verify log --seal old.pub --expect late
try 0 "" verify log --seal both.pub --expect late; verdicts proved proved proved
try 0 "" verify log --seal both.pub --expect early -o short
has "integrity     proved: events 1 to 9 are what was sealed"
tac both.pub >reversed.pub
try 0 "" verify log --seal reversed.pub --expect late; verdicts proved proved proved
try 0 "" verify log --seal new.pub --expect handover; verdicts proved proved proved
has 'event 5: its seal is not signed by this key", "remark": true'; has "\"keys\": [\"$(cat new.pub)\"]"
try 0 "" verify log --seal new.pub --expect late; verdicts proved proved proved
(cat old.pub; echo; sed 's/^evlog/Evlog/' new.pub) >wrong
try 2 "not a public key, nor a file with one: wrong" verify log --seal wrong
(cat old.pub; "$evlog" seal keygen other --key others2) >wrong
try 2 "wrong: has keys of two logs" verify log --seal wrong
(cat old.pub; cat new) >wrong
try 2 "wrong: is the private key, which only the sealing machine needs" verify log --seal wrong

# Proofs by either key, and from a checkpoint of the old one to one of the new.
try 0 "" prove log 1 --seal old.pub; cp out proof; is "the newest of the old key" "$(tail -n 9 proof)" "$(cat handover)"
try 0 "" prove log 1 --seal new.pub; is "of the new one" "$(tail -n 6 out)" "$(cat late)"
try 0 "" prove log 1 --seal both.pub; is "of the last one" "$(tail -n 6 out)" "$(cat late)"
try 0 "" prove log --since-size 4 --seal both.pub; is "from the old key's" "$(head -n 1 out)" "old 4"

# ------------------------------------------------------------------ trimmed ----
for cut in 5 8; do # at a seal of the old key, at the handover; the new key's seals go on from either
    cp -r log trimmed
    "$evlog" trim trimmed --before $((cut + 1)) --yes >/dev/null
    is "the first event" "$("$evlog" info trimmed | sed 's/.*"first_seq": \([0-9]*\).*/\1/')" $cut
    for pub in new both old; do
        try 0 "" verify trimmed --seal $pub.pub --expect handover; verdicts proved proved proved
    done
    try 0 "" prove trimmed 9 --seal new.pub
    try 0 "" seal trimmed --key new --next third
    try 0 "" verify trimmed --seal new.pub; verdicts proved unproved proved
    try 0 "" verify trimmed --seal third.pub; verdicts proved unproved proved
    try 0 "" verify trimmed --seal old.pub; has "\"$(cat third.pub)\"]"; verdicts proved unproved proved
    "$evlog" trim trimmed --before 11 --yes >/dev/null # also the event of the handover
    try 0 "" verify trimmed --seal new.pub --expect late; verdicts proved proved proved
    try 1 "" verify trimmed --seal both.pub --expect late; has "which is none of those that were given"
    rm -rf trimmed
done

# ------------------------------------------------------------------ attacks ----
if ! python_with lmdb, msgpack, xxhash; then
    echo "(no attacks: needs python3-lmdb, python3-msgpack and python3-xxhash)"
    end_cases
    exit
fi
attack() { # attack ATTACK ARGUMENT...: a fresh log, `harmed`, in which verify alone finds nothing
    rm -rf forged.log harmed
    cp -r log forged.log
    $python "$tests/audit/attacker.py" forged.log "$@" || bad "the attacker failed"
    "$evlog" copy forged.log harmed >/dev/null 2>err || bad "no log with a journal of its own"
    try 0 "" verify harmed
}
"$evlog" seal keygen log --key thief >thief.pub

# The handover is of another key than was signed; it is not signed by the key it names; one is made of a seal that was none.
attack note 8 "s/^next .*/next $(sed 's#/#\\/#g' thief.pub)/"
try 1 "" verify harmed --seal old.pub; has 'integrity: event 8: its seal is not what this key has signed: its signature does not fit'
verdicts violated unproved proved
attack note 8 '7,8d'
try 1 "" verify harmed --seal old.pub
has "integrity: event 8: it hands over to the key $(cat new.pub), which has not signed it: it is forged"
attack note 5 "3a next $(sed 's#/#\\/#g' thief.pub)"
try 1 "" verify harmed --seal old.pub; has 'integrity: event 5: its seal is not what this key has signed'

# A handover by a key that is not the log's.
rm -rf harmed; cp -r log harmed
"$evlog" seal keygen harmed --key thief2 >thief2.pub
try 0 "" seal harmed --key thief --next thief2
try 0 "" verify harmed --seal old.pub --expect handover; verdicts proved proved proved
has 'event 12: its seal is not signed by this key", "remark": true'; has '"sealed_to": 9'

# The old key is stolen after it was replaced: what it signs is refused, a seal and an erasure.
cp -r before fork
for n in 8 9 10 11; do "$evlog" send fork $a "{\"n\": $n}" >/dev/null; done
"$evlog" erase fork 4 --reason 'ticket 1' --key old --yes >/dev/null # 12
attack note 10 "6r $PWD/early" "1,6d"
try 1 "" verify harmed --seal old.pub
has 'integrity: event 10: its seal is signed by a key that had handed over, by event 8: whoever has that key has made it'
attack graft fork 12 4
try 1 "" verify harmed --seal old.pub --expect handover
has 'integrity: event 12: its note of an erasure is signed by a key that had handed over, by event 8'
has 'integrity: event 4: it was erased, and no erasure of it is signed by this key'; verdicts violated unproved proved
try 1 "" verify harmed --seal new.pub --expect late
has 'integrity: event 4: it was erased, and no erasure of it is signed by this key'

# ... and the log is cut before the handover and goes on to the thief's key: found by both keys, by the new one, or by a checkpoint.
try 0 "" seal before --key old --next thief
try 0 "" verify before --seal old.pub; has "hands over to the key $(cat thief.pub)"
try 1 "" verify before --seal both.pub
has "integrity: event 8: it hands over to the key $(cat thief.pub), which is none of those that were given"; verdicts violated unproved proved
try 1 "" verify before --seal new.pub; has 'no event of this log is a seal by this key'
try 1 "" verify before --seal old.pub --expect handover; has "completeness: the checkpoint that is expected is there up to its last event, 7, and the event of its seal is not"
try 0 "" verify before --seal old.pub --expect early

end_cases
