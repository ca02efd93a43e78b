#!/bin/sh
# Power cuts over recorded programs, and whether leaving out a flush is noticed (tests/power/README.md).
# usage: test_power.sh BUILD [long]
set -eu
power=$1/tests/power/power
seed=${SEED:+--seed $SEED}
if [ "${2:-}" = long ]; then cuts=10000; else cuts=400; fi
$power --cuts $cuts $seed
$power --harness $seed
