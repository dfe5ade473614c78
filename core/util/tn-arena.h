/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Memory that is given out piece by piece and taken back as a whole. { 0 } is an empty one. */
typedef struct _TnArenaBlock TnArenaBlock;

typedef struct
{
  TnArenaBlock *blocks;
  guint8       *pos;
  gsize         left;
} TnArena;

/* Aligned for any type. */
gpointer tn_arena_alloc (TnArena *arena, gsize len);
gpointer tn_arena_dup   (TnArena *arena, gconstpointer data, gsize len);
char    *tn_arena_strndup (TnArena *arena, const char *text, gsize len);

/* Everything that was given out is void. Keeps one block, for the next round. */
void     tn_arena_reset (TnArena *arena);
void     tn_arena_clear (TnArena *arena);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnArena, tn_arena_clear)

G_END_DECLS
