/*
 * What becomes of acknowledged events: evlog, SQLite and a file of JSON lines, harmed in the same ways.
 *
 *   prove [--seed S] [--percent P]   P % of the trials
 *
 * In each trial events are sent, harm is done, and a new process opens what there is, reads all of it, appends an
 * event, and reads all again:
 *
 *   flips      200 events are sent and all is closed; one random bit of all files is flipped
 *   kills      kill -9 of the sender at a random moment
 *   cuts       a power cut, by the recorder and the disk of tests/power
 *   deletions  while a sender runs, one of the files is deleted, or replaced by a copy; then a second
 *              sender is started, and both go on
 *
 * What it comes to, the first that is true:
 *
 *   crashed    a process died of a signal that nobody sent, or hung
 *   wrong      an event was delivered as good that nobody sent, or was sent otherwise, or twice, or out of order
 *   lost       an acknowledged event was not delivered, and nothing reported a failure or damage
 *   reported   something did; `gone` counts those in which acknowledged events were not delivered
 *   whole      all is there, and the new event too; also what was mended
 *
 * Nothing is asked but what a program asks that opens, reads and appends: no evlog verify, no integrity_check.
 * Files are in /dev/shm where there is one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "promise.h"
#include "rebuild.h"
#include "subjects.h"

#define FLIP_EVENTS 200
#define CUT_EVENTS 40
#define DELETION_EVENTS 20 /* before and after */
#define KILL_US_MAX 30000
#define CHILD_SECONDS 20
#define SENDERS 3 /* whose numbers differ */
#define SENDER_STEP 1000000
#define FILES_MAX 32

/* What a sender has been told, in memory that it shares with its parent. */
struct told {
    atomic_uint_fast64_t tried, acknowledged; /* how many */
    atomic_bool has_failed;                   /* it reported a failure */
};

enum outcome {
    NOT_MADE, /* the trial could not be made */
    CRASHED,
    WRONG,
    LOST,
    REPORTED,
    REPORTED_GONE,
    WHOLE,
    OUTCOMES
};

/* What a trial's processes share. */
struct trial {
    struct told senders[SENDERS]; /* the last is the one that appends after the harm */
    atomic_bool is_over;          /* the second sender has ended, the first goes on for a while */
    bool has_crashed;             /* a sender */
    enum outcome outcome;
};

enum harm { FLIPS, KILLS, CUTS, DELETIONS, HARMS };

static const struct {
    const char *name;
    unsigned trial_count;
} harms[HARMS] = {{"flips", 400}, {"kills", 200}, {"cuts", 400}, {"deletions", 100}};

static struct {
    uint64_t seed;
    unsigned percent, jobs;
    char program[PATH_MAX], recorder[PATH_MAX];
    char work[PATH_MAX]; /* removed at the end */
    struct trace trace;  /* of the subject whose power is cut */
} prove = {.percent = 100};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(2);
}

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
    char command[3 * PATH_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    if (system(command))
        die("%s: it failed", command);
}

static void make_directory(const char *path)
{
    if (mkdir(path, 0700))
        die("%s: %s", path, strerror(errno));
}

/* ------------------------------------------------------------- processes ---- */

/* 0 in a child, which ends with its parent and after CHILD_SECONDS. */
static pid_t start(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(CHILD_SECONDS);
    }
    return pid;
}

/* Its wait status. */
static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die("waitpid: %s", strerror(errno));
    return status;
}

/* --------------------------------------------------------------- sending ---- */

static uint64_t number_of(unsigned sender, uint64_t n)
{
    return (uint64_t)sender * SENDER_STEP + n;
}

/* Sends one event; false: it reports a failure. */
static bool send_one(const struct subject *subject, void *opened, struct trial *trial,
                     unsigned sender)
{
    struct told *told = &trial->senders[sender];
    uint64_t n = atomic_fetch_add(&told->tried, 1);
    bool is_sent = subject->append(opened, number_of(sender, n));
    if (is_sent)
        atomic_fetch_add(&told->acknowledged, 1);
    else
        told->has_failed = true;
    return is_sent;
}

