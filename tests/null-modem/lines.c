/* Loaded into a program by LD_PRELOAD: gives the ptys of a cable (cable.h) modem lines.
 *
 * HBD_NULL_MODEM names the shared file of the cable. The calls below are answered from there where the descriptor is one
 * of its ports, told by its device number, so it does not matter how the program came by it. Everything else, and every
 * port that is gone, goes to the kernel, which answers EIO for a pty whose other side was closed, as it does for an
 * adapter that was pulled.
 */
#define _GNU_SOURCE
#include "cable.h"

#include <linux/serial.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

enum { PATH_SIZE = 256, PAUSE_NS = 2000000 };

/* As it was when the program began: it may clear its environment. */
static char path[PATH_SIZE];

__attribute__((constructor)) static void remember(void)
{
    const char *named = getenv("HBD_NULL_MODEM");
    if (named && strlen(named) < PATH_SIZE)
        strcpy(path, named);
}

/* The port that a descriptor is, with its file locked; -1 where it is none. */
static int take(int descriptor, struct cable *cable, struct port **port)
{
    struct stat status;
    if (fstat(descriptor, &status))
        return -1;
    uint32_t device = cable_device(&status);
    int file = device && *path ? cable_take(path, cable) : -1;
    if (file < 0)
        return -1;
    for (int end = 0; end < PORTS; end++) {
        *port = &cable->ports[end];
        if ((*port)->device == device) {
            /* The bridge may not have noticed yet. */
            if (!(*port)->opened) {
                cable_open(*port);
                cable_settle(cable);
            }
            return file;
        }
    }
    cable_give(file, NULL);
    return -1;
}

static int refuse(int reason)
{
    errno = reason;
    return -1;
}

static uint32_t changes(const struct counts *counts, uint32_t mask)
{
    return (mask & TIOCM_CTS ? counts->cts : 0) + (mask & TIOCM_DSR ? counts->dsr : 0)
        + (mask & TIOCM_CAR ? counts->dcd : 0) + (mask & TIOCM_RNG ? counts->ri : 0);
}

/* TIOCMIWAIT: until one of these inputs changes, a signal comes, or the port is gone. */
static int await_change(int descriptor, uint32_t mask)
{
    uint32_t before = 0;
    for (int first = 1;; first = 0) {
        struct cable cable;
        struct port *port;
        int file = take(descriptor, &cable, &port);
        if (file < 0)
            return refuse(EIO);
        uint32_t now = changes(&port->counts, mask);
        cable_give(file, &cable);
        if (!first && now != before)
            return 0;
        before = now;
        struct timespec pause = {0, PAUSE_NS};
        if (nanosleep(&pause, NULL))
            return refuse(EINTR);
    }
}

/* Before a break the kernel waits until all is sent; false if a signal comes. */
static int await_sent(int descriptor)
{
    for (;;) {
        struct cable cable;
        struct port *port;
        int file = take(descriptor, &cable, &port);
        uint32_t unsent = file < 0 ? 0 : port->unsent;
        if (file >= 0)
            cable_give(file, &cable);
        if (!unsent)
            return 1;
        struct timespec pause = {0, PAUSE_NS};
        if (nanosleep(&pause, NULL))
            return 0;
    }
}

static void count(const struct counts *counts, struct serial_icounter_struct *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->cts = (int)counts->cts;
    answer->dsr = (int)counts->dsr;
    answer->rng = (int)counts->ri;
    answer->dcd = (int)counts->dcd;
    answer->rx = (int)counts->rx;
    answer->tx = (int)counts->tx;
    answer->frame = (int)counts->frame;
    answer->buf_overrun = (int)counts->overrun;
}

static void set_outputs(struct port *port, unsigned long request, uint32_t bits)
{
    bits &= TIOCM_DTR | TIOCM_RTS;
    if (request == TIOCMSET)
        port->outputs = bits;
    else if (request == TIOCMBIS)
        port->outputs |= bits;
    else
        port->outputs &= ~bits;
}

/* With `cable` locked. */
static void answer(struct cable *cable, struct port *port, unsigned long request, void *argument)
{
    switch (request) {
    case TIOCMGET:
        *(uint32_t *)argument = cable_raised(port) | port->inputs;
        break;
    case TIOCGICOUNT:
        count(&port->counts, argument);
        break;
    case TIOCOUTQ:
        *(uint32_t *)argument = port->unsent;
        break;
    default:
        set_outputs(port, request, *(uint32_t *)argument);
        cable_settle(cable);
    }
}

static int is_ours(unsigned long request)
{
    switch (request) {
    case TIOCMGET:
    case TIOCMSET:
    case TIOCMBIS:
    case TIOCMBIC:
    case TIOCMIWAIT:
    case TIOCGICOUNT:
    case TIOCOUTQ:
        return 1;
    default:
        return 0;
    }
}

int ioctl(int descriptor, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    /* Some callers pass an int, whose upper half is the sign of nothing. */
    request = (uint32_t)request;
    if (request == TIOCSBRK && !await_sent(descriptor))
        return refuse(EINTR);
    struct cable cable;
    struct port *port;
    int saved = errno, file = is_ours(request) ? take(descriptor, &cable, &port) : -1;
    if (file < 0) {
        errno = saved;
        return (int)syscall(SYS_ioctl, descriptor, request, argument);
    }
    if (request == TIOCMIWAIT) {
        cable_give(file, &cable);
        return await_change(descriptor, (uint32_t)(uintptr_t)argument);
    }
    answer(&cable, port, request, argument);
    cable_give(file, &cable);
    errno = saved;
    return 0;
}
