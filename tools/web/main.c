/*
 * evlog-web: found and run by `evlog web`. Its arguments, where it listens, and its end.
 *
 * 1. Without --token it listens on this machine only: a loopback address, or a Unix socket that is its user's alone.
 * 2. The token is read from a file, since a command line can be read by everybody on the machine.
 * 3. SIGINT and SIGTERM end it within a second, whatever is under way: it only reads.
 */
#include "web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "stop.h"
#include "times.h"
#include "tool.h"

#define TOKEN_SIZE_MIN 16
#define TOKEN_SIZE_MAX 128
#define END_MS 500 /* that a verification has to end */

static const char help[] =
    "usage: evlog web LOG... [--listen HOST:PORT|unix:PATH] [OPTION]...\n"
    "\n"
    "A page to look at logs: a timeline of how many events of which type, the events with the filter of evlog show,\n"
    "one event as a tree, the event types and their schemas, consumers with their lag and parked events, a live view,\n"
    "and verify with its progress. It only reads, and has a log open only while it is asked about. /metrics is for\n"
    "Prometheus, the same as evlog metrics.\n"
    "\n"
    "      --listen WHERE  127.0.0.1:PORT (the default is 127.0.0.1:8474), [::1]:PORT, port 0 for any that is free,\n"
    "                      or unix:PATH, a socket that only its user can use. Another address requires --token.\n"
    "      --token FILE    ask for the token in FILE's first line, 16 to 128 letters, digits, - and _. There is no\n"
    "                      TLS: over a network use ssh -L, or a proxy in front that has it.\n"
    "      --host NAME     also answer requests that name this host: that of such a proxy. May be repeated.\n"
    "\n"
    "Exit status: 0 stopped by SIGTERM or SIGINT; 2 wrong arguments; 3 a log or the address cannot be opened.\n";

/* ------------------------------------------------------------- arguments ---- */

/* -1: go on, else the exit status, reported. */
static int read_token(const char *path, struct site *site)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char line[TOKEN_SIZE_MAX + 4] = "";
    FILE *file = fopen(path, "r");
    bool is_read = file && fgets(line, sizeof line, file);
    if (file)
        fclose(file);
    if (!is_read)
        return complain(EXIT_MISUSE, "%s: cannot be read, or is empty", path);
    size_t size = strcspn(line, "\r\n");
    line[size] = '\0';
    if (size < TOKEN_SIZE_MIN || size > TOKEN_SIZE_MAX || strspn(line, letters) != size)
        return complain(
            EXIT_MISUSE,
            "%s: a token is %d to %d letters, digits, - and _; make one with: head -c 24 /dev/urandom "
            "| base64 | tr +/ -_ >%s",
            path, TOKEN_SIZE_MIN, TOKEN_SIZE_MAX, path);
    site->token = strdup(line);
    return site->token ? -1 : complain(EXIT_LOG, "out of memory");
}

/* The last part of the path, and a number where another log has it already. */
static int name_log(struct site *site, const char *path)
{
    struct web_log *log = &site->logs[site->log_count];
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin && path[begin - 1] != '/')
        begin--;
    bool is_plain =
        begin < end && path[begin] != '.'; /* a browser takes "." and ".." for directories */
    const char *base = is_plain ? path + begin : "log";
    int size = is_plain ? (int)(end - begin) : 3;
    log->path = path;
    for (unsigned number = 1; number <= LOGS_MAX; number++) {
        bool is_taken = false;
        free(log->name);
        if ((number == 1 ? asprintf(&log->name, "%.*s", size, base)
                         : asprintf(&log->name, "%.*s-%u", size, base, number)) < 0)
            return complain(EXIT_LOG, "out of memory");
        for (size_t i = 0; i < site->log_count; i++)
            is_taken |= strcmp(site->logs[i].name, log->name) == 0;
        if (!is_taken)
            break;
    }
    if (verify_init(log))
        return complain(EXIT_LOG, "out of memory");
    site->log_count++;
    return -1;
}

/* Whether it can be opened now; so a mistyped path is noticed at once. */
static int try_log(const char *path)
{
    evlog *log;
    if (evlog_open(path, &(evlog_options){.read_only = true}, &log))
        return complain(EXIT_LOG, "%s", evlog_errmsg());
    evlog_close(log);
    return -1;
}

