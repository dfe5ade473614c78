/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

#include <string.h>

#include "tn-boot-timer.h"
#include "tn-error.h"

#define MAP_PATH "/machine/map"

enum
{
  FRAME_MAX_LEN = TN_CONTROL_MAP_FRAME_MAX,
  REFUSALS_BEFORE_REGISTER = 3,
  ERROR_TEXT_MAX = 200,
};

/* --- Timers --- */

/* Set anew all the time, so it stays, and only its deadline moves. */
void
tn_control_client_set_timer (TnControlClient  *self,
                             GSource         **timer,
                             GSourceFunc       callback,
                             gint64            deadline_us)
{
  if (*timer == NULL)
    {
      *timer = tn_boot_timer_source_new ();
      g_source_set_callback (*timer, callback, self, NULL);
      g_source_attach (*timer, self->context);
    }
  tn_boot_timer_set (*timer, deadline_us);
}

static void
clear_timer (GSource **timer)
{
  if (*timer != NULL)
    g_source_destroy (*timer);
  g_clear_pointer (timer, g_source_unref);
}

void
tn_control_client_forget_timers (TnControlClient *self)
{
  clear_timer (&self->watchdog);
  clear_timer (&self->expiry_timer);
  clear_timer (&self->idle_timer);
  clear_timer (&self->proof_timer);
  clear_timer (&self->sleep_timer);
  clear_timer (&self->leave_timer);
  clear_timer (&self->dial_timer);
  clear_timer (&self->update_timer);
}

void
tn_control_client_lose_connection (TnControlClient *self,
                                   gint64           silence_us)
{
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "control server %s silent for %d s", self->url->authority,
                                          (int) (silence_us / G_USEC_PER_SEC));

  tn_control_client_retry (self, TN_RETRY_CONNECT, error);      /* first: what ends with the connection would make another at once */
  tn_control_client_drop_connection (self);
  tn_control_client_advance (self);
}

static gboolean
watchdog_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);

  tn_control_client_lose_connection (self, self->silence_max_us);
  return G_SOURCE_CONTINUE;
}

void
tn_control_client_feed_watchdog (TnControlClient *self)
{
  tn_control_client_set_timer (self, &self->watchdog, watchdog_cb, tn_boot_time_us () + self->silence_max_us);
}

void
tn_control_client_stop_watchdog (TnControlClient *self)
{
  if (self->watchdog != NULL)
    tn_boot_timer_set (self->watchdog, G_MAXINT64);
}

/* --- Messages --- */

static void show_state (TnControlClient *self, const GError *error);

static gboolean
has_state (TnControlClient *self)
{
  return self->running && self->registered && self->netmap != NULL && self->netmap->self != NULL && self->state != TN_CONTROL_REFUSED;
}

void
tn_control_client_clock_changed (TnControlClient *self)
{
  g_autoptr (GError) error = self->error != NULL ? g_error_copy (self->error) : NULL;

  if (has_state (self))
    show_state (self, error);
}

/* No message says so when the time has come. */
static gboolean
expiry_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);

  tn_control_client_clock_changed (self);
  return G_SOURCE_CONTINUE;
}

static void
show_state (TnControlClient *self,
            const GError    *error)      /* nullable: what is wrong besides */
{
  const TnNetmapNode *node = self->netmap->self;
  gint64 boot_us = tn_boot_time_us ();
  gint64 now_us = tn_netmap_control_now (self->netmap, g_get_real_time (), boot_us);
  gboolean was_expired = self->key_expired;

  if (node->key_expiry_us > now_us)
    tn_control_client_set_timer (self, &self->expiry_timer, expiry_cb, boot_us + (node->key_expiry_us - now_us));
  else if (self->expiry_timer != NULL)
    tn_boot_timer_set (self->expiry_timer, G_MAXINT64);

  self->key_expired = node->key_expiry_us != 0 && node->key_expiry_us <= now_us;
  if (!self->key_expired)
    tn_control_client_set_state (self, node->machine_authorized ? TN_CONTROL_RUNNING : TN_CONTROL_NEEDS_APPROVAL, error);
  else if (!was_expired || self->error != NULL || self->state != TN_CONTROL_NEEDS_LOGIN)
    tn_control_client_set_state (self, TN_CONTROL_NEEDS_LOGIN, error);
}

