/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-box.h"
#include "tn-testkit-relay.h"

#define OUTPUT_MAX (1 << 20)               /* packets for a reader slower than this are dropped */
#define GONE_BURST 3                       /* answers "not here" to one client: one a second after these */

struct _TnTestkitRelay
{
  TnNodePrivateKey       key;
  TnNodePublicKey        public_key;
  gboolean               has_mesh_key;
  guint8                 mesh_key[TN_KEY_LEN];
  TnTestkitRelayWakeFunc wake;
  GPtrArray             *links;
  GHashTable            *peers;            /* key -> Peer */
};

/* All connections of one key. */
typedef struct
{
  TnNodePublicKey     key;
  GPtrArray          *links;
  TnTestkitRelayLink *active;              /* gets the packets; NULL: none of several does */
  TnTestkitRelayLink *last;                /* came or spoke last */
} Peer;

struct _TnTestkitRelayLink
{
  TnTestkitRelay  *relay;
  gpointer         data;
  TnIpEndpoint     remote;
  gboolean         not_ideal;
  const char      *verdict;

  Peer            *peer;                   /* NULL: has not said who it is */
  gboolean         is_mesh;
  gboolean         is_prober;
  gboolean         is_watcher;
  GHashTable      *senders;                /* keys that it got packets of -> to be told when they go */
  double           gone_tokens;
  gint64           gone_us;

  GByteArray      *input;                  /* a frame in part */
  GByteArray      *output;
};

static void
peer_free (gpointer data)
{
  Peer *peer = data;

  g_ptr_array_unref (peer->links);
  g_free (peer);
}

TnTestkitRelay *
tn_testkit_relay_new (const TnNodePrivateKey *key,
                      const guint8           *mesh_key,
                      TnTestkitRelayWakeFunc  wake)
{
  TnTestkitRelay *relay = g_new0 (TnTestkitRelay, 1);

  relay->key = *key;
  tn_node_private_key_get_public (key, &relay->public_key);
  relay->has_mesh_key = mesh_key != NULL;
  if (mesh_key != NULL)
    memcpy (relay->mesh_key, mesh_key, TN_KEY_LEN);
  relay->wake = wake;
  relay->links = g_ptr_array_new ();
  relay->peers = g_hash_table_new_full (tn_node_public_key_hash, tn_node_public_key_equal_func, NULL, peer_free);
  return relay;
}

void
tn_testkit_relay_free (TnTestkitRelay *relay)
{
  g_ptr_array_unref (relay->links);
  g_hash_table_unref (relay->peers);
  explicit_bzero (relay, sizeof *relay);
  g_free (relay);
}

void
tn_testkit_relay_get_key (TnTestkitRelay  *relay,
                          TnNodePublicKey *key)
{
  *key = relay->public_key;
}

/* --- Sending --- */

static void
wake (TnTestkitRelayLink *link)
{
  if (link->relay->wake != NULL)
    link->relay->wake (link, link->data);
}

static void
condemn (TnTestkitRelayLink *link,
         const char         *verdict)
{
  if (link->verdict != NULL)
    return;

  link->verdict = verdict;
  wake (link);
}

void
tn_testkit_relay_send (TnTestkitRelayLink *link,
                       TnDerpFrameType     type,
                       const void         *payload,
                       gsize               len)
{
  tn_derp_frame_append (link->output, type, payload, len, NULL, 0);
  wake (link);
}

void
tn_testkit_relay_send_bytes (TnTestkitRelayLink *link,
                             const guint8       *bytes,
                             gsize               len)
{
  g_byte_array_append (link->output, bytes, (guint) len);
  wake (link);
}

static void
send_gone (TnTestkitRelayLink    *link,
           const TnNodePublicKey *peer,
           guint8                 reason)
{
  tn_derp_frame_append (link->output, TN_DERP_PEER_GONE, peer->bytes, TN_KEY_LEN, &reason, 1);
  wake (link);
}

