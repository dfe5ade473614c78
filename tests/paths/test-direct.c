/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tn-direct.h"

#include <string.h>

#define S G_USEC_PER_SEC
#define START_US (1000 * S)

/* A peer whose addresses answer as the test says, after a round trip; and virtual time. */
typedef struct
{
  TnPathAddress address;
  gint64        latency_us;      /* -1: silent */
  guint         n_pings;
} Address;

typedef struct
{
  TnDiscoTxid txid;
  gint64      at_us;
  guint       address;
} Pong;

typedef struct
{
  TnDirect *direct;
  gint64    now_us;
  guint64   last_txid;
  Address   addresses[20];
  guint     n_addresses;
  GArray   *pongs;               /* of Pong: on their way */
} Peer;

static Peer *
peer_new (void)
{
  Peer *peer = g_new0 (Peer, 1);

  peer->direct = tn_direct_new ();
  peer->now_us = START_US;
  peer->pongs = g_array_new (FALSE, FALSE, sizeof (Pong));
  return peer;
}

static void
peer_free (Peer *peer)
{
  tn_direct_free (peer->direct);
  g_array_unref (peer->pongs);
  g_free (peer);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Peer, peer_free)

static TnPathAddress
address_of (const char *text)
{
  TnPathAddress address = { .kind = TN_PATH_ADDRESS_UDP, .udp = { .vni = TN_PATH_NO_VNI } };

  g_assert_true (tn_ip_endpoint_parse (text, &address.udp.endpoint));
  return address;
}

static Address *
add (Peer       *peer,
     const char *text,
     gint64      latency_us)
{
  Address *address = &peer->addresses[peer->n_addresses++];

  *address = (Address) { address_of (text), latency_us, 0 };
  return address;
}

/* The map names the first @n. */
static void
list (Peer  *peer,
      guint  n)
{
  TnIpEndpoint endpoints[G_N_ELEMENTS (peer->addresses)];

  for (guint i = 0; i < n; i++)
    endpoints[i] = peer->addresses[i].address.udp.endpoint;
  tn_direct_set_endpoints (peer->direct, endpoints, n);
}

static void
ping (Peer *peer)
{
  TnDiscoTxid txid = { { 0 } };
  TnPathAddress to;

  for (;;)
    {
      peer->last_txid++;
      memcpy (txid.bytes, &peer->last_txid, sizeof peer->last_txid);
      if (!tn_direct_next_ping (peer->direct, &txid, peer->now_us, &to))
        return;
      for (guint i = 0; i < peer->n_addresses; i++)
        {
          Pong pong = { txid, peer->now_us + peer->addresses[i].latency_us, i };

          if (!tn_path_address_equal (&to, &peer->addresses[i].address))
            continue;
          peer->addresses[i].n_pings++;
          if (peer->addresses[i].latency_us >= 0)
            g_array_append_val (peer->pongs, pong);
        }
    }
}

static gint64
next_pong_us (Peer *peer)
{
  gint64 at_us = G_MAXINT64;

  for (guint i = 0; i < peer->pongs->len; i++)
    at_us = MIN (at_us, g_array_index (peer->pongs, Pong, i).at_us);
  return at_us;
}

/* Lets time go by, and wakes it when it asks for that. How often it was. */
static guint
run (Peer   *peer,
     gint64  for_us)
{
  gint64 end_us = peer->now_us + for_us;
  guint n_wakes = 0;

  for (;;)
    {
      gint64 deadline_us = MAX (tn_direct_deadline (peer->direct, peer->now_us), peer->now_us);
      gint64 at_us = MIN (deadline_us, next_pong_us (peer));

      if (at_us > end_us)
        break;
      g_assert_cmpuint (n_wakes, <, 100000);      /* it turns on the spot */
      n_wakes++;
      peer->now_us = at_us;
      for (guint i = peer->pongs->len; i-- > 0;)
        {
          Pong pong = g_array_index (peer->pongs, Pong, i);

          if (pong.at_us > at_us)
            continue;
          g_array_remove_index_fast (peer->pongs, i);
          tn_direct_pong (peer->direct, &pong.txid, at_us);
        }
      ping (peer);
    }
  peer->now_us = end_us;
  return n_wakes;
}

/* With a packet every tenth of a second. */
static void
talk (Peer   *peer,
      gint64  for_us)
{
  for (gint64 gone_us = 0; gone_us < for_us; gone_us += S / 10)
    {
      if (tn_direct_sent (peer->direct, peer->now_us))
        ping (peer);
      run (peer, S / 10);
    }
}

static void
check_path (Peer       *peer,
            const char *text)      /* NULL: none */
{
  const TnPathAddress *path = tn_direct_get_path (peer->direct, peer->now_us);
  TnPathAddress wanted;

  if (text == NULL)
    {
      g_assert_null (path);
      return;
    }
  wanted = address_of (text);
  g_assert_nonnull (path);
  g_assert_true (tn_path_address_equal (path, &wanted));
}

