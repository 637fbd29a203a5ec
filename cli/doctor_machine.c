/* doctor_machine.c - what this machine offers: see doctor.h. */
#include "cli/doctor.h"

#include "cli/rundir.h"
#include "cli/say.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/proc.h"
#include "population/locate.h"
#include "population/model.h"
#include "prose/prose.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>
#include <zstd.h>

enum {
    FILES_WANTED = 4096,
    FILES_NEEDED = 512,
    YEAR_MIN = 2024,
    YEAR_MAX = 2100,
    MEMORY_WANTED_MIB = 1024,
    MEMORY_NEEDED_MIB = 256,
};

void
doctor_descriptors(struct doctor *d)
{
    struct rlimit limit;
    enum doctor_verdict verdict = DOCTOR_OK;

    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        doctor_say(d, DOCTOR_WARN, "descriptors", "cannot be read: %s",
                   strerror(errno));
        return;
    }
    /* Programs raise the soft limit themselves: the hard one counts. */
    if (limit.rlim_max < FILES_WANTED) verdict = DOCTOR_WARN;
    if (limit.rlim_max < FILES_NEEDED) verdict = DOCTOR_FAIL;
    doctor_say(d, verdict, "descriptors", "%llu open files now, %llu at most%s",
               (unsigned long long)limit.rlim_cur,
               (unsigned long long)limit.rlim_max,
               verdict ? "; raise the hard limit (ulimit -Hn 65536, or "
                         "LimitNOFILE= of the service)"
                       : "");
}

/* Does the clock that leases use go on? */
static bool
boottime_moves(void)
{
    struct timespec t;
    int64_t first = co_clock_us();

    if (clock_gettime(CLOCK_BOOTTIME, &t)) return false;
    for (int i = 0; i < 1000000; i++) {
        if (co_clock_us() > first) return true;
    }
    return false;
}

void
doctor_clock(struct doctor *d)
{
    time_t now = (time_t)(co_clock_wall_ms() / 1000);
    struct tm tm;
    char text[64] = "";

    if (!boottime_moves()) {
        doctor_say(d, DOCTOR_FAIL, "clock",
                   "CLOCK_BOOTTIME does not work: use a Linux kernel of 3.17 "
                   "or newer");
        return;
    }
    if (!gmtime_r(&now, &tm)) tm = (struct tm){0};
    (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    if (tm.tm_year + 1900 < YEAR_MIN || tm.tm_year + 1900 > YEAR_MAX) {
        doctor_say(d, DOCTOR_WARN, "clock",
                   "it is said to be %s: set the clock (logs and reports "
                   "carry it; no deadline depends on it)",
                   text);
    } else {
        doctor_say(d, DOCTOR_OK, "clock", "CLOCK_BOOTTIME moves; %s", text);
    }
}

void
doctor_cores(struct doctor *d)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    doctor_say(
        d, online >= 2 ? DOCTOR_OK : DOCTOR_WARN, "cores", "%ld%s", online,
        online >= 2 ? "" : "; broker, coordinator and worker will share it");
}

/* A line of /proc/meminfo in MiB. */
static uint64_t
meminfo_mib(const char *name)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    size_t len = strlen(name);

    if (!file) return 0;
    while (!kib && fgets(line, sizeof line, file)) {
        if (strncmp(line, name, len) == 0) kib = strtoull(line + len, NULL, 10);
    }
    (void)fclose(file);
    return kib / 1024;
}

void
doctor_memory(struct doctor *d)
{
    uint64_t free_mib = meminfo_mib("MemAvailable:");
    enum doctor_verdict verdict = free_mib < MEMORY_NEEDED_MIB   ? DOCTOR_FAIL
                                  : free_mib < MEMORY_WANTED_MIB ? DOCTOR_WARN
                                                                 : DOCTOR_OK;

    doctor_say(d, verdict, "memory", "%" PRIu64 " of %" PRIu64 " MiB free%s",
               free_mib, meminfo_mib("MemTotal:"),
               verdict ? "; a run wants about 150 MiB and 30 MiB a worker, "
                         "use fewer workers (--workers)"
                       : "");
}

void
doctor_libraries(struct doctor *d)
{
    int major, minor, patch;

    zmq_version(&major, &minor, &patch);
    doctor_say(
        d, major > 4 || (major == 4 && minor >= 3) ? DOCTOR_OK : DOCTOR_FAIL,
        "libraries", "libzmq %d.%d.%d, zstd %s, jansson %s", major, minor,
        patch, ZSTD_versionString(), jansson_version_str());
}

static void
look_at_phrases(struct doctor *d, const struct model *model)
{
    co_auto(prose_freep) struct prose *prose = NULL;
    struct co_diag diag = {""};
    char hex[CO_HEX16_SIZE];
    enum co_err err = prose_open(model, d->data, &diag, &prose);

    doctor_say(d, err ? DOCTOR_FAIL : DOCTOR_OK, "phrases", "%s%s",
               err ? diag.text : "beside the model, hash ",
               err ? "" : co_hex16(prose_hash(prose), hex));
}

/* One population; only the first is needed by most jobs. */
static void
look_at_model(struct doctor *d, const char *name, bool needed)
{
    co_auto(model_freep) struct model *model = NULL;
    char path[LOCATE_PATH_BYTES], hex[CO_HEX16_SIZE];
    struct co_diag diag = {""};
    enum co_err err = model_locate(d->data, name, path, &diag);

    if (!err) err = model_open(path, &diag, &model);
    if (err) {
        doctor_say(d, needed ? DOCTOR_FAIL : DOCTOR_WARN, "model", "%s",
                   diag.text);
    } else {
        doctor_say(d, DOCTOR_OK, "model", "%s, year %u, hash %s", path,
                   (unsigned)model->year, co_hex16(model_hash(model), hex));
        if (needed) look_at_phrases(d, model);
    }
}

void
doctor_model(struct doctor *d)
{
    for (size_t i = 0; model_names[i]; i++) {
        look_at_model(d, model_names[i], i == 0);
    }
}

void
doctor_sockets(struct doctor *d)
{
    struct rundir dir;
    struct co_diag diag = {""};

    if (rundir_make(&dir, &diag)) {
        doctor_say(d, DOCTOR_FAIL, "sockets", "%s", diag.text);
        return;
    }
    doctor_say(d, DOCTOR_OK, "sockets", "private folders like %s", dir.path);
    rundir_remove(&dir);
}
