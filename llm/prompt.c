/* prompt.c - see prompt.h. Keeping and rendering; prompt_parse.c reads. */
#include "llm/prompt_impl.h"

#include "common/fs.h"
#include "common/utf8.h"

#include <stdlib.h>
#include <string.h>

struct prompt_set {
    struct prompt_file file[ASK_STAGES];
};

static const struct prompt_info infos[PROMPT_NAMES] = {
#define X(ID, name, max, where, text) {#name, max, where},
    PROMPT_NAME_LIST(X)
#undef X
};

const struct prompt_info *
prompt_info(unsigned name)
{
    co_assert(name < PROMPT_NAMES);
    return &infos[name];
}

void
prompt_set_free(struct prompt_set *set)
{
    if (!set) return;
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        for (unsigned k = 0; k < PROMPT_SECTIONS; k++) {
            free(set->file[i].section[k].v);
        }
        free(set->file[i].text);
    }
    free(set);
}

static size_t
section_bound(const struct prompt_file *file, enum prompt_section section)
{
    const struct prompt_pieces *pieces = &file->section[section];
    size_t bytes = 0;

    for (size_t i = 0; i < pieces->n; i++) {
        const struct prompt_piece *p = &pieces->v[i];

        if (p->kind == PIECE_TEXT) {
            bytes += p->len;
        } else if (p->kind == PIECE_LINE) {
            bytes++;
        } else if (p->kind != PROMPT_NAME_BACKGROUND &&
                   p->kind != PROMPT_NAME_ERROR) {
            bytes += infos[p->kind].max;
        }
    }
    return bytes;
}

size_t
prompt_bound(const struct prompt_set *set, enum ask_stage stage)
{
    return section_bound(&set->file[stage], PROMPT_SYSTEM) +
           section_bound(&set->file[stage], PROMPT_USER);
}

size_t
prompt_repair_bound(const struct prompt_set *set, enum ask_stage stage)
{
    return section_bound(&set->file[stage], PROMPT_REPAIR);
}

/* With what the bounds leave out, since asks count it as long as it is: the
 * answer of the stage before and the error stand there once each. */
static enum co_err
check_bound(const struct prompt_set *set, enum ask_stage stage,
            const char *name, struct co_diag *diag)
{
    const size_t bytes = prompt_bound(set, stage) +
                         prompt_repair_bound(set, stage) + ASK_ERROR_MAX +
                         (stage == ASK_BACKGROUND ? 0 : ASK_ANSWER_MAX);

    if (bytes <= PROMPT_TEXT_MAX) return CO_OK;
    return co_fail(diag, CO_INVALID,
                   "%s: with the longest values of its placeholders this "
                   "prompt has %zu bytes; at most %d are allowed: write a "
                   "placeholder once, and name it afterwards",
                   name, bytes, PROMPT_TEXT_MAX);
}

enum co_err
prompt_set_parse(const char *const texts[ASK_STAGES],
                 const char *const names[ASK_STAGES],
                 struct prompt_set **ret_set, struct co_diag *diag)
{
    co_auto(prompt_set_freep) struct prompt_set *set = calloc(1, sizeof *set);

    if (!set) return co_fail(diag, CO_NOMEM, "no memory for prompts");
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        enum co_err err;

        set->file[i].text = strdup(texts[i]);
        if (!set->file[i].text) {
            return co_fail(diag, CO_NOMEM, "no memory for prompts");
        }
        err = prompt_parse(&set->file[i], (enum ask_stage)i, names[i], diag);
        if (!err) err = check_bound(set, (enum ask_stage)i, names[i], diag);
        if (err) return err;
    }
    *ret_set = co_take(&set);
    return CO_OK;
}

/* dir/name, with both in the message when it is no text. */
static enum co_err
read_file(const char *dir, const char *name, struct co_buf *path,
          struct co_buf *text, struct co_diag *diag)
{
    enum co_err err;

    co_buf_printf(path, "%s/%s", dir, name);
    err = co_fs_read_file(co_buf_text(path), PROMPT_FILE_MAX, text, diag);
    if (err == CO_NOTFOUND) {
        return co_fail(diag, err,
                       "no prompt file %s: a folder of prompts has "
                       "background.md and personas.md; copy those that are "
                       "installed (share/" CO_PROGRAM "/prompts/compose)",
                       co_buf_text(path));
    }
    if (err) return err;
    if (memchr(text->data, 0, text->len)) {
        return co_fail(diag, CO_INVALID, "%s: not a text: it holds a NUL byte",
                       co_buf_text(path));
    }
    (void)co_buf_text(text); /* ends it with a NUL */
    return path->err ? path->err : text->err;
}

enum co_err
prompt_set_load(const char *dir, struct prompt_set **ret_set,
                struct co_diag *diag)
{
    static const char *const files[ASK_STAGES] = {
        [ASK_BACKGROUND] = "background.md", [ASK_PERSONAS] = "personas.md"};
    struct co_buf path[ASK_STAGES], text[ASK_STAGES];
    const char *names[ASK_STAGES], *texts[ASK_STAGES];
    enum co_err err = CO_OK;

    for (unsigned i = 0; i < ASK_STAGES; i++) {
        co_buf_init(&path[i], 8192);
        co_buf_init(&text[i], PROMPT_FILE_MAX + 1);
    }
    for (unsigned i = 0; i < ASK_STAGES && !err; i++) {
        err = read_file(dir, files[i], &path[i], &text[i], diag);
        names[i] = co_buf_text(&path[i]);
        texts[i] = co_buf_text(&text[i]);
    }
    if (!err) err = prompt_set_parse(texts, names, ret_set, diag);
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        co_buf_fini(&path[i]);
        co_buf_fini(&text[i]);
    }
    return err;
}

const char *
prompt_set_text(const struct prompt_set *set, enum ask_stage stage)
{
    return set->file[stage].text;
}

/* ---- rendering ---- */

/* Takes back what lies beyond max bytes from start on, whole characters. */
static void
cut(struct co_buf *out, size_t start, size_t max)
{
    if (out->err || out->len - start <= max) return;
    out->len = start + co_utf8_cut(out->data + start, out->len - start, max);
}

/* True: the person has that value. */
static bool
put_value(unsigned name, prompt_value value, void *self, struct co_buf *out)
{
    const size_t start = out->len;

    value(self, name, out);
    cut(out, start, infos[name].max);
    return out->len > start;
}

void
prompt_render(const struct prompt_set *set, enum ask_stage stage,
              enum prompt_section section, prompt_value value, void *self,
              struct co_buf *out)
{
    const struct prompt_file *file = &set->file[stage];
    const struct prompt_pieces *pieces = &file->section[section];
    const size_t start = out->len;
    size_t line = start;
    bool asks = false, says = false; /* placeholders of this line */

    for (size_t i = 0; i < pieces->n; i++) {
        const struct prompt_piece *p = &pieces->v[i];

        if (p->kind == PIECE_TEXT) {
            co_buf_append(out, file->text + p->at, p->len);
        } else if (p->kind != PIECE_LINE) {
            asks = true;
            says |= put_value((unsigned)p->kind, value, self, out);
        } else {
            if (asks && !says) out->len = line;
            if (!asks || says) co_buf_putc(out, '\n');
            line = out->len;
            asks = says = false;
        }
    }
    while (!out->err && out->len > start && out->data[out->len - 1] == '\n') {
        out->len--;
    }
}
