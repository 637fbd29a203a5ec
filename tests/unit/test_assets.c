/* test_assets.c - recipes are fetched in pieces, checked, and kept. */
#include "common/hash.h"
#include "tests/co_test.h"
#include "worker/assets.h"

#include <stdlib.h>
#include <string.h>

enum { WORKER = 77, JOB = 5, LINK = 1, SECOND = 1000000 };

struct fixture {
    struct assets *a;
    struct outbox out;
    struct msg_reader reader;
    int64_t now;
};

static int
setup(void **state)
{
    const struct assets_limits limits = {
        .fetches_max = 2, .blob_max = 3 << 20, .cache_max = 3 << 20};
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    outbox_init(&f->out);
    assert_int_equal(assets_new(WORKER, &limits, &f->a), CO_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    assets_free(f->a);
    outbox_fini(&f->out);
    free(f);
    return 0;
}

/* The only message of that type that was said, if any. */
static bool
said(struct fixture *f, enum msg_type type, struct msg *ret)
{
    for (size_t i = 0; i < f->out.n; i++) {
        struct co_bytes head = f->out.v[i].head;

        assert_int_equal(f->out.v[i].peer, LINK);
        assert_int_equal(msg_decode(&f->reader, head.data, head.len, ret),
                         CO_OK);
        if (ret->type == type) return true;
    }
    return false;
}

static enum co_err
want(struct fixture *f, uint64_t hash)
{
    outbox_clear(&f->out);
    return assets_want(f->a, hash, JOB, LINK, f->now, &f->out);
}

static enum co_err
give(struct fixture *f, uint64_t hash, uint64_t offset, const void *data,
     size_t len, uint64_t total)
{
    const struct msg_blob b = {.job = JOB,
                               .hash = hash,
                               .worker = WORKER,
                               .offset = offset,
                               .total = total};

    outbox_clear(&f->out);
    return assets_on_blob(f->a, &b, co_bytes_borrow(data, len), f->now,
                          &f->out);
}

/* A blob of len bytes that nobody else has, and its name. */
static uint8_t *
blob_of(size_t len, uint8_t letter, uint64_t *ret_hash)
{
    uint8_t *data = malloc(len);

    assert_non_null(data);
    memset(data, letter, len);
    *ret_hash = co_hash64(data, len, 0);
    return data;
}

static void
given_blob(struct fixture *f, size_t len, uint8_t letter, uint64_t *ret_hash)
{
    uint8_t *data = blob_of(len, letter, ret_hash);
    enum co_err err = want(f, *ret_hash);

    for (size_t at = 0; !err && at < len; at += BLOB_PIECE_MAX) {
        size_t n = len - at < BLOB_PIECE_MAX ? len - at : BLOB_PIECE_MAX;

        err = give(f, *ret_hash, at, data + at, n, len);
        if (err == CO_AGAIN) err = CO_OK;
    }
    assert_int_equal(err, CO_OK);
    free(data);
}

static void
a_blob_is_announced_and_asked_for_piece_by_piece(void **state)
{
    struct fixture *f = *state;
    const size_t len = BLOB_PIECE_MAX + 10;
    uint64_t hash;
    uint8_t *data = blob_of(len, 'x', &hash);
    struct co_bytes got;
    struct msg m;

    assert_int_equal(want(f, hash), CO_OK);
    assert_true(said(f, MSG_need, &m));
    assert_int_equal(m.need.worker, WORKER);
    assert_true(said(f, MSG_blob_get, &m));
    assert_int_equal(m.blob_get.len, BLOB_PIECE_MAX);
    assert_int_equal(give(f, hash, 0, data, BLOB_PIECE_MAX, len), CO_AGAIN);
    assert_true(said(f, MSG_blob_get, &m));
    assert_int_equal(m.blob_get.offset, BLOB_PIECE_MAX);
    assert_int_equal(m.blob_get.len, 10);
    assert_int_equal(assets_state(f->a, hash), ASSET_FETCHING);
    assert_false(assets_get(f->a, hash, &got));
    assert_int_equal(give(f, hash, BLOB_PIECE_MAX, data, 10, len), CO_OK);
    assert_true(assets_get(f->a, hash, &got));
    assert_memory_equal(got.data, data, len);
    co_bytes_unref(&got);
    free(data);
}

static void
a_blob_that_is_on_its_way_is_not_asked_for_twice(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(f->out.n, 0);
}

static void
wrong_content_is_thrown_away(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(give(f, 9, 0, "abc", 3, 3), CO_DAMAGED);
    assert_int_equal(assets_state(f->a, 9), ASSET_ABSENT);
    assert_int_equal(assets_counts(f->a)->wrong_hash, 1);
    assert_int_equal(want(f, 9), CO_OK); /* and may be tried again */
    assert_int_equal(f->out.n, 2);
}

static void
an_owner_that_has_none_ends_the_fetch(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(give(f, 9, 0, NULL, 0, 0), CO_NOTFOUND);
    assert_int_equal(assets_state(f->a, 9), ASSET_ABSENT);
}

static void
pieces_that_nobody_asked_for_are_ignored(void **state)
{
    struct fixture *f = *state;
    const struct msg_blob foreign = {
        .job = JOB, .hash = 9, .worker = WORKER + 1, .total = 3};

    assert_int_equal(give(f, 9, 0, "abc", 3, 3), CO_STATE);
    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(assets_on_blob(f->a, &foreign, co_bytes_borrow("abc", 3),
                                    f->now, &f->out),
                     CO_STATE);
    assert_int_equal(assets_counts(f->a)->unasked, 2);
}

static void
a_piece_that_comes_twice_is_ignored(void **state)
{
    struct fixture *f = *state;
    uint64_t hash = co_hash64("abcdef", 6, 0);

    assert_int_equal(want(f, hash), CO_OK);
    assert_int_equal(give(f, hash, 0, "abc", 3, 6), CO_AGAIN);
    assert_int_equal(give(f, hash, 0, "abc", 3, 6), CO_STATE);
    assert_int_equal(give(f, hash, 3, "def", 3, 6), CO_OK);
}

static void
pieces_that_do_not_fit_end_the_fetch(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(give(f, 9, 1, "abc", 3, 9), CO_PROTOCOL); /* a gap */
    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(give(f, 9, 0, "abc", 3, 2), CO_PROTOCOL); /* too long */
    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(give(f, 9, 0, "abc", 3, 9), CO_AGAIN);
    assert_int_equal(give(f, 9, 3, "abc", 3, 8), CO_PROTOCOL); /* shrank */
    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(give(f, 9, 0, NULL, 0, 9), CO_PROTOCOL); /* no progress */
}

static void
a_blob_larger_than_the_limit_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(give(f, 9, 0, "abc", 3, UINT64_MAX), CO_FULL);
}