static void
send_present (TnTestkitRelayLink *link,
              TnTestkitRelayLink *peer)
{
  guint8 flags = (guint8) ((peer->is_prober ? TN_DERP_PRESENT_PROBER : 0) | (peer->is_mesh ? TN_DERP_PRESENT_MESH_PEER : 0) |
                           (peer->not_ideal ? TN_DERP_PRESENT_NOT_IDEAL : 0));

  tn_derp_peer_present_append (link->output, &peer->peer->key, &peer->remote, flags != 0 ? flags : TN_DERP_PRESENT_REGULAR);
  wake (link);
}

static void
deliver (TnTestkitRelayLink    *to,
         const TnNodePublicKey *from,
         const guint8          *data,
         gsize                  len)
{
  if (to->output->len > OUTPUT_MAX)
    return;

  if (!g_hash_table_contains (to->senders, from))
    g_hash_table_insert (to->senders, g_memdup2 (from, sizeof *from), GINT_TO_POINTER (TRUE));
  tn_derp_frame_append (to->output, TN_DERP_RECV_PACKET, from->bytes, TN_KEY_LEN, data, len);
  wake (to);
}

/* Only disco asks where somebody is, and not too often. */
static void
answer_not_here (TnTestkitRelayLink    *link,
                 const TnNodePublicKey *peer,
                 const guint8          *data,
                 gsize                  len,
                 gint64                 now_us)
{
  if (!tn_derp_looks_like_disco (data, len))
    return;

  link->gone_tokens = MIN (link->gone_tokens + (double) (now_us - link->gone_us) / G_USEC_PER_SEC, GONE_BURST);
  link->gone_us = now_us;
  if (link->gone_tokens >= 1)
    {
      link->gone_tokens -= 1;
      send_gone (link, peer, TN_DERP_GONE_NOT_HERE);
    }
}

static void
route (TnTestkitRelayLink    *link,
       const TnNodePublicKey *from,
       const TnNodePublicKey *to,
       const guint8          *data,
       gsize                  len,
       gint64                 now_us)
{
  Peer *peer = g_hash_table_lookup (link->relay->peers, to);

  if (peer == NULL)
    answer_not_here (link, to, data, len, now_us);
  else if (peer->active != NULL)
    deliver (peer->active, from, data, len);
}

/* --- Coming and going --- */

TnTestkitRelayLink *
tn_testkit_relay_connect (TnTestkitRelay     *relay,
                          const TnIpEndpoint *remote,
                          gboolean            not_ideal,
                          gpointer            link_data)
{
  TnTestkitRelayLink *link = g_new0 (TnTestkitRelayLink, 1);

  link->relay = relay;
  link->data = link_data;
  link->remote = *remote;
  link->not_ideal = not_ideal;
  link->input = g_byte_array_new ();
  link->output = g_byte_array_new ();
  link->senders = g_hash_table_new_full (tn_node_public_key_hash, tn_node_public_key_equal_func, g_free, NULL);
  link->gone_tokens = GONE_BURST;
  g_ptr_array_add (relay->links, link);
  tn_derp_greeting_append (link->output, &relay->public_key);
  wake (link);
  return link;
}

static void
join (TnTestkitRelayLink    *link,
      const TnNodePublicKey *key)
{
  TnTestkitRelay *relay = link->relay;
  Peer *peer = g_hash_table_lookup (relay->peers, key);

  if (peer == NULL)
    {
      peer = g_new0 (Peer, 1);
      peer->key = *key;
      peer->links = g_ptr_array_new ();
      g_hash_table_insert (relay->peers, &peer->key, peer);
    }
  g_ptr_array_add (peer->links, link);
  peer->active = peer->last = link;
  link->peer = peer;

  for (guint i = 0; i < relay->links->len; i++)
    {
      TnTestkitRelayLink *watcher = g_ptr_array_index (relay->links, i);

      if (watcher->is_watcher)
        send_present (watcher, link);
    }
}

