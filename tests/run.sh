#!/bin/sh
# Runs one test program with a time limit. usage: run.sh RESULTS SECONDS NAME COMMAND...
#
# RESULTS gets NAME.log, its output; NAME.skipped, a line for each skipped test; and NAME.result, "passed
# failed skipped". Prints one short line, so that programs can run side by side; the exit status is
# 0 also when tests fail: summary.sh, which runs last, has the verdict.
#
# A cmocka program counts as its tests, any other as one test. It skips a test (or a part of one) by
# printing "SKIPPED: what: why", and all of itself by exiting with 77 after that.
set -u
results=$1 seconds=$2 name=$3
shift 3
log=$results/$name.log
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs this, whose job server is not ours
began=$(date +%s)
timeout -k 10 "$seconds" "$@" >"$log" 2>&1 </dev/null
status=$?
took=$(($(date +%s) - began))
[ $status = 124 ] && echo "$name: still running after $seconds s" >>"$log"
[ $status -gt 128 ] && echo "$name: ended by signal $((status - 128))" >>"$log"

LC_ALL=C awk -v name="$name" -v status=$status -v skips="$results/$name.skipped" '
    function skipped(what) { skip_count++; print "  " name ": " what >skips }
    /^\[==========\] .*Running/ { is_cmocka = 1; is_list = 0 }
    /^\[==========\] .* run\.$/ { is_list = 1 } # what follows names the tests once more
    /^\[ RUN      \]/ { why = "" }
    /^SKIPPING: / { why = substr($0, 11) }
    /^SKIPPED: / { skipped(substr($0, 10)) }
    !is_list && /^\[       OK \]/ { passed++ }
    !is_list && /^\[  FAILED  \]/ { failed++ }
    !is_list && /^\[  SKIPPED \]/ { skipped($4 (why == "" ? "" : ": " why)) }
    END {
        if (!is_cmocka && status == 77 && skip_count) status = 0
        else if (!is_cmocka && status == 0) passed = 1
        if (status != 0 && !failed) failed = 1
        print passed + 0, failed + 0, skip_count + 0
    }' "$log" >"$results/$name.result"

read -r passed failed skipped <"$results/$name.result"
verdict=ok
[ "$failed" = 0 ] || verdict=FAILED
[ "$skipped" = 0 ] && skipped= || skipped=", $skipped skipped"
printf '  %-7s %-28s %4d s  %s passed%s\n' $verdict "$name" $took "$passed" "$skipped"
