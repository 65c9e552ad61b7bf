/* The two ports of a cable (cable.h) and the bytes between them: `bridge FILE`.
 *
 * Orders come in lines on standard input, each is answered with a line on standard output once it has effect:
 *
 *      plug END                        a port appears: "ok PATH"
 *      unplug END                      it vanishes, with the adapter
 *      wires C D D R B C D D R B       what CTS, DSR, DCD and RI of each end follow, and whom its bytes reach; letters
 *                                      below
 *      noise N                         every so many bytes one arrives as another; 0: none
 *
 * It ends with its input. What it sees of a port the kernel tells the side of the pty that it holds: speed, flow control
 * and whether hangup drops the lines are those of the other side, and POLLHUP says that nobody has it open any more,
 * whoever had copies and however they went.
 */
#define _GNU_SOURCE
#include "cable.h"

#include <asm/termbits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 512, LINE = 128, CLOSED_MS = 2, QUIET_MS = 20, FIRST_BAUD = 9600 };

struct side {
    int master;                     /* -1 while the adapter is gone. */
    unsigned char held[PIECE];      /* What came for it and does not fit: it has flow control, and does not read. */
    size_t held_count;
    unsigned slow;                  /* Parts of a byte that were sent and not seen yet, at another speed. */
};

static struct side sides[PORTS] = {{.master = -1}, {.master = -1}};
static const char *shared;
static unsigned noise, carried;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int take(struct cable *cable)
{
    int file = cable_take(shared, cable);
    if (file < 0)
        fail(shared);
    return file;
}

static struct termios2 settings(int end)
{
    struct termios2 found = {0};
    if (ioctl(sides[end].master, TCGETS2, &found))
        fail("TCGETS2");
    return found;
}

static int is_open(int end)
{
    struct pollfd look = {.fd = sides[end].master};
    return sides[end].master >= 0 && poll(&look, 1, 0) >= 0 && !(look.revents & POLLHUP);
}

/* A port as a driver gives it at first, except that it is raw: nothing is echoed before a program has set it. */
static void set_up(int master)
{
    struct termios2 first = {
        .c_cflag = CS8 | CREAD | CLOCAL | HUPCL | B9600,
        .c_ispeed = FIRST_BAUD,
        .c_ospeed = FIRST_BAUD,
    };
    first.c_cc[VMIN] = 1;
    if (ioctl(master, TCSETS2, &first))
        fail("TCSETS2");
}

static void plug(int end, struct cable *cable)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0 || grantpt(master) || unlockpt(master))
        fail("open a pseudo-terminal");
    const char *path = ptsname(master);
    struct stat status;
    if (!path || stat(path, &status))
        fail("find a pseudo-terminal");
    set_up(master);
    /* Before its first opening a pty does not say that it is closed. */
    int once = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (once < 0 || close(once))
        fail(path);
    struct port *port = &cable->ports[end];
    sides[end] = (struct side){.master = master};
    port->device = cable_device(&status);
    port->opened = 0;
    memset(&port->counts, 0, sizeof port->counts);
    printf("ok %s\n", path);
}

static void unplug(int end, struct cable *cable)
{
    struct port *port = &cable->ports[end];
    if (sides[end].master >= 0)
        close(sides[end].master);
    sides[end] = (struct side){.master = -1};
    port->device = port->opened = 0;
    cable_settle(cable);
    puts("ok");
}

/* r, d: own RTS and DTR; R, D: those of the other end; 1: always raised; s, p: self and peer; others mean nothing. */
static uint32_t meaning(const char *word)
{
    static const char letters[] = "rdRD1sp";
    static const uint32_t meanings[] = {OWN_RTS, OWN_DTR, PEER_RTS, PEER_DTR, HIGH, SELF, PEER};
    uint32_t all = 0;
    for (const char *found; word && *word; word++)
        if ((found = strchr(letters, *word)))
            all |= meanings[found - letters];
    return all;
}

static void wire(char *words, struct cable *cable)
{
    char *word = strtok(words, " ");
    for (int end = 0; end < PORTS; end++) {
        struct port *port = &cable->ports[end];
        for (int input = 0; input < INPUTS; input++, word = strtok(NULL, " "))
            port->follows[input] = meaning(word);
        port->reach = meaning(word);
        word = strtok(NULL, " ");
    }
    cable_settle(cable);
    puts("ok");
}

static void obey(char *order)
{
    struct cable cable;
    int file = take(&cable), end;
    if (sscanf(order, "plug %d", &end) == 1 && (unsigned)end < PORTS)
        plug(end, &cable);
    else if (sscanf(order, "unplug %d", &end) == 1 && (unsigned)end < PORTS)
        unplug(end, &cable);
    else if (!strncmp(order, "wires ", 6))
        wire(order + 6, &cable);
    else if (sscanf(order, "noise %u", &noise) == 1)
        puts("ok");
    else
        puts("error: no such order");
    cable_give(file, &cable);
    fflush(stdout);
}

/* Whole lines of what has come; the rest waits. */
static void obey_all(void)
{
    static char orders[LINE];
    static size_t count;
    ssize_t more = read(STDIN_FILENO, orders + count, sizeof orders - 1 - count);
    if (more <= 0)
        exit(0);
    orders[count += (size_t)more] = 0;
    for (char *end; (end = strchr(orders, '\n'));) {
        *end++ = 0;
        obey(orders);
        count -= (size_t)(end - orders);
        memmove(orders, end, count + 1);
    }
}

/* A byte of another speed is another byte, and most lack their stop bit. */
static unsigned char garbled(unsigned char byte)
{
    unsigned char other = (unsigned char)((byte << 3 | byte >> 5) ^ 0x5a);
    return other == byte ? (unsigned char)(byte ^ 0x80) : other;
}

