/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-keys.h"
#include "tn-state-store.h"

G_BEGIN_DECLS

/* The keys by which a node is the same node after a restart: in locked memory, erased when freed. */
typedef struct
{
  TnMachinePrivateKey *machine_key;
  TnNodePrivateKey    *node_key;
  TnNodePublicKey      old_node_key;      /* zeros: none */
} TnIdentity;

/* Keys that are missing are made, and saved. A damaged one is an error that names it. */
TnIdentity *tn_identity_load           (TnStateStore *store, GError **error);
void        tn_identity_free           (TnIdentity *identity);

/* @old_node_key: nullable; the one before, by which the server knows the node until the new one is registered. */
gboolean    tn_identity_save_node_keys (TnStateStore *store, const TnNodePrivateKey *node_key, const TnNodePublicKey *old_node_key,
                                        GError **error);

/* After a logout: the node keys are gone, the machine key stays. */
gboolean    tn_identity_forget         (TnStateStore *store, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnIdentity, tn_identity_free)

G_END_DECLS
