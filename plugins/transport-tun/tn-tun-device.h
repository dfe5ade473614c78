/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <net/if.h>

#include "tn-merger.h"

G_BEGIN_DECLS

/* A TUN interface of the kernel with virtio headers (Linux Documentation/networking/tuntap.rst). */
typedef struct
{
  int          fd;
  char         name[IFNAMSIZ];
  TnMergeFlags merges;      /* what it takes as one frame */
} TnTunDevice;

/* Makes an interface, which is gone when the device is closed; @name: nullable or empty, the kernel chooses one; %d in it becomes a number. */
gboolean tn_tun_device_open (TnTunDevice *device, const char *name, GError **error);

/* Takes @fd, of an interface that somebody with more rights has made; only if it succeeds. */
gboolean tn_tun_device_take (TnTunDevice *device, int fd, GError **error);

/* Sets the MTU and puts it up, where that is not so already: rights are needed for what there is to do alone. */
gboolean tn_tun_device_set_up (TnTunDevice *device, guint mtu, GError **error);
void     tn_tun_device_close (TnTunDevice *device);

G_END_DECLS
