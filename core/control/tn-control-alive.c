/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

#include "tn-boot-timer.h"
#include "tn-socket-stranded.h"

/* Whether the server is still there, asked by a PING of HTTP/2 (RFC 9113 §6.7). */

/* --- While a login waits for a person. That takes as long as it takes, and nothing else is said meanwhile --- */

static gboolean idle_cb (gpointer user_data);

static void
look_again (TnControlClient *self,
            gint64           now_us)
{
  tn_control_client_set_timer (self, &self->idle_timer, idle_cb, now_us + MIN (self->ping_after_us, self->pong_max_us));
}

/* Something came. */
static void
note_sign (TnControlClient *self,
           gint64           now_us)
{
  self->idle_received_us = tn_noise_connection_get_last_received_us (self->connection);
  self->idle_since_us = now_us;
  self->idle_asked = FALSE;
  look_again (self, now_us);
}

static void
ask (TnControlClient *self,
     gint64           now_us)
{
  tn_http2_ping (tn_noise_connection_get_http2 (self->connection));
  self->idle_asked = TRUE;
  self->idle_since_us = now_us;
  look_again (self, now_us);
}

static gboolean
idle_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  gint64 now_us = tn_boot_time_us ();
  gint64 waited_us = now_us - self->idle_since_us;

  if (self->register_stream == NULL || self->login.auth_url == NULL || self->connection == NULL)
    return G_SOURCE_CONTINUE;      /* it is over, and the timer rests */

  if (tn_noise_connection_get_last_received_us (self->connection) != self->idle_received_us)
    note_sign (self, now_us);
  else if (!self->idle_asked && waited_us >= self->ping_after_us)
    ask (self, now_us);
  else if (self->idle_asked && waited_us >= self->pong_max_us)
    tn_control_client_lose_connection (self, self->ping_after_us + self->pong_max_us);
  else
    look_again (self, now_us);
  return G_SOURCE_CONTINUE;
}

void
tn_control_client_watch_idle (TnControlClient *self)
{
  note_sign (self, tn_boot_time_us ());
}

/* --- In a new network --- */

static gboolean
proof_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);

  if (self->connection != NULL && self->connection_serial == self->proof_serial &&
      tn_noise_connection_get_last_received_us (self->connection) == self->proof_received_us)
    tn_control_client_lose_connection (self, self->proof_max_us);
  return G_SOURCE_CONTINUE;
}

/* The address that it was made from has gone from this machine: no answer can come. */
static gboolean
is_stranded (TnControlClient *self)
{
  g_autoptr (GIOStream) stream = g_object_ref (tn_noise_connection_get_stream (self->connection));

  if (G_IS_TLS_CONNECTION (stream))
    {
      GIOStream *base = NULL;

      g_object_get (stream, "base-io-stream", &base, NULL);
      g_object_unref (stream);
      stream = base;
    }
  return G_IS_SOCKET_CONNECTION (stream) && tn_socket_is_stranded (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)));
}

void
tn_control_client_check_alive (TnControlClient *self)
{
  if (is_stranded (self))
    {
      g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_NETWORK_UNREACHABLE,
                                              "the address from which control server %s was reached is gone", self->url->authority);

      tn_control_client_drop_connection (self);
      tn_control_client_show_error (self, TN_RETRY_CONNECT, error);
      return;
    }
  self->proof_serial = self->connection_serial;
  self->proof_received_us = tn_noise_connection_get_last_received_us (self->connection);
  tn_http2_ping (tn_noise_connection_get_http2 (self->connection));
  tn_control_client_set_timer (self, &self->proof_timer, proof_cb, tn_boot_time_us () + self->proof_max_us);
}
