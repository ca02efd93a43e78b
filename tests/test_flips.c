/*
 * Every bit of a log's two LMDB files, flipped one at a time.
 *
 * Each flip is made in a copy of a log of known content (flips.h), which a child process then uses as a
 * user would. The flip must be harmless, or reported (by verify, by the opening, or by what was asked), or
 * mended. It must never be lost: an event destroyed or missing in silence, or acknowledged and
 * not there; nor wrong: other data than were sent, or a writer that refuses what verify has found
 * sound; nor crashed, which includes a call without end. Of these there must be none. A log without a
 * flip must be harmless: else the test is broken.
 *
 * The logs, of both durabilities:
 *
 *   closed    closed normally, and flipped in place: the same inode, in the same run of the machine
 *   copied    closed normally, and copied: another inode, as after a power cut
 *   killed    its process was killed, and it is flipped in place: no checksum was noted
 *
 * usage: test_flips [long] [LOG FILE OFFSET BIT]
 *
 *   long      every bit in use, shared out among the logs; else: of meta pages, of the list of free pages, page
 *             headers and node offsets every bit, of the rest of the right edge one bit of each second
 *             byte, and of all other pages a few
 *   LOG ...   one flip, and what came of it
 *
 * Each worker has copies of its own, in memory where there is such a file system. Between flips
 * what was changed is written back, byte by byte.
 */
#include "flips.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "meta.h"

#define WORKERS 2
#define SECONDS 20 /* for one flip */
#define FILES_MAX 12
#define SITES_MAX (1 << 20)
#define SHOWN_MAX 15 /* failures of each place and verdict */

#define CHECK(condition)                                                                         \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
            exit(2);                                                                             \
        }                                                                                        \
    } while (0)

/* ------------------------------------------------------------- the logs ---- */

static const struct kind {
    const char *name;
    evlog_durability durability;
    bool is_killed, is_copied;
    uint64_t kept; /* see flips_judge */
} kinds[] = {
    {"durable-closed", EVLOG_DURABLE, false, false, FLIPS_EVENTS},
    {"durable-copied", EVLOG_DURABLE, false, true, FLIPS_EVENTS},
    {"durable-killed", EVLOG_DURABLE, true, false, FLIPS_EVENTS},
    {"fast-closed", EVLOG_FAST, false, false, FLIPS_EVENTS},
    {"fast-copied", EVLOG_FAST, false, true, FLIPS_EVENTS},
    {"fast-killed", EVLOG_FAST, true, false, FLIPS_FLUSHED},
};
#define KINDS (sizeof kinds / sizeof *kinds)

struct file {
    char name[NAME_MAX + 1];
    unsigned char *bytes;
    size_t size;
};

/* A log, and what its files were when it was left. */
struct log {
    char path[PATH_MAX / 2];
    size_t file_count;
    struct file files[FILES_MAX];
};

static void name_file(const char *directory, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", directory, name);
}

static void load_file(const char *directory, const char *name, struct file *file)
{
    char path[PATH_MAX];
    struct stat status;
    name_file(directory, name, path);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && fstat(fd, &status) == 0);
    snprintf(file->name, sizeof file->name, "%s", name);
    file->size = (size_t)status.st_size;
    file->bytes = malloc(file->size + 1);
    CHECK(file->bytes && pread(fd, file->bytes, file->size, 0) == status.st_size);
    close(fd);
}

static void load_log(struct log *log)
{
    DIR *directory = opendir(log->path);
    CHECK(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.') {
            CHECK(log->file_count < FILES_MAX);
            load_file(log->path, entry->d_name, &log->files[log->file_count++]);
        }
    closedir(directory);
}

static const struct file *find_file(const struct log *log, const char *name)
{
    for (size_t i = 0; i < log->file_count; i++)
        if (strcmp(log->files[i].name, name) == 0)
            return &log->files[i];
    return NULL;
}

