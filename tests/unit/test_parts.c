/* What PARTs promise: a large message arrives whole or not at all. */
#include "proto/parts.h"
#include "tests/co_test.h"

#include <string.h>

enum { BIG = PART_BYTES_MAX * 2 + 77, PEERS = 2 };

struct fixture {
    struct outbox out;
    struct parts *parts;
    struct msg_reader reader;
};

static int
setup(void **state)
{
    static struct fixture f;

    outbox_init(&f.out);
    assert_int_equal(parts_new(PEERS, &f.parts), CO_OK);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    outbox_fini(&f->out);
    parts_free(f->parts);
    return 0;
}

/* Cuts a message of BIG body bytes whose byte i is i mod 251. */
static void
given_a_cut_message(struct fixture *f, uint64_t number)
{
    struct co_bytes head;
    struct co_bytes body;
    uint8_t *data;

    assert_int_equal(co_bytes_copy("head", 4, &head), CO_OK);
    assert_int_equal(co_bytes_new(BIG, &data, &body), CO_OK);
    for (int i = 0; i < BIG; i++) {
        data[i] = (uint8_t)(i % 251);
    }
    outbox_clear(&f->out);
    parts_push(&f->out, 1, 9, number, PART_BYTES_MAX, head, body);
    assert_int_equal(f->out.err, CO_OK);
}

static uint32_t
small_for_peer_2(const void *ctx, uint64_t peer)
{
    (void)ctx;
    return peer == 2 ? PART_MAX_LEAST : 0;
}

static void
an_outbox_is_cut_in_order_and_only_for_those_who_need_it(void **state)
{
    enum { BODY = 3 * PART_MAX_LEAST };
    struct fixture *f = *state;
    static const uint64_t to[] = {1, 2, 2};
    static const size_t len[] = {BODY, BODY, 10};
    uint64_t number = 0;

    for (int i = 0; i < 3; i++) {
        struct co_bytes head, body;
        uint8_t *data;

        assert_int_equal(co_bytes_copy("head", 4, &head), CO_OK);
        assert_int_equal(co_bytes_new(len[i], &data, &body), CO_OK);
        memset(data, 7, len[i]);
        outbox_forward(&f->out, 0, to[i], head, body);
    }
    parts_cut(&f->out, &number, small_for_peer_2, NULL);
    parts_cut(&f->out, &number, small_for_peer_2, NULL); /* nothing to do */
    assert_int_equal(number, 1);
    assert_int_equal(f->out.n, 1 + 4 + 1);
    assert_int_equal(f->out.v[0].body.len, BODY);
    for (size_t i = 1; i <= 4; i++) {
        assert_int_equal(f->out.v[i].peer, 2);
        assert_true(f->out.v[i].head.len + f->out.v[i].body.len <=
                    PART_MAX_LEAST);
    }
    assert_int_equal(f->out.v[5].body.len, 10);
}

static enum co_err
add(struct fixture *f, uint64_t peer, size_t i, struct co_bytes *ret_head,
    struct co_bytes *ret_body)
{
    const struct outmsg *o = &f->out.v[i];
    struct msg m;

    assert_int_equal(msg_decode(&f->reader, o->head.data, o->head.len, &m), 0);
    assert_int_equal(m.type, MSG_part);
    return parts_add(f->parts, peer, &m.part, o->body, ret_head, ret_body);
}

static void
a_cut_message_is_joined_to_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    struct co_bytes head = {0};
    struct co_bytes body = {0};

    given_a_cut_message(f, 1);
    assert_true(f->out.n >= 3);
    for (size_t i = 0; i < f->out.n; i++) {
        assert_true(f->out.v[i].head.len + f->out.v[i].body.len <=
                    PART_BYTES_MAX);
        assert_int_equal(add(f, 5, i, &head, &body),
                         i + 1 < f->out.n ? CO_AGAIN : CO_OK);
    }
    assert_int_equal(head.len, 4);
    assert_memory_equal(head.data, "head", 4);
    assert_int_equal(body.len, BIG);
    for (int i = 0; i < BIG; i++) {
        assert_int_equal(body.data[i], i % 251);
    }
    co_bytes_unref(&head);
    co_bytes_unref(&body);
}

static void
a_piece_out_of_order_drops_the_message(void **state)
{
    struct fixture *f = *state;
    struct co_bytes head;
    struct co_bytes body;

    given_a_cut_message(f, 1);
    assert_int_equal(add(f, 5, 1, &head, &body), CO_PROTOCOL);
    assert_int_equal(add(f, 5, 0, &head, &body), CO_AGAIN);
    assert_int_equal(add(f, 5, 2, &head, &body), CO_PROTOCOL);
    /* What was gathered is gone: the next piece does not fit either. */
    assert_int_equal(add(f, 5, 1, &head, &body), CO_PROTOCOL);
}

static void
more_senders_than_the_limit_are_refused_until_one_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct co_bytes head;
    struct co_bytes body;

    given_a_cut_message(f, 1);
    assert_int_equal(add(f, 1, 0, &head, &body), CO_AGAIN);
    assert_int_equal(add(f, 2, 0, &head, &body), CO_AGAIN);
    assert_int_equal(add(f, 3, 0, &head, &body), CO_FULL);
    parts_drop(f->parts, 1);
    assert_int_equal(add(f, 3, 0, &head, &body), CO_AGAIN);
}

static void
sizes_beyond_the_limits_are_refused(void **state)
{
    struct fixture *f = *state;
    struct co_bytes head;
    struct co_bytes body = co_bytes_borrow("x", 1);
    const struct msg_part lies[] = {
        {.number = 1, .count = 1, .head_bytes = 1, .total_bytes = 1},
        {.number = 1, .count = 2, .head_bytes = 0, .total_bytes = 9},
        {.number = 1, .count = 2, .head_bytes = 10, .total_bytes = 9},
        {.number = 1, .count = 2, .head_bytes = 1, .total_bytes = UINT32_MAX},
        {.number = 1,
         .count = 2,
         .head_bytes = 1,
         .total_bytes = BODY_BYTES_MAX + 2},
    };

    for (size_t i = 0; i < co_countof(lies); i++) {
        assert_int_equal(parts_add(f->parts, 7, &lies[i], body, &head, &body),
                         CO_PROTOCOL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(an_outbox_is_cut_in_order_and_only_for_those_who_need_it),
        T(a_cut_message_is_joined_to_the_same_bytes),
        T(a_piece_out_of_order_drops_the_message),
        T(more_senders_than_the_limit_are_refused_until_one_is_dropped),
        T(sizes_beyond_the_limits_are_refused),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
