/* A null modem cable as the programs at its two ends see it, in one small file that all of them share.
 *
 *      program -- lines.c --+                          +-- lines.c -- program
 *         |                 |                          |                |
 *         |                 +------ struct cable ------+                |
 *         |                              |                              |
 *      pty of port 0 -------------- bridge.c --------------- pty of port 1
 *
 * Bytes go through the ptys and the bridge. DTR and RTS go into the file: lines.c, loaded into each program, answers the
 * calls that a pty refuses. Whoever changes an output works out all inputs and counts what changed, under a lock; so
 * each edge is counted once, however short the pulse.
 *
 * Nobody keeps the file open or mapped: each access opens, locks, reads, writes and closes it. That costs some
 * microseconds, and nothing can be inherited wrongly by a fork, a dup or a program that closes all its descriptors; the
 * lock of a program that is killed goes with its descriptor.
 */
#ifndef CABLE_H
#define CABLE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORTS = 2, INPUTS = 4 };

/* What an input follows: any of these that is raised raises it. A wire that leads nowhere reads low. */
enum source { OWN_RTS = 1, OWN_DTR = 2, PEER_RTS = 4, PEER_DTR = 8, HIGH = 16 };

/* Whom the bytes reach that leave a port. */
enum reach { NOBODY = 0, SELF = 1, PEER = 2 };

struct counts {
    uint32_t cts, dsr, dcd, ri;             /* Changes of each input. */
    uint32_t rx, tx, frame, overrun;        /* Bytes, and bytes that arrived as others or not at all. */
};

struct port {
    uint32_t device;                        /* The pty's device number; 0 while the adapter is gone. */
    uint32_t opened;                        /* A program has it open. */
    uint32_t outputs;                       /* DTR and RTS as the program set them, of TIOCM_*. */
    uint32_t throttled;                     /* Its program does not read, so flow control lowers RTS. */
    uint32_t inputs;                        /* CTS, DSR, DCD and RI, of TIOCM_*. */
    uint32_t unsent;                        /* Bytes that flow control holds back. */
    uint32_t follows[INPUTS];               /* By input, what it follows, of enum source. */
    uint32_t reach;                         /* Of enum reach. */
    struct counts counts;
};

struct cable {
    struct port ports[PORTS];
};

static const uint32_t INPUT_BITS[INPUTS] = {TIOCM_CTS, TIOCM_DSR, TIOCM_CAR, TIOCM_RNG};

static inline uint32_t cable_device(const struct stat *status)
{
    return S_ISCHR(status->st_mode) ? (uint32_t)status->st_rdev : 0;
}

/* What is on the wires that leave a port. */
static inline uint32_t cable_raised(const struct port *port)
{
    uint32_t outputs = port->opened ? port->outputs : 0;
    if (!port->device)
        outputs = 0;
    return port->throttled ? outputs & ~(uint32_t)TIOCM_RTS : outputs;
}

/* All inputs after a change of anything, each change counted. */
static inline void cable_settle(struct cable *cable)
{
    for (int end = 0; end < PORTS; end++) {
        struct port *port = &cable->ports[end];
        uint32_t own = cable_raised(port), peer = cable_raised(&cable->ports[!end]);
        uint32_t sources = HIGH | (own & TIOCM_RTS ? OWN_RTS : 0) | (own & TIOCM_DTR ? OWN_DTR : 0)
            | (peer & TIOCM_RTS ? PEER_RTS : 0) | (peer & TIOCM_DTR ? PEER_DTR : 0);
        uint32_t inputs = 0;
        for (int input = 0; input < INPUTS; input++)
            if (port->follows[input] & sources)
                inputs |= INPUT_BITS[input];
        uint32_t changed = inputs ^ port->inputs;
        port->inputs = inputs;
        port->counts.cts += !!(changed & TIOCM_CTS);
        port->counts.dsr += !!(changed & TIOCM_DSR);
        port->counts.dcd += !!(changed & TIOCM_CAR);
        port->counts.ri += !!(changed & TIOCM_RNG);
    }
}

/* A driver raises both outputs when its port is opened. */
static inline void cable_open(struct port *port)
{
    port->opened = 1;
    port->outputs = TIOCM_DTR | TIOCM_RTS;
    port->throttled = 0;
    port->unsent = 0;
}

/* Opens the file, locks it and reads it; the descriptor, or -1. */
static inline int cable_take(const char *path, struct cable *cable)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return -1;
    int locked;
    do
        locked = flock(file, LOCK_EX);
    while (locked && errno == EINTR);
    if (!locked && pread(file, cable, sizeof *cable, 0) == (ssize_t)sizeof *cable)
        return file;
    close(file);
    return -1;
}

/* Writes it, where it was changed, and lets go. A child forked meanwhile has the descriptor too: unlock, not only close. */
static inline void cable_give(int file, const struct cable *changed)
{
    if (changed && pwrite(file, changed, sizeof *changed, 0) != (ssize_t)sizeof *changed)
        _exit(111);
    flock(file, LOCK_UN);
    close(file);
}

#endif
