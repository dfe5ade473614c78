/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-box.h"
#include "tn-paths.h"

/* A node with the engine, whose packets wait in its outbox. */
typedef struct
{
  TnDiscoPrivateKey private_key;
  TnDiscoPublicKey  disco_key;
  TnNodePublicKey   node_key;
  TnPaths          *paths;
  GQueue            outbox;        /* of GBytes */
  TnPathAddress     sent_to;
  guint64           done;
  gboolean          has_pong;
  TnPathsPong       pong;
  guint             n_calls;
  TnIpEndpoint      endpoints[TN_PATHS_MAX_ENDPOINTS];
  guint             n_endpoints;
} Node;

static void
node_send (gpointer user_data, const TnPathAddress *to, const guint8 *packet, gsize len)
{
  Node *node = user_data;

  node->sent_to = *to;
  g_queue_push_tail (&node->outbox, g_bytes_new (packet, len));
}

static void
node_ping_done (gpointer user_data, guint64 ping, const TnPathsPong *pong)
{
  Node *node = user_data;

  node->done = ping;
  node->has_pong = pong != NULL;
  if (pong != NULL)
    node->pong = *pong;
}

static void
node_call_me_maybe (gpointer user_data, const TnNodePublicKey *peer, const TnIpEndpoint *endpoints, guint n)
{
  Node *node = user_data;

  node->n_calls++;
  node->n_endpoints = n;
  memcpy (node->endpoints, endpoints, n * sizeof *endpoints);
}

static const TnPathsHooks hooks = { node_send, node_ping_done, node_call_me_maybe, NULL };

static void
node_init (Node *node)
{
  TnNodePrivateKey key;

  memset (node, 0, sizeof *node);
  tn_disco_private_key_generate (&node->private_key);
  tn_disco_private_key_get_public (&node->private_key, &node->disco_key);
  tn_node_private_key_generate (&key);
  tn_node_private_key_get_public (&key, &node->node_key);
  node->paths = tn_paths_new (&node->private_key, &node->node_key, &hooks, node);
}

static void
node_clear (Node *node)
{
  g_queue_clear_full (&node->outbox, (GDestroyNotify) g_bytes_unref);
  tn_paths_free (node->paths);
}

typedef struct
{
  Node a, b;
} Fixture;

static void
set_up (Fixture *f, gconstpointer user_data)
{
  node_init (&f->a);
  node_init (&f->b);
  tn_paths_set_peer (f->a.paths, &f->b.node_key, &f->b.disco_key);
  tn_paths_set_peer (f->b.paths, &f->a.node_key, &f->a.disco_key);
}

static void
tear_down (Fixture *f, gconstpointer user_data)
{
  node_clear (&f->a);
  node_clear (&f->b);
}

static TnPathAddress
relay_path (const Node *node)
{
  return (TnPathAddress) { .kind = TN_PATH_ADDRESS_RELAY, .relay = { 7, node->node_key } };
}

static TnPathAddress
udp_path (const char *text)
{
  TnPathAddress path = { .kind = TN_PATH_ADDRESS_UDP, .udp.vni = TN_PATH_NO_VNI };

  g_assert_true (tn_ip_endpoint_parse (text, &path.udp.endpoint));
  return path;
}

/* Hands the next packet of @from to @to, as coming by @path. */
static gboolean
deliver (Node *from, Node *to, TnPathAddress path, gint64 now_us)
{
  g_autoptr (GBytes) packet = g_queue_pop_head (&from->outbox);
  gsize len;
  const guint8 *data;

  g_assert_nonnull (packet);
  data = g_bytes_get_data (packet, &len);
  return tn_paths_receive (to->paths, data, len, &path, now_us);
}

static void
send_plain (Node *from, Node *to, const guint8 *plain, gsize len)
{
  g_autofree guint8 *packet = g_malloc (len + TN_DISCO_OVERHEAD);
  guint8 shared[32], nonce[TN_DISCO_NONCE_LEN];

  g_assert_true (tn_box_precompute (shared, from->private_key.bytes, to->disco_key.bytes));
  tn_random (nonce, sizeof nonce);
  tn_disco_seal (shared, &from->disco_key, nonce, plain, len, packet);
  g_queue_push_tail (&from->outbox, g_bytes_new (packet, len + TN_DISCO_OVERHEAD));
}

