/* recorded.c - see recorded.h, and the provider `replay`. The file is kept in
 * memory as it is, with an index sorted by hash; a record is read when it is
 * asked for, as an answer from the network would be. */
#include "llm/recorded.h"

#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"
#include "llm/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct record {
    struct co_hash128 hash;
    struct recorded_ask of;
    size_t at, len;
};

struct recorded {
    struct co_buf file;
    struct record *records; /* by hash, then as they stand in the file */
    size_t count;
};

/* ---- the provider ---- */

/* All that decides the answer; how it travels is no part of it. */
static void
write_ask(const struct provider_ask *ask, struct co_buf *body)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    struct co_json json;

    co_json_init(&json, body);
    co_json_object(&json);
    co_json_put_text(&json, "model", ask->model);
    co_json_key(&json, "messages");
    co_json_array(&json);
    for (uint32_t i = 0; i < ask->n_messages; i++) {
        co_json_object(&json);
        co_json_put_text(&json, "role", roles[ask->messages[i].role]);
        co_json_key(&json, "content");
        co_json_bytes(&json, ask->messages[i].text, ask->messages[i].len);
        co_json_end(&json);
    }
    co_json_end(&json);
    if (ask->max_tokens) {
        co_json_put_u64(&json, "max_tokens", ask->max_tokens);
    }
    provider_put_temperature(ask, &json);
    if (ask->schema) {
        co_json_key(&json, "schema");
        co_json_raw(&json, ask->schema, strlen(ask->schema));
    }
    co_json_end(&json);
    (void)co_json_finish(&json); /* body->err keeps it */
}

static void
read_end(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice end;

    if (!pull_text(p, &end)) return;
    answer->has_end = true;
    answer->is_cut = pull_is(&end, "length");
    answer->is_filtered = pull_is(&end, "filter");
}

static void
read_usage(struct pull *p, struct provider_answer *answer)
{
    struct pull_slice key;

    if (pull_null(p) || !pull_enter(p, PULL_OBJECT)) return;
    answer->has_usage = true;
    while (pull_key(p, &key)) {
        if (pull_is(&key, "input")) {
            (void)pull_u64(p, &answer->input_tokens);
        } else if (pull_is(&key, "cached")) {
            (void)pull_u64(p, &answer->cached_tokens);
        } else if (pull_is(&key, "output")) {
            (void)pull_u64(p, &answer->output_tokens);
        } else {
            pull_skip(p);
        }
    }
}

static enum fault
read_record(const char *body, size_t len, struct provider_answer *answer,
            struct co_diag *diag)
{
    struct pull_slice key, text;
    struct pull p;

    pull_init(&p, body, len);
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "answer") && pull_text(&p, &text)) {
                answer->is_answer = true;
                pull_decode(&text, &answer->text);
            } else if (pull_is(&key, "end")) {
                read_end(&p, answer);
            } else if (pull_is(&key, "usage")) {
                read_usage(&p, answer);
            } else {
                provider_take_member(&p, &key, answer);
            }
        }
    }
    if (!answer->is_answer) {
        (void)co_fail(diag, CO_PROTOCOL, "the record has no answer");
    }
    return provider_verdict(&p, answer, diag);
}

/* Nothing is streamed from a file. */
static enum fault
read_event(const char *name, const char *data, size_t len,
           struct provider_answer *answer, struct co_diag *diag)
{
    (void)name;
    return read_record(data, len, answer, diag);
}

const struct provider provider_replay = {
    .name = "replay",
    .about = "answers recorded in a file",
    .headers = {NULL},
    .temperature_max = 2000, /* what was recorded, whoever answered */
    .write = write_ask,
    .read = read_record,
    .event = read_event,
};

/* ---- hashes ---- */

char *
recorded_hash(const void *body, size_t len, char text[RECORDED_HASH_BYTES])
{
    struct co_hash128 hash = co_hash128(body, len, 0);

    (void)co_hex16(hash.high, text);
    (void)co_hex16(hash.low, text + CO_HEX16_SIZE - 1);
    return text;
}

static bool
read_hash(const struct pull_slice *text, struct co_hash128 *ret)
{
    char high[CO_HEX16_SIZE], low[CO_HEX16_SIZE];

    if (text->len != RECORDED_HASH_BYTES - 1) return false;
    memcpy(high, text->at, sizeof high - 1);
    memcpy(low, text->at + sizeof high - 1, sizeof low - 1);
    high[sizeof high - 1] = low[sizeof low - 1] = '\0';
    return co_hex16_parse(high, &ret->high) && co_hex16_parse(low, &ret->low);
}

