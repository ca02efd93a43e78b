#!/bin/sh
# What evlog info says of a log's space: what is in use, free, and kept ahead, and who holds pages, since when. usage: test_info.sh BUILD
. "$(dirname "$0")/tool.sh"
member() { sed -n "s/.*\"$1\": \"\{0,1\}\([^,\"]*\)\"\{0,1\},.*/\1/p" out; }
sizes='^size  *[0-9.]* k\{0,1\}B in use, [0-9.]* kB free for events to come, [0-9.]* [kM]B kept ahead, [0-9.]* [kM]B on disk$'

for log in durable fast; do
    seq -f '{"n": %.0f}' 2000 | "$evlog" send $log a.b.v1 - --durability $log >/dev/null
    "$evlog" trim $log --keep 10 --yes >/dev/null
    try 0 "" info $log
    used=$(member used_size) free=$(member free_size) ahead=$(member ahead_size)
    is "$log: in use, and kept ahead, are the file" $((used + ahead)) "$(wc -c <$log/events.mdb)"
    is "$log: most of what was used is free, and some is kept ahead" $((free > used / 2 && free < used && ahead > 0)) 1
    try 0 "" info $log -o short
    is "$log: sizes" "$(grep -c "$sizes" out)" 1
done

# A process that holds a snapshot, as only a foreign program does, or one that is stopped.
cat >hold.c <<'C'
#include <lmdb.h>
#include <stdio.h>
int main(int count, char **words)
{
    MDB_env *env;
    MDB_txn *txn;
    if (count != 2 || mdb_env_create(&env) || mdb_env_open(env, words[1], MDB_NOSUBDIR | MDB_RDONLY, 0600) ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn))
        return 1;
    puts("held");
    fflush(stdout);
    return getchar() != EOF;
}
C
cc hold.c $(pkg-config --cflags --libs lmdb) -o hold
seq -f '{"n": %.0f}' 20 | "$evlog" send log a.b.v1 - >/dev/null
"$evlog" get log 20 -o json >out
logged=$(member log_time)
mkfifo end
./hold log/events.mdb <end >held &
holder=$!
exec 3>end
until_true grep held held
try 0 "" info log
has '"readers": [],' # not behind
for i in $(seq 120); do "$build/evlog" send log a.b.v1 >/dev/null; done
try 0 "" info log
has "\"readers\": [{\"pid\": $holder, \"file\": \"events.mdb\", \"commits_behind\": "
has "\"last_seq\": 20, \"last_log_time\": \"$logged\"}]"
is "it holds pages" $(($(member held_size) > 120 * 4096)) 1
try 0 "" info log -o short
is "who, and since when" "$(grep -c "^reader      process $holder has read events.mdb for 1[2-9][0-9] commits, since event 20 of [0-9:. UTC-]* was the newest, and holds [0-9.]* [kM]B: until it ends, the file grows\$" out)" 1
exec 3>&-
wait $holder
is "the holder" $? 0
try 0 "" info log
has '"readers": [],'
end_cases
