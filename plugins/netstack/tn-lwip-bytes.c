/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-bytes.h"

#include <string.h>

#define CHUNK_MIN 2048
#define CHUNK_MAX 65536

void
tn_lwip_bytes_clear (TnLwipBytes *self)
{
  while (self->head != NULL)
    {
      TnLwipChunk *next = self->head->next;

      g_free (self->head);
      self->head = next;
    }
  self->tail = NULL;
  self->len = 0;
}

/* Small for a few bytes, larger as the queue grows. */
static void
add_chunk (TnLwipBytes *self,
           gsize        wanted)
{
  gsize size = CLAMP (MAX (wanted, self->len), CHUNK_MIN, CHUNK_MAX) - sizeof (TnLwipChunk);
  TnLwipChunk *chunk = g_malloc (sizeof (TnLwipChunk) + size);

  *chunk = (TnLwipChunk) { .size = size };
  if (self->tail != NULL)
    self->tail->next = chunk;
  else
    self->head = chunk;
  self->tail = chunk;
}

guint8 *
tn_lwip_bytes_reserve (TnLwipBytes *self,
                       gsize        wanted,
                       gsize       *len)
{
  if (self->tail == NULL || self->tail->end == self->tail->size)
    add_chunk (self, wanted);
  self->reserved = TRUE;
  *len = MIN (wanted, self->tail->size - self->tail->end);
  return self->tail->data + self->tail->end;
}

void
tn_lwip_bytes_commit (TnLwipBytes *self,
                      gsize        len)
{
  self->tail->end += len;
  self->len += len;
  self->reserved = FALSE;
}

void
tn_lwip_bytes_append (TnLwipBytes *self,
                      const void  *data,
                      gsize        len)
{
  const guint8 *pos = data;

  while (len > 0)
    {
      gsize room;
      guint8 *to = tn_lwip_bytes_reserve (self, len, &room);

      memcpy (to, pos, room);
      tn_lwip_bytes_commit (self, room);
      pos += room;
      len -= room;
    }
}

guint8 *
tn_lwip_bytes_peek (const TnLwipBytes *self,
                    gsize             *len)
{
  *len = self->head != NULL ? self->head->end - self->head->start : 0;
  return *len > 0 ? self->head->data + self->head->start : NULL;
}

void
tn_lwip_bytes_skip (TnLwipBytes *self,
                    gsize        len)
{
  self->len -= len;
  while (self->head != NULL)
    {
      TnLwipChunk *head = self->head;
      gsize n = MIN (len, head->end - head->start);

      head->start += n;
      len -= n;
      if (head->start < head->end || (head == self->tail && self->reserved))
        break;
      if (head == self->tail && head->end < head->size)     /* room is left: the next bytes may come here */
        {
          if (head->size > CHUNK_MIN)
            tn_lwip_bytes_clear (self);
          else
            head->start = head->end = 0;
          break;
        }
      self->head = head->next;
      if (self->head == NULL)
        self->tail = NULL;
      g_free (head);
    }
}

guint8 *
tn_lwip_bytes_at (const TnLwipBytes *self,
                  TnLwipCursor      *cursor,
                  gsize             *len)
{
  if (cursor->chunk == NULL)
    *cursor = (TnLwipCursor) { self->head, self->head != NULL ? self->head->start : 0 };
  while (cursor->chunk != NULL && cursor->offset == cursor->chunk->end && cursor->chunk->next != NULL)
    *cursor = (TnLwipCursor) { cursor->chunk->next, cursor->chunk->next->start };
  *len = cursor->chunk != NULL ? cursor->chunk->end - cursor->offset : 0;
  return *len > 0 ? cursor->chunk->data + cursor->offset : NULL;
}
