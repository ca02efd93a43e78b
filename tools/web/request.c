/*
 * A request: whether it is answered, by which page, and the response.
 *
 * 1. Nothing is answered whose Host is not this machine, the address listened at, or named by --host: else a page of
 *    another site, whose name is made to lead here (DNS rebinding), could read the logs.
 * 2. With --token nothing but the login page, the style and the icon is answered without it: as a cookie, which the
 *    login page sets, or as "Authorization: Bearer TOKEN".
 * 3. GET and HEAD change nothing. The two POSTs (login, and starting a verification) are refused from other sites.
 * 4. A log is open only while it is asked about, so that evlog compact, which needs it alone, gets it.
 * 5. No response allows the browser anything but this program's own script, style and images, none of it inline.
 */
#include "web.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"

#define COOKIE "evlog_token"

struct form {
    struct MHD_PostProcessor *processor;
    size_t size;
    char token[256], to[1024];
    size_t token_size, to_size;
};

struct answer {
    char *text;
    size_t size;
};

/* The files of tools/web/, by the linker. */
#define FILE_OF(name) \
    extern const char _binary_tools_web_##name##_start[], _binary_tools_web_##name##_end[]
FILE_OF(page_css);
FILE_OF(page_js);
FILE_OF(icon_svg);

static const struct {
    const char *url, *type, *start, *end;
} files[] = {
    {"/page.css", "text/css; charset=utf-8", _binary_tools_web_page_css_start,
     _binary_tools_web_page_css_end},
    {"/page.js", "text/javascript; charset=utf-8", _binary_tools_web_page_js_start,
     _binary_tools_web_page_js_end},
    {"/icon.svg", "image/svg+xml", _binary_tools_web_icon_svg_start,
     _binary_tools_web_icon_svg_end},
};
#define FILE_COUNT (sizeof files / sizeof *files)

static const struct {
    const char *name;
    page_function *page;
    bool has_rest; /* /log/NAME/page/REST */
} pages[] = {
    {"events", events_page, false},    {"event", event_page, true},
    {"live", live_page, false},        {"types", types_page, false},
    {"type", type_page, true},         {"consumers", consumers_page, false},
    {"consumer", consumer_page, true}, {"verify", verify_page, false},
    {"about", about_page, false},
};
#define PAGE_COUNT (sizeof pages / sizeof *pages)

/* ------------------------------------------------------------- request ---- */

void *request_begin(void *site, const char *uri, struct MHD_Connection *connection)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->site = site;
    request->connection = connection;
    request->uri = strdup(uri);
    request->content_type = "text/html; charset=utf-8";
    return request;
}

void request_end(void *site, struct MHD_Connection *connection, void **context,
                 enum MHD_RequestTerminationCode why)
{
    struct request *request = *context;
    (void)site;
    (void)connection;
    (void)why;
    if (!request)
        return;
    if (request->form) {
        MHD_destroy_post_processor(request->form->processor);
        memset(request->form, 0, sizeof *request->form);
    }
    free(request->form);
    free(request->location);
    free(request->cookie);
    free(request->uri);
    free(request);
    *context = NULL;
}

static const char *header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---------------------------------------------------------- who may ask ---- */

/* The host of HOST, HOST:PORT or [HOST]:PORT: where it begins, and its size. */
static const char *host_of(const char *text, size_t *size)
{
    if (*text == '[') {
        *size = strcspn(text + 1, "]");
        return text + 1;
    }
    *size = strcspn(text, ":");
    return text;
}

static bool is_same_host(const char *text, const char *allowed)
{
    size_t size, allowed_size;
    text = host_of(text, &size);
    allowed = host_of(allowed, &allowed_size);
    return size && size == allowed_size && strncasecmp(text, allowed, size) == 0;
}

static bool is_host_allowed(const struct request *request)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    const struct site *site = request->site;
    const char *host = header(request, "Host");
    if (!host)
        return false;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (is_same_host(host, own[i]))
            return true;
    for (size_t i = 0; i < site->host_count; i++)
        if (is_same_host(host, site->hosts[i]))
            return true;
    return is_same_host(host, site->listen);
}

