/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-box.h"
#include "tn-testkit-relay.h"

/* A client that is let in and then says anything, one that says anything from the start, and the mesh key for both. */
int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  static const TnNodePrivateKey server = { { 1 } }, client = { { 2 } };
  static const guint8 nonce[TN_DERP_NONCE_LEN] = { 3 };
  TnDerpClientInfo info = { .version = TN_DERP_PROTOCOL_VERSION, .has_mesh_key = TRUE };
  TnIpEndpoint remote = { .address.version = 4, .port = 1 };
  g_autoptr (GByteArray) hello = g_byte_array_new ();
  TnTestkitRelay *relay = tn_testkit_relay_new (&server, info.mesh_key, NULL);
  TnTestkitRelayLink *member = tn_testkit_relay_connect (relay, &remote, FALSE, NULL);
  TnTestkitRelayLink *stranger = tn_testkit_relay_connect (relay, &remote, FALSE, NULL);
  TnNodePublicKey server_public, client_public;
  guint8 shared[32];

  tn_testkit_relay_get_key (relay, &server_public);
  tn_node_private_key_get_public (&client, &client_public);
  if (tn_box_precompute (shared, client.bytes, server_public.bytes))
    tn_derp_client_info_append (hello, &client_public, shared, nonce, &info);
  tn_testkit_relay_receive (member, hello->data, hello->len, 0);
  g_assert_nonnull (tn_testkit_relay_get_peer (member));

  tn_testkit_relay_receive (member, data, size, 1);
  tn_testkit_relay_receive (stranger, data, size, 2);
  tn_testkit_relay_disconnect (member);
  tn_testkit_relay_disconnect (stranger);
  tn_testkit_relay_free (relay);
  return 0;
}
