/* A shell as small as one with job control can be, for a terminal of this machine to drive.
 *
 * Words: `size`, `run ROLE`, `fg`, `raw` (shows each byte until `q`), `exit`. The roles are this program again: `echo`
 * repeats lines, `wait` waits for ever. */
#include "../posix/case.h"

static volatile sig_atomic_t interrupts, resizes;

static void on_signal(int signal) {
    if (signal == SIGINT) interrupts++;
    else resizes++;
}

static void size(const char *what) {
    struct winsize window;
    MUST(ioctl(0, TIOCGWINSZ, &window));
    say("%s %d x %d", what, window.ws_row, window.ws_col);
}

/* Reads a line of the terminal; a signal's handler has run in between for each line that begins with `!`. */
static char *line(void) {
    static char text[256];
    for (;;) {
        if (interrupts) interrupts = 0, say("! interrupted");
        if (resizes) resizes = 0, size("! resized to");
        int n = read(0, text, sizeof text - 1);
        if (n == -1 && errno == EINTR) continue;
        MUST(n);
        if (n == 0) return NULL;
        text[text[n - 1] == '\n' ? n - 1 : n] = 0;
        return text;
    }
}

static pid_t job;

/* Waits for the job, which has the terminal, and takes the terminal back. */
static void attend(void) {
    reap_with("job", job, WUNTRACED);
    MUST(tcsetpgrp(0, getpgrp()));
}

static void raw(void) {
    struct termios before, now;
    MUST(tcgetattr(0, &before));
    now = before;
    now.c_lflag &= ~(ICANON | ECHO | ISIG);
    now.c_iflag &= ~ICRNL;
    MUST(tcsetattr(0, TCSANOW, &now));
    say("keys are shown until q");
    char byte = 0;
    while (byte != 'q' && read(0, &byte, 1) == 1) show_bytes("key", &byte, 1);
    MUST(tcsetattr(0, TCSANOW, &before));
    say("lines again");
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("echo")) {
        char text[256];
        for (int n; (n = read(0, text, sizeof text)) > 0;) show_bytes("heard", text, n);
        return 7;
    }
    if (role("wait")) {
        say("waiting");
        for (;;) pause();
    }
    handle_with(SIGINT, on_signal, 0);
    handle_with(SIGWINCH, on_signal, 0);
    handle_with(SIGTTOU, SIG_IGN, 0);
    handle_with(SIGTSTP, SIG_IGN, 0);
    say("ready");
    for (char *text; (text = line());) {
        if (strcmp(text, "size") == 0) size("size");
        else if (strcmp(text, "raw") == 0) raw();
        else if (strcmp(text, "exit") == 0) return 5;
        else if (strncmp(text, "run ", 4) == 0) {
            posix_spawnattr_t attributes;
            sigset_t stop = set_of(SIGTSTP);
            sigaddset(&stop, SIGTTOU);
            posix_spawnattr_init(&attributes);
            posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
            posix_spawnattr_setsigdefault(&attributes, &stop);
            job = start_with(text + 4, NULL, NULL, &attributes);
            MUST(tcsetpgrp(0, job));
            attend();
        } else if (strcmp(text, "fg") == 0) {
            MUST(tcsetpgrp(0, job));
            MUST(kill(-job, SIGCONT));
            attend();
        } else say("what is %s?", text);
    }
    say("end of input");
    return 6;
}
