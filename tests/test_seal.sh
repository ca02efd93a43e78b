#!/bin/sh
# What an auditor runs: heads, seals, proofs. usage: test_seal.sh BUILD
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"
a=org.example.first.v1

# ------------------------------------------------------------------- heads ----
for n in 1 2 3 4 5; do "$evlog" send log $a "{\"n\": $n}" >/dev/null; done
head_of() { "$evlog" info "$1" | sed 's/.*"head": "\([^"]*\)".*/\1/'; }
head=$(head_of log)
is "a head" "$(echo "$head" | sed 's/^5:[0-9a-f]\{16\}$/good/')" good
try 0 "" info log -o short; has "head        $head"
try 0 "" verify log -o short; has "head $head"
try 0 "" verify log --expect "$head"
is "what is expected" "$(cat out)" '{"events": 5, "findings": 0, "first_seq": 1, "last_seq": 5, "head": "'"$head\"}"
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

# ---------------------------------------------------------------- keys, seals ----
uuid=$(sed -n 's/^origin //p' log/format)
try 2 "where is the key to be? --key FILE" seal keygen log
try 3 "none: no log there" seal keygen none --key key
try 0 "" seal keygen log --key key
is "a public key" "$(sed 's/+[0-9a-f]\{8\}+[A-Za-z0-9+/]\{44\}$/+ID+KEY/' out)" "evlog/$uuid+ID+KEY"
cp out pub
is "the private key's mode" "$(stat -c %a key)" 600
is "the private key" "$(sed 's/+[0-9a-f]\{8\}+[A-Za-z0-9+/]\{44\}$/+ID+SEED/' key)" "PRIVATE+KEY+evlog/$uuid+ID+SEED"
cp key kept; try 2 "key: exists, and a key is not overwritten" seal keygen log --key key
is "the key is as it was" "$(cat key)" "$(cat kept)"
try 3 "no/key: No such file or directory" seal keygen log --key no/key

try 2 "with which key? --key FILE; evlog seal keygen log --key FILE makes one" seal log
try 2 "nokey: No such file or directory; evlog seal keygen makes a key" seal log --key nokey
chmod 640 key; try 2 "key: others may read or write this key: chmod 600 it" seal log --key key; chmod 600 key
mkdir dir; chmod 700 dir; try 2 "dir: is not a file" seal log --key dir
(umask 077; cp pub pub600; sed 's/^PRIVATE+KEY+\(.\)/PRIVATE+KEY+x\1/' key >renamed; head -c 40 key >short; : >nothing)
for wrong in pub600 renamed short nothing; do try 2 "$wrong: is not a private key" seal log --key $wrong; done
"$evlog" send another $a '{}' >/dev/null
try 2 "key: is the key of evlog/$uuid, and this log is evlog/" seal another --key key
"$evlog" seal keygen empty --key emptykey >/dev/null
try 1 "empty: the log is empty" seal empty --key emptykey
try 3 "none: no log there" seal none --key key
is "no secret was said" "$(cat err out | grep -c "$(sed 's/^\([^+]*+\)\{4\}//' key)")" 0

try 0 "" seal log --key key
cp out first
is "a checkpoint's lines" "$(wc -l <first)" 6
is "its origin and size" "$(head -n 2 first | tr '\n' ' ')" "evlog/$uuid 7 "
try 0 "" show log --type evlog.sealed.v1; has '"data": {"size": 7, "note": "evlog/'"$uuid"'\n7\n'
try 0 "" verify log --seal pub
try 0 "" verify log --seal "$(cat pub)" --expect first -o short
has "integrity     proved: events 6 to 7 are what was sealed"
has "completeness  proved: nothing up to event 7 was cut off or taken out"
has "freshness     proved: sealed until 20"
is "the zone, once" "$(TZ=CET-1 "$evlog" verify log --seal pub -o short | sed -n 's/^freshness .* until [0-9-]* [0-9:.]* //p')" CET
has "unproved      events from 8 to 8, which no seal covers"
try 0 "" verify log --seal pub -o short; has "completeness  unproved: whether events were cut off at the end, only --expect CHECKPOINT shows"

# ------------------------------------------------------- wrong keys and checkpoints ----
try 2 "not a public key, nor a file with one: nopub" verify log --seal nopub
try 2 "key: is the private key, which only the sealing machine needs" verify log --seal key
try 2 "(a private key): is the private key" verify log --seal "$(cat key)"
try 2 "not a public key" verify log --seal "$(sed 's/+[0-9a-f]*+/+00000000+/' pub)"
try 2 "or, with --seal PUBKEY, the file of a checkpoint" verify log --expect first
try 2 "nofile: No such file" verify log --seal pub --expect nofile
for wrong in 's/^7$/8/' 's/^evlog/Evlog/' '/^$/d' '/^—/d' 's/^7$/07/'; do
    sed "$wrong" first >wrong
    try 2 "wrong: this checkpoint is not " verify log --seal pub --expect wrong
done
head -c 100000 /dev/zero >wrong; try 2 "wrong: this checkpoint is not of the form" verify log --seal pub --expect wrong
# Cosignatures of witnesses, whose keys are not known here, are passed over.
(cat first; echo "— witness.example $(head -c 76 /dev/urandom | base64 -w 0)") >cosigned
try 0 "" verify log --seal pub --expect cosigned

