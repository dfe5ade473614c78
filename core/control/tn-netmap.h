/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-filter.h"
#include "tn-ip.h"
#include "tn-keys.h"
#include "tn-relay-map.h"

G_BEGIN_DECLS

/* What a control server says of a tailnet, as one map stream tells it. Times are microseconds of Unix time, 0 for none. */

/* A node attribute. @values is the text of a JSON array, "[]" where the server gave none: only a few attributes have values. */
typedef struct
{
  const char *name;
  const char *values;
} TnNetmapCapability;

typedef enum
{
  TN_ONLINE_UNKNOWN,
  TN_ONLINE_NO,
  TN_ONLINE_YES,
} TnOnline;

/* A node, canonical: immutable, one block of memory, good for any thread. Strings are never NULL unless it says so. */
typedef struct
{
  gatomicrefcount           ref_count;
  gint32                    capability_version;      /* 0: unknown */
  gint64                    id;
  gint64                    user;
  gint64                    sharer;                  /* 0: not shared in */
  gint64                    home_region;             /* 0: none; from outside: may be anything */
  gint64                    key_expiry_us;           /* 0: never */
  gint64                    created_us;
  gint64                    last_seen_us;
  TnNodePublicKey           key;
  TnMachinePublicKey        machine;
  TnDiscoPublicKey          disco_key;               /* zeros: none */
  TnIpAddress               masquerade4;             /* how this peer knows us, if not by our own address; version 0: it does */
  TnIpAddress               masquerade6;
  guint16                   n_addresses;
  guint16                   n_endpoints;
  guint16                   n_tags;
  guint16                   n_capabilities;
  guint32                   n_allowed_ips;
  guint32                   n_primary_routes;
  guint32                   key_signature_len;
  guint8                    online;                  /* TnOnline */
  guint                     last_seen_known : 1;     /* for the rules of patches */
  guint                     machine_authorized : 1;
  guint                     unsigned_peer_api_only : 1;
  guint                     expired : 1;             /* as control says; see also key_expiry_us */
  guint                     wireguard_only : 1;
  guint                     jailed : 1;
  const char               *stable_id;
  const char               *name;                    /* FQDN with its final dot, or a bare name */
  const char               *hostname;                /* nullable; what it calls itself */
  const char               *os;                      /* nullable */
  const char               *hostinfo;                /* nullable; JSON text: known members, fixed order, without empty ones */
  const char               *exit_node_resolvers;     /* nullable; likewise */
  const char               *audit_log_id;            /* nullable */
  const TnIpPrefix         *addresses;
  const TnIpPrefix         *allowed_ips;
  const TnIpPrefix         *primary_routes;
  const TnIpEndpoint       *endpoints;
  const char *const        *tags;                    /* NULL-terminated if there are any, else NULL */
  const TnNetmapCapability *capabilities;            /* sorted by name */
  const guint8             *key_signature;
} TnNetmapNode;

TnNetmapNode             *tn_netmap_node_ref    (const TnNetmapNode *node);
void                      tn_netmap_node_unref  (TnNetmapNode *node);
gsize                     tn_netmap_node_size   (const TnNetmapNode *node);      /* bytes of its block */

/* NULL: it has no such attribute. */
const TnNetmapCapability *tn_netmap_node_get_capability (const TnNetmapNode *node, const char *name);

/* One string of the hostinfo by its JSON name, such as "App", "OSVersion" or "IPNVersion"; NULL: none. */
char                     *tn_netmap_node_dup_hostinfo_string (const TnNetmapNode *node, const char *name);

/* Port of the service of that protocol in the hostinfo ("peerapi4", "peerapi6", "peerapi-dns-proxy"); 0: none. */
guint16                   tn_netmap_node_get_service_port (const TnNetmapNode *node, const char *protocol);

/* Location of the hostinfo: members by their JSON names, values as text; NULL: none. */
GHashTable               *tn_netmap_node_dup_location (const TnNetmapNode *node);

gboolean                  tn_prefixes_equal     (const TnIpPrefix *a, gsize n_a, const TnIpPrefix *b, gsize n_b);

/* The node as it stands on the wire. */
char                     *tn_netmap_node_to_json (const TnNetmapNode *node);

