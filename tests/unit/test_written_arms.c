/* test_written_arms.c - what is told of arms: their money is the job's, and one
 * whose provider nobody serves says so. */
#include "written_pair.h"

#include "coordinator/chain.h"

#include <jansson.h>

static void
keep_notice(void *self, const char *text)
{
    struct pair *p = self;

    if (!strstr(text, "waits: ")) return; /* that it is away is told, too */
    (void)snprintf(p->notice, sizeof p->notice, "%s", text);
}

/* Two arms; that of main has cheap as its fallback. */
static struct pair *
given(uint64_t rows)
{
    struct pair *p = given_pair(rows, false);

    p->table.n_arms = 2;
    p->table.arms[0] = (struct writers_arm){
        .name = "long", .share = 60, .n = 2, .chain = {MAIN, CHEAP}};
    p->table.arms[1] = (struct writers_arm){
        .name = "short", .share = 40, .n = 1, .chain = {CHEAP}};
    p->f.options.notice = keep_notice;
    return p;
}

/* -- money ----------------------------------------------------------------- */

static int64_t
usd_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    int64_t usd = 0;

    if (text) assert_int_equal(price_usd_parse(text, &usd), CO_OK);
    return usd;
}

static void
add(const json_t *object, struct money_group *sum)
{
    sum->sums.settled += usd_of(object, "usd");
    sum->sums.unknown += usd_of(object, "unknown_usd");
    sum->sums.reserved += usd_of(object, "reserved_usd");
    sum->unknown +=
        (uint64_t)json_integer_value(json_object_get(object, "lost"));
}

/* Of all arms, and of all their writers. */
static void
read_arms(const struct pair *p, struct money_group *arms,
          struct money_group *writers)
{
    struct co_buf text;
    json_t *list;

    *arms = *writers = (struct money_group){.unknown = 0};
    co_buf_init(&text, 16384);
    assert_true(written_arms(p->f.w, &text));
    list = json_loads(co_buf_text(&text), 0, NULL);
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *arm = json_array_get(list, i);
        const json_t *by = json_object_get(arm, "writers");

        add(arm, arms);
        for (size_t k = 0; k < json_array_size(by); k++) {
            add(json_array_get(by, k), writers);
        }
    }
    json_decref(list);
    co_buf_fini(&text);
}

static void
assert_arms_are_the_job(const struct pair *p)
{
    const struct money_sums all = money_sums(written_money(p->f.w));
    struct money_group arms, writers;

    read_arms(p, &arms, &writers);
    assert_int_equal(arms.sums.settled, all.settled);
    assert_int_equal(arms.sums.unknown, all.unknown);
    assert_int_equal(arms.sums.reserved, all.reserved);
    assert_int_equal(arms.unknown, money_unknown(written_money(p->f.w)));
    assert_memory_equal(&arms, &writers, sizeof arms);
}

static void
the_money_of_all_arms_is_that_of_the_job_also_for_lost_calls(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct pair *p = given(200);
        struct world *f = &p->f;
        int64_t most = 0;

        f->random = co_mix64(seed);
        f->lose = 12;
        f->invalid = 6;
        world_start(f);
        for (unsigned i = 0; written_kind.done(f->w) == KIND_RUNNING; i++) {
            assert_true(i < 100000);
            world_step(f);
            most += money_sums(written_money(f->w)).unknown;
            if (i % 50 == 0) assert_arms_are_the_job(p);
            if (i % 997 == 996) {
                world_crash(f);
                assert_arms_are_the_job(p);
            }
        }
        assert_arms_are_the_job(p);
        assert_true(most > 0);
        end(p);
    }
}

/* -- arms that wait -------------------------------------------------------- */

static bool
why_says(const struct pair *p, const char *text)
{
    struct co_buf why;
    bool found;

    co_buf_init(&why, 1 << 16);
    written_kind.why(p->f.w, p->f.now_us, &why);
    found = strstr(co_buf_text(&why), text) != NULL;
    co_buf_fini(&why);
    return found;
}

/* All asks for cheap come back: no worker had them, or it cannot be called. */
static void
give_back(struct pair *p, uint32_t reason)
{
    const struct kind_return how = {.reason = reason,
                                    .waited = reason == RETURN_LIMIT};

    for (size_t i = p->f.n_out; i-- > 0;) {
        const char *to = written_kind.provider(p->f.w, p->f.out[i].task);

        if (strcmp(to, "cheap") != 0) continue;
        if (written_kind.returned(p->f.w, p->f.out[i].task, &how,
                                  p->f.now_us)) {
            world_drop(&p->f, i);
        } else {
            (void)world_publish(&p->f, &p->f.out[i]);
        }
    }
}

static void
an_arm_that_nobody_serves_is_named_with_what_to_do(void **state)
{
    static const char want[] =
        "arm short waits: provider cheap is served by no worker, and has no "
        "fallback. Start a worker whose file (--providers) has it";
    struct pair *p = given(100);

    (void)state;
    p->f.in_order = true;
    world_start(&p->f);
    for (unsigned i = 0; i < 3; i++) {
        world_turn(&p->f, 1000);
        world_commit_all(&p->f);
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_false(why_says(p, want));
        if (i == 3) assert_string_equal(p->notice, "");
        p->f.now_us += (int64_t)CHAIN_WAIT_MS * 1000;
        give_back(p, RETURN_LIMIT);
        if (why_says(p, want)) break;
    }
    assert_true(why_says(p, want));
    assert_non_null(strstr(p->notice, want));
    assert_non_null(strstr(p->notice, "give providers.cheap a fallback"));
    assert_false(why_says(p, "arm long waits"));
    assert_int_equal(world_run(&p->f, 0), KIND_DONE); /* a worker came */
    assert_false(why_says(p, "waits: provider"));
    end(p);
}

static void
an_arm_whose_provider_cannot_be_called_is_named_too(void **state)
{
    struct pair *p = given(100);

    (void)state;
    p->f.in_order = true;
    world_start(&p->f);
    for (unsigned i = 0; i < 3; i++) {
        world_turn(&p->f, 1000);
        world_commit_all(&p->f);
    }
    give_back(p, RETURN_AWAY);
    assert_true(why_says(p, "arm short waits: provider cheap cannot be called "
                            "now"));
    assert_int_equal(world_run(&p->f, 0), KIND_DONE);
    assert_false(why_says(p, "waits: provider"));
    end(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_money_of_all_arms_is_that_of_the_job_also_for_lost_calls),
        cmocka_unit_test(an_arm_that_nobody_serves_is_named_with_what_to_do),
        cmocka_unit_test(an_arm_whose_provider_cannot_be_called_is_named_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
