/*
 * Plugins: receivers in a shared object, as Open edX has them in Django apps.
 *
 * The object exports one function, evlog_plugin_main, which returns its ABI version, its name
 * and its start; so whether it fits is known before any other code of it has run.
 * While start runs, what its thread connects is owned by the plugin, and is disconnected
 * if it fails.
 *
 * 1. A plugin that failed has nothing connected. What it defined stays: the log has copied it.
 * 2. An object whose start has been called is never unloaded: another thread may
 *    be in one of its receivers, and it may have stored pointers anywhere.
 *
 * Absent: stopping a plugin, and connections that it makes from threads of its own.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "evlog/plugin.h"
#include "log.h"
#include "receivers.h"

#define PATH_SIZE_MAX 4096

typedef const evlog_plugin *plugin_main(void);

/* The path as dlopen takes it for a file, and not for the name of a library. */
static int file_path(const char *path, char file[PATH_SIZE_MAX])
{
    if (!path || !*path)
        return error_set(EVLOG_INVALID, "no plugin is given");
    if (strlen(path) + 3 > PATH_SIZE_MAX)
        return error_set(EVLOG_LIMIT, "the plugin's path is longer than %d bytes", PATH_SIZE_MAX);
    sprintf(file, "%s%s", strchr(path, '/') ? "" : "./", path);
    if (access(file, R_OK))
        return error_set(EVLOG_NOTFOUND, "plugin %s: cannot be read", path);
    return EVLOG_OK;
}

/* Finds the object's description of itself. */
static int find_plugin(void *object, const char *path, const evlog_plugin **plugin)
{
    plugin_main *entry;
    void *symbol = dlsym(object, "evlog_plugin_main");
    if (!symbol)
        return error_set(EVLOG_UNSUPPORTED,
                         "plugin %s: has no evlog_plugin_main: see EVLOG_PLUGIN", path);
    memcpy(&entry, &symbol, sizeof entry);
    const evlog_plugin *found = entry();
    if (!found || found->abi != EVLOG_PLUGIN_ABI)
        return error_set(EVLOG_UNSUPPORTED,
                         "plugin %s: is for ABI version %u, this is %d: compile it anew", path,
                         found ? (unsigned)found->abi : 0, EVLOG_PLUGIN_ABI);
    if (!found->start)
        return error_set(EVLOG_UNSUPPORTED, "plugin %s: has no start", path);
    *plugin = found;
    return EVLOG_OK;
}

/*
 * Calls its start. `why` is what that gave to evlog_fail, or else the sentence of the last call
 * that failed in it: a start may return what evlog_define or evlog_connect returned.
 */
static int call_start(evlog *log, const evlog_plugin *plugin, char why[ERROR_SIZE])
{
    char before[ERROR_SIZE];
    memcpy(before, evlog_errmsg(), sizeof before);
    error_set(EVLOG_OK, "%s", "");
    why[0] = '\0';
    char *outer = error_redirect_failure(why);
    int failed = plugin->start(log);
    error_redirect_failure(outer);
    if (!failed)
        error_set(EVLOG_OK, "%s", before);
    else if (!*why)
        memcpy(why, evlog_errmsg(), ERROR_SIZE);
    return failed;
}

static int start(evlog *log, const char *path, const evlog_plugin *plugin)
{
    static atomic_uint load_count;
    char why[ERROR_SIZE];
    unsigned owner = atomic_fetch_add(&load_count, 1) + 1;
    unsigned outer = receivers_set_owner(owner);
    int failed = call_start(log, plugin, why);
    receivers_set_owner(outer);
    if (!failed)
        return EVLOG_OK;
    receivers_drop_owned(log, owner);
    return error_set(EVLOG_RECEIVER, "plugin %s (%s): its start failed with %d%s%s", path,
                     plugin->name ? plugin->name : "", failed, *why ? ": " : "", why);
}

static int load(evlog *log, const char *path)
{
    char file[PATH_SIZE_MAX];
    const evlog_plugin *plugin = NULL;
    int result = file_path(path, file);
    if (result)
        return result;
    void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        const char *why = dlerror();
        return error_set(EVLOG_UNSUPPORTED, "plugin %s: %s", path, why ? why : "unknown");
    }
    result = find_plugin(object, path, &plugin);
    if (result) {
        dlclose(object);
        return result;
    }
    return start(log, path, plugin);
}

int evlog_plugin_load(evlog *log, const char *path)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = load(log, path);
    log_leave(log);
    return result;
}
