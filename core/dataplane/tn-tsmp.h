/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-keys.h"
#include "tn-parse.h"

G_BEGIN_DECLS

#define TN_TSMP_DATA_LEN 8
#define TN_TSMP_PACKET_MAX (TN_IP6_HEADER_LEN + 1 + TN_KEY_LEN)     /* longest one that is made here */

typedef enum
{
  TN_TSMP_PING = 'p',
  TN_TSMP_PONG = 'o',
  TN_TSMP_REJECT = '!',
  TN_TSMP_DISCO = 'a',
} TnTsmpType;

typedef enum
{
  TN_TSMP_REASON_ACL = 'A',
  TN_TSMP_REASON_SHIELDS_UP = 'S',
  TN_TSMP_REASON_NO_FORWARDING = 'F',
  TN_TSMP_REASON_HOST_FIREWALL = 'W',
  TN_TSMP_REASON_UNKNOWN_TRANSIT = 'T',
} TnTsmpReason;

/* A flow that was refused, as the one who opened it sees it. */
typedef struct
{
  TnIpEndpoint src;
  TnIpEndpoint dst;
  guint8       proto;
  guint8       reason;          /* TnTsmpReason, or one from a newer version */
  gboolean     maybe_broken;    /* a hint, no final word */
} TnTsmpReject;

typedef struct
{
  TnTsmpType type;
  union
  {
    guint8 ping_data[TN_TSMP_DATA_LEN];
    struct
    {
      guint8  data[TN_TSMP_DATA_LEN];
      guint16 peerapi_port;         /* 0: not told */
    } pong;
    TnTsmpReject     reject;
    TnDiscoPublicKey disco_key;     /* may be zero: then it says nothing */
  };
} TnTsmp;

/* FALSE: not TSMP, or none of the known messages. */
gboolean tn_tsmp_parse        (TnTsmp *out, const TnParsed *packet) G_GNUC_WARN_UNUSED_RESULT;

/* Each returns the length of the packet, 0 when it does not fit or the addresses are of two families. */
gsize    tn_tsmp_write_ping   (guint8 *out, gsize out_len, const TnIpAddress *src, const TnIpAddress *dst,
                               const guint8 data[TN_TSMP_DATA_LEN]) G_GNUC_WARN_UNUSED_RESULT;
gsize    tn_tsmp_write_pong   (guint8 *out, gsize out_len, const TnParsed *ping, guint16 peerapi_port) G_GNUC_WARN_UNUSED_RESULT;
gsize    tn_tsmp_write_disco  (guint8 *out, gsize out_len, const TnIpAddress *src, const TnIpAddress *dst,
                               const TnDiscoPublicKey *key) G_GNUC_WARN_UNUSED_RESULT;
/* @reject->src and ->dst give ports only: the packet goes from @src to @dst. */
gsize    tn_tsmp_write_reject (guint8 *out, gsize out_len, const TnIpAddress *src, const TnIpAddress *dst,
                               const TnTsmpReject *reject) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