static void
test_ping_by_relay (Fixture *f, gconstpointer user_data)
{
  TnPathAddress to = relay_path (&f->b);
  char text[TN_IP_ENDPOINT_TEXT_MAX];
  guint64 ping = tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 1000);

  g_assert_cmpuint (ping, !=, 0);
  g_assert_cmpuint (g_bytes_get_size (g_queue_peek_head (&f->a.outbox)), ==, 124);
  g_assert_true (tn_path_address_equal (&f->a.sent_to, &to));
  g_assert_true (deliver (&f->a, &f->b, relay_path (&f->a), 5));
  g_assert_cmpuint (g_bytes_get_size (g_queue_peek_head (&f->b.outbox)), ==, 110);
  g_assert_true (tn_node_public_key_equal (&f->b.sent_to.relay.key, &f->a.node_key));
  g_assert_true (deliver (&f->b, &f->a, relay_path (&f->b), 31000));

  g_assert_cmpuint (f->a.done, ==, ping);
  g_assert_true (f->a.has_pong);
  g_assert_cmpint (f->a.pong.latency_us, ==, 30000);
  g_assert_cmpuint (f->a.pong.path.relay.region, ==, 7);
  tn_ip_endpoint_print (&f->a.pong.seen_as, text);
  g_assert_cmpstr (text, ==, "127.3.3.40:7");
  g_assert_cmpint (tn_paths_deadline (f->a.paths), ==, G_MAXINT64);
}

static void
test_ping_by_udp (Fixture *f, gconstpointer user_data)
{
  TnPathAddress to = udp_path ("192.0.2.2:41641");
  char text[TN_IP_ENDPOINT_TEXT_MAX];

  tn_paths_ping (f->a.paths, &f->b.node_key, &to, 1000, 0);
  g_assert_cmpuint (g_bytes_get_size (g_queue_peek_head (&f->a.outbox)), ==, 1000);
  g_assert_true (deliver (&f->a, &f->b, udp_path ("[2001:db8::1]:9"), 0));
  g_assert_true (deliver (&f->b, &f->a, udp_path ("192.0.2.3:1"), 5));      /* another source than the target: allowed */
  g_assert_true (f->a.has_pong);
  tn_ip_endpoint_print (&f->a.pong.seen_as, text);
  g_assert_cmpstr (text, ==, "[2001:db8::1]:9");
}

static void
test_timeout (Fixture *f, gconstpointer user_data)
{
  TnPathAddress to = relay_path (&f->b);
  guint64 first = tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 0);
  guint64 second = tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 10);

  g_assert_cmpint (tn_paths_deadline (f->a.paths), ==, TN_PATHS_PING_TIMEOUT_US);
  tn_paths_expire (f->a.paths, TN_PATHS_PING_TIMEOUT_US - 1);
  g_assert_cmpuint (f->a.done, ==, 0);
  tn_paths_expire (f->a.paths, TN_PATHS_PING_TIMEOUT_US);
  g_assert_cmpuint (f->a.done, ==, first);
  g_assert_false (f->a.has_pong);

  /* Too late. */
  g_assert_true (deliver (&f->a, &f->b, relay_path (&f->a), 0));
  g_assert_false (deliver (&f->b, &f->a, relay_path (&f->b), TN_PATHS_PING_TIMEOUT_US));
  g_assert_cmpuint (tn_paths_get_drops (f->a.paths, TN_PATHS_DROP_UNKNOWN_PING), ==, 1);

  tn_paths_cancel_ping (f->a.paths, second);
  tn_paths_expire (f->a.paths, G_MAXINT64 - 1);
  g_assert_cmpuint (f->a.done, ==, first);
}

