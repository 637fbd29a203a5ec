/* http_answer.c - what libcurl tells of an answer: headers, body, its end, and
 * what went wrong. */
#include "llm/http_core.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What libcurl's codes mean; what is missing is FAULT_LOCAL. */
static const struct {
    CURLcode code;
    enum fault fault;
} codes[] = {
    {CURLE_OK, FAULT_NONE},
    {CURLE_COULDNT_RESOLVE_HOST, FAULT_RESOLVE},
    {CURLE_COULDNT_RESOLVE_PROXY, FAULT_RESOLVE},
    {CURLE_COULDNT_CONNECT, FAULT_CONNECT},
    {CURLE_OPERATION_TIMEDOUT, FAULT_CONNECT_TIMEOUT},
    /* The handshake broke off: a server that restarts, or speaks no TLS. */
    {CURLE_SSL_CONNECT_ERROR, FAULT_CONNECT},
    {CURLE_PEER_FAILED_VERIFICATION, FAULT_TLS},
    {CURLE_SSL_CACERT_BADFILE, FAULT_TLS},
    {CURLE_SSL_CERTPROBLEM, FAULT_TLS},
    {CURLE_SSL_CLIENTCERT, FAULT_TLS},
    {CURLE_SSL_CIPHER, FAULT_TLS},
    {CURLE_SSL_ISSUER_ERROR, FAULT_TLS},
    {CURLE_GOT_NOTHING, FAULT_RESET},
    {CURLE_SEND_ERROR, FAULT_RESET},
    {CURLE_RECV_ERROR, FAULT_RESET},
    {CURLE_PARTIAL_FILE, FAULT_CUT},
    {CURLE_WEIRD_SERVER_REPLY, FAULT_NOT_HTTP},
    {CURLE_UNSUPPORTED_PROTOCOL, FAULT_NOT_HTTP},
    {CURLE_BAD_CONTENT_ENCODING, FAULT_NOT_HTTP},
};

void
http_slot_fault(struct slot *slot, enum fault fault)
{
    const struct http_options *o = &slot->http->options;
    char *why = slot->error;

    slot->fault = fault;
    slot->result.why = why;
    switch ((int)fault) {
    case FAULT_RESET:
        (void)snprintf(why, CURL_ERROR_SIZE,
                       "the connection, which served before, was closed before "
                       "an answer came");
        break;
    case FAULT_TOO_BIG:
        (void)snprintf(why, CURL_ERROR_SIZE, "more than %zu bytes came",
                       slot->stream_bytes ? HTTP_STREAM_FACTOR * o->body_max
                                          : o->body_max);
        break;
    case FAULT_HEADERS:
        (void)snprintf(why, CURL_ERROR_SIZE, "more than %d bytes of headers",
                       HTTP_HEADERS_MAX);
        break;
    case FAULT_CONNECT_TIMEOUT:
        (void)snprintf(why, CURL_ERROR_SIZE, "no connection within %llu ms",
                       (unsigned long long)o->connect_ms);
        break;
    case FAULT_FIRST_BYTE_TIMEOUT:
        (void)snprintf(why, CURL_ERROR_SIZE,
                       "the request went out, and no byte came for %llu ms",
                       (unsigned long long)o->first_byte_ms);
        break;
    case FAULT_IDLE_TIMEOUT:
        (void)snprintf(why, CURL_ERROR_SIZE,
                       "%zu bytes of the body came, then none for %llu ms",
                       slot->body.len + slot->stream_bytes,
                       (unsigned long long)o->idle_ms);
        break;
    case FAULT_TOTAL_TIMEOUT:
        (void)snprintf(why, CURL_ERROR_SIZE, "not done after %llu ms",
                       (unsigned long long)http_slot_total_ms(slot));
        break;
    default:
        slot->result.why = "";
    }
}

/* ---- what libcurl calls ---- */

