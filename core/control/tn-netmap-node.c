/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netmap-private.h"

#include <string.h>

#include "tn-error.h"
#include "tn-json-put.h"
#include "tn-json-text.h"

#define ALIGN_UP(n) (((n) + 7) & ~(gsize) 7)

/* Copying runs twice: with @block NULL it only counts. */
typedef struct
{
  guint8 *block;
  gsize   used;
} Packer;

static const void *
pack (Packer     *p,
      const void *data,
      gsize       len)
{
  guint8 *copy = p->block != NULL ? p->block + p->used : NULL;

  if (data == NULL)
    return NULL;
  if (copy != NULL && len > 0)
    memcpy (copy, data, len);
  p->used += ALIGN_UP (len);
  return copy;
}

/* Strings are packed close. */
static const char *
pack_string (Packer     *p,
             const char *text)
{
  gsize len = text != NULL ? strlen (text) + 1 : 0;
  guint8 *copy = p->block != NULL ? p->block + p->used : NULL;

  if (text == NULL)
    return NULL;
  if (copy != NULL)
    memcpy (copy, text, len);
  p->used += len;
  return (const char *) copy;
}

static void
pack_tags (Packer             *p,
           const TnNetmapNode *from,
           TnNetmapNode       *to)
{
  const char **tags;

  if (from->n_tags == 0)
    {
      to->tags = NULL;
      return;
    }
  tags = (const char **) (guintptr) pack (p, from->tags, (from->n_tags + 1u) * sizeof *from->tags);
  to->tags = (const char *const *) tags;
}

static void
pack_strings (Packer             *p,
              const TnNetmapNode *from,
              TnNetmapNode       *to)
{
  const char **tags = (const char **) (guintptr) to->tags;
  TnNetmapCapability *capabilities = (TnNetmapCapability *) (guintptr) to->capabilities;

  for (guint i = 0; i < from->n_tags; i++)
    {
      const char *tag = pack_string (p, from->tags[i]);

      if (p->block != NULL)
        tags[i] = tag;
    }
  for (guint i = 0; i < from->n_capabilities; i++)
    {
      const char *name = pack_string (p, from->capabilities[i].name);
      const char *values = from->capabilities[i].values;

      /* Nearly all of them. */
      values = g_str_equal (values, "[]") ? "[]" : pack_string (p, values);
      if (p->block != NULL)
        capabilities[i] = (TnNetmapCapability) { name, values };
    }
  to->stable_id = pack_string (p, from->stable_id);
  to->name = pack_string (p, from->name);
  to->hostname = pack_string (p, from->hostname);
  to->os = pack_string (p, from->os);
  to->hostinfo = pack_string (p, from->hostinfo);
  to->exit_node_resolvers = pack_string (p, from->exit_node_resolvers);
  to->audit_log_id = pack_string (p, from->audit_log_id);
  to->key_signature = pack (p, from->key_signature, from->key_signature_len);
}

static void
pack_node (Packer             *p,
           const TnNetmapNode *from,
           TnNetmapNode       *to)
{
  p->used = ALIGN_UP (sizeof *to);
  to->capabilities = pack (p, from->capabilities, from->n_capabilities * sizeof *from->capabilities);
  pack_tags (p, from, to);
  to->addresses = pack (p, from->addresses, from->n_addresses * sizeof *from->addresses);
  if (from->n_allowed_ips == from->n_addresses &&
      tn_prefixes_equal (from->allowed_ips, from->n_allowed_ips, from->addresses, from->n_addresses))
    to->allowed_ips = to->addresses;      /* the usual case */
  else
    to->allowed_ips = pack (p, from->allowed_ips, from->n_allowed_ips * sizeof *from->allowed_ips);
  to->primary_routes = pack (p, from->primary_routes, from->n_primary_routes * sizeof *from->primary_routes);
  to->endpoints = pack (p, from->endpoints, from->n_endpoints * sizeof *from->endpoints);
  pack_strings (p, from, to);
}

