/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What both sides tell each other at the start: JSON in a NaCl box, between the node's key and the relay's. */

#include <gio/gio.h>

#include "tn-derp-frame.h"

G_BEGIN_DECLS

typedef struct
{
  int      version;
  gboolean can_ack_pings;
  gboolean is_prober;
  char    *app_name;                  /* nullable */
  gboolean has_mesh_key;
  guint8   mesh_key[TN_KEY_LEN];      /* secret */
} TnDerpClientInfo;

typedef struct
{
  gint64 bytes_per_second;            /* 0: no limit */
  gint64 burst_bytes;
} TnDerpServerInfo;

void tn_derp_client_info_clear (TnDerpClientInfo *info);

/* The JSON text, byte for byte as the reference client writes it. It may hold a secret. */
char    *tn_derp_client_info_to_json (const TnDerpClientInfo *info);

/* Whole ClientInfo and ServerInfo frames. @shared is the precomputed key of the box. */
void     tn_derp_client_info_append (GByteArray *out, const TnNodePublicKey *self, const guint8 shared[32],
                                     const guint8 nonce[TN_DERP_NONCE_LEN], const TnDerpClientInfo *info);
void     tn_derp_server_info_append (GByteArray *out, const guint8 shared[32], const guint8 nonce[TN_DERP_NONCE_LEN],
                                     const TnDerpServerInfo *info);

gboolean tn_derp_server_info_open   (const TnDerpFrame *frame, const guint8 shared[32], TnDerpServerInfo *info, GError **error);

/* @info is to be cleared whatever comes back. @shared is for the answer. */
gboolean tn_derp_client_info_open   (const TnDerpFrame *frame, const TnNodePrivateKey *server, TnNodePublicKey *client,
                                     guint8 shared[32], TnDerpClientInfo *info, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnDerpClientInfo, tn_derp_client_info_clear)

G_END_DECLS
