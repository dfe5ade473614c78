/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "contract-overlay.h"

#include <string.h>

#include "tn-checksum.h"
#include "tn-ip-header.h"
#include "tn-tunnel.h"

#define LIMIT_S 50
#define IP_LEN  20
#define UDP_LEN 8

typedef struct
{
  const ContractOverlay *contract;
  TnOverlayTransport    *overlay;
  gpointer               host;
  TnIpAddress            own;
  TnIpAddress            other;
  GPtrArray             *out;          /* of GBytes: payloads that came out of the host */
  GThread               *thread;
  gboolean               echoes;
  gboolean               stopped;      /* no callback may come */
} Fixture;

static TnOverlayTransportInterface *
iface (Fixture *fixture)
{
  return TN_OVERLAY_TRANSPORT_GET_IFACE (fixture->overlay);
}

static GPtrArray *
received (Fixture *fixture)
{
  return fixture->contract->received (fixture->host);
}

static gboolean
impatient_cb (gpointer user_data)
{
  g_error ("gave up after %d s", LIMIT_S);
  return G_SOURCE_REMOVE;
}

#define WAIT_FOR(done)                                                        \
  G_STMT_START {                                                              \
    guint wait_id = g_timeout_add_seconds (LIMIT_S, impatient_cb, NULL);      \
    while (!(done))                                                           \
      g_main_context_iteration (NULL, TRUE);                                  \
    g_source_remove (wait_id);                                                \
  } G_STMT_END

/* --- Packets --- */

static void
append (Fixture       *fixture,
        TnPacketBatch *batch,
        GBytes        *payload)
{
  gsize len = g_bytes_get_size (payload), udp_len = UDP_LEN + len;
  TnPacket *packet = tn_packet_batch_append (batch, IP_LEN + udp_len);
  guint8 *udp = packet->data + IP_LEN;
  guint16 sum;

  g_assert_cmpuint (tn_ip_header_write (packet->data, packet->len, &fixture->other, &fixture->own, TN_PROTO_UDP, 1, udp_len), ==, IP_LEN);
  udp[0] = udp[2] = CONTRACT_PORT >> 8;
  udp[1] = udp[3] = CONTRACT_PORT & 0xff;
  udp[4] = (guint8) (udp_len >> 8);
  udp[5] = (guint8) udp_len;
  udp[6] = udp[7] = 0;
  memcpy (udp + UDP_LEN, g_bytes_get_data (payload, NULL), len);
  sum = tn_checksum_finish (tn_checksum_add (tn_checksum_add_pseudo (0, packet->data + 12, 4, TN_PROTO_UDP, (guint32) udp_len), udp, udp_len));
  udp[6] = (guint8) (sum >> 8);
  udp[7] = (guint8) sum;
}

/* Whole and right, and with the room around it that sealing takes. */
static GBytes *
take_out (Fixture        *fixture,
          const TnPacket *packet)
{
  gsize udp_len = packet->len - IP_LEN;
  TnParsed parsed;
  guint32 sum;

  g_assert_cmpuint (packet->segment_size, ==, 0);
  g_assert_cmpuint (packet->headroom, >=, TN_TUNNEL_HEADER_LEN);
  g_assert_cmpuint (packet->tailroom, >=, TN_TUNNEL_TRAILER_MAX);
  g_assert_cmpuint (packet->len, <=, CONTRACT_MTU);
  tn_parse (&parsed, packet->data, packet->len);
  if (parsed.version != 4 || parsed.proto != TN_PROTO_UDP || parsed.dst_port != CONTRACT_PORT)
    return NULL;      /* a kernel has things of its own to say */
  g_assert_true (tn_ip_address_equal (&parsed.src, &fixture->own));
  g_assert_true (tn_ip_address_equal (&parsed.dst, &fixture->other));
  sum = tn_checksum_add_pseudo (0, packet->data + 12, 4, TN_PROTO_UDP, (guint32) udp_len);
  g_assert_cmpuint (tn_checksum_fold (tn_checksum_add (sum, packet->data + IP_LEN, udp_len)), ==, 0xffff);
  return g_bytes_new (packet->data + IP_LEN + UDP_LEN, udp_len - UDP_LEN);
}

