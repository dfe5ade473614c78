/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "world.h"

/* What strangers, replayers and floods get: nothing, at little cost. And ten thousand peers. */

typedef struct
{
  World *world;
  Node  *a;
  Node  *b;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->world = world_new (2);
  f->a = node_new (f->world);
  f->b = node_new (f->world);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  world_free (f->world);
}

static guint64
drops (Node *node, TnTunnelDrop reason)
{
  return tn_tunnel_get_drops (node->tunnel, reason);
}

/* An initiation from whoever has @private_key, and says that it has @public_key. */
static void
make_initiation (World *world, const TnNodePrivateKey *private_key, const TnNodePublicKey *public_key, Node *to,
                 TnMessageInitiation *message)
{
  static TnAead *aead;
  static const guint8 psk[32];
  TnHandshakeIdentity identity = { *private_key, *public_key };
  TnHandshakeRemote remote;
  TnHandshakeInitiator initiator;
  TnCookieJar jar;
  guint8 ephemeral[32];
  guint8 timestamp[TN_TAI64N_LEN];

  if (aead == NULL)
    aead = tn_aead_new ();
  world_random_bytes (world, ephemeral, sizeof ephemeral);
  tn_handshake_timestamp (timestamp, 1800000000 * (gint64) 1000000000 + world->now_us * 1000);
  g_assert_true (tn_handshake_remote_init (&remote, &identity, &to->public_key, psk));
  g_assert_true (tn_handshake_initiate (&initiator, &identity, &remote, aead, ephemeral, timestamp, g_rand_int (world->rand), message));
  tn_cookie_jar_init (&jar, &to->public_key);
  tn_cookie_jar_add_macs (&jar, (guint8 *) message, sizeof *message, 0);
}

static void
test_stranger (Fixture *f, gconstpointer data)
{
  node_send (f->a, f->b, 1, 100);
  world_run (f->world, WORLD_SECOND);
  g_assert_cmpuint (drops (f->b, TN_TUNNEL_DROP_UNKNOWN_PEER), ==, 1);
  g_assert_cmpuint (tn_tunnel_get_n_peers (f->b->tunnel), ==, 0);
  g_assert_cmpuint (f->b->n_sent[TN_MESSAGE_TYPE_RESPONSE], ==, 0);
}

/* Whoever knows our public key can name any other: it makes no peer, and ends no session. */
static void
test_forged_claim (Fixture *f, gconstpointer data)
{
  TnNodePrivateKey attacker;
  TnMessageInitiation message;

  f->b->adds_on_lookup = TRUE;
  world_random_bytes (f->world, attacker.bytes, sizeof attacker.bytes);
  make_initiation (f->world, &attacker, &f->a->public_key, f->b, &message);
  g_assert_cmpint (node_receive (f->b, f->a, (guint8 *) &message, sizeof message), ==, TN_TUNNEL_DROP);
  g_assert_cmpuint (drops (f->b, TN_TUNNEL_DROP_HANDSHAKE), ==, 1);
  g_assert_cmpuint (tn_tunnel_get_n_peers (f->b->tunnel), ==, 0);

  make_initiation (f->world, &f->a->private_key, &f->a->public_key, f->b, &message);
  g_assert_cmpint (node_receive (f->b, f->a, (guint8 *) &message, sizeof message), ==, TN_TUNNEL_HANDSHAKE);
  g_assert_cmpuint (f->b->n_events[TN_TUNNEL_EVENT_CREATED], ==, 1);

  make_initiation (f->world, &f->b->private_key, &f->b->public_key, f->b, &message);      /* a mirror */
  g_assert_cmpint (node_receive (f->b, f->a, (guint8 *) &message, sizeof message), ==, TN_TUNNEL_DROP);
}

