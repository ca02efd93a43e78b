/*
 * The terminal that output goes to.
 *
 * Colours: only on a terminal or in the pager before one; not with NO_COLOR (any text but "", no-color.org) or a TERM
 * that is not set or is dumb. Their escape sequences are written around text that text_put has made safe, so that none
 * in it is of an event.
 *
 * The pager: EVLOG_PAGER or else PAGER, run by /bin/sh; "" and cat: none. Without both less, which gets LESS=FRX unless
 * LESS is set: it ends by itself when all fits the screen, and shows colours. Where less is not there, there is no
 * pager. It is a child, and this process waits for it at its end, and when a signal ends it: else the shell would read
 * the keys that the pager is to get. When the pager is left early, SIGPIPE ends this process, quietly.
 */
#include "terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stop.h"

static volatile pid_t pager; /* 0: none */
static size_t paged_width;
static bool paged_colours;

size_t line_width(FILE *out)
{
    struct winsize size;
    if (out == stdout && pager)
        return paged_width;
    return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool is_watched(void)
{
    return pager || isatty(STDOUT_FILENO);
}

bool has_colours(FILE *out)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (out == stdout && pager)
        return paged_colours;
    return isatty(fileno(out)) && !(no_color && *no_color) && term && *term &&
           strcmp(term, "dumb") != 0;
}

void mark_put(FILE *out, enum mark mark)
{
    static const char *const sequences[] = {
        [MARK_NONE] = "\033[0m",
        [MARK_SIDE] = "\033[2m",
        [MARK_NAME] = "\033[36m",
        [MARK_BAD] = "\033[31m",
    };
    if (has_colours(out))
        fputs(sequences[mark], out);
}

/* --------------------------------------------------------------- the pager ---- */

/* NULL: less. */
static const char *pager_command(void)
{
    const char *command = getenv("EVLOG_PAGER");
    return command ? command : getenv("PAGER");
}

static void run_pager(const char *command)
{
    setenv("LESS", "FRX", 0);
    if (command)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    else
        execlp("less", "less", (char *)NULL);
    execlp("cat", "cat", (char *)NULL);
    _exit(127);
}

/* Lets the pager show all that it got, and waits until it is left. */
static void wait_for_pager(void)
{
    pid_t child = pager;
    pager = 0;
    if (child <= 0)
        return;
    close(STDOUT_FILENO);
    waitpid(child, NULL, 0);
}

static void end_pager(void)
{
    if (pager)
        fflush(stdout);
    wait_for_pager();
}

static void end_by_signal(int signal_number)
{
    if (signal_number == SIGTERM && pager > 0)
        kill(pager, SIGTERM);
    wait_for_pager();
    stop_die(signal_number);
}

static void attach(int read_fd, int write_fd)
{
    struct sigaction action = {.sa_handler = end_by_signal};
    dup2(write_fd, STDOUT_FILENO);
    close(read_fd);
    close(write_fd);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_DFL); /* also where the starting process ignored it */
    atexit(end_pager);
}

void pager_begin(void)
{
    int fds[2];
    const char *command = pager_command();
    bool is_none = command && (!*command || strcmp(command, "cat") == 0);
    if (is_none || pager || !isatty(STDOUT_FILENO))
        return;
    paged_width = line_width(stdout);
    paged_colours = has_colours(stdout);
    fflush(stdout);
    if (pipe(fds))
        return;
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[0], STDIN_FILENO);
        close(fds[0]);
        close(fds[1]);
        run_pager(command);
    }
    pager = child > 0 ? child : 0;
    if (pager)
        attach(fds[0], fds[1]);
    else {
        close(fds[0]);
        close(fds[1]);
    }
}
