/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A queue of bytes in chunks that never move, so that a stack may send from them in place, and that takes no memory while empty.
 * The owner's lock guards it; bytes that were reserved or peeked at may be copied without it, by one writer and one reader. */
typedef struct _TnLwipChunk TnLwipChunk;
struct _TnLwipChunk
{
  TnLwipChunk *next;
  gsize        start;
  gsize        end;
  gsize        size;
  guint8       data[];
};

typedef struct
{
  TnLwipChunk *head;
  TnLwipChunk *tail;
  gsize        len;
  gboolean     reserved;
} TnLwipBytes;

/* A place in the queue, behind @done bytes from its head. */
typedef struct
{
  TnLwipChunk *chunk;     /* NULL: at the head */
  gsize        offset;
} TnLwipCursor;

void    tn_lwip_bytes_clear   (TnLwipBytes *self);
guint8 *tn_lwip_bytes_reserve (TnLwipBytes *self, gsize wanted, gsize *len);     /* room for up to @wanted bytes */
void    tn_lwip_bytes_commit  (TnLwipBytes *self, gsize len);
void    tn_lwip_bytes_append  (TnLwipBytes *self, const void *data, gsize len);
guint8 *tn_lwip_bytes_peek    (const TnLwipBytes *self, gsize *len);             /* what lies in one piece at the head */
void    tn_lwip_bytes_skip    (TnLwipBytes *self, gsize len);
guint8 *tn_lwip_bytes_at      (const TnLwipBytes *self, TnLwipCursor *cursor, gsize *len);

G_END_DECLS
