/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-parse.h"

G_BEGIN_DECLS

/* Packets that a node makes itself. All of them: time to live 64, no options, nothing written when @out_len is too small. */

/* Header for @body_len bytes of @proto behind it. @id: IPv4 identification, or IPv6 flow label. Both addresses are of one family.
 * Returns the length of the header, 0 if it does not fit or the packet would be longer than 65535 bytes. */
gsize   tn_ip_header_write   (guint8 *out, gsize out_len, const TnIpAddress *src, const TnIpAddress *dst, guint8 proto,
                              guint32 id, gsize body_len) G_GNUC_WARN_UNUSED_RESULT;

/* Identification or flow label of a packet; an answer has the complement. */
guint32 tn_ip_header_get_id  (const TnParsed *packet);

/* The answer to an echo request, from its destination to its source. Returns its length; 0: none, or it does not fit. */
gsize   tn_echo_reply_write  (guint8 *out, gsize out_len, const TnParsed *request) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
