/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-error.h"
#include "tn-netmap-private.h"
#include "tn-wire-object.h"

gboolean
tn_wire_fail (GError     **error,
              const char  *what,
              TnJsonText   value)
{
  g_autofree char *shown = g_utf8_make_valid (value.text != NULL ? value.text : "", (gssize) MIN (value.len, 60));

  g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "%s: unexpected value %s", what, shown);
  return FALSE;
}

/* --- Values --- */

#define SHORT_LEN 96      /* keys, addresses and their like, even if they come with escapes */

static gboolean
parse_node_key (TnJsonText       value,
                TnNodePublicKey *out)
{
  char buffer[SHORT_LEN];
  const char *text = tn_json_text_get_short_string (value, buffer, sizeof buffer);

  return text != NULL && tn_node_public_key_parse (out, text);
}

static gboolean
parse_machine_key (TnJsonText          value,
                   TnMachinePublicKey *out)
{
  char buffer[SHORT_LEN];
  const char *text = tn_json_text_get_short_string (value, buffer, sizeof buffer);

  return text != NULL && (*text == '\0' || tn_machine_public_key_parse (out, text));
}

static gboolean
parse_disco_key (TnJsonText        value,
                 TnDiscoPublicKey *out)
{
  char buffer[SHORT_LEN];
  const char *text = tn_json_text_get_short_string (value, buffer, sizeof buffer);

  return text != NULL && (*text == '\0' || tn_disco_public_key_parse (out, text));
}

static guint
count_items (TnJsonText list)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;
  guint n = 0;

  while (tn_json_array_next (&iter, &item))
    n++;
  return n;
}

/* What is no address is left out: one odd entry must not cost the whole network map. */
static guint
parse_prefixes (TnJsonText         list,
                TnArena           *arena,
                guint              max,
                const TnIpPrefix **out)
{
  TnIpPrefix *prefixes = tn_arena_alloc (arena, count_items (list) * sizeof *prefixes);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;
  guint n = 0;

  while (n < max && tn_json_array_next (&iter, &item))
    {
      char buffer[SHORT_LEN];
      const char *text = tn_json_text_get_short_string (item, buffer, sizeof buffer);

      memset (&prefixes[n], 0, sizeof prefixes[n]);
      if (text != NULL && tn_ip_prefix_parse (text, &prefixes[n]))
        n++;
    }
  *out = prefixes;
  return n;
}

static guint
parse_endpoints (TnJsonText           list,
                 TnArena             *arena,
                 const TnIpEndpoint **out)
{
  TnIpEndpoint *endpoints = tn_arena_alloc (arena, count_items (list) * sizeof *endpoints);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;
  guint n = 0;

  while (n < G_MAXUINT16 && tn_json_array_next (&iter, &item))
    {
      char buffer[SHORT_LEN];
      const char *text = tn_json_text_get_short_string (item, buffer, sizeof buffer);

      memset (&endpoints[n], 0, sizeof endpoints[n]);
      if (text != NULL && tn_ip_endpoint_parse (text, &endpoints[n]))
        n++;
    }
  *out = endpoints;
  return n;
}

static guint
parse_tags (TnJsonText          list,
            TnArena            *arena,
            const char *const **out)
{
  const char **tags = tn_arena_alloc (arena, (count_items (list) + 1) * sizeof *tags);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;
  guint n = 0;

  while (n < G_MAXUINT16 && tn_json_array_next (&iter, &item))
    if ((tags[n] = tn_json_text_get_string (item, arena)) != NULL)
      n++;
  tags[n] = NULL;
  *out = (const char *const *) tags;
  return n;
}

static gboolean
parse_bytes (TnJsonText     value,
             TnArena       *arena,
             const guint8 **out,
             guint32       *len)
{
  const char *text = tn_json_text_get_string (value, arena);
  g_autofree guchar *decoded = NULL;
  gsize decoded_len = 0;

  if (text == NULL)
    return FALSE;
  decoded = *text != '\0' ? g_base64_decode (text, &decoded_len) : NULL;
  *out = tn_arena_dup (arena, decoded, decoded_len);
  *len = (guint32) decoded_len;
  return TRUE;
}

