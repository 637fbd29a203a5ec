/* cmd_plan.c - `cohort plan`: what a job will take before it runs. The figures
 * are those of job/estimate.h; a pilot runs the job's own first rows, which
 * stay in its folder, so that what they cost is not lost. */
#include "cli/job_state.h"
#include "cli/open_job.h"
#include "cli/say.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/proc.h"
#include "job/estimate.h"
#include "job/override_options.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM CO_PROGRAM " plan"

enum {
    OUT_BYTES_MAX = 1 << 16,
    LLM_SLOTS_DEFAULT = 256, /* as of cohort-worker */
    SHOWN_DECIMALS = 4,      /* of USD; a guess has no more */
};

struct plan_config {
    const char *data, *rows, *out;
    uint64_t workers, llm_slots, pilot, deadline_ms;
    bool json, mermaid;
};

#define FIELD(name) offsetof(struct plan_config, name)

// clang-format off
static const struct co_option table[] = {
    JOB_ROWS_OPTION,
    {.name = "out", .letter = 'o', .type = CO_OPTION_STRING,
     .offset = FIELD(out), .min = 1, .max = 1024, .placeholder = "DIR",
     .no_env = true, .help = "output folder; overrides the job file"},
    {.name = "workers", .letter = 'w', .type = CO_OPTION_U64,
     .offset = FIELD(workers), .def = "0", .max = 100000, .placeholder = "N",
     .help = "worker processes; 0: one a core of this machine"},
    {.name = "llm-slots", .type = CO_OPTION_U64, .offset = FIELD(llm_slots),
     .def = "0", .max = 60000, .placeholder = "N",
     .help = "calls at once of each; 0: what the endpoints take, else 256"},
    {.name = "deadline", .type = CO_OPTION_DURATION,
     .offset = FIELD(deadline_ms), .max = (uint64_t)365 * 86400000,
     .no_env = true, .help = "how many workers end it in that time"},
    {.name = "pilot", .type = CO_OPTION_U64, .offset = FIELD(pilot),
     .def = "0", .max = 10000, .placeholder = "K", .no_env = true,
     .help = "run the first K rows (they cost, and stay); 20 are enough"},
    {.name = "data", .type = CO_OPTION_STRING, .offset = FIELD(data),
     .placeholder = "DIR", .help = "folder of the compiled model"},
    {.name = "mermaid", .type = CO_OPTION_FLAG, .offset = FIELD(mermaid),
     .no_env = true, .help = "print the pipeline as a Mermaid diagram"},
    {.name = "json", .type = CO_OPTION_FLAG, .offset = FIELD(json),
     .no_env = true, .help = "print one JSON object"},
};
// clang-format on

static const struct co_options_spec options_spec = {
    .program = PROGRAM,
    .usage = "[OPTIONS] FILE",
    .about =
        "Says what a job will take: calls, tokens, USD, time, bytes, each\n"
        "with an interval; what bounds it; and how many workers a\n"
        "deadline needs. Starts nothing, unless a pilot is asked for.",
    .version = CO_PROGRAM " " COHORT_VERSION,
    .table = table,
    .count = co_countof(table),
    .args_min = 1,
    .args_max = 1,
};

struct plan {
    struct plan_config cfg;
    const char *file;
    struct open_job job;
    struct estimate_wish wish;
    struct estimate e;
    const char *unseen; /* an arm of which the folder has no row; NULL: none */
};

/* ---- where the figures are from ---- */

/* Runs the first rows as the command itself would; its words go to stderr. */
static enum co_err
run_pilot(const struct plan *p, struct co_diag *diag)
{
    char self[PATH_MAX], rows[24];
    const char *argv[16] = {self, "run",   "--rows",
                            rows, "--out", p->job.spec->dir};
    struct co_proc_opts opts = {.stdout_path = "/dev/stderr",
                                .death_signal = SIGTERM};
    struct co_proc_exit end = {0};
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    size_t n = 6;
    pid_t pid;
    enum co_err err;

    if (len < 0) return co_fail(diag, CO_IO, "cannot read /proc/self/exe");
    self[len] = '\0';
    (void)snprintf(rows, sizeof rows, "%" PRIu64, p->cfg.pilot);
    if (p->cfg.data) {
        argv[n++] = "--data";
        argv[n++] = p->cfg.data;
    }
    argv[n++] = "--";
    argv[n++] = p->file;
    err = co_proc_spawn(argv, &opts, &pid, diag);
    if (!err) err = co_proc_wait(pid, -1, &end);
    if (err || (!end.code && !end.signal)) return err;
    return co_fail(diag, CO_PARTIAL,
                   "the pilot did not end well (see above); without --pilot "
                   "the figures are computed");
}