/* The map of the stream before stays in use until this one has its first message. */
static void
adopt_netmap (TnControlClient    *self,
              const TnMapMessage *message)
{
  if (message->seq != 0)
    self->session_seq = message->seq;
  if (self->next_netmap == NULL)
    return;
  g_free (self->session_handle);
  self->session_handle = g_strdup (message->session_handle);
  self->session_seq = message->seq;
  tn_netmap_follow (self->next_netmap, self->netmap, self->changes);
  g_clear_pointer (&self->netmap, tn_netmap_free);
  self->netmap = g_steal_pointer (&self->next_netmap);
}

/* The server goes on with the map of the stream before. One that tells all of a map begins anew, whatever it calls the session: what it
 * does not name is gone. */
static gboolean
is_resumed (TnControlClient    *self,
            const TnMapMessage *message)
{
  if (message->fields.text[MAP_NODE].text != NULL && tn_map_fields_have_peers (&message->fields))
    return FALSE;
  return self->next_netmap != NULL && self->netmap != NULL && self->session_handle != NULL && message->session_handle != NULL &&
         g_str_equal (self->session_handle, message->session_handle);
}

/* The one that led nowhere is no better for being said once more. */
static void
take_dial_plan (TnControlClient *self,
                TnJsonText       object)
{
  TnDialPlan plan;

  tn_dial_plan_read (&plan, object);
  if (tn_dial_plan_equal (&plan, &self->dial_plan))
    return;
  self->dial_plan = plan;
  self->dial_plan_failed = FALSE;
}

/* What is for the client itself. The client may have been stopped on return. */
static void
heed (TnControlClient    *self,
      const TnMapMessage *message)
{
  if (message->fields.text[MAP_DIAL_PLAN].text != NULL)
    take_dial_plan (self, message->fields.text[MAP_DIAL_PLAN]);
  if (message->ping_url != NULL)
    tn_control_client_answer_ping (self, message);
  if (message->pop_browser_url != NULL && g_strcmp0 (message->pop_browser_url, self->open_url) != 0 &&
      tn_control_url_may_show (self->url, message->pop_browser_url))
    {
      g_free (self->open_url);
      self->open_url = g_strdup (message->pop_browser_url);
      tn_control_client_announce (self);
    }
}

/* FALSE: the stream is over. The client may have been stopped on return. */
static gboolean
handle_message (TnControlClient     *self,
                const TnMapMessage  *message,
                GError             **error)
{
  gint64 now_us = g_get_real_time ();
  guint serial = self->map_serial;
  TnNetmap *netmap;

  if (is_resumed (self, message))
    g_clear_pointer (&self->next_netmap, tn_netmap_free);
  netmap = self->next_netmap != NULL ? self->next_netmap : self->netmap;
  tn_netmap_changes_clear (self->changes);
  if (!tn_netmap_apply (netmap, message, now_us, self->changes, error))
    {
      g_clear_pointer (&self->session_handle, g_free);
      return FALSE;
    }
  if (netmap->control_time_at_us == now_us)
    netmap->control_time_boot_us = tn_boot_time_us ();
  if (self->map_good_us == 0)
    self->map_good_us = tn_boot_time_us ();
  if (!message->keep_alive)
    adopt_netmap (self, message);
  /* Told first: what it wants besides may end the stream, and the map has changed all the same. */
  if (self->handler->netmap != NULL && !tn_netmap_changes_is_empty (self->changes))
    self->handler->netmap (self, self->netmap, self->changes, self->user_data);
  if (self->map_serial == serial)
    heed (self, message);
  if (self->map_serial == serial && !message->keep_alive)
    show_state (self, NULL);
  return TRUE;
}

static gboolean handle_frames (TnControlClient *self, gboolean slept, GError **error);

static void
end_map (TnControlClient *self,
         const GError    *error)
{
  tn_control_client_stop_map (self);
  tn_control_client_retry (self, TN_RETRY_MAP, error);
}

/* The time that we take for what the server said is no silence of its own. */
static void
process (TnControlClient *self,
         gboolean         slept)
{
  g_autoptr (GError) error = NULL;

  if (!handle_frames (self, slept, &error))
    end_map (self, error);
  else if (self->map_stream != NULL && self->sleep_timer == NULL)
    tn_control_client_feed_watchdog (self);
}

static gboolean
slept_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);

  clear_timer (&self->sleep_timer);
  process (self, TRUE);
  return G_SOURCE_REMOVE;
}

/* The server spreads the work of many nodes over time. Its silence meanwhile is no fault of it. */
static void
sleep_for (TnControlClient *self,
           gint64           sleep_us)
{
  g_debug ("control: map waits for %d ms, as the server wants", (int) (sleep_us / 1000));
  tn_control_client_stop_watchdog (self);
  tn_control_client_set_timer (self, &self->sleep_timer, slept_cb, tn_boot_time_us () + sleep_us);
}

