#!/bin/sh
# Completion: what can stand where the cursor is; in bash, and in zsh and fish where they are; and lnav's format.
tree=$(cd "$(dirname "$0")/.." && pwd)
. "$tree/tests/tool.sh"
mkdir bin && ln -s "$evlog" bin/evlog
export PATH="$home/bin:$PATH" TERM=dumb
"$evlog" send log org.example.visit.v1 '{"n": 1}' >/dev/null

words() { "$evlog" completion words "$@" | cut -f 1 | tr '\n' ' '; }

# ------------------------------------------------------------------- words ----
"$evlog" help | sed -n 's/^  \([a-z]*\)  *.*/\1/p' | sort -u >first # first words of verbs, relay and web
is "every verb" "$("$evlog" completion words '' | cut -f 1 | grep -vx 'help\|completion' | sort)" "$(cat first)"
is "no verb twice" "$("$evlog" completion words '' | cut -f 1 | sort | uniq -d)" ""
is "verbs by their beginning" "$(words ver)" "verify "
is "of a family" "$(words parked '')" "ls retry drop "
is "help on verbs" "$(words help consumer re)" "reset resume "
is "an option" "$(words show log --sin)" "--since "
is "an option of another verb" "$(words info log --sin)" ""
is "the form of output" "$(words sql log -o '')" "table csv json "
is "of another verb" "$(words schema check log --output s)" "short "
is "durability" "$(words send log t --durability '')" "durable fast "
is "an argument that is not one of a few" "$(words show log --since '')" ""
is "a log is a file" "$(words show '')" ""
is "no such verb" "$(words nothing '')" ""
"$evlog" help >help
sed -n 's/^  \([a-z]*\( [a-z]*\)\{0,1\}\)  .*/\1/p' help | sed 's/ *$//' | grep -vx -e relay -e web >verbs
while read -r verb; do
    is "the options of $verb" "$("$evlog" completion words $verb log -- | cut -f 1 | sort)" \
        "$("$evlog" help $verb | sed -n 's/^  \(-.,\|   \) \(--[a-z-]*\).*/\2/p' | sort)"
done <verbs
is "what a word is" "$("$evlog" completion words inf)" "info	$("$evlog" help info | sed -n '3s/^info: //; 3s/\.$//p')"
try 2 'usage: evlog completion bash|zsh|fish' completion
try 2 'usage' completion csh

# ------------------------------------------------------------------ shells ----
# typed SHELL START TEXT: a shell at a terminal, in which START is done and TEXT is typed; what it then shows
typed() {
    rm -f keys shown
    mkfifo keys
    timeout 60 script -qec "$1" /dev/null <keys >shown 2>&1 &
    shell=$!
    exec 5>keys
    printf '%s\n' "$2; echo rea''dy" >&5
    until_true grep -q ready shown
    printf '%s\nexit\n' "$3" >&5
    exec 5>&-
    wait $shell
}
tab=$(printf '\t')
typed 'bash --norc --noprofile -i' 'eval "$(evlog completion bash)"' "evlog ver${tab}lo$tab"
cases=$((cases + 1))
grep -q '1 event read' shown || { bad "bash does not complete a verb and a log"; cat shown; }
is "bash's candidates" "$(bash -c 'eval "$(evlog completion bash)"; COMP_WORDS=(evlog consumer re) COMP_CWORD=2; _evlog; echo ${COMPREPLY[@]}')" "reset resume"
is "bash's candidates of nothing" "$(bash -c 'eval "$(evlog completion bash)"; COMP_WORDS=(evlog parked "") COMP_CWORD=2; _evlog; echo ${COMPREPLY[@]}')" "ls retry drop"
if command -v zsh >/dev/null; then
    typed 'zsh -f -i' 'autoload -U compinit; compinit -u -D; eval "$(evlog completion zsh)"' "evlog ver${tab}lo$tab"
    cases=$((cases + 1))
    grep -q '1 event read' shown || { bad "zsh does not complete a verb and a log"; cat shown; }
else echo "SKIPPED: completion in zsh: it is not installed"; fi
if command -v fish >/dev/null; then
    is "fish's candidates" "$(HOME=$home fish -c 'evlog completion fish | source; complete -C "evlog consumer re"' | cut -f 1 | tr '\n' ' ')" "reset resume "
    is "fish's files" "$(HOME=$home fish -c 'evlog completion fish | source; complete -C "evlog show lo"' | cut -f 1 | tr '\n' ' ')" "log/ "
else echo "SKIPPED: completion in fish: it is not installed"; fi

# -------------------------------------------------------------------- lnav ----
# The format has each key of an event, and lnav, where it is, shows one.
format=$tree/tools/packaging/evlog.lnav.json
"$evlog" send log org.example.visit.v1 '{"n": 2}' --header trace=abc >/dev/null
"$evlog" show log --from 2 -o json >event
"$evlog" sql log "select group_concat(key, ' ') as k from json_each('$(cat event)')" | sed 's/.*: "\(.*\)".*/\1/' | tr ' ' '\n' | sort >keys_of_event
"$evlog" sql log "select group_concat(key, ' ') as k from json_each('$(cat "$format" | tr -d '\n')', '\$.evlog_log.value')" | sed 's/.*: "\(.*\)".*/\1/' | tr ' ' '\n' | sort >keys_of_format
is "lnav's keys" "$(cat keys_of_format)" "$(cat keys_of_event)"
is "there are keys" "$(awk 'END { print (NR > 10) }' keys_of_event)" 1
if command -v lnav >/dev/null; then
    mkdir -p lnav/formats/evlog && cp "$format" lnav/formats/evlog/
    HOME=$home lnav -I lnav -n -c ';select seq, type from evlog_log' -c ':write-csv-to -' event >out 2>err
    is "lnav" "$(cat out)" "seq,type
2,org.example.visit.v1"
else echo "SKIPPED: the format of lnav, in lnav: it is not installed"; fi
end_cases
