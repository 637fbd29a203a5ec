/* yaml.c - loading: libyaml's events into a tree.
 * libyaml's own document API is not used: it expands aliases, knows no limits
 * and keeps neither keys' order nor a place for them. See yaml.h; the readers
 * are in yaml_read.c. */
#include "common/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

enum { POOL_NODES = 64 };

/* Nodes come in blocks, so that freeing needs no recursion. */
struct co_yaml_pool {
    struct co_yaml_pool *next;
    size_t used;
    char *file; /* set in the first block only */
    struct co_yaml nodes[POOL_NODES];
};

struct loader {
    yaml_parser_t parser;
    const char *name;
    struct co_diag *diag;
    struct co_yaml_pool *first; /* owns everything until the end */
    struct co_yaml_pool *pool;  /* the block being filled */
    uint32_t nodes;
    uint32_t depth;
    struct co_yaml *root;
    struct co_yaml *open; /* innermost open map or list */
    char *key;            /* read, its value not yet; owned */
};

static void
pool_free(struct co_yaml_pool *pool)
{
    while (pool) {
        struct co_yaml_pool *next = pool->next;

        for (size_t i = 0; i < pool->used; i++) {
            free(pool->nodes[i].key);
            free(pool->nodes[i].text);
        }
        free(pool->file);
        free(pool);
        pool = next;
    }
}

void
co_yaml_free(struct co_yaml *root)
{
    if (root) pool_free(root->pool);
}

static enum co_err
refuse(struct loader *l, const yaml_mark_t *mark, enum co_err err,
       const char *what)
{
    return co_fail(l->diag, err, "%s:%zu: %s", l->name, mark->line + 1, what);
}

static struct co_yaml *
node_alloc(struct loader *l)
{
    if (!l->pool || l->pool->used == POOL_NODES) {
        struct co_yaml_pool *pool = calloc(1, sizeof *pool);

        if (!pool) return NULL;
        if (l->pool) {
            l->pool->next = pool;
        } else {
            l->first = pool;
        }
        l->pool = pool;
    }
    return &l->pool->nodes[l->pool->used++];
}

static void
node_link(struct loader *l, struct co_yaml *node)
{
    struct co_yaml *parent = l->open;

    node->parent = parent;
    if (!parent) {
        l->root = node;
        return;
    }
    node->index = parent->count++;
    if (parent->last) {
        parent->last->next = node;
    } else {
        parent->first = node;
    }
    parent->last = node;
}

/* Adds a node at mark; takes the key that waits for it. */
static enum co_err
node_add(struct loader *l, enum co_yaml_kind kind, const yaml_mark_t *mark,
         struct co_yaml **ret_node)
{
    struct co_yaml *node;

    if (l->open && l->open->kind == CO_YAML_MAP && !l->key) {
        return refuse(l, mark, CO_INVALID,
                      "found a map or list as a key; a key must be a text");
    }
    if (++l->nodes > CO_YAML_NODES_MAX) {
        return co_fail(l->diag, CO_FULL,
                       "%s:%zu: more than %d values; allowed are at most %d",
                       l->name, mark->line + 1, CO_YAML_NODES_MAX,
                       CO_YAML_NODES_MAX);
    }
    node = node_alloc(l);
    if (!node) return co_fail(l->diag, CO_NOMEM, "out of memory");
    node->kind = kind;
    node->line = (uint32_t)mark->line + 1;
    node->column = (uint32_t)mark->column + 1;
    node->file = l->first->file;
    node->pool = l->first;
    node->key = co_take(&l->key);
    node_link(l, node);
    *ret_node = node;
    return CO_OK;
}

/* Anchors and tags may stand on any node; neither is wanted. */
static enum co_err
refuse_extras(struct loader *l, const yaml_mark_t *mark,
              const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor) {
        return refuse(l, mark, CO_INVALID,
                      "found an anchor (&...); anchors and aliases are not "
                      "allowed, write the value out");
    }
    if (tag) {
        return refuse(l, mark, CO_INVALID,
                      "found a tag (!...); tags are not allowed");
    }
    return CO_OK;
}

static enum co_err
take_key(struct loader *l, char *text, const yaml_mark_t *mark)
{
    for (const struct co_yaml *c = l->open->first; c; c = c->next) {
        if (strcmp(c->key, text) != 0) continue;
        (void)co_fail(l->diag, CO_INVALID,
                      "%s:%zu: key \"%.40s\" stands twice (first in line %u); "
                      "each key may stand once",
                      l->name, mark->line + 1, text, c->line);
        free(text);
        return CO_INVALID;
    }
    l->key = text;
    return CO_OK;
}

