/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Registers an underlay transport "breakable-udp": that of the plugin "udp", through a firewall which is closed as the test says, for all
 * devices of the process. After a device was made, or plugins were loaded in another way. */
void breakable_udp_register   (void);
void breakable_udp_set_broken (gboolean broken);
guint breakable_udp_get_sent  (void);      /* datagrams that got through */
