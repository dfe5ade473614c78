/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-name-index.h"

#include <string.h>

#include "tn-error.h"

struct _TnNameIndex
{
  GHashTable *by_id;          /* stable id -> TnNodeData, owned */
  GHashTable *by_fqdn;        /* FQDN -> TnNodeData */
  GHashTable *by_address;     /* TnIpAddress -> TnNodeData */
  GHashTable *foreign;        /* short name -> GPtrArray of TnNodeData outside the suffix; most tailnets have none or few */
  char       *suffix;         /* nullable; lower case, no dots around it */
};

static gboolean
address_equal (gconstpointer a,
               gconstpointer b)
{
  return tn_ip_address_equal (a, b);
}

TnNameIndex *
tn_name_index_new (void)
{
  TnNameIndex *index = g_new0 (TnNameIndex, 1);

  index->by_id = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) tn_node_data_unref);
  index->by_fqdn = g_hash_table_new (g_str_hash, g_str_equal);
  index->by_address = g_hash_table_new (tn_ip_address_hash, address_equal);
  index->foreign = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  return index;
}

void
tn_name_index_free (TnNameIndex *index)
{
  g_hash_table_unref (index->foreign);
  g_hash_table_unref (index->by_address);
  g_hash_table_unref (index->by_fqdn);
  g_hash_table_unref (index->by_id);
  g_free (index->suffix);
  g_free (index);
}

static gboolean
is_own (const TnNameIndex *index,
        const TnNodeData  *node)
{
  gsize name_len = strlen (node->name);

  return index->suffix != NULL && node->fqdn[name_len] == '.' && strcmp (node->fqdn + name_len + 1, index->suffix) == 0;
}

static void
add_foreign (TnNameIndex      *index,
             const TnNodeData *node)
{
  GPtrArray *nodes = g_hash_table_lookup (index->foreign, node->name);

  if (nodes == NULL)
    {
      nodes = g_ptr_array_new ();
      g_hash_table_insert (index->foreign, g_strdup (node->name), nodes);
    }
  g_ptr_array_add (nodes, (gpointer) (guintptr) node);
}

static void
remove_foreign (TnNameIndex      *index,
                const TnNodeData *node)
{
  GPtrArray *nodes = g_hash_table_lookup (index->foreign, node->name);

  if (nodes != NULL && g_ptr_array_remove (nodes, (gpointer) (guintptr) node) && nodes->len == 0)
    g_hash_table_remove (index->foreign, node->name);
}

void
tn_name_index_set_dns_suffix (TnNameIndex *index,
                              const char  *suffix)
{
  g_autofree char *lower = NULL;
  GHashTableIter iter;
  gpointer node;

  if (suffix != NULL)
    {
      lower = g_ascii_strdown (*suffix == '.' ? suffix + 1 : suffix, -1);
      if (*lower != '\0' && lower[strlen (lower) - 1] == '.')
        lower[strlen (lower) - 1] = '\0';
    }
  if (g_strcmp0 (lower, index->suffix) == 0)
    return;

  g_free (index->suffix);
  index->suffix = g_steal_pointer (&lower);
  g_hash_table_remove_all (index->foreign);
  g_hash_table_iter_init (&iter, index->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &node))
    if (*((TnNodeData *) node)->name != '\0' && !is_own (index, node))
      add_foreign (index, node);
}

gboolean
tn_name_index_remove (TnNameIndex *index,
                      const char  *stable_id)
{
  const TnNodeData *node = g_hash_table_lookup (index->by_id, stable_id);

  if (node == NULL)
    return FALSE;

  /* Somebody else may have taken over its name or address. */
  if (g_hash_table_lookup (index->by_fqdn, node->fqdn) == node)
    g_hash_table_remove (index->by_fqdn, node->fqdn);
  for (guint i = 0; i < node->n_addresses; i++)
    if (g_hash_table_lookup (index->by_address, &node->addresses[i]) == node)
      g_hash_table_remove (index->by_address, &node->addresses[i]);
  remove_foreign (index, node);
  g_hash_table_remove (index->by_id, stable_id);
  return TRUE;
}

void
tn_name_index_add (TnNameIndex      *index,
                   const TnNodeData *node)
{
  TnNodeData *held = tn_node_data_ref (node);

  tn_name_index_remove (index, held->stable_id);

  /* The keys are inside the node: replace, so that a key never outlives the node it came from. */
  g_hash_table_replace (index->by_id, held->stable_id, held);
  if (*held->fqdn != '\0')
    g_hash_table_replace (index->by_fqdn, held->fqdn, held);
  for (guint i = 0; i < held->n_addresses; i++)
    g_hash_table_replace (index->by_address, &held->addresses[i], held);
  if (*held->name != '\0' && !is_own (index, held))
    add_foreign (index, held);
}

void
tn_name_index_clear (TnNameIndex *index)
{
  g_hash_table_remove_all (index->foreign);
  g_hash_table_remove_all (index->by_address);
  g_hash_table_remove_all (index->by_fqdn);
  g_hash_table_remove_all (index->by_id);
}

guint
tn_name_index_size (const TnNameIndex *index)
{
  return g_hash_table_size (index->by_id);
}

const TnNodeData *
tn_name_index_by_id (const TnNameIndex *index,
                     const char        *stable_id)
{
  return g_hash_table_lookup (index->by_id, stable_id);
}

const TnNodeData *
tn_name_index_by_address (const TnNameIndex *index,
                          const TnIpAddress *address)
{
  return g_hash_table_lookup (index->by_address, address);
}

static void
set_ambiguous (const char *name,
               GPtrArray  *candidates,
               GError    **error)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < candidates->len && i < 4; i++)
    g_string_append_printf (names, "%s%s", i == 0 ? "" : ", ", ((const TnNodeData *) g_ptr_array_index (candidates, i))->fqdn);
  if (candidates->len > 4)
    g_string_append (names, ", …");
  g_set_error (error, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "“%s” may be any of %s", name, names->str);
}

const TnNodeData *
tn_name_index_find (const TnNameIndex *index,
                    const char        *name_or_address,
                    GError           **error)
{
  g_autofree char *name = NULL;
  const TnNodeData *node;
  GPtrArray *candidates;
  TnIpAddress address;
  gsize len = strlen (name_or_address);

  if (tn_ip_address_parse (name_or_address, &address))
    {
      node = tn_name_index_by_address (index, &address);
      if (node == NULL)
        g_set_error (error, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "no peer has the address %s", name_or_address);
      return node;
    }

  if (len > 0 && name_or_address[len - 1] == '.')
    len--;
  name = g_ascii_strdown (name_or_address, (gssize) len);

  node = g_hash_table_lookup (index->by_fqdn, name);
  if (node == NULL && index->suffix != NULL)
    {
      g_autofree char *fqdn = g_strconcat (name, ".", index->suffix, NULL);

      node = g_hash_table_lookup (index->by_fqdn, fqdn);
    }
  if (node != NULL)
    return node;

  candidates = g_hash_table_lookup (index->foreign, name);
  if (candidates == NULL)
    g_set_error (error, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "no peer is called “%s”", name_or_address);
  else if (candidates->len > 1)
    set_ambiguous (name_or_address, candidates, error);
  else
    node = g_ptr_array_index (candidates, 0);
  return node;
}

const TnNodeData *
tn_name_index_lookup (const TnNameIndex *index,
                      const char        *name_or_address)
{
  return tn_name_index_find (index, name_or_address, NULL);
}
