/* docs/protocol.md and proto/messages.def say the same, and its tables of
 * states are the ones that run. */
#include "broker/peers.h"
#include "broker/tasks.h"
#include "tests/co_test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *doc;

static int
load(void **state)
{
    FILE *f = fopen(CO_SOURCE_DIR "/docs/protocol.md", "re");
    long len;

    (void)state;
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    len = ftell(f);
    rewind(f);
    doc = calloc(1, (size_t)len + 1);
    assert_int_equal(fread(doc, 1, (size_t)len, f), len);
    (void)fclose(f);
    return 0;
}

static int
unload(void **state)
{
    (void)state;
    free(doc);
    return 0;
}

/* The section of a message, up to the next; asserts that it is there. */
static char *
section(const char *number, const char *name)
{
    char title[80];
    char *from;
    char *to;
    char *text;

    (void)snprintf(title, sizeof title, "\n### %s %s\n", number, name);
    for (char *p = title + 9; *p; p++) {
        *p = (char)toupper((unsigned char)*p);
    }
    from = strstr(doc, title);
    if (!from) {
        fail_msg("docs/protocol.md lacks a section%s", title);
        return NULL;
    }
    to = strstr(from + 1, "\n### ");
    text = to ? strndup(from, (size_t)(to - from)) : strdup(from);
    assert_non_null(text);
    return text;
}

static uint32_t
rows_of(const char *text)
{
    uint32_t rows = 0;

    for (const char *p = strstr(text, "\n| "); p; p = strstr(p + 1, "\n| ")) {
        rows += isdigit((unsigned char)p[3]) != 0;
    }
    return rows;
}

static void
every_message_and_field_stands_in_the_document(void **state)
{
    char *text = NULL;
    char row[400];
    uint32_t fields = 0;

    (void)state;
#define CO_MSG(number, name, help)                                             \
    text = section(#number, #name);                                            \
    fields = 0;
#define CO_FIELD(msg, key, type, name, presence, help)                         \
    (void)snprintf(row, sizeof row, "\n| %d | `%s` | %s | %s | %s |\n", key,   \
                   #name, #type, #presence, help);                             \
    if (!strstr(text, row)) fail_msg("%s lacks the row%s", #msg, row);         \
    fields++;
#define CO_END(name)                                                           \
    if (rows_of(text) != fields) fail_msg("%s has rows too many", #name);      \
    free(text);
#include "proto/messages.def"
#undef CO_MSG
#undef CO_FIELD
#undef CO_END
}

static void
the_document_has_no_other_messages(void **state)
{
    uint32_t known = 0;
    uint32_t there = 0;

    (void)state;
#define CO_MSG(number, name, help) known++;
#define CO_FIELD(msg, key, type, name, presence, help)
#define CO_END(name)
#include "proto/messages.def"
#undef CO_MSG
#undef CO_FIELD
#undef CO_END
    for (const char *p = strstr(doc, "\n### 0x"); p;
         p = strstr(p + 1, "\n### 0x")) {
        there++;
    }
    assert_int_equal(there, known);
}

/* The row of a table that begins with "| state |", cell i of it. */
static void
expect_cell(const char *table, const char *state, int i, const char *want)
{
    char start[64];
    const char *at;
    const char *end;
    size_t len;

    (void)snprintf(start, sizeof start, "\n| %s |", state);
    at = strstr(table, start);
    if (!at) fail_msg("no row for state %s", state);
    at += strlen(start);
    while (i--) {
        at = strchr(at, '|');
        assert_non_null(at);
        at++;
    }
    while (*at == ' ') {
        at++;
    }
    end = strchr(at, '|');
    assert_non_null(end);
    len = (size_t)(end - at);
    while (len && at[len - 1] == ' ') {
        len--;
    }
    if (len != strlen(want) || strncmp(at, want, len) != 0) {
        fail_msg("state %s, event %d: \"%.*s\" is not \"%s\"", state, i,
                 (int)len, at, want);
    }
}

static void
the_table_of_task_states_is_the_one_that_runs(void **state)
{
    const char *table = strstr(doc, "| state | publish |");

    (void)state;
    assert_non_null(table);
    for (int s = 0; s < TASK_STATE_COUNT; s++) {
        for (int e = 0; e < TEV_COUNT; e++) {
            enum task_state to =
                tasks_next_state((enum task_state)s, (enum task_event)e);

            expect_cell(table, tasks_state_name((enum task_state)s), e,
                        to == TASK_STATE_COUNT ? "" : tasks_state_name(to));
        }
    }
}

static void
the_table_of_worker_states_is_the_one_that_runs(void **state)
{
    const char *table = strstr(doc, "| state | hello |");

    (void)state;
    assert_non_null(table);
    for (int s = 0; s < WORKER_STATE_COUNT; s++) {
        for (int e = 0; e < WEV_COUNT; e++) {
            enum worker_state to =
                peers_next_state((enum worker_state)s, (enum worker_event)e);

            expect_cell(table, peers_state_name((enum worker_state)s), e,
                        to == WORKER_STATE_COUNT ? "" : peers_state_name(to));
        }
    }
}

static void
the_example_keys_are_what_the_code_computes(void **state)
{
    char text[80];

    (void)state;
    (void)snprintf(text, sizeof text, "held_key(7, 256, 1) = 0x%016llx",
                   (unsigned long long)msg_held_key(7, 256, 1));
    assert_non_null(strstr(doc, text));
    (void)snprintf(text, sizeof text, "held_key(7, 512, 1) = 0x%016llx",
                   (unsigned long long)msg_held_key(7, 512, 1));
    assert_non_null(strstr(doc, text));
}

/* The hex dump behind a sentence that starts with title. */
static size_t
example(const char *title, uint8_t *out, size_t size)
{
    const char *p = strstr(strstr(doc, "## Examples"), title);
    size_t n = 0;

    assert_non_null(p);
    p = strstr(p, "```\n");
    assert_non_null(p);
    for (p += 4; *p != '`'; p += isspace((unsigned char)*p) ? 1 : 2) {
        if (isspace((unsigned char)*p)) continue;
        assert_true(n < size);
        out[n++] = (uint8_t)strtoul((char[]){p[0], p[1], 0}, NULL, 16);
    }
    return n;
}

static void
the_examples_decode_to_what_they_say(void **state)
{
    static const struct {
        const char *title;
        enum msg_type type;
    } all[] = {{"\nHELLO of", MSG_hello},
               {"\nWELCOME:", MSG_welcome},
               {"\nCREDIT for", MSG_credit},
               {"\nTASKS of", MSG_tasks},
               {"\nRESULTS for", MSG_results}};
    static struct msg_reader reader;
    uint8_t bytes[256];

    (void)state;
    for (size_t i = 0; i < co_countof(all); i++) {
        size_t n = example(all[i].title, bytes, sizeof bytes);
        struct msg m;

        assert_int_equal(msg_decode(&reader, bytes, n, &m), CO_OK);
        assert_int_equal(m.type, all[i].type);
        if (m.type == MSG_tasks) {
            assert_int_equal(msg_check_tasks(&m.tasks, 8), CO_OK);
        }
        if (m.type == MSG_results) {
            assert_int_equal(msg_check_results(&m.results, 128), CO_OK);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_and_field_stands_in_the_document),
        cmocka_unit_test(the_document_has_no_other_messages),
        cmocka_unit_test(the_table_of_task_states_is_the_one_that_runs),
        cmocka_unit_test(the_table_of_worker_states_is_the_one_that_runs),
        cmocka_unit_test(the_example_keys_are_what_the_code_computes),
        cmocka_unit_test(the_examples_decode_to_what_they_say),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
