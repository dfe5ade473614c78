/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-json-put.h"
#include "tn-netmap-private.h"

#include <math.h>

/* tailcfg.DERPMap */

static gboolean
member_int (TnJsonText   object,
            const char  *name,
            gint64       low,
            gint64       high,
            gint64      *out,
            GError     **error)
{
  TnJsonText value = tn_json_text_member (object, name);

  *out = 0;
  if (!tn_json_text_get_int (value, out) || *out < low || *out > high)
    return tn_wire_fail (error, name, value);
  return TRUE;
}

static gboolean
member_flag (TnJsonText  object,
             const char *name)
{
  gboolean flag = FALSE;

  return tn_json_text_get_bool (tn_json_text_member (object, name), &flag) && flag;
}

static char *
member_string (TnJsonText  object,
               const char *name)
{
  g_autofree char *text = tn_json_text_dup_string (tn_json_text_member (object, name));

  return text != NULL && *text != '\0' ? g_steal_pointer (&text) : NULL;
}

static TnRelayNode *
parse_node (TnJsonText   object,
            GError     **error)
{
  g_autofree char *name = member_string (object, "Name");
  g_autofree char *host_name = member_string (object, "HostName");
  TnRelayNode *node;
  gint64 stun_port, derp_port;

  if (!member_int (object, "STUNPort", G_MININT32, G_MAXUINT16, &stun_port, error) ||
      !member_int (object, "DERPPort", 0, G_MAXUINT16, &derp_port, error))
    return NULL;
  node = tn_relay_node_new (name != NULL ? name : "", host_name != NULL ? host_name : "");
  node->cert_name = member_string (object, "CertName");
  node->ipv4 = member_string (object, "IPv4");
  node->ipv6 = member_string (object, "IPv6");
  node->stun_test_ip = member_string (object, "STUNTestIP");
  node->stun_port = (int) stun_port;
  node->derp_port = (guint16) derp_port;
  node->stun_only = member_flag (object, "STUNOnly") ? 1 : 0;
  node->insecure_for_tests = member_flag (object, "InsecureForTests") ? 1 : 0;
  node->can_port80 = member_flag (object, "CanPort80") ? 1 : 0;
  return node;
}

static TnRelayRegion *
parse_region (guint        id,
              TnJsonText   object,
              GError     **error)
{
  g_autofree char *code = member_string (object, "RegionCode");
  g_autofree char *name = member_string (object, "RegionName");
  g_autoptr (TnRelayRegion) region = tn_relay_region_new (id, code != NULL ? code : "", name != NULL ? name : "");
  TnJsonText nodes = tn_json_text_member (object, "Nodes");
  TnJsonIter iter = TN_JSON_ITER_INIT (nodes);
  TnJsonText item;

  if (!tn_json_text_get_double (tn_json_text_member (object, "Latitude"), &region->latitude) ||
      !tn_json_text_get_double (tn_json_text_member (object, "Longitude"), &region->longitude))
    {
      tn_wire_fail (error, "relay region", object);
      return NULL;
    }
  region->avoid = member_flag (object, "Avoid") ? 1 : 0;
  region->no_measure_no_home = member_flag (object, "NoMeasureNoHome") ? 1 : 0;
  while (tn_json_array_next (&iter, &item))
    {
      TnRelayNode *node;

      if (tn_json_text_is_null (item))
        continue;
      node = parse_node (item, error);
      if (node == NULL)
        return NULL;
      if (tn_relay_node_has_plain_names (node))
        {
          g_ptr_array_add (region->nodes, node);
        }
      else
        {
          g_message ("relay region %u: left out a node whose names are no plain ASCII", id);
          tn_relay_node_free (node);
        }
    }
  return g_steal_pointer (&region);
}

static gboolean
parse_id (TnJsonText  key,
          guint      *out)
{
  g_autofree char *text = tn_json_text_dup_string (key);
  guint64 id;

  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT32, &id, NULL))
    return FALSE;
  *out = (guint) id;
  return TRUE;
}

static gboolean
parse_regions (TnRelayMap  *map,
               TnJsonText   regions,
               GError     **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (regions);
  TnJsonText key, value;

  while (tn_json_object_next (&iter, &key, &value))
    {
      TnRelayRegion *region;
      guint id;

      /* Regions without content were seen, and an id that is no positive number names nothing that a node could mean. */
      if (tn_json_text_is_null (value) || !parse_id (key, &id))
        continue;
      region = parse_region (id, value, error);
      if (region == NULL)
        return FALSE;
      tn_relay_map_take_region (map, region);
    }
  return TRUE;
}

static void
parse_scores (TnRelayMap *map,
              TnJsonText  scores)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (scores);
  TnJsonText key, value;
  double score;
  guint id;

  while (tn_json_object_next (&iter, &key, &value))
    if (parse_id (key, &id) && tn_json_text_kind (value) == TN_JSON_NUMBER && tn_json_text_get_double (value, &score))
      tn_relay_map_set_score (map, id, score);
}