/* What is gone: lost calls count as their worst case. -1: not known. */
static int64_t
spent(int64_t settled, int64_t unknown)
{
    int64_t sum;

    if (settled < 0 || unknown < 0) return -1;
    return __builtin_add_overflow(settled, unknown, &sum) ? -1 : sum;
}

/* Rows of one arm say nothing of what those of another take. */
static const char *
unseen_arm(const struct writers *w, const struct arm_lines *lines)
{
    for (uint32_t i = 0; w && w->n_arms > 1 && i < w->n_arms; i++) {
        if (!arm_lines_rows(lines, w->arms[i].name)) return w->arms[i].name;
    }
    return NULL;
}

/* What rows of this very recipe took, if the folder says. */
static void
take_history(struct plan *p)
{
    const struct money_line *m;
    struct job_state state;
    uint64_t recipe = 0;

    if (job_state_of_folder(p->job.spec->dir, &state, NULL)) return;
    m = &state.money;
    if (!m->is_there || !m->calls || !state.accepted ||
        !co_hex16_parse(state.recipe, &recipe) ||
        recipe != p->job.recipe_hash) {
        return;
    }
    p->unseen = unseen_arm(p->job.spec->writers, &state.arms);
    if (p->unseen) return;
    p->wish.history = (struct estimate_history){
        .rows = state.accepted,
        .all = {m->calls, m->input_tokens, m->output_tokens,
                spent(m->settled, m->unknown)},
        .has_phases = m->has_phases,
        .call_ms = m->call_ms,
    };
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        const struct money_phase_fields *phase = &m->phases[i];

        p->wish.history.phases[i] = (struct estimate_took){
            phase->calls, phase->input_tokens, phase->output_tokens,
            spent(phase->settled, phase->unknown)};
    }
}

static void
wish_workers(struct plan *p)
{
    const struct providers_entry *entry = spec_provider(p->job.spec);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    p->wish.workers = p->cfg.workers ? p->cfg.workers
                      : cores > 0    ? (uint64_t)cores
                                     : 1;
    p->wish.llm_slots = p->cfg.llm_slots;
    if (p->wish.llm_slots) return;
    p->wish.llm_slots = LLM_SLOTS_DEFAULT;
    if (!entry || !entry->limits.in_flight) return;
    p->wish.llm_slots =
        ((uint64_t)entry->limits.in_flight * entry->n_endpoints +
         p->wish.workers - 1) /
        p->wish.workers;
}

/* ---- for people ---- */

static void
put_amount(struct co_buf *out, const char *name, const uint64_t v[ESTIMATES],
           void (*say)(struct co_buf *out, uint64_t n))
{
    co_buf_printf(out, "  %-11s ", name);
    say(out, v[ESTIMATE_MID]);
    if (v[ESTIMATE_LOW] != v[ESTIMATE_HIGH]) {
        co_buf_puts(out, " (");
        say(out, v[ESTIMATE_LOW]);
        co_buf_puts(out, " to ");
        say(out, v[ESTIMATE_HIGH]);
        co_buf_putc(out, ')');
    }
    co_buf_putc(out, '\n');
}

/* A guess has few digits: "12.3456". */
static void
say_usd(struct co_buf *out, uint64_t amount)
{
    char text[PRICE_TEXT_BYTES];
    const char *dot;

    (void)price_text((int64_t)amount, text);
    dot = strchr(text, '.');
    co_buf_printf(out, "%.*s",
                  dot ? (int)(dot - text) + 1 + SHOWN_DECIMALS : 30, text);
}

/* Rows that the budget is enough for, UINT64_MAX: all; and the phase that runs
 * short then, SHARES_PHASES: none of them. */
static uint64_t
budget_rows(const struct plan *p, unsigned *ret_phase)
{
    const struct shares *shares = &p->job.spec->shares;

    *ret_phase = SHARES_PHASES;
    if (!shares->is_set) {
        return estimate_affordable(&p->e, p->job.spec->budget);
    }
    return estimate_affordable_shares(&p->e, shares, ret_phase);
}

