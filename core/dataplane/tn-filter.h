/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-flow-table.h"
#include "tn-parse.h"

G_BEGIN_DECLS

/* --- Rules, in the text forms of the wire. Everything is copied. --- */

typedef struct
{
  const char *ip;               /* "*", address, CIDR, first-last */
  guint16     first;            /* ports, both included */
  guint16     last;
} TnFilterDestination;

typedef struct
{
  const char        *name;
  const char *const *values;    /* NULL-terminated JSON texts, kept as they are; NULL: none */
} TnFilterCapability;

typedef struct
{
  const TnIpPrefix         *destinations;
  gsize                     n_destinations;
  const TnFilterCapability *capabilities;
  gsize                     n_capabilities;
} TnFilterGrant;

typedef struct
{
  const char *const         *sources;         /* as ip above, or cap:NAME */
  gsize                      n_sources;
  const TnFilterDestination *destinations;
  gsize                      n_destinations;
  const gint64              *protocols;       /* none: TCP, UDP, ICMP and ICMPv6. Values outside 0..255 are left out */
  gsize                      n_protocols;
  const TnFilterGrant       *grants;
  gsize                      n_grants;
  gboolean                   obsolete_bits;   /* SrcBits or Bits was there: no rule of the whole filter counts */
} TnFilterRule;

/* --- Compiled filter: immutable, any number of threads --- */

typedef struct _TnFilter TnFilter;
typedef struct _TnFilterBuilder TnFilterBuilder;

TnFilterBuilder *tn_filter_builder_new  (void);
void             tn_filter_builder_free (TnFilterBuilder *builder);

/* Rules are numbered from 0 in the order they come. FALSE: some entry was refused (the rest of the rule counts), or all rules are. */
gboolean         tn_filter_builder_add_rule       (TnFilterBuilder *builder, const TnFilterRule *rule);
/* A node with @addresses (their bits do not count) has the node capabilities @names, which a source "cap:NAME" asks for. After the
 * rules: what none of those added so far names is passed over. */
void             tn_filter_builder_add_holder     (TnFilterBuilder *builder, const TnIpPrefix *addresses, gsize n_addresses,
                                                   const char *const *names, gsize n_names);
/* Sources that no rule with destinations may have: those of nodes that nobody vouches for. */
void             tn_filter_builder_add_unlocked   (TnFilterBuilder *builder, const TnIpPrefix *prefix);
/* After all of these: FALSE, a rule has one of them in part at least. The server is broken or wicked, and no rule counts. */
gboolean         tn_filter_builder_check_unlocked (TnFilterBuilder *builder);
/* Destinations that are ours: own addresses and advertised routes. */
void             tn_filter_builder_add_local      (TnFilterBuilder *builder, const TnIpPrefix *prefix);
/* Addresses that may show up in logs. */
void             tn_filter_builder_add_log        (TnFilterBuilder *builder, const TnIpPrefix *prefix);
/* No rule counts: nobody may open a flow to us. */
void             tn_filter_builder_set_shields_up (TnFilterBuilder *builder, gboolean shields_up);
/* What was refused first; NULL: nothing. */
const char      *tn_filter_builder_get_error      (const TnFilterBuilder *builder);
gboolean         tn_filter_builder_has_dropped_rules (const TnFilterBuilder *builder);
/* Consumes the builder. */
TnFilter        *tn_filter_builder_end            (TnFilterBuilder *builder);

TnFilter        *tn_filter_ref   (TnFilter *filter);
void             tn_filter_unref (TnFilter *filter);
gboolean         tn_filter_is_shields_up (const TnFilter *filter);
/* Some source is a capability: build again when nodes or their capabilities change. */
gboolean         tn_filter_uses_capabilities (const TnFilter *filter);

/* --- Flow state of one device (and one more for its jailed peers), which outlives filters --- */

typedef struct
{
  TnFlowTable *flows;
  gboolean     shields_up;      /* the kind of filter that it served last */
} TnFilterState;

void             tn_filter_state_init  (TnFilterState *state, guint capacity, gint64 idle_us);
void             tn_filter_state_clear (TnFilterState *state);
/* Before a new filter is used: flows go on, except into a filter with shields up from one without. */
void             tn_filter_state_adopt (TnFilterState *state, const TnFilter *filter);

/* --- Verdicts --- */

typedef enum
{
  TN_FILTER_KEEPALIVE,              /* accepted: an empty packet */
  TN_FILTER_FRAGMENT,               /* accepted: the receiver needs the first one to make sense of it */
  TN_FILTER_OUT,                    /* accepted: whatever we send */
  TN_FILTER_ICMP_RESPONSE,          /* accepted: echo reply or error */
  TN_FILTER_ICMP_RULE,
  TN_FILTER_TCP_NON_SYN,            /* accepted: opens nothing */
  TN_FILTER_TCP_RULE,
  TN_FILTER_FLOW_CACHED,            /* accepted: answer to a flow of ours */
  TN_FILTER_RULE,
  TN_FILTER_TSMP,
  TN_FILTER_OTHER_RULE,             /* accepted: a rule for this protocol and all ports */
  TN_FILTER_TOO_SHORT,              /* dropped from here on */
  TN_FILTER_UNKNOWN_PROTOCOL,
  TN_FILTER_MULTICAST,
  TN_FILTER_LINK_LOCAL_UNICAST,
  TN_FILTER_DST_NOT_LOCAL,
  TN_FILTER_NO_RULE,
  TN_FILTER_OTHER_NO_RULE,
  TN_FILTER_N_REASONS,
} TnFilterReason;

#define TN_FILTER_NO_RULE_INDEX (-1)

typedef struct
{
  TnFilterReason reason;
  gint32         rule;          /* the first rule that accepts it; TN_FILTER_NO_RULE_INDEX: no rule had a say */
} TnFilterVerdict;

static inline gboolean
tn_filter_reason_accepts (TnFilterReason reason)
{
  return reason < TN_FILTER_TOO_SHORT;
}

/* "tcp_rule", "multicast", … */
const char      *tn_filter_reason_to_string (TnFilterReason reason);

/* A packet from a peer; one to a peer. @state may be NULL where no flow is to be looked at or noted. */
TnFilterVerdict  tn_filter_in      (const TnFilter *filter, TnFilterState *state, const TnParsed *packet, gint64 now_us);
TnFilterVerdict  tn_filter_out     (const TnFilter *filter, TnFilterState *state, const TnParsed *packet, gint64 now_us);

/* Would this come in? TCP as the first packet of a connection, ICMP as no reply. */
TnFilterVerdict  tn_filter_check   (const TnFilter *filter, TnFilterState *state, const TnIpAddress *src, const TnIpAddress *dst,
                                    guint16 dst_port, guint8 proto, gint64 now_us);

/* May it be logged at all (before any limit on the rate)? */
gboolean         tn_filter_may_log (const TnFilter *filter, const TnParsed *packet, TnFilterReason reason, gboolean outbound);

/* Application capabilities that @src has towards @dst, one call for each grant that applies, in the order of the rules; the same
 * name may come again, with more values. */
typedef void (*TnFilterCapabilityFunc) (const char *name, const char *const *values, gpointer user_data);
void             tn_filter_foreach_capability (const TnFilter *filter, const TnIpAddress *src, const TnIpAddress *dst,
                                               TnFilterCapabilityFunc func, gpointer user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnFilter, tn_filter_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnFilterBuilder, tn_filter_builder_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnFilterState, tn_filter_state_clear)

G_END_DECLS