/* What the port `to` sees of bytes sent at the speed of `from`. The slower one sees fewer. */
static size_t received(int from, int to, unsigned char *bytes, size_t count, struct counts *counts)
{
    unsigned sent = settings(from).c_ospeed, seen = settings(to).c_ispeed;
    size_t left = 0;
    for (size_t at = 0; at < count; at++) {
        unsigned char byte = bytes[at];
        int is_noisy = noise && ++carried % noise == 0;
        if (sent != seen) {
            sides[to].slow += seen < sent ? seen : sent;
            if (sides[to].slow < sent)
                continue;
            sides[to].slow -= sent;
        }
        if (sent != seen || is_noisy) {
            byte = garbled(byte);
            counts->frame++;
        }
        bytes[left++] = byte;
    }
    return left;
}

/* Into a port; what does not fit waits where it has flow control, and is lost where it has not, as what comes on top of
   what waits is: RTS is low by then. */
static void deliver(int to, const unsigned char *bytes, size_t count, struct port *port)
{
    ssize_t written = write(sides[to].master, bytes, count);
    size_t fitted = written < 0 ? 0 : (size_t)written;
    port->counts.rx += (uint32_t)fitted;
    size_t rest = count - fitted;
    if (rest && settings(to).c_cflag & CRTSCTS) {
        memmove(sides[to].held, bytes + fitted, rest);
        sides[to].held_count = rest;
    } else {
        port->counts.overrun += (uint32_t)rest;
        sides[to].held_count = 0;
    }
    port->throttled = sides[to].held_count > 0;
}

static void deliver_held(int end, struct cable *cable)
{
    if (!sides[end].held_count)
        return;
    deliver(end, sides[end].held, sides[end].held_count, &cable->ports[end]);
    cable_settle(cable);
}

/* Whether flow control lets it send. */
static int may_send(int from, struct cable *cable)
{
    struct port *port = &cable->ports[from];
    int unsent = 0;
    int is_held_back = settings(from).c_cflag & CRTSCTS && !(port->inputs & TIOCM_CTS);
    if (is_held_back && ioctl(sides[from].master, FIONREAD, &unsent))
        fail("FIONREAD");
    port->unsent = (uint32_t)unsent;
    return !is_held_back;
}

/* Whether there was something. */
static int carry(int from, struct cable *cable)
{
    unsigned char bytes[PIECE];
    struct port *port = &cable->ports[from];
    if (sides[from].master < 0 || !may_send(from, cable))
        return 0;
    ssize_t count = read(sides[from].master, bytes, sizeof bytes);
    if (count <= 0)
        return 0;
    port->counts.tx += (uint32_t)count;
    int to = port->reach == SELF ? from : port->reach == PEER ? !from : -1;
    if (to < 0 || !is_open(to))
        return 1;
    struct port *other = &cable->ports[to];
    size_t left = received(from, to, bytes, (size_t)count, &other->counts);
    if (sides[to].held_count)
        other->counts.overrun += (uint32_t)left;
    else if (left)
        deliver(to, bytes, left, other);
    cable_settle(cable);
    return 1;
}

/* Nobody has it open any more: what was written before still goes out, unless flow control holds it back. */
static void hang_up(int end, struct cable *cable)
{
    unsigned char lost[PIECE];
    while (carry(end, cable)) {
    }
    while (read(sides[end].master, lost, sizeof lost) > 0) {
    }
    struct port *port = &cable->ports[end];
    /* With -hupcl it leaves its lines as they are. */
    if (settings(end).c_cflag & HUPCL)
        port->opened = 0;
    port->throttled = port->unsent = 0;
    sides[end].held_count = 0;
}

/* Opened and closed: asked with the cable locked, so a program that has just raised a line is not overtaken. */
static void notice(int end, struct cable *cable)
{
    struct port *port = &cable->ports[end];
    if (is_open(end) && !port->opened)
        cable_open(port);
    else if (!is_open(end) && port->opened)
        hang_up(end, cable);
    cable_settle(cable);
}

/* One round of everything; whether something is to be looked at again soon. */
static int work(short *wanted)
{
    struct cable cable;
    int file = take(&cable), is_soon = 0;
    for (int end = 0; end < PORTS; end++) {
        if (sides[end].master < 0)
            continue;
        notice(end, &cable);
        carry(end, &cable);
        deliver_held(end, &cable);
    }
    for (int end = 0; end < PORTS; end++) {
        int is_free = sides[end].master >= 0 && is_open(end) && may_send(end, &cable);
        wanted[end] = is_free ? POLLIN : 0;
        is_soon |= !is_free || sides[end].held_count;
    }
    cable_give(file, &cable);
    return is_soon;
}

int main(int count, char **words)
{
    struct cable empty = {0};
    if (count != 2)
        return 2;
    shared = words[1];
    int file = open(shared, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    /* Programs give up root. */
    if (file < 0 || fchmod(file, 0666) || write(file, &empty, sizeof empty) != (ssize_t)sizeof empty)
        fail(shared);
    close(file);
    for (;;) {
        short wanted[PORTS];
        int is_soon = work(wanted);
        struct pollfd looks[1 + PORTS] = {{.fd = STDIN_FILENO, .events = POLLIN}};
        for (int end = 0; end < PORTS; end++)
            /* A closed port says POLLHUP all the time. */
            looks[1 + end] = (struct pollfd){.fd = wanted[end] ? sides[end].master : -1, .events = wanted[end]};
        if (poll(looks, 1 + PORTS, is_soon ? CLOSED_MS : QUIET_MS) < 0)
            fail("poll");
        if (looks[0].revents)
            obey_all();
    }
}
