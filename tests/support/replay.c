/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files instead of a fuzzer's inventions: the stored
 * inputs, each once found interesting, are part of every test run and need no
 * libFuzzer. Arguments are files or directories of them.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int passed;

static int replay(const char *path)
{
    struct stat info;
    FILE *file = fopen(path, "rb");

    if (file == NULL || fstat(fileno(file), &info) != 0) {
        perror(path);
        return -1;
    }
    /* Exactly as large as the input: a sanitizer sees a read beyond it. */
    uint8_t *data = malloc((size_t)info.st_size + (info.st_size == 0));
    if (data == NULL)
        abort();
    size_t size = fread(data, 1, (size_t)info.st_size, file);
    fclose(file);
    printf("%s\n", path); /* the last one told is the one that crashed */
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    passed++;
    return 0;
}

static int replay_directory(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char file[4096];
    int failed = 0;

    if (dir == NULL)
        return -1;
    while ((entry = readdir(dir)) != NULL) {
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && replay(file) != 0)
            failed++;
    }
    closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    struct stat info;
    int failed = 0;

    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    passed++;
    for (int i = 1; i < argc; i++) {
        if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode))
            failed += replay_directory(argv[i]);
        else
            failed -= replay(argv[i]);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