/* TRUE, or FALSE and the stream is over. Unless it has @slept already, a message may want to wait first. */
static gboolean
handle_text (TnControlClient  *self,
             const char       *json,
             gsize             len,
             gboolean          slept,
             GError          **error)
{
  g_auto (TnMapMessage) message = { 0 };

  if (!tn_map_message_read (&message, json, len, error))
    return FALSE;
  if (message.sleep_us > 0 && !slept)
    {
      sleep_for (self, message.sleep_us);
      return TRUE;
    }
  return handle_message (self, &message, error);
}

static gboolean
handle_frames (TnControlClient  *self,
               gboolean          slept,
               GError          **error)
{
  guint serial = self->map_serial;
  gsize pos = 0;

  /* The stream is another one, or none, once a callback has stopped or restarted the client. */
  while (self->map_serial == serial && self->map_buffer->len > pos)
    {
      const char *json;
      gsize len, frame_len;

      if (!tn_map_frame_read (self->map_buffer->data + pos, self->map_buffer->len - pos, FRAME_MAX_LEN, &json, &len, &frame_len, error) ||
          (json != NULL && !handle_text (self, json, len, slept, error)))
        {
          g_prefix_error (error, "map stream: ");
          return FALSE;
        }
      if (json == NULL || self->sleep_timer != NULL)
        break;
      slept = FALSE;
      pos += frame_len;
    }
  if (self->map_serial != serial)
    return TRUE;

  if (pos == self->map_buffer->len)
    {
      /* A big first message should not stay allocated. */
      g_byte_array_unref (self->map_buffer);
      self->map_buffer = g_byte_array_new ();
    }
  else if (pos > 0)
    g_byte_array_remove_range (self->map_buffer, 0, (guint) pos);
  return TRUE;
}

/* --- The stream --- */

static void
map_headers (TnHttp2Stream *stream,
             gpointer       user_data)
{
  TnControlClient *self = user_data;

  tn_control_client_feed_watchdog (self);
  if (tn_http2_stream_get_status (stream) == 200)
    self->map_refusals = 0;
}

static void
map_data (TnHttp2Stream *stream,
          const guint8  *data,
          gsize          len,
          gpointer       user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  gboolean asleep = self->sleep_timer != NULL;

  if (!asleep)
    tn_control_client_feed_watchdog (self);
  if (tn_http2_stream_get_status (stream) != 200)
    {
      if (self->map_buffer->len < ERROR_TEXT_MAX)
        g_byte_array_append (self->map_buffer, data, (guint) MIN (len, ERROR_TEXT_MAX - self->map_buffer->len));
      return;
    }
  g_byte_array_append (self->map_buffer, data, (guint) len);
  if (asleep && self->map_buffer->len <= FRAME_MAX_LEN)
    return;
  clear_timer (&self->sleep_timer);      /* or too much comes meanwhile */
  process (self, asleep);
}

static void
map_refused (TnControlClient *self,
             guint            status)
{
  g_autofree char *text = g_utf8_make_valid (self->map_buffer->len > 0 ? (const char *) self->map_buffer->data : "",
                                             (gssize) self->map_buffer->len);
  g_autoptr (GError) error = g_error_new (TN_ERROR, TN_ERROR_CONTROL, "control server answered map with status %u: %s", status, g_strchomp (text));

  g_clear_pointer (&self->session_handle, g_free);
  /* It may have forgotten this node. */
  if (++self->map_refusals % REFUSALS_BEFORE_REGISTER == 0)
    self->registered = FALSE;
  tn_control_client_retry (self, TN_RETRY_MAP, error);
}

static void
map_closed (TnHttp2Stream *stream,
            const GError  *error,
            gpointer       user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  guint status = tn_http2_stream_get_status (stream);
  const char *retry_after = tn_http2_stream_get_header (stream, "retry-after");

  self->map_stream = NULL;
  tn_control_client_stop_watchdog (self);
  clear_timer (&self->sleep_timer);
  g_clear_pointer (&self->open_url, g_free);
  if (self->connection == NULL || (error != NULL && !tn_noise_connection_is_open (self->connection)))
    return;
  if (tn_login_asks_to_wait (status, retry_after))
    {
      tn_control_client_retry_when_told (self, TN_RETRY_MAP, retry_after);
    }
  else if (status != 0 && status != 200)
    {
      map_refused (self, status);
    }
  else
    {
      g_autoptr (GError) ended = error != NULL ? g_error_copy (error)
                                   : g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "control server ended the map stream");

      tn_control_client_retry (self, TN_RETRY_MAP, ended);
    }
  tn_control_client_advance (self);
}

