/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-derp-link.h"

/* --- Telling --- */

static void
tell_state (TnDerpLink          *link,
            TnUnderlayLinkState  state,
            const GError        *error)
{
  TnDerpTransport *self = link->transport;

  if (self->callbacks.link_state != NULL)
    self->callbacks.link_state (self->user_data, TN_UNDERLAY_TRANSPORT (self), link->region, state, error);
}

static void
tell_health (TnDerpLink *link,
             const char *problem)
{
  TnDerpTransport *self = link->transport;

  if (link->unhealthy == (problem != NULL) && problem == NULL)
    return;

  link->unhealthy = problem != NULL;
  if (self->callbacks.health != NULL)
    self->callbacks.health (self->user_data, TN_UNDERLAY_TRANSPORT (self), link->region, problem);
}

/* Any key does: the paths of a region share their link. Whoever was turned away by a client that is no more waits for this, too. */
static void
tell_writable (TnDerpLink *link)
{
  TnDerpTransport *self = link->transport;
  TnPathAddress path = { .kind = TN_PATH_ADDRESS_RELAY, .relay.region = link->region };

  if (self->callbacks.writable != NULL)
    self->callbacks.writable (self->user_data, TN_UNDERLAY_TRANSPORT (self), &path);
}

/* FALSE: the link is gone. */
static gboolean
tell_heard (TnDerpLink *link)
{
  TnDerpTransport *self = link->transport;
  gint64 now_us = g_get_monotonic_time ();
  guint region = link->region;

  if (self->callbacks.heard == NULL || (link->heard_us != 0 && now_us - link->heard_us < G_USEC_PER_SEC))
    return TRUE;
  link->heard_us = now_us;
  self->callbacks.heard (self->user_data, TN_UNDERLAY_TRANSPORT (self), region);
  return self->context != NULL && g_hash_table_lookup (self->links, GUINT_TO_POINTER (region)) == link;
}

/* --- Links --- */

static void
link_clear_timer (TnDerpLink *link)
{
  if (link->timer != NULL)
    g_source_destroy (link->timer);
  g_clear_pointer (&link->timer, g_source_unref);
}

static void
link_set_timer (TnDerpLink  *link,
                gint64       delay_us,
                GSourceFunc  func)
{
  link_clear_timer (link);
  link->timer = g_timeout_source_new ((guint) MIN (MAX (delay_us, 0) / 1000, G_MAXUINT));
  g_source_set_callback (link->timer, func, link, NULL);
  g_source_attach (link->timer, link->transport->context);
}

void
tn_derp_link_free (gpointer data)
{
  TnDerpLink *link = data;

  link_clear_timer (link);
  g_clear_pointer (&link->client, tn_derp_client_close);
  g_free (link);
}

void
tn_derp_link_remove (TnDerpLink   *link,
                     const GError *error)
{
  g_autoptr (TnDerpTransport) self = g_object_ref (link->transport);
  TnDerpLink gone = { .transport = self, .region = link->region, .unhealthy = link->unhealthy };

  g_hash_table_remove (self->links, GUINT_TO_POINTER (link->region));
  if (self->context != NULL)
    tell_health (&gone, NULL);
  if (self->context != NULL)
    tell_state (&gone, TN_UNDERLAY_LINK_DOWN, error);
  if (self->context != NULL)
    tell_writable (&gone);
}

static gboolean
idle_cb (gpointer user_data)
{
  TnDerpLink *link = user_data;
  gint64 left_us = link->last_write_us + link->transport->times.idle_us - g_get_monotonic_time ();

  if (link->region == link->transport->home)
    link_clear_timer (link);
  else if (left_us > 0)
    link_set_timer (link, left_us + 1000, idle_cb);
  else
    tn_derp_link_remove (link, NULL);
  return G_SOURCE_REMOVE;
}

void
tn_derp_link_may_idle (TnDerpLink *link)
{
  link_set_timer (link, link->transport->times.idle_us, idle_cb);
}

static gboolean
back_off_cb (gpointer user_data)
{
  TnDerpLink *link = user_data;
  gint64 idle_us = g_get_monotonic_time () - link->last_write_us;

  link_clear_timer (link);
  if (link->region != link->transport->home && idle_us > link->transport->times.idle_us)
    tn_derp_link_remove (link, NULL);      /* nobody has sent anything while it could not be reached */
  else
    tn_derp_link_dial (link);
  return G_SOURCE_REMOVE;
}

static gint64
back_off_us (TnDerpLink *link)
{
  const TnDerpTransportTimes *times = &link->transport->times;
  gint64 n = MIN (link->n_failures, 1000);
  gint64 delay_us = MIN (n * n * times->back_off_us, times->back_off_max_us);

  return (gint64) ((double) delay_us * g_random_double_range (0.5, 1.5));
}

