/* service.c - the table of services. */
#include "worker/service.h"

#include "worker/services/services.h"

#include <string.h>

const struct service *const service_table[] = {
    &service_noop,           &service_slow,
    &service_persona_corpus, &service_persona_compose,
    &service_persona_write,
};
const uint32_t service_count = co_countof(service_table);

const struct service *
service_find(const char *name)
{
    for (uint32_t i = 0; i < service_count; i++) {
        if (strcmp(service_table[i]->name, name) == 0) {
            return service_table[i];
        }
    }
    return NULL;
}

enum service_step
service_fail(struct service_run *run, enum co_err err, const char *text)
{
    co_buf_clear(run->out);
    co_buf_printf(run->out, "%s: %s", co_err_name(err), text);
    return SERVICE_FAILED;
}
