/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "contract-underlay.h"

#include <string.h>

#define REGION 1
#define LIMIT_US (30 * G_USEC_PER_SEC)
#define MAX_HELD 1000000     /* a queue of more datagrams than this is no bound */

typedef struct
{
  TnUnderlayTransport *transport;
  TnNodePrivateKey     key;
  TnPathAddress        address;
  GPtrArray           *received;     /* of GBytes */
  GArray              *sources;      /* of TnPathAddress */
  guint                n_writable;
  guint                n_gone;
  gboolean             up;
  gboolean             stopped;      /* no callback may come */
  gboolean             sending;      /* nor from inside send() */
  GThread             *thread;
} Node;

typedef struct
{
  const ContractUnderlay *contract;
  gpointer                network;
  Node                    a;
  Node                    b;
} Fixture;

static void
check_callback (Node                *node,
                TnUnderlayTransport *transport)
{
  g_assert_true (transport == node->transport);
  g_assert_true (g_thread_self () == node->thread);
  g_assert_false (node->stopped);
  g_assert_false (node->sending);
}

static void
receive_cb (gpointer             user_data,
            TnUnderlayTransport *transport,
            TnPacketBatch       *batch,
            const TnPathAddress *from)
{
  Node *node = user_data;

  check_callback (node, transport);
  g_assert_cmpuint (batch->n_packets, >, 0);
  for (guint i = 0; i < batch->n_packets; i++)
    {
      TnPacket *packet = &batch->packets[i];
      guint32 size = packet->segment_size != 0 ? packet->segment_size : packet->len;
      guint32 offset = 0;

      g_assert_cmpuint (packet->segment_size, <=, packet->len);
      do
        {
          g_ptr_array_add (node->received, g_bytes_new (packet->data + offset, MIN (size, packet->len - offset)));
          g_array_append_val (node->sources, from[i]);
          offset += size;
        }
      while (offset < packet->len);

      /* The receiver may write on it: nobody else may look at it afterwards. */
      memset (packet->data, 0xdb, packet->len);
    }
}

static void
writable_cb (gpointer             user_data,
             TnUnderlayTransport *transport,
             const TnPathAddress *to)
{
  Node *node = user_data;

  check_callback (node, transport);
  g_assert_cmpint (to->kind, ==, TN_UNDERLAY_TRANSPORT_GET_IFACE (transport)->kind);
  if (to->kind == TN_PATH_ADDRESS_RELAY)
    g_assert_cmpuint (to->relay.region, ==, REGION);
  else
    g_assert_cmpuint (to->udp.endpoint.address.version, ==, 4);
  node->n_writable++;
}

static void
path_gone_cb (gpointer             user_data,
              TnUnderlayTransport *transport,
              const TnPathAddress *path)
{
  Node *node = user_data;

  check_callback (node, transport);
  node->n_gone++;
}

static void
link_state_cb (gpointer             user_data,
               TnUnderlayTransport *transport,
               guint                region,
               TnUnderlayLinkState  state,
               const GError        *error)
{
  Node *node = user_data;

  check_callback (node, transport);
  if (region == REGION)
    node->up = state == TN_UNDERLAY_LINK_UP;
}

static const TnUnderlayCallbacks callbacks = {
  .receive = receive_cb, .writable = writable_cb, .path_gone = path_gone_cb, .link_state = link_state_cb,
};