static enum co_err
on_scalar(struct loader *l, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    struct co_yaml *node = NULL;
    char *text;
    enum co_err err;

    err = refuse_extras(l, mark, event->data.scalar.anchor,
                        event->data.scalar.tag);
    if (err) return err;
    if (len > CO_YAML_SCALAR_MAX) {
        return co_fail(l->diag, CO_FULL,
                       "%s:%zu: a text of %zu bytes; allowed are at most %d",
                       l->name, mark->line + 1, len, CO_YAML_SCALAR_MAX);
    }
    if (memchr(value, '\0', len)) {
        return refuse(l, mark, CO_INVALID,
                      "found a NUL character inside a text; not allowed");
    }
    text = strndup(value, len);
    if (!text) return co_fail(l->diag, CO_NOMEM, "out of memory");
    if (l->open && l->open->kind == CO_YAML_MAP && !l->key) {
        return take_key(l, text, mark);
    }
    err = node_add(l, CO_YAML_SCALAR, mark, &node);
    if (err) {
        free(text);
        return err;
    }
    node->text = text;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return CO_OK;
}

static enum co_err
on_open(struct loader *l, enum co_yaml_kind kind, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    bool map = kind == CO_YAML_MAP;
    struct co_yaml *node = NULL;
    enum co_err err;

    err = refuse_extras(l, mark,
                        map ? event->data.mapping_start.anchor
                            : event->data.sequence_start.anchor,
                        map ? event->data.mapping_start.tag
                            : event->data.sequence_start.tag);
    if (err) return err;
    if (l->depth == CO_YAML_DEPTH_MAX) {
        return co_fail(l->diag, CO_FULL,
                       "%s:%zu: nested deeper than %d levels; allowed are at "
                       "most %d",
                       l->name, mark->line + 1, CO_YAML_DEPTH_MAX,
                       CO_YAML_DEPTH_MAX);
    }
    err = node_add(l, kind, mark, &node);
    if (err) return err;
    l->open = node;
    l->depth++;
    return CO_OK;
}

static enum co_err
on_document(struct loader *l, const yaml_event_t *event)
{
    if (!l->root) return CO_OK;
    return refuse(l, &event->start_mark, CO_INVALID,
                  "found a second document (---); one file holds one");
}

static enum co_err
on_event(struct loader *l, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return CO_OK;
    case YAML_DOCUMENT_START_EVENT:
        return on_document(l, event);
    case YAML_ALIAS_EVENT:
        return refuse(l, &event->start_mark, CO_INVALID,
                      "found an alias (*...); anchors and aliases are not "
                      "allowed, write the value out");
    case YAML_SCALAR_EVENT:
        return on_scalar(l, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(l, CO_YAML_SEQ, event);
    case YAML_MAPPING_START_EVENT:
        return on_open(l, CO_YAML_MAP, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        l->open = l->open->parent;
        l->depth--;
        return CO_OK;
    }
    return CO_INVALID;
}

static size_t
line_of_offset(const char *text, size_t len, size_t offset)
{
    size_t line = 1;

    for (size_t i = 0; i < len && i < offset; i++) {
        line += text[i] == '\n';
    }
    return line;
}

/* libyaml's own complaint. Its reader knows an offset, no line. */
static enum co_err
parser_error(struct loader *l, const char *text, size_t len)
{
    const yaml_parser_t *p = &l->parser;
    const char *problem = p->problem ? p->problem : "cannot be parsed";

    if (p->error == YAML_MEMORY_ERROR) {
        return co_fail(l->diag, CO_NOMEM, "out of memory");
    }
    if (p->error == YAML_READER_ERROR) {
        return co_fail(l->diag, CO_INVALID, "%s:%zu: %s; allowed is UTF-8 text",
                       l->name, line_of_offset(text, len, p->problem_offset),
                       problem);
    }
    return co_fail(l->diag, CO_INVALID, "%s:%zu: not valid YAML: %s%s%s",
                   l->name, p->problem_mark.line + 1, problem,
                   p->context ? " " : "", p->context ? p->context : "");
}

static enum co_err
run_parser(struct loader *l, const char *text, size_t len)
{
    bool end = false;
    enum co_err err = CO_OK;

    while (!err && !end) {
        yaml_event_t event;

        if (!yaml_parser_parse(&l->parser, &event)) {
            return parser_error(l, text, len);
        }
        end = event.type == YAML_STREAM_END_EVENT;
        err = on_event(l, &event);
        yaml_event_delete(&event);
    }
    return err;
}

/* Directives (%TAG, %YAML) stand at the start of a line and serve tags only.
 * Refused before the parser sees them: it compares each with all others. */
static enum co_err
refuse_directives(const struct loader *l, const char *text, size_t len)
{
    size_t line = 1;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' &&
            (i == 0 || text[i - 1] == '\n' || text[i - 1] == '\r')) {
            return co_fail(l->diag, CO_INVALID,
                           "%s:%zu: found a directive (%%...); directives are "
                           "not allowed",
                           l->name, line);
        }
        line += text[i] == '\n';
    }
    return CO_OK;
}

