#!/bin/sh
# The exit statuses: for each of `evlog help exit` what causes it, and nothing ends with another one. usage: test_exit.sh BUILD
. "$(dirname "$0")/tool.sh"
T=org.example.visit.v1
echo '{"type": "record", "name": "N", "fields": [{"name": "n", "type": "long"}]}' >long
echo '{"type": "record", "name": "N", "fields": [{"name": "n", "type": "string"}]}' >string
seq -f '{"mark": "here-%.0f-here"}' 300 | "$evlog" send log $T - >/dev/null
"$evlog" schema add typed $T long
"$evlog" send typed $T '{"n": 1}' >/dev/null
"$evlog" copy log other >/dev/null
"$evlog" send other $T >/dev/null
"$evlog" copy log damaged >/dev/null
"$evlog" consume log c -n 5 --exec cat >/dev/null
"$evlog" seal keygen log --key key >public
mkdir foreign
echo >foreign/notes
for offset in $(LC_ALL=C grep -obUa 'here-50-here' damaged/events.mdb | cut -d: -f1); do
    printf X | dd of=damaged/events.mdb bs=1 seek="$offset" conv=notrunc 2>/dev/null
done

cat >causes <<'END'
0|show log
0|show log --from 3 --where mark=here-4-here
0|get log 3
0|send log $T '{}'
0|verify log
5|trim log --keep 299
0|diff log log
0|help exit
0|show log --help
5|consumer rm log c
0|replay log -n 1 --exec true
1|show log --where mark=x
1|show log --from 1000
1|get log 1000
1|get log 00000000-0000-0000-0000-000000000000
1|consumer info log none
1|consumer rm log none --yes
1|parked ls log c
1|parked drop log c 3 --yes
1|verify damaged
1|diff log other
1|schema check typed $T string
1|replay log --exec false
1|consume log new -n 1 --exec false
1|types log --type none
1|prove log 3 --seal public
2|
2|nothing
2|show
2|show log more
2|show log --nonsense
2|show log --from x
2|send log 'two words' '{}'
2|send log $T nonsense
2|send typed $T '{"n": "text"}'
2|schema add typed $T string
2|get log neither
2|replay log
2|retain log --off --keep 3
2|seal log
2|sql log 'select nonsense'
2|help nothing
2|completion nothing
3|show none
3|info long
3|verify foreign
3|send log/none/none $T '{}'
3|send new $T --no-create '{}'
3|consumer pause none c
3|metrics none
4|get damaged 50
4|show damaged
4|tail damaged -n 280
4|replay damaged --from 49 --to 51 --keep-going --exec true
4|export damaged
4|copy damaged new
4|salvage damaged new
4|sql damaged 'select count(data) from e'
4|types damaged
END
[ -x "${evlog%/*}/evlog-relay" ] && echo '2|relay nothing' >>causes
"$evlog" help exit | sed -n 's/^  \([0-9]\)  .*/\1/p' >statuses
is "the statuses" "$(tr '\n' ' ' <statuses)" "0 1 2 3 4 5 "
is "each has its causes" "$(cut -d '|' -f 1 causes | sort -u | tr '\n' ' ')" "0 1 2 3 4 5 "
"$evlog" help >out
is "help has the same table" "$(grep -cxF -f - out <<END
$("$evlog" help exit)
END
)" "$("$evlog" help exit | wc -l)"
mkdir fresh && cp -r log other damaged typed foreign long string key public fresh/
while IFS='|' read -r wanted words; do
    rm -rf run && cp -r fresh run
    cases=$((cases + 1))
    (cd run && eval "\"\$evlog\" $words" >../out 2>../err </dev/null)
    ended=$?
    [ $ended = "$wanted" ] || bad "evlog $words: exit status $ended, not $wanted"
done <causes
"$evlog" show log >/dev/full 2>err
is "no room for the output" $? 3
end_cases
