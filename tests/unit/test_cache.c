/* test_cache.c - answers on disk: found again by the next, torn ends cut, never
 * one for another's, and no more bytes than allowed. */
#include "coordinator/cache.h"
#include "coordinator/cache_index.h"
#include "coordinator/cache_key.h"
#include "tests/co_test.h"

#include "common/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char recipe[] =
    "{\"dedup\":\"exact\",\"provider\":\"main\",\"seed\":\"7\",\"writer\":"
    "{\"fresh\":1,\"model\":\"m\",\"price\":{\"input\":1},\"repairs\":2}}";

struct folder {
    char dir[64];
};

static int
setup(void **state)
{
    struct folder *f = calloc(1, sizeof *f);

    (void)snprintf(f->dir, sizeof f->dir, "/tmp/co_cache_XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct folder *f = *state;

    (void)!co_fs_remove_tree(f->dir, NULL);
    free(f);
    return 0;
}

static struct cache *
given(const struct folder *f, const char *json, uint64_t bytes_max,
      uint32_t file_bytes)
{
    const struct cache_options options = {
        .dir = f->dir,
        .recipe = co_bytes_borrow(json, strlen(json)),
        .bytes_max = bytes_max,
        .file_bytes = file_bytes};
    struct cache *c = NULL;
    struct co_diag diag = {""};

    if (cache_open(&options, &c, &diag)) fail_msg("%s", diag.text);
    return c;
}

static struct cache *
opened(const struct folder *f)
{
    return given(f, recipe, 0, 0);
}

/* What a row answers. */
static uint32_t
answer_of(uint64_t row, char text[600])
{
    (void)snprintf(text, 600, "answer of row %llu %0*d",
                   (unsigned long long)row, (int)(row * 37 % 500) + 1, 0);
    return (uint32_t)strlen(text);
}

static void
put(struct cache *c, uint64_t row)
{
    char text[600];
    const uint32_t len = answer_of(row, text);

    cache_put(c, row, ASK_BACKGROUND, NULL, 0, (const uint8_t *)text, len);
}

/* Fails when it is another's. */
static bool
has(struct cache *c, uint64_t row)
{
    char want[600];
    const uint32_t len = answer_of(row, want);
    struct co_buf out;
    bool found;

    co_buf_init(&out, 1 << 16);
    found = cache_get(c, row, ASK_BACKGROUND, NULL, 0, &out);
    if (found) {
        assert_int_equal(out.len, len);
        assert_memory_equal(out.data, want, len);
    }
    co_buf_fini(&out);
    return found;
}

/* The folder's files; *ret_bytes of them together, path of the last. */
static unsigned
files(const struct folder *f, uint64_t *ret_bytes, char path[512])
{
    DIR *dir = opendir(f->dir);
    const struct dirent *e;
    unsigned n = 0;

    assert_non_null(dir);
    *ret_bytes = 0;
    while ((e = readdir(dir))) {
        struct stat st;

        if (e->d_name[0] == '.') continue;
        (void)snprintf(path, 512, "%s/%s", f->dir, e->d_name);
        assert_int_equal(stat(path, &st), 0);
        *ret_bytes += (uint64_t)st.st_size;
        n++;
    }
    (void)closedir(dir);
    return n;
}

/* -- index and key -------------------------------------------------------- */

static void
an_index_finds_what_was_put_in_and_is_bounded(void **state)
{
    struct cache_index *x = NULL;
    struct cache_place place;

    (void)state;
    assert_int_equal(cache_index_new(5000, &x), CO_OK);
    for (uint32_t i = 0; i < 5000; i++) {
        const struct co_hash128 key = co_hash128(&i, sizeof i, 0);

        assert_int_equal(
            cache_index_put(x, key, (struct cache_place){i % 7, i}), CO_OK);
        assert_int_equal(cache_index_put(x, key, (struct cache_place){0, 0}),
                         CO_EXISTS);
    }
    assert_int_equal(cache_index_put(x, (struct co_hash128){1, 2},
                                     (struct cache_place){0, 0}),
                     CO_FULL);
    assert_int_equal(cache_index_count(x), 5000);
    for (uint32_t i = 0; i < 10000; i++) {
        const struct co_hash128 key = co_hash128(&i, sizeof i, 0);

        assert_int_equal(cache_index_get(x, key, &place), i < 5000);
        if (i >= 5000) continue;
        assert_int_equal(place.offset, i);
        assert_int_equal(place.file, i % 7);
    }
    cache_index_free(x);
}

static void
no_byte_of_a_record_can_change_unseen(void **state)
{
    const struct co_hash128 key = {0x1234, 0x5678};
    struct cache_record r;
    struct co_buf out;

    (void)state;
    co_buf_init(&out, 1 << 16);
    cache_record_put(key, "hello", 5, &out);
    assert_true(cache_record_get(out.data, out.len, &r));
    assert_int_equal(r.key.high, 0x5678);
    assert_int_equal(r.bytes, out.len);
    for (size_t len = 0; len < out.len; len++) {
        assert_false(cache_record_get(out.data, len, &r));
    }
    for (size_t i = 0; i < out.len * 8; i++) {
        out.data[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_false(cache_record_get(out.data, out.len, &r));
        out.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    co_buf_fini(&out);
}

static struct co_hash128
base_of(const char *json)
{
    struct co_hash128 base = {0, 0};

    assert_int_equal(cache_key_base(co_bytes_borrow(json, strlen(json)), &base),
                     CO_OK);
    return base;
}

static bool
same(struct co_hash128 a, struct co_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

static void
a_key_is_of_what_decides_an_answer_and_of_nothing_else(void **state)
{
    const struct co_hash128 base = base_of(recipe);
    const uint8_t *in = (const uint8_t *)"in";
    const struct co_hash128 key = cache_key(base, 5, ASK_PERSONAS, in, 2);
    struct co_hash128 ret;

    (void)state;
    /* its price, its name, how often it is asked and what is left out */
    assert_true(
        same(base, base_of("{\"provider\":\"other\",\"seed\":\"7\",\"writer\":"
                           "{\"fresh\":3,\"model\":\"m\",\"repairs\":0}}")));
    assert_false(same(base, base_of("{\"seed\":\"8\",\"writer\":{\"model\":"
                                    "\"m\"}}")));
    assert_false(same(base, base_of("{\"seed\":\"7\",\"writer\":{\"model\":"
                                    "\"n\"}}")));
    assert_true(same(key, cache_key(base, 5, ASK_PERSONAS, in, 2)));
    assert_false(same(key, cache_key(base, 6, ASK_PERSONAS, in, 2)));
    assert_false(same(key, cache_key(base, 5, ASK_BACKGROUND, in, 2)));
    assert_false(same(key, cache_key(base, 5, ASK_PERSONAS, in, 1)));
    assert_int_equal(cache_key_base(co_bytes_borrow("{", 1), &ret), CO_INVALID);
}

/* -- files ---------------------------------------------------------------- */

static void
what_one_put_in_the_next_finds(void **state)
{
    const struct folder *f = *state;
    struct cache *c = opened(f);
    uint64_t bytes;
    char path[512];

    for (uint64_t life = 0; life < 3; life++) {
        for (uint64_t row = 0; row < 100; row++) {
            assert_int_equal(has(c, life * 100 + row), false);
            put(c, life * 100 + row);
            put(c, life * 100 + row); /* once is enough */
            assert_true(has(c, life * 100 + row));
        }
        cache_free(c);
        c = opened(f);
        assert_int_equal(cache_counters(c)->answers, (life + 1) * 100);
        for (uint64_t row = 0; row < (life + 1) * 100; row++) {
            assert_true(has(c, row));
        }
        assert_int_equal(files(f, &bytes, path), 1); /* the same goes on */
    }
    cache_free(c);
    c = given(f, "{\"seed\":\"8\",\"writer\":{\"model\":\"m\"}}", 0, 0);
    assert_false(has(c, 1));
    cache_free(c);
}

static void
several_at_once_have_a_file_each(void **state)
{
    const struct folder *f = *state;
    struct cache *a, *b;
    uint64_t bytes;
    char path[512];

    a = opened(f);
    b = opened(f);
    for (uint64_t row = 0; row < 50; row++) {
        put(a, row);
        put(b, 1000 + row);
    }
    cache_free(a);
    cache_free(b);
    assert_int_equal(files(f, &bytes, path), 2);
    a = opened(f);
    assert_int_equal(cache_counters(a)->answers, 100);
    cache_free(a);
}

/* Cut at every byte: whole answers are found, the torn one is not, and the
 * next one goes where it was. */
static void
a_torn_end_is_cut_and_never_gives_a_wrong_answer(void **state)
{
    const struct folder *f = *state;
    struct cache *c = opened(f);
    uint64_t bytes, now;
    char path[512];

    for (uint64_t row = 0; row < 3; row++) {
        put(c, row);
    }
    cache_free(c);
    assert_int_equal(files(f, &bytes, path), 1);
    for (uint64_t cut = bytes; cut-- > 0;) {
        unsigned whole;

        assert_int_equal(truncate(path, (off_t)cut), 0);
        c = opened(f);
        whole = (unsigned)cache_counters(c)->answers;
        assert_true(whole < 3);
        for (uint64_t row = 0; row < 3; row++) {
            assert_int_equal(has(c, row), row < whole);
        }
        cache_free(c);
    }
    c = opened(f);
    put(c, 9);
    cache_free(c);
    /* a torn end behind a whole one, and somebody who goes on */
    assert_int_equal(files(f, &bytes, path), 1);
    assert_int_equal(truncate(path, (off_t)bytes + 40), 0);
    c = opened(f);
    assert_int_equal(cache_counters(c)->torn, 1);
    put(c, 10);
    cache_free(c);
    assert_int_equal(files(f, &now, path), 1);
    c = opened(f);
    assert_int_equal(cache_counters(c)->torn, 0);
    assert_true(has(c, 9) && has(c, 10));
    cache_free(c);
}

static void
flip(const char *path, uint64_t at)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    (void)close(fd);
}

static void
an_answer_that_is_damaged_later_is_as_good_as_none(void **state)
{
    const struct folder *f = *state;
    struct cache *c = opened(f);
    uint64_t bytes;
    char path[512];

    put(c, 1);
    put(c, 2);
    cache_flush(c);
    assert_int_equal(files(f, &bytes, path), 1);
    flip(path, CACHE_HEAD_BYTES + 3);
    assert_false(has(c, 1));
    assert_true(has(c, 2));
    assert_int_equal(cache_counters(c)->damaged, 1);
    cache_free(c);
}

static void
no_more_bytes_are_kept_than_allowed_and_the_oldest_go(void **state)
{
    enum { FILE_BYTES = 4096, BYTES_MAX = 4 * FILE_BYTES };
    const struct folder *f = *state;
    struct cache *c = given(f, recipe, BYTES_MAX, FILE_BYTES);
    uint64_t bytes;
    char path[512];

    for (uint64_t row = 0; row < 400; row++) {
        put(c, row);
        assert_true(has(c, row));
    }
    assert_true(cache_counters(c)->removed > 3);
    assert_true(has(c, 0)); /* this one has it open */
    cache_free(c);
    (void)files(f, &bytes, path);
    assert_true(bytes <= BYTES_MAX + FILE_BYTES);
    c = given(f, recipe, BYTES_MAX, FILE_BYTES);
    assert_true(has(c, 399));
    assert_false(has(c, 0));
    cache_free(c);
}

/* -- kill -9 -------------------------------------------------------------- */

/* Puts rows without end, from `first` on; says how many were handed over. */
static void
put_for_ever(const struct folder *f, uint64_t first, int to)
{
    struct cache *c = opened(f);

    for (uint64_t row = first;; row++) {
        put(c, row);
        if (row % 5) continue;
        cache_flush(c);
        if (write(to, &row, sizeof row) != (ssize_t)sizeof row) _exit(1);
    }
}

static uint64_t
killed(const struct folder *f, uint64_t first)
{
    uint64_t row, last = 0;
    int ends[2], status;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ends[0]); /* so that it ends when the test does */
        put_for_ever(f, first, ends[1]);
    }
    (void)close(ends[1]);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(ends[0], &row, sizeof row) == (ssize_t)sizeof row) {
        last = row;
    }
    (void)close(ends[0]);
    return last;
}