static void
test_proven (void)
{
  g_autoptr (Peer) peer = peer_new ();

  add (peer, "192.0.2.1:1", -1);
  add (peer, "192.0.2.2:2", 20000);
  list (peer, 2);
  check_path (peer, NULL);
  g_assert_cmpuint (run (peer, 100 * S), ==, 0);      /* who sends nothing leaves others alone */
  talk (peer, S);
  check_path (peer, "192.0.2.2:2");
  g_assert_cmpint (tn_direct_get_latency_us (peer->direct), ==, 20000);
}

/* Only an answer to a ping that is its own, and once. */
static void
test_forged (void)
{
  g_autoptr (Peer) peer = peer_new ();
  TnDiscoTxid txid = { "made up" };
  TnPathAddress to;

  add (peer, "192.0.2.1:1", -1);
  list (peer, 1);
  tn_direct_sent (peer->direct, peer->now_us);
  g_assert_false (tn_direct_pong (peer->direct, &txid, peer->now_us));
  g_assert_true (tn_direct_next_ping (peer->direct, &txid, peer->now_us, &to));
  tn_direct_heard (peer->direct, &to, peer->now_us);      /* a packet proves nothing */
  check_path (peer, NULL);
  g_assert_true (tn_direct_pong (peer->direct, &txid, peer->now_us + 1000));
  g_assert_false (tn_direct_pong (peer->direct, &txid, peer->now_us + 1000));
  check_path (peer, "192.0.2.1:1");

  peer->now_us += 10 * S;
  check_path (peer, NULL);
  g_assert_true (tn_direct_next_ping (peer->direct, &txid, peer->now_us, &to));
  g_assert_false (tn_direct_pong (peer->direct, &txid, peer->now_us + 6 * S));      /* too late */
}

static void
test_silence (void)
{
  g_autoptr (Peer) peer = peer_new ();
  Address *address = add (peer, "192.0.2.1:1", 1000);

  list (peer, 1);
  talk (peer, 5 * S);
  check_path (peer, "192.0.2.1:1");
  address->latency_us = -1;
  address->n_pings = 0;
  talk (peer, 3 * S);
  check_path (peer, "192.0.2.1:1");      /* one or two may get lost */
  talk (peer, 4 * S);
  check_path (peer, NULL);
  g_assert_cmpuint (address->n_pings, >=, 4);      /* it is asked again and again before that */
  address->n_pings = 0;
  talk (peer, 20 * S);
  g_assert_cmpuint (address->n_pings, ==, 4);
  address->latency_us = 1000;
  talk (peer, 6 * S);
  check_path (peer, "192.0.2.1:1");
}

/* Pings are lost in a flood; what the peer sends is not. */
static void
test_heard (void)
{
  g_autoptr (Peer) peer = peer_new ();
  Address *address = add (peer, "192.0.2.1:1", 1000);
  TnPathAddress other = address_of ("192.0.2.9:1");

  list (peer, 1);
  talk (peer, S);
  address->latency_us = -1;
  for (guint i = 0; i < 30; i++)
    {
      talk (peer, S);
      tn_direct_heard (peer->direct, &address->address, peer->now_us);
    }
  check_path (peer, "192.0.2.1:1");
  for (guint i = 0; i < 7; i++)
    {
      talk (peer, S);
      tn_direct_heard (peer->direct, &other, peer->now_us);
    }
  check_path (peer, NULL);
}

/* A path is kept while it is used, and for a while after. */
static void
test_idle (void)
{
  g_autoptr (Peer) peer = peer_new ();
  Address *address = add (peer, "192.0.2.1:1", 1000);

  list (peer, 1);
  talk (peer, S);
  run (peer, 40 * S);
  check_path (peer, "192.0.2.1:1");
  run (peer, 20 * S);
  check_path (peer, NULL);
  address->n_pings = 0;
  g_assert_cmpuint (run (peer, 1000 * S), ==, 0);
  g_assert_cmpuint (address->n_pings, ==, 0);
  g_assert_true (tn_direct_sent (peer->direct, peer->now_us));
  g_assert_false (tn_direct_sent (peer->direct, peer->now_us));
  ping (peer);
  run (peer, S);
  check_path (peer, "192.0.2.1:1");
}

static void
test_better (void)
{
  g_autoptr (Peer) peer = peer_new ();
  Address *far = add (peer, "192.0.2.1:1", 80000);
  Address *near = add (peer, "192.0.2.2:2", -1);

  list (peer, 2);
  talk (peer, 10 * S);
  check_path (peer, "192.0.2.1:1");
  near->latency_us = 10000;
  talk (peer, 65 * S);
  check_path (peer, "192.0.2.2:2");
  far->n_pings = 0;
  near->latency_us = 1000;
  talk (peer, 70 * S);
  far->n_pings = 0;
  talk (peer, 200 * S);
  g_assert_cmpuint (far->n_pings, ==, 0);      /* good enough */
}

/* --- Addresses --- */

