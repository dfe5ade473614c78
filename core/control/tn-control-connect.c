/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

#include <string.h>

#include "tn-boot-timer.h"
#include "tn-certificate-text.h"
#include "tn-error.h"
#include "tn-secret.h"
#include "tn-shown.h"
#include "tn-soup.h"

/* Key fetch, dial, and the connection until it is lost. */

enum
{
  KEY_MAX_LEN = 16 << 10,
  YOUNG_US = 2 * 1000 * 1000,          /* a dial of this age has had no time to succeed: some round trips */
  SKIP_PLAIN_S = 120,                  /* after a dial so short ago, plain HTTP is no help */
};

/* --- The control key --- */

void
tn_control_client_stop_connecting (TnControlClient *self)
{
  if (self->key_fetch != NULL)
    g_cancellable_cancel (self->key_fetch);
  g_clear_object (&self->key_fetch);
  g_clear_pointer (&self->dial, tn_control_dial_free);
  if (self->dial_timer != NULL)
    tn_boot_timer_set (self->dial_timer, G_MAXINT64);
}

static gboolean
dial_aged_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);

  tn_control_client_stop_connecting (self);
  tn_control_client_advance (self);
  return G_SOURCE_CONTINUE;
}

/* A network that settles tells so several times, and each time would be the end of a dial that may have begun in the right one. */
void
tn_control_client_dial_anew (TnControlClient *self)
{
  gint64 aged_us = self->dial_begin_us + YOUNG_US;

  if (tn_boot_time_us () < aged_us)
    tn_control_client_set_timer (self, &self->dial_timer, dial_aged_cb, aged_us);
  else
    tn_control_client_stop_connecting (self);
}

static void
key_failed (TnControlClient *self,
            GError          *error)
{
  g_prefix_error (&error, "cannot fetch the key of control server %s: ", self->url->text);
  tn_control_client_stop_connecting (self);
  tn_control_client_retry (self, TN_RETRY_CONNECT, error);
  g_error_free (error);
}

typedef struct
{
  TnControlClient *client;         /* a reference */
  GCancellable    *cancellable;
  char            *astray;         /* nullable: where it was to go on without protection */
  char             body[KEY_MAX_LEN + 1];
} KeyFetch;

static void
key_fetch_free (KeyFetch *fetch)
{
  tn_control_client_unref (fetch->client);
  g_object_unref (fetch->cancellable);
  g_free (fetch->astray);
  g_free (fetch);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (KeyFetch, key_fetch_free)

/* TRUE: it is over, and somebody may have begun another. */
static gboolean
key_fetch_is_stale (KeyFetch *fetch)
{
  return fetch->client->key_fetch != fetch->cancellable || fetch->client->dial == NULL;
}

static void
key_read_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (KeyFetch) fetch = user_data;
  TnControlClient *self = fetch->client;
  GError *error = NULL;
  gsize len = 0;

  g_input_stream_read_all_finish (G_INPUT_STREAM (object), result, &len, &error);
  if (key_fetch_is_stale (fetch))
    {
      g_clear_error (&error);
      return;
    }
  g_clear_object (&self->key_fetch);
  if (error == NULL && len > KEY_MAX_LEN)
    error = g_error_new (TN_ERROR, TN_ERROR_MALFORMED, "answer of more than %d bytes", KEY_MAX_LEN);
  if (error != NULL || !tn_wire_control_key_parse (fetch->body, len, &self->control_key, &error))
    {
      key_failed (self, error);
      return;
    }
  self->have_control_key = TRUE;
  tn_control_dial_set_key (self->dial, &self->control_key);
}

/* GIO says that it is unacceptable; why, and whose it is, is what helps. */
static void
explain_certificate (TnControlClient  *self,
                     SoupMessage      *message,
                     GError          **error)
{
  GTlsCertificateFlags problems = message != NULL ? soup_message_get_tls_peer_certificate_errors (message) : 0;
  g_autofree char *text = NULL;

  if (!g_error_matches (*error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE) || problems == 0)
    return;
  text = tn_certificate_dup_problems (problems);
  g_clear_error (error);
  *error = g_error_new (G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, "certificate for %s is %s", self->url->host, text);
}

