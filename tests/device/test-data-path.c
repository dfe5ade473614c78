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

static const char *
quiet_overlay_get_interface (TnOverlayTransport *overlay)
{
  return "tn0";
}

static void
quiet_overlay_iface_init (TnOverlayTransportInterface *iface)
{
  iface->get_interface = quiet_overlay_get_interface;
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

/* A router of the kernel that says what it is asked for, and may refuse. */
#define ASKED_TYPE_ROUTER (asked_router_get_type ())
G_DECLARE_FINAL_TYPE (AskedRouter, asked_router, ASKED, ROUTER, GObject)

struct _AskedRouter
{
  GObject      parent_instance;
  GAsyncQueue *told;
  GAsyncQueue *answers;      /* of char *: an error, or "" for none; it waits for one */
};

static void asked_router_iface_init (TnRouterInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (AskedRouter, asked_router, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_ROUTER, asked_router_iface_init))

static gboolean
asked_router_configure (TnRouter              *router,
                        const TnRouterConfig  *config,
                        GError               **error)
{
  AskedRouter *self = ASKED_ROUTER (router);
  g_autofree char *answer = NULL;

  g_async_queue_push (self->told, g_strdup_printf ("configure %s %u %u", config->interface, config->n_addresses, config->n_routes));
  answer = g_async_queue_pop (self->answers);
  if (*answer == '\0')
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED, answer);
  return FALSE;
}

static void
asked_router_reset (TnRouter *router)
{
  g_async_queue_push (ASKED_ROUTER (router)->told, g_strdup ("reset"));
}

static void
asked_router_iface_init (TnRouterInterface *iface)
{
  iface->configure = asked_router_configure;
  iface->reset = asked_router_reset;
}

static void
asked_router_class_init (AskedRouterClass *klass)
{
}

static void
asked_router_init (AskedRouter *self)
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
router_problem (gpointer    told,
                const char *problem)
{
  g_async_queue_push (told, g_strdup (problem != NULL ? problem : "routed"));
}

static void
updated (gpointer told)
{
  note (told, "updated", 0);
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

static TnDataPathUpdate *
new_update (guint n_addresses,
            guint n_routes)
{
  TnDataPathUpdate *update = tn_data_path_update_new ();

  update->addresses = g_array_new (FALSE, TRUE, sizeof (TnIpPrefix));
  g_array_set_size (update->addresses, n_addresses);
  update->routes = g_array_new (FALSE, TRUE, sizeof (TnIpPrefix));
  g_array_set_size (update->routes, n_routes);
  return update;
}

static void
answer (AskedRouter *router,
        const char  *words)
{
  g_async_queue_push (router->answers, g_strdup (words));
}

/* The data thread works on while the router waits for the kernel; what changed meanwhile is one call, and its refusal is told. */
static void
test_router (void)
{
  static const TnDataPathCallbacks callbacks = {
    .link_state = link_state,
    .relay_health = relay_health,
    .failed = failed,
    .router_problem = router_problem,
    .updated = updated,
    .live = live,
    .stopped = stopped,
  };
  g_autoptr (GAsyncQueue) told = g_async_queue_new_full (g_free);
  g_autoptr (GAsyncQueue) answers = g_async_queue_new_full (g_free);
  g_autoptr (GPtrArray) underlays = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (QuietOverlay) overlay = g_object_new (QUIET_TYPE_OVERLAY, NULL);
  g_autoptr (AskedRouter) router = g_object_new (ASKED_TYPE_ROUTER, NULL);
  TnDataPathConfig config = { .underlays = underlays, .overlay = TN_OVERLAY_TRANSPORT (overlay), .router = TN_ROUTER (router), .mtu = 1280 };
  g_autoptr (TnDataPath) path = NULL;
  TnDiscoPrivateKey disco_key;
  TnNodePrivateKey node_key;

  tn_node_private_key_generate (&node_key);
  tn_disco_private_key_generate (&disco_key);
  config.node_key = &node_key;
  config.disco_key = &disco_key;
  router->told = told;
  router->answers = answers;
  g_ptr_array_add (underlays, g_object_new (UNWELL_TYPE_RELAY, NULL));
  path = tn_data_path_new (&config, &callbacks, told);
  assert_told (told, "configure tn0 0 0");      /* what an earlier run left goes */
  for (guint i = 0; i < 3; i++)
    tn_data_path_take_update (path, new_update (2, i));
  tn_data_path_set_home (path, REGION);
  assert_told (told, "up 7");
  assert_told (told, "unwell 7");
  answer (router, "");
  assert_told (told, "configure tn0 2 2");
  answer (router, "it may not");
  assert_told (told, "it may not");
  assert_told (told, "updated 0");      /* what can go on does */

  tn_data_path_take_update (path, new_update (1, 5));
  assert_told (told, "configure tn0 1 5");
  answer (router, "");
  assert_told (told, "routed");
  assert_told (told, "updated 0");

  tn_data_path_take_update (path, new_update (1, 6));
  assert_told (told, "configure tn0 1 6");
  tn_data_path_take_update (path, new_update (1, 7));
  tn_data_path_stop (path);      /* in the middle of it */
  tn_data_path_set_home (path, REGION + 1);
  assert_told (told, "up 8");
  assert_told (told, "unwell 8");
  answer (router, "");
  assert_told (told, "reset");
  assert_told (told, "stopped 0");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/device/data-path/node-key", test_node_key);
  g_test_add_func ("/device/data-path/router", test_router);

  return g_test_run ();
}
