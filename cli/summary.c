/* summary.c - see summary.h. */
#include "cli/summary.h"

#include "cli/say.h"

static void
term(struct co_buf *buf, const char *sign, uint64_t n, const char *what)
{
    co_buf_puts(buf, sign);
    say_count(buf, n);
    co_buf_printf(buf, " %s", what);
}

void
summary_ledger(const struct status_line *line, struct co_buf *buf)
{
    term(buf, "  ledger  ", line->drawn, "drawn");
    term(buf, " = ", line->accepted, "accepted");
    term(buf, " + ", line->rejected, "rejected");
    if (line->duplicates) {
        term(buf, " (", line->duplicates, "of them duplicates)");
    }
    term(buf, " + ", line->dead, "dead");
    term(buf, " + ", line->surplus, "surplus");
    term(buf, " + ", line->pending, "pending");
    co_buf_putc(buf, '\n');
}

static void
put_files(const struct status_line *line, struct co_buf *buf)
{
    uint64_t files = status_line_u64(line->result, "shards");
    uint64_t bytes = status_line_u64(line->result, "bytes");
    uint64_t raw = status_line_u64(line->result, "raw_bytes");

    if (!files) return;
    term(buf, "  files   ", files, files == 1 ? "file, " : "files, ");
    say_bytes(buf, bytes);
    if (raw) {
        co_buf_puts(buf, " (");
        say_bytes(buf, raw);
        co_buf_puts(buf, " of JSON)");
    }
    co_buf_putc(buf, '\n');
}

static void
put_time(const struct status_line *line, uint64_t before, struct co_buf *buf)
{
    uint64_t made = line->accepted > before ? line->accepted - before : 0;

    co_buf_puts(buf, "  time    ");
    say_duration(buf, line->elapsed_ms);
    if (line->elapsed_ms && made) {
        co_buf_puts(buf, ", ");
        say_count(buf, made * 1000 / line->elapsed_ms);
        co_buf_puts(buf, before ? " rows/s (the rest is of earlier runs)"
                                : " rows/s");
    }
    co_buf_putc(buf, '\n');
}

static void
put_money(const struct status_line *line, struct co_buf *buf)
{
    if (!line->money.is_there) return;
    co_buf_puts(buf, "  money   ");
    money_line_say(&line->money, true, buf);
    co_buf_putc(buf, '\n');
    money_line_say_phases(&line->money, "          ", buf);
}

void
summary_write(const struct status_line *line, const char *out, uint64_t before,
              struct co_buf *buf)
{
    size_t begin = buf->len;

    if (!line->has_ledger) {
        if (line->text[0]) say_line(buf, "%s", line->text);
        return;
    }
    say_count(buf, line->accepted);
    co_buf_puts(buf, " of ");
    say_count(buf, line->requested);
    co_buf_printf(buf, " rows, %s",
                  line->exit != 1 && line->text[0] ? line->text : line->state);
    say_end_line(buf, begin); /* the text may quote an endpoint */
    summary_ledger(line, buf);
    put_files(line, buf);
    put_money(line, buf);
    put_time(line, before, buf);
    if (line->end && line->exit == 0) {
        co_buf_printf(buf,
                      "  look    %s: part-*.jsonl.zst (zstdcat reads them), "
                      "README.md, report.json\n",
                      out);
    } else {
        co_buf_printf(buf,
                      "  look    %s: logs/, run.json; finished files are "
                      "part-*.jsonl.zst\n",
                      out);
    }
}
