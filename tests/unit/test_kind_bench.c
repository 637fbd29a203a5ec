/* test_kind_bench.c - the benchmark's kind: distinct ids, each once. */
#include "tests/co_test.h"

#include "coordinator/kind_bench.h"

#include <string.h>

static struct bench *
given(uint64_t tasks, uint64_t rate)
{
    struct bench_options o = {.tasks = tasks, .rate = rate};
    struct bench *b;

    assert_int_equal(bench_new(&o, &b), CO_OK);
    return b;
}

static enum kind_take
take(struct bench *b, uint64_t task)
{
    uint8_t result[BENCH_RESULT_BYTES] = {0};

    memcpy(result, &task, 8); /* tests run on little-endian machines */
    return bench_kind.take(b, task, result, sizeof(result));
}

static void
place(struct bench *b, uint64_t task, int64_t now_us)
{
    struct kind_place at = {0};

    bench_kind.place(b, task, now_us, &at);
}

static void
every_id_is_given_out_once_and_counted_once(void **state)
{
    struct bench *b = given(200000, 0);
    struct kind_ledger l;
    uint64_t task;
    int64_t due;

    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        assert_int_equal(bench_kind.next(b, 0, &task, &due), KIND_NEXT_TASK);
        assert_int_equal(task, i << 8);
        assert_int_equal(take(b, task), KIND_ACCEPTED);
        assert_int_equal(take(b, task), KIND_DUPLICATE);
        place(b, task, 0);
        assert_int_equal(take(b, task), KIND_DUPLICATE);
    }
    assert_int_equal(bench_kind.next(b, 0, &task, &due), KIND_NEXT_OVER);
    assert_int_equal(bench_kind.done(b), KIND_DONE);
    bench_kind.ledger(b, &l);
    assert_true(kind_ledger_holds(&l) && l.pending == 0);
    assert_null(bench_kind.check(b));
    bench_free(b);
}

static void
the_span_of_undecided_ids_is_bounded(void **state)
{
    struct bench *b = given(1000000, 0);
    uint64_t task, n = 0;
    int64_t due;

    (void)state;
    while (bench_kind.next(b, 0, &task, &due) == KIND_NEXT_TASK) {
        n++;
    }
    assert_int_equal(n, KIND_UNDECIDED_MAX);
    assert_int_equal(bench_kind.next(b, 0, &task, &due), KIND_NEXT_UNDECIDED);
    assert_int_equal(take(b, 5 << 8), KIND_ACCEPTED);
    place(b, 5 << 8, 0); /* the oldest still holds the window */
    assert_int_equal(bench_kind.next(b, 0, &task, &due), KIND_NEXT_UNDECIDED);
    assert_int_equal(take(b, 0), KIND_ACCEPTED);
    place(b, 0, 0);
    assert_int_equal(bench_kind.next(b, 0, &task, &due), KIND_NEXT_TASK);
    assert_null(bench_kind.check(b));
    bench_free(b);
}

static void
a_result_must_start_with_its_task_id(void **state)
{
    struct bench *b = given(10, 0);
    uint8_t result[BENCH_RESULT_BYTES] = {0};

    (void)state;
    assert_int_equal(bench_kind.take(b, 1 << 8, result, 64), KIND_INVALID);
    assert_int_equal(bench_kind.take(b, 0, result, 63), KIND_INVALID);
    assert_int_equal(take(b, 10 << 8), KIND_INVALID);
    assert_int_equal(take(b, 9 << 8), KIND_ACCEPTED); /* of an earlier life */
    bench_free(b);
}

static void
the_rate_limit_says_when_to_come_again(void **state)
{
    struct bench *b = given(1000000, 1000);
    uint64_t task, n = 0;
    int64_t due = 0, now = 5000000;

    (void)state;
    for (int64_t end = now + 3000000; now < end;) {
        enum kind_next next = bench_kind.next(b, now, &task, &due);

        if (next == KIND_NEXT_TASK) {
            n++;
            continue;
        }
        assert_int_equal(next, KIND_NEXT_RATE);
        assert_true(due > now);
        now = due;
    }
    assert_in_range(n, 2990, 3010);
    bench_free(b);
}

static int64_t latency_us;

static void
on_latency(void *arg, int64_t us)
{
    (void)arg;
    latency_us = us;
}

static void
latency_runs_from_publishing_to_commit(void **state)
{
    struct bench_options o = {.tasks = 1, .latency = on_latency};
    struct bench *b;
    uint64_t task;
    int64_t due;

    (void)state;
    assert_int_equal(bench_new(&o, &b), CO_OK);
    assert_int_equal(bench_kind.next(b, 1000, &task, &due), KIND_NEXT_TASK);
    assert_int_equal(take(b, task), KIND_ACCEPTED);
    place(b, task, 1700);
    assert_int_equal(latency_us, 700);
    bench_free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_id_is_given_out_once_and_counted_once),
        cmocka_unit_test(the_span_of_undecided_ids_is_bounded),
        cmocka_unit_test(a_result_must_start_with_its_task_id),
        cmocka_unit_test(the_rate_limit_says_when_to_come_again),
        cmocka_unit_test(latency_runs_from_publishing_to_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
