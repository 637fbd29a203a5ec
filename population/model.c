/* model.c - see model.h.
 * Everything that the sampler indexes by is checked here once (counts,
 * offsets, ids inside their pools), so that drawing needs no checks. The
 * hash guards against a damaged disk, not against an attacker. */
#include "population/model_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 48,
    HASHED_FROM = 32,
    ENTRY_BYTES = 40,
    MAX_BYTES = 64 << 20
};
enum { TABLE_SUM = 1 << 24 };

static uint64_t
model_content_hash(const uint8_t *data, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325), word;

    for (size_t i = 0; i + 8 <= len; i += 8) {
        memcpy(&word, data + i, 8);
        h = (h ^ word) * UINT64_C(0x100000001b3);
        h ^= h >> 32;
    }
    return h;
}

static uint64_t
get_u64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t
get_u32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* Maps the whole file; refuses what cannot be a model. */
static enum co_err
model_map(const char *path, struct co_diag *diag, struct model *m)
{
    struct stat st;
    void *map;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return co_fail(diag, co_err_from_errno(errno),
                       "cannot open the population model %s: %s; %s", path,
                       strerror(errno), MODEL_REBUILD);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size < HEADER_BYTES || st.st_size > MAX_BYTES) {
        (void)close(fd);
        return co_fail(diag, CO_DAMAGED,
                       "%s is not a population model (a regular file of %d "
                       "bytes to 64 MiB); %s",
                       path, HEADER_BYTES, MODEL_REBUILD);
    }
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (map == MAP_FAILED) {
        return co_fail(diag, CO_IO, "cannot map %s: %s", path, strerror(errno));
    }
    m->file = map;
    m->file_bytes = (size_t)st.st_size;
    return CO_OK;
}

static enum co_err
model_check_header(const char *path, struct co_diag *diag, struct model *m)
{
    const uint8_t *f = m->file;
    uint64_t bytes = get_u64(f + 16);
    uint32_t version = get_u32(f + 8);

    if (memcmp(f, "COHORTMD", 8) != 0) {
        return co_fail(diag, CO_DAMAGED,
                       "%s is not a population model (wrong first bytes); %s",
                       path, MODEL_REBUILD);
    }
    if (version != MODEL_VERSION) {
        return co_fail(diag, CO_VERSION,
                       "%s has model version %u, this program reads %d; %s",
                       path, version, MODEL_VERSION, MODEL_REBUILD);
    }
    if (bytes != m->file_bytes || bytes % 8 != 0) {
        return co_fail(diag, CO_TORN,
                       "%s has %zu bytes, its header says %llu: it is cut "
                       "off or grown; %s",
                       path, m->file_bytes, (unsigned long long)bytes,
                       MODEL_REBUILD);
    }
    if (bytes < HEADER_BYTES + ENTRY_BYTES ||
        get_u64(f + HEADER_BYTES + 16) !=
            HEADER_BYTES + (uint64_t)ENTRY_BYTES * get_u32(f + 12)) {
        return co_fail(diag, CO_DAMAGED,
                       "%s is damaged: its number of sections is wrong; %s",
                       path, MODEL_REBUILD);
    }
    m->hash = get_u64(f + 24);
    m->year = (uint32_t)get_u64(f + 32);
    if (model_content_hash(f + HASHED_FROM, m->file_bytes - HASHED_FROM) !=
        m->hash) {
        return co_fail(diag, CO_DAMAGED,
                       "%s is damaged: its content does not have the hash in "
                       "its header; %s",
                       path, MODEL_REBUILD);
    }
    return CO_OK;
}

/* The entry of a section, or NULL. */
static const uint8_t *
find_section(const struct model *m, const char *name)
{
    uint32_t n = get_u32(m->file + 12);

    if (n > (m->file_bytes - HEADER_BYTES) / ENTRY_BYTES) return NULL;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *e = m->file + HEADER_BYTES + (size_t)i * ENTRY_BYTES;

        if (strncmp((const char *)e, name, 16) == 0) return e;
    }
    return NULL;
}

