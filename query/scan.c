/* scan.c - see scan.h. The paths of a plan are a tree: a node is a step, its
 * children are the steps behind it; the reader goes down the line and the tree
 * at once, and steps over what has no node. */
#include "query/scan.h"

#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 2048, NO_NODE = 0, NO_SLOT = UINT32_MAX };

/* Node 0 is the line itself; as a child or a sibling, 0 is "none". */
struct node {
    const char *name; /* owned; NULL: an element */
    uint32_t len;     /* of name, or the element's number */
    uint32_t slot;    /* NO_SLOT: only a step on the way */
    uint32_t child, next;
};

struct scan_plan {
    struct node nodes[NODES_MAX];
    uint32_t count, slots;
    bool strict;
};

/* What a pass knows. */
struct pass {
    const struct scan_plan *plan; /* NULL: nothing is fetched */
    struct scan_value *values;
    const char *p, *end;
    uint32_t left; /* slots still empty */
    uint32_t depth;
};

/* ---- paths ---- */

static bool
is_name_char(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

    return letter || (!first && c >= '0' && c <= '9');
}

/* "[12]" at *p. */
static bool
path_element(const char **p, const char *end, struct scan_step *step)
{
    const char *digits = ++*p;
    uint32_t n = 0;

    while (*p < end && **p >= '0' && **p <= '9') {
        if (*p - digits >= 6) return false;
        n = 10 * n + (uint32_t)(*(*p)++ - '0');
    }
    if (*p == digits || *p == end || *(*p)++ != ']') return false;
    *step = (struct scan_step){NULL, n};
    return true;
}

static bool
path_name(const char **p, const char *end, struct scan_step *step)
{
    const char *start = *p;

    while (*p < end && is_name_char(**p, *p == start)) {
        (*p)++;
    }
    *step = (struct scan_step){start, (uint32_t)(*p - start)};
    return *p > start;
}

bool
scan_path_parse(const char *text, size_t len, struct scan_path *ret_path)
{
    struct scan_path path = {.count = 0};
    const char *p = text, *end = text + len;

    if (len == 0 || len >= SCAN_PATH_BYTES) return false;
    while (p < end) {
        struct scan_step *step = &path.steps[path.count];
        bool element = path.count > 0 && *p == '[';

        if (path.count == SCAN_STEPS_MAX) return false;
        if (path.count > 0 && !element && *p++ != '.') return false;
        if (element ? !path_element(&p, end, step)
                    : !path_name(&p, end, step)) {
            return false;
        }
        path.count++;
    }
    *ret_path = path;
    return true;
}

/* ---- plans ---- */

enum co_err
scan_plan_new(bool strict, struct scan_plan **ret_plan)
{
    struct scan_plan *plan = calloc(1, sizeof *plan);

    if (!plan) return CO_NOMEM;
    plan->strict = strict;
    plan->count = 1;
    plan->nodes[0].slot = NO_SLOT;
    *ret_plan = plan;
    return CO_OK;
}

void
scan_plan_free(struct scan_plan *plan)
{
    if (!plan) return;
    for (uint32_t i = 0; i < plan->count; i++) {
        free((void *)(uintptr_t)plan->nodes[i].name);
    }
    free(plan);
}

uint32_t
scan_plan_slots(const struct scan_plan *plan)
{
    return plan->slots;
}

static bool
node_is(const struct node *node, const char *name, size_t len)
{
    if (!node->name || !name) return !node->name && !name && node->len == len;
    return node->len == len && memcmp(node->name, name, len) == 0;
}

static uint32_t
child_of(const struct scan_plan *plan, uint32_t parent, const char *name,
         size_t len)
{
    uint32_t i = plan->nodes[parent].child;

    while (i != NO_NODE && !node_is(&plan->nodes[i], name, len)) {
        i = plan->nodes[i].next;
    }
    return i;
}

static enum co_err
add_child(struct scan_plan *plan, uint32_t parent, const struct scan_step *step,
          uint32_t *ret_node)
{
    struct node *node = &plan->nodes[plan->count];
    uint32_t *last;
    char *name = NULL;

    if (plan->count == NODES_MAX) return CO_FULL;
    if (step->name) {
        name = strndup(step->name, step->len);
        if (!name) return CO_NOMEM;
    }
    *node = (struct node){name, step->len, NO_SLOT, NO_NODE, NO_NODE};
    last = &plan->nodes[parent].child;
    while (*last != NO_NODE) {
        last = &plan->nodes[*last].next;
    }
    *last = plan->count;
    *ret_node = plan->count++;
    return CO_OK;
}

enum co_err
scan_plan_add(struct scan_plan *plan, const struct scan_path *path,
              uint32_t *ret_slot)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < path->count; i++) {
        const struct scan_step *step = &path->steps[i];
        uint32_t child = child_of(plan, at, step->name, step->len);

        if (child == NO_NODE) {
            enum co_err err = add_child(plan, at, step, &child);

            if (err) return err;
        }
        at = child;
    }
    if (plan->nodes[at].slot == NO_SLOT) {
        if (plan->slots == SCAN_SLOTS_MAX) return CO_FULL;
        plan->nodes[at].slot = plan->slots++;
    }
    *ret_slot = plan->nodes[at].slot;
    return CO_OK;
}

