/* option_help.c - the text of --help, made from the table. See options.h. */
#include "common/option_value.h"

#include <string.h>

enum { HELP_COLUMN = 30 };

static const char *
help_placeholder(const struct co_option *option)
{
    static const char *const by_type[] = {
        [CO_OPTION_STRING] = "TEXT",   [CO_OPTION_U64] = "N",
        [CO_OPTION_FLAG] = "",         [CO_OPTION_DURATION] = "TIME",
        [CO_OPTION_SIZE] = "SIZE",     [CO_OPTION_ENUM] = "WORD",
        [CO_OPTION_LIST] = "TEXT ...",
    };

    if (option->placeholder) return option->placeholder;
    return by_type[option->type];
}

/* Range and default, as they matter to somebody who sets the option. */
static void
help_details(const struct co_option *option, struct co_buf *out)
{
    bool says_range = option->type == CO_OPTION_ENUM ||
                      (option->type != CO_OPTION_STRING &&
                       option->type != CO_OPTION_LIST && option->max);

    if (says_range) {
        co_buf_puts(out, "; ");
        co_option_value_wanted(option, out);
    }
    if (option->def && *option->def) co_buf_printf(out, " [%s]", option->def);
    co_buf_putc(out, '\n');
}

static void
help_line(const struct co_option *option, struct co_buf *out)
{
    const char *placeholder = help_placeholder(option);
    size_t start = out->len;

    if (option->letter) {
        co_buf_printf(out, "  -%c, ", option->letter);
    } else {
        co_buf_puts(out, "      ");
    }
    co_buf_printf(out, "--%s%s%s", option->name, *placeholder ? " " : "",
                  placeholder);
    do {
        co_buf_putc(out, ' ');
    } while (!out->err && out->len - start < HELP_COLUMN);
    co_buf_puts(out, option->help);
    help_details(option, out);
}

void
co_options_help(const struct co_options_spec *spec, struct co_buf *out)
{
    static const struct co_option common[] = {
        {.name = "config",
         .placeholder = "FILE",
         .help = "read options from `name: value` lines"},
        {.name = "print-config",
         .placeholder = "",
         .help = "print every option's value and source, then end"},
        {.name = "version", .placeholder = "", .help = "print the version"},
        {.name = "help",
         .letter = 'h',
         .placeholder = "",
         .help = "print this"},
    };

    co_buf_printf(out, "Usage: %s %s\n\n%s\n\nOptions:\n", spec->program,
                  spec->usage, spec->about);
    for (size_t i = 0; i < spec->count; i++) {
        help_line(&spec->table[i], out);
    }
    for (size_t i = 0; i < co_countof(common); i++) {
        help_line(&common[i], out);
    }
    co_buf_puts(out, "\nEach is also read from the environment (");
    co_options_env_name("NAME", out);
    co_buf_puts(out, " for --name); flags win, then the environment, then the "
                     "file.\n");
}
