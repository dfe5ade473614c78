/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-paths.h"

#include "tn-box.h"
#include "tn-secret.h"

#define PONG_BURST        60                         /* of one disco key: it may ping a dozen paths every five seconds */
#define PONG_INTERVAL_US  (G_USEC_PER_SEC / 20)      /* a token comes back in */

/* The relay's pseudo address: never on the wire, but in what a pong says (tailscale tailcfg/derpmap.go). */
static const guint8 relay_address[4] = { 127, 3, 3, 40 };

/* One a disco key; several peers may have it. */
typedef struct
{
  TnDiscoPublicKey key;
  guint            n_peers;
  gboolean         has_shared;       /* made on first use: a key agreement takes 40 us */
  gboolean         is_low_order;
  gint64           tokens_from_us;   /* the bucket of pongs is empty at this time */
  guint8           shared[32];
} Contact;

typedef struct
{
  TnNodePublicKey key;
  Contact        *contact;
} Peer;

typedef struct
{
  TnDiscoTxid     txid;
  guint64         id;
  TnNodePublicKey peer;
  gint64          sent_us;
  GList           link;              /* in pings, oldest first */
} Ping;

struct _TnPaths
{
  TnDiscoPrivateKey *key;            /* in the secret pool */
  TnDiscoPublicKey   public_key;
  TnNodePublicKey    node_key;
  TnPathsHooks       hooks;
  gpointer           user_data;
  GHashTable        *contacts;       /* TnDiscoPublicKey -> Contact */
  GHashTable        *peers;          /* TnNodePublicKey -> Peer */
  GHashTable        *pings_by_txid;  /* TnDiscoTxid -> Ping */
  GQueue             pings;          /* all last equally long: the head is due first */
  guint64            last_id;
  guint64            drops[TN_PATHS_N_DROPS];
};

/* --- Peers --- */

static void
contact_free (gpointer data)
{
  Contact *contact = data;

  explicit_bzero (contact->shared, sizeof contact->shared);
  g_free (contact);
}

/* Random, and ours. */
static guint
txid_hash (gconstpointer key)
{
  guint hash;

  memcpy (&hash, key, sizeof hash);
  return hash;
}

static gboolean
txid_equal (gconstpointer a,
            gconstpointer b)
{
  return memcmp (a, b, TN_DISCO_TXID_LEN) == 0;
}

static const guint8 *
contact_get_shared (TnPaths *paths,
                    Contact *contact)
{
  if (!contact->has_shared)
    {
      contact->has_shared = TRUE;
      contact->is_low_order = !tn_box_precompute (contact->shared, paths->key->bytes, contact->key.bytes);
    }
  return contact->is_low_order ? NULL : contact->shared;
}

static void
contact_release (TnPaths *paths,
                 Contact *contact)
{
  if (--contact->n_peers == 0)
    g_hash_table_remove (paths->contacts, &contact->key);
}

static Contact *
contact_take (TnPaths                *paths,
              const TnDiscoPublicKey *key)
{
  Contact *contact = g_hash_table_lookup (paths->contacts, key);

  if (contact == NULL)
    {
      contact = g_new0 (Contact, 1);
      contact->key = *key;
      contact->tokens_from_us = G_MININT64 / 2;
      g_hash_table_insert (paths->contacts, &contact->key, contact);
    }
  contact->n_peers++;
  return contact;
}

void
tn_paths_set_peer (TnPaths                *paths,
                   const TnNodePublicKey  *key,
                   const TnDiscoPublicKey *disco_key)
{
  Peer *peer = g_hash_table_lookup (paths->peers, key);

  if (tn_disco_public_key_is_zero (disco_key))
    {
      tn_paths_remove_peer (paths, key);
      return;
    }
  if (peer == NULL)
    {
      peer = g_new0 (Peer, 1);
      peer->key = *key;
      peer->contact = contact_take (paths, disco_key);
      g_hash_table_insert (paths->peers, &peer->key, peer);
    }
  else if (!tn_disco_public_key_equal (&peer->contact->key, disco_key))
    {
      contact_release (paths, peer->contact);
      peer->contact = contact_take (paths, disco_key);
    }
}

