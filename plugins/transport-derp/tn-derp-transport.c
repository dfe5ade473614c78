/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-derp-transport.h"

/**
 * TnDerpTransport:
 *
 * Carries packets over relays: a connection to the home region, and more to the regions of peers while something is sent there.
 *
 * Life and numbers follow tailscale wgengine/magicsock/derp.go, but for what is full: it is not dropped, its sender waits.
 */

typedef struct
{
  TnDerpTransport *transport;
  guint            region;
  TnDerpClient    *client;          /* NULL: none now */
  guint            n_failures;      /* in a row */
  GSource         *timer;           /* ends the back-off, or the idle link */
  gint64           last_write_us;
  gint64           wait_us;         /* the relay asked us to stay away so long after this connection */
  gboolean         unhealthy;
} Link;

struct _TnDerpTransport
{
  GObject                 parent_instance;

  GMainContext           *context;          /* NULL: stopped */
  TnNodePrivateKey        node_key;
  GTlsDatabase           *tls_database;
  GProxyResolver         *proxy_resolver;
  char                   *app_name;
  TnUnderlayCallbacks     callbacks;
  gpointer                user_data;

  TnRelayMap             *map;              /* nullable; kept over stop() */
  guint                   home;
  GHashTable             *links;            /* region -> Link */
  TnDerpTransportTimes    times;
  TnDerpTransportCounters counters;
};

static void underlay_iface_init (TnUnderlayTransportInterface *iface);

G_DEFINE_DYNAMIC_TYPE_EXTENDED (TnDerpTransport, tn_derp_transport, G_TYPE_OBJECT, G_TYPE_FLAG_FINAL,
                                G_IMPLEMENT_INTERFACE_DYNAMIC (TN_TYPE_UNDERLAY_TRANSPORT, underlay_iface_init))

static const TnDerpTransportTimes default_times = {
  .idle_us = 60 * G_USEC_PER_SEC,            /* derpInactiveCleanupTime */
  .back_off_us = 10 * 1000,                  /* util/backoff: n * n * 10 ms */
  .back_off_max_us = 5 * G_USEC_PER_SEC,
};

static void link_dial (Link *link);

/* --- Telling --- */

static void
tell_state (Link                *link,
            TnUnderlayLinkState  state,
            const GError        *error)
{
  TnDerpTransport *self = link->transport;

  if (self->callbacks.link_state != NULL)
    self->callbacks.link_state (self->user_data, TN_UNDERLAY_TRANSPORT (self), link->region, state, error);
}

static void
tell_health (Link       *link,
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
tell_writable (Link *link)
{
  TnDerpTransport *self = link->transport;
  TnPathAddress path = { .kind = TN_PATH_ADDRESS_RELAY, .relay.region = link->region };

  if (self->callbacks.writable != NULL)
    self->callbacks.writable (self->user_data, TN_UNDERLAY_TRANSPORT (self), &path);
}

/* --- Links --- */

static void
link_clear_timer (Link *link)
{
  if (link->timer != NULL)
    g_source_destroy (link->timer);
  g_clear_pointer (&link->timer, g_source_unref);
}

static void
link_set_timer (Link        *link,
                gint64       delay_us,
                GSourceFunc  func)
{
  link_clear_timer (link);
  link->timer = g_timeout_source_new ((guint) MIN (MAX (delay_us, 0) / 1000, G_MAXUINT));
  g_source_set_callback (link->timer, func, link, NULL);
  g_source_attach (link->timer, link->transport->context);
}

static void
link_free (gpointer data)
{
  Link *link = data;

  link_clear_timer (link);
  g_clear_pointer (&link->client, tn_derp_client_close);
  g_free (link);
}

/* It goes for good: nobody waits for it any more. A callback may stop the transport. */
static void
link_remove (Link         *link,
             const GError *error)
{
  g_autoptr (TnDerpTransport) self = g_object_ref (link->transport);
  Link gone = { .transport = self, .region = link->region, .unhealthy = link->unhealthy };

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
  Link *link = user_data;
  gint64 left_us = link->last_write_us + link->transport->times.idle_us - g_get_monotonic_time ();

  if (link->region == link->transport->home)
    link_clear_timer (link);
  else if (left_us > 0)
    link_set_timer (link, left_us + 1000, idle_cb);
  else
    link_remove (link, NULL);
  return G_SOURCE_REMOVE;
}

static gboolean
back_off_cb (gpointer user_data)
{
  Link *link = user_data;
  gint64 idle_us = g_get_monotonic_time () - link->last_write_us;

  link_clear_timer (link);
  if (link->region != link->transport->home && idle_us > link->transport->times.idle_us)
    link_remove (link, NULL);      /* nobody has sent anything while it could not be reached */
  else
    link_dial (link);
  return G_SOURCE_REMOVE;
}

static gint64
back_off_us (Link *link)
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
  Link *link = user_data;
  g_autoptr (TnDerpTransport) self = g_object_ref (link->transport);
  guint region = link->region;

  g_debug ("region %u: %s", region, error->message);
  g_clear_pointer (&link->client, tn_derp_client_close);
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
  Link *link = user_data;
  g_autoptr (TnDerpTransport) self = g_object_ref (link->transport);
  guint region = link->region;

  g_debug ("region %u: up", region);
  link_clear_timer (link);
  if (region != self->home)
    link_set_timer (link, self->times.idle_us, idle_cb);

  tell_state (link, TN_UNDERLAY_LINK_UP, NULL);
  if (self->context != NULL && g_hash_table_lookup (self->links, GUINT_TO_POINTER (region)) == link)
    tell_writable (link);
}