static void
test_replayed_initiation (Fixture *f, gconstpointer data)
{
  TnMessageInitiation first, second;

  node_peer (f->b, f->a);
  make_initiation (f->world, &f->a->private_key, &f->a->public_key, f->b, &first);
  g_assert_cmpint (node_receive (f->b, f->a, (guint8 *) &first, sizeof first), ==, TN_TUNNEL_HANDSHAKE);
  world_run (f->world, WORLD_MINUTE);
  g_assert_cmpint (node_receive (f->b, f->a, (guint8 *) &first, sizeof first), ==, TN_TUNNEL_DROP);
  g_assert_cmpuint (drops (f->b, TN_TUNNEL_DROP_OLD_TIMESTAMP), ==, 1);

  make_initiation (f->world, &f->a->private_key, &f->a->public_key, f->b, &second);
  g_assert_cmpint (node_receive (f->b, f->a, (guint8 *) &second, sizeof second), ==, TN_TUNNEL_HANDSHAKE);
  tn_tunnel_peer_reset (f->b->tunnel, node_peer (f->b, f->a));      /* does not forget timestamps */
  g_assert_cmpint (node_receive (f->b, f->a, (guint8 *) &second, sizeof second), ==, TN_TUNNEL_DROP);
  g_assert_cmpuint (drops (f->b, TN_TUNNEL_DROP_OLD_TIMESTAMP), ==, 2);
}

static void
test_flood_of_one_peer (Fixture *f, gconstpointer data)
{
  TnMessageInitiation message;
  guint n_accepted = 0;

  node_peer (f->b, f->a);
  for (guint i = 0; i < 1000; i++)      /* a second, one each millisecond; timestamps grow in steps of 17 ms */
    {
      world_run (f->world, WORLD_MS);
      make_initiation (f->world, &f->a->private_key, &f->a->public_key, f->b, &message);
      n_accepted += node_receive (f->b, f->a, (guint8 *) &message, sizeof message) == TN_TUNNEL_HANDSHAKE;
    }
  g_assert_cmpuint (n_accepted, >, 20);
  g_assert_cmpuint (n_accepted, <=, 48);
  g_assert_cmpuint (drops (f->b, TN_TUNNEL_DROP_FLOOD), >, 0);
  g_assert_cmpuint (f->b->tunnel->indices.n_entries, <=, 1);
}

/* A flood from addresses that are not its own. Those who answer to theirs still get through. */
static void
test_cookies_under_load (Fixture *f, gconstpointer data)
{
  TnNodePrivateKey attacker;
  TnNodePublicKey attacker_public;
  TnMessageInitiation message;
  guint64 n_work;

  node_peer (f->b, f->a);
  world_random_bytes (f->world, attacker.bytes, sizeof attacker.bytes);
  tn_node_private_key_get_public (&attacker, &attacker_public);
  make_initiation (f->world, &attacker, &attacker_public, f->b, &message);

  node_send (f->a, f->b, 1, 100);
  for (guint i = 0; i < 5000; i++)      /* 5000 a second for ten seconds; the wire carries the legitimate ones in between */
    {
      for (guint k = 0; k < 10; k++)
        {
          g_autofree guint8 *copy = g_memdup2 (&message, sizeof message);
          TnPacket packet = { .data = copy, .len = sizeof message };
          TnTunnelSource source = { .tag = f->world, .len = 6, .limit_len = 4 };      /* a tag that is nobody's address */
          TnTunnelPeer *peer;

          world_random_bytes (f->world, source.bytes, 6);
          tn_tunnel_receive (f->b->tunnel, &packet, &source, f->world->now_us, &peer);
        }
      world_run (f->world, 2 * WORLD_MS);
    }

  n_work = drops (f->b, TN_TUNNEL_DROP_UNKNOWN_PEER);
  g_assert_cmpuint (n_work, <, 10 * TN_TUNNEL_LOAD_DEFAULT / 8);
  g_assert_cmpuint (drops (f->b, TN_TUNNEL_DROP_LOAD), >, 40000);
  g_assert_cmpuint (f->b->n_delivered, ==, 1);
  g_assert_cmpuint (f->a->n_sent[TN_MESSAGE_TYPE_INITIATION], <=, 2);

  world_run (f->world, 2 * WORLD_SECOND);
  g_assert_cmpint (f->b->tunnel->load_until_us, <, f->world->now_us);
}

