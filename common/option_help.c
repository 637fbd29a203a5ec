/* option_help.c - the texts of --help and --explain-config, made from the
 * table. See options.h. */
#include "common/option_value.h"

#include <string.h>

enum { HELP_COLUMN = 30, WRAP_COLUMN = 78 };

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
        {.name = "explain-config",
         .placeholder = "",
         .help = "print them as a commented file for --config, then end"},
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

/* text as comment lines; line feeds in it count as spaces. */
static void
explain_wrapped(const char *text, struct co_buf *out)
{
    size_t column = 0;

    while (*text) {
        size_t len = strcspn(text, " \n");

        if (column && column + 1 + len > WRAP_COLUMN) {
            co_buf_putc(out, '\n');
            column = 0;
        }
        if (!column) co_buf_putc(out, '#');
        co_buf_putc(out, ' ');
        co_buf_append(out, text, len);
        column += 1 + len + !column;
        text += len + strspn(text + len, " \n");
    }
    co_buf_putc(out, '\n');
}

void
co_option_explain_head(const struct co_options_spec *spec, struct co_buf *out)
{
    co_auto(co_buf_fini) struct co_buf text;

    co_buf_printf(out, "# Options of %s, for --config FILE.\n#\n",
                  spec->program);
    explain_wrapped(spec->about, out);
    co_buf_init(&text, 4096);
    co_buf_puts(&text, "Lines that begin with #name: show what holds without "
                       "them. Flags win over the environment (");
    co_options_env_name("NAME", &text);
    co_buf_puts(&text, "), that over this file, that over the defaults. Lists "
                       "are separated by commas. A name that is not known "
                       "here, or stands here twice, stops the start.");
    co_buf_puts(out, "#\n");
    explain_wrapped(co_buf_text(&text), out);
}

/* "a whole number from 1 to 64; default 2; only by flag or file". */
static void
explain_range(const struct co_option *option, struct co_buf *out)
{
    co_auto(co_buf_fini) struct co_buf text;

    co_buf_init(&text, 16384);
    co_option_value_wanted(option, &text);
    if (option->def && *option->def) {
        co_buf_printf(&text, "; default %s", option->def);
    } else if (option->type == CO_OPTION_ENUM) {
        co_buf_printf(&text, "; default %s", option->choices[0]);
    } else if (option->type == CO_OPTION_FLAG) {
        co_buf_puts(&text, "; default false");
    } else {
        co_buf_puts(&text, "; not set by default");
    }
    if (option->no_env) co_buf_puts(&text, "; not read from the environment");
    explain_wrapped(co_buf_text(&text), out);
}

void
co_option_explain(const struct co_option *option, const void *config, bool set,
                  struct co_buf *out)
{
    co_buf_putc(out, '\n');
    explain_wrapped(option->help, out);
    explain_range(option, out);
    co_buf_printf(out, "%s%s: ", set && !option->secret ? "" : "#",
                  option->name);
    if (!option->secret) co_option_value_print(option, config, out);
    while (!out->err && out->len && out->data[out->len - 1] == ' ') {
        out->len--;
    }
    co_buf_putc(out, '\n');
}
