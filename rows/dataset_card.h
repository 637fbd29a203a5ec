/* dataset_card.h - the dataset card: README.md of a corpus, in the layout that
 * Hugging Face reads (YAML front matter, then Markdown). It says what is in
 * the corpus, where each figure is from, how close the rows are to it, what
 * is assumed, and how to make the same rows again. The same figures as in
 * report.json.
 * Thread-safe: reads its arguments only. */
#pragma once
#include "audit/findings.h"
#include "rows/row.h"

/* All borrowed. */
struct dataset_facts {
    const char *name;
    const char *recipe; /* JSON, not NUL-terminated */
    size_t recipe_len;
    uint64_t recipe_hash;
    uint64_t rows, bytes, raw_bytes, files;
    enum row_level level;
    const struct sampler *sampler;
    const struct joints *joints;
    const struct audit_figures *figures;
    const struct finding *findings;
    unsigned n_findings;
    const char *bill; /* a paragraph about what it cost; "": none */
};

/* Appends the card; fails only as buf does. */
void dataset_card_write(const struct dataset_facts *f, struct co_buf *out);
