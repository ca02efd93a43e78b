/*
 * Which process sent an event: evlog_options.record_peer. Three headers of the event say it:
 *
 *   evlog.peer.uid      the user who ran it (its real uid), in decimal
 *   evlog.peer.pid      its process number, as it knows it itself
 *   evlog.peer.program  the path of its executable, "" where it is not known, is not a text, or is longer than 255
 *                       bytes
 *
 * They are erased with the event, and sealed with it. The library in the sending process writes them: they help to find
 * the program that made a mistake, and prove nothing of a process that lies. What is imported is kept as it was.
 *
 * Cost: found out when the log is opened; then some 80 bytes and two allocations an event.
 */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "log.h"

static const char *const names[PEER_HEADERS] = {"evlog.peer.pid", "evlog.peer.program",
                                                "evlog.peer.uid"};

static void find_program(char program[EVLOG_NAME_SIZE_MAX + 1])
{
    ssize_t size = readlink("/proc/self/exe", program, EVLOG_NAME_SIZE_MAX + 1);
    program[size > 0 && size <= EVLOG_NAME_SIZE_MAX ? size : 0] = '\0';
    if (!log_is_text(program))
        *program = '\0';
}

struct peer *peer_new(void)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    snprintf(peer->uid, sizeof peer->uid, "%lu", (unsigned long)getuid());
    snprintf(peer->pid, sizeof peer->pid, "%ld", (long)getpid());
    find_program(peer->program);
    const char *const values[PEER_HEADERS] = {peer->pid, peer->program, peer->uid};
    for (int i = 0; i < PEER_HEADERS; i++)
        peer->headers[i] = (evlog_header){.name = names[i], .value = values[i]};
    return peer;
}

int peer_is_wanted(bool asked, bool *is_wanted)
{
    const char *variable = getenv("EVLOG_RECORD_PEER");
    *is_wanted = asked || (variable && strcmp(variable, "1") == 0);
    if (!variable || !*variable || strcmp(variable, "0") == 0 || strcmp(variable, "1") == 0)
        return EVLOG_OK;
    return error_set(EVLOG_INVALID,
                     "the environment variable EVLOG_RECORD_PEER is \"%.40s\", neither \"1\" nor "
                     "\"0\"",
                     variable);
}

static bool is_own(const char *name)
{
    for (int i = 0; name && i < PEER_HEADERS; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

evlog_header *peer_add(const struct peer *peer, const evlog_header *headers, size_t count,
                       size_t *all_count)
{
    evlog_header *all = malloc((count + PEER_HEADERS) * sizeof *all);
    size_t used = 0;
    for (size_t i = 0; all && i < count; i++)
        if (!is_own(headers[i].name))
            all[used++] = headers[i];
    if (all)
        memcpy(all + used, peer->headers, sizeof peer->headers);
    *all_count = used + PEER_HEADERS;
    return all;
}