static void
receive_cb (gpointer             user_data,
            TnPacketBatch       *batch,
            const TnPathAddress *from)
{
  Link *link = user_data;
  TnDerpTransport *self = link->transport;

  link->n_failures = 0;
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
  Link *link = user_data;
  TnDerpTransport *self = link->transport;

  link->n_failures = 0;
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
  Link *link = user_data;

  link_clear_timer (link);
  tell_state (link, TN_UNDERLAY_LINK_CONNECTING, NULL);
  return G_SOURCE_REMOVE;
}

/* The region as the map has it now. Told later: this may be inside send(). */
static void
link_dial (Link *link)
{
  TnDerpTransport *self = link->transport;
  TnDerpClientConfig config = {
    .region = tn_relay_map_lookup (self->map, link->region),
    .node_key = &self->node_key,
    .tls_database = self->tls_database,
    .proxy_resolver = self->proxy_resolver,
    .app_name = self->app_name,
    .is_home = link->region == self->home,
    .times = self->times.client,
  };

  link_set_timer (link, 0, connecting_cb);
  link->client = tn_derp_client_new (&config, &client_events, link);
}

/* NULL: there is no such region. */
static Link *
get_link (TnDerpTransport *self,
          guint            region)
{
  Link *link = g_hash_table_lookup (self->links, GUINT_TO_POINTER (region));

  if (link != NULL || self->map == NULL || tn_relay_map_lookup (self->map, region) == NULL)
    return link;

  link = g_new0 (Link, 1);
  link->transport = self;
  link->region = region;
  link->last_write_us = g_get_monotonic_time ();
  g_hash_table_insert (self->links, GUINT_TO_POINTER (region), link);
  link_dial (link);
  return link;
}

/* --- Interface --- */

static gboolean
tn_derp_transport_start (TnUnderlayTransport        *transport,
                         const TnUnderlayConfig     *config,
                         const TnUnderlayCallbacks  *callbacks,
                         gpointer                    user_data,
                         GError                    **error)
{
  TnDerpTransport *self = TN_DERP_TRANSPORT (transport);

  g_return_val_if_fail (callbacks->receive != NULL, FALSE);

  if (self->context != NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PENDING, "relay transport has been started already");
      return FALSE;
    }

  self->context = g_main_context_ref (config->context);
  self->node_key = *config->node_key;
  g_set_object (&self->tls_database, config->tls_database);
  g_set_object (&self->proxy_resolver, config->proxy_resolver);
  g_free (self->app_name);
  self->app_name = g_strdup (config->app_name);
  self->callbacks = *callbacks;
  self->user_data = user_data;
  if (self->home != 0)
    get_link (self, self->home);
  return TRUE;
}

static void
tn_derp_transport_stop (TnUnderlayTransport *transport)
{
  TnDerpTransport *self = TN_DERP_TRANSPORT (transport);

  g_hash_table_remove_all (self->links);
  tn_node_private_key_clear (&self->node_key);
  g_clear_pointer (&self->context, g_main_context_unref);
  self->callbacks = (TnUnderlayCallbacks) { 0 };
}

static guint
tn_derp_transport_send (TnUnderlayTransport *transport,
                        const TnPathAddress *to,
                        const TnPacketBatch *batch,
                        guint                first,
                        TnSendFlags          flags)
{
  TnDerpTransport *self = TN_DERP_TRANSPORT (transport);
  Link *link = self->context != NULL && to->kind == TN_PATH_ADDRESS_RELAY ? get_link (self, to->relay.region) : NULL;
  guint n, n_dropped = 0;

  if (link == NULL)
    {
      self->counters.dropped += batch->n_packets - first;
      return batch->n_packets - first;
    }

  link->last_write_us = g_get_monotonic_time ();
  if (link->client == NULL)
    return 0;
  n = tn_derp_client_send (link->client, &to->relay.key, batch, first, (flags & TN_SEND_URGENT) != 0, &n_dropped);
  self->counters.sent += n - n_dropped;
  self->counters.dropped += n_dropped;
  return n;
}

