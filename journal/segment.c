/* segment.c - see segment.h. */
#include "journal/segment.h"
#include "common/bug.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "journal/bitfix.h"

#define SEGMENT_MAGIC "COHJRNL1"
#define LENGTH_FIRST 0x80000000u
#define SEQUENCE_MAX ((UINT64_C(1) << 56) - 1)

enum {
    WINDOW_BYTES = 256 << 10,
    SECTOR_BYTES = 512, /* the least that a disk writes as a whole */
    RECORD_BYTES_MAX = RECORD_HEADER_BYTES + RECORD_CONTENT_MAX,
};

static void
put32(uint8_t *to, uint32_t v)
{
    v = htole32(v);
    memcpy(to, &v, sizeof v);
}

static void
put64(uint8_t *to, uint64_t v)
{
    v = htole64(v);
    memcpy(to, &v, sizeof v);
}

static uint32_t
get32(const uint8_t *from)
{
    uint32_t v;

    memcpy(&v, from, sizeof v);
    return le32toh(v);
}

static uint64_t
get64(const uint8_t *from)
{
    uint64_t v;

    memcpy(&v, from, sizeof v);
    return le64toh(v);
}

void
segment_header_encode(const struct segment_header *header,
                      uint8_t out[SEGMENT_HEADER_BYTES])
{
    memset(out, 0, SEGMENT_HEADER_BYTES);
    memcpy(out, SEGMENT_MAGIC, 8);
    put32(out + 8, SEGMENT_VERSION);
    put32(out + 12, header->name.owner);
    put64(out + 16, header->job);
    put32(out + 24, header->name.sequence);
    put64(out + 32, header->id);
    put32(out + 60, co_crc32c(0, out, 60));
}

enum co_err
segment_header_decode(const uint8_t *in, size_t len, struct segment_header *ret)
{
    if (len < SEGMENT_HEADER_BYTES) return CO_TORN;
    if (memcmp(in, SEGMENT_MAGIC, 8) != 0 ||
        co_crc32c(0, in, 60) != get32(in + 60)) {
        return CO_DAMAGED;
    }
    if (get32(in + 8) != SEGMENT_VERSION) return CO_VERSION;
    *ret = (struct segment_header){
        .job = get64(in + 16),
        .name = {get32(in + 12), get32(in + 24)},
        .id = get64(in + 32),
    };
    return CO_OK;
}

enum co_err
segment_header_correct(uint8_t *in, struct segment_header *ret)
{
    struct bitfix fix;
    enum co_err err = bitfix_block(in, SEGMENT_HEADER_BYTES, &fix);

    if (err) return err;
    in[fix.byte] ^= fix.mask;
    return segment_header_decode(in, SEGMENT_HEADER_BYTES, ret);
}

uint32_t
segment_crc_seed(uint64_t segment_id)
{
    uint8_t id[8];

    put64(id, segment_id);
    return co_crc32c(0, id, sizeof id);
}

uint32_t
segment_crc_header(uint32_t seed, const uint8_t header[RECORD_HEADER_BYTES])
{
    return co_crc32c(co_crc32c(seed, header, 4), header + 8, 8);
}

void
segment_record_encode(uint8_t out[RECORD_HEADER_BYTES], uint32_t length,
                      bool first, uint8_t type, uint64_t sequence, uint32_t crc)
{
    put32(out, length | (first ? LENGTH_FIRST : 0));
    put32(out + 4, crc);
    put64(out + 8, sequence << 8 | type);
}

/* ---- where bytes come from ---- */

void
segment_source_memory(struct segment_source *src, const void *data, size_t len)
{
    *src = (struct segment_source){.fd = -1, .size = len, .mem = data};
}

enum co_err
segment_source_file(struct segment_source *src, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0) return co_err_from_errno(errno);
    *src = (struct segment_source){.fd = fd, .size = (uint64_t)st.st_size};
    return CO_OK;
}

void
segment_source_fini(struct segment_source *src)
{
    free(src->window);
    *src = (struct segment_source){.fd = -1};
}

static enum co_err
source_room(struct segment_source *src, size_t need)
{
    uint8_t *window;

    if (src->cap >= need) return CO_OK;
    window = realloc(src->window, need);
    if (!window) return CO_NOMEM;
    src->window = window;
    src->cap = need;
    return CO_OK;
}

/* Fills the window with want bytes from offset; the file may have shrunk
 * since its size was taken (then it is no longer what was checked). */
static enum co_err
source_fill(struct segment_source *src, uint64_t offset, size_t want)
{
    src->at = offset;
    src->len = 0;
    while (src->len < want) {
        ssize_t n = pread(src->fd, src->window + src->len, want - src->len,
                          (off_t)(offset + src->len));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return co_err_from_errno(errno);
        if (n == 0) return CO_IO;
        src->len += (size_t)n;
    }
    return CO_OK;
}

