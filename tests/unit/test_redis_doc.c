/* docs/redis-keys.md names exactly the keys of common/keys.h, and no document
 * points to a file that is not there. */
#include "common/keys.h"
#include "tests/co_test.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 1024 };

/* ---- files -------------------------------------------------------------- */

/* The whole file below the source folder; the caller frees. */
static char *
text_of(const char *path)
{
    char full[PATH_BYTES];
    FILE *f;
    char *text;
    long len;

    (void)snprintf(full, sizeof full, "%s/%s", CO_SOURCE_DIR, path);
    f = fopen(full, "re");
    if (!f) fail_msg("%s cannot be opened", path);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    len = ftell(f);
    assert_true(len >= 0);
    rewind(f);
    text = calloc(1, (size_t)len + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)len, f), len);
    (void)fclose(f);
    return text;
}

static bool
exists(const char *folder, const char *name, size_t len)
{
    char full[PATH_BYTES];
    struct stat st;

    (void)snprintf(full, sizeof full, "%s/%s%s%.*s", CO_SOURCE_DIR, folder,
                   folder[0] ? "/" : "", (int)len, name);
    return stat(full, &st) == 0;
}

/* ---- keys --------------------------------------------------------------- */

static const struct {
    const char *name, *type;
} keys[CO_KEY_COUNT] = {
#define X(id, name, type, meaning) {name, type},
    CO_KEYS(X)
#undef X
};

/* The key that the table row "| `NAME` | TYPE |" names; fails when there is
 * none of that name and type. */
static size_t
key_of_row(const char *row)
{
    const char *name = row + strlen("| `");
    size_t name_len = strcspn(name, "`");
    const char *type = name + name_len + strlen("` | ");
    size_t type_len = strcspn(type, " ");

    for (size_t k = 0; k < CO_KEY_COUNT; k++) {
        if (strlen(keys[k].name) != name_len ||
            strncmp(keys[k].name, name, name_len) != 0) {
            continue;
        }
        if (strlen(keys[k].type) != type_len ||
            strncmp(keys[k].type, type, type_len) != 0) {
            fail_msg("%s is a %s, the page says %.*s", keys[k].name,
                     keys[k].type, (int)type_len, type);
        }
        return k;
    }
    fail_msg("common/keys.h has no key %.*s", (int)name_len, name);
    return 0;
}

/* Counts each key named in the first table below the heading. */
static void
count_table(const char *doc, const char *heading, unsigned seen[CO_KEY_COUNT])
{
    const char *at = strstr(doc, heading);
    unsigned rows = 0;

    if (!at) fail_msg("docs/redis-keys.md lacks \"%s\"", heading);
    at = strstr(at, "\n| key | type |");
    assert_non_null(at);
    for (at = strchr(at + 1, '\n') + 1; *at == '|'; at = strchr(at, '\n') + 1) {
        if (strncmp(at, "| `", 3) != 0) continue;
        seen[key_of_row(at)]++;
        rows++;
    }
    assert_true(rows > 0);
}

static void
the_page_names_each_key_once_with_its_type(void **state)
{
    char *doc = text_of("docs/redis-keys.md");
    unsigned seen[CO_KEY_COUNT] = {0};

    (void)state;
    count_table(doc, "\n## Keys that exist\n", seen);
    count_table(doc, "\n## Keys reserved for later\n", seen);
    for (size_t k = 0; k < CO_KEY_COUNT; k++) {
        if (seen[k] != 1) {
            fail_msg("%s stands %u times in the tables", keys[k].name, seen[k]);
        }
    }
    free(doc);
}

static void
the_page_has_the_version_of_the_keys(void **state)
{
    char *doc = text_of("docs/redis-keys.md");

    (void)state;
    assert_non_null(strstr(doc, "keys: **" CO_KEYS_SCHEMA "**"));
    free(doc);
}