TnNetmapNode *
tn_netmap_node_pack (const TnNetmapNode  *from,
                     GError             **error)
{
  Packer p = { NULL, 0 };
  TnNetmapNode scratch = *from;
  TnNetmapNode *node;

  pack_node (&p, from, &scratch);
  if (p.used > TN_NETMAP_NODE_MAX)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "node %" G_GINT64_FORMAT " of %" G_GSIZE_FORMAT " bytes, at most %u allowed", from->id,
                   p.used, TN_NETMAP_NODE_MAX);
      return NULL;
    }
  p.block = g_malloc (p.used);
  node = (TnNetmapNode *) (gpointer) p.block;
  *node = *from;
  pack_node (&p, from, node);
  g_atomic_ref_count_init (&node->ref_count);
  return node;
}

gsize
tn_netmap_node_size (const TnNetmapNode *node)
{
  Packer p = { NULL, 0 };
  TnNetmapNode scratch = *node;

  pack_node (&p, node, &scratch);
  return p.used;
}

TnNetmapNode *
tn_netmap_node_ref (const TnNetmapNode *node)
{
  TnNetmapNode *self = (TnNetmapNode *) (guintptr) node;

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
tn_netmap_node_unref (TnNetmapNode *node)
{
  if (g_atomic_ref_count_dec (&node->ref_count))
    g_free (node);
}

const TnNetmapCapability *
tn_netmap_node_get_capability (const TnNetmapNode *node,
                               const char         *name)
{
  guint low = 0, high = node->n_capabilities;

  while (low < high)
    {
      guint middle = (low + high) / 2;
      int order = strcmp (name, node->capabilities[middle].name);

      if (order == 0)
        return &node->capabilities[middle];
      if (order < 0)
        high = middle;
      else
        low = middle + 1;
    }
  return NULL;
}

/* --- Comparison --- */

gboolean
tn_prefixes_equal (const TnIpPrefix *a,
                   gsize             n_a,
                   const TnIpPrefix *b,
                   gsize             n_b)
{
  if (n_a != n_b)
    return FALSE;
  if (a == b)
    return TRUE;
  for (gsize i = 0; i < n_a; i++)
    if (!tn_ip_prefix_equal (&a[i], &b[i]))
      return FALSE;
  return TRUE;
}

static gboolean
endpoints_equal (const TnNetmapNode *a,
                 const TnNetmapNode *b)
{
  if (a->n_endpoints != b->n_endpoints)
    return FALSE;
  for (guint i = 0; i < a->n_endpoints; i++)
    if (a->endpoints[i].port != b->endpoints[i].port || !tn_ip_address_equal (&a->endpoints[i].address, &b->endpoints[i].address))
      return FALSE;
  return TRUE;
}

static gboolean
capabilities_equal (const TnNetmapNode *a,
                    const TnNetmapNode *b)
{
  if (a->n_capabilities != b->n_capabilities)
    return FALSE;
  for (guint i = 0; i < a->n_capabilities; i++)
    if (!g_str_equal (a->capabilities[i].name, b->capabilities[i].name) ||
        !g_str_equal (a->capabilities[i].values, b->capabilities[i].values))
      return FALSE;
  return TRUE;
}

static gboolean
tags_equal (const TnNetmapNode *a,
            const TnNetmapNode *b)
{
  if (a->n_tags != b->n_tags)
    return FALSE;
  for (guint i = 0; i < a->n_tags; i++)
    if (!g_str_equal (a->tags[i], b->tags[i]))
      return FALSE;
  return TRUE;
}

/* What no patch can change. */
static gboolean
fixed_part_equal (const TnNetmapNode *a,
                  const TnNetmapNode *b)
{
  return a->id == b->id && a->user == b->user && a->sharer == b->sharer && a->created_us == b->created_us &&
         a->machine_authorized == b->machine_authorized && a->unsigned_peer_api_only == b->unsigned_peer_api_only &&
         a->expired == b->expired && a->wireguard_only == b->wireguard_only && a->jailed == b->jailed &&
         g_str_equal (a->stable_id, b->stable_id) && g_str_equal (a->name, b->name) &&
         tn_machine_public_key_equal (&a->machine, &b->machine) &&
         tn_ip_address_equal (&a->masquerade4, &b->masquerade4) && tn_ip_address_equal (&a->masquerade6, &b->masquerade6) &&
         tn_prefixes_equal (a->addresses, a->n_addresses, b->addresses, b->n_addresses) &&
         tn_prefixes_equal (a->allowed_ips, a->n_allowed_ips, b->allowed_ips, b->n_allowed_ips) &&
         tn_prefixes_equal (a->primary_routes, a->n_primary_routes, b->primary_routes, b->n_primary_routes) &&
         tags_equal (a, b) && g_strcmp0 (a->hostinfo, b->hostinfo) == 0 &&
         g_strcmp0 (a->exit_node_resolvers, b->exit_node_resolvers) == 0;
}

TnNodeDifference
tn_netmap_node_compare (const TnNetmapNode *a,
                        const TnNetmapNode *b)
{
  TnNodeDifference d = 0;

  if (!fixed_part_equal (a, b))
    return TN_NODE_DIFFERS_FIXED;
  if (!tn_node_public_key_equal (&a->key, &b->key))
    d |= TN_NODE_DIFFERS_KEY;
  if (a->key_expiry_us != b->key_expiry_us)
    d |= TN_NODE_DIFFERS_KEY_EXPIRY;
  if (a->key_signature_len != b->key_signature_len ||
      (a->key_signature_len > 0 && memcmp (a->key_signature, b->key_signature, a->key_signature_len) != 0))
    d |= TN_NODE_DIFFERS_KEY_SIGNATURE;
  if (!tn_disco_public_key_equal (&a->disco_key, &b->disco_key))
    d |= TN_NODE_DIFFERS_DISCO_KEY;
  if (!endpoints_equal (a, b))
    d |= TN_NODE_DIFFERS_ENDPOINTS;
  if (a->home_region != b->home_region)
    d |= TN_NODE_DIFFERS_HOME_REGION;
  if (a->capability_version != b->capability_version)
    d |= TN_NODE_DIFFERS_VERSION;
  if (!capabilities_equal (a, b))
    d |= TN_NODE_DIFFERS_CAPABILITIES;
  if (a->online != b->online)
    d |= TN_NODE_DIFFERS_ONLINE;
  if (a->last_seen_known != b->last_seen_known || a->last_seen_us != b->last_seen_us)
    d |= TN_NODE_DIFFERS_LAST_SEEN;
  return d;
}

/* --- Hostinfo, and the way back to JSON --- */

static TnJsonText
hostinfo (const TnNetmapNode *node)
{
  return (TnJsonText) { node->hostinfo, node->hostinfo != NULL ? strlen (node->hostinfo) : 0 };
}

char *
tn_netmap_node_dup_hostinfo_string (const TnNetmapNode *node,
                                    const char         *name)
{
  return tn_json_text_dup_string (tn_json_text_member (hostinfo (node), name));
}

guint16
tn_netmap_node_get_service_port (const TnNetmapNode *node,
                                 const char         *protocol)
{
  TnJsonText services = tn_json_text_member (hostinfo (node), "Services");
  TnJsonIter iter = TN_JSON_ITER_INIT (services);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      g_autofree char *proto = tn_json_text_dup_string (tn_json_text_member (item, "Proto"));
      gint64 port = 0;

      if (g_strcmp0 (proto, protocol) == 0 && tn_json_text_get_int (tn_json_text_member (item, "Port"), &port) && port > 0 &&
          port <= G_MAXUINT16)
        return (guint16) port;
    }
  return 0;
}

