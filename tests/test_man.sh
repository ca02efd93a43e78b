#!/bin/sh
# The manual: each verb has a section in one page, with its options; the pages are well formed; what they refer to exists;
# their examples run and print what they say.
tree=$(cd "$(dirname "$0")/.." && pwd)
. "$tree/tests/tool.sh"
pages=$(cd "$tree/tools/man" && ls *.scd)
mkdir full path
: >out
for program in evlog evlog-relay evlog-web; do ln -s "$build/$program" path/; done
for page in $pages; do
    sh "$tree/tools/man/page.sh" "$home/path" "$tree/tools/man/$page" >"full/$page" 2>err || bad "$page is not made"
done

# ------------------------------------------------------------------- verbs ----
long_options() { sed -n 's/^  \(-.,\|   \) \(--[a-z-]*\).*/\2/p' | sort; }
"$evlog" help >help
sed -n 's/^  \([a-z]*\( [a-z]*\)\{0,1\}\)  .*/\1/p' help | sed 's/ *$//' | grep -vx -e relay -e web >verbs
is "there are verbs" "$(awk 'END { print (NR > 30) }' verbs)" 1
while read -r verb; do
    is "the sections of $verb" "$(cat full/*.scd | grep -cF "## evlog $verb [OPTION]")" 1
    is "evlog(1) has $verb" "$(grep -cF "*evlog $verb*" full/evlog.1.scd)" 1
    awk -v start="## evlog $verb [OPTION]" '/^#/ { on = index($0, start) == 1 } on' full/*.scd >section
    is "the options of $verb" "$(sed -n 's/^\*\(--[a-z-]*\)\*.*/\1/p' section | sort)" "$("$evlog" help $verb | long_options)"
done <verbs
cases=$((cases + 1))
grep -h '^@' full/*.scd && bad "a line that page.sh does not know"

# -------------------------------------------------------------- references ----
for reference in $(cat "$tree"/tools/man/*.scd | grep -oE '\*evlog[a-z-]*\*\([0-9]\)' | tr -d '*' | sort -u); do
    page=$(echo "$reference" | sed 's/(\(.\))/.\1.scd/')
    is "$reference" "$([ -e "$tree/tools/man/$page" ] && echo there)" there
done
(cd "$tree" && sh tests/symbols.sh declared) | grep -v '_sized$' >functions
tr -d '\\' <full/evlog.3.scd >library
while read -r function; do
    is "evlog(3) has $function" "$(grep -qw "$function" library && echo yes)" yes
done <functions
for file in $(sed -n 's/^\*\(.*\)\*$/\1/p' "$tree/tools/man/evlog.5.scd" | sed 's/[*,]//g'); do
    is "$file is in store/README.md" "$(grep -qF "\`$file\`" "$tree/store/README.md" && echo yes)" yes
done

# ------------------------------------------------------------- well formed ----
if command -v scdoc >/dev/null; then
    for page in $pages; do
        name=${page%.scd}
        scdoc <"full/$page" >"$name" 2>err || bad "scdoc refuses $page"
        if command -v mandoc >/dev/null; then # scdoc makes more paragraphs than it must
            mandoc -T lint -W warning "$name" 2>&1 | grep -v 'skipping paragraph macro' >out
            [ ! -s out ] || bad "mandoc warns of $name"
        elif command -v man >/dev/null; then
            LC_ALL=C.UTF-8 man --warnings -l "$name" 2>&1 >/dev/null | grep -v 'can.t break line' >out
            [ ! -s out ] || bad "man warns of $name"
        fi
        cases=$((cases + 1))
    done
else echo "SKIPPED: the pages' form: no scdoc"; fi

# ---------------------------------------------------------------- examples ----
# The blocks of EXAMPLES, in a directory for each page. Lines after "$ " are a command, with what it prints below.
examples() { # examples PAGE: as a script
    awk '/^# / { on = $0 == "# EXAMPLES" } on && /^```$/ { inside = !inside; if (!inside) print "#end"; next } on && inside' "$1"
}
said_only='evlog() { command evlog "$@" || [ $? = 5 ]; }
' # 5: it was said what would be done
run_examples() { # run_examples FILE: reads it, runs it, prints what is not as it says
    command= expected= plain=
    check() {
        [ "$command" ] || return 0
        found=$(sh -euc "$command" 2>&1)
        [ "$found" = "$expected" ] || printf '%s\nprints: %s\nnot:    %s\n' "$command" "$found" "$expected"
        command= expected=
    }
    while IFS= read -r line; do
        case $line in
        '$ '*)
            check
            command=${line#??}
            until sh -nc "$command" 2>/dev/null && [ "${command%\\}" = "$command" ]; do
                IFS= read -r line || return 1
                command="$command
$line"
            done ;;
        '#end')
            check
            [ ! "$plain" ] || sh -euc "$said_only$plain" >out 2>err </dev/null || { echo "fails: $plain"; cat err; }
            plain= ;;
        *)
            if [ "$command" ]; then expected="$expected${expected:+
}$line"; else plain="$plain
$line"; fi ;;
        esac
    done <"$1"
}
T=org.example.enrolled.v1
export T
mkdir bin && ln -s "$evlog" bin/evlog
for page in $pages; do
    mkdir "run-$page"
    examples "$tree/tools/man/$page" >"run-$page/script"
    (cd "run-$page" && PATH="$home/bin:$PATH" && run_examples script) >problems 2>&1
    cases=$((cases + $(grep -c '^#end' "run-$page/script")))
    [ ! -s problems ] || { bad "the examples of $page"; cat problems; }
done
is "the examples of SQL are many" "$(awk '/^\$ / { n++ } END { print (n > 10) }' run-evlog-sql.1.scd/script)" 1
end_cases