bool
model_has_section(const struct model *m, const char *name)
{
    return find_section(m, name) != NULL;
}

enum co_err
model_take_section(const char *path, struct co_diag *diag,
                   const struct model *m, const struct want *w)
{
    const uint8_t *e = find_section(m, w->name);
    uint64_t at, bytes;

    if (!e) {
        return co_fail(diag, CO_DAMAGED, "%s lacks the section %s; %s", path,
                       w->name, MODEL_REBUILD);
    }
    at = get_u64(e + 16);
    bytes = get_u64(e + 24);
    if (at > m->file_bytes || bytes > m->file_bytes - at || at % 8 != 0 ||
        get_u32(e + 32) != w->element_bytes ||
        bytes != (uint64_t)w->element_bytes * get_u32(e + 36)) {
        return co_fail(diag, CO_DAMAGED,
                       "%s: section %s lies outside the file or has the "
                       "wrong shape; %s",
                       path, w->name, MODEL_REBUILD);
    }
    *w->to = m->file + at;
    if (w->ret_count) *w->ret_count = get_u32(e + 36);
    return CO_OK;
}

enum co_err
model_take_pool(const char *path, struct co_diag *diag, const struct model *m,
                const char *name, struct model_pool *pool)
{
    char at_name[17];
    uint32_t bytes = 0, count = 0;
    const struct want text = {name, 1, (const void **)&pool->data, &bytes};
    const struct want at = {at_name, 4, (const void **)&pool->at, &count};
    enum co_err err;
    bool good;

    (void)snprintf(at_name, sizeof at_name, "%s.at", name);
    err = model_take_section(path, diag, m, &text);
    if (!err) err = model_take_section(path, diag, m, &at);
    if (err) return err;
    good = count >= 2 && pool->at[0] == 0 && pool->at[count - 1] == bytes;
    for (uint32_t i = 1; good && i < count; i++) {
        good = pool->at[i] > pool->at[i - 1];
    }
    if (!good) {
        return co_fail(diag, CO_DAMAGED, "%s: the texts of %s are damaged; %s",
                       path, name, MODEL_REBUILD);
    }
    pool->count = count - 1;
    return CO_OK;
}

static const uint32_t one_at[] = {0, 3}, two_at[] = {0, 2}, name_at[] = {0, 13};

enum co_err
model_take_sections(const char *path, struct co_diag *diag,
                    const struct model *m, const struct want *wants, size_t n)
{
    enum co_err err = CO_OK;

    for (size_t i = 0; !err && i < n; i++) {
        err = model_take_section(path, diag, m, &wants[i]);
    }
    return err;
}

enum co_err
model_take_pools(const char *path, struct co_diag *diag, const struct model *m,
                 const struct want_pool *pools, size_t n)
{
    enum co_err err = CO_OK;

    for (size_t i = 0; !err && i < n; i++) {
        err = model_take_pool(path, diag, m, pools[i].name, pools[i].pool);
    }
    return err;
}

/* A model of states is of the United States. */
static void
take_usa(struct model *m)
{
    m->country = (struct model_pool){one_at, "USA", 1};
    m->country_iso2 = (struct model_pool){two_at, "US", 1};
    m->country_name = (struct model_pool){name_at, "United States", 1};
    m->races = MODEL_RACES;
}

static enum co_err
take_pools(const char *path, struct co_diag *diag, struct model *m)
{
    const struct want_pool pools[] = {
        {"state.code", &m->state_code},
        {"state.name", &m->state_name},
        {"race", &m->race},
        {"education", &m->education},
        {"marital", &m->marital},
        {"employment", &m->employment},
        {"occ.title", &m->occ_title},
        {"occ.role", &m->occ_role},
        {"occ.group", &m->occ_group},
        {"first", &m->first},
        {"last", &m->last},
        {"city", &m->city},
    };
    enum co_err err;

    err = model_take_pools(path, diag, m, pools, co_countof(pools));
    if (err) return err;
    m->states = m->state_code.count;
    take_usa(m);
    return CO_OK;
}

