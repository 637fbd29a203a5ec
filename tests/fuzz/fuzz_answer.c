/* fuzz_answer.c - any bytes as an answer of each provider, whole, as an event
 * and as a stream that is cut anywhere. The first byte is how long a cut is.
 * What is refused is refused with a reason, and texts are UTF-8. */
#include "common/utf8.h"
#include "llm/hints.h"
#include "llm/provider.h"
#include "llm/pull.h"
#include "llm/sse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stream {
    const struct provider *provider;
    struct provider_answer *answer;
};

static void
check_text(const struct provider_answer *answer)
{
    for (size_t i = 0; i < answer->text.len;) {
        size_t n = co_utf8_bytes(answer->text.data + i, answer->text.len - i);

        co_assert(n > 0);
        i += n;
    }
    co_assert(memchr(answer->model, 0, sizeof answer->model));
    co_assert(memchr(answer->error, 0, sizeof answer->error));
}

/* Whole vectors, all of one length. */
static void
check_vectors(const struct provider *provider, struct provider_answer *answer,
              const char *bytes, size_t len)
{
    struct co_diag diag = {""};

    if (!provider->embed_read) return;
    provider_answer_clear(answer);
    if (provider->embed_read(bytes, len, answer, &diag)) {
        co_assert(diag.text[0]);
        return;
    }
    co_assert(answer->n_vectors > 0 && answer->dimensions > 0);
    co_assert(answer->vectors.len ==
              (size_t)answer->n_vectors * answer->dimensions * sizeof(float));
}

static bool
on_event(void *self, const char *name, const char *data, size_t len)
{
    struct stream *s = self;
    struct co_diag diag;

    return s->provider->event(name, data, len, s->answer, &diag) == FAULT_NONE;
}

static void
feed(const struct provider *provider, struct provider_answer *answer,
     const char *bytes, size_t len, size_t step)
{
    struct stream stream = {provider, answer};
    struct sse sse;

    sse_init(&sse, 1 << 16);
    for (size_t at = 0; at < len; at += step) {
        if (sse_feed(&sse, bytes + at, co_min_u64(step, len - at), on_event,
                     &stream)) {
            break;
        }
    }
    sse_fini(&sse);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count, step = size ? data[0] % 64 + 1U : 1;
    const struct provider *const *all = provider_all(&count);
    struct provider_answer answer;
    struct hints hints;
    /* A copy of its own, whose ends a sanitizer watches. */
    char *bytes = malloc(size ? size : 1);

    if (!bytes) abort();
    if (size > 0) memcpy(bytes, data + 1, --size);
    provider_answer_init(&answer, 1 << 16);
    for (size_t i = 0; i < count; i++) {
        struct co_diag diag = {""};

        provider_answer_clear(&answer);
        if (all[i]->read(bytes, size, &answer, &diag)) co_assert(diag.text[0]);
        check_text(&answer);
        provider_answer_clear(&answer);
        provider_read_error(bytes, size, &answer);
        check_text(&answer);
        provider_answer_clear(&answer);
        feed(all[i], &answer, bytes, size, step);
        check_text(&answer);
        check_vectors(all[i], &answer, bytes, size);
    }
    hints_init(&hints);
    hints_take(&hints, bytes, size, 1795939200000);
    co_assert(hints.retry_after_ms >= -1 &&
              hints.retry_after_ms <= HINTS_WAIT_MAX_MS);
    provider_answer_fini(&answer);
    free(bytes);
    return 0;
}