static int
compare(const struct co_hash128 *a, const struct co_hash128 *b)
{
    if (a->high != b->high) return a->high < b->high ? -1 : 1;
    if (a->low != b->low) return a->low < b->low ? -1 : 1;
    return 0;
}

static int
by_hash(const void *one, const void *other)
{
    const struct record *a = one, *b = other;
    int order = compare(&a->hash, &b->hash);

    if (order) return order;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* ---- playing ---- */

/* Is the line whole JSON with a hash? NULL: yes; else what is wrong. */
static const char *
check_line(const char *line, size_t len, struct record *ret)
{
    uint64_t ask = 0;
    struct pull_slice key, hash;
    bool has_hash = false;
    struct pull p;

    pull_init(&p, line, len);
    if (pull_enter(&p, PULL_OBJECT)) {
        while (pull_key(&p, &key)) {
            if (pull_is(&key, "hash") && pull_text(&p, &hash)) {
                has_hash = read_hash(&hash, &ret->hash);
            } else if (pull_is(&key, "row")) {
                (void)pull_u64(&p, &ret->of.row);
            } else if (pull_is(&key, "ask")) {
                (void)pull_u64(&p, &ask);
            } else {
                pull_skip(&p);
            }
        }
    }
    ret->of.ask = (uint32_t)co_min_u64(ask, UINT32_MAX);
    if (!pull_end(&p)) return p.wrong ? p.wrong : "it ends too early";
    return has_hash ? NULL : "it has no \"hash\" of 32 hex digits";
}

/* Each line that is not empty is a record. */
static enum co_err
index_lines(struct recorded *replay, const char *path, struct co_diag *diag)
{
    const char *start = (const char *)replay->file.data;
    const char *end = start + replay->file.len, *line = start;

    for (size_t number = 1; line < end; number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        struct record *record = &replay->records[replay->count];
        const char *wrong;

        if (!stop) stop = end;
        if (stop > line) {
            record->at = (size_t)(line - start);
            record->len = (size_t)(stop - line);
            record->of.row = RECORDED_NO_ROW;
            wrong = check_line(line, record->len, record);
            if (wrong) {
                return co_fail(diag, CO_INVALID,
                               "%s:%zu: no recorded answer: %s", path, number,
                               wrong);
            }
            replay->count++;
        }
        line = stop < end ? stop + 1 : end;
    }
    return CO_OK;
}

static size_t
count_lines(const struct co_buf *file)
{
    size_t n = 1;

    for (size_t i = 0; i < file->len; i++) {
        if (file->data[i] == '\n') n++;
    }
    return n;
}

enum co_err
recorded_load(const char *path, struct recorded **ret, struct co_diag *diag)
{
    co_auto(recorded_freep) struct recorded *replay = calloc(1, sizeof *replay);
    enum co_err err;

    if (!replay) return co_fail(diag, CO_NOMEM, "out of memory");
    co_buf_init(&replay->file, RECORDED_FILE_MAX);
    err = co_fs_read_file(path, RECORDED_FILE_MAX, &replay->file, diag);
    if (err) return err;
    replay->records =
        calloc(count_lines(&replay->file), sizeof *replay->records);
    if (!replay->records) return co_fail(diag, CO_NOMEM, "out of memory");
    err = index_lines(replay, path, diag);
    if (err) return err;
    if (replay->count == 0) {
        return co_fail(diag, CO_INVALID,
                       "%s has no recorded answers: record some first, with "
                       "cohort try --record FILE",
                       path);
    }
    qsort(replay->records, replay->count, sizeof *replay->records, by_hash);
    *ret = co_take(&replay);
    return CO_OK;
}

void
recorded_free(struct recorded *replay)
{
    if (!replay) return;
    co_buf_fini(&replay->file);
    free(replay->records);
    free(replay);
}

size_t
recorded_count(const struct recorded *replay)
{
    return replay->count;
}

/* Where records of that hash end. */
static size_t
end_of(const struct recorded *replay, const struct co_hash128 *hash)
{
    size_t low = 0, high = replay->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(&replay->records[middle].hash, hash) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Whether a is the better answer to `of` than b, which stands behind it. */
static bool
is_better(const struct record *a, const struct record *b,
          const struct recorded_ask *of)
{
    const bool mine = a->of.row == of->row, due = a->of.ask >= of->ask;

    if (!mine || of->row == RECORDED_NO_ROW) return false;
    if (b->of.row != of->row) return true;
    if (b->of.ask < of->ask) return due || a->of.ask > b->of.ask;
    return due && a->of.ask < b->of.ask;
}

bool
recorded_find(const struct recorded *replay, const void *body, size_t len,
              const struct recorded_ask *of, const char **ret_record,
              size_t *ret_len)
{
    struct co_hash128 hash = co_hash128(body, len, 0);
    size_t at = end_of(replay, &hash);
    const struct record *best = NULL, *r;

    for (; at > 0; at--) {
        r = &replay->records[at - 1];
        if (compare(&r->hash, &hash) != 0) break;
        if (!best || is_better(r, best, of)) best = r;
    }
    if (!best) return false;
    *ret_record = (const char *)replay->file.data + best->at;
    *ret_len = best->len;
    return true;
}

/* ---- recording ---- */

static void
put_usage(struct co_json *json, const struct provider_answer *answer)
{
    co_json_key(json, "usage");
    if (!answer->has_usage) {
        co_json_null(json);
        return;
    }
    co_json_object(json);
    co_json_put_u64(json, "input", answer->input_tokens);
    co_json_put_u64(json, "cached", answer->cached_tokens);
    co_json_put_u64(json, "output", answer->output_tokens);
    co_json_end(json);
}

static void
put_record(const void *request, size_t len, const struct recorded_ask *of,
           const struct provider_answer *answer, struct co_buf *line)
{
    char hash[RECORDED_HASH_BYTES];
    struct co_json json;

    co_json_init(&json, line);
    co_json_object(&json);
    co_json_put_text(&json, "hash", recorded_hash(request, len, hash));
    co_json_key(&json, "request");
    co_json_raw(&json, request, len);
    co_json_key(&json, "answer");
    co_json_bytes(&json,
                  answer->text.len ? answer->text.data : (const uint8_t *)"",
                  answer->text.len);
    co_json_put_text(&json, "model", answer->model);
    co_json_put_text(&json, "end",
                     answer->is_cut        ? "length"
                     : answer->is_filtered ? "filter"
                                           : "stop");
    put_usage(&json, answer);
    if (of->row != RECORDED_NO_ROW) {
        co_json_put_u64(&json, "row", of->row);
        co_json_put_u64(&json, "ask", of->ask);
    }
    co_json_end(&json);
    (void)co_json_finish(&json); /* line->err keeps it */
    co_buf_putc(line, '\n');
}

/* Whether records may follow what is in the file: a slip in the path would put
 * prompts behind somebody's job file or notes. Devices hold nothing. */
static bool
takes_records(int fd)
{
    static const char first[] = "{\"hash\":\"";
    char found[sizeof first - 1];
    struct stat st;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0) return true;
    return pread(fd, found, sizeof found, 0) == (ssize_t)sizeof found &&
           memcmp(found, first, sizeof found) == 0;
}

enum co_err
recorded_open(const char *path, int *ret_fd, struct co_diag *diag)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0) {
        return co_fail(diag, co_err_from_errno(errno),
                       "cannot record to %s: %s. Name a file in a folder that "
                       "is there and may be written",
                       path, strerror(errno));
    }
    if (!takes_records(fd)) {
        (void)close(fd);
        return co_fail(diag, CO_EXISTS,
                       "cannot record to %s: something else than recorded "
                       "answers is in it. Name another file",
                       path);
    }
    *ret_fd = fd;
    return CO_OK;
}

enum co_err
recorded_record(int fd, const void *body, size_t len,
                const struct recorded_ask *of,
                const struct provider_answer *answer, struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf line;
    ssize_t n;

    co_buf_init(&line, RECORDED_RECORD_MAX);
    put_record(body, len, of, answer, &line);
    if (line.err) return co_fail(diag, line.err, "too long an answer");
    errno = ENOSPC; /* what part of a line that was written means */
    n = write(fd, line.data, line.len);
    if (n == (ssize_t)line.len) return CO_OK;
    return co_fail(diag, co_err_from_errno(errno),
                   "an answer cannot be recorded: %s", strerror(errno));
}
