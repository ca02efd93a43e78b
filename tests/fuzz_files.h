/*
 * What the fuzz targets of a log's files share: a log that is made once, and patches of one of its files,
 * so that a small input reaches every field of every page.
 *
 *   input: how 1 byte, then patches of 6 bytes: page 1 | place in it 2 | kind 1 | value 2
 *   how    bit 0: without `edge`; bit 1: without `shared`, as after a restart
 *   kinds  0 a byte is set | 1 a byte is changed by exclusive or | 2 a number of 2 bytes | 3 one of 8 bytes |
 *          4 a page gets the contents of page `value` | 5 the file ends there
 */
#ifndef FUZZ_FILES_H
#define FUZZ_FILES_H

#include "damage.h"

#define FUZZ_TYPE "org.evlog.fuzz.v1"
#define FUZZ_PAGE 4096
#define FUZZ_PAGES_MAX 64
#define FUZZ_EVENTS 40
#define FUZZ_FILES 6

static const char *const fuzz_names[FUZZ_FILES] = {"format", "events.mdb", "state.mdb",
                                                   "edge",   "shared",     "journal"};

struct fuzz_log {
    char path[200];
    struct bytes files[FUZZ_FILES]; /* as the log was made; size 0: there is none */
    uint64_t digests[FUZZ_EVENTS + 1];
};

static inline void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s: %s\n", what, evlog_errmsg());
        abort();
    }
}

static inline const char *fuzz_file(const struct fuzz_log *log, const char *name)
{
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", log->path, name);
    return path;
}

/* Events of different sizes: some have pages of their own. */
static inline int fuzz_send(evlog *log, unsigned n)
{
    static unsigned char data[6000] = {0x82, 0xa1, 'n', 0xcc, 0, 0xa1, 'f', 0xc5};
    size_t size = n % 7 == 3 ? 5000 : 20 + n;
    evlog_signal *signal;
    data[4] = (unsigned char)n;
    data[8] = (unsigned char)(size >> 8);
    data[9] = (unsigned char)size;
    int result = evlog_define(log, FUZZ_TYPE, 0, NULL, &signal);
    return result ? result : evlog_send_event(signal, data, 10 + size, NULL, NULL);
}

static inline uint64_t fuzz_digest(const evlog_event *event)
{
    return XXH3_64bits_withSeed(event->data, event->data_size, event->seq);
}

/* At the end of the process: the directories that fuzz_make has made. */
static char fuzz_paths[2][200];

static inline void fuzz_remove(void)
{
    char command[512];
    for (size_t i = 0; i < 2 && fuzz_paths[i][0]; i++) {
        snprintf(command, sizeof command, "rm -rf '%s'", fuzz_paths[i]);
        if (system(command))
            fprintf(stderr, "%s is left\n", fuzz_paths[i]);
    }
}

/* Makes the log, with what `more` adds, and keeps its files. */
static inline void fuzz_make(struct fuzz_log *fuzz, evlog_durability durability,
                             void (*more)(evlog *))
{
    evlog *log;
    evlog_event *event;
    const char *base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(fuzz->path, sizeof fuzz->path, "%s/evlog-fuzz-XXXXXX", base);
    must(mkdtemp(fuzz->path) != NULL, "a directory is made");
    size_t at = fuzz_paths[0][0] != 0;
    if (at == 0)
        atexit(fuzz_remove);
    memcpy(fuzz_paths[at], fuzz->path, sizeof fuzz->path);
    must(evlog_open(fuzz->path, &(evlog_options){.durability = durability}, &log) == EVLOG_OK,
         "the log is made");
    for (unsigned i = 1; i <= FUZZ_EVENTS; i++) {
        must(fuzz_send(log, i) == EVLOG_OK, "an event is sent");
        must(evlog_read(log, i, &event) == EVLOG_OK, "it is read");
        fuzz->digests[i] = fuzz_digest(event);
        evlog_event_free(event);
    }
    if (more)
        more(log);
    must(evlog_close(log) == EVLOG_OK, "the log is closed");
    for (size_t i = 0; i < FUZZ_FILES; i++)
        if (access(fuzz_file(fuzz, fuzz_names[i]), R_OK) == 0)
            fuzz->files[i] = file_read(fuzz_file(fuzz, fuzz_names[i]));
}

