/* dead_file.c - see dead_file.h. Appending beats rewriting: a letter is there
 * after one write, and no crash can take older ones along. */
#include "job/dead_file.h"

#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MARK_BYTES_MAX = 128,
    /* letters, and a few marks for each */
    FILE_BYTES_MAX =
        DEAD_FILE_LETTERS_MAX * (DEAD_FILE_LINE_MAX + 4 * MARK_BYTES_MAX),
};

static const char *const marks[DEAD_STATE_COUNT] = {
#define X(name, mark, text) mark,
    DEAD_STATE_LIST(X)
#undef X
};

const char *
dead_state_text(enum dead_state state)
{
    static const char *const texts[DEAD_STATE_COUNT] = {
#define X(name, mark, text) text,
        DEAD_STATE_LIST(X)
#undef X
    };

    return (unsigned)state < DEAD_STATE_COUNT ? texts[state] : "unknown";
}

const char *
dead_state_name(enum dead_state state)
{
    return state == DEAD_OPEN ? "dead" : marks[state];
}

/* ---- what is known ---- */

static enum co_err
remember(struct dead_file *f, const struct dead_letter *letter)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        struct dead_letter *v = realloc(f->v, cap * sizeof *v);

        if (!v) return CO_NOMEM;
        f->v = v;
        f->cap = cap;
    }
    f->v[f->n++] = *letter;
    return CO_OK;
}

static struct dead_letter *
last_of(struct dead_file *f, uint64_t task)
{
    for (size_t i = f->n; i-- > 0;) {
        if (f->v[i].task == task) return &f->v[i];
    }
    return NULL;
}

static uint64_t
hex_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? strtoull(text, NULL, 16) : 0;
}

static enum dead_state
state_of_mark(const char *mark)
{
    int s = DEAD_OPEN + 1;

    while (s < DEAD_STATE_COUNT && strcmp(mark, marks[s]) != 0) {
        s++;
    }
    return (enum dead_state)s;
}

static enum co_err
take_mark(struct dead_file *f, json_t *root, const char *mark)
{
    enum dead_state state = state_of_mark(mark);
    struct dead_letter *letter = last_of(f, hex_of(root, "task"));

    if (letter && state < DEAD_STATE_COUNT) letter->state = state;
    return CO_OK; /* a mark of a newer version means nothing here */
}

static enum co_err
take_letter(struct dead_file *f, json_t *root, const char *line, size_t len)
{
    struct dead_letter letter = {
        .task = hex_of(root, "task"),
        .row = (uint64_t)json_integer_value(json_object_get(root, "row")),
        .dead_ms = json_integer_value(json_object_get(root, "dead_ms")),
        .hash = co_hash64(line, len, 0),
    };
    enum co_err err;

    letter.line = strndup(line, len);
    if (!letter.line) return CO_NOMEM;
    err = remember(f, &letter);
    if (err) free(letter.line);
    return err;
}

static enum co_err
take_line(struct dead_file *f, const char *line, size_t len)
{
    json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    const char *mark = json_string_value(json_object_get(root, "mark"));
    enum co_err err = CO_DAMAGED;

    if (mark) {
        err = take_mark(f, root, mark);
    } else if (json_is_integer(json_object_get(root, "letter"))) {
        err = take_letter(f, root, line, len);
    }
    json_decref(root);
    return err;
}

static enum co_err
take_text(struct dead_file *f, const char *text, size_t len,
          struct co_diag *diag)
{
    const char *at = text, *end = text + len, *stop;
    unsigned number = 1;

    for (; at < end && (stop = memchr(at, '\n', (size_t)(end - at)));
         at = stop + 1, number++) {
        enum co_err err = take_line(f, at, (size_t)(stop - at));

        if (err) {
            return co_fail(diag, err,
                           "%s, line %u: not a dead letter. Move the file "
                           "away to go on without it",
                           f->path, number);
        }
        f->whole = (uint64_t)(stop + 1 - text);
    }
    return CO_OK;
}

enum co_err
dead_file_load(const char *dir, struct dead_file *ret, struct co_diag *diag)
{
    struct dead_file f = {.fd = -1, .bytes_max = FILE_BYTES_MAX};
    struct co_buf text;
    struct stat st;
    enum co_err err = CO_OK;

    if (snprintf(f.path, sizeof f.path, "%s/dead.jsonl", dir) >=
        (int)sizeof f.path) {
        return co_fail(diag, CO_RANGE, "%s: the path is too long", dir);
    }
    co_buf_init(&text, FILE_BYTES_MAX);
    if (stat(f.path, &st) == 0 || errno != ENOENT) {
        err = co_fs_read_file(f.path, FILE_BYTES_MAX, &text, diag);
        if (!err) err = take_text(&f, (char *)text.data, text.len, diag);
    }
    co_buf_fini(&text);
    if (err) {
        dead_file_fini(&f);
        return err;
    }
    *ret = f;
    return CO_OK;
}

