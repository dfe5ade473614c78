/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "device-kit.h"
#include "raw-peer.h"
#include "seeds.h"
#include "tn-checksum.h"
#include "tn-derp-frame.h"
#include "tn-ip-header.h"
#include "tn-messages.h"
#include "tn-reader.h"
#include "tn-tsmp.h"

/* A node of the tailnet that is not what it should be, a stranger at the relay, and a relay out of its mind: they send whatever may
 * hurt a device that runs, while two devices go about their business. All of it follows from a seed. */

#define REGION    901
#define OPEN_PORT 1000      /* TCP: somebody listens there. UDP: somebody reads there */
#define N_PACKETS 6000
#define N_AT_ONCE 16
#define N_FRAMES  200
#define SIZE_MAX_ 1300

static TnTestkitTailnet *tailnet;
static TnTestkitDerp *relay;
static TnTestkitStun *stun;

static TnTestkitControl *
control (void)
{
  return tn_testkit_tailnet_get_control (tailnet);
}

/* --- Those who do no harm --- */

typedef struct
{
  TnDevice          *ada;
  TnDevice          *bob;
  TnListener        *listener;
  TnDatagramSocket  *socket;
  GCancellable      *cancellable;
  guint              n_waiting;      /* calls that have not ended */
  TnConnection      *client;
  TnConnection      *server;
} Good;

static void
incoming_cb (TnListener   *listener,
             TnConnection *connection,
             gpointer      data)
{
  /* Closed as soon as it is dropped. */
  g_assert_nonnull (tn_connection_get_remote_address (connection));
}

static void receive_next (Good *good);

static void
received_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      data)
{
  g_autoptr (GSocketAddress) source = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = tn_datagram_socket_receive_from_finish (TN_DATAGRAM_SOCKET (object), result, &source, &error);
  Good *good = data;

  good->n_waiting--;
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_assert_no_error (error);
      receive_next (good);
    }
}

static void
receive_next (Good *good)
{
  good->n_waiting++;
  tn_datagram_socket_receive_from_async (good->socket, good->cancellable, received_cb, good);
}

static void
good_begin (Good *good)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  *good = (Good) { .cancellable = g_cancellable_new () };
  good->ada = kit_device_join (tailnet, "ada");
  good->bob = kit_device_join (tailnet, "bob");
  kit_pair (good->ada, good->bob, "bob", 80, &good->client, &good->server);
  good->listener = kit_listen (good->bob, OPEN_PORT, NULL, &error);
  g_assert_no_error (error);
  g_signal_connect (good->listener, "incoming", G_CALLBACK (incoming_cb), NULL);
  tn_listener_start (good->listener);
  tn_device_bind_datagram_async (good->bob, OPEN_PORT, NULL, NULL, kit_result_cb, &result);
  good->socket = tn_device_bind_datagram_finish (good->bob, kit_wait (&result), &error);
  g_assert_no_error (error);
  receive_next (good);
}

static gboolean
nothing_waits (gpointer data)
{
  return ((Good *) data)->n_waiting == 0;
}

static void
end_reading (Good *good)
{
  g_cancellable_cancel (good->cancellable);
  kit_wait_for ("calls to end", nothing_waits, good);
}

static void
good_end (Good *good)
{
  end_reading (good);
  g_clear_object (&good->client);
  g_clear_object (&good->server);
  g_clear_object (&good->listener);
  g_clear_object (&good->socket);
  g_clear_object (&good->cancellable);
  kit_free (good->ada);
  kit_free (good->bob);
}

/* --- A node that turned --- */

typedef struct
{
  GRand            *rand;
  RawPeer          *raw;
  TnDiscoPrivateKey disco;
  TnIpAddress       own[2];
  TnIpAddress       other[2];
  char             *own_text;
} Hostile;

