/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-peer-users.h"

#include <string.h>

#define NAMELESS_BITS 32768u

struct _TnPeerUsers
{
  GHashTable *users;                         /* gint64 * -> TnUser */
  guint8      nameless[NAMELESS_BITS / 8];   /* by hash: users without a profile of whom nodes were shown. A set would have no end: a
                                              * server may name as many as it likes. Mistaken for one, a user costs a look at all peers. */
};

TnPeerUsers *
tn_peer_users_new (void)
{
  TnPeerUsers *users = g_new0 (TnPeerUsers, 1);

  users->users = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_object_unref);
  return users;
}

void
tn_peer_users_free (TnPeerUsers *users)
{
  g_hash_table_unref (users->users);
  g_free (users);
}

static void
note_nameless (TnPeerUsers *users,
               gint64       id)
{
  guint bit = g_int64_hash (&id) % NAMELESS_BITS;

  users->nameless[bit / 8] |= (guint8) (1u << bit % 8);
}

static gboolean
may_be_nameless (TnPeerUsers *users,
                 gint64       id)
{
  guint bit = g_int64_hash (&id) % NAMELESS_BITS;

  return (users->nameless[bit / 8] & 1u << bit % 8) != 0;
}

static gboolean
is_of (TnUser             *user,
       const TnNetmapUser *profile)
{
  return g_strcmp0 (tn_user_get_login_name (user), profile->login_name) == 0 &&
         g_strcmp0 (tn_user_get_display_name (user), profile->display_name) == 0 &&
         g_strcmp0 (tn_user_get_profile_picture_url (user), profile->picture_url) == 0;
}

TnUser *
tn_peer_users_get (TnPeerUsers    *users,
                   const TnNetmap *netmap,
                   gint64          id)
{
  const TnNetmapUser *profile = tn_netmap_lookup_user (netmap, id);
  TnUser *user = g_hash_table_lookup (users->users, &id);

  if (profile == NULL)
    {
      note_nameless (users, id);
      return NULL;
    }
  if (user == NULL || !is_of (user, profile))
    {
      user = tn_user_new (id, profile->login_name, profile->display_name, profile->picture_url);
      g_hash_table_insert (users->users, g_memdup2 (&id, sizeof id), user);
    }
  return user;
}

void
tn_peer_users_collect (TnPeerUsers           *users,
                       const TnNetmapChanges *changes,
                       GHashTable            *ids)
{
  for (guint i = 0; i < changes->user_ids->len; i++)
    {
      gint64 *id = &g_array_index (changes->user_ids, gint64, i);

      if (may_be_nameless (users, *id) || g_hash_table_contains (users->users, id))
        g_hash_table_add (ids, id);
    }
}

/* Profiles live as long as their stream, where a server names each of them once. */
static gboolean
is_unknown_cb (gpointer key,
               gpointer value,
               gpointer netmap)
{
  return tn_netmap_lookup_user (netmap, *(gint64 *) key) == NULL;
}

void
tn_peer_users_renew (TnPeerUsers    *users,
                     const TnNetmap *netmap)
{
  g_hash_table_foreach_remove (users->users, is_unknown_cb, (gpointer) (guintptr) netmap);
  memset (users->nameless, 0, sizeof users->nameless);
  for (guint i = 0; i < netmap->peers->len; i++)
    {
      const TnNetmapNode *node = g_ptr_array_index (netmap->peers, i);

      if (tn_netmap_lookup_user (netmap, node->user) == NULL)
        note_nameless (users, node->user);
    }
}
