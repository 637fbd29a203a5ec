/* scale_read.c - answers of Redis become the scaler's tables. What stands in
 * Redis was written by others: numbers are clamped, names are cut, and what is
 * beyond a limit is counted and left out. */
#include "coordinator/scale_impl.h"

#include <stdlib.h>
#include <string.h>

enum { FORGET_MS = 30000, SERVICE_MS = 3600 * 1000, SLOTS_MAX = 65536 };

/* ---- replies ---- */

static const char *
text_of(const struct co_redis_reply *r)
{
    return r->type == CO_REDIS_TEXT ? r->text : "";
}

static uint64_t
number_of(const struct co_redis_reply *r)
{
    const char *text = text_of(r);

    return text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : 0;
}

/* How much a cumulative count grew since it was read last. The first time
 * nothing is known about when it grew. */
static uint64_t
grown(struct scale_count *c, uint64_t now)
{
    uint64_t by = !c->known ? 0 : now >= c->last ? now - c->last : now;

    c->last = now;
    c->known = true;
    return by;
}

static bool
copy_name(struct scale *s, char to[SCALE_NAME_BYTES], const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len >= SCALE_NAME_BYTES) {
        s->cut += len > 0;
        return false;
    }
    memcpy(to, name, len + 1);
    return true;
}

/* ---- lists ---- */

static void
see_service(struct scale *s, const char *name)
{
    struct scale_service *v;

    for (uint32_t i = 0; i < s->n_services; i++) {
        if (strcmp(s->services[i].name, name) != 0) continue;
        s->services[i].seen_ms = s->now_ms;
        return;
    }
    if (s->n_services == SCALE_SERVICES_MAX) {
        s->cut++;
        return;
    }
    v = &s->services[s->n_services];
    memset(v, 0, sizeof *v);
    if (!copy_name(s, v->name, name)) return;
    v->config = scaler_defaults();
    v->config.quiet_ms = s->opt.quiet_ms;
    v->seen_ms = s->now_ms;
    s->n_services++;
}

static struct scale_worker *
add_worker(struct scale *s, uint64_t id)
{
    struct scale_worker *w;

    if (s->n_workers == s->workers_cap) {
        uint32_t cap = s->workers_cap ? 2 * s->workers_cap : 64;
        struct scale_worker *grown_to;

        if (cap > SCALE_WORKERS_MAX) cap = SCALE_WORKERS_MAX;
        if (cap == s->workers_cap) return NULL;
        grown_to = realloc(s->workers, cap * sizeof *grown_to);
        if (!grown_to) return NULL;
        s->workers = grown_to;
        s->workers_cap = cap;
    }
    if (co_table_reserve(&s->by_id, s->n_workers + 1)) return NULL;
    co_table_put(&s->by_id, id, 0, s->n_workers);
    w = &s->workers[s->n_workers++];
    memset(w, 0, sizeof *w);
    w->id = id;
    return w;
}

static void
see_worker(struct scale *s, const char *text)
{
    char *end;
    uint64_t id = strtoull(text, &end, 16);
    uint32_t at;
    struct scale_worker *w;

    if (*end || end == text) return;
    at = s->n_workers ? co_table_find(&s->by_id, id, 0) : CO_TABLE_NONE;
    w = at == CO_TABLE_NONE ? add_worker(s, id) : &s->workers[at];
    if (w) {
        w->seen_ms = s->now_ms;
    } else {
        s->cut++;
    }
}

static void
see_host(struct scale *s, const char *id)
{
    struct scale_host *h;

    for (uint32_t i = 0; i < s->n_hosts; i++) {
        if (strcmp(s->hosts[i].id, id) != 0) continue;
        s->hosts[i].seen_ms = s->now_ms;
        return;
    }
    if (s->n_hosts == SHARE_HOSTS_MAX) {
        s->cut++;
        return;
    }
    h = &s->hosts[s->n_hosts];
    *h = (struct scale_host){.seen_ms = s->now_ms};
    if (!copy_name(s, h->id, id)) return;
    for (uint32_t i = 0; i < s->n_services; i++) {
        s->services[i].shares[s->n_hosts] = 0;
    }
    s->n_hosts++;
}

static void
see_name(struct scale *s, struct scale_names *names, const char *id)
{
    if (names->n == SCALE_WRITERS_MAX) {
        s->cut++;
    } else if (copy_name(s, names->v[names->n], id)) {
        names->n++;
    }
}

