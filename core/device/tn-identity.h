/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-keys.h"
#include "tn-lock-key.h"
#include "tn-state-store.h"

G_BEGIN_DECLS

/* The keys by which a node is the same node after a restart: in locked memory, erased when freed. */
typedef struct
{
  TnMachinePrivateKey *machine_key;
  TnNodePrivateKey    *node_key;
  TnNodePublicKey      old_node_key;      /* zeros: none */
  TnLockPublicKey      lock_key;          /* by which others know what this node signs; the private one rests in the store */
  gboolean             node_key_is_new;   /* it was made now: no server has seen it */
} TnIdentity;

void        tn_identity_free          (TnIdentity *identity);

/* From an acquired store, called in the thread-default main context. Keys that are missing are made, and saved before it ends. A
 * damaged one is an error that names it. */
void        tn_identity_load_async    (TnStateStore *store, GCancellable *cancellable, GAsyncReadyCallback callback,
                                       gpointer user_data);
TnIdentity *tn_identity_load_finish   (TnStateStore *store, GAsyncResult *result, GError **error);

/* @old_node_key: nullable; the one before, by which the server knows the node until the new one is registered. Cancelled at any point it
 * leaves a state with which the node is the same node. */
void        tn_identity_save_async    (TnStateStore *store, const TnNodePrivateKey *node_key, const TnNodePublicKey *old_node_key,
                                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/* After a logout: the node and lock keys are gone, and the network map that came with them. The machine key stays. */
void        tn_identity_forget_async  (TnStateStore *store, GCancellable *cancellable, GAsyncReadyCallback callback,
                                       gpointer user_data);

/* Of either. */
gboolean    tn_identity_save_finish   (TnStateStore *store, GAsyncResult *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnIdentity, tn_identity_free)

G_END_DECLS
