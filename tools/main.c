/* The command: its verbs and its help. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "completion.h"
#include "stop.h"
#include "terminal.h"
#include "tool.h"

#define RANGE \
    OPT_FROM, OPT_TO, OPT_SINCE, OPT_UNTIL, OPT_TYPE, OPT_COUNT, OPT_REVERSE, OPT_BY_TIME, FILTER
#define FILTER OPT_WHERE, OPT_GREP, OPT_NOT_TYPE, OPT_SOURCE, OPT_HOST
static const struct verb verbs[] = {
    {"send", "LOG TYPE [JSON|-]", "append an event, or one for each line of standard input",
     TAKES(OPT_OUTPUT, OPT_SKIP_BAD, OPT_KNOWN, OPT_NO_NEW_LOG, OPT_DURABILITY,
           OPT_GROUP_WRITABLE, OPT_SERVICE, OPT_TIME, OPT_MINORVERSION, OPT_PLUGIN, OPT_HEADER,
           OPT_LENIENT, OPT_UNTYPED, OPT_SOURCEHOST),
     2, 3, send_run,
     "JSON is the event's data, an object; {} when it is left out. With - each line of standard\n"
     "input is one. They are appended in batches, each in one commit. A line that is wrong is\n"
     "named, those before it are in the log, and nothing after it is read; with --skip-bad it is\n"
     "counted and passed over. The log and the event type are made when they do not exist.\n"
     "Data of a type that has a schema in the log, or from a plugin, are checked against it. An Open\n"
     "edX type gets its own when it is new, unless --untyped is given. Their data are under the\n"
     "argument's name, {\"tracking_log\": {...}}, as evlog/openedx.h lists it. With --plugin the\n"
     "receivers that it connects get the events; one that fails is reported, with exit status 1.\n"
     "\n"
     "Data that JSON has no word for is written as\n"
     "  {\"$bin\": \"AAEC\"}                    binary, in base64\n"
     "  {\"$ext\": [5, \"AAEC\"]}               a MessagePack extension type and its bytes\n"
     "  {\"$uint\": \"18446744073709551615\"}   an integer above 2^63 - 1\n"
     "  {\"$float\": \"nan\"}                   nan, inf or -inf\n"
     "  {\"$map\": [[1, \"a\"]]}                a map with keys that are not plain strings\n"
     "and an object that only looks like one of these has one more $: {\"$$bin\": 1}.\n"},
    {"show", "LOG", "print events, oldest first",
     TAKES(RANGE, OPT_FOLLOW, OPT_OUTPUT, OPT_FIELDS, OPT_NO_PAGER, OPT_OFFLINE,
           OPT_WAIT_FOR_LOG),
     1, 1, show_run,
     "On a terminal one line an event, cut to its width (-o pretty shows all of it); in a pipe one\n"
     "JSON object a line, with the keys seq log_time id type minorversion time source sourcehost\n"
     "sourcelib from_event_bus headers (where there are some) data in this order, and times always\n"
     "with six digits and in UTC: 2026-01-31T18:00:00.123456+00:00. What is under data can be sent\n"
     "again as it is.\n"
     "Events that are damaged are passed over, and reported at the end with exit status 4. With -f it\n"
     "goes on with what any process sends, like evlog tail -f; -n N then begins with the last N.\n"},
    {"get", "LOG SEQ|ID", "print one event, by its seq or its UUID",
     TAKES(OPT_OUTPUT, OPT_FIELDS, OPT_OFFLINE), 2, 2, get_run,
     "An ID is looked for from the first event on, since the log has no index of them.\n"},
    {"replay", "LOG --exec COMMAND | --plugin FILE.so",
     "run a command or a plugin's receivers for each event, in the original order",
     TAKES(RANGE, OPT_FIELDS, OPT_EXEC, OPT_KEEP_GOING, OPT_PLUGIN, OPT_SPEED, OPT_RATE), 1, 1,
     replay_run,
     "COMMAND runs once for each event, by /bin/sh, with the event as one JSON line on its\n"
     "standard input (with --fields only these) and its seq, type and id in EVLOG_SEQ, EVLOG_TYPE\n"
     "and EVLOG_ID. Unless it exits with 0 the replay stops and names the event, from which --from\n"
     "can go on. With --plugin the events go to the receivers that the plugins connect.\n"},
    {"types", "LOG", "list the event types and how many events each has",
     TAKES(OPT_FROM, OPT_TO, OPT_SINCE, OPT_UNTIL, OPT_TYPE, OPT_OUTPUT, OPT_SCHEMA, OPT_ALL,
           OPT_NO_PAGER, OPT_OFFLINE),
     1, 1, types_run,
     "Reads through the range, except where the log has summaries, which replays and consumers that\n"
     "may write to it make: damage there is not found. With --schema it reads no events.\n"
     "The log's own types, evlog.*, are listed with --all or when they are asked for.\n"},
    {"schema check", "LOG [TYPE FILE|-]",
     "check the events, or a new schema, against the log's schemas",
     TAKES(OPT_OUTPUT, OPT_OFFLINE), 1, 3, schema_check_run,
     "With LOG alone every event is read and checked against the schema that it was written under.\n"
     "With TYPE and FILE it says whether the Avro schema in FILE can become the next one of TYPE:\n"
     "whether it can read what the log has of it, and whether programs with the earlier schemas\n"
     "can read what is written under it. Nothing is changed. Exit status 1 when it finds something.\n"
     "In a pipe each finding is one JSON object, and the last line counts the events.\n"},
    {"schema add", "LOG TYPE [FILE|-]", "make an Avro schema the next one of an event type",
     TAKES(OPT_FORCE_SCHEMA, OPT_FORM, OPT_GROUP_WRITABLE), 2, 3, schema_add_run,
     "Without FILE it is that of the Open edX event of this type. It is refused when what the log\n"
     "has could not be read under it, or programs that have an earlier schema could not read what\n"
     "is written under it, unless --force is given. evlog send then checks data against it.\n"},
    {"sql", "LOG... QUERY", "query logs in SQL: SELECT ... FROM e",
     TAKES(OPT_OUTPUT_OF_ROWS, OPT_COLUMN, OPT_OFFLINE), 2, 100, sql_run,
     "The first log is the table e, the others are e2, e3 ... Their columns are seq, log_time, time, id,\n"
     "type, source, host, lib, headers, data (these two in JSON), damage, and one for each --column.\n"
     "QUERY is one statement of SQLite's SQL, which can only read these logs. A value in the data is\n"
     "data->>'$.enrollment.user.id'; --column is faster. Times are text in UTC as evlog show -o json\n"
     "prints them. They can be compared with others ('2026-01-31'), and SQLite's date functions read\n"
     "them. Conditions on seq, and on log_time with < <= > >=, bound what is read. The log's own\n"
     "events, evlog.*, are rows too. evlog-sql(1) has examples.\n"
     "A query that meets a damaged event fails, with exit status 4. When it asks for the column damage,\n"
     "it gets a row for the event instead, in which damage is what is wrong.\n"},
    {"info", "LOG", "show what the log is: how many events, from when to when, how large",
     TAKES(OPT_OUTPUT, OPT_OFFLINE), 1, 1, info_run,
     "Takes the same time whatever the log's length.\n"},
    {"metrics", "LOG...", "print metrics of logs and their consumers as Prometheus' text",
     TAKES(OPT_HELP), 1, 1 + OPERANDS_MAX, metrics_run,
     "For node_exporter's textfile collector and its like, from cron or a timer. What reads the file must\n"
     "not see half of it, so write another one and rename it, or use sponge (Debian: moreutils):\n"
     "  evlog metrics LOG >/var/lib/node/evlog.prom.new; mv /var/lib/node/evlog.prom.new \\\n"
     "    /var/lib/node/evlog.prom\n"
     "A log that cannot be read has evlog_up 0, and the exit status is 3; the others are printed.\n"},
    {"verify", "LOG", "check every event and page, and report what is wrong",
     TAKES(OPT_OUTPUT, OPT_EXPECT, OPT_SEAL, OPT_OFFLINE), 1, 1, verify_run,
     "Reads the whole log. Exit status 1 when anything was found. In a pipe each finding is one JSON\n"
     "object, and the last line is the result: events (that were read), findings (0 when all is well;\n"
     "remarks do not count), first_seq, last_seq, head. Events that were cut off at the end leave\n"
     "nothing inside the log that shows it: with --expect SEQ:CHAIN, the head that this verb or evlog\n"
     "info printed earlier and that was kept elsewhere, it reports whether all events up to it are\n"
     "there, the same ones. That finds a cut and an older copy; it does not find an attacker, who can\n"
     "make events with the same checksums.\n"
     "With --seal PUBKEY, the line that evlog seal keygen printed, the events are compared with the\n"
     "seals in the log, and with --expect FILE with a checkpoint that evlog seal printed earlier. Three\n"
     "verdicts: integrity (nothing was changed), completeness (nothing was cut off; only --expect shows\n"
     "that), freshness (until when it is sealed). Events that no seal covers are named as unproved. In a\n"
     "pipe the last line has the verdicts, too. A key that this one has handed over to is followed, and\n"
     "reported; with several keys in PUBKEY these are all, and a handover to another one is a finding.\n"},
    {"trim", "LOG --before WHERE | --keep N | --max-age AGE | --max-size SIZE",
     "delete the oldest events",
     TAKES(OPT_BEFORE, OPT_KEEP, OPT_MAX_AGE, OPT_MAX_SIZE, OPT_FORCE, OPT_YES, OPT_OUTPUT), 1, 1,
     trim_run,
     "The log then begins with the first event that is kept, for every reader and consumer. No seq is\n"
     "used again, and evlog verify checks what is kept as before. The newest event is never deleted.\n"
     "The space is used by events to come; the file does not get smaller. An event evlog.trimmed.v1\n"
     "records what was deleted. Other processes may send, read and consume meanwhile.\n"
     "It is refused when a consumer has not done, or has parked, some of the events. Without --yes it\n"
     "only reports what would be deleted.\n"},
    {"retain", "LOG [--max-age AGE] [--keep N] [--max-size SIZE] | LOG --off",
     "show or set how much the log keeps",
     TAKES(OPT_KEEP, OPT_MAX_AGE, OPT_MAX_SIZE, OPT_HELD_BY, OPT_OFF, OPT_YES, OPT_OUTPUT), 1, 1,
     retain_run,
     "The policy is kept in the log, and every process that sends applies it in the background: no limit\n"
     "is exceeded by more than a tenth for long. The newest event is always kept, and so are events that\n"
     "a consumer has not done, unless --held-by says otherwise. Without options it shows the policy, the\n"
     "events that it would delete now, and which consumer holds events back. With options it reports\n"
     "what the new policy would delete now, and sets the policy only with --yes.\n"},
    {"copy", "LOG NEW", "copy a log that may be in use, or add newer events to a copy",
     TAKES(OPT_SINCE_SEQ, OPT_PREVIEW, OPT_OUTPUT, OPT_GROUP_WRITABLE), 2, 2, copy_run,
     "NEW is a directory: either it is made, or it is an earlier copy, to which the newer events are\n"
     "added. Other processes may send, read and consume meanwhile; none can open NEW. The copy has all\n"
     "events up to a moment during the copying, and the consumers and their state as of that moment or\n"
     "earlier. The copy is a log of its own: after something else was appended to it, nothing can be\n"
     "added from LOG. After an interruption the same command continues where it was. Exit status 4 when\n"
     "events of LOG are missing: they are missing in NEW, too.\n"},
    {"diff", "LOG OTHER", "find the first event at which two logs part",
     TAKES(OPT_OUTPUT, OPT_OFFLINE), 2, 2, diff_run,
     "For a log and a copy of it (same origin), also where one or both were trimmed or have gone on: what\n"
     "both have is compared. It says whether one ends earlier, and of the first event that differs which\n"
     "of its fields do, and where in the data. For logs of different origins, as after evlog import, log\n"
     "times are not compared. Exit status 0: the same; 1: they differ, or one ends earlier; 4: the same,\n"
     "but for events that neither can read.\n"},
    {"compact", "LOG", "give the space that trimming has freed back to the disk",
     TAKES(OPT_YES, OPT_OUTPUT), 1, 1, compact_run,
     "The log's files are written anew and then replace the old ones; events, seqs and consumers stay as\n"
     "they are. No other process may have the log open meanwhile, not even to read, and the disk must\n"
     "have room for a second copy of the log's contents. When it is interrupted, either nothing was\n"
     "done, or the next evlog compact finishes it. Only the owner of the files and root can do it, and\n"
     "each user of the group if the log was made with --group-writable. Without --yes it only reports\n"
     "what would be done.\n"},
    {"export", "LOG", "write events, and the types they were sent under, for evlog import",
     TAKES(RANGE, OPT_REDACT, OPT_OFFLINE), 1, 1, export_run,
     "One JSON object a line: first one for each event type and schema of the log, then the events, as\n"
     "evlog show -o json prints them. An event that was sent under another schema than the last line\n"
     "about its type says is preceded by a short line that names the schema. The log's own events are\n"
     "left out.\n"
     "With --redact the fields that their types mark as personal are masked: texts become \"redacted\",\n"
     "numbers 0, lists empty. The fields of the Open edX types are marked. The result still fits the\n"
     "schemas.\n"},
    {"import", "LOG [FILE|-]", "append events that were elsewhere, with their ids and times",
     TAKES(OPT_SKIP_KNOWN, OPT_PREVIEW, OPT_SKIP_BAD, OPT_FORCE_SCHEMA, OPT_NO_NEW_LOG,
           OPT_DURABILITY, OPT_GROUP_WRITABLE, OPT_OUTPUT),
     1, 2, import_run,
     "Reads what evlog export wrote, and events as lines of JSON with the keys that evlog show prints.\n"
     "type and data are needed; id, time, source, sourcehost, sourcelib, minorversion, headers and\n"
     "from_event_bus are kept where they are given. Log time is the time of the import, and the order is\n"
     "that of the input. A wrong line ends the import as it ends evlog send. Consumers get the events\n"
     "like any others.\n"
     "\n"
     "The import may be interrupted at any time, also by kill -9: the same command continues after the\n"
     "last event that is in the log, and appends none twice. Events evlog.imported.v1 in the log record\n"
     "how far each input was imported. An input is identified by its first event. It may have new events\n"
     "at its end. One that begins with another event is another input, for example a new export of a log\n"
     "that was trimmed. --skip-known passes over all events whose ids the log has, from any input.\n"},
    {"erase", "LOG SEQ|ID... --reason TEXT", "erase the data of single events, for good",
     TAKES(OPT_REASON, OPT_NOW, OPT_YES, OPT_OUTPUT, OPT_KEY), 2, 1 + OPERANDS_MAX, erase_run,
     "No reader or consumer gets the data, headers and salts of these events any more, whatever its\n"
     "position. seq, id, type, times and source stay, and evlog verify reports no damage. An event\n"
     "evlog.erased.v1 records what was erased, and why. In place of the data the log keeps a SHA-256 of\n"
     "salt and data; nobody can use it to confirm a guess at them. Other processes may send and read\n"
     "meanwhile. The log's own events cannot be erased.\n"
     "Unused parts of the file may still have the bytes until the log is compacted, which --now does at\n"
     "once; evlog info shows for how many events. Receivers, copies and backups may have the data too:\n"
     "evlog erase does not reach them.\n"
     "In a log that is sealed an erasure is signed, with --key FILE: who, when, and why are in the event.\n"
     "Without --yes it only shows the events. When one of them does not exist, none is erased.\n"},
    {"seal keygen", "LOG --key FILE", "make the key that seals a log, and print its public key",
     TAKES(OPT_KEY, OPT_OUTPUT_OF_NOTES), 1, 1, seal_keygen_run,
     "FILE gets the private key, and must not exist; only its owner can read it. Who checks the log\n"
     "needs the line that is printed. The key belongs to this log: its name has the log's uuid.\n"},
    {"seal", "LOG --key FILE", "sign what the log holds, and print that as a checkpoint",
     TAKES(OPT_KEY, OPT_NEXT, OPT_OUTPUT_OF_NOTES), 1, 1, seal_run,
     "Appends an event evlog.sealed.v1, and prints the checkpoint in it: the number of events, the root\n"
     "of a Merkle tree (RFC 6962, SHA-256) over them, and the signature, as a note of C2SP\n"
     "(tlog-checkpoint). Keep what is printed where whoever can write to the log cannot: by it, evlog\n"
     "verify --seal PUBKEY --expect CHECKPOINT finds every event that was changed, taken out, added or\n"
     "cut off since. Whoever has the private key can seal anything: keep it elsewhere than the log.\n"
     "Only events since the last seal are read. A sealed log is trimmed only up to a seal.\n"
     "With --next FILE the checkpoint names a new key, which signs it, too, and replaces the first one:\n"
     "that seals nothing any more. The first public key leads an auditor to the new one.\n"},
    {"prove", "LOG SEQ | LOG --since-size N",
     "print a proof that an event was sealed, or that seals agree",
     TAKES(OPT_SEAL, OPT_SIZE, OPT_SINCE_SIZE, OPT_OUTPUT_OF_NOTES, OPT_OFFLINE), 1, 2, prove_run,
     "For somebody who has the public key and not the log. With SEQ: an inclusion proof, in the form of\n"
     "C2SP's tlog-proof, with the checkpoint; its extra data are the leaf, by which the event can be\n"
     "recognized (tools/leaf.c). With --since-size: a consistency proof that the checkpoint goes on from\n"
     "an earlier one of N events, as a C2SP witness wants it. A log whose events are not what was\n"
     "sealed proves nothing. All events up to the checkpoint are read.\n"},
    {"salvage", "LOG NEW", "make a new log of all that can be read of a damaged one",
     TAKES(OPT_YES, OPT_OUTPUT, OPT_GROUP_WRITABLE), 2, 2, salvage_run,
     "NEW gets every event whose checksum holds, in order, also those that the index of the file no\n"
     "longer leads to; and types, sources and consumers, each consumer only with all of its state. LOG\n"
     "is not changed, and may be too damaged to be opened. Missing events are reported, with exit status\n"
     "4; they stay missing in NEW, where an event evlog.salvaged.v1 records them. Of an undamaged log\n"
     "NEW has the same events and consumers. NEW must not exist, or be an empty directory. Without\n"
     "--yes it only reports what would be done.\n"},
    {"repair", "LOG", "cut off what is damaged at the end of a log", TAKES(OPT_YES, OPT_OUTPUT),
     1, 1, repair_run,
     "A log whose newest event is damaged cannot be written to. Everything after its last undamaged\n"
     "event is cut off and kept in the file LOG/cut-FIRST-LAST, and an event evlog.repaired.v1 records\n"
     "that. No seq is used again: the events stay missing, and evlog verify reports them. evlog salvage\n"
     "reports whether they can be read from another file. Without --yes it only reports what would be\n"
     "done.\n"},
    {"tail", "LOG", "print the last events, and with -f those that come",
     TAKES(OPT_FOLLOW, OPT_FROM, OPT_SINCE, OPT_TYPE, OPT_COUNT, OPT_BY_TIME, OPT_OUTPUT,
           OPT_FIELDS, OPT_OFFLINE, OPT_WAIT_FOR_LOG, FILTER),
     1, 1, tail_run,
     "The last 10, or -n N of them; with --from or --since all from there on. With -f it goes on, with\n"
     "what any process sends, until it is interrupted, the log is deleted, or nobody reads its output\n"
     "any more. -n 0 prints only what comes. Output as with evlog show.\n"},
    {"consume", "LOG NAME --exec COMMAND | --plugin FILE.so",
     "run a command or a plugin's receivers as a durable consumer",
     TAKES(OPT_EXEC, OPT_PLUGIN, OPT_FOLLOW, OPT_ACK_LINES, OPT_COUNT, OPT_TYPE, OPT_TO,
           OPT_START, OPT_SPEED, OPT_RATE, OPT_NO_NEW_CONSUMER, OPT_WORKER, OPT_BY_PATH,
           OPT_WAIT_FOR_CLAIM, OPT_ATTEMPTS, OPT_BACKOFF, OPT_BACKOFF_MAX, OPT_ON_FAILURE,
           OPT_TIMEOUT, FILTER),
     2, 2, consume_run,
     "The consumer NAME is made when it does not exist; else it goes on where it was. COMMAND is\n"
     "run by /bin/sh and gets events as JSON lines on its standard input. When there are no more\n"
     "its input ends; its exit with 0, when it has read all, acknowledges all.\n"
     "With --ack-lines each line that it prints acknowledges one event, the oldest\n"
     "that is not yet. In the JSON, attempt is more than 1 when an event may have been given out\n"
     "before, and is_replay says whether it was in the log before the consumer was made.\n"
     "\n"
     "It ends when it is caught up. With -f it goes on: COMMAND is started again for what comes, or\n"
     "with --ack-lines gets it on its input. SIGINT or SIGTERM stop the giving out: COMMAND may\n"
     "finish what it has, which is then acknowledged as always. A second one ends it at once.\n"
     "\n"
     "When COMMAND fails, what it has not acknowledged comes again in its next run, half as many at a\n"
     "time, until it fails with one event alone. That one is tried --attempts times; then it is parked,\n"
     "on record with the reason, and the others go on: see evlog help parked. No event is to blame, and\n"
     "it ends at once, when COMMAND exits with 126 or 127 (it cannot be run) or 75 (EX_TEMPFAIL: it\n"
     "can do nothing now). With --on-failure stop it ends when COMMAND has failed, and all comes again\n"
     "the next time. Parked events that are to be retried come first; COMMAND is run for each alone.\n"
     "\n"
     "With --plugin the events go to the receivers that the plugins connect, and one whose receiver\n"
     "fails is tried and parked likewise. --type is kept with the consumer: what it was not asked for\n"
     "then is not given later; so is --start, and both must be left out, or be the same types, when the\n"
     "consumer exists. Receivers of all events\n"
     "get those of the types that the log had when evlog consume was started. --where and the other\n"
     "filters are not kept: what they pass over counts as done, and is not given later without them.\n"
     "\n"
     "With --worker I/N --by PATH it is one of N that share the events of the group NAME: it gets those\n"
     "whose value at PATH is its own, in order, and those with equal values all go to one worker. Each is\n"
     "a consumer, NAME/IofN:PATH, and the first that is run makes all. Events without a value there are\n"
     "worker 1's; an erased event goes to every worker. N and PATH can be changed when all N are done\n"
     "up to the same seq and have nothing parked: run each with --to SEQ.\n"
     "\n"
     "Exit status 1 when COMMAND failed for good, or events were parked, skipped or lost; 3 also when\n"
     "another process has the consumer.\n"},
    {"consumer ls", "LOG", "list the consumers and how far behind they are",
     TAKES(OPT_OUTPUT, OPT_OFFLINE), 1, 1, consumer_ls_run,
     "The lag is the events of the log after the last that a consumer is done with, wanted or not,\n"
     "and how long ago the first of them was logged: in JSON lag_events and lag_seconds. pid is the\n"
     "process that has it; in JSON 0 is none, and -1 one that has no pid here (containers).\n"},
    {"consumer info", "LOG NAME", "show what a consumer is", TAKES(OPT_OUTPUT, OPT_OFFLINE), 2, 2,
     consumer_info_run,
     "Events up to its checkpoint (done up to) are never given to it again, unless they are parked\n"
     "and retried. It came there after that event was logged (checkpoint_log_time), and not later\n"
     "than it wrote last (updated). Those up to replay_last_seq are replays to it. NAME may be a group:\n"
     "then each of its workers is shown.\n"},
    {"consumer state", "LOG NAME", "print the keys and values of a consumer's state",
     TAKES(OPT_OUTPUT, OPT_STATE_KEY), 2, 2, consumer_state_run,
     "As they were written last, in the order of the keys' bytes: on a terminal the key, a tab and the\n"
     "value, escaped where they are not text; in a pipe one JSON object a line, with key and value, and\n"
     "{\"$bin\": base64} for what is not UTF-8.\n"},
    {"consumer add", "LOG NAME", "make a consumer", TAKES(OPT_START, OPT_TYPE), 2, 2,
     consumer_add_run, "It begins at --start, and gets the events of the types given, or all.\n"},
    {"consumer rm", "LOG NAME | LOG --idle AGE",
     "remove a consumer, its parked events and its state", TAKES(OPT_IDLE, OPT_YES, OPT_OUTPUT),
     1, 2, consumer_rm_run,
     "With --idle, all that have committed nothing for so long and that no process has: they may\n"
     "keep a retention policy from deleting events. A group goes as a whole, by its name. Without --yes\n"
     "it only reports what would be removed.\n"},
    {"consumer reset", "LOG NAME --to WHERE", "put a consumer somewhere else in the log",
     TAKES(OPT_TO_WHERE, OPT_YES, OPT_OUTPUT), 2, 2, consumer_reset_run,
     "The event at WHERE is its next. Its state is dropped, and what is parked from there on. All\n"
     "events that are in the log now are replays to it. NAME may be a group: all its workers are moved.\n"
     "Without --yes it only reports what would be done.\n"},
    {"consumer pause", "LOG NAME", "let a consumer get nothing until it is resumed",
     TAKES(OPT_HELP), 2, 2, consumer_pause_run, "In whichever process it is at work.\n"},
    {"consumer resume", "LOG NAME", "let a paused consumer go on", TAKES(OPT_HELP), 2, 2,
     consumer_resume_run, ""},
    {"parked ls", "LOG NAME", "list the events that a consumer has parked",
     TAKES(OPT_OUTPUT, OPT_OFFLINE), 2, 2, parked_ls_run,
     "Those whose receiver failed too often, and those that were lost: damaged, or trimmed away.\n"},
    {"parked retry", "LOG NAME SEQ|--all", "have parked events tried again",
     TAKES(OPT_ALL, OPT_OUTPUT), 2, 3, parked_retry_run,
     "The consumer gets them, first of all, when it runs. One that fails is parked again.\n"},
    {"parked drop", "LOG NAME SEQ|--all", "take parked events off the record",
     TAKES(OPT_ALL, OPT_YES, OPT_OUTPUT), 2, 3, parked_drop_run,
     "The consumer never gets them again. Without --yes it only reports what would be dropped.\n"},
};
#define VERB_COUNT (sizeof verbs / sizeof *verbs)

/* Lists the verbs of a family (`consumer`). 0: there is no such family. */
static int family_print(FILE *out, const char *family)
{
    size_t size = strlen(family), count = 0;
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strncmp(verbs[i].name, family, size) == 0 && verbs[i].name[size] == ' ') {
            fprintf(out, "%s  evlog %s %s\n      %s\n", count++ ? "" : "usage:\n", verbs[i].name,
                    verbs[i].arguments, verbs[i].summary);
        }
    if (count)
        fprintf(out, "`evlog help %s VERB` says more about one.\n", family);
    return count > 0;
}

