/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-testkit-registry.h"

G_BEGIN_DECLS

/* Between the two halves of the registry: nodes, and how they get in. */

typedef struct
{
  char              *id;
  TnMachinePublicKey machine_key;
  TnNodePublicKey    node_key;
  gint64             expiry_s;
  gint64             version;
  gboolean           ephemeral;
  JsonNode          *hostinfo;     /* nullable */
} TnTestkitPending;

void             tn_testkit_pending_free     (TnTestkitPending *pending);
void             tn_testkit_auth_key_free    (TnTestkitAuthKey *key);
void             tn_testkit_user_free        (TnTestkitUser *user);

TnTestkitRecord *tn_testkit_registry_add     (TnTestkitRegistry *registry, const TnMachinePublicKey *machine,
                                              TnTestkitUser *user, gint64 now_s);       /* NULL: no address left */
void             tn_testkit_registry_set_key (TnTestkitRegistry *registry, TnTestkitRecord *record, const TnNodePublicKey *key);

G_END_DECLS
