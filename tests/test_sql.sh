#!/bin/sh
# evlog sql: its output in each form, what it refuses, several logs, damage; and the extension in other programs: Python's sqlite3,
# sqlite3's shell, pandas and datasette, where they are.
tree=$(cd "$(dirname "$0")/.." && pwd)
. "$tree/tests/tool.sh"

"$evlog" send log org.example.visit.v1 '{"user": {"id": 7}, "text": "a\"b,\nc\u001b[2J"}' --time 2026-01-31T18:00:00.5Z >/dev/null
"$evlog" send log org.example.visit.v1 '{"user": {"id": 8}}' --time 2026-01-31T19:00:00Z >/dev/null
"$evlog" send log org.example.left.v1 '{"user": {"id": 7}}' --time 2026-02-01T00:00:00Z >/dev/null
"$evlog" send "it's other" org.example.name.v1 '{"id": 7, "name": "ann"}' >/dev/null

# ------------------------------------------------------------------ output ----
try 0 '' sql log "select type, count(*) as n from e group by type"
is "JSON is what a pipe gets" "$(cat out)" '{"type": "org.example.left.v1", "n": 1}
{"type": "org.example.visit.v1", "n": 2}'
try 0 '' sql log "select seq, data->>'text' as t, x'00ff' as b, 0.5 as r, null as n, 1e999 as i from e where seq < 3" -o json
is "JSON of each kind" "$(cat out)" '{"seq": 1, "t": "a\"b,\nc\u001B[2J", "b": {"$bin": "AP8="}, "r": 0.5, "n": null, "i": {"$float": "inf"}}
{"seq": 2, "t": null, "b": {"$bin": "AP8="}, "r": 0.5, "n": null, "i": {"$float": "inf"}}'
for size in 0 1 2 3 4 5; do
    try 0 '' sql log "select substr(x'0102030405', 1, $size) as b" -o json
    is "base64 of $size bytes" "$(sed 's/.*"\(.*\)"}}/\1/' out)" "$(printf '\001\002\003\004\005' | head -c $size | base64)"