static void
the_ttl_of_the_page_is_that_of_the_code(void **state)
{
    static const enum co_key with_ttl[] = {CO_KEY_WORKER, CO_KEY_BROKER,
                                           CO_KEY_COORDINATOR};
    char *doc = text_of("docs/redis-keys.md");

    (void)state;
    for (size_t i = 0; i < co_countof(with_ttl); i++) {
        char row[PATH_BYTES];

        (void)snprintf(row, sizeof row, "\n| `%s` | hash | %d s |",
                       co_key_name(with_ttl[i]), (int)CO_KEY_TTL_S);
        if (!strstr(doc, row)) fail_msg("the page lacks %s", row + 1);
    }
    free(doc);
}

/* ---- links and file names ----------------------------------------------- */

static bool
is_address(const char *target)
{
    return strncmp(target, "http", 4) == 0 ||
           strncmp(target, "mailto:", 7) == 0;
}

/* Every [text](target) of the document leads to a file of the project. */
static void
check_links(const char *folder, const char *path)
{
    char *doc = text_of(path);

    for (const char *at = strstr(doc, "]("); at; at = strstr(at + 1, "](")) {
        const char *target = at + 2;
        size_t len = strcspn(target, ")#\n");

        if (len == 0 || target[len] == '\n' || is_address(target)) continue;
        if (!exists(folder, target, len)) {
            fail_msg("%s: the link to %.*s leads nowhere", path, (int)len,
                     target);
        }
    }
    free(doc);
}

/* check_links for each *.md of the folder. */
static void
check_folder(const char *folder)
{
    char full[PATH_BYTES];
    struct dirent *entry;
    unsigned documents = 0;
    DIR *dir;

    (void)snprintf(full, sizeof full, "%s/%s", CO_SOURCE_DIR, folder);
    dir = opendir(full);
    if (!dir) fail_msg("%s cannot be opened", folder);
    while ((entry = readdir(dir))) {
        char path[PATH_BYTES];
        const char *dot = strrchr(entry->d_name, '.');

        if (!dot || strcmp(dot, ".md") != 0) continue;
        (void)snprintf(path, sizeof path, "%s%s%s", folder,
                       folder[0] ? "/" : "", entry->d_name);
        check_links(folder, path);
        documents++;
    }
    (void)closedir(dir);
    assert_true(documents > 0);
}

static void
every_link_of_the_documents_leads_to_a_file(void **state)
{
    static const char *const folders[] = {"", "docs", "docs/decisions",
                                          "examples"};

    (void)state;
    for (size_t i = 0; i < co_countof(folders); i++) {
        check_folder(folders[i]);
    }
}

/* Text in backticks that is a path of the project: letters, digits, "._-/"
 * with a known first folder. */
static bool
is_path(const char *text, size_t len)
{
    static const char *const roots[] = {
        "broker/",      "cli/",        "cmake/",  "common/",
        "coordinator/", "data/",       "docs/",   "examples/",
        "job/",         "journal/",    "proto/",  "tests/",
        "tools/",       "population/", "worker/", "bench/"};

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("._-/", text[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < co_countof(roots); i++) {
        if (len > strlen(roots[i]) &&
            strncmp(text, roots[i], strlen(roots[i])) == 0) {
            return true;
        }
    }
    return false;
}

static unsigned
check_paths(const char *path)
{
    char *doc = text_of(path);
    unsigned named = 0;

    for (const char *at = strchr(doc, '`'); at; at = strchr(at, '`')) {
        const char *text = at + 1;
        size_t len = strcspn(text, "`\n");

        at = text + len;
        if (*at == '`') at++;
        if (!is_path(text, len)) continue;
        named++;
        if (!exists("", text, len)) {
            fail_msg("%s names %.*s, which is not there", path, (int)len, text);
        }
    }
    free(doc);
    return named;
}

static void
every_file_that_the_documents_name_is_there(void **state)
{
    (void)state;
    assert_true(check_paths("docs/architecture.md") > 50);
    assert_true(check_paths("docs/redis-keys.md") > 2);
    assert_true(check_paths("docs/operations.md") > 5);
    (void)check_paths("README.md");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_names_each_key_once_with_its_type),
        cmocka_unit_test(the_page_has_the_version_of_the_keys),
        cmocka_unit_test(the_ttl_of_the_page_is_that_of_the_code),
        cmocka_unit_test(every_link_of_the_documents_leads_to_a_file),
        cmocka_unit_test(every_file_that_the_documents_name_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
