/*
 * The disk of a power cut. README.md, "The disk", is the model; this is how it is kept.
 *
 * A file has its durable bytes and size, and the operations that no flush covers yet, in order.
 * Where a flush covers them they are applied and dropped. An O_DSYNC write covers single pages, so
 * each page has the number of the first entry that is not yet in its durable bytes
 * (`page_from`), and an operation is applied to a page only if it is as new. Names are likewise:
 * the durable ones, and the operations on them that no flush of their directory covers.
 *
 * disk_write draws, for each file, how much of the rest is there: for each unit the last
 * operation that reached it, and then applies to it all up to that one.
 *
 * Bytes are kept in address space that is reserved and mostly never touched, SPACE per file: so a file
 * grows without being copied, and a fork shares it. disk_write overwrites it; to be called in a child.
 *
 * Cost: a cut costs what the log's files have as bytes. Absent: renaming directories.
 */
#include "rebuild.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096
#define SECTOR 512
#define CALLERS 4                    /* that make a site */
#define RUN_MAX ((uint64_t)64 << 10) /* written at once */
#define SPACE ((size_t)1 << 30)

/* Something that was done to a file's bytes or size. */
struct change {
    uint64_t entry;    /* its number */
    uint64_t at, size; /* of the bytes; 0 of them: only the size changes */
    const char *bytes; /* NULL: zeros */
    uint64_t end;      /* the file has at least this size after it, or, shrunk, exactly this */
    bool is_shrunk;
};

struct file {
    uint64_t inode; /* 0: of the base, and not met yet */
    bool is_directory;
    char *bytes;
    uint64_t size, live_size; /* the durable one, and that of the program */
    uint64_t reach;           /* behind it there are zeros only */
    uint64_t *page_from;
    struct change *changes;
    size_t change_count, change_room;
    struct file *next;
};

struct name {
    char *path;
    struct file *file;
};

struct names {
    struct name *list;
    size_t count;
};

/* An operation on names that is not durable. */
struct renaming {
    uint64_t entry;
    const char *removed; /* or NULL */
    const char *made;    /* or NULL */
    struct file *file;
};

struct disk {
    const struct trace *trace;
    char *left_out;      /* a site */
    uint64_t left_order; /* only this one of them, from 1; 0: all */
    uint64_t left_count; /* of them that were met */
    size_t next;         /* entry */
    bool has_flushed;
    struct file *files;
    struct names durable, live;
    struct renaming *renamings;
    size_t renaming_count, renaming_room;
};

static void die(const char *what)
{
    fprintf(stderr, "rebuild: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* The array, with room for one more. */
static void *with_room(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    *room = *room * 2 + 16;
    array = realloc(array, *room * size);
    if (!array)
        die("memory");
    return array;
}

/* ---------------------------------------------------------- the trace ---- */

const char *trace_name(const struct trace_entry *entry)
{
    return (const char *)(entry + 1);
}

const void *trace_payload(const struct trace_entry *entry)
{
    return (const char *)(entry + 1) + entry->name_size;
}

static const char *second_name(const struct trace_entry *entry)
{
    return trace_name(entry) + strlen(trace_name(entry)) + 1;
}

static bool read_whole(const char *path, char **bytes, size_t *size)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status))
        return false;
    *size = (size_t)status.st_size;
    *bytes = malloc(*size + 1);
    if (!*bytes)
        die("memory");
    size_t at = 0;
    for (ssize_t count; at < *size; at += (size_t)count)
        if ((count = pread(fd, *bytes + at, *size - at, (off_t)at)) <= 0)
            break;
    close(fd);
    return at == *size;
}

bool trace_read(const char *path, struct trace *trace)
{
    size_t room = 0;
    *trace = (struct trace){.entries = NULL};
    if (!read_whole(path, &trace->bytes, &trace->size))
        return false;
    for (size_t at = 0; at < trace->size;) {
        const struct trace_entry *entry = (const struct trace_entry *)(trace->bytes + at);
        if (trace->size - at < sizeof *entry)
            return false;
        at += trace_padded(sizeof *entry + entry->name_size + entry->payload_size);
        if (at > trace->size)
            return false;
        trace->entries = with_room(trace->entries, trace->count, &room, sizeof *trace->entries);
        trace->entries[trace->count++] = entry;
    }
    return true;
}

void trace_free(struct trace *trace)
{
    free(trace->entries);
    free(trace->bytes);
}

