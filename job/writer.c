/* writer.c - see writer.h. */
#include "job/writer.h"

#include "common/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Also where a prompt came from, in messages about a recipe. */
static const char *const stage_names[ASK_STAGES] = {
    [ASK_BACKGROUND] = "recipe: prompt background",
    [ASK_PERSONAS] = "recipe: prompt personas",
};

void
writer_free(struct writer *writer)
{
    if (!writer) return;
    prompt_set_free(writer->prompts);
    free(writer);
}

bool
writer_has_price(const struct writer *writer)
{
    return writer->price.input >= 0 && writer->price.output >= 0;
}

/* That of a call stands beside it. What is not known, or costs nothing unless
 * said, is left out. */
static void
write_price(const struct price *price, struct co_json *json)
{
    co_json_key(json, "price");
    co_json_object(json);
    for (unsigned i = 0; i < PRICE_CLASSES; i++) {
        const enum price_class class = (enum price_class)i;
        const int64_t value = price_get(price, class);

        if (class == PRICE_CALL || value < !price_classes[i].tokens) continue;
        co_json_put_u64(json, price_classes[i].name, (uint64_t)value);
    }
    co_json_end(json);
}

void
writer_write(const struct writer *writer, struct co_json *json)
{
    co_json_object(json); /* keys in sorted order */
    if (writer->batch) {
        co_json_key(json, "batch");
        co_json_bool(json, true);
    }
    if (writer->call_ms) co_json_put_u64(json, "call_ms", writer->call_ms);
    co_json_put_u64(json, "call_price", (uint64_t)writer->price.call);
    co_json_put_u64(json, "fresh", writer->fresh);
    co_json_put_text(json, "kind", writer->kind);
    co_json_key(json, "max_tokens");
    co_json_array(json);
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        co_json_u64(json, writer->max_tokens[i]);
    }
    co_json_end(json);
    co_json_put_text(json, "model", writer->model);
    if (writer_has_price(writer)) write_price(&writer->price, json);
    co_json_key(json, "prompts");
    co_json_array(json);
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        co_json_text(json, prompt_set_text(writer->prompts, (enum ask_stage)i));
    }
    co_json_end(json);
    co_json_put_u64(json, "repairs", writer->repairs);
    if (writer->temperature_milli != WRITER_TEMPERATURE_OWN) {
        co_json_put_u64(json, "temperature", writer->temperature_milli);
    }
    co_json_end(json);
}

/* --- reading -------------------------------------------------------------- */

static bool
read_number(const json_t *value, uint64_t min, uint64_t max, uint64_t *ret)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *ret = (uint64_t)json_integer_value(value);
    return *ret >= min && *ret <= max;
}

static bool
read_u32(const json_t *value, uint32_t min, uint32_t max, uint32_t *ret)
{
    uint64_t number = 0;

    if (!read_number(value, min, max, &number)) return false;
    *ret = (uint32_t)number;
    return true;
}

static bool
read_text(const json_t *value, char *to, size_t size)
{
    const char *text = json_string_value(value);
    size_t len = text ? strlen(text) : 0;

    if (len < 1 || len >= size) return false;
    memcpy(to, text, len + 1);
    return true;
}

static bool
read_money(const json_t *value, int64_t *ret)
{
    uint64_t number = 0;

    if (!read_number(value, 0, INT64_MAX, &number)) return false;
    *ret = (int64_t)number;
    return true;
}

/* Tokens have a price, or there is none; other classes need not be there. */
static bool
read_price(const json_t *value, struct price *price)
{
    *price = price_unknown;
    for (unsigned i = 0; value && i < PRICE_CLASSES; i++) {
        const json_t *of = json_object_get(value, price_classes[i].name);

        if (of && !read_money(of, price_of(price, (enum price_class)i))) {
            return false;
        }
    }
    return !value || (price->input >= 0 && price->output >= 0);
}

/* With a price of seconds, and only then, a call has so many at most. */
static bool
read_call_ms(const json_t *value, struct writer *writer)
{
    if (!value) return writer->price.millisecond == 0;
    return read_number(value, 1, PROVIDERS_TIME_MAX_MS, &writer->call_ms) &&
           writer->price.millisecond > 0;
}

static bool
read_tokens(const json_t *list, struct writer *writer)
{
    if (json_array_size(list) != ASK_STAGES) return false;
    for (unsigned i = 0; i < ASK_STAGES; i++) {
        if (!read_u32(json_array_get(list, i), WRITER_TOKENS_MIN,
                      WRITER_TOKENS_MAX, &writer->max_tokens[i])) {
            return false;
        }
    }
    return true;
}

