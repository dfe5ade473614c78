/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-pcapng.h"

#include <string.h>

#include "tn-reader.h"

/* draft-ietf-opsawg-pcapng, sections 3.1, 4.1, 4.2 and 4.3; link types: tcpdump.org/linktypes.html. */
enum
{
  BLOCK_SECTION = 0x0a0d0d0a,
  BLOCK_INTERFACE = 1,
  BLOCK_PACKET = 6,
  MAGIC = 0x1a2b3c4d,
  FORMAT_VERSION = 1,
  LINK_RAW_IP = 101,
  OPTION_END = 0,
  OPTION_COMMENT = 1,
  OPTION_FLAGS = 2,
  FLAG_INBOUND = 1,
  FLAG_OUTBOUND = 2,
  SECTION_LEN = 28,
  INTERFACE_LEN = 20,
  PACKET_LEN = 32,             /* with what frames it */
  FLAGS_LEN = 8,
};

G_STATIC_ASSERT (SECTION_LEN + INTERFACE_LEN == TN_PCAPNG_HEAD_LEN);

static gsize
pad (gsize len)
{
  return (len + 3) & ~(gsize) 3;
}

static guint8 *
put (guint8  *out,
     guint32  value)
{
  tn_put_u32le (out, value);
  return out + 4;
}

static guint8 *
put_bytes (guint8     *out,
           const void *bytes,
           gsize       len)
{
  if (len > 0)
    memcpy (out, bytes, len);
  memset (out + len, 0, pad (len) - len);
  return out + pad (len);
}

void
tn_pcapng_write_head (guint8 out[TN_PCAPNG_HEAD_LEN])
{
  out = put (out, BLOCK_SECTION);
  out = put (out, SECTION_LEN);
  out = put (out, MAGIC);
  out = put (out, FORMAT_VERSION);             /* minor version 0 above it */
  out = put (out, G_MAXUINT32);         /* the section is as long as it is */
  out = put (out, G_MAXUINT32);
  out = put (out, SECTION_LEN);

  out = put (out, BLOCK_INTERFACE);
  out = put (out, INTERFACE_LEN);
  out = put (out, LINK_RAW_IP);
  out = put (out, 0);                   /* packets are whole */
  put (out, INTERFACE_LEN);
}

static gsize
comment_len (const char *comment)
{
  return comment != NULL ? strnlen (comment, TN_PCAPNG_COMMENT_MAX) : 0;
}

gsize
tn_pcapng_block_len (gsize       packet_len,
                     const char *comment)
{
  gsize option_len = comment != NULL ? 4 + pad (comment_len (comment)) : 0;

  return PACKET_LEN + pad (packet_len) + FLAGS_LEN + option_len + 4;
}

void
tn_pcapng_write_packet (guint8       *out,
                        gint64        wall_us,
                        gboolean      inbound,
                        const char   *comment,
                        const guint8 *packet,
                        gsize         packet_len)
{
  guint32 block_len = (guint32) tn_pcapng_block_len (packet_len, comment);

  out = put (out, BLOCK_PACKET);
  out = put (out, block_len);
  out = put (out, 0);                   /* the interface */
  out = put (out, (guint32) ((guint64) wall_us >> 32));
  out = put (out, (guint32) wall_us);
  out = put (out, (guint32) packet_len);
  out = put (out, (guint32) packet_len);
  out = put_bytes (out, packet, packet_len);

  out = put (out, OPTION_FLAGS | 4u << 16);
  out = put (out, inbound ? FLAG_INBOUND : FLAG_OUTBOUND);
  if (comment != NULL)
    {
      out = put (out, OPTION_COMMENT | (guint32) comment_len (comment) << 16);
      out = put_bytes (out, comment, comment_len (comment));
    }
  out = put (out, OPTION_END);
  put (out, block_len);
}
