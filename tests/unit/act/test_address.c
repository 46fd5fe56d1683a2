/* tests/unit/act/test_address.c    Which addresses a webhook may reach: a table by hand, and Python's ipaddress. */
#include "support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "driftd/internal/act/address.h"

static const char *refused(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return drift_address_refused((struct sockaddr *)&in, sizeof in);
    ck_assert_msg(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1, "%s", text);
    return drift_address_refused((struct sockaddr *)&in6, sizeof in6);
}

START_TEST(test_table)
{
    static const char *good[] = {"1.1.1.1",         "8.8.8.8",         "9.255.255.255",        "11.0.0.0",
                                 "100.63.255.255",  "100.128.0.0",     "126.255.255.255",      "128.0.0.0",
                                 "169.253.255.255", "169.255.0.0",     "172.15.255.255",       "172.32.0.0",
                                 "192.0.1.0",       "192.167.255.255", "192.169.0.0",          "198.17.255.255",
                                 "198.20.0.0",      "223.255.255.255", "2606:4700:4700::1111", "2a00:1450::1",
                                 "2001:200::1",     "::ffff:8.8.8.8",  "64:ff9b::808:808"};
    static const char *bad[] = {"0.0.0.0",
                                "0.1.2.3",
                                "10.0.0.1",
                                "10.255.255.255",
                                "100.64.0.1",
                                "100.127.255.255",
                                "127.0.0.1",
                                "127.1.2.3",
                                "169.254.169.254",
                                "172.16.0.1",
                                "172.31.255.255",
                                "192.0.0.8",
                                "192.0.2.1",
                                "192.88.99.1",
                                "192.168.0.1",
                                "198.18.0.1",
                                "198.19.255.255",
                                "198.51.100.7",
                                "203.0.113.9",
                                "224.0.0.1",
                                "239.255.255.255",
                                "240.0.0.1",
                                "255.255.255.255",
                                "::",
                                "::1",
                                "::127.0.0.1",
                                "::ffff:127.0.0.1",
                                "::ffff:10.0.0.1",
                                "::ffff:169.254.169.254",
                                "64:ff9b::7f00:1",
                                "64:ff9b:1::1",
                                "100::1",
                                "2001::1",
                                "2001:db8::1",
                                "2002:7f00:1::1",
                                "3fff::1",
                                "5f00::1",
                                "fc00::1",
                                "fd12:3456::1",
                                "fe80::1",
                                "febf::1",
                                "fec0::1",
                                "ff02::1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(!refused(good[i]), "%s is %s", good[i], refused(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(refused(bad[i]), "%s", bad[i]);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    ck_assert_ptr_nonnull(drift_address_refused((struct sockaddr *)&un, sizeof un));
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)};
    ck_assert_ptr_nonnull(drift_address_refused((struct sockaddr *)&in, 4)); /* cut short */
}
END_TEST

/* Random addresses: nothing that Python says is not global may pass (ours refuses more: 6to4, relays). */
START_TEST(test_python)
{
    static const char program[] = "import sys, ipaddress\n"
                                  "n = 0\n"
                                  "for line in sys.stdin:\n"
                                  "    ours, text = line.split()\n"
                                  "    a = ipaddress.ip_address(text)\n"
                                  "    b = getattr(a, 'ipv4_mapped', None) or a\n"
                                  "    if ours == 'pass' and (not b.is_global or b.is_multicast): sys.exit(text)\n"
                                  "    n += ours == 'pass'\n"
                                  "assert n > 1000, n\n";
    if (access("/usr/bin/python3", X_OK)) {
        printf("SKIP: python3 is not installed\n");
        return;
    }
    char path[] = "/tmp/driftd_address_XXXXXX", command[64], text[INET6_ADDRSTRLEN];
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, program, strlen(program)), (ssize_t)strlen(program));
    close(fd);
    snprintf(command, sizeof command, "/usr/bin/python3 %s", path);
    FILE *f = popen(command, "w");
    struct drift_rng rng = drift_rng_new(3);
    for (int i = 0; i < 20000; i++) {
        uint8_t ip[16];
        for (size_t k = 0; k < 16; k++)
            ip[k] = (uint8_t)drift_rng_u64(&rng);
        bool six = drift_rng_below(&rng, 2) == 1;
        if (six && drift_rng_below(&rng, 2)) { /* near the blocks */
            static const uint8_t starts[][4] = {{0x20, 0x01, 0, 0}, {0x20, 0x01, 0x0d, 0xb8},
                                                {0x20, 2, 0, 0},    {0x3f, 0xff, 0, 0},
                                                {0, 0, 0, 0},       {0xfe, 0x80, 0, 0}};
            memcpy(ip, starts[drift_rng_below(&rng, 6)], 4);
        }
        if (six && !drift_rng_below(&rng, 4)) {
            memset(ip, 0, 10);
            ip[10] = ip[11] = 0xff;
        }
        inet_ntop(six ? AF_INET6 : AF_INET, ip, text, sizeof text);
        fprintf(f, "%s %s\n", refused(text) ? "refuse" : "pass", text);
    }
    int status = pclose(f);
    unlink(path);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("address");
    drift_test_add(s, "table", test_table, 10);
    drift_test_add(s, "python", test_python, 60);
    return drift_test_run(s);
}
