/* terminal.c - see terminal.h. */
#include "cli/terminal.h"

#include "common/fs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum {
    WIDTH_DEFAULT = 80,
    HEIGHT_DEFAULT = 24,
    SIDE_MAX = 1000, /* a terminal larger than that is none */
    KEYS_BYTES = 64,
    CTRL_Z = 26,
};

/* Second screen, no cursor, no wrapping at the right edge; and back. */
static const char enter_text[] = "\033[?1049h\033[?25l\033[?7l\033[H\033[2J";
static const char leave_text[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

/* What is taken; touched by the crash handler as well. */
static struct {
    volatile sig_atomic_t taken;
    struct termios was;
    sigset_t mask;
    int signal_fd;
    unsigned char keys[KEYS_BYTES];
    size_t n;
} the = {.signal_fd = -1};

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static void
put(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, text, len);

        // NOLINTNEXTLINE(bugprone-signal-handler): errno is safe
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        text += n;
        len -= (size_t)n;
    }
}

/* Only calls that a signal handler may make. errno is a thread's own, and
 * reading it is no call into the library but for its address. */
static void
give_back(void)
{
    if (!the.taken) return;
    the.taken = 0;
    put(leave_text, sizeof leave_text - 1);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &the.was);
}

static void
on_crash(int signo)
{
    give_back();
    (void)signal(signo, SIG_DFL);
    (void)raise(signo);
}

static enum co_err
take(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &the.was)) return co_err_from_errno(errno);
    raw = the.was;
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR | ISTRIP);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw)) {
        return co_err_from_errno(errno);
    }
    the.taken = 1;
    put(enter_text, sizeof enter_text - 1);
    return CO_OK;
}

static void
watch_crashes(void)
{
    for (size_t i = 0; i < co_countof(crashes); i++) {
        struct sigaction old;

        /* A sanitizer's own handler tells more than ours. */
        if (sigaction(crashes[i], NULL, &old) == 0 &&
            old.sa_handler == SIG_DFL) {
            (void)signal(crashes[i], on_crash);
        }
    }
}

enum co_err
terminal_open(struct co_diag *diag)
{
    sigset_t set;
    enum co_err err;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return co_fail(diag, CO_STATE, "no terminal");
    }
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGQUIT);
    (void)sigaddset(&set, SIGTSTP);
    (void)sigaddset(&set, SIGCONT);
    (void)sigaddset(&set, SIGWINCH);
    the.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (the.signal_fd < 0) {
        err = co_err_from_errno(errno);
        return co_fail(diag, err, "signals: %s", strerror(errno));
    }
    (void)pthread_sigmask(SIG_BLOCK, &set, &the.mask);
    watch_crashes();
    (void)atexit(give_back);
    err = take();
    if (!err) return CO_OK;
    terminal_close();
    return co_fail(diag, err, "the terminal: %s", co_err_text(err));
}

void
terminal_close(void)
{
    give_back();
    if (the.signal_fd < 0) return;
    co_fs_closep(&the.signal_fd);
    (void)pthread_sigmask(SIG_SETMASK, &the.mask, NULL);
}

void
terminal_size(unsigned *ret_width, unsigned *ret_height)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;

    *ret_width = WIDTH_DEFAULT;
    *ret_height = HEIGHT_DEFAULT;
    if (known && size.ws_col > 0 && size.ws_col <= SIDE_MAX) {
        *ret_width = size.ws_col;
    }
    if (known && size.ws_row > 0 && size.ws_row <= SIDE_MAX) {
        *ret_height = size.ws_row;
    }
}

/* ---- keys ---- */

