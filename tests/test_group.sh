#!/bin/sh
# --group-writable: whatever the umask, the files of a new log are its group's, and two users of the group send, read,
# consume, compact and erase; without it only its maker can. usage: test_group.sh BUILD
. "$(dirname "$0")/tool.sh"
T=org.example.visit.v1
umask 077
modes() { (cd "$1" && stat -c %a . * | sort -u | tr '\n' ' '); }
try 0 "" send alone $T '{}'
is "without it" "$(modes alone)" "600 700 "
try 0 "" send shared $T '{}' --group-writable
is "with it" "$(modes shared)" "2770 660 "
try 0 "" send shared $T '{}' --group-writable
try 2 "is there already, and is not its group's; to make it that: chmod g+rwxs alone; chmod g+rw alone/*" send alone $T '{}' --group-writable
echo '{"type": "record", "name": "N", "fields": [{"name": "n", "type": "long"}]}' >schema
"$evlog" export shared >lines
try 0 "" import imported lines --group-writable; is "import" "$(modes imported)" "2770 660 "
try 0 "" schema add typed $T schema --group-writable; is "schema add" "$(modes typed)" "2770 660 "
try 0 "" copy shared copied --group-writable; is "copy" "$(modes copied)" "2770 660 "
try 5 "" salvage shared salvaged --group-writable; is "a preview" "$(ls -d salvaged 2>/dev/null)" ""
try 0 "" salvage shared salvaged --group-writable --yes; is "salvage" "$(modes salvaged)" "2770 660 "
try 0 "" salvage shared own --yes; is "salvage without it" "$(modes own)" "600 700 "
mkdir hand && chmod 2750 hand
try 0 "" salvage shared hand --yes; is "an empty directory keeps its rights" "$(modes hand)" "2750 600 "
try 1 "none: opening: No such file" salvage none lost --group-writable --yes; is "nothing is left" "$(ls -d lost* 2>/dev/null)" ""
try 3 "making the directory lost/shared: No such file or directory" copy shared lost/shared --group-writable
try 3 "none: no log there" send none $T '{}' --no-create --group-writable
try 2 "the sourcehost must be" send none $T '{}' --group-writable --sourcehost "$(printf 'a\377')"
is "nothing is left of what failed" "$(ls -d none 2>/dev/null)" ""
mkdir made && chmod 2770 made # by hand
try 0 "" send made $T '{}'; is "a directory that was made for it" "$(modes made)" "2770 660 "
mkdir plain && chmod 770 plain
try 0 "" send plain $T '{}'; is "one that is only writable" "$(modes plain)" "600 770 "

# Two users of one group, neither of whom is root.
chmod 755 "$home"
as() { user=$1; shift; setpriv --reuid="$user" --regid=64999 --clear-groups "$@"; }
if [ "$(id -u)" != 0 ] || ! as 64001 "$evlog" --version >/dev/null 2>&1; then
    echo "SKIPPED: two users: this one is not root, or they cannot run $evlog"
    end_cases
    exit
fi
mkdir ours && chmod 1777 ours
as 64001 "$evlog" send ours/log $T '{"by": 1}' --group-writable >out 2>err || bad "the first user"
rm -f ours/log/*-lock ours/log/shared ours/log/lock # and the second makes them anew
as 64002 "$evlog" send ours/log $T '{"by": 2}' >out 2>err || bad "the second user"
as 64001 "$evlog" send ours/log $T '{"by": 1}' >out 2>err || bad "the first user, again"
as 64002 "$evlog" consume ours/log c --exec cat >out 2>err || bad "the second user consumes"
is "and gets all" "$(grep -c '^{"seq"' out)" 3
as 64001 "$evlog" consumer info ours/log c >out 2>err || bad "the first user looks"
has '"checkpoint": 3'
as 64002 "$evlog" trim ours/log --keep 1 --yes >out 2>err || bad "the second user trims"
as 64001 "$evlog" verify ours/log >out 2>err || bad "the first user verifies"
is "the files" "$(stat -c '%a %g' ours/log/* | sort -u)" "660 64999"
is "are of both" "$(stat -c %u ours/log/* | sort -u | wc -l)" 2
# Who compacts owns the new files, and they are the group's as the old ones were.
as 64001 "$evlog" compact ours/log --yes >out 2>err || bad "the first user compacts"
as 64002 "$evlog" compact ours/log --yes >out 2>err || bad "the second user compacts"
is "of the second user" "$(stat -c '%a %u %g' ours/log/events.mdb ours/log/state.mdb | sort -u)" "660 64002 64999"
as 64001 "$evlog" send ours/log $T '{"secret": "XyZzY"}' >out 2>err || bad "the first user sends to what is compacted"
seq=$(sed 's/{"seq": \([0-9]*\).*/\1/' out)
as 64002 "$evlog" erase ours/log $seq --reason asked --yes --now >out 2>err || bad "the second user erases"
is "what was erased" "$(cat ours/log/* | grep -c XyZzY)" 0
as 64001 "$evlog" verify ours/log >out 2>err || bad "the first user verifies what is compacted"
is "all files of the group" "$(stat -c '%a %g' ours/log/* | sort -u)" "660 64999"
chmod +t ours/log # now each user can remove but its own
before=$(stat -c '%n %i' ours/log/*)
as 64003 "$evlog" compact ours/log --yes >out 2>err && bad "a third user compacts"
grep -q 'events.mdb belongs to user 64002, who can compact the log, as root can' err || bad "and is told why not"
is "nothing was changed" "$(stat -c '%n %i' ours/log/*)" "$before"
as 64003 "$evlog" send ours/log $T '{"secret": "XyZzY"}' >out 2>err || bad "a third user sends"
seq=$(sed 's/{"seq": \([0-9]*\).*/\1/' out)
as 64003 "$evlog" erase ours/log $seq --reason asked --yes --now >out 2>err && bad "a third user erases, and compacts"
grep -q 'erased, but unused parts of the file may have the bytes: .*belongs to user 64002' err || bad "and is told what is left"
"$evlog" compact ours/log --yes >out 2>err || bad "root compacts"
is "what was erased before" "$(cat ours/log/* | grep -c XyZzY)" 0
is "of the second user still" "$(stat -c '%a %u %g' ours/log/events.mdb)" "660 64002 64999"
setpriv --reuid=64003 --regid=64003 --clear-groups "$evlog" show ours/log >out 2>err && bad "another user reads it"
as 64001 "$evlog" send ours/own $T '{}' >out 2>err
as 64002 "$evlog" send ours/own $T '{}' >out 2>err && bad "the second user sends to the first one's own log"
end_cases