static void
who_is_killed_leaves_whole_answers_and_the_next_goes_on(void **state)
{
    const struct folder *f = *state;
    uint64_t bytes;
    char path[512];

    for (uint64_t life = 1; life <= 5; life++) {
        const uint64_t first = life * 1000000 + 1, last = killed(f, first);
        struct cache *c = opened(f);

        for (uint64_t row = first; row <= last; row++) {
            assert_true(has(c, row)); /* what the kernel had */
        }
        put(c, life);
        cache_free(c);
        c = opened(f);
        assert_true(has(c, life) && has(c, last));
        assert_int_equal(cache_counters(c)->torn, 0);
        cache_free(c);
    }
    assert_int_equal(files(f, &bytes, path), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_finds_what_was_put_in_and_is_bounded),
        cmocka_unit_test(no_byte_of_a_record_can_change_unseen),
        cmocka_unit_test(
            a_key_is_of_what_decides_an_answer_and_of_nothing_else),
        cmocka_unit_test_setup_teardown(what_one_put_in_the_next_finds, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(several_at_once_have_a_file_each, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_torn_end_is_cut_and_never_gives_a_wrong_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_answer_that_is_damaged_later_is_as_good_as_none, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            no_more_bytes_are_kept_than_allowed_and_the_oldest_go, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            who_is_killed_leaves_whole_answers_and_the_next_goes_on, setup,
            teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
