/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "router.h"

#include "host.h"
#include "tn-linux-kernel.h"
#include "tn-linux-router.h"

/* --- The router, asked in words --- */

static GArray *
parse (const char *text)
{
  GArray *prefixes = g_array_new (FALSE, TRUE, sizeof (TnIpPrefix));
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (guint i = 0; words[i] != NULL; i++)
    if (*words[i] != '\0')
      {
        TnIpPrefix prefix;

        g_assert_true (tn_ip_prefix_parse (words[i], &prefix));
        g_array_append_val (prefixes, prefix);
      }
  return prefixes;
}

static gboolean
test_router_try (TnRouter   *router,
                 const char *interface,
                 const char *addresses,
                 const char *routes,
                 GError    **error)
{
  g_autoptr (GArray) address_array = parse (addresses);
  g_autoptr (GArray) route_array = parse (routes);
  const TnRouterConfig config = {
    interface, (const TnIpPrefix *) (gpointer) address_array->data, address_array->len,
    (const TnIpPrefix *) (gpointer) route_array->data, route_array->len,
  };

  return TN_ROUTER_GET_IFACE (router)->configure (router, &config, error);
}

void
test_router_configure (TnRouter   *router,
                       const char *interface,
                       const char *addresses,
                       const char *routes)
{
  g_autoptr (GError) error = NULL;

  test_router_try (router, interface, addresses, routes, &error);
  g_assert_no_error (error);
}

void
test_router_assert_refused (TnRouter   *router,
                            const char *interface,
                            const char *addresses,
                            const char *routes,
                            int         code,
                            const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (test_router_try (router, interface, addresses, routes, &error));
  if (code != TEST_ANY_CODE)
    g_assert_error (error, G_IO_ERROR, code);
  if (!g_pattern_match_simple (message, error->message))
    g_error ("\"%s\" is not like \"%s\"", error->message, message);
}

void
test_router_reset (TnRouter *router)
{
  TN_ROUTER_GET_IFACE (router)->reset (router);
}

TnRouter *
test_router_new (void)
{
  return g_object_new (TN_TYPE_LINUX_ROUTER, NULL);
}

void
test_router_assert_dump (const char *expected)
{
  g_autofree char *dump = test_host_dump ();

  g_assert_cmpstr (dump, ==, expected);
}

/* --- What is there, read by a second reader --- */

char *
test_router_print (const char *interface)
{
  g_auto (TnLinuxKernel) kernel = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (TnLinuxState) state = tn_linux_kernel_read (&kernel, &error);
  GString *text = g_string_new (NULL);
  const guint32 index = test_host_index (interface);
  char one[TN_IP_PREFIX_TEXT_MAX];

  g_assert_no_error (error);
  g_array_sort (state->addresses, tn_linux_address_compare);
  g_array_sort (state->routes, tn_linux_route_compare);
  for (guint i = 0; i < state->addresses->len; i++)
    if (g_array_index (state->addresses, TnLinuxAddress, i).index == index)
      {
        tn_ip_prefix_print (&g_array_index (state->addresses, TnLinuxAddress, i).prefix, one);
        g_string_append_printf (text, "%s ", one);
      }
  g_string_append (text, "|");
  for (guint i = 0; i < state->routes->len; i++)
    if (g_array_index (state->routes, TnLinuxRoute, i).index == index)
      {
        tn_ip_prefix_print (&g_array_index (state->routes, TnLinuxRoute, i).prefix, one);
        g_string_append_printf (text, " %s", one);
      }
  return g_string_free (text, FALSE);
}

void
test_router_assert_interface (const char *interface,
                              const char *expected)
{
  g_autofree char *text = test_router_print (interface);

  g_assert_cmpstr (text, ==, expected);
}