/* --- Pings --- */

static void
forget_ping (TnPaths *paths,
             Ping    *ping)
{
  g_hash_table_remove (paths->pings_by_txid, &ping->txid);
  g_queue_unlink (&paths->pings, &ping->link);
}

static void
end_ping (TnPaths           *paths,
          Ping              *ping,
          const TnPathsPong *pong)
{
  guint64 id = ping->id;

  forget_ping (paths, ping);
  paths->hooks.ping_done (paths->user_data, id, pong);
  g_free (ping);
}

void
tn_paths_cancel_ping (TnPaths *paths,
                      guint64  id)
{
  for (GList *l = paths->pings.head; l != NULL; l = l->next)
    {
      Ping *ping = l->data;

      if (ping->id == id)
        {
          forget_ping (paths, ping);
          g_free (ping);
          return;
        }
    }
}

static Ping *
find_ping_of (TnPaths               *paths,
              const TnNodePublicKey *peer)
{
  for (GList *l = paths->pings.head; l != NULL; l = l->next)
    if (tn_node_public_key_equal (&((Ping *) l->data)->peer, peer))
      return l->data;
  return NULL;
}

void
tn_paths_remove_peer (TnPaths               *paths,
                      const TnNodePublicKey *key)
{
  TnNodePublicKey copy = *key;
  Peer *peer = g_hash_table_lookup (paths->peers, &copy);
  Ping *ping;

  if (peer == NULL)
    return;

  contact_release (paths, peer->contact);
  g_hash_table_remove (paths->peers, &copy);
  while ((ping = find_ping_of (paths, &copy)) != NULL)      /* anew each time: the hook may send and cancel */
    end_ping (paths, ping, NULL);
}

/* --- Sending --- */

static gboolean
send_message (TnPaths              *paths,
              Contact              *contact,
              const TnPathAddress  *to,
              const TnDiscoMessage *message)
{
  const guint8 *shared = contact_get_shared (paths, contact);
  guint8 plain[TN_PATHS_PACKET_MAX - TN_DISCO_OVERHEAD];
  guint8 packet[TN_PATHS_PACKET_MAX];
  guint8 nonce[TN_DISCO_NONCE_LEN];
  gsize len = tn_disco_write (message, plain, sizeof plain);

  if (shared == NULL || len == 0)
    return FALSE;

  paths->hooks.random (paths->user_data, nonce, sizeof nonce);
  tn_disco_seal (shared, &paths->public_key, nonce, plain, len, packet);
  paths->hooks.send (paths->user_data, to, packet, len + TN_DISCO_OVERHEAD);
  return TRUE;
}

guint64
tn_paths_ping (TnPaths               *paths,
               const TnNodePublicKey *key,
               const TnPathAddress   *to,
               gsize                  size,
               gint64                 now_us)
{
  Peer *peer = g_hash_table_lookup (paths->peers, key);
  const gsize bare = TN_DISCO_OVERHEAD + 2 + TN_DISCO_TXID_LEN + TN_KEY_LEN;
  TnDiscoMessage message = { .type = TN_DISCO_PING };
  Ping *ping;
  guint64 id;

  if (peer == NULL || contact_get_shared (paths, peer->contact) == NULL)
    return 0;

  message.ping.node_key = paths->node_key;
  message.ping.padding = CLAMP (size, bare, TN_PATHS_PACKET_MAX) - bare;
  paths->hooks.random (paths->user_data, &message.ping.txid, TN_DISCO_TXID_LEN);

  ping = g_new0 (Ping, 1);
  ping->txid = message.ping.txid;
  ping->id = id = ++paths->last_id;
  ping->peer = *key;
  ping->sent_us = now_us;
  ping->link.data = ping;
  g_hash_table_insert (paths->pings_by_txid, &ping->txid, ping);
  g_queue_push_tail_link (&paths->pings, &ping->link);

  send_message (paths, peer->contact, to, &message);
  return id;
}

gint64
tn_paths_deadline (const TnPaths *paths)
{
  Ping *oldest = paths->pings.head != NULL ? paths->pings.head->data : NULL;

  return oldest != NULL ? oldest->sent_us + TN_PATHS_PING_TIMEOUT_US : G_MAXINT64;
}

