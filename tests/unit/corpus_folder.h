/* corpus_folder.h - a corpus for tests that read: a folder made frame by frame,
 * with holes, in three files, and a MANIFEST.json that agrees. */
#pragma once
#include "common/fs.h"
#include "common/hash.h"
#include "rows/row.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum {
    SEED = 7,
    RECIPE = 0xabc,
    FRAME = 10, /* candidates */
    FRAMES = 4, /* a file */
    SHARDS = 3,
    ROWS = SHARDS * FRAMES * FRAME, /* candidates in all */
};

static char root[] = "/tmp/co-test-corpus-XXXXXX";
static char dir[64];
static struct co_diag diag;

/* Candidates 0 to 4, 13, 20 to 29, 57, 58 and 79 were not accepted. */
static bool
is_hole(uint64_t row)
{
    return row < 5 || row == 13 || row / 10 == 2 || row == 57 || row == 58 ||
           row == 79;
}

static void
put_row(struct co_buf *out, uint64_t row)
{
    char uuid[37] = "";

    row_uuid(RECIPE, SEED, row, uuid);
    co_buf_printf(out,
                  "{\"uuid\":\"%s\",\"age\":%d,\"provenance\":{\"row\":%d,"
                  "\"seed\":%d,\"recipe_hash\":\"0000000000000abc\"}}\n",
                  uuid, (int)(row % 90), (int)row, SEED);
}

/* A frame of the candidates from first on. */
static void
put_frame(struct co_buf *file, uint64_t first)
{
    struct co_buf rows;
    size_t n;
    uint8_t *to;

    co_buf_init(&rows, 1 << 20);
    for (uint64_t row = first; row < first + FRAME; row++) {
        if (!is_hole(row)) put_row(&rows, row);
    }
    if (rows.len) { /* a cell without rows has no frame */
        to = co_buf_reserve(file, ZSTD_compressBound(rows.len));
        n = ZSTD_compress(to, ZSTD_compressBound(rows.len), rows.data, rows.len,
                          1);
        assert_false(ZSTD_isError(n));
        co_buf_commit(file, n);
    }
    co_buf_fini(&rows);
}

static void
shard_bytes(uint64_t shard, struct co_buf *file)
{
    co_buf_init(file, 1 << 20);
    for (uint64_t i = 0; i < FRAMES; i++) {
        put_frame(file, (shard * FRAMES + i) * FRAME);
    }
}

static uint64_t
rows_in(uint64_t first, uint64_t end)
{
    uint64_t n = 0;

    for (uint64_t row = first; row < end; row++) {
        n += !is_hole(row);
    }
    return n;
}

static void
write_manifest(void)
{
    struct co_buf out, file;

    co_buf_init(&out, 1 << 16);
    co_buf_puts(&out, "{\"format\":1,\"recipe\":{\"seed\":18446744073709551615}"
                      ",\"shards\":[");
    for (uint64_t k = 0; k < SHARDS; k++) {
        shard_bytes(k, &file);
        co_buf_printf(
            &out,
            "%s{\"file\":\"part-%05d.jsonl.zst\",\"rows\":%d,"
            "\"bytes\":%zu,\"xxh3_64\":\"%016llx\",\"raw_bytes\":5}",
            k ? "," : "", (int)k,
            (int)rows_in(k * FRAMES * FRAME, (k + 1) * FRAMES * FRAME),
            file.len, (unsigned long long)co_hash64(file.data, file.len, 0));
        co_buf_fini(&file);
    }
    co_buf_puts(&out, "]}");
    assert_int_equal(
        co_fs_write_atomic(dir, "MANIFEST.json", out.data, out.len, &diag),
        CO_OK);
    co_buf_fini(&out);
}

static co_unused int
setup(void **state)
{
    static int number;
    struct co_buf file;
    char name[64];

    (void)state;
    (void)snprintf(dir, sizeof dir, "%s/%d", root, number++);
    assert_int_equal(co_fs_mkdirs(dir, &diag), CO_OK);
    for (uint64_t k = 0; k < SHARDS; k++) {
        shard_bytes(k, &file);
        (void)snprintf(name, sizeof name, "part-%05d.jsonl.zst", (int)k);
        assert_int_equal(
            co_fs_write_atomic(dir, name, file.data, file.len, &diag), CO_OK);
        co_buf_fini(&file);
    }
    write_manifest();
    diag.text[0] = '\0';
    return 0;
}

static co_unused void
write_text(const char *name, const char *text)
{
    assert_int_equal(co_fs_write_atomic(dir, name, text, strlen(text), &diag),
                     CO_OK);
}

static co_unused int
make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static co_unused int
remove_root(void **state)
{
    (void)state;
    return (int)co_fs_remove_tree(root, NULL);
}