static void
fetches_at_once_are_bounded(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(want(f, 1), CO_OK);
    assert_int_equal(want(f, 2), CO_OK);
    assert_int_equal(want(f, 3), CO_FULL);
}

static void
silence_for_two_seconds_asks_again(void **state)
{
    struct fixture *f = *state;
    struct msg m;

    assert_int_equal(want(f, 9), CO_OK);
    assert_int_equal(give(f, 9, 0, "abc", 3, 9), CO_AGAIN);
    outbox_clear(&f->out);
    f->now = 2 * SECOND - 1;
    assets_tick(f->a, 1 << LINK, f->now, &f->out);
    assert_int_equal(f->out.n, 0);
    f->now = 2ll * SECOND;
    assets_tick(f->a, 1 << LINK, f->now, &f->out);
    assert_true(said(f, MSG_blob_get, &m));
    assert_int_equal(m.blob_get.offset, 3); /* from where it stopped */
}

/* The broker that named the recipe never comes back. */
static void
another_broker_is_asked_when_the_first_is_silent(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(want(f, 9), CO_OK);
    outbox_clear(&f->out);
    f->now = 2ll * SECOND;
    assets_tick(f->a, 1 << 3 | 1 << 5, f->now, &f->out);
    assert_int_equal(f->out.v[0].peer, 3);
    outbox_clear(&f->out);
    f->now = 4ll * SECOND;
    assets_tick(f->a, 1 << 3 | 1 << 5, f->now, &f->out);
    assert_int_equal(f->out.v[0].peer, 5);
    outbox_clear(&f->out);
    f->now = 6ll * SECOND;
    assets_tick(f->a, 0, f->now, &f->out); /* nobody is there */
    assert_int_equal(f->out.v[0].peer, 5);
}

static void
the_least_used_is_evicted_but_not_from_its_users(void **state)
{
    struct fixture *f = *state;
    uint64_t one, two, three;
    struct co_bytes used;

    given_blob(f, 1 << 20, 'a', &one);
    given_blob(f, 1 << 20, 'b', &two);
    assert_true(assets_get(f->a, two, &used));
    co_bytes_unref(&used);
    assert_true(assets_get(f->a, one, &used)); /* used last */
    given_blob(f, 3 << 19, 'c', &three);
    assert_int_equal(assets_state(f->a, two), ASSET_ABSENT);
    assert_int_equal(assets_state(f->a, one), ASSET_READY);
    given_blob(f, 3 << 20, 'd', &three);
    assert_int_equal(assets_state(f->a, one), ASSET_ABSENT);
    assert_int_equal(used.data[100], 'a');
    co_bytes_unref(&used);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_blob_is_announced_and_asked_for_piece_by_piece),
        T(a_blob_that_is_on_its_way_is_not_asked_for_twice),
        T(wrong_content_is_thrown_away),
        T(an_owner_that_has_none_ends_the_fetch),
        T(pieces_that_nobody_asked_for_are_ignored),
        T(a_piece_that_comes_twice_is_ignored),
        T(pieces_that_do_not_fit_end_the_fetch),
        T(a_blob_larger_than_the_limit_is_refused),
        T(fetches_at_once_are_bounded),
        T(silence_for_two_seconds_asks_again),
        T(another_broker_is_asked_when_the_first_is_silent),
        T(the_least_used_is_evicted_but_not_from_its_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