static gboolean
wake_cb (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* Runs the context until @done, and fails after a generous while. */
#define WAIT_FOR(done)                                                        \
  G_STMT_START {                                                              \
    gint64 wait_end_us = g_get_monotonic_time () + LIMIT_US;                  \
    guint wait_id = g_timeout_add (1000, wake_cb, NULL);                      \
    while (!(done) && g_get_monotonic_time () < wait_end_us)                  \
      g_main_context_iteration (NULL, TRUE);                                  \
    g_source_remove (wait_id);                                                \
    g_assert_true (done);                                                     \
  } G_STMT_END

static TnUnderlayTransportInterface *
iface (Node *node)
{
  return TN_UNDERLAY_TRANSPORT_GET_IFACE (node->transport);
}

static gboolean
is_relay (Node *node)
{
  return iface (node)->kind == TN_PATH_ADDRESS_RELAY;
}

static void
join_relay (Fixture *fixture,
            Node    *node)
{
  g_autoptr (TnRelayMap) map = fixture->contract->dup_map (fixture->network);

  iface (node)->set_relay_map (node->transport, map);
  iface (node)->set_home (node->transport, REGION);
  WAIT_FOR (node->up);
  node->address.kind = TN_PATH_ADDRESS_RELAY;
  node->address.relay.region = REGION;
  tn_node_private_key_get_public (&node->key, &node->address.relay.key);
}

static void
find_port (Node *node)
{
  const guint8 loopback[] = { 127, 0, 0, 1 };

  node->address = (TnPathAddress) { .kind = TN_PATH_ADDRESS_UDP, .udp = { .vni = TN_PATH_NO_VNI } };
  node->address.udp.endpoint.address = tn_ip_address_from_bytes (loopback, sizeof loopback);
  node->address.udp.endpoint.port = iface (node)->get_port (node->transport, 4);
  g_assert_cmpuint (node->address.udp.endpoint.port, !=, 0);
}

static gboolean
try_start (Node    *node,
           GError **error)
{
  TnUnderlayConfig config = { .context = g_main_context_default (), .node_key = &node->key, .app_name = "contract" };

  return iface (node)->start (node->transport, &config, &callbacks, node, error);
}

static void
node_start (Fixture *fixture,
            Node    *node)
{
  g_autoptr (GError) error = NULL;

  node->stopped = node->up = FALSE;
  try_start (node, &error);
  g_assert_no_error (error);
  if (is_relay (node))
    join_relay (fixture, node);
  else
    find_port (node);
}

static void
node_stop (Node *node)
{
  iface (node)->stop (node->transport);
  node->stopped = TRUE;
}

static void
node_init (Fixture *fixture,
           Node    *node)
{
  node->transport = fixture->contract->create (fixture->network);
  node->received = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  node->sources = g_array_new (FALSE, FALSE, sizeof (TnPathAddress));
  node->thread = g_thread_self ();
  tn_node_private_key_generate (&node->key);
  node_start (fixture, node);
}

static void
node_clear (Node *node)
{
  node_stop (node);
  g_object_unref (node->transport);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_ptr_array_unref (node->received);
  g_array_unref (node->sources);
  tn_node_private_key_clear (&node->key);
}

static guint
node_send (Node          *node,
           Node          *to,
           TnPacketBatch *batch,
           guint          first,
           TnSendFlags    flags)
{
  guint n_taken;

  node->sending = to->sending = TRUE;
  n_taken = iface (node)->send (node->transport, &to->address, batch, first, flags);
  node->sending = to->sending = FALSE;
  g_assert_cmpuint (n_taken, <=, batch->n_packets - first);
  return n_taken;
}

/* The first eight bytes are @number, the rest follows from it. */
static void
append_numbered (TnPacketBatch *batch,
                 guint64        number,
                 gsize          len)
{
  TnPacket *packet = tn_packet_batch_append (batch, len);

  g_assert_nonnull (packet);
  for (gsize i = 0; i < len; i++)
    packet->data[i] = (guint8) (number * 7 + i);
  memcpy (packet->data, &number, MIN (len, sizeof number));
}

static guint64
number_of (GBytes *bytes)
{
  guint64 number;
  gsize len;
  const guint8 *data = g_bytes_get_data (bytes, &len);

  g_assert_cmpuint (len, >=, sizeof number);
  memcpy (&number, data, sizeof number);
  for (gsize i = sizeof number; i < len; i++)
    g_assert_cmpuint (data[i], ==, (guint8) (number * 7 + i));
  return number;
}

static void
test_deliver (Fixture       *fixture,
              gconstpointer  data)
{
  const gsize lens[] = { 1, 8, 100, 1280, 1432, fixture->contract->max_len };
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096 + fixture->contract->max_len);

  for (guint i = 0; i < G_N_ELEMENTS (lens); i++)
    append_numbered (batch, i, lens[i]);
  g_assert_cmpuint (node_send (&fixture->a, &fixture->b, batch, 0, TN_SEND_NONE), ==, batch->n_packets);
  WAIT_FOR (fixture->b.received->len == G_N_ELEMENTS (lens));
  for (guint i = 0; i < G_N_ELEMENTS (lens); i++)
    {
      GBytes *bytes = g_ptr_array_index (fixture->b.received, i);

      g_assert_cmpuint (g_bytes_get_size (bytes), ==, lens[i]);
      if (lens[i] >= 8)
        g_assert_cmpuint (number_of (bytes), ==, i);
      g_assert_true (tn_path_address_equal (&g_array_index (fixture->b.sources, TnPathAddress, i), &fixture->a.address));
    }
  g_assert_cmpuint (fixture->a.received->len, ==, 0);
}

