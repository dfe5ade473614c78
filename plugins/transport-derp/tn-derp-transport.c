/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-derp-link.h"
#include "tn-secret.h"

/**
 * TnDerpTransport:
 *
 * Carries packets over relays: a connection to the home region, and more to the regions of peers while something is sent there.
 *
 * Life and numbers follow tailscale wgengine/magicsock/derp.go, but for what is full: it is not dropped, its sender waits.
 */

static void underlay_iface_init (TnUnderlayTransportInterface *iface);

G_DEFINE_DYNAMIC_TYPE_EXTENDED (TnDerpTransport, tn_derp_transport, G_TYPE_OBJECT, G_TYPE_FLAG_FINAL,
                                G_IMPLEMENT_INTERFACE_DYNAMIC (TN_TYPE_UNDERLAY_TRANSPORT, underlay_iface_init))

static const TnDerpTransportTimes default_times = {
  .idle_us = 60 * G_USEC_PER_SEC,            /* derpInactiveCleanupTime */
  .back_off_us = 10 * 1000,                  /* util/backoff: n * n * 10 ms */
  .back_off_max_us = 5 * G_USEC_PER_SEC,
  .stable_us = 10 * G_USEC_PER_SEC,
};

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
  self->node_key = tn_secret_dup (config->node_key, sizeof *self->node_key);
  g_set_object (&self->tls_database, config->tls_database);
  g_set_object (&self->proxy_resolver, config->proxy_resolver);
  g_free (self->app_name);
  self->app_name = g_strdup (config->app_name);
  self->mark = config->mark;
  self->callbacks = *callbacks;
  self->user_data = user_data;
  if (self->home != 0)
    tn_derp_link_get (self, self->home);
  return TRUE;
}

static void
tn_derp_transport_stop (TnUnderlayTransport *transport)
{
  TnDerpTransport *self = TN_DERP_TRANSPORT (transport);

  g_hash_table_remove_all (self->links);
  g_clear_pointer (&self->node_key, tn_secret_free);
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
  TnDerpLink *link = self->context != NULL && to->kind == TN_PATH_ADDRESS_RELAY ? tn_derp_link_get (self, to->relay.region) : NULL;
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
      TnDerpLink *link = g_hash_table_lookup (self->links, GUINT_TO_POINTER (g_array_index (changed, guint, i)));

      if (link != NULL)
        tn_derp_link_remove (link, NULL);
    }
  if (self->context != NULL && self->home != 0)
    tn_derp_link_get (self, self->home);
}

static void
tn_derp_transport_set_home (TnUnderlayTransport *transport,
                            guint                region)
{
  TnDerpTransport *self = TN_DERP_TRANSPORT (transport);
  GHashTableIter iter;
  TnDerpLink *link;

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
        tn_derp_link_may_idle (link);
    }
  if (self->context != NULL && region != 0)
    tn_derp_link_get (self, region);
}

static void
tn_derp_transport_rebind (TnUnderlayTransport *transport)
{
  TnDerpTransport *self = TN_DERP_TRANSPORT (transport);
  GHashTableIter iter;
  TnDerpLink *link;

  g_hash_table_iter_init (&iter, self->links);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &link))
    {
      link->n_failures = 0;
      if (link->client != NULL && tn_derp_client_is_up (link->client) && !tn_derp_client_is_stranded (link->client))
        tn_derp_client_probe (link->client);
      else
        {
          g_clear_pointer (&link->client, tn_derp_client_close);
          tn_derp_link_dial (link);
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
  self->links = g_hash_table_new_full (NULL, NULL, NULL, tn_derp_link_free);
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
