/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-filter.h"

/* The packet filter as one would explain it: lists, searched from end to end. */

#define MODEL_MAX 6

typedef enum
{
  MODEL_ANY,
  MODEL_PREFIX,
  MODEL_RANGE,
  MODEL_CAPABILITY,
} ModelSetKind;

typedef struct
{
  ModelSetKind kind;
  TnIpPrefix   prefix;
  TnIpAddress  first;
  TnIpAddress  last;
  guint        capability;
} ModelSet;

typedef struct
{
  ModelSet set;
  guint16  first_port;
  guint16  last_port;
} ModelDestination;

typedef struct
{
  ModelSet         sources[MODEL_MAX];
  guint            n_sources;
  ModelDestination destinations[MODEL_MAX];
  guint            n_destinations;
  gint64           protocols[MODEL_MAX];      /* none: the usual four */
  guint            n_protocols;
} ModelRule;

typedef struct
{
  TnIpAddress address;
  guint       capability;
} ModelHolder;

typedef struct
{
  const ModelRule   *rules;
  guint              n_rules;
  const ModelHolder *holders;
  guint              n_holders;
  const TnIpPrefix  *local;
  guint              n_local;
  GPtrArray         *flows;                   /* text of flows that may come in, last used last */
  guint              max_flows;
} Model;

static inline gboolean
model_set_is_of_family (const ModelSet *set, guint version)
{
  if (set->kind == MODEL_ANY)
    return TRUE;
  if (set->kind == MODEL_CAPABILITY)
    return FALSE;
  return (set->kind == MODEL_PREFIX ? set->prefix.address.version : set->first.version) == version;
}

static inline gboolean
model_set_contains (const ModelSet *set, const TnIpAddress *address)
{
  if (!model_set_is_of_family (set, address->version))
    return FALSE;
  if (set->kind == MODEL_PREFIX)
    return tn_ip_prefix_contains (&set->prefix, address);
  if (set->kind == MODEL_RANGE)
    return tn_ip_address_compare (&set->first, address) <= 0 && tn_ip_address_compare (address, &set->last) <= 0;
  return TRUE;
}

static inline gboolean
model_source_by_address (const ModelRule *rule, const TnIpAddress *src)
{
  for (guint i = 0; i < rule->n_sources; i++)
    if (model_set_contains (&rule->sources[i], src))
      return TRUE;
  return FALSE;
}

static inline gboolean
model_source_by_capability (const Model *model, const ModelRule *rule, const TnIpAddress *src)
{
  for (guint i = 0; i < rule->n_sources; i++)
    for (guint j = 0; j < model->n_holders; j++)
      if (rule->sources[i].kind == MODEL_CAPABILITY && rule->sources[i].capability == model->holders[j].capability &&
          tn_ip_address_equal (&model->holders[j].address, src))
        return TRUE;
  return FALSE;
}

static inline gboolean
model_has_protocol (const ModelRule *rule, guint8 proto)
{
  if (rule->n_protocols == 0)
    return proto == 6 || proto == 17 || proto == 1 || proto == 58;
  for (guint i = 0; i < rule->n_protocols; i++)
    if (rule->protocols[i] == proto)
      return TRUE;
  return FALSE;
}

typedef enum
{
  MODEL_PORT,           /* the port is in the range */
  MODEL_ALL_PORTS,      /* the range is all there is */
  MODEL_NO_PORT,        /* the range does not matter */
} ModelPorts;

static inline gboolean
model_has_destination (const ModelRule *rule, const TnParsed *packet, ModelPorts ports)
{
  for (guint i = 0; i < rule->n_destinations; i++)
    {
      const ModelDestination *d = &rule->destinations[i];

      if (!model_set_contains (&d->set, &packet->dst))
        continue;
      if (ports == MODEL_NO_PORT ||
          (ports == MODEL_ALL_PORTS && d->first_port == 0 && d->last_port == 65535) ||
          (ports == MODEL_PORT && d->first_port <= packet->dst_port && packet->dst_port <= d->last_port))
        return TRUE;
    }
  return FALSE;
}

static inline gint32
model_match (const Model *model, const TnParsed *packet)
{
  for (guint i = 0; i < model->n_rules; i++)
    {
      const ModelRule *rule = &model->rules[i];

      if (model_has_protocol (rule, packet->proto) && model_has_destination (rule, packet, MODEL_PORT) &&
          (model_source_by_address (rule, &packet->src) || model_source_by_capability (model, rule, &packet->src)))
        return (gint32) i;
    }
  return -1;
}

static inline gint32
model_match_icmp (const Model *model, const TnParsed *packet)
{
  for (guint i = 0; i < model->n_rules; i++)
    if (model_source_by_address (&model->rules[i], &packet->src) && model_has_destination (&model->rules[i], packet, MODEL_NO_PORT))
      return (gint32) i;

  /* Whoever has a capability that a rule asks for may ping, wherever that rule leads in this family. */
  for (guint i = 0; i < model->n_rules; i++)
    if (model_source_by_capability (model, &model->rules[i], &packet->src))
      for (guint j = 0; j < model->rules[i].n_destinations; j++)
        if (model_set_is_of_family (&model->rules[i].destinations[j].set, packet->version))
          return (gint32) i;
  return -1;
}

static inline gint32
model_match_other (const Model *model, const TnParsed *packet)
{
  for (guint i = 0; i < model->n_rules; i++)
    if (model_has_protocol (&model->rules[i], packet->proto) && model_source_by_address (&model->rules[i], &packet->src) &&
        model_has_destination (&model->rules[i], packet, MODEL_ALL_PORTS))
      return (gint32) i;
  return -1;
}

