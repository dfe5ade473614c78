/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-address-set.h"

static guint64 present;     /* any value of a table that only tells what is in it */

void
tn_address_set_add (TnAddressSet     *set,
                    const TnIpPrefix *prefix)
{
  const TnIpAddress *address = &prefix->address;

  if (address->version == 4 && prefix->bits == 32 && set->n_hosts4 < TN_ADDRESS_SET_N_HOSTS)
    {
      memcpy (&set->hosts4[set->n_hosts4++], address->bytes, 4);
      return;
    }
  if (address->version == 6 && prefix->bits == 128 && set->n_hosts6 < TN_ADDRESS_SET_N_HOSTS)
    {
      memcpy (set->hosts6[set->n_hosts6++], address->bytes, 16);
      return;
    }

  if (set->others == NULL)
    set->others = tn_prefix_table_new (NULL);
  tn_prefix_table_insert (set->others, prefix, &present);
}

void
tn_address_set_clear (TnAddressSet *set)
{
  g_clear_pointer (&set->others, tn_prefix_table_free);
  set->n_hosts4 = set->n_hosts6 = 0;
}
