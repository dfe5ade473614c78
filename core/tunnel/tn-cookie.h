/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-messages.h"

G_BEGIN_DECLS

/* MACs of handshake messages, and cookies (WireGuard paper §5.4.4, §5.4.7). @message is a whole initiation or response, and @len
 * its size: the MACs are its end. */

/* For what others send to us. */
typedef struct
{
  guint8 mac1_key[TN_HASH_LEN];
  guint8 cookie_key[TN_HASH_LEN];
  guint8 secret[TN_HASH_LEN];
  gint64 secret_birth_us;
} TnCookieChecker;

void     tn_cookie_checker_init       (TnCookieChecker *checker, const TnNodePublicKey *own);

gboolean tn_cookie_checker_check_mac1 (const TnCookieChecker *checker, const guint8 *message, gsize len) G_GNUC_WARN_UNUSED_RESULT;
gboolean tn_cookie_checker_check_mac2 (const TnCookieChecker *checker, const guint8 *message, gsize len,
                                       const guint8 *source, gsize source_len, gint64 now_us) G_GNUC_WARN_UNUSED_RESULT;

/* A cookie outlives two minutes only if nobody asks for one: replies are made with a fresh secret. */
gboolean tn_cookie_checker_is_stale   (const TnCookieChecker *checker, gint64 now_us);
void     tn_cookie_checker_set_secret (TnCookieChecker *checker, const guint8 secret[TN_HASH_LEN], gint64 now_us);
void     tn_cookie_checker_reply      (const TnCookieChecker *checker, const guint8 *message, gsize len,
                                       const guint8 *source, gsize source_len, const guint8 nonce[TN_XAEAD_NONCE_LEN],
                                       TnMessageCookie *reply);

/* For what we send to one peer. */
typedef struct
{
  guint8   mac1_key[TN_HASH_LEN];
  guint8   cookie_key[TN_HASH_LEN];
  guint8   cookie[TN_MAC_LEN];
  guint8   last_mac1[TN_MAC_LEN];
  gint64   cookie_birth_us;
  gboolean has_cookie;
  gboolean awaits_reply;              /* last_mac1 was sent, and not answered by a cookie yet */
} TnCookieJar;

void     tn_cookie_jar_init           (TnCookieJar *jar, const TnNodePublicKey *peer);
void     tn_cookie_jar_add_macs       (TnCookieJar *jar, guint8 *message, gsize len, gint64 now_us);

/* One reply a message: a second one is refused. */
gboolean tn_cookie_jar_consume        (TnCookieJar *jar, const TnMessageCookie *reply, gint64 now_us) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
