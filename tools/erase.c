/*
 * evlog erase: the data of single events go, for good.
 *
 * All events that are named are looked for first, so that nothing is erased when one of them is wrong. The digest
 * that stays in the log is made here, by libsodium: the library has no SHA-256. In a sealed log each erasure is signed
 * (erasure.c).
 */
#include <evlog/upkeep.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "erasure.h"
#include "print.h"
#include "sealed.h"

/* The event that an argument names. EXIT_DONE, or the exit status, reported. */
static int find_event(evlog *log, const char *text, evlog_event **event)
{
    uint8_t id[16];
    uint64_t seq;
    if (seq_read(text, &seq))
        return library_status(evlog_read(log, seq, event));
    if (evlog_uuid_parse(text, id) != EVLOG_OK)
        return complain(EXIT_MISUSE, "neither a seq (1, 2, 3 ...) nor a UUID: %s", text);
    return library_status(evlog_find(log, id, NULL, event));
}

/* The SHA-256 of what is erased. EVLOG_NOTFOUND: it is erased already. */
static int make_digest(evlog *log, uint64_t seq, unsigned char digest[crypto_hash_sha256_BYTES])
{
    evlog_buffer contents;
    int code = evlog_erase_contents(log, seq, &contents);
    if (code)
        return code;
    crypto_hash_sha256(digest, contents.data, contents.size);
    sodium_memzero(contents.data, contents.size);
    evlog_buffer_free(&contents);
    return EVLOG_OK;
}

/* `secret`: NULL, or in a sealed log the key by which it is signed. */
static int erase_one(evlog *log, const evlog_event *event, const struct note_secret *secret,
                     const struct options *options)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    int code = event->data ? make_digest(log, event->seq, digest) : EVLOG_NOTFOUND;
    if (code && code != EVLOG_NOTFOUND)
        return code;
    char *note = secret && !code ? erasure_sign(secret, event, digest, options->reason) : NULL;
    if (secret && !code && !note)
        return out_of_memory();
    evlog_erase_options how = {.reason = options->reason, .note = note};
    code = evlog_erase(log, event->seq, code ? NULL : digest, &how);
    free(note);
    return code;
}

/* What was, or would be, done with an event. */
static int put_json(const evlog_event *event, const struct options *options)
{
    char id[EVLOG_UUID_TEXT_SIZE];
    return result_put(json_pack("{s:I, s:s, s:s, s:b, s:b}", "seq", (json_int_t)event->seq, "id",
                                evlog_uuid_text(event->id, id), "type", event->event_type,
                                "was_erased", !event->data, "done", options->yes),
                      options->output);
}

/* A preview shows the data too, so that it can be seen whether these are the events that are meant. */
static int put_one(const evlog_event *event, const struct options *options)
{
    if (options->output != OUTPUT_SHORT)
        return put_json(event, options);
    if (!options->yes)
        return event_put(stdout, event, OUTPUT_SHORT) ? complain(EXIT_LOG, "out of memory")
                                                      : EXIT_DONE;
    printf("event %" PRIu64 " %s\n", event->seq, event->data ? "is erased" : "was erased before");
    return EXIT_DONE;
}

/* Erases one event, which find_all has checked, or shows it. */
static int erase_or_show(evlog *log, const evlog_event *event, const struct note_secret *secret,
                         const struct options *options)
{
    int code = options->yes ? erase_one(log, event, secret, options) : EVLOG_OK;
    return code ? library_status(code) : put_one(event, options);
}

/* Finds all events, and checks that each can be erased. The exit status, reported. */
static int find_all(evlog *log, evlog_event **events, const struct options *options)
{
    const evlog_erase_options preview = {.preview = true, .reason = options->reason};
    for (size_t i = 0; i < options->operand_count; i++) {
        int status = find_event(log, options->operands[i], &events[i]);
        if (status == EXIT_DONE)
            status = library_status(evlog_erase(log, events[i]->seq, NULL, &preview));
        if (status != EXIT_DONE)
            return status;
    }
    return EXIT_DONE;
}

/* Whether erasures may be signed by this key. EXIT_DONE, or the status, reported. */
static int check_secret(evlog *log, const struct note_key *key, const char *file)
{
    char name[NOTE_NAME_SIZE_MAX + 1];
    evlog_info info;
    struct sealed last;
    bool is_any;
    int code = evlog_inspect(log, &info);
    if (code)
        return complain_library(code);
    if (strcmp(sealed_name(&info, name), key->name) != 0)
        return complain(EXIT_MISUSE, "%s: is the key of %s, and this log is %s", file, key->name,
                        name);
    code = sealed_find(log, key, 0, UINT64_MAX, &last, NULL, &is_any);
    if (code)
        return code == EVLOG_NOTFOUND ? EXIT_DONE : complain_library(code);
    return sealed_check_use(&last, key, file);
}

/* In a sealed log an erasure is signed. EXIT_DONE, or the status, reported. */
static int check_key(evlog *log, const struct note_secret *secret, const struct options *options)
{
    bool is_sealed;
    if (secret)
        return check_secret(log, &secret->key, options->key);
    int code = sealed_is_any(log, &is_sealed);
    if (code)
        return complain_library(code);
    if (is_sealed && options->yes)
        return complain(
            EXIT_MISUSE,
            "%s: the log is sealed, and what is erased in it must be signed for: --key "
            "FILE, or evlog verify --seal reports it",
            options->path);
    return EXIT_DONE;
}

static int erase(evlog *log, evlog_event **events, const struct note_secret *secret,
                 const struct options *options)
{
    int status = check_key(log, secret, options);
    if (status == EXIT_DONE)
        status = find_all(log, events, options);
    for (size_t i = 0; status == EXIT_DONE && i < options->operand_count; i++)
        status = erase_or_show(log, events[i], secret, options);
    if (status != EXIT_DONE || options->output != OUTPUT_SHORT)
        return status;
    if (!options->yes)
        puts("would be erased; do it with --yes");
    else if (!options->now)
        puts("unused parts of the file may have their bytes until the log is compacted");
    return EXIT_DONE;
}

/* The new file has no bytes of the erased data, and the old file is overwritten. */
static int compact(const struct options *options)
{
    evlog_compact_options how = {.wait_ms = options->open.wait_ms};
    if (evlog_compact(options->path, &how, NULL) == EVLOG_OK)
        return EXIT_DONE;
    return complain(EXIT_LOG, "erased, but unused parts of the file may have the bytes: %s",
                    evlog_errmsg());
}

static int erase_with(const struct note_secret *secret, struct options *options)
{
    evlog *log;
    if (options->yes ? open_to_write(options, &log) : open_to_read(options, &log))
        return EXIT_LOG;
    evlog_event **events = calloc(options->operand_count, sizeof *events);
    int status =
        events ? erase(log, events, secret, options) : complain(EXIT_LOG, "out of memory");
    for (size_t i = 0; events && i < options->operand_count; i++)
        evlog_event_free(events[i]);
    free(events);
    evlog_close(log);
    return status == EXIT_DONE && options->yes && options->now ? compact(options) : status;
}

int erase_run(struct options *options)
{
    struct note_secret secret;
    if (!options->reason)
        return complain(EXIT_MISUSE, "why? --reason TEXT goes on record; see: evlog help erase");
    if (!options->key)
        return erase_with(NULL, options);
    int status = note_secret_read(options->key, &secret);
    if (status)
        return status;
    status = erase_with(&secret, options);
    note_secret_free(&secret);
    return status;
}
