/* msg.c - the codec of messages.def.
 * One table describes every field (key, type, place in the struct); encoder
 * and decoder are loops over it, so that a new message is one entry in
 * messages.def and nothing here. Encoding uses msgpack-c; decoding reads the
 * checked bytes directly (see walk.h for why). */
#include "proto/msg.h"

#include "proto/walk.h"

#include <msgpack.h>
#include <string.h>

enum field_type { T_u32, T_u64, T_str, T_bin, T_u32s, T_u64s, T_strs };
enum { OPT = 0, REQ = 1 };
enum { FIELD_KEYS_MAX = 32 }; /* keys are below it: a bit each in a u32 */

struct field {
    uint8_t key;
    uint8_t type;
    uint8_t required;
    uint16_t offset; /* inside struct msg */
};

struct layout {
    const char *name;
    const struct field *fields;
    unsigned n;
};

#define CO_MSG(number, name, help) static const struct field name##_fields[] = {
#define CO_FIELD(msg_name, key, type, name, presence, help)                    \
    {key, T_##type, presence, offsetof(struct msg, msg_name.name)},
#define CO_END(name)                                                           \
    {                                                                          \
        0, 0, 0, 0                                                             \
    }                                                                          \
    }                                                                          \
    ;
#include "proto/messages.def"
#undef CO_MSG
#undef CO_FIELD
#undef CO_END

/* Indexed by message number; holes have no name. Each field list ends with an
 * entry of key 0, which is not counted. */