/* Element counts of the sections, for the checks below. */
struct counts {
    uint32_t groups, joint, hisp, hisp_age, edu, edu_age, emp, emp_age, efactor,
        erace, elevel, of, oage, ou, ov, oa, ssex, sedu, frow, fid, fn, tilt,
        last, crow, cn;
};

static enum co_err
model_take_tables(const char *path, struct co_diag *diag, struct model *m,
                  struct counts *c)
{
    const struct want wants[] = {
        {"age.groups", 1, (const void **)&m->age_groups, &c->groups},
        {"joint", 4, (const void **)&m->joint, &c->joint},
        {"hispanic", 2, (const void **)&m->hispanic, &c->hisp},
        {"hispanic.age", 1, (const void **)&m->hispanic_age, &c->hisp_age},
        {"edu.p", 4, (const void **)&m->edu.p, &c->edu},
        {"edu.age", 1, (const void **)&m->edu.row, &c->edu_age},
        {"employ.p", 4, (const void **)&m->emp.p, &c->emp},
        {"employ.age", 1, (const void **)&m->emp.row, &c->emp_age},
        {"edu.factor", 4, (const void **)&m->edu_factor, &c->efactor},
        {"edu.race", 4, (const void **)&m->edu_race, &c->erace},
        {"employ.level", 4, (const void **)&m->emp_level, &c->elevel},
        {"occ.of", 1, (const void **)&m->occ_of, &c->of},
        {"occ.u", 4, (const void **)&m->occ_u, &c->ou},
        {"occ.v", 4, (const void **)&m->occ_v, &c->ov},
        {"occ.a", 4, (const void **)&m->occ_a, &c->oa},
        {"src.occ.sex", 4, (const void **)&m->src_occ_sex, &c->ssex},
        {"src.occ.edu", 4, (const void **)&m->src_occ_edu, &c->sedu},
        {"occ.age", 1, (const void **)&m->occ_age, &c->oage},
        {"first.row", 4, (const void **)&m->first_row, &c->frow},
        {"first.id", 2, (const void **)&m->first_id, &c->fid},
        {"first.n", 4, (const void **)&m->first_n, &c->fn},
        {"first.tilt", 1, (const void **)&m->first_tilt, &c->tilt},
        {"last.n", 4, (const void **)&m->last_n, &c->last},
        {"city.row", 4, (const void **)&m->city_row, &c->crow},
        {"city.n", 4, (const void **)&m->city_n, &c->cn},
    };

    return model_take_sections(path, diag, m, wants, co_countof(wants));
}

/* Conditional table: every age has a row, every row sums to TABLE_SUM. */
static bool
table_good(struct model_table *t, uint32_t count, uint32_t ages,
           uint32_t states, uint32_t values)
{
    uint32_t rows = 0, all;

    if (ages != MODEL_AGES) return false;
    for (uint32_t a = 0; a < ages; a++) {
        rows = t->row[a] + 1U > rows ? t->row[a] + 1U : rows;
    }
    t->rows = rows;
    t->values = values;
    all = states * MODEL_SEXES * rows;
    if (count != all * values) return false;
    for (uint32_t r = 0; r < all; r++) {
        uint64_t sum = 0;

        for (uint32_t v = 0; v < values; v++) {
            sum += t->p[r * values + v];
        }
        if (sum != TABLE_SUM) return false;
    }
    return true;
}

bool
model_groups_good(struct model *m, uint32_t bytes)
{
    uint32_t next = 0;

    m->age_group_count = bytes / 2;
    for (size_t g = 0; g < m->age_group_count; g++) {
        uint32_t low = m->age_groups[2 * g], high = m->age_groups[2 * g + 1];

        if (low != next || high < low || high >= MODEL_AGES) return false;
        for (; next <= high; next++) {
            m->age_group_of[next] = (uint8_t)g;
        }
    }
    return next == MODEL_AGES;
}

