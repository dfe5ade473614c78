/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A whole device with an interface of the kernel, in a network of this test's own, beside one with a network stack of its own. */

#include "config.h"

#include <net/if.h>
#include <string.h>

#include "device-kit.h"
#include "kernel.h"

static TnDevice *
device_new (TnTestkitTailnet *tailnet,
            const char       *hostname,
            const char       *netstack)
{
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);
  TnDevice *device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", hostname, "control-url", url, "netstack", netstack, NULL);

  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), tn_testkit_tailnet_get_auth_key (tailnet));
  return device;
}

static TnDevice *
join (TnTestkitTailnet *tailnet,
      const char       *hostname,
      const char       *netstack)
{
  TnDevice *device = device_new (tailnet, hostname, netstack);
  g_autoptr (GError) error = NULL;

  kit_start (device, &error);
  g_assert_no_error (error);
  return device;
}

static gboolean
has_routes (gpointer node)
{
  g_autofree char *wanted = g_strdup_printf ("%s dev ", tn_node_get_addresses (node)[0]);
  g_autofree char *text4 = kernel_show ("-4 route show table all");
  g_autofree char *text6 = kernel_show ("-6 route show table all");

  return strstr (text4, wanted) != NULL && strstr (text6, "fd7a:115c:a1e0::/48 dev ") != NULL;
}

static void
wait_routes (TnNode *node)
{
  g_autoptr (GSource) watch = kernel_watch ();

  kit_wait_for ("routes to a peer", has_routes, node);
  g_source_destroy (watch);
}

/* The kernel's own TCP finds its way to the other node and back, in both directions and families. */
static void
test_sockets (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  TnDevice *host = join (tailnet, "host", "tun");
  TnDevice *guest = join (tailnet, "guest", "lwip");
  g_autoptr (TnNode) peer = kit_wait_peer (host, "guest");
  g_autoptr (TnPingResult) ping = NULL;
  g_autoptr (GError) error = NULL;

  wait_routes (peer);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (TnConnection) client = NULL;
      g_autoptr (TnConnection) server = NULL;

      kit_pair (i == 0 ? host : guest, i == 0 ? guest : host, i == 0 ? "guest" : "host", (guint16) (80 + i), &client, &server);
      kit_transfer_finish (kit_transfer_start (client, server, 4 << 20, 7 + i));
      kit_transfer_finish (kit_transfer_start (server, client, 4 << 20, 9 + i));
    }
  ping = kit_ping (host, "guest", TN_PING_KIND_ICMP, &error);
  g_assert_no_error (error);
  kit_free (host);
  kit_free (guest);
}

static void
nft (const char *words)
{
  g_autofree char *out = kernel_nft (words);
}

static guint
count_packets (const char *chain)
{
  g_autofree char *words = g_strdup_printf ("list chain inet seen %s", chain);
  g_autofree char *out = kernel_nft (words);
  const char *number = strstr (out, "packets ");

  g_assert_nonnull (number);
  return (guint) g_ascii_strtoull (number + strlen ("packets "), NULL, 10);
}

/* Whatever begins to talk to the network under the tailnet bears the mark: control, relay, measurement. */
static void
test_marks (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  g_autofree char *program = g_find_program_in_path ("nft");
  TnDevice *host;

  if (program == NULL)
    {
      g_test_skip ("needs nft, of nftables");
      return;
    }
  nft ("add table inet seen");
  nft ("'add chain inet seen marked { type filter hook output priority 0 ; }'");
  nft ("'add chain inet seen unmarked { type filter hook output priority 0 ; }'");
  nft ("add rule inet seen marked oif lo ct state new mark 0x80000 counter");
  nft ("add rule inet seen unmarked oif lo ct state new mark != 0x80000 counter");
  host = join (tailnet, "host", "tun");
  g_assert_cmpuint (count_packets ("marked"), >, 3);
  g_assert_cmpuint (count_packets ("unmarked"), ==, 0);
  kit_free (host);
  g_assert_cmpuint (count_packets ("unmarked"), ==, 0);
  nft ("delete table inet seen");
}

/* Nothing of the device stays in the kernel when it stops, whether or not its peers go before. */
static void
test_leaves_nothing (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  g_autofree char *before = kernel_dump ();
  TnDevice *host = device_new (tailnet, "host", "tun");

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *during = NULL;
      g_autofree char *after = NULL;
      g_autoptr (GError) error = NULL;

      kit_start (host, &error);
      g_assert_no_error (error);
      during = kernel_dump ();
      g_assert_nonnull (strstr (during, "5270:"));
      kit_stop (host);
      after = kernel_dump ();
      g_assert_cmpstr (after, ==, before);
    }
  kit_free (host);
}

static char *missing;

static void
skip (void)
{
  g_test_skip (missing);
}

int
main (int    argc,
      char **argv)
{
  static const struct { const char *path; GTestFunc func; } tests[] = {
    { "/tun/device/sockets", test_sockets },
    { "/tun/device/marks", test_marks },
    { "/tun/device/leaves-nothing", test_leaves_nothing },
  };
  gboolean ready = kernel_enter (&missing);

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add_func (tests[i].path, ready ? tests[i].func : skip);
  return g_test_run ();
}
