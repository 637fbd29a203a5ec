/* write_verdict.c - what the end of a call means for its ask, and its money.
 *
 * A call that surely was not paid and may go better later is given back; what
 * perhaps was paid is never sent again under the same ask, so it is a result.
 * All that a stranger wrote is cleaned of our key first: endpoints repeat it in
 * their messages, and results are kept. */
#include "worker/services/write.h"

#include "common/clock.h"
#include "common/fs.h"
#include "llm/shape.h"

#include <string.h>

enum {
    BACKOFF_FIRST_MS = 500,
    BACKOFF_MAX_MS = 60 * 1000,
    BACKOFF_DOUBLINGS_MAX = 7,
    JITTER_MS = 250,
    LOG_MS = 10000,
};

enum meaning {
    MEANS_NOTHING, /* 0: not in the table */
    MEANS_ANSWER,  /* to be looked at */
    MEANS_CUT,
    MEANS_FILTERED,
    MEANS_AGAIN,   /* nothing is paid: another time */
    MEANS_REFUSED, /* nothing is paid, and nothing would be otherwise */
    MEANS_PERHAPS  /* AGAIN when nothing was sent, else perhaps paid */
};

static const uint8_t means[FAULT_COUNT] = {
    [FAULT_NONE] = MEANS_ANSWER,
    [FAULT_LENGTH] = MEANS_CUT,
    [FAULT_FILTERED] = MEANS_FILTERED,

    [FAULT_RESOLVE] = MEANS_AGAIN,
    [FAULT_CONNECT] = MEANS_AGAIN,
    [FAULT_CONNECT_TIMEOUT] = MEANS_AGAIN,
    [FAULT_RATE_LIMITED] = MEANS_AGAIN,
    [FAULT_OVERLOADED] = MEANS_AGAIN,
    [FAULT_TRY_AGAIN] = MEANS_AGAIN,

    [FAULT_TLS] = MEANS_REFUSED,
    [FAULT_NO_MONEY] = MEANS_REFUSED,
    [FAULT_UNAUTHORIZED] = MEANS_REFUSED,
    [FAULT_BAD_REQUEST] = MEANS_REFUSED,
    [FAULT_REDIRECT] = MEANS_REFUSED,

    [FAULT_RESET] = MEANS_PERHAPS,
    [FAULT_CUT] = MEANS_PERHAPS,
    [FAULT_FIRST_BYTE_TIMEOUT] = MEANS_PERHAPS,
    [FAULT_IDLE_TIMEOUT] = MEANS_PERHAPS,
    [FAULT_TOTAL_TIMEOUT] = MEANS_PERHAPS,
    [FAULT_LOCAL] = MEANS_PERHAPS,
    /* A gateway that gave up waiting says 502 or 504, and one that failed with
     * the answer in hand 500: the model may have worked for it. */
    [FAULT_SERVER] = MEANS_PERHAPS,
    /* An answer came that cannot be read: the model may have worked for it. */
    [FAULT_TOO_BIG] = MEANS_PERHAPS,
    [FAULT_HEADERS] = MEANS_PERHAPS,
    [FAULT_NOT_HTTP] = MEANS_PERHAPS,
    [FAULT_CONTENT_TYPE] = MEANS_PERHAPS,
    [FAULT_BAD_JSON] = MEANS_PERHAPS,
    [FAULT_BAD_SHAPE] = MEANS_PERHAPS,
};

static bool
has_begun(const struct provider_answer *answer)
{
    return answer->is_answer || answer->has_usage || answer->text.len > 0;
}

static enum meaning
meaning_of(const struct call *call)
{
    enum meaning meaning = means[call->fault];

    co_assert(meaning != MEANS_NOTHING);
    /* An error inside an answer of status 200 comes after the first words,
     * which were paid; but for a refusal that stands there alone. */
    if (call->status == 200 &&
        (meaning == MEANS_AGAIN ||
         (meaning == MEANS_REFUSED && has_begun(&call->answer)))) {
        return MEANS_PERHAPS;
    }
    if (meaning == MEANS_PERHAPS && !call->sent) return MEANS_AGAIN;
    return meaning;
}

enum write_chance
write_chance(enum fault fault, bool sent)
{
    switch ((enum meaning)means[fault]) {
    case MEANS_AGAIN:
        return WRITE_AGAIN;
    case MEANS_REFUSED:
        return WRITE_NEVER;
    default:
        return sent ? WRITE_PERHAPS : WRITE_AGAIN;
    }
}

/* -- results ------------------------------------------------------------- */
/* Where it went; what follows a '?' may be as good as a key. */
static struct ask_text
endpoint_of(const struct write_ask *a)
{
    const char *url = a->lane->endpoints[a->endpoint].url;

    return (struct ask_text){url, (uint32_t)strcspn(url, "?")};
}

static struct ask_result
result_of(const struct write_ask *a, enum ask_outcome outcome)
{
    return (struct ask_result){
        .row = a->task.row,
        .ask = a->task.ask,
        .stage = a->task.stage,
        .outcome = outcome,
        .time = (uint64_t)co_clock_wall_ms() / 1000,
    };
}