GHashTable *
tn_netmap_node_dup_location (const TnNetmapNode *node)
{
  TnJsonText location = tn_json_text_member (hostinfo (node), "Location");
  TnJsonIter iter = TN_JSON_ITER_INIT (location);
  TnJsonText key, value;
  GHashTable *members;

  if (tn_json_text_kind (location) != TN_JSON_OBJECT)
    return NULL;
  members = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  while (tn_json_object_next (&iter, &key, &value))
    g_hash_table_replace (members, tn_json_text_dup_string (key),
                          tn_json_text_kind (value) == TN_JSON_STRING ? tn_json_text_dup_string (value) : g_strndup (value.text, value.len));
  return members;
}

static void
put_endpoints (GString            *out,
               const TnNetmapNode *node)
{
  tn_json_put_key (out, "Endpoints");
  g_string_append_c (out, '[');
  for (guint i = 0; i < node->n_endpoints; i++)
    {
      char text[TN_IP_ENDPOINT_TEXT_MAX];

      tn_ip_endpoint_print (&node->endpoints[i], text);
      g_string_append_printf (out, "%s\"%s\"", i > 0 ? "," : "", text);
    }
  g_string_append_c (out, ']');
}

static void
put_keys (GString            *out,
          const TnNetmapNode *node)
{
  char text[TN_KEY_TEXT_MAX];

  tn_node_public_key_print (&node->key, text);
  tn_json_put_member_string (out, "Key", text);
  tn_json_put_member_time (out, "KeyExpiry", node->key_expiry_us);
  if (node->key_signature_len > 0)
    {
      g_autofree char *base64 = g_base64_encode (node->key_signature, node->key_signature_len);

      tn_json_put_member_string (out, "KeySignature", base64);
    }
  if (!tn_machine_public_key_is_zero (&node->machine))
    {
      tn_machine_public_key_print (&node->machine, text);
      tn_json_put_member_string (out, "Machine", text);
    }
  if (!tn_disco_public_key_is_zero (&node->disco_key))
    {
      tn_disco_public_key_print (&node->disco_key, text);
      tn_json_put_member_string (out, "DiscoKey", text);
    }
}

