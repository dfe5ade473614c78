/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "socket-host.h"

typedef struct
{
  TnNetstackDatagram *datagram;
  GSocketAddress     *other;
  GPtrArray          *received;
  gboolean            closed;
} Host;

static void
bound_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  Host *host = user_data;

  host->datagram = TN_NETSTACK_GET_IFACE (object)->bind_datagram_finish (TN_NETSTACK (object), result, &error);
  g_assert_no_error (error);
}

static void
received_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  TnNetstackDatagramClass *klass = TN_NETSTACK_DATAGRAM_GET_CLASS (object);
  g_autoptr (GSocketAddress) from = NULL;
  g_autoptr (GError) error = NULL;
  Host *host = user_data;
  GBytes *bytes = klass->receive_finish (TN_NETSTACK_DATAGRAM (object), result, &from, &error);

  if (bytes == NULL)
    {
      host->closed = TRUE;
      return;
    }
  g_ptr_array_add (host->received, bytes);
  klass->receive_async (TN_NETSTACK_DATAGRAM (object), NULL, received_cb, host);
}

gpointer
socket_host_new (TnOverlayTransport *overlay)
{
  g_autoptr (GSocketAddress) own = g_inet_socket_address_new_from_string (CONTRACT_OWN, CONTRACT_PORT);
  Host *host = g_new0 (Host, 1);

  host->other = g_inet_socket_address_new_from_string (CONTRACT_OTHER, CONTRACT_PORT);
  host->received = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  TN_NETSTACK_GET_IFACE (overlay)->bind_datagram_async (TN_NETSTACK (overlay), G_INET_SOCKET_ADDRESS (own), NULL, bound_cb, host);
  while (host->datagram == NULL)
    g_main_context_iteration (NULL, TRUE);
  TN_NETSTACK_DATAGRAM_GET_CLASS (host->datagram)->receive_async (host->datagram, NULL, received_cb, host);
  return host;
}

void
socket_host_free (gpointer data)
{
  Host *host = data;

  TN_NETSTACK_DATAGRAM_GET_CLASS (host->datagram)->close (host->datagram);
  while (!host->closed)
    g_main_context_iteration (NULL, TRUE);
  g_object_unref (host->datagram);
  g_object_unref (host->other);
  g_ptr_array_unref (host->received);
  g_free (host);
}

void
socket_host_send (gpointer  data,
                  GBytes   *payload)
{
  g_autoptr (GError) error = NULL;
  Host *host = data;

  g_assert_true (TN_NETSTACK_DATAGRAM_GET_CLASS (host->datagram)->send_to (host->datagram, host->other, payload, &error));
  g_assert_no_error (error);
}

GPtrArray *
socket_host_received (gpointer data)
{
  return ((Host *) data)->received;
}
