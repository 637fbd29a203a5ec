/* cmd_events.c - `cohort events`: what changed, from the stream `events`.
 * Following survives a Redis that goes away and comes back, is emptied or is
 * replaced; where entries may be missing between two lines, that is said on
 * stderr. Entries are read in pages, so that memory stays small. */
#include "cli/events_line.h"
#include "cli/job_state.h"
#include "cli/say.h"
#include "cli/source.h"
#include "common/clock.h"
#include "common/keys.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM CO_PROGRAM " events"

enum {
    PAGE = 500,
    BLOCK_MS = 1000,
    AGAIN_MS = 500, /* between attempts to reach a Redis that went away */
    ID_BYTES = 48,
    OUT_BYTES_MAX = 8 << 20,
    ROWS_MAX = CO_KEY_EVENTS_MAX + 1000, /* the stream is trimmed in blocks */
};

struct events_config {
    struct source_config source;
    const char *job, *since;
    struct co_option_list kinds;
    uint64_t count;
    bool follow, json;
};

#define FIELD(name) offsetof(struct events_config, name)

static const struct co_option table[] = {
    {.name = "follow",
     .letter = 'f',
     .type = CO_OPTION_FLAG,
     .offset = FIELD(follow),
     .no_env = true,
     .help = "go on and print what happens; ends with ^C"},
    {.name = "lines",
     .letter = 'n',
     .type = CO_OPTION_U64,
     .offset = FIELD(count),
     .def = "20",
     .max = 100000,
     .no_env = true,
     .help = "the last N that fit; without meaning with --since"},
    {.name = "since",
     .type = CO_OPTION_STRING,
     .offset = FIELD(since),
     .no_env = true,
     .placeholder = "TIME",
     .help = "all since then: 90s, 15m, 2h, 1d ago or 2026-11-29T01:50:00Z"},
    {.name = "job",
     .type = CO_OPTION_STRING,
     .offset = FIELD(job),
     .no_env = true,
     .placeholder = "ID",
     .help = "only those of this job"},
    {.name = "kind",
     .type = CO_OPTION_LIST,
     .offset = FIELD(kinds),
     .max = 16,
     .no_env = true,
     .placeholder = "KIND",
     .help = "only job, worker, owner ...; may be repeated"},
    {.name = "json",
     .type = CO_OPTION_FLAG,
     .offset = FIELD(json),
     .no_env = true,
     .help = "a line of JSON each"},
    SOURCE_OPTIONS(FIELD(source), SOURCE_NEWEST_RUN),
};

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS]",
    .about = "Prints changes of state (jobs, workers, owners ...), oldest\n"
             "first. Redis keeps about the last 10,000.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
};

struct reading {
    const struct events_config *cfg;
    struct events_filter filter;
    struct source source;
    char key[CO_KEY_BYTES];
    char last[ID_BYTES]; /* id of the newest entry read; "" none */
    struct co_buf out;
};

/* ---- printing ---- */

static void
put(struct reading *r, const struct co_redis_reply *entry)
{
    if (!events_line_wanted(entry, &r->filter)) return;
    if (r->cfg->json) {
        events_line_json(entry, &r->out);
    } else {
        events_line_text(entry, &r->out);
    }
}

/* false: nobody reads any more (`| head`), which is no error. */
static bool
flush(struct reading *r)
{
    bool open;

    if (r->out.len == 0) return true;
    open = fwrite(r->out.data, 1, r->out.len, stdout) == r->out.len &&
           fflush(stdout) == 0;
    co_buf_clear(&r->out);
    return open;
}

static void
note(const char *text)
{
    (void)fprintf(stderr, PROGRAM ": %s\n", text);
}

/* ---- reading ---- */

static enum co_err
call(struct reading *r, const struct co_redis_command *c,
     struct co_redis_reply **ret, struct co_diag *diag)
{
    enum co_err err = co_redis_do(r->source.client, c->argc, c->argv,
                                  SOURCE_WAIT_MS, ret, diag);

    if (!err && (*ret)->type != CO_REDIS_ARRAY &&
        (*ret)->type != CO_REDIS_NIL) {
        err = co_fail(diag, CO_PROTOCOL, "%s is not a stream", r->key);
    }
    return err;
}

