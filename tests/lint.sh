#!/bin/sh
# make lint: what a machine can say about the code's house. usage: lint.sh BUILD
set -u
build=$1
found=0
bad() { # bad TITLE LINES: tells them, when there are any
    [ -z "$2" ] && return
    printf '%s\n%s\n\n' "$1" "$2"
    found=1
}
library="store/*.[ch] store/evlog/*.h dispatch/data/*.[ch] dispatch/*.[ch] replay/*.[ch]"
code="$library tools/*.[ch] tests/*.[ch] bench/*.[ch]"

# store <- dispatch <- replay <- tools: a folder includes its own headers and those to its left.
includes() { # includes FOLDER OTHER...: quoted includes of FOLDER that live in one of OTHER
    for header in $(sed -n 's/^#include "\(.*\)"/\1/p' "$1"/*.[ch] | sort -u); do
        shift_from=$1
        for other in $2; do [ -e "$other/$header" ] && echo "$shift_from includes $other/$header"; done
    done
}
bad "Dependencies against the line store <- dispatch <- replay <- tools:" "$(
    includes store "dispatch/data dispatch replay tools tests"
    includes dispatch/data "dispatch replay tools tests"
    includes dispatch "replay tools tests"
    includes replay "tools tests")"
public="evlog.h"
for folder in tools bench; do
    bad "$folder sees the public header only:" "$(
        for header in $(sed -n 's/^#include "\(.*\)"/\1/p' $folder/*.[ch] | sort -u); do
            [ "$header" = $public ] || [ -e "store/evlog/${header#evlog/}" ] || [ -e "$folder/$header" ] || echo "$header"; done)"
done
bad "lmdb.h outside store/env.c:" "$(grep -ln '<lmdb.h>' $library tools/*.[ch] | grep -v '^store/env\.c$')"
bad "The library prints, exits or catches signals:" "$(
    grep -nE '\b(printf|puts|putchar|fprintf|perror|exit|_exit|abort|sigaction|signal) ?\(' $library | grep -vE ':[0-9]+: ?(/?\*| \*)' )"
bad "Left open:" "$(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $code)"
bad "Functions over 70 lines:" "$(awk 'FNR==1{start=0} /^\{/{start=FNR}
    /^\}/{if(start&&FNR-start>70)printf "%s:%d %d lines\n",FILENAME,start,FNR-start; start=0}' $code)"
bad "Files without an opening comment:" "$(for file in $code; do
    case "$(head -c 2 "$file")" in '/*') ;; *) echo "$file" ;; esac; done)"
bad "Symbols of the shared library that are not evlog_*:" "$(
    nm -D --defined-only "$build/libevlog.so" | awk '{print $3}' | grep -vE '^(evlog_|EVLOG|LIBEVLOG)')"
bad "Declared in evlog.h and not exported:" "$(
    grep -v '^ \*\|^#\|^/\*' store/evlog.h | tr '\n' ' ' | grep -oE 'EVLOG_API [^(;]*\(' | grep -oE 'evlog_[a-z_]+\($|evlog_[a-z_]+\(' |
    tr -d '(' | grep -v evlog_plugin_main | sort -u | while read -r name; do # that one is a plugin's
        nm -D --defined-only "$build/libevlog.so" | grep -qE " $name(@|\$)" || echo "$name"; done)"
for how in "-std=c99 -x c" "-std=c11 -x c" "-std=c++11 -x c++"; do
    compiler=cc
    case $how in *c++*) compiler=c++; command -v c++ >/dev/null || { echo "(no c++: the header was not tried as C++)"; continue; } ;; esac
    for header in evlog.h evlog/openedx.h; do
        bad "$header does not compile alone with $how:" "$(echo "#include \"$header\"" |
            $compiler $how -pedantic -Wall -Wextra -Werror -Istore -Idispatch -fsyntax-only - 2>&1)"
    done
done
if command -v clang-format >/dev/null; then
    bad "Not formatted (make format):" "$(clang-format --dry-run $code 2>&1 | grep -E 'warning' | cut -d: -f1 | sort -u)"
else
    echo "(no clang-format: the formatting was not checked)"
fi
[ $found = 0 ] && echo "lint: nothing found"
exit $found