/* ---- reading ---- */

static void
skip_space(struct pass *s)
{
    while (s->p < s->end &&
           (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) {
        s->p++;
    }
}

/* A quote ends a text unless an odd number of backslashes stands before it. */
static bool
is_escaped(const char *start, const char *quote)
{
    const char *p = quote;

    while (p > start && p[-1] == '\\') {
        p--;
    }
    return (quote - p) % 2 == 1;
}

/* s->p stands on the opening quote and ends behind the closing one. */
static bool
read_text(struct pass *s)
{
    const char *start = ++s->p;

    for (;;) {
        const char *quote = memchr(s->p, '"', (size_t)(s->end - s->p));

        if (!quote) return false;
        s->p = quote + 1;
        if (!is_escaped(start, quote)) return true;
    }
}

static bool
read_digits(struct pass *s)
{
    const char *start = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
        s->p++;
    }
    return s->p > start;
}

static bool
at_char(struct pass *s, char a, char b)
{
    if (s->p == s->end || (*s->p != a && *s->p != b)) return false;
    s->p++;
    return true;
}

/* RFC 8259, section 6. */
static bool
read_number(struct pass *s)
{
    (void)at_char(s, '-', '-');
    if (!at_char(s, '0', '0') && !read_digits(s)) return false;
    if (at_char(s, '.', '.') && !read_digits(s)) return false;
    if (!at_char(s, 'e', 'E')) return true;
    (void)at_char(s, '+', '-');
    return read_digits(s);
}

static bool
read_word(struct pass *s, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0) {
        return false;
    }
    s->p += len;
    return true;
}

static enum co_err read_value(struct pass *s, uint32_t node,
                              struct scan_value *value);

/* s->p stands behind '[' or '{'; what comes next is the first entry. */
static bool
next_entry(struct pass *s, char close, bool first, bool *ret_end)
{
    skip_space(s);
    *ret_end = s->p < s->end && *s->p == close;
    if (*ret_end) {
        s->p++;
        return true;
    }
    if (first) return true;
    if (!at_char(s, ',', ',')) return false;
    skip_space(s);
    return true;
}

static bool
read_key(struct pass *s, struct scan_value *value)
{
    const char *start = s->p + 1;

    if (s->p == s->end || *s->p != '"' || !read_text(s)) return false;
    value->key = start;
    value->key_len = (size_t)(s->p - 1 - start);
    skip_space(s);
    if (!at_char(s, ':', ':')) return false;
    skip_space(s);
    return true;
}

/* Whether all that was asked for is there: the rest need not be read. */
static bool
is_enough(const struct pass *s)
{
    return s->plan && !s->plan->strict && s->left == 0;
}

/* The child that an entry is. Rows have their members in one order, and so has
 * a plan of all columns: mostly it is the one behind the last. */
static uint32_t
child_at(const struct scan_plan *plan, uint32_t node, uint32_t guess,
         const struct scan_value *value, uint32_t i)
{
    size_t len = value->key ? value->key_len : i;

    if (guess != NO_NODE && node_is(&plan->nodes[guess], value->key, len)) {
        return guess;
    }
    return child_of(plan, node, value->key, len);
}

/* Down a line as deep as SCAN_DEPTH_MAX: NOLINTBEGIN(misc-no-recursion) */
static enum co_err
read_entries(struct pass *s, uint32_t node, bool fetch, char close)
{
    bool object = close == '}', end;
    /* A strict plan knows all members down to its deepest paths. */
    bool strict = fetch && object && s->plan->strict &&
                  s->plan->nodes[node].child != NO_NODE;
    uint32_t guess = fetch ? s->plan->nodes[node].child : NO_NODE;

    for (uint32_t i = 0;; i++) {
        struct scan_value value = {.type = SCAN_MISSING};
        uint32_t child = NO_NODE;
        enum co_err err;

        if (!next_entry(s, close, i == 0, &end)) return CO_INVALID;
        if (end) return CO_OK;
        if (object && !read_key(s, &value)) return CO_INVALID;
        if (fetch) {
            child = child_at(s->plan, node, guess, &value, i);
            if (child != NO_NODE) guess = s->plan->nodes[child].next;
        }
        if (strict && child == NO_NODE) {
            s->p = value.key;
            return CO_MISMATCH;
        }
        err = read_value(s, child, &value);
        if (err || is_enough(s)) return err;
    }
}

/* Reads what node leads to; NO_NODE: nothing in there is asked for. The line
 * itself, node 0 too, is told by its depth. */
