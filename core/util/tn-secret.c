/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* A process has three keys of one slot a device, so one chunk nearly always does; sodium_malloc() would take four pages a key. */
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

static guint64
mask_of (guint n_slots)
{
  return n_slots < SLOTS ? (G_GUINT64_CONSTANT (1) << n_slots) - 1 : G_MAXUINT64;
}

/* SLOTS: it has no such run. */
static guint
find_run (const Chunk *chunk,
          guint        n_slots)
{
  for (guint slot = 0; slot + n_slots <= SLOTS; slot++)
    if ((chunk->used & mask_of (n_slots) << slot) == 0)
      return slot;
  return SLOTS;
}

static gpointer
take (guint n_slots)
{
  Chunk *chunk;
  guint slot = 0;

  G_LOCK (pool);
  for (chunk = chunks; chunk != NULL && (slot = find_run (chunk, n_slots)) == SLOTS; chunk = chunk->next)
    ;
  if (chunk == NULL)
    {
      chunk = chunk_new ();
      chunk->next = chunks;
      chunks = chunk;
      slot = 0;
    }
  chunk->used |= mask_of (n_slots) << slot;
  G_UNLOCK (pool);

  return chunk->pages + slot * TN_SECRET_MAX;
}

static void
give_back (gpointer secret,
           guint    n_slots)
{
  guint8 *bytes = secret;
  Chunk *chunk;

  explicit_bzero (secret, n_slots * TN_SECRET_MAX);
  G_LOCK (pool);
  for (chunk = chunks; chunk != NULL && !(bytes >= chunk->pages && bytes < chunk->pages + CHUNK_LEN); chunk = chunk->next)
    ;
  g_assert (chunk != NULL);
  chunk->used &= ~(mask_of (n_slots) << ((gsize) (bytes - chunk->pages) / TN_SECRET_MAX));
  G_UNLOCK (pool);
}

gpointer
tn_secret_alloc (gsize len)
{
  g_assert (len <= TN_SECRET_MAX);

  return take (1);
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
  if (secret != NULL)
    give_back (secret, 1);
}

/* 0: more than any key has, which is kept as other texts are. */
static guint
slots_of (const char *text)
{
  gsize n_slots = strlen (text) / TN_SECRET_MAX + 1;

  return n_slots <= SLOTS ? (guint) n_slots : 0;
}

char *
tn_secret_strdup (const char *text)
{
  if (text == NULL || slots_of (text) == 0)
    return g_strdup (text);
  return memcpy (take (slots_of (text)), text, strlen (text) + 1);
}

void
tn_secret_str_free (char *text)
{
  if (text == NULL)
    return;
  if (slots_of (text) > 0)
    {
      give_back (text, slots_of (text));
      return;
    }
  explicit_bzero (text, strlen (text));
  g_free (text);
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