static GBytes *
numbered (guint number,
          gsize len)
{
  guint8 *bytes = g_malloc (len);

  memset (bytes, (int) (number * 7), len);
  bytes[0] = (guint8) number;
  return g_bytes_new_take (bytes, len);
}

static void
check_numbered (GPtrArray *payloads,
                guint      n,
                gsize      len)
{
  g_assert_cmpuint (payloads->len, ==, n);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GBytes) wanted = numbered (i, len);

      g_assert_true (g_bytes_equal (g_ptr_array_index (payloads, i), wanted));
    }
}

static void
write_numbered (Fixture *fixture,
                guint    n,
                gsize    len)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (n * (len + 256));

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GBytes) payload = numbered (i, len);

      append (fixture, batch, payload);
    }
  iface (fixture)->write (fixture->overlay, batch);
  memset (batch->slab, 0xdb, batch->slab_len);      /* ours again */
}

static void
send_numbered (Fixture *fixture,
               guint    n,
               gsize    len)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GBytes) payload = numbered (i, len);

      fixture->contract->send (fixture->host, payload);
    }
}

/* --- Callbacks --- */

static void
receive_cb (gpointer            user_data,
            TnOverlayTransport *overlay,
            TnPacketBatch      *batch)
{
  Fixture *fixture = user_data;

  g_assert_true (overlay == fixture->overlay);
  g_assert_true (g_thread_self () == fixture->thread);
  g_assert_false (fixture->stopped);
  g_assert_cmpuint (batch->n_packets, >, 0);
  for (guint i = 0; i < batch->n_packets; i++)
    {
      TnPacket *packet = &batch->packets[i];
      GBytes *payload = take_out (fixture, packet);

      if (payload == NULL)
        continue;
      g_ptr_array_add (fixture->out, payload);
      if (fixture->echoes)
        {
          g_autoptr (TnPacketBatch) back = tn_packet_batch_new (4096);

          append (fixture, back, payload);
          iface (fixture)->write (overlay, back);
        }
      memset (packet->data - TN_TUNNEL_HEADER_LEN, 0xdb, TN_TUNNEL_HEADER_LEN + packet->len + TN_TUNNEL_TRAILER_MAX);
    }
}

static void
failed_cb (gpointer            user_data,
           TnOverlayTransport *overlay,
           const GError       *error)
{
  g_error ("%s", error->message);
}

static gboolean
try_start (Fixture *fixture,
           GError **error)
{
  static const TnOverlayCallbacks callbacks = { .receive = receive_cb, .failed = failed_cb };
  TnOverlayConfig config = { .context = g_main_context_default (), .mtu = CONTRACT_MTU };

  return iface (fixture)->start (fixture->overlay, &config, &callbacks, fixture, error);
}

static void
begin (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->stopped = FALSE;
  try_start (fixture, &error);
  g_assert_no_error (error);
  fixture->host = fixture->contract->join (fixture->overlay);
}

