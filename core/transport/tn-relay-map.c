/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-relay-map.h"

TnRelayNode *
tn_relay_node_new (const char *name,
                   const char *host_name)
{
  TnRelayNode *node = g_new0 (TnRelayNode, 1);

  node->name = g_strdup (name);
  node->host_name = g_strdup (host_name);
  return node;
}

static gboolean
is_plain (const char *name)
{
  for (; name != NULL && *name != '\0'; name++)
    if (!g_ascii_isgraph (*name))
      return FALSE;
  return TRUE;
}

gboolean
tn_relay_node_has_plain_names (const TnRelayNode *node)
{
  return is_plain (node->name) && is_plain (node->host_name) && is_plain (node->cert_name);
}

static TnRelayNode *
relay_node_copy (const TnRelayNode *node)
{
  TnRelayNode *copy = g_memdup2 (node, sizeof *node);

  copy->name = g_strdup (node->name);
  copy->host_name = g_strdup (node->host_name);
  copy->cert_name = g_strdup (node->cert_name);
  copy->ipv4 = g_strdup (node->ipv4);
  copy->ipv6 = g_strdup (node->ipv6);
  copy->stun_test_ip = g_strdup (node->stun_test_ip);
  return copy;
}

void
tn_relay_node_free (TnRelayNode *node)
{
  g_free (node->name);
  g_free (node->host_name);
  g_free (node->cert_name);
  g_free (node->ipv4);
  g_free (node->ipv6);
  g_free (node->stun_test_ip);
  g_free (node);
}

TnRelayRegion *
tn_relay_region_new (guint       id,
                     const char *code,
                     const char *name)
{
  TnRelayRegion *region = g_new0 (TnRelayRegion, 1);

  region->id = id;
  region->code = g_strdup (code);
  region->name = g_strdup (name);
  region->nodes = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_relay_node_free);
  return region;
}

TnRelayRegion *
tn_relay_region_copy (const TnRelayRegion *region)
{
  TnRelayRegion *copy = tn_relay_region_new (region->id, region->code, region->name);

  copy->latitude = region->latitude;
  copy->longitude = region->longitude;
  copy->avoid = region->avoid;
  copy->no_measure_no_home = region->no_measure_no_home;
  for (guint i = 0; i < region->nodes->len; i++)
    g_ptr_array_add (copy->nodes, relay_node_copy (g_ptr_array_index (region->nodes, i)));
  return copy;
}

static gboolean
relay_node_equal (const TnRelayNode *a,
                  const TnRelayNode *b)
{
  return g_strcmp0 (a->name, b->name) == 0 && g_strcmp0 (a->host_name, b->host_name) == 0 &&
         g_strcmp0 (a->cert_name, b->cert_name) == 0 && g_strcmp0 (a->ipv4, b->ipv4) == 0 && g_strcmp0 (a->ipv6, b->ipv6) == 0 &&
         g_strcmp0 (a->stun_test_ip, b->stun_test_ip) == 0 && a->stun_port == b->stun_port && a->derp_port == b->derp_port &&
         a->stun_only == b->stun_only && a->insecure_for_tests == b->insecure_for_tests && a->can_port80 == b->can_port80;
}

gboolean
tn_relay_region_equal (const TnRelayRegion *a,
                       const TnRelayRegion *b)
{
  if (a->id != b->id || g_strcmp0 (a->code, b->code) != 0 || g_strcmp0 (a->name, b->name) != 0 || a->latitude != b->latitude ||
      a->longitude != b->longitude || a->avoid != b->avoid || a->no_measure_no_home != b->no_measure_no_home ||
      a->nodes->len != b->nodes->len)
    return FALSE;

  for (guint i = 0; i < a->nodes->len; i++)
    if (!relay_node_equal (g_ptr_array_index (a->nodes, i), g_ptr_array_index (b->nodes, i)))
      return FALSE;
  return TRUE;
}

void
tn_relay_region_free (TnRelayRegion *region)
{
  g_free (region->code);
  g_free (region->name);
  g_ptr_array_unref (region->nodes);
  g_free (region);
}

