/* services.h - the services by name, for the table in service.c only. */
#pragma once
#include "worker/service.h"

extern const struct service service_noop;
extern const struct service service_slow;
extern const struct service service_persona_corpus;
extern const struct service service_persona_compose;
extern const struct service service_persona_write;
