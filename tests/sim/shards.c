/* shards.c - the final files, in memory: stands for coordinator/sealer.c and
 * corpus_files.c, so that corpus.c itself can run here. An order takes its
 * time; when it is done the file is durable and the answer waits. */
#include "coordinator/corpus_files.h"
#include "coordinator/kind_personas_asked.h"
#include "coordinator/sealer.h"
#include "journal/reader.h"
#include "tests/sim/disk.h"
#include "tests/sim/nodes.h"

#include "common/hash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 512 };

struct shards {
    struct shard_file files[FILES];
    size_t n;
};

struct shards **disk_shards(struct sim *s);

/* One owner's sealer. Work in progress dies with it. */
struct sealer {
    struct sim *sim;
    struct sim_job *job;
    uint64_t id; /* events of a dead one find nothing */
    struct seal_order orders[SEALER_ORDERS_MAX];
    struct seal_answer answers[SEALER_ORDERS_MAX];
    size_t n_orders, n_answers;
    bool busy;
};

static struct sealer *living[SIM_OWNERS_MAX];
static uint64_t last_id;

/* ---- files ---- */

void
shards_make(struct sim *s)
{
    *disk_shards(s) = calloc(1, sizeof(struct shards));
    co_assert(*disk_shards(s));
    if (s->job->index) return;
    last_id = 0;
    for (unsigned i = 0; i < SIM_OWNERS_MAX; i++) {
        living[i] = NULL;
    }
}

void
shards_free(struct sim *s)
{
    struct shards *f = *disk_shards(s);

    for (size_t i = 0; i < f->n; i++) {
        free(f->files[i].data);
    }
    free(f);
    for (unsigned i = 0; i < SIM_OWNERS_MAX; i++) {
        living[i] = NULL;
    }
}

static struct shard_file *
file_named(struct sim *s, const char *name, bool make)
{
    struct shards *f = *disk_shards(s);

    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->files[i].name, name) == 0) return &f->files[i];
    }
    if (!make || f->n == FILES) return NULL;
    (void)snprintf(f->files[f->n].name, sizeof f->files[0].name, "%s", name);
    return &f->files[f->n++];
}

const struct shard_file *
shards_at(const struct sim *s, uint64_t shard)
{
    char name[64];

    corpus_shard_file(shard, name);
    return file_named((struct sim *)(uintptr_t)s, name, false);
}

/* ---- copying ---- */

static enum co_err
copy_piece(struct sealer *l, const struct seal_piece *p,
           const struct shard_file *old, struct co_buf *out)
{
    char path[600], file[FOLDER_NAME_SIZE];
    uint8_t *to = co_buf_reserve(out, p->len);
    ssize_t n;
    int fd;

    if (!to) return CO_NOMEM;
    if (p->segment.owner == 0) {
        if (!old || p->offset + p->len > old->len) return CO_NOTFOUND;
        memcpy(to, old->data + p->offset, p->len);
        co_buf_commit(out, p->len);
        return CO_OK;
    }
    (void)snprintf(path, sizeof path, "%s/%s", disk_journal(l->sim),
                   folder_segment_file(p->segment, file));
    fd = open(path, O_RDONLY);
    if (fd < 0) return CO_NOTFOUND;
    n = pread(fd, to, p->len, (off_t)p->offset);
    (void)close(fd);
    if (n != (ssize_t)p->len) return CO_DAMAGED;
    co_buf_commit(out, p->len);
    return CO_OK;
}

static void
write_file(struct sealer *l, struct seal_order *order)
{
    struct shard_file *f = file_named(l->sim, order->file, true);
    struct seal_answer *a = &l->answers[l->n_answers++];
    struct co_buf buf;

    *a = (struct seal_answer){.shard = order->shard};
    co_buf_init(&buf, 1 << 26);
    co_assert(f);
    for (size_t i = 0; i < order->n && !a->err; i++) {
        a->err = copy_piece(l, &order->pieces[i], f, &buf);
    }
    if (a->err) {
        sim_fail(l->sim, "G3",
                 "a frame of shard %llu is not in the journal: %s",
                 (unsigned long long)order->shard, co_err_name(a->err));
    } else {
        free(f->data);
        f->data = buf.data;
        f->len = buf.len;
        a->bytes = buf.len;
        a->hash = co_hash64(buf.data, buf.len, 0);
        buf.data = NULL;
        sim_trace(l->sim, "%s is written, %zu bytes", f->name, f->len);
    }
    co_buf_fini(&buf);
    free(order->pieces);
}

/* As the sealer does, before the rows; an empty name means no file. */
static void
write_hashes(struct sealer *l, const struct seal_order *order)
{
    struct shard_file *f;
    struct co_buf buf;

    if (!order->n_hashes) return;
    f = file_named(l->sim, order->hash_file, true);
    co_assert(f);
    co_buf_init(&buf, 1 << 26);
    co_buf_append(&buf, order->hashes, 8 * order->n_hashes);
    co_assert(!buf.err);
    free(f->data);
    f->data = buf.data;
    f->len = buf.len;
}

