/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-control.h"

#include "tn-testkit-control-private.h"
#include "tn-testkit-server.h"

#define DEFAULT_KEEP_ALIVE_MS 50000          /* clients give up after 120 s of silence */
#define DEFAULT_EPHEMERAL_TIMEOUT_MS 120000
#define DEFAULT_RETRY_AFTER_S 1
#define DEFAULT_MINIMUM_VERSION 113
#define DEFAULT_SUFFIX "tail.test"
#define DEFAULT_TAILNET "example.test"

/**
 * TnTestkitControl:
 *
 * A control server in this process, to which nodes log in: the library's own and stock ones.
 *
 * It listens on loopback unless told otherwise, hands out auth keys, keeps the nodes and tells each of them the map of the
 * tailnet, first whole and then what changes. Without further ado every node may reach every other one; relays are told by
 * [method@TailnetTestkit.Control.set_derp_map_json], which [class@TailnetTestkit.Tailnet] does by itself. A server can be
 * stopped and started again on the same port, with all that it knew, and it can be made to misbehave.
 *
 * ## Threads
 *
 * A server lives in the thread-default main context in which it was made; then its methods are called there, and it answers
 * while that context runs. With [property@TailnetTestkit.Control:threaded] it lives in a thread of its own; then it answers at
 * any time, and its methods may be called from any thread. Signals arrive in the context in which the object was made, never
 * from inside a method.
 */
typedef struct
{
  gatomicrefcount  ref_count;
  GWeakRef         control;
  GMainContext    *context;      /* where signals arrive */
} Link;

typedef struct
{
  GMainContext    *context;
  TnTestkitServer *server;
  Link            *link;
  int              quit;         /* atomic */
} Worker;

struct _TnTestkitControl
{
  GObject          parent_instance;
  gboolean         threaded;
  TnTestkitServer *server;
  Link            *link;
  Worker          *worker;       /* NULL unless threaded; ends itself */
  GThread         *thread;
};

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
  PROP_COMPRESSION,
  PROP_REQUIRE_APPROVAL,
  PROP_URL,
  N_PROPS
};

enum
{
  SIGNAL_LOGIN_REQUESTED,
  SIGNAL_NODES_CHANGED,
  SIGNAL_REQUEST_RECEIVED,
  N_SIGNALS
};

G_DEFINE_FINAL_TYPE (TnTestkitControl, tn_testkit_control, G_TYPE_OBJECT)

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

/* Signals cross from the server's context to the owner's, and hold the object only while they are emitted. */

static Link *
link_ref (Link *link)
{
  g_atomic_ref_count_inc (&link->ref_count);
  return link;
}

static void
link_unref (Link *link)
{
  if (!g_atomic_ref_count_dec (&link->ref_count))
    return;

  g_weak_ref_clear (&link->control);
  g_main_context_unref (link->context);
  g_free (link);
}

typedef struct
{
  Link  *link;
  guint  signal;
  char  *texts[3];
} Emission;

static void
emission_free (gpointer data)
{
  Emission *emission = data;

  link_unref (emission->link);
  for (gsize i = 0; i < G_N_ELEMENTS (emission->texts); i++)
    g_free (emission->texts[i]);
  g_free (emission);
}

static gboolean
emit_cb (gpointer user_data)
{
  Emission *emission = user_data;
  g_autoptr (TnTestkitControl) self = g_weak_ref_get (&emission->link->control);

  if (self != NULL)
    g_signal_emit (self, signals[emission->signal], 0, emission->texts[0], emission->texts[1], emission->texts[2]);

  return G_SOURCE_REMOVE;
}

static void
emit (Link       *link,
      guint       signal,
      const char *first,
      const char *second,
      const char *third)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Emission *emission = g_new0 (Emission, 1);

  emission->link = link_ref (link);
  emission->signal = signal;
  emission->texts[0] = g_strdup (first);
  emission->texts[1] = g_strdup (second);
  emission->texts[2] = g_strdup (third);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, emit_cb, emission, emission_free);
  g_source_attach (source, link->context);
}

static void
login_cb (const char *url,
          gpointer    user_data)
{
  emit (user_data, SIGNAL_LOGIN_REQUESTED, url, NULL, NULL);
}

static void
changed_cb (gpointer user_data)
{
  emit (user_data, SIGNAL_NODES_CHANGED, NULL, NULL, NULL);
}