/* Regions whose link is to be thrown away, since their definition is another one now. */
static GArray *
find_changed_regions (TnDerpTransport *self,
                      TnRelayMap      *map)
{
  GArray *regions = g_array_new (FALSE, FALSE, sizeof (guint));
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->links);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      guint id = GPOINTER_TO_UINT (key);
      TnRelayRegion *before = tn_relay_map_lookup (self->map, id);
      TnRelayRegion *after = map != NULL ? tn_relay_map_lookup (map, id) : NULL;

      if (after == NULL || !tn_relay_region_equal (before, after))
        g_array_append_val (regions, id);
    }
  return regions;
}

static void
tn_derp_transport_set_relay_map (TnUnderlayTransport *transport,
                                 TnRelayMap          *map)
{
  g_autoptr (TnDerpTransport) self = g_object_ref (TN_DERP_TRANSPORT (transport));
  g_autoptr (GArray) changed = find_changed_regions (self, map);

  if (map != NULL)
    tn_relay_map_ref (map);
  g_clear_pointer (&self->map, tn_relay_map_unref);
  self->map = map;

  for (guint i = 0; i < changed->len; i++)
    {
      Link *link = g_hash_table_lookup (self->links, GUINT_TO_POINTER (g_array_index (changed, guint, i)));

      if (link != NULL)
        link_remove (link, NULL);
    }
  if (self->context != NULL && self->home != 0)
    get_link (self, self->home);
}

static void
tn_derp_transport_set_home (TnUnderlayTransport *transport,
                            guint                region)
{
  TnDerpTransport *self = TN_DERP_TRANSPORT (transport);
  GHashTableIter iter;
  Link *link;

  if (self->home == region)
    return;

  self->home = region;
  g_hash_table_iter_init (&iter, self->links);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &link))
    {
      if (link->client == NULL)
        continue;
      tn_derp_client_set_home (link->client, link->region == region);
      if (tn_derp_client_is_up (link->client) && link->region != region)
        link_set_timer (link, self->times.idle_us, idle_cb);
    }
  if (self->context != NULL && region != 0)
    get_link (self, region);
}

static void
tn_derp_transport_rebind (TnUnderlayTransport *transport)
{
  TnDerpTransport *self = TN_DERP_TRANSPORT (transport);
  GHashTableIter iter;
  Link *link;

  g_hash_table_iter_init (&iter, self->links);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &link))
    {
      link->n_failures = 0;
      if (link->client != NULL && tn_derp_client_is_up (link->client))
        tn_derp_client_probe (link->client);
      else
        {
          g_clear_pointer (&link->client, tn_derp_client_close);
          link_dial (link);
        }
    }
}

static void
underlay_iface_init (TnUnderlayTransportInterface *iface)
{
  iface->kind = TN_PATH_ADDRESS_RELAY;
  iface->start = tn_derp_transport_start;
  iface->stop = tn_derp_transport_stop;
  iface->send = tn_derp_transport_send;
  iface->rebind = tn_derp_transport_rebind;
  iface->set_relay_map = tn_derp_transport_set_relay_map;
  iface->set_home = tn_derp_transport_set_home;
}

/* --- Type --- */

static void
tn_derp_transport_finalize (GObject *object)
{
  TnDerpTransport *self = TN_DERP_TRANSPORT (object);

  tn_derp_transport_stop (TN_UNDERLAY_TRANSPORT (self));
  g_hash_table_unref (self->links);
  g_clear_pointer (&self->map, tn_relay_map_unref);
  g_clear_object (&self->tls_database);
  g_clear_object (&self->proxy_resolver);
  g_free (self->app_name);

  G_OBJECT_CLASS (tn_derp_transport_parent_class)->finalize (object);
}

static void
tn_derp_transport_class_init (TnDerpTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = tn_derp_transport_finalize;
}

static void
tn_derp_transport_class_finalize (TnDerpTransportClass *klass)
{
}

static void
tn_derp_transport_init (TnDerpTransport *self)
{
  self->links = g_hash_table_new_full (NULL, NULL, NULL, link_free);
  self->times = default_times;
  self->times.client = tn_derp_default_times;
}

void
tn_derp_transport_register (GTypeModule *module)
{
  tn_derp_transport_register_type (module);
}

TnDerpTransport *
tn_derp_transport_new (void)
{
  return g_object_new (TN_TYPE_DERP_TRANSPORT, NULL);
}

void
tn_derp_transport_set_times (TnDerpTransport            *self,
                             const TnDerpTransportTimes *times)
{
  g_return_if_fail (self->context == NULL);

  self->times = *times;
}

void
tn_derp_transport_get_times (TnDerpTransport      *self,
                             TnDerpTransportTimes *times)
{
  *times = self->times;
}

void
tn_derp_transport_get_counters (TnDerpTransport         *self,
                                TnDerpTransportCounters *counters)
{
  *counters = self->counters;
}
