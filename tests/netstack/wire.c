/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "wire.h"

#include "tn-lwip-netstack.h"

typedef struct
{
  void   (*func) (gpointer data);
  gpointer data;
  GMutex   lock;
  GCond    cond;
  gboolean done;
} TestCall;

static gboolean
call_cb (gpointer data)
{
  TestCall *call = data;

  call->func (call->data);
  g_mutex_lock (&call->lock);
  call->done = TRUE;
  g_cond_signal (&call->cond);
  g_mutex_unlock (&call->lock);
  return G_SOURCE_REMOVE;
}

void
test_wire_call (TestWire *wire,
                void    (*func) (gpointer data),
                gpointer  data)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  TestCall call = { .func = func, .data = data };

  g_mutex_init (&call.lock);
  g_cond_init (&call.cond);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, call_cb, &call, NULL);
  g_source_attach (source, wire->context);
  g_mutex_lock (&call.lock);
  while (!call.done)
    g_cond_wait (&call.cond, &call.lock);
  g_mutex_unlock (&call.lock);
  g_mutex_clear (&call.lock);
  g_cond_clear (&call.cond);
}

static gpointer
data_thread (gpointer data)
{
  TestWire *wire = data;

  g_main_context_push_thread_default (wire->context);
  g_main_loop_run (wire->loop);
  g_main_context_pop_thread_default (wire->context);
  return NULL;
}

static void
flush (TestHost      *to,
       TnPacketBatch *batch)
{
  if (batch->n_packets > 0)
    TN_OVERLAY_TRANSPORT_GET_IFACE (to->stack)->write (TN_OVERLAY_TRANSPORT (to->stack), batch);
  tn_packet_batch_reset (batch);
}

static void
carry (TestHost       *to,
       const TnPacket *packet)
{
  TnPacketBatch *out = to->wire->out;
  TnPacket *copy = tn_packet_batch_append (out, packet->len);

  if (copy == NULL)
    {
      flush (to, out);
      copy = tn_packet_batch_append (out, packet->len);
    }
  memcpy (copy->data, packet->data, packet->len);
}

static gboolean
chance (TestWire *wire,
        guint     permille)
{
  return permille > 0 && (guint) g_rand_int_range (wire->rand, 0, 1000) < permille;
}

static void
receive_cb (gpointer            user_data,
            TnOverlayTransport *transport,
            TnPacketBatch      *batch)
{
  TestHost *from = user_data;
  TestWire *wire = from->wire;
  gint swapped = -1;

  g_assert_true (g_main_context_is_owner (wire->context));
  g_assert_false (wire->stopped);
  from->n_packets += batch->n_packets;
  if (wire->rand == NULL && wire->drop == NULL)
    {
      TN_OVERLAY_TRANSPORT_GET_IFACE (from->peer->stack)->write (TN_OVERLAY_TRANSPORT (from->peer->stack), batch);
      return;
    }
  for (guint i = 0; i < batch->n_packets; i++)
    {
      const TnPacket *packet = &batch->packets[i];

      g_assert_cmpuint (packet->headroom, >=, TN_PACKET_HEADROOM);
      g_assert_cmpuint (packet->tailroom, >=, TN_PACKET_TAILROOM);
      if (wire->drop != NULL && wire->drop (from, packet->data, packet->len, wire->drop_data))
        continue;
      if (chance (wire, wire->loss_permille))
        continue;
      if (swapped < 0 && chance (wire, wire->swap_permille))
        {
          swapped = (gint) i;     /* goes out after the rest of the batch */
          continue;
        }
      carry (from->peer, packet);
      if (chance (wire, wire->dup_permille))
        carry (from->peer, packet);
    }
  if (swapped >= 0)
    carry (from->peer, &batch->packets[swapped]);
  flush (from->peer, wire->out);
}

static const TnOverlayCallbacks callbacks = { receive_cb, NULL };

typedef struct
{
  TestHost   *host;
  const char *ip4;
  const char *ip6;
  guint       mtu;
  gboolean    blocked;
} TestArgs;

static void
start_host (gpointer data)
{
  TestArgs *args = data;
  TnOverlayTransport *overlay = TN_OVERLAY_TRANSPORT (args->host->stack);
  TnOverlayConfig config = { args->host->wire->context, args->mtu };
  g_autoptr (GError) error = NULL;

  TN_OVERLAY_TRANSPORT_GET_IFACE (overlay)->start (overlay, &config, &callbacks, args->host, &error);
  g_assert_no_error (error);
}

static void
configure_host (gpointer data)
{
  TestArgs *args = data;
  TnIpPrefix prefixes[2] = { { .bits = 32 }, { .bits = 128 } };
  TnRouterConfig config = { .addresses = prefixes, .n_addresses = 2 };
  TnRouter *router = TN_ROUTER (args->host->stack);
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_ip_address_parse (args->ip4, &prefixes[0].address));
  g_assert_true (tn_ip_address_parse (args->ip6, &prefixes[1].address));
  TN_ROUTER_GET_IFACE (router)->configure (router, &config, &error);
  g_assert_no_error (error);
}

