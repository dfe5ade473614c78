/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"
#include "tn-keys.h"

G_BEGIN_DECLS

typedef enum
{
  TN_PATH_ADDRESS_NONE,
  TN_PATH_ADDRESS_UDP,
  TN_PATH_ADDRESS_RELAY,
} TnPathAddressKind;

#define TN_PATH_NO_VNI (-1)

/* Where an underlay datagram goes to or came from. */
typedef struct
{
  TnPathAddressKind kind;
  union
  {
    struct
    {
      TnIpEndpoint endpoint;
      guint32      scope;      /* interface index of a link-local address, else 0 */
      gint32       vni;        /* Geneve network of a peer relay, TN_PATH_NO_VNI for none */
    } udp;
    struct
    {
      guint           region;
      TnNodePublicKey key;     /* the peer */
    } relay;
  };
} TnPathAddress;

gboolean tn_path_address_equal (const TnPathAddress *a, const TnPathAddress *b);
guint    tn_path_address_hash  (const TnPathAddress *address);

G_END_DECLS
