/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-filter-private.h"

#include "tn-reader.h"

/* Verdicts, in the order of tailscale wgengine/filter/filter.go. */

static const char *const reason_names[TN_FILTER_N_REASONS] = {
  [TN_FILTER_KEEPALIVE] = "keepalive",
  [TN_FILTER_FRAGMENT] = "fragment",
  [TN_FILTER_OUT] = "out",
  [TN_FILTER_ICMP_RESPONSE] = "icmp_response",
  [TN_FILTER_ICMP_RULE] = "icmp_rule",
  [TN_FILTER_TCP_NON_SYN] = "tcp_non_syn",
  [TN_FILTER_TCP_RULE] = "tcp_rule",
  [TN_FILTER_FLOW_CACHED] = "flow_cached",
  [TN_FILTER_RULE] = "rule",
  [TN_FILTER_TSMP] = "tsmp",
  [TN_FILTER_OTHER_RULE] = "other_rule",
  [TN_FILTER_TOO_SHORT] = "too_short",
  [TN_FILTER_UNKNOWN_PROTOCOL] = "unknown_protocol",
  [TN_FILTER_MULTICAST] = "multicast",
  [TN_FILTER_LINK_LOCAL_UNICAST] = "link_local_unicast",
  [TN_FILTER_DST_NOT_LOCAL] = "dst_not_local",
  [TN_FILTER_NO_RULE] = "no_rule",
  [TN_FILTER_OTHER_NO_RULE] = "other_no_rule",
};

const char *
tn_filter_reason_to_string (TnFilterReason reason)
{
  return reason < TN_FILTER_N_REASONS ? reason_names[reason] : "unknown";
}

gboolean
tn_filter_is_shields_up (const TnFilter *filter)
{
  return filter->shields_up;
}

gboolean
tn_filter_uses_capabilities (const TnFilter *filter)
{
  return filter->uses_capabilities;
}

/* --- Flow state --- */

void
tn_filter_state_init (TnFilterState *state,
                      guint          capacity,
                      gint64         idle_us)
{
  state->flows = tn_flow_table_new (capacity, idle_us);
  state->shields_up = FALSE;
}

void
tn_filter_state_clear (TnFilterState *state)
{
  g_clear_pointer (&state->flows, tn_flow_table_free);
}

void
tn_filter_state_adopt (TnFilterState  *state,
                       const TnFilter *filter)
{
  if (filter->shields_up && !state->shields_up)
    tn_flow_table_clear (state->flows);
  state->shields_up = filter->shields_up;
}

/* --- What no rule can change --- */

#define UNDECIDED TN_FILTER_N_REASONS

static inline TnFilterReason
decide_by_ip4 (guint32  address,
               gboolean mapped)
{
  if (address >> 28 == 0xe)
    return TN_FILTER_MULTICAST;
  /* 169.254.169.254 is a name server in some clouds, and is spared, but only as plain IPv4. */
  if (address >> 16 == 0xa9fe && (mapped || address != 0xa9fea9fe))
    return TN_FILTER_LINK_LOCAL_UNICAST;
  return UNDECIDED;
}

static inline TnFilterReason
decide_by_destination (const TnIpAddress *address)
{
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };

  if (address->version == 4)
    return decide_by_ip4 (tn_get_u32be (address->bytes), FALSE);
  if (memcmp (address->bytes, mapped, sizeof mapped) == 0)
    return decide_by_ip4 (tn_get_u32be (address->bytes + sizeof mapped), TRUE);
  if (address->bytes[0] == 0xff)
    return TN_FILTER_MULTICAST;
  return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80 ? TN_FILTER_LINK_LOCAL_UNICAST : UNDECIDED;
}

static inline TnFilterReason
decide_by_header (const TnParsed *packet)
{
  TnFilterReason reason;

  if (packet->proto == TN_PROTO_UNKNOWN)
    return TN_FILTER_UNKNOWN_PROTOCOL;
  reason = decide_by_destination (&packet->dst);
  return reason == UNDECIDED && packet->proto == TN_PROTO_FRAGMENT ? TN_FILTER_FRAGMENT : reason;
}

static inline TnFilterReason
decide_by_length (const TnParsed *packet)
{
  if (packet->len >= TN_IP4_HEADER_LEN)
    return UNDECIDED;
  return packet->len == 0 ? TN_FILTER_KEEPALIVE : TN_FILTER_TOO_SHORT;
}

/* --- Rules --- */

typedef struct
{
  const TnFilterSource *sources;
  const TnRuleSet      *capabilities;   /* rules by capability; or NULL */
} Source;

static inline gint32
lower (gint32 a,
       gint32 b)
{
  return b < 0 || (a >= 0 && a < b) ? a : b;
}

