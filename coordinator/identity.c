/* identity.c - see identity.h. */
#include "coordinator/identity.h"

#include "common/bug.h"
#include "common/json.h"
#include "journal/folder.h"
#include "journal/reader.h"

#include <stdlib.h>
#include <string.h>

enum { IDENTITY_BYTES_MAX = 1 << 20 };

static uint64_t
hex_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? strtoull(text, NULL, 16) : 0;
}

static void
text_of(json_t *object, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    out[0] = '\0';
    if (text) strncat(out, text, size - 1);
}

static enum co_err
identity_fill(struct identity *id, json_t *root)
{
    json_t *recipe = json_object_get(root, "recipe");
    char *text;

    id->job = hex_of(root, "job");
    id->recipe_hash = hex_of(root, "recipe_hash");
    id->rows = (uint64_t)json_integer_value(json_object_get(root, "rows"));
    id->shard_rows =
        (uint32_t)json_integer_value(json_object_get(root, "shard_rows"));
    text_of(root, "kind", id->kind, sizeof id->kind);
    text_of(root, "name", id->name, sizeof id->name);
    if (!id->job || !recipe) return CO_DAMAGED;
    text = json_dumps(recipe, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text) return CO_NOMEM;
    co_buf_clear(&id->recipe);
    co_buf_puts(&id->recipe, text);
    free(text);
    id->found = true;
    id->done = false;
    return id->recipe.err;
}

static enum co_err
identity_parse(struct identity *id, const uint8_t *text, size_t len)
{
    json_t *root =
        json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);
    enum co_err err = root ? identity_fill(id, root) : CO_DAMAGED;

    json_decref(root);
    return err;
}

/* A CHECKPOINT begins with the identity and its length (corpus.c). */
static enum co_err
identity_of_checkpoint(struct identity *id, const struct record *r)
{
    uint32_t len;

    if (r->length < sizeof len) return CO_DAMAGED;
    memcpy(&len, r->content, sizeof len);
    if (len > r->length - sizeof len) return CO_DAMAGED;
    return identity_parse(id, r->content + sizeof len, len);
}

static enum co_err
identity_scan(struct identity *id, struct reader *reader, struct co_diag *diag)
{
    struct record r;

    for (;;) {
        enum co_err err = reader_next(reader, &r, NULL, diag);

        if (err == CO_NOTFOUND) return CO_OK;
        if (err) return err;
        if (r.type == RECORD_JOB) {
            err = identity_parse(id, r.content, r.length);
        } else if (r.type == RECORD_CHECKPOINT) {
            err = identity_of_checkpoint(id, &r);
        } else if (r.type == RECORD_DONE) {
            id->done = true;
        }
        if (err) {
            return co_fail(diag, err,
                           "the journal's %s record is not readable by this "
                           "version of " CO_PROGRAM,
                           record_type_name(r.type));
        }
    }
}

enum co_err
identity_read(const char *dir, struct identity *ret_identity,
              struct co_diag *diag)
{
    co_auto(reader_closep) struct reader *reader = NULL;
    enum co_err err;

    *ret_identity = (struct identity){0};
    co_buf_init(&ret_identity->recipe, IDENTITY_BYTES_MAX);
    err = journal_highest_owner(dir, &ret_identity->highest_owner, diag);
    if (err || ret_identity->highest_owner == 0) return err;
    err = reader_open(dir, 0, &reader, diag);
    return err ? err : identity_scan(ret_identity, reader, diag);
}

void
identity_fini(struct identity *id)
{
    co_buf_fini(&id->recipe);
}

uint32_t
identity_next_owner(const struct identity *id, uint32_t seen)
{
    if (CO_BUG(rollback_believed) && seen) return seen + 1;
    return (seen > id->highest_owner ? seen : id->highest_owner) + 1;
}

enum co_err
identity_make(const struct identity *id, struct co_bytes *ret_bytes)
{
    struct co_buf buf;
    struct co_json json;
    enum co_err err;

    co_buf_init(&buf, (size_t)2 * IDENTITY_BYTES_MAX);
    co_json_init(&json, &buf);
    co_json_object(&json);
    co_json_put_u64(&json, "format", 1);
    co_json_key(&json, "job");
    co_json_hex64(&json, id->job);
    co_json_put_text(&json, "kind", id->kind);
    co_json_put_text(&json, "name", id->name);
    co_json_put_u64(&json, "rows", id->rows);
    co_json_put_u64(&json, "shard_rows", id->shard_rows);
    co_json_key(&json, "recipe_hash");
    co_json_hex64(&json, id->recipe_hash);
    co_json_key(&json, "recipe");
    co_json_raw(&json, (const char *)id->recipe.data, id->recipe.len);
    co_json_end(&json);
    err = co_json_finish(&json);
    if (!err) err = co_bytes_copy(buf.data, buf.len, ret_bytes);
    co_buf_fini(&buf);
    return err;
}
