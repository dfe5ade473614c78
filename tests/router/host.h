/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"
#include "tn-nl-message.h"

G_BEGIN_DECLS

/* A network namespace for a test, and what other programs do in it. */

/* The process moves into a new one. FALSE: not allowed here, and the test is skipped. */
gboolean test_host_enter        (void);

/* A TUN interface that is up; it goes with the fd, unless @persistent. */
int      test_host_add_tun      (const char *name, gboolean persistent);
guint32  test_host_index        (const char *name);
void     test_host_set_up       (const char *name, gboolean up);
void     test_host_set_mtu      (const char *name, guint32 mtu);
void     test_host_delete       (const char *name);

/* All addresses, routes of all tables and rules, byte for byte, in a fixed order. */
char    *test_host_dump         (void);

/* Sends what is in the batch; returns the errno of the last answer. */
int      test_host_send         (TnNlBatch *batch);
TnNlBatch *test_host_batch      (void);
void     test_host_add_rule     (guint8 version, guint32 priority, guint32 table);
void     test_host_add_route    (const char *prefix, const char *interface, guint32 table);
void     test_host_add_address  (const char *prefix, const char *interface);

/* Index of the interface that a packet with @mark leaves by; or an errno, negative. */
int      test_host_way_of       (const char *destination, guint32 mark);

/* CAP_NET_ADMIN, of this thread. */
void     test_host_set_allowed  (gboolean allowed);

/* Hears of each change of addresses, routes and rules. */
int      test_host_watch        (void);
guint    test_host_count        (int watch);

G_END_DECLS