static const TnHttp2StreamHandler map_handler = { .headers = map_headers, .data = map_data, .closed = map_closed };

static char *
write_request (TnControlClient *self,
               gboolean         stream)
{
  TnMapRequest request = {
    .disco_key = self->disco_key,
    .hostinfo = self->hostinfo,
    .endpoints = (const TnOwnEndpoint *) (gconstpointer) self->endpoints->data,
    .n_endpoints = self->endpoints->len,
    .stream = stream,
    .session_handle = self->netmap != NULL ? self->session_handle : NULL,
    .session_seq = self->session_seq,
  };

  tn_node_private_key_get_public (self->node_key, &request.node_key);
  return tn_wire_map_request_write (&request);
}

void
tn_control_client_start_map (TnControlClient *self)
{
  self->map_serial++;
  self->map_good_us = 0;
  g_byte_array_set_size (self->map_buffer, 0);
  g_clear_pointer (&self->next_netmap, tn_netmap_free);
  self->next_netmap = tn_netmap_new ();
  tn_control_client_feed_watchdog (self);
  self->map_stream = tn_control_client_post (self, MAP_PATH, write_request (self, TRUE), &map_handler);
}

void
tn_control_client_stop_map (TnControlClient *self)
{
  self->map_serial++;
  tn_control_client_stop_watchdog (self);
  clear_timer (&self->sleep_timer);
  g_clear_pointer (&self->open_url, g_free);
  g_clear_pointer (&self->map_stream, tn_http2_stream_cancel);
  g_clear_pointer (&self->next_netmap, tn_netmap_free);
}

/* --- Updates --- */

/* A server that has forgotten this node may keep its stream open all the same. Who asks for a new one hears of it. */
static void
doubt_map (TnControlClient *self)
{
  if (self->map_doubted || self->map_stream == NULL)
    return;
  self->map_doubted = TRUE;
  g_clear_pointer (&self->session_handle, g_free);
  tn_control_client_stop_map (self);
}

static void
update_closed (TnHttp2Stream *stream,
               const GError  *error,
               gpointer       user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  guint status = tn_http2_stream_get_status (stream);
  const char *retry_after = tn_http2_stream_get_header (stream, "retry-after");

  self->update_stream = NULL;
  clear_timer (&self->update_timer);
  if (error == NULL && status == 200)
    {
      self->known_generation = self->sent_generation;
      self->map_doubted = FALSE;
      tn_control_client_retry_reset (self, TN_RETRY_UPDATE);
      if (self->map_stream != NULL && self->map_good_us != 0 && has_state (self))      /* else something is wrong with the stream */
        show_state (self, NULL);
    }
  else if (error == NULL && tn_login_asks_to_wait (status, retry_after))
    tn_control_client_retry_when_told (self, TN_RETRY_UPDATE, retry_after);
  else if (error == NULL)
    {
      g_autoptr (GError) refused = g_error_new (TN_ERROR, TN_ERROR_CONTROL, "control server answered an update with status %u", status);

      tn_control_client_retry (self, TN_RETRY_UPDATE, refused);
      if (status >= 400 && status < 500)
        doubt_map (self);
    }
  else if (self->connection != NULL && tn_noise_connection_is_open (self->connection))
    tn_control_client_retry (self, TN_RETRY_UPDATE, error);
  tn_control_client_advance (self);
}

static const TnHttp2StreamHandler update_handler = { .closed = update_closed };

void
tn_control_client_stop_update (TnControlClient *self)
{
  clear_timer (&self->update_timer);
  g_clear_pointer (&self->update_stream, tn_http2_stream_cancel);
}

/* The server may answer all else. */
static gboolean
update_late_cb (gpointer user_data)
{
  g_autoptr (TnControlClient) self = tn_control_client_ref (user_data);
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "control server did not answer an update within %d s",
                                          (int) (self->update_max_us / G_USEC_PER_SEC));

  tn_control_client_stop_update (self);
  tn_control_client_retry (self, TN_RETRY_UPDATE, error);
  tn_control_client_advance (self);
  return G_SOURCE_REMOVE;
}

void
tn_control_client_send_update (TnControlClient *self)
{
  self->sent_generation = self->wanted_generation;
  tn_control_client_set_timer (self, &self->update_timer, update_late_cb, tn_boot_time_us () + self->update_max_us);
  self->update_stream = tn_control_client_post (self, MAP_PATH, write_request (self, FALSE), &update_handler);
}
