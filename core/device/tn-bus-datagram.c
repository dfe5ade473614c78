/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-bus-datagram.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_LEN 20

gboolean
tn_bus_datagram_make_pair (GSocket **near,
                           int      *far,
                           GError  **error)
{
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
    {
      int saved_errno = errno;

      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (saved_errno), "cannot make a pair of sockets: %s",
                   g_strerror (saved_errno));
      return FALSE;
    }
  *near = g_socket_new_from_fd (fds[0], error);
  if (*near == NULL)
    {
      close (fds[0]);
      close (fds[1]);
      return FALSE;
    }
  g_socket_set_blocking (*near, FALSE);
  *far = fds[1];
  return TRUE;
}

/* What the kernel says of an end that is gone depends on which call finds out. */
static gboolean
say_closed (GError **error)
{
  if (error != NULL && (g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE) ||
                        g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED)))
    {
      g_clear_error (error);
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket was closed");
    }
  return FALSE;
}

gboolean
tn_bus_datagram_send (GSocket             *socket,
                      const TnIpEndpoint  *endpoint,
                      GBytes              *payload,
                      GError             **error)
{
  guint8 header[HEADER_LEN] = { endpoint->address.version, 0, (guint8) (endpoint->port >> 8), (guint8) endpoint->port };
  gsize len = g_bytes_get_size (payload);
  GOutputVector vectors[] = { { header, sizeof header }, { g_bytes_get_data (payload, NULL), len } };

  if (len > TN_BUS_DATAGRAM_PAYLOAD_MAX)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE, "datagram of %" G_GSIZE_FORMAT " bytes, at most %d allowed", len,
                   TN_BUS_DATAGRAM_PAYLOAD_MAX);
      return FALSE;
    }
  memcpy (header + 4, endpoint->address.bytes, sizeof endpoint->address.bytes);
  return g_socket_send_message (socket, NULL, vectors, len > 0 ? 2 : 1, NULL, 0, G_SOCKET_MSG_NONE, NULL, error) >= 0 ||
         say_closed (error);
}

static gboolean
parse_header (const guint8 *header,
              gsize         len,
              TnIpEndpoint *endpoint)
{
  if (len < HEADER_LEN || (header[0] != 4 && header[0] != 6))
    return FALSE;
  endpoint->address = tn_ip_address_from_bytes (header + 4, header[0] == 4 ? 4 : 16);
  endpoint->port = (guint16) (header[2] << 8 | header[3]);
  return TRUE;
}

GBytes *
tn_bus_datagram_receive (GSocket       *socket,
                         TnIpEndpoint  *endpoint,
                         GError       **error)
{
  g_autofree guint8 *buffer = g_malloc (HEADER_LEN + TN_BUS_DATAGRAM_PAYLOAD_MAX);
  gssize len = g_socket_receive (socket, (char *) buffer, HEADER_LEN + TN_BUS_DATAGRAM_PAYLOAD_MAX, NULL, error);

  if (len < 0)
    {
      say_closed (error);
      return NULL;
    }
  if (len == 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket was closed");
      return NULL;
    }
  if (!parse_header (buffer, (gsize) len, endpoint))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "message of %" G_GSSIZE_FORMAT " bytes is no datagram", len);
      return NULL;
    }
  return g_bytes_new (buffer + HEADER_LEN, (gsize) len - HEADER_LEN);
}
