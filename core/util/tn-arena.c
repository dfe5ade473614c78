/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-arena.h"

#include <stddef.h>
#include <string.h>

#define ALIGNMENT   _Alignof (max_align_t)
#define BLOCK_LEN   (4 << 10)

struct _TnArenaBlock
{
  TnArenaBlock *next;
  gsize         len;
  _Alignas (max_align_t) guint8 data[];
};

gpointer
tn_arena_alloc (TnArena *arena,
                gsize    len)
{
  gpointer result;

  g_assert (len < G_MAXUINT32);
  len = (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (len > arena->left)
    {
      gsize block_len = MAX (len, (gsize) BLOCK_LEN);
      TnArenaBlock *block = g_malloc (sizeof *block + block_len);

      block->next = arena->blocks;
      block->len = block_len;
      arena->blocks = block;
      arena->pos = block->data;
      arena->left = block_len;
    }
  result = arena->pos;
  if (len > 0)      /* NULL + 0 is no pointer to C */
    arena->pos += len;
  arena->left -= len;
  return result;
}

gpointer
tn_arena_dup (TnArena       *arena,
              gconstpointer  data,
              gsize          len)
{
  gpointer copy = tn_arena_alloc (arena, len);

  if (len > 0)
    memcpy (copy, data, len);
  return copy;
}

char *
tn_arena_strndup (TnArena    *arena,
                  const char *text,
                  gsize       len)
{
  char *copy = tn_arena_alloc (arena, len + 1);

  memcpy (copy, text, len);
  copy[len] = '\0';
  return copy;
}

void
tn_arena_reset (TnArena *arena)
{
  TnArenaBlock *keep = arena->blocks;

  if (keep == NULL)
    return;
  arena->blocks = keep->next;
  tn_arena_clear (arena);
  keep->next = NULL;
  arena->blocks = keep;
  arena->pos = keep->data;
  arena->left = keep->len;
}

void
tn_arena_clear (TnArena *arena)
{
  while (arena->blocks != NULL)
    {
      TnArenaBlock *next = arena->blocks->next;

      g_free (arena->blocks);
      arena->blocks = next;
    }
  arena->pos = NULL;
  arena->left = 0;
}