/* What is billed beside tokens. A call that was played took no time. One that
 * is beyond its time was ended in it, or had been answered when this process
 * was held up itself: how long it took is not known, and it is charged all of
 * that time. Said as it is, it would stop the job. */
static void
put_units(const struct write_ask *a, struct ask_result *r)
{
    const int64_t us = a->call.total_us;
    const uint64_t ms = us >= 0 ? ((uint64_t)us + 999) / 1000 : UINT64_MAX;

    r->has_characters = a->has_characters;
    r->characters = a->characters;
    r->has_held_ms = a->task.total_ms > 0 && ms <= a->task.total_ms;
    if (r->has_held_ms) r->held_ms = ms;
}

/* The lane records no more since a write failed: whoever plays the file will
 * miss this answer. */
static bool
is_unrecorded(const struct write_ask *a, enum ask_outcome outcome)
{
    return a->lane->entry->record_file[0] && a->lane->record_fd < 0 &&
           outcome != ASK_UNKNOWN && outcome != ASK_REFUSED;
}

/* The same with all that the call tells. */
static struct ask_result
result_of_call(const struct write_ask *a, enum ask_outcome outcome)
{
    const struct call *c = &a->call;
    struct ask_result r = result_of(a, outcome);

    r.endpoint = endpoint_of(a);
    r.unrecorded = is_unrecorded(a, outcome);
    r.model = ask_text_of(c->answer.model);
    r.has_usage = c->answer.has_usage;
    r.input = c->answer.input_tokens;
    /* Owners take no more; a record of an older version may say so. */
    r.cached = co_min_u64(c->answer.cached_tokens, c->answer.input_tokens);
    r.output = c->answer.output_tokens;
    r.first_byte_us = c->first_byte_us > 0 ? (uint64_t)c->first_byte_us : 0;
    r.total_us = c->total_us > 0 ? (uint64_t)c->total_us : 0;
    r.status = c->status > 0 ? (uint32_t)c->status : 0;
    if (c->fault) r.fault = ask_text_of(fault_name(c->fault));
    put_units(a, &r);
    return r;
}

static enum service_step
tell(const struct write_ask *a, const struct ask_result *result)
{
    ask_put_result(result, a->out);
    a->run->progressed = true;
    return SERVICE_DONE;
}

/* What came, as it came, for the turn that mends it. */
static void
quote(struct ask_result *r, const struct co_buf *text)
{
    r->answer = text->data;
    r->answer_len = (uint32_t)co_min_u64(text->len, ASK_WRONG_MAX);
}

static enum service_step
tell_unfit(const struct write_ask *a, enum ask_outcome outcome, const char *why)
{
    struct ask_result r = result_of_call(a, outcome);

    limiter_answered(a->lane->limiter, a->endpoint, true);
    quote(&r, &a->call.answer.text);
    r.error = ask_text_of(why);
    return tell(a, &r);
}

static enum service_step
tell_answer(const struct write_ask *a)
{
    const struct co_buf *text = &a->call.answer.text;
    co_auto(co_buf_fini) struct co_buf form;
    struct ask_result r = result_of_call(a, ASK_ANSWER);
    struct co_diag wrong = {""};
    enum co_err err;

    co_buf_init(&form, (size_t)2 * ASK_ANSWER_MAX);
    err = shape_check(shape_of(a->task.stage), a->age,
                      text->len ? (const char *)text->data : "", text->len,
                      &form, &wrong);
    if (!err) err = form.err;
    if (err) {
        return tell_unfit(a, ASK_INVALID,
                          wrong.text[0] ? wrong.text : co_err_text(err));
    }
    limiter_answered(a->lane->limiter, a->endpoint, false);
    /* What was spelt with escapes is plain only now. */
    secret_redact(&a->lane->secrets[a->endpoint], (char *)form.data, form.len);
    r.answer = form.data;
    r.answer_len = (uint32_t)form.len;
    return tell(a, &r);
}

static enum service_step
tell_cut(const struct write_ask *a)
{
    struct co_diag why;

    (void)co_fail(&why, CO_FULL,
                  "the answer did not end within the %lu tokens that it may "
                  "have: be shorter",
                  (unsigned long)a->task.output_max);
    return tell_unfit(a, ASK_CUT, why.text);
}

/* No answer: the fault's own words, or what to do about it. */
static enum service_step
tell_fault(const struct write_ask *a, enum ask_outcome outcome)
{
    struct ask_result r = result_of_call(a, outcome);
    const char *why = a->call.diag.text;

    r.error = ask_text_of(why[0] ? why : fault_advice(a->call.fault));
    return tell(a, &r);
}

/* -- another time -------------------------------------------------------- */
static uint32_t
random_below(uint64_t n)
{
    return (uint32_t)(co_random_u64() % n);
}

/* As long as the endpoint says, a little spread; else anything up to a time
 * that doubles with each attempt: all who were turned away at once do not come
 * back at once. */