static void
tell_gone (TnTestkitRelay        *relay,
           const TnNodePublicKey *key)
{
  for (guint i = 0; i < relay->links->len; i++)
    {
      TnTestkitRelayLink *link = g_ptr_array_index (relay->links, i);
      TnNodePublicKey *known;
      gpointer to_be_told;

      if (g_hash_table_lookup_extended (link->senders, key, (gpointer *) &known, &to_be_told) && GPOINTER_TO_INT (to_be_told))
        {
          g_hash_table_insert (link->senders, g_memdup2 (key, sizeof *key), GINT_TO_POINTER (FALSE));     /* once a connection */
          send_gone (link, key, TN_DERP_GONE_DISCONNECTED);
        }
      if (link->is_watcher)
        send_gone (link, key, TN_DERP_GONE_DISCONNECTED);
    }
}

static void
leave (TnTestkitRelayLink *link)
{
  Peer *peer = g_steal_pointer (&link->peer);

  g_ptr_array_remove (peer->links, link);
  if (peer->last == link)
    peer->last = NULL;
  if (peer->links->len == 0)
    {
      TnNodePublicKey key = peer->key;

      g_hash_table_remove (link->relay->peers, &key);
      tell_gone (link->relay, &key);
    }
  else if (peer->links->len == 1)
    peer->active = g_ptr_array_index (peer->links, 0);
  else
    peer->active = peer->last;
}

void
tn_testkit_relay_disconnect (TnTestkitRelayLink *link)
{
  g_ptr_array_remove (link->relay->links, link);
  if (link->peer != NULL)
    leave (link);
  g_byte_array_unref (link->input);
  g_byte_array_unref (link->output);
  g_hash_table_unref (link->senders);
  g_free (link);
}

/* --- Frames of a client --- */

static void
handle_client_info (TnTestkitRelayLink *link,
                    const TnDerpFrame  *frame)
{
  TnTestkitRelay *relay = link->relay;
  g_auto (TnDerpClientInfo) info = { 0 };
  TnDerpServerInfo answer = { 0 };
  TnNodePublicKey key;
  guint8 shared[32], nonce[TN_DERP_NONCE_LEN];

  if (!tn_derp_client_info_open (frame, &relay->key, &key, shared, &info, NULL))
    {
      condemn (link, "client information is malformed");
      return;
    }

  link->is_mesh = info.has_mesh_key && relay->has_mesh_key && tn_bytes_equal (info.mesh_key, relay->mesh_key, TN_KEY_LEN);
  link->is_prober = info.is_prober;
  tn_random (nonce, sizeof nonce);
  tn_derp_server_info_append (link->output, shared, nonce, &answer);
  explicit_bzero (shared, sizeof shared);
  join (link, &key);
  wake (link);
}

static void
handle_watch (TnTestkitRelayLink *link)
{
  TnTestkitRelay *relay = link->relay;
  GHashTableIter iter;
  Peer *peer;

  if (tn_node_public_key_equal (&link->peer->key, &relay->public_key))
    return;     /* the relay's own connection to itself */

  g_hash_table_iter_init (&iter, relay->peers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &peer))
    if (peer->active != NULL)
      send_present (link, peer->active);
  link->is_watcher = TRUE;
}

static void
handle_close_peer (TnTestkitRelayLink *link,
                   TnReader           *r)
{
  TnNodePublicKey key;
  Peer *peer;

  if (!tn_reader_copy (r, key.bytes, TN_KEY_LEN))
    return;

  peer = g_hash_table_lookup (link->relay->peers, &key);
  for (guint i = 0; peer != NULL && i < peer->links->len; i++)
    condemn (g_ptr_array_index (peer->links, i), "another server asked for it");
}