typedef struct
{
  gint64  id;
  char   *login_name;
  char   *display_name;
  char   *picture_url;      /* nullable */
  GStrv   groups;           /* nullable */
} TnNetmapUser;

typedef struct
{
  char    *id;
  char    *title;
  char    *text;
  char    *severity;        /* "high", "medium", "low" */
  char    *action_url;      /* nullable */
  char    *action_label;    /* nullable */
  gboolean impacts_connectivity;
} TnNetmapMessage;

/* What a message changed. Ids of peers: added ones are new, changed ones replaced or patched; sorted, each id at most once a list. */
typedef struct
{
  GArray *added;            /* of gint64 */
  GArray *changed;
  GArray *removed;
  GArray *user_ids;         /* of gint64: profiles that are new, changed or gone */
  guint   all_peers : 1;    /* a full list came: the three lists say what differs from the one before */
  guint   self : 1;
  guint   filter : 1;
  guint   relays : 1;
  guint   dns : 1;
  guint   users : 1;
  guint   health : 1;       /* health or display messages */
  guint   domain : 1;
  guint   ssh_policy : 1;
  guint   key_authority : 1;
} TnNetmapChanges;

/* The state of one map stream. It belongs to one thread; nodes and the relay map may be referenced and taken elsewhere. */
typedef struct
{
  TnNetmapNode *self;                    /* NULL before the first message */
  GPtrArray    *peers;                   /* of TnNetmapNode, by ascending id */
  TnRelayMap   *relays;                  /* NULL before the first one */
  gboolean      omit_default_relays;
  char         *domain;                  /* nullable */
  char         *dns;                     /* nullable; JSON text of the DNSConfig: known members, fixed order, without empty ones */
  gboolean      magic_dns;               /* its "Proxied" */
  GStrv         search_domains;          /* its "Domains"; nullable */
  char         *ssh_policy;              /* nullable; JSON text as received */
  char         *audit_log_id;            /* nullable */
  gint8         collect_services;        /* -1: never said */
  GHashTable   *users;                   /* gint64 * -> TnNetmapUser; also of users that no node refers to any more */
  GStrv         health;                  /* NULL: never said */
  GPtrArray    *messages;                /* of TnNetmapMessage, by id; shown instead of health where there are any */
  gboolean      key_authority_enabled;   /* tailnet lock */
  char         *key_authority_head;      /* nullable */
  GPtrArray    *filters;                 /* private: named rules, by name */
  gint64        control_time_us;         /* 0: never said */
  gint64        control_time_at_us;      /* our clock when it was said */
  gint64        control_time_boot_us;    /* boot time then, which nobody sets; 0: not noted */
} TnNetmap;

TnNetmap           *tn_netmap_new         (void);
void                tn_netmap_free        (TnNetmap *netmap);
const TnNetmapNode *tn_netmap_lookup      (const TnNetmap *netmap, gint64 id);                 /* a peer; NULL: none */
const TnNetmapUser *tn_netmap_lookup_user (const TnNetmap *netmap, gint64 id);
gboolean            tn_netmap_user_equal  (const TnNetmapUser *a, const TnNetmapUser *b);
gboolean            tn_netmap_has_attribute (const TnNetmap *netmap, const char *name);        /* of the own node */

/* Unix time as the server has it, at that time by our clock and of boot. Our clock counts where the two agree within a minute, where the
 * server tells none or one of years ago. */
gint64              tn_netmap_control_now   (const TnNetmap *netmap, gint64 now_us, gint64 boot_us);
gboolean            tn_netmap_own_key_expired (const TnNetmap *netmap, gint64 now_us, gint64 boot_us);

/* Hands every packet filter rule to @func, in the order in which they count. No rule: nothing may come in. */
typedef void (*TnNetmapRuleFunc) (const TnFilterRule *rule, gpointer user_data);
void                tn_netmap_foreach_rule (const TnNetmap *netmap, TnNetmapRuleFunc func, gpointer user_data);

TnNetmapChanges    *tn_netmap_changes_new  (void);
void                tn_netmap_changes_free (TnNetmapChanges *changes);
void                tn_netmap_changes_clear (TnNetmapChanges *changes);
gboolean            tn_netmap_changes_is_empty (const TnNetmapChanges *changes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNetmap, tn_netmap_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNetmapNode, tn_netmap_node_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNetmapChanges, tn_netmap_changes_free)

G_END_DECLS