/* Of a device that joined and left: it stays in the tailnet, and whoever has its key is that node. */
static void
take_node_key (const char       *name,
               TnNodePrivateKey *key)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, name, store, TRUE);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_assert_true (kit_start (device, &error));
  tn_state_store_load_async (store, "node-key", NULL, kit_result_cb, &result);
  bytes = tn_state_store_load_finish (store, kit_wait (&result), &error);
  g_assert_no_error (error);
  g_assert_true (tn_node_private_key_parse_len (key, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)));
  kit_stop (device);
}

static void
set_disco_key (const char              *name,
               const TnDiscoPrivateKey *key)
{
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;
  char text[TN_KEY_TEXT_MAX];
  TnDiscoPublicKey public_key;

  tn_disco_private_key_get_public (key, &public_key);
  tn_disco_public_key_print (&public_key, text);
  json = g_strdup_printf ("{\"DiscoKey\":\"%s\"}", text);
  g_assert_true (tn_testkit_control_set_node_json (control (), name, json, &error));
}

static void
hostile_begin (Hostile                *hostile,
               const TnNodePrivateKey *key,
               const TnDiscoPrivateKey *disco,
               guint32                 seed)
{
  g_autoptr (TnTestkitNode) own = tn_testkit_control_lookup_node (control (), "mallory");
  g_autoptr (TnTestkitNode) other = tn_testkit_control_lookup_node (control (), "bob");

  *hostile = (Hostile) { .rand = g_rand_new_with_seed (seed), .disco = *disco };
  hostile->own_text = g_strdup (tn_testkit_node_get_ipv4 (own));
  g_assert_true (tn_ip_address_parse (tn_testkit_node_get_ipv4 (own), &hostile->own[0]));
  g_assert_true (tn_ip_address_parse (tn_testkit_node_get_ipv6 (own), &hostile->own[1]));
  g_assert_true (tn_ip_address_parse (tn_testkit_node_get_ipv4 (other), &hostile->other[0]));
  g_assert_true (tn_ip_address_parse (tn_testkit_node_get_ipv6 (other), &hostile->other[1]));
  hostile->raw = raw_peer_new (relay, key, other);
}

static void
hostile_end (Hostile *hostile)
{
  raw_peer_free (hostile->raw);
  g_rand_free (hostile->rand);
  g_free (hostile->own_text);
}

/* --- What it makes up --- */

static gsize
any (Hostile *hostile,
     gsize    n)
{
  return (gsize) g_rand_int_range (hostile->rand, 0, (gint32) n);
}

static void
fill (Hostile *hostile,
      guint8  *out,
      gsize    len)
{
  for (gsize i = 0; i < len; i++)
    out[i] = (guint8) g_rand_int (hostile->rand);
}

/* A length: short ones are worth more. */
static gsize
any_len (Hostile *hostile)
{
  return any (hostile, any (hostile, 3) == 0 ? SIZE_MAX_ : 100);
}

/* A header that is good, in front of @len bytes that are already there. */
static gsize
put_header (Hostile           *hostile,
            guint8            *packet,
            const TnIpAddress *from,
            const TnIpAddress *to,
            guint8             proto,
            gsize              len)
{
  return tn_ip_header_write (packet, SIZE_MAX_ + TN_IP6_HEADER_LEN, from, to, proto, g_rand_int (hostile->rand) & 0xffff, len);
}

/* Every other one has a checksum that is right. */
static void
put_checksum (Hostile *hostile,
              guint8  *packet,
              gboolean six,
              guint8   proto,
              gsize    at,
              gsize    len)
{
  gsize header = six ? TN_IP6_HEADER_LEN : TN_IP4_HEADER_LEN;
  guint8 *transport = packet + header;
  guint32 sum = 0;

  if (len < at + 2 || any (hostile, 2) == 0)
    return;

  transport[at] = transport[at + 1] = 0;
  if (proto != TN_PROTO_ICMP4)
    sum = tn_checksum_add_pseudo (sum, packet + (six ? 8 : 12), six ? 16 : 4, proto, (guint32) len);
  tn_put_u16be (transport + at, tn_checksum_finish (tn_checksum_add (sum, transport, len)));
}

