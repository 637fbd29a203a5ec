/* fuzz_prompt.c - any text as a prompt file, of either stage. What is taken is
 * rendered within its bound; what is refused is refused with a reason. */
#include "llm/prompt.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
say(void *self, unsigned name, struct co_buf *out)
{
    (void)self;
    if (name == PROMPT_NAME_BACKGROUND || name == PROMPT_NAME_ERROR) return;
    for (int i = 0; i < 300 && name % 2; i++) {
        co_buf_puts(out, "much ");
    }
}

static void
render(const struct prompt_set *set, enum ask_stage stage)
{
    struct co_buf out;

    co_buf_init(&out, (size_t)2 * PROMPT_TEXT_MAX);
    prompt_render(set, stage, PROMPT_SYSTEM, say, NULL, &out);
    prompt_render(set, stage, PROMPT_USER, say, NULL, &out);
    co_assert(!out.err && out.len <= prompt_bound(set, stage));
    co_buf_clear(&out);
    prompt_render(set, stage, PROMPT_REPAIR, say, NULL, &out);
    co_assert(!out.err && out.len <= prompt_repair_bound(set, stage));
    co_buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const good[ASK_STAGES] = {
        "## system\n## user\n{{fields}}\n## repair\n{{error}}\n",
        "## system\n## user\n{{fields}}{{background}}\n## repair\n"
        "{{error}}\n"};
    static const char *const names[ASK_STAGES] = {"a.md", "b.md"};
    const unsigned stage = size ? data[0] % ASK_STAGES : 0;
    const char *texts[ASK_STAGES] = {good[0], good[1]};
    struct prompt_set *set = NULL;
    struct co_diag diag = {""};
    char *text = calloc(1, size + 1);

    if (!text) abort();
    if (size > 1) memcpy(text, data + 1, size - 1);
    texts[stage] = text;
    if (prompt_set_parse(texts, names, &set, &diag)) {
        co_assert(diag.text[0]);
    } else {
        render(set, (enum ask_stage)stage);
    }
    prompt_set_free(set);
    free(text);
    return 0;
}
