/* job_list.c - see job_list.h. */
#include "coordinator/job_list.h"

#include "common/fs.h"
#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 4 << 20, FIRST_DELAY_MS = 250 };

static void
copy_text(json_t *entry, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(entry, key));

    (void)snprintf(out, size, "%s", text ? text : "");
}

enum co_err
job_list_load(struct job_list *list, const char *root, struct co_diag *diag)
{
    char path[4096 + 16];
    json_t *value = NULL;
    json_t *entry;
    size_t i;
    enum co_err err;

    (void)snprintf(path, sizeof path, "%s/jobs.json", root);
    if (access(path, F_OK) != 0) return CO_OK;
    err = co_json_load_file(path, FILE_BYTES_MAX, &value, diag);
    if (err) return err;
    json_array_foreach(value, i, entry)
    {
        struct listed_job job = {0};
        const char *id = json_string_value(json_object_get(entry, "job"));

        job.id = id ? strtoull(id, NULL, 16) : 0;
        copy_text(entry, "out", job.out, sizeof job.out);
        copy_text(entry, "rows", job.rows, sizeof job.rows);
        copy_text(entry, "seed", job.seed, sizeof job.seed);
        if (job.id && job.out[0] && job_list_add(list, &job)) break;
    }
    json_decref(value);
    return CO_OK;
}

enum co_err
job_list_save(const struct job_list *list, const char *root,
              struct co_diag *diag)
{
    struct co_buf buf;
    struct co_json json;
    enum co_err err;

    co_buf_init(&buf, FILE_BYTES_MAX);
    co_json_init(&json, &buf);
    co_json_array(&json);
    for (size_t i = 0; i < list->n; i++) {
        const struct listed_job *job = &list->v[i];

        co_json_object(&json);
        co_json_key(&json, "job");
        co_json_hex64(&json, job->id);
        co_json_put_text(&json, "out", job->out);
        co_json_put_text(&json, "rows", job->rows);
        co_json_put_text(&json, "seed", job->seed);
        co_json_end(&json);
    }
    co_json_end(&json);
    err = co_json_finish(&json);
    if (!err) {
        co_buf_putc(&buf, '\n');
        err = co_fs_write_atomic(root, "jobs.json", buf.data, buf.len, diag);
    }
    co_buf_fini(&buf);
    return err;
}

enum co_err
job_list_add(struct job_list *list, const struct listed_job *job)
{
    if (list->n == JOB_LIST_MAX) return CO_FULL;
    list->v[list->n++] = *job;
    return CO_OK;
}

struct listed_job *
job_list_find(struct job_list *list, const char *out)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->v[i].out, out) == 0) return &list->v[i];
    }
    return NULL;
}

void
job_list_remove(struct job_list *list, size_t i)
{
    memmove(&list->v[i], &list->v[i + 1],
            (list->n - i - 1) * sizeof list->v[0]);
    list->n--;
}

bool
job_list_failed(struct listed_job *job, int64_t now_ms)
{
    if (now_ms - job->start_ms >= JOB_WELL_MS) job->failures = 0;
    job->failures++;
    if (job->failures >= JOB_FAILURES_MAX) return false;
    job->start_ms = now_ms + ((int64_t)FIRST_DELAY_MS << (job->failures - 1));
    return true;
}
