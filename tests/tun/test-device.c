/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A whole device with an interface of the kernel, in a network of this test's own, beside one with a network stack of its own. */

#include "config.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* --- Two machines --- */

static void
assert_name (TnDevice   *device,
             const char *expected)
{
  g_assert_cmpstr (tn_embedded_device_get_interface_name (TN_EMBEDDED_DEVICE (device)), ==, expected);
}

/* In the network that the calling thread is in: so are the threads of its packets. */
static TnDevice *
join_from (TnTestkitTailnet *tailnet,
           const char       *hostname)
{
  TnDevice *device = join (tailnet, hostname, "tun");

  assert_name (device, "tailnet0");
  return device;
}

/* Two nodes with an interface of the kernel each, in networks that only meet in the relay: pings and connections of both kernels. */
static void
test_two_networks (void)
{
  int here = kernel_network ();
  int there = kernel_new_network ();
  g_autoptr (TnTestkitTailnet) tailnet = g_object_new (TN_TESTKIT_TYPE_TAILNET, "listen-address", "10.77.0.1", NULL);
  g_autoptr (TnNode) peer = NULL;
  g_autoptr (TnNode) other_peer = NULL;
  g_autoptr (TnListener) listener = NULL;
  g_autoptr (TnPingResult) ping = NULL;
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  g_autoptr (GError) error = NULL;
  TnDevice *ann, *bob;

  kernel_ip ("link add veth-a type veth peer name veth-b");
  kernel_ip ("link set veth-b netns /proc/%d/fd/%d", (int) getpid (), there);
  kernel_ip ("address add 10.77.0.1/24 dev veth-a");
  kernel_ip ("link set veth-a up");
  tn_testkit_tailnet_start (tailnet, &error);
  g_assert_no_error (error);
  ann = join_from (tailnet, "ann");
  listener = kit_listen (ann, 80, NULL, &error);
  g_assert_no_error (error);

  kernel_move (there);
  kernel_ip ("address add 10.77.0.2/24 dev veth-b");
  kernel_ip ("link set veth-b up");
  bob = join_from (tailnet, "bob");
  peer = kit_wait_peer (bob, "ann");
  wait_routes (peer);
  kernel_move (here);
  other_peer = kit_wait_peer (ann, "bob");
  wait_routes (other_peer);
  kernel_move (there);
  ping = kit_ping (bob, "ann", TN_PING_KIND_ICMP, &error);
  g_assert_no_error (error);
  client = kit_connect (bob, "ann", 80, &error);
  g_assert_no_error (error);
  server = kit_accept (listener);
  kit_transfer_finish (kit_transfer_start (client, server, 4 << 20, 7));
  kit_transfer_finish (kit_transfer_start (server, client, 4 << 20, 9));

  g_clear_object (&client);      /* what holds on to a device */
  g_clear_object (&server);
  g_clear_object (&listener);
  g_clear_object (&peer);
  g_clear_object (&other_peer);
  kit_free (bob);
  kernel_move (here);
  kit_free (ann);
  kernel_ip ("link delete veth-a");
  close (there);
  close (here);
}

/* --- Interfaces that are given --- */

static TnDevice *
device_with (TnTestkitTailnet *tailnet,
             const char       *interface,
             int               fd)
{
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);
  TnDevice *device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "host", "control-url", url, "interface-name", interface, "tun-fd", fd, NULL);

  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), tn_testkit_tailnet_get_auth_key (tailnet));
  return device;
}

static void
notified_cb (GObject    *object,
             GParamSpec *pspec,
             gpointer    n)
{
  ++*(guint *) n;
}

/* The property is what was asked for, and while the device runs what there is. */
static void
test_name (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  TnDevice *device = device_with (tailnet, "net%d", -1);
  guint n_notified = 0;

  g_signal_connect (device, "notify::interface-name", G_CALLBACK (notified_cb), &n_notified);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      assert_name (device, "net%d");
      kit_start (device, &error);
      g_assert_no_error (error);
      assert_name (device, "net0");
      g_assert_cmpuint (if_nametoindex ("net0"), >, 0);
      kit_stop (device);
      g_assert_cmpuint (if_nametoindex ("net0"), ==, 0);
    }
  g_assert_cmpuint (n_notified, ==, 4);
  kit_free (device);
}