static const struct layout layouts[MSG_TYPE_MAX + 1] = {
#define CO_MSG(number, name, help)                                             \
    [number] = {#name, name##_fields, co_countof(name##_fields) - 1},
#define CO_FIELD(msg, key, type, name, presence, help)
#define CO_END(name)
#include "proto/messages.def"
#undef CO_MSG
#undef CO_FIELD
#undef CO_END
};

const char *
msg_name(unsigned number)
{
    if (number > MSG_TYPE_MAX || !layouts[number].name) return "unknown";
    return layouts[number].name;
}

/* ---- encoding ---------------------------------------------------------- */

static bool
field_is_empty(const struct field *f, const void *at)
{
    switch ((enum field_type)f->type) {
    case T_u32:
        return *(const uint32_t *)at == 0;
    case T_u64:
        return *(const uint64_t *)at == 0;
    case T_str:
        return ((const struct msg_str *)at)->len == 0;
    case T_bin:
        return ((const struct msg_bin *)at)->len == 0;
    case T_u32s:
        return ((const struct msg_u32s *)at)->n == 0;
    case T_u64s:
        return ((const struct msg_u64s *)at)->n == 0;
    case T_strs:
        return ((const struct msg_strs *)at)->n == 0;
    }
    return true;
}

static void
pack_text(msgpack_packer *pk, struct msg_str s)
{
    (void)msgpack_pack_str_with_body(pk, s.len ? s.text : "", s.len);
}

static void
pack_value(msgpack_packer *pk, const struct field *f, const void *at)
{
    switch ((enum field_type)f->type) {
    case T_u32:
        (void)msgpack_pack_uint32(pk, *(const uint32_t *)at);
        return;
    case T_u64:
        (void)msgpack_pack_uint64(pk, *(const uint64_t *)at);
        return;
    case T_str:
        pack_text(pk, *(const struct msg_str *)at);
        return;
    case T_bin: {
        const struct msg_bin *b = at;

        (void)msgpack_pack_bin_with_body(
            pk, b->len ? (const void *)b->data : "", b->len);
        return;
    }
    case T_u32s: {
        const struct msg_u32s *a = at;

        (void)msgpack_pack_array(pk, a->n);
        for (uint32_t i = 0; i < a->n; i++) {
            (void)msgpack_pack_uint32(pk, a->v[i]);
        }
        return;
    }
    case T_u64s: {
        const struct msg_u64s *a = at;

        (void)msgpack_pack_array(pk, a->n);
        for (uint32_t i = 0; i < a->n; i++) {
            (void)msgpack_pack_uint64(pk, a->v[i]);
        }
        return;
    }
    case T_strs: {
        const struct msg_strs *a = at;

        (void)msgpack_pack_array(pk, a->n);
        for (uint32_t i = 0; i < a->n; i++) {
            pack_text(pk, a->v[i]);
        }
        return;
    }
    }
}

void
msg_encode(const struct msg *m, struct co_buf *buf)
{
    const struct layout *layout;
    msgpack_packer pk;
    unsigned present = 0;

    co_assert((unsigned)m->type <= MSG_TYPE_MAX && layouts[m->type].name);
    layout = &layouts[m->type];
    for (unsigned i = 0; i < layout->n; i++) {
        const struct field *f = &layout->fields[i];

        if (f->required || !field_is_empty(f, (const char *)m + f->offset)) {
            present |= 1U << i;
        }
    }
    msgpack_packer_init(&pk, buf, co_buf_write);
    (void)msgpack_pack_map(&pk, 1 + (unsigned)__builtin_popcount(present));
    (void)msgpack_pack_uint8(&pk, 0);
    (void)msgpack_pack_uint32(&pk, (uint32_t)m->type);
    for (unsigned i = 0; i < layout->n; i++) {
        const struct field *f = &layout->fields[i];

        if (!(present & 1U << i)) continue;
        (void)msgpack_pack_uint8(&pk, f->key);
        pack_value(&pk, f, (const char *)m + f->offset);
    }
}

/* ---- decoding ---------------------------------------------------------- */

/* Room for n more in one of the reader's arrays, or a bad cursor. */
#define READER_ROOM(w, used, array, n)                                         \
    ((n) <= co_countof(array) - (used) ? true : ((w)->bad = true, false))

static void
read_u64s(struct walk *w, struct msg_reader *r, struct msg_u64s *to)
{
    uint32_t n = walk_array(w);

    if (!READER_ROOM(w, r->words_used, r->words, n)) return;
    *to = (struct msg_u64s){r->words + r->words_used, n};
    for (uint32_t i = 0; i < n; i++) {
        r->words[r->words_used++] = walk_u64(w);
    }
}

static void
read_u32s(struct walk *w, struct msg_reader *r, struct msg_u32s *to)
{
    uint32_t n = walk_array(w);

    if (!READER_ROOM(w, r->halves_used, r->halves, n)) return;
    *to = (struct msg_u32s){r->halves + r->halves_used, n};
    for (uint32_t i = 0; i < n; i++) {
        r->halves[r->halves_used++] = walk_u32(w);
    }
}

static struct msg_str
read_text(struct walk *w)
{
    uint32_t len;
    const char *text = walk_str(w, &len);

    return (struct msg_str){text, len};
}

static void
read_strs(struct walk *w, struct msg_reader *r, struct msg_strs *to)
{
    uint32_t n = walk_array(w);

    if (!READER_ROOM(w, r->names_used, r->names, n)) return;
    *to = (struct msg_strs){r->names + r->names_used, n};
    for (uint32_t i = 0; i < n; i++) {
        struct msg_str s = read_text(w);

        if (s.len > NAME_BYTES_MAX) w->bad = true;
        r->names[r->names_used++] = s;
    }
}

static void
read_value(struct walk *w, struct msg_reader *r, const struct field *f,
           void *at)
{
    switch ((enum field_type)f->type) {
    case T_u32:
        *(uint32_t *)at = walk_u32(w);
        return;
    case T_u64:
        *(uint64_t *)at = walk_u64(w);
        return;
    case T_str:
        *(struct msg_str *)at = read_text(w);
        return;
    case T_bin: {
        struct msg_bin *b = at;

        b->data = walk_bin(w, &b->len);
        return;
    }
    case T_u32s:
        read_u32s(w, r, at);
        return;
    case T_u64s:
        read_u64s(w, r, at);
        return;
    case T_strs:
        read_strs(w, r, at);
        return;
    }
}

static const struct field *
layout_find(const struct layout *layout, uint64_t key)
{
    for (unsigned i = 0; i < layout->n; i++) {
        if (layout->fields[i].key == key) return &layout->fields[i];
    }
    return NULL;
}

static bool
required_are_there(const struct layout *layout, uint32_t seen)
{
    for (unsigned i = 0; i < layout->n; i++) {
        const struct field *f = &layout->fields[i];

        if (f->required && !(seen & 1U << f->key)) return false;
    }
    return true;
}

/* The pairs after the message number. Unknown keys are stepped over, so that
 * a newer peer may add fields. */
static bool
read_fields(struct walk *w, struct msg_reader *r, const struct layout *layout,
            uint32_t pairs, struct msg *m)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < pairs && !w->bad; i++) {
        uint64_t key = walk_u64(w);
        const struct field *f = layout_find(layout, key);

        if (!f) {
            if (key == 0) return false; /* the number twice */
            walk_skip(w);
            continue;
        }
        if (seen & 1U << f->key) return false;
        seen |= 1U << f->key;
        read_value(w, r, f, (char *)m + f->offset);
    }
    return required_are_there(layout, seen);
}

