/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

#include <string.h>

#include "tn-boot-timer.h"
#include "tn-error.h"
#include "tn-proxy.h"
#include "tn-secret.h"
#include "tn-socket-mark.h"

enum
{
  BACKOFF_STEP_MS = 10,                /* tailscale util/backoff: n² steps on average */
  BACKOFF_MAX_MS = 30 * 1000,
  STABLE_US = 10 * 1000 * 1000,
  OUTER_TIMEOUT_S = 15,
  PING_AFTER_US = 30 * 1000 * 1000,
  PONG_MAX_US = 15 * 1000 * 1000,
  PROOF_MAX_US = 5 * 1000 * 1000,
  REQUEST_MAX_US = 30 * 1000 * 1000,
  UPDATE_MAX_US = 120 * 1000 * 1000,
  SILENCE_MAX_US = 120 * 1000 * 1000,  /* servers send something at least every minute (tailscale control/controlclient/direct.go) */
};

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    {
      g_source_destroy (*source);
      g_clear_pointer (source, g_source_unref);
    }
}

/* --- State --- */

void
tn_control_client_announce (TnControlClient *self)
{
  if (self->running && !self->logout_wanted && self->handler->changed != NULL)
    self->handler->changed (self, self->user_data);
}

void
tn_control_client_set_state (TnControlClient *self,
                             TnControlState   state,
                             const GError    *error)
{
  if (self->state == state && self->error == NULL && error == NULL && state != TN_CONTROL_NEEDS_LOGIN)
    return;
  self->state = state;
  g_clear_error (&self->error);
  self->error = error != NULL ? g_error_copy (error) : NULL;
  tn_control_client_announce (self);
}

void
tn_control_client_show_error (TnControlClient *self,
                              TnRetryKind      kind,
                              const GError    *error)
{
  if (self->state == TN_CONTROL_REFUSED)
    return;
  self->error_kind = kind;
  tn_control_client_set_state (self, self->state, error);
}

/* --- Trying again --- */

/* Anywhere up to twice the average, as nodes that lost their server at the same moment come back best: none of them at a time that
 * is common to all. */
gint64
tn_control_backoff_us (guint  failures,
                       double random)
{
  double ms = MIN ((double) failures * failures * BACKOFF_STEP_MS, BACKOFF_MAX_MS) * 2 * random;

  return (gint64) (ms * 1000);
}

static gboolean
retry_cb (gpointer user_data)
{
  TnRetry *retry = user_data;
  g_autoptr (TnControlClient) self = tn_control_client_ref (retry->client);

  g_clear_pointer (&retry->timer, g_source_unref);
  tn_control_client_advance (self);
  return G_SOURCE_REMOVE;
}

void
tn_control_client_retry_in (TnControlClient *self,
                            TnRetryKind      kind,
                            gint64           wait_us)
{
  TnRetry *retry = &self->retries[kind];

  if (!self->running)
    return;
  clear_source (&retry->timer);
  retry->client = self;
  retry->told = FALSE;
  retry->timer = tn_boot_timer_source_new ();      /* the other side does not sleep when this machine does */
  g_source_set_callback (retry->timer, retry_cb, retry, NULL);
  g_source_attach (retry->timer, self->context);
  tn_boot_timer_set (retry->timer, tn_boot_time_us () + wait_us);
}

void
tn_control_client_retry_when_told (TnControlClient *self,
                                   TnRetryKind      kind,
                                   const char      *retry_after)
{
  gint64 wait_us = tn_login_parse_retry_after (retry_after, g_get_real_time ());
  g_autoptr (GError) error = g_error_new (TN_ERROR, TN_ERROR_CONTROL, "control server asks to wait %d s", (int) (wait_us / G_USEC_PER_SEC));

  tn_control_client_retry_in (self, kind, wait_us);
  self->retries[kind].told = TRUE;
  tn_control_client_show_error (self, kind, error);
}

/* A stream that lasted makes up for what failed before it. One that ends as soon as it has begun does not: a server that goes on like
 * that is asked ever more rarely, too. */
static void
forgive (TnControlClient *self)
{
  if (self->map_good_us != 0 && tn_boot_time_us () - self->map_good_us >= STABLE_US)
    self->retries[TN_RETRY_CONNECT].failures = self->retries[TN_RETRY_MAP].failures = 0;
  self->map_good_us = 0;
}

