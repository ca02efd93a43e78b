#!/bin/sh
# The library's symbols. usage: symbols.sh declared | exported BUILD | map MAP
#   declared   what the public headers declare with EVLOG_API, sorted
#   exported   what BUILD/libevlog.so exports
#   map        writes the linker's version script MAP anew from `declared`, keeping its version node
set -eu
export LC_ALL=C

declared() {
    for header in store/evlog.h store/evlog/*.h; do echo "#include \"${header#store/}\""; done |
        ${CC:-cc} -E -P -Istore -x c - | tr '\n' ' ' | sed 's/__attribute__((visibility("default")))/\n@/g' |
        sed -n '/^@/{s/[;({[].*//; s/ *$//; s/.*[ *]//; p}' |
        grep -v '^evlog_plugin_main$' | sort -u # that one is a plugin's to define
}

case $1 in
declared) declared ;;
exported) nm -D --defined-only "$2/libevlog.so" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | sort -u ;;
map)
    node=$(sed -n 's/^\(LIBEVLOG_[0-9.]*\).*/\1/p' "$2")
    {
        echo "/* Every symbol of the ABI. \`make symbols\` writes this list from the public headers. */"
        echo "$node {"
        echo "    global:"
        declared | sed 's/.*/        &;/'
        echo "    local:"
        echo "        *;"
        echo "};"
    } >"$2.new"
    mv "$2.new" "$2"
    ;;
esac
