/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-box.h"
#include "tn-derp-info.h"
#include "tn-derp-upgrade.h"

/* As a client reads it: an HTTP head, or frames. */
static void
read_as_client (const uint8_t *data,
                size_t         size)
{
  TnReader r = TN_READER_INIT (data, size);
  g_autoptr (GError) error = NULL;
  guint8 shared[32] = { 1 };
  TnNodePublicKey key;
  TnDerpFrame frame;
  gsize head_len = 0;

  if (tn_derp_upgrade_parse_response (data, size, &head_len, &error) == TN_DERP_PARSED)
    {
      g_assert_cmpuint (head_len, <=, size);
      g_assert_true (tn_reader_skip (&r, head_len));
    }
  while (tn_derp_frame_next (&r, TN_DERP_FRAME_MAX, &frame) == TN_DERP_PARSED)
    {
      TnDerpServerInfo info;
      TnDerpMessage message;

      g_assert_true (frame.payload >= data && frame.payload + frame.len <= data + size);
      if (tn_derp_greeting_parse (&frame, &key))
        g_assert_cmpuint (frame.len, >=, TN_DERP_MAGIC_LEN + TN_KEY_LEN);
      if (tn_derp_message_parse (&frame, &message) && message.data != NULL)
        g_assert_true (message.data >= data && message.data + message.len <= data + size);
      if (frame.type == TN_DERP_SERVER_INFO)
        (void) tn_derp_server_info_open (&frame, shared, &info, NULL);
    }
}

/* What is in a box comes from outside as well: here it is sealed first. */
static void
read_in_box (const uint8_t *data,
             size_t         size)
{
  static const TnNodePrivateKey server = { { 1 } }, client = { { 2 } };
  g_autofree guint8 *payload = g_malloc (TN_KEY_LEN + TN_DERP_NONCE_LEN + TN_BOX_TAG_LEN + size);
  guint8 *box = payload + TN_KEY_LEN;
  g_auto (TnDerpClientInfo) info = { 0 };
  TnNodePublicKey server_public, client_public, found;
  guint8 shared[32];
  TnDerpServerInfo server_info;
  TnDerpFrame frame = { TN_DERP_CLIENT_INFO, (guint32) (TN_KEY_LEN + TN_DERP_NONCE_LEN + TN_BOX_TAG_LEN + size), payload };

  tn_node_private_key_get_public (&server, &server_public);
  tn_node_private_key_get_public (&client, &client_public);
  if (!tn_box_precompute (shared, client.bytes, server_public.bytes))
    return;
  memcpy (payload, client_public.bytes, TN_KEY_LEN);
  memset (box, 3, TN_DERP_NONCE_LEN);
  tn_box_seal (shared, box, data, size, box + TN_DERP_NONCE_LEN);

  if (tn_derp_client_info_open (&frame, &server, &found, shared, &info, NULL))
    {
      g_autofree char *json = tn_derp_client_info_to_json (&info);

      g_assert_cmpint (json[0], ==, '{');
    }
  frame = (TnDerpFrame) { TN_DERP_SERVER_INFO, frame.len - TN_KEY_LEN, box };
  (void) tn_derp_server_info_open (&frame, shared, &server_info, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  read_as_client (data, size);
  read_in_box (data, size);
  return 0;
}