static const char *
append_in_arena (TnArena           *arena,
                 TnJsonText         value,
                 const TnWireField *fields)
{
  g_autoptr (GString) text = g_string_sized_new (value.len + 1);

  if (fields == NULL)
    tn_json_text_append (text, value);
  else if (value.text[0] == '[')
    tn_wire_list_append (text, value, fields);
  else
    tn_wire_object_append (text, value, fields);
  return tn_arena_strndup (arena, text->str, text->len);
}

static int
compare_capabilities (gconstpointer a,
                      gconstpointer b)
{
  return strcmp (((const TnNetmapCapability *) a)->name, ((const TnNetmapCapability *) b)->name);
}

/* Sorts, and keeps the last of those with the same name; the sort has to be stable for that. */
static guint
sort_capabilities (TnNetmapCapability *capabilities,
                   guint               n)
{
  guint kept = 0;

  g_qsort_with_data (capabilities, (int) n, sizeof *capabilities, (GCompareDataFunc) (GCallback) compare_capabilities, NULL);
  for (guint i = 0; i < n; i++)
    {
      if (kept > 0 && g_str_equal (capabilities[kept - 1].name, capabilities[i].name))
        kept--;
      capabilities[kept++] = capabilities[i];
    }
  return kept;
}

static guint
parse_capabilities (TnJsonText                 map,
                    TnJsonText                 legacy,
                    TnArena                   *arena,
                    const TnNetmapCapability **out)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (map);
  TnJsonText key, value;
  TnNetmapCapability *capabilities;
  guint n = count_items (legacy);

  while (tn_json_object_next (&iter, &key, &value))
    n++;
  if (n == 0)
    return 0;
  capabilities = tn_arena_alloc (arena, n * sizeof *capabilities);

  n = 0;
  iter = TN_JSON_ITER_INIT (legacy);
  while (n < G_MAXUINT16 && tn_json_array_next (&iter, &value))
    {
      capabilities[n] = (TnNetmapCapability) { tn_json_text_get_string (value, arena), "[]" };
      if (capabilities[n].name != NULL)
        n++;
    }
  iter = TN_JSON_ITER_INIT (map);
  while (n < G_MAXUINT16 && tn_json_object_next (&iter, &key, &value))
    {
      capabilities[n].name = tn_json_text_get_string (key, arena);
      capabilities[n].values = tn_json_text_kind (value) == TN_JSON_ARRAY ? append_in_arena (arena, value, NULL) : "[]";
      n++;
    }
  *out = capabilities;
  return sort_capabilities (capabilities, n);
}

/* "127.3.3.40:N", the older form of a home region. */
static gint64
parse_derp_string (const char *text)
{
  static const char *const prefixes[] = { "127.3.3.40:", "[127.3.3.40]:" };
  char *end;
  gint64 region;

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    if (g_str_has_prefix (text, prefixes[i]))
      {
        const char *digits = text + strlen (prefixes[i]);

        if (!g_ascii_isdigit (*digits) && ((*digits != '-' && *digits != '+') || !g_ascii_isdigit (digits[1])))
          return 0;
        region = g_ascii_strtoll (digits, &end, 10);
        return *end == '\0' ? region : 0;
      }
  return 0;
}

/* --- Node --- */

typedef struct
{
  TnJsonText capabilities;
  TnJsonText cap_map;
  gint64     legacy_region;
} Pending;

typedef enum
{
  NODE_ID, NODE_STABLE_ID, NODE_NAME, NODE_USER, NODE_SHARER, NODE_KEY, NODE_KEY_EXPIRY, NODE_KEY_SIGNATURE, NODE_MACHINE,
  NODE_DISCO_KEY, NODE_ADDRESSES, NODE_ALLOWED_IPS, NODE_ENDPOINTS, NODE_DERP, NODE_HOME_DERP, NODE_HOSTINFO, NODE_CREATED,
  NODE_CAP, NODE_TAGS, NODE_PRIMARY_ROUTES, NODE_LAST_SEEN, NODE_ONLINE, NODE_MACHINE_AUTHORIZED, NODE_CAPABILITIES,
  NODE_CAP_MAP, NODE_UNSIGNED, NODE_AUDIT_LOG_ID, NODE_EXPIRED, NODE_MASQUERADE4, NODE_MASQUERADE6, NODE_WIREGUARD_ONLY,
  NODE_JAILED, NODE_RESOLVERS, N_NODE_FIELDS,
} NodeField;