/* Makes a log in a process of its own, which closes it or is killed. */
static void make_log(const struct kind *kind, struct log *log)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        evlog *open;
        int result = flips_make_log(log->path, kind->durability, &open);
        if (result == EVLOG_OK && kind->is_killed)
            raise(SIGKILL);
        if (result == EVLOG_OK)
            result = evlog_close(open);
        if (result)
            fprintf(stderr, "%s: %s: %s\n", kind->name, evlog_strerror(result), evlog_errmsg());
        _exit(result != 0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(kind->is_killed ? WIFSIGNALED(status) : status == 0);
    load_log(log);
}

/* Makes a file what it was, with as few writes as are needed. */
static void restore_file(const char *directory, const struct file *file, bool is_new)
{
    char path[PATH_MAX];
    struct stat status;
    name_file(directory, file->name, path);
    int fd = open(path, O_RDWR | O_CREAT | (is_new ? O_TRUNC : 0), 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)file->size) == 0 && fstat(fd, &status) == 0);
    unsigned char *now =
        file->size ? mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : NULL;
    CHECK(now != MAP_FAILED);
    for (size_t at = 0; at < file->size; at += 4096) {
        size_t size = file->size - at < 4096 ? file->size - at : 4096;
        if (memcmp(now + at, file->bytes + at, size) != 0)
            memcpy(now + at, file->bytes + at, size);
    }
    if (now)
        munmap(now, file->size);
    close(fd);
}

static void empty_directory(const char *path, const struct log *keep)
{
    char name[PATH_MAX];
    DIR *directory = opendir(path);
    CHECK(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.' && (!keep || !find_file(keep, entry->d_name))) {
            name_file(path, entry->d_name, name);
            CHECK(unlink(name) == 0);
        }
    closedir(directory);
}

/* Makes the directory what the log was; a copy gets new files, and not those that hold nothing that lasts. */
static void restore_log(const struct kind *kind, const struct log *log, const char *path)
{
    empty_directory(path, kind->is_copied ? NULL : log);
    for (size_t i = 0; i < log->file_count; i++)
        restore_file(path, &log->files[i], kind->is_copied);
}

/* ------------------------------------------------------------ the places ---- */

enum place { META, LIST, HEAD, RIGHT_EDGE, OTHER, PLACES };
static const char *const place_names[PLACES] = {"meta pages", "free list", "page heads",
                                                "right edge", "other pages"};
static const char *const file_names[2] = {"events.mdb", "state.mdb"};

struct site {
    unsigned char file, place, bit;
    unsigned char kind;
    uint32_t offset;
};

struct sites {
    size_t count;
    struct site *list;
    bool is_long;
    struct site next; /* file and place, for add */
    uint64_t edge[PAGE_DEPTH_MAX];
    size_t edge_count;
    uint32_t page_size;
};

/* Whether a bit of a place is flipped in a log of this kind. */
static bool is_chosen(const struct sites *sites, size_t kind, uint64_t offset, unsigned bit,
                      bool with_all_bits)
{
    uint64_t hash = flips_mix(offset * 8 + sites->next.file);
    if (sites->is_long)
        return (hash + bit) % KINDS == kind;
    if (sites->next.place == OTHER)
        return flips_mix(hash * 64 + kind * 8 + bit) % 2000 == 0;
    if (with_all_bits)
        return (hash + bit) % KINDS == kind;
    return hash % (2 * KINDS) == kind && hash / (2 * KINDS) % 8 == bit;
}

static void add(struct sites *sites, uint64_t from, uint64_t to, bool with_all_bits)
{
    for (uint64_t offset = from; offset < to; offset++)
        for (unsigned bit = 0; bit < 8; bit++)
            for (size_t kind = 0; kind < KINDS; kind++) {
                if (!is_chosen(sites, kind, offset, bit, with_all_bits))
                    continue;
                CHECK(sites->count < SITES_MAX);
                struct site *site = &sites->list[sites->count++];
                *site = sites->next;
                site->offset = (uint32_t)offset;
                site->bit = (unsigned char)bit;
                site->kind = (unsigned char)kind;
            }
}

