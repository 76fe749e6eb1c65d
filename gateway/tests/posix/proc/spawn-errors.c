// about: what posix_spawn() refuses, leaving no child behind
#include "case.h"

static void try(const char *what, const char *path, const posix_spawn_file_actions_t *actions) {
    char *argv[] = {(char *)path, "child", NULL};
    pid_t pid = -7;
    say("%s: %s", what, error_name(posix_spawn(&pid, path, actions, NULL, argv, environ)));
}
static void make(const char *path, const char *text, mode_t mode) {
    int fd = MUST(open(path, O_WRONLY | O_CREAT, 0600));
    MUST(write(fd, text, strlen(text)));
    close(fd);
    MUST(chmod(path, mode));
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (role("child")) return 0;
    make("plain", "not a program", 0755);
    make("locked", "#!/bin/sh\n", 0644);
    make("lost", "#!/no/such/interpreter\n", 0755);
    try("no such file", "./missing", NULL);
    try("not executable", "./locked", NULL);
    try("a directory", ".", NULL);
    try("below a file", "plain/x", NULL);
    try("not a program", "./plain", NULL);
    try("no interpreter", "./lost", NULL);
    try("an empty name", "", NULL);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 99, 5);
    try("dup2 of a closed one", self_path, &actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 5, "missing", O_RDONLY, 0);
    try("open of a missing file", self_path, &actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, "plain");
    try("chdir to a file", self_path, &actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, 99);
    try("close of a closed one", self_path, &actions);
    MUST(waitpid(-1, NULL, 0));
    SHOW(waitpid(-1, NULL, WNOHANG));
    return 0;
}
