/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-geneve.h"

#include "tn-reader.h"

#define FLAG_CONTROL 0x80

gboolean
tn_geneve_parse (TnGeneve     *geneve,
                 const guint8 *data,
                 gsize         len)
{
  if (len < TN_GENEVE_LEN)
    return FALSE;

  geneve->version = data[0] >> 6;
  geneve->control = (data[1] & FLAG_CONTROL) != 0;
  geneve->protocol = tn_get_u16be (data + 2);
  geneve->vni = tn_get_u32be (data + 4) >> 8;
  return TRUE;
}

gboolean
tn_geneve_write (const TnGeneve *geneve,
                 guint8          out[TN_GENEVE_LEN])
{
  if (geneve->version > TN_GENEVE_VERSION_MAX)
    return FALSE;

  out[0] = (guint8) (geneve->version << 6);
  out[1] = geneve->control ? FLAG_CONTROL : 0;
  tn_put_u16be (out + 2, geneve->protocol);
  tn_put_u32be (out + 4, geneve->vni << 8);
  return TRUE;
}
