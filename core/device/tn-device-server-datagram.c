/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-server-datagram.h"

#include "tn-bus-datagram.h"

#define BATCH       64      /* then others in the context have their turn */
#define WAITING_MAX 64      /* datagrams that wait for their way; more, and the other process has to wait */
#define WAIT_S      2       /* for as long as that: a way that stays shut does not hold up the others for good */

typedef struct
{
  gatomicrefcount   ref_count;      /* one for each direction, and for each datagram that waits */
  TnDatagramSocket *socket;
  GSocket          *local;
  GCancellable     *cancellable;
  GMainContext     *context;
  GSource          *readable;       /* NULL: enough datagrams wait */
  guint             n_waiting;
  gboolean          ended;
} Share;

typedef struct
{
  Share        *share;
  GCancellable *cancellable;
  GSource      *limit;
} Waiting;

static void receive_next (Share *share);
static void read_on (Share *share);

static void
share_unref (gpointer data)
{
  Share *share = data;

  if (!g_atomic_ref_count_dec (&share->ref_count))
    return;
  g_object_unref (share->socket);
  g_object_unref (share->local);
  g_object_unref (share->cancellable);
  g_main_context_unref (share->context);
  g_free (share);
}

static void
stop_reading (Share *share)
{
  if (share->readable == NULL)
    return;
  g_source_destroy (share->readable);
  g_clear_pointer (&share->readable, g_source_unref);
}

static void
share_end (Share *share)
{
  if (share->ended)
    return;
  share->ended = TRUE;
  stop_reading (share);
  tn_datagram_socket_close (share->socket);
  g_socket_close (share->local, NULL);
}

/* --- From the tailnet: what the other process has no room for is lost, as datagrams may be --- */

static void
received_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Share *share = user_data;
  g_autoptr (GSocketAddress) source = NULL;
  g_autoptr (GBytes) payload = NULL;
  g_autoptr (GError) error = NULL;
  TnIpEndpoint endpoint;

  payload = tn_datagram_socket_receive_from_finish (TN_DATAGRAM_SOCKET (object), result, &source, NULL);
  if (payload != NULL)
    {
      endpoint.address = tn_ip_address_from_inet (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (source)));
      endpoint.port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (source));
      if (tn_bus_datagram_send (share->local, &endpoint, payload, &error) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          receive_next (share);
          return;
        }
    }
  share_end (share);
  share_unref (share);
}

static void
receive_next (Share *share)
{
  tn_datagram_socket_receive_from_async (share->socket, share->cancellable, received_cb, share);
}

/* --- To the tailnet --- */

static gboolean
waited_enough_cb (gpointer data)
{
  g_cancellable_cancel (((Waiting *) data)->cancellable);
  return G_SOURCE_REMOVE;
}

static void
sent_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  Waiting *waiting = user_data;
  Share *share = waiting->share;
  g_autoptr (GError) error = NULL;

  if (!tn_datagram_socket_send_to_finish (TN_DATAGRAM_SOCKET (object), result, &error))
    g_debug ("datagram of another process was not sent: %s", error->message);
  g_source_destroy (waiting->limit);
  g_source_unref (waiting->limit);
  g_object_unref (waiting->cancellable);
  g_free (waiting);

  share->n_waiting--;
  if (!share->ended && share->readable == NULL)
    read_on (share);
  share_unref (share);
}

static void
send_when_ready (Share          *share,
                 GSocketAddress *destination,
                 GBytes         *payload)
{
  Waiting *waiting = g_new0 (Waiting, 1);

  g_atomic_ref_count_inc (&share->ref_count);
  share->n_waiting++;
  waiting->share = share;
  waiting->cancellable = g_cancellable_new ();
  waiting->limit = g_timeout_source_new_seconds (WAIT_S);
  g_source_set_callback (waiting->limit, waited_enough_cb, waiting, NULL);
  g_source_attach (waiting->limit, share->context);
  tn_datagram_socket_send_to_async (share->socket, destination, payload, waiting->cancellable, sent_cb, waiting);
}

static void
send_out (Share              *share,
          const TnIpEndpoint *endpoint,
          GBytes             *payload)
{
  g_autoptr (GInetAddress) inet = tn_ip_address_to_inet (&endpoint->address);
  g_autoptr (GSocketAddress) destination = g_inet_socket_address_new (inet, endpoint->port);
  g_autoptr (GError) error = NULL;

  if (tn_datagram_socket_send_to (share->socket, destination, payload, &error))
    return;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    send_when_ready (share, destination, payload);
  else
    g_debug ("datagram of another process was not sent: %s", error->message);
}

static gboolean
readable_cb (GSocket      *socket,
             GIOCondition  condition,
             gpointer      user_data)
{
  Share *share = user_data;

  for (guint i = 0; i < BATCH; i++)
    {
      g_autoptr (GError) error = NULL;
      TnIpEndpoint endpoint;
      g_autoptr (GBytes) payload = tn_bus_datagram_receive (socket, &endpoint, &error);

      if (payload != NULL)
        send_out (share, &endpoint, payload);
      else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        break;
      else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA))
        {
          share_end (share);
          return G_SOURCE_REMOVE;
        }
      if (share->n_waiting >= WAITING_MAX)
        {
          stop_reading (share);
          return G_SOURCE_REMOVE;
        }
    }
  return G_SOURCE_CONTINUE;
}

static void
read_on (Share *share)
{
  g_atomic_ref_count_inc (&share->ref_count);
  share->readable = g_socket_create_source (share->local, G_IO_IN, NULL);
  g_source_set_callback (share->readable, G_SOURCE_FUNC (readable_cb), share, share_unref);
  g_source_attach (share->readable, share->context);
}

int
tn_device_server_share_datagrams (TnDatagramSocket *socket,
                                  GMainContext     *context,
                                  GCancellable     *cancellable,
                                  GError          **error)
{
  GSocket *local;
  Share *share;
  int fd;

  if (!tn_bus_datagram_make_pair (&local, &fd, error))
    return -1;

  share = g_new0 (Share, 1);
  g_atomic_ref_count_init (&share->ref_count);
  share->socket = g_object_ref (socket);
  share->local = local;
  share->cancellable = g_object_ref (cancellable);
  share->context = g_main_context_ref (context);
  read_on (share);
  receive_next (share);
  return fd;
}
