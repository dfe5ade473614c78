/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-rule-set.h"

G_BEGIN_DECLS

/* From a port to the rules with a range that holds it. Ranges are cut into blocks of a power of two, which nest, so that a rule is
 * in few of them, and a port has a short chain of blocks around it: memory grows with the number of ranges and no faster. */
typedef struct _TnPortMap TnPortMap;

typedef struct
{
  guint16 first;
  guint16 last;         /* included */
  guint32 rule;
} TnPortRange;

typedef struct _TnPortBlock
{
  TnRuleSet                 *rules;
  const struct _TnPortBlock *parent;    /* the next larger block that has rules */
} TnPortBlock;

/* Ranges that end before they begin hold no port. NULL: no port at all. */
TnPortMap         *tn_port_map_new    (const TnPortRange *ranges, gsize n_ranges);
void               tn_port_map_free   (TnPortMap *map);

/* Smallest block around @port; NULL: none. */
const TnPortBlock *tn_port_map_lookup (const TnPortMap *map, guint16 port);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPortMap, tn_port_map_free)

G_END_DECLS
