/*
 * Random bytes that nobody can predict: the kernel's, made more.
 *
 * getrandom(2) costs 50 ns for 16 bytes, however many are fetched at once, where appending an event
 * in a large batch costs 300. So each thread fetches a key of 32 bytes from it and makes them more with
 * ChaCha20 (RFC 8439), as arc4random(3) does, by the widest vectors the processor has; 16 bytes then cost 5 to 12 ns.
 *
 * 1. A key makes one batch: its first 32 bytes are the next key, the others are handed out, and the
 *    old key is overwritten. So what was handed out does not follow from what is in memory later.
 * 2. A batch belongs to one thread.
 * 3. A forked child does not take from its parent's batch: a batch has the number of forks before
 *    it, counted in the child by pthread_atfork. (After a bare clone(2) it is not.)
 * 4. After RENEW_SIZE bytes the key is fetched anew, so that machines that were started from one
 *    snapshot part soon.
 *
 * Absent on purpose: bytes that do not come from the kernel where it gives none. An erased event's
 * salt could then be guessed.
 */
#include "random.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "error.h"

#define RENEW_SIZE (64 << 10)
#define BLOCKS (RANDOM_BATCH_SIZE / 64)
#define VECTOR_SIZE_MAX 64

struct source {
    unsigned forks; /* before its key was fetched, and 1; 0: it has none */
    size_t left;    /* of the batch: not taken yet, at the end of `bytes` */
    size_t renew_left;
    unsigned char key[RANDOM_KEY_SIZE], bytes[RANDOM_BATCH_SIZE];
};

static _Thread_local struct source source;
static _Atomic unsigned forks = 1;

/* -------------------------------------------------------------- ChaCha20 ---- */

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define QUARTER_ROUND(a, b, c, d)                                                          \
    (a += b, d ^= a, d = ROTATE(d, 16), c += d, b ^= c, b = ROTATE(b, 12), a += b, d ^= a, \
     d = ROTATE(d, 8), c += d, b ^= c, b = ROTATE(b, 7))

/*
 * Makes the batch, as many blocks at once as words are in a vector of SIZE bytes. `first` is what the first block
 * begins with.
 */
#define DEFINE_EXPAND(NAME, SIZE, TARGET)                                     \
    TARGET static void NAME(const uint32_t first[16], unsigned char *out)     \
    {                                                                         \
        typedef uint32_t words __attribute__((vector_size(SIZE)));            \
        for (uint32_t block = 0; block < BLOCKS; block += (SIZE) / 4) {       \
            words x[16], began[16];                                           \
            for (int i = 0; i < 16; i++)                                      \
                began[i] = (words){0} + first[i];                             \
            for (uint32_t i = 0; i < (SIZE) / 4; i++)                         \
                began[12][i] += block + i;                                    \
            memcpy(x, began, sizeof x);                                       \
            for (int i = 0; i < 10; i++) {                                    \
                QUARTER_ROUND(x[0], x[4], x[8], x[12]);                       \
                QUARTER_ROUND(x[1], x[5], x[9], x[13]);                       \
                QUARTER_ROUND(x[2], x[6], x[10], x[14]);                      \
                QUARTER_ROUND(x[3], x[7], x[11], x[15]);                      \
                QUARTER_ROUND(x[0], x[5], x[10], x[15]);                      \
                QUARTER_ROUND(x[1], x[6], x[11], x[12]);                      \
                QUARTER_ROUND(x[2], x[7], x[8], x[13]);                       \
                QUARTER_ROUND(x[3], x[4], x[9], x[14]);                       \
            }                                                                 \
            for (int i = 0; i < 16; i++) {                                    \
                x[i] += began[i];                                             \
                memcpy(out + 4 * BLOCKS * i + 4 * block, &x[i], sizeof x[i]); \
            }                                                                 \
        }                                                                     \
    }

DEFINE_EXPAND(expand_16, 16, )
#ifdef __x86_64__
DEFINE_EXPAND(expand_32, 32, __attribute__((target("avx2"))))
DEFINE_EXPAND(expand_64, 64, __attribute__((target("avx512f"))))
#endif

void random_expand(const unsigned char key[RANDOM_KEY_SIZE], size_t vector_size_max,
                   unsigned char out[RANDOM_BATCH_SIZE])
{
    /* constants, key, and then the number of the block and the nonce, which are 0 */
    uint32_t first[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    memcpy(first + 4, key, RANDOM_KEY_SIZE);
#ifdef __x86_64__
    if (vector_size_max >= 64 && __builtin_cpu_supports("avx512f")) {
        expand_64(first, out);
        return;
    }
    if (vector_size_max >= 32 && __builtin_cpu_supports("avx2")) {
        expand_32(first, out);
        return;
    }
#endif
    (void)vector_size_max;
    expand_16(first, out);
}

/* ------------------------------------------------------------- the batch ---- */

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

static int fetch_key(unsigned char key[RANDOM_KEY_SIZE])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t size = 0;
    pthread_once(&once, watch_forks);
    while (size < RANDOM_KEY_SIZE) {
        ssize_t count = getrandom(key + size, RANDOM_KEY_SIZE - size, 0);
        if (count < 0 && errno != EINTR)
            return error_errno(errno, "taking random bytes", "getrandom(2)");
        size += count > 0 ? (size_t)count : 0;
    }
    return EVLOG_OK;
}

static int make_batch(unsigned forks_now)
{
    if (source.forks != forks_now || source.renew_left < RANDOM_BATCH_SIZE) {
        source.forks = 0;
        int result = fetch_key(source.key);
        if (result)
            return result;
        source.forks = forks_now;
        source.renew_left = RENEW_SIZE;
    }
    random_expand(source.key, VECTOR_SIZE_MAX, source.bytes);
    memcpy(source.key, source.bytes, RANDOM_KEY_SIZE);
    memset(source.bytes, 0, RANDOM_KEY_SIZE);
    source.left = RANDOM_BATCH_SIZE - RANDOM_KEY_SIZE;
    source.renew_left -= RANDOM_BATCH_SIZE;
    return EVLOG_OK;
}

unsigned random_forks(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
}

int random_bytes(void *bytes, size_t size)
{
    unsigned forks_now = random_forks();
    assert(size <= RANDOM_SIZE_MAX);
    if (source.forks != forks_now || source.left < size) {
        int result = make_batch(forks_now);
        if (result)
            return result;
    }
    unsigned char *from = source.bytes + RANDOM_BATCH_SIZE - source.left;
    memcpy(bytes, from, size);
    memset(from, 0, size);
    source.left -= size;
    return EVLOG_OK;
}