void
scale_read_list(struct scale *s, enum scale_ask ask,
                const struct co_redis_reply *reply)
{
    for (size_t i = 0; i < reply->count; i++) {
        const char *text = text_of(&reply->elements[i]);

        if (!text[0]) continue;
        if (ask == SCALE_ASK_SERVICES) see_service(s, text);
        if (ask == SCALE_ASK_WORKERS) see_worker(s, text);
        if (ask == SCALE_ASK_HOSTS) see_host(s, text);
        if (ask == SCALE_ASK_BROKERS) see_name(s, &s->brokers, text);
        if (ask == SCALE_ASK_COORDINATORS) {
            see_name(s, &s->coordinators, text);
        }
    }
}

/* ---- hashes ---- */

/* The number of the service, by name; n_services: not known. */
static uint32_t
service_at(const struct scale *s, const char *name, size_t len)
{
    uint32_t i = 0;

    while (i < s->n_services && (strncmp(s->services[i].name, name, len) != 0 ||
                                 s->services[i].name[len])) {
        i++;
    }
    return i;
}

static struct scale_offer *
offer_of(struct scale_worker *w, uint32_t service)
{
    for (uint32_t i = 0; i < w->n_offers; i++) {
        if (w->offers[i].service == service) return &w->offers[i];
    }
    if (w->n_offers == SCALE_OFFERS_MAX) return NULL;
    w->offers[w->n_offers] = (struct scale_offer){.service = service};
    return &w->offers[w->n_offers++];
}

/* "done.SERVICE" or "busy_ms.SERVICE": what it did for a service that is known
 * is added to that service's round. */
static void
read_work(struct scale *s, struct scale_worker *w, const char *field,
          uint64_t value)
{
    bool done = strncmp(field, "done.", 5) == 0;
    const char *name = field + (done ? 5 : 8);
    uint32_t at = service_at(s, name, strlen(name));
    struct scale_offer *offer;

    if (at == s->n_services) return;
    offer = offer_of(w, at);
    if (!offer) {
        s->cut++;
    } else if (done) {
        s->services[at].m.done += grown(&offer->done, value);
    } else {
        s->services[at].m.busy_us += grown(&offer->busy_ms, value) * 1000;
    }
}

static void
read_worker(struct scale *s, struct scale_worker *w,
            const struct co_redis_reply *r)
{
    for (size_t i = 0; i + 1 < r->count; i += 2) {
        const char *field = text_of(&r->elements[i]);
        const struct co_redis_reply *value = &r->elements[i + 1];

        if (strncmp(field, "done.", 5) == 0 ||
            strncmp(field, "busy_ms.", 8) == 0) {
            read_work(s, w, field, number_of(value));
        } else if (strcmp(field, "capacity") == 0) {
            w->slots = (uint32_t)co_min_u64(number_of(value), SLOTS_MAX);
            w->read = true;
        } else if (strcmp(field, "slots_max") == 0) {
            w->slots_max = (uint32_t)co_min_u64(number_of(value), SLOTS_MAX);
        } else if (strcmp(field, "in_flight") == 0) {
            w->running = (uint32_t)co_min_u64(number_of(value), SLOTS_MAX);
        } else if (strcmp(field, "rss_bytes") == 0) {
            w->rss_bytes = number_of(value);
        } else if (strcmp(field, "state") == 0) {
            w->draining = strcmp(text_of(value), "draining") == 0;
        } else if (strcmp(field, "supervisor") == 0) {
            w->supervised = text_of(value)[0] != '\0';
        }
    }
}

/* Names separated by commas, as a mask of those that are known. */
static uint64_t
mask_of(const struct scale *s, const char *names)
{
    uint64_t mask = 0;

    while (*names) {
        size_t len = strcspn(names, ",");
        uint32_t at = service_at(s, names, len);

        if (at < s->n_services) mask |= (uint64_t)1 << at;
        names += len + (names[len] == ',');
    }
    return mask;
}

static void
read_host(struct scale *s, struct scale_host *h, const struct co_redis_reply *r)
{
    if (r->count < 3) return;
    h->max = (uint32_t)co_min_u64(number_of(&r->elements[0]), SCALER_MAX);
    h->running = (uint32_t)co_min_u64(number_of(&r->elements[1]), SCALER_MAX);
    h->services = mask_of(s, text_of(&r->elements[2]));
    if (h->read) return;
    h->read = true;
    /* What it runs already is its share to begin with. */
    for (uint32_t i = 0; i < s->n_services; i++) {
        if (h->services >> i & 1) {
            s->services[i].shares[h - s->hosts] = h->running;
        }
    }
}

