#!/bin/sh
# A newcomer's first ten minutes: what the README's first screens tell, step by step, from a clone of what is committed
# to a program of their own, its events, a consumer and the page; what each step shows is looked at. usage: newcomer.sh
#
# Builds everything anew (with ccache where it is there), so it takes minutes; make check-long runs it. It installs into
# a directory of its own in place of /usr/local, and changes nothing else but what make demo may install with apt.
set -eu
cd "$(dirname "$0")/.."
home=$(mktemp -d)
page=
trap '[ -z "$page" ] || kill $page 2>/dev/null || true; rm -rf "$home"' EXIT
trap 'exit 1' INT TERM
began=$(date +%s)
step() { printf '%4d s  %s\n' $(($(date +%s) - began)) "$*"; }
fail() {
    echo "FAILED: $*"
    head -c 2000 "$home/out" 2>/dev/null || true
    exit 1
}
does() { "$@" >"$home/out" 2>&1 || fail "$*"; } # does COMMAND...: it must work; what it prints is looked at by `shows`
shows() { for words; do grep -qF -e "$words" "$home/out" || fail "nothing of \"$words\""; done; }
block() { # block HEADING LANGUAGE: the first block of that language below the heading of the README
    awk -v heading="## $1" -v start="\`\`\`$2" '/^```$/ {if (on) exit} on
        /^## / {here = $0 == heading} here && $0 == start {on = 1}' "$home/evlog/README.md"
}
if command -v ccache >/dev/null; then export CC="ccache gcc" CCACHE_BASEDIR="$home" CCACHE_NOHASHDIR=1; fi
unset MAKEFLAGS MFLAGS MAKELEVEL

step "git clone, and what the README says to do first"
does git clone -q "file://$PWD" "$home/evlog"
block "Two commands" sh >"$home/commands"
[ "$(sed "s/ *#.*//" "$home/commands" | tr "\n" " ")" = "make demo make check -j2 " ] ||
    fail "the two commands are others"
cd "$home/evlog"

step "make demo"
does make demo
shows 'notification preference' '$ evlog info log' '$ evlog verify' 'its checksum does not fit' '(erased)'

step "make install"
does make -j2 install prefix="$home/usr" LDCONFIG=true
export PATH="$home/usr/bin:$PATH" PKG_CONFIG_PATH="$home/usr/lib/pkgconfig" LD_LIBRARY_PATH="$home/usr/lib"
mkdir "$home/work"
cd "$home/work"
does evlog help
shows "usage: evlog" send show consume replay verify
if command -v man >/dev/null && command -v scdoc >/dev/null; then
    does man -l "$home/usr/share/man/man1/evlog.1"
    shows "evlog"
fi

step "the program of the README, twice"
block "A program" c >enroll.c
command=$(sed -n 's/^`\(cc enroll\.c .*\) && \.\/enroll` prints:$/\1/p' "$home/evlog/README.md")
[ "$command" ] || fail "the README has no command that compiles it"
does sh -euc "$command"
does ./enroll
block "A program" text | diff - "$home/out" || fail "it prints something else"
does ./enroll # the consumer goes on where it was; the late receiver has all of the history
shows "event 4: notification preference of alice" "event 1, from the log" "6 seen, 3 consumed"
! grep -q "^6 seen, 6 consumed" "$home/out" || fail "the consumer began again"

step "the program's events, from outside"
does evlog show enrollments --where enrollment.username=carol -o json
[ "$(wc -l <"$home/out")" = 2 ] || fail "not two events of carol"
shows '"type": "org.example.enrollment.created.v1"' '"course": "course-v1:edX+DemoX+2026"'
does evlog consumer ls enrollments -o short
shows mailer
does evlog verify enrollments -o short
shows "6 events read: all is as it was written"

step "events of one's own, a consumer, and a wrong send"
block "Three stories" sh >story.sh
does sh -eu story.sh
shows '"username": "learner7"' 1000 '"findings": 0'
does evlog consume visits mailer --exec 'wc -l'
! grep -q 1000 "$home/out" || fail "the consumer has them all again"
does evlog send visits org.example.visit.v1 '{"username": "carol"}'
does evlog consume visits mailer --exec 'cat'
shows '"username": "carol"'
[ "$(grep -c '"seq"' "$home/out")" = 1 ] || fail "the consumer has more than what is new"
! evlog send enrollments org.example.enrollment.created.v1 '{"enrollment": {"username": 7}}' >"$home/out" 2>&1 ||
    fail "wrong data were taken"
shows "enrollment.username: expected string, found integer"

if [ -x "$home/usr/bin/evlog-web" ] && command -v python3 >/dev/null; then
    step "the page"
    evlog web enrollments visits --listen 127.0.0.1:0 >said &
    page=$!
    for i in $(seq 100); do [ -s said ] || sleep 0.1; done
    place=$(sed -n 's/^evlog web: //p' said)
    for path in "" log/enrollments/events log/enrollments/event/3 "log/visits/events?where=username%3Dcarol" \
        log/visits/consumers; do
        python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())' \
            "$place$path" >>page.html || fail "$place$path"
    done
    cp page.html "$home/out"
    shows "/log/visits/events" "org.example.enrollment.created.v1" "Around it" carol mailer
    kill $page
    wait $page || fail "the page ends with $?"
    page=
else
    echo "SKIPPED: the page: it was built without libmicrohttpd, or there is no python3"
fi

step "all of it, removed"
does make -C "$home/evlog" uninstall prefix="$home/usr" LDCONFIG=true
left=$(find "$home/usr" -type f -o -type l)
[ -z "$left" ] || fail "left after uninstall: $left"
step "done: a newcomer's first ten minutes"