/* In the order in which they come as a rule, which makes the search short. */
static const char *const node_fields[N_NODE_FIELDS] = {
  "ID", "StableID", "Name", "User", "Sharer", "Key", "KeyExpiry", "KeySignature", "Machine", "DiscoKey", "Addresses", "AllowedIPs",
  "Endpoints", "DERP", "HomeDERP", "Hostinfo", "Created", "Cap", "Tags", "PrimaryRoutes", "LastSeen", "Online", "MachineAuthorized",
  "Capabilities", "CapMap", "UnsignedPeerAPIOnly", "DataPlaneAuditLogID", "Expired", "SelfNodeV4MasqAddrForThisPeer",
  "SelfNodeV6MasqAddrForThisPeer", "IsWireGuardOnly", "IsJailed", "ExitNodeDNSResolvers",
};

static guint
find_field (TnJsonText         key,
            const char *const *names,
            guint              n_names,
            guint             *next)
{
  for (guint i = 0; i < n_names; i++)
    {
      guint at = (*next + i) % n_names;

      if (tn_json_key_equal (key, names[at]))
        {
          *next = at + 1;
          return at;
        }
    }
  return n_names;
}

static gboolean
parse_flag (TnJsonText value,
            gboolean  *out)
{
  *out = FALSE;
  return tn_json_text_get_bool (value, out);
}

static gboolean
parse_address (TnJsonText   value,
               TnArena     *arena,
               TnIpAddress *out)
{
  const char *text = tn_json_text_get_string (value, arena);

  if (text == NULL)
    return FALSE;
  memset (out, 0, sizeof *out);
  return *text == '\0' || tn_ip_address_parse (text, out);
}

static gboolean
parse_version (TnJsonText  value,
               gint32     *out)
{
  gint64 version = 0;

  if (!tn_json_text_get_int (value, &version))
    return FALSE;
  *out = (gint32) CLAMP (version, G_MININT32, G_MAXINT32);
  return TRUE;
}

static void
parse_hostinfo (TnNetmapNode *node,
                TnJsonText    value,
                TnArena      *arena)
{
  node->hostinfo = append_in_arena (arena, value, tn_wire_hostinfo_fields);
  node->hostname = tn_json_text_get_string (tn_json_text_member (value, "Hostname"), arena);
  node->os = tn_json_text_get_string (tn_json_text_member (value, "OS"), arena);
}

static gboolean
parse_text (TnJsonText   value,
            TnArena     *arena,
            const char **out)
{
  const char *text = tn_json_text_get_string (value, arena);

  if (text != NULL)
    *out = text;
  return text != NULL;
}

