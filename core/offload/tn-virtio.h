/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The header that stands before each packet of a TUN interface with IFF_VNET_HDR: struct virtio_net_hdr (virtio 1.2, 5.1.6), in the
 * order of bytes of this machine. */
typedef struct
{
  guint8  flags;
  guint8  gso_type;
  guint16 header_len;
  guint16 segment_size;
  guint16 checksum_start;       /* from the begin of the packet */
  guint16 checksum_offset;      /* from there */
} TnVirtioHeader;

#define TN_VIRTIO_HEADER_LEN 10
G_STATIC_ASSERT (sizeof (TnVirtioHeader) == TN_VIRTIO_HEADER_LEN);

enum
{
  TN_VIRTIO_NEEDS_CHECKSUM = 1,      /* the checksum field holds the sum of the pseudo header */
};

enum
{
  TN_VIRTIO_GSO_NONE = 0,
  TN_VIRTIO_GSO_TCP4 = 1,
  TN_VIRTIO_GSO_TCP6 = 4,
  TN_VIRTIO_GSO_UDP = 5,
};

G_END_DECLS
