/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* The mark of sockets (SO_MARK, socket(7)) by which a router knows packets that carry the tailnet, and lets them pass by its routes. 0 is
 * none, and then nothing is done. Where it is refused the socket works without; tn_socket_mark_check() says so beforehand. */

void     tn_socket_mark         (GSocket *socket, guint32 mark);
void     tn_socket_mark_client  (GSocketClient *client, guint32 mark);      /* its sockets, before they connect */
void     tn_socket_mark_session (SoupSession *session, guint32 mark);       /* likewise */

/* FALSE: this process may not set it, or the system has none. */
gboolean tn_socket_mark_check   (guint32 mark, GError **error);

G_END_DECLS
