/*
 * A signed erasure: in a sealed log the holder of the key erases an event. The note is in the event evlog.erased.v1,
 * and its text is
 *
 *   evlog/UUID/erasure           the key's name, and that word
 *   seq 3
 *   id 480cb81a-e77a-11f1-afb8-dbe8ed80af96
 *   type org.example.joined.v1
 *   sha256 BASE64                of what is erased: salt, headers and data
 *   who alice (uid 1000) on shop1
 *   when 2026-11-29T18:00:00.123456+00:00
 *   why ticket 4711
 *
 * It is no checkpoint, whose second line is a number, and no cosignature (signed_note.c). It can be used for no other
 * event and no other log. Who and when are what the machine says on which it is signed.
 */
#include "erasure.h"

#include <inttypes.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIND "/erasure\nseq "
#define DIGEST_LINE "\nsha256 "

/* A line of text: what could end it is left out. */
static void make_plain(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ')
            *text = ' ';
}

static void who_text(char *text, size_t size)
{
    char host[256] = "";
    const struct passwd *user = getpwuid(getuid());
    gethostname(host, sizeof host - 1);
    snprintf(text, size, "%s (uid %lu) on %s", user ? user->pw_name : "?",
             (unsigned long)getuid(), host);
    make_plain(text);
}

char *erasure_sign(const struct note_secret *secret, const evlog_event *event,
                   const unsigned char digest[SHA256_SIZE], const char *reason)
{
    char id[EVLOG_UUID_TEXT_SIZE], when[EVLOG_TIME_TEXT_SIZE], hash[NOTE_HASH_TEXT_SIZE],
        who[600];
    char *why = strdup(reason), *text = NULL, *note = NULL;
    who_text(who, sizeof who);
    if (why)
        make_plain(why);
    if (why && asprintf(&text,
                        "%s" KIND "%" PRIu64 "\nid %s\ntype %s" DIGEST_LINE
                        "%s\nwho %s\nwhen %s\nwhy %s\n",
                        secret->key.name, event->seq, evlog_uuid_text(event->id, id),
                        event->event_type, note_hash_text(digest, hash), who,
                        evlog_time_text(evlog_now_us(), when), why) >= 0)
        note = note_sign(secret, NULL, text, 0);
    free(text);
    free(why);
    return note;
}

/* A text that ends in NUL: the seq is on the second line, the digest on the fifth. */
static bool parse(const struct note_key *key, const char *text, struct erasure *erasure)
{
    size_t name_size = strlen(key->name), size;
    char *end;
    if (strncmp(text, key->name, name_size) != 0 ||
        strncmp(text + name_size, KIND, strlen(KIND)) != 0)
        return false;
    erasure->seq = strtoull(text + name_size + strlen(KIND), &end, 10);
    const char *line = strstr(end, DIGEST_LINE);
    return *end == '\n' && line &&
           sodium_base642bin(erasure->digest, SHA256_SIZE, line + strlen(DIGEST_LINE),
                             NOTE_HASH_TEXT_SIZE - 1, NULL, &size, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           size == SHA256_SIZE;
}

enum note_verdict erasure_read(const struct note_key *key, evlog_string note,
                               struct erasure *erasure)
{
    struct note_text text;
    enum note_verdict verdict = note_check(key, note.text, note.size, &text);
    if (verdict)
        return verdict;
    char *copy = strndup(text.text, text.size);
    bool is_good = copy && strlen(copy) == text.size && parse(key, copy, erasure);
    free(copy);
    return is_good ? NOTE_GOOD : NOTE_MALFORMED;
}
