/*
 * SHA-256 by the processor's own instructions, where it has them, else by libsodium.
 *
 * libsodium 1.0.18 (Debian 12 and 13) computes it in portable C, some 250 ns for a block of 64 bytes. A leaf and its
 * share of the tree are about ten blocks, and a million of them are to be sealed in less than two seconds. The
 * instructions (SHA extensions of x86) take a fifth of that. test_merkle.c compares the two.
 */
#include "sha256.h"

#include <sodium.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_SIZE 64
#define ROUNDS_TARGET __attribute__((target("sha,sse4.1,ssse3")))

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};

/* FIPS 180-4's a to h, in the order in which the instructions want them: f e b a, and h g d c. */
static const uint32_t initial[8] = {0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667,
                                    0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372};

struct state {
    __m128i feba, hgdc;
};

/* Four rounds at a time; from the fifth four on, the words are made of those of the sixteen rounds before. */
ROUNDS_TARGET static void add_block(struct state *state, const unsigned char *block)
{
    const __m128i bytes_swapped = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    struct state now = *state;
    __m128i words[4];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        __m128i *word = &words[i % 4];
        if (i < 4)
            *word = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + i), bytes_swapped);
        else {
            __m128i last = words[(i + 3) % 4];
            __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(*word, words[(i + 1) % 4]),
                                        _mm_alignr_epi8(last, words[(i + 2) % 4], 4));
            *word = _mm_sha256msg2_epu32(sum, last);
        }
        __m128i keyed =
            _mm_add_epi32(*word, _mm_loadu_si128((const __m128i *)(constants + 4 * (size_t)i)));
        now.hgdc = _mm_sha256rnds2_epu32(now.hgdc, now.feba, keyed);
        now.feba = _mm_sha256rnds2_epu32(now.feba, now.hgdc, _mm_shuffle_epi32(keyed, 0x0e));
    }
    state->feba = _mm_add_epi32(state->feba, now.feba);
    state->hgdc = _mm_add_epi32(state->hgdc, now.hgdc);
}

static void put(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

ROUNDS_TARGET static void by_instructions(const unsigned char *data, size_t size,
                                          unsigned char out[SHA256_SIZE])
{
    static const int places[8] = {3, 2, 7, 6, 1, 0, 5, 4}; /* of a to h */
    struct state state = {_mm_loadu_si128((const __m128i *)initial),
                          _mm_loadu_si128((const __m128i *)(initial + 4))};
    unsigned char end[2 * BLOCK_SIZE] = {0};
    uint32_t words[8];
    uint64_t bits = (uint64_t)size * 8;
    for (; size >= BLOCK_SIZE; size -= BLOCK_SIZE, data += BLOCK_SIZE)
        add_block(&state, data);
    if (size)
        memcpy(end, data, size);
    end[size] = 0x80;
    size_t end_size = size + 9 <= BLOCK_SIZE ? BLOCK_SIZE : sizeof end;
    put(end + end_size - 8, (uint32_t)(bits >> 32));
    put(end + end_size - 4, (uint32_t)bits);
    add_block(&state, end);
    if (end_size > BLOCK_SIZE)
        add_block(&state, end + BLOCK_SIZE);
    _mm_storeu_si128((__m128i *)words, state.feba);
    _mm_storeu_si128((__m128i *)(words + 4), state.hgdc);
    for (int i = 0; i < 8; i++)
        put(out + 4 * i, words[places[i]]);
}

static bool has_instructions(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) &&
           __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) && (c & bit_SSSE3);
}

void sha256(const void *data, size_t size, unsigned char out[SHA256_SIZE])
{
    static int known; /* 1: it has them, 2: it has not; threads may find out twice */
    int has = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (!has) {
        has = has_instructions() ? 1 : 2;
        __atomic_store_n(&known, has, __ATOMIC_RELAXED);
    }
    if (has == 1)
        by_instructions(data, size, out);
    else
        crypto_hash_sha256(out, data, size);
}

#else

void sha256(const void *data, size_t size, unsigned char out[SHA256_SIZE])
{
    crypto_hash_sha256(out, data, size);
}

#endif