static void
test_first (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);

  /* Only what is from @first on; and back the way that receive() named. */
  for (guint i = 0; i < 4; i++)
    append_numbered (batch, i, 64);
  g_assert_cmpuint (node_send (&fixture->a, &fixture->b, batch, 3, TN_SEND_NONE), ==, 1);
  WAIT_FOR (fixture->b.received->len == 1);
  g_assert_cmpuint (number_of (g_ptr_array_index (fixture->b.received, 0)), ==, 3);

  fixture->a.address = g_array_index (fixture->b.sources, TnPathAddress, 0);
  g_assert_cmpuint (node_send (&fixture->b, &fixture->a, batch, 2, TN_SEND_URGENT), ==, 2);
  WAIT_FOR (fixture->a.received->len == 2);
}

/* A path that cannot be served takes everything, and others are as they were. */
static void
test_no_way (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  TnPathAddress way = fixture->b.address;

  append_numbered (batch, 1, 64);
  append_numbered (batch, 2, 64);
  if (is_relay (&fixture->b))
    fixture->b.address.relay.region = 4711;
  else
    fixture->b.address.udp.vni = 4711;
  g_assert_cmpuint (node_send (&fixture->a, &fixture->b, batch, 0, TN_SEND_NONE), ==, 2);
  fixture->b.address.kind = is_relay (&fixture->b) ? TN_PATH_ADDRESS_UDP : TN_PATH_ADDRESS_RELAY;
  g_assert_cmpuint (node_send (&fixture->a, &fixture->b, batch, 0, TN_SEND_URGENT), ==, 2);

  fixture->b.address = way;
  g_assert_cmpuint (node_send (&fixture->a, &fixture->b, batch, 1, TN_SEND_NONE), ==, 1);
  WAIT_FOR (fixture->b.received->len == 1);
  g_assert_cmpuint (number_of (g_ptr_array_index (fixture->b.received, 0)), ==, 2);
}

static void
test_nobody (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  TnPathAddress somebody = fixture->b.address;

  append_numbered (batch, 1, 64);
  if (is_relay (&fixture->b))
    fixture->b.address.relay.key.bytes[5] ^= 1;
  else
    fixture->b.address.udp.endpoint.port = 9;
  g_assert_cmpuint (node_send (&fixture->a, &fixture->b, batch, 0, TN_SEND_NONE), ==, 1);
  if (fixture->contract->tells_gone)
    WAIT_FOR (fixture->a.n_gone > 0);

  fixture->b.address = somebody;
  g_assert_cmpuint (node_send (&fixture->a, &fixture->b, batch, 0, TN_SEND_NONE), ==, 1);
  WAIT_FOR (fixture->b.received->len == 1);
}

/* What was taken is no business of the sender's any more: it may write over it. */
static void
test_own_bytes (Fixture       *fixture,
                gconstpointer  data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (TN_PACKET_BATCH_MAX * 1400);

  for (guint round = 0; round < 4; round++)
    {
      guint n = fixture->b.received->len;

      tn_packet_batch_reset (batch);
      for (guint i = 0; i < 32; i++)
        append_numbered (batch, 100 * round + i, 1280 - 10 * (i % 3));
      g_assert_cmpuint (node_send (&fixture->a, &fixture->b, batch, 0, (round & 1) != 0 ? TN_SEND_URGENT : TN_SEND_NONE), ==, 32);
      memset (batch->slab, 0xdb, batch->slab_len);
      WAIT_FOR (fixture->b.received->len == n + 32);
      for (guint i = 0; i < 32; i++)
        g_assert_cmpuint (number_of (g_ptr_array_index (fixture->b.received, n + i)), ==, 100 * round + i);
    }
}

/* Another network, and the same peers. */
static void
test_rebind (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);

  if (iface (&fixture->a)->rebind == NULL)
    {
      g_test_skip ("knows of no network under it");
      return;
    }
  append_numbered (batch, 1, 64);
  for (guint i = 0; i < 3; i++)
    {
      iface (&fixture->a)->rebind (fixture->a.transport);
      if (is_relay (&fixture->a))
        WAIT_FOR (fixture->a.up);
      g_ptr_array_set_size (fixture->a.received, 0);
      g_ptr_array_set_size (fixture->b.received, 0);
      node_send (&fixture->b, &fixture->a, batch, 0, TN_SEND_NONE);
      node_send (&fixture->a, &fixture->b, batch, 0, TN_SEND_NONE);
      WAIT_FOR (fixture->a.received->len > 0 && fixture->b.received->len > 0);
    }
}

