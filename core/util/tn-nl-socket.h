/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tn-nl-message.h"

G_BEGIN_DECLS

/* A socket to the kernel's routing (rtnetlink(7)), of the network namespace in which it was opened. */
typedef struct _TnNlSocket TnNlSocket;

typedef struct
{
  void (*message)  (gpointer user_data, const TnNlMessage *message);                      /* nullable; what was asked for */
  void (*answered) (gpointer user_data, guint request, const TnNlAnswer *answer);         /* once for each request, in order */
} TnNlCallbacks;

TnNlSocket *tn_nl_socket_new   (GError **error);
void        tn_nl_socket_free  (TnNlSocket *self);
TnNlBatch  *tn_nl_socket_batch (TnNlSocket *self);      /* an empty one, which it owns */

/* More than this many answers might not fit the socket's buffer. */
#define TN_NL_BATCH_MAX 64

/* Sends the batch at once, and returns when all is answered. FALSE: the kernel does not answer as it should, and the socket is spent.
 * Blocks, but not for long: the kernel answers within the call that sends. A dump that was torn by a change ends with EINTR. */
gboolean    tn_nl_socket_talk  (TnNlSocket *self, const TnNlCallbacks *callbacks, gpointer user_data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNlSocket, tn_nl_socket_free)

G_END_DECLS