/* Both sides ask for cookies: initiation and response each take one more try. */
static void
test_cookies_both_ways (Fixture *f, gconstpointer data)
{
  node_peer (f->b, f->a);
  tn_tunnel_set_load_limit (f->a->tunnel, 0);
  tn_tunnel_set_load_limit (f->b->tunnel, 0);
  node_send (f->a, f->b, 3, 100);
  world_run (f->world, 20 * WORLD_SECOND);
  g_assert_cmpuint (f->b->n_delivered, ==, 3);
  g_assert_cmpuint (f->a->n_sent[TN_MESSAGE_TYPE_INITIATION], ==, 3);
  g_assert_cmpuint (f->b->n_sent[TN_MESSAGE_TYPE_RESPONSE], ==, 2);
  g_assert_cmpuint (f->b->n_sent[TN_MESSAGE_TYPE_COOKIE], ==, 1);
  g_assert_cmpuint (f->a->n_sent[TN_MESSAGE_TYPE_COOKIE], ==, 1);
}

/* One address that has a cookie gets its ration of 20 a second. */
static void
test_ration (Fixture *f, gconstpointer data)
{
  TnMessageInitiation message;
  TnTunnelSource source = { .len = 6, .limit_len = 4 };
  TnCookieJar jar;
  guint n_refused = 0;

  tn_tunnel_set_load_limit (f->b->tunnel, 0);
  tn_cookie_checker_set_secret (&f->b->tunnel->checker, (guint8[32]) { 1 }, f->world->now_us);
  tn_cookie_jar_init (&jar, &f->b->public_key);
  tn_mac (jar.cookie, f->b->tunnel->checker.secret, 32, source.bytes, source.len);
  jar.has_cookie = TRUE;
  jar.cookie_birth_us = f->world->now_us;

  for (guint i = 0; i < 1000; i++)      /* in ten seconds */
    {
      TnPacket packet = { .data = (guint8 *) &message, .len = sizeof message };
      TnTunnelPeer *peer;

      make_initiation (f->world, &f->a->private_key, &f->a->public_key, f->b, &message);
      tn_cookie_jar_add_macs (&jar, (guint8 *) &message, sizeof message, f->world->now_us);
      tn_tunnel_receive (f->b->tunnel, &packet, &source, f->world->now_us, &peer);
      n_refused = (guint) drops (f->b, TN_TUNNEL_DROP_RATE);
      world_run (f->world, 10 * WORLD_MS);
    }
  g_assert_cmpuint (drops (f->b, TN_TUNNEL_DROP_LOAD), ==, 0);
  g_assert_cmpuint (1000 - n_refused, >=, 200);
  g_assert_cmpuint (1000 - n_refused, <=, 205);
}

static void
test_bad_keys (Fixture *f, gconstpointer data)
{
  static const TnNodePublicKey zero;
  TnNodePublicKey one = { { 1 } };

  g_assert_null (tn_tunnel_add_peer (f->a->tunnel, &zero, NULL, 0));
  g_assert_null (tn_tunnel_add_peer (f->a->tunnel, &one, NULL, 0));
  g_assert_null (tn_tunnel_add_peer (f->a->tunnel, &f->a->public_key, NULL, 0));
  g_assert_cmpuint (tn_tunnel_get_n_peers (f->a->tunnel), ==, 0);
  g_assert_true (node_peer (f->a, f->b) == node_peer (f->a, f->b));
}

static void
test_malformed (Fixture *f, gconstpointer data)
{
  guint8 message[200] = { 0 };
  guint n = 0;

  for (guint8 type = 0; type < 7; type++)
    for (gsize len = 0; len <= sizeof message; len++)
      {
        message[0] = type;
        g_assert_cmpint (node_receive (f->a, f->b, message, len), ==, TN_TUNNEL_DROP);
        n++;
      }
  message[0] = 4;
  message[2] = 1;
  g_assert_cmpint (node_receive (f->a, f->b, message, 64), ==, TN_TUNNEL_DROP);
  g_assert_cmpuint (drops (f->a, TN_TUNNEL_DROP_MAC1), ==, 2);
  g_assert_cmpuint (drops (f->a, TN_TUNNEL_DROP_COOKIE), ==, 1);
  g_assert_cmpuint (drops (f->a, TN_TUNNEL_DROP_UNKNOWN_INDEX), ==, sizeof message - 32 + 1);
  g_assert_cmpuint (drops (f->a, TN_TUNNEL_DROP_MALFORMED), ==, n + 1 - 2 - 1 - (sizeof message - 32 + 1));
}

