/*
 * The list of free pages: how many there are, and that what is counted for a transaction is enough for it, whatever has
 * been put and deleted before, in whichever sizes, while readers hold some of it.
 */
#include "freelist.h"

#include <lmdb.h>

#include "be64.h"
#include "env.h"
#include "error.h"
#include "log.h"
#include "test.h"

#define ROUNDS 6
#define STEPS 3000
#define FILE_SIZE ((uint64_t)2 << 20)
#define VALUE_SIZE_MAX 20000

/* ------------------------------------------------------ wrapped calls ---- */

static unsigned full_count; /* times that liblmdb found no page in a transaction that was begun */

int __real_mdb_cursor_put(MDB_cursor *cursor, MDB_val *key, MDB_val *data, unsigned flags);
int __wrap_mdb_cursor_put(MDB_cursor *cursor, MDB_val *key, MDB_val *data, unsigned flags);

int __wrap_mdb_cursor_put(MDB_cursor *cursor, MDB_val *key, MDB_val *data, unsigned flags)
{
    int rc = __real_mdb_cursor_put(cursor, key, data, flags);
    full_count += rc == MDB_MAP_FULL;
    return rc;
}

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    int rc = __real_mdb_txn_commit(txn);
    full_count += rc == MDB_MAP_FULL;
    return rc;
}

/* --------------------------------------------------------------- a world ---- */

struct world {
    struct env *env;
    uint64_t first, last; /* keys that are there */
    size_t sizes[8];      /* of the values that are put next */
    size_t count;
    uint64_t delete_count;
};

static struct env *make_env(const char *path)
{
    const struct env_options options = {.create = true,
                                        .readers_max = 16,
                                        .is_unflushed = true,
                                        .is_mapped = true,
                                        .file_size_max = FILE_SIZE};
    struct env *env;
    OK(env_open(path, &options, &env));
    return env;
}

static int put_all(struct env *env, void *ctx)
{
    const struct world *world = ctx;
    for (size_t i = 0; i < world->count; i++) {
        unsigned char key[8];
        void *bytes;
        be64_store(key, world->last + 1 + i);
        int result = env_append(env, key, sizeof key, world->sizes[i], &bytes);
        if (result)
            return result;
        memset(bytes, (int)i, world->sizes[i]);
    }
    return EVLOG_OK;
}

static int delete_first(struct env *env, void *ctx)
{
    const struct world *world = ctx;
    for (uint64_t i = 0; i < world->delete_count; i++) {
        unsigned char key[8];
        be64_store(key, world->first + i);
        int result = env_delete(env, key, sizeof key);
        if (result)
            return result;
    }
    return EVLOG_OK;
}

/* Puts up to eight values, most of them small. */
static int put_some(struct world *world)
{
    struct env_size size = {.sum = 0};
    world->count = rand() % 8 ? 1 : 1 + (size_t)rand() % 8;
    for (size_t i = 0; i < world->count; i++) {
        world->sizes[i] = 10 + (size_t)rand() % (rand() % 6 ? 300 : VALUE_SIZE_MAX);
        size.sum += world->sizes[i];
        if (world->sizes[i] > size.value_max)
            size.value_max = world->sizes[i];
    }
    OK(env_lock(world->env));
    int result = env_write_locked(world->env, ENV_FLUSH_ALL, size, put_all, world);
    env_unlock(world->env);
    world->last += result == EVLOG_OK ? world->count : 0;
    return result;
}

static void delete_some(struct world *world)
{
    uint64_t there = world->last + 1 - world->first;
    world->delete_count = 1 + (uint64_t)rand() % 60;
    if (world->delete_count > there)
        world->delete_count = there;
    OK(env_write(world->env, ENV_FLUSH_ALL, 0, delete_first, world));
    world->first += world->delete_count;
}

/* -------------------------------------------------------------- counting ---- */

static int count_in(const struct page_snapshot *snapshot, void *ctx)
{
    return freelist_count(snapshot, 0, ctx);
}

static int do_some(const struct page_snapshot *snapshot, void *ctx);

struct step {
    struct world *world;
    unsigned depth; /* of readers, one inside the other */
    unsigned done_count, full_count;
};

