/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-index-table.h"
#include "tn-handshake.h"
#include "tn-replay.h"

G_BEGIN_DECLS

/* Keys of one session, one pair for both directions. */
struct _TnKeypair
{
  TnHandshakeKeys keys;
  guint64         send_counter;      /* of the next packet */
  gint64          birth_us;
  guint32         local_index;       /* in what the peer sends */
  guint32         remote_index;      /* in what we send */
  gboolean        is_initiator;
  guint64         begun;             /* order among the tunnel's handshakes: when our initiation went out or the peer's came in */
  guint64         derived;           /* when the keys were there */
  TnReplay        replay;
};

/* Sessions of a peer (WireGuard paper §6.3): all three receive, only the current one sends. A responder may not use its new keys
 * before the initiator has: until then they wait as the next ones.
 *
 * If initiations cross on the way, both sides may end up with two new sessions. Neither knows which of them the other will use
 * (other implementations give up their own), so the peer's stays the next one until something comes by it; and if something
 * does, both settle on the session whose initiator has the greater key. */
typedef struct
{
  TnKeypair *previous;
  TnKeypair *current;
  TnKeypair *next;
} TnKeypairs;

/* Takes @keypair, which is in @table already, and forgets those that it supersedes. */
void     tn_keypairs_take    (TnKeypairs *keypairs, TnIndexTable *table, TnKeypair *keypair);

/* An authentic packet came with @keypair: TRUE if that makes the next session the current one. @prefers_own: of crossed sessions
 * ours is the one to settle on. */
gboolean tn_keypairs_confirm (TnKeypairs *keypairs, TnIndexTable *table, TnKeypair *keypair, gboolean prefers_own);

void     tn_keypairs_clear   (TnKeypairs *keypairs, TnIndexTable *table);

/* Of the current keypair; NULL: there is none with which a packet may be sent now. */
static inline TnKeypair *
tn_keypairs_get_usable (const TnKeypairs *keypairs, gint64 now_us)
{
  TnKeypair *current = keypairs->current;

  return current != NULL && now_us - current->birth_us < TN_REJECT_AFTER_TIME_US &&
         current->send_counter < TN_REJECT_AFTER_MESSAGES ? current : NULL;
}

void     tn_keypair_free     (TnKeypair *keypair);

G_END_DECLS