/* --------------------------------------------------------------- names ---- */

static struct name *find_name(const struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i].path, path) == 0)
            return &names->list[i];
    return NULL;
}

static void remove_name(struct names *names, const char *path)
{
    struct name *name = find_name(names, path);
    if (!name)
        return;
    free(name->path);
    *name = names->list[--names->count];
}

static void set_name(struct names *names, const char *path, struct file *file)
{
    remove_name(names, path);
    names->list = realloc(names->list, (names->count + 1) * sizeof *names->list);
    if (!names->list)
        die("memory");
    names->list[names->count++] = (struct name){strdup(path), file};
}

static void apply_renaming(struct names *names, const struct renaming *renaming)
{
    struct name *before = renaming->removed ? find_name(names, renaming->removed) : NULL;
    if (before && before->file == renaming->file)
        remove_name(names, renaming->removed);
    if (renaming->made)
        set_name(names, renaming->made, renaming->file);
}

static bool is_in(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    if (size && (strncmp(path, directory, size) != 0 || path[size] != '/'))
        return false;
    return *path && !strchr(path + size + (size > 0), '/');
}

static void add_renaming(struct disk *disk, struct renaming renaming)
{
    disk->renamings =
        with_room(disk->renamings, disk->renaming_count, &disk->renaming_room, sizeof renaming);
    disk->renamings[disk->renaming_count++] = renaming;
    apply_renaming(&disk->live, &renaming);
}

/* A flush of a directory, begun at entry `begun`. */
static void cover_names(struct disk *disk, const char *directory, uint64_t begun)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->renaming_count; i++) {
        struct renaming *renaming = &disk->renamings[i];
        bool is_here = (!renaming->made || is_in(renaming->made, directory)) &&
                       (!renaming->removed || is_in(renaming->removed, directory));
        if (is_here && renaming->entry < begun)
            apply_renaming(&disk->durable, renaming);
        else
            disk->renamings[kept++] = *renaming;
    }
    disk->renaming_count = kept;
}

/* --------------------------------------------------------------- files ---- */

static void *reserve(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        die("reserving memory");
    return at;
}

static struct file *add_file(struct disk *disk, uint64_t inode, bool is_directory)
{
    struct file *file = calloc(1, sizeof *file);
    if (!file)
        die("memory");
    file->inode = inode;
    file->is_directory = is_directory;
    if (!is_directory) {
        file->bytes = reserve(SPACE);
        file->page_from = reserve(SPACE / PAGE * sizeof *file->page_from);
    }
    file->next = disk->files;
    disk->files = file;
    return file;
}

/* The newest with this inode, since numbers are used again. */
static struct file *find_file(const struct disk *disk, uint64_t inode)
{
    struct file *file = disk->files;
    while (file && file->inode != inode)
        file = file->next;
    return file;
}

static const char *path_of(const struct disk *disk, const struct file *file)
{
    for (size_t i = 0; i < disk->live.count; i++)
        if (disk->live.list[i].file == file)
            return disk->live.list[i].path;
    return "a file without a name";
}

/* Applies a change to the bytes from `from` to `to`. */
static void apply_part(struct file *file, const struct change *change, uint64_t from, uint64_t to)
{
    uint64_t begin = change->at > from ? change->at : from;
    uint64_t end = change->at + change->size < to ? change->at + change->size : to;
    if (begin >= end)
        return;
    if (change->bytes)
        memcpy(file->bytes + begin, change->bytes + (begin - change->at), end - begin);
    else if (begin < file->reach)
        memset(file->bytes + begin, 0, (end < file->reach ? end : file->reach) - begin);
    if (change->bytes && end > file->reach)
        file->reach = end;
}

static uint64_t size_after(uint64_t size, const struct change *change)
{
    return change->is_shrunk || change->end > size ? change->end : size;
}

/*
 * Makes the changes before entry `until` durable on the pages that the range from `from` to `to` touches. One that
 * was in another page too stays on the list for that.
 */
static void cover_pages(struct file *file, uint64_t until, uint64_t from, uint64_t to)
{
    for (uint64_t page = from / PAGE; page * PAGE < to; page++) {
        for (size_t i = 0; i < file->change_count && file->changes[i].entry < until; i++)
            if (file->changes[i].entry >= file->page_from[page])
                apply_part(file, &file->changes[i], page * PAGE, (page + 1) * PAGE);
        if (file->page_from[page] < until)
            file->page_from[page] = until;
    }
}

