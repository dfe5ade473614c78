/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-hostinfo.h"

#include <sys/utsname.h>

#include "tn-json-put.h"

static void
service_free (gpointer data)
{
  TnService *service = data;

  g_free (service->protocol);
  g_free (service->description);
  g_free (service);
}

TnHostinfo *
tn_hostinfo_new (void)
{
  return g_new0 (TnHostinfo, 1);
}

/* As the other implementations name distributions (tailscale version/distro). */
static void
read_distribution (TnHostinfo *hostinfo)
{
  hostinfo->distro = g_get_os_info (G_OS_INFO_KEY_ID);
  hostinfo->distro_version = g_get_os_info (G_OS_INFO_KEY_VERSION_ID);
  hostinfo->distro_code_name = g_get_os_info (G_OS_INFO_KEY_VERSION_CODENAME);
}

TnHostinfo *
tn_hostinfo_new_for_system (void)
{
  TnHostinfo *hostinfo = tn_hostinfo_new ();
  struct utsname name;

  hostinfo->hostname = g_strdup (g_get_host_name ());
  hostinfo->ipn_version = g_strdup (TN_VERSION "-tailnet");
  hostinfo->app = g_strdup ("tailnet");
  if (uname (&name) == 0)
    {
      hostinfo->os = g_ascii_strdown (name.sysname, -1);
      hostinfo->os_version = g_strdup (name.release);
      hostinfo->machine = g_strdup (name.machine);
    }
  read_distribution (hostinfo);
  hostinfo->container = g_file_test ("/.dockerenv", G_FILE_TEST_EXISTS) || g_file_test ("/run/.containerenv", G_FILE_TEST_EXISTS)
                          ? TN_TRISTATE_YES : TN_TRISTATE_NO;
  return hostinfo;
}

static gpointer
copy_service (gconstpointer source,
              gpointer      user_data)
{
  const TnService *from = source;
  TnService *to = g_new0 (TnService, 1);

  to->protocol = g_strdup (from->protocol);
  to->port = from->port;
  to->description = g_strdup (from->description);
  return to;
}

TnHostinfo *
tn_hostinfo_copy (const TnHostinfo *hostinfo)
{
  TnHostinfo *copy = g_memdup2 (hostinfo, sizeof *hostinfo);
  char **strings[] = {
    &copy->hostname, &copy->app, &copy->ipn_version, &copy->os, &copy->os_version, &copy->distro, &copy->distro_version,
    &copy->distro_code_name, &copy->machine, &copy->package, &copy->device_model, &copy->exit_node_id,
  };

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    *strings[i] = g_strdup (*strings[i]);
  copy->tags = g_strdupv (hostinfo->tags);
  copy->routes = hostinfo->routes != NULL ? g_array_copy (hostinfo->routes) : NULL;
  copy->services = NULL;
  if (hostinfo->services != NULL)
    {
      copy->services = g_ptr_array_copy (hostinfo->services, (GCopyFunc) (GCallback) copy_service, NULL);
      g_ptr_array_set_free_func (copy->services, service_free);
    }
  tn_net_info_copy (&copy->net_info, &hostinfo->net_info);
  return copy;
}

void
tn_hostinfo_free (TnHostinfo *hostinfo)
{
  g_free (hostinfo->hostname);
  g_free (hostinfo->app);
  g_free (hostinfo->ipn_version);
  g_free (hostinfo->os);
  g_free (hostinfo->os_version);
  g_free (hostinfo->distro);
  g_free (hostinfo->distro_version);
  g_free (hostinfo->distro_code_name);
  g_free (hostinfo->machine);
  g_free (hostinfo->package);
  g_free (hostinfo->device_model);
  g_free (hostinfo->exit_node_id);
  g_strfreev (hostinfo->tags);
  g_clear_pointer (&hostinfo->routes, g_array_unref);
  g_clear_pointer (&hostinfo->services, g_ptr_array_unref);
  tn_net_info_clear (&hostinfo->net_info);
  g_free (hostinfo);
}

void
tn_hostinfo_add_service (TnHostinfo *hostinfo,
                         const char *protocol,
                         guint16     port)
{
  TnService service = { (char *) (guintptr) protocol, port, NULL };

  if (hostinfo->services == NULL)
    hostinfo->services = g_ptr_array_new_with_free_func (service_free);
  g_ptr_array_add (hostinfo->services, copy_service (&service, NULL));
}

void
tn_net_info_clear (TnNetInfo *net_info)
{
  g_free (net_info->link_type);
  g_clear_pointer (&net_info->latency, g_hash_table_unref);
  *net_info = (TnNetInfo) { 0 };
}

void
tn_net_info_copy (TnNetInfo       *to,
                  const TnNetInfo *from)
{
  GHashTableIter iter;
  gpointer key, value;

  *to = *from;
  to->link_type = g_strdup (from->link_type);
  if (from->latency == NULL)
    return;
  to->latency = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_hash_table_iter_init (&iter, from->latency);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_insert (to->latency, g_strdup (key), g_memdup2 (value, sizeof (double)));
}

gboolean
tn_net_info_is_news (const TnNetInfo *old,
                     const TnNetInfo *net_info)
{
  return old->mapping_varies != net_info->mapping_varies || old->working_ipv6 != net_info->working_ipv6 ||
         old->os_has_ipv6 != net_info->os_has_ipv6 || old->working_udp != net_info->working_udp ||
         old->working_icmpv4 != net_info->working_icmpv4 || old->upnp != net_info->upnp || old->pmp != net_info->pmp ||
         old->pcp != net_info->pcp || old->have_port_map != net_info->have_port_map ||
         old->home_region != net_info->home_region || g_strcmp0 (old->link_type, net_info->link_type) != 0;
}

