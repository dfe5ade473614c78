/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Packets as Wireshark and tcpdump read them: PCAP Next Generation (draft-ietf-opsawg-pcapng), one interface that carries bare IP. */

#define TN_PCAPNG_HEAD_LEN 48
#define TN_PCAPNG_COMMENT_MAX 64

/* What a file begins with; TN_PCAPNG_HEAD_LEN bytes. */
void  tn_pcapng_write_head   (guint8 out[TN_PCAPNG_HEAD_LEN]);

/* The size of a packet's block. */
gsize tn_pcapng_block_len    (gsize packet_len, const char *comment);

/* One packet, tn_pcapng_block_len() bytes. @wall_us: Unix time. @comment: nullable, at most TN_PCAPNG_COMMENT_MAX bytes. */
void  tn_pcapng_write_packet (guint8 *out, gint64 wall_us, gboolean inbound, const char *comment, const guint8 *packet, gsize packet_len);

G_END_DECLS
