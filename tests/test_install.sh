#!/bin/sh
# make install: a stranger's programs compile and run with what is installed, by pkg-config and by CMake, in C
# and in C++, shared and static, and one that loads a plugin; make uninstall leaves nothing of it.
set -eu
build=$1
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cd "$(dirname "$0")/.."
fail() {
    echo "$*"
    exit 1
}

# ------------------------------------------------------------- installing ----
# A directory with a blank, a umask that keeps others out, a libdir that is not prefix/lib.
stage="$home/a stage"
places="prefix=/opt/evlog libdir=/opt/evlog/lib/machine"
(umask 077 && make --no-print-directory -s B="$build" install $places DESTDIR="$stage")
for file in bin/evlog include/evlog.h include/evlog/class.h include/evlog/openedx.h share/evlog/examples/plugin_preferences.c \
    share/doc/evlog/format.md \
    share/bash-completion/completions/evlog share/zsh/site-functions/_evlog share/fish/vendor_completions.d/evlog.fish \
    share/evlog/lnav/evlog.lnav.json \
    lib/machine/libevlog.a lib/machine/libevlog.so lib/machine/libevlog.so.0 lib/machine/pkgconfig/evlog.pc \
    lib/machine/cmake/evlog/evlogConfig.cmake lib/machine/cmake/evlog/evlogConfigVersion.cmake; do
    [ -e "$stage/opt/evlog/$file" ] || fail "not installed: $file"
done
if command -v scdoc >/dev/null; then
    for page in man1/evlog.1 man1/evlog-sql.1 man3/evlog.3 man5/evlog.5 man7/evlog.7; do
        [ -s "$stage/opt/evlog/share/man/$page" ] || fail "not installed: $page"
    done
else
    echo "SKIPPED: the installed manual: no scdoc"
fi
closed=$(find "$stage" ! -type l ! -perm -444)
[ -z "$closed" ] || fail "not for everybody to read: $closed"
mv "$stage/opt/evlog" "$home/evlog" # where it is used; neither .pc nor .cmake knows this place
root=$home/evlog
lib=$root/lib/machine

# --------------------------------------------------------------- programs ----
cat >"$home/program.c" <<'C'
#include <evlog.h>
#include <evlog/openedx.h>
#include <evlog/plugin.h>
#include <stdio.h>
int main(int argc, char **argv) /* program LOG [PLUGIN] */
{
    evlog *log;
    evlog_signal *signal;
    evlog_sent sent;
    if (evlog_open(argv[1], NULL, &log) ||
        evlog_define(log, "org.example.installed.v1", 0, NULL, &signal) ||
        evlog_send_event(signal, "\x80", 1, NULL, &sent) || evlog_define_openedx(log) ||
        (argc == 3 && evlog_plugin_load(log, argv[2])) || evlog_close(log)) {
        puts(evlog_errmsg());
        return 1;
    }
    return sent.seq != 1;
}
C
cp "$home/program.c" "$home/program.cc"
plugin=$home/preferences.so
cc -Wall -Wextra -Werror -shared -fPIC "$root/share/evlog/examples/plugin_preferences.c" -I"$root/include" -o "$plugin"
runs() { # runs PROGRAM [PLUGIN]: with a log of its own
    rm -rf "$home/log"
    LD_LIBRARY_PATH=$lib "$1" "$home/log" ${2:+"$2"} || fail "$1 fails"
}
is_shared() { readelf -d "$1" | grep -q 'libevlog\.so\.0'; }

