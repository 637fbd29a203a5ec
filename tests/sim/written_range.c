/* written_range.c - ranges of rows whose texts a model wrote, as a worker makes
 * them of their answers. A row is one line: its number, a hash of its answers,
 * and, where several may write, what it says of itself. */
#include "tests/sim/workload.h"

#include "common/hash.h"
#include "tests/unit/fake_ranges.h"

enum { RAW_MAX = 128 * 1024 };

uint64_t
workload_text(const uint8_t *background, uint32_t background_len,
              const uint8_t *personas, uint32_t personas_len)
{
    return co_mix64(co_hash64(background, background_len, 0) * 3 +
                    co_hash64(personas, personas_len, 0));
}

/* What a row has to say. */
struct text {
    uint64_t hash;       /* of its answers; 0: the built-in writer's */
    const uint8_t *says; /* of itself, but for the time; borrowed */
    uint32_t says_len;
};

static void
read_provenance(struct walk *w, struct text *t)
{
    static const char time[] = ",\"generated_at\":";

    t->says = walk_bin(w, &t->says_len);
    for (uint32_t i = 0; i + sizeof time - 1 < t->says_len; i++) {
        if (memcmp(t->says + i, time, sizeof time - 1) == 0) t->says_len = i;
    }
}

static void
read_text(struct walk *w, struct text *t)
{
    uint32_t lens[ASK_STAGES];
    const uint8_t *answers[ASK_STAGES];
    const uint32_t n = walk_array(w);

    co_assert(n == 1 || n == ASK_STAGES + 1);
    for (unsigned k = 0; n > 1 && k < ASK_STAGES; k++) {
        answers[k] = walk_bin(w, &lens[k]);
    }
    read_provenance(w, t);
    if (n == 1) return;
    t->hash = workload_text(answers[0], lens[0], answers[1], lens[1]);
}

/* The texts of a range's rows, by their place in it. */
static void
read_texts(const uint8_t *payload, uint32_t len,
           struct text ret_texts[PERSONAS_CELL])
{
    struct walk w = walk_start(payload, len);

    for (uint32_t pairs = walk_map(&w); pairs; pairs--) {
        uint32_t n;

        if (walk_u32(&w) != 5) {
            walk_skip(&w);
            continue;
        }
        n = walk_array(&w);
        for (uint32_t i = 0; i < n && i < PERSONAS_CELL; i++) {
            if (w.at < w.end && *w.at == 0xc0) {
                walk_skip(&w);
                continue;
            }
            read_text(&w, &ret_texts[i]);
        }
    }
    co_assert(walk_done(&w));
}

static bool
is_set(const uint8_t *bits, uint32_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

void
workload_written_range(const struct workload *w, const uint8_t *payload,
                       uint32_t len, struct co_buf *out)
{
    const struct fake_task t = fake_read(payload, len);
    struct text texts[PERSONAS_CELL] = {{0}};
    uint8_t bitmap[32] = {0}, frame[RAW_MAX], hashes[8 * PERSONAS_CELL];
    static char raw[RAW_MAX]; /* one thread */
    struct range_result r = {.start = t.start,
                             .count = t.count,
                             .drawn = t.count,
                             .bitmap = bitmap,
                             .frame = frame,
                             .hashes = hashes};
    size_t at = 0;

    read_texts(payload, len, texts);
    for (uint32_t i = 0; i < t.count; i++) {
        const uint64_t index = t.start + i, hash = fake_hash(index);

        if (!fake_accepts(index, w->reject_one_in)) continue;
        if (is_set(t.unanswered, i)) continue;
        bitmap[i / 8] = (uint8_t)(bitmap[i / 8] | 1u << i % 8);
        for (unsigned k = 0; k < 8; k++) {
            hashes[8 * r.accepted + k] = (uint8_t)(hash >> 8 * k);
        }
        r.accepted++;
        if (r.rows == t.take || is_set(t.skip, i)) continue;
        r.rows++;
        at += (size_t)snprintf(
            raw + at, sizeof raw - at, "row %" PRIu64 " %016" PRIx64 "%s%.*s\n",
            index, texts[i].hash, w->tells ? " " : "",
            w->tells ? (int)texts[i].says_len : 0, (const char *)texts[i].says);
    }
    r.raw_bytes = at;
    r.raw_crc32 = (uint32_t)crc32(0, (const uint8_t *)raw, (unsigned)at);
    r.frame_bytes = ZSTD_compress(frame, sizeof frame, raw, at, 1);
    co_assert(!ZSTD_isError(r.frame_bytes));
    co_assert(range_encode(&r, out) == CO_OK);
}
