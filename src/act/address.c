/* src/act/address.c    Tells public addresses from those that a webhook must not reach by a name that resolves to them.
 */
#include "driftd/internal/act/address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct block4 {
    uint32_t net;
    unsigned bits;
    const char *what;
};
#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
static const struct block4 blocks4[] = {
    {IP4(0, 0, 0, 0), 8, "this network"},
    {IP4(10, 0, 0, 0), 8, "private"},
    {IP4(100, 64, 0, 0), 10, "carrier NAT"},
    {IP4(127, 0, 0, 0), 8, "loopback"},
    {IP4(169, 254, 0, 0), 16, "link-local"},
    {IP4(172, 16, 0, 0), 12, "private"},
    {IP4(192, 0, 0, 0), 24, "reserved"},
    {IP4(192, 0, 2, 0), 24, "documentation"},
    {IP4(192, 88, 99, 0), 24, "reserved"},
    {IP4(192, 168, 0, 0), 16, "private"},
    {IP4(198, 18, 0, 0), 15, "benchmarking"},
    {IP4(198, 51, 100, 0), 24, "documentation"},
    {IP4(203, 0, 113, 0), 24, "documentation"},
    {IP4(224, 0, 0, 0), 4, "multicast"},
    {IP4(240, 0, 0, 0), 4, "reserved or broadcast"},
};

struct block6 {
    uint8_t net[6];
    unsigned bits;
    const char *what;
};
/* Inside 2000::/3; everything outside it is refused anyhow (but for what embeds an IPv4 address). */
static const struct block6 blocks6[] = {
    {{0x20, 0x01, 0x00}, 23, "reserved"}, /* Teredo, benchmarking, ORCHID ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x20, 0x02}, 16, "6to4"},
    {{0x3f, 0xff, 0x00}, 20, "documentation"},
};

static const char *refused4(uint32_t ip)
{
    for (size_t i = 0; i < sizeof blocks4 / sizeof *blocks4; i++)
        if ((ip ^ blocks4[i].net) >> (32 - blocks4[i].bits) == 0)
            return blocks4[i].what;
    return NULL;
}

static int in_block6(const uint8_t ip[16], const struct block6 *b)
{
    unsigned bytes = b->bits / 8, rest = b->bits % 8;
    if (memcmp(ip, b->net, bytes))
        return 0;
    return rest == 0 || (ip[bytes] ^ b->net[bytes]) >> (8 - rest) == 0;
}

static const char *refused6(const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, nat64[12] = {0x00, 0x64, 0xff, 0x9b}, zero[15];
    uint32_t last = IP4(ip[12], ip[13], ip[14], ip[15]);
    if (!memcmp(ip, mapped, 12) || !memcmp(ip, nat64, 12))
        return refused4(last);
    if (!memcmp(ip, zero, 15) && ip[15] <= 1)
        return ip[15] ? "loopback" : "unspecified";
    if (ip[0] == 0xff)
        return "multicast";
    if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)
        return "link-local";
    if ((ip[0] & 0xfe) == 0xfc)
        return "private";
    if ((ip[0] & 0xe0) != 0x20)
        return "reserved";
    for (size_t i = 0; i < sizeof blocks6 / sizeof *blocks6; i++)
        if (in_block6(ip, &blocks6[i]))
            return blocks6[i].what;
    return NULL;
}

const char *drift_address_refused(const struct sockaddr *a, socklen_t len)
{
    if (a->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, a, sizeof in);
        return refused4(ntohl(in.sin_addr.s_addr));
    }
    if (a->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, a, sizeof in6);
        return refused6(in6.sin6_addr.s6_addr);
    }
    return "not an internet address";
}
