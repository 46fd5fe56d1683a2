/* address.h - which resolved addresses a webhook may go to unless its endpoint says allow_private.
 *
 * Refused: everything that the IANA special-purpose registries do not call globally reachable: this host, private,
 * shared (carrier NAT), loopback, link-local (cloud metadata services), documentation, benchmarking, multicast,
 * reserved; and IPv6 forms that carry an IPv4 address are judged by that one.  Threads: pure. */
#ifndef DRIFTD_ACT_ADDRESS_H
#define DRIFTD_ACT_ADDRESS_H

#include <sys/socket.h>

/* NULL: a public address.  Else what it is, in a word or two ("loopback", "private" ...); static. */
const char *drift_address_refused(const struct sockaddr *a, socklen_t len);

#endif
