/* generator.c - see generator.h. */
#include "population/generator.h"

#include "common/hash.h"

#include <string.h>
#include <zstd.h>

uint64_t
population_fingerprint(const struct model *m, const struct prose *prose)
{
    uint32_t generator = GENERATOR_VERSION, zstd = ZSTD_versionNumber();
    uint64_t model = model_hash(m), phrases = prose_hash(prose);
    uint8_t text[24];

    memcpy(text, &generator, 4);
    memcpy(text + 4, &model, 8);
    memcpy(text + 12, &zstd, 4);
    memcpy(text + 16, &phrases, 8);
    return co_hash64(text, sizeof text, 0);
}