static void
put_flags (GString            *out,
           const TnNetmapNode *node)
{
  const struct { const char *name; gboolean flag; } flags[] = {
    { "MachineAuthorized", node->machine_authorized }, { "UnsignedPeerAPIOnly", node->unsigned_peer_api_only },
    { "Expired", node->expired }, { "IsWireGuardOnly", node->wireguard_only }, { "IsJailed", node->jailed },
  };

  if (node->online != TN_ONLINE_UNKNOWN)
    tn_json_put_member_bool (out, "Online", node->online == TN_ONLINE_YES);
  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    if (flags[i].flag)
      tn_json_put_member_bool (out, flags[i].name, TRUE);
}

static void
put_capabilities (GString            *out,
                  const TnNetmapNode *node)
{
  if (node->n_capabilities == 0)
    return;
  tn_json_put_key (out, "CapMap");
  g_string_append_c (out, '{');
  for (guint i = 0; i < node->n_capabilities; i++)
    tn_json_put_member_raw (out, node->capabilities[i].name, node->capabilities[i].values);
  g_string_append_c (out, '}');
}

void
tn_netmap_node_append_json (GString            *out,
                            const TnNetmapNode *node)
{
  g_string_append_c (out, '{');
  tn_json_put_member_int (out, "ID", node->id);
  tn_json_put_member_string (out, "StableID", node->stable_id);
  tn_json_put_member_string (out, "Name", node->name);
  tn_json_put_member_int (out, "User", node->user);
  if (node->sharer != 0)
    tn_json_put_member_int (out, "Sharer", node->sharer);
  put_keys (out, node);
  tn_json_put_member_prefixes (out, "Addresses", node->addresses, node->n_addresses);
  tn_json_put_member_prefixes (out, "AllowedIPs", node->allowed_ips, node->n_allowed_ips);
  put_endpoints (out, node);
  if (node->home_region != 0)
    tn_json_put_member_int (out, "HomeDERP", node->home_region);
  tn_json_put_member_raw (out, "Hostinfo", node->hostinfo);
  tn_json_put_member_time (out, "Created", node->created_us);
  if (node->capability_version != 0)
    tn_json_put_member_int (out, "Cap", node->capability_version);
  tn_json_put_member_strv (out, "Tags", node->tags);
  tn_json_put_member_prefixes (out, "PrimaryRoutes", node->primary_routes, node->n_primary_routes);
  if (node->last_seen_us != 0)
    tn_json_put_member_time (out, "LastSeen", node->last_seen_us);
  else if (node->last_seen_known)
    tn_json_put_member_string (out, "LastSeen", "0001-01-01T00:00:00Z");
  put_flags (out, node);
  put_capabilities (out, node);
  tn_json_put_member_string (out, "DataPlaneAuditLogID", node->audit_log_id);
  tn_json_put_member_address (out, "SelfNodeV4MasqAddrForThisPeer", &node->masquerade4);
  tn_json_put_member_address (out, "SelfNodeV6MasqAddrForThisPeer", &node->masquerade6);
  tn_json_put_member_raw (out, "ExitNodeDNSResolvers", node->exit_node_resolvers);
  g_string_append_c (out, '}');
}

char *
tn_netmap_node_to_json (const TnNetmapNode *node)
{
  GString *out = g_string_new (NULL);

  tn_netmap_node_append_json (out, node);
  return g_string_free (out, FALSE);
}
