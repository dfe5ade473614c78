/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-socket-mark.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int
set_mark (GSocket *socket,
          guint32  mark)
{
#ifdef SO_MARK
  return setsockopt (g_socket_get_fd (socket), SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0 ? 0 : errno;
#else
  return ENOPROTOOPT;
#endif
}

void
tn_socket_mark (GSocket *socket,
                guint32  mark)
{
  int code = mark != 0 ? set_mark (socket, mark) : 0;

  if (code != 0)
    g_debug ("a socket has no mark: %s", g_strerror (code));
}

/* A socket that is there, and not connected yet. */
static void
heed_event (GSocketClientEvent  event,
            GIOStream          *connection,
            gpointer            mark)
{
  if (event == G_SOCKET_CLIENT_CONNECTING && G_IS_SOCKET_CONNECTION (connection))
    tn_socket_mark (g_socket_connection_get_socket (G_SOCKET_CONNECTION (connection)), GPOINTER_TO_UINT (mark));
}

static void
client_event_cb (GSocketClient      *client,
                 GSocketClientEvent  event,
                 GSocketConnectable *connectable,
                 GIOStream          *connection,
                 gpointer            mark)
{
  heed_event (event, connection, mark);
}

void
tn_socket_mark_client (GSocketClient *client,
                       guint32        mark)
{
  if (mark != 0)
    g_signal_connect (client, "event", G_CALLBACK (client_event_cb), GUINT_TO_POINTER (mark));
}

static void
network_event_cb (SoupMessage        *message,
                  GSocketClientEvent  event,
                  GIOStream          *connection,
                  gpointer            mark)
{
  heed_event (event, connection, mark);
}

static void
request_queued_cb (SoupSession *session,
                   SoupMessage *message,
                   gpointer     mark)
{
  g_signal_connect (message, "network-event", G_CALLBACK (network_event_cb), mark);
}

void
tn_socket_mark_session (SoupSession *session,
                        guint32      mark)
{
  if (mark != 0)
    g_signal_connect (session, "request-queued", G_CALLBACK (request_queued_cb), GUINT_TO_POINTER (mark));
}

gboolean
tn_socket_mark_check (guint32   mark,
                      GError  **error)
{
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, error);
  int code;

  if (socket == NULL)
    return FALSE;
  code = set_mark (socket, mark);
  if (code != 0)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "cannot mark sockets: %s%s", g_strerror (code),
                 code == EPERM ? ", which needs CAP_NET_ADMIN or CAP_NET_RAW" : "");
  return code == 0;
}
