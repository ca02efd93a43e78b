#!/bin/sh
# Seals and proofs are what others' tools take them for: Go's sumdb/note, and transparency-dev's formats and merkle, verify them
# (tests/audit/verify). usage: test_seal_others.sh BUILD
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"
a=org.example.first.v1
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly
command -v go >/dev/null || { echo "SKIPPED: needs Go; without it only tests/audit/vectors.txt is compared, by test_merkle"; exit 0; }
if ! (cd "$tests/audit" && timeout 200 go build -o "$home/verify" ./verify) >built 2>&1; then
    tail -n 3 built
    echo "SKIPPED: the modules of tests/audit/go.mod cannot be had here, or this Go is too old for them"
    exit 0
fi

theirs() { # theirs EXPECTED ARGUMENT...: what their verifier says
    expected=$1
    shift
    is "theirs: $*" "$(./verify pub "$@" 2>&1)" "$expected"
}
send() { # send COUNT
    seq -f '{"n": %.0f}' "$1" | "$evlog" send log $a - >/dev/null
}

send 10
"$evlog" seal keygen log --key key >pub
origin=$(sed 's/+.*//' pub)
"$evlog" seal log --key key >first # event 11
theirs "good $origin 10" checkpoint first
send 26
"$evlog" erase log 20 --reason 'ticket 4711' --key key --yes >/dev/null # noted as 38
"$evlog" seal log --key key >second # 39
theirs "good $origin 38" checkpoint second
for seq in 1 2 10 11 20 37 38; do
    try 0 "" prove log $seq --seal pub
    cp out proof
    theirs "good $seq of 38" inclusion proof
    is "the checkpoint in it" "$(tail -n 6 proof)" "$(cat second)"
done
try 0 "" prove log 10 --seal pub --size 10; cp out proof; theirs "good 10 of 10" inclusion proof
try 0 "" prove log --since-size 10 --seal pub; cp out proof; theirs "good 10 to 38" consistency first proof
try 0 "" prove log --since-size 10 --size 10 --seal pub; cp out proof; theirs "good 10 to 10" consistency first proof

# A proof that was changed is none: the verifier can say no.
try 0 "" prove log 5 --seal pub
sed 's/^index 5$/index 6/; s/^index 4$/index 5/' out >wrong
is "another index" "$(./verify pub inclusion wrong 2>&1 | grep -c good)" 0
sed 's/^38$/39/' out >wrong; is "another size" "$(./verify pub inclusion wrong 2>&1 | grep -c good)" 0

# A checkpoint that hands over, signed by both keys, and one of the new key.
cp -r log replaced
"$evlog" seal keygen replaced --key next >next.pub
"$evlog" seal replaced --key key --next next >handover
"$evlog" seal replaced --key next >after
cp pub old.pub; cat old.pub next.pub >pub
theirs "good $origin 39" checkpoint handover
is "without its fourth line" "$(sed 4d handover >wrong; ./verify pub checkpoint wrong 2>&1 | grep -c good)" 0
cp next.pub pub
theirs "good $origin 40" checkpoint after
cp old.pub pub

# Of a log that was trimmed, what is kept.
send 7
"$evlog" trim log --before 12 --yes >/dev/null
try 0 "" info log; has '"first_seq": 11'
"$evlog" seal log --key key >third
size=$(sed -n 2p third)
for seq in 11 12 20 38 39 "$size"; do
    try 0 "" prove log "$seq" --seal pub
    cp out proof
    theirs "good $seq of $size" inclusion proof
done
for old in first second; do
    try 0 "" prove log --since-size "$(sed -n 2p $old)" --seal pub
    cp out proof
    theirs "good $(sed -n 2p $old) to $size" consistency $old proof
done
end_cases
