/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "device-kit.h"

/* Certificates that only the system's trust store knows: in a mount namespace of this process alone, the store is a file of the test's. */

#define STORE "/etc/ssl/certs/ca-certificates.crt"

static char *roots;             /* path of the file; NULL: it could not be put there */
static char *why_not;

static gboolean
write_text (const char *path,
            const char *text)
{
  g_autoptr (GError) error = NULL;

  if (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, &error))
    return TRUE;
  g_test_message ("%s", error->message);
  return FALSE;
}

/* Before there is any thread. */
static void
enter_namespace (void)
{
  g_autofree char *path = NULL;
  g_autofree char *map = g_strdup_printf ("0 %u 1", geteuid ());
  gboolean is_root = geteuid () == 0;
  int fd;

  if (unshare (is_root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0)
    {
      why_not = g_strdup_printf ("needs a mount namespace: %s", g_strerror (errno));
      return;
    }
  if (!is_root)
    write_text ("/proc/self/uid_map", map);

  fd = g_file_open_tmp ("tailnet-test-XXXXXX.pem", &path, NULL);
  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  if (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount (path, STORE, NULL, MS_BIND, NULL) == 0)
    roots = g_steal_pointer (&path);
  else
    {
      why_not = g_strdup_printf ("cannot replace %s: %s", STORE, g_strerror (errno));
      g_unlink (path);
    }
}

static char *
dup_pem (GTlsCertificate *certificate)
{
  char *pem;

  g_object_get (certificate, "certificate-pem", &pem, NULL);
  return pem;
}

/* The file itself is what is mounted: it is written to, not replaced. */
static void
trust (GTlsCertificate *one,
       GTlsCertificate *other)
{
  g_autofree char *pem_of_one = dup_pem (one);
  g_autofree char *pem_of_other = dup_pem (other);
  FILE *file = g_fopen (roots, "we");

  g_assert_nonnull (file);
  g_assert_cmpint (fputs (pem_of_one, file), >=, 0);
  g_assert_cmpint (fputs (pem_of_other, file), >=, 0);
  g_assert_cmpint (fclose (file), ==, 0);
}

/* A relay that no pin vouches for. */
static void
set_relay (TnTestkitTailnet *tailnet,
           TnTestkitDerp    *relay)
{
  g_autofree char *map = g_strdup_printf (
      "{\"Regions\":{\"901\":{\"RegionID\":901,\"RegionCode\":\"roots\",\"RegionName\":\"Roots\",\"Nodes\":[{\"Name\":\"901a\",\"RegionID\":901,"
      "\"HostName\":\"localhost\",\"IPv4\":\"127.0.0.1\",\"IPv6\":\"none\",\"DERPPort\":%u,\"STUNPort\":-1}]}}}",
      tn_testkit_derp_get_port (relay));

  g_assert_true (tn_testkit_control_set_derp_map_json (tn_testkit_tailnet_get_control (tailnet), map, NULL));
}

static TnDevice *
device_new (TnTestkitTailnet *tailnet,
            const char       *hostname)
{
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);

  return g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", hostname, "control-url", url,
                       "auth-key", tn_testkit_tailnet_get_auth_key (tailnet), NULL);
}

static void
check_trusted (TnTestkitTailnet *tailnet)
{
  g_autoptr (TnDevice) one = device_new (tailnet, "one");
  g_autoptr (TnDevice) other = device_new (tailnet, "other");
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (TnNode) peer = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (one, &error));
  g_assert_true (kit_start (other, &error));
  peer = kit_wait_peer (one, "other");
  pong = kit_ping (one, "other", TN_PING_KIND_TSMP, &error);
  g_assert_no_error (error);
  kit_stop (one);
  kit_stop (other);
}

static void
check_stranger (void)
{
  g_autoptr (TnTestkitTailnet) stranger = g_object_new (TN_TESTKIT_TYPE_TAILNET, "tls", TRUE, NULL);
  g_autoptr (GAsyncResult) start = NULL;
  g_autoptr (TnDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_assert_true (tn_testkit_tailnet_start (stranger, &error));
  device = device_new (stranger, "careful");
  tn_device_start_async (device, NULL, kit_result_cb, &start);
  text = kit_wait_health (device, "control-connection");
  g_assert_nonnull (strstr (text, "certificate for 127.0.0.1 is signed by an unknown authority"));
  kit_stop (device);
  kit_wait (&start);
}

static void
test_roots (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = NULL;
  g_autoptr (TnTestkitDerp) relay = NULL;
  g_autoptr (GTlsCertificate) certificate = NULL;
  g_autoptr (GError) error = NULL;

  if (roots == NULL)
    {
      g_test_skip (why_not);
      return;
    }

  tailnet = g_object_new (TN_TESTKIT_TYPE_TAILNET, "tls", TRUE, "n-relays", 0, NULL);
  relay = g_object_new (TN_TESTKIT_TYPE_DERP, "region", 901, "address", "127.0.0.1", NULL);
  g_assert_true (tn_testkit_tailnet_start (tailnet, &error));
  g_assert_true (tn_testkit_derp_start (relay, &error));
  set_relay (tailnet, relay);
  g_object_get (tn_testkit_tailnet_get_control (tailnet), "tls-certificate", &certificate, NULL);
  trust (certificate, tn_testkit_derp_get_certificate (relay));

  check_trusted (tailnet);
  check_stranger ();
  tn_testkit_derp_stop (relay);
  tn_testkit_tailnet_stop (tailnet);
}

int
main (int    argc,
      char **argv)
{
  int code;

  enter_namespace ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/device/system-roots/join-and-ping", test_roots);
  code = g_test_run ();
  if (roots != NULL)
    g_unlink (roots);
  g_free (roots);
  g_free (why_not);
  return code;
}
