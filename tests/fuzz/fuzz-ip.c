/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-ip.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  char printed[TN_IP_ENDPOINT_TEXT_MAX];
  TnIpAddress address, again_address;
  TnIpPrefix prefix, again_prefix;
  TnIpEndpoint endpoint, again_endpoint;

  if (tn_ip_address_parse (text, &address))
    {
      tn_ip_address_print (&address, printed);
      g_assert_true (tn_ip_address_parse (printed, &again_address) && tn_ip_address_equal (&address, &again_address));
    }
  if (tn_ip_prefix_parse (text, &prefix))
    {
      tn_ip_prefix_print (&prefix, printed);
      g_assert_true (tn_ip_prefix_parse (printed, &again_prefix) && tn_ip_prefix_equal (&prefix, &again_prefix));
      g_assert_true (tn_ip_prefix_contains (&prefix, &prefix.address));
    }
  if (tn_ip_endpoint_parse (text, &endpoint))
    {
      tn_ip_endpoint_print (&endpoint, printed);
      g_assert_true (tn_ip_endpoint_parse (printed, &again_endpoint) && endpoint.port == again_endpoint.port);
      g_assert_true (tn_ip_address_equal (&endpoint.address, &again_endpoint.address));
    }
  return 0;
}
