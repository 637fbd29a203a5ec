/* provider.c - see provider.h. */
#include "llm/provider.h"

#include "llm/pull.h"

#include <string.h>

static const struct provider *const providers[] = {
    &provider_openai,
    &provider_anthropic,
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

void
provider_answer_init(struct provider_answer *answer, size_t limit)
{
    *answer = (struct provider_answer){.has_usage = false};
    co_buf_init(&answer->text, limit);
}

void
provider_answer_fini(struct provider_answer *answer)
{
    co_buf_fini(&answer->text);
}

void
provider_answer_clear(struct provider_answer *answer)
{
    struct co_buf text = answer->text;

    co_buf_clear(&text);
    *answer = (struct provider_answer){.text = text};
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

void
provider_take_error(struct pull *p, struct provider_answer *answer)
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
            provider_take_error(&p, answer);
        } else if (pull_is(&key, "message") && !answer->error[0]) {
            take_text(&p, answer->error, sizeof answer->error);
        } else {
            pull_skip(&p);
        }
    }
}

enum fault
provider_verdict(struct pull *p, const struct provider_answer *answer,
                 struct co_diag *diag)
{
    if (answer->text.err) {
        (void)co_fail(diag, answer->text.err, "the answer's text is too long");
        return answer->text.err == CO_FULL ? FAULT_TOO_BIG : FAULT_LOCAL;
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
