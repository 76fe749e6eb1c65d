/* Makes a file where it begins, and says what is at each path it is given. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    FILE *made = fopen("made", "w");
    if (!made || fputs("text\n", made) < 0 || fclose(made) != 0) return 1;
    for (int i = 1; i < argc; i++) {
        char line[100] = "no\n";
        FILE *file = fopen(argv[i], "r");
        if (file) fgets(line, sizeof line, file);
        printf("%s: %s", argv[i], line);
    }
    return 0;
}
