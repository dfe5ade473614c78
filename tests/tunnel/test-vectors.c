/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "../vectors.h"

#include "tn-reader.h"
#include "tn-tunnel-private.h"

/* wireguard.jsonl, run through whole engines wherever the case allows it: random bytes, clock and network are scripted. */

typedef struct
{
  TnTunnel *tunnel;
  gint64    wall_ns;
  GQueue    indices;            /* guint32 in a pointer: drawn before random ones */
  GQueue    secrets;            /* 32 bytes */
  guint8    nonce[TN_XAEAD_NONCE_LEN];
  GPtrArray *sent;              /* GBytes */
} Party;

static void
party_send (gpointer user_data, TnTunnelPeer *peer, gconstpointer reply_to, TnTunnelMessage kind, TnPacket *packets, guint n)
{
  Party *party = user_data;

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (party->sent, g_bytes_new (packets[i].data, packets[i].len));
}

static gint64
party_wall_time_ns (gpointer user_data)
{
  return ((Party *) user_data)->wall_ns;
}

static void
party_random (gpointer user_data, void *out, gsize len)
{
  Party *party = user_data;
  g_autofree guint8 *secret = NULL;

  tn_random (out, len);
  if (len == 4 && !g_queue_is_empty (&party->indices))
    {
      guint32 index = GPOINTER_TO_UINT (g_queue_pop_head (&party->indices));

      memcpy (out, &index, sizeof index);
    }
  else if (len == 32 && (secret = g_queue_pop_head (&party->secrets)) != NULL)
    memcpy (out, secret, len);
  else if (len == sizeof party->nonce)
    memcpy (out, party->nonce, len);
}

static void
party_init (Party *party, const TnNodePrivateKey *key)
{
  static const TnTunnelHooks hooks = { .send = party_send, .wall_time_ns = party_wall_time_ns, .random = party_random };

  memset (party, 0, sizeof *party);
  party->sent = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  party->tunnel = tn_tunnel_new (key, &hooks, party);
}