enum co_err
segment_source_get(struct segment_source *src, uint64_t offset, size_t len,
                   const uint8_t **ret)
{
    enum co_err err;

    co_assert(offset <= src->size && len <= src->size - offset);
    if (src->fd < 0) {
        co_assert(src->mem || len == 0);
        *ret = src->mem ? src->mem + offset : NULL;
        return CO_OK;
    }
    if (offset < src->at || offset + len > src->at + src->len) {
        size_t want = len > WINDOW_BYTES ? len : WINDOW_BYTES;

        if (want > src->size - offset) want = (size_t)(src->size - offset);
        err = source_room(src, want);
        if (!err) err = source_fill(src, offset, want);
        if (err) return err;
    }
    *ret = src->window + (offset - src->at);
    return CO_OK;
}

/* ---- records ---- */

/* Fills everything but content; false if these 16 bytes cannot be a header. */
static bool
record_decode(const uint8_t *raw, uint64_t offset, uint64_t end,
              struct record *ret)
{
    uint32_t word = get32(raw);
    uint64_t length = word & ~LENGTH_FIRST;

    if (length > RECORD_CONTENT_MAX || record_bytes(length) > end - offset) {
        return false;
    }
    *ret = (struct record){
        .sequence = get64(raw + 8) >> 8,
        .type = raw[8],
        .first = (word & LENGTH_FIRST) != 0,
        .length = (uint32_t)length,
        .offset = offset,
        .end = offset + record_bytes(length),
    };
    return ret->type != RECORD_NONE && ret->sequence != 0;
}

static enum co_err
record_verify(struct segment_source *src, uint32_t seed, struct record *record)
{
    size_t total = (size_t)(record->end - record->offset);
    const uint8_t *raw;
    uint32_t crc;
    enum co_err err;

    co_assert(total >= RECORD_HEADER_BYTES);
    err = segment_source_get(src, record->offset, total, &raw);
    if (err) return err;
    crc = co_crc32c(segment_crc_header(seed, raw), raw + RECORD_HEADER_BYTES,
                    total - RECORD_HEADER_BYTES);
    record->content = raw + RECORD_HEADER_BYTES;
    return crc == get32(raw + 4) || CO_BUG(no_checksum) ? CO_OK : CO_DAMAGED;
}

enum co_err
segment_record(struct segment_source *src, uint32_t seed, uint64_t offset,
               uint64_t end, struct record *ret)
{
    const uint8_t *raw;
    enum co_err err;

    if (end > src->size) end = src->size;
    if (offset == end) return CO_NOTFOUND;
    if (offset > end || end - offset < RECORD_HEADER_BYTES) return CO_DAMAGED;
    err = segment_source_get(src, offset, RECORD_HEADER_BYTES, &raw);
    if (err) return err;
    if (!record_decode(raw, offset, end, ret)) return CO_DAMAGED;
    return record_verify(src, seed, ret);
}

enum co_err
segment_resync(struct segment_source *src, uint32_t seed, uint64_t offset,
               uint64_t end, uint64_t sequence, struct record *ret)
{
    if (end > src->size) end = src->size;
    for (offset += RECORD_ALIGN;
         offset < end && end - offset >= RECORD_HEADER_BYTES;
         offset += RECORD_ALIGN) {
        const uint8_t *raw;
        enum co_err err =
            segment_source_get(src, offset, RECORD_HEADER_BYTES, &raw);

        if (err) return err;
        /* The sequence must fit: that leaves one offset in 2^32 of random
         * bytes to be checked in full. */
        if (!record_decode(raw, offset, end, ret) ||
            ret->sequence <= sequence ||
            ret->sequence - sequence > BITFIX_SEQUENCE_JUMP) {
            continue;
        }
        err = record_verify(src, seed, ret);
        if (err != CO_DAMAGED) return err;
    }
    return CO_NOTFOUND;
}

/* ---- scan ---- */

/* What was met since the last FIRST record: not yet known to be committed. */
struct scan_pending {
    uint64_t bad;       /* offset of the first bad stretch; 0: none */
    uint64_t sequence;  /* of the record before it */
    uint64_t stretches; /* bad ones */
    uint64_t after;     /* valid records behind the first */
    uint64_t notes;     /* of these: NOTE */
};

static void
scan_damage(struct segment_scan *scan, struct scan_pending *pending)
{
    if (!pending->bad) return;
    if (scan->verdict != SEGMENT_DAMAGED) {
        scan->verdict = SEGMENT_DAMAGED;
        scan->good_end = pending->bad;
    }
    scan->bad_stretches += pending->stretches;
    scan->records += pending->after;
    scan->notes += pending->notes;
    scan->valid_after += pending->after;
    *pending = (struct scan_pending){0};
}