/* One step; now and then with a reader that is there meanwhile, and for some more. */
static int do_step(struct step *step)
{
    if (rand() % 40 == 0 && step->depth < 4) {
        step->depth++;
        int result = env_read(step->world->env, ENV_NEWEST, do_some, step);
        step->depth--;
        return result;
    }
    int result = put_some(step->world);
    step->done_count += result == EVLOG_OK;
    if (result != EVLOG_FULL)
        return result;
    step->full_count++;
    delete_some(step->world);
    return EVLOG_OK;
}

static int do_some(const struct page_snapshot *snapshot, void *ctx)
{
    (void)snapshot;
    int result = EVLOG_OK;
    for (int i = 0; i < 5 && result == EVLOG_OK; i++)
        result = do_step(ctx);
    return result;
}

/*
 * A file that is as long as it may be: what is put goes where something was deleted. No transaction is begun for
 * which there are too few pages, single ones or side by side.
 */
static void what_is_counted_is_there(void **state)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        char name[16];
        snprintf(name, sizeof name, "%u.mdb", round);
        struct world world = {.first = 1};
        struct step step = {.world = &world};
        srand(round + 1);
        world.env = make_env(in(*state, name));
        while (put_some(&world) == EVLOG_OK)
            ;
        full_count = 0; /* the map has grown until now */
        for (unsigned i = 0; i < STEPS; i++)
            OK(do_step(&step));
        print_message("round %u: %u puts, %u times full\n", round, step.done_count,
                      step.full_count);
        assert_int_equal(full_count, 0);
        assert_true(step.done_count > STEPS / 2);
        env_close(world.env);
    }
}

static int put_while_it_is_read(const struct page_snapshot *snapshot, void *ctx)
{
    struct world *world = ctx;
    (void)snapshot;
    for (unsigned i = 0; i < 8; i++)
        delete_some(world);
    unsigned count = 0;
    while (put_some(world) == EVLOG_OK)
        count++;
    return count < 20 ? EVLOG_OK : error_set(EVLOG_INVALID, "%u puts", count);
}

/* What was freed since a reader began is still in use: it is not counted until the reader ends. */
static void what_a_reader_holds_is_not_counted(void **state)
{
    struct world world = {.first = 1};
    world.env = make_env(in(*state, "one.mdb"));
    while (put_some(&world) == EVLOG_OK)
        ;
    full_count = 0;
    OK(env_read(world.env, ENV_NEWEST, put_while_it_is_read, &world));
    for (unsigned i = 0; i < 10; i++)
        OK(put_some(&world));
    assert_int_equal(full_count, 0);
    env_close(world.env);
}

/* As liblmdb has them: all pages but those of the two trees and the meta pages. */
static void all_free_pages_are_counted(void **state)
{
    struct world world = {.first = 1};
    struct page_snapshot snapshot;
    uint64_t count;
    MDB_stat stat;
    MDB_env *lmdb;
    MDB_txn *txn;
    world.env = make_env(in(*state, "one.mdb"));
    OK(env_read(world.env, ENV_NEWEST, count_in, &count));
    assert_int_equal(count, 0);
    for (unsigned i = 0; i < 300; i++)
        if (put_some(&world) || i % 3 == 0)
            delete_some(&world);
    OK(env_read(world.env, ENV_NEWEST, count_in, &count));
    OK(env_snapshot(world.env, &snapshot));
    uint64_t rest = snapshot.last_page + 1 - 2 - count;
    env_close(world.env);
    assert_int_equal(mdb_env_create(&lmdb), 0);
    assert_int_equal(mdb_env_open(lmdb, in(*state, "one.mdb"), MDB_NOSUBDIR | MDB_RDONLY, 0), 0);
    assert_int_equal(mdb_txn_begin(lmdb, NULL, MDB_RDONLY, &txn), 0);
    for (MDB_dbi dbi = 0; dbi < 2; dbi++) { /* the list of free pages, and the records */
        assert_int_equal(mdb_stat(txn, dbi, &stat), 0);
        rest -= stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    }
    assert_true(count > 10);
    assert_int_equal(rest, 0);
    mdb_txn_abort(txn);
    mdb_env_close(lmdb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(what_is_counted_is_there),
        TEST_AT_HOME(what_a_reader_holds_is_not_counted),
        TEST_AT_HOME(all_free_pages_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