/* Row starts rise from 0 to total. Empty rows are not allowed. */
static bool
starts_good(const uint32_t *at, uint32_t count, uint32_t want, uint32_t total)
{
    if (count != want + 1 || at[0] != 0 || at[want] != total) return false;
    for (uint32_t i = 0; i < want; i++) {
        if (at[i + 1] <= at[i]) return false;
    }
    return true;
}

/* Factors fit the tables they belong to, and leave every row somebody. */
static bool
schooling_good(struct model *m, const struct counts *c)
{
    uint32_t rows = m->states * MODEL_SEXES * m->edu.rows;
    uint32_t cells = m->states * MODEL_SEXES * MODEL_OCC_LEVELS;

    if (c->efactor != c->edu ||
        c->erace != m->states * MODEL_SEXES * MODEL_RACES * MODEL_RACE_LEVELS ||
        c->elevel % cells != 0 || c->elevel / cells > m->emp.rows) {
        return false;
    }
    m->emp_tilted = m->emp.rows - c->elevel / cells;
    for (uint32_t i = 0; i < c->erace; i++) {
        if (m->edu_race[i] == 0 || m->edu_race[i] > 1U << 20) return false;
    }
    for (uint32_t r = 0; r < rows; r++) {
        uint64_t sum = 0;

        for (uint32_t e = 0; e < EDU_COUNT; e++) {
            if (m->edu_factor[r * EDU_COUNT + e] >> 24) return false;
            sum += m->edu_factor[r * EDU_COUNT + e];
        }
        if (sum == 0) return false;
    }
    for (uint32_t i = 0; i < c->elevel; i++) {
        if (m->emp_level[i] > TABLE_SUM) return false;
    }
    return true;
}

static bool
occupations_good(const struct model *m, const struct counts *c)
{
    uint32_t n = m->occupations, last = 0;

    if (m->occ_groups > MODEL_GROUPS_MAX || c->of != n || c->oage != n ||
        c->ou != n * MODEL_SEXES || c->ov != n * MODEL_OCC_LEVELS ||
        c->ssex != c->ou || c->sedu != c->ov || m->occ_role.count != n + 1 ||
        c->oa != m->states * MODEL_SEXES * m->occ_groups) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (m->occ_of[i] >= m->occ_groups || m->occ_of[i] < last) return false;
        last = m->occ_of[i];
    }
    for (uint32_t i = 0; i < c->ov; i++) {
        if (m->occ_v[i] > 1U << 20) return false;
    }
    return true;
}

static bool
names_good(const struct model *m, const struct counts *c)
{
    if (c->fid != c->fn || c->tilt != m->first.count * MODEL_NAME_GROUPS ||
        c->last != m->last.count * MODEL_NAME_GROUPS ||
        c->cn != m->city.count) {
        return false;
    }
    for (uint32_t i = 0; i < c->fid; i++) {
        if (m->first_id[i] >= m->first.count) return false;
    }
    return starts_good(m->first_row, c->frow, MODEL_SEXES * MODEL_AGES,
                       c->fid) &&
           starts_good(m->city_row, c->crow, m->states, c->cn);
}