static bool
lives(const struct scale_names *names, const char *id)
{
    for (uint32_t i = 0; i < names->n; i++) {
        if (strcmp(names->v[i], id) == 0) return true;
    }
    return false;
}

static struct scale_broker *
broker_of(struct scale *s, struct scale_service *v, const char *id)
{
    struct scale_broker *b;

    for (uint32_t i = 0; i < v->n_brokers; i++) {
        if (strcmp(v->brokers[i].id, id) == 0) return &v->brokers[i];
    }
    if (v->n_brokers == SCALE_WRITERS_MAX) v->n_brokers = 0; /* of long ago */
    b = &v->brokers[v->n_brokers];
    *b = (struct scale_broker){.in = {.known = false}};
    if (!copy_name(s, b->id, id)) return NULL;
    v->n_brokers++;
    return b;
}

/* "queued.BROKER", "backlog.COORDINATOR" and so on. */
static void
read_queue_field(struct scale *s, struct scale_service *v, const char *field,
                 const struct co_redis_reply *value)
{
    size_t len = strcspn(field, ".");
    const char *who = field[len] ? field + len + 1 : "";
    uint64_t n = co_min_u64(number_of(value), UINT64_MAX / 4096);
    struct scale_broker *b;
#define IS(name) (len == sizeof(name) - 1 && memcmp(field, name, len) == 0)

    if (IS("backlog") || IS("remaining")) {
        if (lives(&s->coordinators, who)) v->m.waiting += n;
    } else if (IS("limit")) {
        enum scaler_limit limit = scaler_limit_of(text_of(value));

        if (lives(&s->coordinators, who) && v->m.limit == SCALER_LIMIT_NONE) {
            v->m.limit = limit;
        }
    } else if (IS("queued")) {
        if (lives(&s->brokers, who)) v->m.waiting += n;
    } else if (IS("in_flight")) {
        if (lives(&s->brokers, who)) v->in_flight += n;
    } else if (IS("tasks_in") && (b = broker_of(s, v, who))) {
        v->m.arrived += grown(&b->in, n);
    }
#undef IS
}

static void
read_queue(struct scale *s, struct scale_service *v,
           const struct co_redis_reply *r)
{
    for (size_t i = 0; i + 1 < r->count; i += 2) {
        read_queue_field(s, v, text_of(&r->elements[i]), &r->elements[i + 1]);
    }
}

/* An unknown mode is one of a later version, one that nobody acts on would
 * stop the scaling: horizontal. `cohort scale` refuses both. */
static enum scaler_mode
mode_of(struct scale_service *v, const char *name)
{
    enum scaler_mode mode = SCALER_MODE_HORIZONTAL;
    bool good =
        !name[0] || (scaler_mode_of(name, &mode) && scaler_mode_acts(mode));

    if (!good && !v->told_mode) {
        co_log(CO_LOG_WARN, "scaler.mode_refused",
               "service=%s mode=%s uses=horizontal", v->name,
               co_log_quote(name).text);
    }
    v->told_mode = !good;
    return good ? mode : SCALER_MODE_HORIZONTAL;
}

/* pin, min, max, mode, memory_bytes; what is missing is the default. */
static void
read_pin(struct scale *s, struct scale_service *v,
         const struct co_redis_reply *r)
{
    struct scaler_config c = scaler_defaults();

    if (r->count < 5) return;
    v->pinned = false;
    for (size_t i = 0; i < r->count; i++) {
        v->pinned |= r->elements[i].type == CO_REDIS_TEXT;
    }
    c.quiet_ms = s->opt.quiet_ms;
#define NUMBER(i, low)                                                         \
    (uint32_t) co_clamp_u64(number_of(&r->elements[i]), low, SCALER_MAX)
    if (text_of(&r->elements[0])[0]) c.pin = NUMBER(0, 0);
    if (text_of(&r->elements[1])[0]) c.min = NUMBER(1, 0);
    if (text_of(&r->elements[2])[0]) c.max = NUMBER(2, 1);
#undef NUMBER
    if (c.min > c.max) c.min = c.max;
    c.mode = mode_of(v, text_of(&r->elements[3]));
    c.memory_bytes = number_of(&r->elements[4]);
    v->config = c;
    if (v->pinned) v->seen_ms = s->now_ms;
}

/* number, in_flight_max */
static void
read_before(struct scale_service *v, const struct co_redis_reply *r)
{
    if (r->count < 2) return;
    v->was_number = number_of(&r->elements[0]);
    v->was_in_flight =
        (uint32_t)co_min_u64(number_of(&r->elements[1]), SLOTS_MAX);
}