# --------------------------------------------------------------- pkg-config ----
pc() { PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --define-variable=prefix="$root" "$@" evlog; }
for language in c c++; do
    if [ $language = c ]; then compiler=cc file=$home/program.c; else compiler=c++ file=$home/program.cc; fi
    command -v $compiler >/dev/null || { echo "SKIPPED: the installed library from $language: no $compiler"; continue; }
    $compiler -Wall -Wextra -Werror "$file" $(pc --cflags --libs) -o "$home/shared"
    is_shared "$home/shared" || fail "$language: not linked with libevlog.so.0"
    runs "$home/shared" "$plugin"
    $compiler "$file" $(pc --cflags) $(pc --variable=static_libs) -o "$home/static"
    $compiler "$file" $(pc --cflags) $(pc --variable=whole_libs) -o "$home/whole"
    for program in static whole; do is_shared "$home/$program" && fail "$language: linked with libevlog.so"; done
    runs "$home/static"
    runs "$home/whole" "$plugin"
done

# ------------------------------------------------------------------- CMake ----
if command -v cmake >/dev/null && command -v c++ >/dev/null; then
    cat >"$home/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.18)
project(stranger C CXX)
find_package(evlog 0.1 REQUIRED CONFIG)
foreach(language c cc)
    foreach(kind evlog evlog_static evlog_whole)
        add_executable(${kind}_${language} program.${language})
        target_link_libraries(${kind}_${language} evlog::${kind})
    endforeach()
endforeach()
CMAKE
    (cmake -S "$home" -B "$home/made" -DCMAKE_PREFIX_PATH="$root" -Devlog_DIR="$lib/cmake/evlog" &&
        cmake --build "$home/made") >"$home/cmake.log" 2>&1 || { cat "$home/cmake.log"; fail "CMake fails"; }
    for language in c cc; do
        is_shared "$home/made/evlog_$language" || fail "CMake: evlog::evlog is not shared"
        is_shared "$home/made/evlog_static_$language" && fail "CMake: evlog::evlog_static is shared"
        runs "$home/made/evlog_$language" "$plugin"
        runs "$home/made/evlog_static_$language"
        runs "$home/made/evlog_whole_$language" "$plugin"
    done
    sed -i 's/evlog 0\.1 /evlog 99 /' "$home/CMakeLists.txt"
    cmake -S "$home" -B "$home/newer" -Devlog_DIR="$lib/cmake/evlog" >"$home/cmake.log" 2>&1 &&
        fail "CMake: a version that is not there was found"
else
    echo "SKIPPED: the installed library by CMake: no cmake, or no c++"
fi

# ------------------------------------------------------------- the command ----
"$root/bin/evlog" schema add "$home/log3" org.openedx.learning.course.enrollment.created.v1
"$root/bin/evlog" send "$home/log3" org.openedx.learning.course.enrollment.created.v1 --plugin "$plugin" '
    {"enrollment": {"user": {"id": 42, "is_active": true, "pii": {"username": "alice", "email": "a@example.com", "name": "A"}},
     "course": {"course_key": "course-v1:edX+DemoX+Demo_Course", "display_name": "D"}, "mode": "audit", "is_active": true,
     "creation_date": "2021-06-09T14:12:45+00:00"}}' | grep -q 'preference of alice'
[ "$("$root/bin/evlog" show "$home/log" -o json | wc -l)" = 1 ]

# ------------------------------------------------------------ the extension ----
# It finds the library where both are installed.
if [ -e "$build/sqlite/evlog_sqlite.so" ]; then
    ldd "$lib/evlog/evlog_sqlite.so" | grep -qF "libevlog.so.0 => $lib/evlog/../libevlog.so.0" || fail "evlog_sqlite.so does not find libevlog.so.0"
else
    echo "SKIPPED: the installed extension of SQLite: it was built without libsqlite3-dev"
fi

# ----------------------------------------------------------- uninstalling ----
mv "$root" "$stage/opt/evlog"
make --no-print-directory -s uninstall $places DESTDIR="$stage"
left=$(cd "$stage/opt/evlog" && find . | LC_ALL=C sort | tr '\n' ' ')
[ "$left" = ". ./bin ./include ./lib ./lib/machine ./share " ] || fail "left after uninstall: $left"
echo "installed, used (C and C++, pkg-config and CMake, shared and static, plugins), uninstalled"
