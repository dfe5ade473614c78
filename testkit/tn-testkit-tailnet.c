/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-tailnet.h"

#include <glib/gstdio.h>
#include <string.h>

#include "tn-testkit-certificate.h"
#include "tn-testkit-control-private.h"
#include "tn-testkit-derp.h"
#include "tn-testkit-stun.h"

#define FIRST_REGION 900      /* 900 to 999 are for private use */
#define MAX_RELAYS 99
#define DEFAULT_USER "user@example.test"

/**
 * TnTestkitTailnet:
 *
 * A whole tailnet but for its nodes, in this process: a control server, relays and a STUN server beside them.
 *
 * ```c
 * g_autoptr (TnTestkitTailnet) tailnet = tn_testkit_tailnet_new ();
 *
 * tn_testkit_tailnet_start (tailnet, &error);
 * url = tn_testkit_tailnet_dup_control_url (tailnet);
 * key = tn_testkit_tailnet_get_auth_key (tailnet);      // any number of nodes may join with these
 * ```
 *
 * All of it runs in a thread of its own, so that the calling thread may block; the methods may be called from any thread. The
 * control server is there for everything else: [method@TailnetTestkit.Tailnet.get_control].
 *
 * Since: 0.1
 */
struct _TnTestkitTailnet
{
  GObject           parent_instance;
  char             *listen_address;
  guint             n_relays;
  gboolean          tls;
  guint             control_port;     /* 0: any */
  TnTestkitControl *control;
  GPtrArray        *relays;           /* of TnTestkitDerp; touched in the thread of the control server only */
  TnTestkitStun    *stun;             /* likewise; one for all relays */
  char             *auth_key;         /* NULL before the first start */
  GTlsDatabase     *tls_database;     /* likewise */
  char             *tls_file;         /* what it was made from, and reads again whenever it likes */
};

enum
{
  PROP_0,
  PROP_LISTEN_ADDRESS,
  PROP_N_RELAYS,
  PROP_TLS,
  PROP_CONTROL_PORT,
  PROP_CONTROL,
  PROP_AUTH_KEY,
  PROP_TLS_DATABASE,
  N_PROPS
};

G_DEFINE_FINAL_TYPE (TnTestkitTailnet, tn_testkit_tailnet, G_TYPE_OBJECT)

static GParamSpec *properties[N_PROPS];

typedef struct
{
  TnTestkitTailnet  *self;
  guint              region;
  GError           **error;
  gboolean           ok;
  guint              n;
} RelayCall;

static TnTestkitDerp *
find_relay (TnTestkitTailnet *self,
            guint             region)
{
  return region - FIRST_REGION < self->relays->len ? g_ptr_array_index (self->relays, region - FIRST_REGION) : NULL;
}

static void
start_relays (TnTestkitServer *server,
              gpointer         data)
{
  RelayCall *call = data;
  TnTestkitTailnet *self = call->self;

  if (!tn_testkit_stun_start (self->stun, call->error))
    return;

  for (guint i = 0; i < self->relays->len; i++)
    {
      TnTestkitDerp *relay = g_ptr_array_index (self->relays, i);

      tn_testkit_derp_set_stun_port (relay, tn_testkit_stun_get_port (self->stun));
      if (!tn_testkit_derp_start (relay, call->error))
        return;
    }
  call->ok = TRUE;
}

static void
stop_relays (TnTestkitServer *server,
             gpointer         data)
{
  TnTestkitTailnet *self = data;

  for (guint i = 0; i < self->relays->len; i++)
    tn_testkit_derp_stop (g_ptr_array_index (self->relays, i));
  tn_testkit_stun_stop (self->stun);
}

static void
drop_relays (TnTestkitServer *server,
             gpointer         data)
{
  TnTestkitTailnet *self = data;

  stop_relays (server, data);
  g_clear_pointer (&self->relays, g_ptr_array_unref);
  g_clear_object (&self->stun);
}

static char *
make_derp_map (TnTestkitTailnet *self)
{
  GString *map = g_string_new ("{\"Regions\":{");

  for (guint i = 0; i < self->relays->len; i++)
    {
      TnTestkitDerp *relay = g_ptr_array_index (self->relays, i);
      g_autofree char *region = tn_testkit_derp_dup_region_json (relay);

      g_string_append_printf (map, "%s\"%u\":%s", i > 0 ? "," : "", tn_testkit_derp_get_region (relay), region);
    }
  g_string_append (map, "}}");

  return g_string_free (map, FALSE);
}

