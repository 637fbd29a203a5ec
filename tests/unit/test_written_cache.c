/* test_written_cache.c - answers that an earlier job paid for: they are taken
 * in place of asks, cost nothing, and rows are what the journal says, whatever
 * the cache has. */
#include "written_world.h"

/* A cache in memory, by row and stage. */
struct shelf {
    struct {
        uint8_t *content;
        uint32_t len;
        uint64_t input; /* hash of the answer before */
    } v[WORLD_ROWS_MAX][ASK_STAGES];
    uint64_t hits, kept;
    bool closed; /* finds nothing */
};

static bool
shelf_find(void *self, uint64_t row, enum ask_stage stage, const uint8_t *input,
           uint32_t input_len, struct co_buf *out)
{
    struct shelf *s = self;

    if (s->closed || !s->v[row][stage].content ||
        s->v[row][stage].input != co_hash64(input, input_len, 0)) {
        return false;
    }
    co_buf_append(out, s->v[row][stage].content, s->v[row][stage].len);
    s->hits++;
    return true;
}

static void
shelf_keep(void *self, uint64_t row, enum ask_stage stage, const uint8_t *input,
           uint32_t input_len, const uint8_t *content, uint32_t len)
{
    struct shelf *s = self;

    assert_true((input_len > 0) == (stage > 0));
    if (s->v[row][stage].content) return;
    s->v[row][stage].content = malloc(len);
    assert_non_null(s->v[row][stage].content);
    memcpy(s->v[row][stage].content, content, len);
    s->v[row][stage].len = len;
    s->v[row][stage].input = co_hash64(input, input_len, 0);
    s->kept++;
}

static struct shelf *
shelf_new(void)
{
    struct shelf *s = calloc(1, sizeof *s);

    assert_non_null(s);
    return s;
}

static void
shelf_free(struct shelf *s)
{
    for (unsigned row = 0; row < WORLD_ROWS_MAX; row++) {
        for (unsigned stage = 0; stage < ASK_STAGES; stage++) {
            free(s->v[row][stage].content);
        }
    }
    free(s);
}

static void
prepare(struct world *f, uint64_t rows, uint64_t seed, struct shelf *s)
{
    world_init(f, rows, seed);
    f->options.kept = shelf_find;
    f->options.keep = shelf_keep;
    f->options.cache = s;
}

/* Runs a job of that many rows that pays for what the shelf does not have. */
static void
fill(struct shelf *s, uint64_t rows, uint64_t seed)
{
    struct world f;

    prepare(&f, rows, seed, s);
    f.invalid = 5;
    f.lose = 20;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    world_fini(&f);
}

static void
a_job_that_was_paid_for_before_asks_nothing_and_costs_nothing(void **state)
{
    struct shelf *s = shelf_new();
    struct kind_money money;
    struct world f;

    (void)state;
    fill(s, 300, 1);
    assert_true(s->kept >= 600);
    s->hits = 0;
    prepare(&f, 300, 2, s);
    f.in_order = true;
    f.options.cap = INT64_C(1000000000);
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 300);
    assert_int_equal(f.asked, 0); /* mended ones are found at once */
    written_kind.money(f.w, &money);
    assert_int_equal(money.cached_calls, 600);
    assert_int_equal(s->hits, 600);
    assert_int_equal(money.calls, 0);
    assert_int_equal(money.settled + money.unknown + money.reserved, 0);
    world_fini(&f);
    shelf_free(s);
}

static void
only_what_is_missing_is_asked_for(void **state)
{
    struct shelf *s = shelf_new();
    struct world f;

    (void)state;
    fill(s, 100, 3);
    s->hits = 0;
    prepare(&f, 160, 4, s);
    f.in_order = true;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_true(f.asked > 0);
    assert_int_equal(f.asked + s->hits, 320);
    world_fini(&f);
    shelf_free(s);
}

/* Crashes at any point, lost and late answers, and a cache that changes between
 * two lives: what was committed stays as it was, all rows come, and the
 * invariants of world_check() hold. */
static void
crashes_lose_no_answer_from_the_cache_and_ask_for_none_again(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct shelf *s = shelf_new();
        struct world f;

        fill(s, 150, seed + 100);
        prepare(&f, 260, seed, s);
        f.lose = seed % 2 ? 20 : 0;
        f.invalid = 7;
        f.dead = seed % 3 ? 17 : 0;
        world_start(&f);
        assert_int_equal(world_run(&f, 3), KIND_DONE);
        assert_int_equal(world_ledger(&f).accepted, 260);
        for (uint64_t row = 0; row < 250 && !f.dead; row++) {
            assert_true(f.corpus[row] != 0);
        }
        world_fini(&f);
        shelf_free(s);
    }
}

static void
a_row_is_what_the_journal_says_when_the_cache_is_gone(void **state)
{
    struct shelf *s = shelf_new();
    struct world f;
    uint64_t done;

    (void)state;
    fill(s, 200, 7);
    prepare(&f, 200, 8, s);
    f.in_order = true;
    world_start(&f);
    while (written_counters(f.w)->rows_done < 50) {
        world_step_in_order(&f);
    }
    world_commit_all(&f);
    done = written_counters(f.w)->cached;
    s->closed = true;
    world_crash(&f);
    assert_true(written_counters(f.w)->cached >= done);
    done = written_counters(f.w)->cached;
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 400 - done);
    world_fini(&f);
    shelf_free(s);
}

