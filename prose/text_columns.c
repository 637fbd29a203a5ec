/* text_columns.c - see text_columns.h. */
#include "prose/text_columns.h"

#define NAME(text) text, sizeof(text) - 1

static const struct text_column_info columns[TEXT_COUNT] = {
    [TEXT_PROFESSIONAL] = {NAME("professional_persona"), 16, NULL},
    [TEXT_SPORTS] = {NAME("sports_persona"), 6, NULL},
    [TEXT_ARTS] = {NAME("arts_persona"), 6, NULL},
    [TEXT_TRAVEL] = {NAME("travel_persona"), 6, NULL},
    [TEXT_CULINARY] = {NAME("culinary_persona"), 6, NULL},
    [TEXT_PERSONA] = {NAME("persona"), 0, NULL},
    [TEXT_BACKGROUND] = {NAME("cultural_background"), 0, NULL},
    [TEXT_SKILLS] = {NAME("skills_and_expertise"), 16, "skill"},
    [TEXT_HOBBIES] = {NAME("hobbies_and_interests"), 6, "hobby"},
    [TEXT_GOALS] = {NAME("career_goals_and_ambitions"), 16, NULL},
};

const struct text_column_info *
text_column(enum text_column c)
{
    return &columns[c];
}
