/*
 * Harm done to a log's files on purpose: whole files read and written, values changed
 * through liblmdb as a stranger would, checksums made to fit again. For the tests that
 * show what becomes of it.
 */
#ifndef DAMAGE_H
#define DAMAGE_H

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "test.h"

/* --------------------------------------------------------------- files ---- */

struct bytes {
    unsigned char *at;
    size_t size;
};

/* A file's bytes, for the caller to free. */
static inline struct bytes file_read(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    if (status.st_size < 0)
        abort(); /* cannot be; gcc -O3 -D_FORTIFY_SOURCE=3 warns otherwise */
    struct bytes bytes = {.at = malloc((size_t)status.st_size + 1),
                          .size = (size_t)status.st_size};
    assert_non_null(bytes.at);
    assert_int_equal(read(fd, bytes.at, bytes.size), bytes.size);
    close(fd);
    return bytes;
}

/* Makes the file hold these bytes and no others. */
static inline void file_write(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

/* Overwrites a place of the file. */
static inline void file_patch(const char *path, const void *bytes, size_t size, uint64_t offset)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
    close(fd);
}

/* ---------------------------------------------------------- big-endian ---- */

static inline void put_big(void *bytes, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)(value >> (8 * (size - 1 - i)));
}

static inline uint64_t get_big(const void *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | ((const unsigned char *)bytes)[i];
    return value;
}

/* ----------------------------------------------------------- checksums ---- */

/*
 * Makes the checksum of a record fit its bytes, as store/README.md says it: the forger's
 * part, and written without record.c on purpose.
 */
static inline void record_refit(uint64_t seq, unsigned char *value, size_t size)
{
    unsigned char covered[91];
    bool is_erased = value[88] & 2;
    put_big(value + 20, seq, 8);
    if (!is_erased)
        put_big(value + 93, XXH3_64bits(value + 101, size - 101), 8);
    memcpy(covered, value + 10, sizeof covered);
    covered[78] &= 0xfd;
    put_big(value + 2, XXH3_64bits(covered, sizeof covered), 8);
}

/* The same for an entry of state.mdb; `seed` is that of its log. */
static inline void entry_refit(uint64_t seed, const void *key, size_t key_size,
                               unsigned char *value, size_t size)
{
    uint64_t key_digest = XXH3_64bits_withSeed(key, key_size, seed);
    put_big(value + 2, XXH3_64bits_withSeed(value + 10, size - 10, key_digest), 8);
}

/* What seeds the checksums of a log's entries, by its file `format`. */
static inline uint64_t log_seed(const char *path)
{
    struct bytes text = file_read(path);
    uint8_t origin[16];
    text.at[text.size] = '\0';
    char *at = strstr((char *)text.at, "\norigin ");
    assert_true(at && strlen(at) > 8 + 36);
    at[8 + 36] = '\0';
    OK(evlog_uuid_parse(at + 8, origin));
    free(text.at);
    return XXH3_64bits(origin, sizeof origin);
}

/* ------------------------------------------------------ through liblmdb ---- */

/* An LMDB file open for change. */
struct raw {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
};

static inline struct raw raw_open(const char *path)
{
    struct raw raw;
    assert_int_equal(mdb_env_create(&raw.env), 0);
    assert_int_equal(mdb_env_set_mapsize(raw.env, 64 << 20), 0);
    assert_int_equal(mdb_env_open(raw.env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(raw.env, NULL, 0, &raw.txn), 0);
    assert_int_equal(mdb_dbi_open(raw.txn, NULL, 0, &raw.dbi), 0);
    return raw;
}

static inline void raw_close(struct raw *raw)
{
    assert_int_equal(mdb_txn_commit(raw->txn), 0);
    mdb_env_close(raw->env);
}

/* A copy of a key's value, for the caller to free; fails the test when there is none. */
static inline struct bytes raw_get(struct raw *raw, const void *key, size_t key_size)
{
    MDB_val name = {.mv_size = key_size, .mv_data = (void *)key}, found;
    assert_int_equal(mdb_get(raw->txn, raw->dbi, &name, &found), 0);
    struct bytes value = {.at = malloc(found.mv_size), .size = found.mv_size};
    assert_non_null(value.at);
    memcpy(value.at, found.mv_data, found.mv_size);
    return value;
}

static inline void raw_put(struct raw *raw, const void *key, size_t key_size, struct bytes value)
{
    MDB_val name = {.mv_size = key_size, .mv_data = (void *)key};
    MDB_val data = {.mv_size = value.size, .mv_data = value.at};
    assert_int_equal(mdb_put(raw->txn, raw->dbi, &name, &data, 0), 0);
}

/* Where in the file the bytes are that liblmdb shows: by the number at their page's head. */
static inline uint64_t raw_offset(const struct raw *raw, const void *bytes)
{
    MDB_stat stat;
    uint64_t number;
    assert_int_equal(mdb_env_stat(raw->env, &stat), 0);
    uintptr_t in_page = (uintptr_t)bytes % stat.ms_psize;
    memcpy(&number, (const char *)bytes - in_page, sizeof number);
    return number * stat.ms_psize + in_page;
}

/* Where the record of a seq is in the file, its key and its value. */
struct damage_place {
    uint64_t key, value;
    size_t size; /* of the value; the key has 8 bytes */
};

static inline struct damage_place damage_place_of(const char *path, uint64_t seq)
{
    unsigned char bytes[8];
    MDB_cursor *cursor;
    MDB_val key = {.mv_size = sizeof bytes, .mv_data = bytes}, value;
    struct raw raw;
    put_big(bytes, seq, 8);
    assert_int_equal(mdb_env_create(&raw.env), 0);
    assert_int_equal(mdb_env_open(raw.env, path, MDB_NOSUBDIR | MDB_RDONLY, 0600), 0);
    assert_int_equal(mdb_txn_begin(raw.env, NULL, MDB_RDONLY, &raw.txn), 0);
    assert_int_equal(mdb_dbi_open(raw.txn, NULL, 0, &raw.dbi), 0);
    assert_int_equal(mdb_cursor_open(raw.txn, raw.dbi, &cursor), 0);
    assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY), 0);
    struct damage_place place = {.key = raw_offset(&raw, key.mv_data),
                                 .value = raw_offset(&raw, value.mv_data),
                                 .size = value.mv_size};
    mdb_cursor_close(cursor);
    mdb_txn_abort(raw.txn);
    mdb_env_close(raw.env);
    return place;
}

static inline void raw_del(struct raw *raw, const void *key, size_t key_size)
{
    MDB_val name = {.mv_size = key_size, .mv_data = (void *)key};
    assert_int_equal(mdb_del(raw->txn, raw->dbi, &name, NULL), 0);
}

#endif