static const struct {
    const char *text;
    int key;
} sequences[] = {
    {"\033[A", TERMINAL_UP},       {"\033OA", TERMINAL_UP},
    {"\033[B", TERMINAL_DOWN},     {"\033OB", TERMINAL_DOWN},
    {"\033[C", TERMINAL_RIGHT},    {"\033OC", TERMINAL_RIGHT},
    {"\033[D", TERMINAL_LEFT},     {"\033OD", TERMINAL_LEFT},
    {"\033[5~", TERMINAL_PAGE_UP}, {"\033[6~", TERMINAL_PAGE_DOWN},
    {"\033[H", TERMINAL_HOME},     {"\033OH", TERMINAL_HOME},
    {"\033[1~", TERMINAL_HOME},    {"\033[F", TERMINAL_END},
    {"\033OF", TERMINAL_END},      {"\033[4~", TERMINAL_END},
    {"\033[Z", TERMINAL_BACK_TAB},
};

/* Length of an escape sequence that nobody here knows: to its final byte. */
static size_t
unknown_sequence(const unsigned char *text, size_t len)
{
    size_t n = 2;

    if (len < 2 || (text[1] != '[' && text[1] != 'O')) return 1;
    while (n < len && (text[n] < 0x40 || text[n] > 0x7e)) {
        n++;
    }
    return n < len ? n + 1 : len;
}

int
terminal_decode(const unsigned char *text, size_t len, size_t *ret_used)
{
    *ret_used = 0;
    if (len == 0) return TERMINAL_NONE;
    *ret_used = 1;
    if (text[0] != '\033') return text[0];
    for (size_t i = 0; i < co_countof(sequences); i++) {
        size_t n = strlen(sequences[i].text);

        if (n > len || memcmp(sequences[i].text, text, n) != 0) continue;
        *ret_used = n;
        return sequences[i].key;
    }
    *ret_used = unknown_sequence(text, len);
    /* The byte after a lone ESC is a key of its own. */
    return *ret_used == 1 ? TERMINAL_ESCAPE : TERMINAL_NONE;
}

/* Leaves the terminal to the shell until somebody continues us. */
static void
suspend(void)
{
    give_back();
    (void)raise(SIGSTOP);
    (void)take();
}

static int
read_signal(void)
{
    struct signalfd_siginfo info;

    if (read(the.signal_fd, &info, sizeof info) != (ssize_t)sizeof info) {
        return TERMINAL_NONE;
    }
    if (info.ssi_signo == SIGTSTP) suspend();
    if (info.ssi_signo == SIGTSTP || info.ssi_signo == SIGCONT ||
        info.ssi_signo == SIGWINCH) {
        return TERMINAL_RESIZED;
    }
    return TERMINAL_QUIT;
}

static int
next_key(void)
{
    size_t used;
    int key = terminal_decode(the.keys, the.n, &used);

    the.n -= used;
    memmove(the.keys, the.keys + used, the.n);
    if (key != CTRL_Z) return key;
    suspend();
    return TERMINAL_RESIZED;
}

int
terminal_key(int timeout_ms, int other_fd)
{
    struct pollfd fds[3] = {{STDIN_FILENO, POLLIN, 0},
                            {the.signal_fd, POLLIN, 0},
                            {other_fd, POLLIN, 0}};
    ssize_t n;

    if (the.n > 0) return next_key();
    if (poll(fds, other_fd < 0 ? 2 : 3, timeout_ms) <= 0) return TERMINAL_NONE;
    if (fds[1].revents) return read_signal();
    if (!fds[0].revents) return TERMINAL_NONE;
    n = read(STDIN_FILENO, the.keys, sizeof the.keys);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return TERMINAL_NONE;
    if (n <= 0) return TERMINAL_QUIT; /* the terminal is gone */
    the.n = (size_t)n;
    return next_key();
}

/* ---- the screen ---- */

void
terminal_diff(const char *const *before, const char *const *now,
              unsigned height, struct co_buf *out)
{
    if (!before) co_buf_puts(out, "\033[0m\033[2J");
    for (unsigned i = 0; i < height; i++) {
        if (before && strcmp(before[i], now[i]) == 0) continue;
        if (!before && !now[i][0]) continue;
        co_buf_printf(out, "\033[%u;1H%s\033[0m\033[K", i + 1, now[i]);
    }
}

void
terminal_write(const struct co_buf *text)
{
    if (text->len) put((const char *)text->data, text->len);
}