/* Opens, sends up to `count` events, and closes. */
static void send_all(const struct subject *subject, const char *directory, struct trial *trial,
                     unsigned sender, uint64_t count)
{
    struct told *told = &trial->senders[sender];
    void *opened = subject->open(directory);
    bool is_good = opened != NULL;
    for (uint64_t i = 0; i < count && is_good; i++)
        is_good = send_one(subject, opened, trial, sender);
    if (opened && !subject->close(opened))
        is_good = false;
    if (!is_good)
        told->has_failed = true;
}

/* The same in a process of its own. */
static pid_t start_sender(const struct subject *subject, const char *directory,
                          struct trial *trial, unsigned sender, uint64_t count)
{
    pid_t pid = start();
    if (pid)
        return pid;
    send_all(subject, directory, trial, sender, count);
    _exit(0);
}

/* --------------------------------------------------------------- judging ---- */

/* What a reading has delivered. */
struct heard {
    const struct trial *trial;
    uint64_t next[SENDERS],
        acknowledged[SENDERS]; /* delivered: up to which, and how many of these */
    bool is_wrong;
};

static void hear(uint64_t number, bool is_right, void *ctx)
{
    struct heard *heard = ctx;
    uint64_t sender = number / SENDER_STEP, n = number % SENDER_STEP;
    if (!is_right || sender >= SENDERS || n < heard->next[sender] ||
        n >= heard->trial->senders[sender].tried) {
        heard->is_wrong = true;
        return;
    }
    heard->next[sender] = n + 1;
    heard->acknowledged[sender] += n < heard->trial->senders[sender].acknowledged;
}

struct judgement {
    bool is_wrong, is_gone, is_reported;
};

static void read_all(const struct subject *subject, void *opened, const struct trial *trial,
                     struct judgement *judgement)
{
    struct heard heard = {.trial = trial};
    if (!subject->read(opened, hear, &heard))
        judgement->is_reported = true;
    judgement->is_wrong |= heard.is_wrong;
    for (unsigned i = 0; i < SENDERS; i++)
        judgement->is_gone |= heard.acknowledged[i] < trial->senders[i].acknowledged;
}

/* Opens, reads, appends and reads again. */
static enum outcome judge(const struct subject *subject, const char *directory,
                          struct trial *trial)
{
    struct judgement judgement = {.is_wrong = false};
    void *opened = subject->open(directory);
    if (opened) {
        read_all(subject, opened, trial, &judgement);
        send_one(subject, opened, trial, SENDERS - 1);
        read_all(subject, opened, trial, &judgement);
        judgement.is_reported |= !subject->close(opened);
    } else {
        judgement.is_reported = judgement.is_gone = true;
    }
    for (unsigned i = 0; i < SENDERS; i++)
        judgement.is_reported |= trial->senders[i].has_failed;
    if (judgement.is_wrong)
        return WRONG;
    if (judgement.is_gone)
        return judgement.is_reported ? REPORTED_GONE : LOST;
    return judgement.is_reported ? REPORTED : WHOLE;
}

static void judge_in_child(const struct subject *subject, const char *directory,
                           struct trial *trial)
{
    trial->outcome = CRASHED;
    pid_t pid = start();
    if (pid) {
        wait_for(pid);
        return;
    }
    trial->outcome = judge(subject, directory, trial);
    _exit(0);
}

/* ----------------------------------------------------------------- files ---- */

struct files {
    char paths[FILES_MAX][PATH_MAX];
    size_t count;
};

