/* generator.c - see generator.h. */
#include "rows/generator.h"

#include "common/hash.h"
#include "population/locate.h"

#include <string.h>
#include <zstd.h>

uint64_t
population_fingerprint(const char *data_dir, const struct prose *prose)
{
    enum { MODELS_MAX = 8 };
    uint32_t generator = GENERATOR_VERSION, zstd = ZSTD_versionNumber();
    uint64_t phrases = prose_hash(prose);
    uint8_t text[16 + 8 * MODELS_MAX] = {0};

    memcpy(text, &generator, 4);
    memcpy(text + 4, &zstd, 4);
    memcpy(text + 8, &phrases, 8);
    for (size_t i = 0; model_names[i]; i++) {
        uint64_t model = model_peek(data_dir, model_names[i]);

        co_assert(i < MODELS_MAX);
        memcpy(text + 16 + 8 * i, &model, 8);
    }
    return co_hash64(text, sizeof text, 0);
}
