/* Key files and the list of those that may connect. */
#include "common/fs.h"
#include "proto/allowlist.h"
#include "proto/keyring.h"
#include "tests/co_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 256 };

static char root[PATH_BYTES];

static int
setup(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/cohort-keys-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    return (int)co_fs_remove_tree(root, NULL);
}

/* root/name; one at a time. */
static const char *
at(const char *name)
{
    static char path[4][2 * PATH_BYTES];
    static unsigned next;
    char *to = path[next++ % 4];

    (void)snprintf(to, sizeof path[0], "%s/%s", root, name);
    return to;
}

static struct key
made(const char *name, enum key_role role)
{
    struct co_diag diag = {""};
    struct key key;

    if (keyfile_make(root, role, name, &key, &diag)) fail_msg("%s", diag.text);
    return key;
}

static void
writes(const char *name, const char *text)
{
    assert_int_equal(co_fs_write_atomic(root, name, text, strlen(text), NULL),
                     CO_OK);
}

static mode_t
mode_of(const char *name)
{
    struct stat st;

    assert_int_equal(stat(at(name), &st), 0);
    return st.st_mode & 0777;
}

/* ---- files --------------------------------------------------------------- */

static void
a_pair_is_read_as_it_was_made_and_only_one_half_is_secret(void **state)
{
    struct key made_key = made("host-7.a_b", KEY_WORKER);
    struct co_buf text;
    struct key key;

    (void)state;
    assert_int_equal(mode_of("host-7.a_b.key"), 0600);
    assert_int_equal(mode_of("host-7.a_b.pub"), 0600);
    assert_int_equal(keyfile_load(at("host-7.a_b.key"), true, &key, NULL),
                     CO_OK);
    assert_memory_equal(key.public, made_key.public, KEY_BYTES);
    assert_memory_equal(key.secret, made_key.secret, KEY_BYTES);
    assert_string_equal(key.name, "host-7.a_b");
    assert_int_equal(key.role, KEY_WORKER);
    assert_int_equal(keyfile_load(at("host-7.a_b.pub"), false, &key, NULL),
                     CO_OK);
    assert_memory_equal(key.public, made_key.public, KEY_BYTES);
    assert_false(key.has_secret);
    co_buf_init(&text, 4096);
    assert_int_equal(co_fs_read_file(at("host-7.a_b.pub"), 2048, &text, NULL),
                     CO_OK);
    assert_null(strstr(co_buf_text(&text), "\nsecret"));
    co_buf_fini(&text);
}

static void
no_key_is_overwritten_and_nothing_is_left_of_an_attempt(void **state)
{
    struct key first = made("a", KEY_BROKER);
    struct key key;

    (void)state;
    assert_int_equal(keyfile_make(root, KEY_WORKER, "a", &key, NULL),
                     CO_EXISTS);
    assert_int_equal(keyfile_load(at("a.key"), true, &key, NULL), CO_OK);
    assert_memory_equal(key.secret, first.secret, KEY_BYTES);
    writes("b.pub", "somebody's");
    assert_int_equal(keyfile_make(root, KEY_WORKER, "b", &key, NULL),
                     CO_EXISTS);
    assert_int_equal(access(at("b.key"), F_OK), -1);
    assert_int_equal(symlink("/nonexistent", at("c.key")), 0);
    assert_int_equal(keyfile_make(root, KEY_WORKER, "c", &key, NULL),
                     CO_EXISTS);
    assert_int_equal(access(at("c.pub"), F_OK), -1);
}

static void
a_name_stays_in_its_folder(void **state)
{
    static const char *const bad[] = {"",    ".",  "..",  "../a",
                                      "a/b", ".a", "a b", "a\n"};
    struct key key;

    (void)state;
    for (size_t i = 0; i < co_countof(bad); i++) {
        assert_int_equal(keyfile_make(root, KEY_WORKER, bad[i], &key, NULL),
                         CO_USAGE);
    }
}

static void
a_secret_that_others_may_open_is_refused(void **state)
{
    struct co_diag diag;
    struct key key;

    (void)state;
    (void)made("a", KEY_WORKER);
    assert_int_equal(chmod(at("a.key"), 0644), 0);
    assert_int_equal(keyfile_load(at("a.key"), true, &key, &diag), CO_DENIED);
    assert_non_null(strstr(diag.text, "chmod 600"));
    assert_int_equal(chmod(at("a.key"), 0640), 0); /* as clusters hand it out */
    assert_int_equal(keyfile_load(at("a.key"), true, &key, &diag), CO_OK);
    assert_int_equal(keyfile_load(at("a.pub"), true, &key, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "public key"));
}

static void
a_secret_where_a_public_key_belongs_is_refused(void **state)
{
    struct co_diag diag;
    struct key key;

    (void)state;
    (void)made("a", KEY_BROKER);
    assert_int_equal(keyfile_load(at("a.key"), false, &key, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "give a.pub"));
}

