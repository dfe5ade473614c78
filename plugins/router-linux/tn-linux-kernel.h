/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-linux-state.h"
#include "tn-nl-socket.h"

G_BEGIN_DECLS

/* Reads what the kernel has, and sends it changes. Every error names step, object and the kernel's words. A socket that fails is
 * closed, and the next call opens another. */
typedef struct
{
  TnNlSocket *socket;         /* nullable */
  gboolean    ipv6;           /* IPv6 with policy rules, as of the last tn_linux_kernel_read() */
} TnLinuxKernel;

void          tn_linux_kernel_clear     (TnLinuxKernel *self);

/* By name, or NULL: by index. One that is not there is G_IO_ERROR_NO_SUCH_DEVICE. */
gboolean      tn_linux_kernel_find_link (TnLinuxKernel *self, const char *name, guint32 index, TnLinuxLink *out, GError **error);

/* All addresses, and the rules and routes at places that we use: whoever made them. */
TnLinuxState *tn_linux_kernel_read      (TnLinuxKernel *self, GError **error);

/* Adds, or removes, all that it can; @error is about the first that was refused. What to remove and is not there is no error. */
gboolean      tn_linux_kernel_addresses (TnLinuxKernel *self, gboolean add, GArray *addresses, const TnLinuxLink *link, GError **error);
gboolean      tn_linux_kernel_rules     (TnLinuxKernel *self, gboolean add, GArray *rules, GError **error);
gboolean      tn_linux_kernel_routes    (TnLinuxKernel *self, gboolean add, GArray *routes, const TnLinuxLink *link, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnLinuxKernel, tn_linux_kernel_clear)

G_END_DECLS