static void
refuse (TnDevice   *device,
        const char *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (kit_start (device, &error));
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, words));
  kit_free (device);
}

/* What cannot be an interface is an error that names it, and leaves nothing behind. */
static void
test_refused (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  g_autofree char *before = kernel_dump ();
  g_autofree char *after = NULL;
  int fd = open ("/dev/null", O_RDWR | O_CLOEXEC);

  refuse (device_with (tailnet, "a/b", -1), "a/b");
  refuse (device_with (tailnet, "lo", -1), "lo");
  refuse (device_with (tailnet, NULL, fd), "descriptor");
  g_assert_cmpint (fcntl (fd, F_GETFD), ==, -1);      /* it was the device's */
  kernel_set_allowed (FALSE);
  refuse (device_with (tailnet, "tn0", -1), "CAP_NET_ADMIN");
  kernel_set_allowed (TRUE);
  after = kernel_dump ();
  g_assert_cmpstr (after, ==, before);
}

/* A helper with more rights opens the interface and sets it up; the node has none, says what it cannot do, and its data flows. */
static void
test_unprivileged (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  TnDevice *host;
  TnDevice *guest;
  g_autofree char *routes = NULL;
  g_autofree char *marks = NULL;
  g_autoptr (TnNode) self = NULL;
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  g_autoptr (GError) error = NULL;
  int fd = kernel_open_tun ("given0");

  kernel_ip ("link set given0 mtu 1280 up");
  host = device_with (tailnet, NULL, fd);
  kernel_set_allowed (FALSE);
  kit_start (host, &error);
  kernel_set_allowed (TRUE);
  g_assert_no_error (error);
  assert_name (host, "given0");
  routes = kit_wait_health (host, "router");
  marks = kit_wait_health (host, "socket-mark");
  g_test_message ("%s; %s", routes, marks);
  g_assert_nonnull (strstr (routes, "given0"));
  g_assert_nonnull (strstr (marks, "CAP_NET_ADMIN"));

  self = tn_device_dup_self_node (host);
  kernel_ip ("address add %s/32 dev given0", tn_node_get_addresses (self)[0]);
  kernel_ip ("route add 100.64.0.0/10 dev given0");
  guest = join (tailnet, "guest", "lwip");
  kit_pair (host, guest, "guest", 80, &client, &server);
  kit_transfer_finish (kit_transfer_start (client, server, 1 << 20, 7));
  kit_transfer_finish (kit_transfer_start (server, client, 1 << 20, 9));
  kit_stop (host);
  g_assert_cmpuint (if_nametoindex ("given0"), >, 0);      /* until the device is gone */
  kit_start (host, &error);
  g_assert_no_error (error);
  kit_free (host);
  g_assert_cmpuint (if_nametoindex ("given0"), ==, 0);
  kit_free (guest);
}

/* To all threads of the process but this one: the GNU C library has seteuid() count for all. */
static void
set_others_allowed (gboolean allowed)
{
  g_assert_no_errno (seteuid (allowed ? 0 : 65534));
  if (!allowed)
    g_assert_no_errno ((int) syscall (SYS_setresuid, -1, 0, -1));
  g_assert_no_errno (prctl (PR_SET_DUMPABLE, 1));      /* as before: a sanitizer looks at its own process at the end */
}

/* A service that gives up its rights once it runs is told what that means, when it matters. */
static void
test_rights_lost (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  TnDevice *host = device_with (tailnet, "tn0", -1);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  int wan = kernel_open_tun ("wan0");

  kernel_ip ("link set wan0 up");
  kit_start (host, &error);
  g_assert_no_error (error);
  kit_wait_healthy (host, "socket-mark");
  set_others_allowed (FALSE);
  kernel_ip ("address add 192.0.2.2/24 dev wan0");
  text = kit_wait_health (host, "socket-mark");
  g_assert_nonnull (strstr (text, "CAP_NET_ADMIN"));
  set_others_allowed (TRUE);
  kernel_ip ("address add 192.0.2.3/24 dev wan0");
  kit_wait_healthy (host, "socket-mark");
  kit_free (host);
  close (wan);
}

/* --- What happens to interfaces --- */

static gboolean
is_stopped (gpointer device)
{
  return tn_device_get_state (device) == TN_DEVICE_STATE_STOPPED;
}

