/* condition.c - `where` conditions: names to sets of values. Messages name what
 * is allowed, because a person wrote the condition by hand. */
#include "population/sampler_impl.h"

#include "common/buf.h"

#include <stdlib.h>
#include <string.h>

/* Pools up to this size are listed whole in a message. */
/* What holds the text is nearer than HELD_MAX, the rest beyond. */
enum { LIST_MAX = 60, NEAR_MAX = 3, WORD_MAX = 48, HELD_MAX = 1024 };

static enum co_err
fail_attribute(const struct model *m, struct co_diag *diag, const char *name)
{
    struct co_buf list;
    enum co_err err;

    co_buf_init(&list, 4096);
    for (unsigned i = 0; i < ATTR_USER + m->users; i++) {
        if (!attribute_values(m, (enum attribute_id)i)) continue;
        co_buf_printf(&list, "%s%s", list.len ? ", " : "",
                      attribute_name(m, (enum attribute_id)i));
    }
    err = co_fail(diag, CO_INVALID,
                  "where: this population has no attribute \"%.60s\"; "
                  "allowed: %s",
                  name, co_buf_text(&list));
    co_buf_fini(&list);
    return err;
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Edit distance of two short words, case apart. */
static unsigned
distance(const char *a, size_t an, const char *b, size_t bn)
{
    unsigned row[WORD_MAX + 1];

    if (an > WORD_MAX) an = WORD_MAX;
    if (bn > WORD_MAX) bn = WORD_MAX;
    for (size_t j = 0; j <= bn; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= an; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= bn; j++) {
            unsigned up = row[j];
            unsigned change = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            unsigned step = (row[j - 1] < up ? row[j - 1] : up) + 1;

            row[j] = change < step ? change : step;
            diagonal = up;
        }
    }
    return row[bn];
}

/* Whether part stands in text, case apart. */
static bool
contains(struct model_text text, const char *part, size_t len)
{
    for (size_t at = 0; len && at + len <= text.len; at++) {
        size_t i = 0;

        while (i < len && lower(text.data[at + i]) == lower(part[i])) {
            i++;
        }
        if (i == len) return true;
    }
    return false;
}

/* How far text is from a value. What holds it whole comes first, the shortest
 * before all ("nurse" means nurses, not a tutor); a country goes by its name
 * too. */
static unsigned
far_from(const struct model *m, enum attribute_id id, uint32_t v,
         const char *text)
{
    size_t len = strlen(text);
    struct model_text t = attribute_label(m, id, v), name = t;
    unsigned by_label, by_name;

    if (id == ATTR_COUNTRY) name = model_text(&m->country_name, v);
    if (contains(name, text, len)) return (unsigned)name.len;
    by_label = distance(text, len, t.data, t.len);
    by_name = distance(text, len, name.data, name.len);
    return HELD_MAX + (by_name < by_label ? by_name : by_label);
}

/* Appends the labels nearest to text, best first. */
static void
list_near(const struct model *m, enum attribute_id id, const char *text,
          struct co_buf *out)
{
    uint32_t best[NEAR_MAX] = {0}, n = attribute_values(m, id);
    unsigned far[NEAR_MAX] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};

    for (uint32_t v = 0; v < n; v++) {
        unsigned d = far_from(m, id, v, text);
        int k = NEAR_MAX;

        while (k > 0 && far[k - 1] > d) {
            k--;
        }
        for (int j = NEAR_MAX - 1; j > k; j--) {
            far[j] = far[j - 1];
            best[j] = best[j - 1];
        }
        if (k == NEAR_MAX) continue;
        far[k] = d;
        best[k] = v;
    }
    for (int k = 0; k < NEAR_MAX && far[k] != UINT32_MAX; k++) {
        struct model_text t = id == ATTR_COUNTRY
                                  ? model_text(&m->country_name, best[k])
                                  : attribute_label(m, id, best[k]);

        co_buf_printf(out, "%s\"%.*s\"", k ? ", " : "", (int)t.len, t.data);
    }
}

