/* fuzz_phrases.c - any bytes as a phrase file. What is accepted must write
 * texts for whoever comes, inside their bounds and escaped. */
#include "prose/grammar.h"
#include "prose/text_columns.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A text of somebody in every stage that a model's tables are not asked for:
 * the facts of names and places need a model, so that lists with facts are
 * compiled and checked only. */
static void
fuzz_lists(const struct grammar *g)
{
    struct tags tags = {{0}, {0}};

    for (uint32_t l = 0; l < grammar_lists(g); l++) {
        struct grammar_list_info info = grammar_list(g, l);

        co_assert(info.items > 0 && info.forms > 0);
        co_assert(grammar_choices(g, l, &tags) <= info.items);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phrase_set *set = NULL;
    struct grammar *g = NULL;
    struct co_diag diag = {""};

    if (phrase_set_new(&set)) return 0;
    if (!phrase_set_add(set, "fuzz.txt", (const char *)data, size, &diag)) {
        if (grammar_new(set, NULL, &diag, &g)) {
            co_assert(diag.text[0] != '\0');
        } else {
            fuzz_lists(g);
        }
    }
    grammar_free(g);
    phrase_set_free(set);
    return 0;
}