static void
request_cb (const char *machine,
            const char *path,
            const char *body,
            gpointer    user_data)
{
  emit (user_data, SIGNAL_REQUEST_RECEIVED, machine, path, body);
}

static const TnTestkitServerHandler server_handler = { login_cb, changed_cb, request_cb };

/* The thread */

static gpointer
worker_run (gpointer data)
{
  Worker *worker = data;

  g_main_context_push_thread_default (worker->context);
  while (!g_atomic_int_get (&worker->quit))
    g_main_context_iteration (worker->context, TRUE);

  tn_testkit_server_free (worker->server);
  while (g_main_context_iteration (worker->context, FALSE))      /* sockets close behind the scenes */
    ;
  g_main_context_pop_thread_default (worker->context);
  g_main_context_unref (worker->context);
  link_unref (worker->link);
  g_free (worker);

  return NULL;
}

typedef struct
{
  TnTestkitServer *server;
  TnTestkitCall    call;
  gpointer         data;
  GMutex           mutex;
  GCond            cond;
  gboolean         done;
} Invocation;

static gboolean
invoke_cb (gpointer user_data)
{
  Invocation *invocation = user_data;

  invocation->call (invocation->server, invocation->data);
  g_mutex_lock (&invocation->mutex);
  invocation->done = TRUE;
  g_cond_signal (&invocation->cond);
  g_mutex_unlock (&invocation->mutex);

  return G_SOURCE_REMOVE;
}

void
tn_testkit_control_invoke (TnTestkitControl *self,
                           TnTestkitCall     call,
                           gpointer          data)
{
  Invocation invocation = { .server = self->server, .call = call, .data = data };

  if (self->worker == NULL || g_main_context_is_owner (self->worker->context))
    {
      call (self->server, data);
      return;
    }

  g_mutex_init (&invocation.mutex);
  g_cond_init (&invocation.cond);
  g_main_context_invoke (self->worker->context, invoke_cb, &invocation);
  g_mutex_lock (&invocation.mutex);
  while (!invocation.done)
    g_cond_wait (&invocation.cond, &invocation.mutex);
  g_mutex_unlock (&invocation.mutex);
  g_mutex_clear (&invocation.mutex);
  g_cond_clear (&invocation.cond);
}

/* The object */

static void
tn_testkit_control_constructed (GObject *object)
{
  TnTestkitControl *self = TN_TESTKIT_CONTROL (object);

  G_OBJECT_CLASS (tn_testkit_control_parent_class)->constructed (object);

  if (!self->threaded)
    return;

  self->worker = g_new0 (Worker, 1);
  self->worker->context = g_main_context_new ();
  self->worker->server = self->server;
  self->worker->link = link_ref (self->link);
  self->thread = g_thread_new ("testkit-control", worker_run, self->worker);
}