static gboolean
parse_field (TnWireNode *wire,
             NodeField   field,
             TnJsonText  value,
             TnArena    *arena,
             Pending    *pending)
{
  TnNetmapNode *node = &wire->node;
  gboolean flag;

  switch (field)
    {
    case NODE_ID: return tn_json_text_get_int (value, &node->id);
    case NODE_STABLE_ID: return parse_text (value, arena, &node->stable_id);
    case NODE_NAME: return parse_text (value, arena, &node->name);
    case NODE_USER: return tn_json_text_get_int (value, &node->user);
    case NODE_SHARER: return tn_json_text_get_int (value, &node->sharer);
    case NODE_KEY: return parse_node_key (value, &node->key);
    case NODE_KEY_EXPIRY: return tn_json_text_get_time (value, &node->key_expiry_us);
    case NODE_KEY_SIGNATURE:
      wire->has_key_signature = TRUE;
      return parse_bytes (value, arena, &node->key_signature, &node->key_signature_len);
    case NODE_MACHINE: return parse_machine_key (value, &node->machine);
    case NODE_DISCO_KEY: return parse_disco_key (value, &node->disco_key);
    case NODE_ADDRESSES:
      node->n_addresses = (guint16) parse_prefixes (value, arena, G_MAXUINT16, &node->addresses);
      return tn_json_text_kind (value) == TN_JSON_ARRAY;
    case NODE_ALLOWED_IPS:
      node->n_allowed_ips = parse_prefixes (value, arena, G_MAXUINT32, &node->allowed_ips);
      wire->has_allowed_ips = TRUE;
      return tn_json_text_kind (value) == TN_JSON_ARRAY;
    case NODE_ENDPOINTS:
      node->n_endpoints = (guint16) parse_endpoints (value, arena, &node->endpoints);
      wire->has_endpoints = TRUE;
      return tn_json_text_kind (value) == TN_JSON_ARRAY;
    case NODE_DERP:
      {
        const char *text = tn_json_text_get_string (value, arena);

        pending->legacy_region = text != NULL ? parse_derp_string (text) : 0;
        return text != NULL;
      }
    case NODE_HOME_DERP: return tn_json_text_get_int (value, &node->home_region);
    case NODE_HOSTINFO:
      parse_hostinfo (node, value, arena);
      return tn_json_text_kind (value) == TN_JSON_OBJECT;
    case NODE_CREATED: return tn_json_text_get_time (value, &node->created_us);
    case NODE_CAP: return parse_version (value, &node->capability_version);
    case NODE_TAGS:
      node->n_tags = (guint16) parse_tags (value, arena, &node->tags);
      return tn_json_text_kind (value) == TN_JSON_ARRAY;
    case NODE_PRIMARY_ROUTES:
      node->n_primary_routes = parse_prefixes (value, arena, G_MAXUINT32, &node->primary_routes);
      return tn_json_text_kind (value) == TN_JSON_ARRAY;
    case NODE_LAST_SEEN:
      node->last_seen_known = TRUE;
      return tn_json_text_get_time (value, &node->last_seen_us);
    case NODE_ONLINE:
      if (!parse_flag (value, &flag))
        return FALSE;
      node->online = flag ? TN_ONLINE_YES : TN_ONLINE_NO;
      return TRUE;
    case NODE_CAPABILITIES:
      pending->capabilities = value;
      return tn_json_text_kind (value) == TN_JSON_ARRAY;
    case NODE_CAP_MAP:
      pending->cap_map = value;
      return tn_json_text_kind (value) == TN_JSON_OBJECT;
    case NODE_AUDIT_LOG_ID: return parse_text (value, arena, &node->audit_log_id);
    case NODE_MASQUERADE4: return parse_address (value, arena, &node->masquerade4);
    case NODE_MASQUERADE6: return parse_address (value, arena, &node->masquerade6);
    case NODE_RESOLVERS:
      node->exit_node_resolvers = count_items (value) > 0 ? append_in_arena (arena, value, tn_wire_resolver_fields) : NULL;
      return tn_json_text_kind (value) == TN_JSON_ARRAY;
    case NODE_MACHINE_AUTHORIZED:
    case NODE_UNSIGNED:
    case NODE_EXPIRED:
    case NODE_WIREGUARD_ONLY:
    case NODE_JAILED:
      if (!parse_flag (value, &flag))
        return FALSE;
      if (field == NODE_MACHINE_AUTHORIZED)
        node->machine_authorized = flag != FALSE;
      else if (field == NODE_UNSIGNED)
        node->unsigned_peer_api_only = flag != FALSE;
      else if (field == NODE_EXPIRED)
        node->expired = flag != FALSE;
      else if (field == NODE_WIREGUARD_ONLY)
        node->wireguard_only = flag != FALSE;
      else
        node->jailed = flag != FALSE;
      return TRUE;
    case N_NODE_FIELDS:
      break;
    }
  return TRUE;
}

static void
canonicalise (TnWireNode    *wire,
              const Pending *pending,
              TnArena       *arena)
{
  TnNetmapNode *node = &wire->node;

  if (node->home_region == 0)
    node->home_region = pending->legacy_region;
  if (!wire->has_allowed_ips || node->unsigned_peer_api_only)
    {
      node->allowed_ips = node->addresses;
      node->n_allowed_ips = node->n_addresses;
    }
  node->n_capabilities = (guint16) parse_capabilities (pending->cap_map, pending->capabilities, arena, &node->capabilities);
}

