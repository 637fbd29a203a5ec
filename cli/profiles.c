/* profiles.c - see profiles.h. */
#include "cli/profiles.h"

#include "common/redis.h"

#include <arpa/inet.h>
#include <string.h>

const char *const profile_names[] = {
    [PROFILE_LAPTOP] = "laptop",
    [PROFILE_FLEET] = "fleet",
    [PROFILE_KUBERNETES] = "kubernetes",
    NULL,
};

enum {
    FILES_MAX = 4,
    SETTINGS_MAX = 8,
    FRONT_PORT = 5570, /* coordinators; as in the broker's own defaults */
    BACK_PORT = 5571,  /* workers */
};

/* value NULL: only the user can know; then see `from`. */
struct setting {
    const char *name, *value;
    enum { FIXED, FRONTS, BACKS, REDIS } from;
};

struct layout {
    size_t count;
    struct profile_file files[FILES_MAX];
    struct setting settings[FILES_MAX][SETTINGS_MAX];
    const char *brokers[3]; /* hosts */
    const char *redis;
    const char *next; /* DIR stands for the folder */
};

#define BROKER_SETTINGS                                                        \
    {                                                                          \
        {"front", "tcp://0.0.0.0:5570", FIXED},                                \
            {"back", "tcp://0.0.0.0:5571", FIXED},                             \
            {"key", "/etc/cohort/keys/broker.key", FIXED},                     \
            {"allow", "/etc/cohort/keys", FIXED}, {"redis", NULL, REDIS},      \
    }
#define WORKER_SETTINGS                                                        \
    {                                                                          \
        {"broker", NULL, BACKS},                                               \
            {"key", "/etc/cohort/keys/worker.key", FIXED},                     \
            {"broker-key", "/etc/cohort/keys/broker.pub", FIXED},              \
            {"redis", NULL, REDIS}, {"processes", "0", FIXED},                 \
    }
#define COORDINATOR_SETTINGS                                                   \
    {                                                                          \
        {"broker", NULL, FRONTS},                                              \
            {"key", "/etc/cohort/keys/coordinator.key", FIXED},                \
            {"broker-key", "/etc/cohort/keys/broker.pub", FIXED},              \
            {"redis", NULL, REDIS}, {"out", "/var/lib/cohort/corpora", FIXED}, \
            {"listen", "ipc:///run/cohort/coordinator", FIXED},                \
            {"log-level", "info", FIXED},                                      \
    }
#define SUBMIT_SETTINGS                                                        \
    {                                                                          \
        {"coordinator", "ipc:///run/cohort/coordinator", FIXED},               \
    }

static const struct layout layouts[] = {
    [PROFILE_LAPTOP] =
        {
            .count = 1,
            .files = {{"run.conf", CO_PROGRAM, "run"}},
            .next = "  " CO_PROGRAM " run --config DIR/run.conf JOB.yaml\n",
        },
    [PROFILE_FLEET] =
        {
            .count = 4,
            .files = {{"broker.conf", CO_PROGRAM "-broker", NULL},
                      {"worker.conf", CO_PROGRAM "-worker", NULL},
                      {"coordinator.conf", CO_PROGRAM "-coordinator", "serve"},
                      {"submit.conf", CO_PROGRAM, "submit"}},
            .settings = {BROKER_SETTINGS, WORKER_SETTINGS, COORDINATOR_SETTINGS,
                         SUBMIT_SETTINGS},
            .brokers = {"broker-1", "broker-2"},
            .redis = "redis://redis:6379",
            .next =
                "  copy each to /etc/cohort/ of the hosts that need it, then\n"
                "  systemctl enable --now cohort-broker, cohort-worker,\n"
                "  cohort-coordinator there; cohort submit --config "
                "DIR/submit.conf JOB.yaml\n",
        },
    [PROFILE_KUBERNETES] =
        {
            .count = 4,
            .files = {{"broker.conf", CO_PROGRAM "-broker", NULL},
                      {"worker.conf", CO_PROGRAM "-worker", NULL},
                      {"coordinator.conf", CO_PROGRAM "-coordinator", "serve"},
                      {"submit.conf", CO_PROGRAM, "submit"}},
            .settings = {BROKER_SETTINGS,
                         {{"broker", NULL, BACKS},
                          {"key", "/etc/cohort/keys/worker.key", FIXED},
                          {"broker-key", "/etc/cohort/keys/broker.pub", FIXED},
                          {"redis", NULL, REDIS},
                          {"processes", "1", FIXED}},
                         COORDINATOR_SETTINGS,
                         SUBMIT_SETTINGS},
            /* The pods of the StatefulSet of brokers, by its Service. */
            .brokers = {"cohort-broker-0.cohort-broker",
                        "cohort-broker-1.cohort-broker"},
            .redis = "redis://cohort-redis:6379",
            .next = "  put them into docker/k8s/config/, then\n"
                    "  kubectl apply -k docker/k8s\n",
        },
};

