/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dns-wire.h"

#include "tn-error.h"
#include "tn-ip.h"

static const char *const no_strings[] = { NULL };

/* --- Lists --- */

static guint
count_items (TnJsonText list,
             guint      max)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;
  guint n = 0;

  if (tn_json_text_kind (list) != TN_JSON_ARRAY)
    return 0;
  while (n < max && tn_json_array_next (&iter, &item))
    n++;
  return n;
}

static guint
count_members (TnJsonText object,
               guint      max)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (object);
  TnJsonText key, value;
  guint n = 0;

  if (tn_json_text_kind (object) != TN_JSON_OBJECT)
    return 0;
  while (n < max && tn_json_object_next (&iter, &key, &value))
    n++;
  return n;
}

static gboolean
is_address (const char *text)
{
  TnIpAddress address;

  return tn_ip_address_parse (text, &address);
}

/* NULL-terminated. */
static const char *const *
parse_strings (TnJsonText   list,
               guint        max,
               gboolean   (*wanted) (const char *text),      /* NULL: all */
               TnArena     *arena)
{
  guint n_items = count_items (list, max), n = 0;
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  const char **strings;
  TnJsonText item;

  if (n_items == 0)
    return no_strings;
  strings = tn_arena_alloc (arena, (n_items + 1) * sizeof *strings);
  for (guint i = 0; i < n_items && tn_json_array_next (&iter, &item); i++)
    {
      const char *text = tn_json_text_get_string (item, arena);

      if (text != NULL && (wanted == NULL || wanted (text)))
        strings[n++] = text;
    }
  strings[n] = NULL;
  return strings;
}

static const char *
member_string (TnJsonText  object,
               const char *name,
               TnArena    *arena)
{
  const char *text = tn_json_text_get_string (tn_json_text_member (object, name), arena);

  return text != NULL ? text : "";
}

static gboolean
member_flag (TnJsonText  object,
             const char *name)
{
  gboolean flag = FALSE;

  return tn_json_text_get_bool (tn_json_text_member (object, name), &flag) && flag;
}

/* --- Parts --- */

void
tn_dns_wire_parse_resolvers (TnDnsResolvers *resolvers,
                             TnJsonText      list,
                             TnArena        *arena)
{
  guint n_items = count_items (list, TN_DNS_RESOLVERS_MAX);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnDnsResolver *items;
  TnJsonText item;

  *resolvers = (TnDnsResolvers) { 0 };
  if (n_items == 0)
    return;
  resolvers->items = items = tn_arena_alloc (arena, n_items * sizeof *items);
  for (guint i = 0; i < n_items && tn_json_array_next (&iter, &item); i++)
    if (tn_json_text_kind (item) == TN_JSON_OBJECT)
      items[resolvers->n++] = (TnDnsResolver) {
        .address = member_string (item, "Addr", arena),
        .bootstrap = parse_strings (tn_json_text_member (item, "BootstrapResolution"), TN_DNS_RESOLVERS_MAX, is_address, arena),
        .use_with_exit_node = member_flag (item, "UseWithExitNode"),
      };
}

static void
parse_routes (TnDnsWire  *wire,
              TnJsonText  object,
              TnArena    *arena)
{
  guint n = count_members (object, TN_DNS_ROUTES_MAX);
  TnJsonIter iter = TN_JSON_ITER_INIT (object);
  TnDnsRoute *routes = tn_arena_alloc (arena, n * sizeof *routes);
  TnJsonText key, value;

  for (guint i = 0; i < n && tn_json_object_next (&iter, &key, &value); i++)
    {
      routes[i].suffix = tn_json_text_get_string (key, arena);
      tn_dns_wire_parse_resolvers (&routes[i].resolvers, value, arena);
    }
  wire->routes = routes;
  wire->n_routes = n;
}

static void
parse_records (TnDnsWire  *wire,
               TnJsonText  list,
               TnArena    *arena)
{
  guint n_items = count_items (list, TN_DNS_RECORDS_MAX);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnDnsRecord *records = tn_arena_alloc (arena, n_items * sizeof *records);
  TnJsonText item;

  for (guint i = 0; i < n_items && tn_json_array_next (&iter, &item); i++)
    if (tn_json_text_kind (item) == TN_JSON_OBJECT)
      records[wire->n_records++] = (TnDnsRecord) {
        member_string (item, "Name", arena), member_string (item, "Type", arena), member_string (item, "Value", arena),
      };
  wire->records = records;
}

gboolean
tn_dns_wire_parse (TnDnsWire   *wire,
                   const char  *json,
                   gsize        len,
                   TnArena     *arena,
                   GError     **error)
{
  TnJsonText object;

  *wire = (TnDnsWire) { .search_domains = no_strings, .cert_domains = no_strings, .exit_node_filtered = no_strings };
  if (!tn_json_text_parse (json, len, &object, error))
    return FALSE;
  if (tn_json_text_kind (object) != TN_JSON_OBJECT)
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "DNSConfig: not an object");
      return FALSE;
    }

  tn_dns_wire_parse_resolvers (&wire->resolvers, tn_json_text_member (object, "Resolvers"), arena);
  tn_dns_wire_parse_resolvers (&wire->fallback_resolvers, tn_json_text_member (object, "FallbackResolvers"), arena);
  parse_routes (wire, tn_json_text_member (object, "Routes"), arena);
  parse_records (wire, tn_json_text_member (object, "ExtraRecords"), arena);
  wire->search_domains = parse_strings (tn_json_text_member (object, "Domains"), TN_DNS_DOMAINS_MAX, NULL, arena);
  wire->cert_domains = parse_strings (tn_json_text_member (object, "CertDomains"), TN_DNS_DOMAINS_MAX, NULL, arena);
  wire->exit_node_filtered = parse_strings (tn_json_text_member (object, "ExitNodeFilteredSet"), TN_DNS_DOMAINS_MAX, NULL, arena);
  wire->magic_dns = member_flag (object, "Proxied");
  return TRUE;
}