void
test_wire_configure (TestHost   *host,
                     const char *ip4,
                     const char *ip6)
{
  TestArgs args = { host, ip4, ip6, 0, FALSE };

  test_wire_call (host->wire, configure_host, &args);
}

static void
start_both (gpointer data)
{
  TestWire *wire = ((TestArgs *) data)->host->wire;

  for (guint i = 0; i < 2; i++)
    {
      TestArgs args = { &wire->hosts[i], i == 0 ? TEST_IP4_A : TEST_IP4_B, i == 0 ? TEST_IP6_A : TEST_IP6_B,
                        ((TestArgs *) data)->mtu, FALSE };

      start_host (&args);
      configure_host (&args);
    }
}

TestWire *
test_wire_new (guint mtu)
{
  TestWire *wire = g_new0 (TestWire, 1);
  TestArgs args = { &wire->hosts[0], NULL, NULL, mtu, FALSE };

  wire->context = g_main_context_new ();
  wire->loop = g_main_loop_new (wire->context, FALSE);
  wire->out = tn_packet_batch_new (256 * 1024);
  for (guint i = 0; i < 2; i++)
    {
      wire->hosts[i].wire = wire;
      wire->hosts[i].peer = &wire->hosts[1 - i];
      wire->hosts[i].stack = g_object_new (TN_TYPE_LWIP_NETSTACK, NULL);
    }
  wire->thread = g_thread_new ("data", data_thread, wire);
  test_wire_call (wire, start_both, &args);
  return wire;
}

static void
stop_both (gpointer data)
{
  TestWire *wire = data;

  for (guint i = 0; i < 2; i++)
    TN_OVERLAY_TRANSPORT_GET_IFACE (wire->hosts[i].stack)->stop (TN_OVERLAY_TRANSPORT (wire->hosts[i].stack));
  wire->stopped = TRUE;
}

void
test_wire_stop (TestWire *wire)
{
  test_wire_call (wire, stop_both, wire);
}

static void
quit_loop (gpointer data)
{
  g_main_loop_quit (data);
}

void
test_wire_free (TestWire *wire)
{
  if (!wire->stopped)
    test_wire_stop (wire);
  test_wire_call (wire, quit_loop, wire->loop);
  g_thread_join (wire->thread);
  g_object_unref (wire->hosts[0].stack);
  g_object_unref (wire->hosts[1].stack);
  g_main_loop_unref (wire->loop);
  g_main_context_unref (wire->context);
  g_clear_pointer (&wire->rand, g_rand_free);
  tn_packet_batch_free (wire->out);
  g_free (wire);
}

typedef struct
{
  TestWire    *wire;
  TestDropFunc drop;
  gpointer     data;
  guint        seed, loss, dup, swap;
  const guint8 *packet;
  gsize        len;
  TestHost    *host;
} TestSetting;

static void
set_drop (gpointer data)
{
  TestSetting *setting = data;

  setting->wire->drop = setting->drop;
  setting->wire->drop_data = setting->data;
}

void
test_wire_set_drop (TestWire    *wire,
                    TestDropFunc drop,
                    gpointer     data)
{
  TestSetting setting = { .wire = wire, .drop = drop, .data = data };

  test_wire_call (wire, set_drop, &setting);
}

static void
set_bad (gpointer data)
{
  TestSetting *setting = data;

  g_clear_pointer (&setting->wire->rand, g_rand_free);
  setting->wire->rand = g_rand_new_with_seed (setting->seed);
  setting->wire->loss_permille = setting->loss;
  setting->wire->dup_permille = setting->dup;
  setting->wire->swap_permille = setting->swap;
}

void
test_wire_set_bad (TestWire *wire,
                   guint     seed,
                   guint     loss_permille,
                   guint     dup_permille,
                   guint     swap_permille)
{
  TestSetting setting = { .wire = wire, .seed = seed, .loss = loss_permille, .dup = dup_permille, .swap = swap_permille };

  test_wire_call (wire, set_bad, &setting);
}

static void
inject (gpointer data)
{
  TestSetting *setting = data;
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (256 * 1024);
  TnPacket *packet = tn_packet_batch_append (batch, setting->len);

  if (setting->len > 0)
    memcpy (packet->data, setting->packet, setting->len);
  flush (setting->host, batch);
}

void
test_wire_inject (TestHost     *to,
                  const guint8 *packet,
                  gsize         len)
{
  TestSetting setting = { .host = to, .packet = packet, .len = len };

  test_wire_call (to->wire, inject, &setting);
}

static void
block (gpointer data)
{
  TestArgs *args = data;
  TnOverlayTransport *overlay = TN_OVERLAY_TRANSPORT (args->host->stack);
  TnIpAddress address;

  g_assert_true (tn_ip_address_parse (args->ip4, &address));
  TN_OVERLAY_TRANSPORT_GET_IFACE (overlay)->set_blocked (overlay, &address, args->blocked);
}

