#!/bin/sh
# --offline: each verb that takes it prints what it prints otherwise, and leaves the directory as it was, to the
# modification time and the bytes of each file; also of a log whose lock files are gone, of one that waits to be recovered, and as a user
# who may not write to it. usage: test_offline.sh BUILD
. "$(dirname "$0")/tool.sh"
T=org.example.visit.v1
seq -f '{"n": %.0f}' 200 | "$evlog" send log $T - >/dev/null
"$evlog" seal keygen log --key key >public
"$evlog" seal log --key key >/dev/null
"$evlog" consume log c -n 5 --exec cat >/dev/null
seq -f '{"n": %.0f}' 100 | "$evlog" send fast $T - --durability fast >/dev/null
"$evlog" copy log twin >/dev/null
rm -f log/*-lock log/shared log/lock # as in a copy of the files that make up the log
cp -r log bare
listing() { (cd "$1" && find . -printf '%p %s %m %u %i %T@\n' | sort && find . -type f -exec sha256sum {} + | sort); }

cat >verbs <<'END'
show log
show log -r -n 3 --where n=7
get log 7
types log
schema check log
info log
verify log
verify log --seal public
diff log twin
export log
prove log 7 --seal public
tail log -n 3
consumer ls log
consumer info log c
END
[ "$("$evlog" sql log 'select 1' 2>/dev/null)" ] && echo 'sql log select/**/seq,type,data/**/from/**/e' >>verbs # it was built with SQLite
while read -r words; do
    rm -rf log && cp -r bare log
    "$evlog" $words >expected 2>&1
    is "evlog $words leaves a trace without --offline" "$(cmp -s log/state.mdb bare/state.mdb && ls log | grep -c 'lock$')" 2
    rm -rf log && cp -r bare log
    listing log >before
    try 0 "" $words --offline
    listing log >after
    cmp -s before after || { bad "evlog $words --offline leaves a trace"; diff before after; }
    grep -v lag_seconds expected >one
    grep -v lag_seconds out >other
    cmp -s one other || bad "evlog $words --offline prints something else"
done <verbs
for log in log fast twin; do # with the lock files of others, and as the kernel gives out what it reads
    listing $log >before
    try 0 "" verify $log --offline
    listing $log >after
    is "verify $log leaves it as it was" "$(cmp before after)" ""
done
"$evlog" help | sed -n 's/^  \([a-z]*\( [a-z]*\)\{0,1\}\)  .*/\1/p' | sed 's/ *$//' | while read -r verb; do
    "$evlog" help $verb 2>/dev/null | grep -q '^ *--offline' && echo "$verb"
done | sort >takes
echo "parked ls" | cat - verbs | sed 's/ log.*//' | sort -u >tried
is "verbs that take it and are not tried here" "$(comm -23 takes tried)" ""

# A log that waits to be recovered stays so.
cp -r fast cut
: >cut/shared
listing cut >before
"$evlog" show cut --offline -n 1 >out 2>err
listing cut >after
is "one that waits to be recovered" "$(cmp before after)" ""

# Nobody may write to the directory, as a user who is not root.
chmod -R a-w log
chmod a+rx "$home"
chmod -R a+rX log public
if [ "$(id -u)" = 0 ]; then
    as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
    as true 2>/dev/null || as() { echo "SKIPPED: another user" >&2; return 0; }
else as() { "$@"; }; fi
if as "$evlog" --version >out 2>&1; then
    listing log >before
    for verb in show info verify types "prove log 7 --seal public"; do
        case $verb in prove*) set -- $verb ;; *) set -- $verb log ;; esac
        cases=$((cases + 1))
        as "$evlog" "$@" --offline >out 2>err || bad "evlog $* --offline as another user"
        [ -s out ] || bad "evlog $* --offline prints nothing"
    done
    listing log >after
    is "a directory that nobody may write to" "$(cmp before after)" ""
else echo "SKIPPED: another user cannot run $evlog"; fi
chmod -R u+w log

# Of no verb that writes, and it makes nothing.
try 2 "has no option --offline" send log $T '{}' --offline
try 3 "no log there" show none --offline
end_cases