static Source
find_source (const TnFilter    *filter,
             const TnIpAddress *src)
{
  Source source = { .sources = tn_prefix_table_lookup (filter->sources, src) };

  if (filter->capability_sources != NULL)
    source.capabilities = tn_prefix_table_lookup (filter->capability_sources, src);
  return source;
}

static gint32
match_sources (const TnFilterSource *sources,
               const TnRuleSet      *rules,
               const TnRuleSet      *protocol,
               gint32                best)
{
  for (; sources != NULL; sources = sources->parent)
    best = lower (best, tn_rule_set_first_common (sources->rules, rules, protocol));
  return best;
}

static gint32
match_source (const Source    *source,
              const TnRuleSet *rules,
              const TnRuleSet *protocol,
              gint32           best)
{
  best = match_sources (source->sources, rules, protocol, best);
  if (source->capabilities != NULL)
    best = lower (best, tn_rule_set_first_common (source->capabilities, rules, protocol));
  return best;
}

/* Protocol, source, and destination with port. */
static gint32
match (const TnFilter *filter,
       const TnParsed *packet)
{
  const TnRuleSet *protocol = filter->protocols[packet->proto];
  Source source = find_source (filter, &packet->src);
  const TnFilterTarget *target;
  gint32 best = TN_FILTER_NO_RULE_INDEX;

  if (protocol == NULL || (source.sources == NULL && source.capabilities == NULL))
    return best;

  for (target = tn_prefix_table_lookup (filter->targets, &packet->dst); target != NULL; target = target->parent)
    {
      const TnPortBlock *block = target->ports != NULL ? tn_port_map_lookup (target->ports, packet->dst_port) : NULL;

      if (target->all_ports != NULL)
        best = match_source (&source, target->all_ports, protocol, best);
      for (; block != NULL; block = block->parent)
        best = match_source (&source, block->rules, protocol, best);
    }
  return best;
}

/* Source and destination; a source that is a capability does without the destination. */
static gint32
match_addresses (const TnFilter *filter,
                 const TnParsed *packet)
{
  Source source = find_source (filter, &packet->src);
  const TnFilterTarget *target;
  gint32 best = TN_FILTER_NO_RULE_INDEX;

  if (source.sources != NULL)
    for (target = tn_prefix_table_lookup (filter->targets, &packet->dst); target != NULL; target = target->parent)
      best = match_sources (source.sources, target->any, NULL, best);
  if (best < 0 && source.capabilities != NULL)
    best = tn_rule_set_first (source.capabilities);
  return best;
}

/* Protocol, source by address, and destination with all ports. */
static gint32
match_other (const TnFilter *filter,
             const TnParsed *packet)
{
  const TnRuleSet *protocol = filter->protocols[packet->proto];
  const TnFilterSource *sources;
  const TnFilterTarget *target;
  gint32 best = TN_FILTER_NO_RULE_INDEX;

  if (protocol == NULL)
    return best;
  sources = tn_prefix_table_lookup (filter->sources, &packet->src);
  for (target = tn_prefix_table_lookup (filter->targets, &packet->dst); target != NULL; target = target->parent)
    if (target->all_ports != NULL)
      best = match_sources (sources, target->all_ports, protocol, best);
  return best;
}

static TnFilterVerdict
by_rule (gint32         rule,
         TnFilterReason accept,
         TnFilterReason refuse)
{
  return (TnFilterVerdict) { .reason = rule >= 0 ? accept : refuse, .rule = rule };
}

#define BY_REASON(r) ((TnFilterVerdict) { .reason = (r), .rule = TN_FILTER_NO_RULE_INDEX })

static TnFilterVerdict
decide_icmp (const TnFilter *filter,
             const TnParsed *packet)
{
  if (tn_parsed_is_echo_reply (packet) || tn_parsed_is_icmp_error (packet))
    return BY_REASON (TN_FILTER_ICMP_RESPONSE);
  return by_rule (match_addresses (filter, packet), TN_FILTER_ICMP_RULE, TN_FILTER_NO_RULE);
}

