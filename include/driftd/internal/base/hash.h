/* hash.h - digests, checksums, keyed hashes and random names.  OpenSSL's libcrypto behind it.
 *
 * Threads: any. */
#ifndef DRIFTD_BASE_HASH_H
#define DRIFTD_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DRIFT_SHA256_BYTES = 32, DRIFT_HEX_DIGEST = 65 };

void drift_sha256(const void *p, size_t n, uint8_t ret_digest[DRIFT_SHA256_BYTES]);
void drift_sha256_hex(const void *p, size_t n, char ret_hex[DRIFT_HEX_DIGEST]);
void drift_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t ret_mac[DRIFT_SHA256_BYTES]);
bool drift_equal_const_time(const void *a, const void *b, size_t n);
/* CRC32C (Castagnoli), as in iSCSI: CRC of "123456789" is e3069283. */
uint32_t drift_crc32c(const void *p, size_t n);
/* 64-bit hash of bytes for hash tables: fast, seeded per process against crafted collisions. */
uint64_t drift_hash64(const void *p, size_t n);
void drift_hex(const void *p, size_t n, char *ret_hex /* 2n+1 */);
/* 32 hex digits from the system's random source: a head. */
void drift_random_hex32(char ret_hex[33]);
/* Base64 (RFC 4648, padded).  cap >= 4*((n+2)/3)+1; decode returns false on anything else than base64. */
void drift_base64(const void *p, size_t n, char *ret_text);
bool drift_base64_decode(const char *s, size_t n, uint8_t *ret, size_t cap, size_t *ret_n);

#endif