enum co_err
msg_decode(struct msg_reader *r, const void *head, size_t len,
           struct msg *ret_msg)
{
    struct walk w = walk_start(head, len);
    uint32_t pairs;
    uint64_t number;

    if (len > HEAD_BYTES_MAX) return CO_PROTOCOL;
    r->words_used = r->halves_used = r->names_used = 0;
    pairs = walk_map(&w);
    if (w.bad || pairs == 0) return CO_PROTOCOL;
    if (walk_u64(&w) != 0) return CO_PROTOCOL; /* key 0 comes first */
    number = walk_u64(&w);
    if (w.bad) return CO_PROTOCOL;
    if (number > MSG_TYPE_MAX || !layouts[number].name) {
        while (--pairs && !w.bad) {
            walk_skip(&w);
            walk_skip(&w);
        }
        return walk_done(&w) ? CO_VERSION : CO_PROTOCOL;
    }
    memset(ret_msg, 0, sizeof *ret_msg);
    ret_msg->type = (enum msg_type)number;
    if (!read_fields(&w, r, &layouts[number], pairs - 1, ret_msg)) {
        return CO_PROTOCOL;
    }
    return walk_done(&w) ? CO_OK : CO_PROTOCOL;
}

/* ---- batches ------------------------------------------------------------ */

bool
msg_one_or_n(struct msg_u32s a, uint32_t n)
{
    return a.n == 1 || a.n == n;
}

/* n lengths, given as one or n values, that add up to exactly total. */
static bool
lens_fit(struct msg_u32s lens, uint32_t n, size_t total)
{
    uint64_t sum = 0;

    if (!msg_one_or_n(lens, n)) return false;
    for (uint32_t i = 0; i < lens.n; i++) {
        sum += lens.v[i];
    }
    if (lens.n == 1) sum *= n;
    return sum == total;
}

enum co_err
msg_check_tasks(const struct msg_tasks *t, size_t body_len)
{
    uint32_t n = t->tasks.n;

    if (n < 1 || n > BATCH_MAX || t->job == 0) return CO_PROTOCOL;
    if (!msg_one_or_n(t->attempts, n)) return CO_PROTOCOL;
    return lens_fit(t->lens, n, body_len) ? CO_OK : CO_PROTOCOL;
}

enum co_err
msg_check_results(const struct msg_results *r, size_t body_len)
{
    uint32_t n = r->tasks.n;

    if (n < 1 || n > BATCH_MAX || r->job == 0) return CO_PROTOCOL;
    if (!msg_one_or_n(r->attempts, n)) return CO_PROTOCOL;
    if (!msg_one_or_n(r->statuses, n)) return CO_PROTOCOL;
    return lens_fit(r->lens, n, body_len) ? CO_OK : CO_PROTOCOL;
}

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014), which spreads every
 * input bit over the word, so that an XOR of keys tells sets apart. */
static uint64_t
mix64(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

uint64_t
msg_held_key(uint64_t job, uint64_t task, uint32_t attempt)
{
    return mix64(mix64(mix64(job) + task) + attempt);
}

/* ---- texts -------------------------------------------------------------- */

struct msg_str
msg_text(const char *text)
{
    return (struct msg_str){text, text ? (uint32_t)strlen(text) : 0};
}

bool
msg_str_is(struct msg_str s, const char *text)
{
    size_t len = strlen(text);

    return s.len == len && (len == 0 || memcmp(s.text, text, len) == 0);
}

void
msg_str_copy(struct msg_str s, char *out, size_t size)
{
    size_t n = s.len < size - 1 ? s.len : size - 1;

    if (n) memcpy(out, s.text, n);
    out[n] = '\0';
}
