/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A network of this test's own: nothing of the machine's is touched, and all of it is gone with the process. */

/* Before any thread is made. FALSE: @why says what is missing. */
gboolean kernel_enter (char **why);

/* Runs ip, of iproute2, and asserts that it succeeds. */
void     kernel_ip    (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* What ip prints; free with g_free(). */
char    *kernel_show  (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Opens a TUN interface as a helper with more rights would. */
int      kernel_open_tun (const char *name);

/* Another network, and this thread with what it makes from now on moved to one; each is a descriptor. */
int      kernel_network (void);
int      kernel_new_network (void);
void     kernel_move   (int network);

/* CAP_NET_ADMIN and CAP_NET_RAW, of this thread and those that it makes. */
void     kernel_set_allowed (gboolean allowed);

/* What nft, of nftables, prints; free with g_free(). */
char    *kernel_nft   (const char *words);

/* All interfaces, addresses, routes and rules. */
char    *kernel_dump  (void);

/* Wakes the default main context at each change of interfaces, addresses, routes and rules, until it is destroyed. */
GSource *kernel_watch (void);