/* Somebody deletes the interface: the device ends with an error that names it, cleans up, and can be started again. */
static void
test_deleted (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  g_autofree char *before = kernel_dump ();
  TnDevice *host = device_with (tailnet, "tn0", -1);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) reason = NULL;
      g_autofree char *after = NULL;

      kit_start (host, &error);
      g_assert_no_error (error);
      kernel_ip ("link delete tn0");
      kit_wait_for ("the end of a device", is_stopped, host);
      reason = tn_device_dup_error (host);
      g_assert_nonnull (reason);
      g_test_message ("%s", reason->message);
      g_assert_nonnull (strstr (reason->message, "tn0"));
      after = kernel_dump ();
      g_assert_cmpstr (after, ==, before);
    }
  kit_free (host);
}

/* Put down and up, and with another MTU, the interface carries connections as before: what it lost comes back. */
static void
test_down_and_up (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  TnDevice *host = device_with (tailnet, "tn0", -1);
  TnDevice *guest = join (tailnet, "guest", "lwip");
  g_autoptr (TnNode) peer = NULL;
  g_autoptr (GError) error = NULL;

  kit_start (host, &error);
  g_assert_no_error (error);
  peer = kit_wait_peer (host, "guest");
  wait_routes (peer);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (TnConnection) client = NULL;
      g_autoptr (TnConnection) server = NULL;

      kernel_ip ("link set tn0 down");
      kernel_ip ("link set tn0 mtu %u", 1280 + 100 * i);
      kernel_ip ("link set tn0 up");
      wait_routes (peer);
      kit_pair (host, guest, "guest", (guint16) (80 + i), &client, &server);
      kit_transfer_finish (kit_transfer_start (client, server, 1 << 20, 7));
      kit_transfer_finish (kit_transfer_start (server, client, 1 << 20, 9));
    }
  kit_wait_healthy (host, "router");
  kit_free (host);
  kit_free (guest);
}

static gboolean
has_rule (gpointer priority)
{
  g_autofree char *text = kernel_show ("rule show");
  g_autofree char *begin = g_strdup_printf ("%s:", (const char *) priority);

  return strstr (text, begin) != NULL;
}

/* Other programs that take all routing of the machine for theirs remove what a node has made. It is there again soon. */
static void
test_removed (void)
{
  static const char *const rules[] = { "5210", "5270" };
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  TnDevice *host = device_with (tailnet, "tn0", -1);
  TnDevice *guest = join (tailnet, "guest", "lwip");
  g_autoptr (GSource) watch = NULL;
  g_autoptr (TnNode) peer = NULL;
  g_autoptr (GError) error = NULL;

  kit_start (host, &error);
  g_assert_no_error (error);
  peer = kit_wait_peer (host, "guest");
  wait_routes (peer);
  watch = kernel_watch ();
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      kernel_ip ("rule del pref %s", rules[i]);
      g_assert_false (has_rule ((gpointer) (guintptr) rules[i]));
      kit_wait_for ("the rule", has_rule, (gpointer) (guintptr) rules[i]);
    }
  g_source_destroy (watch);
  kernel_ip ("route flush table 52");
  wait_routes (peer);
  kit_free (host);
  kit_free (guest);
}

/* A stack that has no interface cannot give one. */
static void
test_other_stack (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = kit_tailnet_new ();
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);
  g_autoptr (GError) error = NULL;
  TnDevice *host = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "host", "control-url", url, "netstack", "lwip", "interface-name", "tn0", NULL);

  g_assert_false (kit_start (host, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "lwip"));
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
    { "/tun/device/two-networks", test_two_networks },
    { "/tun/device/name", test_name },
    { "/tun/device/refused", test_refused },
    { "/tun/device/removed", test_removed },
    { "/tun/device/other-stack", test_other_stack },
    { "/tun/device/unprivileged", test_unprivileged },
    { "/tun/device/rights-lost", test_rights_lost },
    { "/tun/device/deleted", test_deleted },
    { "/tun/device/down-and-up", test_down_and_up },
    { "/tun/device/leaves-nothing", test_leaves_nothing },
  };
  gboolean ready = kernel_enter (&missing);

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add_func (tests[i].path, ready ? tests[i].func : skip);
  return g_test_run ();
}