void
dead_file_fini(struct dead_file *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->v[i].line);
    }
    free(f->v);
    f->v = NULL;
    f->n = f->cap = 0;
    co_fs_closep(&f->fd);
}

/* ---- writing ---- */

static enum co_err
open_for_writing(struct dead_file *f, struct co_diag *diag)
{
    if (f->fd >= 0) return CO_OK;
    f->fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->fd < 0) {
        return co_fail(diag, co_err_from_errno(errno), "%s: %s", f->path,
                       strerror(errno));
    }
    return CO_OK;
}

/* Room for what a run notes about each letter (replayed, final) is kept from
 * new letters and from people's marks: else a row would be drawn again by every
 * run. A file above the limit could not be read any more. */
static enum co_err
check_room(struct dead_file *f, size_t len, bool noted_by_run,
           struct co_diag *diag)
{
    uint64_t kept = noted_by_run ? 0 : (f->n + 1) * MARK_BYTES_MAX;

    if (f->whole + len + kept <= f->bytes_max) return CO_OK;
    f->unkept++;
    return co_fail(diag, CO_FULL,
                   "%s is full (%" PRIu64 " of %" PRIu64
                   " bytes): move it away, then its rows stay dead",
                   f->path, f->whole, f->bytes_max);
}

/* Over what an unfinished write left behind the last whole line. */
static enum co_err
append(struct dead_file *f, const struct co_buf *line, struct co_diag *diag)
{
    enum co_err err = line->err ? line->err : open_for_writing(f, diag);

    if (err) return err;
    if (ftruncate(f->fd, (off_t)f->whole)) {
        return co_fail(diag, co_err_from_errno(errno), "%s: %s", f->path,
                       strerror(errno));
    }
    err =
        co_fs_pwrite_all(f->fd, line->data, line->len, f->whole, f->path, diag);
    if (err) return err;
    f->whole += line->len;
    f->dirty = true;
    return CO_OK;
}

enum co_err
dead_file_add(struct dead_file *f, const void *letter, size_t len,
              struct co_diag *diag)
{
    uint64_t hash = co_hash64(letter, len, 0);
    struct co_buf line;
    enum co_err err;

    for (size_t i = 0; i < f->n; i++) {
        if (f->v[i].hash == hash) return CO_EXISTS;
    }
    if (f->n >= DEAD_FILE_LETTERS_MAX || len >= DEAD_FILE_LINE_MAX) {
        f->unkept++;
        return CO_FULL;
    }
    err = check_room(f, len + 1, false, diag);
    if (err) return err;
    co_buf_init(&line, DEAD_FILE_LINE_MAX);
    co_buf_append(&line, letter, len);
    co_buf_putc(&line, '\n');
    err = append(f, &line, diag);
    co_buf_fini(&line);
    return err ? err : take_line(f, letter, len);
}

enum co_err
dead_file_mark(struct dead_file *f, uint64_t task, enum dead_state state,
               int64_t at_ms, struct co_diag *diag)
{
    struct dead_letter *letter = last_of(f, task);
    struct co_buf line;
    enum co_err err;

    if (!letter) return CO_NOTFOUND;
    if (letter->state == state) return CO_OK;
    co_buf_init(&line, DEAD_FILE_LINE_MAX);
    co_buf_printf(&line,
                  "{\"mark\":\"%s\",\"task\":\"%016" PRIx64
                  "\",\"at_ms\":%" PRId64 "}\n",
                  marks[state], task, at_ms);
    err = check_room(f, line.len, state == DEAD_REPLAYED || state == DEAD_FINAL,
                     diag);
    if (!err) err = append(f, &line, diag);
    co_buf_fini(&line);
    if (!err) letter->state = state;
    return err;
}

enum co_err
dead_file_sync(struct dead_file *f, struct co_diag *diag)
{
    if (f->fd < 0) return CO_OK; /* nothing was written */
    if (fdatasync(f->fd)) {
        return co_fail(diag, co_err_from_errno(errno), "%s: %s", f->path,
                       strerror(errno));
    }
    f->dirty = false;
    return CO_OK;
}

int
dead_file_take_dirty(struct dead_file *f)
{
    bool dirty = f->dirty;

    f->dirty = false;
    return dirty ? f->fd : -1;
}