# -------------------------------------------------------------------- proofs ----
try 2 "by whose seals? --seal PUBKEY" prove log 6
try 2 "what is to be proved? a SEQ" prove log --seal pub
try 2 "what is to be proved? a SEQ" prove log 6 --since-size 7 --seal pub
try 2 "not a seq (1, 2, 3 ...): six" prove log six --seal pub
try 1 "log: no event 5: the log has 6 to 8" prove log 5 --seal pub
try 1 "log: no event 9" prove log 9 --seal pub
try 1 "no seal of this key covers event 8 yet" prove log 8 --seal pub
try 3 "the log begins with event 6, and has no seal of the events before it: nothing can be proved" prove log 7 --seal pub
try 2 "the key is of the log evlog/$uuid, and this is evlog/" prove another 1 --seal pub
"$evlog" seal keygen another --key akey >apub
try 1 "no seal of this key covers event 1 yet" prove another 1 --seal apub
"$evlog" seal another --key akey >/dev/null
try 0 "" prove another 1 --seal apub
is "a proof's lines" "$(sed 's/^extra .*/extra/; 5,$d' out | tr '\n' ' ')" "c2sp.org/tlog-proof@v1 extra index 0  "
try 1 "no seal of this key is of 5 events" prove another 1 --seal apub --size 5
try 0 "" prove another --since-size 1 --seal apub; is "of the same size" "$(head -n 2 out | tr '\n' ' ')" "old 1  "
try 1 "no seal of this key covers event 2" prove another --since-size 2 --seal apub

# ----------------------------------------------------------------- trimming ----
for n in 1 2 3 4 5 6; do "$evlog" send log $a "{\"n\": $n}" >/dev/null; done    # 9 to 14
try 5 "" trim log --before 14 -o short; has "events 6 to 7 would go"; has "events from 8 on stay: no seal covers them yet"
"$evlog" seal log --key key >second                                            # 15: of 14
"$evlog" send log $a '{}' >/dev/null                                           # 16
try 0 "" trim log --before 12 --yes -o short; has "events 6 to 7 are gone"; has "events from 8 on stay"
try 0 "" verify log --seal pub --expect second -o short
has "remark: completeness: events up to 7 were trimmed, as event 17 says, which is not sealed yet"
has "integrity     proved: events 8 to 14 are what was sealed"
try 0 "" verify log --seal pub --expect first; has '"completeness": "proved"'
try 0 "" trim log --before 12 --yes -o short; has "nothing to trim"
try 0 "" retain log --keep 2 --yes -o short; has "to go       events 8 to 14"; has "held back   1 event from 15 on, since they are not sealed yet"
until_true sh -c "'$evlog' send log $a '{}' && '$evlog' info log | grep -q '\"first_seq\": 15'"
try 0 "" retain log --off --yes
try 0 "" verify log --seal pub --expect second; has '"integrity": "proved", "completeness": "proved"'
try 1 "" verify log --seal pub --expect first; has 'the checkpoint that is expected is of 7 events, and these were trimmed: use a newer one'
"$evlog" seal log --key key >third
try 0 "" verify log --seal pub --expect third
cp -r log forced
last=$("$evlog" info forced | sed 's/.*"last_seq": \([0-9]*\).*/\1/')
try 0 "" trim forced --before $((last - 1)) --force --yes
try 1 "" verify forced --seal pub; has "they differ, or the log was trimmed elsewhere than at a seal"
try 0 "" compact log --yes; try 0 "" verify log --seal pub --expect third
try 0 "" copy log copied; try 0 "" verify copied --seal pub --expect third
try 0 "" salvage log salvaged --yes; try 0 "" verify salvaged --seal pub --expect third
"$evlog" seal keygen log --key newkey >newpub
try 3 "the log was trimmed, and has no seal of this key from which its tree could go on" seal log --key newkey

# ------------------------------------------------------------------ erasing ----
for n in 1 2 3 4; do "$evlog" send people $a "{\"name\": \"alice$n\"}" >/dev/null; done
try 0 "" erase people 1 --reason early --yes                                   # 5: before it was sealed
"$evlog" seal keygen people --key pkey >ppub
"$evlog" seal people --key pkey >pfirst                                        # 6
try 0 "" verify people --seal ppub --expect pfirst
try 2 "people: the log is sealed, and what is erased in it must be signed for: --key FILE" erase people 2 --reason 'ticket 1' --yes
try 5 "" erase people 2 --reason 'ticket 1' -o short; has "alice2"
try 2 "key: is the key of evlog/$uuid, and this log is " erase people 2 --reason 'ticket 1' --key key --yes
try 0 "" erase people 2 3 --reason 'ticket 1
and 2' --key pkey --yes
try 0 "" show people --type evlog.erased.v1 -n 2 -r; has '/erasure\nseq 2\nid '; has '\nwhy ticket 1 and 2\n'; has '\nwho '
try 0 "" verify people --seal ppub --expect pfirst; has '"integrity": "proved"'
try 0 "" erase people 2 --reason 'ticket 1' --key pkey --yes
"$evlog" seal people --key pkey >psecond
try 0 "" compact people --yes
try 0 "" verify people --seal ppub --expect psecond; has '"integrity": "proved"'

# ------------------------------------------------- by others, and as the README has it ----
if python_with lmdb, msgpack; then
    for note in pfirst psecond; do
        size=$(sed -n 2p $note)
        is "the root of $size events, from store/README.md" "$($python "$tests/audit/root.py" people "$size")" "$(sed -n 3p $note)"
    done
else echo "(roots are not compared: no python3-lmdb and python3-msgpack)"; fi

mkdir readme
sed '1,/^## Audit$/d' "$tests/../README.md" | sed '1,/^```sh$/d; /^```$/,$d' >readme/session.sh
(cd readme && PATH="$(dirname "$evlog"):$PATH" sh -eu session.sh) >out 2>err || bad "the README's session fails"
has "integrity     proved: events 1 to 1 are what was sealed"
has "completeness  proved: nothing up to event 1 was cut off or taken out"
try 0 "" verify readme/orders --seal readme/orders.pub --expect readme/orders.checkpoint

end_cases
