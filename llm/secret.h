/* secret.h - a provider's key: read, used, never shown.
 * A key comes from the environment or from a file, never from an option or a
 * job file. A process that read one leaves no core dump. */
#pragma once
#include "common/buf.h"

enum { SECRET_BYTES = 4096 };

struct secret {
    char text[SECRET_BYTES]; /* "" when there is none */
    size_t len;
};

/* Reads the key from the variable env_name, or from the file (its first line);
 * give one of them, the other NULL. named_by: where another variable can be
 * named, such as "--key-env".
 * CO_USAGE  not set, unreadable, empty, too long, or no printable ASCII */
co_must_use enum co_err secret_load(const char *env_name, const char *file,
                                    const char *named_by,
                                    struct secret *ret_secret,
                                    struct co_diag *diag);
/* Overwrites it. */
void secret_forget(struct secret *secret);
/* Replaces each place where text holds the key by as many '*': endpoints
 * repeat it in their error messages, and as JSON may spell it, too, with
 * escapes in it. So with a beginning of the key at the text's end, of four
 * bytes or more: the text may have been cut there. */
void secret_redact(const struct secret *secret, char *text, size_t len);
