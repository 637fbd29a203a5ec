/* print_rows.c - prints rows for reading, or times them. Not installed.
 *
 *     print_rows MODEL [SEED [ROWS [FIRST]]]   rows as JSON lines
 *     print_rows --time MODEL [ROWS]           rows a second, one thread
 *     print_rows --audit MODEL [ROWS [SEED]]   the audit's report */
#include "audit/audit_report.h"
#include "common/clock.h"
#include "prose/prose.h"
#include "rows/range.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIR_BYTES = 4096 };

static uint64_t
number(int argc, char **argv, int at, uint64_t otherwise)
{
    return at < argc ? strtoull(argv[at], NULL, 10) : otherwise;
}

static int
print_rows(const struct sampler *s, uint64_t rows, uint64_t first)
{
    struct co_buf buf;
    struct person p;

    co_buf_init(&buf, 1 << 20);
    for (uint64_t i = first; i < first + rows && !buf.err; i++) {
        co_buf_clear(&buf);
        sampler_draw(s, i, &p);
        row_write(s, &p, ROW_TEXTS, &buf);
        (void)fwrite(buf.data, 1, buf.len, stdout);
    }
    co_buf_fini(&buf);
    return 0;
}

static int
time_rows(const struct sampler *s, uint64_t rows)
{
    static const char *const names[] = {"attributes", "attributes + texts"};
    struct co_buf buf;
    struct person p;
    struct range_maker *maker = NULL;
    struct range_result result;

    if (rows == 0) return 2;
    co_buf_init(&buf, 64 << 20);
    for (int level = ROW_ATTRIBUTES; level <= ROW_TEXTS; level++) {
        int64_t from = co_clock_us();
        uint64_t bytes = 0;

        for (uint64_t i = 0; i < rows; i++) {
            if (i % 250 == 0) co_buf_clear(&buf);
            sampler_draw(s, i, &p);
            row_write(s, &p, (enum row_level)level, &buf);
            bytes += i % 250 == 249 ? buf.len : 0;
        }
        from = co_clock_us() - from;
        printf("%s: %.0f rows/s, %llu bytes a row\n", names[level],
               (double)rows * 1e6 / (double)from,
               (unsigned long long)(bytes / rows));
    }
    if (range_maker_new(&maker)) return 1;
    int64_t from = co_clock_us();
    uint64_t bytes = 0;
    for (uint64_t i = 0; i + 250 <= rows; i += 250) {
        co_buf_clear(&buf);
        if (range_make(maker, s, i, 250, 250, ROW_TEXTS, &result) ||
            range_encode(&result, &buf)) {
            return 1;
        }
        bytes += buf.len;
    }
    from = co_clock_us() - from;
    printf("ranges of 250, compressed: %.0f rows/s, %llu bytes a row\n",
           (double)rows * 1e6 / (double)from,
           (unsigned long long)(bytes / rows));
    range_maker_free(maker);
    co_buf_fini(&buf);
    return 0;
}

static int
print_audit(const struct sampler *s, uint64_t rows)
{
    struct audit *audit = NULL;
    struct audit_figures figures;
    struct co_buf buf;
    struct co_json json;
    struct person p;
    uint64_t accepted = 0;

    if (audit_new(sampler_model(s), &audit)) return 1;
    for (uint64_t i = 0; i < rows; i++) {
        if (i % LAGS_GRID == 0) {
            audit_end(audit);
            audit_begin(audit, i);
        }
        sampler_draw(s, i, &p);
        if (!sampler_accepts(s, &p)) continue;
        audit_count(audit, &p);
        accepted++;
    }
    audit_end(audit);
    if (compare_all(audit, s, accepted, &figures)) return 1;
    co_buf_init(&buf, 1 << 20);
    co_json_init(&json, &buf);
    co_json_object(&json);
    audit_report(&figures, audit_joints(audit), &json);
    co_json_end(&json);
    if (!co_json_finish(&json)) puts(co_buf_text(&buf));
    co_buf_fini(&buf);
    audit_free(audit);
    return 0;
}

/* Phrases lie beside the model. */
static void
folder_of(const char *model, char dir[DIR_BYTES])
{
    const char *slash = strrchr(model, '/');

    (void)snprintf(dir, DIR_BYTES, "%.*s", slash ? (int)(slash - model) : 1,
                   slash ? model : ".");
}

int
main(int argc, char **argv)
{
    bool timing = argc > 1 && strcmp(argv[1], "--time") == 0;
    bool audit = argc > 1 && strcmp(argv[1], "--audit") == 0;
    int at = timing || audit ? 2 : 1;
    co_auto(model_freep) struct model *m = NULL;
    co_auto(prose_freep) struct prose *prose = NULL;
    co_auto(sampler_freep) struct sampler *s = NULL;
    struct co_diag diag = {""};
    char dir[DIR_BYTES];

    if (argc <= at) {
        fputs("usage: print_rows [--time|--audit] MODEL ...\n", stderr);
        return 2;
    }
    folder_of(argv[at], dir);
    if (model_open(argv[at], &diag, &m) || prose_open(m, dir, &diag, &prose) ||
        sampler_new(m, number(argc, argv, audit ? at + 2 : at + 1, 42), NULL, 0,
                    &diag, &s)) {
        fprintf(stderr, "print_rows: %s\n", diag.text);
        return 1;
    }
    sampler_set_prose(s, prose);
    if (timing) return time_rows(s, number(argc, argv, at + 1, 500000));
    if (audit) return print_audit(s, number(argc, argv, at + 1, 1000000));
    return print_rows(s, number(argc, argv, at + 2, 20),
                      number(argc, argv, at + 3, 0));
}
