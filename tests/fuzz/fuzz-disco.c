/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-datagram.h"
#include "tn-disco.h"

/* What was read is written again, and read to the same. */
static void
try_message (const uint8_t *data,
             size_t         size)
{
  g_autofree guint8 *out = g_malloc (size + 256);
  TnDiscoMessage message, again;
  gsize len;

  if (!tn_disco_parse (&message, data, size))
    return;
  len = tn_disco_write (&message, out, size + 256);
  g_assert_cmpuint (len, >, 0);
  if (message.type == TN_DISCO_CALL_ME_MAYBE_VIA || message.type == TN_DISCO_ALLOCATE_RESPONSE)
    return;      /* of another version: written as zeros, which are refused */
  g_assert_true (tn_disco_parse (&again, out, len));
  g_assert_cmpint (again.type, ==, message.type);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  static const guint8 shared[32] = { 1 };
  g_autofree guint8 *plain = g_malloc (size + 1);
  TnDatagramClass class = tn_datagram_classify (data, size);
  TnDiscoPublicKey sender;

  if (class.has_geneve)
    g_assert_cmpuint (size, >=, TN_GENEVE_LEN);
  if (class.kind == TN_DATAGRAM_DISCO && !class.has_geneve)
    tn_disco_get_sender (data, &sender);
  if (tn_disco_open (shared, data, size, plain))
    try_message (plain, size - TN_DISCO_OVERHEAD);
  try_message (data, size);
  return 0;
}
