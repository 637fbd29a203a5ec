/* test_model.c - a good model opens, any damage is told and refused. */
#include "tests/unit/population.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint8_t *file;
static size_t file_bytes;

static int
read_model(void **state)
{
    FILE *f = fopen(MODEL_PATH, "rb");

    (void)state;
    assert_non_null(f);
    file = malloc(4 << 20);
    file_bytes = fread(file, 1, 4 << 20, f);
    (void)fclose(f);
    return file_bytes > 1000 ? 0 : -1;
}

static int
free_model(void **state)
{
    (void)state;
    free(file);
    return 0;
}

/* Opens a file with these bytes. */
static enum co_err
open_bytes(const uint8_t *data, size_t len, struct co_diag *diag)
{
    char path[] = "/tmp/co-model-XXXXXX";
    int fd = mkstemp(path);
    struct model *m = NULL;
    enum co_err err;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    (void)close(fd);
    err = model_open(path, diag, &m);
    (void)unlink(path);
    if (err) assert_null(m);
    model_free(m);
    return err;
}

static void
the_shipped_model_opens_and_has_every_state(void **state)
{
    struct model *m = given_model();

    (void)state;
    assert_int_equal(m->states, 51);
    assert_int_equal(m->year, 2018);
    assert_int_not_equal(model_hash(m), 0);
    assert_true(m->file_bytes < 3 << 20);
    model_free(m);
}

static void
the_joint_sums_to_the_people_of_2018(void **state)
{
    struct model *m = given_model();
    uint64_t sum = 0;

    (void)state;
    for (uint32_t i = 0; i < m->states * MODEL_SEXES * m->joint_slots; i++) {
        sum += m->joint[i];
    }
    assert_int_equal(sum, 327167439);
    model_free(m);
}

static void
a_flipped_bit_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t at = 0; at < file_bytes; at += at < 96 ? 1 : file_bytes / 41) {
        struct co_diag diag = {""};

        file[at] ^= 0x10;
        assert_int_not_equal(open_bytes(file, file_bytes, &diag), CO_OK);
        assert_non_null(strstr(diag.text, "data/README.md"));
        file[at] ^= 0x10;
    }
}

static void
every_cut_is_refused(void **state)
{
    struct co_diag diag = {""};

    (void)state;
    for (size_t cut = 0; cut < file_bytes; cut += file_bytes / 23) {
        assert_int_not_equal(open_bytes(file, cut, &diag), CO_OK);
    }
    assert_int_equal(open_bytes(file, file_bytes - 8, &diag), CO_TORN);
}

static void
another_version_is_named(void **state)
{
    struct co_diag diag = {""};

    (void)state;
    file[8] = 9;
    assert_int_equal(open_bytes(file, file_bytes, &diag), CO_VERSION);
    file[8] = MODEL_VERSION;
    assert_non_null(strstr(diag.text, "version 9"));
}

static void
a_missing_file_is_named(void **state)
{
    struct co_diag diag = {""};
    struct model *m = NULL;

    (void)state;
    assert_int_equal(model_open("/nonexistent/us.model", &diag, &m),
                     CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "/nonexistent/us.model"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_model_opens_and_has_every_state),
        cmocka_unit_test(the_joint_sums_to_the_people_of_2018),
        cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(another_version_is_named),
        cmocka_unit_test(a_missing_file_is_named),
    };

    return cmocka_run_group_tests(tests, read_model, free_model);
}
