/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-noise.h"
#include "tn-testkit-control-private.h"

/* TnTestkitControl: its properties. All but one are the server's, which may live in another thread. */

#define DEFAULT_KEEP_ALIVE_MS 50000          /* clients give up after 120 s of silence */
#define DEFAULT_EPHEMERAL_TIMEOUT_MS 120000
#define DEFAULT_RETRY_AFTER_S 1
#define DEFAULT_MINIMUM_VERSION 113
#define DEFAULT_SUFFIX "tail.test"
#define DEFAULT_TAILNET "example.test"

enum
{
  PROP_0,
  PROP_THREADED,
  PROP_LISTEN_ADDRESS,
  PROP_PORT,
  PROP_TLS_CERTIFICATE,
  PROP_DNS_SUFFIX,
  PROP_TAILNET_NAME,
  PROP_FIRST_NODE_ID,
  PROP_KEEP_ALIVE_INTERVAL,
  PROP_EPHEMERAL_TIMEOUT,
  PROP_RETRY_AFTER,
  PROP_MINIMUM_VERSION,
  PROP_EARLY_PAYLOAD,
  PROP_RECORD_SIZE,
  PROP_CORKED,
  PROP_COMPRESSION,
  PROP_REQUIRE_APPROVAL,
  PROP_RESUMABLE_SESSIONS,
  PROP_CLOCK_OFFSET,
  PROP_URL,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

typedef struct
{
  guint   prop_id;
  GValue *value;
} PropertyCall;

static void
get_property (TnTestkitServer *server,
              gpointer         data)
{
  PropertyCall *call = data;
  TnTestkitServerOptions *options = tn_testkit_server_options (server);
  TnTestkitRegistry *registry = tn_testkit_server_registry (server);

  switch (call->prop_id)
    {
    case PROP_LISTEN_ADDRESS:
      g_value_set_string (call->value, options->address);
      break;
    case PROP_PORT:
      g_value_set_uint (call->value, options->port);
      break;
    case PROP_TLS_CERTIFICATE:
      g_value_set_object (call->value, options->certificate);
      break;
    case PROP_DNS_SUFFIX:
      g_value_set_string (call->value, registry->suffix);
      break;
    case PROP_TAILNET_NAME:
      g_value_set_string (call->value, registry->domain);
      break;
    case PROP_FIRST_NODE_ID:
      g_value_set_int64 (call->value, registry->first_node_id);
      break;
    case PROP_KEEP_ALIVE_INTERVAL:
      g_value_set_uint (call->value, options->keep_alive_ms);
      break;
    case PROP_EPHEMERAL_TIMEOUT:
      g_value_set_uint (call->value, options->ephemeral_timeout_ms);
      break;
    case PROP_RETRY_AFTER:
      g_value_set_uint (call->value, options->retry_after_s);
      break;
    case PROP_MINIMUM_VERSION:
      g_value_set_uint (call->value, options->minimum_version);
      break;
    case PROP_EARLY_PAYLOAD:
      g_value_set_boolean (call->value, options->early_payload);
      break;
    case PROP_RECORD_SIZE:
      g_value_set_uint (call->value, options->record_size);
      break;
    case PROP_CORKED:
      g_value_set_boolean (call->value, options->corked);
      break;
    case PROP_CLOCK_OFFSET:
      g_value_set_int64 (call->value, options->clock_offset_s);
      break;
    case PROP_COMPRESSION:
      g_value_set_boolean (call->value, options->compression);
      break;
    case PROP_RESUMABLE_SESSIONS:
      g_value_set_boolean (call->value, options->resumable_sessions);
      break;
    case PROP_REQUIRE_APPROVAL:
      g_value_set_boolean (call->value, registry->require_approval);
      break;
    case PROP_URL:
      g_value_take_string (call->value, tn_testkit_server_dup_url (server));
      break;
    default:
      g_assert_not_reached ();
    }
}

static void
set_property (TnTestkitServer *server,
              gpointer         data)
{
  const PropertyCall *call = data;
  TnTestkitServerOptions *options = tn_testkit_server_options (server);
  TnTestkitRegistry *registry = tn_testkit_server_registry (server);

  switch (call->prop_id)
    {
    case PROP_LISTEN_ADDRESS:
      g_free (options->address);
      options->address = g_value_dup_string (call->value);
      break;
    case PROP_PORT:
      options->port = (guint16) g_value_get_uint (call->value);
      break;
    case PROP_TLS_CERTIFICATE:
      g_set_object (&options->certificate, g_value_get_object (call->value));
      break;
    case PROP_DNS_SUFFIX:
      tn_testkit_registry_set_suffix (registry, g_value_get_string (call->value));
      break;
    case PROP_TAILNET_NAME:
      g_free (registry->domain);
      registry->domain = g_value_dup_string (call->value);
      break;
    case PROP_FIRST_NODE_ID:
      registry->first_node_id = g_value_get_int64 (call->value);
      registry->next_node_id = registry->first_node_id;
      break;
    case PROP_KEEP_ALIVE_INTERVAL:
      options->keep_alive_ms = g_value_get_uint (call->value);
      break;
    case PROP_EPHEMERAL_TIMEOUT:
      options->ephemeral_timeout_ms = g_value_get_uint (call->value);
      break;
    case PROP_RETRY_AFTER:
      options->retry_after_s = g_value_get_uint (call->value);
      break;
    case PROP_MINIMUM_VERSION:
      options->minimum_version = g_value_get_uint (call->value);
      break;
    case PROP_EARLY_PAYLOAD:
      options->early_payload = g_value_get_boolean (call->value);
      break;
    case PROP_RECORD_SIZE:
      options->record_size = g_value_get_uint (call->value);
      break;
    case PROP_CORKED:
      options->corked = g_value_get_boolean (call->value);
      break;
    case PROP_CLOCK_OFFSET:
      options->clock_offset_s = g_value_get_int64 (call->value);
      break;
    case PROP_COMPRESSION:
      options->compression = g_value_get_boolean (call->value);
      break;
    case PROP_RESUMABLE_SESSIONS:
      options->resumable_sessions = g_value_get_boolean (call->value);
      break;
    case PROP_REQUIRE_APPROVAL:
      registry->require_approval = g_value_get_boolean (call->value);
      break;
    default:
      g_assert_not_reached ();
    }
}

static void
tn_testkit_control_get_property (GObject    *object,
                                 guint       prop_id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  TnTestkitControl *self = TN_TESTKIT_CONTROL (object);
  PropertyCall call = { prop_id, value };

  if (prop_id == PROP_THREADED)
    g_value_set_boolean (value, self->threaded);
  else if (prop_id < N_PROPS)
    tn_testkit_control_invoke (self, get_property, &call);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
tn_testkit_control_set_property (GObject      *object,
                                 guint         prop_id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  TnTestkitControl *self = TN_TESTKIT_CONTROL (object);
  g_auto (GValue) copy = G_VALUE_INIT;
  PropertyCall call = { prop_id, &copy };

  if (prop_id == PROP_THREADED)
    self->threaded = g_value_get_boolean (value);
  else if (prop_id < N_PROPS)
    {
      g_value_init (&copy, pspec->value_type);
      g_value_copy (value, &copy);
      tn_testkit_control_invoke (self, set_property, &call);
    }
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

#define CONSTRUCT_ONLY (G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)
#define CONSTRUCT (G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS)

static void
install_identity_properties (void)
{
  /**
   * TnTestkitControl:threaded:
   *
   * Whether the server has a thread of its own.
   *
   * Since: 0.1
   */
  properties[PROP_THREADED] = g_param_spec_boolean ("threaded", NULL, NULL, FALSE, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:listen-address:
   *
   * IP address to listen on, which is also the one in [property@TailnetTestkit.Control:url].
   *
   * Since: 0.1
   */
  properties[PROP_LISTEN_ADDRESS] = g_param_spec_string ("listen-address", NULL, NULL, "127.0.0.1", CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:port:
   *
   * TCP port to listen on. 0 takes a free one at the first start, and later starts take the same.
   *
   * Since: 0.1
   */
  properties[PROP_PORT] = g_param_spec_uint ("port", NULL, NULL, 0, G_MAXUINT16, 0, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:tls-certificate:
   *
   * Certificate with its private key. Without one the server speaks plain HTTP, which clients accept on private addresses.
   *
   * Another one is shown to the connections that come from then on. Whether there is one at all is settled when the server starts.
   *
   * Since: 0.1
   */
  properties[PROP_TLS_CERTIFICATE] =
    g_param_spec_object ("tls-certificate", NULL, NULL, G_TYPE_TLS_CERTIFICATE, CONSTRUCT);

  /**
   * TnTestkitControl:dns-suffix:
   *
   * Suffix of the names of all nodes. Empty: names have none, and the tailnet no DNS.
   *
   * Since: 0.1
   */
  properties[PROP_DNS_SUFFIX] = g_param_spec_string ("dns-suffix", NULL, NULL, DEFAULT_SUFFIX, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:tailnet-name:
   *
   * What the tailnet is called.
   *
   * Since: 0.1
   */
  properties[PROP_TAILNET_NAME] = g_param_spec_string ("tailnet-name", NULL, NULL, DEFAULT_TAILNET, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:first-node-id:
   *
   * Numeric id of the first node. Ids above 2^53 find clients that read them as floating point numbers.
   *
   * Since: 0.1
   */
  properties[PROP_FIRST_NODE_ID] = g_param_spec_int64 ("first-node-id", NULL, NULL, 1, G_MAXINT64 / 2, 1, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:url: (getter dup_url)
   *
   * Where clients find the server; %NULL before it was started first.
   *
   * Since: 0.1
   */
  properties[PROP_URL] = g_param_spec_string ("url", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
install_transport_properties (void)
{
  /**
   * TnTestkitControl:early-payload:
   *
   * Whether a message precedes HTTP/2 inside the encrypted connection, as some servers send it.
   *
   * Since: 0.1
   */
  properties[PROP_EARLY_PAYLOAD] = g_param_spec_boolean ("early-payload", NULL, NULL, FALSE, CONSTRUCT);

  /**
   * TnTestkitControl:record-size:
   *
   * Most bytes that the server puts into one record of the encrypted connection. Small ones find clients that take a record for a
   * message. Connections that are open already keep theirs.
   *
   * Since: 0.1
   */
  properties[PROP_RECORD_SIZE] =
    g_param_spec_uint ("record-size", NULL, NULL, 1, TN_NOISE_MAX_PLAINTEXT_LEN, TN_NOISE_MAX_PLAINTEXT_LEN, CONSTRUCT);

  /**
   * TnTestkitControl:corked:
   *
   * Whether the answer to an upgrade, that to the handshake and the first records leave in one write, as from other servers. That finds
   * clients that drop what follows the first of them; without it, clients that count on all of them at once.
   *
   * Since: 0.1
   */
  properties[PROP_CORKED] = g_param_spec_boolean ("corked", NULL, NULL, TRUE, CONSTRUCT);

  /**
   * TnTestkitControl:compression:
   *
   * Whether map messages are compressed for clients that ask for it. Stock clients cannot do without.
   *
   * Since: 0.1
   */
  properties[PROP_COMPRESSION] = g_param_spec_boolean ("compression", NULL, NULL, TRUE, CONSTRUCT);
}

static void
install_behaviour_properties (void)
{
  /**
   * TnTestkitControl:keep-alive-interval:
   *
   * Time between two keep-alive messages on a map stream, in milliseconds. Streams that are open already keep theirs.
   *
   * Since: 0.1
   */
  properties[PROP_KEEP_ALIVE_INTERVAL] =
    g_param_spec_uint ("keep-alive-interval", NULL, NULL, 1, G_MAXUINT, DEFAULT_KEEP_ALIVE_MS, CONSTRUCT);

  /**
   * TnTestkitControl:ephemeral-timeout:
   *
   * How long an ephemeral node may stay offline before it is removed, in milliseconds.
   *
   * Since: 0.1
   */
  properties[PROP_EPHEMERAL_TIMEOUT] =
    g_param_spec_uint ("ephemeral-timeout", NULL, NULL, 0, G_MAXUINT, DEFAULT_EPHEMERAL_TIMEOUT_MS, CONSTRUCT);

  /**
   * TnTestkitControl:retry-after:
   *
   * Seconds after which a client may come again, as %TN_TESTKIT_FAULT_TOO_MANY_REQUESTS tells it.
   *
   * Since: 0.1
   */
  properties[PROP_RETRY_AFTER] =
    g_param_spec_uint ("retry-after", NULL, NULL, 0, G_MAXUINT, DEFAULT_RETRY_AFTER_S, CONSTRUCT);

  /**
   * TnTestkitControl:minimum-version:
   *
   * Lowest capability version that a client may declare.
   *
   * Since: 0.1
   */
  properties[PROP_MINIMUM_VERSION] =
    g_param_spec_uint ("minimum-version", NULL, NULL, 1, G_MAXUINT16, DEFAULT_MINIMUM_VERSION, CONSTRUCT);

  /**
   * TnTestkitControl:require-approval:
   *
   * Whether new nodes stay outside until [method@TailnetTestkit.Control.authorize_node] is called.
   *
   * Since: 0.1
   */
  properties[PROP_REQUIRE_APPROVAL] = g_param_spec_boolean ("require-approval", NULL, NULL, FALSE, CONSTRUCT);

  /**
   * TnTestkitControl:clock-offset:
   *
   * How far the server's clock is ahead of this machine's, in seconds; negative: behind. The server tells its time with each whole map,
   * and goes by it where keys expire.
   *
   * Since: 0.1
   */
  properties[PROP_CLOCK_OFFSET] =
    g_param_spec_int64 ("clock-offset", NULL, NULL, -G_MAXINT32, G_MAXINT32, 0, CONSTRUCT);

  /**
   * TnTestkitControl:resumable-sessions:
   *
   * Whether a node whose map stream broke off is told only what changed since, if it asks for that.
   *
   * Since: 0.1
   */
  properties[PROP_RESUMABLE_SESSIONS] = g_param_spec_boolean ("resumable-sessions", NULL, NULL, FALSE, CONSTRUCT);
}

void
tn_testkit_control_install_properties (GObjectClass *klass)
{
  klass->get_property = tn_testkit_control_get_property;
  klass->set_property = tn_testkit_control_set_property;
  install_identity_properties ();
  install_transport_properties ();
  install_behaviour_properties ();
  g_object_class_install_properties (klass, N_PROPS, properties);
}