void
tn_paths_expire (TnPaths *paths,
                 gint64   now_us)
{
  while (paths->pings.head != NULL && tn_paths_deadline (paths) <= now_us)
    end_ping (paths, paths->pings.head->data, NULL);
}

/* --- Receiving --- */

static gboolean
drop (TnPaths    *paths,
      TnPathsDrop reason)
{
  paths->drops[reason]++;
  return FALSE;
}

/* A ping is worth one answer of the same size at most, but it can be replayed under a false address: so answers are rationed. */
static gboolean
may_pong (Contact *contact,
          gint64   now_us)
{
  contact->tokens_from_us = MAX (contact->tokens_from_us, now_us - PONG_BURST * PONG_INTERVAL_US);
  if (contact->tokens_from_us + PONG_INTERVAL_US > now_us)
    return FALSE;

  contact->tokens_from_us += PONG_INTERVAL_US;
  return TRUE;
}

/* By a relay a node can only speak for itself: the relay's word for who it is and the key that sealed must belong together. */
static gboolean
relay_matches (TnPaths             *paths,
               const Contact       *contact,
               const TnPathAddress *from)
{
  Peer *peer = g_hash_table_lookup (paths->peers, &from->relay.key);

  return peer != NULL && peer->contact == contact;
}

static gboolean
receive_ping (TnPaths              *paths,
              Contact              *contact,
              const TnDiscoMessage *message,
              const TnPathAddress  *from,
              gint64                now_us)
{
  TnDiscoMessage pong = { .type = TN_DISCO_PONG };

  if (from->kind == TN_PATH_ADDRESS_RELAY && !relay_matches (paths, contact, from))
    return drop (paths, TN_PATHS_DROP_NOT_HERE);
  if (!may_pong (contact, now_us))
    return drop (paths, TN_PATHS_DROP_RATE);

  pong.pong.txid = message->ping.txid;
  if (from->kind == TN_PATH_ADDRESS_RELAY)
    pong.pong.src = (TnIpEndpoint) { tn_ip_address_from_bytes (relay_address, 4), (guint16) from->relay.region };
  else
    pong.pong.src = from->udp.endpoint;
  return send_message (paths, contact, from, &pong);
}

static gboolean
receive_pong (TnPaths              *paths,
              Contact              *contact,
              const TnDiscoMessage *message,
              const TnPathAddress  *from,
              gint64                now_us)
{
  Ping *ping = g_hash_table_lookup (paths->pings_by_txid, &message->pong.txid);
  Peer *peer = ping != NULL ? g_hash_table_lookup (paths->peers, &ping->peer) : NULL;
  TnPathsPong pong;

  if (peer == NULL || peer->contact != contact)
    return drop (paths, TN_PATHS_DROP_UNKNOWN_PING);

  pong = (TnPathsPong) { &ping->peer, *from, message->pong.src, now_us - ping->sent_us };
  end_ping (paths, ping, &pong);
  return TRUE;
}

