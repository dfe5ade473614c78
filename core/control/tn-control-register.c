/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

#include <string.h>

#include "tn-boot-timer.h"
#include "tn-error.h"
#include "tn-shown.h"

#define REGISTER_PATH    "/machine/register"
#define REGISTER_MAX_LEN (1 << 20)
#define FOLLOW_MIN_US    G_USEC_PER_SEC
#define FOLLOW_HELD_US   (10 * G_USEC_PER_SEC)
#define LOGOUT_EXPIRY_US (123 * G_TIME_SPAN_SECOND)      /* any time that is long past */

/* One that makes up URLs as fast as it is asked is asked ever more rarely; one that waits for a person as it should is not to blame. */
static void
follow_later (TnControlClient *self)
{
  TnRetry *retry = &self->retries[TN_RETRY_REGISTER];

  if (tn_boot_time_us () - self->register_sent_us >= FOLLOW_HELD_US)
    retry->failures = 0;
  retry->failures++;
  tn_control_client_retry_in (self, TN_RETRY_REGISTER, MAX (FOLLOW_MIN_US, tn_control_backoff_us (retry->failures, g_random_double ())));
}

static void
apply_verdict (TnControlClient *self,
               TnLoginVerdict   verdict,
               const GError    *error)
{
  switch (verdict)
    {
    case TN_LOGIN_DONE:
      self->registered = TRUE;
      self->key_known = TRUE;
      self->accepted = TRUE;
      self->node_key_is_new = FALSE;
      self->login.fresh_key = FALSE;
      tn_control_client_stop_update (self);      /* it spoke for the registration before */
      tn_control_client_retry_reset (self, TN_RETRY_REGISTER);
      tn_control_client_retry_now (self, TN_RETRY_MAP);      /* where it fails for ever it does so ever more rarely */
      self->wanted_generation++;
      g_clear_pointer (&self->session_handle, g_free);      /* what was said to another registration is not gone on with */
      if (self->next_key != NULL)
        tn_control_client_adopt_key (self);
      if (self->state == TN_CONTROL_NEEDS_LOGIN)
        tn_control_client_set_state (self, TN_CONTROL_CONNECTING, NULL);
      break;
    case TN_LOGIN_NEW_KEY:
      tn_control_client_new_key (self);
      break;
    case TN_LOGIN_FOLLOW:
      if (self->state == TN_CONTROL_NEEDS_LOGIN)      /* another URL instead of an answer */
        follow_later (self);
      else
        tn_control_client_retry_reset (self, TN_RETRY_REGISTER);
      tn_control_client_set_state (self, TN_CONTROL_NEEDS_LOGIN, NULL);
      break;
    case TN_LOGIN_FOLLOW_LATER:
      follow_later (self);
      break;
    case TN_LOGIN_WAIT:
      tn_control_client_retry_in (self, TN_RETRY_REGISTER, self->login.wait_us);
      self->retries[TN_RETRY_REGISTER].told = TRUE;
      tn_control_client_show_error (self, TN_RETRY_REGISTER, error);
      break;
    case TN_LOGIN_RETRY:
      tn_control_client_retry (self, TN_RETRY_REGISTER, error);
      break;
    case TN_LOGIN_REFUSED:
      tn_control_client_keep_key (self);
      if (self->accepted || (self->key_known && self->auth_key == NULL))      /* the server's trouble, for all we know */
        tn_control_client_retry (self, TN_RETRY_REGISTER, error);
      else
        tn_control_client_set_state (self, TN_CONTROL_REFUSED, error);
      break;
    }
}

/* All of it or nothing: with a hole in it, it would be another answer. */
static gboolean
take_body (TnControlClient  *self,
           const guint8     *data,
           gsize             len,
           GError          **error)
{
  if (len > REGISTER_MAX_LEN - self->register_body->len)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "register answer of the control server is longer than %d bytes", REGISTER_MAX_LEN);
      return FALSE;
    }
  g_byte_array_append (self->register_body, data, (guint) len);
  return TRUE;
}

static void
register_data (TnHttp2Stream *stream,
               const guint8  *data,
               gsize          len,
               gpointer       user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  g_autoptr (GError) error = NULL;

  if (take_body (self, data, len, &error))
    return;
  g_clear_pointer (&self->register_stream, tn_http2_stream_cancel);
  if (self->map_stream == NULL)
    tn_control_client_stop_watchdog (self);
  tn_control_client_retry (self, TN_RETRY_REGISTER, error);
}

/* A node that was there before registers without its auth key first: that key may be spent, and costs a server the time of a password. One
 * that has no time now is asked the same again, later. */
static gboolean
wants_auth_key (TnControlClient *self,
                TnLoginVerdict   verdict,
                guint            status)
{
  if (!self->key_known || self->auth_key == NULL || self->auth_key_refused)
    return FALSE;
  if (verdict == TN_LOGIN_RETRY)
    return status == SOUP_STATUS_UNAUTHORIZED || status == SOUP_STATUS_FORBIDDEN || status == SOUP_STATUS_NOT_FOUND;
  return verdict == TN_LOGIN_FOLLOW || verdict == TN_LOGIN_REFUSED;
}