gboolean
tn_wire_node_parse (TnWireNode  *wire,
                    TnJsonText   object,
                    TnArena     *arena,
                    GError     **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (object);
  Pending pending = { { NULL, 0 }, { NULL, 0 }, 0 };
  TnJsonText key, value;
  guint next = 0;

  memset (wire, 0, sizeof *wire);
  wire->node.stable_id = "";
  wire->node.name = "";
  if (tn_json_text_kind (object) != TN_JSON_OBJECT)
    return tn_wire_fail (error, "node", object);

  while (tn_json_object_next (&iter, &key, &value))
    {
      guint field = find_field (key, node_fields, N_NODE_FIELDS, &next);

      if (field < N_NODE_FIELDS && !tn_json_text_is_null (value) && !parse_field (wire, field, value, arena, &pending))
        return tn_wire_fail (error, node_fields[field], value);
    }
  canonicalise (wire, &pending, arena);
  return TRUE;
}

/* --- Patch --- */

static gboolean
parse_patch_field (TnWirePatch *patch,
                   TnJsonText   key,
                   TnJsonText   value,
                   TnArena     *arena)
{
  TnNetmapNode *node = &patch->node;
  const TnJsonText none = { NULL, 0 };
  gboolean flag;

  if (tn_json_key_equal (key, "NodeID"))
    return tn_json_text_get_int (value, &node->id);
  if (tn_json_key_equal (key, "DERPRegion"))
    return tn_json_text_get_int (value, &node->home_region);
  if (tn_json_key_equal (key, "Cap"))
    return parse_version (value, &node->capability_version);
  if (tn_json_key_equal (key, "CapMap"))
    {
      patch->set |= TN_NODE_DIFFERS_CAPABILITIES;
      node->n_capabilities = (guint16) parse_capabilities (value, none, arena, &node->capabilities);
      return tn_json_text_kind (value) == TN_JSON_OBJECT;
    }
  if (tn_json_key_equal (key, "Endpoints"))
    {
      patch->set |= TN_NODE_DIFFERS_ENDPOINTS;
      node->n_endpoints = (guint16) parse_endpoints (value, arena, &node->endpoints);
      return tn_json_text_kind (value) == TN_JSON_ARRAY;
    }
  if (tn_json_key_equal (key, "Key"))
    {
      patch->set |= TN_NODE_DIFFERS_KEY;
      return parse_node_key (value, &node->key);
    }
  if (tn_json_key_equal (key, "KeySignature"))
    {
      patch->set |= TN_NODE_DIFFERS_KEY_SIGNATURE;
      return parse_bytes (value, arena, &node->key_signature, &node->key_signature_len);
    }
  if (tn_json_key_equal (key, "DiscoKey"))
    {
      patch->set |= TN_NODE_DIFFERS_DISCO_KEY;
      return parse_disco_key (value, &node->disco_key);
    }
  if (tn_json_key_equal (key, "Online"))
    {
      patch->set |= TN_NODE_DIFFERS_ONLINE;
      if (!parse_flag (value, &flag))
        return FALSE;
      node->online = flag ? TN_ONLINE_YES : TN_ONLINE_NO;
      return TRUE;
    }
  if (tn_json_key_equal (key, "LastSeen"))
    {
      patch->set |= TN_NODE_DIFFERS_LAST_SEEN;
      return tn_json_text_get_time (value, &node->last_seen_us);
    }
  if (tn_json_key_equal (key, "KeyExpiry"))
    {
      patch->set |= TN_NODE_DIFFERS_KEY_EXPIRY;
      return tn_json_text_get_time (value, &node->key_expiry_us);
    }
  return TRUE;
}

gboolean
tn_wire_patch_parse (TnWirePatch  *patch,
                     TnJsonText    object,
                     TnArena      *arena,
                     GError      **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (object);
  TnJsonText key, value;

  memset (patch, 0, sizeof *patch);
  if (tn_json_text_kind (object) != TN_JSON_OBJECT)
    return tn_wire_fail (error, "peer change", object);
  while (tn_json_object_next (&iter, &key, &value))
    if (!tn_json_text_is_null (value) && !parse_patch_field (patch, key, value, arena))
      return tn_wire_fail (error, "peer change", value);

  if (patch->node.home_region != 0)
    patch->set |= TN_NODE_DIFFERS_HOME_REGION;
  if (patch->node.capability_version != 0)
    patch->set |= TN_NODE_DIFFERS_VERSION;
  return TRUE;
}