/* From its own address, so that nothing but the contents speaks against it. */
static void
send_transport (Hostile *hostile,
                guint8   proto4,
                guint8   proto6,
                gsize    checksum_at)
{
  guint8 packet[SIZE_MAX_ + TN_IP6_HEADER_LEN];
  gsize six = any (hostile, 2);
  guint8 proto = six ? proto6 : proto4;
  gsize header = six ? TN_IP6_HEADER_LEN : TN_IP4_HEADER_LEN;
  gsize len = any_len (hostile);

  fill (hostile, packet + header, len);
  g_assert_cmpuint (put_header (hostile, packet, &hostile->own[six], &hostile->other[six], proto, len), ==, header);
  if ((proto == TN_PROTO_TCP || proto == TN_PROTO_UDP) && len >= 14)
    {
      tn_put_u16be (packet + header + 2, any (hostile, 4) == 0 ? (guint16) any (hostile, 65536) : OPEN_PORT);
      if (proto == TN_PROTO_UDP)
        tn_put_u16be (packet + header + 4, (guint16) len);
      else if (any (hostile, 2) == 0)
        packet[header + 12] = (guint8) (0x50 + 16 * any (hostile, 11));
    }
  put_checksum (hostile, packet, six != 0, proto, checksum_at, len);
  raw_peer_send_inside (hostile->raw, packet, any (hostile, 4) == 0 ? any (hostile, header + len + 1) : header + len);
}

static void
send_tcp (Hostile *hostile)
{
  send_transport (hostile, TN_PROTO_TCP, TN_PROTO_TCP, 16);
}

static void
send_udp (Hostile *hostile)
{
  send_transport (hostile, TN_PROTO_UDP, TN_PROTO_UDP, 6);
}

static void
send_icmp (Hostile *hostile)
{
  send_transport (hostile, TN_PROTO_ICMP4, TN_PROTO_ICMP6, 2);
}

static void
send_any_proto (Hostile *hostile)
{
  guint8 proto = (guint8) any (hostile, 256);

  send_transport (hostile, proto, proto, 0);
}

static void
send_noise (Hostile *hostile)
{
  guint8 packet[SIZE_MAX_];
  gsize len = any_len (hostile);

  fill (hostile, packet, len);
  raw_peer_send_inside (hostile->raw, packet, len);
}

/* In another's name: of bob itself, or of anybody. */
static void
send_foreign (Hostile *hostile)
{
  guint8 packet[SIZE_MAX_ + TN_IP6_HEADER_LEN];
  gsize six = any (hostile, 2);
  TnIpAddress from = hostile->other[six];
  gsize len = 20 + any_len (hostile) % 1000;
  gsize header;

  if (any (hostile, 2) == 0)
    fill (hostile, from.bytes, six ? 16 : 4);
  fill (hostile, packet + (six ? TN_IP6_HEADER_LEN : TN_IP4_HEADER_LEN), len);
  header = put_header (hostile, packet, &from, &hostile->other[six], TN_PROTO_UDP, len);
  g_assert_cmpuint (header, >, 0);
  raw_peer_send_inside (hostile->raw, packet, header + len);
}

/* Headers in which single bytes are wrong: lengths, fragments, options. */
static void
send_bent_header (Hostile *hostile)
{
  guint8 packet[SIZE_MAX_ + TN_IP6_HEADER_LEN];
  gsize six = any (hostile, 2);
  gsize header = six ? TN_IP6_HEADER_LEN : TN_IP4_HEADER_LEN;
  gsize len = 8 + any_len (hostile) % 1000;

  fill (hostile, packet + header, len);
  g_assert_cmpuint (put_header (hostile, packet, &hostile->own[six], &hostile->other[six], TN_PROTO_UDP, len), ==, header);
  for (gsize i = 0; i < 1 + any (hostile, 3); i++)
    packet[any (hostile, six ? 8 : 12)] = (guint8) g_rand_int (hostile->rand);
  if (!six)
    {
      packet[10] = packet[11] = 0;
      tn_put_u16be (packet + 10, tn_checksum_finish (tn_checksum_add (0, packet, header)));
    }
  raw_peer_send_inside (hostile->raw, packet, header + len);
}

