/* corpus_files.c - see corpus_files.h. */
#include "coordinator/corpus_files.h"

#include "common/fs.h"
#include "common/hash.h"
#include "coordinator/kind_personas_asked.h"
#include "rows/generator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 30, HASH_BYTES_MAX = 8 * PERSONAS_SHARD_ROWS_MAX };

void
corpus_shard_file(uint64_t shard, char file[64])
{
    (void)snprintf(file, 64, "part-%05llu.jsonl.zst",
                   (unsigned long long)shard);
}

void
corpus_hash_file(uint64_t shard, char file[64])
{
    (void)snprintf(file, 64, "part-%05llu.hashes", (unsigned long long)shard);
}

enum co_err
corpus_read_hashes(const char *out_dir, uint64_t shard, uint32_t n,
                   uint64_t hash, uint64_t *ret_hashes, struct co_diag *diag)
{
    char file[64];
    char path[4096];
    struct co_buf buf;
    enum co_err err;

    corpus_hash_file(shard, file);
    (void)snprintf(path, sizeof path, "%s/%s", out_dir, file);
    co_buf_init(&buf, HASH_BYTES_MAX);
    err = co_fs_read_file(path, HASH_BYTES_MAX, &buf, diag);
    if (!err && (buf.len < 8 * (size_t)n ||
                 co_hash64(buf.data, 8 * (size_t)n, 0) != hash)) {
        err = CO_DAMAGED;
    }
    if (!err) memcpy(ret_hashes, buf.data, 8 * (size_t)n);
    co_buf_fini(&buf);
    if (!err) return CO_OK;
    return co_fail(diag, err,
                   "%s: missing or not as it was written. Without it nobody "
                   "knows what the rows of its shard say, and duplicates of "
                   "them would come back. Bring it back from a copy, or make "
                   "the corpus anew in another folder",
                   path);
}

enum co_err
corpus_table_cells(const struct sampler *s, uint32_t *ret_cells)
{
    co_auto(audit_freep) struct audit *audit = NULL;
    enum co_err err = audit_new(sampler_model(s), &audit);

    for (uint32_t t = 0; !err && t < AUDIT_TABLE_COUNT; t++) {
        ret_cells[t] = audit_cells(audit, t);
    }
    return err;
}

struct corpus_totals
corpus_totals(const struct personas *p)
{
    struct corpus_totals t = {0};

    for (uint64_t k = 0; k < personas_shards(p); k++) {
        const struct personas_shard *s = personas_shard(p, k);

        t.rows += s->rows;
        t.bytes += s->bytes;
        t.raw_bytes += s->raw_bytes;
        t.rejected += s->rejected;
        t.surplus += s->surplus;
        t.dead += s->dead;
        t.drawn += s->drawn;
        t.files += s->rows > 0;
        t.duplicates += s->duplicates;
        t.hashes += s->hashes;
    }
    return t;
}

static void
put_totals(struct co_json *json, const struct personas *p)
{
    struct corpus_totals t = corpus_totals(p);

    co_json_put_u64(json, "rows", t.rows);
    co_json_put_u64(json, "bytes", t.bytes);
    co_json_put_u64(json, "raw_bytes", t.raw_bytes);
}

static void
put_shard(struct co_json *json, uint64_t k, const struct personas_shard *s)
{
    char file[64];
    char crc[9];

    corpus_shard_file(k, file);
    (void)snprintf(crc, sizeof crc, "%08x", (unsigned)s->raw_hash);
    co_json_object(json);
    co_json_put_text(json, "file", file);
    co_json_put_u64(json, "rows", s->rows);
    co_json_put_u64(json, "bytes", s->bytes);
    co_json_key(json, "xxh3_64");
    co_json_hex64(json, s->file_hash);
    co_json_put_u64(json, "raw_bytes", s->raw_bytes);
    co_json_put_text(json, "raw_crc32", crc);
    co_json_put_u64(json, "drawn", s->drawn);
    co_json_put_u64(json, "rejected", s->rejected);
    co_json_put_u64(json, "surplus", s->surplus);
    co_json_put_u64(json, "dead", s->dead);
    if (s->hashes) { /* part-NNNNN.hashes */
        co_json_put_u64(json, "duplicates", s->duplicates);
        co_json_put_u64(json, "hashes", s->hashes);
        co_json_key(json, "hashes_xxh3_64");
        co_json_hex64(json, s->hashes_hash);
    }
    co_json_end(json);
}

void
corpus_put_head(struct co_json *json, const struct corpus_facts *f)
{
    co_json_put_u64(json, "format", 1);
    co_json_put_text(json, "name", f->name);
    co_json_put_text(json, "kind", "personas");
    co_json_key(json, "job");
    co_json_hex64(json, f->job);
    co_json_key(json, "recipe_hash");
    co_json_hex64(json, f->recipe_hash);
    co_json_put_u64(json, "generator_version", GENERATOR_VERSION);
    co_json_key(json, "recipe");
    co_json_raw(json, (const char *)f->recipe.data, f->recipe.len);
    put_totals(json, f->personas);
}

enum co_err
corpus_write_text(const struct corpus_facts *f, const char *file,
                  struct co_buf *buf, struct co_diag *diag)
{
    enum co_err err = buf->err;

    if (err) {
        (void)co_fail(diag, err, "%s/%s: %s", f->out_dir, file,
                      co_err_text(err));
    } else {
        co_buf_putc(buf, '\n');
        err = co_fs_write_atomic(f->out_dir, file, buf->data, buf->len, diag);
    }
    co_buf_fini(buf);
    return err;
}

static enum co_err
remove_file(const struct corpus_facts *f, const char *file,
            struct co_diag *diag)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", f->out_dir, file);
    if (unlink(path) == 0 || errno == ENOENT) return CO_OK;
    return co_fail(diag, co_err_from_errno(errno), "cannot remove %s: %s", path,
                   strerror(errno));
}

enum co_err
corpus_remove_unsealed(const struct corpus_facts *f, struct co_diag *diag)
{
    enum co_err err = CO_OK;

    for (uint64_t k = 0; k < personas_unsealed(f->personas) && !err; k++) {
        const struct personas_shard *s = personas_shard(f->personas, k);
        char file[64];

        if (s && s->rows) continue;
        corpus_shard_file(k, file);
        err = remove_file(f, file, diag);
        corpus_hash_file(k, file);
        if (!err && !s) err = remove_file(f, file, diag);
    }
    return err;
}

enum co_err
corpus_write_manifest(const struct corpus_facts *f, struct co_diag *diag)
{
    struct co_buf buf;
    struct co_json json;

    co_buf_init(&buf, FILE_BYTES_MAX);
    co_json_init(&json, &buf);
    co_json_object(&json);
    corpus_put_head(&json, f);
    co_json_key(&json, "shards");
    co_json_array(&json);
    for (uint64_t k = 0; k < personas_shards(f->personas); k++) {
        const struct personas_shard *s = personas_shard(f->personas, k);

        if (s->rows) put_shard(&json, k, s); /* the others have no file */
    }
    co_json_end(&json);
    co_json_end(&json);
    (void)co_json_finish(&json);
    return corpus_write_text(f, "MANIFEST.json", &buf, diag);
}

void
corpus_put_result(const struct personas *p, const char *out_dir,
                  struct co_buf *out)
{
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    put_totals(&json, p);
    co_json_put_u64(&json, "shards", corpus_totals(p).files);
    co_json_put_text(&json, "out", out_dir);
    co_json_end(&json);
    (void)co_json_finish(&json);
}
