#!/bin/sh
# The attacks on a sealed log, by an attacker who makes all checksums anew (tests/audit/attacker.py): verify alone finds nothing, verify --seal
# says what it is. usage: test_seal_attacks.sh BUILD
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"
a=org.example.first.v1 b=org.example.second.v1
if ! python_with lmdb, msgpack, xxhash; then
    echo "SKIPPED: needs python3-lmdb, python3-msgpack and python3-xxhash"
    exit 0
fi

# Events 1 to 5, a seal (6), 7 to 9, a seal (10), 11: not sealed. `notes` has what was printed, `pub` the public key.
for n in 1 2 3 4; do "$evlog" send log $a "{\"n\": $n}" >/dev/null; done
"$evlog" send log $b '{"n": 5}' >/dev/null
"$evlog" seal keygen log --key key >pub
"$evlog" seal log --key key >first
cp -r log old
for n in 7 8 9; do "$evlog" send log $a "{\"n\": $n}" >/dev/null; done
"$evlog" seal log --key key >second
"$evlog" send log $a '{"n": 11}' >/dev/null

attack() { # attack ATTACK ARGUMENT...: a fresh log, `harmed`, in which verify alone finds nothing
    rm -rf forged.log harmed
    cp -r log forged.log
    $python "$tests/audit/attacker.py" forged.log "$@" || bad "the attacker failed"
    "$evlog" copy forged.log harmed >/dev/null || bad "no log with a journal of its own"
    try 0 "" verify harmed
}
verdicts() { # verdicts INTEGRITY COMPLETENESS FRESHNESS: of the last run
    is "verdicts" "$(sed -n 's/^{"integrity": "\([a-z]*\)", "completeness": "\([a-z]*\)", "freshness": "\([a-z]*\)".*/\1 \2 \3/p' out)" "$*"
}

try 0 "" verify log --seal pub --expect second
verdicts proved proved proved
has '"events": 11, "findings": 0, "first_seq": 1, "last_seq": 11, "head": "11:'; has '"sealed_to": 9'; has '"unproved": {"first_seq": 10, "last_seq": 11}'
try 0 "" verify log --seal "$(cat pub)" --expect first; verdicts proved proved proved
try 0 "" verify log --seal pub; verdicts proved unproved proved

# An event changed; and one that is given another one's type.
attack change 3
try 1 "" verify harmed --seal pub --expect second
has '"first_seq": 1, "last_seq": 5, "text": "integrity: events 1 to 5 are not what event 6 has sealed: one was changed, added, taken out or moved"'
is "findings" "$(wc -l <out)" 2
verdicts violated unproved proved
try 4 "the events up to 9 are not what was sealed, and prove nothing; see: evlog verify --seal" prove harmed 3 --seal pub
is "a proof of it" "$(cat out)" ""
try 4 "prove nothing" prove harmed --since-size 5 --seal pub
attack change 8
try 1 "" verify harmed --seal pub --expect second
has 'integrity: events 6 to 9 are not what event 10 has sealed: one was changed, added, taken out or moved'
verdicts violated unproved proved
attack type 2 5
try 1 "" verify harmed --seal pub; has 'events 1 to 5 are not what event 6 has sealed'
try 1 "" verify harmed --seal pub -o short
has "integrity     violated: not everything is what was sealed"; has "completeness  unproved: events that differ may stand for others"

# Inserted, removed, reordered: what comes after is moved, and a seal's event is where it cannot be.
attack insert 4
try 1 "" verify harmed --seal pub; has 'events 1 to 5 are not what event 7 has sealed'; verdicts violated unproved unproved
attack remove 2
try 1 "" verify harmed --seal pub; has 'integrity: event 5: its seal is not of the form that it should have'; verdicts violated unproved unproved
attack remove 8
try 1 "" verify harmed --seal pub; has 'integrity: event 9: its seal is not of the form that it should have'; verdicts violated unproved proved
attack remove 6
try 1 "" verify harmed --seal pub; has 'integrity: event 9: its seal is not of the form that it should have'
attack reorder 3
try 1 "" verify harmed --seal pub; has 'events 1 to 5 are not what event 6 has sealed'; verdicts violated unproved proved

# What no seal covers can be changed, and is named.
attack change 11
try 0 "" verify harmed --seal pub --expect second; verdicts proved proved proved
has '"unproved": {"first_seq": 10, "last_seq": 11}'

# The tail cut, and the log replaced by an older copy: only what was kept elsewhere finds it.
attack cut 8
try 0 "" verify harmed --seal pub; verdicts proved unproved proved
try 1 "" verify harmed --seal pub --expect second
has 'completeness: the checkpoint that is expected is of 9 events, and the log ends with event 7: what came after it was cut off, or this is an older copy'
verdicts proved violated proved
attack cut 10
try 1 "" verify harmed --seal pub --expect second
has 'completeness: the checkpoint that is expected is there up to its last event, 9, and the event of its seal is not: what came after was cut off'
verdicts proved violated proved
try 0 "" verify old --seal pub
try 1 "" verify old --seal pub --expect second; has 'of 9 events, and the log ends with event 6'; verdicts proved violated proved
try 1 "" verify old --seal pub --expect second -o short
has "completeness  violated: something is missing"; has "unproved      events from 6 to 6, which no seal covers"