static void
tn_testkit_control_finalize (GObject *object)
{
  TnTestkitControl *self = TN_TESTKIT_CONTROL (object);

  if (self->worker == NULL)
    tn_testkit_server_free (self->server);
  else
    {
      g_autoptr (GMainContext) context = g_main_context_ref (self->worker->context);

      g_atomic_int_set (&self->worker->quit, TRUE);
      g_main_context_wakeup (context);
      if (self->thread == g_thread_self ())
        g_thread_unref (self->thread);
      else
        g_thread_join (self->thread);
    }
  link_unref (self->link);

  G_OBJECT_CLASS (tn_testkit_control_parent_class)->finalize (object);
}

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
    case PROP_COMPRESSION:
      g_value_set_boolean (call->value, options->compression);
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
      options->certificate = g_value_dup_object (call->value);
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
    case PROP_COMPRESSION:
      options->compression = g_value_get_boolean (call->value);
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
   */
  properties[PROP_THREADED] = g_param_spec_boolean ("threaded", NULL, NULL, FALSE, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:listen-address:
   *
   * IP address to listen on, which is also the one in [property@TailnetTestkit.Control:url].
   */
  properties[PROP_LISTEN_ADDRESS] = g_param_spec_string ("listen-address", NULL, NULL, "127.0.0.1", CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:port:
   *
   * TCP port to listen on. 0 takes a free one at the first start, and later starts take the same.
   */
  properties[PROP_PORT] = g_param_spec_uint ("port", NULL, NULL, 0, G_MAXUINT16, 0, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:tls-certificate:
   *
   * Certificate with its private key. Without one the server speaks plain HTTP, which clients accept on private addresses.
   */
  properties[PROP_TLS_CERTIFICATE] =
    g_param_spec_object ("tls-certificate", NULL, NULL, G_TYPE_TLS_CERTIFICATE, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:dns-suffix:
   *
   * Suffix of the names of all nodes. Empty: names have none, and the tailnet no DNS.
   */
  properties[PROP_DNS_SUFFIX] = g_param_spec_string ("dns-suffix", NULL, NULL, DEFAULT_SUFFIX, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:tailnet-name:
   *
   * What the tailnet is called.
   */
  properties[PROP_TAILNET_NAME] = g_param_spec_string ("tailnet-name", NULL, NULL, DEFAULT_TAILNET, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:first-node-id:
   *
   * Numeric id of the first node. Ids above 2^53 find clients that read them as floating point numbers.
   */
  properties[PROP_FIRST_NODE_ID] = g_param_spec_int64 ("first-node-id", NULL, NULL, 1, G_MAXINT64 / 2, 1, CONSTRUCT_ONLY);

  /**
   * TnTestkitControl:url: (getter dup_url)
   *
   * Where clients find the server; %NULL before it was started first.
   */
  properties[PROP_URL] = g_param_spec_string ("url", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
install_behaviour_properties (void)
{
  /**
   * TnTestkitControl:keep-alive-interval:
   *
   * Time between two keep-alive messages on a map stream, in milliseconds. Streams that are open already keep theirs.
   */
  properties[PROP_KEEP_ALIVE_INTERVAL] =
    g_param_spec_uint ("keep-alive-interval", NULL, NULL, 1, G_MAXUINT, DEFAULT_KEEP_ALIVE_MS, CONSTRUCT);

  /**
   * TnTestkitControl:ephemeral-timeout:
   *
   * How long an ephemeral node may stay offline before it is removed, in milliseconds.
   */
  properties[PROP_EPHEMERAL_TIMEOUT] =
    g_param_spec_uint ("ephemeral-timeout", NULL, NULL, 0, G_MAXUINT, DEFAULT_EPHEMERAL_TIMEOUT_MS, CONSTRUCT);

  /**
   * TnTestkitControl:retry-after:
   *
   * Seconds after which a client may come again, as %TN_TESTKIT_FAULT_TOO_MANY_REQUESTS tells it.
   */
  properties[PROP_RETRY_AFTER] =
    g_param_spec_uint ("retry-after", NULL, NULL, 0, G_MAXUINT, DEFAULT_RETRY_AFTER_S, CONSTRUCT);

  /**
   * TnTestkitControl:minimum-version:
   *
   * Lowest capability version that a client may declare.
   */
  properties[PROP_MINIMUM_VERSION] =
    g_param_spec_uint ("minimum-version", NULL, NULL, 1, G_MAXUINT16, DEFAULT_MINIMUM_VERSION, CONSTRUCT);

  /**
   * TnTestkitControl:early-payload:
   *
   * Whether a message precedes HTTP/2 inside the encrypted connection, as some servers send it.
   */
  properties[PROP_EARLY_PAYLOAD] = g_param_spec_boolean ("early-payload", NULL, NULL, FALSE, CONSTRUCT);

  /**
   * TnTestkitControl:compression:
   *
   * Whether map messages are compressed for clients that ask for it. Stock clients cannot do without.
   */
  properties[PROP_COMPRESSION] = g_param_spec_boolean ("compression", NULL, NULL, TRUE, CONSTRUCT);

  /**
   * TnTestkitControl:require-approval:
   *
   * Whether new nodes stay outside until [method@TailnetTestkit.Control.authorize_node] is called.
   */
  properties[PROP_REQUIRE_APPROVAL] = g_param_spec_boolean ("require-approval", NULL, NULL, FALSE, CONSTRUCT);
}

static void
install_signals (void)
{
  /**
   * TnTestkitControl::login-requested:
   * @self: the server
   * @url: page where somebody has to log in
   *
   * A node came without an auth key. Answer with [method@TailnetTestkit.Control.approve].
   */
  signals[SIGNAL_LOGIN_REQUESTED] =
    g_signal_new ("login-requested", TN_TESTKIT_TYPE_CONTROL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 1, G_TYPE_STRING);

  /**
   * TnTestkitControl::nodes-changed:
   * @self: the server
   *
   * Something that [method@TailnetTestkit.Control.list_nodes] tells is different now.
   */
  signals[SIGNAL_NODES_CHANGED] =
    g_signal_new ("nodes-changed", TN_TESTKIT_TYPE_CONTROL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);

  /**
   * TnTestkitControl::request-received:
   * @self: the server
   * @machine_key: who asks
   * @path: what for
   * @body: body of the request, as text
   *
   * A request came over the encrypted connection.
   */
  signals[SIGNAL_REQUEST_RECEIVED] =
    g_signal_new ("request-received", TN_TESTKIT_TYPE_CONTROL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_STRING, G_TYPE_STRING);
}

static void
tn_testkit_control_class_init (TnTestkitControlClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = tn_testkit_control_constructed;
  object_class->finalize = tn_testkit_control_finalize;
  object_class->get_property = tn_testkit_control_get_property;
  object_class->set_property = tn_testkit_control_set_property;

  install_identity_properties ();
  install_behaviour_properties ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
  install_signals ();
}

static void
tn_testkit_control_init (TnTestkitControl *self)
{
  self->link = g_new0 (Link, 1);
  g_atomic_ref_count_init (&self->link->ref_count);
  g_weak_ref_init (&self->link->control, self);
  self->link->context = g_main_context_ref_thread_default ();
  self->server = tn_testkit_server_new (tn_testkit_registry_new ("", ""), &server_handler, self->link);
}

/**
 * tn_testkit_control_new:
 *
 * Makes a server that lives in the current thread-default main context.
 *
 * Returns: (transfer full): a stopped server
 */
TnTestkitControl *
tn_testkit_control_new (void)
{
  return g_object_new (TN_TESTKIT_TYPE_CONTROL, NULL);
}

/**
 * tn_testkit_control_new_threaded:
 *
 * Makes a server with a thread of its own.
 *
 * Returns: (transfer full): a stopped server
 */
TnTestkitControl *
tn_testkit_control_new_threaded (void)
{
  return g_object_new (TN_TESTKIT_TYPE_CONTROL, "threaded", TRUE, NULL);
}

typedef struct
{
  GError  **error;
  gboolean  ok;
} StartCall;

static void
start (TnTestkitServer *server,
       gpointer         data)
{
  StartCall *call = data;

  call->ok = tn_testkit_server_start (server, call->error);
}

/**
 * tn_testkit_control_start:
 * @self: a server
 * @error: return location for an error
 *
 * Begins to listen. A server that was stopped comes back on the same port, with the same key and all it knew. Does nothing while
 * it runs.
 *
 * Returns: whether the server runs
 */
gboolean
tn_testkit_control_start (TnTestkitControl  *self,
                          GError           **error)
{
  StartCall call = { error, FALSE };

  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), FALSE);

  tn_testkit_control_invoke (self, start, &call);
  if (call.ok)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_URL]);

  return call.ok;
}

static void
stop (TnTestkitServer *server,
      gpointer         data)
{
  tn_testkit_server_stop (server);
}

/**
 * tn_testkit_control_stop:
 * @self: a server
 *
 * Closes every connection and listens no more. Nodes, users and keys are kept.
 */
void
tn_testkit_control_stop (TnTestkitControl *self)
{
  g_return_if_fail (TN_TESTKIT_IS_CONTROL (self));

  tn_testkit_control_invoke (self, stop, NULL);
}

static void
forget (TnTestkitServer *server,
        gpointer         data)
{
  tn_testkit_server_forget (server);
}

/**
 * tn_testkit_control_forget:
 * @self: a server
 *
 * Loses all nodes, users, auth keys and logins, and closes every connection, like a server whose disk was wiped. Its own key and
 * what it tells every node stay.
 */
void
tn_testkit_control_forget (TnTestkitControl *self)
{
  g_return_if_fail (TN_TESTKIT_IS_CONTROL (self));

  tn_testkit_control_invoke (self, forget, NULL);
}

static void
dup_url (TnTestkitServer *server,
         gpointer         data)
{
  *(char **) data = tn_testkit_server_dup_url (server);
}

/**
 * tn_testkit_control_dup_url: (get-property url)
 * @self: a server
 *
 * Where clients find the server.
 *
 * Returns: (transfer full) (nullable): a URL; %NULL before the server was started first
 */
char *
tn_testkit_control_dup_url (TnTestkitControl *self)
{
  char *url = NULL;

  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), NULL);

  tn_testkit_control_invoke (self, dup_url, &url);
  return url;
}
