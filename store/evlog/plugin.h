/*
 * Plugins: receivers in shared objects.
 */
#ifndef EVLOG_PLUGIN_H
#define EVLOG_PLUGIN_H

#include <evlog.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------- plugins ---- */

/*
 * A plugin is a shared object with receivers in it. EVLOG_PLUGIN writes the one function by which it
 * is found. A plugin calls the library that the program which loads it uses, so it is linked with
 * no library of its own: cc -shared -fPIC plugin.c $(pkg-config --cflags evlog) -o plugin.so
 *
 *   static int start(evlog *log)
 *   {
 *       evlog_signal *created;
 *       int result = evlog_define_class(log, &definition, &created);
 *       return result ? result
 *                     : evlog_connect(log, created, "preferences", make, NULL, NULL);
 *   }
 *   EVLOG_PLUGIN("notification preferences", start);
 *
 * A program linked with libevlog.so can load plugins as it is. One linked with libevlog.a must
 * contain all of it (-Wl,--whole-archive) and export it (-rdynamic): otherwise a plugin that calls a
 * function which the program does not use is refused with EVLOG_UNSUPPORTED. With the installed
 * files for pkg-config or CMake (after find_package(evlog)):
 *
 *   cc program.c $(pkg-config --cflags evlog) $(pkg-config --variable=whole_libs evlog)
 *   target_link_libraries(program evlog::evlog_whole)
 */
#define EVLOG_PLUGIN_ABI 1

typedef struct evlog_plugin {
    uint32_t abi;     /* EVLOG_PLUGIN_ABI as the plugin was compiled */
    uint32_t size;    /* of this struct then; EVLOG_PLUGIN fills in both */
    const char *name; /* for messages */
    /* Connects its receivers. Other than 0: it failed, see evlog_fail. */
    int (*start)(evlog *log);
} evlog_plugin;

#ifdef __cplusplus
#define EVLOG_EXTERN_C extern "C"
#else
#define EVLOG_EXTERN_C
#endif

#define EVLOG_PLUGIN(name, start)                                                         \
    EVLOG_EXTERN_C EVLOG_API const evlog_plugin *evlog_plugin_main(void);                 \
    const evlog_plugin *evlog_plugin_main(void)                                           \
    {                                                                                     \
        static const evlog_plugin plugin = {EVLOG_PLUGIN_ABI, sizeof(evlog_plugin), name, \
                                            start};                                       \
        return &plugin;                                                                   \
    }                                                                                     \
    typedef int evlog_plugin_wants_a_semicolon

/*
 * Loads the shared object at `path` (without a slash: in the current directory) and calls its
 * start. Plugins are loaded in the order of the calls, and their receivers hear events in the
 * order of connection like all others. One that has been started stays loaded until the
 * process ends.
 *
 * On failure nothing that its start connected is connected any more: EVLOG_NOTFOUND: no such
 * file; EVLOG_UNSUPPORTED: not a plugin, or one of another EVLOG_PLUGIN_ABI, or
 * a symbol that is missing; EVLOG_RECEIVER: its start failed.
 */
EVLOG_API int evlog_plugin_load(evlog *log, const char *path);

#ifdef __cplusplus
}
#endif

#endif