/* The files below a directory, by name. */
static void list_files(const char *directory, struct files *files)
{
    struct dirent **names;
    int count = scandir(directory, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        struct stat status;
        char path[PATH_MAX];
        bool fits = snprintf(path, sizeof path, "%s/%s", directory, names[i]->d_name) < PATH_MAX;
        if (names[i]->d_name[0] != '.' && fits && stat(path, &status) == 0) {
            if (S_ISDIR(status.st_mode))
                list_files(path, files);
            else if (files->count < FILES_MAX)
                strcpy(files->paths[files->count++], path);
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

static uint64_t size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) ? 0 : (uint64_t)status.st_size;
}

/* Flips a bit of a file. */
static void flip(const char *path, uint64_t bit)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);
    if (fd < 0 || pread(fd, &byte, 1, (off_t)(bit / 8)) != 1)
        die("%s: %s", path, strerror(errno));
    byte ^= (unsigned char)(1u << bit % 8);
    if (pwrite(fd, &byte, 1, (off_t)(bit / 8)) != 1)
        die("%s: %s", path, strerror(errno));
    close(fd);
}

/* ---------------------------------------------------------------- trials ---- */

/* Each does its harm in `directory`, which is there; false: it could not be done. */

static bool flip_one(const struct subject *subject, const char *directory, struct trial *trial,
                     uint64_t random)
{
    static struct files files;
    uint64_t size = 0, at = 0;
    int status = wait_for(start_sender(subject, directory, trial, 0, FLIP_EVENTS));
    list_files(directory, &files);
    for (size_t i = 0; i < files.count; i++)
        size += size_of(files.paths[i]);
    if (status || trial->senders[0].acknowledged != FLIP_EVENTS || !size)
        return false;
    uint64_t bit = event_random(&random, 8 * size);
    while (bit >= 8 * size_of(files.paths[at]))
        bit -= 8 * size_of(files.paths[at++]);
    flip(files.paths[at], bit);
    return true;
}