static void
copy_scores (TnRelayMap       *map,
             const TnRelayMap *old)
{
  GHashTableIter iter;
  gpointer id, score;

  if (old == NULL || old->scores == NULL)
    return;
  g_hash_table_iter_init (&iter, old->scores);
  while (g_hash_table_iter_next (&iter, &id, &score))
    tn_relay_map_set_score (map, GPOINTER_TO_UINT (id), *(double *) score);
}

TnRelayMap *
tn_wire_relay_map_parse (TnJsonText         object,
                         const TnRelayMap  *old,
                         gboolean          *omit_default,
                         GError           **error)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  TnJsonText regions = tn_json_text_member (object, "Regions");
  TnJsonText scores = tn_json_text_member (tn_json_text_member (object, "HomeParams"), "RegionScore");

  if (!tn_json_text_is_null (regions))
    {
      if (!parse_regions (map, regions, error))
        return NULL;
      *omit_default = member_flag (object, "omitDefaultRegions");
    }
  else if (old != NULL)
    {
      for (guint i = 0; i < old->regions->len; i++)
        tn_relay_map_take_region (map, tn_relay_region_copy (g_ptr_array_index (old->regions, i)));
    }
  else
    {
      *omit_default = member_flag (object, "omitDefaultRegions");
    }

  if (!tn_json_text_is_null (scores))
    parse_scores (map, scores);
  else
    copy_scores (map, old);
  return g_steal_pointer (&map);
}

/* --- The way back --- */

/* JSON has no infinity, which is what a number too big for a double was read as. */
static void
put_double (GString    *out,
            const char *name,
            double      value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (value))
    tn_json_put_member_raw (out, name, g_ascii_dtostr (text, sizeof text, value));
}

static void
put_flag (GString    *out,
          const char *name,
          gboolean    flag)
{
  if (flag)
    tn_json_put_member_bool (out, name, TRUE);
}

static void
put_node (GString           *out,
          const TnRelayNode *node)
{
  tn_json_put_member_string (out, "Name", node->name);
  tn_json_put_member_string (out, "HostName", node->host_name);
  tn_json_put_member_string (out, "CertName", node->cert_name);
  tn_json_put_member_string (out, "IPv4", node->ipv4);
  tn_json_put_member_string (out, "IPv6", node->ipv6);
  tn_json_put_member_string (out, "STUNTestIP", node->stun_test_ip);
  tn_json_put_member_int (out, "STUNPort", node->stun_port);
  tn_json_put_member_int (out, "DERPPort", node->derp_port);
  put_flag (out, "STUNOnly", node->stun_only);
  put_flag (out, "InsecureForTests", node->insecure_for_tests);
  put_flag (out, "CanPort80", node->can_port80);
}

static void
put_region (GString             *out,
            const TnRelayRegion *region)
{
  tn_json_put_member_int (out, "RegionID", region->id);
  tn_json_put_member_string (out, "RegionCode", region->code);
  tn_json_put_member_string (out, "RegionName", region->name);
  put_double (out, "Latitude", region->latitude);
  put_double (out, "Longitude", region->longitude);
  put_flag (out, "Avoid", region->avoid);
  put_flag (out, "NoMeasureNoHome", region->no_measure_no_home);
  tn_json_put_key (out, "Nodes");
  g_string_append_c (out, '[');
  for (guint i = 0; i < region->nodes->len; i++)
    {
      g_string_append (out, i > 0 ? ",{" : "{");
      put_node (out, g_ptr_array_index (region->nodes, i));
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, ']');
}

static int
compare_ids (gconstpointer a,
             gconstpointer b)
{
  return GPOINTER_TO_INT (a) - GPOINTER_TO_INT (b);      /* both are positive */
}

static void
put_scores (GString          *out,
            const TnRelayMap *map)
{
  g_autoptr (GList) ids = map->scores != NULL ? g_list_sort (g_hash_table_get_keys (map->scores), compare_ids) : NULL;

  if (map->scores == NULL)
    return;
  g_string_append (out, "\"HomeParams\":{\"RegionScore\":{");
  for (const GList *l = ids; l != NULL; l = l->next)
    {
      char name[16];

      g_snprintf (name, sizeof name, "%u", GPOINTER_TO_UINT (l->data));
      put_double (out, name, *(double *) g_hash_table_lookup (map->scores, l->data));
    }
  g_string_append (out, "}}");
}

void
tn_wire_relay_map_append (GString          *out,
                          const TnRelayMap *map,
                          gboolean          omit_default)
{
  g_string_append_c (out, '{');
  put_scores (out, map);
  tn_json_put_key (out, "Regions");
  g_string_append_c (out, '{');
  for (guint i = 0; i < map->regions->len; i++)
    {
      const TnRelayRegion *region = g_ptr_array_index (map->regions, i);
      char name[16];

      g_snprintf (name, sizeof name, "%u", region->id);
      tn_json_put_key (out, name);
      g_string_append_c (out, '{');
      put_region (out, region);
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, '}');
  put_flag (out, "omitDefaultRegions", omit_default);
  g_string_append_c (out, '}');
}
