/* siphash.h - SipHash-2-4 with 128 bits of output: names for ids that nobody without the key can make collide.
 *
 * Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012, and the 128-bit variant
 * of their reference implementation.  Little-endian words in key, input and output, as there. Two of n ids get the same
 * name with a chance of n^2 / 2^129: 1e-27 for a million.  Cost: some 30 ns for an id of 36 bytes, no allocation.
 * OpenSSL has it too (EVP_MAC), at three times the cost, which is what tests compare with. Threads: pure, any. */
#ifndef DRIFTD_BASE_SIPHASH_H
#define DRIFTD_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

enum { DRIFT_SIPHASH_KEY = 16, DRIFT_SIPHASH_BYTES = 16 };

void drift_siphash(const uint8_t key[DRIFT_SIPHASH_KEY], const void *p, size_t n, uint8_t ret[DRIFT_SIPHASH_BYTES]);

#endif