void
test_wire_block (TestHost   *host,
                 const char *destination,
                 gboolean    blocked)
{
  TestArgs args = { host, destination, NULL, 0, blocked };

  test_wire_call (host->wire, block, &args);
}

/* --- Calls that wait --- */

void
test_result_cb (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

void
test_wait (GAsyncResult **result)
{
  GMainContext *context = g_main_context_get_thread_default ();

  while (*result == NULL)
    g_main_context_iteration (context, TRUE);
}

GInetSocketAddress *
test_address (const char *ip,
              guint16     port)
{
  return G_INET_SOCKET_ADDRESS (g_inet_socket_address_new_from_string (ip, port));
}

TnNetstackStream *
test_connect (TestHost     *host,
              const char   *ip,
              guint16       port,
              GCancellable *cancellable,
              GError      **error)
{
  g_autoptr (GInetSocketAddress) address = test_address (ip, port);
  g_autoptr (GAsyncResult) result = NULL;

  TN_NETSTACK_GET_IFACE (host->stack)->connect_async (host->stack, address, cancellable, test_result_cb, &result);
  test_wait (&result);
  return TN_NETSTACK_GET_IFACE (host->stack)->connect_finish (host->stack, result, error);
}

TnNetstackListener *
test_listen (TestHost   *host,
             const char *ip,
             guint16     port,
             guint       backlog,
             GError    **error)
{
  g_autoptr (GInetSocketAddress) address = test_address (ip, port);
  g_autoptr (GAsyncResult) result = NULL;

  TN_NETSTACK_GET_IFACE (host->stack)->listen_async (host->stack, address, backlog, NULL, test_result_cb, &result);
  test_wait (&result);
  return TN_NETSTACK_GET_IFACE (host->stack)->listen_finish (host->stack, result, error);
}

guint16
test_port_of (TnNetstackListener *listener)
{
  g_autoptr (GSocketAddress) local = TN_NETSTACK_LISTENER_GET_CLASS (listener)->dup_local_address (listener);

  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
}

TnNetstackStream *
test_accept (TnNetstackListener *listener,
             GCancellable       *cancellable,
             GError            **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  TN_NETSTACK_LISTENER_GET_CLASS (listener)->accept_async (listener, cancellable, test_result_cb, &result);
  test_wait (&result);
  return TN_NETSTACK_LISTENER_GET_CLASS (listener)->accept_finish (listener, result, error);
}

TnNetstackDatagram *
test_bind (TestHost   *host,
           const char *ip,
           guint16     port,
           GError    **error)
{
  g_autoptr (GInetSocketAddress) address = test_address (ip, port);
  g_autoptr (GAsyncResult) result = NULL;

  TN_NETSTACK_GET_IFACE (host->stack)->bind_datagram_async (host->stack, address, NULL, test_result_cb, &result);
  test_wait (&result);
  return TN_NETSTACK_GET_IFACE (host->stack)->bind_datagram_finish (host->stack, result, error);
}

gboolean
test_send_to (TnNetstackDatagram *datagram,
              const char         *ip,
              guint16             port,
              GBytes             *bytes,
              GError            **error)
{
  g_autoptr (GInetSocketAddress) address = test_address (ip, port);

  return TN_NETSTACK_DATAGRAM_GET_CLASS (datagram)->send_to (datagram, G_SOCKET_ADDRESS (address), bytes, error);
}

GBytes *
test_receive (TnNetstackDatagram *datagram,
              GCancellable       *cancellable,
              GSocketAddress    **from,
              GError            **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  TN_NETSTACK_DATAGRAM_GET_CLASS (datagram)->receive_async (datagram, cancellable, test_result_cb, &result);
  test_wait (&result);
  return TN_NETSTACK_DATAGRAM_GET_CLASS (datagram)->receive_finish (datagram, result, from, error);
}

gint64
test_ping (TestHost     *host,
           const char   *ip,
           guint         size,
           GCancellable *cancellable,
           GError      **error)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (ip);
  g_autoptr (GAsyncResult) result = NULL;

  TN_NETSTACK_GET_IFACE (host->stack)->ping_async (host->stack, address, size, cancellable, test_result_cb, &result);
  test_wait (&result);
  return TN_NETSTACK_GET_IFACE (host->stack)->ping_finish (host->stack, result, error);
}

void
test_pair (TestWire          *wire,
           gboolean           ip6,
           TnNetstackStream **client,
           TnNetstackStream **server)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[1], "0.0.0.0", 0, 0, &error);
  guint16 port;

  g_assert_no_error (error);
  port = test_port_of (listener);
  g_assert_cmpuint (port, !=, 0);
  *client = test_connect (&wire->hosts[0], ip6 ? TEST_IP6_B : TEST_IP4_B, port, NULL, &error);
  g_assert_no_error (error);
  *server = test_accept (listener, NULL, &error);
  g_assert_no_error (error);
}
