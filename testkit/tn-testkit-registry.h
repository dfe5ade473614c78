/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "tn-ip.h"
#include "tn-keys.h"
#include "tn-testkit-control.h"

G_BEGIN_DECLS

/* Everything a control server knows of its tailnet: no I/O, no clock. What changes gets the next generation number, and a map
 * stream remembers the last generation that it told, so that a delta is "all that is newer". */

#define TN_TESTKIT_TAGGED_USER_ID 2147455555
#define TN_TESTKIT_TAGGED_USER "tagged-devices"

typedef struct
{
  gint64 id;
  char  *name;
} TnTestkitUser;

typedef struct
{
  char                  *text;
  TnTestkitUser         *user;
  TnTestkitAuthKeyFlags  flags;
  GStrv                  tags;
  gboolean               used;
} TnTestkitAuthKey;

/* What can change in a node, as far as other nodes are told. All but the first travel as a patch. */
typedef enum
{
  TN_TESTKIT_FIELD_NODE,
  TN_TESTKIT_FIELD_HOME_REGION,
  TN_TESTKIT_FIELD_ENDPOINTS,
  TN_TESTKIT_FIELD_ONLINE,
  TN_TESTKIT_FIELD_NODE_KEY,
  TN_TESTKIT_FIELD_DISCO_KEY,
  TN_TESTKIT_FIELD_KEY_EXPIRY,
  TN_TESTKIT_FIELD_CAPABILITY_VERSION,
  TN_TESTKIT_N_FIELDS,
} TnTestkitField;

typedef struct
{
  gint64             id;
  char              *stable_id;
  TnMachinePublicKey machine_key;
  TnNodePublicKey    node_key;
  TnDiscoPublicKey   disco_key;
  TnTestkitUser     *user;
  char              *name;               /* unique label */
  char              *host_label;         /* what the node calls itself, as a label */
  gboolean           named_by_admin;
  TnIpAddress        ipv4;
  TnIpAddress        ipv6;
  GStrv              tags;
  GStrv              routes;             /* granted beyond its own addresses */
  GStrv              endpoints;
  gint64             home_region;
  gint64             capability_version;
  gint64             created_s;
  gint64             last_seen_s;
  gint64             key_expiry_s;       /* 0: never */
  gboolean           ephemeral;
  gboolean           authorized;
  guint              n_streams;          /* online while it has one */
  JsonNode          *hostinfo;           /* as sent, sealed; nullable */
  JsonNode          *peer_hostinfo;      /* what peers see of it */
  char              *map_session;        /* nullable: handle of the latest map stream, by which it may go on */
  JsonNode          *overrides;          /* nullable; members that replace those of the Node object */
  guint64            admitted;           /* generation in which it was authorized */
  guint64            changed[TN_TESTKIT_N_FIELDS];
} TnTestkitRecord;

/* Settings that every node is told; each is the value of one MapResponse member or, EXTRA, an object of several. */
typedef enum
{
  TN_TESTKIT_SETTING_DERP_MAP,
  TN_TESTKIT_SETTING_DNS_CONFIG,
  TN_TESTKIT_SETTING_PACKET_FILTER,      /* array: PacketFilter; object: PacketFilters */
  TN_TESTKIT_SETTING_EXTRA,
  TN_TESTKIT_N_SETTINGS,
} TnTestkitSetting;

typedef struct
{
  guint64 generation;
  gint64  id;
} TnTestkitRemoval;

typedef struct
{
  char              *suffix;             /* MagicDNS suffix without dots at its ends */
  char              *domain;
  gint64             first_node_id;
  gint64             next_node_id;       /* never one that was in use: deltas go by it */
  guint32            next_host;
  gboolean           require_approval;
  guint64            generation;
  GPtrArray         *nodes;              /* of TnTestkitRecord, by ascending id */
  GHashTable        *by_node_key;        /* borrowed TnNodePublicKey -> TnTestkitRecord */
  GArray            *removals;           /* of TnTestkitRemoval, oldest first */
  GPtrArray         *users;
  TnTestkitUser     *tagged_user;
  guint64            users_changed;
  GHashTable        *auth_keys;          /* text -> TnTestkitAuthKey */
  GHashTable        *pending;            /* id -> pending login */
  JsonNode          *settings[TN_TESTKIT_N_SETTINGS];    /* nullable */
  guint64            settings_changed[TN_TESTKIT_N_SETTINGS];
} TnTestkitRegistry;

