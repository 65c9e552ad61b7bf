/* A program that knows nothing of the emulator: does to a serial port what its input says, a line of answer each.
 *
 *      open PATH, close        speed BAUD              flow on, flow off
 *      lines                   raise DTR, lower RTS    set DTR         counts          await CTS
 *      write TEXT, read        fill                    unsent          hand-over, keep-lines
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

static const struct { const char *name; int bit; } LINES[] = {
    {"DTR", TIOCM_DTR}, {"RTS", TIOCM_RTS}, {"CTS", TIOCM_CTS},
    {"DSR", TIOCM_DSR}, {"DCD", TIOCM_CAR}, {"RI", TIOCM_RNG},
};
enum { LINE_COUNT = sizeof LINES / sizeof *LINES };

static int port = -1;

static void say(long result)
{
    if (result < 0)
        printf("error %s\n", strerrorname_np(errno));
    else
        printf("%ld\n", result);
}

static int bit(const char *name)
{
    for (int at = 0; at < LINE_COUNT; at++)
        if (!strcmp(LINES[at].name, name))
            return LINES[at].bit;
    return 0;
}

static void say_lines(void)
{
    int bits = 0, said = 0;
    if (ioctl(port, TIOCMGET, &bits)) {
        say(-1);
        return;
    }
    for (int at = 0; at < LINE_COUNT; at++)
        if (bits & LINES[at].bit)
            printf("%s%s", said++ ? " " : "", LINES[at].name);
    puts("");
}

static void say_counts(void)
{
    struct serial_icounter_struct found;
    if (ioctl(port, TIOCGICOUNT, &found))
        say(-1);
    else
        printf("cts=%d dsr=%d dcd=%d ri=%d rx=%d tx=%d frame=%d overrun=%d\n", found.cts, found.dsr, found.dcd,
            found.rng, found.rx, found.tx, found.frame, found.buf_overrun);
}

static int set(int speed, int flow)
{
    struct termios settings;
    if (tcgetattr(port, &settings))
        return -1;
    if (speed && cfsetspeed(&settings, (speed_t)speed))
        return -1;
    if (flow >= 0)
        settings.c_cflag = flow ? settings.c_cflag | CRTSCTS : settings.c_cflag & ~CRTSCTS;
    return tcsetattr(port, TCSANOW, &settings);
}

/* Closing does not lower them. */
static int keep_lines(void)
{
    struct termios settings;
    if (tcgetattr(port, &settings))
        return -1;
    settings.c_cflag &= ~(tcflag_t)HUPCL;
    return tcsetattr(port, TCSANOW, &settings);
}

static void say_bytes(void)
{
    unsigned char bytes[4096];
    ssize_t count = read(port, bytes, sizeof bytes);
    if (count < 0 && errno != EAGAIN) {
        say(-1);
        return;
    }
    for (ssize_t at = 0; at < count; at++)
        printf(bytes[at] > ' ' && bytes[at] < 127 && bytes[at] != '<' ? "%c" : "<%02x>", bytes[at]);
    puts("");
}

/* Writes until nothing more is taken. */
static long fill(void)
{
    static const char bytes[256];
    long all = 0;
    for (ssize_t count; (count = write(port, bytes, sizeof bytes)) > 0;)
        all += count;
    return all;
}

/* A child keeps a copy of the descriptor, this process does not. */
static int hand_over(void)
{
    int child = fork();
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
    close(port);
    return child;
}

static void obey(const char *order, const char *word)
{
    int bits = bit(word);
    if (!strcmp(order, "open"))
        say((port = open(word, O_RDWR | O_NOCTTY | O_NONBLOCK)) < 0 ? -1 : 0);
    else if (!strcmp(order, "close"))
        say(close(port));
    else if (!strcmp(order, "lines"))
        say_lines();
    else if (!strcmp(order, "raise"))
        say(ioctl(port, TIOCMBIS, &bits));
    else if (!strcmp(order, "lower"))
        say(ioctl(port, TIOCMBIC, &bits));
    else if (!strcmp(order, "set"))
        say(ioctl(port, TIOCMSET, &bits));
    else if (!strcmp(order, "await"))
        say(ioctl(port, TIOCMIWAIT, bits));
    else if (!strcmp(order, "counts"))
        say_counts();
    else if (!strcmp(order, "speed"))
        say(set(atoi(word), -1));
    else if (!strcmp(order, "flow"))
        say(set(0, !strcmp(word, "on")));
    else if (!strcmp(order, "write"))
        say(write(port, word, strlen(word)));
    else if (!strcmp(order, "read"))
        say_bytes();
    else if (!strcmp(order, "fill"))
        say(fill());
    else if (!strcmp(order, "unsent"))
        say(ioctl(port, TIOCOUTQ, &bits) ? -1 : bits);
    else if (!strcmp(order, "hand-over"))
        say(hand_over());
    else if (!strcmp(order, "keep-lines"))
        say(keep_lines());
    else
        puts("error: no such order");
    fflush(stdout);
}

int main(void)
{
    char line[512];
    signal(SIGCHLD, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *word = strchr(line, ' ');
        if (word)
            *word++ = 0;
        obey(line, word ? word : "");
    }
    return 0;
}
