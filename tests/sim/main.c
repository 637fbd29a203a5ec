/* sim: runs seeds through the simulator.
 *   sim --seeds A..B [--profile calm|crash|net|disk|all|paid|writers|batches]
 * [--bug NAME]
 *       [--steps N] [--trace] [--cover FILE]
 * Prints what was run; on a violation the seed, step, invariant, the last
 * trace lines and the command that shows it again, and exits 1. */
#include "tests/sim/sim.h"

#include "tests/sim/bugs.h"
#ifdef COHORT_PLANTED_BUGS
#include "tests/sim/cover.h"
#endif

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct arguments {
    uint64_t from, to, steps;
    enum sim_profile profile;
    const char *bug, *cover;
    bool trace, quiet, list;
};

static int64_t
wall_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int
usage(void)
{
    (void)fprintf(
        stderr,
        "usage: sim --seeds A..B [--profile calm|crash|net|disk|all|"
        "paid|writers|batches] [--bug NAME] [--steps N] [--trace] [--hash]\n");
    return 2;
}

static bool
parse_profile(const char *text, enum sim_profile *ret)
{
    for (int p = 0; p < PROFILE_COUNT; p++) {
        if (strcmp(text, sim_profile_name((enum sim_profile)p)) != 0) continue;
        *ret = (enum sim_profile)p;
        return true;
    }
    return false;
}

static bool
parse_seeds(const char *text, struct arguments *a)
{
    char *end;

    a->from = a->to = strtoull(text, &end, 10);
    if (end == text) return false;
    if (strncmp(end, "..", 2) == 0) a->to = strtoull(end + 2, &end, 10);
    return *end == '\0' && a->from <= a->to;
}

static bool
parse_flag(const char *name, struct arguments *a)
{
    if (strcmp(name, "--trace") == 0) {
        a->trace = true;
    } else if (strcmp(name, "--list-bugs") == 0) {
        a->list = true;
    } else if (strcmp(name, "--hash") == 0) {
        a->quiet = true;
    } else {
        return false;
    }
    return true;
}

static bool
parse_value(const char *name, const char *value, struct arguments *a)
{
    if (strcmp(name, "--seeds") == 0) return parse_seeds(value, a);
    if (strcmp(name, "--profile") == 0) {
        return parse_profile(value, &a->profile);
    }
    if (strcmp(name, "--bug") == 0) {
        a->bug = value;
        return true;
    }
    if (strcmp(name, "--cover") == 0) {
        a->cover = value;
        return true;
    }
    if (strcmp(name, "--steps") == 0) {
        a->steps = strtoull(value, NULL, 10);
        return true;
    }
    return false;
}

static bool
parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        if (parse_flag(argv[i], a)) continue;
        if (!parse_value(argv[i], i + 1 < argc ? argv[i + 1] : "", a)) {
            return false;
        }
        i++;
    }
    return a->list || a->to >= a->from;
}

/* ---- reports ---- */

static void
add_faults(struct sim_faults *all, const struct sim_faults *one)
{
#define X(name) all->name += one->name;
    SIM_FAULT_LIST(X)
#undef X
}

static void
print_faults(const struct sim_faults *f)
{
#define X(name)                                                                \
    if (f->name) printf(" %s=%" PRIu64, #name, f->name);
    SIM_FAULT_LIST(X)
#undef X
}

static int
report_failure(const struct arguments *a, uint64_t seed,
               const struct sim_result *r)
{
    printf("FAILED seed=%" PRIu64 " step=%" PRIu64 " invariant=%s\n  %s\n",
           seed, r->steps, r->invariant, r->text);
    sim_print_trace(stdout);
    printf("replay: sim --seeds %" PRIu64 "..%" PRIu64 " --profile %s%s%s"
           " --trace\n",
           seed, seed, sim_profile_name(a->profile), a->bug ? " --bug " : "",
           a->bug ? a->bug : "");
    return 1;
}

static const char *
scratch(char path[128])
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    (void)snprintf(path, 128, "%s/cohort-sim-XXXXXX", base);
    return mkdtemp(path);
}

static int
run_all(const struct arguments *a, const char *dir)
{
    int64_t began = wall_ms();
    uint64_t events = 0;
    struct sim_faults faults = {0};
    int64_t virtual_us = 0;

    for (uint64_t seed = a->from; seed <= a->to; seed++) {
        const struct sim_options options = {.seed = seed,
                                            .profile = a->profile,
                                            .steps_max = a->steps,
                                            .print = a->trace,
                                            .dir = dir};
        struct sim_result r = sim_run(&options);

        events += r.steps;
        virtual_us += r.virtual_us;
        add_faults(&faults, &r.faults);
        if (a->quiet) {
            printf("%" PRIu64 " %016" PRIx64 " %" PRIu64 "\n", seed, r.hash,
                   r.steps);
        }
        if (r.failed) return report_failure(a, seed, &r);
    }
    if (a->quiet) return 0;
    printf("sim: %" PRIu64 " seeds (%" PRIu64 "..%" PRIu64 ", %s), %" PRIu64
           " events, %lld s virtual, %lld ms;",
           a->to - a->from + 1, a->from, a->to, sim_profile_name(a->profile),
           events, (long long)(virtual_us / 1000000),
           (long long)(wall_ms() - began));
    print_faults(&faults);
    printf("\n");
    return 0;
}

int
main(int argc, char **argv)
{
    struct arguments a = {.from = 1, .to = 0, .profile = PROFILE_ALL};
    char path[128];
    int status;

    if (!parse(argc, argv, &a)) return usage();
    if (a.list) {
        for (unsigned i = 0; i < planted_count; i++) {
            printf("%s %s %u %u\n", planted_bugs[i].name,
                   planted_bugs[i].profile, planted_bugs[i].seeds,
                   planted_bugs[i].first);
        }
        return 0;
    }
    if (a.bug && !bugs_choose(a.bug)) {
        (void)fprintf(stderr, "sim: this build has no planted bugs, or none "
                              "of that name\n");
        return 2;
    }
    if (!scratch(path)) {
        (void)fprintf(stderr, "sim: no scratch folder\n");
        return 2;
    }
    status = run_all(&a, path);
    if (rmdir(path) != 0 && status == 0) status = 1;
#ifdef COHORT_PLANTED_BUGS
    if (a.cover && !cover_report(a.cover[0] ? a.cover : NULL, stdout)) {
        status = 1;
    }
#endif
    return status;
}
