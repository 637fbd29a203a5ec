/* test_spec_documents.c - what the document and the schema say of job files is
 * what the parser does. */
#include "job/keys.h"
#include "tests/unit/spec_fixture.h"

static void
the_document_has_every_key_as_it_is(void **state)
{
    FILE *doc = fopen(CO_SOURCE_DIR "/docs/job-file.md", "r");
    size_t count = 0, seen = 0, attributes = 0;
    const struct job_key *keys = job_keys(&count);
    char line[1024], want[1024];

    (void)state;
    assert_non_null(doc);
    while (fgets(line, sizeof line, doc)) {
        if (strncmp(line, "| `", 3) != 0) continue;
        if (seen < count) {
            (void)snprintf(
                want, sizeof want, "| `%s` | %s | %s | %s | %s | %s |\n",
                keys[seen].path, keys[seen].type, keys[seen].fallback,
                keys[seen].allowed, keys[seen].changes_rows ? "yes" : "no",
                keys[seen].why);
            seen++;
        } else {
            enum attribute_id id = (enum attribute_id)attributes++;

            assert_true(id < ATTR_COUNT);
            (void)snprintf(want, sizeof want, "| `%s` | %s |\n",
                           attribute_get(id)->name,
                           attribute_get(id)->kind == ATTR_INTEGER
                               ? "a number or bounds"
                               : "one value or a list");
        }
        assert_string_equal(line, want);
    }
    (void)fclose(doc);
    assert_int_equal(seen, count);
    assert_int_equal(attributes, ATTR_COUNT);
}

/* The schema's properties at path must be exactly names. */
static void
assert_properties(const json_t *schema, const char *const *names)
{
    const json_t *properties = json_object_get(schema, "properties");
    size_t n = 0;

    for (; names[n]; n++) {
        if (!json_object_get(properties, names[n])) {
            fail_msg("the schema lacks %s", names[n]);
        }
    }
    assert_int_equal(json_object_size(properties), n);
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
}

/* What the reader of providers: allows is told by what it refuses. */
static void
assert_provider_keys(const json_t *schema, const char *before,
                     const char *after)
{
    const json_t *properties = json_object_get(schema, "properties");
    char text[400], allowed[400];
    const char *key, *list;
    char *last;
    json_t *value;
    size_t n = 0;

    (void)snprintf(text, sizeof text, HEAD "providers: {a: %snope: 1%s}\n",
                   before, after);
    assert_null(parse(text));
    list = strstr(diag.text, "allowed here: ");
    assert_non_null(list);
    (void)snprintf(allowed, sizeof allowed, " %s,",
                   list + strlen("allowed here:"));
    last = strstr(allowed, " or ");
    if (last) memcpy(last, ",   ", 4);
    json_object_foreach((json_t *)(uintptr_t)properties, key, value)
    {
        (void)value;
        (void)snprintf(text, sizeof text, " %s,", key);
        if (!strstr(allowed, text)) fail_msg("%s is not in%s", key, allowed);
    }
    for (const char *p = allowed; (p = strchr(p, ',')); p++) {
        n++;
    }
    assert_int_equal(n, json_object_size(properties));
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
}

static void
assert_providers(const json_t *schema)
{
    const json_t *provider =
        json_object_get(json_object_get(schema, "$defs"), "provider");
    const json_t *in = json_object_get(provider, "properties");

#define KIND "{kind: openai, model: m, "
    assert_provider_keys(provider, "{", "}");
    assert_provider_keys(
        json_object_get(json_object_get(in, "endpoints"), "items"),
        KIND "endpoints: [{", "}]}");
    assert_provider_keys(json_object_get(in, "timeouts"), KIND "timeouts: {",
                         "}}");
    assert_provider_keys(json_object_get(in, "limits"), KIND "limits: {", "}}");
    assert_provider_keys(json_object_get(in, "price"), KIND "price: {", "}}");
#undef KIND
}

static void
the_schema_agrees_with_the_parser(void **state)
{
    const char *names[JOB_KEYS_MAX];
    const char *attributes[ATTR_COUNT + 1] = {NULL};
    const json_t *at;
    json_t *schema = NULL;
    size_t count = 0, required = 0;
    const struct job_key *keys = job_keys(&count);

    (void)state;
    assert_int_equal(co_json_load_file(CO_SOURCE_DIR
                                       "/job/personas.schema.json",
                                       1 << 20, &schema, &diag),
                     CO_OK);
    job_keys_under("", names);
    assert_properties(schema, names);
    at = json_object_get(schema, "properties");
    job_keys_under("output", names);
    assert_properties(json_object_get(at, "output"), names);
    job_keys_under("dedup", names);
    assert_properties(json_object_get(at, "dedup"), names);
    job_keys_under("answers", names);
    assert_properties(json_object_get(at, "answers"), names);
    job_keys_under("budget", names);
    assert_properties(json_object_get(at, "budget"), names);
    job_keys_under("budget.phases", names);
    assert_properties(
        json_object_get(
            json_object_get(json_object_get(at, "budget"), "properties"),
            "phases"),
        names);
    assert_providers(schema);
    job_keys_under("population", names);
    at = json_object_get(at, "population");
    assert_properties(at, names);
    for (unsigned i = 0; i < ATTR_COUNT; i++) {
        attributes[i] = attribute_get((enum attribute_id)i)->name;
    }
    at = json_object_get(at, "properties");
    assert_properties(json_object_get(at, "where"), attributes);
    for (unsigned i = 0, n = 0; i < ATTR_COUNT; i++) {
        if (attribute_get((enum attribute_id)i)->root) {
            attributes[n++] = attribute_get((enum attribute_id)i)->name;
            attributes[n] = NULL;
        }
    }
    assert_properties(json_object_get(at, "mix"), attributes);
    for (size_t i = 0; i < count; i++) {
        required += strcmp(keys[i].fallback, "required") == 0;
    }
    assert_int_equal(json_array_size(json_object_get(schema, "required")),
                     required);
    json_decref(schema);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_has_every_key_as_it_is),
        cmocka_unit_test(the_schema_agrees_with_the_parser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