static enum co_err
page(struct reading *r, const char *command, const char *from, const char *to,
     const char *count, struct co_redis_reply **ret, struct co_diag *diag)
{
    const struct co_redis_command c = {
        6, {command, r->key, from, to, "COUNT", count}};

    return call(r, &c, ret, diag);
}

static void
remember(struct reading *r, const struct co_redis_reply *entry)
{
    if (entry->count && entry->elements[0].text) {
        (void)snprintf(r->last, sizeof r->last, "%s", entry->elements[0].text);
    }
}

/* Everything after r->last, or from `from` when that is "". */
static enum co_err
read_forward(struct reading *r, const char *from, bool *ret_open,
             struct co_diag *diag)
{
    char start[ID_BYTES + 1];

    *ret_open = true;
    for (size_t rows = 0; rows < ROWS_MAX;) {
        co_auto(co_redis_reply_freep) struct co_redis_reply *p = NULL;
        enum co_err err;

        (void)snprintf(start, sizeof start, "%s%s", r->last[0] ? "(" : "",
                       r->last[0] ? r->last : from);
        err = page(r, "XRANGE", start, "+", "500", &p, diag);
        if (err) return err;
        for (size_t i = 0; i < p->count; i++) {
            put(r, &p->elements[i]);
            remember(r, &p->elements[i]);
        }
        *ret_open = flush(r);
        if (p->count < PAGE || !*ret_open) return CO_OK;
        rows += p->count;
    }
    return CO_OK;
}

/* The id at which the last `count` wanted entries begin; "-" all. Walks from
 * the newest backwards. */
static enum co_err
find_start(struct reading *r, char start[ID_BYTES], struct co_diag *diag)
{
    char to[ID_BYTES + 1] = "+";
    uint64_t left = r->cfg->count;

    (void)snprintf(start, ID_BYTES, "+");
    for (size_t rows = 0; left && rows < ROWS_MAX;) {
        co_auto(co_redis_reply_freep) struct co_redis_reply *p = NULL;
        enum co_err err = page(r, "XREVRANGE", to, "-", "500", &p, diag);

        if (err) return err;
        for (size_t i = 0; i < p->count && left; i++) {
            const struct co_redis_reply *e = &p->elements[i];

            if (!events_line_wanted(e, &r->filter)) continue;
            left--;
            (void)snprintf(start, ID_BYTES, "%s", e->elements[0].text);
        }
        if (p->count < PAGE) break;
        rows += p->count;
        (void)snprintf(to, sizeof to, "(%s",
                       p->elements[p->count - 1].elements[0].text);
    }
    return CO_OK;
}

/* The newest id, so that following begins there even when nothing fits. */
static enum co_err
find_end(struct reading *r, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *p = NULL;
    enum co_err err = page(r, "XREVRANGE", "+", "-", "1", &p, diag);

    if (!err && p->count) remember(r, &p->elements[0]);
    return err;
}

static enum co_err
since_start(struct reading *r, char start[ID_BYTES], struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *t = NULL;
    const struct co_redis_command c = {1, {"TIME"}};
    int64_t since_ms = 0;
    enum co_err err = call(r, &c, &t, diag);

    if (err) return err;
    err = events_since(r->cfg->since,
                       t->count == 2 && t->elements[0].text
                           ? strtoll(t->elements[0].text, NULL, 10) * 1000
                           : co_clock_wall_ms(),
                       &since_ms, diag);
    if (!err) (void)snprintf(start, ID_BYTES, "%lld", (long long)since_ms);
    return err;
}

static enum co_err
read_past(struct reading *r, bool *ret_open, struct co_diag *diag)
{
    char start[ID_BYTES];
    enum co_err err = r->cfg->since ? since_start(r, start, diag)
                                    : find_start(r, start, diag);

    *ret_open = true;
    if (!err && strcmp(start, "+") != 0) {
        err = read_forward(r, start, ret_open, diag);
    }
    if (!err && !r->last[0]) err = find_end(r, diag);
    return err;
}

/* ---- following ---- */

/* Is the entry that was read last no longer there, and all older ones
 * neither? Then what came after it may be gone as well. A stream that was made
 * anew may even count from a lower id, when the clock of Redis went back:
 * reading begins anew then. */