static int read_arguments(int argc, char **argv, struct site *site)
{
    static const struct option longs[] = {{"listen", required_argument, NULL, 'l'},
                                          {"token", required_argument, NULL, 't'},
                                          {"host", required_argument, NULL, 'H'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int letter, status = -1;
    while (status < 0 && (letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (letter == 'l')
            site->listen = optarg;
        else if (letter == 't')
            status = read_token(optarg, site);
        else if (letter == 'H' && site->host_count < HOSTS_MAX)
            site->hosts[site->host_count++] = optarg;
        else if (letter == 'h') {
            fputs(help, stdout);
            return output_flushed(EXIT_DONE);
        } else
            return complain(EXIT_MISUSE, "an option is wrong; see: evlog web --help");
    }
    if (status < 0 && (optind == argc || argc - optind > LOGS_MAX))
        return complain(EXIT_MISUSE,
                        "which log? evlog web LOG... (at most %d); see: evlog web --help",
                        LOGS_MAX);
    for (int i = optind; i < argc && status < 0; i++) {
        status = try_log(argv[i]);
        if (status < 0)
            status = name_log(site, argv[i]);
    }
    return status;
}

/* ------------------------------------------------------------- listening ---- */

/* A socket whose file nobody listens at any more is replaced. */
static int bind_unix(const char *path, struct sockaddr_un *address, int fd)
{
    struct stat there;
    mode_t mask = umask(0177);
    int code = bind(fd, (struct sockaddr *)address, sizeof *address);
    if (code && errno == EADDRINUSE && stat(path, &there) == 0 && S_ISSOCK(there.st_mode)) {
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_dead = probe >= 0 &&
                       connect(probe, (struct sockaddr *)address, sizeof *address) &&
                       errno == ECONNREFUSED;
        if (probe >= 0)
            close(probe);
        errno = EADDRINUSE;
        if (is_dead && unlink(path) == 0)
            code = bind(fd, (struct sockaddr *)address, sizeof *address);
    }
    umask(mask);
    return code;
}

/* The descriptor, or -1: reported. */
static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof address.sun_path) {
        complain(0, "a Unix socket's path has 1 to %zu bytes", sizeof address.sun_path - 1);
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind_unix(path, &address, fd) == 0 && listen(fd, 64) == 0)
        return fd;
    complain(0, "%s: cannot listen: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* Splits HOST:PORT or [HOST]:PORT and looks the address up, which is written in numbers. 0, or -1. */
static int read_address(const char *text, struct addrinfo **found)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    size_t size = colon ? (size_t)(colon - text) : 0;
    if (size >= sizeof host || !size)
        return -1;
    bool has_brackets = text[0] == '[' && text[size - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)size - 2 * has_brackets, text + has_brackets);
    if (strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    return getaddrinfo(host, colon + 1, &hints, found) ? -1 : 0;
}

/* The descriptor, or -1, reported, and `*status`. */
static int listen_tcp(const struct site *site, int *status)
{
    struct addrinfo *address;
    int on = 1, fd = -1;
    *status = EXIT_MISUSE;
    if (read_address(site->listen, &address)) {
        complain(
            0, "--listen is HOST:PORT, with the host as an address in numbers, or unix:PATH: %s",
            site->listen);
        return -1;
    }
    if (!site->token && !is_loopback(address->ai_addr)) {
        complain(0, "%s can be reached by others: that requires --token FILE", site->listen);
        freeaddrinfo(address);
        return -1;
    }
    *status = EXIT_LOG;
    fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, 64)) {
        complain(0, "%s: cannot listen: %s", site->listen, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(address);
    return fd;
}

/* Says where it is, with the port that it got. */
static void report_place(const struct site *site, int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[64], port[16];
    if (strncmp(site->listen, "unix:", 5) == 0)
        printf("evlog web: %s\n", site->listen);
    else if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
             getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                         NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        printf(strchr(host, ':') ? "evlog web: http://[%s]:%s/\n" : "evlog web: http://%s:%s/\n",
               host, port);
    fflush(stdout);
}

/* -------------------------------------------------------------- serving ---- */

/* What MHD has to say of bad requests is not for standard error. */
static void say_nothing(void *ctx, const char *format, va_list arguments)
{
    (void)ctx, (void)format, (void)arguments;
}

static int serve(struct site *site, int fd)
{
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_ERROR_LOG | MHD_USE_ITC,
        0, NULL, NULL, request_answer, site, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_SIZE_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_URI_LOG_CALLBACK,
        request_begin, site, MHD_OPTION_NOTIFY_COMPLETED, request_end, NULL, MHD_OPTION_END);
    if (!daemon) {
        close(fd);
        return complain(EXIT_LOG, "the server cannot be started: %s", strerror(errno));
    }
    report_place(site, fd);
    while (!stop_wait_ms(INT64_C(1000000)))
        ;
    MHD_stop_daemon(daemon);
    if (!verify_end_all(site, END_MS))
        _exit(EXIT_DONE);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    static struct site all;
    struct site *site = &all;
    site->listen = "127.0.0.1:8474";
    times_in_utc();
    int status = read_arguments(argc, argv, site);
    if (status >= 0)
        return status;
    bool is_unix = strncmp(site->listen, "unix:", 5) == 0;
    stop_watch();
    signal(SIGPIPE, SIG_IGN);
    status = EXIT_LOG;
    int fd = is_unix ? listen_unix(site->listen + 5) : listen_tcp(site, &status);
    if (fd < 0)
        return status;
    status = serve(site, fd);
    if (is_unix)
        unlink(site->listen + 5);
    return output_flushed(status);
}