void
scale_read_hash(struct scale *s, enum scale_ask ask, uint32_t i,
                const struct co_redis_reply *reply)
{
    if (reply->type != CO_REDIS_ARRAY) return;
    if (ask == SCALE_ASK_WORKER && i < s->n_workers) {
        read_worker(s, &s->workers[i], reply);
    } else if (ask == SCALE_ASK_HOST && i < s->n_hosts) {
        read_host(s, &s->hosts[i], reply);
    } else if (ask == SCALE_ASK_QUEUE && i < s->n_services) {
        read_queue(s, &s->services[i], reply);
    } else if (ask == SCALE_ASK_PIN && i < s->n_services) {
        read_pin(s, &s->services[i], reply);
    } else if (ask == SCALE_ASK_BEFORE && i < s->n_services) {
        read_before(&s->services[i], reply);
    }
}

/* ---- a round ---- */

void
scale_read_begin(struct scale *s)
{
    s->brokers.n = s->coordinators.n = 0;
    for (uint32_t i = 0; i < s->n_services; i++) {
        struct scale_service *v = &s->services[i];

        v->m = (struct scaler_sample){.left_ms = INT64_MAX};
        v->in_flight = 0;
        v->slots_max = 0;
        v->plain = 0;
    }
}

static void
sum_worker(struct scale *s, const struct scale_worker *w)
{
    if (!w->read || w->draining || w->seen_ms != s->now_ms) return;
    for (uint32_t i = 0; i < w->n_offers; i++) {
        struct scale_service *v = &s->services[w->offers[i].service];

        v->m.workers++;
        v->m.slots += w->slots;
        v->slots_max = (uint32_t)co_max_u64(v->slots_max, w->slots_max);
        v->m.running += w->running;
        v->plain += !w->supervised;
        v->m.rss_bytes = co_max_u64(v->m.rss_bytes, w->rss_bytes);
    }
}

void
scale_read_end(struct scale *s)
{
    for (uint32_t i = 0; i < s->n_workers; i++) {
        sum_worker(s, &s->workers[i]);
    }
    for (uint32_t i = 0; i < s->n_services; i++) {
        struct scale_service *v = &s->services[i];

        /* Workers of several services: what runs for this one is at most
         * what brokers say. */
        v->m.running = co_min_u64(v->m.running, v->in_flight);
        /* More in flight than a worker has slots would change nothing. */
        if (v->slots_max && v->slots_max < v->config.in_flight_max) {
            v->config.in_flight_max = v->slots_max;
        }
        /* What workers hold beyond that waits there. */
        v->m.waiting += v->in_flight - v->m.running;
    }
}

static void
forget_service(struct scale *s, uint32_t i)
{
    scale_write_gone(s, s->services[i].name);
    s->services[i] = s->services[--s->n_services];
    /* Numbers of services moved: what was read by number is read anew. */
    for (uint32_t k = 0; k < s->n_workers; k++) {
        s->workers[k].n_offers = 0;
    }
    for (uint32_t k = 0; k < s->n_hosts; k++) {
        s->hosts[k].services = 0;
    }
}

static void
forget_host(struct scale *s, uint32_t i)
{
    s->hosts[i] = s->hosts[--s->n_hosts];
    for (uint32_t k = 0; k < s->n_services; k++) {
        s->services[k].shares[i] = s->services[k].shares[s->n_hosts];
    }
}

static void
forget_worker(struct scale *s, uint32_t i)
{
    (void)co_table_del(&s->by_id, s->workers[i].id, 0);
    s->workers[i] = s->workers[--s->n_workers];
    if (i == s->n_workers) return;
    (void)co_table_del(&s->by_id, s->workers[i].id, 0);
    co_table_put(&s->by_id, s->workers[i].id, 0, i);
}

void
scale_forget(struct scale *s)
{
    for (uint32_t i = s->n_services; i-- > 0;) {
        if (s->now_ms - s->services[i].seen_ms > SERVICE_MS) {
            forget_service(s, i);
        }
    }
    for (uint32_t i = s->n_hosts; i-- > 0;) {
        if (s->hosts[i].seen_ms != s->now_ms) forget_host(s, i);
    }
    for (uint32_t i = s->n_workers; i-- > 0;) {
        if (s->now_ms - s->workers[i].seen_ms > FORGET_MS) {
            forget_worker(s, i);
        }
    }
}
