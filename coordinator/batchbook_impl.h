/* batchbook_impl.h - what the files of the batch book share. Private. */
#pragma once
#include "coordinator/batchbook.h"

/* The task of that operation which its batch would give out now. */
uint64_t batchbook_task_of(const struct batchbook_entry *e, enum batch_op op);
/* The operation that is next. */
enum batch_op batchbook_op_of(const struct batchbook_entry *e);
/* Not known to be at the vendor. */
bool batchbook_is_made(const struct batchbook_entry *e);
/* What became of its submission is not known. */
void batchbook_look_for(const struct batchbook *b, struct batchbook_entry *e,
                        int64_t now_us);