enum co_err
condition_no_value(const struct model *m, enum attribute_id id, const char *key,
                   const char *text, struct co_diag *diag)
{
    uint32_t n = attribute_values(m, id);
    struct co_buf list;
    enum co_err err;

    if (n == 0) {
        return co_fail(diag, CO_INVALID, "%s: this population has no %s", key,
                       attribute_name(m, id));
    }
    co_buf_init(&list, 8192);
    if (n > LIST_MAX) list_near(m, id, text, &list);
    for (uint32_t v = 0; v < n && n <= LIST_MAX; v++) {
        struct model_text t = attribute_label(m, id, v);

        co_buf_printf(&list, "%s%.*s", v ? "; " : "", (int)t.len, t.data);
    }
    err = co_fail(diag, CO_INVALID, "%s: %s has no value \"%.60s\"; %s: %s",
                  key, attribute_name(m, id), text,
                  n > LIST_MAX ? "nearest" : "allowed", co_buf_text(&list));
    co_buf_fini(&list);
    return err;
}

static enum co_err
allow_values(const struct model *m, enum attribute_id id,
             const struct condition *c, uint8_t *here, struct co_diag *diag)
{
    uint32_t n = attribute_values(m, id);

    for (size_t i = 0; i < c->n_values; i++) {
        bool found = false;

        for (uint32_t v = 0; v < n; v++) {
            if (attribute_matches(m, id, v, c->values[i])) {
                here[v] = 1;
                found = true;
            }
        }
        if (!found) {
            return condition_no_value(m, id, "where", c->values[i], diag);
        }
    }
    return CO_OK;
}

static enum co_err
allow_range(uint32_t n, const char *name, const struct condition *c,
            uint8_t *here, struct co_diag *diag)
{
    int64_t low = c->has_min ? c->min : 0, high = c->has_max ? c->max : n - 1;

    if (low > high || high < 0 || low >= n) {
        return co_fail(diag, CO_INVALID,
                       "where: %s from %lld to %lld holds nothing; it runs "
                       "from 0 to %u",
                       name, (long long)low, (long long)high, n - 1);
    }
    for (int64_t v = low < 0 ? 0 : low; v <= high && v < n; v++) {
        here[v] = 1;
    }
    return CO_OK;
}

/* Fills here[value] with what one condition allows. */
static enum co_err
allow_one(const struct model *m, enum attribute_id id,
          const struct condition *c, uint8_t *here, struct co_diag *diag)
{
    const char *name = attribute_name(m, id);
    bool range = c->has_min || c->has_max;

    if (attribute_kind(id) == ATTR_INTEGER) {
        if (!range || c->n_values) {
            return co_fail(diag, CO_INVALID,
                           "where: %s is a number: give min and/or max", name);
        }
        return allow_range(attribute_values(m, id), name, c, here, diag);
    }
    if (range || !c->n_values) {
        return co_fail(diag, CO_INVALID,
                       "where: %s takes a list of at least one value, no min "
                       "or max",
                       name);
    }
    return allow_values(m, id, c, here, diag);
}

/* Intersects what a condition allows with the attribute's earlier ones. */
static enum co_err
add_limit(struct sampler *s, const struct condition *c, struct co_diag *diag)
{
    enum attribute_id id;
    struct limit *l;
    uint8_t *here;
    uint32_t n;
    enum co_err err;

    if (attribute_find_in(s->m, c->attribute, &id) ||
        !attribute_values(s->m, id)) {
        return fail_attribute(s->m, diag, c->attribute);
    }
    n = attribute_values(s->m, id);
    here = calloc(n, 1);
    if (!here) return co_fail(diag, CO_NOMEM, "no memory for conditions");
    err = allow_one(s->m, id, c, here, diag);
    if (err) {
        free(here);
        return err;
    }
    l = &s->limits[id];
    for (uint32_t v = 0; l->on && v < n; v++) {
        here[v] &= l->allowed[v];
    }
    free(l->allowed);
    *l = (struct limit){true, here, n};
    if ((unsigned)id >= ATTR_USER || !attribute_get(id)->root) {
        s->tested |= UINT64_C(1) << id;
    }
    return CO_OK;
}

enum co_err
condition_compile(struct sampler *s, const struct condition *c, size_t n,
                  struct co_diag *diag)
{
    for (size_t i = 0; i < n; i++) {
        enum co_err err = add_limit(s, &c[i], diag);

        if (err) return err;
    }
    return CO_OK;
}
