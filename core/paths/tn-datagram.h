/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-geneve.h"

G_BEGIN_DECLS

typedef enum
{
  TN_DATAGRAM_WIREGUARD,      /* also whatever is nothing else */
  TN_DATAGRAM_DISCO,
  TN_DATAGRAM_STUN,
} TnDatagramKind;

typedef struct
{
  TnDatagramKind kind;
  gboolean       has_geneve;  /* TN_GENEVE_LEN bytes are to be skipped */
  TnGeneve       geneve;      /* if so */
} TnDatagramClass;

/* What a datagram on the UDP socket is: the three protocols share it and were made to be told apart. */
TnDatagramClass tn_datagram_classify (const guint8 *datagram, gsize len);

G_END_DECLS
