/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tun-ping.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "tn-box.h"
#include "tn-checksum.h"
#include "tn-reader.h"
#include "tn-tun-sockets.h"
#include "tn-tun-wait.h"

enum
{
  HEADER_LEN = 8,
  MARK_LEN = 8,            /* of the payload, by which the answer is known */
  PAYLOAD_MAX_LEN = 65000,
  LIMIT_S = 8,             /* as with other pings: a lost handshake is sent again after 5 s */
};

typedef struct
{
  GSocket      *socket;
  GCancellable *given_up;
  GSource      *limit;
  gboolean      timed_out;
  gboolean      raw;
  gboolean      ipv6;
  guint16       id;
  guint8        mark[MARK_LEN];
  gsize         len;
  gint64        sent_us;
} Ping;

static void
ping_free (gpointer data)
{
  Ping *ping = data;

  if (ping->limit != NULL)
    {
      g_source_destroy (ping->limit);
      g_source_unref (ping->limit);
    }
  g_clear_object (&ping->socket);
  g_object_unref (ping->given_up);
  g_free (ping);
}

/* A socket for echoes alone, which the kernel gives to those whom the system trusts with it; else one for all ICMP. */
static gboolean
open_socket (Ping    *ping,
             GError **error)
{
  int family = ping->ipv6 ? AF_INET6 : AF_INET;
  int protocol = ping->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  int fd = socket (family, SOCK_DGRAM | SOCK_CLOEXEC, protocol);

  if (fd < 0)
    {
      ping->raw = TRUE;
      fd = socket (family, SOCK_RAW | SOCK_CLOEXEC, protocol);
    }
  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "cannot ping: %s; this system wants CAP_NET_RAW for that, or another "
                   "net.ipv4.ping_group_range", g_strerror (errno));
      return FALSE;
    }
  ping->socket = g_socket_new_from_fd (fd, error);
  if (ping->socket != NULL)
    g_socket_set_blocking (ping->socket, FALSE);
  return ping->socket != NULL;
}

static gboolean
send_echo (Ping          *ping,
           GInetAddress  *to,
           GError       **error)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (to, 0);
  g_autofree guint8 *packet = g_malloc0 (ping->len);

  packet[0] = ping->ipv6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  tn_put_u16be (packet + 4, ping->id);
  memcpy (packet + HEADER_LEN, ping->mark, MIN (ping->len - HEADER_LEN, MARK_LEN));
  if (!ping->ipv6)      /* the kernel does it for ICMPv6 */
    tn_put_u16be (packet + 2, tn_checksum_finish (tn_checksum_add (0, packet, ping->len)));
  ping->sent_us = g_get_monotonic_time ();
  return g_socket_send_to (ping->socket, address, (const char *) packet, ping->len, NULL, error) >= 0;
}

/* A raw socket shows the IPv4 header, and what belongs to others. */
static gboolean
is_answer (const Ping   *ping,
           const guint8 *packet,
           gsize         len)
{
  gsize skip = ping->raw && !ping->ipv6 && len > 0 ? (packet[0] & 0xf) * 4u : 0;

  return len == skip + ping->len && packet[skip] == (ping->ipv6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
         (!ping->raw || tn_get_u16be (packet + skip + 4) == ping->id) &&
         memcmp (packet + skip + HEADER_LEN, ping->mark, MIN (ping->len - HEADER_LEN, MARK_LEN)) == 0;
}

static gboolean
try_receive (GTask   *task,
             GSocket *socket)
{
  Ping *ping = g_task_get_task_data (task);
  gsize room = ping->len + 60;      /* the longest IPv4 header */
  g_autofree guint8 *packet = g_malloc (room);

  for (;;)
    {
      GError *error = NULL;
      gssize n = g_socket_receive (socket, (char *) packet, room, NULL, &error);

      if (n >= 0 && is_answer (ping, packet, (gsize) n))
        {
          g_task_return_int (task, (gssize) MAX (g_get_monotonic_time () - ping->sent_us, 1));
          return TRUE;
        }
      if (n >= 0)
        continue;
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          g_error_free (error);
          return FALSE;
        }
      g_task_return_error (task, error);
      return TRUE;
    }
}

static gboolean
limit_cb (gpointer user_data)
{
  Ping *ping = user_data;

  ping->timed_out = TRUE;
  g_cancellable_cancel (ping->given_up);
  return G_SOURCE_REMOVE;
}

void
tn_tun_ping (GInetAddress *to,
             guint         size,
             const char   *interface,
             GTask        *task)
{
  Ping *ping = g_new0 (Ping, 1);
  GError *error = NULL;

  ping->ipv6 = g_inet_address_get_family (to) == G_SOCKET_FAMILY_IPV6;
  ping->len = HEADER_LEN + MIN (size, PAYLOAD_MAX_LEN);
  ping->given_up = g_cancellable_new ();
  tn_random (&ping->id, sizeof ping->id);
  tn_random (ping->mark, sizeof ping->mark);
  g_task_set_task_data (task, ping, ping_free);
  if (!open_socket (ping, &error) || !tn_tun_socket_bind_to_interface (ping->socket, interface, &error) || !send_echo (ping, to, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  ping->limit = g_timeout_source_new_seconds (LIMIT_S);
  g_source_set_callback (ping->limit, limit_cb, ping, NULL);
  g_source_attach (ping->limit, g_task_get_context (task));
  tn_tun_wait (task, ping->socket, G_IO_IN, ping->given_up, try_receive);
}

gint64
tn_tun_ping_finish (GAsyncResult  *result,
                    GError       **error)
{
  const Ping *ping = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) problem = NULL;
  gint64 latency_us = g_task_propagate_int (G_TASK (result), &problem);

  if (problem != NULL && ping != NULL && ping->timed_out)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in %d s", LIMIT_S);
  else if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  return latency_us;
}
