/* speak.c - see speak.h. */
#include "tests/fake-llm/speak.h"

#include "llm/pull.h"

#include <inttypes.h>
#include <string.h>

enum {
    TEXT_MAX = 4 << 20,
    BYTES_PER_TOKEN = 4,
    PROSE_TOKENS = 180,
    OVERRUN_TOKENS = 1000,
    LIST_WORDS = 3,
};

/* About 900 bytes, with characters of two, three and four bytes. */
static const char prose[] =
    "Zo\u00eb \u00c1lvarez, 43, is a respiratory therapist in Tucson who "
    "restores "
    "radios and coaches softball. She writes \u201cnotes to self\u201d in "
    "\u65e5\u672c\u8a9e "
    "and signs them with \U0001F4FB. On Sundays she drives out to Gates Pass "
    "with a "
    "thermos, listens to the shortwave bands, and writes down what she hears "
    "in a ledger that her grandfather began. She is patient with machines and "
    "less so with meetings. Her neighbours know that she can be asked for a "
    "soldering iron, a ladder or an opinion, in that order, and that the third "
    "is the only one she never wants back. She sleeps badly before exams that "
    "other people take. Her brother says that she collects beginnings; she "
    "says that she finishes one thing every year, and that the rest is "
    "practice "
    "for it. What she is proudest of is a radio that her students repaired.";

/* As many as six bits can tell. */
static const struct word {
    const char *text;
    size_t len;
} words[] = {
#define WORD(text)                                                             \
    {                                                                          \
        text, sizeof(text) - 1                                                 \
    }
    WORD("garden"),      WORD("radio"),    WORD("morning"),   WORD("market"),
    WORD("careful"),     WORD("brother"),  WORD("kitchen"),   WORD("river"),
    WORD("ledger"),      WORD("softball"), WORD("evening"),   WORD("workshop"),
    WORD("letters"),     WORD("patient"),  WORD("quiet"),     WORD("bicycle"),
    WORD("harbour"),     WORD("lantern"),  WORD("choir"),     WORD("orchard"),
    WORD("student"),     WORD("engine"),   WORD("neighbour"), WORD("saddle"),
    WORD("pottery"),     WORD("railway"),  WORD("winter"),    WORD("savings"),
    WORD("language"),    WORD("recipe"),   WORD("caf\u00e9"), WORD("Zo\u00eb"),
    WORD("borrows"),     WORD("repairs"),  WORD("teaches"),   WORD("collects"),
    WORD("walks"),       WORD("cooks"),    WORD("reads"),     WORD("remembers"),
    WORD("with"),        WORD("near"),     WORD("before"),    WORD("under"),
    WORD("and"),         WORD("for"),      WORD("without"),   WORD("because"),
    WORD("mends"),       WORD("paints"),   WORD("thermos"),   WORD("shortwave"),
    WORD("grandmother"), WORD("Sunday"),   WORD("between"),   WORD("cheerful"),
    WORD("thrifty"),     WORD("sings"),    WORD("plants"),    WORD("bakes"),
    WORD("swims"),       WORD("carries"),  WORD("window"),    WORD("piano"),
#undef WORD
};
enum { WORD_BITS = 6, WORD_BYTES = 11, WORDS_A_DRAW = 64 / WORD_BITS };
_Static_assert(co_countof(words) == 1 << WORD_BITS, "all of them are used");

/* What a value has to be like. */
struct want {
    uint64_t words_min, words_max, items_min, items_max, bytes_min, bytes_max;
    const struct word *first; /* NULL: any */
};

static const struct want usual = {25, 50, 3, 6, 0, UINT64_MAX, NULL};

struct speaker {
    uint64_t state; /* of the random numbers */
    struct co_buf *out;
    bool wordy;
    bool violate;
    uint64_t how; /* it is violated */
};

/* ---- random numbers and words ---- */