# An older copy that went on otherwise, sealed by a thief of the key: only the checkpoint tells the two apart.
cp -r old other
for n in 7 8 9; do "$evlog" send other $a "{\"n\": $n}" >/dev/null; done
"$evlog" seal other --key key >/dev/null
try 0 "" verify other --seal pub; verdicts proved unproved proved
try 1 "" verify other --seal pub --expect second
has 'integrity: events up to 9 are not those of the checkpoint that is expected: this key has sealed two logs that differ'
verdicts violated unproved proved

# Sealed anew with another key.
attack change 3
"$evlog" seal keygen harmed --key thief >thief.pub
"$evlog" seal harmed --key thief >forged
try 1 "" verify harmed --seal pub
has 'integrity: event 12: its seal is not signed by this key", "remark": true'
has 'events 1 to 5 are not what event 6 has sealed'; verdicts violated unproved proved
try 2 "forged: this checkpoint is not signed by this key" verify harmed --seal pub --expect forged
attack unseal
"$evlog" seal harmed --key thief >forged 2>err || bad "cannot seal"
try 1 "" verify harmed --seal pub
has 'integrity: no event of this log is a seal by this key: nothing of it is proved'; verdicts violated unproved unproved
try 0 "" verify harmed --seal thief.pub; verdicts proved unproved proved

# An unsealed log passed off as sealed.
attack unseal
try 1 "" verify harmed --seal pub
has 'no event of this log is a seal by this key: nothing of it is proved'; verdicts violated unproved unproved
try 1 "" verify harmed --seal pub --expect second; has 'no event of this log is a seal by this key'
"$evlog" send unsealed $a '{}' >/dev/null
try 1 "" verify unsealed --seal pub
has "integrity: the key is of the log $(sed 's/+.*//' pub), and this is evlog/"; verdicts violated unproved unproved

# A seal's time moved: of the newest one's event, which nothing covers; of an earlier one; the signed one; and that taken out.
attack move-time 10 86400
try 1 "" verify harmed --seal pub
has 'freshness: event 10: it was sealed at '; has ': its time was moved'; verdicts proved unproved violated
attack move-time 6 1
try 1 "" verify harmed --seal pub; has 'integrity: events 6 to 9 are not what event 10 has sealed'
attack move-signed-time 10 86400
try 1 "" verify harmed --seal pub
has 'integrity: event 10: its seal is not what this key has signed: its signature does not fit'
attack strip-time 10
try 1 "" verify harmed --seal pub; has 'freshness: event 10: when it was sealed is not signed'; verdicts proved unproved violated

# A forged erasure, which leaves the tree as it is; and one without the digest, which does not.
attack erase 3
try 1 "" verify harmed --seal pub --expect second
has '"first_seq": 3, "last_seq": 3, "text": "integrity: event 3: it was erased, and no erasure of it is signed by this key"'
is "findings" "$(wc -l <out)" 2
verdicts violated unproved proved
attack erase-badly 3
try 1 "" verify harmed --seal pub; has 'events 1 to 5 are not what event 6 has sealed'
# A true note of one erasure, said of another event.
cp -r log kept
"$evlog" erase log 2 --reason 'ticket 1' --key key --yes >/dev/null # 12
attack copy-note 12 3
try 1 "" verify harmed --seal pub
has 'integrity: event 12: its note of an erasure is of another event'
has 'integrity: event 2: it was erased, and no erasure of it is signed by this key'; verdicts violated unproved proved
rm -rf log; mv kept log

# A clock turned back, to have logged earlier what is logged now; and one ahead.
attack turn-back 11 86400
try 1 "" verify harmed --seal pub
has 'freshness: event 12: it says that it was logged at '; has ', and it follows event 10, which was sealed at '
has ': the clock was turned back'; verdicts proved unproved violated
"$evlog" seal harmed --key key >/dev/null
try 1 "" verify harmed --seal pub; verdicts proved unproved violated
attack move-time 11 86400
"$evlog" seal harmed --key key >/dev/null
try 1 "" verify harmed --seal pub
has 'freshness: event 11: it says that it was logged at '; has ' already: a clock was wrong, or set'; verdicts proved unproved violated

# Two logs spliced, and another log under this one's name.
for n in 1 2 3 4 5 6 7 8 9 10 11; do "$evlog" send foreign $a '{"n": 1}' >/dev/null; done
attack splice 7 foreign
try 1 "" verify harmed --seal pub --expect second
has 'integrity: events up to 9 are not those of the checkpoint that is expected'; verdicts violated unproved proved
attack splice 1 foreign
try 1 "" verify harmed --seal pub --expect second
has 'no event of this log is a seal by this key'; verdicts violated unproved unproved

end_cases
