/* worker_shell_io.c - messages between the links and the core.
 * What cannot be sent waits in the outbox as long as the broker is believed to
 * live; then it is dropped, because WELCOME makes the core send everything
 * again that matters. */
#include "worker/worker_shell_impl.h"

enum {
    READ_MAX = 256,       /* messages of one link a turn */
    GREET_US = 20 * 1000, /* between tries to say HELLO */
};

/* One whole message to the core. */
static void
deliver(struct worker_shell *s, uint32_t link, struct co_bytes head,
        struct co_bytes body)
{
    struct msg m;

    if (msg_decode(&s->reader, head.data, head.len, &m)) {
        s->malformed++;
        return;
    }
    if (m.type == MSG_welcome) parts_drop(s->parts, link); /* begins anew */
    if (m.type != MSG_part) {
        slots_on_message(s->slots, link, &m, body, s->now_us, &s->out);
        return;
    }
    /* A piece of a large message is a sign of life too: on a slow link nothing
     * else comes for a while. */
    slots_on_message(s->slots, link, &m, (struct co_bytes){0}, s->now_us,
                     &s->out);
    struct co_bytes whole_head = {0}, whole_body = {0};
    enum co_err err =
        parts_add(s->parts, link, &m.part, body, &whole_head, &whole_body);

    if (err && err != CO_AGAIN) s->malformed++;
    if (err) return;
    if (msg_decode(&s->reader, whole_head.data, whole_head.len, &m) ||
        m.type == MSG_part) {
        s->malformed++;
    } else {
        slots_on_message(s->slots, link, &m, whole_body, s->now_us, &s->out);
    }
    co_bytes_unref(&whole_head);
    co_bytes_unref(&whole_body);
}

static void
read_link(struct worker_shell *s, uint32_t link)
{
    for (unsigned i = 0; i < READ_MAX; i++) {
        struct co_bytes head, body;
        uint64_t peer;

        if (sock_recv(s->socks[link], &peer, &head, &body)) return;
        deliver(s, link, head, body);
        co_bytes_unref(&head);
        co_bytes_unref(&body);
    }
}

void
worker_shell_read(struct worker_shell *s)
{
    bool greet = s->now_us - s->greeted_us >= GREET_US;

    if (greet) s->greeted_us = s->now_us;
    for (uint32_t i = 0; i < s->links; i++) {
        if (greet && s->greet[i]) {
            s->greet[i] = false;
            slots_connect(s->slots, i, s->now_us, &s->out);
        }
        read_link(s, i);
    }
}

bool
worker_shell_unread(const struct worker_shell *s)
{
    for (uint32_t i = 0; i < s->links; i++) {
        if (sock_ready(s->socks[i])) return true;
    }
    return false;
}

bool
worker_shell_ungreeted(const struct worker_shell *s)
{
    for (uint32_t i = 0; i < s->links; i++) {
        if (s->greet[i]) return true;
    }
    return false;
}

/* Nobody listens there yet, or any more: HELLO is tried again. */
static void
note_unsent(struct worker_shell *s, uint32_t link, const struct outmsg *o)
{
    struct msg m;

    s->greet[link] = true;
    s->unsent++;
    if (msg_decode(&s->reader, o->head.data, o->head.len, &m)) return;
    if (m.type == MSG_hello) {
        slots_hello_unsent(s->slots, link, m.hello.greeting);
    }
}

/* Sends one message; true: it is no longer ours. */
static bool
send_one(struct worker_shell *s, struct outmsg *m)
{
    uint32_t link = (uint32_t)m->peer;
    enum co_err err;

    /* A failed send releases what it was given, so it gets references. */
    err = sock_send(s->socks[link], 0, co_bytes_ref(m->head),
                    co_bytes_ref(m->body));
    if (err && slots_link_up(s->slots, link)) return false;
    if (err) note_unsent(s, link, m);
    co_bytes_unref(&m->head);
    co_bytes_unref(&m->body);
    return true;
}

static uint32_t
part_max(const void *ctx, uint64_t peer)
{
    const struct worker_shell *s = ctx;

    return slots_part_max(s->slots, (uint32_t)peer);
}

void
worker_shell_send(struct worker_shell *s)
{
    bool stuck[SLOTS_LINKS_MAX] = {false};
    size_t kept = 0;

    parts_cut(&s->out, &s->part_number, part_max, s);
    for (size_t i = 0; i < s->out.n; i++) {
        struct outmsg m = s->out.v[i];

        if (!stuck[m.peer] && send_one(s, &m)) continue;
        stuck[m.peer] = true; /* later ones of the link keep their order */
        s->out.v[kept++] = m;
    }
    s->out.n = kept;
    /* A message for which there was no memory: the core repeats what matters
     * when nothing comes back. */
    if (s->out.err) s->unsent++;
    s->out.err = CO_OK;
}
