/* What a page's function uses to answer: the request's parameters, a refusal as a page, the log, and streams. */
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "web.h"

const char *parameter(const struct request *request, const char *name)
{
    const char *value = NULL;
    size_t size = 0;
    if (MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name,
                                      strlen(name), &value, &size) != MHD_YES ||
        !value)
        return NULL;
    while (*value == ' ')
        value++;
    return *value ? value : NULL;
}

int page_refused(struct request *request, int status, const char *why)
{
    request->content_type = "text/html; charset=utf-8";
    page_begin(request, status == MHD_HTTP_NOT_FOUND ? "Not found" : "Not done", NULL);
    html_wrong(request->out, why);
    page_end(request);
    return status;
}

int status_of(int code)
{
    return code == EVLOG_NOTFOUND                         ? MHD_HTTP_NOT_FOUND
           : code == EVLOG_INVALID || code == EVLOG_LIMIT ? MHD_HTTP_BAD_REQUEST
           : code == EVLOG_BUSY                           ? MHD_HTTP_SERVICE_UNAVAILABLE
                                                          : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

int page_failed(struct request *request, int code)
{
    return page_refused(request, status_of(code), evlog_errmsg());
}

int web_log_open(const struct web_log *log, evlog **opened)
{
    return evlog_open(log->path, &(evlog_options){.read_only = true, .wait_ms = 1000}, opened);
}

/* ------------------------------------------------------------- streams ---- */

static int stream_count;

void *stream_begin(size_t size)
{
    bool has_place = __atomic_add_fetch(&stream_count, 1, __ATOMIC_RELAXED) <= STREAMS_MAX;
    void *ctx = has_place ? calloc(1, size) : NULL;
    if (!ctx)
        stream_end(NULL);
    return ctx;
}

void stream_end(void *ctx)
{
    free(ctx);
    __atomic_sub_fetch(&stream_count, 1, __ATOMIC_RELAXED);
}

struct MHD_Response *stream_response(MHD_ContentReaderCallback read, void *ctx,
                                     MHD_ContentReaderFreeCallback end)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32 << 10, read, ctx, end);
    if (!response)
        end(ctx);
    return response;
}
