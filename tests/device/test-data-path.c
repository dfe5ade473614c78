/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-boot-timer.h"
#include "tn-data-path.h"

#define REGION 7
#define WAIT_US (60 * G_USEC_PER_SEC)

/* --- Transports without a network --- */

#define QUIET_TYPE_OVERLAY (quiet_overlay_get_type ())
G_DECLARE_FINAL_TYPE (QuietOverlay, quiet_overlay, QUIET, OVERLAY, GObject)

struct _QuietOverlay
{
  GObject parent_instance;
};

static void quiet_overlay_iface_init (TnOverlayTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (QuietOverlay, quiet_overlay, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_OVERLAY_TRANSPORT, quiet_overlay_iface_init))

static gboolean
quiet_overlay_start (TnOverlayTransport       *overlay,
                     const TnOverlayConfig    *config,
                     const TnOverlayCallbacks *callbacks,
                     gpointer                  user_data,
                     GError                  **error)
{
  return TRUE;
}

static void
quiet_overlay_stop (TnOverlayTransport *overlay)
{
}

static void
quiet_overlay_iface_init (TnOverlayTransportInterface *iface)
{
  iface->start = quiet_overlay_start;
  iface->stop = quiet_overlay_stop;
}

static void
quiet_overlay_class_init (QuietOverlayClass *klass)
{
}

static void
quiet_overlay_init (QuietOverlay *self)
{
}

/* A relay that is up and unwell as soon as it is its home; once stopped it says nothing, as all of them. */
#define UNWELL_TYPE_RELAY (unwell_relay_get_type ())
G_DECLARE_FINAL_TYPE (UnwellRelay, unwell_relay, UNWELL, RELAY, GObject)

struct _UnwellRelay
{
  GObject             parent_instance;
  TnUnderlayCallbacks callbacks;
  gpointer            user_data;
};

static void unwell_relay_iface_init (TnUnderlayTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (UnwellRelay, unwell_relay, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_UNDERLAY_TRANSPORT, unwell_relay_iface_init))

static gboolean
unwell_relay_start (TnUnderlayTransport       *underlay,
                    const TnUnderlayConfig    *config,
                    const TnUnderlayCallbacks *callbacks,
                    gpointer                   user_data,
                    GError                   **error)
{
  UNWELL_RELAY (underlay)->callbacks = *callbacks;
  UNWELL_RELAY (underlay)->user_data = user_data;
  return TRUE;
}

static void
unwell_relay_stop (TnUnderlayTransport *underlay)
{
  UNWELL_RELAY (underlay)->callbacks = (TnUnderlayCallbacks) { 0 };
}

static void
unwell_relay_set_home (TnUnderlayTransport *underlay,
                       guint                region)
{
  UnwellRelay *self = UNWELL_RELAY (underlay);

  self->callbacks.link_state (self->user_data, underlay, region, TN_UNDERLAY_LINK_UP, NULL);
  self->callbacks.heard (self->user_data, underlay, region);
  self->callbacks.heard (self->user_data, underlay, region + 1);
  self->callbacks.health (self->user_data, underlay, region, "unwell");
}

static void
unwell_relay_iface_init (TnUnderlayTransportInterface *iface)
{
  iface->kind = TN_PATH_ADDRESS_RELAY;
  iface->start = unwell_relay_start;
  iface->stop = unwell_relay_stop;
  iface->set_home = unwell_relay_set_home;
}

static void
unwell_relay_class_init (UnwellRelayClass *klass)
{
}

static void
unwell_relay_init (UnwellRelay *self)
{
}

/* --- What it tells --- */

static void
note (GAsyncQueue *told,
      const char  *what,
      guint        region)
{
  g_async_queue_push (told, g_strdup_printf ("%s %u", what, region));
}

static void
link_state (gpointer             told,
            guint                region,
            TnUnderlayLinkState  state,
            const GError        *error)
{
  g_assert_no_error (error);
  note (told, state == TN_UNDERLAY_LINK_UP ? "up" : "down", region);
}

static void
relay_health (gpointer    told,
              guint       region,
              const char *problem)
{
  note (told, problem != NULL ? problem : "well", region);
}

static void
failed (gpointer      told,
        const GError *error)
{
  g_error ("%s", error->message);
}

static void
live (gpointer  told,
      GArray   *infos)
{
}

static void
stopped (gpointer told)
{
  note (told, "stopped", 0);
}

static void
assert_told (GAsyncQueue *told,
             const char  *expected)
{
  g_autofree char *what = g_async_queue_timeout_pop (told, WAIT_US);

  g_assert_cmpstr (what, ==, expected);
}

/* With another key the node leaves its relays, and nobody goes on believing that it has them. */
static void
test_node_key (void)
{
  static const TnDataPathCallbacks callbacks = {
    .link_state = link_state,
    .relay_health = relay_health,
    .failed = failed,
    .live = live,
    .stopped = stopped,
  };
  g_autoptr (GAsyncQueue) told = g_async_queue_new_full (g_free);
  g_autoptr (GPtrArray) underlays = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (QuietOverlay) overlay = g_object_new (QUIET_TYPE_OVERLAY, NULL);
  TnDataPathConfig config = { .underlays = underlays, .overlay = TN_OVERLAY_TRANSPORT (overlay), .mtu = 1280 };
  g_autoptr (TnDataPath) path = NULL;
  TnDiscoPrivateKey disco_key;
  TnNodePrivateKey node_key;

  tn_node_private_key_generate (&node_key);
  tn_disco_private_key_generate (&disco_key);
  config.node_key = &node_key;
  config.disco_key = &disco_key;
  g_ptr_array_add (underlays, g_object_new (UNWELL_TYPE_RELAY, NULL));
  path = tn_data_path_new (&config, &callbacks, told);
  g_assert_cmpint (tn_data_path_get_home_heard_us (path), ==, G_MININT64);
  tn_data_path_set_home (path, REGION);
  assert_told (told, "up 7");
  assert_told (told, "unwell 7");
  g_assert_cmpint (tn_data_path_get_home_heard_us (path), >, tn_boot_time_us () - WAIT_US);
  g_assert_cmpint (tn_data_path_get_home_heard_us (path), <=, tn_boot_time_us ());

  tn_node_private_key_generate (&node_key);
  tn_data_path_set_node_key (path, &node_key);
  assert_told (told, "down 7");
  assert_told (told, "well 7");
  tn_data_path_set_home (path, REGION);
  assert_told (told, "up 7");
  assert_told (told, "unwell 7");

  tn_data_path_stop (path);
  assert_told (told, "stopped 0");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/device/data-path/node-key", test_node_key);

  return g_test_run ();
}