/* "    background  4.1234 (2.5 to 9.9), its share is 1.8" */
static void
put_phase(const struct plan *p, unsigned i, struct co_buf *out)
{
    const int64_t *cost = p->e.phases[i].cost;
    const struct shares *shares = &p->job.spec->shares;

    if (cost[ESTIMATE_MID] < 0) return;
    co_buf_printf(out, "    %-11s ", shares_phase_name(i));
    say_usd(out, (uint64_t)cost[ESTIMATE_MID]);
    if (cost[ESTIMATE_LOW] != cost[ESTIMATE_HIGH]) {
        co_buf_puts(out, " (");
        say_usd(out, (uint64_t)cost[ESTIMATE_LOW]);
        co_buf_puts(out, " to ");
        say_usd(out, (uint64_t)cost[ESTIMATE_HIGH]);
        co_buf_putc(out, ')');
    }
    if (shares->is_set) {
        co_buf_puts(out, ", of a share of ");
        say_usd(out, (uint64_t)shares->share[i]);
    }
    co_buf_putc(out, '\n');
}

/* Whether every arm ends with somebody who costs nothing: then all rows are
 * written, whatever the budget is. */
static bool
ends_free(const struct job_spec *spec)
{
    const struct writers *all = spec->writers;

    for (uint32_t i = 0; all && i < all->n_arms; i++) {
        const struct writers_arm *arm = &all->arms[i];
        bool is_free = arm->builtin;

        for (uint32_t k = 1; k < arm->n && !is_free; k++) {
            is_free = price_is_free(&all->v[arm->chain[k]]->price);
        }
        if (!is_free) return false;
    }
    return all != NULL;
}

/* What becomes of the rows that the budget is not enough for. */
static void
put_degraded(const struct plan *p, uint64_t rows, struct co_buf *out)
{
    if (!p->job.spec->degrades) return;
    if (!ends_free(p->job.spec)) {
        co_buf_puts(out, "; then fallbacks write, while what is left covers "
                         "them");
        return;
    }
    co_buf_puts(out, "; about ");
    say_count(out, p->e.rows - rows);
    co_buf_puts(out, " more by fallbacks (degraded)");
}

static void
put_money(const struct plan *p, struct co_buf *out)
{
    const int64_t budget = p->job.spec->budget;
    uint64_t usd[ESTIMATES], rows;
    unsigned phase;

    if (p->e.cost[ESTIMATE_MID] < 0) {
        co_buf_puts(out, writer_has_price(p->job.spec->writer)
                             ? "  USD         not known: more than can be "
                               "counted (9,223,372)\n"
                             : "  USD         not known: give the provider a "
                               "price (price: in the job file)\n");
        return;
    }
    for (unsigned g = 0; g < ESTIMATES; g++) {
        usd[g] = (uint64_t)p->e.cost[g];
    }
    put_amount(out, "USD", usd, say_usd);
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        put_phase(p, i, out);
    }
    if (budget < 0) return;
    rows = budget_rows(p, &phase);
    co_buf_puts(out, "  budget      ");
    say_usd(out, (uint64_t)budget);
    if (p->job.spec->shares.is_set) {
        co_buf_puts(out, ", a reserve of ");
        say_usd(out, (uint64_t)p->job.spec->shares.reserve);
    }
    if (rows == UINT64_MAX) {
        co_buf_puts(out, " USD: enough\n");
        return;
    }
    co_buf_puts(out, " USD: enough for about ");
    say_count(out, rows);
    co_buf_puts(out, " rows");
    if (phase < SHARES_PHASES) {
        co_buf_printf(out, "; %s runs short", shares_phase_name(phase));
    }
    put_degraded(p, rows, out);
    co_buf_putc(out, '\n');
}

static void
put_workers(const struct plan *p, struct co_buf *out)
{
    enum estimate_bound bound = ESTIMATE_BY_CPU;
    uint64_t n;

    co_buf_printf(out, "  bound by    %s\n", estimate_bound_text(p->e.bound));
    if (!p->cfg.deadline_ms) return;
    n = estimate_workers(&p->e, p->job.spec, &p->wish, p->cfg.deadline_ms,
                         &bound);
    co_buf_puts(out, "  deadline    ");
    say_duration(out, p->cfg.deadline_ms);
    if (n == 0) {
        co_buf_printf(out, ": no number of workers ends in that time, for %s\n",
                      estimate_bound_text(bound));
        return;
    }
    co_buf_puts(out, ": ");
    say_count(out, n);
    co_buf_printf(out, " worker process%s\n", n == 1 ? "" : "es");
}

