/* batch_vendor.c - see batch.h: how requests are named at the vendors', and
 * what both of them have alike. */
#include "llm/batch.h"

#include "llm/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* -- names ---------------------------------------------------------------- */

void
batch_custom_text(const struct batch_custom *c, char out[BATCH_CUSTOM_BYTES])
{
    /* 10 + 8 + 16 + 2 * 3 digits at most in practice; 64 in any case */
    (void)snprintf(out, BATCH_CUSTOM_BYTES,
                   "c%016" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx32
                   "-%" PRIx32,
                   c->job, c->batch, c->row, c->ask, c->stage);
}

/* Hexadecimal up to a '-' or the end. */
static bool
read_hex(const char **at, const char *end, uint64_t *ret)
{
    uint64_t value = 0;
    const char *p = *at;

    for (; p < end && *p != '-'; p++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, *p);

        if (!*p || !digit || p - *at >= 16) return false;
        value = value << 4 | (uint64_t)(digit - digits);
    }
    if (p == *at) return false;
    *at = p < end ? p + 1 : p;
    *ret = value;
    return true;
}

bool
batch_custom_read(const char *text, size_t len, struct batch_custom *ret)
{
    const char *at = text + 1, *end = text + len;
    uint64_t ask, stage;

    if (len < 2 || len >= BATCH_CUSTOM_BYTES || text[0] != 'c' ||
        !read_hex(&at, end, &ret->job) || !read_hex(&at, end, &ret->batch) ||
        !read_hex(&at, end, &ret->row) || !read_hex(&at, end, &ask) ||
        !read_hex(&at, end, &stage) || at != end) {
        return false;
    }
    if (ask >= ASK_MAX || stage >= ASK_STAGES || ret->row >> 56) return false;
    ret->ask = (uint32_t)ask;
    ret->stage = (uint32_t)stage;
    return true;
}

/* -- what vendors have alike ---------------------------------------------- */

static const struct {
    const char *provider;
    const struct batch_api *api;
} apis[] = {
    {"openai", &batch_openai},
    {"anthropic", &batch_anthropic},
};

const struct batch_api *
batch_api_of(const char *provider)
{
    for (size_t i = 0; i < co_countof(apis); i++) {
        if (strcmp(apis[i].provider, provider) == 0) return apis[i].api;
    }
    return NULL;
}

/* What is no text says nothing. */
void
batch_take_text(struct pull *p, char *out, size_t size)
{
    struct pull_slice text;

    if (pull_peek(p) != PULL_TEXT) {
        pull_skip(p);
    } else if (pull_text(p, &text)) {
        (void)pull_copy(&text, out, size);
    }
}

/* The whole part of a number; what is none, or too large, says nothing. Counts
 * and times are told to people: no answer waits for a right one. */
void
batch_take_u64(struct pull *p, uint64_t *to)
{
    struct pull_slice number;
    uint64_t n = 0;

    if (pull_peek(p) != PULL_NUMBER) {
        pull_skip(p);
        return;
    }
    if (!pull_number(p, &number) || number.at[0] == '-') return;
    for (size_t i = 0; i < number.len && number.at[i] != '.'; i++) {
        const unsigned digit = (unsigned)number.at[i] - '0';

        if (digit > 9 || n > (UINT64_MAX - digit) / 10) return;
        n = 10 * n + digit;
    }
    *to = n;
}

static enum fault
bad_json(const struct pull *p, struct co_diag *diag)
{
    (void)co_fail(diag, CO_PROTOCOL, "%s, at byte %zu",
                  p->wrong ? p->wrong : "more follows", pull_where(p));
    return FAULT_BAD_JSON;
}

enum fault
batch_read_id(const char *body, size_t len, char id[BATCH_ID_BYTES],
              struct co_diag *diag)
{
    struct pull_slice key;
    struct pull p;

    id[0] = '\0';
    pull_init(&p, body, len);
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "id")) {
                batch_take_text(&p, id, BATCH_ID_BYTES);
            } else {
                pull_skip(&p);
            }
        }
    }
    if (!pull_end(&p)) return bad_json(&p, diag);
    if (id[0]) return FAULT_NONE;
    (void)co_fail(diag, CO_PROTOCOL, "it has no id");
    return FAULT_BAD_SHAPE;
}

struct list {
    const struct batch_api *api;
    bool (*each)(void *self, const struct batch_info *info);
    void *self;
    bool stopped;
    char *last;
    struct co_diag *diag;
};

static enum fault
read_elements(struct pull *p, struct list *l)
{
    if (!pull_enter(p, PULL_ARRAY)) return FAULT_NONE;
    while (pull_item(p)) {
        const char *at;
        struct batch_info info;
        enum fault fault;

        (void)pull_peek(p); /* blanks are behind us */
        at = (const char *)p->p;
        pull_skip(p);
        if (p->wrong || l->stopped) continue;
        fault = l->api->read_info(at, (size_t)((const char *)p->p - at), &info,
                                  l->diag);
        if (fault) return fault;
        (void)snprintf(l->last, BATCH_ID_BYTES, "%s", info.id);
        l->stopped = !l->each(l->self, &info);
    }
    return FAULT_NONE;
}

enum fault
batch_read_list(const struct batch_api *api, const char *body, size_t len,
                bool (*each)(void *self, const struct batch_info *info),
                void *self, bool *ret_more, char ret_last[BATCH_ID_BYTES],
                struct co_diag *diag)
{
    struct list list = {
        .api = api, .each = each, .self = self, .last = ret_last, .diag = diag};
    struct pull_slice key;
    bool has_data = false;
    struct pull p;

    *ret_more = false;
    ret_last[0] = '\0';
    pull_init(&p, body, len);
    if (!pull_enter(&p, PULL_OBJECT)) return bad_json(&p, diag);
    while (pull_key(&p, &key)) {
        if (pull_is(&key, "data")) {
            enum fault fault = read_elements(&p, &list);

            if (fault) return fault;
            has_data = true;
        } else if (pull_is(&key, "has_more")) {
            (void)pull_bool(&p, ret_more);
        } else {
            pull_skip(&p);
        }
    }
    if (!pull_end(&p)) return bad_json(&p, diag);
    if (list.stopped) *ret_more = false;
    if (has_data) return FAULT_NONE;
    (void)co_fail(diag, CO_PROTOCOL, "it has no data");
    return FAULT_BAD_SHAPE;
}
