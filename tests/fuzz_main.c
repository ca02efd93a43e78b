/*
 * A plain driver for the fuzz targets, where there is no libFuzzer: replays the files of a
 * corpus, and then so many changed copies of them.
 *
 *   fuzz_x DIRECTORY [ROUNDS]
 *
 * The changes follow from EVLOG_SEED, which is printed; the round is printed when something fails.
 */
#include <dirent.h>
#include <signal.h>

#include "load.h"

#define FILES_MAX 1024
#define SIZE_MAX_FUZZED 65536

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct file {
    uint8_t *bytes;
    size_t size;
};

static struct file files[FILES_MAX];
static size_t file_count;
static unsigned long round_number;

static void print_round(int number)
{
    char text[64];
    int size = snprintf(text, sizeof text, "in round %lu\n", round_number);
    if (write(STDERR_FILENO, text, (size_t)size) < 0)
        _exit(1);
    signal(number, SIG_DFL);
    raise(number);
}

static void load_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct file *loaded = &files[file_count];
    if (!file || file_count == FILES_MAX)
        return;
    loaded->bytes = malloc(SIZE_MAX_FUZZED);
    loaded->size = fread(loaded->bytes, 1, SIZE_MAX_FUZZED, file);
    file_count += loaded->bytes != NULL && !ferror(file);
    fclose(file);
}

static void load_corpus(const char *directory)
{
    DIR *corpus = opendir(directory);
    struct dirent *entry;
    char path[4096];
    while (corpus && (entry = readdir(corpus))) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            load_file(path);
    }
    if (corpus)
        closedir(corpus);
}

/* A piece of one file over a piece of another, or bytes changed, or the end cut off. */
static size_t change(uint8_t *bytes, size_t size, uint64_t *seed)
{
    const struct file *other = &files[load_random(seed, file_count)];
    for (uint64_t i = 1 + load_random(seed, 4); i > 0 && size > 0; i--) {
        size_t at = load_random(seed, size), length = 1 + load_random(seed, 8);
        switch (load_random(seed, 4)) {
        case 0:
            bytes[at] = (uint8_t)load_random(seed, 256);
            break;
        case 1:
            bytes[at] ^= (uint8_t)(1u << load_random(seed, 8));
            break;
        case 2:
            if (other->size > length && size - at > length)
                memcpy(bytes + at, other->bytes + load_random(seed, other->size - length),
                       length);
            break;
        default:
            size = load_random(seed, 8) ? size : at;
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    uint64_t seed = load_seed();
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
    signal(SIGABRT, print_round);
    if (argc > 1)
        load_corpus(argv[1]);
    if (file_count == 0) {
        fprintf(stderr, "no corpus in %s\n", argc > 1 ? argv[1] : "(nothing)");
        return 1;
    }
    for (size_t i = 0; i < file_count; i++)
        LLVMFuzzerTestOneInput(files[i].bytes, files[i].size);
    for (; round_number < rounds; round_number++) {
        const struct file *file = &files[load_random(&seed, file_count)];
        uint8_t *bytes = malloc(file->size + 1);
        memcpy(bytes, file->bytes, file->size);
        size_t size = change(bytes, file->size, &seed);
        uint8_t *exact = malloc(size ? size : 1); /* so that a byte too far is seen */
        memcpy(exact, bytes, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
        free(bytes);
    }
    printf("%zu files and %lu changed ones: no harm\n", file_count, rounds);
    for (size_t i = 0; i < file_count; i++)
        free(files[i].bytes);
    return 0;
}
