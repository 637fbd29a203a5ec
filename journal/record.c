/* record.c - see record.h. */
#include "journal/record.h"

const char *
record_type_name(uint8_t type)
{
    switch (type) {
#define X(name, number, text)                                                  \
    case number:                                                               \
        return #name;
        RECORD_TYPE_LIST(X)
#undef X
    default: /* any byte may stand there: written by a later version */
        return "?";
    }
}
