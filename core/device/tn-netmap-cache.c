/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netmap-cache.h"

#include <string.h>

#include "tn-error.h"
#include "tn-reader.h"

/* Two lines, then the map, packed by gzip:
 *   tailnet-netmap 1 NODE-KEY CONTROL-URL
 *   TOLD-US HOME-REGION */
#define TEXT_MAX   TN_NETMAP_CACHE_TEXT_MAX
#define GZIP_MIN   18             /* header and trailer */
#define FACTS_MAX  64
#define PACK_LEVEL 1              /* more of it takes ten times as long for a few percent */

/* --- The lines --- */

static char *
make_owner_line (const TnNetmapCacheInfo *info)
{
  char key[TN_KEY_TEXT_MAX];

  tn_node_public_key_print (&info->node_key, key);
  return g_strdup_printf ("tailnet-netmap 1 %s %s\n", key, info->control_url);
}

static gboolean
parse_facts (const char        *line,
             TnNetmapCacheInfo *info)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 2);
  guint64 home;

  if (g_strv_length (words) != 2 || !g_ascii_string_to_signed (words[0], 10, 0, G_MAXINT64, &info->told_us, NULL) ||
      !g_ascii_string_to_unsigned (words[1], 10, 0, G_MAXINT32, &home, NULL))
    return FALSE;
  info->home_region = (guint) home;
  return TRUE;
}

/* Where the map begins; 0: not here. */
static gsize
parse_lines (const char        *data,
             gsize              len,
             TnNetmapCacheInfo *info,
             GError           **error)
{
  g_autofree char *owner = make_owner_line (info);
  gsize owner_len = strlen (owner);
  g_autofree char *facts = NULL;
  const char *end;

  if (len < owner_len || memcmp (data, owner, owner_len) != 0)
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "it belongs to another node key, server or version");
      return 0;
    }
  end = memchr (data + owner_len, '\n', MIN (len - owner_len, FACTS_MAX));
  facts = end != NULL ? g_strndup (data + owner_len, (gsize) (end - data) - owner_len) : NULL;
  if (facts == NULL || !parse_facts (facts, info))
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "it does not begin as one");
      return 0;
    }
  return (gsize) (end + 1 - data);
}

/* --- The map --- */

GBytes *
tn_netmap_cache_encode (const TnNetmapCacheInfo  *info,
                        const TnNetmapText       *text,
                        GCancellable             *cancellable,
                        GError                  **error)
{
  g_autofree char *owner = make_owner_line (info);
  g_autofree char *lines = g_strdup_printf ("%s%" G_GINT64_FORMAT " %u\n", owner, info->told_us, info->home_region);
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GConverter) packer = G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, PACK_LEVEL));
  g_autoptr (GOutputStream) packed = NULL;

  if (!g_output_stream_write_all (memory, lines, strlen (lines), NULL, cancellable, error))
    return NULL;
  packed = g_converter_output_stream_new (memory, packer);
  if (!tn_netmap_text_write (text, TEXT_MAX, packed, cancellable, error) || !g_output_stream_close (packed, cancellable, error))
    return NULL;
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

/* RFC 1952, 2.3.1: ISIZE, the last four bytes, is the length of what was packed. FALSE: too short, or beyond what we write. */
static gboolean
get_text_len (GBytes  *packed,
              gsize   *text_len,
              GError **error)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (packed, &len);

  *text_len = len >= GZIP_MIN ? tn_get_u32le (data + len - 4) : 0;
  if (len >= GZIP_MIN && *text_len <= TEXT_MAX)
    return TRUE;
  g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "map of %" G_GSIZE_FORMAT " bytes, packed into %" G_GSIZE_FORMAT, *text_len, len);
  return FALSE;
}

/* In one piece of its size: one that grows takes twice as much, and that of a big tailnet is a hundred megabytes. */
static char *
unpack (GBytes  *packed,
        gsize   *text_len,
        GError **error)
{
  g_autoptr (GInputStream) memory = g_memory_input_stream_new_from_bytes (packed);
  g_autoptr (GConverter) unpacker = G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  g_autoptr (GInputStream) stream = g_converter_input_stream_new (memory, unpacker);
  g_autofree char *text = NULL;
  gsize n;

  if (!get_text_len (packed, text_len, error))
    return NULL;
  text = g_malloc (*text_len + 1);
  if (!g_input_stream_read_all (stream, text, *text_len + 1, &n, NULL, error))
    return NULL;
  if (n != *text_len)
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "map is not as long as it says");
      return NULL;
    }
  return g_steal_pointer (&text);
}

TnNetmap *
tn_netmap_cache_decode (GBytes             *value,
                        TnNetmapCacheInfo  *info,
                        GError            **error)
{
  gsize len;
  const char *data = g_bytes_get_data (value, &len);
  gsize start = parse_lines (data, len, info, error);
  g_autoptr (GBytes) packed = start > 0 ? g_bytes_new_from_bytes (value, start, len - start) : NULL;
  gsize text_len;
  g_autofree char *text = packed != NULL ? unpack (packed, &text_len, error) : NULL;

  return text != NULL ? tn_netmap_text_read (text, text_len, error) : NULL;
}
