/* tests/support/fuzz_replay.c    Runs a fuzz target over the files of its corpus, without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    int n = 0;
    DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
    if (!d) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    for (struct dirent *e; (e = readdir(d));) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        FILE *f = fopen(path, "rb");
        if (!f)
            continue;
        static uint8_t buf[1 << 20];
        size_t size = fread(buf, 1, sizeof buf, f);
        fclose(f);
        uint8_t *exact = malloc(size ? size : 1); /* so that ASan sees a read past the end */
        for (size_t i = 0; i < size; i++)
            exact[i] = buf[i];
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
        n++;
    }
    closedir(d);
    printf("%d inputs replayed\n", n);
    return n ? 0 : 1;
}