/* Nobody can be reached there: no port, no unicast address, a link without its name, or a relay's pseudo address. */
static gboolean
is_usable (const TnIpEndpoint *endpoint)
{
  static const TnIpAddress zero;
  const guint8 *b = endpoint->address.bytes;

  if (endpoint->port == 0 || memcmp (b, zero.bytes, sizeof zero.bytes) == 0)
    return FALSE;
  if (endpoint->address.version == 4)
    return b[0] < 224 && memcmp (b, relay_address, sizeof relay_address) != 0;
  return b[0] != 0xff && !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

static gboolean
receive_call_me_maybe (TnPaths              *paths,
                       Contact              *contact,
                       const TnDiscoMessage *message,
                       const TnPathAddress  *from)
{
  TnIpEndpoint endpoints[TN_PATHS_MAX_ENDPOINTS];
  guint n = 0;

  if (from->kind != TN_PATH_ADDRESS_RELAY || !relay_matches (paths, contact, from))
    return drop (paths, TN_PATHS_DROP_NOT_HERE);

  for (guint i = 0; i < message->call_me_maybe.endpoints.n && n < G_N_ELEMENTS (endpoints); i++)
    {
      endpoints[n] = tn_disco_endpoint_get (&message->call_me_maybe.endpoints, i);
      n += is_usable (&endpoints[n]) ? 1 : 0;
    }
  if (paths->hooks.call_me_maybe != NULL)
    paths->hooks.call_me_maybe (paths->user_data, &from->relay.key, endpoints, n);
  return TRUE;
}

gboolean
tn_paths_receive (TnPaths             *paths,
                  const guint8        *packet,
                  gsize                len,
                  const TnPathAddress *from,
                  gint64               now_us)
{
  guint8 plain[TN_PATHS_PACKET_MAX];
  TnDiscoPublicKey sender;
  TnDiscoMessage message;
  const guint8 *shared;
  Contact *contact;

  if (len < TN_DISCO_OVERHEAD || len > sizeof plain || !tn_disco_is_packet (packet, len))
    return drop (paths, TN_PATHS_DROP_SIZE);

  tn_disco_get_sender (packet, &sender);
  contact = g_hash_table_lookup (paths->contacts, &sender);
  if (contact == NULL)
    return drop (paths, TN_PATHS_DROP_UNKNOWN_SENDER);
  shared = contact_get_shared (paths, contact);
  if (shared == NULL || !tn_disco_open (shared, packet, len, plain))
    return drop (paths, TN_PATHS_DROP_AUTHENTICATION);
  if (!tn_disco_parse (&message, plain, len - TN_DISCO_OVERHEAD))
    return drop (paths, TN_PATHS_DROP_MALFORMED);

  switch (message.type)
    {
    case TN_DISCO_PING:
      return receive_ping (paths, contact, &message, from, now_us);
    case TN_DISCO_PONG:
      return receive_pong (paths, contact, &message, from, now_us);
    case TN_DISCO_CALL_ME_MAYBE:
      return receive_call_me_maybe (paths, contact, &message, from);
    case TN_DISCO_BIND:
    case TN_DISCO_CHALLENGE:
    case TN_DISCO_ANSWER:
    case TN_DISCO_CALL_ME_MAYBE_VIA:
    case TN_DISCO_ALLOCATE_REQUEST:
    case TN_DISCO_ALLOCATE_RESPONSE:
    default:
      return drop (paths, TN_PATHS_DROP_NOT_HERE);
    }
}

guint64
tn_paths_get_drops (const TnPaths *paths,
                    TnPathsDrop    reason)
{
  return paths->drops[reason];
}

/* --- Life --- */

static void
system_random (gpointer  user_data,
               void     *out,
               gsize     len)
{
  tn_random (out, len);
}

TnPaths *
tn_paths_new (const TnDiscoPrivateKey *key,
              const TnNodePublicKey   *node_key,
              const TnPathsHooks      *hooks,
              gpointer                 user_data)
{
  TnPaths *paths = g_new0 (TnPaths, 1);

  paths->key = tn_secret_dup (key, sizeof *key);
  tn_disco_private_key_get_public (key, &paths->public_key);
  paths->node_key = *node_key;
  paths->hooks = *hooks;
  if (paths->hooks.random == NULL)
    paths->hooks.random = system_random;
  paths->user_data = user_data;
  paths->contacts = g_hash_table_new_full (tn_disco_public_key_hash, tn_disco_public_key_equal_func, NULL, contact_free);
  paths->peers = g_hash_table_new_full (tn_node_public_key_hash, tn_node_public_key_equal_func, NULL, g_free);
  paths->pings_by_txid = g_hash_table_new (txid_hash, txid_equal);
  return paths;
}

void
tn_paths_free (TnPaths *paths)
{
  Ping *ping;

  while (paths->pings.head != NULL)
    {
      ping = paths->pings.head->data;
      forget_ping (paths, ping);
      g_free (ping);
    }
  g_hash_table_unref (paths->pings_by_txid);
  g_hash_table_unref (paths->peers);
  g_hash_table_unref (paths->contacts);
  tn_secret_free (paths->key);
  g_free (paths);
}