static void
append_pem (GString         *pem,
            GTlsCertificate *certificate)
{
  g_autofree char *text = NULL;

  if (certificate == NULL)
    return;

  g_object_get (certificate, "certificate-pem", &text, NULL);
  g_string_append (pem, text);
}

static void
drop_tls_database (TnTestkitTailnet *self)
{
  g_clear_object (&self->tls_database);
  if (self->tls_file != NULL)
    g_unlink (self->tls_file);
  g_clear_pointer (&self->tls_file, g_free);
}

static gboolean
trust_everything (TnTestkitTailnet  *self,
                  GError           **error)
{
  g_autoptr (GString) pem = g_string_new (NULL);
  g_autoptr (GTlsCertificate) certificate = NULL;
  int fd;

  g_object_get (self->control, "tls-certificate", &certificate, NULL);
  append_pem (pem, certificate);
  for (guint i = 0; i < self->relays->len; i++)
    append_pem (pem, tn_testkit_derp_get_certificate (g_ptr_array_index (self->relays, i)));

  drop_tls_database (self);
  fd = g_file_open_tmp ("tailnet-testkit-XXXXXX.pem", &self->tls_file, error);
  if (fd < 0)
    return FALSE;

  g_close (fd, NULL);
  if (g_file_set_contents (self->tls_file, pem->str, -1, error))
    self->tls_database = g_tls_file_database_new (self->tls_file, error);

  return self->tls_database != NULL;
}

static void
tn_testkit_tailnet_constructed (GObject *object)
{
  TnTestkitTailnet *self = TN_TESTKIT_TAILNET (object);
  g_autoptr (GTlsCertificate) certificate = NULL;

  G_OBJECT_CLASS (tn_testkit_tailnet_parent_class)->constructed (object);

  if (self->tls)
    certificate = tn_testkit_certificate_new (self->listen_address, NULL, NULL);
  self->control = g_object_new (TN_TESTKIT_TYPE_CONTROL,
                                "threaded", TRUE,
                                "listen-address", self->listen_address,
                                "port", self->control_port,
                                "tls-certificate", certificate,
                                NULL);
  for (guint i = 0; i < self->n_relays; i++)
    g_ptr_array_add (self->relays, g_object_new (TN_TESTKIT_TYPE_DERP,
                                                 "region", FIRST_REGION + i,
                                                 "address", self->listen_address,
                                                 NULL));
  self->stun = g_object_new (TN_TESTKIT_TYPE_STUN, "address", self->listen_address, NULL);
}

static void
tn_testkit_tailnet_finalize (GObject *object)
{
  TnTestkitTailnet *self = TN_TESTKIT_TAILNET (object);

  tn_testkit_control_stop (self->control);
  tn_testkit_control_invoke (self->control, drop_relays, self);
  g_object_unref (self->control);
  drop_tls_database (self);
  g_free (self->auth_key);
  g_free (self->listen_address);

  G_OBJECT_CLASS (tn_testkit_tailnet_parent_class)->finalize (object);
}

