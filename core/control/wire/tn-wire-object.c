/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-wire-object.h"

#include "tn-json-put.h"

enum
{
  MAX_MEMBERS = 96,     /* of one object; later ones are not looked at */
  MAX_FIELDS = 48,      /* of one table */
};

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

static gboolean
has_objects (TnJsonText list)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    if (tn_json_text_kind (item) == TN_JSON_OBJECT)
      return TRUE;
  return FALSE;
}

/* By what would be left of it: the text of a text is the same. */
static gboolean
keeps_field (TnJsonText   value,
             TnWireShape  shape)
{
  switch (shape)
    {
    case TN_WIRE_TRISTATE: case TN_WIRE_OBJECT: return !tn_json_text_is_null (value);
    case TN_WIRE_LIST: return has_objects (value);
    case TN_WIRE_MAP_OF_LISTS: return tn_json_text_kind (value) == TN_JSON_OBJECT && has_items (value);
    case TN_WIRE_PLAIN: break;
    }
  return !is_empty (value);
}

static void
append_field (GString           *out,
              TnJsonText         value,
              const TnWireField *field)
{
  if (!keeps_field (value, field->shape))
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

/* Where in the table a member is, looked for first behind the one before. -1: it is not known. */
static int
find_field (const TnWireField *fields,
            guint              n_fields,
            TnJsonText         key,
            guint              from)
{
  for (guint i = 0; i < n_fields; i++)
    {
      guint at = from + i < n_fields ? from + i : from + i - n_fields;

      if (tn_json_key_equal (key, fields[at].name))
        return (int) at;
    }
  return -1;
}

void
tn_wire_object_append (GString           *out,
                       TnJsonText         object,
                       const TnWireField *fields)
{
  TnJsonText values[MAX_FIELDS] = { { NULL, 0 } };      /* the last of several counts */
  TnJsonIter iter = TN_JSON_ITER_INIT (object);
  TnJsonText key, value;
  guint n_fields = 0, n = 0, from = 0;

  while (fields[n_fields].name != NULL)
    n_fields++;
  g_assert (n_fields <= MAX_FIELDS);
  while (n++ < MAX_MEMBERS && tn_json_object_next (&iter, &key, &value))
    {
      int at = find_field (fields, n_fields, key, from);

      if (at < 0)
        continue;
      values[at] = value;
      from = (guint) at + 1;
    }

  g_string_append_c (out, '{');
  for (guint i = 0; i < n_fields; i++)
    if (values[i].text != NULL)
      append_field (out, values[i], &fields[i]);
  g_string_append_c (out, '}');
}
