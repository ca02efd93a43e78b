#!/bin/sh
# Makes a manual page for scdoc: what is in PAGE.scd, and in place of its lines that begin with @, what the command and the headers
# themselves say, so that the two cannot differ. usage: page.sh BUILD PAGE.scd
#
#   @verbs A, B C, ...   a section for each verb, of `evlog help VERB`
#   @rest                the same for all verbs that no other page has
#   @list                each verb with its summary
#   @literal COMMAND     what the command prints, as it is
#   @headers             of each public header: what it is for, and its functions
set -eu
build=$1 page=$2
here=$(dirname "$0")
export LC_ALL=C

verbs() { # all verbs, one a line
    "$build/evlog" help | sed -n 's/^  \([a-z]*\( [a-z]*\)\{0,1\}\)  .*/\1/p' | sed 's/ *$//' | grep -vx -e relay -e web
}

# A verb's help: usage, "NAME: SUMMARY.", paragraphs (what is indented is literal), options, notes.
section() { # section VERB
    "$build/evlog" help $1 </dev/null | awk '
    function escaped(text) {
        gsub(/[\\_*`]/, "\\\\&", text)
        sub(/^[-#.|\[\]~]/, "\\\\&", text)
        return text
    }
    function literal(on) {
        if (on != is_literal) print on ? "\n```" : "```\n"
        is_literal = on
    }
    NR == 1 {
        sub(/^usage: /, "")
        print "## " escaped($0) "\n"
        next
    }
    NR == 3 { sub(/^[a-z ]*: /, ""); print toupper(substr($0, 1, 1)) escaped(substr($0, 2)); next }
    /^  (-.,|   ) --[a-z]/ {
        literal(0)
        option = $0
        short = substr(option, 3, 1) == "-" ? ", *" substr(option, 3, 2) "*" : ""
        sub(/^  (-.,|   ) /, "", option)
        match(option, /^--[a-z-]+/)
        name = substr(option, 1, RLENGTH)
        option = substr(option, RLENGTH + 1)
        argument = ""
        if (match(option, /^ [A-Z][^ ]*/)) {
            argument = " " escaped(substr(option, 2, RLENGTH - 1))
            option = substr(option, RLENGTH + 1)
        }
        sub(/^ +/, "", option)
        print "\n*" name "*" argument short "\n\t" escaped(option)
        in_options = 1
        next
    }
    in_options && /^                     / { sub(/^ +/, ""); print "\t" escaped($0); next }
    in_options && /^$/ { in_options = 0 }
    /^  / { literal(1); print; next }
    { literal(0); print escaped($0) }
    END { literal(0) }'
    echo
}

list() {
    verbs | while read -r verb; do
        printf '*evlog %s*\n\t%s.\n\n' "$verb" "$("$build/evlog" help $verb </dev/null | sed -n "3s/^$verb: //; 3s/\.\$//p; 3q" | sed 's/[\\_*]/\\&/g')"
    done
}

# The opening comment of a header up to its first blank line, and the functions that it declares.
headers() {
    for header in "$here"/../../store/evlog.h "$here"/../../store/evlog/*.h; do
        name=${header##*/store/}
        echo "## <$name>"
        echo
        awk '
        function escaped(text) { gsub(/[\\_*`]/, "\\\\&", text); sub(/^[-#.|\[\]~]/, "\\\\&", text); return text }
        FNR == 1 { next }
        !done && /^ \*\/?$/ { if (said) done = 1; next }
        !done { sub(/^ \* ?/, ""); print escaped($0); said = 1; next }
        /^(EVLOG_API|EVLOG_INLINE|static inline) / || more != "" {
            more = more " " $0
            if (more !~ /[;{]/ && more !~ /\)$/) next
            if (match(more, /evlog_[a-z_0-9]+\(/)) {
                function_name = substr(more, RSTART, RLENGTH - 1)
                if (function_name !~ /_sized$/ && !(function_name in seen)) names = names (names ? ", " : "") escaped(function_name)
                seen[function_name] = 1
            }
            more = ""
        }
        END { if (names) print "\n" names }' "$header"
        echo
    done
}

while IFS= read -r line; do
    case $line in
    '@verbs '*)
        echo "$line" | sed 's/^@verbs //; s/, /\n/g' | while read -r verb; do section "$verb"; done ;;
    @rest)
        others=$(sed -n 's/^@verbs //p' "$here"/*.scd | sed 's/, /\n/g')
        verbs | while read -r verb; do
            echo "$others" | grep -qx "$verb" || section "$verb"
        done ;;
    @list) list ;;
    '@literal '*)
        echo '```'
        (PATH="$build:$PATH" && eval "${line#@literal }")
        echo '```' ;;
    @headers) headers ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$page"