static bool is_edge(const struct sites *sites, uint64_t pgno)
{
    for (size_t i = 0; i < sites->edge_count; i++)
        if (sites->edge[i] == pgno)
            return true;
    return false;
}

/* A page that is in use; overflow pages have no nodes, and only the first of them a header. */
static int add_page(uint64_t pgno, const unsigned char *page, void *ctx)
{
    struct sites *sites = ctx;
    uint64_t at = pgno * sites->page_size;
    uint16_t flags, lower, upper;
    memcpy(&flags, page + 10, 2);
    memcpy(&lower, page + 12, 2);
    memcpy(&upper, page + 14, 2);
    bool is_list = sites->next.place == LIST;
    bool has_head = page_number(page) == pgno && (flags == 1 || flags == 2 || flags == 4);
    bool has_nodes = has_head && flags != 4 && lower >= 16 && upper >= lower;
    unsigned place = is_edge(sites, pgno) ? RIGHT_EDGE : OTHER;
    sites->next.place = is_list ? LIST : HEAD;
    add(sites, at, has_head ? at + 16 : at, true);
    sites->next.place = is_list ? LIST : (unsigned char)place;
    add(sites, has_head ? at + 16 : at, has_nodes ? at + lower : at + sites->page_size,
        is_list || has_nodes);
    add(sites, has_nodes ? at + upper : at + sites->page_size, at + sites->page_size, is_list);
    if (!is_list)
        sites->next.place = OTHER;
    return 0;
}

static void find_edge(struct sites *sites, const struct page_snapshot *snapshot)
{
    struct page_cursor cursor = {.snapshot = snapshot};
    CHECK(page_seek(&cursor, NULL, 0) == EVLOG_OK);
    sites->edge_count = snapshot->depth;
    for (unsigned level = 0; level < snapshot->depth; level++)
        sites->edge[level] = page_number(page_on_path(&cursor, level));
    page_cursor_free(&cursor);
}

static void find_sites(struct sites *sites, const char *directory, unsigned file)
{
    char path[PATH_MAX];
    struct page_snapshot snapshot;
    name_file(directory, file_names[file], path);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && meta_read(fd, file_names[file], &snapshot) == EVLOG_OK);
    struct page_snapshot list = meta_free_tree(&snapshot);
    find_edge(sites, &snapshot);
    sites->page_size = snapshot.page_size;
    sites->next = (struct site){.file = (unsigned char)file, .place = META};
    add(sites, 0, PAGE_META_SIZE, true);
    add(sites, snapshot.page_size, snapshot.page_size + PAGE_META_SIZE, true);
    sites->next.place = LIST;
    CHECK(page_each(&list, true, add_page, sites) == EVLOG_OK);
    sites->next.place = OTHER;
    CHECK(page_each(&snapshot, true, add_page, sites) == EVLOG_OK);
    close(fd);
}

/* --------------------------------------------------------------- a flip ---- */

/* What is shared by all processes. */
struct board {
    unsigned counts[2][PLACES][VERDICTS], of_kind[KINDS][VERDICTS];
    struct flips_look look; /* of this worker's child */
};

static struct board *boards; /* one for each worker */

static void flip(const char *path, const struct site *site)
{
    char name[PATH_MAX];
    unsigned char byte;
    name_file(path, file_names[site->file], name);
    int fd = open(name, O_RDWR);
    CHECK(fd >= 0 && pread(fd, &byte, 1, site->offset) == 1);
    byte ^= (unsigned char)(1 << site->bit);
    CHECK(pwrite(fd, &byte, 1, site->offset) == 1);
    close(fd);
}