static uint64_t
next(struct speaker *s)
{
    uint64_t z = s->state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static uint64_t
draw(struct speaker *s, uint64_t min, uint64_t max)
{
    return max > min ? min + next(s) % (max - min + 1) : min;
}

/* A text in quotes; its words need no escapes. */
static void
say_words(struct speaker *s, const struct want *want)
{
    /* A paragraph may be wordy; the texts of a list are a few words each. */
    bool more = s->wordy && want->words_min >= usual.words_min;
    uint64_t n = draw(s, more ? want->words_max : want->words_min,
                      more ? want->words_max * 7 / 5 : want->words_max);
    uint64_t bits = 0;
    size_t room = want->bytes_min + (size_t)(n + 1) * (WORD_BYTES + 2) + 2;
    char *from = (char *)co_buf_reserve(s->out, room), *to = from;

    if (!from) return;
    *to++ = '"';
    for (uint64_t i = 0; i < n || (size_t)(to - from) <= want->bytes_min; i++) {
        const struct word *word;

        if (i % WORDS_A_DRAW == 0) bits = next(s);
        word = &words[bits & (co_countof(words) - 1)];
        bits >>= WORD_BITS;
        if (i == 0 && want->first) word = want->first;
        if ((size_t)(to - from) + word->len + 1 > want->bytes_max) break;
        if (i > 0 && i % 12 == 0) *to++ = '.';
        if (i > 0) *to++ = ' ';
        memcpy(to, word->text, word->len);
        to += word->len;
    }
    *to++ = '"';
    co_buf_commit(s->out, (size_t)(to - from));
}

/* ---- schemas ---- */

/* "3 to 6 texts": the numbers before word, if they are there. */
static void
range_of(const struct pull_slice *text, const char *word, uint64_t *min,
         uint64_t *max)
{
    const char *at = memmem(text->at, text->len, word, strlen(word));
    uint64_t n[2] = {0, 0};

    for (int i = 0; at && i < 2; i++) {
        uint64_t unit = 1;

        while (at > text->at && (at[-1] < '0' || at[-1] > '9')) {
            at--;
        }
        while (at > text->at && at[-1] >= '0' && at[-1] <= '9') {
            n[i] += unit * (uint64_t)(*--at - '0');
            unit *= 10;
        }
    }
    if (n[0] == 0 || n[1] == 0 || n[1] > n[0]) return;
    *min = n[1];
    *max = n[0];
}

/* A schema, taken apart: its parts are readers that stand before them. */
struct parts {
    struct pull_slice type, description;
    struct pull properties, items, values;
    bool has_properties, has_items, has_values;
    struct want want;
};

static void
take_number(struct pull *p, uint64_t *out)
{
    if (pull_peek(p) != PULL_NUMBER) {
        pull_skip(p);
    } else {
        (void)pull_u64(p, out);
    }
}

static void
take_type(struct pull *p, struct pull_slice *out)
{
    if (pull_peek(p) == PULL_TEXT) {
        (void)pull_text(p, out);
    } else {
        pull_skip(p);
    }
}

static void
take_part(struct pull *p, const struct pull_slice *key, struct parts *parts)
{
    struct want *w = &parts->want;

    if (pull_is(key, "type")) {
        take_type(p, &parts->type);
    } else if (pull_is(key, "description")) {
        take_type(p, &parts->description);
    } else if (pull_is(key, "minLength")) {
        take_number(p, &w->bytes_min);
    } else if (pull_is(key, "maxLength")) {
        take_number(p, &w->bytes_max);
    } else if (pull_is(key, "minItems")) {
        take_number(p, &w->items_min);
    } else if (pull_is(key, "maxItems")) {
        take_number(p, &w->items_max);
    } else {
        if (pull_is(key, "properties")) {
            parts->properties = *p;
            parts->has_properties = true;
        } else if (pull_is(key, "items")) {
            parts->items = *p;
            parts->has_items = true;
        } else if (pull_is(key, "enum")) {
            parts->values = *p;
            parts->has_values = true;
        }
        pull_skip(p);
    }
}

static void
take_apart(struct pull *p, const struct want *outer, struct parts *parts)
{
    struct pull_slice key;

    *parts = (struct parts){.type = {"string", 6, false}, .want = *outer};
    if (!pull_enter(p, PULL_OBJECT)) return;
    while (pull_key(p, &key)) {
        take_part(p, &key, parts);
    }
    if (parts->description.len == 0) return;
    range_of(&parts->description, " words", &parts->want.words_min,
             &parts->want.words_max);
    range_of(&parts->description, " texts", &parts->want.items_min,
             &parts->want.items_max);
}

/* As deep as a schema that was checked: NOLINTBEGIN(misc-no-recursion) */
static void say_value(struct speaker *s, struct pull *p,
                      const struct want *outer);

/* The ways to be wrong, by s->how: the first without its value's type, empty,
 * the last left out, one too many. */
static void
say_object(struct speaker *s, struct pull *p)
{
    bool violate = s->violate;
    struct pull_slice key;
    size_t n = 0, last = s->out->len;

    s->violate = false; /* only the outermost */
    co_buf_putc(s->out, '{');
    if (!pull_enter(p, PULL_OBJECT)) return;
    for (; pull_key(p, &key); n++) {
        last = s->out->len;
        if (n > 0) co_buf_putc(s->out, ',');
        co_buf_putc(s->out, '"');
        co_buf_append(s->out, key.at, key.len);
        co_buf_puts(s->out, "\":");
        if (violate && n == 0 && s->how < 2) {
            co_buf_puts(s->out, s->how ? "17" : "\"\"");
            pull_skip(p);
        } else {
            say_value(s, p, &usual);
        }
    }
    if (violate && s->how == 2 && n > 0) s->out->len = last;
    if (violate && s->how == 3) {
        co_buf_printf(s->out, "%s\"note\":\"As you wish.\"", n ? "," : "");
    }
    co_buf_putc(s->out, '}');
}

static void
say_list(struct speaker *s, const struct parts *parts)
{
    struct want want = parts->want;
    uint64_t n = draw(s, want.items_min, want.items_max), from = next(s);

    if (want.words_min == usual.words_min) {
        want.words_min = 1;
        want.words_max = LIST_WORDS;
    }
    co_buf_putc(s->out, '[');
    for (uint64_t i = 0; i < n; i++) {
        struct pull items = parts->items;

        /* Each begins with another word: none is there twice. */
        want.first = &words[(from + i) % co_countof(words)];
        if (i > 0) co_buf_putc(s->out, ',');
        if (parts->has_items) {
            say_value(s, &items, &want);
        } else {
            say_words(s, &want);
        }
    }
    co_buf_putc(s->out, ']');
}

/* One of an enum's texts. */
static void
say_one_of(struct speaker *s, const struct parts *parts)
{
    struct pull p = parts->values;
    struct pull_slice text = {"", 0, false};
    uint64_t left = draw(s, 1, 8);

    if (!pull_enter(&p, PULL_ARRAY)) return;
    while (left-- > 0 && pull_item(&p) && pull_text(&p, &text)) {
    }
    co_buf_putc(s->out, '"');
    co_buf_append(s->out, text.at, text.len);
    co_buf_putc(s->out, '"');
}

static void
say_value(struct speaker *s, struct pull *p, const struct want *outer)
{
    struct parts parts;

    take_apart(p, outer, &parts);
    if (parts.has_values) {
        say_one_of(s, &parts);
    } else if (pull_is(&parts.type, "object") && parts.has_properties) {
        say_object(s, &parts.properties);
    } else if (pull_is(&parts.type, "array")) {
        say_list(s, &parts);
    } else if (pull_is(&parts.type, "boolean")) {
        co_buf_puts(s->out, draw(s, 0, 1) ? "true" : "false");
    } else if (pull_is(&parts.type, "integer") ||
               pull_is(&parts.type, "number")) {
        co_buf_printf(s->out, "%" PRIu64, draw(s, 1, 100));
    } else {
        say_words(s, &parts.want);
    }
}

/* NOLINTEND(misc-no-recursion) */

/* ---- replies ---- */

/* A schema that is told in words stands in a text, escaped: made plain. */
static struct request_part
schema_in_words(const struct request *r)
{
    static const char mark[] = "JSON Schema:\\n";
    static struct co_buf plain = {.limit = TEXT_MAX};
    const char *at = memmem(r->body, r->body_len, mark, sizeof mark - 1);
    const char *end = r->body + r->body_len;
    struct pull_slice text = {.escaped = true};

    if (!at) return (struct request_part){NULL, 0};
    text.at = at += sizeof mark - 1;
    while (at < end && *at != '"') {
        at += *at == '\\' ? 2 : 1;
    }
    text.len = (size_t)(at - text.at);
    co_buf_clear(&plain);
    pull_decode(&text, &plain);
    return (struct request_part){(const char *)plain.data, plain.len};
}

static void
say_json(const struct request *r, const struct behave *b, uint64_t hash,
         const struct request_part *schema, struct co_buf *out)
{
    bool in_words = !r->schema.at && !r->wants_json;
    bool fence = b->fence || (in_words && hash % 2);
    bool mends = r->is_mending && !b->stubborn;
    struct speaker s = {.state = hash,
                        .out = out,
                        .wordy = b->wordy,
                        .violate = b->violate && !mends,
                        .how = hash / 2 % 4};
    struct pull p;

    if (b->nonjson && !mends) {
        co_buf_puts(out, "I would rather talk about radios.");
        return;
    }
    if (fence && !r->tool.at) co_buf_puts(out, "Here it is:\n```json\n");
    pull_init(&p, schema->at, schema->len);
    say_value(&s, &p, &usual);
    if (fence && !r->tool.at) co_buf_puts(out, "\n```\nAnything else?");
}

/* At most n bytes, whole characters. */
static size_t
cut_at(const char *text, size_t len, size_t n)
{
    if (n >= len) return len;
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) {
        n--;
    }
    return n;
}