static void
back_off (TnControlClient *self,
          TnRetryKind      kind,
          const char      *why)
{
  gint64 wait_us;

  if (kind == TN_RETRY_CONNECT || kind == TN_RETRY_MAP)
    forgive (self);
  wait_us = tn_control_backoff_us (++self->retries[kind].failures, g_random_double ());
  g_debug ("control: %s; again in %d ms", why, (int) (wait_us / 1000));
  tn_control_client_retry_in (self, kind, wait_us);
}

void
tn_control_client_retry_soon (TnControlClient *self,
                              TnRetryKind      kind)
{
  back_off (self, kind, "the server takes leave");
}

void
tn_control_client_retry (TnControlClient *self,
                         TnRetryKind      kind,
                         const GError    *error)
{
  back_off (self, kind, error->message);
  tn_control_client_show_error (self, kind, error);
}

void
tn_control_client_retry_now (TnControlClient *self,
                             TnRetryKind      kind)
{
  clear_source (&self->retries[kind].timer);
}

void
tn_control_client_retry_reset (TnControlClient *self,
                               TnRetryKind      kind)
{
  self->retries[kind].failures = 0;
  tn_control_client_retry_now (self, kind);
}

/* --- What comes next --- */

static gboolean
may (TnControlClient *self,
     TnRetryKind      kind,
     gpointer         under_way)
{
  return under_way == NULL && self->retries[kind].timer == NULL;
}

void
tn_control_client_advance (TnControlClient *self)
{
  if (!self->running || self->logout_stream != NULL || (self->state == TN_CONTROL_REFUSED && !self->logout_wanted))
    return;

  if (self->connection == NULL)
    {
      if (may (self, TN_RETRY_CONNECT, self->dial))
        tn_control_client_connect (self);
      return;
    }
  /* While it breaks off, its streams end one by one: a request of now would be one more of them. */
  if (!tn_noise_connection_is_open (self->connection))
    return;
  if (self->logout_wanted)
    {
      tn_control_client_send_logout (self);
      return;
    }
  if (!self->keys_saved)
    return;
  if (!self->registered)
    {
      if (may (self, TN_RETRY_REGISTER, self->register_stream))
        tn_control_client_send_register (self);
      return;
    }
  if (may (self, TN_RETRY_MAP, self->map_stream))
    tn_control_client_start_map (self);
  if (self->known_generation != self->wanted_generation && may (self, TN_RETRY_UPDATE, self->update_stream))
    tn_control_client_send_update (self);
}

/* --- Keys --- */

static void
save_keys (TnControlClient *self)
{
  self->keys_saved = FALSE;
  self->key_unsaved = TRUE;
  if (self->handler->save_keys == NULL)
    tn_control_client_keys_saved (self, NULL);
  else
    self->handler->save_keys (self, self->node_key, tn_node_public_key_is_zero (&self->old_node_key) ? NULL : &self->old_node_key,
                              self->user_data);
}

static gboolean
have_node_key (TnControlClient *self)
{
  static const TnNodePrivateKey none;

  return memcmp (self->node_key, &none, sizeof none) != 0;
}

/* One that a server has taken stays in the store while the login with the next one waits: until then it may be good again, by an administrator
 * who extends it or a program that thinks better of it and starts anew. */
void
tn_control_client_new_key (TnControlClient *self)
{
  self->login.fresh_key = TRUE;
  self->key_known = FALSE;
  self->key_expired = FALSE;
  self->registered = FALSE;
  g_clear_pointer (&self->session_handle, g_free);      /* it was the other key's */
  if (have_node_key (self) && !self->node_key_is_new)
    {
      if (self->next_key == NULL)
        self->next_key = tn_secret_alloc (sizeof *self->next_key);
      tn_node_private_key_generate (self->next_key);
      return;
    }
  tn_node_private_key_generate (self->node_key);
  self->node_key_is_new = TRUE;
  save_keys (self);
}

void
tn_control_client_keep_key (TnControlClient *self)
{
  if (self->next_key == NULL)
    return;
  g_clear_pointer (&self->next_key, tn_secret_free);
  self->key_known = TRUE;
  self->login.fresh_key = FALSE;
}