/* The exit statuses. */
static void exit_print(FILE *out)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
#define X(name, status, text) {status, text},
        EXIT_STATUSES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(out, "  %d  %s\n", rows[i].status, rows[i].text);
    fputs("A signal that ends it is the shell's to report, as 128 and its number.\n", out);
}

/* Help on a verb, or with NULL on all of them. */
static void help_print(FILE *out, const struct verb *verb)
{
    if (verb) {
        verb_help(out, verb);
        return;
    }
    fprintf(
        out,
        "usage: evlog VERB LOG [ARGUMENT]... [OPTION]...\n\n"
        "evlog: a persistent event log with replay. LOG is the log's directory; EVLOG_LOG names one, and\n"
        "LOG may then be left out, see: man evlog.\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  %-15s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(out, "  %-15s %s\n", "relay",
            "give events to an event bus, or take them from one; see: evlog relay --help");
    fprintf(out, "  %-15s %s\n", "web",
            "a page to look at logs with a browser; see: evlog web --help");
    fprintf(
        out,
        "\n`evlog help VERB` says more about one; `evlog completion bash|zsh|fish` prints a script for\n"
        "a shell's completion.\n\n"
        "Exit status:\n");
    exit_print(out);
}

/* The verb that `words` begin with, one word or two; `*used` is how many. NULL: there is none. */
static const struct verb *verb_named(int count, char **words, int *used)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const char *blank = strchr(verbs[i].name, ' ');
        size_t size = blank ? (size_t)(blank - verbs[i].name) : strlen(verbs[i].name);
        *used = blank ? 2 : 1;
        if (count >= *used && strlen(words[0]) == size &&
            strncmp(words[0], verbs[i].name, size) == 0 &&
            (!blank || strcmp(words[1], blank + 1) == 0))
            return &verbs[i];
    }
    return NULL;
}