/* The first block exists before the first event: it owns the file's name. */
static enum co_err
loader_init(struct loader *l, const char *text, size_t len)
{
    l->first = l->pool = calloc(1, sizeof *l->pool);
    if (!l->first) return co_fail(l->diag, CO_NOMEM, "out of memory");
    l->first->file = strdup(l->name);
    if (!l->first->file || !yaml_parser_initialize(&l->parser)) {
        pool_free(l->first);
        return co_fail(l->diag, CO_NOMEM, "out of memory");
    }
    yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l->parser, (const unsigned char *)text, len);
    return CO_OK;
}

enum co_err
co_yaml_load_text(const char *text, size_t len, const char *name,
                  struct co_yaml **ret_root, struct co_diag *diag)
{
    struct loader l = {.name = name, .diag = diag};
    enum co_err err;

    if (len > CO_YAML_FILE_MAX) {
        return co_fail(diag, CO_FULL,
                       "%s: %zu bytes; allowed are at most %d (1 MiB)", name,
                       len, CO_YAML_FILE_MAX);
    }
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3; /* a byte order mark, as some editors write */
        len -= 3;
    }
    err = refuse_directives(&l, text, len);
    if (!err) err = loader_init(&l, text, len);
    if (err) return err;
    err = run_parser(&l, text, len);
    if (!err && !l.root) {
        err = co_fail(diag, CO_INVALID, "%s:1: the file is empty", name);
    }
    yaml_parser_delete(&l.parser);
    free(l.key);
    if (err) {
        pool_free(l.first);
        return err;
    }
    *ret_root = l.root;
    return CO_OK;
}

/* Reads at most one byte more than allowed, so that a pipe that never ends
 * is refused too. */
static enum co_err
read_bounded(int fd, const char *path, char *text, size_t *ret_len,
             struct co_diag *diag)
{
    size_t len = 0;

    while (len <= CO_YAML_FILE_MAX) {
        ssize_t n = read(fd, text + len, CO_YAML_FILE_MAX + 1 - len);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            return co_fail(diag, co_err_from_errno(errno),
                           "%s: cannot be read: %s", path, strerror(errno));
        }
        if (n == 0) break;
        len += (size_t)n;
    }
    *ret_len = len;
    return CO_OK;
}

static void
close_fd(const int *fd)
{
    if (*fd >= 0) (void)close(*fd);
}

static void
free_text(char **text)
{
    free(*text);
}

enum co_err
co_yaml_load_file(const char *path, struct co_yaml **ret_root,
                  struct co_diag *diag)
{
    co_auto(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    co_auto(free_text) char *text = NULL;
    struct stat st;
    size_t len = 0;
    enum co_err err;

    if (fd < 0 || fstat(fd, &st)) {
        return co_fail(diag, co_err_from_errno(errno),
                       "%s: cannot be opened: %s", path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return co_fail(diag, CO_INVALID, "%s: is a folder, not a file", path);
    }
    if (S_ISREG(st.st_mode) && st.st_size > CO_YAML_FILE_MAX) {
        return co_fail(diag, CO_FULL,
                       "%s: %lld bytes; allowed are at most %d (1 MiB)", path,
                       (long long)st.st_size, CO_YAML_FILE_MAX);
    }
    text = malloc(CO_YAML_FILE_MAX + 1);
    if (!text) return co_fail(diag, CO_NOMEM, "out of memory");
    err = read_bounded(fd, path, text, &len, diag);
    if (err) return err;
    return co_yaml_load_text(text, len, path, ret_root, diag);
}