static void
closed_cb (gpointer      user_data,
           const GError *error)
{
  TnDerpLink *link = user_data;
  g_autoptr (TnDerpTransport) self = g_object_ref (link->transport);
  guint region = link->region;

  g_debug ("region %u: %s", region, error->message);
  g_clear_pointer (&link->client, tn_derp_client_close);
  if (link->up_us != 0 && g_get_monotonic_time () - link->up_us >= self->times.stable_us)
    link->n_failures = 0;
  link->up_us = 0;
  link->n_failures++;
  link_set_timer (link, MAX (back_off_us (link), link->wait_us), back_off_cb);
  link->wait_us = 0;

  tell_health (link, NULL);
  if (self->context != NULL && g_hash_table_lookup (self->links, GUINT_TO_POINTER (region)) == link)
    tell_state (link, TN_UNDERLAY_LINK_DOWN, error);
}

static void
up_cb (gpointer user_data)
{
  TnDerpLink *link = user_data;
  g_autoptr (TnDerpTransport) self = g_object_ref (link->transport);
  guint region = link->region;

  g_debug ("region %u: up", region);
  link->up_us = g_get_monotonic_time ();
  link->heard_us = 0;
  link_clear_timer (link);
  if (region != self->home)
    tn_derp_link_may_idle (link);

  tell_state (link, TN_UNDERLAY_LINK_UP, NULL);
  if (self->context != NULL && g_hash_table_lookup (self->links, GUINT_TO_POINTER (region)) == link)
    tell_writable (link);
}

static void
receive_cb (gpointer             user_data,
            TnPacketBatch       *batch,
            const TnPathAddress *from)
{
  TnDerpLink *link = user_data;
  TnDerpTransport *self = link->transport;

  if (!tell_heard (link))
    return;
  self->counters.received += batch->n_packets;
  self->callbacks.receive (self->user_data, TN_UNDERLAY_TRANSPORT (self), batch, from);
}

static void
writable_cb (gpointer user_data)
{
  tell_writable (user_data);
}

static void
frame_cb (gpointer             user_data,
          const TnDerpMessage *message)
{
  TnDerpLink *link = user_data;
  TnDerpTransport *self = link->transport;

  if (!tell_heard (link))
    return;
  if (message->type == TN_DERP_PEER_GONE && self->callbacks.path_gone != NULL)
    {
      TnPathAddress path = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { link->region, message->key } };

      self->callbacks.path_gone (self->user_data, TN_UNDERLAY_TRANSPORT (self), &path);
    }
  else if (message->type == TN_DERP_HEALTH)
    {
      g_autofree char *problem = g_utf8_make_valid ((const char *) message->data, (gssize) MIN (message->len, 1024));

      tell_health (link, *problem != '\0' ? problem : NULL);
    }
  else if (message->type == TN_DERP_RESTARTING)
    link->wait_us = MIN ((gint64) message->reconnect_in_ms * 1000, self->times.back_off_max_us);
}

static const TnDerpClientEvents client_events = {
  .up = up_cb,
  .receive = receive_cb,
  .writable = writable_cb,
  .frame = frame_cb,
  .closed = closed_cb,
};

static gboolean
connecting_cb (gpointer user_data)
{
  TnDerpLink *link = user_data;

  link_clear_timer (link);
  tell_state (link, TN_UNDERLAY_LINK_CONNECTING, NULL);
  return G_SOURCE_REMOVE;
}

/* Told later: this may be inside send(). */
void
tn_derp_link_dial (TnDerpLink *link)
{
  TnDerpTransport *self = link->transport;
  TnDerpClientConfig config = {
    .region = tn_relay_map_lookup (self->map, link->region),
    .node_key = self->node_key,
    .tls_database = self->tls_database,
    .proxy_resolver = self->proxy_resolver,
    .app_name = self->app_name,
    .mark = self->mark,
    .is_home = link->region == self->home,
    .times = self->times.client,
  };

  link_set_timer (link, 0, connecting_cb);
  link->client = tn_derp_client_new (&config, &client_events, link);
}

TnDerpLink *
tn_derp_link_get (TnDerpTransport *self,
                  guint            region)
{
  TnDerpLink *link = g_hash_table_lookup (self->links, GUINT_TO_POINTER (region));

  if (link != NULL || self->map == NULL || tn_relay_map_lookup (self->map, region) == NULL)
    return link;

  link = g_new0 (TnDerpLink, 1);
  link->transport = self;
  link->region = region;
  link->last_write_us = g_get_monotonic_time ();
  g_hash_table_insert (self->links, GUINT_TO_POINTER (region), link);
  tn_derp_link_dial (link);
  return link;
}
