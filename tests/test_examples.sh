#!/bin/sh
# The examples in the public headers' comments, and the C in each folder's README, compile and run. usage: test_examples.sh BUILD
#
# A program in tests/examples/ takes one in by a line `@example FILE WORDS`: the example of that file whose first
# line contains the words. It must exit with 0, and print what stands in its last comment, `prints:`. Each
# example is taken by one of them. (The main README is tried by test_readme.sh, dispatch/README.md by test_howto.sh.)
#
# An example in a header: an indented paragraph of a comment, or several in a row, that ends as code ends.
# In a .md file: a fenced block of c.
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
fail() {
    echo "$*"
    exit 1
}

# examples FILE: writes each to $home/examples/FILE:N, in which the slashes are dots
mkdir "$home/examples" "$home/taken"
examples() {
    awk -v out="$home/examples/$(echo "$1" | tr / .):" -v is_md="$(case $1 in *.md) echo 1 ;; *) echo 0 ;; esac)" '
        function finish() {
            sub(/\n+$/, "\n", block)
            if (block ~ /[;}]\n$/ || (is_md && block)) { count++; printf "%s", block >(out count); close(out count) }
            block = ""
        }
        is_md { if (/^```/) { if (on) finish(); on = $0 == "```c" } else if (on) block = block $0 "\n"; next }
        /^ \*   / && (after_blank || block) { block = block substr($0, 6) "\n"; after_blank = 0; next }
        /^ \*$/ { after_blank = 1; if (block) block = block "\n"; next }
        { finish(); after_blank = 0 }' "$1"
}
for file in store/evlog.h store/evlog/*.h $(ls store/README.md 2>/dev/null); do
    examples "$file"
done

example() { # example FILE WORDS: its text, noted as taken
    for candidate in "$home/examples/$(echo "$1" | tr / .):"*; do
        if grep -v '^$' "$candidate" | head -n 1 | grep -qF -e "$2"; then
            touch "$home/taken/${candidate##*/}"
            cat "$candidate"
            return
        fi
    done
    echo "$1 has no example that begins with: $2" >&2
    return 1
}
msgpack=$(pkg-config --exists msgpack-c && echo msgpack-c || echo msgpack)
for program in tests/examples/*.c; do
    name=$(basename "$program" .c)
    while IFS= read -r line; do
        case $line in
        *@example*)
            indent=${line%%@*} line=${line#*@example }
            example "${line%% *}" "${line#* }" >"$home/example" || exit 1
            sed "s/^/$indent/" "$home/example"
            ;;
        *) printf '%s\n' "$line" ;;
        esac
    done <"$program" >"$home/$name.c" || exit 1
    cc -Wall -Wextra -Werror -I"$build/include" "$home/$name.c" "$build/libevlog.a" $(pkg-config --libs lmdb libxxhash $msgpack) \
        -pthread -o "$home/$name" || fail "$program does not compile"
    rm -rf "$home/run"
    mkdir "$home/run"
    (cd "$home/run" && "$home/$name") >"$home/printed" || { cat "$home/printed"; fail "$program fails"; }
    sed -n '/^\/\* prints:$/,/^\*\/$/{/^\/\*/d; /^\*\//d; p}' "$program" | diff - "$home/printed" || fail "$program prints something else"
done
for file in "$home"/examples/*; do
    [ -e "$home/taken/${file##*/}" ] || { cat "$file"; fail "no program in tests/examples/ takes this example: ${file##*/}"; }
done
echo "$(ls "$home/examples" | wc -l) examples compile and run"