TnRelayMap *
tn_relay_map_new (void)
{
  TnRelayMap *map = g_new0 (TnRelayMap, 1);

  g_atomic_ref_count_init (&map->ref_count);
  map->regions = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_relay_region_free);
  return map;
}

TnRelayMap *
tn_relay_map_ref (TnRelayMap *map)
{
  g_atomic_ref_count_inc (&map->ref_count);
  return map;
}

void
tn_relay_map_unref (TnRelayMap *map)
{
  if (!g_atomic_ref_count_dec (&map->ref_count))
    return;

  g_ptr_array_unref (map->regions);
  g_clear_pointer (&map->scores, g_hash_table_unref);
  g_free (map);
}

TnRelayMap *
tn_relay_map_copy (const TnRelayMap *map)
{
  TnRelayMap *copy = tn_relay_map_new ();
  GHashTableIter iter;
  gpointer key, value;

  for (guint i = 0; i < map->regions->len; i++)
    g_ptr_array_add (copy->regions, tn_relay_region_copy (g_ptr_array_index (map->regions, i)));
  if (map->scores != NULL)
    {
      g_hash_table_iter_init (&iter, map->scores);
      while (g_hash_table_iter_next (&iter, &key, &value))
        tn_relay_map_set_score (copy, GPOINTER_TO_UINT (key), *(double *) value);
    }
  return copy;
}

static gboolean
scores_equal (GHashTable *a,
              GHashTable *b)
{
  GHashTableIter iter;
  gpointer key, value;

  if (a == NULL || b == NULL)
    return a == b;
  if (g_hash_table_size (a) != g_hash_table_size (b))
    return FALSE;
  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      const double *other = g_hash_table_lookup (b, key);

      if (other == NULL || *other != *(double *) value)
        return FALSE;
    }
  return TRUE;
}

gboolean
tn_relay_map_equal (const TnRelayMap *a,
                    const TnRelayMap *b)
{
  if (a->regions->len != b->regions->len || !scores_equal (a->scores, b->scores))
    return FALSE;
  for (guint i = 0; i < a->regions->len; i++)
    if (!tn_relay_region_equal (g_ptr_array_index (a->regions, i), g_ptr_array_index (b->regions, i)))
      return FALSE;
  return TRUE;
}

/* Index of @region, or of the place where it would be inserted. */
static guint
find_region (const TnRelayMap *map,
             guint             region)
{
  guint low = 0;
  guint high = map->regions->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (((TnRelayRegion *) g_ptr_array_index (map->regions, middle))->id < region)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

TnRelayRegion *
tn_relay_map_lookup (const TnRelayMap *map,
                     guint             region)
{
  guint i = find_region (map, region);
  TnRelayRegion *found = i < map->regions->len ? g_ptr_array_index (map->regions, i) : NULL;

  return found != NULL && found->id == region ? found : NULL;
}

double
tn_relay_map_score (const TnRelayMap *map,
                    guint             region)
{
  double *score = map->scores != NULL ? g_hash_table_lookup (map->scores, GUINT_TO_POINTER (region)) : NULL;

  return score != NULL ? *score : 1.0;
}

void
tn_relay_map_take_region (TnRelayMap    *map,
                          TnRelayRegion *region)
{
  tn_relay_map_remove_region (map, region->id);
  g_ptr_array_insert (map->regions, (int) find_region (map, region->id), region);
}

gboolean
tn_relay_map_remove_region (TnRelayMap *map,
                            guint       region)
{
  if (tn_relay_map_lookup (map, region) == NULL)
    return FALSE;

  g_ptr_array_remove_index (map->regions, find_region (map, region));
  return TRUE;
}

void
tn_relay_map_set_score (TnRelayMap *map,
                        guint       region,
                        double      score)
{
  if (map->scores == NULL)
    map->scores = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  g_hash_table_insert (map->scores, GUINT_TO_POINTER (region), g_memdup2 (&score, sizeof score));
}
