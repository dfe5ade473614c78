/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-address-set.h"
#include "tn-filter.h"
#include "tn-port-map.h"
#include "tn-rule-set.h"

G_BEGIN_DECLS

/* --- Compiled --- */

/* A source prefix with the rules that name it. Prefixes nest: the rules of an address are those of the chain. */
typedef struct _TnFilterSource
{
  TnRuleSet                    *rules;
  const struct _TnFilterSource *parent;     /* the next shorter prefix */
} TnFilterSource;

typedef struct _TnFilterTarget
{
  TnRuleSet                    *any;        /* rules that name it, whatever the ports */
  TnRuleSet                    *all_ports;  /* rules that name it with exactly 0-65535; or NULL */
  TnPortMap                    *ports;      /* the others; or NULL */
  const struct _TnFilterTarget *parent;
} TnFilterTarget;

typedef struct
{
  char  *name;
  char **values;
} TnFilterGrantedCapability;

/* All capabilities towards all destinations: as two lists, since their product is much more than what the rule says. */
typedef struct
{
  guint32                    rule;
  TnIpPrefix                *destinations;
  gsize                      n_destinations;
  TnFilterGrantedCapability *capabilities;
  gsize                      n_capabilities;
} TnFilterGranted;

struct _TnFilter
{
  gatomicrefcount  ref_count;
  gboolean         shields_up;
  gboolean         uses_capabilities;
  TnAddressSet     local;
  TnAddressSet     log;
  TnRuleSet       *protocols[256];          /* rules that list it; or NULL */
  TnPrefixTable   *sources;                 /* of TnFilterSource */
  TnPrefixTable   *capability_sources;      /* host -> rules with a source "cap:" that its node has, of TnRuleSet; or NULL */
  TnPrefixTable   *targets;                 /* of TnFilterTarget */
  TnPrefixTable   *grant_sources;           /* of TnFilterSource: rules that grant something */
  TnFilterGranted *granted;                 /* by rule */
  guint            n_granted;

  /* What the tables point to. */
  TnFilterSource  *source_nodes;
  guint            n_source_nodes;
  TnFilterSource  *grant_source_nodes;
  guint            n_grant_source_nodes;
  TnFilterTarget  *target_nodes;
  guint            n_target_nodes;
  GPtrArray       *capability_sets;
};

/* --- Before that --- */

typedef struct
{
  TnIpPrefix prefix;
  guint32    rule;
  guint16    first_port;        /* of a destination */
  guint16    last_port;
} TnFilterEntry;

typedef struct
{
  guint32 capability;           /* number of its name */
  guint32 rule;
} TnFilterCapabilitySource;

/* A node with capabilities that some rule names: these from @first_capability on, up to those of the next holder. */
typedef struct
{
  guint32    first_capability;
  TnRuleSet *rules[2];          /* by family, once known; in the filter's capability_sets */
  gboolean   known[2];
} TnFilterHolder;

typedef struct
{
  TnIpAddress address;
  guint32     holder;
} TnFilterHolderAddress;

struct _TnFilterBuilder
{
  guint32       n_rules;
  gboolean      shields_up;
  gboolean      dropped;
  char         *error;
  guint         n_from_ranges;  /* prefixes */
  GArray       *sources;        /* of TnFilterEntry, as the next two */
  GArray       *targets;
  GArray       *grant_sources;
  GArray       *protocols[256]; /* of guint32; NULL: no rule */
  GArray       *granted;        /* of TnFilterGranted */
  GHashTable   *capabilities;   /* name -> number + 1, of those that rules name */
  GArray       *capability_sources;
  GArray       *holders;        /* of TnFilterHolder */
  GArray       *holder_addresses;       /* of TnFilterHolderAddress */
  GArray       *holder_capabilities;    /* of guint32: numbers of names, holder by holder */
  GArray       *unlocked;       /* of TnIpPrefix; NULL: none */
  TnAddressSet  local;
  TnAddressSet  log;
};

/* No rule counts, for that reason (taken). */
void      tn_filter_builder_drop_rules (TnFilterBuilder *builder, char *reason);

/* Moves what it can out of the builder. */
TnFilter *tn_filter_compile      (TnFilterBuilder *builder);
void      tn_filter_granted_clear (gpointer granted);

G_END_DECLS
