/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-keypairs.h"

void
tn_keypair_free (TnKeypair *keypair)
{
  explicit_bzero (keypair, sizeof *keypair);
  g_free (keypair);
}

static void
forget (TnKeypair    **slot,
        TnIndexTable  *table)
{
  if (*slot == NULL)
    return;

  tn_index_table_remove (table, (*slot)->local_index);
  g_clear_pointer (slot, tn_keypair_free);
}

/* The next session crossed with the current one: it is not newer. */
static gboolean
next_is_crossed (const TnKeypairs *keypairs)
{
  return keypairs->next != NULL && keypairs->current != NULL && keypairs->next->derived < keypairs->current->derived;
}

/* The one that initiated has the responder's answer, so both have the keys. A next session from before that never was confirmed
 * is still worth keeping to receive with: it is younger than the current one. */
static void
take_as_initiator (TnKeypairs   *keypairs,
                   TnIndexTable *table,
                   TnKeypair    *keypair)
{
  forget (&keypairs->previous, table);
  if (next_is_crossed (keypairs))
    forget (&keypairs->next, table);

  if (keypairs->next != NULL && keypairs->next->begun < keypair->begun)
    {
      keypairs->previous = g_steal_pointer (&keypairs->next);
      forget (&keypairs->current, table);
    }
  else
    keypairs->previous = keypairs->current;
  keypairs->current = keypair;
}

void
tn_keypairs_take (TnKeypairs   *keypairs,
                  TnIndexTable *table,
                  TnKeypair    *keypair)
{
  if (keypair->is_initiator)
    {
      take_as_initiator (keypairs, table, keypair);
      return;
    }

  forget (&keypairs->next, table);
  forget (&keypairs->previous, table);
  keypairs->next = keypair;
}

gboolean
tn_keypairs_confirm (TnKeypairs   *keypairs,
                     TnIndexTable *table,
                     TnKeypair    *keypair,
                     gboolean      prefers_own)
{
  if (keypair != keypairs->next)
    return FALSE;

  forget (&keypairs->previous, table);
  if (prefers_own && next_is_crossed (keypairs))
    {
      keypairs->previous = g_steal_pointer (&keypairs->next);
      return FALSE;
    }
  keypairs->previous = keypairs->current;
  keypairs->current = g_steal_pointer (&keypairs->next);
  return TRUE;
}

void
tn_keypairs_clear (TnKeypairs   *keypairs,
                   TnIndexTable *table)
{
  forget (&keypairs->previous, table);
  forget (&keypairs->current, table);
  forget (&keypairs->next, table);
}