/* In a time that says nothing of where they differ. */
static bool is_token(const struct site *site, const char *text)
{
    size_t size = text ? strlen(text) : 0, wanted = strlen(site->token);
    unsigned different = size != wanted;
    for (size_t i = 0; i < size; i++)
        different |= (unsigned char)text[i] ^ (unsigned char)site->token[i % wanted];
    return !different;
}

static bool is_let_in(const struct request *request)
{
    static const char bearer[] = "Bearer ";
    const char *given = header(request, "Authorization");
    if (!request->site->token)
        return true;
    if (given && strncasecmp(given, bearer, sizeof bearer - 1) == 0)
        return is_token(request->site, given + sizeof bearer - 1);
    return is_token(request->site,
                    MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, COOKIE));
}

/* A browser says from where a form comes; what says nothing of that is not a browser. */
static bool is_from_elsewhere(const struct request *request)
{
    const char *site = header(request, "Sec-Fetch-Site"), *origin = header(request, "Origin");
    const char *host = header(request, "Host");
    if (site)
        return strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
    if (!origin)
        return false;
    origin = strstr(origin, "://");
    return !origin || !host || strcasecmp(origin + 3, host) != 0;
}

/* ------------------------------------------------------------ responses ---- */

static enum MHD_Result respond(struct request *request, int status, struct MHD_Response *response)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
         "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
    };
    if (!response)
        return MHD_NO;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, request->content_type);
    if (request->location)
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, request->location);
    if (request->cookie)
        MHD_add_response_header(response, MHD_HTTP_HEADER_SET_COOKIE, request->cookie);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(request->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

/* Calls `page` with a file for what it writes, and responds with that. */
static enum MHD_Result respond_page(struct request *request, page_function *page)
{
    struct answer answer = {NULL, 0};
    request->out = open_memstream(&answer.text, &answer.size);
    if (!request->out)
        return MHD_NO;
    int status = page(request);
    bool is_failed = ferror(request->out) != 0;
    is_failed |= fclose(request->out) != 0;
    request->out = NULL;
    if (is_failed) {
        free(answer.text);
        return MHD_NO;
    }
    return respond(
        request, status,
        MHD_create_response_from_buffer(answer.size, answer.text, MHD_RESPMEM_MUST_FREE));
}

static int no_such_page(struct request *request)
{
    return page_refused(request, MHD_HTTP_NOT_FOUND, "There is no such page.");
}

static int wrong_host_page(struct request *request)
{
    request->content_type = "text/plain; charset=utf-8";
    fputs("This host is not served here. Start evlog web with --host NAME to allow it.\n",
          request->out);
    return MHD_HTTP_MISDIRECTED_REQUEST;
}

static int too_long_page(struct request *request)
{
    return page_refused(request, MHD_HTTP_URI_TOO_LONG, "The address is too long.");
}

static int wrong_method_page(struct request *request)
{
    return page_refused(request, MHD_HTTP_METHOD_NOT_ALLOWED,
                        "This page only reads: GET or HEAD.");
}

static int elsewhere_page(struct request *request)
{
    return page_refused(request, MHD_HTTP_FORBIDDEN, "This form was sent by another site.");
}

static int too_many_page(struct request *request)
{
    return page_refused(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many live views are open.");
}

static int redirect_page(struct request *request)
{
    return request->location ? MHD_HTTP_SEE_OTHER : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static int login_page(struct request *request)
{
    FILE *out = request->out;
    request->about = NULL;
    page_begin(request, "Token", NULL);
    fputs(
        "<form class=\"login\" method=\"post\" action=\"/login\">\n<p>This page asks for the token that evlog web was "
        "started with.</p>\n<label>Token<input type=\"password\" name=\"token\" required "
        "autocomplete=\"current-password\"></label>\n<input type=\"hidden\" name=\"to\" value=\"",
        out);
    html_text(out, request->uri && strcmp(request->uri, "/login") != 0 ? request->uri : "/");
    fputs("\">\n<button>Go on</button>\n</form>\n", out);
    page_end(request);
    return MHD_HTTP_UNAUTHORIZED;
}

/* ------------------------------------------------------------------ POST ---- */

static enum MHD_Result take_field(void *ctx, enum MHD_ValueKind kind, const char *key,
                                  const char *file, const char *type, const char *encoding,
                                  const char *data, uint64_t offset, size_t size)
{
    struct form *form = ctx;
    (void)kind, (void)file, (void)type, (void)encoding, (void)offset;
    bool is_token_field = strcmp(key, "token") == 0;
    char *field = is_token_field ? form->token : form->to;
    size_t *filled = is_token_field ? &form->token_size : &form->to_size;
    size_t room = is_token_field ? sizeof form->token : sizeof form->to;
    if (!is_token_field && strcmp(key, "to") != 0)
        return MHD_YES;
    if (size >= room - *filled)
        return MHD_NO;
    memcpy(field + *filled, data, size);
    *filled += size;
    return MHD_YES;
}

/* Where the login leads: a page of ours. */
static bool is_own_url(const char *url)
{
    if (url[0] != '/' || url[1] == '/' || url[1] == '\\')
        return false;
    for (; *url; url++)
        if ((unsigned char)*url <= ' ' || (unsigned char)*url >= 0x7f)
            return false;
    return true;
}

static enum MHD_Result log_in(struct request *request)
{
    struct form *form = request->form;
    if (!request->site->token)
        return respond_page(request, no_such_page);
    free(request->uri);
    request->uri = strdup(is_own_url(form->to) ? form->to : "/");
    if (!is_token(request->site, form->token))
        return respond_page(request, login_page);
    request->location = request->uri ? strdup(request->uri) : NULL;
    if (asprintf(&request->cookie, COOKIE "=%s; Path=/; HttpOnly; SameSite=Lax",
                 request->site->token) < 0)
        request->cookie = NULL;
    return respond_page(request, redirect_page);
}

/* ----------------------------------------------------------- what is asked ---- */

static struct web_log *log_named(const struct site *site, const char *name, size_t size)
{
    for (size_t i = 0; i < site->log_count; i++)
        if (strlen(site->logs[i].name) == size && memcmp(site->logs[i].name, name, size) == 0)
            return (struct web_log *)&site->logs[i];
    return NULL;
}

/* Opens the log for the time of this request. */
static int open_log(struct request *request)
{
    request->failure = web_log_open(request->about, &request->log);
    if (request->failure)
        return -1;
    request->failure = evlog_inspect(request->log, &request->info);
    if (!request->failure)
        return 0;
    evlog_close(request->log);
    return -1;
}

static int could_not_open_page(struct request *request)
{
    return page_failed(request, request->failure);
}

static enum MHD_Result respond_log_page(struct request *request, page_function *page)
{
    if (open_log(request))
        return respond_page(request, could_not_open_page);
    enum MHD_Result result = respond_page(request, page);
    evlog_close(request->log);
    return result;
}

static enum MHD_Result respond_stream(struct request *request,
                                      struct MHD_Response *make(struct request *request))
{
    if (open_log(request))
        return respond_page(request, could_not_open_page);
    struct MHD_Response *response = make(request);
    evlog_close(request->log);
    if (!response)
        return respond_page(request, too_many_page);
    request->content_type = "text/event-stream";
    return respond(request, MHD_HTTP_OK, response);
}

static enum MHD_Result redirect(struct request *request, const char *page)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return MHD_NO;
    request->out = out;
    html_log_url(request);
    fputs(page, out);
    request->out = NULL;
    if (fclose(out) == 0)
        request->location = text;
    else
        free(text);
    return respond_page(request, redirect_page);
}

/* `path` is what follows /log/NAME/. */
static enum MHD_Result answer_log(struct request *request, const char *path)
{
    size_t size = strcspn(path, "/");
    request->page = path;
    request->rest = path[size] ? path + size + 1 : "";
    if (strcmp(path, "live/stream") == 0)
        return respond_stream(request, live_stream);
    if (strcmp(path, "verify/stream") == 0)
        return respond_stream(request, verify_stream);
    for (size_t i = 0; i < PAGE_COUNT; i++)
        if (strlen(pages[i].name) == size && memcmp(pages[i].name, path, size) == 0 &&
            pages[i].has_rest == (*request->rest != 0))
            return respond_log_page(request, pages[i].page);
    return respond_page(request, no_such_page);
}

static enum MHD_Result answer_file(struct request *request, size_t i)
{
    request->content_type = files[i].type;
    return respond(request, MHD_HTTP_OK,
                   MHD_create_response_from_buffer((size_t)(files[i].end - files[i].start),
                                                   (void *)files[i].start,
                                                   MHD_RESPMEM_PERSISTENT));
}

/* Where a path leads: the log in `about`, and what follows; NULL: it is not about a log there is. */
static const char *find_log(struct request *request, const char *url)
{
    static const char prefix[] = "/log/";
    if (strncmp(url, prefix, sizeof prefix - 1) != 0)
        return NULL;
    const char *name = url + sizeof prefix - 1, *slash = strchr(name, '/');
    size_t size = slash ? (size_t)(slash - name) : strlen(name);
    request->about = log_named(request->site, name, size);
    return !request->about ? NULL : slash ? slash + 1 : "";
}

static enum MHD_Result answer_get(struct request *request, const char *url)
{
    if (strcmp(url, "/metrics") == 0)
        return respond_page(request, metrics_page);
    if (strcmp(url, "/") == 0 && request->site->log_count > 1)
        return respond_page(request, logs_page);
    request->about = (struct web_log *)&request->site->logs[0];
    if (strcmp(url, "/") == 0)
        return redirect(request, "events");
    request->about = NULL;
    const char *path = find_log(request, url);
    if (!path)
        return respond_page(request, no_such_page);
    return *path ? answer_log(request, path) : redirect(request, "events");
}

static enum MHD_Result answer_post(struct request *request, const char *url)
{
    if (is_from_elsewhere(request))
        return respond_page(request, elsewhere_page);
    if (strcmp(url, "/login") == 0)
        return log_in(request);
    if (!is_let_in(request))
        return respond_page(request, login_page);
    const char *path = find_log(request, url);
    if (!path || strcmp(path, "verify") != 0)
        return respond_page(request,
                            path || strcmp(url, "/") == 0 ? wrong_method_page : no_such_page);
    if (verify_start(request))
        return respond_page(request, could_not_open_page);
    return redirect(request, "verify");
}

/* Takes a part of the body. MHD_NO: it is too large. */
static enum MHD_Result take_body(struct request *request, const char *data, size_t *size)
{
    struct form *form = request->form;
    form->size += *size;
    if (form->size > FORM_SIZE_MAX)
        return MHD_NO;
    if (form->processor)
        MHD_post_process(form->processor, data, *size);
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result answer(struct request *request, const char *url, bool is_post)
{
    if (!is_host_allowed(request))
        return respond_page(request, wrong_host_page);
    if (!request->uri || strlen(request->uri) > 4000)
        return respond_page(request, too_long_page);
    if (is_post)
        return answer_post(request, url);
    for (size_t i = 0; i < FILE_COUNT; i++)
        if (strcmp(url, files[i].url) == 0)
            return answer_file(request, i);
    return is_let_in(request) ? answer_get(request, url) : respond_page(request, login_page);
}

enum MHD_Result request_answer(void *site, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *data_size, void **context)
{
    struct request *request = *context;
    bool is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    (void)site, (void)connection, (void)version;
    if (!request)
        return MHD_NO;
    if (!is_post && strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
        strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return respond_page(request,
                            is_host_allowed(request) ? wrong_method_page : wrong_host_page);
    if (is_post && !request->form) {
        request->form = calloc(1, sizeof *request->form);
        if (!request->form)
            return MHD_NO;
        request->form->processor =
            MHD_create_post_processor(connection, 1024, take_field, request->form);
        return MHD_YES;
    }
    if (*data_size)
        return is_post ? take_body(request, data, data_size) : MHD_NO;
    return answer(request, url, is_post);
}