void
tn_control_client_adopt_key (TnControlClient *self)
{
  tn_node_private_key_get_public (self->node_key, &self->old_node_key);
  memcpy (self->node_key, self->next_key, sizeof *self->node_key);
  g_clear_pointer (&self->next_key, tn_secret_free);
  save_keys (self);
}

void
tn_control_client_keys_saved (TnControlClient *self,
                              const GError    *error)
{
  if (!self->running)
    return;
  if (error != NULL)
    {
      g_autoptr (GError) shown = g_error_copy (error);

      g_prefix_error (&shown, "cannot save the node key: ");
      tn_control_client_set_state (self, TN_CONTROL_REFUSED, shown);
      return;
    }
  self->keys_saved = TRUE;
  self->key_unsaved = FALSE;
  tn_control_client_advance (self);
}

/* --- Life --- */

TnControlClient *
tn_control_client_new (const TnControlConfig   *config,
                       const TnControlHandler  *handler,
                       gpointer                 user_data,
                       GError                 **error)
{
  TnControlUrl *url = tn_control_url_parse (config->server_url, config->allow_plain_http, error);
  TnControlClient *self;

  if (url == NULL)
    return NULL;
  self = g_new0 (TnControlClient, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->handler = handler;
  self->user_data = user_data;
  self->context = g_main_context_ref_thread_default ();
  self->url = url;
  self->machine_key = tn_secret_dup (config->machine_key, sizeof *self->machine_key);
  self->node_key = config->node_key != NULL ? tn_secret_dup (config->node_key, sizeof *self->node_key)
                                            : tn_secret_alloc (sizeof *self->node_key);
  self->old_node_key = config->old_node_key;
  self->node_key_is_new = config->node_key_is_new;
  self->disco_key = config->disco_key;
  self->lock_key = config->lock_key;
  self->auth_key = tn_secret_strdup (config->auth_key);
  self->ephemeral = config->ephemeral;
  self->hostinfo = config->hostinfo != NULL ? tn_hostinfo_copy (config->hostinfo) : tn_hostinfo_new_for_system ();
  self->endpoints = g_array_new (FALSE, FALSE, sizeof (TnOwnEndpoint));
  self->mark = config->mark;
  self->proxy_resolver = config->proxy_resolver != NULL ? g_object_ref (config->proxy_resolver) : NULL;
  self->tls_database = config->tls_database != NULL ? g_object_ref (config->tls_database) : NULL;
  self->silence_max_us = config->silence_max_us > 0 ? config->silence_max_us : SILENCE_MAX_US;
  self->ping_after_us = config->ping_after_us > 0 ? config->ping_after_us : PING_AFTER_US;
  self->pong_max_us = config->pong_max_us > 0 ? config->pong_max_us : PONG_MAX_US;
  self->proof_max_us = config->proof_max_us > 0 ? config->proof_max_us : PROOF_MAX_US;
  self->request_max_us = config->request_max_us > 0 ? config->request_max_us : REQUEST_MAX_US;
  self->update_max_us = config->update_max_us > 0 ? config->update_max_us : UPDATE_MAX_US;
  self->question_max_us = config->question_max_us > 0 ? config->question_max_us : G_MAXINT64;
  self->register_body = g_byte_array_new ();
  self->map_buffer = g_byte_array_new ();
  self->changes = tn_netmap_changes_new ();
  self->waiters = g_array_new (FALSE, FALSE, sizeof (TnControlWaiter));
  self->questions = g_ptr_array_new ();
  self->requests = g_ptr_array_new ();
  return self;
}

TnControlClient *
tn_control_client_ref (TnControlClient *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
tear_down (TnControlClient *self)
{
  self->running = FALSE;
  for (guint i = 0; i < TN_N_RETRIES; i++)
    {
      clear_source (&self->retries[i].timer);
      self->retries[i].failures = 0;
    }
  clear_source (&self->logout_timer);
  self->logout_wanted = FALSE;
  tn_control_client_forget_timers (self);
  tn_control_client_stop_connecting (self);
  tn_control_client_stop_map (self);
  g_clear_pointer (&self->register_stream, tn_http2_stream_cancel);
  tn_control_client_stop_update (self);
  g_clear_pointer (&self->logout_stream, tn_http2_stream_cancel);
  tn_control_client_end_questions (self);
  tn_control_client_end_requests (self);
  tn_control_client_drop_connection (self);
  if (self->soup != NULL)
    soup_session_abort (self->soup);
  g_clear_object (&self->soup);
  tn_login_clear (&self->login);
  g_clear_pointer (&self->next_key, tn_secret_free);
  self->key_expired = FALSE;
  self->registered = FALSE;
  self->keys_saved = FALSE;
  self->last_dial_us = 0;
  self->map_refusals = 0;
  self->map_doubted = FALSE;
  self->map_good_us = 0;
  self->state = TN_CONTROL_STOPPED;
  g_clear_error (&self->error);
  g_clear_pointer (&self->last_ping_url, g_free);
  g_clear_pointer (&self->session_handle, g_free);
}

void
tn_control_client_unref (TnControlClient *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  tear_down (self);
  clear_source (&self->done_source);
  g_clear_error (&self->done_error);
  g_main_context_unref (self->context);
  tn_control_url_free (self->url);
  tn_secret_free (self->machine_key);
  tn_secret_free (self->node_key);
  tn_secret_str_free (self->auth_key);
  g_ptr_array_unref (self->questions);
  g_ptr_array_unref (self->requests);
  tn_hostinfo_free (self->hostinfo);
  g_array_unref (self->endpoints);
  g_clear_object (&self->proxy_resolver);
  g_clear_object (&self->tls_database);
  g_array_unref (self->waiters);
  g_byte_array_unref (self->register_body);
  g_byte_array_unref (self->map_buffer);
  g_clear_pointer (&self->netmap, tn_netmap_free);
  tn_netmap_changes_free (self->changes);
  g_free (self);
}

static SoupSession *
new_session (TnControlClient *self)
{
  g_autoptr (GProxyResolver) resolver = tn_proxy_resolver_for_host (self->proxy_resolver, self->url->host);
  SoupSession *session = soup_session_new_with_options ("timeout", OUTER_TIMEOUT_S, "user-agent", "tailnet/" TN_VERSION, NULL);

  if (self->tls_database != NULL)
    soup_session_set_tls_database (session, self->tls_database);
  soup_session_set_proxy_resolver (session, resolver);
  tn_socket_mark_session (session, self->mark);
  return session;
}

void
tn_control_client_start (TnControlClient *self)
{
  g_return_if_fail (!self->running);

  self->running = TRUE;
  self->soup = new_session (self);
  self->wanted_generation++;
  self->login.fresh_key = self->node_key_is_new;
  self->keys_saved = have_node_key (self) && !self->key_unsaved;
  self->key_known = !self->node_key_is_new;
  self->auth_key_refused = FALSE;
  self->logged_out = FALSE;
  tn_control_client_set_state (self, TN_CONTROL_CONNECTING, NULL);
  tn_control_client_advance (self);      /* connects while keys are saved */
  if (!self->running || self->keys_saved)
    return;
  if (have_node_key (self))
    save_keys (self);
  else
    tn_control_client_new_key (self);
}

void
tn_control_client_login (TnControlClient *self,
                         const char      *auth_key)
{
  /* A server that knows a key asks nobody to log in with it, and leaves its expiry as it is. */
  gboolean known = self->registered || self->key_expired || self->next_key != NULL;
  gboolean unsaved = self->state == TN_CONTROL_REFUSED && !self->keys_saved;

  g_return_if_fail (self->running);

  if (self->waiters->len > 0)
    return;
  if (auth_key != NULL)
    {
      tn_secret_str_free (self->auth_key);
      self->auth_key = *auth_key != '\0' ? tn_secret_strdup (auth_key) : NULL;
      self->auth_key_refused = FALSE;
      if (self->auth_key != NULL)
        self->key_known = FALSE;
    }
  g_clear_pointer (&self->register_stream, tn_http2_stream_cancel);
  tn_control_client_stop_map (self);
  tn_control_client_stop_update (self);
  tn_login_clear (&self->login);
  for (guint i = 0; i < TN_N_RETRIES; i++)
    tn_control_client_retry_reset (self, i);
  self->registered = FALSE;
  self->key_expired = FALSE;
  tn_control_client_set_state (self, TN_CONTROL_CONNECTING, NULL);
  if (!self->running)      /* somebody heard of it, and had enough */
    return;
  if (known)
    tn_control_client_new_key (self);
  else if (unsaved)
    save_keys (self);
  tn_control_client_advance (self);
}

void
tn_control_client_network_changed (TnControlClient *self)
{
  if (!self->running)
    return;
  g_debug ("control: the network changed");
  for (guint i = 0; i < TN_N_RETRIES; i++)
    if (!self->retries[i].told)      /* what a server asked for holds in any network */
      tn_control_client_retry_reset (self, i);
  self->last_dial_us = 0;
  self->dial_plan_failed = FALSE;      /* it may be good in this one */
  if (self->dial != NULL)
    tn_control_client_dial_anew (self);
  if (self->connection != NULL)
    tn_control_client_check_alive (self);
  tn_control_client_advance (self);
}

/* --- The end --- */

#define FORGOTTEN "the key is forgotten, but the control server "
#define UNREACHED "could not be told: there is no connection to it"

/* Who asks for a logout of a client that is just being stopped comes too late. */
static void
explain_logout (TnControlClient  *self,
                GError          **error)
{
  if (*error == NULL && !self->logged_out)
    g_set_error_literal (error, TN_ERROR, TN_ERROR_FAILED,
                         "the key is forgotten, but the control server was not told: the connection to it was being closed");
}

static gboolean
done_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  g_autoptr (GError) error = g_steal_pointer (&self->done_error);
  g_autoptr (GArray) waiters = g_steal_pointer (&self->waiters);

  explain_logout (self, &error);
  g_clear_pointer (&self->done_source, g_source_unref);
  self->waiters = g_array_new (FALSE, FALSE, sizeof (TnControlWaiter));
  for (guint i = 0; i < waiters->len; i++)
    {
      const TnControlWaiter *waiter = &g_array_index (waiters, TnControlWaiter, i);

      if (waiter->done != NULL)
        waiter->done (self, waiter->wants_error ? error : NULL, waiter->data);
    }
  return G_SOURCE_REMOVE;
}

void
tn_control_client_finish (TnControlClient *self,
                          const GError    *error)
{
  tear_down (self);
  g_clear_error (&self->done_error);
  self->done_error = error != NULL ? g_error_copy (error) : NULL;
  self->done_source = g_idle_source_new ();
  g_source_set_callback (self->done_source, done_cb, tn_control_client_ref (self), (GDestroyNotify) tn_control_client_unref);
  g_source_attach (self->done_source, self->context);
}

static gboolean
logout_timeout_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  g_autoptr (GError) error = self->logout_stream != NULL ? g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, FORGOTTEN "did not answer")
                                                         : g_error_new_literal (TN_ERROR, TN_ERROR_FAILED, FORGOTTEN UNREACHED);

  tn_control_client_finish (self, error);
  return G_SOURCE_REMOVE;
}

