#!/bin/sh
# make lint: what a machine can say about how the code is written. usage: lint.sh BUILD
set -u
build=$1
found=0
bad() { # bad TITLE LINES: prints them, if there are any
    [ -z "$2" ] && return
    printf '%s\n%s\n\n' "$1" "$2"
    found=1
}
unchecked() { # unchecked WHAT: a check that could not be made here
    echo "($1)"
}
library="store/*.[ch] store/evlog/*.h dispatch/data/*.[ch] dispatch/*.[ch] replay/*.[ch]"
code="$library tools/sql/*.[ch] tools/*.[ch] tools/relay/*.[ch] tools/web/*.[ch] tests/*.[ch] tests/power/*.[ch] tests/prove/*.[ch] bench/*.[ch]"
public=$(cd store && echo evlog.h evlog/*.h)

# What is known and not mended yet; these lists only get shorter.
folders_with_circles=""
complex_functions=""
known() { # known LIST NAME
    case " $1 " in *" $2 "*) return 0 ;; *) return 1 ;; esac
}

# ------------------------------------------------------ who needs whom ----

# store <- dispatch/data <- dispatch <- replay <- tools: a folder includes its own headers and those to its left.
includes() { # includes FOLDER OTHERS: quoted includes of FOLDER that live in one of OTHERS
    for header in $(sed -n 's/^#include "\(.*\)"/\1/p' "$1"/*.[ch] | sort -u); do
        for other in $2; do [ -e "$other/$header" ] && echo "$1 includes $other/$header"; done
    done
}
bad "Includes against the line store <- dispatch/data <- dispatch <- replay <- tools:" "$(
    includes store "dispatch/data dispatch replay tools tests"
    includes dispatch/data "dispatch replay tools tests"
    includes dispatch "replay tools tests"
    includes replay "tools/sql tools tests"
    includes tools/sql "tools tests")"
bad "Links against the line store <- dispatch/data <- dispatch <- replay <- tools:" "$(sh tests/links.sh folders "$build/obj")"
for folder in tools/sql tools bench; do
    bad "$folder includes more than the public headers:" "$(
        for header in $(sed -n 's/^#include "\(.*\)"/\1/p' $folder/*.[ch] | sort -u); do
            known "$public" "$header" || [ -e "$folder/$header" ] || echo "$header"; done)"
done
bad "tools links more than the public headers declare:" "$(sh tests/links.sh private "$build/obj")"
bad "lmdb.h outside store/env.c:" "$(grep -ln '<lmdb.h>' $library tools/*.[ch] | grep -v '^store/env\.c$')"
for folder in store dispatch/data dispatch replay tools/sql tools tools/relay tools/web; do
    circles=$(sh tests/links.sh circles "$build/obj" $folder)
    if ! known "$folders_with_circles" $folder; then bad "Files of $folder/ that need each other in a circle:" "$circles"
    elif [ -z "$circles" ]; then echo "(take $folder from folders_with_circles: it has none)"; fi
done

# ------------------------------------------------------------ comments ----

bad "Comments of more than 120 columns:" "$(awk '/^[ \t]*\/\*/ { on = 1 } on && length > 120 { print FILENAME ":" FNR } /\*\// { on = 0 }' $code)"

# ------------------------------------------------------------ symbols ----

list=$(mktemp)
sh tests/symbols.sh declared >"$list.declared"
sh tests/symbols.sh exported "$build" >"$list.exported"
sed -n 's/^ *\([a-z_0-9]*\);$/\1/p' store/libevlog.map | LC_ALL=C sort >"$list.map"
bad "Declared in a public header, and not in store/libevlog.map (make symbols):" "$(LC_ALL=C comm -23 "$list.declared" "$list.map")"
bad "In store/libevlog.map, and not declared in a public header (make symbols):" "$(LC_ALL=C comm -13 "$list.declared" "$list.map")"
bad "In store/libevlog.map, and not exported:" "$(LC_ALL=C comm -23 "$list.map" "$list.exported")"
bad "Exported, and not in store/libevlog.map:" "$(LC_ALL=C comm -13 "$list.map" "$list.exported")"
rm -f "$list" "$list.declared" "$list.exported" "$list.map"

# ----------------------------------------------------------- the code ----

bad "The library prints, exits or catches signals:" "$(
    grep -nE '\b(printf|puts|putchar|fprintf|perror|exit|_exit|abort|sigaction|signal) ?\(' $library | grep -vE ':[0-9]+: ?(/?\*| \*)' )"
bad "Left open:" "$(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $code)"
bad "Functions over 60 lines:" "$(awk 'FNR==1{start=0} /^\{/{start=FNR}
    /^\}/{if(start&&FNR-start>60)printf "%s:%d %d lines\n",FILENAME,start,FNR-start; start=0}' $code)"
bad "Files without an opening comment:" "$(for file in $code; do
    case "$(head -c 2 "$file")" in '/*') ;; *) echo "$file" ;; esac; done)"
if command -v pmccabe >/dev/null; then
    bad "Functions more complex than 20:" "$(pmccabe $(ls $code | grep '\.c$') | awk '$2 > 20 {print $2, $6, $7}' |
        while read -r complexity where function; do
            known "$complex_functions" "$function" || echo "$where $function: $complexity"; done)"
else
    unchecked "no pmccabe: the complexity of functions was not checked"
fi
format=
for candidate in clang-format-14 clang-format; do
    [ "$format" ] || ! $candidate --version 2>/dev/null | grep -q 'version 14\.' || format=$candidate
done
if [ "$format" ]; then
    bad "Not formatted (make format):" "$($format --dry-run $code 2>&1 | grep -E 'warning' | cut -d: -f1 | sort -u)"
else
    unchecked "no clang-format 14: the formatting was not checked; other versions format otherwise"
fi

# ----------------------------------------------------- public headers ----

compiles_alone() { # compiles_alone COMPILER LANGUAGE STANDARD: each public header does
    command -v "$1" >/dev/null || { unchecked "no $1: the headers were not tried with it"; return; }
    for header in $public; do
        bad "$header does not compile alone with $1 -std=$3:" "$(echo "#include \"$header\"" |
            "$1" -x "$2" "-std=$3" -pedantic -Wall -Wextra -Werror -Istore -fsyntax-only - 2>&1)"
    done
}
for compiler in gcc clang; do
    compiles_alone $compiler c c99
    compiles_alone $compiler c c11
done
for compiler in g++ clang++; do compiles_alone $compiler c++ c++11; done

[ $found = 0 ] && echo "lint: nothing found"
exit $found