/* Applies a change wherever a page does not have it, or a later one, already. */
static void apply_whole(struct file *file, const struct change *change)
{
    for (uint64_t page = change->at / PAGE; page * PAGE < change->at + change->size; page++)
        if (change->entry >= file->page_from[page])
            apply_part(file, change, page * PAGE, (page + 1) * PAGE);
}

/* A flush of the whole file, begun at entry `begun`. */
static void cover_file(struct file *file, uint64_t begun)
{
    size_t kept = 0;
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *change = &file->changes[i];
        if (change->entry < begun) {
            apply_whole(file, change);
            file->size = size_after(file->size, change);
        } else {
            file->changes[kept++] = *change;
        }
    }
    file->change_count = kept;
}

static void add_change(struct file *file, struct change change)
{
    file->changes =
        with_room(file->changes, file->change_count, &file->change_room, sizeof change);
    if (change.at + change.size > SPACE || change.end > SPACE)
        die("a file is larger than this test can have");
    file->changes[file->change_count++] = change;
    file->live_size = size_after(file->live_size, &change);
}

/* ------------------------------------------------------------- playing ---- */

static void play_size(struct file *file, uint64_t number, uint64_t size)
{
    bool is_shrunk = size < file->live_size;
    add_change(file, (struct change){.entry = number,
                                     .at = is_shrunk ? size : 0,
                                     .size = is_shrunk ? file->live_size - size : 0,
                                     .end = size,
                                     .is_shrunk = is_shrunk});
}

static void play_bytes(struct file *file, uint64_t number, const struct trace_entry *entry)
{
    bool is_write = entry->kind == TRACE_WRITE || entry->kind == TRACE_WRITE_SYNC;
    add_change(file,
               (struct change){.entry = number,
                               .at = entry->at,
                               .size = entry->size,
                               .bytes = entry->kind == TRACE_ZERO ? NULL : trace_payload(entry),
                               .end = is_write ? entry->at + entry->size : 0});
}

static bool is_left_out(struct disk *disk, const struct trace_entry *begun)
{
    if (!disk->left_out || (strcmp(disk->left_out, disk_site(disk, begun)) != 0 &&
                            strcmp(disk->left_out, disk_site_by_caller(disk, begun)) != 0))
        return false;
    disk->left_count++;
    return !disk->left_order || disk->left_order == disk->left_count;
}

static void play_end(struct disk *disk, uint64_t ref)
{
    const struct trace_entry *begun = disk->trace->entries[ref];
    struct file *file = find_file(disk, begun->file);
    if (!file)
        die("a flush of a file that is not in the trace");
    if (is_left_out(disk, begun))
        return;
    disk->has_flushed = true;
    if (file->is_directory) {
        cover_names(disk, path_of(disk, file), ref);
    } else if (begun->kind == TRACE_FLUSH && begun->size == 0) {
        cover_file(file, ref);
    } else {
        uint64_t end = begun->at + begun->size;
        cover_pages(file, ref + 1, begun->at, end);
        if (begun->kind == TRACE_FLUSH || file->size > end)
            end = file->size;
        file->size = end;
    }
}

/* A file of the base is met under its inode. */
static void play_open(struct disk *disk, const struct trace_entry *entry)
{
    struct name *name = find_name(&disk->live, trace_name(entry));
    if (name)
        name->file->inode = entry->file;
    else if (!find_file(disk, entry->file))
        die("a file is opened that is not in the trace");
}

static void play_name(struct disk *disk, uint64_t number, const struct trace_entry *entry)
{
    const char *name = trace_name(entry);
    struct renaming renaming = {.entry = number};
    if (entry->kind == TRACE_CREATE || entry->kind == TRACE_MKDIR) {
        renaming.made = name;
        renaming.file = add_file(disk, entry->file, entry->kind == TRACE_MKDIR);
    } else {
        struct name *known = find_name(&disk->live, name);
        if (!known)
            die("a name that is not in the trace is changed");
        renaming.file = known->file;
        renaming.removed = entry->kind == TRACE_LINK ? NULL : name;
        renaming.made = entry->kind == TRACE_UNLINK ? NULL : second_name(entry);
    }
    add_renaming(disk, renaming);
}