static void
what_is_no_answer_of_that_stage_is_not_taken(void **state)
{
    struct shelf *s = shelf_new();
    struct world f;

    (void)state;
    fill(s, 20, 9);
    /* one is cut short, one is another stage's */
    s->v[3][ASK_BACKGROUND].len /= 2;
    free(s->v[5][ASK_BACKGROUND].content);
    s->v[5][ASK_BACKGROUND] = s->v[5][ASK_PERSONAS];
    s->v[5][ASK_BACKGROUND].input = co_hash64(NULL, 0, 0);
    s->v[5][ASK_PERSONAS].content = NULL;
    prepare(&f, 20, 10, s);
    f.in_order = true;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 3);
    assert_int_equal(written_counters(f.w)->cached, 37);
    world_fini(&f);
    shelf_free(s);
}

static void
an_answer_that_says_what_it_cost_is_not_taken(void **state)
{
    struct shelf *s = shelf_new();
    struct ask_result r;
    struct co_buf record;
    struct world f;

    (void)state;
    fill(s, 20, 11);
    assert_true(ask_get_result(s->v[4][ASK_BACKGROUND].content,
                               s->v[4][ASK_BACKGROUND].len, &r));
    r.has_usage = true;
    r.input = r.output = 5;
    co_buf_init(&record, 4096);
    ask_put_result(&r, &record);
    assert_int_equal(record.err, CO_OK);
    free(s->v[4][ASK_BACKGROUND].content);
    s->v[4][ASK_BACKGROUND].len = (uint32_t)record.len;
    s->v[4][ASK_BACKGROUND].content = record.data;
    prepare(&f, 20, 12, s);
    f.in_order = true;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(f.asked, 1);
    assert_int_equal(written_counters(f.w)->cached, 39);
    world_fini(&f);
    shelf_free(s);
}

/* A row's later stages are set aside while its first answer is on its way to
 * the disk, also when it comes from the cache; then there is room for others.
 */
static void
a_cap_for_a_few_rows_holds_back_none_that_was_paid_for_before(void **state)
{
    const int64_t ask = WORLD_INPUT_MAX * 3 + WORLD_OUTPUT_MAX * 10 + 1000,
                  row = 2 * ask + INT64_C(3) * ASK_ANSWER_MAX;
    struct shelf *s = shelf_new();
    struct world f;

    (void)state;
    fill(s, 100, 13);
    prepare(&f, 100, 14, s);
    f.in_order = true;
    f.options.cap = 3 * row;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_DONE);
    assert_int_equal(world_ledger(&f).accepted, 100);
    assert_int_equal(f.asked, 0);
    world_fini(&f);
    shelf_free(s);
}

/* The last rows are not in the cache: they end the job. */
static void
rows_that_were_paid_for_are_taken_when_there_is_money_for_none(void **state)
{
    const int64_t ask = WORLD_INPUT_MAX * 3 + WORLD_OUTPUT_MAX * 10 + 1000;
    struct shelf *s = shelf_new();
    struct world f;

    (void)state;
    fill(s, 100, 15);
    prepare(&f, 110, 16, s);
    f.in_order = true;
    f.options.cap = ask;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_int_equal(world_ledger(&f).accepted, 100);
    assert_int_equal(f.asked, 0);
    world_fini(&f);
    shelf_free(s);
}

/* A row of which only the first answer is in the cache would need money. */
static void
a_row_that_is_paid_for_in_part_is_not_begun_without_money(void **state)
{
    struct shelf *s = shelf_new();
    struct world f;

    (void)state;
    fill(s, 20, 17);
    free(s->v[12][ASK_PERSONAS].content);
    s->v[12][ASK_PERSONAS].content = NULL;
    prepare(&f, 20, 18, s);
    f.in_order = true;
    f.options.cap = 1;
    world_start(&f);
    assert_int_equal(world_run(&f, 0), KIND_PARTIAL);
    assert_int_equal(world_ledger(&f).accepted, 12);
    assert_int_equal(written_counters(f.w)->rows_begun, 12);
    assert_int_equal(f.asked, 0);
    world_fini(&f);
    shelf_free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_job_that_was_paid_for_before_asks_nothing_and_costs_nothing),
        cmocka_unit_test(only_what_is_missing_is_asked_for),
        cmocka_unit_test(
            crashes_lose_no_answer_from_the_cache_and_ask_for_none_again),
        cmocka_unit_test(a_row_is_what_the_journal_says_when_the_cache_is_gone),
        cmocka_unit_test(what_is_no_answer_of_that_stage_is_not_taken),
        cmocka_unit_test(an_answer_that_says_what_it_cost_is_not_taken),
        cmocka_unit_test(
            a_cap_for_a_few_rows_holds_back_none_that_was_paid_for_before),
        cmocka_unit_test(
            rows_that_were_paid_for_are_taken_when_there_is_money_for_none),
        cmocka_unit_test(
            a_row_that_is_paid_for_in_part_is_not_begun_without_money),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