/* "  batches     20 (18 to 30), of 1,000 requests at most, 412 of personas" */
static void
put_batches(const struct estimate *e, struct co_buf *out)
{
    if (!e->batches[ESTIMATE_MID]) return;
    put_amount(out, "batches", e->batches, say_count);
    for (unsigned i = 0; i < SHARES_PHASES; i++) {
        co_buf_printf(out, "    %-11s ", shares_phase_name(i));
        say_count(out, e->batch_requests[i]);
        co_buf_puts(out, " requests each at most\n");
    }
    if (e->half_price && e->cost[ESTIMATE_MID] >= 0) {
        co_buf_puts(out, "    at half of what single calls cost\n");
    }
}

static void
put_text(const struct plan *p, struct co_buf *out)
{
    const struct estimate *e = &p->e;

    co_buf_printf(out, "%s: ", p->job.spec->name);
    say_count(out, e->rows);
    co_buf_puts(out, " rows");
    if (e->calls_models) {
        const struct writer *writer = p->job.spec->writer;

        co_buf_printf(out, ", written by %s (%s %s)\n", writer->provider,
                      writer->kind, writer->model);
        if (p->job.spec->writers) {
            co_buf_puts(out, "  arms        ");
            writers_say(p->job.spec->writers, out);
            co_buf_puts(out, " (fallbacks are not counted)\n");
        }
        put_amount(out, "calls", e->calls, say_count);
        put_amount(out, "tokens in", e->input, say_count);
        put_amount(out, "tokens out", e->output, say_count);
        if (e->characters[ESTIMATE_MID]) {
            put_amount(out, "characters", e->characters, say_count);
        }
        if (e->held_ms[ESTIMATE_MID]) {
            put_amount(out, "call time", e->held_ms, say_duration);
        }
        put_money(p, out);
        put_batches(e, out);
    } else {
        co_buf_puts(out, ", by the built-in writer: no calls, 0 USD\n");
    }
    put_amount(out, "time", e->ms, say_duration);
    put_amount(out, "files", e->bytes, say_bytes);
    put_workers(p, out);
    co_buf_puts(out, "  from        ");
    if (e->measured) {
        say_count(out, p->wish.history.rows);
        co_buf_puts(out, " rows of the same recipe in the folder\n");
    } else if (e->calls_models) {
        co_buf_puts(out, "the prompts of 100 people and usual lengths of "
                         "answers; --pilot 20 measures");
        if (p->unseen) {
            co_buf_printf(out, " (the folder has rows, but none of arm %s)",
                          p->unseen);
        }
        co_buf_putc(out, '\n');
    } else {
        co_buf_puts(out, "the rows of 100 people\n");
    }
}

/* ---- the pipeline ---- */

static void
put_mermaid(const struct plan *p, struct co_buf *out)
{
    const struct job_spec *spec = p->job.spec;
    uint64_t files = (spec->rows + spec->shard_rows - 1) / spec->shard_rows;

    co_buf_puts(out, "flowchart LR\n");
    co_buf_printf(out, "  draw[\"draw %s<br>%" PRIu64 " rows\"]\n",
                  spec_population(spec), spec->rows);
    if (spec->writer) {
        co_buf_printf(out,
                      "  background[\"background<br>%s: %s\"]\n"
                      "  personas[\"personas<br>%s: %s\"]\n"
                      "  draw --> background --> personas --> check\n"
                      "  background -- \"wrong: mend %u, afresh %u\" --> "
                      "background\n"
                      "  personas -- \"wrong: mend %u, afresh %u\" --> "
                      "personas\n"
                      "  personas -- given up --> dead[(dead rows)]\n",
                      spec->writer->provider, spec->writer->model,
                      spec->writer->provider, spec->writer->model,
                      spec->writer->repairs, spec->writer->fresh,
                      spec->writer->repairs, spec->writer->fresh);
    } else if (spec->phases & SPEC_COMPOSE) {
        co_buf_puts(out, "  draw --> compose[\"compose<br>built-in writer\"] "
                         "--> check\n");
    } else {
        co_buf_puts(out, "  draw --> check\n");
    }
    co_buf_printf(out, "  check{\"conditions%s\"}\n",
                  spec_dedups(spec) ? ", duplicates" : "");
    co_buf_printf(out,
                  "  check --> files[(\"%" PRIu64 " file%s\")]\n"
                  "  check -- rejected --> draw\n",
                  files, files == 1 ? "" : "s");
}

/* ---- for programs ---- */