static void
party_clear (Party *party)
{
  tn_tunnel_free (party->tunnel);
  g_ptr_array_unref (party->sent);
  g_queue_clear (&party->indices);
  g_queue_clear_full (&party->secrets, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Party, party_clear)

static void
party_init_from (Party *party, JsonObject *object, const char *member)
{
  TnNodePrivateKey key;

  tn_json_hex_exact (object, member, key.bytes, sizeof key.bytes);
  party_init (party, &key);
}

static TnTunnelPeer *
party_add (Party *party, JsonObject *object, const char *key_member, const char *psk_member)
{
  TnTunnelPeerConfig config = { 0 };
  TnNodePublicKey key;

  tn_json_hex_exact (object, key_member, key.bytes, sizeof key.bytes);
  tn_json_hex_exact (object, psk_member, config.psk, sizeof config.psk);
  return tn_tunnel_add_peer (party->tunnel, &key, &config, 0);
}

static void
party_script (Party *party, JsonObject *object, const char *index_member, const char *ephemeral_member)
{
  guint8 ephemeral[32];

  tn_json_hex_exact (object, ephemeral_member, ephemeral, sizeof ephemeral);
  g_queue_push_tail (&party->indices, GUINT_TO_POINTER ((guint) tn_json_uint (object, index_member)));
  g_queue_push_tail (&party->secrets, g_memdup2 (ephemeral, sizeof ephemeral));
}

static gint64
time_ns (JsonObject *object)
{
  JsonObject *time = tn_json_object (object, "time");

  return tn_json_int (time, "sec") * 1000000000 + tn_json_int (time, "nsec");
}

static GBytes *
party_last_sent (Party *party)
{
  return party->sent->len > 0 ? g_ptr_array_index (party->sent, party->sent->len - 1) : NULL;
}

static void
same_sent (TnVector *v, const char *name, Party *party, JsonObject *object)
{
  GBytes *bytes = party_last_sent (party);
  gsize len;
  const guint8 *data;

  if (bytes == NULL)
    {
      tn_vector_fail (v, "%s: nothing was sent", name);
      return;
    }
  data = g_bytes_get_data (bytes, &len);
  tn_vector_same_hex (v, name, data, len, tn_json_string (object, name));
}

/* From an exact copy, so that ASan sees a read behind the end. @out gets what is left after opening, if given. */
static TnTunnelVerdict
party_receive (Party *party, const guint8 *data, gsize len, gint64 now_us, GBytes **out)
{
  static const TnTunnelSource source = { .len = 6, .limit_len = 4 };
  g_autofree guint8 *copy = g_memdup2 (len > 0 ? data : (const guint8 *) "", MAX (len, 1));
  TnPacket packet = { .data = copy, .len = (guint32) len };
  TnTunnelPeer *peer;
  TnTunnelVerdict verdict;

  verdict = tn_tunnel_receive (party->tunnel, &packet, &source, now_us, &peer);
  if (out != NULL)
    *out = g_bytes_new (packet.data, packet.len);
  return verdict;
}

static TnTunnelVerdict
party_receive_hex (Party *party, JsonObject *object, const char *member, gint64 now_us)
{
  gsize len;
  g_autofree guint8 *message = tn_json_hex (object, member, &len);

  return party_receive (party, message, len, now_us, NULL);
}

/* What @from has sent last. */
static TnTunnelVerdict
party_deliver (Party *from, Party *to, gint64 now_us)
{
  GBytes *message = party_last_sent (from);

  return party_receive (to, g_bytes_get_data (message, NULL), g_bytes_get_size (message), now_us, NULL);
}

static void
initiate (Party *party, TnTunnelPeer *peer, gint64 now_us)
{
  tn_tunnel_advance (party->tunnel, now_us);
  peer->last_handshake_sent_us = TN_NEVER_US;
  tn_tunnel_initiate (party->tunnel, peer, FALSE);
}

/* --- handshake --- */

static void
check_transport (TnVector *v, JsonObject *t, Party *from, TnTunnelPeer *from_peer, Party *to, TnTunnelPeer *to_peer)
{
  guint8 buffer[TN_PACKET_HEADROOM + 4096 + TN_PACKET_TAILROOM];
  gsize len;
  g_autofree guint8 *plain = tn_json_hex (t, "plain", &len);
  TnPacket packet = {
    .data = buffer + TN_PACKET_HEADROOM, .len = (guint32) len, .headroom = TN_PACKET_HEADROOM, .tailroom = TN_PACKET_TAILROOM,
  };
  g_autoptr (GBytes) opened = NULL;

  g_assert_cmpuint (len, <=, 4096);
  memcpy (packet.data, plain, len);
  from_peer->keypairs.current->send_counter = tn_json_uint (t, "counter");
  g_assert_cmpint (tn_tunnel_seal (from->tunnel, from_peer, &packet, 1, 0), ==, TN_TUNNEL_SEALED);
  tn_vector_same_hex (v, "wire", packet.data, packet.len, tn_json_string (t, "wire"));
  tn_vector_same_uint (v, "headroom", packet.headroom, TN_PACKET_HEADROOM - TN_TUNNEL_HEADER_LEN);

  memset (&to_peer->keypairs.current->replay, 0, sizeof (TnReplay));
  party_receive (to, packet.data, packet.len, 0, &opened);
  if (g_bytes_get_size (opened) < len && tn_tunnel_get_drops (to->tunnel, TN_TUNNEL_DROP_AUTHENTICATION) > 0)
    tn_vector_fail (v, "the message does not open");
  tn_vector_same_hex (v, "opened", g_bytes_get_data (opened, NULL), MIN (len, g_bytes_get_size (opened)), tn_json_string (t, "plain"));
}

static void
test_handshake (TnVector *v)
{
  g_auto (Party) i = { 0 };
  g_auto (Party) r = { 0 };
  TnTunnelPeer *to_r, *to_i;
  JsonArray *transport = tn_vector_array (v, "transport");
  guint8 timestamp[TN_TAI64N_LEN];

  party_init_from (&i, v->object, "initiator_private");
  party_init_from (&r, v->object, "responder_private");
  to_r = party_add (&i, v->object, "responder_public", "psk");
  to_i = party_add (&r, v->object, "initiator_public", "psk");
  party_script (&i, v->object, "initiator_index", "initiator_ephemeral");
  party_script (&r, v->object, "responder_index", "responder_ephemeral");

  i.wall_ns = time_ns (v->object);
  tn_handshake_timestamp (timestamp, i.wall_ns);
  tn_vector_check_hex (v, "tai64n", timestamp, sizeof timestamp);
  tn_tunnel_connect (i.tunnel, to_r, 0);
  same_sent (v, "initiation", &i, v->object);
  tn_vector_same_int (v, "verdict on the initiation", party_receive_hex (&r, v->object, "initiation", 0), TN_TUNNEL_HANDSHAKE);
  same_sent (v, "response", &r, v->object);
  tn_vector_same_int (v, "verdict on the response", party_receive_hex (&i, v->object, "response", 0), TN_TUNNEL_HANDSHAKE);
  if (v->failed)
    return;

  tn_vector_check_hex (v, "key_i2r", to_r->keypairs.current->keys.send, 32);
  tn_vector_check_hex (v, "key_r2i", to_r->keypairs.current->keys.receive, 32);
  tn_vector_check_hex (v, "key_i2r", to_i->keypairs.next->keys.receive, 32);
  tn_vector_check_hex (v, "key_r2i", to_i->keypairs.next->keys.send, 32);

  /* The keep-alive of the initiator confirms the session. */
  party_deliver (&i, &r, 0);
  for (guint n = 0; n < json_array_get_length (transport) && !v->failed; n++)
    {
      JsonObject *t = json_array_get_object_element (transport, n);

      if (g_str_equal (tn_json_string (t, "dir"), "i2r"))
        check_transport (v, t, &i, to_r, &r, to_i);
      else
        check_transport (v, t, &r, to_i, &i, to_r);
    }
}

static void
test_psk_mismatch (TnVector *v)
{
  g_auto (Party) i = { 0 };
  g_auto (Party) r = { 0 };
  TnTunnelPeer *to_r;

  party_init_from (&i, v->object, "initiator_private");
  party_init_from (&r, v->object, "responder_private");
  to_r = party_add (&i, v->object, "responder_public", "initiator_psk");
  party_add (&r, v->object, "initiator_public", "responder_psk");
  party_script (&i, v->object, "initiator_index", "initiator_ephemeral");
  party_script (&r, v->object, "responder_index", "responder_ephemeral");

  i.wall_ns = time_ns (v->object);
  tn_tunnel_connect (i.tunnel, to_r, 0);
  same_sent (v, "initiation", &i, v->object);
  tn_vector_check_bool (v, "initiation_accept", party_receive_hex (&r, v->object, "initiation", 0) == TN_TUNNEL_HANDSHAKE);
  same_sent (v, "response", &r, v->object);
  tn_vector_check_bool (v, "response_accept", party_receive_hex (&i, v->object, "response", 0) == TN_TUNNEL_HANDSHAKE);
}

/* --- responder, initiator --- */

static void
check_message (TnVector *v, guint n, Party *party, JsonObject *step, gint64 now_us)
{
  gsize len;
  g_autofree guint8 *message = tn_json_hex (step, "msg", &len);
  gboolean has_macs = len == sizeof (TnMessageInitiation) || len == sizeof (TnMessageResponse);
  TnTunnelVerdict verdict;

  if ((has_macs && tn_cookie_checker_check_mac1 (&party->tunnel->checker, message, len)) != tn_json_bool (step, "mac1_ok"))
    tn_vector_fail (v, "step %u (%s): mac1", n, tn_json_string (step, "variant"));
  verdict = party_receive (party, message, len, now_us, NULL);
  if ((verdict == TN_TUNNEL_HANDSHAKE) != tn_json_bool (step, "accept"))
    tn_vector_fail (v, "step %u (%s): verdict %d", n, tn_json_string (step, "variant"), verdict);
}

static JsonObject *vouched_for;

static gboolean
vouch (gpointer user_data, const TnNodePublicKey *key, TnTunnelPeerConfig *config)
{
  TnNodePublicKey peer;

  tn_json_hex_exact (vouched_for, "peer_public", peer.bytes, sizeof peer.bytes);
  tn_json_hex_exact (vouched_for, "psk", config->psk, sizeof config->psk);
  return tn_node_public_key_equal (&peer, key);
}

static void
test_responder (TnVector *v)
{
  JsonArray *steps = tn_vector_array (v, "steps");

  for (gboolean lazy = FALSE; lazy <= TRUE; lazy++)      /* a peer that is there, and one made when it proves itself */
    {
      g_auto (Party) r = { 0 };

      party_init_from (&r, v->object, "responder_private");
      vouched_for = v->object;
      r.tunnel->hooks.lookup = vouch;
      if (!lazy)
        party_add (&r, v->object, "peer_public", "psk");
      for (guint n = 0; n < json_array_get_length (steps); n++)
        {
          JsonObject *step = json_array_get_object_element (steps, n);

          check_message (v, n, &r, step, time_ns (step) / 1000);
        }
    }
}

static void
test_initiator (TnVector *v)
{
  g_auto (Party) i = { 0 };
  JsonArray *steps = tn_vector_array (v, "steps");
  TnTunnelPeer *peer;
  gint64 now_us = 0;

  party_init_from (&i, v->object, "initiator_private");
  peer = party_add (&i, v->object, "responder_public", "psk");
  for (guint n = 0; n < json_array_get_length (steps) && !v->failed; n++)
    {
      JsonObject *step = json_array_get_object_element (steps, n);

      if (g_str_equal (tn_json_string (step, "do"), "initiation"))
        {
          i.wall_ns = time_ns (step);
          now_us = i.wall_ns / 1000;
          party_script (&i, step, "index", "ephemeral");
          initiate (&i, peer, now_us);
          same_sent (v, "msg", &i, step);
          continue;
        }
      check_message (v, n, &i, step, now_us);
      if (tn_json_bool (step, "accept") && !v->failed)
        {
          tn_vector_same_hex (v, "key_send", peer->keypairs.current->keys.send, 32, tn_json_string (step, "key_send"));
          tn_vector_same_hex (v, "key_receive", peer->keypairs.current->keys.receive, 32, tn_json_string (step, "key_receive"));
        }
    }
}

/* --- cookie --- */

static void
check_cookie_initiation (TnVector *v, JsonObject *step, Party *i, TnTunnelPeer *peer, Party *r, const TnTunnelSource *source)
{
  TnTunnelSource other = *source;
  const guint8 *message;
  gint64 now_us;
  gsize len;

  i->wall_ns = time_ns (step);
  now_us = i->wall_ns / 1000;
  party_script (i, step, "index", "ephemeral");
  initiate (i, peer, now_us);
  same_sent (v, "msg", i, step);
  message = g_bytes_get_data (party_last_sent (i), &len);
  tn_vector_same_bool (v, "mac1_ok", tn_cookie_checker_check_mac1 (&r->tunnel->checker, message, len), tn_json_bool (step, "mac1_ok"));

  if (r->sent->len == 0)      /* the first one gets the cookie */
    {
      g_autofree guint8 *copy = g_memdup2 (message, len);
      TnPacket packet = { .data = copy, .len = (guint32) len };
      TnTunnelPeer *from;

      tn_tunnel_receive (r->tunnel, &packet, source, now_us, &from);
    }
  tn_vector_same_bool (v, "mac2_ok",
                       tn_cookie_checker_check_mac2 (&r->tunnel->checker, message, len, source->bytes, source->len, now_us),
                       tn_json_bool (step, "mac2_ok"));
  other.bytes[0] ^= 1;
  tn_vector_same_bool (v, "mac2_ok_other_source",
                       tn_cookie_checker_check_mac2 (&r->tunnel->checker, message, len, other.bytes, other.len, now_us),
                       tn_json_bool (step, "mac2_ok_other_source"));
}

static void
test_cookie (TnVector *v)
{
  g_auto (Party) i = { 0 };
  g_auto (Party) r = { 0 };
  TnTunnelSource source = { 0 };
  JsonArray *steps = tn_vector_array (v, "steps");
  g_autofree guint8 *source_bytes = NULL;
  TnTunnelPeer *peer;
  gsize len;

  party_init_from (&i, v->object, "initiator_private");
  party_init_from (&r, v->object, "responder_private");
  peer = party_add (&i, v->object, "responder_public", "psk");
  party_add (&r, v->object, "initiator_public", "psk");

  source_bytes = tn_vector_hex (v, "source", &len);
  g_assert_cmpuint (len, <=, TN_TUNNEL_SOURCE_MAX);
  memcpy (source.bytes, source_bytes, len);
  source.len = source.limit_len = (guint8) len;
  tn_tunnel_set_load_limit (r.tunnel, 0);
  tn_vector_hex_exact (v, "nonce", r.nonce, sizeof r.nonce);
  g_queue_push_tail (&r.secrets, g_malloc (32));
  tn_vector_hex_exact (v, "secret", g_queue_peek_tail (&r.secrets), 32);

  for (guint n = 0; n < json_array_get_length (steps) && !v->failed; n++)
    {
      JsonObject *step = json_array_get_object_element (steps, n);
      gboolean ok;

      if (g_str_equal (tn_json_string (step, "do"), "initiation"))
        {
          check_cookie_initiation (v, step, &i, peer, &r, &source);
          continue;
        }
      ok = party_receive_hex (&i, step, "msg", 0) == TN_TUNNEL_COOKIE;
      tn_vector_same_bool (v, "ok", ok, tn_json_bool (step, "ok"));
      if (ok)
        same_sent (v, "msg", &r, step);
    }
}

/* --- slots --- */

typedef struct
{
  Party         party;
  TnTunnelPeer *peer;
  GHashTable   *keys;         /* SlotKey by local index: what the other side would seal with */
} Side;

typedef struct
{
  guint8  key[32];
  guint64 counter;
} SlotKey;

static void
remember_key (Side *side, guint32 index, const guint8 key[32])
{
  SlotKey *slot_key = g_new0 (SlotKey, 1);

  memcpy (slot_key->key, key, sizeof slot_key->key);
  g_hash_table_insert (side->keys, GUINT_TO_POINTER (index), slot_key);
}

static void
check_slot (TnVector *v, guint n, const char *name, JsonObject *state, const TnKeypair *keypair)
{
  JsonNode *node = json_object_get_member (state, name);
  gboolean expected = !JSON_NODE_HOLDS_NULL (node);

  if (expected != (keypair != NULL) || (expected && json_node_get_int (node) != keypair->local_index))
    tn_vector_fail (v, "step %u: %s", n, name);
}

static void
check_state (TnVector *v, guint n, JsonObject *step, const char *name, const Side *side)
{
  JsonObject *state = tn_json_object (step, name);

  check_slot (v, n, "previous", state, side->peer->keypairs.previous);
  check_slot (v, n, "current", state, side->peer->keypairs.current);
  check_slot (v, n, "next", state, side->peer->keypairs.next);
}

static void
slots_handshake (TnVector *v, JsonObject *step, Side *i, Side *r, gint64 now_us)
{
  const TnKeypair *keypair;

  g_queue_push_tail (&i->party.indices, GUINT_TO_POINTER ((guint) tn_json_uint (step, "initiator_index")));
  g_queue_push_tail (&r->party.indices, GUINT_TO_POINTER ((guint) tn_json_uint (step, "responder_index")));
  initiate (&i->party, i->peer, now_us);
  tn_vector_same_int (v, "initiation", party_deliver (&i->party, &r->party, now_us), TN_TUNNEL_HANDSHAKE);
  if (tn_json_bool (step, "response_arrives"))
    tn_vector_same_int (v, "response", party_deliver (&r->party, &i->party, now_us), TN_TUNNEL_HANDSHAKE);

  /* The responder knows both keys, even if its answer is lost. */
  keypair = r->peer->keypairs.next;
  remember_key (r, keypair->local_index, keypair->keys.receive);
  remember_key (i, keypair->remote_index, keypair->keys.send);
}

static void
slots_data (TnVector *v, guint n, JsonObject *step, Side *side, gint64 now_us)
{
  guint32 index = (guint32) tn_json_uint (step, "index");
  SlotKey *key = g_hash_table_lookup (side->keys, GUINT_TO_POINTER (index));
  gboolean was_next = side->peer->keypairs.next != NULL && side->peer->keypairs.next->local_index == index;
  guint8 message[TN_MESSAGE_DATA_MIN] = { TN_MESSAGE_TYPE_DATA };
  guint8 nonce[TN_AEAD_NONCE_LEN] = { 0 };
  g_autoptr (TnAead) aead = tn_aead_new ();
  gboolean known;

  if (key == NULL)
    {
      tn_vector_fail (v, "step %u: no session ever had this index", n);
      return;
    }
  tn_put_u32le (message + 4, index);
  tn_put_u64le (message + 8, key->counter);
  tn_put_u64le (nonce + 4, key->counter++);
  tn_aead_seal (aead, key->key, nonce, NULL, 0, NULL, 0, message + 16);

  known = party_receive (&side->party, message, sizeof message, now_us, NULL) == TN_TUNNEL_KEEPALIVE;
  tn_vector_same_bool (v, "known", known, tn_json_bool (step, "known"));
  tn_vector_same_bool (v, "confirms", known && was_next && side->peer->keypairs.current->local_index == index,
                       tn_json_bool (step, "confirms"));
}

static void
test_slots (TnVector *v)
{
  JsonArray *steps = tn_vector_array (v, "steps");
  Side sides[2];
  gint64 now_us = 0;

  for (guint i = 0; i < 2; i++)
    {
      TnNodePrivateKey key;

      tn_node_private_key_generate (&key);
      party_init (&sides[i].party, &key);
      sides[i].keys = g_hash_table_new_full (NULL, NULL, NULL, g_free);
    }
  for (guint i = 0; i < 2; i++)
    sides[i].peer = tn_tunnel_add_peer (sides[i].party.tunnel, &sides[1 - i].party.tunnel->identity->public_key, NULL, 0);

  for (guint n = 0; n < json_array_get_length (steps) && !v->failed; n++)
    {
      JsonObject *step = json_array_get_object_element (steps, n);

      now_us += 25 * 1000;      /* past the flood limit, and enough for another timestamp */
      sides[0].party.wall_ns = sides[1].party.wall_ns = now_us * 1000;
      if (g_str_equal (tn_json_string (step, "do"), "handshake"))
        {
          guint i = g_str_equal (tn_json_string (step, "initiator"), "a") ? 0 : 1;

          slots_handshake (v, step, &sides[i], &sides[1 - i], now_us);
        }
      else
        slots_data (v, n, step, &sides[g_str_equal (tn_json_string (step, "at"), "a") ? 0 : 1], now_us);
      check_state (v, n, step, "state_a", &sides[0]);
      check_state (v, n, step, "state_b", &sides[1]);
    }

  for (guint i = 0; i < 2; i++)
    {
      party_clear (&sides[i].party);
      g_hash_table_unref (sides[i].keys);
    }
}

/* --- replay, receive, padding --- */

static void
test_replay (TnVector *v)
{
  JsonArray *counters = tn_vector_array (v, "counters");
  JsonArray *accept = tn_vector_array (v, "accept");
  TnReplay replay = { 0 };

  for (guint n = 0; n < json_array_get_length (counters); n++)
    {
      const char *text = json_array_get_string_element (counters, n);
      gboolean accepted = tn_replay_accept (&replay, g_ascii_strtoull (text, NULL, 10));

      if (accepted != (json_array_get_int_element (accept, n) != 0))
        tn_vector_fail (v, "counter %u (%s) is %s", n, text, accepted ? "accepted" : "refused");
    }
}

static gboolean
source_allowed (JsonArray *allowed, const guint8 *packet)
{
  TnIpAddress source = packet[0] >> 4 == 4 ? tn_ip_address_from_bytes (packet + 12, 4) : tn_ip_address_from_bytes (packet + 8, 16);

  for (guint n = 0; n < json_array_get_length (allowed); n++)
    {
      TnIpPrefix prefix;

      g_assert_true (tn_ip_prefix_parse (json_array_get_string_element (allowed, n), &prefix));
      if (tn_ip_prefix_contains (&prefix, &source))
        return TRUE;
    }
  return FALSE;
}

static void
check_receive (TnVector *v, guint n, Party *party, JsonObject *step)
{
  gsize len;
  g_autofree guint8 *message = tn_json_hex (step, "msg", &len);
  g_autoptr (GBytes) opened = NULL;
  TnTunnelVerdict verdict;
  gboolean authentic, delivered;

  memset (party->tunnel->drops, 0, sizeof party->tunnel->drops);
  verdict = party_receive (party, message, len, 0, &opened);
  authentic = verdict != TN_TUNNEL_DROP || tn_tunnel_get_drops (party->tunnel, TN_TUNNEL_DROP_INNER) > 0;
  delivered = verdict == TN_TUNNEL_DATA && source_allowed (tn_vector_array (v, "allowed"), g_bytes_get_data (opened, NULL));

  if (authentic != tn_json_bool (step, "authentic") || delivered != tn_json_has (step, "packet"))
    tn_vector_fail (v, "step %u (%s): verdict %d", n, tn_json_string (step, "variant"), verdict);
  else if (delivered)
    tn_vector_same_hex (v, "packet", g_bytes_get_data (opened, NULL), g_bytes_get_size (opened), tn_json_string (step, "packet"));
}

static void
test_receive (TnVector *v)
{
  g_auto (Party) party = { 0 };
  JsonArray *steps = tn_vector_array (v, "steps");
  TnKeypair *keypair = g_new0 (TnKeypair, 1);
  TnNodePrivateKey own, other;
  TnNodePublicKey key;
  TnTunnelPeer *peer;

  tn_node_private_key_generate (&own);
  tn_node_private_key_generate (&other);
  tn_node_private_key_get_public (&other, &key);
  party_init (&party, &own);
  peer = tn_tunnel_add_peer (party.tunnel, &key, NULL, 0);

  tn_vector_hex_exact (v, "key", keypair->keys.receive, 32);
  keypair->local_index = (guint32) tn_vector_uint (v, "index");
  keypair->is_initiator = TRUE;
  g_assert_true (tn_index_table_insert (&party.tunnel->indices, keypair->local_index, peer, keypair));
  tn_keypairs_take (&peer->keypairs, &party.tunnel->indices, keypair);

  for (guint n = 0; n < json_array_get_length (steps); n++)
    check_receive (v, n, &party, json_array_get_object_element (steps, n));
}

static void
test_padding (TnVector *v)
{
  JsonArray *rows = tn_vector_array (v, "rows");

  for (guint n = 0; n < json_array_get_length (rows); n++)
    {
      JsonArray *row = json_array_get_array_element (rows, n);
      gint64 len = json_array_get_int_element (row, 0);
      gint64 mtu = json_array_get_int_element (row, 1);
      guint padding = tn_tunnel_padding ((gsize) len, (guint) mtu);

      if (padding != json_array_get_int_element (row, 2))
        tn_vector_fail (v, "row %u: %u bytes of padding for length %d, MTU %d", n, padding, (int) len, (int) mtu);
    }
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = {
    { "handshake", test_handshake },
    { "psk_mismatch", test_psk_mismatch },
    { "responder", test_responder },
    { "initiator", test_initiator },
    { "cookie", test_cookie },
    { "slots", test_slots },
    { "replay", test_replay },
    { "receive", test_receive },
    { "padding", test_padding },
  };

  tn_vectors_run ("wireguard.jsonl", 295, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tunnel/vectors/wireguard", test_vectors);
  return g_test_run ();
}
