/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-json-text.h"
#include "tn-map-message.h"
#include "tn-netmap.h"

G_BEGIN_DECLS

/* Messages to the user beyond these are ignored; more named packet filters are an error, since ignoring some would change who may do
 * what. */
#define TN_NETMAP_MESSAGES_MAX 1000u
#define TN_NETMAP_FILTERS_MAX 4096u

/* Far above the largest tailnets, of some 100 000 nodes, and about what a frame of the largest size can name. Of a block of a node most is
 * routes: some 40 bytes each of a router that offers them. */
#define TN_NETMAP_PEERS_MAX 250000u
#define TN_NETMAP_USERS_MAX 250000u
#define TN_NETMAP_NODE_MAX (1u << 20)

gboolean      tn_netmap_fail_many (GError **error, const char *what, gsize n, guint max);      /* FALSE with an error that shows both */
char         *tn_netmap_dup_text (TnJsonText value);      /* NULL: no string, or an empty one */
void          tn_netmap_user_free (TnNetmapUser *user);
void          tn_netmap_message_free (TnNetmapMessage *message);

/* One block out of a node whose pointers lead anywhere. NULL: it would be too large. */
TnNetmapNode *tn_netmap_node_pack (const TnNetmapNode *from, GError **error);

typedef enum
{
  TN_NODE_DIFFERS_FIXED         = 1 << 0,      /* in something that no patch can change */
  TN_NODE_DIFFERS_KEY           = 1 << 1,
  TN_NODE_DIFFERS_KEY_EXPIRY    = 1 << 2,
  TN_NODE_DIFFERS_KEY_SIGNATURE = 1 << 3,
  TN_NODE_DIFFERS_DISCO_KEY     = 1 << 4,
  TN_NODE_DIFFERS_ENDPOINTS     = 1 << 5,
  TN_NODE_DIFFERS_HOME_REGION   = 1 << 6,
  TN_NODE_DIFFERS_VERSION       = 1 << 7,
  TN_NODE_DIFFERS_CAPABILITIES  = 1 << 8,
  TN_NODE_DIFFERS_ONLINE        = 1 << 9,
  TN_NODE_DIFFERS_LAST_SEEN     = 1 << 10,
} TnNodeDifference;

TnNodeDifference tn_netmap_node_compare (const TnNetmapNode *a, const TnNetmapNode *b);

/* A node as it came, canonical but for what patches need to know of it. Everything it points to is in the arena it was parsed with. */
typedef struct
{
  TnNetmapNode node;
  guint        has_allowed_ips : 1;
  guint        has_endpoints : 1;
  guint        has_key_signature : 1;
} TnWireNode;

gboolean tn_wire_node_parse (TnWireNode *wire, TnJsonText object, TnArena *arena, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* tailcfg.PeerChange: @set says which members of @node it carries. */
typedef struct
{
  TnNodeDifference set;
  TnNetmapNode     node;
} TnWirePatch;

gboolean tn_wire_patch_parse (TnWirePatch *patch, TnJsonText object, TnArena *arena, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Named packet filter rules. */
typedef struct
{
  char         *name;
  TnArena       arena;
  TnFilterRule *rules;
  gsize         n_rules;
} TnWireFilter;

TnWireFilter *tn_wire_filter_parse (const char *name, TnJsonText list, GError **error);
void          tn_wire_filter_append (GString *out, const TnWireFilter *filter);
void          tn_wire_filter_free  (TnWireFilter *filter);

/* The relays after @object, of which absent parts stay as in @old (nullable). @omit_default follows the regions. */
TnRelayMap   *tn_wire_relay_map_parse (TnJsonText object, const TnRelayMap *old, gboolean *omit_default, GError **error);

void          tn_wire_relay_map_append (GString *out, const TnRelayMap *map, gboolean omit_default);

void          tn_netmap_node_append_json (GString *out, const TnNetmapNode *node);

guint         tn_netmap_find      (const TnNetmap *netmap, gint64 id);      /* index of a peer, or of where it belongs */

/* Where the item with @name is, or where it belongs in the order of bytes. TRUE: it is there. */
typedef const char *(*TnNetmapNameFunc) (gconstpointer item);
gboolean      tn_netmap_find_name (const GPtrArray *items, TnNetmapNameFunc get_name, const char *name, guint *at);

void          tn_netmap_update_health (TnNetmap *netmap, const TnMapFields *fields, TnNetmapChanges *changes);

/* By ascending id; of several with the same one the last stays. */
void          tn_netmap_sort_nodes (GPtrArray *nodes);

/* Peers of a message, by the rules of the delta protocol; the texts may be absent. The draft is good as long as the map is not touched,
 * and for one use. */
typedef struct _TnPeersDraft TnPeersDraft;

TnPeersDraft *tn_netmap_draft_peers (const TnNetmap *netmap, const TnMapFields *fields, gint64 now_us, GError **error);
void          tn_netmap_adopt_peers (TnNetmap *netmap, TnPeersDraft *draft, TnNetmapChanges *changes);
void          tn_peers_draft_free   (TnPeersDraft *draft);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPeersDraft, tn_peers_draft_free)

/* Of these the deltas. */
typedef struct _TnPeerDelta TnPeerDelta;

TnPeerDelta  *tn_peer_delta_new   (const TnNetmap *netmap, const TnMapFields *fields, gint64 now_us, GError **error);
void          tn_peer_delta_apply (TnPeerDelta *delta, TnNetmap *netmap, TnNetmapChanges *changes);
void          tn_peer_delta_free  (TnPeerDelta *delta);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPeerDelta, tn_peer_delta_free)

/* FALSE with an error that names the member and shows the value. */
gboolean      tn_wire_fail (GError **error, const char *what, TnJsonText value);

G_END_DECLS
