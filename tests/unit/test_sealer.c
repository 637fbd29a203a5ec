/* test_sealer.c - bytes of journal segments become a shard's file, whole or
 * not at all. Segments here are plain files: the sealer looks into none. */
#include "tests/co_test.h"

#include "common/fs.h"
#include "coordinator/sealer.h"
#include "journal/folder.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

enum { PATIENCE_MS = 10000 };

#define SHARD "part-00000.jsonl.zst"
#define HASHES "part-00000.hashes"

struct fixture {
    char dir[48];
    struct sealer *sealer;
    struct seal_answer answer;
};

static void
given_segment(struct fixture *f, uint32_t owner, const char *text)
{
    struct segment_name name = {owner, 1};
    char file[FOLDER_NAME_SIZE];

    assert_int_equal(co_fs_write_atomic(f->dir, folder_segment_file(name, file),
                                        text, strlen(text), NULL),
                     CO_OK);
}

static int
setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.dir = "/tmp/cohort-test-sealer-XXXXXX"};
    assert_non_null(mkdtemp(f.dir));
    given_segment(&f, 1, "..frame1..frame2..");
    given_segment(&f, 2, "frame3");
    assert_int_equal(sealer_start(f.dir, f.dir, &f.sealer, NULL), CO_OK);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    sealer_stop(f->sealer);
    return (int)co_fs_remove_tree(f->dir, NULL);
}

/* A piece: owner of the segment (0: the present file), offset, length. */
struct bit {
    uint32_t owner, offset, len;
};

static enum co_err
sealed_with(struct fixture *f, const struct bit *bits, size_t n,
            const uint64_t *hashes, size_t n_hashes)
{
    struct seal_order order = {.shard = 4,
                               .file = SHARD,
                               .n = n,
                               .hash_file = HASHES,
                               .hashes = hashes,
                               .n_hashes = n_hashes};
    struct pollfd p = {.fd = sealer_fd(f->sealer), .events = POLLIN};

    order.pieces = calloc(n + 1, sizeof *order.pieces);
    assert_non_null(order.pieces);
    for (size_t i = 0; i < n; i++) {
        order.pieces[i] = (struct seal_piece){.segment = {bits[i].owner, 1},
                                              .offset = bits[i].offset,
                                              .len = bits[i].len};
    }
    assert_int_equal(sealer_order(f->sealer, &order), CO_OK);
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    assert_int_equal(sealer_poll(f->sealer, &f->answer), CO_OK);
    assert_int_equal(f->answer.shard, 4);
    return f->answer.err;
}

static enum co_err
sealed(struct fixture *f, const struct bit *bits, size_t n)
{
    return sealed_with(f, bits, n, NULL, 0);
}

static void
assert_file(struct fixture *f, const char *wanted)
{
    char path[96];
    struct co_buf text;

    (void)snprintf(path, sizeof path, "%s/" SHARD, f->dir);
    co_buf_init(&text, 1 << 20);
    assert_int_equal(co_fs_read_file(path, 1024, &text, NULL), CO_OK);
    assert_string_equal(co_buf_text(&text), wanted);
    co_buf_fini(&text);
}

static bool
there_is(struct fixture *f, const char *file)
{
    char path[96];
    struct stat st;

    (void)snprintf(path, sizeof path, "%s/%s", f->dir, file);
    return stat(path, &st) == 0;
}

static void
frames_of_several_segments_become_one_file(void **state)
{
    static const struct bit bits[] = {{1, 2, 6}, {2, 0, 6}, {1, 10, 6}};
    struct fixture *f = *state;

    assert_int_equal(sealed(f, bits, 3), CO_OK);
    assert_file(f, "frame1frame3frame2");
    assert_int_equal(f->answer.bytes, 18);
    assert_int_equal(f->answer.hash, XXH3_64bits("frame1frame3frame2", 18));
    assert_false(there_is(f, SHARD ".tmp"));
    assert_int_equal(sealer_poll(f->sealer, &f->answer), CO_AGAIN);
}

static void
a_present_file_is_replaced_and_its_bytes_may_be_used(void **state)
{
    static const struct bit before[] = {{1, 2, 6}, {1, 10, 6}};
    static const struct bit after[] = {{0, 6, 6}, {2, 0, 6}};
    struct fixture *f = *state;

    assert_int_equal(sealed(f, before, 2), CO_OK);
    assert_int_equal(sealed(f, after, 2), CO_OK);
    assert_file(f, "frame2frame3");
    assert_int_equal(sealed(f, after, 2), CO_OK); /* the new one, not the old */
    assert_file(f, "frame3frame3");
}