/* Nobody can log in there. */
static TnLoginVerdict
refuse_page (TnControlClient  *self,
             GError          **error)
{
  g_autofree char *shown = tn_shown (self->login.auth_url, 200);

  g_clear_error (error);
  g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "control server wants a login at “%s”, which is no page of the web", shown);
  tn_login_clear (&self->login);
  return TN_LOGIN_RETRY;
}

/* A key that let this node in once may be spent by now. Without, there is a URL at least, as there is for stock nodes. */
static gboolean
can_do_without_auth_key (TnControlClient *self,
                         TnLoginVerdict   verdict)
{
  return self->accepted && verdict == TN_LOGIN_REFUSED && !self->key_known && self->auth_key != NULL && !self->auth_key_refused;
}

static void
register_closed (TnHttp2Stream *stream,
                 const GError  *error,
                 gpointer       user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  g_autoptr (GError) problem = NULL;
  TnLoginVerdict verdict;

  self->register_stream = NULL;
  if (self->map_stream == NULL)
    tn_control_client_stop_watchdog (self);
  if (error != NULL)
    {
      /* When all of the connection is gone, that says so itself. */
      if (self->connection != NULL && tn_noise_connection_is_open (self->connection))
        tn_control_client_retry (self, TN_RETRY_REGISTER, error);
      return;
    }
  verdict = tn_login_evaluate (&self->login, tn_http2_stream_get_status (stream), tn_http2_stream_get_header (stream, "retry-after"),
                               (const char *) self->register_body->data, self->register_body->len, g_get_real_time (), &problem);
  if (wants_auth_key (self, verdict, tn_http2_stream_get_status (stream)))
    {
      self->key_known = FALSE;
      tn_login_clear (&self->login);
    }
  else if (can_do_without_auth_key (self, verdict))
    {
      g_message ("control: %s; without the auth key, then", problem->message);
      self->auth_key_refused = TRUE;
      tn_login_clear (&self->login);
    }
  else
    {
      if (self->login.auth_url != NULL && !tn_control_url_may_show (self->url, self->login.auth_url))
        verdict = refuse_page (self, &problem);
      apply_verdict (self, verdict, problem);
    }
  tn_control_client_advance (self);
}

static const TnHttp2StreamHandler register_handler = { .data = register_data, .closed = register_closed };

static char *
write_request (TnControlClient *self,
               gint64           expiry_us)
{
  gboolean replaces = self->next_key != NULL && expiry_us == 0;
  TnRegisterRequest request = {
    .old_node_key = self->old_node_key,
    .lock_key = self->lock_key,
    .auth_key = self->key_known || self->auth_key_refused ? NULL : self->auth_key,
    .followup = expiry_us == 0 ? self->login.auth_url : NULL,
    .hostinfo = self->hostinfo,
    .expiry_us = expiry_us,
    .ephemeral = self->ephemeral,
  };

  tn_node_private_key_get_public (replaces ? self->next_key : self->node_key, &request.node_key);
  if (replaces)
    tn_node_private_key_get_public (self->node_key, &request.old_node_key);
  return tn_wire_register_request_write (&request);
}

void
tn_control_client_send_register (TnControlClient *self)
{
  g_byte_array_set_size (self->register_body, 0);
  self->register_sent_us = tn_boot_time_us ();
  self->register_stream = tn_control_client_post (self, REGISTER_PATH, write_request (self, 0), &register_handler);
  if (self->login.auth_url == NULL)
    tn_control_client_feed_watchdog (self);
  else
    tn_control_client_watch_idle (self);
}

/* --- Logging out --- */

static void
logout_data (TnHttp2Stream *stream,
             const guint8  *data,
             gsize          len,
             gpointer       user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  g_autoptr (GError) error = NULL;

  if (take_body (self, data, len, &error))
    return;
  g_prefix_error (&error, "cannot log out: ");
  tn_control_client_finish (self, error);
}

static void
logout_closed (TnHttp2Stream *stream,
               const GError  *error,
               gpointer       user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  guint status = tn_http2_stream_get_status (stream);
  g_autoptr (GError) problem = NULL;

  self->logout_stream = NULL;
  if (error != NULL)
    {
      problem = g_error_copy (error);
      g_prefix_error (&problem, "cannot log out: ");
    }
  else if (status != 200)
    {
      problem = g_error_new (TN_ERROR, TN_ERROR_CONTROL, "cannot log out: control server answered with status %u", status);
    }
  else if (!tn_login_check_logout ((const char *) self->register_body->data, self->register_body->len, &problem))
    {
      g_prefix_error (&problem, "cannot log out: ");
    }
  else
    {
      /* The key is spent: should this client start again, it makes another. */
      self->logged_out = TRUE;
      self->accepted = FALSE;
      tn_node_private_key_clear (self->node_key);
      memset (&self->old_node_key, 0, sizeof self->old_node_key);
    }
  tn_control_client_finish (self, problem);
}

static const TnHttp2StreamHandler logout_handler = { .data = logout_data, .closed = logout_closed };

void
tn_control_client_send_logout (TnControlClient *self)
{
  g_clear_pointer (&self->register_stream, tn_http2_stream_cancel);
  g_byte_array_set_size (self->register_body, 0);
  self->logout_stream = tn_control_client_post (self, REGISTER_PATH, write_request (self, LOGOUT_EXPIRY_US), &logout_handler);
}