static void
test_twice (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  g_autoptr (GError) error = NULL;

  g_assert_false (try_start (&fixture->a, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  append_numbered (batch, 1, 64);
  g_assert_cmpuint (node_send (&fixture->b, &fixture->a, batch, 0, TN_SEND_NONE), ==, 1);
  WAIT_FOR (fixture->a.received->len == 1);

  iface (&fixture->b)->stop (fixture->b.transport);
  node_stop (&fixture->b);
}

static void
test_back_pressure (Fixture       *fixture,
                    gconstpointer  data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (TN_PACKET_BATCH_MAX * 1400);
  guint64 n_taken = 0;
  guint n;

  if (fixture->contract->set_stalled == NULL)
    {
      g_test_skip ("needs a network that can be stalled");
      return;
    }

  fixture->contract->set_stalled (fixture->network, TRUE);
  do
    {
      tn_packet_batch_reset (batch);
      for (guint i = 0; i < TN_PACKET_BATCH_MAX; i++)
        append_numbered (batch, n_taken + i, 1280);
      n = node_send (&fixture->a, &fixture->b, batch, 0, TN_SEND_NONE);
      n_taken += n;
      g_assert_cmpuint (n_taken, <, MAX_HELD);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  while (n == TN_PACKET_BATCH_MAX);
  if (!fixture->contract->wakes_early)
    g_assert_cmpuint (fixture->a.n_writable, ==, 0);

  /* What is urgent is still taken. */
  tn_packet_batch_reset (batch);
  append_numbered (batch, G_MAXUINT64, 148);
  g_assert_cmpuint (node_send (&fixture->a, &fixture->b, batch, 0, TN_SEND_URGENT), ==, 1);

  /* All that was taken arrives, in order but for the urgent one. */
  fixture->contract->set_stalled (fixture->network, FALSE);
  WAIT_FOR (fixture->a.n_writable > 0);
  WAIT_FOR (fixture->b.received->len == n_taken + 1);
  for (guint64 i = 0, next = 0; i < n_taken + 1; i++)
    {
      guint64 number = number_of (g_ptr_array_index (fixture->b.received, i));

      if (number != G_MAXUINT64)
        g_assert_cmpuint (number, ==, next++);
    }
}

static void
test_restart (Fixture       *fixture,
              gconstpointer  data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);

  append_numbered (batch, 1, 64);
  for (guint i = 0; i < 3; i++)
    {
      /* Under way when it stops, and not a word afterwards. */
      node_send (&fixture->b, &fixture->a, batch, 0, TN_SEND_NONE);
      node_send (&fixture->a, &fixture->b, batch, 0, TN_SEND_NONE);
      node_stop (&fixture->a);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      if (fixture->contract->get_n_nodes != NULL)
        WAIT_FOR (fixture->contract->get_n_nodes (fixture->network) == 1);
      node_start (fixture, &fixture->a);
      if (fixture->contract->get_n_nodes != NULL)
        WAIT_FOR (fixture->contract->get_n_nodes (fixture->network) == 2);
    }

  g_ptr_array_set_size (fixture->a.received, 0);
  tn_packet_batch_reset (batch);
  append_numbered (batch, 2, 64);
  g_assert_cmpuint (node_send (&fixture->b, &fixture->a, batch, 0, TN_SEND_NONE), ==, 1);
  WAIT_FOR (fixture->a.received->len > 0 &&
            number_of (g_ptr_array_index (fixture->a.received, fixture->a.received->len - 1)) == 2);
}

static void
fixture_set_up (Fixture       *fixture,
                gconstpointer  data)
{
  fixture->contract = data;
  fixture->network = fixture->contract->setup ();
  node_init (fixture, &fixture->a);
  node_init (fixture, &fixture->b);
  if (fixture->contract->get_n_nodes != NULL)
    WAIT_FOR (fixture->contract->get_n_nodes (fixture->network) == 2);
}

static void
fixture_tear_down (Fixture       *fixture,
                   gconstpointer  data)
{
  node_clear (&fixture->a);
  node_clear (&fixture->b);
  fixture->contract->teardown (fixture->network);
}

void
contract_underlay_add (const ContractUnderlay *contract)
{
  static const struct { const char *name; void (*test) (Fixture *fixture, gconstpointer data); } tests[] = {
    { "deliver", test_deliver },
    { "first", test_first },
    { "no-way", test_no_way },
    { "nobody", test_nobody },
    { "own-bytes", test_own_bytes },
    { "rebind", test_rebind },
    { "twice", test_twice },
    { "back-pressure", test_back_pressure },
    { "restart", test_restart },
  };

  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strdup_printf ("/transport/underlay/%s/%s", contract->name, tests[i].name);

      g_test_add (path, Fixture, contract, fixture_set_up, tests[i].test, fixture_tear_down);
    }
}
