#!/bin/sh
# kill -9 at random instructions (tests/power/README.md). usage: test_kill.sh BUILD [long]
set -eu
if [ "${2:-}" = long ]; then rounds=1000; else rounds=60; fi
exec "$1/tests/power/kill" --rounds $rounds ${SEED:+--seed $SEED}
