/* bench_dedup.c - what exact dedup costs a row: hashing in the worker, and in
 * the coordinator reading the hashes of a result and judging them.
 *   bench_dedup [rows, default 10000000]
 * Hashes are random, so each lookup is a cache miss: the worst case, and the
 * usual one. Prints one line for each, in processor time. */
#include "common/hash.h"
#include "coordinator/hash_set.h"
#include "prose/text_hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CELL = 250, AHEAD = 16, TEXT_BYTES = 2000, TEXTS = 200000 };

static void
say(const char *what, clock_t from, uint64_t n)
{
    (void)printf("%-34s %.3f us a row\n", what,
                 (double)(clock() - from) / (double)CLOCKS_PER_SEC * 1e6 /
                     (double)n);
}

/* Cells of hashes, as kind_personas_dedup.c goes through them. */
static int
bench_set(uint64_t rows)
{
    struct hash_set *set = NULL;
    uint64_t cell[CELL], found = 0;
    clock_t from;

    if (hash_set_new(rows + CELL, &set)) return 1;
    for (int pass = 0; pass < 2; pass++) {
        from = clock();
        for (uint64_t at = 0; at < rows; at += CELL) {
            for (uint32_t i = 0; i < CELL; i++) {
                cell[i] = co_mix64(at + i + 1);
            }
            if (hash_set_reserve(set, CELL)) return 1;
            for (uint32_t i = 0; i < CELL; i++) {
                if (i + AHEAD < CELL) hash_set_prefetch(set, cell[i + AHEAD]);
                found += !hash_set_add(set, cell[i]);
            }
        }
        say(pass ? "coordinator: all are duplicates" : "coordinator: all new",
            from, rows);
    }
    (void)printf("%-34s %.1f bytes a row, %llu found again\n", "set",
                 (double)hash_set_bytes(set) / (double)rows,
                 (unsigned long long)found);
    hash_set_free(set);
    return 0;
}

static void
bench_hash_alone(void)
{
    char text[TEXT_BYTES] = {0};
    uint64_t sum = 0;
    clock_t from = clock();

    for (uint64_t i = 0; i < TEXTS; i++) {
        text[i % TEXT_BYTES]++;
        sum += co_hash64(text, sizeof text, 0);
    }
    say("worker: XXH3 alone", from, TEXTS);
    if (sum == 1) (void)puts("");
}

/* white: every so many bytes two spaces; 0: a clean text. */
static void
bench_text(const char *what, size_t white)
{
    char text[TEXT_BYTES];
    struct co_buf scratch;
    uint64_t sum = 0;
    clock_t from;

    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = "She walks Her dog"[i % 17];
        if (white && i && i % white == 0) text[i - 1] = text[i] = ' ';
    }
    co_buf_init(&scratch, 1 << 16);
    from = clock();
    for (uint64_t i = 0; i < TEXTS; i++) {
        text[0] = text[1] = text[2] = text[3] = (char)('a' + i % 26);
        sum += text_hash(text, sizeof text, &scratch);
    }
    say(what, from, TEXTS);
    if (sum == 1) (void)puts(""); /* the sum is used */
    co_buf_fini(&scratch);
}

int
main(int argc, char **argv)
{
    uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;

    bench_hash_alone();
    bench_text("worker: 2,000 clean bytes", 0);
    bench_text("worker: 2,000 bytes to mend", 100);
    return bench_set(rows);
}