static gboolean
server_may_know (TnControlClient *self)
{
  return self->accepted || (self->key_known && have_node_key (self)) || (self->register_stream != NULL && self->login.auth_url == NULL);
}

/* Whoever asks while there is an end already waits for that one. */
static void
begin_end (TnControlClient   *self,
           gboolean           logout,
           TnControlDoneFunc  done,
           gpointer           user_data)
{
  const TnControlWaiter waiter = { done, user_data, logout };
  g_autoptr (GError) error = NULL;

  g_array_append_val (self->waiters, waiter);
  if (self->waiters->len > 1)
    return;
  if (!logout || !server_may_know (self))
    {
      if (logout)
        error = g_error_new_literal (TN_ERROR, TN_ERROR_FAILED, FORGOTTEN "was not told: it has not taken this node yet");
      tn_control_client_finish (self, error);
      return;
    }

  self->logout_wanted = TRUE;
  tn_control_client_stop_map (self);
  tn_control_client_stop_update (self);
  tn_control_client_retry_reset (self, TN_RETRY_CONNECT);
  self->logout_timer = g_timeout_source_new_seconds (5);
  g_source_set_callback (self->logout_timer, logout_timeout_cb, self, NULL);
  g_source_attach (self->logout_timer, self->context);
  tn_control_client_advance (self);
}

void
tn_control_client_logout (TnControlClient   *self,
                          TnControlDoneFunc  done,
                          gpointer           user_data)
{
  begin_end (self, TRUE, done, user_data);
}

void
tn_control_client_stop (TnControlClient   *self,
                        TnControlDoneFunc  done,
                        gpointer           user_data)
{
  begin_end (self, self->ephemeral && server_may_know (self) && self->connection != NULL, done, user_data);
}
