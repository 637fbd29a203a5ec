/* text_columns.c - see text_columns.h. */
#include "population/text_columns.h"

static const struct text_column_info columns[TEXT_COUNT] = {
    [TEXT_PROFESSIONAL] = {"professional_persona", 16, NULL},
    [TEXT_SPORTS] = {"sports_persona", 6, NULL},
    [TEXT_ARTS] = {"arts_persona", 6, NULL},
    [TEXT_TRAVEL] = {"travel_persona", 6, NULL},
    [TEXT_CULINARY] = {"culinary_persona", 6, NULL},
    [TEXT_PERSONA] = {"persona", 0, NULL},
    [TEXT_BACKGROUND] = {"cultural_background", 0, NULL},
    [TEXT_SKILLS] = {"skills_and_expertise", 16, "skill"},
    [TEXT_HOBBIES] = {"hobbies_and_interests", 6, "hobby"},
    [TEXT_GOALS] = {"career_goals_and_ambitions", 16, NULL},
};

const struct text_column_info *
text_column(enum text_column c)
{
    return &columns[c];
}