static void
end (Fixture *fixture)
{
  fixture->contract->leave (fixture->host);
  iface (fixture)->stop (fixture->overlay);
  fixture->stopped = TRUE;
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* --- Cases --- */

static void
test_out (Fixture       *fixture,
          gconstpointer  data)
{
  static const gsize lens[] = { 1, 100, CONTRACT_MTU - IP_LEN - UDP_LEN };

  for (guint i = 0; i < G_N_ELEMENTS (lens); i++)
    {
      g_ptr_array_set_size (fixture->out, 0);
      send_numbered (fixture, 20, lens[i]);
      WAIT_FOR (fixture->out->len >= 20);
      check_numbered (fixture->out, 20, lens[i]);
    }
}

static void
test_in (Fixture       *fixture,
         gconstpointer  data)
{
  static const gsize lens[] = { 1, 100, CONTRACT_MTU - IP_LEN - UDP_LEN };
  for (guint i = 0; i < G_N_ELEMENTS (lens); i++)
    {
      g_ptr_array_set_size (received (fixture), 0);
      write_numbered (fixture, 20, lens[i]);
      WAIT_FOR (received (fixture)->len >= 20);
      check_numbered (received (fixture), 20, lens[i]);
    }
}

/* What comes from outside may be anything; the pipeline lets no such packet in, and nobody relies on that. */
static void
test_garbage (Fixture       *fixture,
              gconstpointer  data)
{
  g_autoptr (GBytes) payload = numbered (0, 100);
  g_autoptr (GRand) rand = g_rand_new_with_seed (17);

  for (guint round = 0; round < 200; round++)
    {
      g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
      TnPacket *packet;

      append (fixture, batch, payload);
      packet = &batch->packets[0];
      packet->len = (guint32) g_rand_int_range (rand, 1, (gint32) packet->len);
      for (guint i = 0; i < 3; i++)
        packet->data[g_rand_int_range (rand, 0, (gint32) packet->len)] = (guint8) g_rand_int (rand);
      iface (fixture)->write (fixture->overlay, batch);
    }
  write_numbered (fixture, 1, 60);
  WAIT_FOR (received (fixture)->len > 0 && g_bytes_get_size (g_ptr_array_index (received (fixture), received (fixture)->len - 1)) == 60);
}

static void
test_echo (Fixture       *fixture,
           gconstpointer  data)
{
  fixture->echoes = TRUE;
  send_numbered (fixture, 20, 300);
  WAIT_FOR (received (fixture)->len >= 20);
  check_numbered (received (fixture), 20, 300);
}

static void
test_blocked (Fixture       *fixture,
              gconstpointer  data)
{
  TnIpAddress unknown;

  if (iface (fixture)->set_blocked == NULL)
    {
      g_test_skip ("holds nobody back");
      return;
    }
  g_assert_true (tn_ip_address_parse ("fd7a:115c:a1e0::99", &unknown));
  iface (fixture)->set_blocked (fixture->overlay, &unknown, FALSE);
  for (guint i = 0; i < 2; i++)
    iface (fixture)->set_blocked (fixture->overlay, &fixture->other, TRUE);
  write_numbered (fixture, 5, 100);      /* inbound never waits for outbound */
  WAIT_FOR (received (fixture)->len >= 5);
  iface (fixture)->set_blocked (fixture->overlay, &fixture->other, FALSE);
  send_numbered (fixture, 5, 100);
  WAIT_FOR (fixture->out->len >= 5);
  check_numbered (fixture->out, 5, 100);
}

static void
test_restart (Fixture       *fixture,
              gconstpointer  data)
{
  for (guint i = 0; i < 3; i++)
    {
      send_numbered (fixture, 3, 100);      /* under way when it stops */
      end (fixture);
      g_ptr_array_set_size (fixture->out, 0);
      begin (fixture);
      send_numbered (fixture, 1, 50);
      WAIT_FOR (fixture->out->len > 0 && g_bytes_get_size (g_ptr_array_index (fixture->out, fixture->out->len - 1)) == 50);
    }
}

static void
test_twice (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (try_start (fixture, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  send_numbered (fixture, 1, 50);
  WAIT_FOR (fixture->out->len > 0);
}

static void
test_interface (Fixture       *fixture,
                gconstpointer  data)
{
  const char *interface = iface (fixture)->get_interface != NULL ? iface (fixture)->get_interface (fixture->overlay) : NULL;

  g_assert_cmpint (interface != NULL, ==, fixture->contract->has_interface);
  end (fixture);
  if (fixture->contract->has_interface)
    g_assert_null (iface (fixture)->get_interface (fixture->overlay));
  iface (fixture)->stop (fixture->overlay);      /* as often as one likes */
  begin (fixture);
}

/* --- Suite --- */

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  fixture->contract = data;
  fixture->thread = g_thread_self ();
  fixture->out = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_assert_true (tn_ip_address_parse (CONTRACT_OWN, &fixture->own));
  g_assert_true (tn_ip_address_parse (CONTRACT_OTHER, &fixture->other));
  fixture->overlay = fixture->contract->create ();
  begin (fixture);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  end (fixture);
  g_object_unref (fixture->overlay);
  g_ptr_array_unref (fixture->out);
}

void
contract_overlay_add (const ContractOverlay *contract)
{
  static const struct { const char *name; void (*test) (Fixture *fixture, gconstpointer data); } tests[] = {
    { "out", test_out },
    { "in", test_in },
    { "garbage", test_garbage },
    { "echo", test_echo },
    { "blocked", test_blocked },
    { "restart", test_restart },
    { "twice", test_twice },
    { "interface", test_interface },
  };

  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strdup_printf ("/transport/overlay/%s/%s", contract->name, tests[i].name);

      g_test_add (path, Fixture, contract, set_up, tests[i].test, tear_down);
    }
}
