/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-wire-object.h"

enum { MAX_MEMBERS = 96 };     /* of one object; later ones are not looked at */

static const TnWireField service_fields[] = {
  { "Proto" }, { "Port" }, { "Description" }, { NULL },
};

static const TnWireField net_info_fields[] = {
  { "MappingVariesByDestIP", TN_WIRE_TRISTATE }, { "WorkingIPv6", TN_WIRE_TRISTATE }, { "OSHasIPv6", TN_WIRE_TRISTATE },
  { "WorkingUDP", TN_WIRE_TRISTATE }, { "WorkingICMPv4", TN_WIRE_TRISTATE }, { "HavePortMap" }, { "UPnP", TN_WIRE_TRISTATE },
  { "PMP", TN_WIRE_TRISTATE }, { "PCP", TN_WIRE_TRISTATE }, { "PreferredDERP" }, { "LinkType" }, { "DERPLatency" },
  { "FirewallMode" }, { NULL },
};

static const TnWireField location_fields[] = {
  { "Country" }, { "CountryCode" }, { "City" }, { "CityCode" }, { "Latitude" }, { "Longitude" }, { "Priority" }, { NULL },
};

static const TnWireField tpm_fields[] = {
  { "Manufacturer" }, { "Vendor" }, { "Model" }, { "FirmwareVersion" }, { "SpecRevision" }, { "FamilyIndicator" }, { NULL },
};

/* tailscale tailcfg/tailcfg.go: Hostinfo */
const TnWireField tn_wire_hostinfo_fields[] = {
  { "IPNVersion" }, { "FrontendLogID" }, { "BackendLogID" }, { "OS" }, { "OSVersion" }, { "Container", TN_WIRE_TRISTATE }, { "Env" },
  { "Distro" }, { "DistroVersion" }, { "DistroCodeName" }, { "App" }, { "Desktop", TN_WIRE_TRISTATE }, { "Package" },
  { "DeviceModel" }, { "PushDeviceToken" }, { "Hostname" }, { "ShieldsUp" }, { "ShareeNode" }, { "NoLogsNoSupport" },
  { "RemoteConfig" }, { "WireIngress" }, { "IngressEnabled" }, { "AllowsUpdate" }, { "Machine" }, { "GoArch" }, { "GoArchVar" },
  { "GoVersion" }, { "RoutableIPs" }, { "RequestTags" }, { "WoLMACs" }, { "Services", TN_WIRE_LIST, service_fields },
  { "NetInfo", TN_WIRE_OBJECT, net_info_fields }, { "sshHostKeys" }, { "Cloud" }, { "Userspace", TN_WIRE_TRISTATE },
  { "UserspaceRouter", TN_WIRE_TRISTATE }, { "AppConnector", TN_WIRE_TRISTATE }, { "ServicesHash" }, { "PeerRelay" },
  { "ExitNodeID" }, { "Location", TN_WIRE_OBJECT, location_fields }, { "TPM", TN_WIRE_OBJECT, tpm_fields },
  { "StateEncrypted", TN_WIRE_TRISTATE }, { NULL },
};

const TnWireField tn_wire_resolver_fields[] = {
  { "Addr" }, { "BootstrapResolution" }, { "UseWithExitNode" }, { NULL },
};

static const TnWireField record_fields[] = {
  { "Name" }, { "Type" }, { "Value" }, { NULL },
};

/* tailscale tailcfg/tailcfg.go: DNSConfig */
const TnWireField tn_wire_dns_config_fields[] = {
  { "Resolvers", TN_WIRE_LIST, tn_wire_resolver_fields }, { "Routes", TN_WIRE_MAP_OF_LISTS, tn_wire_resolver_fields },
  { "FallbackResolvers", TN_WIRE_LIST, tn_wire_resolver_fields }, { "Domains" }, { "Proxied" }, { "Nameservers" }, { "CertDomains" },
  { "ExtraRecords", TN_WIRE_LIST, record_fields }, { "ExitNodeFilteredSet" }, { "TempCorpIssue13969" }, { NULL },
};

static gboolean
has_items (TnJsonText value)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (value);
  TnJsonText key, item;

  return tn_json_text_kind (value) == TN_JSON_ARRAY ? tn_json_array_next (&iter, &item) : tn_json_object_next (&iter, &key, &item);
}

static gboolean
is_empty (TnJsonText value)
{
  double number = 1;

  switch (tn_json_text_kind (value))
    {
    case TN_JSON_NONE: case TN_JSON_NULL: return TRUE;
    case TN_JSON_BOOL: return value.text[0] == 'f';
    case TN_JSON_NUMBER: return tn_json_text_get_double (value, &number) && number == 0;
    case TN_JSON_STRING: return value.len == 2;
    case TN_JSON_ARRAY: case TN_JSON_OBJECT: return !has_items (value);
    }
  return FALSE;
}

void
tn_wire_list_append (GString           *out,
                     TnJsonText         list,
                     const TnWireField *fields)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;
  gboolean first = TRUE;

  g_string_append_c (out, '[');
  while (tn_json_array_next (&iter, &item))
    if (tn_json_text_kind (item) == TN_JSON_OBJECT)
      {
        if (!first)
          g_string_append_c (out, ',');
        first = FALSE;
        tn_wire_object_append (out, item, fields);
      }
  g_string_append_c (out, ']');
}

static void
append_map (GString           *out,
            TnJsonText         map,
            const TnWireField *fields)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (map);
  TnJsonText key, value;

  g_string_append_c (out, '{');
  while (tn_json_object_next (&iter, &key, &value))
    {
      g_autofree char *name = tn_json_text_dup_string (key);

      tn_json_put_key (out, name);
      tn_wire_list_append (out, value, fields);
    }
  g_string_append_c (out, '}');
}

static void
append_field (GString           *out,
              TnJsonText         value,
              const TnWireField *field)
{
  gboolean keep = field->shape == TN_WIRE_TRISTATE || field->shape == TN_WIRE_OBJECT ? !tn_json_text_is_null (value) : !is_empty (value);

  if (!keep)
    return;
  tn_json_put_key (out, field->name);
  switch (field->shape)
    {
    case TN_WIRE_PLAIN:
    case TN_WIRE_TRISTATE:
      tn_json_text_append (out, value);
      break;
    case TN_WIRE_OBJECT:
      tn_wire_object_append (out, value, field->fields);
      break;
    case TN_WIRE_LIST:
      tn_wire_list_append (out, value, field->fields);
      break;
    case TN_WIRE_MAP_OF_LISTS:
      append_map (out, value, field->fields);
      break;
    }
}

void
tn_wire_object_append (GString           *out,
                       TnJsonText         object,
                       const TnWireField *fields)
{
  TnJsonText keys[MAX_MEMBERS], values[MAX_MEMBERS];
  TnJsonIter iter = TN_JSON_ITER_INIT (object);
  guint n = 0;

  while (n < MAX_MEMBERS && tn_json_object_next (&iter, &keys[n], &values[n]))
    n++;

  g_string_append_c (out, '{');
  for (const TnWireField *field = fields; field->name != NULL; field++)
    for (guint i = n; i-- > 0;)      /* the last of several counts */
      if (tn_json_key_equal (keys[i], field->name))
        {
          append_field (out, values[i], field);
          break;
        }
  g_string_append_c (out, '}');
}
