#!/bin/sh
# The Debian packages: made from the tar of the sources, with nothing that lintian warns of, installed, used by a
# program and by the command, removed without a trace; made again they are the same bytes.
#
# Installs packages: for a machine that is thrown away (tests/debian13.sh runs it in its new system). As root; requires
# build-essential, dpkg-dev, debhelper and lintian.
set -eu
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
fail() {
    echo "$*"
    exit 1
}

make -s deb >/dev/null
debs=$(ls build/dist/deb/*.deb | grep -v dbgsym)
lintian --fail-on error,warning build/dist/deb/*.changes
sha256sum $debs >"$home/first"
DEB_BUILD_OPTIONS=nocheck make -s deb >/dev/null
sha256sum --quiet -c "$home/first" || fail "made again the packages differ"

apt-get install -y -qq --no-install-recommends $(for deb in $debs; do echo "./$deb"; done) >/dev/null
cat >"$home/program.c" <<'C'
#include <evlog.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    evlog *log;
    evlog_signal *signal;
    evlog_sent sent;
    if (argc != 2 || evlog_open(argv[1], NULL, &log) ||
        evlog_define(log, "org.example.packaged.v1", 0, NULL, &signal) ||
        evlog_send_event(signal, "\x80", 1, NULL, &sent) || evlog_close(log)) {
        puts(evlog_errmsg());
        return 1;
    }
    return 0;
}
C
cc "$home/program.c" $(pkg-config --cflags --libs evlog) -o "$home/program"
"$home/program" "$home/log"
evlog verify "$home/log"
[ "$(evlog show -o json "$home/log" | grep -c org.example.packaged.v1)" = 1 ] || fail "the event is not shown"
evlog relay --help >/dev/null || fail "evlog-extras has no relay"
for page in tools/man/*.scd; do
    page=${page##*/} page=${page%.scd}
    [ -e "/usr/share/man/man${page##*.}/$page.gz" ] || fail "no manual page: $page"
done
for file in bash-completion/completions/evlog zsh/site-functions/_evlog fish/vendor_completions.d/evlog.fish; do
    [ -s "/usr/share/$file" ] || fail "no completion: $file"
done
for unit in tools/packaging/*.service tools/packaging/*.timer; do
    cmp "$unit" "/usr/lib/systemd/system/${unit##*/}" || fail "not as it was: $unit"
done

# The page, with its files.
evlog web "$home/log" --listen "unix:$home/socket" >"$home/said" &
page=$!
for i in $(seq 100); do [ -s "$home/said" ] && break; sleep 0.1; done
cat >"$home/ask.pl" <<'PERL'
use IO::Socket::UNIX;
my $socket = IO::Socket::UNIX->new($ARGV[0]) or die;
print $socket "GET /$ARGV[1] HTTP/1.0\r\nHost: localhost\r\n\r\n";
local $/;
$_ = <$socket>;
exit !(m{^HTTP/1.[01] 200 } && length > 1000);
PERL
for path in page.css page.js log/log/events; do
    perl "$home/ask.pl" "$home/socket" $path || fail "the page has no $path"
done
kill $page
wait $page || fail "evlog web ends with $?"

apt-get remove -y -qq evlog libevlog0 >/dev/null
left=$(find /usr/bin /usr/lib /usr/include /usr/share -iname '*evlog*' ! -path '*/python*')
[ -z "$left" ] || fail "left: $left"
