#!/bin/sh
# evlog consumer state, and since when a consumer is at its event. usage: test_consumer_state.sh BUILD
. "$(dirname "$0")/tool.sh"
cat >put.c <<'C'
#include <evlog.h>
#include <string.h>

static const char *const pairs[][2] = {
    {"alice", "3"}, {"bob\033[2J", "line\nline"}, {"caf\303\251", "\342\202\254"}, {"raw\377", "\001\377"}, {"empty", ""}};

static int put(const evlog_event *event, void *ctx)
{
    (void)event;
    for (size_t i = 0; i < 5; i++)
        if (evlog_state_put(ctx, pairs[i][0], strlen(pairs[i][0]), pairs[i][1], strlen(pairs[i][1])))
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    evlog *log;
    evlog_consumer *consumer;
    return argc != 2 || evlog_open(argv[1], NULL, &log) || evlog_consumer_open(log, "c", NULL, &consumer) ||
           evlog_consumer_poll(consumer, 1, 0, put, consumer, NULL) || evlog_consumer_close(consumer) || evlog_close(log);
}
C
msgpack=$(pkg-config --exists msgpack-c && echo msgpack-c || echo msgpack)
cc -Wall -Werror -I"$build/include" put.c "$build/libevlog.a" $(pkg-config --cflags --libs lmdb libxxhash $msgpack) -pthread -o put || exit 1

seq -f '{"n": %.0f}' 3 | "$evlog" send log org.example.first.v1 - >/dev/null
try 1 "no consumer c" consumer state log c
try 0 "" consumer add log none; try 1 "consumer none has no state" consumer state log none
./put log || bad "the program that puts state fails"
try 0 "" consumer state log c
is "in a pipe: JSON" "$(cat out)" '{"key": "alice", "value": "3"}
{"key": "bob\u001B[2J", "value": "line\nline"}
{"key": "café", "value": "€"}
{"key": "empty", "value": ""}
{"key": {"$bin": "cmF3/w=="}, "value": {"$bin": "Af8="}}'
try 0 "" consumer state log c -o short
is "escaped" "$(tr '\t' '>' <out)" 'alice>3
bob\u001b[2J>line\u000aline
café>€
empty>
raw\xff>\u0001\xff'
is "no byte can move the cursor" "$(LC_ALL=C tr -d '\n\t -~\200-\377' <out | wc -c)" 0
try 0 "" consumer state log c --key alice; is "one key" "$(cat out)" '{"key": "alice", "value": "3"}'
try 1 "consumer c has no such key in its state" consumer state log c --key ali
try 0 "" consumer state log c -o pretty --key empty; has '  "key": "empty",'
try 2 "an argument is missing; usage: evlog consumer state LOG NAME" consumer state log
try 3 "none: no log there" consumer state none c

# Since when it is at its event: not before that was logged.
time=$("$evlog" get log 1 -o json | sed 's/.*"log_time": "\([^"]*\)".*/\1/')
try 0 "" consumer info log c; has "\"checkpoint\": 1, \"checkpoint_log_time\": \"$time\", "
try 0 "" consumer info log c -o short --utc; has "done up to  seq 1, logged on "; has "wrote last  on "
try 0 "" consumer info log none; has '"checkpoint": 0, "checkpoint_log_time": null, '
try 0 "" consumer info log none -o short; is "nothing of a time" "$(grep '^done up to' out)" "done up to  seq 0"
end_cases
