/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/* Bounds-checked view of bytes from outside. Every call leaves reader and results alone on failure, so calls chain with &&. */
typedef struct
{
  const guint8 *pos;
  gsize         left;
} TnReader;

#define TN_READER_INIT(data, len) ((TnReader) { (data), (len) })

static inline gboolean G_GNUC_WARN_UNUSED_RESULT
tn_reader_bytes (TnReader *r, gsize len, const guint8 **out)
{
  if (len > r->left)      /* never pos + len > end: the sum can wrap */
    return FALSE;
  *out = r->pos;
  r->pos += len;
  r->left -= len;
  return TRUE;
}

static inline gboolean G_GNUC_WARN_UNUSED_RESULT
tn_reader_skip (TnReader *r, gsize len)
{
  const guint8 *ignored;

  return tn_reader_bytes (r, len, &ignored);
}

static inline gboolean G_GNUC_WARN_UNUSED_RESULT
tn_reader_copy (TnReader *r, void *out, gsize len)
{
  const guint8 *bytes;

  if (!tn_reader_bytes (r, len, &bytes))
    return FALSE;
  memcpy (out, bytes, len);
  return TRUE;
}

#define TN_READER_DEFINE_INT(name, type, convert)               \
  static inline gboolean G_GNUC_WARN_UNUSED_RESULT              \
  tn_reader_##name (TnReader *r, type *out)                     \
  {                                                             \
    type raw;                                                   \
    if (!tn_reader_copy (r, &raw, sizeof raw))                  \
      return FALSE;                                             \
    *out = convert (raw);                                       \
    return TRUE;                                                \
  }

TN_READER_DEFINE_INT (u8, guint8, (guint8))
TN_READER_DEFINE_INT (u16be, guint16, GUINT16_FROM_BE)
TN_READER_DEFINE_INT (u32be, guint32, GUINT32_FROM_BE)
TN_READER_DEFINE_INT (u64be, guint64, GUINT64_FROM_BE)
TN_READER_DEFINE_INT (u16le, guint16, GUINT16_FROM_LE)
TN_READER_DEFINE_INT (u32le, guint32, GUINT32_FROM_LE)
TN_READER_DEFINE_INT (u64le, guint64, GUINT64_FROM_LE)

/* For places whose bounds were checked already. */
static inline guint16 tn_get_u16be (const guint8 *p) { guint16 v; memcpy (&v, p, sizeof v); return GUINT16_FROM_BE (v); }
static inline guint32 tn_get_u32be (const guint8 *p) { guint32 v; memcpy (&v, p, sizeof v); return GUINT32_FROM_BE (v); }
static inline guint64 tn_get_u64be (const guint8 *p) { guint64 v; memcpy (&v, p, sizeof v); return GUINT64_FROM_BE (v); }
static inline guint32 tn_get_u32le (const guint8 *p) { guint32 v; memcpy (&v, p, sizeof v); return GUINT32_FROM_LE (v); }
static inline guint64 tn_get_u64le (const guint8 *p) { guint64 v; memcpy (&v, p, sizeof v); return GUINT64_FROM_LE (v); }
static inline void tn_put_u16be (guint8 *p, guint16 v) { v = GUINT16_TO_BE (v); memcpy (p, &v, sizeof v); }
static inline void tn_put_u32be (guint8 *p, guint32 v) { v = GUINT32_TO_BE (v); memcpy (p, &v, sizeof v); }
static inline void tn_put_u64be (guint8 *p, guint64 v) { v = GUINT64_TO_BE (v); memcpy (p, &v, sizeof v); }
static inline void tn_put_u32le (guint8 *p, guint32 v) { v = GUINT32_TO_LE (v); memcpy (p, &v, sizeof v); }
static inline void tn_put_u64le (guint8 *p, guint64 v) { v = GUINT64_TO_LE (v); memcpy (p, &v, sizeof v); }

G_END_DECLS