static void play(struct disk *disk, uint64_t number)
{
    const struct trace_entry *entry = disk->trace->entries[number];
    struct file *file = find_file(disk, entry->file);
    switch ((enum trace_kind)entry->kind) {
    case TRACE_OPEN:
        play_open(disk, entry);
        break;
    case TRACE_CREATE:
    case TRACE_MKDIR:
    case TRACE_RENAME:
    case TRACE_LINK:
    case TRACE_UNLINK:
        play_name(disk, number, entry);
        break;
    case TRACE_WRITE:
    case TRACE_WRITE_SYNC:
    case TRACE_STORE:
    case TRACE_ZERO:
        play_bytes(file, number, entry);
        break;
    case TRACE_SIZE:
        play_size(file, number, entry->size);
        break;
    case TRACE_ENDED:
        play_end(disk, entry->ref);
        break;
    case TRACE_FLUSH:
    case TRACE_PROMISE:
        break;
    }
}

void disk_play(struct disk *disk, size_t end)
{
    for (; disk->next < end; disk->next++)
        play(disk, disk->next);
}

const char *disk_site(struct disk *disk, const struct trace_entry *entry)
{
    static char site[PATH_MAX + 8];
    struct file *file = find_file(disk, entry->file);
    const char *path = file ? path_of(disk, file) : "";
    snprintf(site, sizeof site, "%s %s", entry->kind == TRACE_FLUSH ? "flush" : "dsync",
             *path ? path : ".");
    return site;
}

const char *disk_site_by_caller(struct disk *disk, const struct trace_entry *entry)
{
    static char site[PATH_MAX + 128];
    uint64_t callers[TRACE_CALLERS_MAX];
    size_t count = entry->kind == TRACE_FLUSH ? entry->payload_size / sizeof *callers : 0;
    int size = snprintf(site, sizeof site, "%s", disk_site(disk, entry));
    memcpy(callers, trace_payload(entry), count * sizeof *callers);
    for (size_t i = 0; i < count && i < CALLERS; i++)
        size +=
            snprintf(site + size, sizeof site - (size_t)size, " %#lx", (unsigned long)callers[i]);
    return site;
}

bool disk_has_flushed(const struct disk *disk)
{
    return disk->has_flushed;
}

/* ------------------------------------------------------------ the base ---- */

/* Holes are not read: a mapped log has much of them. */
static void load_file(struct file *file, const char *path, uint64_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || size > SPACE)
        die(path);
    for (off_t at = 0; (at = lseek(fd, at, SEEK_DATA)) >= 0;) {
        off_t hole = lseek(fd, at, SEEK_HOLE);
        for (ssize_t count; at < hole; at += count)
            if ((count = pread(fd, file->bytes + at, (size_t)(hole - at), at)) <= 0)
                die(path);
        file->reach = (uint64_t)hole;
    }
    close(fd);
    file->size = file->live_size = size;
}

/* Everything in the directory `path`, whose names begin with `name`. */
static void load_directory(struct disk *disk, const char *path, const char *name)
{
    DIR *directory = opendir(path);
    if (!directory)
        die(path);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char below[PATH_MAX], below_name[PATH_MAX];
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        snprintf(below_name, sizeof below_name, "%s%s%s", name, *name ? "/" : "", entry->d_name);
        if (lstat(below, &status))
            die(below);
        struct file *file = add_file(disk, 0, S_ISDIR(status.st_mode));
        set_name(&disk->durable, below_name, file);
        set_name(&disk->live, below_name, file);
        if (file->is_directory)
            load_directory(disk, below, below_name);
        else
            load_file(file, below, (uint64_t)status.st_size);
    }
    closedir(directory);
}

struct disk *disk_new(const struct trace *trace, const char *base, const char *left_out)
{
    struct disk *disk = calloc(1, sizeof *disk);
    if (!disk)
        die("memory");
    disk->trace = trace;
    if (left_out) {
        char *order = strchr(disk->left_out = strdup(left_out), '#');
        disk->left_order = order ? strtoull(order + 1, NULL, 10) : 0;
        if (order)
            *order = '\0';
    }
    struct file *root = add_file(disk, 0, true);
    set_name(&disk->durable, "", root);
    set_name(&disk->live, "", root);
    if (base)
        load_directory(disk, base, "");
    return disk;
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i].path);
    free(names->list);
}