typedef struct
{
  TnNodePublicKey node_key;
  const char     *auth_key;              /* "": none */
  const char     *followup;              /* "": none */
  gint64          expiry_s;              /* 0: none */
  gint64          version;
  gboolean        ephemeral;
  JsonNode       *hostinfo;              /* nullable */
} TnTestkitRegistration;

typedef enum
{
  TN_TESTKIT_VERDICT_ACCEPTED,           /* user, record */
  TN_TESTKIT_VERDICT_LOGGED_OUT,         /* user */
  TN_TESTKIT_VERDICT_KEY_EXPIRED,
  TN_TESTKIT_VERDICT_LOGIN,              /* login */
  TN_TESTKIT_VERDICT_WAIT,               /* login */
  TN_TESTKIT_VERDICT_REFUSED,            /* message */
} TnTestkitVerdictKind;

typedef struct
{
  TnTestkitVerdictKind kind;
  TnTestkitUser       *user;
  TnTestkitRecord     *record;
  const char          *login;            /* id of the pending login */
  const char          *message;
} TnTestkitVerdict;

TnTestkitRegistry *tn_testkit_registry_new           (const char *suffix, const char *domain);
void               tn_testkit_registry_free          (TnTestkitRegistry *registry);
void               tn_testkit_registry_set_suffix    (TnTestkitRegistry *registry, const char *suffix);
void               tn_testkit_registry_forget        (TnTestkitRegistry *registry);    /* nodes, users, keys; settings stay */

TnTestkitUser     *tn_testkit_registry_get_user      (TnTestkitRegistry *registry, const char *name);   /* made if new */
gboolean           tn_testkit_registry_add_auth_key  (TnTestkitRegistry *registry, const char *text, const char *user,
                                                      TnTestkitAuthKeyFlags flags, const char * const *tags);

void               tn_testkit_registry_register      (TnTestkitRegistry *registry, const TnMachinePublicKey *machine,
                                                      const TnTestkitRegistration *registration, gint64 now_s,
                                                      TnTestkitVerdict *verdict);
gboolean           tn_testkit_registry_approve       (TnTestkitRegistry *registry, const char *login, const char *user,
                                                      gint64 now_s, GError **error);
GStrv              tn_testkit_registry_dup_pending   (TnTestkitRegistry *registry);
char              *tn_testkit_login_id_from_url      (const char *url);                /* nullable */

TnTestkitRecord   *tn_testkit_registry_lookup        (TnTestkitRegistry *registry, const char *name_or_stable_id);
TnTestkitRecord   *tn_testkit_registry_lookup_key    (TnTestkitRegistry *registry, const TnNodePublicKey *key);
TnTestkitRecord   *tn_testkit_registry_lookup_id     (TnTestkitRegistry *registry, gint64 id);
void               tn_testkit_registry_remove        (TnTestkitRegistry *registry, TnTestkitRecord *record);
gboolean           tn_testkit_registry_rename        (TnTestkitRegistry *registry, TnTestkitRecord *record, const char *name,
                                                      GError **error);
void               tn_testkit_registry_touch         (TnTestkitRegistry *registry, TnTestkitRecord *record, TnTestkitField field);
void               tn_testkit_registry_authorize     (TnTestkitRegistry *registry, TnTestkitRecord *record);
void               tn_testkit_registry_set_expiry    (TnTestkitRegistry *registry, TnTestkitRecord *record, gint64 expiry_s);
void               tn_testkit_registry_set_hostinfo  (TnTestkitRegistry *registry, TnTestkitRecord *record, JsonNode *hostinfo);
void               tn_testkit_registry_set_endpoints (TnTestkitRegistry *registry, TnTestkitRecord *record, GStrv endpoints);
void               tn_testkit_registry_set_disco_key (TnTestkitRegistry *registry, TnTestkitRecord *record,
                                                      const TnDiscoPublicKey *key);
void               tn_testkit_registry_set_version   (TnTestkitRegistry *registry, TnTestkitRecord *record, gint64 version);
void               tn_testkit_registry_add_stream    (TnTestkitRegistry *registry, TnTestkitRecord *record);
void               tn_testkit_registry_remove_stream (TnTestkitRegistry *registry, TnTestkitRecord *record, gint64 now_s);
void               tn_testkit_registry_set           (TnTestkitRegistry *registry, TnTestkitSetting setting, JsonNode *value);

gboolean           tn_testkit_record_is_expired      (const TnTestkitRecord *record, gint64 now_s);
char              *tn_testkit_record_dup_fqdn        (const TnTestkitRecord *record, const TnTestkitRegistry *registry);
char              *tn_testkit_label_from_host_name   (const char *host_name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnTestkitRegistry, tn_testkit_registry_free)

G_END_DECLS