static enum co_err
read_container(struct pass *s, uint32_t node, char close)
{
    bool fetch = s->plan && (node != NO_NODE || s->depth == 0) &&
                 s->plan->nodes[node].child != NO_NODE;
    enum co_err err;

    if (s->depth == SCAN_DEPTH_MAX) return CO_INVALID;
    s->p++;
    s->depth++;
    err = read_entries(s, node, fetch, close);
    s->depth--;
    return err;
}

static void
keep(struct pass *s, uint32_t node, const struct scan_value *value)
{
    uint32_t slot = node == NO_NODE ? NO_SLOT : s->plan->nodes[node].slot;

    if (slot == NO_SLOT || s->values[slot].type != SCAN_MISSING) return;
    s->values[slot] = *value;
    s->left--;
}

static enum co_err
read_typed(struct pass *s, uint32_t node, struct scan_value *value)
{
    switch (*s->p) {
    case '"':
        value->type = SCAN_TEXT;
        return read_text(s) ? CO_OK : CO_INVALID;
    case '{':
        value->type = SCAN_OBJECT;
        return read_container(s, node, '}');
    case '[':
        value->type = SCAN_ARRAY;
        return read_container(s, node, ']');
    case 'n':
        value->type = SCAN_NULL;
        return read_word(s, "null") ? CO_OK : CO_INVALID;
    case 't':
        value->type = SCAN_TRUE;
        return read_word(s, "true") ? CO_OK : CO_INVALID;
    case 'f':
        value->type = SCAN_FALSE;
        return read_word(s, "false") ? CO_OK : CO_INVALID;
    default:
        value->type = SCAN_NUMBER;
        return read_number(s) ? CO_OK : CO_INVALID;
    }
}

static enum co_err
read_value(struct pass *s, uint32_t node, struct scan_value *value)
{
    enum co_err err;

    if (s->p == s->end) return CO_INVALID;
    value->at = s->p;
    err = read_typed(s, node, value);
    if (err) return err;
    value->len = (size_t)(s->p - value->at);
    if (node != NO_NODE) keep(s, node, value);
    return CO_OK;
}

/* NOLINTEND(misc-no-recursion) */

enum co_err
scan_row(const struct scan_plan *plan, const char *line, size_t len,
         struct scan_value *values, size_t *ret_at)
{
    struct pass s = {.plan = plan,
                     .values = values,
                     .p = line,
                     .end = line + len,
                     .left = plan->slots};
    struct scan_value whole = {.type = SCAN_MISSING};
    enum co_err err = CO_INVALID;

    for (uint32_t i = 0; i < plan->slots; i++) {
        values[i] = whole;
    }
    skip_space(&s);
    if (s.p < s.end && *s.p == '{') err = read_value(&s, NO_NODE, &whole);
    if (!err && !is_enough(&s)) {
        skip_space(&s);
        if (s.p != s.end) err = CO_INVALID;
    }
    if (err) *ret_at = (size_t)(s.p - line);
    return err;
}

/* ---- one value after the other ---- */

enum co_err
scan_value_of(const char *line, size_t len, struct scan_value *ret_value)
{
    struct pass s = {.p = line, .end = line + len};
    struct scan_value value = {.type = SCAN_MISSING};
    enum co_err err;

    skip_space(&s);
    err = read_value(&s, NO_NODE, &value);
    skip_space(&s);
    if (err || s.p != s.end) return CO_INVALID;
    *ret_value = value;
    return CO_OK;
}

void
scan_begin(struct scan_walk *walk, const struct scan_value *value)
{
    bool object = value->type == SCAN_OBJECT;

    *walk = (struct scan_walk){.first = true};
    if (!object && value->type != SCAN_ARRAY) return;
    walk->close = object ? '}' : ']';
    walk->p = value->at + 1;
    walk->end = value->at + value->len;
}

bool
scan_next(struct scan_walk *walk, struct scan_value *ret_value)
{
    struct pass s = {.p = walk->p, .end = walk->end, .depth = 1};
    struct scan_value value = {.type = SCAN_MISSING};
    bool end = false;

    if (!walk->close || walk->err) return false;
    walk->err = CO_INVALID;
    if (!next_entry(&s, walk->close, walk->first, &end)) return false;
    if (end) {
        walk->err = CO_OK;
        walk->close = 0;
        return false;
    }
    if (walk->close == '}' && !read_key(&s, &value)) return false;
    walk->err = read_value(&s, NO_NODE, &value);
    if (walk->err) return false;
    walk->first = false;
    walk->p = s.p;
    *ret_value = value;
    return true;
}

struct scan_value
scan_member(const struct scan_value *object, const char *name)
{
    struct scan_value value, none = {.type = SCAN_MISSING};
    struct scan_walk walk;
    size_t len = strlen(name);

    if (object->type != SCAN_OBJECT) return none;
    scan_begin(&walk, object);
    while (scan_next(&walk, &value)) {
        if (value.key_len == len && memcmp(value.key, name, len) == 0) {
            return value;
        }
    }
    return none;
}
