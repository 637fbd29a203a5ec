/* payload.c - see payload.h. */
#include "llm/payload.h"

#include "common/utf8.h"

void
payload_put_u64(msgpack_packer *pk, unsigned key, uint64_t value)
{
    (void)msgpack_pack_uint64(pk, key);
    (void)msgpack_pack_uint64(pk, value);
}

void
payload_put_text(msgpack_packer *pk, struct ask_text text, size_t max)
{
    const size_t len =
        text.len ? co_utf8_cut((const uint8_t *)text.text, text.len, max) : 0;

    (void)msgpack_pack_str(pk, len);
    if (len) (void)msgpack_pack_str_body(pk, text.text, len);
}

void
payload_put_str(msgpack_packer *pk, unsigned key, struct ask_text text,
                size_t max)
{
    (void)msgpack_pack_uint64(pk, key);
    payload_put_text(pk, text, max);
}

struct ask_text
payload_str(struct walk *w, size_t max)
{
    struct ask_text text;

    text.text = walk_str(w, &text.len);
    if (text.len > max) w->bad = true;
    return text;
}

const uint8_t *
payload_bin(struct walk *w, size_t max, uint32_t *ret_len)
{
    const uint8_t *data = walk_bin(w, ret_len);

    if (*ret_len > max) w->bad = true;
    return data;
}
