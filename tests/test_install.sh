#!/bin/sh
# make install: a stranger's program compiles and runs with what is installed, static and shared.
set -eu
build=$1
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cd "$(dirname "$0")/.."
make --no-print-directory -s B="$build" install prefix=/opt/evlog DESTDIR="$home" >/dev/null
root=$home/opt/evlog
for file in bin/evlog include/evlog.h include/evlog/openedx.h lib/libevlog.a lib/libevlog.so lib/libevlog.so.0 lib/pkgconfig/evlog.pc; do
    [ -e "$root/$file" ] || { echo "not installed: $file"; exit 1; }
done
cat >"$home/program.c" <<'C'
#include <evlog.h>
#include <evlog/openedx.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    evlog *log;
    evlog_signal *signal;
    evlog_sent sent;
    if (argc != 2 || evlog_open(argv[1], NULL, &log) ||
        evlog_define(log, "org.example.installed.v1", 0, NULL, &signal) ||
        evlog_send_event(signal, "\x80", 1, NULL, &sent) || evlog_define_openedx(log) || evlog_close(log)) {
        puts(evlog_errmsg());
        return 1;
    }
    return sent.seq != 1;
}
C
export PKG_CONFIG_PATH="$root/lib/pkgconfig"
flags="--define-variable=prefix=$root --define-variable=libdir=$root/lib --define-variable=includedir=$root/include"
cc "$home/program.c" $(pkg-config $flags --cflags --libs evlog) -o "$home/shared"
LD_LIBRARY_PATH=$root/lib "$home/shared" "$home/log1"
readelf -d "$home/shared" | grep -q 'libevlog.so.0' || { echo "no soname"; exit 1; }
cc "$home/program.c" -I"$root/include" "$root/lib/libevlog.a" $(pkg-config $flags --static --libs evlog | sed 's/-levlog//') -o "$home/static"
"$home/static" "$home/log2"
cc -Wall -Wextra -Werror -shared -fPIC "$root/share/evlog/examples/plugin_preferences.c" -I"$root/include" -o "$home/preferences.so"
"$root/bin/evlog" schema add "$home/log3" org.openedx.learning.course.enrollment.created.v1
"$root/bin/evlog" send "$home/log3" org.openedx.learning.course.enrollment.created.v1 --plugin "$home/preferences.so" '
    {"enrollment": {"user": {"id": 42, "is_active": true, "pii": {"username": "alice", "email": "a@example.com", "name": "A"}},
     "course": {"course_key": "course-v1:edX+DemoX+Demo_Course", "display_name": "D"}, "mode": "audit", "is_active": true,
     "creation_date": "2021-06-09T14:12:45+00:00"}}' | grep -q 'preference of alice'
[ "$("$root/bin/evlog" show "$home/log2" -o json | wc -l)" = 1 ]
make --no-print-directory -s uninstall prefix=/opt/evlog DESTDIR="$home"
left=$(find "$root" ! -type d)
[ -z "$left" ] || { echo "left after uninstall: $left"; exit 1; }
echo "installed, used (shared, static, command), uninstalled"
