/* prompt_parse.c - see prompt.h: the format of prompt files. What a model
 * would be asked wrongly a thousand times is refused here, once. */
#include "llm/prompt_impl.h"

#include "common/near.h"
#include "common/utf8.h"

#include <stdlib.h>
#include <string.h>

static const char *const headings[PROMPT_SECTIONS] = {
    [PROMPT_SYSTEM] = "## system",
    [PROMPT_USER] = "## user",
    [PROMPT_REPAIR] = "## repair",
};
static const char *const stages[ASK_STAGES] = {
    [ASK_BACKGROUND] = "background", [ASK_PERSONAS] = "personas"};

/* A file that is being read. */
struct reading {
    struct prompt_file *file;
    enum ask_stage stage;
    const char *name;
    struct co_diag *diag;
    uint32_t line;
    int section; /* -1 before the first */
    struct co_buf pieces[PROMPT_SECTIONS];
    bool has[PROMPT_SECTIONS];
    uint32_t count[PROMPT_SECTIONS][PROMPT_NAMES];
};

static void
push(struct reading *r, int32_t kind, const char *text, size_t len)
{
    struct prompt_piece piece = {.len = (uint32_t)len, .kind = kind};

    if (kind == PIECE_TEXT && len == 0) return;
    if (text) piece.at = (uint32_t)(text - r->file->text);
    co_buf_append(&r->pieces[r->section], &piece, sizeof piece);
}

/* The nearest of the names, when it is near at all. */
static const char *
nearest(const char *name, size_t len)
{
    const char *best = NULL;
    size_t least = 4;

    for (unsigned i = 0; i < PROMPT_NAMES; i++) {
        const char *known = prompt_info(i)->name;
        size_t far = co_near_distance(name, len, known, strlen(known));

        if (far >= least) continue;
        least = far;
        best = known;
    }
    return best;
}

static enum co_err
unknown(struct reading *r, const char *name, size_t len)
{
    const char *near = nearest(name, len);

    return co_fail(r->diag, CO_INVALID,
                   "%s:%u: there is no placeholder {{%.*s}}%s%s%s; "
                   "docs/prompts.md has all of them, and {{{{ stands for two "
                   "braces",
                   r->name, r->line, (int)co_min_u64(len, 64), name,
                   near ? " (did you mean {{" : "", near ? near : "",
                   near ? "}}?)" : "");
}

/* May the placeholder stand here? */
static enum co_err
check_where(struct reading *r, unsigned name)
{
    const struct prompt_info *info = prompt_info(name);
    const char *where = NULL;

    if (!(info->where >> r->stage & 1)) {
        where = stages[!r->stage];
    } else if (info->where & PROMPT_IN_REPAIR_ONLY &&
               r->section != PROMPT_REPAIR) {
        where = "repair";
    }
    if (!where) return CO_OK;
    return co_fail(
        r->diag, CO_INVALID, "%s:%u: {{%s}} has no value here, only in %s%s%s",
        r->name, r->line, info->name,
        info->where & PROMPT_IN_REPAIR_ONLY ? "the section ## " : "the prompt ",
        where, info->where & PROMPT_IN_REPAIR_ONLY ? "" : ".md");
}

static enum co_err
placeholder(struct reading *r, const char *name, size_t len)
{
    for (unsigned i = 0; i < PROMPT_NAMES; i++) {
        const char *known = prompt_info(i)->name;
        enum co_err err;

        if (strlen(known) != len || memcmp(known, name, len) != 0) continue;
        err = check_where(r, i);
        if (err) return err;
        r->count[r->section][i]++;
        push(r, (int32_t)i, NULL, 0);
        return CO_OK;
    }
    return unknown(r, name, len);
}

/* Where "{{" stands in text[0 .. len), or its end. */
static size_t
find_braces(const char *text, size_t len, const char *braces)
{
    const char *at = memmem(text, len, braces, 2);

    return at ? (size_t)(at - text) : len;
}

static enum co_err
read_text_line(struct reading *r, const char *at, size_t len)
{
    enum co_err err = CO_OK;

    while (len > 0 && !err) {
        size_t n = find_braces(at, len, "{{"), end;

        push(r, PIECE_TEXT, at, n);
        at += n;
        len -= n;
        if (len == 0) break;
        if (len >= 4 && memcmp(at, "{{{{", 4) == 0) {
            push(r, PIECE_TEXT, at, 2);
            at += 4;
            len -= 4;
            continue;
        }
        end = find_braces(at + 2, len - 2, "}}");
        if (end == len - 2) {
            return co_fail(r->diag, CO_INVALID,
                           "%s:%u: a placeholder that does not end in this "
                           "line: write {{name}}, or {{{{ for two braces",
                           r->name, r->line);
        }
        err = placeholder(r, at + 2, end);
        at += end + 4;
        len -= end + 4;
    }
    push(r, PIECE_LINE, NULL, 0);
    return err;
}

static enum co_err
check_characters(const struct reading *r, const char *at, size_t len)
{
    size_t n;

    for (size_t i = 0; i < len; i += n) {
        uint8_t c = (uint8_t)at[i];

        n = co_utf8_bytes((const uint8_t *)at + i, len - i);
        if (n > 0 && (c >= 0x20 || c == '\t') && c != 0x7f) continue;
        return co_fail(r->diag, CO_INVALID,
                       "%s:%u: byte %zu of the line is %s; prompts are plain "
                       "text in UTF-8",
                       r->name, r->line, i + 1,
                       n ? "a control character" : "no UTF-8");
    }
    return CO_OK;
}

