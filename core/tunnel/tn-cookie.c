/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cookie.h"

#include "tn-reader.h"

#define LABEL_MAC1   "mac1----"
#define LABEL_COOKIE "cookie--"

/* Both handshake messages have it behind the type. */
#define SENDER_OFFSET G_STRUCT_OFFSET (TnMessageInitiation, sender)
G_STATIC_ASSERT (SENDER_OFFSET == G_STRUCT_OFFSET (TnMessageResponse, sender));

static void
label_key (guint8                 out[TN_HASH_LEN],
           const char            *label,
           const TnNodePublicKey *key)
{
  tn_hash (out, (const guint8 *) label, strlen (label), key->bytes, TN_KEY_LEN);
}

static gsize
mac1_offset (gsize len)
{
  return len - sizeof (TnMessageMacs) + G_STRUCT_OFFSET (TnMessageMacs, mac1);
}

static gsize
mac2_offset (gsize len)
{
  return len - sizeof (TnMessageMacs) + G_STRUCT_OFFSET (TnMessageMacs, mac2);
}

void
tn_cookie_checker_init (TnCookieChecker       *checker,
                        const TnNodePublicKey *own)
{
  label_key (checker->mac1_key, LABEL_MAC1, own);
  label_key (checker->cookie_key, LABEL_COOKIE, own);
  checker->secret_birth_us = G_MININT64;
}

gboolean
tn_cookie_checker_check_mac1 (const TnCookieChecker *checker,
                              const guint8          *message,
                              gsize                  len)
{
  guint8 mac[TN_MAC_LEN];

  tn_mac (mac, checker->mac1_key, sizeof checker->mac1_key, message, mac1_offset (len));
  return tn_bytes_equal (mac, message + mac1_offset (len), sizeof mac);
}

gboolean
tn_cookie_checker_check_mac2 (const TnCookieChecker *checker,
                              const guint8          *message,
                              gsize                  len,
                              const guint8          *source,
                              gsize                  source_len,
                              gint64                 now_us)
{
  guint8 cookie[TN_MAC_LEN];
  guint8 mac[TN_MAC_LEN];
  gboolean ok;

  if (tn_cookie_checker_is_stale (checker, now_us))
    return FALSE;

  tn_mac (cookie, checker->secret, sizeof checker->secret, source, source_len);
  tn_mac (mac, cookie, sizeof cookie, message, mac2_offset (len));
  ok = tn_bytes_equal (mac, message + mac2_offset (len), sizeof mac);
  explicit_bzero (cookie, sizeof cookie);
  return ok;
}

gboolean
tn_cookie_checker_is_stale (const TnCookieChecker *checker,
                            gint64                 now_us)
{
  return checker->secret_birth_us == G_MININT64 || now_us - checker->secret_birth_us > TN_COOKIE_LIFETIME_US;
}

void
tn_cookie_checker_set_secret (TnCookieChecker *checker,
                              const guint8     secret[TN_HASH_LEN],
                              gint64           now_us)
{
  memcpy (checker->secret, secret, sizeof checker->secret);
  checker->secret_birth_us = now_us;
}

void
tn_cookie_checker_reply (const TnCookieChecker *checker,
                         const guint8          *message,
                         gsize                  len,
                         const guint8          *source,
                         gsize                  source_len,
                         const guint8           nonce[TN_XAEAD_NONCE_LEN],
                         TnMessageCookie       *reply)
{
  guint8 cookie[TN_MAC_LEN];

  tn_put_u32le (reply->type, TN_MESSAGE_TYPE_COOKIE);
  memcpy (reply->receiver, message + SENDER_OFFSET, sizeof reply->receiver);
  memcpy (reply->nonce, nonce, sizeof reply->nonce);

  tn_mac (cookie, checker->secret, sizeof checker->secret, source, source_len);
  tn_xaead_seal (checker->cookie_key, nonce, message + mac1_offset (len), TN_MAC_LEN, cookie, sizeof cookie, reply->enc_cookie);
  explicit_bzero (cookie, sizeof cookie);
}

void
tn_cookie_jar_init (TnCookieJar           *jar,
                    const TnNodePublicKey *peer)
{
  memset (jar, 0, sizeof *jar);
  label_key (jar->mac1_key, LABEL_MAC1, peer);
  label_key (jar->cookie_key, LABEL_COOKIE, peer);
}

void
tn_cookie_jar_add_macs (TnCookieJar *jar,
                        guint8      *message,
                        gsize        len,
                        gint64       now_us)
{
  guint8 *mac1 = message + mac1_offset (len);
  guint8 *mac2 = message + mac2_offset (len);

  tn_mac (mac1, jar->mac1_key, sizeof jar->mac1_key, message, mac1_offset (len));
  memcpy (jar->last_mac1, mac1, sizeof jar->last_mac1);
  jar->awaits_reply = TRUE;

  if (jar->has_cookie && now_us - jar->cookie_birth_us <= TN_COOKIE_LIFETIME_US)
    tn_mac (mac2, jar->cookie, sizeof jar->cookie, message, mac2_offset (len));
  else
    memset (mac2, 0, TN_MAC_LEN);
}

gboolean
tn_cookie_jar_consume (TnCookieJar           *jar,
                       const TnMessageCookie *reply,
                       gint64                 now_us)
{
  guint8 cookie[TN_MAC_LEN];

  if (!jar->awaits_reply ||
      !tn_xaead_open (jar->cookie_key, reply->nonce, jar->last_mac1, sizeof jar->last_mac1,
                      reply->enc_cookie, sizeof reply->enc_cookie, cookie))
    return FALSE;

  memcpy (jar->cookie, cookie, sizeof jar->cookie);
  jar->cookie_birth_us = now_us;
  jar->has_cookie = TRUE;
  jar->awaits_reply = FALSE;
  return TRUE;
}