static void
what_is_no_file_is_no_key(void **state)
{
    struct co_diag diag;
    struct key key;

    (void)state;
    assert_int_equal(keyfile_load("/dev/null", true, &key, &diag), CO_INVALID);
    assert_non_null(strstr(diag.text, "not a regular file"));
    assert_null(strstr(diag.text, "chmod"));
}

#define PUBLIC "public 2(2Y]]M?fDaZn]OrgfxEcg>*Yn-&)TP-{8?]*?+5\n"

static void
what_is_wrong_in_a_key_file_is_said_with_its_line(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no line \"version\""},
        {"version 1\nrole worker\nname a\n", "no line \"public\""},
        {"version 2\n", "line 1: only version 1"},
        {"# a note\n\nversion 1\nrole boss\n", "line 4: the role is"},
        {"version 1\nversion 1\n", "line 2: this word stands twice"},
        {"version 1\nname ../a\n", "line 2: a name is"},
        {"public short\n", "line 1: a key is 40"},
        {"owner me\n", "line 1: allowed words"},
        {"version\n", "line 1: \"word value\""},
        {"version 1\nrole worker\nname a\n" PUBLIC
         "secret 2(2Y]]M?fDaZn]OrgfxEcg>*Yn-&)TP-{8?]*?+5\n",
         "not that of the public key"},
    };
    struct co_diag diag;
    struct key key;

    (void)state;
    for (size_t i = 0; i < co_countof(cases); i++) {
        assert_int_equal(keyfile_parse("f", cases[i].text,
                                       strlen(cases[i].text), &key, &diag),
                         CO_INVALID);
        if (!strstr(diag.text, cases[i].says)) {
            fail_msg("\"%s\" does not say \"%s\"", diag.text, cases[i].says);
        }
    }
    assert_int_equal(keyfile_parse("f", "version 1\0x", 11, &key, &diag),
                     CO_INVALID);
}

/* The five bits of a secret that Curve25519 sets itself (RFC 7748, section 5)
 * are free: secrets that differ in them alone are one key. */
static void
are_one_secret(const struct key *a, const struct key *b)
{
    uint8_t scalar[2][KEY_BYTES];

    memcpy(scalar[0], a->secret, KEY_BYTES);
    memcpy(scalar[1], b->secret, KEY_BYTES);
    for (int i = 0; i < 2; i++) {
        scalar[i][0] &= 0xf8;
        scalar[i][KEY_BYTES - 1] = (scalar[i][KEY_BYTES - 1] & 0x7f) | 0x40;
    }
    assert_memory_equal(scalar[0], scalar[1], KEY_BYTES);
}

static void
any_cut_or_flipped_byte_gives_another_key_or_none(void **state)
{
    struct key first = made("a", KEY_WORKER);
    struct co_buf text;

    (void)state;
    co_buf_init(&text, 4096);
    assert_int_equal(co_fs_read_file(at("a.key"), 2048, &text, NULL), CO_OK);
    for (size_t i = 0; i < text.len; i++) {
        struct key key;

        if (!keyfile_parse("f", co_buf_text(&text), i, &key, NULL)) {
            /* Whole but for its last line, or the end of that. */
            assert_memory_equal(key.public, first.public, KEY_BYTES);
        }
        for (int bit = 0; bit < 8; bit++) {
            text.data[i] ^= (uint8_t)(1 << bit);
            if (!keyfile_parse("f", co_buf_text(&text), text.len, &key, NULL) &&
                key.has_secret) {
                are_one_secret(&key, &first);
            }
            text.data[i] ^= (uint8_t)(1 << bit);
        }
    }
    co_buf_fini(&text);
}

/* ---- the list ------------------------------------------------------------ */

static struct allowlist *
listed(void)
{
    struct allowlist *list;
    struct co_diag diag = {""};

    if (allowlist_load(root, &list, &diag)) fail_msg("%s", diag.text);
    return list;
}

static void
every_key_of_the_folder_is_found_and_no_other(void **state)
{
    enum { N = 50 };
    struct key keys[N];
    struct allowlist *list;
    struct key other;

    (void)state;
    for (int i = 0; i < N; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "k%d", i);
        keys[i] = made(name, i % 2 ? KEY_WORKER : KEY_COORDINATOR);
    }
    other = made("other", KEY_WORKER);
    assert_int_equal(unlink(at("other.pub")), 0);
    list = listed();
    for (int i = 0; i < N; i++) {
        const struct key *found = allowlist_find(list, keys[i].public);
        uint64_t id = key_id(keys[i].public);

        assert_non_null(found);
        assert_string_equal(found->name, keys[i].name);
        assert_true(allowlist_has(list, id, keys[i].role));
        assert_false(allowlist_has(list, id, KEY_BROKER));
        assert_false(found->has_secret);
    }
    assert_null(allowlist_find(list, other.public));
    assert_false(allowlist_has(list, key_id(other.public), KEY_WORKER));
    assert_int_equal(allowlist_count(list, KEY_WORKER), N / 2);
    assert_int_equal(allowlist_bad(list), 0);
    allowlist_unref(list);
}