/* True: the line is a heading; then its section begins. */
static bool
heading(struct reading *r, const char *at, size_t len, enum co_err *ret_err)
{
    for (int i = 0; i < PROMPT_SECTIONS; i++) {
        if (len != strlen(headings[i]) || memcmp(at, headings[i], len) != 0) {
            continue;
        }
        if (r->has[i]) {
            *ret_err =
                co_fail(r->diag, CO_INVALID, "%s:%u: a second section \"%s\"",
                        r->name, r->line, headings[i]);
        }
        r->has[i] = true;
        r->section = i;
        return true;
    }
    return false;
}

static enum co_err
read_line(struct reading *r, const char *at, size_t len)
{
    enum co_err err;

    while (len > 0 && strchr(" \t\r", at[len - 1])) {
        len--; /* blanks at the end say nothing, to models and to people */
    }
    err = check_characters(r, at, len);
    if (err || heading(r, at, len, &err) || r->section < 0) return err;
    if (len == 0 && r->pieces[r->section].len == 0) return CO_OK;
    return read_text_line(r, at, len);
}

static enum co_err
read_lines(struct reading *r)
{
    const char *at = r->file->text;
    enum co_err err = CO_OK;

    if (strncmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3; /* of editors */
    while (*at && !err) {
        size_t len = strcspn(at, "\n");

        r->line++;
        err = read_line(r, at, len);
        at += len + (at[len] == '\n');
    }
    return err;
}

/* Which sections have to say it, as bits, and what for. */
static enum co_err
check_needed(const struct reading *r, unsigned name)
{
    const struct prompt_info *info = prompt_info(name);
    const bool repair = info->where & PROMPT_IN_REPAIR_ONLY;
    const uint32_t *system = r->count[PROMPT_SYSTEM],
                   *user = r->count[PROMPT_USER],
                   *mend = r->count[PROMPT_REPAIR];
    uint32_t n = repair ? mend[name] : system[name] + user[name];
    const char *where = repair ? "repair" : "user";

    if (!(info->where & PROMPT_NEEDED) || !(info->where >> r->stage & 1)) {
        return CO_OK;
    }
    if (n == 1 && (name != PROMPT_NAME_BACKGROUND || mend[name] == 0)) {
        return CO_OK; /* the bounds count nothing of the background */
    }
    return co_fail(r->diag, CO_INVALID,
                   "%s: {{%s}} stands %s; it has to stand once, in the "
                   "section ## %s%s",
                   r->name, info->name,
                   n == 0   ? "nowhere that the model would see it"
                   : n == 1 ? "in ## repair, too"
                            : "there more than once",
                   where, repair ? "" : " or ## system");
}

static enum co_err
check_whole(const struct reading *r)
{
    enum co_err err = CO_OK;

    for (unsigned i = 0; i < PROMPT_SECTIONS; i++) {
        /* Not every model takes a system message: it may be empty. */
        if (r->has[i] && (i == PROMPT_SYSTEM || r->pieces[i].len > 0)) {
            continue;
        }
        return co_fail(r->diag, CO_INVALID,
                       "%s: %s section; each of ## system, ## user and ## "
                       "repair begins with a line of its own that says just "
                       "that, e.g. \"%s\"",
                       r->name, r->has[i] ? "an empty" : "a missing",
                       headings[i]);
    }
    for (unsigned name = 0; name < PROMPT_NAMES && !err; name++) {
        err = check_needed(r, name);
    }
    return err;
}

/* The pieces become the file's. */
static enum co_err
keep(struct reading *r)
{
    for (unsigned i = 0; i < PROMPT_SECTIONS; i++) {
        struct co_buf *b = &r->pieces[i];

        if (b->err) return co_fail(r->diag, b->err, "no memory for prompts");
        r->file->section[i] =
            (struct prompt_pieces){(struct prompt_piece *)(void *)b->data,
                                   b->len / sizeof(struct prompt_piece)};
        *b = (struct co_buf){0};
    }
    return CO_OK;
}

enum co_err
prompt_parse(struct prompt_file *file, enum ask_stage stage, const char *name,
             struct co_diag *diag)
{
    struct reading r = {.file = file,
                        .stage = stage,
                        .name = name,
                        .diag = diag,
                        .section = -1};
    enum co_err err;

    if (strlen(file->text) > PROMPT_FILE_MAX) {
        return co_fail(diag, CO_FULL, "%s: more than %d bytes", name,
                       PROMPT_FILE_MAX);
    }
    for (unsigned i = 0; i < PROMPT_SECTIONS; i++) {
        /* Each byte is one piece at most, each line one more. */
        co_buf_init(&r.pieces[i],
                    (size_t)2 * PROMPT_FILE_MAX * sizeof(struct prompt_piece));
    }
    err = read_lines(&r);
    if (!err) err = check_whole(&r);
    if (!err) err = keep(&r);
    for (unsigned i = 0; i < PROMPT_SECTIONS; i++) {
        co_buf_fini(&r.pieces[i]);
    }
    return err;
}
