/* batches_take.c - the requests of a batch, as its maker wrote them: refused
 * for what the real APIs refuse. */
#include "tests/fake-llm/batches_impl.h"

#include "llm/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPENAI_REQUESTS_MAX = 50000,
    ANTHROPIC_REQUESTS_MAX = 100000,
};

static bool
is_taken(const struct batch *t, const char *custom)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (strcmp(t->items[i].custom, custom) == 0) return true;
    }
    return false;
}

static void
add_item(struct batch *t, const struct item *item)
{
    struct item *grown = realloc(t->items, (t->n + 1) * sizeof *grown);

    co_assert(grown);
    t->items = grown;
    t->items[t->n++] = *item;
}

bool
batches_wrong(char why[160], const char *what)
{
    if (!why[0]) (void)snprintf(why, 160, "%s", what);
    return false;
}

/* Where the value that comes next stands in the input. */
static void
take_place(struct pull *p, const struct batch *t, struct item *item)
{
    const bool is_object = pull_peek(p) == PULL_OBJECT;

    item->at = (size_t)(p->p - t->input.data);
    pull_skip(p);
    item->len = is_object ? (size_t)(p->p - t->input.data) - item->at : 0;
}

static bool
take_custom(struct pull *p, struct item *item)
{
    struct pull_slice text;

    if (!pull_text(p, &text) || text.len == 0 ||
        text.len > BATCHES_CUSTOM_MAX) {
        return false;
    }
    (void)pull_copy(&text, item->custom, sizeof item->custom);
    return true;
}

/* What an item was seen to have. */
struct seen {
    bool method, url;
};

/* One member; false: it is bad, or none. */
static bool
take_member(struct pull *p, const struct batch *t, const struct pull_slice *key,
            struct item *item, struct seen *seen, char why[160])
{
    struct pull_slice text;

    if (pull_is(key, "custom_id")) {
        return take_custom(p, item) || batches_wrong(why, "custom_id: bad");
    }
    if (pull_is(key, t->openai ? "body" : "params")) {
        take_place(p, t, item);
        return true;
    }
    if (t->openai && pull_is(key, "method")) {
        seen->method = pull_text(p, &text) && pull_is(&text, "POST");
        return true;
    }
    if (t->openai && pull_is(key, "url")) {
        seen->url =
            pull_text(p, &text) && pull_is(&text, "/v1/chat/completions");
        return true;
    }
    return batches_wrong(why, "a request has an unknown member");
}

/* {"custom_id", "method", "url", "body"}, or {"custom_id", "params"}. */
static bool
take_item(struct pull *p, struct batch *t, char why[160])
{
    struct item item = {.len = 0};
    struct seen seen = {!t->openai, !t->openai};
    struct pull_slice key;

    if (!pull_enter(p, PULL_OBJECT)) return batches_wrong(why, "no object");
    while (pull_key(p, &key)) {
        if (!take_member(p, t, &key, &item, &seen, why)) return false;
    }
    if (p->wrong) return batches_wrong(why, p->wrong);
    if (!seen.method) return batches_wrong(why, "method: is not POST");
    if (!seen.url) {
        return batches_wrong(why, "url: is not the batch's endpoint");
    }
    if (!item.custom[0]) return batches_wrong(why, "custom_id: is missing");
    if (item.len == 0) {
        return batches_wrong(why, "the request itself is missing");
    }
    if (is_taken(t, item.custom)) {
        return batches_wrong(why, "custom_id: is not unique");
    }
    add_item(t, &item);
    return true;
}

bool
batches_take_lines(struct batch *t, char why[160])
{
    const char *at = (const char *)t->input.data, *end = at + t->input.len;

    while (at < end) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        struct pull p;

        if (!nl) nl = end;
        pull_init(&p, at, (size_t)(nl - at));
        if (!take_item(&p, t, why)) return false;
        if (!pull_end(&p)) return batches_wrong(why, "a line is no JSON");
        at = nl + 1;
    }
    if (t->n > OPENAI_REQUESTS_MAX) {
        return batches_wrong(why, "too many requests");
    }
    return t->n > 0 || batches_wrong(why, "the file is empty");
}

bool
batches_take_requests(struct batch *t, char why[160])
{
    struct pull_slice key;
    struct pull p;

    pull_init(&p, t->input.data, t->input.len);
    if (!pull_enter(&p, PULL_OBJECT)) return batches_wrong(why, "no object");
    while (pull_key(&p, &key)) {
        if (!pull_is(&key, "requests")) {
            return batches_wrong(why, "unknown member");
        }
        if (!pull_enter(&p, PULL_ARRAY)) {
            return batches_wrong(why, "requests: no list");
        }
        while (pull_item(&p)) {
            if (!take_item(&p, t, why)) return false;
        }
    }
    if (!pull_end(&p)) return batches_wrong(why, "no JSON");
    if (t->n > ANTHROPIC_REQUESTS_MAX) {
        return batches_wrong(why, "too many requests");
    }
    return t->n > 0 || batches_wrong(why, "requests: is empty");
}