bool
http_answer_sent(const struct slot *slot)
{
    long bytes = 0;

    if (slot->state != SLOT_SENT) return false;
    curl_easy_getinfo(slot->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes > 0 || !slot->http->counts;
}

/* A connection is there and the request goes out. When one that was used before
 * ends before a byte of the answer came, libcurl connects anew and comes here
 * again, to send the request a second time: the first may have been read, and
 * would be paid twice (docs/decisions/0054). */
static int
on_connected(void *self, char *ip, char *local_ip, int port, int local_port)
{
    struct slot *slot = self;

    (void)ip, (void)local_ip, (void)port, (void)local_port;
    if (http_answer_sent(slot)) {
        http_slot_fault(slot, FAULT_RESET);
        return CURL_PREREQFUNC_ABORT;
    }
    if (slot->state == SLOT_CONNECTING) {
        slot->state = SLOT_SENT;
        slot->http->connecting--;
        slot->last_us = slot->http->now_us;
    }
    return CURL_PREREQFUNC_OK;
}

static void
came(struct slot *slot)
{
    slot->last_us = slot->http->now_us;
    if (slot->first_us < 0) slot->first_us = slot->last_us;
}

/* "Content-Type: Application/JSON; charset=..." as "application/json". */
static void
take_word(const char *value, size_t len, char word[HTTP_TYPE_BYTES])
{
    size_t n = 0;

    while (len > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        len--;
    }
    while (n < len && n + 1 < HTTP_TYPE_BYTES && value[n] > ' ' &&
           value[n] != ';') {
        word[n] = (char)tolower((unsigned char)value[n]);
        n++;
    }
    word[n] = '\0';
}

static bool
begins(const char *line, size_t len, const char *with)
{
    return len >= strlen(with) && strncasecmp(line, with, strlen(with)) == 0;
}

static void
take_header(struct slot *slot, const char *line, size_t len)
{
    static const char type[] = "content-type:",
                      encoding[] = "content-encoding:";
    struct http_result *r = &slot->result;

    if (begins(line, len, "http/")) {
        /* What stood before was said of something else: "100 Continue" and
         * its like have headers of their own. */
        r->content_type[0] = r->encoding[0] = '\0';
        hints_init(&r->hints);
    } else if (begins(line, len, type)) {
        take_word(line + strlen(type), len - strlen(type), r->content_type);
    } else if (begins(line, len, encoding)) {
        take_word(line + strlen(encoding), len - strlen(encoding), r->encoding);
    } else {
        hints_take(&r->hints, line, len, slot->http->wall_ms);
    }
}

static size_t
on_header(char *line, size_t size, size_t count, void *self)
{
    struct slot *slot = self;
    size_t len = size * count;

    came(slot);
    slot->in_head = len > strlen("\r\n"); /* an empty line ends it */
    slot->header_bytes += len;
    if (slot->header_bytes > HTTP_HEADERS_MAX) {
        http_slot_fault(slot, FAULT_HEADERS);
        return 0; /* ends the transfer */
    }
    take_header(slot, line, len);
    return len;
}

static bool
is_stream(struct slot *slot)
{
    long status = 0;

    if (!slot->request.on_stream) return false;
    if (!slot->request.is_file &&
        (strcmp(slot->result.content_type, "text/event-stream") != 0 ||
         slot->result.encoding[0])) {
        return false;
    }
    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    return status == 200;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *self)
{
    struct slot *slot = self;
    size_t len = size * count;

    came(slot);
    if (is_stream(slot)) {
        slot->stream_bytes += len;
        if (!slot->request.is_file && slot->stream_bytes / HTTP_STREAM_FACTOR >
                                          slot->http->options.body_max) {
            http_slot_fault(slot, FAULT_TOO_BIG);
            return 0; /* ends the transfer */
        }
        slot->enough = !slot->request.on_stream(slot->request.self, bytes, len);
        return slot->enough ? 0 : len;
    }
    co_buf_append(&slot->body, bytes, len);
    if (!slot->body.err) return len;
    http_slot_fault(slot,
                    slot->body.err == CO_FULL ? FAULT_TOO_BIG : FAULT_LOCAL);
    return 0;
}

void
http_answer_attach(struct slot *slot)
{
    CURL *easy = slot->easy;

    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, slot);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
}

/* ---- the end ---- */

/* Did a line come that is longer than libcurl takes? It calls that a lack of
 * memory, and it reads no body before the headers are through. */
static bool
is_endless_line(const struct slot *slot, CURLcode code)
{
    return code == CURLE_OUT_OF_MEMORY && slot->state == SLOT_SENT &&
           slot->first_us >= 0 && slot->body.len + slot->stream_bytes == 0;
}

/* Did it end among the headers? libcurl finds nothing amiss then. */
static bool
is_cut_head(const struct slot *slot, CURLcode code)
{
    return code == CURLE_OK && slot->in_head && slot->body.len == 0 &&
           slot->stream_bytes == 0;
}

enum fault
http_answer_fault(struct slot *slot, CURLcode code)
{
    if (is_endless_line(slot, code)) slot->fault = FAULT_HEADERS;
    if (slot->fault) return slot->fault;
    if (slot->enough) return FAULT_NONE;
    if (is_cut_head(slot, code)) return FAULT_CUT;
    for (size_t i = 0; i < co_countof(codes); i++) {
        if (codes[i].code != code) continue;
        /* Closed after part of an answer, whatever libcurl calls it. */
        if (codes[i].fault == FAULT_RESET && slot->first_us >= 0) {
            return FAULT_CUT;
        }
        return codes[i].fault;
    }
    return FAULT_LOCAL;
}
