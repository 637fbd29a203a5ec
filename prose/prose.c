/* prose.c - see prose.h. Which lists make the columns, and for whom. */
#include "prose/prose.h"

#include "common/hash.h"
#include "population/locate.h"

#include <stdlib.h>
#include <string.h>

enum { NO_LIST = UINT32_MAX };

struct prose {
    const struct model *m;
    struct phrase_set *shipped;
    struct grammar *g;
    struct tags_model tags;
    uint32_t text[TEXT_COUNT];  /* lists */
    uint32_t picks[TEXT_COUNT]; /* of the arrays */
};

static uint32_t
find(const struct grammar *g, const char *name)
{
    uint32_t list;

    if (!name || grammar_find(g, name, strlen(name), &list)) return NO_LIST;
    return list;
}

static void
find_lists(struct prose *prose)
{
    for (unsigned i = 0; i < TEXT_COUNT; i++) {
        const struct text_column_info *info = text_column((enum text_column)i);

        prose->text[i] = find(prose->g, info->name);
        prose->picks[i] = find(prose->g, info->picks);
    }
}

/* shipped: NULL in an extension, which needs its texts only now. */
static enum co_err
make(const struct model *m, const struct phrase_set *shipped,
     const struct phrase_set *extra, struct co_diag *diag,
     struct prose **ret_prose)
{
    co_auto(prose_freep) struct prose *prose = calloc(1, sizeof *prose);
    enum co_err err;

    if (!prose) return co_fail(diag, CO_NOMEM, "no memory for phrases");
    prose->m = m;
    err = grammar_new(shipped, extra, diag, &prose->g);
    if (err) return err;
    err = tags_model_init(&prose->tags, m);
    if (err) return co_fail(diag, err, "no memory for phrases");
    find_lists(prose);
    *ret_prose = co_take(&prose);
    return CO_OK;
}

enum co_err
prose_new(const struct model *m, struct phrase_set **shipped,
          const struct phrase_set *extra, struct co_diag *diag,
          struct prose **ret_prose)
{
    co_auto(phrase_set_freep) struct phrase_set *set = co_take(shipped);
    struct prose *prose = NULL;
    enum co_err err = make(m, set, extra, diag, &prose);

    if (err) return err;
    prose->shipped = co_take(&set);
    *ret_prose = prose;
    return CO_OK;
}

enum co_err
prose_open(const struct model *m, const char *data_dir, struct co_diag *diag,
           struct prose **ret_prose)
{
    co_auto(phrase_set_freep) struct phrase_set *set = NULL;
    char path[LOCATE_PATH_BYTES];
    enum co_err err = phrases_locate(data_dir, path, diag);

    if (err) return err;
    if (phrase_set_new(&set)) {
        return co_fail(diag, CO_NOMEM, "no memory for phrases");
    }
    err = phrase_set_read(set, path, diag);
    return err ? err : prose_new(m, &set, NULL, diag, ret_prose);
}

enum co_err
prose_extend(const struct prose *base, const struct phrase_set *extra,
             struct co_diag *diag, struct prose **ret_prose)
{
    co_assert(base->shipped);
    return make(base->m, base->shipped, extra, diag, ret_prose);
}

void
prose_free(struct prose *prose)
{
    if (!prose) return;
    tags_model_fini(&prose->tags);
    grammar_free(prose->g);
    phrase_set_free(prose->shipped);
    free(prose);
}

uint64_t
prose_hash(const struct prose *prose)
{
    co_assert(prose->shipped);
    return phrase_set_hash(prose->shipped);
}

const struct grammar *
prose_grammar(const struct prose *prose)
{
    return prose->g;
}

void
prose_tags(const struct prose *prose, const struct person *p, struct tags *ret)
{
    tags_of(&prose->tags, p, ret);
}

void
prose_begin(const struct prose *prose, const struct person *p, uint64_t bits,
            struct grammar_person *gp)
{
    grammar_begin(gp, prose->g, prose->m, p, bits);
    tags_of(&prose->tags, p, &gp->tags);
}

char *
prose_text(const struct prose *prose, struct grammar_person *gp,
           enum text_column column, char *to)
{
    if (gp->p->age < text_column(column)->from_age ||
        prose->text[column] == NO_LIST) {
        return NULL;
    }
    return grammar_write(gp, prose->text[column], column, to);
}

char *
prose_array(const struct prose *prose, struct grammar_person *gp,
            enum text_column column, char *to)
{
    uint64_t bits = co_mix64(gp->key + column + 1);
    uint32_t n = TEXT_PICKS_MIN +
                 (uint32_t)(bits % (TEXT_PICKS_MAX - TEXT_PICKS_MIN + 1));

    if (gp->p->age < text_column(column)->from_age ||
        prose->picks[column] == NO_LIST) {
        return NULL;
    }
    for (uint32_t k = 1; k <= n; k++) {
        *to++ = k == 1 ? '[' : ',';
        *to++ = '"';
        to = grammar_write_pick(gp, prose->picks[column], k, to);
        *to++ = '"';
    }
    *to++ = ']';
    return to;
}
