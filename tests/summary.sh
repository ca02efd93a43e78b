#!/bin/sh
# What run.sh left in RESULTS, summed up: the logs of what failed, the tests that were skipped by their names,
# and one line of numbers. usage: summary.sh RESULTS PROGRAMS, how many there must be
set -eu
results=$1 programs=$2
passed=0 failed=0 skipped=0 seen=0
for result in "$results"/*.result; do
    read -r a b c <"$result"
    passed=$((passed + a)) failed=$((failed + b)) skipped=$((skipped + c)) seen=$((seen + 1))
    [ "$b" = 0 ] && continue
    log=${result%.result}.log
    printf '\n== FAILED: %s (the end of %s)\n' "$(basename "$result" .result)" "$log"
    tail -n 200 "$log"
done
if [ $skipped != 0 ]; then
    printf '\nTests skipped: %s\n' $skipped
    cat "$results"/*.skipped
fi
if [ $seen != "$programs" ]; then
    printf '\n%s of %s test programs have left no result\n' $((programs - seen)) "$programs"
    failed=$((failed + programs - seen))
fi
printf '\n%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed = 0 ]
