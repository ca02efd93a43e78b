#!/bin/sh
# evlog metrics: well-formed Prometheus text by a grammar of its own, with the values that info and the consumers have.
. "$(dirname "$0")/tool.sh"

# lint FILE: prints what is wrong. Each metric: HELP, TYPE, then its samples, once; names by Prometheus' conventions; labels with
# the three escapes only; no series twice; base units.
lint() {
    LC_ALL=C awk '
    function bad(why) { print FNR ": " why ": " $0 }
    /^# HELP / { if ($3 in helped) bad("twice"); helped[$3] = 1; name = $3; if (NF < 4) bad("no help"); next }
    /^# TYPE / {
        if ($3 != name) bad("not after its HELP")
        if ($4 != "counter" && $4 != "gauge") bad("not a type")
        if (($4 == "counter") != ($3 ~ /_total$/)) bad("_total is for counters")
        if ($3 !~ /^evlog_[a-z][a-z_]*$/ || $3 ~ /_(ms|us|kb|milliseconds|count)(_|$)/) bad("name")
        typed = $3; next
    }
    /^#/ || !NF { bad("neither HELP nor TYPE"); next }
    {
        line = $0
        if (!match(line, /^[a-z_]+/) || substr(line, 1, RLENGTH) != typed) bad("not of the metric before")
        line = substr(line, RLENGTH + 1)
        if (!match(line, /^\{[a-z_]+="([^"\\\001-\037\177]|\\[\\n"])*"(,[a-z_]+="([^"\\\001-\037\177]|\\[\\n"])*")*\} /)) { bad("labels"); next }
        series = typed substr(line, 1, RLENGTH)
        if (series in seen) bad("twice")
        seen[series] = 1
        if (substr(line, RLENGTH + 1) !~ /^-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?$/) bad("value")
    }
    END { for (one in helped) count++; if (count < 20) print "only " count " metrics" }' "$1"
}
value() { # value SERIES: of the last run
    series=$1 LC_ALL=C awk 'index($0, ENVIRON["series"] " ") == 1 { print substr($0, length(ENVIRON["series"]) + 2) }' out
}

seq -f '{"n": %.0f}' 20 | "$evlog" send log org.example.visit.v1 - >/dev/null
"$evlog" trim log --keep 15 --yes >/dev/null
"$evlog" consumer add log 'a"b"\c' >/dev/null
"$evlog" consumer add log done --start last >/dev/null
"$evlog" consume log lost --exec 'head -n 3 >/dev/null' --start last:5 >/dev/null 2>&1
strange=$(printf 'an\033odd "\\ \nlog\377')
"$evlog" send "$strange" org.example.visit.v1 '{}' >/dev/null

try 0 '' metrics log "$strange"
is "the grammar holds" "$(lint out)" ''
is events "$(value 'evlog_events_total{log="log"}')" 21
is kept "$(value 'evlog_kept_events{log="log"}')" 16
is oldest "$(value 'evlog_oldest_seq{log="log"}')" 6
is lag "$(value 'evlog_consumer_lag_events{log="log",consumer="a\"b\"\\c"}')" 16
is "no lag" "$(value 'evlog_consumer_lag_events{log="log",consumer="done"}')" 0
is paused "$(value 'evlog_consumer_paused{log="log",consumer="done"}')" 0
is "a strange log" "$(value 'evlog_events_total{log="an\\u001bodd \"\\ \\u000alog\\xff"}')" 1
info() { "$evlog" info log -o json | sed "s/.*\"$1\": \([0-9]*\).*/\1/"; }
is "file size" "$(value 'evlog_file_size_bytes{log="log"}')" "$(info file_size)"
is free "$(value 'evlog_free_bytes{log="log"}')" "$(info free_size)"
is "kept ahead" "$(value 'evlog_ahead_bytes{log="log"}')" "$(info ahead_size)"
is used "$(value 'evlog_used_bytes{log="log"}')" $(($(info used_size) - $(info free_size)))
now=$(date +%s)
head=$(value 'evlog_head_time_seconds{log="log"}')
is "head time" "$(awk "BEGIN { print ($head > $now - 60 && $head < $now + 2) }")" 1
lag=$(value 'evlog_consumer_lag_seconds{log="log",consumer="a\"b\"\\c"}')
is "lag time" "$(awk "BEGIN { print ($lag >= 0 && $lag < 60) }")" 1

"$evlog" consumer pause log done
try 3 'no log there' metrics nolog log
is "the grammar holds" "$(lint out)" ''
is "one that is not there" "$(grep nolog out)" 'evlog_up{log="nolog"} 0'
is paused "$(value 'evlog_consumer_paused{log="log",consumer="done"}')" 1
try 2 'given twice' metrics log log
is "nothing is printed" "$(cat out)" ''
# the checker finds what is wrong
for wrong in 's/^# HELP evlog_up .*//' 's/_total/_count/' 's/\\"b/"b/' 's/counter/gauge/' '$p' 's/} 21/} x/' 's/log="log"}/log="log"/'; do
    sed "$wrong" out >changed
    cases=$((cases + 1))
    [ "$(lint changed)" ] || bad "the grammar takes $wrong"
done
end_cases