/* Sent on to another address, which is not asked yet. */
static void
restarted_cb (SoupMessage *message,
              KeyFetch    *fetch)
{
  GUri *uri = soup_message_get_uri (message);

  if (tn_control_url_may_lead_to (fetch->client->url, uri))
    return;
  fetch->astray = g_uri_to_string_partial (uri, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY);
  g_cancellable_cancel (fetch->cancellable);
}

/* The key is what everything else is trusted by, the auth key included. */
static void
explain_astray (KeyFetch  *fetch,
                GError   **error)
{
  g_autofree char *shown = NULL;

  if (fetch->astray == NULL || *error == NULL)
    return;
  shown = tn_shown (fetch->astray, 200);
  g_clear_error (error);
  *error = g_error_new (TN_ERROR, TN_ERROR_BLOCKED, "sent on to %s, where anyone on the way could hand out another", shown);
}

static void
key_cb (GObject      *object,
        GAsyncResult *result,
        gpointer      user_data)
{
  g_autoptr (KeyFetch) fetch = user_data;
  TnControlClient *self = fetch->client;
  GError *error = NULL;
  g_autoptr (GInputStream) stream = soup_session_send_finish (SOUP_SESSION (object), result, &error);
  SoupMessage *message = soup_session_get_async_result_message (SOUP_SESSION (object), result);
  guint status = message != NULL ? soup_message_get_status (message) : 0;
  const char *retry_after = message != NULL
    ? soup_message_headers_get_one (soup_message_get_response_headers (message), "Retry-After") : NULL;

  if (key_fetch_is_stale (fetch))
    {
      g_clear_error (&error);
      return;
    }
  if (error == NULL && tn_login_asks_to_wait (status, retry_after))
    {
      tn_control_client_stop_connecting (self);
      tn_control_client_retry_when_told (self, TN_RETRY_CONNECT, retry_after);
      return;
    }
  if (error == NULL && status != SOUP_STATUS_OK)
    error = g_error_new (TN_ERROR, TN_ERROR_CONTROL, "status %u", status);
  if (error != NULL)
    {
      tn_soup_explain (message, &error);
      explain_certificate (self, message, &error);
      explain_astray (fetch, &error);
      key_failed (self, error);
      return;
    }
  g_input_stream_read_all_async (stream, fetch->body, sizeof fetch->body, G_PRIORITY_DEFAULT, fetch->cancellable, key_read_cb, fetch);
  fetch = NULL;
}

static void
fetch_key (TnControlClient *self)
{
  g_autofree char *uri = g_strdup_printf ("%s/key?v=%d", self->url->text, TN_CAPABILITY_VERSION);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", uri);
  g_autoptr (GError) error = NULL;
  KeyFetch *fetch;

  if (message == NULL)
    {
      error = g_error_new (TN_ERROR, TN_ERROR_MALFORMED, "not a URL: \"%s\"", uri);
      key_failed (self, g_steal_pointer (&error));
      return;
    }
  self->key_fetch = g_cancellable_new ();
  fetch = g_new (KeyFetch, 1);
  fetch->astray = NULL;
  fetch->client = tn_control_client_ref (self);
  fetch->cancellable = g_object_ref (self->key_fetch);
  tn_soup_limit_interim (message, fetch->cancellable);
  g_signal_connect (message, "restarted", G_CALLBACK (restarted_cb), fetch);
  soup_session_send_async (self->soup, message, G_PRIORITY_DEFAULT, fetch->cancellable, key_cb, fetch);
}

/* --- The connection --- */

static void
drop (TnNoiseConnection **slot)
{
  TnNoiseConnection *connection = g_steal_pointer (slot);

  if (connection == NULL)
    return;
  tn_noise_connection_close (connection);
  tn_noise_connection_unref (connection);
}

void
tn_control_client_drop_connection (TnControlClient *self)
{
  drop (&self->connection);
  drop (&self->leaving);
}

static gboolean
leave_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);

  drop (&self->leaving);
  tn_control_client_advance (self);
  return G_SOURCE_CONTINUE;
}

/* A server that is to be replaced says so, and takes no more requests (GOAWAY). What it still answers comes on the old connection; the
 * streams that never end go on there until there is a new one. */