static bool kill_one(const struct subject *subject, const char *directory, struct trial *trial,
                     uint64_t random)
{
    pid_t pid = start_sender(subject, directory, trial, 0, UINT64_MAX);
    usleep((useconds_t)event_random(&random, KILL_US_MAX));
    kill(pid, SIGKILL);
    int status = wait_for(pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !trial->senders[0].has_failed;
}

/* Just after an acknowledgement, or anywhere. */
static size_t draw_cut(uint64_t *random)
{
    const struct trace *trace = &prove.trace;
    size_t at = (size_t)event_random(random, trace->count + 1);
    if (event_random(random, 2))
        while (at < trace->count && trace->entries[at++]->kind != TRACE_PROMISE)
            ;
    return at;
}

static bool cut_one(const struct subject *subject, const char *directory, struct trial *trial,
                    uint64_t random)
{
    struct disk *disk = disk_new(&prove.trace, NULL, NULL);
    size_t cut = draw_cut(&random);
    (void)subject;
    for (size_t i = 0; i < cut; i++)
        trial->senders[0].acknowledged += prove.trace.entries[i]->kind == TRACE_PROMISE;
    trial->senders[0].tried = CUT_EVENTS;
    disk_play(disk, cut);
    return disk_write(disk, directory, DISK_ANYTHING, event_random(&random, UINT32_MAX));
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == pid;
}

/* Until it has sent so many events, or has ended. */
static void wait_until_sent(pid_t pid, const struct told *told, uint64_t count)
{
    while (told->acknowledged < count && !has_ended(pid))
        usleep(200);
}

/* The first sender: goes on until the second has ended, and for some events more. */
static void go_on(const struct subject *subject, const char *directory, struct trial *trial)
{
    void *opened = subject->open(directory);
    bool is_good = opened != NULL;
    while (is_good && !trial->is_over)
        is_good = send_one(subject, opened, trial, 0);
    for (int i = 0; is_good && i < DELETION_EVENTS; i++)
        is_good = send_one(subject, opened, trial, 0);
    if (opened && !subject->close(opened))
        is_good = false;
    trial->senders[0].has_failed = !is_good;
    _exit(0);
}

/* Deletes a random file, or puts a copy in its place. */
static bool lose_file(const char *directory, uint64_t *random)
{
    static struct files files;
    list_files(directory, &files);
    if (files.count == 0)
        return false;
    const char *path = files.paths[event_random(random, files.count)];
    if (event_random(random, 2))
        return unlink(path) == 0;
    shell("cp '%s' '%s.copy' && mv '%s.copy' '%s'", path, path, path, path);
    return true;
}

static bool delete_one(const struct subject *subject, const char *directory, struct trial *trial,
                       uint64_t random)
{
    const struct told *told = &trial->senders[0];
    pid_t first = start();
    if (first == 0)
        go_on(subject, directory, trial);
    wait_until_sent(first, told, DELETION_EVENTS);
    if (has_ended(first) || !lose_file(directory, &random))
        return false;
    wait_until_sent(first, told, told->acknowledged + DELETION_EVENTS);
    int second = wait_for(start_sender(subject, directory, trial, 1, DELETION_EVENTS));
    trial->is_over = true;
    trial->has_crashed = WIFSIGNALED(second) | WIFSIGNALED(wait_for(first));
    return true;
}

static bool (*const harm_one[HARMS])(const struct subject *, const char *, struct trial *,
                                     uint64_t) = {flip_one, kill_one, cut_one, delete_one};

static void run_trial(const struct subject *subject, enum harm harm, struct trial *trial,
                      uint64_t random)
{
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%.3000s/%d", prove.work, (int)getpid());
    make_directory(directory);
    if (harm_one[harm](subject, directory, trial, random)) {
        if (trial->has_crashed)
            trial->outcome = CRASHED;
        else
            judge_in_child(subject, directory, trial);
    }
    shell("rm -rf '%s'", directory);
}

/* ---------------------------------------------------------------- a trace ---- */

/* In the recorded process. */
static void play(const struct subject *subject, const char *root)
{
    static struct trial trial;
    void *opened = subject->open(root);
    for (unsigned i = 0; opened && i < CUT_EVENTS; i++) {
        if (!send_one(subject, opened, &trial, 0))
            exit(1);
        promise_give((struct promise){.kind = PROMISE_ACKNOWLEDGED, .seq = i + 1, .count = 1});
    }
    exit(opened && subject->close(opened) ? 0 : 1);
}

static void become_player(unsigned index, const char *root, const char *trace)
{
    char number[16];
    snprintf(number, sizeof number, "%u", index);
    setenv("EVLOG_RECORD", root, 1);
    setenv("EVLOG_RECORD_TRACE", trace, 1);
    setenv("EVLOG_RECORD_DELAY_US", "200", 1);
    setenv("LD_PRELOAD", prove.recorder, 1);
    execl(prove.program, prove.program, "--play", number, root, (char *)NULL);
    _exit(127);
}

/* Records a subject; the whole trace must give what it has left. */
static void record(unsigned index)
{
    char root[PATH_MAX], trace[PATH_MAX], whole[PATH_MAX];
    snprintf(root, sizeof root, "%.3000s/root-%u", prove.work, index);
    snprintf(trace, sizeof trace, "%.3000s/trace-%u", prove.work, index);
    snprintf(whole, sizeof whole, "%.3000s/whole-%u", prove.work, index);
    make_directory(root);
    make_directory(whole);
    pid_t pid = start();
    if (pid == 0)
        become_player(index, root, trace);
    if (wait_for(pid) || !trace_read(trace, &prove.trace))
        die("%s: it could not be recorded", subjects[index].name);
    pid = start();
    if (pid == 0) {
        struct disk *disk = disk_new(&prove.trace, NULL, NULL);
        disk_play(disk, prove.trace.count);
        _exit(disk_write(disk, whole, DISK_EVERYTHING, 0) && disk_same(whole, root) ? 0 : 1);
    }
    if (wait_for(pid))
        die("%s: the trace does not give the files that it has left", subjects[index].name);
    shell("rm -rf '%s' '%s' '%s'*", root, whole, trace);
}

/* ------------------------------------------------------------- the table ---- */

/* Runs the trials, some side by side; how many came to what. */
static void run_trials(const struct subject *subject, enum harm harm, unsigned count,
                       unsigned outcomes[OUTCOMES])
{
    struct trial *trials = mmap(NULL, count * sizeof *trials, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trials == MAP_FAILED)
        die("no memory");
    for (unsigned i = 0, running = 0; i < count || running > 0;) {
        if (i == count || running == prove.jobs) {
            wait_for(-1);
            running--;
            continue;
        }
        pid_t pid = start();
        if (pid == 0) {
            alarm(4 * CHILD_SECONDS);
            run_trial(subject, harm, &trials[i], event_mix(prove.seed * HARMS + harm) + i);
            _exit(0);
        }
        running++;
        i++;
    }
    for (unsigned i = 0; i < count; i++)
        outcomes[trials[i].outcome]++;
    munmap(trials, count * sizeof *trials);
}

/* One row. */
static bool run_row(unsigned index, enum harm harm)
{
    unsigned outcomes[OUTCOMES] = {0}, count = harms[harm].trial_count * prove.percent / 100;
    if (harm == CUTS)
        record(index);
    run_trials(&subjects[index], harm, count, outcomes);
    if (harm == CUTS)
        trace_free(&prove.trace);
    unsigned reported = outcomes[REPORTED] + outcomes[REPORTED_GONE];
    printf("| %s | %s | %u | %u | %u (%u) | %u | %u | %u |\n", harms[harm].name,
           subjects[index].name, count, outcomes[WHOLE], reported, outcomes[REPORTED_GONE],
           outcomes[LOST], outcomes[WRONG], outcomes[CRASHED]);
    fflush(stdout);
    if (outcomes[NOT_MADE])
        fprintf(stderr, "%u trials could not be made\n", outcomes[NOT_MADE]);
    return !outcomes[NOT_MADE];
}

static void find_programs(void)
{
    ssize_t size = readlink("/proc/self/exe", prove.program, sizeof prove.program - 1);
    if (size < 0)
        die("/proc/self/exe: %s", strerror(errno));
    prove.program[size] = '\0';
    snprintf(prove.recorder, sizeof prove.recorder, "%.*s/recorder.so",
             (int)(strrchr(prove.program, '/') - prove.program), prove.program);
    if (access(prove.recorder, R_OK))
        die("%s: %s", prove.recorder, strerror(errno));
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--seed") == 0)
            prove.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--percent") == 0)
            prove.percent = (unsigned)strtoul(value, NULL, 10);
        else
            die("usage: prove [--seed S] [--percent P]");
    }
}

int main(int argc, char **argv)
{
    bool is_good = true;
    if (argc == 4 && strcmp(argv[1], "--play") == 0)
        play(&subjects[strtoul(argv[2], NULL, 10) % SUBJECTS], argv[3]);
    prove.seed = event_mix((uint64_t)getpid()) % 1000000;
    prove.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    parse(argc, argv);
    find_programs();
    strcpy(prove.work, "/dev/shm/evlog-prove-XXXXXX");
    if (!mkdtemp(prove.work) && !mkdtemp(strcpy(prove.work, "/tmp/evlog-prove-XXXXXX")))
        die("%s: %s", prove.work, strerror(errno));
    printf(
        "seed %" PRIu64 "\n\n"
        "| harm | to | trials | whole | reported (events gone) | lost in silence | wrong | crashed |\n"
        "|---|---|---|---|---|---|---|---|\n",
        prove.seed);
    for (unsigned harm = 0; harm < HARMS; harm++)
        for (unsigned index = 0; index < SUBJECTS; index++)
            is_good = run_row(index, harm) && is_good;
    shell("rm -rf '%s'", prove.work);
    return is_good ? 0 : 1;
}