void disk_free(struct disk *disk)
{
    for (struct file *file = disk->files, *next; file; file = next) {
        next = file->next;
        if (!file->is_directory) {
            munmap(file->bytes, SPACE);
            munmap(file->page_from, SPACE / PAGE * sizeof *file->page_from);
        }
        free(file->changes);
        free(file);
    }
    free_names(&disk->durable);
    free_names(&disk->live);
    free(disk->renamings);
    free(disk->left_out);
    free(disk);
}

/* ----------------------------------------------------- what else is there ---- */

/* How the rest of a file is drawn. */
enum draw {
    DRAW_NOTHING,
    DRAW_EVERYTHING,
    DRAW_UNTIL,   /* all before one entry */
    DRAW_WHOLE,   /* each operation or not */
    DRAW_PAGES,   /* each page of each */
    DRAW_SECTORS, /* each sector of each */
    DRAW_FRONT,   /* the sectors of each up to one of them */
};

struct chance {
    uint64_t random;
    enum draw draw;
    unsigned percent; /* of the units that are there */
    uint64_t until;
};

/* splitmix64, below `bound` */
static uint64_t draw_below(struct chance *chance, uint64_t bound)
{
    uint64_t x = chance->random += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return (x ^ (x >> 31)) % bound;
}

static void draw_how(struct chance *chance)
{
    static const enum draw draws[] = {DRAW_NOTHING, DRAW_EVERYTHING, DRAW_WHOLE,   DRAW_WHOLE,
                                      DRAW_PAGES,   DRAW_PAGES,      DRAW_SECTORS, DRAW_UNTIL,
                                      DRAW_FRONT,   DRAW_FRONT};
    static const unsigned percents[] = {10, 50, 90};
    chance->draw = draws[draw_below(chance, sizeof draws / sizeof *draws)];
    chance->percent = percents[draw_below(chance, 3)];
}

/* Whether a unit of a change is there; `whole` is the answer for the whole change, `is_front` for DRAW_FRONT. */
static bool draw_unit(struct chance *chance, const struct change *change, bool whole,
                      bool is_front)
{
    switch (chance->draw) {
    case DRAW_NOTHING:
        return false;
    case DRAW_EVERYTHING:
        return true;
    case DRAW_UNTIL:
        return change->entry < chance->until;
    case DRAW_WHOLE:
        return whole;
    case DRAW_FRONT:
        return is_front;
    case DRAW_PAGES:
    case DRAW_SECTORS:
        break;
    }
    return draw_below(chance, 100) < chance->percent;
}

static uint64_t draw_size(struct chance *chance, const struct file *file)
{
    uint64_t size = file->size, count = file->change_count;
    if (chance->draw == DRAW_NOTHING)
        count = 0;
    else if (chance->draw != DRAW_EVERYTHING && chance->draw != DRAW_UNTIL)
        count = draw_below(chance, count + 1);
    for (size_t i = 0; i < count; i++)
        if (chance->draw != DRAW_UNTIL || file->changes[i].entry < chance->until)
            size = size_after(size, &file->changes[i]);
    return size;
}

/* For each unit, 1 and the last change that reached the disk there, 0: none. */
static void draw_units(struct chance *chance, const struct file *file, uint64_t unit,
                       uint32_t *reached)
{
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *change = &file->changes[i];
        bool whole = draw_below(chance, 100) < chance->percent;
        uint64_t front = change->at + draw_below(chance, change->size + 1);
        for (uint64_t u = change->at / unit; u * unit < change->at + change->size; u++)
            if (draw_unit(chance, change, whole, u * unit < front))
                reached[u] = (uint32_t)i + 1;
    }
}

static void settle_file(struct file *file, struct chance *chance)
{
    bool is_torn = chance->draw == DRAW_SECTORS || chance->draw == DRAW_FRONT;
    uint64_t unit = is_torn ? SECTOR : PAGE;
    uint64_t size = draw_size(chance, file);
    uint32_t *reached = reserve(SPACE / unit * sizeof *reached);
    draw_units(chance, file, unit, reached);
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *change = &file->changes[i];
        for (uint64_t u = change->at / unit; u * unit < change->at + change->size; u++)
            if (i < reached[u] && change->entry >= file->page_from[u * unit / PAGE])
                apply_part(file, change, u * unit, (u + 1) * unit);
    }
    munmap(reached, SPACE / unit * sizeof *reached);
    file->size = size;
}

