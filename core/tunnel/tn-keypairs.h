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
  TnReplay        replay;
};

/* Sessions of a peer (WireGuard paper §6.3): all three receive, only the current one sends. A responder may not use its new keys
 * before the initiator has: until then they wait as the next ones. */
typedef struct
{
  TnKeypair *previous;
  TnKeypair *current;
  TnKeypair *next;
} TnKeypairs;

/* Takes @keypair, which is in @table already, and forgets those that it supersedes. */
void     tn_keypairs_take    (TnKeypairs *keypairs, TnIndexTable *table, TnKeypair *keypair);

/* An authentic packet came with @keypair: TRUE if that makes the next session the current one. */
gboolean tn_keypairs_confirm (TnKeypairs *keypairs, TnIndexTable *table, TnKeypair *keypair);

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
