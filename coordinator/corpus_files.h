/* corpus_files.h - the files in the output folder that tell about a corpus:
 * names of shards, MANIFEST.json, report.json. Written atomically. */
#pragma once
#include "coordinator/kind_personas.h"
#include "population/audit.h"

struct corpus_facts {
    const char *name;
    uint64_t job, recipe_hash;
    struct co_bytes recipe;
    const char *out_dir;
    const struct personas *personas;
    const struct sampler *sampler;
};

/* "part-00000.jsonl.zst" */
void corpus_shard_file(uint64_t shard, char file[64]);
/* Cells of each audit table, AUDIT_TABLE_COUNT of them. */
co_must_use enum co_err corpus_table_cells(const struct sampler *s,
                                           uint32_t *ret_cells);
co_must_use enum co_err corpus_write_manifest(const struct corpus_facts *f,
                                              struct co_diag *diag);
co_must_use enum co_err corpus_write_report(const struct corpus_facts *f,
                                            struct co_diag *diag);
/* Appends {"rows":..,"bytes":..,"raw_bytes":..,"shards":..,"out":..}. */
void corpus_put_result(const struct personas *p, const char *out_dir,
                       struct co_buf *out);