/*
 * `evlog relay ...` and `evlog web ...`: programs of their own, beside this one or in PATH, since they need libraries
 * that the command does not. Does not return if there is one.
 */
static int run_program(char **argv)
{
    bool is_relay = strcmp(argv[0], "relay") == 0;
    static char name[16];
    char path[PATH_MAX];
    snprintf(name, sizeof name, "evlog-%s", argv[0]);
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof name);
    path[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(path, '/');
    argv[0] = name;
    if (slash) {
        strcpy(slash + 1, name);
        execv(path, argv);
    }
    execvp(name, argv);
    if (is_relay)
        return complain(EXIT_LOG,
                        "the relays are not there: evlog-relay is built when hiredis is "
                        "installed (Debian: apt-get install libhiredis-dev, then make)");
    return complain(
        EXIT_LOG,
        "the page is not there: evlog-web is built when libmicrohttpd is installed (Debian: "
        "apt-get install libmicrohttpd-dev, then make)");
}

static bool is_program(const char *word)
{
    return strcmp(word, "relay") == 0 || strcmp(word, "web") == 0;
}

static int no_such_verb(const char *word)
{
    if (family_print(stderr, word))
        return EXIT_MISUSE;
    return complain(EXIT_MISUSE, "no such verb: %s; see: evlog help", word);
}

