/*
 * A process that has a file open, to name it in a sentence.
 *
 * Locks of an open file description have no owner's pid (F_OFD_GETLK returns -1). So the descriptors that /proc
 * lists are looked at. Those of other users' processes, and of other pid namespaces, cannot be seen.
 *
 * Cost: a stat of each descriptor of each process; only for an error's sentence.
 */
#include "opener.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_open(long pid, const struct stat *file)
{
    char path[64];
    bool has = false;
    snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && !has && (entry = readdir(directory));) {
        struct stat status;
        has = fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 &&
              status.st_dev == file->st_dev && status.st_ino == file->st_ino;
    }
    if (directory)
        closedir(directory);
    return has;
}

int32_t opener_pid(int fd)
{
    struct stat file;
    DIR *directory = opendir("/proc");
    int32_t found = 0;
    if (fstat(fd, &file) == 0)
        for (struct dirent *entry; directory && !found && (entry = readdir(directory));) {
            long pid = strtol(entry->d_name, NULL, 10);
            if (pid > 0 && pid != (long)getpid() && has_open(pid, &file))
                found = (int32_t)pid;
        }
    if (directory)
        closedir(directory);
    return found;
}