uint32_t
write_not_before(const struct hints *hints, uint32_t attempt)
{
    uint32_t doublings = attempt > 0 ? attempt - 1 : 0;
    int64_t said = hints->retry_after_ms;

    if (said >= 0) {
        said = (int64_t)co_min_u64((uint64_t)said, HINTS_WAIT_MAX_MS);
        return (uint32_t)said + random_below((uint64_t)said / 10 + JITTER_MS);
    }
    if (doublings > BACKOFF_DOUBLINGS_MAX) doublings = BACKOFF_DOUBLINGS_MAX;
    return random_below(
        co_min_u64((uint64_t)BACKOFF_FIRST_MS << doublings, BACKOFF_MAX_MS));
}

static enum service_step
give_back(const struct write_ask *a)
{
    return write_give_back(
        a, write_not_before(&a->call.hints, a->run->task.attempt));
}

/* -- ends ---------------------------------------------------------------- */
/* A key of a few bytes would be found everywhere: secret.c leaves those. */
static void
clean(struct write_ask *a)
{
    const struct secret *secret = &a->lane->secrets[a->endpoint];
    struct call *c = &a->call;

    if (c->answer.text.len > 0) {
        secret_redact(secret, (char *)c->answer.text.data, c->answer.text.len);
    }
    secret_redact(secret, c->answer.model, strlen(c->answer.model));
    secret_redact(secret, c->diag.text, strlen(c->diag.text));
}

/* Which kind of failure, never whose words: they may quote the prompt. */
static void
log_fault(const struct write_ask *a)
{
    const struct call *c = &a->call;
    struct ask_text at = endpoint_of(a);
    uint64_t more = 0;

    if (!co_log_every(&a->lane->log_limit, co_clock_ms(), LOG_MS, &more)) {
        return;
    }
    co_log(CO_LOG_WARN, "call.failed",
           "provider=%s endpoint=%.*s fault=%s status=%d sent=%d more=%llu",
           a->lane->entry->name, (int)at.len, at.text, fault_name(c->fault),
           c->status, c->sent, (unsigned long long)more);
}

/* A disk that does not take it is no reason to lose an answer. */
static void
record(struct write_ask *a)
{
    struct lane *lane = a->lane;
    struct co_diag why = {""};

    if (!recorded_record(lane->record_fd, a->asked.data, a->asked.len,
                         &a->call.of, &a->call.answer, &why)) {
        return;
    }
    co_log(CO_LOG_ERROR, "provider.record_failed",
           "provider=%s why=%s: nothing more is recorded by this process",
           lane->entry->name, co_log_quote(why.text).text);
    co_fs_closep(&lane->record_fd);
}

enum service_step
write_verdict(struct write_ask *a)
{
    enum meaning meaning = meaning_of(&a->call);

    clean(a);
    if (a->lane->record_fd >= 0 && meaning <= MEANS_FILTERED) record(a);
    if (meaning >= MEANS_AGAIN) log_fault(a);
    switch (meaning) {
    case MEANS_ANSWER:
        return tell_answer(a);
    case MEANS_CUT:
        return tell_cut(a);
    case MEANS_FILTERED:
        return tell_unfit(a, ASK_FILTERED,
                          "the provider's content filter stopped the answer");
    case MEANS_AGAIN:
        return give_back(a);
    case MEANS_REFUSED:
        return tell_fault(a, ASK_REFUSED);
    case MEANS_PERHAPS:
    case MEANS_NOTHING:
        break;
    }
    return tell_fault(a, ASK_UNKNOWN);
}

enum service_step
write_unknown(struct write_ask *a, const char *why, int64_t now_us)
{
    struct ask_result r = result_of(a, ASK_UNKNOWN);

    r.endpoint = endpoint_of(a);
    r.error = ask_text_of(why);
    r.total_us = (uint64_t)(now_us - a->since_us);
    return tell(a, &r);
}

enum service_step
write_refused(struct write_ask *a, const char *why)
{
    struct ask_result r = result_of(a, ASK_REFUSED);

    r.error = ask_text_of(why);
    return tell(a, &r);
}

/* What a vendor says went wrong with a request of a batch was not paid. */
bool
write_line(struct write_ask *a, const struct batch_line *line)
{
    const struct call_endpoint *to = &a->lane->endpoints[a->endpoint];

    if (line->end == BATCH_LINE_ANSWER) {
        call_take(&a->call, to, line->body, line->body_len);
        (void)write_verdict(a); /* of status 200: it is never given back */
        return true;
    }
    if (line->end == BATCH_LINE_UNRUN ||
        write_chance(line->fault, true) != WRITE_NEVER) {
        return false;
    }
    call_take(&a->call, to, "", 0);
    a->call.fault = line->fault;
    a->call.status = 0;
    (void)co_fail(&a->call.diag, CO_UNAVAILABLE, "the endpoint says: %s",
                  line->error);
    clean(a);
    log_fault(a);
    (void)tell_fault(a, ASK_REFUSED);
    return true;
}