static void
hashes_get_a_file_of_their_own_also_for_a_shard_without_rows(void **state)
{
    static const struct bit bits[] = {{1, 2, 6}};
    static const uint64_t hashes[] = {0x0807060504030201, 0x1817161514131211};
    char path[96];
    struct fixture *f = *state;
    struct co_buf text;

    assert_int_equal(sealed_with(f, bits, 1, hashes, 1), CO_OK);
    assert_file(f, "frame1");
    assert_int_equal(f->answer.bytes, 6); /* of the rows */
    assert_int_equal(co_fs_remove_tree(f->dir, NULL), CO_OK);
    assert_int_equal(mkdir(f->dir, 0700), 0);
    assert_int_equal(sealed_with(f, NULL, 0, hashes, 2), CO_OK);
    assert_false(there_is(f, SHARD));
    assert_false(there_is(f, HASHES ".tmp"));
    (void)snprintf(path, sizeof path, "%s/" HASHES, f->dir);
    co_buf_init(&text, 1 << 20);
    assert_int_equal(co_fs_read_file(path, 1024, &text, NULL), CO_OK);
    assert_int_equal(text.len, 16);
    assert_memory_equal(text.data, "\1\2\3\4\5\6\7\10\21\22\23", 11);
    co_buf_fini(&text);
}

static void
without_hashes_there_is_no_such_file(void **state)
{
    static const struct bit bits[] = {{1, 2, 6}};
    struct fixture *f = *state;

    assert_int_equal(sealed(f, bits, 1), CO_OK);
    assert_false(there_is(f, HASHES));
}

static void
a_missing_segment_is_named_and_changes_nothing(void **state)
{
    static const struct bit good[] = {{1, 2, 6}};
    static const struct bit bad[] = {{1, 10, 6}, {3, 0, 6}};
    struct fixture *f = *state;

    assert_int_equal(sealed(f, good, 1), CO_OK);
    assert_int_equal(sealed(f, bad, 2), CO_NOTFOUND);
    if (!strstr(f->answer.diag.text, "seg-0000000003-000001.log")) {
        fail_msg("%s", f->answer.diag.text);
    }
    assert_file(f, "frame1");
    assert_false(there_is(f, SHARD ".tmp"));
    assert_int_equal(sealed(f, good, 1), CO_OK); /* it goes on */
}

static void
a_segment_that_is_too_short_is_told_with_its_place(void **state)
{
    static const struct bit bits[] = {{2, 3, 6}};
    struct fixture *f = *state;

    assert_int_equal(sealed(f, bits, 1), CO_IO);
    assert_string_equal(f->answer.diag.text,
                        "journal segment 1 of owner 2: cannot read 3 bytes at "
                        "6: the file is shorter");
    assert_false(there_is(f, SHARD));
}

static void
an_output_folder_that_is_gone_is_an_error_of_that_file(void **state)
{
    static const struct bit bits[] = {{1, 2, 6}};
    struct fixture *f = *state;

    assert_int_equal(co_fs_remove_tree(f->dir, NULL), CO_OK);
    assert_int_equal(sealed(f, bits, 1), CO_NOTFOUND);
    assert_non_null(strstr(f->answer.diag.text, SHARD));
}

static void
no_more_orders_wait_than_there_is_room_for(void **state)
{
    struct fixture *f = *state;
    struct seal_order order = {.shard = 1, .file = SHARD};

    for (int i = 0; i < SEALER_ORDERS_MAX; i++) {
        assert_int_equal(sealer_order(f->sealer, &order), CO_OK);
    }
    assert_int_equal(sealer_order(f->sealer, &order), CO_FULL);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(frames_of_several_segments_become_one_file),
        T(a_present_file_is_replaced_and_its_bytes_may_be_used),
        T(hashes_get_a_file_of_their_own_also_for_a_shard_without_rows),
        T(without_hashes_there_is_no_such_file),
        T(a_missing_segment_is_named_and_changes_nothing),
        T(a_segment_that_is_too_short_is_told_with_its_place),
        T(an_output_folder_that_is_gone_is_an_error_of_that_file),
        T(no_more_orders_wait_than_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