done
try 0 '' sql log "select seq, data->>'text' as 'a,b', null, 'x' from e where seq < 3" -o csv
is "CSV" "$(cat out)" "seq,\"a,b\",null,'x'
1,\"a\"\"b,
c$(printf '\033')[2J\",,x
2,,,x"
try 0 '' sql log "select seq, 'x' as name, 10 * seq as n, data->>'text' as t from e" -o table
is "a table" "$(cat out)" 'seq  name  n   t
  1  x     10  a"b,\u000ac\u001b[2J
  2  x     20  
  3  x     30  '
try 0 '' sql log "with recursive n(i) as (select 1 union all select i+1 from n limit 5000) select i, 'x' as x from n" -o table
is "a long table" "$(wc -l <out) $(sed -n 2p out) $(tail -n 1 out)" "5001    1  x 5000  x"
try 0 '' sql log "select seq from e where seq > 99" -o json
is "no rows" "$(cat out)" ""
cases=$((cases + 1)) # on a terminal nothing of an event reaches it as it is
for form in table csv; do
    script -qec "'$evlog' sql log \"select data->>'text' as t from e where seq = 1\" -o $form" /dev/null </dev/null >out 2>err
    ! grep -q "$(printf '\033')\[2J" out || bad "-o $form: the terminal is cleared"
done

# ------------------------------------------------------------- conditions ----
try 0 '' sql log "select group_concat(seq) as s from e where time >= '2026-01-31T19' and time < '2026-02'"
is "times compare as text" "$(cat out)" '{"s": "2"}'
try 0 '' sql log "select strftime('%H:%M', time) as t, unixepoch(time) as u from e limit 1"
is "times are SQLite's" "$(cat out)" '{"t": "18:00", "u": 1769882400}'
try 0 '' sql log "select user, typeof(user) as t from e where user = 8" --column user=user.id
is "a column" "$(cat out)" '{"user": 8, "t": "integer"}'
try 0 '' sql log "it's other" "select e.seq, n.name from e join e2 n on n.nr = e.user order by e.seq" --column user=user.id --column nr=id --column name=name
is "a join of two logs" "$(cat out)" '{"seq": 1, "name": "ann"}
{"seq": 3, "name": "ann"}'

try 0 '' sql log "select j.key as k, j.value as v from e, json_each(e.data, '\$.user') j where seq = 1"
is "items of maps and lists" "$(cat out)" '{"k": "id", "v": 7}'

# ---------------------------------------------------------------- refusals ----
refuses() { # refuses WORDS QUERY...: each is refused, and changes and makes nothing
    words=$1
    shift
    for query; do
        try 2 "$words" sql log "$query"
        is "$query prints nothing" "$(cat out)" ""
    done
}
refuses 'the query may only read the logs' "attach 'made' as m" "pragma user_version = 5" "create table t(a)" "create temp table t(a)" \
    "insert into e(seq) values (1)" "begin" "vacuum into 'made'" "drop table e" "detach main" "create virtual table x using evlog('log')" \
    "select * from pragma_user_version" "explain select * from evlog('log')"
refuses 'the query may only read the logs' "select load_extension('./x.so')" "select * from evlog('log')" "select count(*) from evlog('log')" \
    "select fts3_tokenizer('a')" "with x as (select 1 from evlog('log')) select * from x"
refuses 'e may not be modified' "delete from e" "update e set seq = 1"
refuses 'no such function' "select writefile('made', 'x')" "select readfile('/etc/passwd')"
refuses 'only one statement' "select 1; select 2"
refuses 'is empty' "" " -- nothing"
refuses 'syntax error' "selekt 1"
refuses 'no such table' "select * from f"
refuses 'have the name seq' "select a.seq, b.seq from e a, e b"
refuses 'is not UTF-8' "select cast(x'ff' as text) as t"
[ ! -e made ] || bad "a query has made a file"
try 3 'no log there' sql nolog "select 1"
try 2 '--column takes' sql log "select 1" --column user
try 2 "--output takes table, csv or json" sql log "select 1" -o short
try 2 'missing' sql log
is "nothing changed" "$("$evlog" info log | grep -o '"events": [0-9]*')" '"events": 3'

# ------------------------------------------------------------------ damage ----
"$evlog" send bad a.b '{"mark": "damage me here"}' >/dev/null
"$evlog" send bad a.b '{}' >/dev/null
for offset in $(LC_ALL=C grep -obUa 'damage me' bad/events.mdb | cut -d: -f1); do
    printf X | dd of=bad/events.mdb bs=1 seek="$offset" conv=notrunc 2>/dev/null
done
try 4 'event 1: ' sql bad "select count(*) as n from e"
try 4 'column damage' sql bad "select type, count(*) as n from e group by type"
try 0 '' sql bad "select seq, type, damage like '%checksum%' as d from e"
is "damage is a row" "$(cat out)" '{"seq": 1, "type": null, "d": 1}
{"seq": 2, "type": "a.b", "d": null}'

# ------------------------------------------------------- in other programs ----
extension=$build/sqlite/evlog_sqlite.so
python=
for candidate in /usr/bin/python3 python3; do
    [ "$python" ] || ! $candidate -c 'import sqlite3; sqlite3.connect(":memory:").enable_load_extension(True)' 2>/dev/null || python=$candidate
done
if [ "$python" ]; then
    $python - "$extension" >out 2>err <<'PY'
import sqlite3, sys
db = sqlite3.connect(":memory:")
db.enable_load_extension(True)
db.load_extension(sys.argv[1])
print(db.execute("select count(*), min(time) from evlog('log')").fetchone())
db.execute("create virtual table e using evlog('log', 'user=user.id')")
print(db.execute("select seq from e where user = ? and log_time > ?", (7, "2026")).fetchall())
try:
    db.execute("select * from evlog('bad')").fetchall()
    print("damaged")
    db.execute("select count(*) from evlog('bad')").fetchall()
except sqlite3.DatabaseError as error:
    print(error)
PY
    is "Python's sqlite3" "$(cat out err)" "(3, '2026-01-31T18:00:00.500000+00:00')
[(1,), (3,)]
damaged
event 1: its checksum does not fit"
else echo "SKIPPED: the extension in Python: its sqlite3 loads none"; fi
if command -v sqlite3 >/dev/null; then
    is "sqlite3's shell" "$(sqlite3 :memory: ".load $extension" "select seq, type from evlog('log') order by seq desc limit 1")" "3|org.example.left.v1"
else echo "SKIPPED: the extension in sqlite3's shell: it is not installed"; fi
# As the manual's page has it: a database with tables of logs.
if [ "$python" ] && command -v datasette >/dev/null; then
    $python - "$extension" <<'PY'
import sqlite3, sys
db = sqlite3.connect("logs.db")
db.enable_load_extension(True)
db.load_extension(sys.argv[1])
db.execute("create virtual table visits using evlog('log', 'user=user.id')")
PY
    datasette logs.db --load-extension "$extension" --get '/logs/visits.json?_shape=array&_sort_desc=seq&_size=1&_col=user' >out 2>err
    is datasette "$(cat out)" '[{"seq": 3, "user": 7}]'
else echo "SKIPPED: the extension in datasette: it is not installed"; fi
if python3 -c 'import pandas, sqlite3; sqlite3.connect(":memory:").enable_load_extension(True)' 2>/dev/null; then
    sed -n '/^\*pandas\*/,/^\*DBeaver/p' "$tree/tools/man/evlog-sql.1.scd" | awk '/^```$/ { on = !on; next } on' |
        sed "s|/usr/local/lib/evlog/evlog_sqlite|$extension|; s|/srv/log/visits|log|" >recipe.py
    { echo 'import sqlite3, pandas'; cat recipe.py; echo 'print(len(frame), frame["time"][0])'; } | python3 - >out 2>err
    is pandas "$(cat out)" '3 2026-01-31 18:00:00.500000+00:00'
else echo "SKIPPED: the extension in pandas: it is not installed"; fi
end_cases