/* --- JSON --- */

static void
put_tristate (GString    *out,
              const char *name,
              TnTristate  value)
{
  if (value != TN_TRISTATE_UNKNOWN)
    tn_json_put_member_bool (out, name, value == TN_TRISTATE_YES);
}

static void
put_text (GString    *out,
          const char *name,
          const char *value)
{
  if (value != NULL && *value != '\0')
    tn_json_put_member_string (out, name, value);
}

static void
put_latency (GString    *out,
             GHashTable *latency)
{
  g_autoptr (GList) keys = NULL;

  if (latency == NULL || g_hash_table_size (latency) == 0)
    return;
  keys = g_list_sort (g_hash_table_get_keys (latency), (GCompareFunc) (GCallback) g_strcmp0);
  tn_json_put_key (out, "DERPLatency");
  g_string_append_c (out, '{');
  for (GList *l = keys; l != NULL; l = l->next)
    {
      char text[G_ASCII_DTOSTR_BUF_SIZE];

      tn_json_put_member_raw (out, l->data, g_ascii_dtostr (text, sizeof text, *(double *) g_hash_table_lookup (latency, l->data)));
    }
  g_string_append_c (out, '}');
}

static void
put_net_info (GString         *out,
              const TnNetInfo *net_info)
{
  tn_json_put_key (out, "NetInfo");
  g_string_append_c (out, '{');
  put_tristate (out, "MappingVariesByDestIP", net_info->mapping_varies);
  put_tristate (out, "WorkingIPv6", net_info->working_ipv6);
  put_tristate (out, "OSHasIPv6", net_info->os_has_ipv6);
  put_tristate (out, "WorkingUDP", net_info->working_udp);
  put_tristate (out, "WorkingICMPv4", net_info->working_icmpv4);
  if (net_info->have_port_map)
    tn_json_put_member_bool (out, "HavePortMap", TRUE);
  put_tristate (out, "UPnP", net_info->upnp);
  put_tristate (out, "PMP", net_info->pmp);
  put_tristate (out, "PCP", net_info->pcp);
  if (net_info->home_region != 0)
    tn_json_put_member_int (out, "PreferredDERP", net_info->home_region);
  put_text (out, "LinkType", net_info->link_type);
  put_latency (out, net_info->latency);
  g_string_append_c (out, '}');
}

static void
put_routes (GString      *out,
            const GArray *routes)
{
  if (routes == NULL || routes->len == 0)
    return;
  tn_json_put_key (out, "RoutableIPs");
  g_string_append_c (out, '[');
  for (guint i = 0; i < routes->len; i++)
    {
      char text[TN_IP_PREFIX_TEXT_MAX];

      tn_ip_prefix_print (&g_array_index (routes, TnIpPrefix, i), text);
      g_string_append_printf (out, "%s\"%s\"", i > 0 ? "," : "", text);
    }
  g_string_append_c (out, ']');
}

static void
put_services (GString         *out,
              const GPtrArray *services)
{
  if (services == NULL || services->len == 0)
    return;
  tn_json_put_key (out, "Services");
  g_string_append_c (out, '[');
  for (guint i = 0; i < services->len; i++)
    {
      const TnService *service = g_ptr_array_index (services, i);

      g_string_append (out, i > 0 ? ",{" : "{");
      tn_json_put_member_string (out, "Proto", service->protocol);
      tn_json_put_member_int (out, "Port", service->port);
      put_text (out, "Description", service->description);
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, ']');
}

void
tn_hostinfo_append (GString          *out,
                    const TnHostinfo *hostinfo)
{
  g_string_append_c (out, '{');
  put_text (out, "IPNVersion", hostinfo->ipn_version);
  put_text (out, "OS", hostinfo->os);
  put_text (out, "OSVersion", hostinfo->os_version);
  put_tristate (out, "Container", hostinfo->container);
  put_text (out, "Distro", hostinfo->distro);
  put_text (out, "DistroVersion", hostinfo->distro_version);
  put_text (out, "DistroCodeName", hostinfo->distro_code_name);
  put_text (out, "App", hostinfo->app);
  put_tristate (out, "Desktop", hostinfo->desktop);
  put_text (out, "Package", hostinfo->package);
  put_text (out, "DeviceModel", hostinfo->device_model);
  put_text (out, "Hostname", hostinfo->hostname);
  if (hostinfo->shields_up)
    tn_json_put_member_bool (out, "ShieldsUp", TRUE);
  tn_json_put_member_bool (out, "NoLogsNoSupport", TRUE);      /* this node sends no logs anywhere */
  put_text (out, "Machine", hostinfo->machine);
  put_routes (out, hostinfo->routes);
  if (hostinfo->tags != NULL && hostinfo->tags[0] != NULL)
    tn_json_put_member_strv (out, "RequestTags", (const char *const *) hostinfo->tags);
  put_services (out, hostinfo->services);
  if (hostinfo->have_net_info)
    put_net_info (out, &hostinfo->net_info);
  put_tristate (out, "Userspace", hostinfo->userspace);
  put_tristate (out, "UserspaceRouter", hostinfo->userspace_router);
  put_text (out, "ExitNodeID", hostinfo->exit_node_id);
  g_string_append_c (out, '}');
}
