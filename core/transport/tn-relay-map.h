/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The relays of a tailnet (tailcfg.DERPMap), immutable once shared. */
typedef struct
{
  char   *name;               /* unique in the map */
  char   *host_name;
  char   *cert_name;          /* nullable; "sha256-raw:" and 64 digits pins a certificate */
  char   *ipv4;               /* nullable; not an address, such as "none": family is off */
  char   *ipv6;
  char   *stun_test_ip;       /* nullable */
  int     stun_port;          /* 0: 3478, negative: no STUN */
  guint16 derp_port;          /* 0: 443 */
  guint   stun_only : 1;
  guint   insecure_for_tests : 1;
  guint   can_port80 : 1;
} TnRelayNode;

typedef struct
{
  guint      id;
  char      *code;
  char      *name;
  double     latitude;
  double     longitude;
  guint      avoid : 1;
  guint      no_measure_no_home : 1;
  GPtrArray *nodes;           /* of TnRelayNode, in order of priority */
} TnRelayRegion;

typedef struct
{
  gatomicrefcount ref_count;
  GPtrArray      *regions;    /* of TnRelayRegion, by ascending id */
  GHashTable     *scores;     /* nullable; region id -> double *: multiplies its latency when the home is chosen */
} TnRelayMap;

TnRelayMap    *tn_relay_map_new    (void);
TnRelayMap    *tn_relay_map_ref    (TnRelayMap *map);
void           tn_relay_map_unref  (TnRelayMap *map);
TnRelayMap    *tn_relay_map_copy   (const TnRelayMap *map);
gboolean       tn_relay_map_equal  (const TnRelayMap *a, const TnRelayMap *b);              /* in every detail */
TnRelayRegion *tn_relay_map_lookup (const TnRelayMap *map, guint region);       /* NULL: none */
double         tn_relay_map_score  (const TnRelayMap *map, guint region);       /* 1.0 where none is given */

/* Takes @region, replaces one with the same id. Only before the map is shared. */
void           tn_relay_map_take_region (TnRelayMap *map, TnRelayRegion *region);
gboolean       tn_relay_map_remove_region (TnRelayMap *map, guint region);
void           tn_relay_map_set_score (TnRelayMap *map, guint region, double score);

TnRelayRegion *tn_relay_region_new  (guint id, const char *code, const char *name);
TnRelayRegion *tn_relay_region_copy (const TnRelayRegion *region);
gboolean       tn_relay_region_equal (const TnRelayRegion *a, const TnRelayRegion *b);     /* in every detail */
void           tn_relay_region_free (TnRelayRegion *region);
TnRelayNode   *tn_relay_node_new    (const char *name, const char *host_name);
void           tn_relay_node_free   (TnRelayNode *node);
/* Its names are printable ASCII without spaces: they go into requests and certificates as they are. */
gboolean       tn_relay_node_has_plain_names (const TnRelayNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnRelayMap, tn_relay_map_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnRelayRegion, tn_relay_region_free)

G_END_DECLS
