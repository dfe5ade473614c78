/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "device-kit.h"

/* What the control server wants of the DNS, as a device shows it, and each time that it wants something else. */

static TnTestkitTailnet *tailnet;

typedef struct
{
  TnDevice *device;
  guint     n_told;
} Watch;

static void
told_cb (GObject    *device,
         GParamSpec *pspec,
         gpointer    user_data)
{
  ((Watch *) user_data)->n_told++;
}

static gboolean
is_told (gpointer user_data)
{
  return ((Watch *) user_data)->n_told > 0;
}

static TnDnsConfig *
set_config (Watch      *watch,
            const char *json)
{
  g_autoptr (GError) error = NULL;

  watch->n_told = 0;
  g_assert_true (tn_testkit_control_set_dns_config_json (tn_testkit_tailnet_get_control (tailnet), json, &error));
  kit_wait_for ("another DNS configuration", is_told, watch);
  return tn_device_dup_dns_config (watch->device);
}

static void
check_pairs (GVariant   *pairs,
             const char *text)
{
  g_autofree char *printed = g_variant_print (pairs, FALSE);

  g_assert_cmpstr (printed, ==, text);
}

static void
check_texts (const char *const *texts,
             const char        *joined)
{
  g_autoptr (GString) all = g_string_new (NULL);

  for (guint i = 0; texts[i] != NULL; i++)
    g_string_append_printf (all, "%s%s", i > 0 ? " " : "", texts[i]);
  g_assert_cmpstr (all->str, ==, joined);
}

static const char full[] =
  "{\"Proxied\":true,\"Domains\":[\"tail.test\",\"corp.example\"],\"CertDomains\":[\"dora.tail.test\"],"
  "\"Resolvers\":[{\"Addr\":\"192.0.2.53\"},{\"Addr\":\"https://dns.example/dns-query\"}],\"FallbackResolvers\":[{\"Addr\":\"192.0.2.99\"}],"
  "\"Routes\":{\"corp.example.\":[{\"Addr\":\"192.0.2.54\"},{\"Addr\":\"192.0.2.55:5353\"}],\"tail.test\":[]},"
  "\"ExtraRecords\":[{\"Name\":\"db.corp.example.\",\"Value\":\"100.64.0.9\"}]}";

static void
check_full (TnDnsConfig *config)
{
  g_autofree char *json = tn_dns_config_to_json (config);
  g_autoptr (GVariant) corp = NULL;

  g_assert_true (tn_dns_config_get_magic_dns (config));
  g_assert_cmpstr (tn_dns_config_get_suffix (config), ==, "tail.test");
  check_texts (tn_dns_config_get_resolvers (config), "192.0.2.53 https://dns.example/dns-query");
  g_assert_true (g_strv_contains (tn_dns_config_get_search_domains (config), "corp.example"));
  g_assert_true (g_strv_contains (tn_dns_config_get_search_domains (config), "tail.test"));
  check_texts (tn_dns_config_get_cert_domains (config), "dora.tail.test");
  corp = g_variant_lookup_value (tn_dns_config_get_routes (config), "corp.example", G_VARIANT_TYPE ("as"));
  g_assert_nonnull (corp);
  check_pairs (corp, "['192.0.2.54', '192.0.2.55:5353']");
  check_pairs (tn_dns_config_get_extra_records (config), "{'db.corp.example': ['100.64.0.9']}");
  g_test_message ("%s", json);
  g_assert_nonnull (strstr (json, "\"dora.tail.test.\""));
}

static void
test_shown (void)
{
  Watch watch = { kit_device_join (tailnet, "dora"), 0 };
  gulong handler = g_signal_connect (watch.device, "notify::dns-config", G_CALLBACK (told_cb), &watch);
  g_autoptr (TnDnsConfig) first = tn_device_dup_dns_config (watch.device);
  g_autoptr (TnDnsConfig) second = NULL;
  g_autoptr (TnDnsConfig) third = NULL;

  g_assert_true (tn_dns_config_get_magic_dns (first));      /* the names of the nodes, and nothing else */
  g_assert_cmpstr (tn_dns_config_get_suffix (first), ==, "tail.test");
  check_texts (tn_dns_config_get_resolvers (first), "");
  check_pairs (tn_dns_config_get_extra_records (first), "{}");

  second = set_config (&watch, full);
  check_full (second);
  check_texts (tn_dns_config_get_resolvers (first), "");      /* who holds one has it as it was */

  third = set_config (&watch, "{}");
  g_assert_false (tn_dns_config_get_magic_dns (third));
  check_texts (tn_dns_config_get_resolvers (third), "");
  check_full (second);
  g_signal_handler_disconnect (watch.device, handler);
  kit_free (watch.device);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  tailnet = kit_tailnet_new ();
  g_test_add_func ("/device/embedded-dns/shown", test_shown);
  status = g_test_run ();
  g_object_unref (tailnet);
  return status;
}