/* A pong is good once, and only from the peer that was pinged. */
static void
test_pong_bound (Fixture *f, gconstpointer user_data)
{
  TnPathAddress to = relay_path (&f->b);
  g_autoptr (GBytes) pong = NULL;
  Node c;

  node_init (&c);
  tn_paths_set_peer (f->a.paths, &c.node_key, &c.disco_key);
  tn_paths_set_peer (c.paths, &f->a.node_key, &f->a.disco_key);

  tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 0);
  g_assert_true (deliver (&f->a, &f->b, relay_path (&f->a), 0));
  pong = g_bytes_ref (g_queue_peek_head (&f->b.outbox));
  g_assert_true (deliver (&f->b, &f->a, relay_path (&f->b), 1));
  g_queue_push_tail (&f->b.outbox, g_bytes_ref (pong));
  g_assert_false (deliver (&f->b, &f->a, relay_path (&f->b), 2));

  {
    guint8 plain[2 + TN_DISCO_TXID_LEN + TN_DISCO_ENDPOINT_LEN] = { TN_DISCO_PONG };
    TnDiscoMessage message;
    GBytes *ping;
    guint8 opened[256], shared[32];

    f->a.done = 0;
    tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 10);
    ping = g_queue_peek_head (&f->a.outbox);
    g_assert_true (tn_box_precompute (shared, f->b.private_key.bytes, f->a.disco_key.bytes));
    g_assert_true (tn_disco_open (shared, g_bytes_get_data (ping, NULL), g_bytes_get_size (ping), opened));
    g_assert_true (tn_disco_parse (&message, opened, g_bytes_get_size (ping) - TN_DISCO_OVERHEAD));
    memcpy (plain + 2, &message.ping.txid, TN_DISCO_TXID_LEN);
    send_plain (&c, &f->a, plain, sizeof plain);
    g_assert_false (deliver (&c, &f->a, relay_path (&c), 11));
    g_assert_cmpuint (f->a.done, ==, 0);
  }
  node_clear (&c);
}

static void
test_strangers (Fixture *f, gconstpointer user_data)
{
  TnPathAddress to = relay_path (&f->b);
  TnPathAddress from_stranger = relay_path (&f->b);
  TnDiscoPublicKey none = { { 0 } };

  /* The relay says it came from somebody else. */
  tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 0);
  g_assert_false (deliver (&f->a, &f->b, from_stranger, 0));
  g_assert_cmpuint (tn_paths_get_drops (f->b.paths, TN_PATHS_DROP_NOT_HERE), ==, 1);

  tn_paths_remove_peer (f->b.paths, &f->a.node_key);
  tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 0);
  g_assert_false (deliver (&f->a, &f->b, relay_path (&f->a), 0));
  g_assert_cmpuint (tn_paths_get_drops (f->b.paths, TN_PATHS_DROP_UNKNOWN_SENDER), ==, 1);
  g_assert_true (g_queue_is_empty (&f->b.outbox));

  tn_paths_set_peer (f->a.paths, &f->b.node_key, &none);
  g_assert_false (f->a.has_pong);
  g_assert_cmpuint (f->a.done, !=, 0);                     /* its pings ended with it */
  g_assert_cmpuint (tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 0), ==, 0);
}

static void
test_low_order (Fixture *f, gconstpointer user_data)
{
  TnDiscoPublicKey one = { { 1 } };
  TnPathAddress to = relay_path (&f->b);
  guint8 packet[124] = { 'T', 'S', 0xf0, 0x9f, 0x92, 0xac, 1 };

  tn_paths_set_peer (f->a.paths, &f->b.node_key, &one);
  g_assert_cmpuint (tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 0), ==, 0);
  g_assert_false (tn_paths_receive (f->a.paths, packet, sizeof packet, &to, 0));
  g_assert_cmpuint (tn_paths_get_drops (f->a.paths, TN_PATHS_DROP_AUTHENTICATION), ==, 1);
}

/* The peer started anew; two peers with one key are told apart. */
static void
test_keys_change (Fixture *f, gconstpointer user_data)
{
  TnPathAddress to = relay_path (&f->b);
  TnNodePublicKey other = { { 9 } };
  Node c;

  node_init (&c);
  tn_paths_set_peer (f->b.paths, &other, &f->a.disco_key);
  tn_paths_set_peer (f->b.paths, &f->a.node_key, &c.disco_key);
  tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 0);
  g_assert_false (deliver (&f->a, &f->b, relay_path (&f->a), 0));

  tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 0);
  {
    TnPathAddress from_other = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { 7, other } };

    g_assert_true (deliver (&f->a, &f->b, from_other, 0));
  }
  node_clear (&c);
}