/* All that is said is UTF-8 without control characters but line ends. */
static void
quote(const char *text, size_t len, struct co_buf *out)
{
    const char *end = text + len, *run = text;

    co_buf_putc(out, '"');
    for (; text < end; text++) {
        if (*text != '"' && *text != '\\' && *text != '\n') continue;
        co_buf_append(out, run, (size_t)(text - run));
        co_buf_putc(out, '\\');
        run = text;
        if (*text != '\n') continue;
        co_buf_putc(out, 'n');
        run++;
    }
    co_buf_append(out, run, (size_t)(end - run));
    co_buf_putc(out, '"');
}

/* The whole prose is quoted once: that is what makes 50,000 a second. */
static void
put_quoted(struct reply *reply)
{
    static struct co_buf whole = {.limit = TEXT_MAX},
                         other = {.limit = TEXT_MAX};
    struct co_buf *use = &other;

    if (reply->text == prose && reply->len == sizeof prose - 1) {
        use = &whole;
        if (whole.len == 0) quote(reply->text, reply->len, &whole);
    } else {
        co_buf_clear(&other);
        quote(reply->text, reply->len, &other);
    }
    reply->quoted = (const char *)use->data;
    reply->quoted_len = use->len;
}

/* Ends the text at the most tokens, or where it is told to. */
static void
end_at(const struct request *r, const struct behave *b, struct reply *reply)
{
    uint64_t most = r->max_tokens;

    if (b->length) {
        reply->len = cut_at(reply->text, reply->len, reply->len / 2);
        reply->output_tokens = most ? most : reply->len / BYTES_PER_TOKEN + 1;
        reply->is_cut = true;
    } else if (most && reply->output_tokens > most) {
        reply->len =
            cut_at(reply->text, reply->len, BYTES_PER_TOKEN * (size_t)most);
        reply->output_tokens = most;
        reply->is_cut = true;
    }
}