static void
test_usable (void)
{
  static const struct { const char *text; gboolean usable; } cases[] = {
    { "192.0.2.1:1", TRUE }, { "10.0.0.1:65535", TRUE }, { "127.0.0.1:1", TRUE }, { "[::1]:1", TRUE }, { "[2001:db8::1]:1", TRUE },
    { "100.115.92.1:1", FALSE }, { "100.64.0.1:1", FALSE }, { "100.127.255.255:1", FALSE }, { "100.128.0.1:1", TRUE }, { "100.63.0.1:1", TRUE },
    { "[fd7a:115c:a1e0::1]:1", FALSE }, { "[fd7a:115c:a1e1::1]:1", TRUE }, { "[fe80::1]:1", FALSE }, { "[ff02::1]:1", FALSE },
    { "[::]:1", FALSE }, { "[::ffff:192.0.2.1]:1", FALSE }, { "[::2]:1", FALSE }, { "0.0.0.0:1", FALSE }, { "224.0.0.1:1", FALSE },
    { "255.255.255.255:1", FALSE }, { "127.3.3.40:1", FALSE }, { "192.0.2.1:0", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TnPathAddress address = address_of (cases[i].text);

      g_test_message ("%s", cases[i].text);
      g_assert_cmpint (tn_direct_is_usable (&address.udp.endpoint), ==, cases[i].usable);
    }
}

/* Where the peer pinged from is worth a try, but nothing more; and nobody fills the table. */
static void
test_seen (void)
{
  g_autoptr (Peer) peer = peer_new ();
  TnPathAddress bad = address_of ("[fe80::1]:1");
  guint n_pings = 0;

  add (peer, "192.0.2.1:1", -1);
  list (peer, 1);
  add (peer, "198.51.100.7:7", 1000);
  g_assert_true (tn_direct_add_seen (peer->direct, &peer->addresses[1].address, peer->now_us));
  g_assert_true (tn_direct_add_seen (peer->direct, &bad, peer->now_us));
  check_path (peer, NULL);
  talk (peer, S);
  check_path (peer, "198.51.100.7:7");

  for (guint i = 0; i < 15; i++)
    {
      g_autofree char *text = g_strdup_printf ("203.0.113.%u:9", i);

      g_assert_true (tn_direct_add_seen (peer->direct, &add (peer, text, -1)->address, ++peer->now_us));
    }
  talk (peer, 60 * S);
  check_path (peer, "198.51.100.7:7");      /* the proven one stays */
  peer->addresses[1].latency_us = -1;
  for (guint i = 0; i < peer->n_addresses; i++)
    peer->addresses[i].n_pings = 0;
  talk (peer, 12 * S);
  for (guint i = 0; i < peer->n_addresses; i++)
    n_pings += peer->addresses[i].n_pings > 0 ? 1 : 0;
  g_assert_cmpuint (n_pings, ==, 1 + TN_DIRECT_SEEN_MAX);
}

static void
test_list (void)
{
  g_autoptr (Peer) peer = peer_new ();
  guint n_pings = 0;

  for (guint i = 0; i < 16; i++)
    {
      g_autofree char *text = g_strdup_printf ("203.0.113.%u:9", i);

      add (peer, text, i == 3 ? 1000 : -1);
    }
  list (peer, 16);
  list (peer, 16);      /* each is there once */
  talk (peer, S);
  check_path (peer, "203.0.113.3:9");
  for (guint i = 0; i < 16; i++)
    n_pings += peer->addresses[i].n_pings > 0 ? 1 : 0;
  g_assert_cmpuint (n_pings, ==, TN_DIRECT_LISTED_MAX);
  list (peer, 4);
  check_path (peer, "203.0.113.3:9");
  list (peer, 3);      /* not the peer's any more */
  check_path (peer, NULL);
  talk (peer, 10 * S);
  check_path (peer, NULL);
}

static void
test_reset (void)
{
  g_autoptr (Peer) peer = peer_new ();

  add (peer, "192.0.2.1:1", 1000);
  list (peer, 1);
  talk (peer, S);
  tn_direct_reset (peer->direct);
  check_path (peer, NULL);
  talk (peer, S);      /* without waiting for the next interval */
  check_path (peer, "192.0.2.1:1");
}

static void
test_ration (void)
{
  g_autoptr (Peer) peer = peer_new ();
  TnPathAddress from = address_of ("192.0.2.1:1");
  guint n = 0;

  for (guint i = 0; i < 1000; i++)
    n += tn_direct_add_seen (peer->direct, &from, peer->now_us) ? 1 : 0;
  g_assert_cmpuint (n, ==, 60);
  g_assert_true (tn_direct_add_seen (peer->direct, &from, peer->now_us + S));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/paths/direct/proven", test_proven);
  g_test_add_func ("/paths/direct/forged", test_forged);
  g_test_add_func ("/paths/direct/silence", test_silence);
  g_test_add_func ("/paths/direct/heard", test_heard);
  g_test_add_func ("/paths/direct/idle", test_idle);
  g_test_add_func ("/paths/direct/better", test_better);
  g_test_add_func ("/paths/direct/usable", test_usable);
  g_test_add_func ("/paths/direct/seen", test_seen);
  g_test_add_func ("/paths/direct/list", test_list);
  g_test_add_func ("/paths/direct/reset", test_reset);
  g_test_add_func ("/paths/direct/ration", test_ration);
  return g_test_run ();
}