static void
send_tsmp (Hostile *hostile)
{
  static const guint8 types[] = { TN_TSMP_PING, TN_TSMP_PONG, TN_TSMP_REJECT, TN_TSMP_DISCO };
  guint8 packet[SIZE_MAX_ + TN_IP6_HEADER_LEN];
  gsize six = any (hostile, 2);
  gsize header = six ? TN_IP6_HEADER_LEN : TN_IP4_HEADER_LEN;
  gsize len = any (hostile, 80);

  fill (hostile, packet + header, len);
  if (len > 0)
    packet[header] = types[any (hostile, G_N_ELEMENTS (types))];
  g_assert_cmpuint (put_header (hostile, packet, &hostile->own[six], &hostile->other[six], TN_PROTO_TSMP, len), ==, header);
  raw_peer_send_inside (hostile->raw, packet, header + len);
}

/* Beside the tunnel: anything, with type and size of a message every other time. */
static void
send_outside (Hostile *hostile)
{
  static const gsize sizes[] = { sizeof (TnMessageInitiation), sizeof (TnMessageResponse), sizeof (TnMessageCookie), 100 };
  guint8 datagram[SIZE_MAX_];
  gsize len = any_len (hostile);
  gsize type = any (hostile, 2 * G_N_ELEMENTS (sizes));

  if (type < G_N_ELEMENTS (sizes))
    len = sizes[type];
  fill (hostile, datagram, len);
  if (type < G_N_ELEMENTS (sizes))
    memcpy (datagram, (guint8[]) { (guint8) (1 + type), 0, 0, 0 }, 4);
  raw_peer_send_outside (hostile->raw, datagram, len);
}

/* What was good once: again, altered, or cut. */
static void
send_again (Hostile *hostile)
{
  gsize len;
  const guint8 *sealed = g_bytes_get_data (raw_peer_get_sealed (hostile->raw), &len);
  g_autofree guint8 *copy = g_memdup2 (sealed, len);

  if (len == 0)
    return;
  switch (any (hostile, 3))
    {
    case 0:
      copy[any (hostile, len)] ^= (guint8) (1 + any (hostile, 255));
      break;
    case 1:
      len = any (hostile, len);
      break;
    default:
      break;
    }
  raw_peer_send_outside (hostile->raw, copy, len);
}

/* In a box that opens, every other time. */
static void
send_disco (Hostile *hostile)
{
  TnDiscoPrivateKey other = hostile->disco;
  guint8 plain[300];
  gsize len = any (hostile, sizeof plain);

  fill (hostile, plain, len);
  if (len >= 2)
    {
      plain[0] = (guint8) (1 + any (hostile, 10));
      plain[1] = 0;
    }
  if (any (hostile, 2) == 0)
    tn_disco_private_key_generate (&other);
  raw_peer_send_disco (hostile->raw, &other, plain, len);
}

static void (* const kinds[]) (Hostile *) = {
  send_noise, send_any_proto, send_tcp, send_udp, send_icmp, send_foreign, send_bent_header, send_tsmp, send_outside, send_again, send_disco,
};

/* --- The test --- */

typedef struct
{
  Hostile *hostile;
  guint    n_left;
  gboolean outside_only;
} Flood;

