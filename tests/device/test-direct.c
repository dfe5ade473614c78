/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "breakable-udp.h"
#include "device-kit.h"

#define PORT 7

static TnDevice *
join (TnTestkitTailnet *tailnet,
      const char       *hostname)
{
  static const char *const transports[] = { "derp", "breakable-udp", NULL };
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);
  g_autoptr (GError) error = NULL;
  TnDevice *device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", hostname, "control-url", url, "transports", transports, NULL);

  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), tn_testkit_tailnet_get_auth_key (tailnet));
  kit_start (device, &error);
  g_assert_no_error (error);
  return device;
}

typedef struct
{
  TnTestkitTailnet *tailnet;
  TnDevice         *ada;
  TnDevice         *bob;
  TnNode           *bob_of_ada;
  TnNode           *ada_of_bob;
  TnConnection     *ada_end;
  TnConnection     *bob_end;
} Fixture;

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  breakable_udp_set_broken (FALSE);
  fixture->tailnet = kit_tailnet_new ();
  fixture->ada = join (fixture->tailnet, "ada");
  fixture->bob = join (fixture->tailnet, "bob");
  fixture->bob_of_ada = kit_wait_peer (fixture->ada, "bob");
  fixture->ada_of_bob = kit_wait_peer (fixture->bob, "ada");
  kit_pair (fixture->ada, fixture->bob, "bob", PORT, &fixture->ada_end, &fixture->bob_end);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  g_object_unref (fixture->ada_end);
  g_object_unref (fixture->bob_end);
  g_object_unref (fixture->bob_of_ada);
  g_object_unref (fixture->ada_of_bob);
  kit_free (fixture->ada);
  kit_free (fixture->bob);
  g_object_unref (fixture->tailnet);
}

static TnPathKind
kind_of (TnNode *node)
{
  TnPath *path = tn_node_get_path (node);

  return path != NULL ? tn_path_get_kind (path) : TN_PATH_KIND_NONE;
}

/* Both talk until it is that path. */
static void
talk_until (Fixture    *fixture,
            TnPathKind  kind)
{
  do
    kit_echo (fixture->ada_end, fixture->bob_end, "Are you there?");
  while (kind_of (fixture->bob_of_ada) != kind || kind_of (fixture->ada_of_bob) != kind);
}

static void
test_direct (Fixture       *fixture,
             gconstpointer  data)
{
  guint n_sent;

  talk_until (fixture, TN_PATH_KIND_DIRECT);
  g_assert_nonnull (tn_path_get_endpoint (tn_node_get_path (fixture->bob_of_ada)));
  g_assert_cmpint (tn_path_get_latency_us (tn_node_get_path (fixture->bob_of_ada)), >=, 0);
  n_sent = breakable_udp_get_sent ();
  kit_transfer_finish (kit_transfer_start (fixture->ada_end, fixture->bob_end, 8 << 20, 1));
  g_assert_cmpuint (breakable_udp_get_sent () - n_sent, >, (8 << 20) / 1280);
}

static void
test_fall_back (Fixture       *fixture,
                gconstpointer  data)
{
  talk_until (fixture, TN_PATH_KIND_DIRECT);
  breakable_udp_set_broken (TRUE);
  talk_until (fixture, TN_PATH_KIND_RELAY);
  kit_transfer_finish (kit_transfer_start (fixture->bob_end, fixture->ada_end, 1 << 20, 2));
  breakable_udp_set_broken (FALSE);
  talk_until (fixture, TN_PATH_KIND_DIRECT);
}

/* The first start of a device does. */
static void
load_plugins (void)
{
  TnTestkitTailnet *tailnet = kit_tailnet_new ();

  kit_free (kit_device_join (tailnet, "first"));
  g_object_unref (tailnet);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  load_plugins ();
  breakable_udp_register ();
  g_test_add ("/device/direct/path", Fixture, NULL, set_up, test_direct, tear_down);
  g_test_add ("/device/direct/fall-back", Fixture, NULL, set_up, test_fall_back, tear_down);
  return g_test_run ();
}