static int help(int count, char **words)
{
    static char option[] = "--help";
    int used;
    if (count && is_program(words[0]))
        return run_program((char *[]){words[0], option, NULL});
    const struct verb *verb = count ? verb_named(count, words, &used) : NULL;
    if (count == 1 && strcmp(words[0], "exit") == 0) {
        exit_print(stdout);
        return output_flushed(EXIT_DONE);
    }
    pager_begin();
    if (!verb && count == 1 && family_print(stdout, words[0]))
        return output_flushed(EXIT_DONE);
    if (!verb && count)
        return no_such_verb(words[0]);
    help_print(stdout, verb);
    return output_flushed(EXIT_DONE);
}

/* `evlog help [VERB]`, `evlog --help`, `evlog --version`. -1: none of these. */
static int asked_about_itself(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("evlog %s\n", evlog_version());
        return output_flushed(EXIT_DONE);
    }
    if (strcmp(word, "help") == 0)
        return help(argc - 2, argv + 2);
    if (strcmp(word, "completion") == 0)
        return completion_run(verbs, VERB_COUNT, argc - 2, argv + 2);
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ? help(0, NULL) : -1;
}

/*
 * A standard descriptor that is closed would be given to the log's file, and what is printed
 * would be written into it: it is opened here, so that its use fails.
 */
static void keep_standard_descriptors(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    keep_standard_descriptors();
    stop_as_process_1();
    int status = asked_about_itself(argc, argv);
    if (status >= 0)
        return status;
    if (argc < 2) {
        help_print(stderr, NULL);
        return EXIT_MISUSE;
    }
    if (is_program(argv[1]))
        return run_program(argv + 1);
    int used;
    const struct verb *verb = verb_named(argc - 1, argv + 1, &used);
    if (!verb)
        return no_such_verb(argv[1]);
    status = options_read(verb, argc - used, argv + used, &options);
    if (status < 0) {
        if (verb_takes(verb, OPT_NO_PAGER) && !options.no_pager && !options.follow)
            pager_begin();
        status = verb->run(&options);
        if (status == EXIT_DONE && options_preview(verb, &options))
            status = EXIT_PREVIEW;
    }
    return output_flushed(status);
}
