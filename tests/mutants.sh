#!/bin/sh
# Mutants: tests/mutants/NAME.patch breaks one guarantee of the README, and the test that the README names for it
# must fail on it. A guarantee whose test passes on a broken library is not shown by that test.
#
#   mutants.sh check           whether the patches apply, name tests of their rows, and each row has one; prints what is wrong
#   mutants.sh run BUILD NAME  applies one to a copy of the tree in BUILD/mutants/NAME, with the objects of BUILD,
#                              runs its test there, and writes BUILD/mutants/NAME.result
#   mutants.sh table BUILD     prints the results; the exit status is 1 when a mutant has survived
#
# The first line of a patch is "# ROW TEST [CASE]: what it breaks": the row of the README, the program or script of
# tests/, and the test in it that must fail. A test fails also when the process dies or hangs in it; a program without a CASE
# must end by itself. The CASE of test_power.sh is a scenario, which is recorded and cut until something is lost, or
# SECONDS_MAX (300) are over.
#
# Verdicts: killed, the test fails; elsewhere, another test of that program fails, and not this one; survived; unapplied;
# unbuilt. But for the first the tree is kept.
set -u
seconds=${SECONDS_MAX:-300}
cuts=500

header() { # header PATCH: sets row, test, case and what
    IFS=: read -r names what <"$1"
    what=${what# }
    set -- $names
    row=${2:-} test=${3:-} case=${4:-}
}

check() {
    guarantees=$(sed -n '/^## What is guaranteed/,/^## What is not/p' README.md)
    rows=
    for patch in tests/mutants/*.patch; do
        header "$patch"
        rows="$rows $row"
        git apply --check "$patch" 2>/dev/null || echo "$patch does not apply"
        case $test$case in
        *.sh* | "$test") named="\`$test\`" ;;
        *) named="\`$test: ([a-z_0-9, ]*, )?$case(, [a-z_0-9, ]*)?\`" ;;
        esac
        echo "$guarantees" | grep "^| $row | " | grep -qE "$named" ||
            echo "$patch: row $row of the README does not name $test $case"
    done
    for row in $(echo "$guarantees" | sed -n 's/^| \([0-9]*\) | .*/\1/p'); do
        case " $rows " in *" $row "*) ;; *) echo "row $row of the README has no mutant" ;; esac
    done
}

# The last test that began is the one in which the process died or hung.
has_failed() { # has_failed LOG
    if [ -z "$case" ]; then
        ! grep -q ": still running after" "$1"
        return
    fi
    grep -q "^\[  FAILED  \] $case$" "$1" ||
        [ "$(sed -n 's/^\[ RUN      \] //p' "$1" | tail -n 1)" = "$case" ]
}

# Cuts of one scenario. A harness that is broken has shown nothing.
judge_cuts() { # judge_cuts TREE
    power=$build/tests/power/power
    ${MAKE:-make} -s -C "$1" "$power" "$build/tests/power/recorder.so" >"$1.log" 2>&1 || return
    verdict=survived seed=1
    while [ $verdict = survived ] && [ $(($(date +%s) - began)) -lt "$seconds" ]; do
        (cd "$1" && timeout "$seconds" "$power" --scenario "$case" --cuts $cuts --seed $seed) >>"$1.log" 2>&1
        grep -q " [1-9][0-9]* lost, .* 0 harness broken$" "$1.log" && verdict=killed
        seed=$((seed + 1))
    done
}

judge_test() { # judge_test TREE
    results=$1/$build/results
    ${MAKE:-make} -s -C "$1" TEST_SECONDS="$seconds" "run-$test" >"$1.log" 2>&1 || return
    verdict=survived
    read -r passed failed skipped <"$results/$test.result"
    [ "$failed" = 0 ] || verdict=elsewhere
    [ $verdict = elsewhere ] && has_failed "$results/$test.log" && verdict=killed
}

judge() { # judge TREE: applies, builds and runs; sets verdict
    verdict=unapplied
    (cd "$1" && GIT_CEILING_DIRECTORIES=$(dirname "$PWD") git apply -p1) <"$patch" 2>/dev/null || return
    verdict=unbuilt
    if [ "$test" = test_power.sh ]; then judge_cuts "$1"; else judge_test "$1"; fi
}

run() {
    tree=$build/mutants/$1 patch=tests/mutants/$1.patch
    began=$(date +%s)
    header "$patch"
    rm -rf "$tree" && mkdir -p "$tree/$build"
    git ls-files -z | xargs -0 cp -Pp --parents -t "$tree"
    for made in include obj asan plugins; do # what there is: the rest is built there
        [ ! -d "$build/$made" ] || cp -a "$build/$made" "$tree/$build"
    done
    judge "$tree"
    printf '%-10s %3s  %-26s %-52s %4d s  %s\n' "$verdict" "$row" "$1" "$test${case:+: $case}" \
        $(($(date +%s) - began)) "$what" | tee "$tree.result"
    [ "$verdict" = killed ] && rm -rf "$tree"
    return 0
}

table() {
    count=0 survived=0
    printf '%-10s %3s  %-26s %-52s %6s  %s\n' verdict row mutant "the test that must fail" took "what is broken"
    for patch in tests/mutants/*.patch; do
        count=$((count + 1))
        result=$build/mutants/$(basename "$patch" .patch).result
        grep -q '^killed' "$result" 2>/dev/null || survived=$((survived + 1))
        [ -e "$result" ] || echo "$patch has left no result"
    done
    cat "$build"/mutants/*.result | sort -k2,2n -k3,3
    echo "$count mutants, $survived survived"
    [ $survived = 0 ]
}

command=$1 build=${2:-}
case $command in
check) check ;;
run) run "$3" ;;
table) table ;;
esac
