/* model_impl.h - reading sections, shared by model.c, model_home.c and
 * model_work.c. Private. */
#pragma once
#include "population/model.h"

#define MODEL_REBUILD                                                          \
    "install Cohort's data again, or rebuild it (data/README.md)"

/* What a section must look like for the loader to take it. */
struct want {
    const char *name;
    uint32_t element_bytes;
    const void **to;
    uint32_t *ret_count; /* may be NULL */
};

bool model_has_section(const struct model *m, const char *name);
/* Points *w->to into the file. CO_DAMAGED: absent, or of another shape. */
co_must_use enum co_err model_take_section(const char *path,
                                           struct co_diag *diag,
                                           const struct model *m,
                                           const struct want *w);
/* Takes a pool of texts; CO_DAMAGED likewise. */
co_must_use enum co_err model_take_pool(const char *path, struct co_diag *diag,
                                        const struct model *m, const char *name,
                                        struct model_pool *pool);
struct want_pool {
    const char *name;
    struct model_pool *pool;
};
/* The same for n of them; ends at the first that is refused. */
co_must_use enum co_err model_take_sections(const char *path,
                                            struct co_diag *diag,
                                            const struct model *m,
                                            const struct want *wants, size_t n);
co_must_use enum co_err model_take_pools(const char *path, struct co_diag *diag,
                                         const struct model *m,
                                         const struct want_pool *pools,
                                         size_t n);
/* model_home.c: everything of struct model_home and its pools, or nothing:
 * a model without the section mar.age has no homes. Wants the other pools and
 * tables of the model to be there. */
co_must_use enum co_err model_take_home(const char *path, struct co_diag *diag,
                                        struct model *m);
/* model_work.c: the same for struct model_work. */
co_must_use enum co_err model_take_work(const char *path, struct co_diag *diag,
                                        struct model *m);

/* Age groups cover 0..99 in order, without gap or overlap; bytes = 2 each. */
bool model_groups_good(struct model *m, uint32_t bytes);
/* model_world.c - all of a model whose places are countries. */
co_must_use enum co_err model_take_world(const char *path, struct co_diag *diag,
                                         struct model *m);
