#!/bin/sh
# make demo: the demonstration program, and then its log seen from outside with the command.
# usage: demo.sh BUILD | --plan
set -eu
build=$1
if [ "$build" = --plan ]; then # said before anything is done
    cat <<'TEXT'
make demo builds the library and the command into build/, and shows them at work on a log in a temporary directory,
which it removes: it sends events, runs a plugin's receivers, replays to receivers that come late, kills and continues a
consumer, reads the log with the command, and finds damage. Packages that the build needs and that are not
installed are named first, and installed with apt if that is allowed. Nothing else is changed.
TEXT
    exit
fi
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
log=$home/log

run() {
    printf '\n$ evlog %s\n' "$(echo "$*" | sed "s|$home/||g; s|$build/||g; s|[^ ]*[*]|'&'|")"
    "$build/evlog" "$@"
}

"$build/demo" "$log" "$build/plugins/preferences.so"
printf '\n7. The log from outside, with nothing but its files and the command:\n'
run info "$log" -o short
run show "$log" --type 'org.openedx.learning.course.*' -n 3 -o short
run get "$log" 11 -o json
run types "$log" --schema --type org.openedx.learning.auth.session.login.completed.v1 -o short
run replay "$log" --plugin "$build/plugins/preferences.so" --from 1 --to 4
run consumer ls "$log" -o short
run consume "$log" shell --exec 'wc -l | sed "s/^/    a command was given events: /"'
run consumer ls "$log" -o short
run verify "$log" -o short
printf '\nAnd damage is found: one letter of an address is changed in two events of a copy of the log.\n'
cp -r "$log" "$home/damaged"
# LMDB copies a page to change it, so the text may be there more than once.
for offset in $(LC_ALL=C grep -obUa 'carol@example.com' "$home/damaged/events.mdb" | cut -d: -f1); do
    printf 'X' | dd of="$home/damaged/events.mdb" bs=1 seek="$offset" conv=notrunc 2>/dev/null
done
run verify "$home/damaged" -o short || true
