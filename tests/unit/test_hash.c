/* Hashes: published vectors, the same by every path, in pieces as whole. */
#include "common/hash.h"
#include "tests/co_test.h"

#include <string.h>

static void
xxh3_gives_the_published_values(void **state)
{
    (void)state;
    assert_true(co_hash64("", 0, 0) == 0x2d06800538d394c2u);
    assert_true(co_hash128("", 0, 0).low == 0x6001c324468d497fu);
    assert_true(co_hash128("", 0, 0).high == 0x99aa06d3014798d8u);
    assert_true(co_hash64("abc", 3, 0) == 0x78af5f94892f3950u);
    assert_true(co_hash64("abc", 3, 1) != co_hash64("abc", 3, 0));
}

static void
a_stream_hashes_like_the_whole(void **state)
{
    co_auto(co_hash_stream_freep) struct co_hash_stream *h = NULL;
    uint8_t data[3000];

    (void)state;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 31 + i / 256);
    }
    h = co_hash_stream_new(7);
    assert_non_null(h);
    for (size_t i = 0; i < sizeof data; i += 300) {
        co_hash_stream_add(h, data + i, 300);
    }
    assert_true(co_hash_stream_value(h) == co_hash64(data, sizeof data, 7));
}

/* RFC 3720, B.4. */
static void
crc32c_gives_the_values_of_rfc_3720(void **state)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

    (void)state;
    memset(ones, 0xff, sizeof ones);
    for (uint8_t i = 0; i < 32; i++) {
        up[i] = i;
        down[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(co_crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(co_crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(co_crc32c(0, up, 32), 0x46dd794e);
    assert_int_equal(co_crc32c(0, down, 32), 0x113fdb5c);
    assert_int_equal(co_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(co_crc32c(0, "", 0), 0);
}

static void
every_way_to_compute_crc32c_agrees(void **state)
{
    uint8_t data[300];

    (void)state;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)co_mix64(i);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; from + len <= sizeof data; len++) {
            uint32_t table = co_crc32c_table(5, data + from, len);
            uint32_t hw = table;

            assert_int_equal(co_crc32c(5, data + from, len), table);
            (void)co_crc32c_hw(5, data + from, len, &hw);
            assert_int_equal(hw, table);
        }
    }
}

static void
crc32c_continues_where_it_stopped(void **state)
{
    const char *text = "a record in two pieces, cut anywhere";
    size_t len = strlen(text);

    (void)state;
    for (size_t cut = 0; cut <= len; cut++) {
        assert_int_equal(
            co_crc32c(co_crc32c(0, text, cut), text + cut, len - cut),
            co_crc32c(0, text, len));
    }
}

static void
hex_goes_out_and_comes_back(void **state)
{
    char text[CO_HEX16_SIZE];
    uint64_t value = 0;

    (void)state;
    assert_string_equal(co_hex16(0x0123456789abcdefu, text),
                        "0123456789abcdef");
    assert_true(co_hex16_parse("0123456789ABCdef", &value));
    assert_true(value == 0x0123456789abcdefu);
}

static void
what_is_not_16_hex_digits_is_refused(void **state)
{
    uint64_t value = 42;

    (void)state;
    assert_false(co_hex16_parse("", &value));
    assert_false(co_hex16_parse("0123456789abcde", &value));
    assert_false(co_hex16_parse("0123456789abcdef0", &value));
    assert_false(co_hex16_parse("0123456789abcdeg", &value));
    assert_true(value == 42);
}

static void
mix64_spreads_small_keys_to_the_high_bits(void **state)
{
    uint64_t high_bits = 0;

    (void)state;
    for (uint64_t i = 1; i < 64; i++) {
        assert_true(co_mix64(i) != co_mix64(i - 1));
        high_bits |= co_mix64(i) >> 58;
    }
    assert_int_equal(high_bits, 63); /* small keys reach the high bits */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xxh3_gives_the_published_values),
        cmocka_unit_test(a_stream_hashes_like_the_whole),
        cmocka_unit_test(crc32c_gives_the_values_of_rfc_3720),
        cmocka_unit_test(every_way_to_compute_crc32c_agrees),
        cmocka_unit_test(crc32c_continues_where_it_stopped),
        cmocka_unit_test(hex_goes_out_and_comes_back),
        cmocka_unit_test(what_is_not_16_hex_digits_is_refused),
        cmocka_unit_test(mix64_spreads_small_keys_to_the_high_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