const struct profile_file *
profile_files(enum profile profile, size_t *ret_count)
{
    *ret_count = layouts[profile].count;
    return layouts[profile].files;
}

/* ---- what the user says about the place ---- */

static bool
is_label(const char *text, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    return len >= 1 && len <= 63 && strspn(text, letters) >= len &&
           text[0] != '-' && text[len - 1] != '-';
}

/* A name (labels with dots between; '_' as container networks have it), or an
 * IPv4 address: digits and dots alone can be nothing else. */
static bool
is_host(const char *text)
{
    struct in_addr address;
    size_t len = strlen(text);

    if (len == 0 || len > 253) return false;
    if (strspn(text, "0123456789.") == len) {
        return inet_pton(AF_INET, text, &address) == 1;
    }
    for (;; text++) {
        len = strcspn(text, ".");
        if (!is_label(text, len)) return false;
        text += len;
        if (!*text) return true;
    }
}

static enum co_err
check_broker(const char *text, struct co_diag *diag)
{
    if (is_host(text)) return CO_OK;
    return co_fail(
        diag, CO_USAGE,
        "--brokers: \"%.100s\" is no host; give %s, as broker-1, "
        "broker-1.example or 10.0.0.7",
        text,
        strchr(text, ':') && !strchr(text, ' ')
            ? "its name or IPv4 address alone (tcp:// and the ports 5570 and "
              "5571 are added)"
            : "a name of letters, digits, '-', '_' and '.', or an IPv4 "
              "address");
}

enum co_err
profile_check(enum profile profile, const struct profile_place *place,
              struct co_diag *diag)
{
    struct co_redis_url url;
    enum co_err err = CO_OK;

    if (profile == PROFILE_LAPTOP && (place->brokers.count || place->redis)) {
        return co_fail(diag, CO_USAGE,
                       "--brokers and --redis say where a fleet is, and the "
                       "profile laptop has none; add --profile fleet or "
                       "--profile kubernetes");
    }
    for (size_t i = 0; !err && i < place->brokers.count; i++) {
        err = check_broker(place->brokers.items[i], diag);
    }
    if (err || !place->redis) return err;
    err = co_redis_url_parse(place->redis, &url, diag);
    return err ? co_fail_prefix(diag, err, "--redis") : CO_OK;
}

/* ---- the flags of a file ---- */

/* "--broker=tcp://HOST:PORT" for each broker. */
static void
put_brokers(const struct layout *l, const struct setting *s,
            const struct profile_place *place, struct co_buf *flags)
{
    unsigned port = s->from == FRONTS ? FRONT_PORT : BACK_PORT;
    size_t given = place->brokers.count;

    for (size_t i = 0; given ? i < given : l->brokers[i] != NULL; i++) {
        const char *host = given ? place->brokers.items[i] : l->brokers[i];

        co_buf_printf(flags, "--%s=tcp://%s:%u", s->name, host, port);
        co_buf_putc(flags, '\0');
    }
}

/* A Redis beyond the host needs the word that its network is one's own. */
static enum co_err
put_redis(const struct layout *l, const struct setting *s,
          const struct profile_place *place, struct co_buf *flags,
          struct co_diag *diag)
{
    const char *text = place->redis ? place->redis : l->redis;
    struct co_redis_url url;
    enum co_err err = co_redis_url_parse(text, &url, diag);

    if (err) return err;
    co_buf_printf(flags, "--%s=%s", s->name, text);
    co_buf_putc(flags, '\0');
    if (url.loopback) return CO_OK;
    co_buf_puts(flags, "--redis-insecure=true");
    co_buf_putc(flags, '\0');
    return CO_OK;
}

enum co_err
profile_flags(enum profile profile, size_t i, const struct profile_place *place,
              struct co_buf *flags, struct co_diag *diag)
{
    const struct layout *l = &layouts[profile];
    enum co_err err = CO_OK;

    for (size_t k = 0; !err && k < SETTINGS_MAX; k++) {
        const struct setting *s = &l->settings[i][k];

        if (!s->name) break;
        if (s->from == REDIS) {
            err = put_redis(l, s, place, flags, diag);
        } else if (s->from != FIXED) {
            put_brokers(l, s, place, flags);
        } else {
            co_buf_printf(flags, "--%s=%s", s->name, s->value);
            co_buf_putc(flags, '\0');
        }
    }
    return err;
}

void
profile_next_steps(enum profile profile, const char *dir, struct co_buf *out)
{
    const char *text = layouts[profile].next, *at;

    for (; (at = strstr(text, "DIR")); text = at + strlen("DIR")) {
        co_buf_append(out, text, (size_t)(at - text));
        co_buf_puts(out, dir);
    }
    co_buf_puts(out, text);
}