static void
handle_frame (TnTestkitRelayLink *link,
              const TnDerpFrame  *frame,
              gint64              now_us)
{
  TnReader r = TN_READER_INIT (frame->payload, frame->len);
  TnNodePublicKey from, to;

  switch (frame->type)
    {
    case TN_DERP_SEND_PACKET:
      if (tn_reader_copy (&r, to.bytes, TN_KEY_LEN))
        route (link, &link->peer->key, &to, r.pos, r.left, now_us);
      break;
    case TN_DERP_FORWARD_PACKET:
      if (tn_reader_copy (&r, from.bytes, TN_KEY_LEN) && tn_reader_copy (&r, to.bytes, TN_KEY_LEN))
        route (link, &from, &to, r.pos, r.left, now_us);
      break;
    case TN_DERP_WATCH_CONNS:
      handle_watch (link);
      break;
    case TN_DERP_CLOSE_PEER:
      handle_close_peer (link, &r);
      break;
    case TN_DERP_PING:
      tn_testkit_relay_send (link, TN_DERP_PONG, frame->payload, TN_DERP_PING_LEN);
      break;
    default:
      break;     /* a preference is only statistics, and what is unknown is skipped */
    }
}

/* From its head alone, so that nobody is waited for who claims nonsense. NULL: fine. */
static const char *
judge_head (TnTestkitRelayLink *link,
            guint8              type,
            guint32             len)
{
  if (link->peer == NULL)
    return type != TN_DERP_CLIENT_INFO || len < TN_KEY_LEN + TN_DERP_NONCE_LEN || len > TN_DERP_CLIENT_INFO_MAX
           ? "no client information at the start" : NULL;

  switch (type)
    {
    case TN_DERP_SEND_PACKET:
      return len < TN_KEY_LEN || len > TN_KEY_LEN + TN_DERP_PACKET_MAX ? "packet of the wrong size" : NULL;
    case TN_DERP_FORWARD_PACKET:
      return !link->is_mesh || len < 2 * TN_KEY_LEN || len > 2 * TN_KEY_LEN + TN_DERP_PACKET_MAX ? "packet must not be forwarded" : NULL;
    case TN_DERP_NOTE_PREFERRED:
      return len != 1 ? "preference of the wrong size" : NULL;
    case TN_DERP_PING:
      return len < TN_DERP_PING_LEN || len > TN_DERP_PING_MAX ? "ping of the wrong size" : NULL;
    case TN_DERP_WATCH_CONNS:
      return !link->is_mesh || len != 0 ? "watching is not allowed" : NULL;
    case TN_DERP_CLOSE_PEER:
      return !link->is_mesh || len != TN_KEY_LEN ? "closing others is not allowed" : NULL;
    default:
      return len > TN_DERP_FRAME_MAX ? "frame is too long" : NULL;
    }
}

/* Any frame of one of several connections makes it the one that gets the packets. */
static void
note_activity (TnTestkitRelayLink *link)
{
  if (link->peer != NULL && link->peer->links->len > 1)
    link->peer->active = link->peer->last = link;
}

void
tn_testkit_relay_receive (TnTestkitRelayLink *link,
                          const guint8       *data,
                          gsize               len,
                          gint64              now_us)
{
  TnReader r;
  TnDerpFrame frame;

  g_byte_array_append (link->input, data, (guint) len);
  r = TN_READER_INIT (link->input->data, link->input->len);

  while (link->verdict == NULL && r.left >= TN_DERP_FRAME_HEADER_LEN)
    {
      const char *verdict = judge_head (link, r.pos[0], tn_get_u32be (r.pos + 1));

      if (verdict != NULL)
        {
          condemn (link, verdict);
          break;
        }
      if (tn_derp_frame_next (&r, TN_DERP_FRAME_MAX, &frame) != TN_DERP_PARSED)
        break;
      note_activity (link);
      if (link->peer == NULL)
        handle_client_info (link, &frame);
      else
        handle_frame (link, &frame, now_us);
    }

  g_byte_array_remove_range (link->input, 0, link->input->len - (guint) r.left);
}

GByteArray *
tn_testkit_relay_take_output (TnTestkitRelayLink *link)
{
  GByteArray *output;

  if (link->output->len == 0)
    return NULL;

  output = g_steal_pointer (&link->output);
  link->output = g_byte_array_new ();
  return output;
}

const char *
tn_testkit_relay_get_verdict (TnTestkitRelayLink *link)
{
  return link->verdict;
}

const TnNodePublicKey *
tn_testkit_relay_get_peer (TnTestkitRelayLink *link)
{
  return link->peer != NULL ? &link->peer->key : NULL;
}
