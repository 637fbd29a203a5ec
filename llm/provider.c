/* provider.c - see provider.h. */
#include "llm/provider.h"

#include "common/decimal.h"
#include "common/json.h"
#include "common/utf8.h"
#include "llm/pull.h"

#include <string.h>

static const struct provider *const providers[] = {
    &provider_openai,
    &provider_anthropic,
    &provider_replay,
};

const struct provider *const *
provider_all(size_t *ret_count)
{
    *ret_count = co_countof(providers);
    return providers;
}

const struct provider *
provider_find(const char *name)
{
    for (size_t i = 0; i < co_countof(providers); i++) {
        if (strcmp(providers[i]->name, name) == 0) return providers[i];
    }
    return NULL;
}

/* ---- asks ---- */

enum { SYSTEM_MAX = 1 << 24 };

static const struct {
    const char *name, *text;
} forms[PROVIDER_FORMS] = {
#define X(id, name, text) {name, text},
    PROVIDER_FORM_LIST(X)
#undef X
};

static const char words[] = "Answer with one JSON object and nothing else. It "
                            "has to match this JSON Schema:\n";

const char *
provider_form_name(enum provider_form form)
{
    co_assert(form < PROVIDER_FORMS);
    return forms[form].name;
}

const char *
provider_form_text(enum provider_form form)
{
    co_assert(form < PROVIDER_FORMS);
    return forms[form].text;
}

bool
provider_form_find(const char *name, enum provider_form *ret_form)
{
    for (size_t i = 0; i < PROVIDER_FORMS; i++) {
        if (strcmp(forms[i].name, name) != 0) continue;
        *ret_form = (enum provider_form)i;
        return true;
    }
    return false;
}

enum co_err
provider_check_temperature(const struct provider *provider, uint32_t milli,
                           struct co_diag *diag)
{
    const uint32_t max = provider->temperature_max;

    if (milli == PROVIDER_TEMPERATURE_OWN || milli <= max) return CO_OK;
    return co_fail(diag, CO_RANGE,
                   "%s takes a temperature from 0 to %u, and refuses %u.%03u",
                   provider->name, (unsigned)(max / 1000),
                   (unsigned)(milli / 1000), (unsigned)(milli % 1000));
}

enum co_err
provider_read_temperature(const struct provider *provider, const char *text,
                          uint32_t *ret_milli, struct co_diag *diag)
{
    int64_t milli;

    if (!co_decimal_read(text, 1, 3, &milli)) {
        return co_fail(diag, CO_USAGE,
                       "\"%.40s\" is no temperature: a number with at most 3 "
                       "decimals, such as 0.7",
                       text);
    }
    *ret_milli = (uint32_t)milli;
    return provider_check_temperature(provider, *ret_milli, diag);
}

uint64_t
provider_input_max(const struct provider *provider,
                   const struct provider_ask *ask)
{
    uint64_t n = (uint64_t)PROVIDER_MESSAGE_TOKENS * ask->n_messages;

    for (uint32_t i = 0; i < ask->n_messages; i++) {
        n += ask->messages[i].len;
    }
    if (!ask->schema) return n;
    return n + strlen(ask->schema) + strlen(ask->schema_name) + sizeof words +
           provider->schema_tokens;
}

bool
provider_system(const struct provider_ask *ask, struct co_buf *scratch,
                const char **ret_text, size_t *ret_len)
{
    bool in_words = ask->schema && ask->form != PROVIDER_FORM_SCHEMA;
    uint32_t n = 0;

    while (n < ask->n_messages && ask->messages[n].role == PROVIDER_SYSTEM) {
        n++;
    }
    if (n == 0 && !in_words) return false;
    /* The usual one is not copied. */
    if (n == 1 && !in_words) {
        *ret_text = ask->messages[0].text;
        *ret_len = ask->messages[0].len;
        return true;
    }
    co_buf_init(scratch, SYSTEM_MAX);
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0) co_buf_puts(scratch, "\n\n");
        co_buf_append(scratch, ask->messages[i].text, ask->messages[i].len);
    }
    if (in_words) {
        if (n > 0) co_buf_puts(scratch, "\n\n");
        co_buf_puts(scratch, words);
        co_buf_puts(scratch, ask->schema);
    }
    *ret_text = co_buf_text(scratch);
    *ret_len = scratch->len;
    return true;
}

uint64_t
provider_characters(const struct provider_ask *ask)
{
    co_auto(co_buf_fini) struct co_buf scratch = {.data = NULL};
    const char *system;
    size_t len;
    uint64_t n = 0;

    if (provider_system(ask, &scratch, &system, &len)) {
        n += co_utf8_count((const uint8_t *)system, len);
    }
    for (uint32_t i = 0; i < ask->n_messages; i++) {
        const struct provider_message *m = &ask->messages[i];

        if (m->role == PROVIDER_SYSTEM) continue;
        n += co_utf8_count((const uint8_t *)m->text, m->len);
    }
    return n;
}

