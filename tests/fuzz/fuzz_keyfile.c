/* fuzz_keyfile.c - any bytes as a key file: they come from other hosts. What
 * is accepted is whole. */
#include "proto/keyfile.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct co_diag diag;
    struct key key;

    if (keyfile_parse("fuzz", (const char *)data, size, &key, &diag)) return 0;
    co_assert(key.role < KEY_ROLE_COUNT);
    co_assert(key.name[0] && key.name[0] != '.' && !strchr(key.name, '/'));
    co_assert(key_id(key.public) != 0);
    return 0;
}