static inline void fuzz_patch(struct bytes *file, const uint8_t *patch)
{
    size_t pages = file->size / FUZZ_PAGE;
    if (pages == 0)
        return;
    size_t place = (patch[1] << 8 | patch[2]) % FUZZ_PAGE;
    size_t at = patch[0] % pages * FUZZ_PAGE + place;
    uint64_t value = (uint64_t)(patch[4] << 8 | patch[5]);
    switch (patch[3] % 6) {
    case 0:
        file->at[at] = (unsigned char)value;
        break;
    case 1:
        file->at[at] ^= (unsigned char)value;
        break;
    case 2:
    case 3: {
        size_t size = patch[3] % 6 == 2 ? 2 : 8;
        memcpy(file->at + (at + size > file->size ? file->size - size : at), &value, size);
        break;
    }
    case 4:
        memmove(file->at + at - place, file->at + value % pages * FUZZ_PAGE, FUZZ_PAGE);
        break;
    default:
        file->size = at;
    }
}

/* Puts the files back, but for one that is patched, which only its first pages can be. */
static inline void fuzz_restore(const struct fuzz_log *fuzz, const char *patched,
                                const uint8_t *input, size_t size)
{
    static unsigned char buffer[FUZZ_PAGES_MAX * FUZZ_PAGE];
    static const char *const locks[] = {"events.mdb-lock", "state.mdb-lock", "lock"};
    unsigned how = size ? input[0] : 0;
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
        unlink(fuzz_file(fuzz, locks[i]));
    for (size_t i = 0; i < FUZZ_FILES; i++) {
        struct bytes file = fuzz->files[i];
        const char *name = fuzz_names[i];
        if (file.size == 0 || (strcmp(name, "edge") == 0 && (how & 1)) ||
            (strcmp(name, "shared") == 0 && (how & 2))) {
            unlink(fuzz_file(fuzz, name));
            continue;
        }
        if (strcmp(name, patched) == 0) {
            file.size = file.size < sizeof buffer ? file.size : sizeof buffer;
            memcpy(buffer, file.at, file.size);
            file.at = buffer;
            for (size_t at = 1; at + 6 <= size && at < 1 + 6 * 32; at += 6)
                fuzz_patch(&file, input + at);
        }
        file_write(fuzz_file(fuzz, name), file.at, file.size);
    }
}

/*
 * Which events can be read. What is read must be what was sent. Returns how many can; `seen` (or NULL) has a
 * mark for each of them.
 */
static inline size_t fuzz_read(const struct fuzz_log *fuzz, evlog *log,
                               unsigned char seen[FUZZ_EVENTS + 1])
{
    evlog_cursor *cursor;
    const evlog_event *event;
    size_t count = 0;
    memset(seen, 0, FUZZ_EVENTS + 1);
    if (evlog_cursor_open(log, NULL, &cursor))
        return 0;
    for (unsigned steps = 0; steps < 4 * FUZZ_EVENTS; steps++) {
        int result = evlog_cursor_next(cursor, &event);
        if (result == EVLOG_DAMAGED)
            continue;
        if (result || !event)
            break;
        if (event->seq > FUZZ_EVENTS || event->data == NULL)
            continue;
        must(fuzz_digest(event) == fuzz->digests[event->seq], "an event is as it was sent");
        seen[event->seq] = 1;
        count++;
    }
    evlog_cursor_close(cursor);
    return count;
}

static inline bool fuzz_is_sound(evlog *log)
{
    return evlog_verify(log, NULL, NULL, NULL) == EVLOG_OK;
}

#endif