static void
test_malformed (Fixture *f, gconstpointer user_data)
{
  static const guint8 unknown[] = { 99, 0, 1, 2, 3 };
  static const guint8 request[70] = { TN_DISCO_ALLOCATE_REQUEST };
  TnPathAddress from = relay_path (&f->a);
  TnPathAddress to = relay_path (&f->b);
  const guint8 *data;
  gsize len;

  send_plain (&f->a, &f->b, unknown, sizeof unknown);
  g_assert_false (deliver (&f->a, &f->b, from, 0));
  send_plain (&f->a, &f->b, unknown, 0);
  g_assert_false (deliver (&f->a, &f->b, from, 0));
  g_assert_cmpuint (tn_paths_get_drops (f->b.paths, TN_PATHS_DROP_MALFORMED), ==, 2);
  send_plain (&f->a, &f->b, request, sizeof request);
  g_assert_false (deliver (&f->a, &f->b, from, 0));
  g_assert_cmpuint (tn_paths_get_drops (f->b.paths, TN_PATHS_DROP_NOT_HERE), ==, 1);

  tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, 0);
  data = g_bytes_get_data (g_queue_peek_head (&f->a.outbox), &len);
  for (gsize n = 0; n < len; n++)
    {
      g_autofree guint8 *prefix = g_memdup2 (data, MAX (n, 1));

      g_assert_false (tn_paths_receive (f->b.paths, prefix, n, &from, 0));
    }
  g_assert_true (g_queue_is_empty (&f->b.outbox));
}

static void
test_call_me_maybe (Fixture *f, gconstpointer user_data)
{
  static const char *const texts[] = {
    "192.0.2.1:1", "192.0.2.1:0", "0.0.0.0:5", "224.0.0.1:5", "255.255.255.255:5", "127.3.3.40:5", "[::]:5", "[ff02::1]:5",
    "[fe80::1]:5", "[2001:db8::1]:5", "10.0.0.1:5",
  };
  guint8 plain[2 + 60 * TN_DISCO_ENDPOINT_LEN] = { TN_DISCO_CALL_ME_MAYBE };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      TnPathAddress path = udp_path (texts[i]);

      tn_disco_endpoint_put (&path.udp.endpoint, plain + 2 + i * TN_DISCO_ENDPOINT_LEN);
    }
  send_plain (&f->a, &f->b, plain, 2 + G_N_ELEMENTS (texts) * TN_DISCO_ENDPOINT_LEN);
  g_assert_false (deliver (&f->a, &f->b, udp_path ("192.0.2.9:9"), 0));      /* only by a relay */
  g_assert_cmpuint (f->b.n_calls, ==, 0);

  send_plain (&f->a, &f->b, plain, 2 + G_N_ELEMENTS (texts) * TN_DISCO_ENDPOINT_LEN);
  g_assert_true (deliver (&f->a, &f->b, relay_path (&f->a), 0));
  g_assert_cmpuint (f->b.n_calls, ==, 1);
  g_assert_cmpuint (f->b.n_endpoints, ==, 3);
  g_assert_cmpuint (f->b.endpoints[1].address.version, ==, 6);

  for (guint i = 0; i < 60; i++)
    memcpy (plain + 2 + i * TN_DISCO_ENDPOINT_LEN, plain + 2, TN_DISCO_ENDPOINT_LEN);
  send_plain (&f->a, &f->b, plain, sizeof plain);
  g_assert_true (deliver (&f->a, &f->b, relay_path (&f->a), 0));
  g_assert_cmpuint (f->b.n_endpoints, ==, TN_PATHS_MAX_ENDPOINTS);
}

/* Answers are rationed, and come again with time. */
static void
test_flood (Fixture *f, gconstpointer user_data)
{
  TnPathAddress to = relay_path (&f->b);
  gint64 now_us = G_USEC_PER_SEC * 1000;
  guint answered = 0;

  for (guint i = 0; i < 1000; i++)
    {
      tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, now_us);
      answered += deliver (&f->a, &f->b, relay_path (&f->a), now_us) ? 1 : 0;
    }
  g_assert_cmpuint (answered, ==, 60);
  g_assert_cmpuint (tn_paths_get_drops (f->b.paths, TN_PATHS_DROP_RATE), ==, 940);

  tn_paths_ping (f->a.paths, &f->b.node_key, &to, 0, now_us);
  g_assert_true (deliver (&f->a, &f->b, relay_path (&f->a), now_us + G_USEC_PER_SEC / 20));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/paths/paths/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("ping-by-relay", test_ping_by_relay);
  ADD ("ping-by-udp", test_ping_by_udp);
  ADD ("timeout", test_timeout);
  ADD ("pong-bound", test_pong_bound);
  ADD ("strangers", test_strangers);
  ADD ("low-order", test_low_order);
  ADD ("keys-change", test_keys_change);
  ADD ("malformed", test_malformed);
  ADD ("call-me-maybe", test_call_me_maybe);
  ADD ("flood", test_flood);
  return g_test_run ();
}
