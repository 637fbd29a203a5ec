/* written_pair.h - the written kind's world with two writers: in one arm, the
 * second as the fallback of the first, or as a test says. */
#pragma once
#include "written_world.h"

enum { MAIN, CHEAP, WRITERS };

struct pair {
    struct world f;
    struct writer by[WRITERS];
    struct writers table;
    struct written_writer known[WRITERS];
    uint64_t notices;
    char notice[1024]; /* the last one */
};

static inline void
pair_notice(void *self, const char *text)
{
    struct pair *p = self;

    assert_true(strlen(text) > 20);
    p->notices++;
    (void)snprintf(p->notice, sizeof p->notice, "%s", text);
}

/* Both cost what the world's model does; not started. */
static inline struct pair *
given_pair(uint64_t rows, bool builtin)
{
    static const char *const names[WRITERS] = {"main", "cheap"};
    struct pair *p = calloc(1, sizeof *p);

    assert_non_null(p);
    world_init(&p->f, rows, 1);
    for (unsigned i = 0; i < WRITERS; i++) {
        (void)snprintf(p->by[i].provider, sizeof p->by[i].provider, "%s",
                       names[i]);
        (void)snprintf(p->by[i].model, sizeof p->by[i].model, "m%u", i);
        p->table.v[i] = &p->by[i];
        p->known[i] = (struct written_writer){.provider = p->by[i].provider,
                                              .price = p->f.options.price};
        memcpy(p->known[i].stages, p->f.options.stages,
               sizeof p->known[i].stages);
    }
    p->table.n = WRITERS;
    p->table.n_arms = 1;
    p->table.arms[0] = (struct writers_arm){
        .share = 100, .n = WRITERS, .chain = {MAIN, CHEAP}, .builtin = builtin};
    p->f.options.table = &p->table;
    p->f.options.writers = p->known;
    p->f.options.notice = pair_notice;
    p->f.options.notice_self = p;
    return p;
}

static inline void
end(struct pair *p)
{
    world_fini(&p->f);
    free(p);
}

/* What the report says of arms. */
static inline const char *
arms_of(struct pair *p)
{
    static char text[8192];
    struct co_buf out;

    co_buf_init(&out, sizeof text);
    assert_true(written_arms(p->f.w, &out));
    (void)snprintf(text, sizeof text, "%s", co_buf_text(&out));
    co_buf_fini(&out);
    return text;
}

/* Of a job that is over: another life tells the same rows and figures. */
static inline void
assert_a_crash_changes_nothing(struct pair *p)
{
    static uint64_t before[WORLD_ROWS_MAX];
    char figures[8192];

    (void)snprintf(figures, sizeof figures, "%s", arms_of(p));
    memcpy(before, p->f.corpus, sizeof before);
    world_crash(&p->f);
    assert_string_equal(arms_of(p), figures);
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_memory_equal(before, p->f.corpus, sizeof before);
}
