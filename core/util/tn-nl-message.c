/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-nl-message.h"

#include <string.h>

static void
append_padded (GByteArray   *bytes,
               gconstpointer data,
               gsize         len)
{
  static const guint8 zero[NLMSG_ALIGNTO];

  g_byte_array_append (bytes, data, (guint) len);
  g_byte_array_append (bytes, zero, (guint) (NLMSG_ALIGN (len) - len));
}

void
tn_nl_batch_clear (TnNlBatch *batch)
{
  g_byte_array_set_size (batch->bytes, 0);
  batch->first_seq += batch->n;
  batch->n = 0;
}

static void
set_length (TnNlBatch *batch)
{
  guint32 len = (guint32) (batch->bytes->len - batch->start);

  memcpy (batch->bytes->data + batch->start, &len, sizeof len);     /* nlmsg_len comes first */
}

void
tn_nl_batch_begin (TnNlBatch    *batch,
                   guint16       type,
                   guint16       flags,
                   gconstpointer body,
                   gsize         len)
{
  struct nlmsghdr header = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags };

  header.nlmsg_seq = batch->first_seq + batch->n++;
  batch->start = batch->bytes->len;
  append_padded (batch->bytes, &header, sizeof header);
  append_padded (batch->bytes, body, len);
  set_length (batch);
}

void
tn_nl_batch_put (TnNlBatch    *batch,
                 guint16       attribute,
                 gconstpointer data,
                 gsize         len)
{
  struct nlattr header = { .nla_len = (guint16) (sizeof header + len), .nla_type = attribute };

  g_assert (len <= G_MAXUINT16 - sizeof header);
  append_padded (batch->bytes, &header, sizeof header);
  append_padded (batch->bytes, data, len);
  set_length (batch);
}

/* Takes @len bytes with what pads them; the last of all may come without. */
static gboolean
take_padded (TnReader *r,
             gsize     len,
             TnReader *out)
{
  const guint8 *bytes;

  if (!tn_reader_bytes (r, len, &bytes))
    return FALSE;
  *out = TN_READER_INIT (bytes, len);
  return tn_reader_skip (r, MIN (NLMSG_ALIGN (len) - len, r->left));
}

gboolean
tn_nl_message_next (TnReader    *r,
                    TnNlMessage *out)
{
  TnReader peek = *r;
  struct nlmsghdr header;

  if (!tn_reader_copy (&peek, &header, sizeof header) || header.nlmsg_len < sizeof header)
    return FALSE;
  if (!take_padded (&peek, header.nlmsg_len - sizeof header, &out->body))
    return FALSE;
  out->type = header.nlmsg_type;
  out->flags = header.nlmsg_flags;
  out->seq = header.nlmsg_seq;
  *r = peek;
  return TRUE;
}

gboolean
tn_nl_attribute_next (TnReader      *r,
                      TnNlAttribute *out)
{
  TnReader peek = *r;
  struct nlattr header;

  if (!tn_reader_copy (&peek, &header, sizeof header) || header.nla_len < sizeof header)
    return FALSE;
  if (!take_padded (&peek, header.nla_len - sizeof header, &out->data))
    return FALSE;
  out->type = header.nla_type & NLA_TYPE_MASK;
  *r = peek;
  return TRUE;
}

gboolean
tn_nl_attribute_u8 (const TnNlAttribute *attribute,
                    guint8              *out)
{
  TnReader data = attribute->data;

  return data.left == sizeof *out && tn_reader_copy (&data, out, sizeof *out);
}

gboolean
tn_nl_attribute_u32 (const TnNlAttribute *attribute,
                     guint32             *out)
{
  TnReader data = attribute->data;

  return data.left == sizeof *out && tn_reader_copy (&data, out, sizeof *out);
}

/* The kernel's sentences end with a full stop now and then; errors of ours do not. */
static void
set_words (TnNlAnswer     *answer,
           const TnReader *data)
{
  g_autofree char *words = g_strndup ((const char *) data->pos, data->left);     /* stops at a NUL */
  g_autofree char *valid = g_utf8_make_valid (words, -1);
  gsize len = strlen (valid);

  if (len > 0 && valid[len - 1] == '.')
    valid[len - 1] = '\0';
  g_utf8_strncpy (answer->words, valid, (TN_NL_WORDS_MAX - 1) / 4);     /* counts characters, of four bytes at most */
}

gboolean
tn_nl_answer_parse (const TnNlMessage *message,
                    TnNlAnswer        *out)
{
  TnReader r = message->body;
  TnNlAttribute attribute;
  struct nlmsghdr request;
  gint32 code;

  if (!tn_reader_copy (&r, &code, sizeof code) || code > 0 || code == G_MININT32)
    return FALSE;
  *out = (TnNlAnswer) { .code = -code };
  if (message->type == NLMSG_ERROR)     /* it quotes the request, or (NLM_F_CAPPED) its header */
    {
      if (!tn_reader_copy (&r, &request, sizeof request) || request.nlmsg_len < sizeof request)
        return FALSE;
      if (!(message->flags & NLM_F_CAPPED) && code != 0 && !tn_reader_skip (&r, NLMSG_ALIGN ((gsize) request.nlmsg_len) - sizeof request))
        return FALSE;
    }
  if (message->flags & NLM_F_ACK_TLVS)
    while (tn_nl_attribute_next (&r, &attribute))
      if (attribute.type == NLMSGERR_ATTR_MSG)
        set_words (out, &attribute.data);
  return TRUE;
}
