/* test_written_ordinals.c - asks that come back unsent, as their provider is
 * away, again and again: a row has 200 ordinals, and they use up none. */
#include "written_world.h"

#include "coordinator/chain.h"

enum { MAIN, CHEAP, WRITERS };

struct pair {
    struct world f;
    struct writer by[WRITERS];
    struct writers table;
    struct written_writer known[WRITERS];
};

static struct pair *
given(uint64_t rows)
{
    struct pair *p = calloc(1, sizeof *p);

    assert_non_null(p);
    world_init(&p->f, rows, 1);
    p->f.in_order = true;
    for (unsigned i = 0; i < WRITERS; i++) {
        (void)snprintf(p->by[i].provider, sizeof p->by[i].provider, "%s",
                       i == MAIN ? "main" : "cheap");
        p->table.v[i] = &p->by[i];
        p->known[i] = (struct written_writer){.provider = p->by[i].provider,
                                              .price = p->f.options.price};
        memcpy(p->known[i].stages, p->f.options.stages,
               sizeof p->known[i].stages);
    }
    p->table.n = WRITERS;
    p->table.n_arms = 1;
    p->table.arms[0] = (struct writers_arm){
        .share = 100, .n = WRITERS, .chain = {MAIN, CHEAP}};
    p->f.options.table = &p->table;
    p->f.options.writers = p->known;
    return p;
}

static void
end(struct pair *p)
{
    world_fini(&p->f);
    free(p);
}

static void
publish(struct pair *p)
{
    for (unsigned i = 0; i < 4; i++) {
        world_turn(&p->f, 1000);
        world_commit_all(&p->f);
    }
}

/* All that is out comes back: its provider cannot be called. */
static uint64_t
storm(struct pair *p)
{
    const struct kind_return how = {.reason = RETURN_AWAY};
    uint64_t n = 0, task;

    for (size_t i = p->f.n_out; i-- > 0;) {
        if ((p->f.out[i].task & 0xff) < ASK_STEP) continue;
        n++;
        if (written_kind.returned(p->f.w, p->f.out[i].task, &how,
                                  p->f.now_us)) {
            world_drop(&p->f, i);
        } else {
            (void)world_publish(&p->f, &p->f.out[i]);
        }
    }
    while (written_kind.recall(p->f.w, &task)) {
    }
    world_check(&p->f);
    return n;
}

/* Both are away, and tried again, hundreds of times. */
static void
an_ask_that_was_not_sent_uses_no_ordinal_up(void **state)
{
    struct pair *p = given(4);
    uint64_t returned = 0;

    (void)state;
    world_start(&p->f);
    for (unsigned i = 0; i < 1200; i++) {
        publish(p);
        returned += storm(p);
        p->f.now_us += CHAIN_AWAY_MAX_US;
        if (i % 100 < 99) continue;
        written_kind.stopping(p->f.w);
        world_commit_all(&p->f);
        world_take_notes(&p->f);
        world_next_life(&p->f);
    }
    assert_true(returned > UINT64_C(4) * ASK_MAX);
    assert_int_equal(p->f.asked, 0);
    assert_int_equal(written_counters(p->f.w)->rows_dead, 0);
    assert_int_equal(money_sums(written_money(p->f.w)).unknown, 0);
    p->f.now_us += CHAIN_AWAY_MAX_US;
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_int_equal(p->f.asked, 8);
    assert_int_equal(written_counters(p->f.w)->rows_done, 4);
    end(p);
}

/* Until the record is there a crash may still find the ask open. */
static void
the_ordinal_is_free_only_when_a_record_says_so(void **state)
{
    struct pair *p = given(1);
    uint64_t task;

    (void)state;
    world_start(&p->f);
    publish(p);
    assert_int_equal(p->f.n_out, 1);
    task = p->f.out[0].task;
    assert_int_equal(storm(p), 1);
    world_turn(&p->f, 1000); /* the record is made, and nothing asked */
    assert_int_equal(p->f.n_out, 0);
    world_crash(&p->f);
    assert_int_equal(money_open(written_money(p->f.w)), 1);
    assert_true(written_kind.adopt(p->f.w, task));
    end(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ask_that_was_not_sent_uses_no_ordinal_up),
        cmocka_unit_test(the_ordinal_is_free_only_when_a_record_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