static void
scan_record(struct segment_scan *scan, struct scan_pending *pending,
            const struct record *record)
{
    if (record->first) {
        scan_damage(scan, pending);
        scan->last_first = record->offset;
    }
    if (pending->bad) {
        pending->after++;
        pending->notes += record->type == RECORD_NOTE;
        return;
    }
    scan->records++;
    scan->notes += record->type == RECORD_NOTE;
    scan->last_sequence = record->sequence;
    scan->tail = record->end;
    if (record->type == RECORD_OWNER) scan->last_owner = record->offset;
    if (scan->verdict == SEGMENT_DAMAGED) {
        scan->valid_after++;
    } else {
        scan->good_end = record->end;
    }
}

/* Does the byte at `at` lie in a sector that reads as zeros, as one does that
 * was written and never reached the disk? Sectors that lie in front of the bad
 * record are not asked: its header, for one, did. */
static enum co_err
sector_is_missing(struct segment_source *src, uint64_t from, uint64_t at,
                  uint64_t end, bool *ret)
{
    uint64_t start = at / SECTOR_BYTES * SECTOR_BYTES;
    const uint8_t *raw;
    enum co_err err;
    size_t len;

    *ret = false;
    if (start < from) return CO_OK;
    len = (size_t)(co_min_u64(start + SECTOR_BYTES, end) - start);
    err = segment_source_get(src, start, len, &raw);
    if (err) return err;
    *ret = true;
    for (size_t i = 0; i < len; i++) {
        *ret &= raw[i] == 0;
    }
    return CO_OK;
}

/* Is the record at the start of an unconfirmed stretch one flip away from
 * valid? Then its write was complete: not torn. Unless its whole sector reads
 * as zeros: of one that is missing just one bit may have been set, and writes
 * that power cut short are far more frequent than a flip of the one bit that a
 * sector has. (More can be bad behind a flipped bit, too: a later commit that
 * is torn from its beginning on.) */
static enum co_err
scan_one_flip(struct segment_source *src, uint32_t seed, uint64_t end,
              const struct scan_pending *pending, bool *ret)
{
    uint64_t last = co_min_u64(end, src->size);
    uint64_t avail = co_min_u64(last - pending->bad, RECORD_BYTES_MAX);
    bool missing = false;
    struct bitfix fix;
    const uint8_t *raw;
    enum co_err err;

    err = segment_source_get(src, pending->bad, (size_t)avail, &raw);
    if (err) return err;
    *ret = bitfix_record(raw, (size_t)avail, seed, pending->sequence, &fix) ==
           CO_OK;
    if (*ret) {
        err = sector_is_missing(src, pending->bad, pending->bad + fix.byte,
                                last, &missing);
        *ret = !missing;
    }
    return err;
}

static enum co_err
scan_finish(struct segment_source *src, uint32_t seed, uint64_t end,
            bool sealed, struct segment_scan *scan,
            struct scan_pending *pending)
{
    bool damage = sealed;
    enum co_err err;

    if (!pending->bad) {
        /* Whole records up to an end that should lie further on. */
        if (sealed && src->size < end) {
            *pending = (struct scan_pending){.bad = scan->tail, .stretches = 1};
        }
        if (pending->bad) scan_damage(scan, pending);
        return CO_OK;
    }
    if (!damage) {
        err = scan_one_flip(src, seed, end, pending, &damage);
        if (err) return err;
    }
    if (damage) {
        scan_damage(scan, pending);
        return CO_OK;
    }
    if (scan->verdict != SEGMENT_DAMAGED) scan->verdict = SEGMENT_TORN;
    scan->tail = pending->bad;
    scan->cut_records = pending->after;
    return CO_OK;
}

enum co_err
segment_scan(struct segment_source *src, uint64_t segment_id, uint64_t end,
             bool sealed, struct segment_scan *ret)
{
    uint32_t seed = segment_crc_seed(segment_id);
    struct segment_scan scan = {.good_end = SEGMENT_HEADER_BYTES,
                                .tail = SEGMENT_HEADER_BYTES};
    struct scan_pending pending = {0};
    uint64_t offset = SEGMENT_HEADER_BYTES;
    uint64_t sequence = 0; /* of the last valid record, counted or not */
    enum co_err err;

    for (;;) {
        struct record record;

        err = segment_record(src, seed, offset, end, &record);
        if (!err && sequence && record.sequence <= sequence) err = CO_DAMAGED;
        if (err == CO_NOTFOUND) break;
        if (err == CO_DAMAGED) {
            if (!pending.bad) {
                pending.bad = offset;
                pending.sequence = sequence;
            }
            pending.stretches++;
            err = segment_resync(src, seed, offset, end, sequence, &record);
            if (err == CO_NOTFOUND) break;
        }
        if (err) return err;
        sequence = record.sequence;
        offset = record.end;
        scan_record(&scan, &pending, &record);
    }
    err = scan_finish(src, seed, end, sealed, &scan, &pending);
    if (!err) *ret = scan;
    return err;
}
