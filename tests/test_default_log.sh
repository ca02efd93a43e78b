#!/bin/sh
# EVLOG_LOG: the log where LOG is left out, and what is LOG where that could be either. usage: test_default_log.sh BUILD
. "$(dirname "$0")/tool.sh"
T=org.example.visit.v1
unset EVLOG_LOG
"$evlog" send a $T '{"in": "a"}' >/dev/null
"$evlog" send b $T '{"in": "b"}' >/dev/null
"$evlog" export b | sed 's/b"}}$/import"}}/; s/"id": "./"id": "0/' >lines
echo '"string"' >schema
try 2 "an argument is missing" show
EVLOG_LOG= try 2 "an argument is missing" show
export EVLOG_LOG="$home/a"

# In which log each of these comes to be, or looks: that of EVLOG_LOG is a.
while IFS='|' read -r wanted status words; do
    rm -rf "$home/c"
    cp -r a c
    export EVLOG_LOG="$home/c"
    eval "set -- $words"
    cases=$((cases + 1))
    "$evlog" "$@" >out 2>err </dev/null
    ended=$?
    [ $ended = "$status" ] || bad "evlog $words: exit status $ended, not $status"
    grep -q -e "$wanted" out err || bad "evlog $words: nothing of $wanted"
done <<'END'
"in": "a"|0|show
"in": "b"|0|show b
nothere: no log there|3|show nothere
too many arguments|2|show b b
"in": "a"|0|get 1
"in": "b"|0|get b 1
"path": ".*/c"|0|info
"seq": 2|0|send $T '{}'
"seq": 2|0|send $T
"seq": 2|0|send b $T
"seq": 3|0|send b $T '{}'
"seq": 1|0|send new $T '{}'
not JSON|2|send other $T
in.": ."a|0|sql 'select data from e'
in.": ."b|0|sql b 'select data from e where seq = 1'
evlog_up{log=".*/c"} 1|0|metrics
evlog_up{log="nothere"} 0|3|metrics nothere
"imported": 1|0|import lines
"imported": 1|0|import newer lines
"b": {"path": "b"|1|diff b
"seq": 1|5|erase 1 --reason x
"seq": 1|5|erase b 1 --reason x
no consumer x|1|consumer rm x
no consumer x|1|consumer info x
no consumer x|1|consumer info b x
which one|2|consumer rm
no consumer x|1|parked retry x 3
no consumer x|1|parked retry x --all
"last_seq": 1|0|copy copied
an argument is missing|2|send
END
is "no log was made of what is no log" "$(ls -d other x nothere $T 2>/dev/null)" ""
end_cases