static void
json_amount(struct co_json *json, const char *name, const uint64_t v[ESTIMATES])
{
    co_json_key(json, name);
    co_json_array(json);
    for (unsigned g = 0; g < ESTIMATES; g++) {
        co_json_u64(json, v[g]);
    }
    co_json_end(json);
}

static void
put_budget(const struct plan *p, struct co_json *json)
{
    const struct job_spec *spec = p->job.spec;
    char text[PRICE_TEXT_BYTES];
    unsigned phase;
    uint64_t rows;

    if (spec->budget < 0) return;
    rows = budget_rows(p, &phase);
    co_json_key(json, "budget");
    co_json_object(json);
    co_json_put_text(json, "usd", price_text(spec->budget, text));
    if (spec->shares.is_set) {
        co_json_put_text(json, "reserve_usd",
                         price_text(spec->shares.reserve, text));
        co_json_key(json, "phases");
        co_json_object(json);
        for (unsigned i = 0; i < SHARES_PHASES; i++) {
            co_json_put_text(json, shares_phase_name(i),
                             price_text(spec->shares.share[i], text));
        }
        co_json_end(json);
    }
    co_json_put_u64(json, "rows", co_min_u64(rows, p->e.rows));
    if (phase < SHARES_PHASES) {
        co_json_put_text(json, "short", shares_phase_name(phase));
    }
    if (spec->degrades && rows < p->e.rows && ends_free(spec)) {
        co_json_put_u64(json, "degraded", p->e.rows - rows);
    }
    co_json_end(json);
}

static void
put_json(const struct plan *p, struct co_buf *out)
{
    enum estimate_bound bound = p->e.bound;
    struct co_json json;

    co_json_init(&json, out);
    co_json_object(&json);
    co_json_put_text(&json, "name", p->job.spec->name);
    co_json_put_u64(&json, "rows", p->e.rows);
    co_json_put_text(&json, "from", p->e.measured ? "rows" : "prompts");
    co_json_put_u64(&json, "measured_rows", p->wish.history.rows);
    estimate_put_figures(&p->e, &json);
    put_budget(p, &json);
    json_amount(&json, "ms", p->e.ms);
    json_amount(&json, "bytes", p->e.bytes);
    co_json_put_text(&json, "bound", estimate_bound_name(bound));
    co_json_put_u64(&json, "workers", p->wish.workers);
    co_json_put_u64(&json, "llm_slots", p->wish.llm_slots);
    if (p->cfg.deadline_ms) {
        co_json_put_u64(&json, "deadline_workers",
                        estimate_workers(&p->e, p->job.spec, &p->wish,
                                         p->cfg.deadline_ms, &bound));
        co_json_put_text(&json, "deadline_bound", estimate_bound_name(bound));
    }
    co_json_end(&json);
    co_buf_putc(out, '\n');
}

static int
make_plan(struct plan *p, struct co_diag *diag)
{
    struct spec_overrides over = {.has_rows = p->cfg.rows != NULL,
                                  .dir = p->cfg.out};
    enum co_err err = say_number("rows", p->cfg.rows, &over.rows, diag);
    int exit_code;

    if (err) return say_exit(err);
    exit_code = open_job(p->file, &over, p->cfg.data, &p->job, diag);
    if (exit_code) return exit_code;
    if (p->cfg.pilot) err = run_pilot(p, diag);
    if (err) return CLI_FAILED;
    wish_workers(p);
    take_history(p);
    err = estimate_make(p->job.spec, p->job.sampler, &p->wish, &p->e);
    if (!err) return CLI_OK;
    (void)co_fail(diag, err, "cannot estimate: %s", co_err_text(err));
    return CLI_FAILED;
}

int
cmd_plan(int argc, char **argv)
{
    co_auto(co_options_freep) struct co_options *options = NULL;
    struct plan p = {.file = NULL};
    struct co_diag diag = {""};
    struct co_buf out;
    int exit_code;

    if (!say_options(&options_spec, argc, argv, &p.cfg, &options, &exit_code)) {
        return exit_code;
    }
    p.file = co_options_arg(options, 0);
    exit_code = make_plan(&p, &diag);
    co_buf_init(&out, OUT_BYTES_MAX);
    if (exit_code) {
        (void)say_error(PROGRAM, CO_INVALID, &diag);
    } else if (p.cfg.json) {
        put_json(&p, &out);
    } else if (p.cfg.mermaid) {
        put_mermaid(&p, &out);
    } else {
        put_text(&p, &out);
    }
    if (out.len) say_print(&out);
    co_buf_fini(&out);
    open_job_fini(&p.job);
    return exit_code;
}
