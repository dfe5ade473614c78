/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-prefix-table.h"

G_BEGIN_DECLS

#define TN_ADDRESS_SET_N_HOSTS 4

/* Is an address one of ours? Asked for every packet, and nearly always answered by the first host of its family. */
typedef struct
{
  guint32        hosts4[TN_ADDRESS_SET_N_HOSTS];
  guint64        hosts6[TN_ADDRESS_SET_N_HOSTS][2];
  guint          n_hosts4;
  guint          n_hosts6;
  TnPrefixTable *others;        /* NULL: none */
} TnAddressSet;

void tn_address_set_add   (TnAddressSet *set, const TnIpPrefix *prefix);
void tn_address_set_clear (TnAddressSet *set);

static inline gboolean
tn_address_set_contains (const TnAddressSet *set, const TnIpAddress *address)
{
  if (address->version == 4)
    {
      guint32 host;

      memcpy (&host, address->bytes, sizeof host);
      for (guint i = 0; i < set->n_hosts4; i++)
        if (set->hosts4[i] == host)
          return TRUE;
    }
  else
    {
      guint64 host[2];

      memcpy (host, address->bytes, sizeof host);
      for (guint i = 0; i < set->n_hosts6; i++)
        if (set->hosts6[i][0] == host[0] && set->hosts6[i][1] == host[1] && address->version == 6)
          return TRUE;
    }
  return set->others != NULL && tn_prefix_table_lookup (set->others, address) != NULL;
}

G_END_DECLS
