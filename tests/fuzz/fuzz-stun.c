/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-stun.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  guint8 response[TN_STUN_RESPONSE_MAX];
  TnStunTxid txid, again_txid;
  TnIpEndpoint source, again;
  gsize len;

  if (tn_stun_parse_request (data, size, &txid))
    g_assert_true (tn_stun_is_binding (data, size));
  if (!tn_stun_parse_response (data, size, &txid, &source))
    return 0;

  len = tn_stun_write_response (&txid, &source, response);
  g_assert_true (tn_stun_parse_response (response, len, &again_txid, &again));
  g_assert_cmpmem (&txid, sizeof txid, &again_txid, sizeof again_txid);
  g_assert_true (tn_ip_address_equal (&source.address, &again.address));
  g_assert_cmpuint (source.port, ==, again.port);
  return 0;
}