void
speak(const struct request *r, const struct behave *b, uint64_t hash,
      struct reply *ret_reply)
{
    static struct co_buf json = {.limit = TEXT_MAX};
    struct request_part schema = r->schema.at ? r->schema : schema_in_words(r);
    struct reply reply = {.text = prose,
                          .len = sizeof prose - 1,
                          .output_tokens = PROSE_TOKENS,
                          .input_tokens = r->body_len / BYTES_PER_TOKEN};

    if (schema.at) {
        co_buf_clear(&json);
        say_json(r, b, hash, &schema, &json);
        reply.text = co_buf_text(&json);
        reply.len = json.len;
        reply.output_tokens = json.len / BYTES_PER_TOKEN + 1;
        reply.is_tool = r->tool.at && json.data[0] == '{';
    }
    end_at(r, b, &reply);
    if (b->overrun) {
        reply.output_tokens += r->max_tokens + OVERRUN_TOKENS;
        reply.input_tokens = r->body_len * BYTES_PER_TOKEN;
    }
    reply.good =
        !reply.is_cut && !b->filter && b->end == END_WHOLE &&
        b->body == BODY_ANSWER && !b->html &&
        ((!b->violate && !b->nonjson) || (r->is_mending && !b->stubborn));
    if (!reply.is_tool) put_quoted(&reply);
    *ret_reply = reply;
}