static void
tn_testkit_tailnet_get_property (GObject    *object,
                                 guint       prop_id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  TnTestkitTailnet *self = TN_TESTKIT_TAILNET (object);

  switch (prop_id)
    {
    case PROP_LISTEN_ADDRESS:
      g_value_set_string (value, self->listen_address);
      break;
    case PROP_N_RELAYS:
      g_value_set_uint (value, self->n_relays);
      break;
    case PROP_TLS:
      g_value_set_boolean (value, self->tls);
      break;
    case PROP_CONTROL_PORT:
      g_value_set_uint (value, self->control_port);
      break;
    case PROP_CONTROL:
      g_value_set_object (value, self->control);
      break;
    case PROP_AUTH_KEY:
      g_value_set_string (value, self->auth_key);
      break;
    case PROP_TLS_DATABASE:
      g_value_set_object (value, self->tls_database);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_testkit_tailnet_set_property (GObject      *object,
                                 guint         prop_id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  TnTestkitTailnet *self = TN_TESTKIT_TAILNET (object);

  switch (prop_id)
    {
    case PROP_LISTEN_ADDRESS:
      self->listen_address = g_value_dup_string (value);
      break;
    case PROP_N_RELAYS:
      self->n_relays = g_value_get_uint (value);
      break;
    case PROP_TLS:
      self->tls = g_value_get_boolean (value);
      break;
    case PROP_CONTROL_PORT:
      self->control_port = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_testkit_tailnet_class_init (TnTestkitTailnetClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags construct = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;
  const GParamFlags readable = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->constructed = tn_testkit_tailnet_constructed;
  object_class->finalize = tn_testkit_tailnet_finalize;
  object_class->get_property = tn_testkit_tailnet_get_property;
  object_class->set_property = tn_testkit_tailnet_set_property;

  /**
   * TnTestkitTailnet:listen-address:
   *
   * IP address on which all servers listen.
   *
   * Since: 0.1
   */
  properties[PROP_LISTEN_ADDRESS] = g_param_spec_string ("listen-address", NULL, NULL, "127.0.0.1", construct);

  /**
   * TnTestkitTailnet:n-relays:
   *
   * How many relays there are. Their regions have the numbers from 900 on.
   *
   * Since: 0.1
   */
  properties[PROP_N_RELAYS] = g_param_spec_uint ("n-relays", NULL, NULL, 0, MAX_RELAYS, 1, construct);

  /**
   * TnTestkitTailnet:tls:
   *
   * Whether the control server speaks TLS; clients then need [property@TailnetTestkit.Tailnet:tls-database].
   *
   * Since: 0.1
   */
  properties[PROP_TLS] = g_param_spec_boolean ("tls", NULL, NULL, FALSE, construct);

  /**
   * TnTestkitTailnet:control-port:
   *
   * TCP port of the control server; 0 takes a free one.
   *
   * Since: 0.1
   */
  properties[PROP_CONTROL_PORT] = g_param_spec_uint ("control-port", NULL, NULL, 0, G_MAXUINT16, 0, construct);

  /**
   * TnTestkitTailnet:control: (getter get_control)
   *
   * The control server.
   *
   * Since: 0.1
   */
  properties[PROP_CONTROL] = g_param_spec_object ("control", NULL, NULL, TN_TESTKIT_TYPE_CONTROL, readable);

  /**
   * TnTestkitTailnet:auth-key: (getter get_auth_key)
   *
   * A key with which any number of nodes can join; %NULL before the first start.
   *
   * Since: 0.1
   */
  properties[PROP_AUTH_KEY] = g_param_spec_string ("auth-key", NULL, NULL, NULL, readable);

  /**
   * TnTestkitTailnet:tls-database: (getter get_tls_database)
   *
   * Trusts the certificates of all servers; %NULL before the first start.
   *
   * Since: 0.1
   */
  properties[PROP_TLS_DATABASE] = g_param_spec_object ("tls-database", NULL, NULL, G_TYPE_TLS_DATABASE, readable);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_testkit_tailnet_init (TnTestkitTailnet *self)
{
  self->relays = g_ptr_array_new_with_free_func (g_object_unref);
}

/**
 * tn_testkit_tailnet_new:
 *
 * Makes a tailnet on loopback with one relay.
 *
 * Returns: (transfer full): a stopped tailnet
 *
 * Since: 0.1
 */
TnTestkitTailnet *
tn_testkit_tailnet_new (void)
{
  return g_object_new (TN_TESTKIT_TYPE_TAILNET, NULL);
}

/**
 * tn_testkit_tailnet_start:
 * @self: a tailnet
 * @error: return location for an error
 *
 * Starts all servers. After a stop they come back on the same ports, and know all nodes.
 *
 * Returns: whether all of them run
 *
 * Since: 0.1
 */
gboolean
tn_testkit_tailnet_start (TnTestkitTailnet  *self,
                          GError           **error)
{
  RelayCall call = { .self = self, .error = error };
  g_autofree char *map = NULL;

  g_return_val_if_fail (TN_TESTKIT_IS_TAILNET (self), FALSE);

  tn_testkit_control_invoke (self->control, start_relays, &call);
  if (!call.ok)
    return FALSE;

  map = make_derp_map (self);
  if (!tn_testkit_control_set_derp_map_json (self->control, map, error) || !trust_everything (self, error))
    return FALSE;

  if (self->auth_key == NULL)
    self->auth_key = tn_testkit_control_create_auth_key (self->control, DEFAULT_USER, TN_TESTKIT_AUTH_KEY_REUSABLE, NULL);

  return tn_testkit_control_start (self->control, error);
}

/**
 * tn_testkit_tailnet_stop:
 * @self: a tailnet
 *
 * Stops all servers.
 *
 * Since: 0.1
 */
void
tn_testkit_tailnet_stop (TnTestkitTailnet *self)
{
  g_return_if_fail (TN_TESTKIT_IS_TAILNET (self));

  tn_testkit_control_stop (self->control);
  tn_testkit_control_invoke (self->control, stop_relays, self);
}

/**
 * tn_testkit_tailnet_dup_control_url:
 * @self: a tailnet
 *
 * Where nodes find the control server.
 *
 * Returns: (transfer full) (nullable): a URL; %NULL before the first start
 *
 * Since: 0.1
 */
char *
tn_testkit_tailnet_dup_control_url (TnTestkitTailnet *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_TAILNET (self), NULL);

  return tn_testkit_control_dup_url (self->control);
}

/**
 * tn_testkit_tailnet_get_auth_key:
 * @self: a tailnet
 *
 * A key with which any number of nodes can join.
 *
 * Returns: (transfer none) (nullable): the key; %NULL before the first start
 *
 * Since: 0.1
 */
const char *
tn_testkit_tailnet_get_auth_key (TnTestkitTailnet *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_TAILNET (self), NULL);

  return self->auth_key;
}

/**
 * tn_testkit_tailnet_get_tls_database:
 * @self: a tailnet
 *
 * What a client of its servers has to trust. The relay map holds pins besides, so that only a control server with TLS needs it.
 *
 * Returns: (transfer none) (nullable): the database; %NULL before the first start
 *
 * Since: 0.1
 */
GTlsDatabase *
tn_testkit_tailnet_get_tls_database (TnTestkitTailnet *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_TAILNET (self), NULL);

  return self->tls_database;
}

/**
 * tn_testkit_tailnet_get_control:
 * @self: a tailnet
 *
 * Its control server, which runs in a thread of its own.
 *
 * Returns: (transfer none): the control server
 *
 * Since: 0.1
 */
TnTestkitControl *
tn_testkit_tailnet_get_control (TnTestkitTailnet *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_TAILNET (self), NULL);

  return self->control;
}

static void
start_relay (TnTestkitServer *server,
             gpointer         data)
{
  RelayCall *call = data;
  TnTestkitDerp *relay = find_relay (call->self, call->region);

  if (relay == NULL)
    g_set_error (call->error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no relay in region %u", call->region);
  else
    call->ok = tn_testkit_derp_start (relay, call->error);
}

/**
 * tn_testkit_tailnet_start_relay:
 * @self: a tailnet
 * @region: number of its region
 * @error: return location for an error
 *
 * Starts a relay again that was stopped, on the same port and with the same key.
 *
 * Returns: whether it runs
 *
 * Since: 0.1
 */
gboolean
tn_testkit_tailnet_start_relay (TnTestkitTailnet  *self,
                                guint              region,
                                GError           **error)
{
  RelayCall call = { .self = self, .region = region, .error = error };

  g_return_val_if_fail (TN_TESTKIT_IS_TAILNET (self), FALSE);

  tn_testkit_control_invoke (self->control, start_relay, &call);
  return call.ok;
}

static void
stop_relay (TnTestkitServer *server,
            gpointer         data)
{
  RelayCall *call = data;
  TnTestkitDerp *relay = find_relay (call->self, call->region);

  call->ok = relay != NULL;
  if (relay != NULL)
    tn_testkit_derp_stop (relay);
}

/**
 * tn_testkit_tailnet_stop_relay:
 * @self: a tailnet
 * @region: number of its region
 *
 * Stops one relay. Nodes are not told.
 *
 * Returns: whether there is such a relay
 *
 * Since: 0.1
 */
gboolean
tn_testkit_tailnet_stop_relay (TnTestkitTailnet *self,
                               guint             region)
{
  RelayCall call = { .self = self, .region = region };

  g_return_val_if_fail (TN_TESTKIT_IS_TAILNET (self), FALSE);

  tn_testkit_control_invoke (self->control, stop_relay, &call);
  return call.ok;
}

static void
count_relay_clients (TnTestkitServer *server,
                     gpointer         data)
{
  RelayCall *call = data;
  TnTestkitDerp *relay = find_relay (call->self, call->region);

  if (relay != NULL)
    call->n = tn_testkit_derp_get_n_clients (relay);
}

/**
 * tn_testkit_tailnet_get_n_relay_clients:
 * @self: a tailnet
 * @region: number of a relay's region
 *
 * Counts the clients of a relay.
 *
 * Returns: how many
 *
 * Since: 0.1
 */
guint
tn_testkit_tailnet_get_n_relay_clients (TnTestkitTailnet *self,
                                        guint             region)
{
  RelayCall call = { .self = self, .region = region };

  g_return_val_if_fail (TN_TESTKIT_IS_TAILNET (self), 0);

  tn_testkit_control_invoke (self->control, count_relay_clients, &call);
  return call.n;
}
