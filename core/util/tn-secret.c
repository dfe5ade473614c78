/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* A process has three keys a device, so one chunk nearly always does; sodium_malloc() would take four pages a key. */
#define CHUNK_LEN   4096
#define SLOTS       (CHUNK_LEN / TN_SECRET_MAX)

typedef struct _Chunk Chunk;
struct _Chunk
{
  Chunk  *next;
  guint8 *pages;       /* SLOTS slots of TN_SECRET_MAX bytes */
  guint64 used;        /* one bit a slot */
};

G_STATIC_ASSERT (SLOTS == 64);
G_LOCK_DEFINE_STATIC (pool);
static Chunk *chunks;      /* guarded by the lock; never given back */

static Chunk *
chunk_new (void)
{
  static gboolean warned;
  Chunk *chunk = g_new0 (Chunk, 1);

  chunk->pages = mmap (NULL, CHUNK_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_assert (chunk->pages != MAP_FAILED);      /* out of memory ends a GLib program anyway */
  if (mlock (chunk->pages, CHUNK_LEN) != 0 && !warned)
    {
      warned = TRUE;
      g_warning ("cannot lock private keys in memory: %s", g_strerror (errno));
    }
  (void) madvise (chunk->pages, CHUNK_LEN, MADV_DONTDUMP);
  return chunk;
}

gpointer
tn_secret_alloc (gsize len)
{
  Chunk *chunk;
  guint slot;

  g_assert (len <= TN_SECRET_MAX);

  G_LOCK (pool);
  for (chunk = chunks; chunk != NULL && chunk->used == G_MAXUINT64; chunk = chunk->next)
    ;
  if (chunk == NULL)
    {
      chunk = chunk_new ();
      chunk->next = chunks;
      chunks = chunk;
    }
  slot = (guint) __builtin_ctzll (~chunk->used);
  chunk->used |= G_GUINT64_CONSTANT (1) << slot;
  G_UNLOCK (pool);

  return chunk->pages + slot * TN_SECRET_MAX;
}

gpointer
tn_secret_dup (gconstpointer secret,
               gsize         len)
{
  return memcpy (tn_secret_alloc (len), secret, len);
}

void
tn_secret_free (gpointer secret)
{
  guint8 *bytes = secret;
  Chunk *chunk;

  if (secret == NULL)
    return;

  explicit_bzero (secret, TN_SECRET_MAX);
  G_LOCK (pool);
  for (chunk = chunks; chunk != NULL && !(bytes >= chunk->pages && bytes < chunk->pages + CHUNK_LEN); chunk = chunk->next)
    ;
  g_assert (chunk != NULL);
  chunk->used &= ~(G_GUINT64_CONSTANT (1) << ((gsize) (bytes - chunk->pages) / TN_SECRET_MAX));
  G_UNLOCK (pool);
}

typedef struct
{
  gpointer data;
  gsize    len;
} Erasable;

static void
erase_and_free (gpointer user_data)
{
  Erasable *erasable = user_data;

  if (erasable->len > 0)
    explicit_bzero (erasable->data, erasable->len);
  g_free (erasable->data);
  g_free (erasable);
}

GBytes *
tn_secret_bytes_new_take (gpointer data,
                          gsize    len)
{
  Erasable *erasable = g_new (Erasable, 1);

  *erasable = (Erasable) { data, len };
  return g_bytes_new_with_free_func (data, len, erase_and_free, erasable);
}
