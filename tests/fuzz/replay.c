/* Runs a fuzz target over files, or over all files of directories: how CI replays the corpora without libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned long inputs;

static void one(const char *path)
{
    FILE *f = fopen(path, "rb");
    u8 *p = NULL;
    size_t n = 0, k;
    if (!f) {
        perror(path);
        exit(1);
    }
    do {
        p = realloc(p, n + 65536);
        if (!p)
            abort();
        k = fread(p + n, 1, 65536, f);
        n += k;
    } while (k);
    fclose(f);
    u8 *exact = malloc(n ? n : 1); /* so that reading beyond the end is seen */
    if (!exact)
        abort();
    memcpy(exact, p, n);
    free(p);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    inputs++;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        if (!d) {
            one(argv[i]);
            continue;
        }
        for (struct dirent *e; (e = readdir(d));) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (e->d_name[0] != '.')
                one(path);
        }
        closedir(d);
    }
    printf("%lu inputs\n", inputs);
    return inputs ? 0 : 1;
}
