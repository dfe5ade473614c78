/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-map-message.h"

enum { MAX_LEN = 2048 };

/* The messages of a stream of which @size bytes have come, up to a bad one. Returns how far that was. */
static gsize
read_stream (const uint8_t *data,
             size_t         size,
             guint         *n_messages)
{
  gsize pos = 0;

  *n_messages = 0;
  while (TRUE)
    {
      g_auto (TnMapMessage) message = { 0 };
      const char *json;
      gsize len, frame_len;

      if (!tn_map_frame_read (data + pos, size - pos, MAX_LEN, &json, &len, &frame_len, NULL) || json == NULL)
        return pos;
      g_assert (len > 0 && len <= MAX_LEN && frame_len > len && frame_len <= size - pos);
      g_assert ((const uint8_t *) json + len == data + pos + frame_len);
      if (!tn_map_message_read (&message, json, len, NULL))
        return pos;
      g_assert (message.sleep_us >= 0);
      pos += frame_len;
      ++*n_messages;
    }
}

/* All at once, and half first: what is there is the same, and no sooner. */
int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  guint n_all, n_half;
  gsize all = read_stream (data, size, &n_all);
  gsize half = read_stream (data, size / 2, &n_half);

  g_assert (half <= size / 2 && half <= all && n_half <= n_all);
  return 0;
}
