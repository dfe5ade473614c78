/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-aead.h"
#include "tn-blake2s.h"
#include "tn-box.h"
#include "tn-keys.h"

G_BEGIN_DECLS

/* Wire messages and constants of WireGuard (WireGuard paper §5.4, §6; Linux drivers/net/wireguard/messages.h). All members are
 * bytes, so a struct may lie over any buffer of its size. Integers are little-endian. */

#define TN_TAI64N_LEN 12

typedef enum
{
  TN_MESSAGE_TYPE_INITIATION = 1,
  TN_MESSAGE_TYPE_RESPONSE = 2,
  TN_MESSAGE_TYPE_COOKIE = 3,
  TN_MESSAGE_TYPE_DATA = 4,
} TnMessageType;

/* End of initiation and response. */
typedef struct
{
  guint8 mac1[TN_MAC_LEN];
  guint8 mac2[TN_MAC_LEN];
} TnMessageMacs;

typedef struct
{
  guint8        type[4];
  guint8        sender[4];
  guint8        ephemeral[TN_KEY_LEN];
  guint8        enc_static[TN_KEY_LEN + TN_AEAD_TAG_LEN];
  guint8        enc_timestamp[TN_TAI64N_LEN + TN_AEAD_TAG_LEN];
  TnMessageMacs macs;
} TnMessageInitiation;

typedef struct
{
  guint8        type[4];
  guint8        sender[4];
  guint8        receiver[4];
  guint8        ephemeral[TN_KEY_LEN];
  guint8        enc_nothing[TN_AEAD_TAG_LEN];
  TnMessageMacs macs;
} TnMessageResponse;

typedef struct
{
  guint8 type[4];
  guint8 receiver[4];
  guint8 nonce[TN_XAEAD_NONCE_LEN];
  guint8 enc_cookie[TN_MAC_LEN + TN_AEAD_TAG_LEN];
} TnMessageCookie;

/* The sealed packet follows. */
typedef struct
{
  guint8 type[4];
  guint8 receiver[4];
  guint8 counter[8];
} TnMessageData;

G_STATIC_ASSERT (sizeof (TnMessageInitiation) == 148);
G_STATIC_ASSERT (sizeof (TnMessageResponse) == 92);
G_STATIC_ASSERT (sizeof (TnMessageCookie) == 64);
G_STATIC_ASSERT (sizeof (TnMessageData) == 16);

#define TN_MESSAGE_DATA_MIN  (sizeof (TnMessageData) + TN_AEAD_TAG_LEN)     /* a keep-alive */
#define TN_MESSAGE_PADDING   16

#define TN_SECOND_US ((gint64) G_USEC_PER_SEC)

#define TN_REKEY_AFTER_MESSAGES   (G_GUINT64_CONSTANT (1) << 60)
#define TN_REJECT_AFTER_MESSAGES  (G_MAXUINT64 - (G_GUINT64_CONSTANT (1) << 13))     /* 2^64 - 2^13 - 1: a window below the end */
#define TN_REKEY_AFTER_TIME_US    (120 * TN_SECOND_US)
#define TN_REJECT_AFTER_TIME_US   (180 * TN_SECOND_US)
#define TN_REKEY_TIMEOUT_US       (5 * TN_SECOND_US)
#define TN_REKEY_JITTER_MAX_US    (TN_SECOND_US / 3)
#define TN_REKEY_ATTEMPTS_MAX     18                       /* 90 s in steps of 5 s */
#define TN_KEEPALIVE_TIMEOUT_US   (10 * TN_SECOND_US)
#define TN_INITIATION_GAP_US      (TN_SECOND_US / 50)
#define TN_COOKIE_LIFETIME_US     (120 * TN_SECOND_US)

G_END_DECLS