static void
test_drop_names (void)
{
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (TnTunnelDrop reason = 0; reason < TN_TUNNEL_N_DROPS; reason++)
    {
      const char *name = tn_tunnel_drop_get_name (reason);

      g_assert_nonnull (name);
      g_assert_true (g_hash_table_add (names, g_strdup (name)));
    }
}

/* --- Ten thousand peers --- */

#define N_PEERS 10000

static TnNodePublicKey
nth_key (guint n)
{
  TnNodePublicKey key = { { 9 } };      /* not of low order, whatever follows; what has no owner cannot answer */

  tn_put_u32be (key.bytes + 1, n);
  return key;
}

static void
test_many_peers (Fixture *f, gconstpointer data)
{
  guint n_expires = 0;
  guint n_sent;

  for (guint i = 0; i < N_PEERS; i++)
    {
      TnNodePublicKey key = nth_key (i);

      g_assert_nonnull (tn_tunnel_add_peer (f->a->tunnel, &key, NULL, f->world->now_us));
    }
  g_assert_cmpuint (tn_tunnel_get_n_peers (f->a->tunnel), ==, N_PEERS);
  g_assert_cmpint (tn_tunnel_deadline (f->a->tunnel), ==, G_MAXINT64);      /* idle ones are in no queue */

  node_send (f->a, f->b, 1, 100);
  node_peer (f->b, f->a);
  world_run (f->world, WORLD_MINUTE);
  g_assert_cmpuint (f->b->n_delivered, ==, 1);
  g_assert_cmpuint (f->a->tunnel->n_heap, ==, 1);
  g_assert_cmpuint (f->a->n_wakes, <, 10);

  /* All at once, without an answer, and then a long sleep: each call of expire() does a bounded piece. */
  for (guint i = 0; i < N_PEERS; i += 10)
    {
      TnNodePublicKey key = nth_key (i);

      tn_tunnel_connect (f->a->tunnel, tn_tunnel_lookup_peer (f->a->tunnel, &key), f->world->now_us);
    }
  f->world->now_us += WORLD_HOUR;
  while (tn_tunnel_deadline (f->a->tunnel) <= f->world->now_us)
    {
      n_sent = f->a->tunnel->indices.n_entries;
      tn_tunnel_expire (f->a->tunnel, f->world->now_us);
      g_assert_cmpuint (f->a->tunnel->indices.n_entries, <=, n_sent + 64);
      n_expires++;
    }
  g_assert_cmpuint (n_expires, >=, N_PEERS / 10 / 64);
  g_assert_cmpuint (n_expires, <, N_PEERS / 10);

  world_run (f->world, WORLD_HOUR);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_FAILED], ==, N_PEERS / 10);
  g_assert_cmpint (tn_tunnel_deadline (f->a->tunnel), ==, G_MAXINT64);
  g_assert_cmpuint (f->a->tunnel->indices.n_entries, ==, 0);
}

#define ADD(path, func) g_test_add ("/tunnel/attack/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("stranger", test_stranger);
  ADD ("forged-claim", test_forged_claim);
  ADD ("replayed-initiation", test_replayed_initiation);
  ADD ("flood-of-one-peer", test_flood_of_one_peer);
  ADD ("cookies-under-load", test_cookies_under_load);
  ADD ("cookies-both-ways", test_cookies_both_ways);
  ADD ("ration", test_ration);
  ADD ("bad-keys", test_bad_keys);
  ADD ("malformed", test_malformed);
  ADD ("many-peers", test_many_peers);
  g_test_add_func ("/tunnel/attack/drop-names", test_drop_names);
  return g_test_run ();
}