static gboolean
flood_cb (gpointer data)
{
  Flood *flood = data;

  for (guint i = 0; i < N_AT_ONCE && flood->n_left > 0 && raw_peer_is_writable (flood->hostile->raw); i++, flood->n_left--)
    {
      if (flood->outside_only)
        send_outside (flood->hostile);
      else
        kinds[any (flood->hostile, G_N_ELEMENTS (kinds))](flood->hostile);
    }
  return flood->n_left > 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
is_spent (gpointer data)
{
  return ((Flood *) data)->n_left == 0;
}

static GSource *
flood_start (Flood *flood)
{
  GSource *source = g_idle_source_new ();

  g_source_set_callback (source, flood_cb, flood, NULL);
  g_source_attach (source, NULL);
  return source;
}

/* What bob counted, as it says at its end: name -> number. */
static GHashTable *counted;
static GMutex counted_lock;

static void
log_cb (const char     *domain,
        GLogLevelFlags  level,
        const char     *message,
        gpointer        data)
{
  guint64 n;
  char what[32], name[32];

  if (sscanf (message, "dropped %" G_GINT64_MODIFIER "u %31[a-z ]: %31s", &n, what, name) != 3)
    return;
  g_mutex_lock (&counted_lock);
  if (counted != NULL)
    g_hash_table_insert (counted, g_strdup_printf ("%s: %s", what, name), g_memdup2 (&n, sizeof n));
  g_mutex_unlock (&counted_lock);
}

static guint64
get_counted (const char *name)
{
  guint64 *n = g_hash_table_lookup (counted, name);

  return n != NULL ? *n : 0;
}

static void
stop_and_count (TnDevice *device)
{
  guint id = g_log_set_handler ("tailnet", G_LOG_LEVEL_DEBUG, log_cb, NULL);

  counted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  kit_stop (device);
  g_log_remove_handler ("tailnet", id);
}

static void
check_counted (void)
{
  static const char *const names[] = {
    "packets: malformed", "packets: unknown-sender", "packets: source", "packets: filter", "packets: disco",
    "datagrams in tunnels: malformed", "datagrams in tunnels: authentication", "datagrams in tunnels: replay",
    "datagrams in tunnels: inner", "datagrams in tunnels: unknown-index", "datagrams in tunnels: mac1",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_test_message ("%s: %" G_GUINT64_FORMAT, names[i], get_counted (names[i]));
      g_assert_cmpuint (get_counted (names[i]), >, 0);
    }
  g_clear_pointer (&counted, g_hash_table_unref);
}

static void
check_all_is_well (Good *good)
{
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (tn_device_get_state (good->bob), ==, TN_DEVICE_STATE_RUNNING);
  g_assert_cmpuint (g_list_model_get_n_items (tn_device_get_health (good->bob)), ==, 0);
  kit_echo (good->client, good->server, "still there");
  client = kit_connect (good->ada, "bob", OPEN_PORT, &error);      /* where the other one knocked all the time */
  g_assert_no_error (error);
}

static void
run_seed (guint32 seed)
{
  Hostile mallory, stranger;
  TnDiscoPrivateKey disco;
  TnNodePrivateKey key, none;
  KitTransfer *transfer;
  GSource *sources[2];
  Flood floods[2];
  Good good;

  g_test_message ("seed %u", seed);
  take_node_key ("mallory", &key);
  tn_disco_private_key_generate (&disco);
  set_disco_key ("mallory", &disco);
  good_begin (&good);
  hostile_begin (&mallory, &key, &disco, seed);
  tn_node_private_key_generate (&none);
  hostile_begin (&stranger, &none, &disco, ~seed);
  raw_peer_shake_hands (mallory.raw);

  floods[0] = (Flood) { &mallory, N_PACKETS, FALSE };
  floods[1] = (Flood) { &stranger, N_PACKETS / 20, TRUE };
  transfer = kit_transfer_start (good.client, good.server, 2 << 20, seed);
  for (guint i = 0; i < 2; i++)
    sources[i] = flood_start (&floods[i]);
  for (guint i = 0; i < 2; i++)
    kit_wait_for ("the flood to end", is_spent, &floods[i]);
  raw_peer_wait_answer (mallory.raw, mallory.own_text);
  kit_transfer_finish (transfer);
  check_all_is_well (&good);
  end_reading (&good);
  stop_and_count (good.bob);
  check_counted ();

  for (guint i = 0; i < 2; i++)
    g_source_unref (sources[i]);
  hostile_end (&mallory);
  hostile_end (&stranger);
  good_end (&good);
  g_assert_true (tn_testkit_control_delete_node (control (), "mallory", NULL));
}

static void
test_peer (void)
{
  tn_test_run_seeds (2, run_seed);
}

/* --- A relay out of its mind --- */

typedef struct
{
  GRand *rand;
  guint  n_left;
} Babble;

/* A frame of some type, one of them of a length that none may have: the connection is good for nothing any more then. Not of the
 * types that only tell when to come back, which would take the test its time. */
static gboolean
babble_cb (gpointer data)
{
  Babble *babble = data;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gsize len = (gsize) g_rand_int_range (babble->rand, 0, 200);
  guint8 head[5];

  do
    head[0] = (guint8) g_rand_int_range (babble->rand, 0, 32);
  while (head[0] == TN_DERP_SERVER_INFO || head[0] == TN_DERP_RESTARTING);
  tn_put_u32be (head + 1, babble->n_left == N_FRAMES / 2 ? G_MAXUINT32 : (guint32) len);
  g_byte_array_append (bytes, head, sizeof head);
  for (gsize i = 0; i < len; i++)
    g_byte_array_append (bytes, (guint8[]) { (guint8) g_rand_int (babble->rand) }, 1);
  if (tn_testkit_derp_get_n_clients (relay) > 0)
    {
      g_autoptr (GBytes) frame = g_bytes_new (bytes->data, bytes->len);

      tn_testkit_derp_send_bytes (relay, frame);
      babble->n_left--;
    }
  return babble->n_left > 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
has_fallen_silent (gpointer data)
{
  return ((Babble *) data)->n_left == 0;
}

static void
run_relay_seed (guint32 seed)
{
  Babble babble = { g_rand_new_with_seed (seed), N_FRAMES };
  g_autoptr (GSource) source = g_timeout_source_new (5);      /* between frames that are good */
  KitTransfer *transfer;
  Good good;

  g_test_message ("seed %u", seed);
  good_begin (&good);
  transfer = kit_transfer_start (good.client, good.server, 1 << 20, seed);
  g_source_set_callback (source, babble_cb, &babble, NULL);
  g_source_attach (source, NULL);
  kit_wait_for ("the relay to fall silent", has_fallen_silent, &babble);
  kit_transfer_finish (transfer);
  kit_echo (good.client, good.server, "still there");
  g_assert_cmpint (tn_device_get_state (good.bob), ==, TN_DEVICE_STATE_RUNNING);
  good_end (&good);
  g_rand_free (babble.rand);
}

static void
test_relay (void)
{
  tn_test_run_seeds (2, run_relay_seed);
}

static void
use_own_relay (void)
{
  g_autofree char *map = NULL;
  g_autoptr (GError) error = NULL;

  stun = tn_testkit_stun_new ();
  g_assert_true (tn_testkit_stun_start (stun, &error));
  relay = tn_testkit_derp_new (REGION);
  tn_testkit_derp_set_stun_port (relay, tn_testkit_stun_get_port (stun));
  g_assert_true (tn_testkit_derp_start (relay, &error));
  map = tn_testkit_derp_dup_map_json (relay);
  g_assert_true (tn_testkit_control_set_derp_map_json (control (), map, &error));
  g_assert_true (tn_testkit_control_set_packet_filter_json (
    control (), "[{\"SrcIPs\":[\"*\"],\"DstPorts\":[{\"IP\":\"*\",\"Ports\":{\"First\":80,\"Last\":80}},"
                "{\"IP\":\"*\",\"Ports\":{\"First\":1000,\"Last\":1000}}]}]", &error));
}

int
main (int    argc,
      char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  tailnet = kit_tailnet_new ();
  use_own_relay ();
  g_test_add_func ("/device/embedded-hostile/peer", test_peer);
  g_test_add_func ("/device/embedded-hostile/relay", test_relay);
  code = g_test_run ();
  tn_testkit_derp_stop (relay);
  g_object_unref (relay);
  g_object_unref (stun);
  g_object_unref (tailnet);
  return code;
}