static enum co_err
model_check_tables(const char *path, struct co_diag *diag, struct model *m,
                   const struct counts *c)
{
    uint32_t s = m->states, hisp_rows = 0;
    bool good;

    m->joint_slots = MODEL_RACES * MODEL_AGES;
    m->occupations = m->occ_title.count - 1;
    m->occ_groups = m->occ_group.count;
    m->first_rows = MODEL_SEXES * MODEL_AGES;
    good = s >= 1 && s <= 255 && m->state_name.count == s &&
           m->race.count == MODEL_RACES && m->education.count == EDU_COUNT &&
           m->marital.count == MARITAL_COUNT &&
           m->employment.count == EMPLOY_COUNT &&
           model_groups_good(m, c->groups) &&
           c->joint == s * MODEL_SEXES * m->joint_slots &&
           c->hisp_age == MODEL_AGES;
    for (uint32_t a = 0; good && a < MODEL_AGES; a++) {
        if (m->hispanic_age[a] + 1U > hisp_rows) {
            hisp_rows = m->hispanic_age[a] + 1U;
        }
    }
    m->hispanic_rows = hisp_rows;
    good = good && c->hisp == s * MODEL_SEXES * hisp_rows * MODEL_RACES &&
           table_good(&m->edu, c->edu, c->edu_age, s, EDU_COUNT) &&
           table_good(&m->emp, c->emp, c->emp_age, s, EMPLOY_COUNT) &&
           schooling_good(m, c) && occupations_good(m, c) && names_good(m, c);
    if (good) return CO_OK;
    return co_fail(diag, CO_DAMAGED,
                   "%s: its tables do not fit together (made by another "
                   "version of the tool?); %s",
                   path, MODEL_REBUILD);
}

enum co_err
model_open(const char *path, struct co_diag *diag, struct model **ret_model)
{
    co_auto(model_freep) struct model *m = calloc(1, sizeof *m);
    struct counts counts = {0};
    enum co_err err;

    if (!m) return co_fail(diag, CO_NOMEM, "no memory for %s", path);
    err = model_map(path, diag, m);
    if (!err) err = model_check_header(path, diag, m);
    if (!err && model_has_section(m, "country")) {
        err = model_take_world(path, diag, m);
        if (err) return err;
        *ret_model = co_take(&m);
        return CO_OK;
    }
    if (!err) err = take_pools(path, diag, m);
    if (!err) err = model_take_tables(path, diag, m, &counts);
    if (!err) err = model_check_tables(path, diag, m, &counts);
    if (!err) err = model_take_home(path, diag, m);
    if (!err) err = model_take_work(path, diag, m);
    if (err) return err;
    *ret_model = co_take(&m);
    return CO_OK;
}

static void
lookup_free(struct model_lookup *t)
{
    if (!t) return;
    /* A column's texts were allocated; const is what the pool promises. */
    free((void *)(uintptr_t)t->labels.data);
    free((void *)(uintptr_t)t->labels.at);
    free(t->row_of);
    free(t->weights);
    free(t);
}

void
model_free(struct model *model)
{
    if (!model) return;
    for (size_t i = 0; i < MODEL_USERS; i++) {
        lookup_free(model->user[i]);
    }
    for (size_t i = 0; i < REPLACE_COUNT; i++) {
        lookup_free(model->replace[i]);
    }
    free(model->own_joint);
    if (model->file && !model->base) {
        /* The map is only ever read; munmap wants it without const. */
        void *map = (void *)(uintptr_t)model->file;

        (void)munmap(map, model->file_bytes);
    }
    free(model);
}

uint64_t
model_hash(const struct model *model)
{
    return model->hash;
}

struct model_text
model_document(const struct model *m, const char *section)
{
    const char *data = NULL;
    uint32_t bytes = 0;
    const struct want want = {section, 1, (const void **)&data, &bytes};

    if (!find_section(m, section) || model_take_section("", NULL, m, &want)) {
        return (struct model_text){NULL, 0};
    }
    return (struct model_text){data, bytes};
}

const uint32_t *
model_row(const struct model_table *t, uint32_t state, uint32_t sex,
          uint32_t age)
{
    return t->p +
           ((size_t)(state * MODEL_SEXES + sex) * t->rows + t->row[age]) *
               t->values;
}

uint32_t
model_work_level(uint32_t education)
{
    return education <= EDU_NO_DIPLOMA ? 0 : education - EDU_NO_DIPLOMA;
}

uint32_t
model_race_level(uint32_t education)
{
    if (education < EDU_HIGH) return 0;
    if (education == EDU_HIGH) return 1;
    return education < EDU_BACHELOR ? 2 : 3;
}
