/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/netlink.h>

#include "tn-reader.h"

G_BEGIN_DECLS

/* Messages of netlink(7), as bytes. */

/* --- Writing: several requests that travel together. Request i has the sequence number first_seq + i. --- */

typedef struct
{
  GByteArray *bytes;
  guint32     first_seq;
  guint       n;
  gsize       start;        /* of the last message */
} TnNlBatch;

void     tn_nl_batch_clear (TnNlBatch *batch);
void     tn_nl_batch_begin (TnNlBatch *batch, guint16 type, guint16 flags, gconstpointer body, gsize len);
void     tn_nl_batch_put   (TnNlBatch *batch, guint16 attribute, gconstpointer data, gsize len);     /* to the last message */

static inline void
tn_nl_batch_put_u32 (TnNlBatch *batch, guint16 attribute, guint32 value)
{
  tn_nl_batch_put (batch, attribute, &value, sizeof value);
}

/* --- Reading --- */

typedef struct
{
  guint16  type;
  guint16  flags;
  guint32  seq;
  TnReader body;
} TnNlMessage;

typedef struct
{
  guint16  type;        /* without NLA_F_NESTED and NLA_F_NET_BYTEORDER */
  TnReader data;
} TnNlAttribute;

#define TN_NL_WORDS_MAX 160

/* How a request ended. */
typedef struct
{
  int  code;                       /* 0 = well, else an errno */
  char words[TN_NL_WORDS_MAX];     /* what the kernel says beside it, in UTF-8; may be empty */
} TnNlAnswer;

/* FALSE: the end, or (@r has something left) what is no message. */
gboolean tn_nl_message_next   (TnReader *r, TnNlMessage *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean tn_nl_attribute_next (TnReader *r, TnNlAttribute *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean tn_nl_attribute_u8   (const TnNlAttribute *attribute, guint8 *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean tn_nl_attribute_u32  (const TnNlAttribute *attribute, guint32 *out) G_GNUC_WARN_UNUSED_RESULT;

/* @message is NLMSG_ERROR or NLMSG_DONE. */
gboolean tn_nl_answer_parse   (const TnNlMessage *message, TnNlAnswer *out) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
