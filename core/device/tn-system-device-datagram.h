/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* Datagrams of another process's device. Takes @fd; @local is the text of an address and port. */
TnNetstackDatagram *tn_system_device_datagram_new (int fd, const char *local, GError **error);

G_END_DECLS