void
provider_put_messages(const struct provider_ask *ask, struct co_json *json)
{
    for (uint32_t i = 0; i < ask->n_messages; i++) {
        const struct provider_message *m = &ask->messages[i];

        if (m->role == PROVIDER_SYSTEM) continue;
        co_json_object(json);
        co_json_put_text(json, "role",
                         m->role == PROVIDER_USER ? "user" : "assistant");
        co_json_key(json, "content");
        co_json_bytes(json, m->text, m->len);
        co_json_end(json);
    }
}

void
provider_put_temperature(const struct provider_ask *ask, struct co_json *json)
{
    if (ask->temperature_milli == PROVIDER_TEMPERATURE_OWN) return;
    co_json_key(json, "temperature");
    co_json_fixed(json, ask->temperature_milli, 3);
}

/* ---- answers ---- */

void
provider_answer_init(struct provider_answer *answer, size_t limit)
{
    *answer = (struct provider_answer){.has_usage = false};
    co_buf_init(&answer->text, limit);
    co_buf_init(&answer->vectors, limit);
}

void
provider_answer_fini(struct provider_answer *answer)
{
    co_buf_fini(&answer->text);
    co_buf_fini(&answer->vectors);
}

void
provider_answer_clear(struct provider_answer *answer)
{
    struct co_buf text = answer->text, vectors = answer->vectors;

    co_buf_clear(&text);
    co_buf_clear(&vectors);
    *answer = (struct provider_answer){.text = text, .vectors = vectors};
}

/* A text into out, or nothing when it is of another type (code: null, 429). */
static void
take_text(struct pull *p, char *out, size_t size)
{
    struct pull_slice text;

    if (pull_peek(p) != PULL_TEXT) {
        pull_skip(p);
    } else if (pull_text(p, &text)) {
        (void)pull_copy(&text, out, size);
    }
}

static void
take_error(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key;

    /* Some servers write only a text. */
    if (pull_peek(p) != PULL_OBJECT) {
        take_text(p, answer->error, sizeof answer->error);
        return;
    }
    (void)pull_enter(p, PULL_OBJECT);
    while (pull_key(p, &key)) {
        if (pull_is(&key, "message")) {
            take_text(p, answer->error, sizeof answer->error);
        } else if (pull_is(&key, "code") ||
                   (pull_is(&key, "type") && !answer->error_code[0])) {
            take_text(p, answer->error_code, sizeof answer->error_code);
        } else {
            pull_skip(p);
        }
    }
}

void
provider_read_error(const char *body, size_t len,
                    struct provider_answer *answer)
{
    struct pull_slice key;
    struct pull p;

    pull_init(&p, body, len);
    if (pull_peek(&p) != PULL_OBJECT) return;
    (void)pull_enter(&p, PULL_OBJECT);
    while (pull_key(&p, &key)) {
        if (pull_is(&key, "error")) {
            take_error(&p, answer);
        } else if (pull_is(&key, "message") && !answer->error[0]) {
            take_text(&p, answer->error, sizeof answer->error);
        } else {
            pull_skip(&p);
        }
    }
}

void
provider_take_member(struct pull *p, const struct pull_slice *key,
                     struct provider_answer *answer)
{
    if (pull_is(key, "model")) {
        take_text(p, answer->model, sizeof answer->model);
    } else if (pull_is(key, "error")) {
        take_error(p, answer);
    } else {
        pull_skip(p);
    }
}

bool
provider_take_tokens(struct pull *p, uint64_t *ret_tokens)
{
    struct pull_slice number;
    uint64_t n = 0;

    if (pull_peek(p) != PULL_NUMBER) {
        pull_skip(p);
        return false;
    }
    if (!pull_number(p, &number)) return false;
    for (size_t i = 0; i < number.len; i++) {
        const unsigned digit = (unsigned)number.at[i] - '0';

        if (digit > 9) return false;
        n = co_min_u64(10 * n + digit, PROVIDER_TOKENS_MAX);
    }
    *ret_tokens = n;
    return true;
}

enum fault
provider_verdict(struct pull *p, const struct provider_answer *answer,
                 struct co_diag *diag)
{
    enum co_err err = answer->text.err ? answer->text.err : answer->vectors.err;

    if (err) {
        (void)co_fail(diag, err, "the answer's %s too long",
                      answer->text.err ? "text is" : "vectors are");
        return err == CO_FULL ? FAULT_TOO_BIG : FAULT_LOCAL;
    }
    if (!pull_end(p)) {
        (void)co_fail(diag, CO_PROTOCOL, "at byte %zu of the answer: %s",
                      pull_where(p), p->wrong ? p->wrong : "it ends too early");
        /* "no text" and its kind: JSON perhaps, but not what it has to be. */
        return p->wrong && strncmp(p->wrong, "no ", 3) == 0 ? FAULT_BAD_SHAPE
                                                            : FAULT_BAD_JSON;
    }
    return answer->is_answer ? FAULT_NONE : FAULT_BAD_SHAPE;
}
