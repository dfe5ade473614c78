/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

#include <string.h>

#include "tn-error.h"

#define REGISTER_PATH    "/machine/register"
#define REGISTER_MAX_LEN (1 << 20)
#define LOGOUT_EXPIRY_US (123 * G_TIME_SPAN_SECOND)      /* any time that is long past */

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
      self->node_key_is_new = FALSE;
      self->login.fresh_key = FALSE;
      tn_control_client_stop_update (self);      /* it spoke for the registration before */
      tn_control_client_retry_reset (self, TN_RETRY_REGISTER);
      tn_control_client_retry_now (self, TN_RETRY_MAP);      /* where it fails for ever it does so ever more rarely */
      self->wanted_generation++;
      if (self->state == TN_CONTROL_NEEDS_LOGIN)
        tn_control_client_set_state (self, TN_CONTROL_CONNECTING, NULL);
      break;
    case TN_LOGIN_NEW_KEY:
      tn_control_client_new_key (self);
      break;
    case TN_LOGIN_FOLLOW:
      if (self->state == TN_CONTROL_NEEDS_LOGIN)      /* another URL instead of an answer */
        tn_control_client_retry_in (self, TN_RETRY_REGISTER, G_USEC_PER_SEC);
      else
        tn_control_client_retry_reset (self, TN_RETRY_REGISTER);
      tn_control_client_set_state (self, TN_CONTROL_NEEDS_LOGIN, NULL);
      break;
    case TN_LOGIN_FOLLOW_LATER:
      self->retries[TN_RETRY_REGISTER].failures++;
      tn_control_client_retry_in (self, TN_RETRY_REGISTER, G_USEC_PER_SEC);
      break;
    case TN_LOGIN_WAIT:
      tn_control_client_retry_in (self, TN_RETRY_REGISTER, self->login.wait_us);
      self->retries[TN_RETRY_REGISTER].told = TRUE;
      tn_control_client_set_state (self, self->state, error);
      break;
    case TN_LOGIN_RETRY:
      tn_control_client_retry (self, TN_RETRY_REGISTER, error);
      break;
    case TN_LOGIN_REFUSED:
      tn_control_client_set_state (self, TN_CONTROL_REFUSED, error);
      break;
    }
}

static void
register_data (TnHttp2Stream *stream,
               const guint8  *data,
               gsize          len,
               gpointer       user_data)
{
  TnControlClient *self = user_data;

  if (self->register_body->len + len <= REGISTER_MAX_LEN)
    g_byte_array_append (self->register_body, data, (guint) len);
}

/* A node that was there before registers without its auth key first: that key may be spent, and costs a server the time of a password. One
 * that has no time now is asked the same again, later. */
static gboolean
wants_auth_key (TnControlClient *self,
                TnLoginVerdict   verdict,
                guint            status)
{
  if (!self->key_known || self->auth_key == NULL)
    return FALSE;
  if (verdict == TN_LOGIN_RETRY)
    return status == SOUP_STATUS_UNAUTHORIZED || status == SOUP_STATUS_FORBIDDEN || status == SOUP_STATUS_NOT_FOUND;
  return verdict == TN_LOGIN_FOLLOW || verdict == TN_LOGIN_REFUSED;
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
  else
    {
      apply_verdict (self, verdict, problem);
    }
  tn_control_client_advance (self);
}

static const TnHttp2StreamHandler register_handler = { .data = register_data, .closed = register_closed };

static char *
write_request (TnControlClient *self,
               gint64           expiry_us)
{
  TnRegisterRequest request = {
    .old_node_key = self->old_node_key,
    .lock_key = self->lock_key,
    .auth_key = self->key_known ? NULL : self->auth_key,
    .followup = expiry_us == 0 ? self->login.auth_url : NULL,
    .hostinfo = self->hostinfo,
    .expiry_us = expiry_us,
    .ephemeral = self->ephemeral,
  };

  tn_node_private_key_get_public (self->node_key, &request.node_key);
  return tn_wire_register_request_write (&request);
}

void
tn_control_client_send_register (TnControlClient *self)
{
  g_byte_array_set_size (self->register_body, 0);
  self->register_stream = tn_control_client_post (self, REGISTER_PATH, write_request (self, 0), &register_handler);
  if (self->login.auth_url == NULL)
    tn_control_client_feed_watchdog (self);
  else
    tn_control_client_watch_idle (self);
}

/* --- Logging out --- */

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
  else
    {
      /* The key is spent: should this client start again, it makes another. */
      tn_node_private_key_clear (self->node_key);
      memset (&self->old_node_key, 0, sizeof self->old_node_key);
    }
  tn_control_client_finish (self, problem);
}

static const TnHttp2StreamHandler logout_handler = { .closed = logout_closed };

void
tn_control_client_send_logout (TnControlClient *self)
{
  g_clear_pointer (&self->register_stream, tn_http2_stream_cancel);
  self->logout_stream = tn_control_client_post (self, REGISTER_PATH, write_request (self, LOGOUT_EXPIRY_US), &logout_handler);
}