static void settle_names(struct disk *disk, struct chance *chance)
{
    size_t count = disk->renaming_count;
    bool is_prefix = draw_below(chance, 2);
    if (chance->draw != DRAW_EVERYTHING && is_prefix)
        count = draw_below(chance, count + 1);
    for (size_t i = 0; i < count; i++)
        if (chance->draw == DRAW_EVERYTHING || is_prefix || draw_below(chance, 2))
            apply_renaming(&disk->durable, &disk->renamings[i]);
}

/* ------------------------------------------------------------- writing ---- */

static bool is_zeros(const char *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static bool write_file(const struct file *file, const char *path)
{
    uint64_t end = file->reach < file->size ? file->reach : file->size;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool is_good = ftruncate(fd, (off_t)file->size) == 0;
    for (uint64_t at = 0, part; is_good && at < end; at += part) {
        part = end - at < RUN_MAX ? end - at : RUN_MAX;
        if (!is_zeros(file->bytes + at, part))
            is_good = pwrite(fd, file->bytes + at, part, (off_t)at) == (ssize_t)part;
    }
    close(fd);
    return is_good;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

/* A directory comes before what is in it; what is in one that is not there is not there either. */
static bool write_names(struct names *names, const char *path)
{
    char full[PATH_MAX];
    qsort(names->list, names->count, sizeof *names->list, by_path);
    for (size_t i = 0; i < names->count; i++) {
        const struct name *name = &names->list[i];
        snprintf(full, sizeof full, "%s/%s", path, name->path);
        bool is_made = !*name->path || (name->file->is_directory ? mkdir(full, 0700) == 0
                                                                 : write_file(name->file, full));
        if (!is_made && errno != ENOENT)
            return false;
    }
    return true;
}

bool disk_write(struct disk *disk, const char *path, enum disk_rest rest, uint64_t seed)
{
    struct chance chance = {.random = seed, .draw = DRAW_EVERYTHING, .until = disk->next};
    if (rest == DISK_ANYTHING) {
        chance.until = draw_below(&chance, disk->next + 1);
        draw_how(&chance);
    }
    bool is_for_all = rest == DISK_EVERYTHING || draw_below(&chance, 4) == 0;
    settle_names(disk, &chance);
    for (struct file *file = disk->files; file; file = file->next) {
        if (!is_for_all)
            draw_how(&chance);
        if (!file->is_directory && file->change_count)
            settle_file(file, &chance);
    }
    return write_names(&disk->durable, path);
}

/* ----------------------------------------------------------- comparing ---- */

static bool differ(const char *path, const char *how)
{
    fprintf(stderr, "%s: %s\n", path, how);
    return false;
}

static bool same_file(const char *one, const char *other)
{
    char *bytes[2];
    size_t sizes[2];
    if (!read_whole(one, &bytes[0], &sizes[0]))
        return differ(one, "cannot be read");
    if (!read_whole(other, &bytes[1], &sizes[1])) {
        free(bytes[0]);
        return differ(other, "is missing");
    }
    size_t at = 0, size = sizes[0] < sizes[1] ? sizes[0] : sizes[1];
    bool is_same = sizes[0] == sizes[1] && memcmp(bytes[0], bytes[1], size) == 0;
    while (!is_same && at < size && bytes[0][at] == bytes[1][at])
        at++;
    free(bytes[0]);
    free(bytes[1]);
    if (is_same)
        return true;
    fprintf(stderr, "sizes %zu and %zu, the first difference is at %zu\n", sizes[0], sizes[1],
            at);
    return differ(one, "is not the same");
}

static bool has_all(const char *one, const char *other)
{
    DIR *directory = opendir(one);
    bool is_same = directory || differ(one, "is no directory");
    for (struct dirent *entry; is_same && (entry = readdir(directory));) {
        char below[PATH_MAX], other_below[PATH_MAX];
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", one, entry->d_name);
        snprintf(other_below, sizeof other_below, "%s/%s", other, entry->d_name);
        if (stat(below, &status))
            is_same = differ(below, "cannot be looked at");
        else
            is_same = S_ISDIR(status.st_mode) ? has_all(below, other_below)
                                              : same_file(below, other_below);
    }
    if (directory)
        closedir(directory);
    return is_same;
}

bool disk_same(const char *one, const char *other)
{
    return has_all(one, other) && has_all(other, one);
}
