/* endpoint_id.h - what names an endpoint and its key where others can read it:
 * in a key of Redis. Limits are the account's, so who calls the same address
 * with the same key shares them, and nobody else does. No I/O. */
#pragma once
#include "llm/secret.h"

/* 64 bits of address and key (NULL or empty: none). The key goes in by
 * SHA-512-crypt, 20,000 rounds, salted by the address: some 10 ms a try, of
 * which one number then remains. So it neither gives the key away nor makes a
 * list of guesses cheap. CO_IO: libcrypt does not have it; CO_NOMEM. */
co_must_use enum co_err endpoint_id(const char *url, const struct secret *key,
                                    uint64_t *ret_id, struct co_diag *diag);