/* Uses the log in a child; `site` NULL: nothing is flipped. */
static enum verdict try(struct board *board, const struct kind *kind, const struct log *log,
                        const char *path, const struct site *site)
{
    int status;
    struct flips_look *look = &board->look;
    restore_log(kind, log, path);
    if (site)
        flip(path, site);
    memset(look, 0, sizeof *look);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(SECONDS);
        flips_use(look, path);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    enum verdict verdict = flips_judge(look, kind->kept);
    if (verdict == CRASHED)
        snprintf(look->why, WHY_SIZE, "%s: %s %d", look->step ? look->step : "?",
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    bool is_mended = verdict == MENDED && (!site || site->file == 0); /* else it was taken away */
    return verdict == MENDED && !is_mended ? REPORTED : verdict;
}

static const char *const verdict_names[VERDICTS] = {"harmless", "reported", "mended",
                                                    "lost",     "wrong",    "crashed"};

static void count(struct board *board, const struct site *site, enum verdict verdict)
{
    unsigned so_far = ++board->counts[site->file][site->place][verdict];
    board->of_kind[site->kind][verdict]++;
    if (verdict < LOST || so_far > SHOWN_MAX)
        return;
    printf("%s: %s %s %u %u (%s): %s\n", verdict_names[verdict], kinds[site->kind].name,
           file_names[site->file], site->offset, site->bit, place_names[site->place],
           board->look.why);
    fflush(stdout);
}

/* ----------------------------------------------------------- the workers ---- */

struct worker {
    char home[PATH_MAX / 4];
    struct log logs[KINDS];
    char paths[KINDS][PATH_MAX / 2]; /* where they are used */
};

static void make_logs(struct worker *worker, unsigned number)
{
    bool has_memory = access("/dev/shm", W_OK) == 0;
    snprintf(worker->home, sizeof worker->home, "%s/evlog-flips-%d-%u-XXXXXX",
             has_memory ? "/dev/shm" : "/tmp", (int)getpid(), number);
    CHECK(mkdtemp(worker->home));
    for (size_t i = 0; i < KINDS; i++) {
        struct log *log = &worker->logs[i];
        snprintf(log->path, sizeof log->path, "%s/%s", worker->home, kinds[i].name);
        make_log(&kinds[i], log);
        snprintf(worker->paths[i], sizeof worker->paths[i], "%s%s", log->path,
                 kinds[i].is_copied ? ".copy" : "");
        CHECK(!kinds[i].is_copied || mkdir(worker->paths[i], 0700) == 0);
    }
}

static void remove_logs(struct worker *worker)
{
    for (size_t i = 0; i < KINDS; i++) {
        empty_directory(worker->paths[i], NULL);
        rmdir(worker->paths[i]);
        if (kinds[i].is_copied) {
            empty_directory(worker->logs[i].path, NULL);
            rmdir(worker->logs[i].path);
        }
        for (size_t k = 0; k < worker->logs[i].file_count; k++)
            free(worker->logs[i].files[k].bytes);
    }
    rmdir(worker->home);
}

/* Logs without a flip. Whether they are harmless. */
static bool try_sound(struct worker *worker, struct board *board)
{
    bool is_sound = true;
    for (size_t i = 0; i < KINDS; i++) {
        enum verdict verdict = try(board, &kinds[i], &worker->logs[i], worker->paths[i], NULL);
        if (verdict == HARMLESS)
            continue;
        printf("the test is broken: %s, unharmed: %s: %s %s\n", kinds[i].name,
               verdict_names[verdict], board->look.why, board->look.first_report);
        is_sound = false;
    }
    return is_sound;
}

/* The pages of all logs are the same, but for their checksums and times: so the first one's sites are all's. */
static struct sites choose(const struct worker *worker, bool is_long)
{
    struct sites sites = {.is_long = is_long, .list = malloc(SITES_MAX * sizeof(struct site))};
    CHECK(sites.list);
    for (unsigned file = 0; file < 2; file++)
        find_sites(&sites, worker->logs[0].path, file);
    return sites;
}

static int work(unsigned number, bool is_long)
{
    static struct worker worker;
    struct board *board = &boards[number];
    make_logs(&worker, number);
    struct sites sites = choose(&worker, is_long);
    bool is_sound = try_sound(&worker, board);
    for (size_t i = number; is_sound && i < sites.count; i += WORKERS) {
        const struct site *site = &sites.list[i];
        size_t kind = site->kind;
        count(board, site,
              try(board, &kinds[kind], &worker.logs[kind], worker.paths[kind], site));
    }
    free(sites.list);
    remove_logs(&worker);
    return !is_sound;
}

/* -------------------------------------------------------------- the table ---- */

static void print_line(const char *name, const unsigned counts[VERDICTS], bool *is_good)
{
    printf("  %-24s", name);
    for (int i = 0; i < VERDICTS; i++)
        printf(" %9u", counts[i]);
    printf("\n");
    for (int i = LOST; i < VERDICTS; i++)
        if (counts[i])
            *is_good = false;
}

static unsigned sum(unsigned counts[VERDICTS], const unsigned more[VERDICTS])
{
    unsigned all = 0;
    for (int i = 0; i < VERDICTS; i++)
        all += counts[i] += more[i];
    return all;
}

/* Whether none was lost, wrong or crashed, and there were any. */
static bool print_table(void)
{
    bool is_good = true;
    unsigned total[VERDICTS] = {0}, all = 0;
    printf("  %-24s", "");
    for (int i = 0; i < VERDICTS; i++)
        printf(" %9s", verdict_names[i]);
    printf("\n");
    for (int file = 0; file < 2; file++)
        for (int place = 0; place < PLACES; place++) {
            unsigned counts[VERDICTS] = {0};
            char name[64];
            for (int i = 0; i < WORKERS; i++)
                sum(counts, boards[i].counts[file][place]);
            all = sum(total, counts);
            snprintf(name, sizeof name, "%.6s, %s", file_names[file], place_names[place]);
            print_line(name, counts, &is_good);
        }
    for (size_t kind = 0; kind < KINDS; kind++) {
        unsigned counts[VERDICTS] = {0};
        for (int i = 0; i < WORKERS; i++)
            sum(counts, boards[i].of_kind[kind]);
        print_line(kinds[kind].name, counts, &is_good);
    }
    print_line("all", total, &is_good);
    return is_good && all > 0;
}

/* One flip, as it was printed. */
static int try_one(char **words)
{
    static struct worker worker;
    struct site site = {.offset = (uint32_t)strtoul(words[2], NULL, 10),
                        .bit = (unsigned char)strtoul(words[3], NULL, 10),
                        .file = strcmp(words[1], file_names[1]) == 0};
    size_t kind = 0;
    while (kind < KINDS - 1 && strcmp(kinds[kind].name, words[0]) != 0)
        kind++;
    make_logs(&worker, 0);
    enum verdict verdict =
        try(boards, &kinds[kind], &worker.logs[kind], worker.paths[kind], &site);
    const struct flips_look *look = &boards->look;
    printf("%s: %s\nfirst report: %s\nfindings: %u, then %u; refused: %d; recovered: %d\n%s\n",
           verdict_names[verdict], look->why, look->first_report, look->findings[0],
           look->findings[2], look->is_refused, look->has_recovered, worker.paths[kind]);
    return verdict >= LOST;
}

int main(int argc, char **argv)
{
    pid_t workers[WORKERS];
    bool is_sound = true;
    bool is_long = argc > 1 && strcmp(argv[1], "long") == 0;
    boards = mmap(NULL, WORKERS * sizeof *boards, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(boards != MAP_FAILED);
    if (argc == 5)
        return try_one(argv + 1);
    for (unsigned i = 0; i < WORKERS; i++) {
        CHECK((workers[i] = fork()) >= 0);
        if (workers[i] == 0)
            exit(work(i, is_long));
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        int status;
        CHECK(waitpid(workers[i], &status, 0) == workers[i]);
        is_sound = is_sound && status == 0;
    }
    return print_table() && is_sound ? 0 : 1;
}
