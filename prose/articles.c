/* articles.c - see articles.h. Letters decide, but for beginnings that sound
 * otherwise. */
#include "prose/articles.h"

#include <string.h>

static bool
starts_with(const char *word, const char *start)
{
    return strncmp(word, start, strlen(start)) == 0;
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 8, 80 to 89, 800 ...; 11 and 18 alone, or before thousands. */
static bool
number_is_an(const char *word)
{
    size_t digits = strspn(word, "0123456789");

    if (word[0] == '8') return true;
    return (digits == 2 || digits == 5) && word[0] == '1' &&
           (word[1] == '1' || word[1] == '8');
}

/* Read letter by letter: an FBI agent, a UPS driver. */
static bool
spelled(const char *word)
{
    return word[0] >= 'A' && word[0] <= 'Z' && word[1] >= 'A' && word[1] <= 'Z';
}

static bool
any_start(const char *word, const char *const *starts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (starts_with(word, starts[i])) return true;
    }
    return false;
}

bool
article_is_an(const char *word)
{
    static const char *const silent_h[] = {"honest", "honor", "hour", "heir",
                                           "herb"};
    /* u as in "union", but not in "unimportant" or "urban" */
    static const char *const consonant[] = {
        "use",  "usu",  "uti",  "uto",  "uke",  "uku",  "ura",
        "ure",  "ubi",  "unif", "unio", "uniq", "unis", "unit",
        "univ", "unic", "eu",   "ewe",  "once", "U.S",  "ufo"};

    if (*word >= '0' && *word <= '9') return number_is_an(word);
    if (spelled(word)) return strchr("AEFHILMNORSX", *word) != NULL;
    if (*word == 'h') return any_start(word, silent_h, co_countof(silent_h));
    if (starts_with(word, "one")) return is_letter(word[3]);
    if (strchr("ueoU", *word) && /* how those begin: most words need no look */
        any_start(word, consonant, co_countof(consonant))) {
        return false;
    }
    return *word && strchr("aeiouAEIOU", *word);
}