static bool
read_values(const json_t *value, struct writer *writer)
{
    const json_t *temperature = json_object_get(value, "temperature");
    const json_t *batch = json_object_get(value, "batch");

    writer->temperature_milli = WRITER_TEMPERATURE_OWN;
    writer->batch = json_is_true(batch);
    return read_price(json_object_get(value, "price"), &writer->price) &&
           read_money(json_object_get(value, "call_price"),
                      &writer->price.call) &&
           read_call_ms(json_object_get(value, "call_ms"), writer) &&
           read_u32(json_object_get(value, "fresh"), 0, WRITER_FRESH_MAX,
                    &writer->fresh) &&
           read_u32(json_object_get(value, "repairs"), 0, WRITER_REPAIRS_MAX,
                    &writer->repairs) &&
           read_text(json_object_get(value, "kind"), writer->kind,
                     sizeof writer->kind) &&
           read_text(json_object_get(value, "model"), writer->model,
                     sizeof writer->model) &&
           read_tokens(json_object_get(value, "max_tokens"), writer) &&
           (!temperature || read_u32(temperature, 0, WRITER_TEMPERATURE_MAX,
                                     &writer->temperature_milli));
}

static enum co_err
read_prompts(const json_t *list, struct writer *writer, struct co_diag *diag)
{
    const char *texts[ASK_STAGES];

    for (unsigned i = 0; i < ASK_STAGES; i++) {
        texts[i] = json_string_value(json_array_get(list, i));
        if (!texts[i]) {
            return co_fail(diag, CO_INVALID, "recipe: writer has no prompts");
        }
    }
    return prompt_set_parse(texts, stage_names, &writer->prompts, diag);
}

enum co_err
writer_from_json(const json_t *value, const char *provider,
                 struct writer **ret_writer, struct co_diag *diag)
{
    co_auto(writer_freep) struct writer *writer = calloc(1, sizeof *writer);
    enum co_err err;

    if (!writer) return co_fail(diag, CO_NOMEM, "out of memory");
    if (strlen(provider) >= sizeof writer->provider ||
        !read_values(value, writer)) {
        return co_fail(diag, CO_INVALID,
                       "recipe: the writer's values are missing or wrong");
    }
    memcpy(writer->provider, provider, strlen(provider) + 1);
    err = read_prompts(json_object_get(value, "prompts"), writer, diag);
    if (err) return err;
    *ret_writer = co_take(&writer);
    return CO_OK;
}

/* --- for people ----------------------------------------------------------- */

void
writer_say_answers(const struct writer *writer, struct co_buf *out)
{
    uint32_t t = writer->temperature_milli;

    co_buf_printf(out, "max_tokens %u", writer->max_tokens[0]);
    for (unsigned i = 1; i < ASK_STAGES; i++) {
        if (writer->max_tokens[i] == writer->max_tokens[0]) continue;
        co_buf_printf(out, "/%u", writer->max_tokens[i]);
    }
    if (t == WRITER_TEMPERATURE_OWN) {
        co_buf_puts(out, ", the model's temperature");
    } else {
        co_buf_printf(out, ", temperature %u.%03u", t / 1000, t % 1000);
    }
    co_buf_printf(out, ", repairs %u, fresh %u", writer->repairs,
                  writer->fresh);
}

void
writer_say_price(const struct writer *writer, struct co_buf *out)
{
    const struct price *price = &writer->price;
    char text[PRICE_TEXT_BYTES];

    if (!writer_has_price(writer)) {
        co_buf_puts(out, "unknown");
        return;
    }
    if (writer->batch) co_buf_puts(out, "in batches ");
    co_buf_printf(out, "%s in, ", price_class_text(price, PRICE_INPUT, text));
    if (price->cached_input >= 0) {
        co_buf_printf(out, "%s cached, ",
                      price_class_text(price, PRICE_CACHED_INPUT, text));
    }
    co_buf_printf(out, "%s out USD a million tokens",
                  price_class_text(price, PRICE_OUTPUT, text));
    for (unsigned i = 0; i < PRICE_CLASSES; i++) {
        const enum price_class class = (enum price_class)i;

        if (price_classes[i].tokens || price_get(price, class) <= 0) continue;
        co_buf_printf(out, ", %s %s", price_class_text(price, class, text),
                      price_classes[i].text);
    }
    if (writer->call_ms) {
        co_buf_printf(out, " (a call has %llu ms at most)",
                      (unsigned long long)writer->call_ms);
    }
}

uint64_t
writer_prompts_hash(const struct writer *writer)
{
    uint64_t hash = 0;

    for (unsigned i = 0; i < ASK_STAGES; i++) {
        const char *text = prompt_set_text(writer->prompts, (enum ask_stage)i);

        hash = co_hash64(text, strlen(text), hash);
    }
    return hash;
}