/* IPv4 and IPv4 mapped into IPv6 are one. */
static inline char *
model_flow (const TnParsed *packet, gboolean reversed)
{
  const TnIpAddress *ends[2] = { reversed ? &packet->dst : &packet->src, reversed ? &packet->src : &packet->dst };
  guint ports[2] = { reversed ? packet->dst_port : packet->src_port, reversed ? packet->src_port : packet->dst_port };
  char text[2][TN_IP_ADDRESS_TEXT_MAX];

  for (guint i = 0; i < 2; i++)
    tn_ip_address_print (ends[i], text[i]);
  return g_strdup_printf ("%u %s %u %s %u", packet->proto, g_str_has_prefix (text[0], "::ffff:") ? text[0] + 7 : text[0], ports[0],
                          g_str_has_prefix (text[1], "::ffff:") ? text[1] + 7 : text[1], ports[1]);
}

static inline gboolean
model_use_flow (Model *model, const char *flow)
{
  guint at;

  if (!g_ptr_array_find_with_equal_func (model->flows, flow, g_str_equal, &at))
    return FALSE;
  g_ptr_array_add (model->flows, g_ptr_array_steal_index (model->flows, at));
  return TRUE;
}

static inline gboolean
model_starts_with (const TnIpAddress *address, const char *prefix4, const char *prefix6)
{
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };
  TnIpAddress plain = *address;
  TnIpPrefix prefix;

  if (address->version == 6 && memcmp (address->bytes, mapped, sizeof mapped) == 0)
    plain = tn_ip_address_from_bytes (address->bytes + 12, 4);
  g_assert_true (tn_ip_prefix_parse (plain.version == 4 ? prefix4 : prefix6, &prefix));
  return tn_ip_prefix_contains (&prefix, &plain);
}

static inline TnFilterReason
model_header (const TnParsed *packet)
{
  TnIpAddress spared;

  g_assert_true (tn_ip_address_parse ("169.254.169.254", &spared));
  if (packet->len == 0)
    return TN_FILTER_KEEPALIVE;
  if (packet->len < 20)
    return TN_FILTER_TOO_SHORT;
  if (packet->proto == TN_PROTO_UNKNOWN)
    return TN_FILTER_UNKNOWN_PROTOCOL;
  if (model_starts_with (&packet->dst, "224.0.0.0/4", "ff00::/8"))
    return TN_FILTER_MULTICAST;
  if (model_starts_with (&packet->dst, "169.254.0.0/16", "fe80::/10") && !tn_ip_address_equal (&packet->dst, &spared))
    return TN_FILTER_LINK_LOCAL_UNICAST;
  return packet->proto == TN_PROTO_FRAGMENT ? TN_FILTER_FRAGMENT : TN_FILTER_N_REASONS;
}

static inline TnFilterVerdict
model_verdict (gint32 rule, TnFilterReason accept, TnFilterReason refuse)
{
  return (TnFilterVerdict) { rule >= 0 ? accept : refuse, rule };
}

static inline TnFilterVerdict
model_in (Model *model, const TnParsed *packet)
{
  TnFilterVerdict verdict = { model_header (packet), -1 };
  gboolean is_local = FALSE;

  if (verdict.reason != TN_FILTER_N_REASONS)
    return verdict;
  for (guint i = 0; i < model->n_local; i++)
    is_local |= tn_ip_prefix_contains (&model->local[i], &packet->dst);
  if (!is_local)
    return (TnFilterVerdict) { TN_FILTER_DST_NOT_LOCAL, -1 };

  if (packet->proto == 6 && !tn_parsed_is_tcp_syn (packet))
    return (TnFilterVerdict) { TN_FILTER_TCP_NON_SYN, -1 };
  if (packet->proto == 6)
    return model_verdict (model_match (model, packet), TN_FILTER_TCP_RULE, TN_FILTER_NO_RULE);
  if (packet->proto == 17 || packet->proto == 132)
    {
      g_autofree char *flow = model_flow (packet, FALSE);

      if (model_use_flow (model, flow))
        return (TnFilterVerdict) { TN_FILTER_FLOW_CACHED, -1 };
      return model_verdict (model_match (model, packet), TN_FILTER_RULE, TN_FILTER_NO_RULE);
    }
  if (packet->proto == 99)
    return (TnFilterVerdict) { TN_FILTER_TSMP, -1 };
  if (packet->proto == (packet->version == 4 ? 1 : 58))
    {
      if (tn_parsed_is_echo_reply (packet) || tn_parsed_is_icmp_error (packet))
        return (TnFilterVerdict) { TN_FILTER_ICMP_RESPONSE, -1 };
      return model_verdict (model_match_icmp (model, packet), TN_FILTER_ICMP_RULE, TN_FILTER_NO_RULE);
    }
  return model_verdict (model_match_other (model, packet), TN_FILTER_OTHER_RULE, TN_FILTER_OTHER_NO_RULE);
}

static inline TnFilterVerdict
model_out (Model *model, const TnParsed *packet)
{
  TnFilterVerdict verdict = { model_header (packet), -1 };

  if (verdict.reason != TN_FILTER_N_REASONS)
    return verdict;
  if (packet->proto == 17 || packet->proto == 132)
    {
      g_autofree char *flow = model_flow (packet, TRUE);

      if (!model_use_flow (model, flow))
        g_ptr_array_add (model->flows, g_steal_pointer (&flow));
      if (model->flows->len > model->max_flows)
        g_ptr_array_remove_index (model->flows, 0);
    }
  return (TnFilterVerdict) { TN_FILTER_OUT, -1 };
}
