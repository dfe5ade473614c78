/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-control.h"

#include "tn-testkit-control-private.h"
#include "tn-testkit-server.h"

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
 * ## Identity tokens
 *
 * A node that asks for one gets a JWT: `iss` is the URL of the server, `sub` the full name of the node without a final dot, `aud` what
 * the node asked for, `key` its node key; it is good for five minutes. It is signed with Ed25519 (EdDSA), by a key that is the
 * server's own; `/.well-known/openid-configuration` and `/.well-known/jwks.json` tell it, as they do for any issuer.
 *
 * ## Threads
 *
 * A server lives in the thread-default main context in which it was made; then its methods are called there, and it answers
 * while that context runs. With [property@TailnetTestkit.Control:threaded] it lives in a thread of its own; then it answers at
 * any time, and its methods may be called from any thread. Signals arrive in the context in which the object was made, never
 * from inside a method.
 *
 * Since: 0.1
 */
typedef TnTestkitLink Link;
typedef TnTestkitWorker Worker;

struct _TnTestkitLink
{
  gatomicrefcount  ref_count;
  GWeakRef         control;
  GMainContext    *context;      /* where signals arrive */
};

struct _TnTestkitWorker
{
  GMainContext    *context;
  TnTestkitServer *server;
  Link            *link;
  int              quit;         /* atomic */
};

enum
{
  SIGNAL_LOGIN_REQUESTED,
  SIGNAL_NODES_CHANGED,
  SIGNAL_REQUEST_RECEIVED,
  N_SIGNALS
};

G_DEFINE_FINAL_TYPE (TnTestkitControl, tn_testkit_control, G_TYPE_OBJECT)

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

static void
install_signals (void)
{
  /**
   * TnTestkitControl::login-requested:
   * @self: the server
   * @url: page where somebody has to log in
   *
   * A node came without an auth key. Answer with [method@TailnetTestkit.Control.approve].
   *
   * Since: 0.1
   */
  signals[SIGNAL_LOGIN_REQUESTED] =
    g_signal_new ("login-requested", TN_TESTKIT_TYPE_CONTROL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                  G_TYPE_NONE, 1, G_TYPE_STRING);

  /**
   * TnTestkitControl::nodes-changed:
   * @self: the server
   *
   * Something that [method@TailnetTestkit.Control.list_nodes] tells is different now.
   *
   * Since: 0.1
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
   *
   * Since: 0.1
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

  tn_testkit_control_install_properties (object_class);
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
 *
 * Since: 0.1
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
 *
 * Since: 0.1
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
 *
 * Since: 0.1
 */
gboolean
tn_testkit_control_start (TnTestkitControl  *self,
                          GError           **error)
{
  StartCall call = { error, FALSE };

  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), FALSE);

  tn_testkit_control_invoke (self, start, &call);
  if (call.ok)
    g_object_notify (G_OBJECT (self), "url");

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
 *
 * Since: 0.1
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
 *
 * Since: 0.1
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
 *
 * Since: 0.1
 */
char *
tn_testkit_control_dup_url (TnTestkitControl *self)
{
  char *url = NULL;

  g_return_val_if_fail (TN_TESTKIT_IS_CONTROL (self), NULL);

  tn_testkit_control_invoke (self, dup_url, &url);
  return url;
}
