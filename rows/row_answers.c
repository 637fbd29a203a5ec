/* row_answers.c - see row_answers.h. */
#include "rows/row_answers.h"

#include "llm/pull.h"
#include "proto/walk.h"

#include <string.h>

enum { PARTS = ASK_STAGES + 1, MEMBERS_MAX = 16 };

/* Names that a member may have: those of the built-in ones would be twice. */
static bool
good_name(const struct pull_slice *key)
{
    static const char *const taken[] = {"row", "seed", "recipe_hash", "draw"};

    for (size_t i = 0; i < co_countof(taken); i++) {
        if (pull_is(key, taken[i])) return false;
    }
    for (size_t i = 0; i < key->len; i++) {
        if ((key->at[i] < 'a' || key->at[i] > 'z') && key->at[i] != '_') {
            return false;
        }
    }
    return key->len > 0;
}

static bool
seen(const struct pull_slice *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (names[i].len == names[n].len &&
            memcmp(names[i].at, names[n].at, names[n].len) == 0) {
            return true;
        }
    }
    return false;
}

/* A text, a count or a truth; *ret_bytes of it. */
static bool
good_value(struct pull *p, size_t *ret_bytes)
{
    const enum pull_type type = pull_peek(p); /* and behind any blanks */
    const uint8_t *start = p->p;

    if (type == PULL_ARRAY || type == PULL_OBJECT) return false;
    pull_skip(p);
    *ret_bytes = (size_t)(p->p - start);
    return p->p > start;
}

/* Members as they stand in a row: compact, each name once. What follows the
 * last is a closing brace that the caller put there. */
static bool
good_members(const char *json, size_t len)
{
    struct pull_slice names[MEMBERS_MAX];
    size_t bytes = 1, value = 0; /* as they would be without blanks */
    unsigned n = 0;
    struct pull p;

    pull_init(&p, json, len);
    if (!pull_enter(&p, PULL_OBJECT)) return false;
    while (n < MEMBERS_MAX && pull_key(&p, &names[n])) {
        if (!good_name(&names[n]) || seen(names, n)) return false;
        if (!good_value(&p, &value)) return false;
        bytes += names[n].len + sizeof "\"\":," - 1 + value;
        n++;
    }
    return n > 0 && n < MEMBERS_MAX && pull_end(&p) && bytes == len;
}

static bool
good_provenance(const struct row_answers *a)
{
    char json[ROW_PROVENANCE_MAX + 2];

    if (a->provenance_len > ROW_PROVENANCE_MAX) return false;
    json[0] = '{';
    memcpy(json + 1, a->provenance, a->provenance_len);
    json[a->provenance_len + 1] = '}';
    return good_members(json, a->provenance_len + 2);
}

static bool
read_one(struct walk *w, struct row_answers *a)
{
    const uint32_t parts = walk_array(w);

    if (w->bad || (parts != PARTS && parts != 1)) return false;
    a->built_in = parts == 1;
    for (unsigned i = 0; i < ASK_STAGES && !a->built_in; i++) {
        a->json[i] = (const char *)walk_bin(w, &a->len[i]);
        if (w->bad || a->len[i] == 0 || a->len[i] > ASK_ANSWER_MAX) {
            return false;
        }
    }
    a->provenance = (const char *)walk_bin(w, &a->provenance_len);
    return !w->bad && good_provenance(a);
}

enum co_err
row_answers_read(const uint8_t *msgpack, size_t len, struct row_answers *ret,
                 uint32_t count)
{
    enum { NIL = 0xc0 };
    struct walk w = walk_start(msgpack, len);

    if (walk_array(&w) != count || w.bad) return CO_PROTOCOL;
    for (uint32_t i = 0; i < count; i++) {
        ret[i] = (struct row_answers){.len = {0}};
        if (w.at < w.end && *w.at == NIL) {
            walk_skip(&w);
        } else if (!read_one(&w, &ret[i])) {
            return CO_PROTOCOL;
        }
    }
    return walk_done(&w) ? CO_OK : CO_PROTOCOL;
}

enum co_err
row_answers_check(const struct row_answers *a, uint32_t age,
                  struct co_buf *scratch)
{
    for (unsigned i = 0; i < ASK_STAGES && !a->built_in; i++) {
        enum co_err err;

        co_buf_clear(scratch);
        err = shape_check(shape_of((enum ask_stage)i), age, a->json[i],
                          a->len[i], scratch, NULL);
        if (err == CO_NOMEM || scratch->err) return CO_NOMEM;
        if (err || scratch->len != a->len[i] ||
            memcmp(scratch->data, a->json[i], a->len[i]) != 0) {
            return CO_PROTOCOL;
        }
    }
    return CO_OK;
}
