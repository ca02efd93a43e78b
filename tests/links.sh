#!/bin/sh
# What the objects say about who needs whom (nm). usage: links.sh WHAT OBJECTS [FOLDER]
#   folders    prints each use of a symbol against the line store <- dispatch/data <- dispatch <- replay <- tools
#   private    prints each use by tools/ of a symbol that the public headers do not declare
#   circles    prints the circles that the files of FOLDER form by using each other's symbols
# Nothing printed: nothing found.
set -eu
export LC_ALL=C
what=$1 objects=$2

# uses FOLDER...: "FILE USED SYMBOL" for each symbol of a file there that another file there defines
uses() {
    for source in $(for folder in "$@"; do echo "$folder"/*.c; done); do
        object=$objects/${source%.c}.o
        [ ! -e "$object" ] || nm -A -g "$object"
    done | sed "s|^$objects/||; s|\.o:| |" | awk '
        NF == 4 { defines[$4] = $1; next }
        $2 == "U" { file[++count] = $1; symbol[count] = $3 }
        END {
            for (i = 1; i <= count; i++)
                if (symbol[i] in defines && defines[symbol[i]] != file[i])
                    print file[i], defines[symbol[i]], symbol[i]
        }' | sort -u
}

all="store dispatch/data dispatch replay tools/sql tools"
case $what in
folders)
    uses $all | awk -v all="$all" '
        BEGIN { count = split(all, line); for (i = 1; i <= count; i++) place[line[i]] = i }
        function folder(file) { sub(/\/[^\/]*$/, "", file); return file }
        place[folder($1)] < place[folder($2)] { print $1 ".c uses " $3 " of " $2 ".c" }'
    ;;
private)
    public=" $(sh tests/symbols.sh declared | tr '\n' ' ')"
    uses $all | awk -v public="$public" '
        $1 ~ /^tools/ && $2 !~ /^tools/ && !index(public, " " $3 " ") { print $1 ".c uses " $3 " of " $2 ".c" }'
    ;;
circles)
    # tsort names a circle on standard error and goes on to the next one.
    uses "$3" | awk '{print $1, $2}' | sort -u | tsort 2>&1 >/dev/null | sed 's/^tsort: //' | awk '
        /input contains a loop/ { if (circle) print circle " -> " first; circle = ""; next }
        circle { circle = circle " -> " $1 ".c"; next }
        { circle = first = $1 ".c" }
        END { if (circle) print circle " -> " first }'
    ;;
esac