static void
connection_retired (TnNoiseConnection *connection,
                    gpointer           user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  TnNoiseConnection *before;

  if (connection != self->connection)
    return;
  before = g_steal_pointer (&self->leaving);
  self->leaving = g_steal_pointer (&self->connection);
  tn_control_client_set_timer (self, &self->leave_timer, leave_cb, tn_boot_time_us () + self->request_max_us);
  tn_control_client_retry_soon (self, TN_RETRY_CONNECT);
  drop (&before);
}

/* To the connection that has just been made. */
static void
move (TnControlClient *self)
{
  if (self->map_stream != NULL)
    tn_control_client_stop_map (self);
  if (self->login.auth_url != NULL)      /* it waits for a person, not for the server */
    g_clear_pointer (&self->register_stream, tn_http2_stream_cancel);
  tn_control_client_send_requests (self);
}

static void
connection_closed (TnNoiseConnection *connection,
                   const GError      *error,
                   gpointer           user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  g_autoptr (GError) shown = g_error_copy (error);

  if (connection == self->leaving)
    {
      g_clear_pointer (&self->leaving, tn_noise_connection_unref);
      tn_control_client_advance (self);
      return;
    }
  g_prefix_error (&shown, "connection to control server %s lost: ", self->url->authority);
  g_clear_pointer (&self->connection, tn_noise_connection_unref);
  tn_control_client_retry (self, TN_RETRY_CONNECT, shown);
  tn_control_client_advance (self);
}

static const TnNoiseConnectionHandler connection_handler = { .retired = connection_retired, .closed = connection_closed };

static void
dial_cb (TnControlDialed *dialed,
         const GError    *error,
         gpointer         user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  g_autoptr (TnControlDialed) result = dialed;

  tn_control_client_stop_connecting (self);
  if (error != NULL)
    {
      /* A server with a new key looks just like one that hangs up. One that cannot be reached keeps its key. */
      if (error->domain == TN_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
        self->have_control_key = FALSE;
      tn_control_client_retry (self, TN_RETRY_CONNECT, error);
      return;
    }
  if (result->by_name && self->dial_plan.n_candidates > 0 && !self->dial_plan_failed)
    {
      g_info ("control: nobody answers where the server's plan says; it is left out from now on");
      self->dial_plan_failed = TRUE;
    }
  self->connection_serial++;
  self->connection = tn_noise_connection_new_client (result->stream, &result->session, result->early->data, result->early->len,
                                                     &connection_handler, self);
  /* A login may wait for a person for ever, and no map comes that would say that all is well. */
  if (self->state == TN_CONTROL_NEEDS_LOGIN && self->error != NULL && self->error_kind == TN_RETRY_CONNECT)
    tn_control_client_set_state (self, TN_CONTROL_NEEDS_LOGIN, NULL);
  if (self->connection == NULL)      /* somebody heard of it, and had enough */
    return;
  move (self);
  tn_control_client_advance (self);
}

void
tn_control_client_connect (TnControlClient *self)
{
  static const TnDialPlan no_plan;
  gint64 now_us = g_get_monotonic_time ();
  /* A server whose address says http may have nothing else. */
  gboolean skip_plain = self->url->tls && self->last_dial_us != 0 && now_us - self->last_dial_us < (gint64) SKIP_PLAIN_S * G_USEC_PER_SEC;

  self->last_dial_us = now_us;
  self->dial_begin_us = tn_boot_time_us ();
  self->dial = tn_control_dial_new (self->url, self->machine_key, TN_CAPABILITY_VERSION, skip_plain,
                                    self->dial_plan_failed ? &no_plan : &self->dial_plan, self->proxy_resolver, self->mark, dial_cb, self);
  if (self->have_control_key)
    tn_control_dial_set_key (self->dial, &self->control_key);
  else
    fetch_key (self);
}

TnHttp2Stream *
tn_control_client_post (TnControlClient            *self,
                        const char                 *path,
                        char                       *body,
                        const TnHttp2StreamHandler *handler)
{
  g_autoptr (GBytes) bytes = tn_secret_bytes_new_take (body, strlen (body));      /* there may be an auth key in it */

  return tn_http2_request (tn_noise_connection_get_http2 (self->connection), "POST", self->url->authority, path, NULL, bytes, handler, self);
}