static void
files_that_are_no_keys_let_nobody_in_and_are_counted(void **state)
{
    struct key good = made("good", KEY_WORKER);
    struct allowlist *list;

    (void)state;
    writes("broken.pub", "version 1\nrole worker\n");
    (void)made("secret", KEY_WORKER);
    assert_int_equal(rename(at("secret.key"), at("secret.pub")), 0);
    writes("notes.txt", "not looked at");
    writes(".hidden.pub", "not looked at");
    assert_int_equal(mkdir(at("folder.pub"), 0700), 0);
    list = listed();
    assert_int_equal(allowlist_bad(list), 3);
    assert_int_equal(allowlist_count(list, KEY_WORKER), 1);
    assert_non_null(allowlist_find(list, good.public));
    allowlist_unref(list);
}

static void
a_key_with_two_roles_has_none(void **state)
{
    char text[KEY_TEXT_SIZE], file[512];
    struct key key = made("a", KEY_WORKER);
    struct allowlist *list;

    (void)state;
    (void)snprintf(file, sizeof file,
                   "version 1\nrole worker\nname again\npublic %s\n",
                   key_text(key.public, text));
    writes("again.pub", file);
    list = listed();
    assert_non_null(allowlist_find(list, key.public)); /* twice the same */
    assert_int_equal(allowlist_count(list, KEY_WORKER), 1);
    allowlist_unref(list);
    (void)snprintf(file, sizeof file,
                   "version 1\nrole coordinator\nname boss\npublic %s\n", text);
    writes("boss.pub", file);
    list = listed();
    assert_null(allowlist_find(list, key.public));
    assert_int_equal(allowlist_bad(list), 1);
    allowlist_unref(list);
}

static void
a_missing_folder_is_an_error_and_an_empty_one_lets_nobody_in(void **state)
{
    static const uint8_t nobody[KEY_BYTES];
    struct allowlist *list;
    struct co_diag diag;

    (void)state;
    assert_int_equal(allowlist_load(at("none"), &list, &diag), CO_NOTFOUND);
    assert_non_null(strstr(diag.text, "none"));
    list = listed();
    assert_null(allowlist_find(list, nobody));
    assert_false(allowlist_has(list, 0, KEY_WORKER));
    allowlist_unref(list);
}

/* ---- options ------------------------------------------------------------- */

static enum co_err
loads(const char *key, const char *other, size_t links, struct co_diag *diag)
{
    const char *others[] = {other};
    struct keyring_options options = {.key = key,
                                      .others = {others, other ? 1 : 0}};
    struct keyring ring;
    enum co_err err = keyring_load(&options, KEY_WORKER, links, KEY_BROKER,
                                   "broker-key", &ring, diag);

    if (!err) assert_int_equal(ring.used, key && key[0]);
    return err;
}

static void
keys_are_used_whole_or_not_at_all(void **state)
{
    struct co_diag diag;

    (void)state;
    (void)made("w", KEY_WORKER);
    (void)made("c", KEY_COORDINATOR);
    (void)made("b", KEY_BROKER);
    assert_int_equal(loads(NULL, NULL, 1, &diag), CO_OK);
    assert_int_equal(loads(at("w.key"), at("b.pub"), 3, &diag), CO_OK);
    assert_int_equal(loads("", at("b.pub"), 1, &diag), CO_OK); /* taken back */
    assert_int_equal(loads(NULL, at("b.pub"), 1, &diag), CO_USAGE);
    assert_int_equal(loads(at("w.key"), NULL, 1, &diag), CO_USAGE);
    assert_non_null(strstr(diag.text, "--broker-key"));
    assert_int_equal(loads(at("c.key"), at("b.pub"), 1, &diag), CO_USAGE);
    assert_non_null(strstr(diag.text, "keygen worker"));
    assert_int_equal(loads(at("w.key"), at("c.pub"), 1, &diag), CO_USAGE);
    assert_int_equal(loads(at("w.key"), at("b.key"), 1, &diag), CO_USAGE);
    assert_non_null(strstr(diag.text, "give b.pub"));
    assert_int_equal(loads(at("w.pub"), at("b.pub"), 1, &diag), CO_USAGE);
    assert_int_equal(loads(at("none.key"), at("b.pub"), 1, &diag), CO_USAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_pair_is_read_as_it_was_made_and_only_one_half_is_secret),
        T(no_key_is_overwritten_and_nothing_is_left_of_an_attempt),
        T(a_name_stays_in_its_folder),
        T(a_secret_that_others_may_open_is_refused),
        T(a_secret_where_a_public_key_belongs_is_refused),
        T(what_is_no_file_is_no_key),
        T(what_is_wrong_in_a_key_file_is_said_with_its_line),
        T(any_cut_or_flipped_byte_gives_another_key_or_none),
        T(every_key_of_the_folder_is_found_and_no_other),
        T(files_that_are_no_keys_let_nobody_in_and_are_counted),
        T(a_key_with_two_roles_has_none),
        T(a_missing_folder_is_an_error_and_an_empty_one_lets_nobody_in),
        T(keys_are_used_whole_or_not_at_all),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