static inline TnFilterVerdict
decide_in (const TnFilter *filter,
           TnFilterState  *state,
           const TnParsed *packet,
           gint64          now_us)
{
  TnFilterReason reason = decide_by_header (packet);

  if (G_UNLIKELY (reason != UNDECIDED))
    return BY_REASON (reason);
  if (packet->dst.version != packet->version || !tn_address_set_contains (&filter->local, &packet->dst))
    return BY_REASON (TN_FILTER_DST_NOT_LOCAL);

  switch (packet->proto)
    {
    case TN_PROTO_TCP:
      if (!tn_parsed_is_tcp_syn (packet))
        return BY_REASON (TN_FILTER_TCP_NON_SYN);
      return by_rule (match (filter, packet), TN_FILTER_TCP_RULE, TN_FILTER_NO_RULE);

    case TN_PROTO_UDP:
    case TN_PROTO_SCTP:
      if (state != NULL && tn_flow_table_knows_in (state->flows, packet, now_us))
        return BY_REASON (TN_FILTER_FLOW_CACHED);
      return by_rule (match (filter, packet), TN_FILTER_RULE, TN_FILTER_NO_RULE);

    case TN_PROTO_TSMP:
      return BY_REASON (TN_FILTER_TSMP);

    default:
      if (packet->proto == (packet->version == 4 ? TN_PROTO_ICMP4 : TN_PROTO_ICMP6))
        return decide_icmp (filter, packet);
      return by_rule (match_other (filter, packet), TN_FILTER_OTHER_RULE, TN_FILTER_OTHER_NO_RULE);
    }
}

TnFilterVerdict
tn_filter_in (const TnFilter *filter,
              TnFilterState  *state,
              const TnParsed *packet,
              gint64          now_us)
{
  TnFilterReason reason = decide_by_length (packet);

  if (G_UNLIKELY (reason != UNDECIDED))
    return BY_REASON (reason);
  return decide_in (filter, state, packet, now_us);
}

TnFilterVerdict
tn_filter_out (const TnFilter *filter,
               TnFilterState  *state,
               const TnParsed *packet,
               gint64          now_us)
{
  TnFilterReason reason = decide_by_length (packet);

  if (reason == UNDECIDED)
    reason = decide_by_header (packet);
  if (G_UNLIKELY (reason != UNDECIDED))
    return BY_REASON (reason);
  if (state != NULL)
    tn_flow_table_note_out (state->flows, packet, now_us);
  return BY_REASON (TN_FILTER_OUT);
}

TnFilterVerdict
tn_filter_check (const TnFilter    *filter,
                 TnFilterState     *state,
                 const TnIpAddress *src,
                 const TnIpAddress *dst,
                 guint16            dst_port,
                 guint8             proto,
                 gint64             now_us)
{
  TnParsed packet = {
    .src = *src,
    .dst = *dst,
    .dst_port = dst_port,
    .version = src->version,
    .proto = proto,
    .tcp_flags = TN_TCP_SYN,
  };

  if (src->version == 4 && dst->version == 6)
    return BY_REASON (TN_FILTER_DST_NOT_LOCAL);
  return decide_in (filter, state, &packet, now_us);
}

gboolean
tn_filter_may_log (const TnFilter *filter,
                   const TnParsed *packet,
                   TnFilterReason  reason,
                   gboolean        outbound)
{
  if (!tn_address_set_contains (&filter->log, &packet->src) || !tn_address_set_contains (&filter->log, &packet->dst))
    return FALSE;
  return !outbound || tn_filter_reason_accepts (reason) ||
         !(decide_by_destination (&packet->dst) != UNDECIDED || packet->proto == TN_PROTO_IGMP);
}

/* --- Capabilities --- */

static int
compare_rules (gconstpointer a,
               gconstpointer b)
{
  const guint32 *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

static guint
first_granted (const TnFilter *filter,
               guint32         rule)
{
  guint low = 0, high = filter->n_granted;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (filter->granted[middle].rule < rule)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static void
foreach_granted (const TnFilter         *filter,
                 guint32                 rule,
                 const TnIpAddress      *dst,
                 TnFilterCapabilityFunc  func,
                 gpointer                user_data)
{
  for (guint i = first_granted (filter, rule); i < filter->n_granted && filter->granted[i].rule == rule; i++)
    {
      const TnFilterGranted *granted = &filter->granted[i];

      for (gsize j = 0; j < granted->n_destinations; j++)
        if (tn_ip_prefix_contains (&granted->destinations[j], dst))
          for (gsize k = 0; k < granted->n_capabilities; k++)
            func (granted->capabilities[k].name, (const char *const *) granted->capabilities[k].values, user_data);
    }
}

void
tn_filter_foreach_capability (const TnFilter         *filter,
                              const TnIpAddress      *src,
                              const TnIpAddress      *dst,
                              TnFilterCapabilityFunc  func,
                              gpointer                user_data)
{
  g_autoptr (GArray) rules = g_array_new (FALSE, FALSE, sizeof (guint32));
  const TnFilterSource *source;

  for (source = tn_prefix_table_lookup (filter->grant_sources, src); source != NULL; source = source->parent)
    tn_rule_set_append_to (source->rules, rules);
  g_array_sort (rules, compare_rules);

  for (guint i = 0; i < rules->len; i++)
    {
      guint32 rule = g_array_index (rules, guint32, i);

      if (i == 0 || rule != g_array_index (rules, guint32, i - 1))
        foreach_granted (filter, rule, dst, func, user_data);
    }
}
