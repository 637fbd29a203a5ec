/* test_text_hash.c - what counts as the same text. */
#include "prose/text_hash.h"

#include "common/hash.h"
#include "tests/co_test.h"

#include <ctype.h>
#include <string.h>

static uint64_t
hash_of(const char *text, size_t len)
{
    struct co_buf scratch;
    uint64_t h;

    co_buf_init(&scratch, 1 << 20);
    h = text_hash(text, len, &scratch);
    assert_int_equal(scratch.err, CO_OK);
    co_buf_fini(&scratch);
    return h;
}

static void
assert_same(const char *a, const char *b, bool same)
{
    assert_int_equal(hash_of(a, strlen(a)) == hash_of(b, strlen(b)), same);
}

static void
case_and_spacing_do_not_make_another_text(void **state)
{
    (void)state;
    assert_same("Ana BAKES bread on Sundays", "ana bakes bread on sundays",
                true);
    assert_same("Ana  bakes\tbread\r\non Sundays", "ana bakes bread on sundays",
                true);
    assert_same("Ana bakes bread on Sundays, and nobody knows why she does   ",
                "ana bakes bread on sundays, and nobody knows why she does ",
                true);
}

static void
words_punctuation_and_outer_space_do(void **state)
{
    (void)state;
    assert_same("Ana bakes bread", "Ana bakes breads", false);
    assert_same("Ana bakes, bread", "Ana bakes bread", false);
    assert_same(" Ana", "Ana", false);
    assert_same("Ana bakes", "Anabakes", false);
    assert_same("\xc3\x89va", "\xc3\xa9va", false); /* beyond ASCII: as it is */
}

/* Other programs must come to the same: the hash is part of the protocol. */
static void
the_hash_is_xxh3_of_the_normalised_text(void **state)
{
    const char *written = "\"persona\":\"Ana is a 34-year-old  Baker.\"";
    const char *normal = "\"persona\":\"ana is a 34-year-old baker.\"";

    (void)state;
    assert_true(hash_of(written, strlen(written)) ==
                co_hash64(normal, strlen(normal), 0));
    assert_true(hash_of("", 0) == 0x2d06800538d394c2u);
    assert_true(hash_of("A", 1) == 0xe6c632b61e964e1fu);
}

static size_t
slowly(const char *from, size_t len, char *to)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        bool white = strchr(" \t\n\v\f\r", from[i]) && from[i];
        char c =
            (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + 32 : from[i]);

        if (!white) {
            to[n++] = c;
        } else if (i == 0 || !strchr(" \t\n\v\f\r", from[i - 1]) ||
                   !from[i - 1]) {
            to[n++] = ' ';
        }
    }
    return n;
}

/* Any length and any place of the odd byte, against the obvious way. */
static void
blocks_and_bytes_agree(void **state)
{
    static const char letters[] = "aZ@[`{ \xc3\xa9q09\x1f\x08\x0e";
    char text[80], want[80];
    uint64_t random = 1;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t len = (size_t)round % sizeof text;

        for (size_t i = 0; i < len; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            text[i] = letters[(random >> 33) % (sizeof letters - 1)];
            if (text[i] == ' ' && i && text[i - 1] == ' ') text[i] = 'b';
        }
        if (len && round % 3 == 0) text[(random >> 40) % len] = '\n';
        if (len && round % 3 == 1) text[(random >> 40) % len] = ' ';
        assert_true(hash_of(text, len) ==
                    co_hash64(want, slowly(text, len, want), 0));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_and_spacing_do_not_make_another_text),
        cmocka_unit_test(words_punctuation_and_outer_space_do),
        cmocka_unit_test(the_hash_is_xxh3_of_the_normalised_text),
        cmocka_unit_test(blocks_and_bytes_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