static enum co_err
look_for_gap(struct reading *r, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *first = NULL;
    co_auto(co_redis_reply_freep) struct co_redis_reply *newest = NULL;
    struct events_id last, id;
    enum co_err err;

    if (!events_id_parse(r->last, &last)) return CO_OK;
    err = page(r, "XRANGE", "-", "+", "1", &first, diag);
    if (!err) err = page(r, "XREVRANGE", "+", "-", "1", &newest, diag);
    if (err) return err;
    if (newest->count &&
        events_id_parse(newest->elements[0].elements[0].text, &id) &&
        events_id_compare(id, last) < 0) {
        note("the stream began anew with older ids; what was between is not "
             "known");
        r->last[0] = '\0';
    } else if (!first->count ||
               (events_id_parse(first->elements[0].elements[0].text, &id) &&
                events_id_compare(id, last) > 0)) {
        note("here events may be missing: Redis was emptied, replaced, or "
             "keeps newer ones only");
        r->last[0] = '\0'; /* whatever comes is new */
    }
    return CO_OK;
}

/* Waits a second for more. *ret_more: there may be. */
static enum co_err
wait_for_more(struct reading *r, bool *ret_more, struct co_diag *diag)
{
    co_auto(co_redis_reply_freep) struct co_redis_reply *p = NULL;
    char block[16];
    const struct co_redis_command c = {8,
                                       {"XREAD", "COUNT", "1", "BLOCK", block,
                                        "STREAMS", r->key,
                                        r->last[0] ? r->last : "0-0"}};
    enum co_err err;

    (void)snprintf(block, sizeof block, "%d", BLOCK_MS);
    err = call(r, &c, &p, diag);
    *ret_more = !err && p->type == CO_REDIS_ARRAY && p->count > 0;
    return err;
}

/* Until Redis is back; it may take any time. Whoever started this ends it. */
static void
come_back(struct reading *r, const struct co_diag *why)
{
    struct co_diag diag;

    (void)say_error(PROGRAM, CO_UNAVAILABLE, why); /* of Redis: cleaned */
    note("waiting for it");
    while (source_again(&r->source, SOURCE_WAIT_MS, &diag)) {
        (void)poll(NULL, 0, AGAIN_MS);
    }
    note("Redis is back");
}

/* A Redis that went away, or has just started and still loads, comes back by
 * itself. What it refuses it would refuse again. */
static bool
passes(enum co_err err)
{
    return err == CO_UNAVAILABLE || err == CO_TIMEOUT || err == CO_PROTOCOL;
}

static enum co_err
follow(struct reading *r, struct co_diag *diag)
{
    bool open = true;

    while (open) {
        bool more = false;
        enum co_err err = wait_for_more(r, &more, diag);

        /* Also when nothing came: ids that are older than the last one read
         * would wake nobody. */
        if (!err) err = look_for_gap(r, diag);
        if (!err && (more || !r->last[0])) {
            err = read_forward(r, "-", &open, diag);
        }
        if (err && !passes(err)) return err;
        if (err) come_back(r, diag);
    }
    return CO_OK;
}

static enum co_err
check(const struct events_config *cfg, struct co_diag *diag)
{
    int64_t unused;

    if (cfg->job && !job_state_is_id(cfg->job)) {
        return co_fail(
            diag, CO_USAGE,
            "--job: \"%s\" is no job id (16 hex digits); `" CO_PROGRAM
            " status` lists them",
            cfg->job);
    }
    return cfg->since ? events_since(cfg->since, 0, &unused, diag) : CO_OK;
}

int
cmd_events(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct events_config cfg = {0};
    struct reading r = {.cfg = &cfg};
    struct co_diag diag = {""};
    bool open = true;
    enum co_err err;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &cfg, &options, &exit_code)) {
        return exit_code;
    }
    r.filter = (struct events_filter){.job = cfg.job,
                                      .kinds = cfg.kinds.items,
                                      .kind_count = cfg.kinds.count};
    co_buf_init(&r.out, OUT_BYTES_MAX);
    err = check(&cfg, &diag);
    if (!err) err = source_open(&cfg.source, &r.source, &diag);
    if (!err) {
        (void)co_key(CO_KEY_EVENTS, r.source.name_space, NULL, r.key);
        err = read_past(&r, &open, &diag);
    }
    if (!err && cfg.follow && open) err = follow(&r, &diag);
    source_close(&r.source);
    co_buf_fini(&r.out);
    return err ? say_error(PROGRAM, err, &diag) : CLI_OK;
}