static void start_next(struct sealer *l);

static void
order_done(struct sim *s, struct sim_event *e)
{
    for (unsigned i = 0; i < SIM_OWNERS_MAX; i++) {
        struct sealer *l = living[i];

        if (!l || l->id != e->a) continue;
        sim_enter(s, l->job);
        l->busy = false;
        write_hashes(l, &l->orders[0]);
        write_file(l, &l->orders[0]);
        l->n_orders--;
        memmove(l->orders, l->orders + 1, l->n_orders * sizeof l->orders[0]);
        start_next(l);
        node_wake(s, node_owner(s, l->job->index), s->now_us);
    }
}

static void
start_next(struct sealer *l)
{
    if (l->busy || !l->n_orders || l->n_answers == SEALER_ORDERS_MAX) return;
    l->busy = true;
    sim_at(l->sim, l->sim->now_us + sim_between(l->sim, 500, 200000),
           order_done, l->id, 0);
}

/* ---- coordinator/sealer.h ---- */

enum co_err
sealer_start(const char *out_dir, const char *journal_dir,
             struct sealer **ret_sealer, struct co_diag *diag)
{
    struct sealer *l = calloc(1, sizeof *l);

    (void)out_dir;
    (void)journal_dir;
    (void)diag;
    co_assert(l);
    l->sim = sim_now;
    l->job = sim_now->job;
    l->id = ++last_id;
    for (unsigned i = 0; i < SIM_OWNERS_MAX; i++) {
        if (living[i]) continue;
        living[i] = l;
        *ret_sealer = l;
        return CO_OK;
    }
    free(l);
    return CO_FULL;
}

enum co_err
sealer_order(struct sealer *s, const struct seal_order *order)
{
    if (s->n_orders + s->n_answers >= SEALER_ORDERS_MAX) return CO_FULL;
    s->orders[s->n_orders++] = *order;
    start_next(s);
    return CO_OK;
}

int
sealer_fd(const struct sealer *s)
{
    (void)s;
    return -1;
}

enum co_err
sealer_poll(struct sealer *s, struct seal_answer *ret_answer)
{
    if (!s->n_answers) return CO_AGAIN;
    *ret_answer = s->answers[0];
    s->n_answers--;
    memmove(s->answers, s->answers + 1, s->n_answers * sizeof s->answers[0]);
    start_next(s);
    return CO_OK;
}

void
sealer_stop(struct sealer *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->n_orders; i++) {
        free(s->orders[i].pieces);
    }
    for (unsigned i = 0; i < SIM_OWNERS_MAX; i++) {
        if (living[i] == s) living[i] = NULL;
    }
    free(s);
}

/* ---- coordinator/corpus_files.h ---- */

void
corpus_shard_file(uint64_t shard, char file[64])
{
    (void)snprintf(file, 64, "part-%05llu.jsonl.zst",
                   (unsigned long long)shard);
}

void
corpus_hash_file(uint64_t shard, char file[64])
{
    (void)snprintf(file, 64, "part-%05llu.hashes", (unsigned long long)shard);
}

enum co_err
corpus_read_hashes(const char *out_dir, uint64_t shard, uint32_t n,
                   uint64_t hash, uint64_t *ret_hashes, struct co_diag *diag)
{
    const struct shard_file *f;
    char name[64];

    (void)out_dir;
    corpus_hash_file(shard, name);
    f = file_named(sim_now, name, false);
    if (!f || f->len < 8 * (size_t)n ||
        co_hash64(f->data, 8 * (size_t)n, 0) != hash) {
        return co_fail(diag, CO_DAMAGED, "%s is not as it was written", name);
    }
    memcpy(ret_hashes, f->data, 8 * (size_t)n);
    return CO_OK;
}

enum co_err
corpus_table_cells(const struct sampler *s, uint32_t *ret_cells)
{
    (void)s;
    for (uint32_t t = 0; t < AUDIT_TABLE_COUNT; t++) {
        ret_cells[t] = 4;
    }
    return CO_OK;
}

/* Rows that were given up do not come back here. */
enum co_err
corpus_remove_unsealed(const struct corpus_facts *f, struct co_diag *diag)
{
    (void)diag;
    co_assert(!personas_unsealed(f->personas));
    return CO_OK;
}

enum co_err
corpus_write_manifest(const struct corpus_facts *f, struct co_diag *diag)
{
    (void)f;
    (void)diag;
    return CO_OK;
}

enum co_err
corpus_write_report(const struct corpus_facts *f, struct co_diag *diag)
{
    (void)f;
    (void)diag;
    return CO_OK;
}

void
corpus_put_result(const struct personas *p, const char *out_dir,
                  struct co_buf *out)
{
    (void)p;
    (void)out_dir;
    (void)out;
}
